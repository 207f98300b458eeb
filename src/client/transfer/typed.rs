//! What a user types about files, to commands. They never go to the server as they are typed.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::client::session::event::Place;
use crate::dialect::help::Usage;
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};

/// What a user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileCommand {
    /// Fetch a file that was offered: this one, or the only one of this sender or of all.
    Accept { number: Option<u64>, from: Option<UserName>, into: Option<PathBuf> },
    /// End a transfer.
    Cancel { number: u64 },
    /// The same as with accepting.
    Decline { number: Option<u64>, from: Option<UserName> },
    /// Show what is on its way, and what was offered.
    List,
    /// Send a file to a person, or to those in a room.
    Send { to: Place, path: PathBuf },
}

/// Reads a line. `None` if it is about something else.
///
/// In a conversation a file is sent to those in it, unless somebody is named; and what is to be accepted
/// is what the other one has offered.
pub fn read(line: &str, current: Option<&Place>) -> Option<Result<FileCommand, Refusal>> {
    let line = line.trim();
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let usage = usage(command.strip_prefix('/')?)?;
    Some(parse(usage, rest.trim(), current))
}

fn parse(usage: &Usage, rest: &str, current: Option<&Place>) -> Result<FileCommand, Refusal> {
    let from = match current {
        Some(Place::Person(user)) => Some(user.clone()),
        _ => None,
    };
    let number = |word: &str| word.parse::<u64>().ok();
    let (first, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match (usage.name, number(first)) {
        ("accept", Some(number)) => {
            Ok(FileCommand::Accept { number: Some(number), from, into: path(more.trim()) })
        }
        ("accept", None) => Ok(FileCommand::Accept { number: None, from, into: path(rest) }),
        ("cancel", Some(number)) => Ok(FileCommand::Cancel { number }),
        ("decline", Some(number)) => Ok(FileCommand::Decline { number: Some(number), from }),
        ("decline", None) if rest.is_empty() => Ok(FileCommand::Decline { number: None, from }),
        ("files", _) => Ok(FileCommand::List),
        ("send", _) => send(usage, rest, current),
        _ => Err(lacks(usage)),
    }
}

/// `/send USER FILE`, or `/send FILE` in a conversation. One word is a file, and so is what stands in
/// quotation marks: names have no spaces, paths may.
fn send(usage: &Usage, rest: &str, current: Option<&Place>) -> Result<FileCommand, Refusal> {
    let (user, file) = match rest.split_once(char::is_whitespace) {
        Some((user, file)) if !rest.starts_with(QUOTES) => (Some(user), file.trim()),
        _ => (None, rest),
    };
    let path = path(file).ok_or_else(|| lacks(usage))?;
    let to = match (user, current) {
        (Some(user), _) => Place::Person(UserName::parse(user)?),
        (None, Some(place @ (Place::Person(_) | Place::Room(_)))) => place.clone(),
        (None, _) => return Err(lacks(usage)),
    };
    Ok(FileCommand::Send { to, path })
}

/// A path as it is typed: in quotation marks or without, `~` for the user's own directory.
fn path(text: &str) -> Option<PathBuf> {
    let text =
        QUOTES.iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(text);
    let at_home = text == "~" || text.starts_with("~/");
    match std::env::home_dir().filter(|_| at_home) {
        Some(home) => Some(home.join(text.trim_start_matches('~').trim_start_matches('/'))),
        None => Some(PathBuf::from(text)).filter(|path| !path.as_os_str().is_empty()),
    }
}

fn lacks(usage: &Usage) -> Refusal {
    Refusal::new(Code::MissingArgument, Cow::Owned(format!("usage: /{} {}", usage.name, usage.arguments)))
}

/// One of these commands, by its name in any case.
pub fn usage(name: &str) -> Option<&'static Usage> {
    USAGES.iter().find(|usage| usage.name.eq_ignore_ascii_case(name))
}

