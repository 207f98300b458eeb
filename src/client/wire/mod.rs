//! JSON lines as the client sees them: requests to bytes, lines to replies and events.
//!
//! What comes from the server is not trusted. Every text is sanitised while it is decoded (see
//! [`Clean`]), unknown fields and events are let pass, and a line that cannot be read is an [`Odd`],
//! never a panic. A reply is decoded in two steps: [`head`] tells whose reply it is, and who asked
//! knows what to expect inside ([`ok`]).

pub mod files;
pub mod keys;
pub mod request;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::proto::refusal::Code;
use crate::proto::secret::Secret;
use crate::proto::text::sanitise;
use crate::proto::time::Timestamp;

/// The version of the protocol this client speaks.
pub const VERSION: i64 = 1;

/// A line that is no reply and no event of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Odd;

/// What a line is, before its contents are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    Event {
        ev: Box<str>,
        kind: Box<str>,
    },
    /// The reply to a request, or its refusal.
    Reply {
        re: i64,
        refused: Option<Refused>,
    },
}

/// A refusal as it came: the code may be newer than this client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refused {
    pub code: Clean,
    #[serde(default)]
    pub text: Clean,
}

impl Refused {
    /// Whether it is this code.
    pub fn is(&self, code: Code) -> bool {
        *self.code.0 == *code.as_str()
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// Text from the server in one line, with nothing left in it that could steer a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clean(pub Box<str>);

/// The text of a message or a notice: sanitised too, but it may have several lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body(pub Box<str>);

/// A time on the wire; a server that sends none or a broken one gets 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time(pub Timestamp);

/// Reads what a line is.
pub fn head(line: &[u8]) -> Result<Head, Odd> {
    #[derive(Deserialize)]
    struct Raw {
        re: Option<i64>,
        err: Option<Refused>,
        ev: Option<Box<str>>,
        #[serde(default)]
        kind: Option<Box<str>>,
    }
    match serde_json::from_slice(line) {
        Ok(Raw { re: Some(re), err, .. }) => Ok(Head::Reply { re, refused: err }),
        Ok(Raw { ev: Some(ev), kind, .. }) => Ok(Head::Event { ev, kind: kind.unwrap_or_default() }),
        Ok(Raw { .. }) | Err(_) => Err(Odd),
    }
}

/// Reads the contents of an affirmative reply.
pub fn ok<T: DeserializeOwned>(line: &[u8]) -> Result<T, Odd> {
    #[derive(Deserialize)]
    struct Reply<T> {
        ok: T,
    }
    serde_json::from_slice(line).map(|reply: Reply<T>| reply.ok).map_err(|_| Odd)
}

/// Reads the contents of an event.
pub fn event<T: DeserializeOwned>(line: &[u8]) -> Result<T, Odd> {
    serde_json::from_slice(line).map_err(|_| Odd)
}

/// The reply to `nick`, `login` and `register`.
#[derive(Debug, Deserialize)]
pub struct Named {
    pub user: Clean,
    #[serde(default, deserialize_with = "secret")]
    pub token: Option<Secret>,
    /// Rooms this user is a member of already.
    #[serde(default)]
    pub rooms: Vec<Clean>,
}

/// The reply to `hello`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Hello {
    pub server: Clean,
    pub name: Clean,
}

/// The reply to `join`, and the notice that another session joined.
#[derive(Debug, Deserialize)]
pub struct RoomView {
    pub room: Clean,
    #[serde(default)]
    pub topic: Option<Clean>,
    #[serde(default)]
    pub members: Vec<Clean>,
    #[serde(default)]
    pub seq: u64,
    #[serde(default)]
    pub messages: Vec<Message>,
}

/// One message of a room, in an event or a page; `room` is left out where it is clear.
#[derive(Clone, Debug, Deserialize)]
pub struct Message {
    #[serde(default)]
    pub room: Option<Clean>,
    pub from: Clean,
    #[serde(default)]
    pub seq: u64,
    #[serde(default)]
    pub ts: Time,
    pub text: Body,
    #[serde(default)]
    pub me: bool,
}

/// A private message, received or sent by another session of this user.
#[derive(Clone, Debug, Deserialize)]
pub struct Private {
    pub from: Clean,
    pub to: Clean,
    #[serde(default)]
    pub ts: Time,
    pub text: Body,
}

/// The replies to `history` and `search`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Page {
    pub messages: Vec<Message>,
    pub more: bool,
}

