//! What people read about identities, devices and keys, as lines of text: the same in plain mode, on
//! the screen and from commands. Lines are short enough for a narrow terminal where they hold what is
//! compared.

use crate::client::private::{Off, OwnDevice, State};
use crate::client::session::Session;
use crate::e2e::fingerprint::{Fingerprint, SafetyNumber};
use crate::e2e::trust::{Standing, Trust};
use crate::proto::name::UserName;
use crate::proto::time::Timestamp;

/// Why private messages cannot be sent now, and what helps; `None` if they can.
pub fn why_off(session: &Session) -> Option<String> {
    let text = match session.private().map(|private| private.state()) {
        None => match session.private_off() {
            Some(why) => why,
            None if session.is_guest() => "guests have no keys; log in to an account for encrypted messages",
            None => "this program has no keys",
        },
        Some(State::NeedsPairing { .. }) => {
            "this account has keys that are not on this device: /pair brings them from another device, \
             /recover from the recovery key, and as the last resort /newidentity replaces them"
        }
        Some(State::Off(off)) => match off {
            Off::Detached => "another connection reads the messages of this device, or it was revoked",
            Off::Guest => "guests have no keys; log in to an account for encrypted messages",
            Off::OtherAccount => {
                "the keys on this disk are those of an earlier account of this name; /newidentity"
            }
            Off::OtherIdentity => {
                "this account has another identity now: /pair or /recover take it over, if it is yours"
            }
            Off::Refused(_) => "the server has refused; see the lines of the server",
            Off::ServerTooOld => "this server knows of no encryption",
        },
        Some(State::Offline | State::Ready | State::Starting) => return None,
    };
    Some(format!("private-off: {text}"))
}

/// Private messages could be encrypted in this run, and are off instead.
pub fn is_off(session: &Session) -> bool {
    let state = session.private().map(|private| private.state());
    match state {
        None => session.private_off().is_some(),
        Some(State::Off(off)) => !matches!(off, Off::Guest | Off::ServerTooOld),
        Some(State::NeedsPairing { .. }) => true,
        Some(State::Offline | State::Ready | State::Starting) => false,
    }
}

/// There is nobody to compare with.
pub fn no_identity(user: &UserName) -> String {
    format!("no-identity: {user} has no keys that are known here: a guest, or nobody who uses sotto")
}

/// What a new identity means, before it is made.
pub fn new_identity() -> Vec<String> {
    [
        "A new identity is the last resort: all devices and the recovery key are lost, or one was stolen.",
        "Everybody you talk to is warned, and has to compare or accept it before anything is sent to you.",
        "Your other devices read no more messages until they are paired anew.",
        "If you want that: /newidentity yes",
    ]
    .map(str::to_owned)
    .into()
}

/// The safety number of two people, and what to do with it.
pub fn verification(me: &str, user: &str, number: SafetyNumber, paste: &str, trust: &Trust) -> Vec<String> {
    let mut lines = vec![format!("the safety number of you and {user}, {}:", standing(trust))];
    lines.extend(groups(&number.to_string()));
    lines.extend([
        format!("{user} sees the same sixty digits with /verify {me}, if nobody stands between you."),
        "Compare them where the server cannot listen in and answer: face to face, or on the telephone."
            .to_owned(),
        format!("All the same: /verify {user} same"),
        "Programs compare better than people. Send this by another way, and ask for the other's:".to_owned(),
        format!("    {paste}"),
        format!("What comes back from {user}: /verify {user} sotto:1:..."),
    ]);
    lines
}

/// The devices of this account.
pub fn devices(devices: &[OwnDevice], fingerprint: Option<Fingerprint>) -> Vec<String> {
    let mut lines = vec!["your devices that read private messages:".to_owned()];
    for OwnDevice { device, name, since, seen, here } in devices {
        let mut line = format!("    {device} {name}");
        if let Some(since) = since {
            line.push_str(&format!(", since {}", day(*since)));
        }
        line.push_str(&match seen {
            _ if *here => ", this one".to_owned(),
            Some(seen) => format!(", last seen {}", day(*seen)),
            None => ", never seen".to_owned(),
        });
        lines.push(line);
    }
    match devices.len() {
        0 => lines.push("    none yet".to_owned()),
        1 => {}
        _ => lines.push("/revoke DEVICE ends one; a stolen one needs /newidentity as well".to_owned()),
    }
    lines.extend(fingerprint.map(account).into_iter().flatten());
    lines
}

/// The fingerprint of this account: the same on all of its devices.
pub fn account(fingerprint: Fingerprint) -> Vec<String> {
    vec![
        "the fingerprint of your account, the same on all your devices:".to_owned(),
        format!("    {fingerprint}"),
    ]
}

/// The code of a new device, and what to do with it.
pub fn pairing(code: &str) -> Vec<String> {
    vec![
        "on a device of yours that reads private messages already, within ten minutes, type:".to_owned(),
        format!("    /pair {code}"),
        "The code is good once. Nothing is secret about it, but it has to be this one.".to_owned(),
    ]
}

/// The recovery key, and what it is.
pub fn recovery(key: &str) -> Vec<String> {
    let mut lines =
        vec!["the recovery key of your account; write it down, on paper, and show it to nobody:".to_owned()];
    let words: Vec<&str> = key.split(' ').collect();
    lines.extend(words.chunks(WORDS_IN_LINE).map(|words| format!("    {}", words.join(" "))));
    lines.push(
        "With it and your password, /recover brings your identity to a new device when all others".to_owned(),
    );
    lines.push("are lost. Whoever else has it can pose as you.".to_owned());
    lines
}

fn standing(trust: &Trust) -> &'static str {
    match trust {
        Trust::Known { standing: Standing::Pinned, .. } => "not compared yet",
        Trust::Known { standing: Standing::Verified, .. } => "verified",
        Trust::Changed { .. } => "CHANGED and not compared",
    }
}

/// Digits in lines that are read out in one breath.
fn groups(number: &str) -> Vec<String> {
    let groups: Vec<&str> = number.split(' ').collect();
    groups.chunks(GROUPS_IN_LINE).map(|groups| format!("    {}", groups.join(" "))).collect()
}

fn day(at: Timestamp) -> String {
    at.rfc3339().split('T').next().unwrap_or_default().to_owned()
}

const GROUPS_IN_LINE: usize = 4;
const WORDS_IN_LINE: usize = 6;