/// What people read about them.
pub const USAGES: [Usage; 5] = [SEND, ACCEPT, DECLINE, FILES, CANCEL];

pub const SEND: Usage = usage_of("send", "[USER] FILE", "send a file; in a room to all in it");
pub const ACCEPT: Usage = usage_of("accept", "[N] [INTO]", "fetch a file that was offered");
pub const DECLINE: Usage = usage_of("decline", "[N]", "do not fetch it");
pub const FILES: Usage = usage_of("files", "", "files that are offered or on their way");
pub const CANCEL: Usage = usage_of("cancel", "N", "end a transfer");

const fn usage_of(name: &'static str, arguments: &'static str, text: &'static str) -> Usage {
    Usage { name, arguments, text }
}

const QUOTES: [char; 2] = ['"', '\''];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::name::RoomName;

    fn bob() -> UserName {
        UserName::parse("bob").expect("a name")
    }

    fn person() -> Place {
        Place::Person(bob())
    }

    fn room() -> Place {
        Place::Room(RoomName::parse("kitchen").expect("a name"))
    }

    #[track_caller]
    fn check(line: &str, current: &Place, expected: FileCommand) {
        assert_eq!(read(line, Some(current)), Some(Ok(expected)), "{line}");
    }

    #[track_caller]
    fn check_refused(line: &str, current: Option<&Place>, expected: &str) {
        let refusal = read(line, current).expect("a command about files").expect_err("not whole");
        assert_eq!(refusal.to_string(), expected, "{line}");
    }

    #[test]
    fn files_go_to_whom_they_are_for() {
        let send = |to: Place, path: &str| FileCommand::Send { to, path: path.into() };
        check("/send a.pdf", &room(), send(room(), "a.pdf"));
        check("/send a.pdf", &person(), send(person(), "a.pdf"));
        check("/SEND bob a.pdf", &room(), send(person(), "a.pdf"));
        check("/send bob  my plans.pdf ", &Place::Server, send(person(), "my plans.pdf"));
        check("/send \"my plans.pdf\"", &room(), send(room(), "my plans.pdf"));
        check("/send bob 'my plans.pdf'", &room(), send(person(), "my plans.pdf"));
        check("/send \"it", &room(), send(room(), "\"it"));
        check_refused("/send a.pdf", None, "missing-argument: usage: /send [USER] FILE");
        check_refused("/send a.pdf", Some(&Place::Server), "missing-argument: usage: /send [USER] FILE");
        check_refused("/send", Some(&room()), "missing-argument: usage: /send [USER] FILE");
        assert!(matches!(read("/send b,b a.pdf", Some(&room())), Some(Err(_))), "not a name");
    }

    #[test]
    fn offers_are_named_by_number_or_by_their_conversation() {
        let accept = |number, from: Option<UserName>, into: Option<&str>| FileCommand::Accept {
            number,
            from,
            into: into.map(PathBuf::from),
        };
        check("/accept", &room(), accept(None, None, None));
        check("/accept", &person(), accept(None, Some(bob()), None));
        check("/accept 7", &person(), accept(Some(7), Some(bob()), None));
        check("/accept 7 my files", &room(), accept(Some(7), None, Some("my files")));
        check("/accept my files", &room(), accept(None, None, Some("my files")));
        check("/decline", &person(), FileCommand::Decline { number: None, from: Some(bob()) });
        check("/decline 7", &room(), FileCommand::Decline { number: Some(7), from: None });
        check("/cancel 7", &room(), FileCommand::Cancel { number: 7 });
        check("/files", &room(), FileCommand::List);
        check_refused("/cancel", Some(&room()), "missing-argument: usage: /cancel N");
        check_refused("/decline all", Some(&room()), "missing-argument: usage: /decline [N]");
    }

    #[test]
    fn everything_else_is_not_about_files() {
        for line in ["hello", "/list", "//send a", "/", "", "send a.pdf", "/sender x"] {
            assert_eq!(read(line, Some(&room())), None, "{line}");
        }
    }
}
