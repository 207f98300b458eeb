//! The commands about private messages and files that this program does itself: they never go to the
//! server as they are typed, because what they are about is not the server's business.

use std::borrow::Cow;

use crate::client::session::event::Place;
use crate::client::transfer::typed::{self, FileCommand};
use crate::dialect::help::Usage;
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::secret::Secret;

/// What a person wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Own {
    /// The devices of this account.
    Devices,
    /// Something about files.
    File(FileCommand),
    /// What these commands are, or one of them.
    Help(Option<&'static Usage>),
    /// A new identity for the account; only when it is confirmed.
    NewIdentity { confirmed: bool },
    /// Show a code for this device, or answer the one of a new device.
    Pair(Option<String>),
    /// Send without encryption, on purpose.
    Plain { user: UserName, text: String },
    /// The identity from the recovery key.
    Recover(Option<Secret>),
    /// Show the recovery key.
    Recovery,
    /// One of this account's devices goes.
    Revoke(u32),
    /// Search private messages: with one person, or with all.
    Search { user: Option<UserName>, words: String },
    /// Agree to an identity that changed.
    Trust(UserName),
    /// Show the safety number, or compare what the other has shown.
    Verify { user: UserName, shown: Option<String> },
}

impl Own {
    /// Whom it is about.
    pub fn user(&self) -> Option<UserName> {
        match self {
            Own::Plain { user, .. } | Own::Trust(user) | Own::Verify { user, .. } => Some(user.clone()),
            Own::File(FileCommand::Send { to: Place::Person(user), .. }) => Some(user.clone()),
            Own::Search { user, .. } => user.clone(),
            _ => None,
        }
    }

    /// It may help where private messages are off.
    pub fn mends(&self) -> bool {
        matches!(self, Own::NewIdentity { .. } | Own::Pair(None) | Own::Recover(_))
    }
}

/// Reads a line. `None` if it is something else: a text, or a command of the server.
///
/// A command about a person that names none is about the conversation that is looked at.
pub fn read(line: &str, current: Option<&Place>) -> Option<Result<Own, Refusal>> {
    let line = line.trim();
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let name = command.strip_prefix('/')?.to_ascii_lowercase();
    if name == "help" {
        let topic = rest.strip_prefix('/').unwrap_or(rest);
        return usage(topic).map(|usage| Ok(Own::Help(Some(usage))));
    }
    let person = match current {
        Some(Place::Person(user)) => Some(user),
        _ => None,
    };
    if name == "search" {
        // In a room, this is the server's.
        let user = person?.clone();
        let words = rest.to_owned();
        return Some(if words.is_empty() {
            Err(missing("search", "WORDS"))
        } else {
            Ok(Own::Search { user: Some(user), words })
        });
    }
    if let Some(about_files) = typed::read(line, current) {
        return Some(about_files.map(Own::File));
    }
    let usage = usage(&name)?;
    Some(parse(usage, rest, person))
}

fn parse(usage: &'static Usage, rest: &str, person: Option<&UserName>) -> Result<Own, Refusal> {
    let lacks = || missing(usage.name, usage.arguments);
    let (first, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let more = more.trim();
    match usage.name {
        "devices" => Ok(Own::Devices),
        "newidentity" => Ok(Own::NewIdentity { confirmed: rest.eq_ignore_ascii_case("yes") }),
        "pair" => Ok(Own::Pair(Some(rest.to_owned()).filter(|code| !code.is_empty()))),
        "plain" if more.is_empty() => Err(lacks()),
        "plain" => Ok(Own::Plain { user: UserName::parse(first)?, text: more.to_owned() }),
        "recover" => Ok(Own::Recover(Some(rest).filter(|key| !key.is_empty()).map(Secret::new))),
        "recovery" => Ok(Own::Recovery),
        "revoke" => {
            let number = first.parse().ok().filter(|&number| number > 0);
            number.map(Own::Revoke).ok_or_else(|| {
                let text = "which device? /devices lists them by number: /revoke DEVICE";
                Refusal::new(if first.is_empty() { Code::MissingArgument } else { Code::BadArgument }, text)
            })
        }
        "searchall" if rest.is_empty() => Err(lacks()),
        "searchall" => Ok(Own::Search { user: None, words: rest.to_owned() }),
        "trust" => Ok(Own::Trust(whom(first, person, lacks)?)),
        _ => {
            // In a private conversation, what the other has shown can stand alone.
            let (user, shown) = if is_shown(rest) { ("", rest) } else { (first, more) };
            let shown = Some(shown.to_owned()).filter(|shown| !shown.is_empty());
            Ok(Own::Verify { user: whom(user, person, lacks)?, shown })
        }
    }
}

/// A paste form, sixty digits, or that they are the same: not somebody's name.
fn is_shown(text: &str) -> bool {
    let digits = || text.chars().filter(|c| !c.is_whitespace() && *c != '-');
    let number = digits().count() == SAFETY_NUMBER_DIGITS && digits().all(|c| c.is_ascii_digit());
    number || text.starts_with(PASTE) || text.eq_ignore_ascii_case(SAME)
}

fn whom(name: &str, person: Option<&UserName>, lacks: impl FnOnce() -> Refusal) -> Result<UserName, Refusal> {
    match (name, person) {
        ("", Some(person)) => Ok(person.clone()),
        ("", None) => Err(lacks()),
        (name, _) => UserName::parse(name),
    }
}

fn missing(name: &str, arguments: &str) -> Refusal {
    Refusal::new(Code::MissingArgument, Cow::Owned(format!("usage: /{name} {arguments}")))
}

/// One of these commands, by its name in any case.
pub fn usage(name: &str) -> Option<&'static Usage> {
    USAGES.iter().find(|usage| usage.name.eq_ignore_ascii_case(name))
}