/// The reply to `say`.
#[derive(Debug, Deserialize)]
pub struct Said {
    pub seq: u64,
    #[serde(default)]
    pub ts: Time,
}

/// The reply to `msg`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sent {
    pub to: Clean,
    pub ts: Time,
    /// The reader is not connected; the message waits for the next login.
    pub kept: bool,
}

/// Any event of kind `notice`, and `error`: which fields are there depends on the kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Notice {
    pub room: Option<Clean>,
    pub user: Option<Clean>,
    pub by: Option<Clean>,
    pub from: Option<Clean>,
    pub to: Option<Clean>,
    pub text: Option<Body>,
    pub topic: Option<Clean>,
    pub access: Option<Clean>,
    pub code: Option<Clean>,
    pub joined: Vec<Clean>,
    pub left: Vec<Clean>,
}

/// The reply to `list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Users {
    pub users: Vec<User>,
    pub more: bool,
}

/// The reply to `who`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Members {
    pub room: Clean,
    pub members: Vec<User>,
    pub more: bool,
}

/// A user who is online, or a member of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct User {
    pub user: Clean,
    pub status: Clean,
    pub text: Option<Clean>,
    pub guest: bool,
    pub operator: bool,
}

/// The reply to `rooms`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Rooms {
    pub rooms: Vec<RoomLine>,
    pub more: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RoomLine {
    pub room: Clean,
    pub topic: Option<Clean>,
    pub members: u32,
    pub access: Clean,
}

/// The reply to `whois`; without `online`, not connected or hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Whois {
    pub user: Clean,
    pub guest: bool,
    pub online: bool,
    pub status: Option<Clean>,
    pub text: Option<Clean>,
    pub rooms: Vec<Clean>,
    pub since: Option<Time>,
    pub secure: bool,
}

/// The reply to `topic`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Topic {
    pub room: Clean,
    pub topic: Option<Clean>,
}

/// The reply to `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Status {
    pub status: Clean,
    pub text: Option<Clean>,
}

impl std::ops::Deref for Clean {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Clean {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Clean {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Clean, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Clean(sanitise(&text).into()))
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Body(clean_body(&text)))
    }
}

/// Sanitises each line of a text; CR LF ends a line like LF.
pub fn clean_body(text: &str) -> Box<str> {
    let lines: Vec<_> = text.split('\n').map(sanitise).collect();
    lines.join("\n").into()
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Time(Timestamp::parse_rfc3339(&text).unwrap_or_default()))
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_head(line: &str, expected: Result<Head, Odd>) {
        assert_eq!(head(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn heads_are_told_apart() {
        check_head(r#"{"re":3,"ok":{"seq":1}}"#, Ok(Head::Reply { re: 3, refused: None }));
        let refused = Refused { code: Clean("too-fast".into()), text: Clean("slow down".into()) };
        check_head(
            r#"{"re":3,"err":{"code":"too-fast","text":"slow\u202e down\u001b[2J"},"new":[1]}"#,
            Ok(Head::Reply { re: 3, refused: Some(refused) }),
        );
        check_head(
            r#"{"ev":"notice","kind":"join","room":5}"#,
            Ok(Head::Event { ev: "notice".into(), kind: "join".into() }),
        );
        for odd in
            ["", "{}", "[]", "null", "{\"re\":\"x\"}", "{\"re\":1e99}", "{\"ev\":1}", "\u{1}", "{\"re\":1"]
        {
            check_head(odd, Err(Odd));
        }
    }

    #[test]
    fn texts_of_others_are_sanitised_while_decoding() {
        let line =
            br#"{"ev":"message","from":"m\u001b[1mal\n","text":"a\u001b[31m\r\nb\u202e\tc","seq":4,"ts":"x"}"#;
        let message: Message = event(line).expect("a message");
        assert_eq!(&*message.from, "mal");
        assert!(!message.text.0.contains(['\u{1b}', '\r', '\u{202e}']));
        assert_eq!(message.text.0.lines().count(), 2);
        assert_eq!(message.ts, Time::default());
    }
}
