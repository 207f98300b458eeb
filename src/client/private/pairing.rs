//! A new device gets the account's identity: from a device that has it, or from the recovery key.
//!
//! ```text
//! new device  NeedsPairing ─► a code on its screen ─► the answer comes ─► enrols
//! old device  the code is typed ─► answers through the server
//! ```

use std::time::Duration;

use crate::client::private::account::Account;
use crate::client::private::{Asked, Off, Private, Stage};
use crate::client::scrollback::Kind;
use crate::client::wire::keys;
use crate::e2e::address::Millis;
use crate::e2e::error::Error;
use crate::e2e::identity::Identity;
use crate::e2e::pairing::{CODE_AGE_MS_MAX, PairingCode, PairingSecret, TrustEntry};
use crate::e2e::recovery;
use crate::proto::command::Command;
use crate::proto::keys::Sealed;
use crate::proto::time::{Instant, Now};

/// A code that was shown and not answered.
pub(super) struct Pairing {
    secret: PairingSecret,
    pub code: String,
    pub until: Instant,
}

/// Why something about this account's identity cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unable {
    /// Only while connected and logged in to an account.
    NotNow,
    /// This device has the account's identity already.
    NotNeeded,
    /// What was typed is no code, or no recovery key: a letter is wrong.
    Unreadable,
    /// It belongs to another identity than the account's.
    WrongIdentity,
    /// This is the device one sits at.
    ThisDevice,
}

impl std::fmt::Display for Unable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unable::NotNow => "offline: only while connected to an account, with private messages on",
            Unable::NotNeeded => "not-needed: this device has the account's identity",
            Unable::Unreadable => "bad-argument: a letter of it is wrong or missing",
            Unable::WrongIdentity => "wrong-identity: this is the key of another identity than the account's",
            Unable::ThisDevice => "bad-argument: this is the device you are using",
        })
    }
}

impl std::error::Error for Unable {}

impl Private {
    /// The new device's side: a code to be typed on a device that has the identity, good for ten minutes.
    pub(in crate::client) fn pair(&mut self, now: Now) -> Result<String, Unable> {
        self.can_take_identity()?;
        let secret = PairingSecret::generate(Millis(now.wall.0), &mut self.random);
        let code = secret.code().to_string();
        let until = now.mono + Duration::from_millis(CODE_AGE_MS_MAX);
        self.pairing = Some(Pairing { secret, code: code.clone(), until });
        self.changed(None);
        Ok(code)
    }

    fn can_take_identity(&self) -> Result<(), Unable> {
        match self.stage {
            Stage::NeedsPairing | Stage::Off(Off::OtherIdentity) => Ok(()),
            Stage::Ready => Err(Unable::NotNeeded),
            _ => Err(Unable::NotNow),
        }
    }

    pub(super) fn expire_pairing(&mut self, now: Now) {
        if self.pairing.take_if(|pairing| now.mono >= pairing.until).is_some() {
            self.note_server(now, Kind::Notice, "the code has expired; /pair shows another one");
            self.changed(None);
        }
    }

    /// The event `pair`: meant for whichever session of this account has shown a code.
    pub(in crate::client) fn handle_pair_answer(&mut self, now: Now, answer: &[u8]) {
        let (Some(uid), Some(pairing)) = (self.account_uid, self.pairing.take()) else { return };
        self.changed(None);
        let opened = pairing.secret.open(uid, answer, Millis(now.wall.0));
        let taken = opened.map(|paired| (*paired.identity.public(), paired));
        match taken {
            Ok((identity, paired)) if Some(identity) == self.other_identity => {
                self.adopt(now, paired.identity, paired.trust);
            }
            Ok(_) => {
                let text = "identity-changed: the answer brought another identity than the account has: \
                            it was not from a device of yours. Nothing was taken over";
                self.note_server(now, Kind::Error, text);
            }
            Err(error) => {
                let why = if error == Error::UnknownPrekey {
                    "the code has expired"
                } else {
                    "it was meant for another code"
                };
                let text = format!("the answer could not be opened: {why}; /pair shows another code");
                self.note_server(now, Kind::Error, &text);
            }
        }
    }

    /// The old device's side: gives the identity, and what is known of others, to whoever has shown this
    /// code.
    pub(in crate::client) fn pair_with(&mut self, code: &str) -> Result<(), Unable> {
        if self.stage != Stage::Ready {
            return Err(Unable::NotNow);
        }
        let code = PairingCode::parse(code).map_err(|_| Unable::Unreadable)?;
        let trust = self.known_identities(TRUST_SENT_MAX);
        let Some(account) = &self.account else { return Err(Unable::NotNow) };
        let answer = code
            .answer(account.uid, &account.identity, &trust, &mut self.random)
            .map_err(|_| Unable::Unreadable)?;
        self.ask(Command::Pair { answer: Sealed(answer.into()) }, Asked::Pair);
        Ok(())
    }

    pub(super) fn handle_relayed(&mut self, now: Now, relayed: &keys::Relayed) {
        let digits = self.fingerprint().map(|digits| digits.to_string()).unwrap_or_default();
        let text = match relayed.sessions {
            0 => "no other session of this account is connected: start sotto on the new device first"
                .to_owned(),
            _ => format!("the identity was sent. The new device must show these digits: {digits}"),
        };
        let kind = if relayed.sessions == 0 { Kind::Error } else { Kind::Notice };
        self.note_server(now, kind, &text);
    }

    /// The identity from the recovery key, in place of another device.
    pub(in crate::client) fn recover(&mut self, now: Now, key: &str) -> Result<(), Unable> {
        self.can_take_identity()?;
        let identity = recovery::read_recovery_key(key).map_err(|_| Unable::Unreadable)?;
        if Some(*identity.public()) != self.other_identity {
            return Err(Unable::WrongIdentity);
        }
        self.adopt(now, identity, Vec::new());
        Ok(())
    }

    /// This device has the account's identity from now on.
    fn adopt(&mut self, now: Now, identity: Identity, trust: Vec<TrustEntry>) {
        let Some(uid) = self.account_uid else { return };
        self.forget_device();
        self.pairing = None;
        self.other_identity = None;
        self.account = Some(Account { uid, identity, published: true });
        self.dirty.account = true;
        self.take_decisions(now, trust);
        let digits = self.fingerprint().map(|digits| digits.to_string()).unwrap_or_default();
        let text = format!(
            "this device has the account's identity now. The other one must show these digits: {digits}"
        );
        self.note_server(now, Kind::Notice, &text);
        self.enroll(now);
    }
}

/// Known identities that go along. The server relays 48,000 bytes of base64, which are 36,000 bytes; an
/// identity is 41, and the rest some hundred.
const TRUST_SENT_MAX: usize = 800;