/// What people read about them, in the order of use.
pub const USAGES: [Usage; 15] = [
    typed::SEND,
    typed::ACCEPT,
    typed::DECLINE,
    typed::FILES,
    typed::CANCEL,
    own("verify", "USER [SHOWN]", "compare somebody's keys: see /verify USER"),
    own("trust", "USER", "agree to changed keys without comparing"),
    own("plain", "USER TEXT", "a private message without encryption"),
    own("searchall", "WORDS", "search all private messages kept here"),
    own("devices", "", "your devices that read private messages"),
    own("revoke", "DEVICE", "one of them reads no more"),
    own("pair", "[CODE]", "get keys from another device, or give them"),
    own("recovery", "", "show the key that stands in for devices"),
    own("recover", "[KEY]", "get your keys from the recovery key"),
    own("newidentity", "[yes]", "the last resort; the others are warned"),
];

const fn own(name: &'static str, arguments: &'static str, text: &'static str) -> Usage {
    Usage { name, arguments, text }
}

/// What a paste form begins with.
const PASTE: &str = "sotto:";
/// More than any name has.
const SAFETY_NUMBER_DIGITS: usize = 60;
/// What somebody types who has compared the digits by eye or ear.
pub const SAME: &str = "same";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::name::RoomName;

    fn person(name: &str) -> UserName {
        UserName::parse(name).expect("a name")
    }

    #[test]
    fn commands_are_about_whom_they_name_or_who_is_looked_at() {
        let with_bob = Place::Person(person("bob"));
        let room = Place::Room(RoomName::parse("lobby").expect("a name"));
        let verify = |user: &str, shown: Option<&str>| Own::Verify {
            user: person(user),
            shown: shown.map(str::to_owned),
        };
        let digits = ["01234"; 12].join(" ");
        let all_digits = format!("/verify {digits}");
        let search =
            |user: Option<&str>, words: &str| Own::Search { user: user.map(person), words: words.to_owned() };
        let cases = [
            ("/verify carol", Some(verify("carol", None))),
            ("/VERIFY  carol  sotto:1:7:abc ", Some(verify("carol", Some("sotto:1:7:abc")))),
            ("/verify", Some(verify("bob", None))),
            ("/verify sotto:1:7:abc", Some(verify("bob", Some("sotto:1:7:abc")))),
            ("/verify same", Some(verify("bob", Some("same")))),
            ("/verify carol same", Some(verify("carol", Some("same")))),
            (&all_digits, Some(verify("bob", Some(&digits)))),
            ("/verify 01234", Some(verify("01234", None))),
            ("/trust", Some(Own::Trust(person("bob")))),
            (
                "/plain carol hi  there",
                Some(Own::Plain { user: person("carol"), text: "hi  there".to_owned() }),
            ),
            ("/devices", Some(Own::Devices)),
            ("/revoke 3", Some(Own::Revoke(3))),
            ("/pair", Some(Own::Pair(None))),
            ("/pair sotto-pair:abc def", Some(Own::Pair(Some("sotto-pair:abc def".to_owned())))),
            ("/recovery", Some(Own::Recovery)),
            ("/recover abcde fghij", Some(Own::Recover(Some(Secret::new("abcde fghij"))))),
            ("/newidentity", Some(Own::NewIdentity { confirmed: false })),
            ("/newidentity yes", Some(Own::NewIdentity { confirmed: true })),
            ("/search bread and tea", Some(search(Some("bob"), "bread and tea"))),
            ("/searchall bread", Some(search(None, "bread"))),
            ("/help verify", Some(Own::Help(usage("verify")))),
            ("/help /pair", Some(Own::Help(usage("pair")))),
            ("/help", None),
            ("/help join", None),
            ("/msg bob hi", None),
            ("verify", None),
            ("//verify", None),
        ];
        for (line, expected) in cases {
            let found = read(line, Some(&with_bob)).map(|own| own.expect(line));
            assert_eq!(found, expected, "{line}");
        }
        assert_eq!(read("/search bread", Some(&room)), None, "the server searches rooms");
        assert_eq!(read("/search bread", None), None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_told_with_the_usage() {
        let code = |line: &str, current: Option<&Place>| match read(line, current) {
            Some(Err(refusal)) => refusal.to_string(),
            other => panic!("{line}: {other:?}"),
        };
        for (line, expected) in [
            ("/verify", "missing-argument: usage: /verify USER [SHOWN]"),
            ("/verify sotto:1:7:abc", "missing-argument: usage: /verify USER [SHOWN]"),
            ("/trust", "missing-argument: usage: /trust USER"),
            ("/plain bob", "missing-argument: usage: /plain USER TEXT"),
            ("/searchall", "missing-argument: usage: /searchall WORDS"),
            ("/revoke", "missing-argument: which device? "),
            ("/revoke laptop", "bad-argument: which device? "),
            ("/revoke 0", "bad-argument: which device? "),
            ("/trust no/name", "bad-name: "),
        ] {
            let found = code(line, None);
            assert!(found.starts_with(expected), "{line}: {found}");
        }
    }
}
