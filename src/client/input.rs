//! What a user types, to a command: the same lines as in text mode, about the conversation that is
//! looked at.

use crate::client::session::event::Place;
use crate::dialect::{Decoder, Dialect, Request, Rules};
use crate::proto::command::{Command, Text};
use crate::proto::refusal::{Code, Refusal};

/// Reads a line and hands the command in it to `then`. `None` for a line that says nothing.
///
/// A command that is about a room and does not name one is about the current place; text typed in a
/// private conversation is a private message.
pub fn read<T>(
    line: &str,
    current: Option<&Place>,
    then: impl FnOnce(Result<Command<'_>, Refusal>) -> T,
) -> Option<T> {
    if line.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend(line.bytes().map(|byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }));
    bytes.push(b'\n');
    let rules = Rules { line_bytes_max: LINE_BYTES_MAX, json_bytes_max: LINE_BYTES_MAX, secret: false };
    let mut decoder = Decoder::new(Dialect::Text);
    let command = match decoder.decode(&bytes, &rules).request? {
        Request::Command(_, command) => about(command, current),
        Request::Refused(_, refusal) | Request::Error(refusal) => Err(refusal),
    };
    Some(then(command))
}

/// Fills in what a command is about.
fn about<'a>(mut command: Command<'a>, current: Option<&Place>) -> Result<Command<'a>, Refusal> {
    if let (Command::Say { room: None, text, me, .. }, Some(Place::Person(user))) = (&command, current) {
        let user = Text::Owned(user.shown().to_string());
        let text = if *me { format!("* {text}").into() } else { text.clone() };
        return Ok(Command::Msg { user, text });
    }
    match &mut command {
        Command::Ban { room, .. }
        | Command::Deop { room, .. }
        | Command::History { room, .. }
        | Command::Invite { room, .. }
        | Command::Kick { room, .. }
        | Command::Leave { room }
        | Command::Op { room, .. }
        | Command::Room { room, .. }
        | Command::Say { room, .. }
        | Command::Topic { room, .. }
        | Command::Unban { room, .. }
        | Command::Who { room, .. }
            if room.is_none() =>
        {
            let Some(Place::Room(name)) = current else {
                return Err(Refusal::new(Code::NoRoom, "join a room first, with /join ROOM"));
            };
            *room = Some(Text::Owned(name.shown().to_string()));
        }
        _ => {}
    }
    Ok(command)
}

/// Bytes of a line; more than one request can hold, which is refused where it is made.
const LINE_BYTES_MAX: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::wire::request;
    use crate::proto::name::{RoomName, UserName};

    #[track_caller]
    fn check(line: &str, current: Option<&Place>, expected: &str) {
        let read = read(line, current, |command| match command {
            Ok(command) => request::encode(1, &command).trim_end().to_owned(),
            Err(refusal) => refusal.code.to_string(),
        });
        assert_eq!(read.unwrap_or_default(), expected, "{line}");
    }

    #[test]
    fn lines_are_about_the_current_conversation() {
        let room = Place::Room(RoomName::parse("lobby").expect("a name"));
        let person = Place::Person(UserName::parse("bob").expect("a name"));
        check("hi", Some(&room), r#"{"id":1,"cmd":"say","room":"lobby","text":"hi"}"#);
        check("//hi", Some(&room), r#"{"id":1,"cmd":"say","room":"lobby","text":"/hi"}"#);
        check("/me waves", Some(&room), r#"{"id":1,"cmd":"say","room":"lobby","text":"waves","me":true}"#);
        check("hi", Some(&person), r#"{"id":1,"cmd":"msg","user":"bob","text":"hi"}"#);
        check("/me waves", Some(&person), r#"{"id":1,"cmd":"msg","user":"bob","text":"* waves"}"#);
        check(
            "/kick eve spam",
            Some(&room),
            r#"{"id":1,"cmd":"kick","user":"eve","room":"lobby","text":"spam"}"#,
        );
        check("/leave tea", Some(&room), r#"{"id":1,"cmd":"leave","room":"tea"}"#);
        check("/list", None, r#"{"id":1,"cmd":"list"}"#);
        check("hi", None, "no-room");
        check("/topic", Some(&person), "no-room");
        check("/nonsense", Some(&room), "unknown-command");
        check("/join", Some(&room), "missing-argument");
        check("a\nb", Some(&room), r#"{"id":1,"cmd":"say","room":"lobby","text":"a b"}"#);
        check("", Some(&room), "");
    }
}
