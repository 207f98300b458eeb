//! How people talk to the server: in our text mode, or in IRC to other programs that are measured beside it.

use crate::ledger::around_room;
use crate::people::contains;
use crate::swarm::Answer;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tongue {
    /// The text mode of `sottod`.
    #[default]
    Text,
    /// RFC 1459, without its rarer words.
    Irc,
}

/// What a line means to somebody who is coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Arrived,
    Refused,
    Nothing,
}

impl Tongue {
    /// What somebody says at once who comes into a room, with line ends.
    pub fn hello(self, name: &str, room: &str) -> String {
        match self {
            Tongue::Text => format!("/nick {name}\n/join {room}\n"),
            // The room has to wait until the server knows the name.
            Tongue::Irc => format!("NICK {name}\r\nUSER {name} 0 * :{name}\r\n"),
        }
    }

    /// What tells [`Tongue::sign`] that somebody is in the room.
    pub fn welcome(self, room: &str) -> String {
        match self {
            Tongue::Text => "you are in".into(),
            Tongue::Irc => room.into(),
        }
    }

    /// What a line means to somebody who is coming; says what there is to say next.
    pub fn sign(self, line: &[u8], welcome: &str, answer: &mut Answer) -> Sign {
        match self {
            Tongue::Text if line.starts_with(b"!!!") => Sign::Refused,
            Tongue::Text if line.starts_with(b"*** ") && contains(line, welcome.as_bytes()) => Sign::Arrived,
            Tongue::Text => Sign::Nothing,
            Tongue::Irc if line.starts_with(b"ERROR") => Sign::Refused,
            Tongue::Irc if is_numeric(line, b"366") => Sign::Arrived,
            Tongue::Irc => {
                if is_numeric(line, b"001") {
                    answer.bytes.extend_from_slice(format!("JOIN {welcome}\r\n").as_bytes());
                }
                Sign::Nothing
            }
        }
    }

    /// What has to stand before a message for a room, and how much the server puts around it.
    pub fn around(self, room: &str, name: &str) -> (String, usize) {
        match self {
            Tongue::Text => (String::new(), around_room(room, name)),
            Tongue::Irc => {
                let shown = format!(":{name}!~{name}@127.0.0.1 PRIVMSG {room} :\r");
                (format!("PRIVMSG {room} :"), shown.len())
            }
        }
    }
}

/// `:server NUMBER name ...`
fn is_numeric(line: &[u8], number: &[u8]) -> bool {
    line.split(|&byte| byte == b' ').nth(1) == Some(number)
}
