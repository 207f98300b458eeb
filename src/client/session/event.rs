//! What a session tells its user interface, as plain data.

use std::fmt;
use std::time::Duration;

use crate::client::scrollback::{Line, LineNumber};
use crate::client::transfer::ledger::news::News;
use crate::client::wire::Refused;
use crate::proto::event::Answer;
use crate::proto::name::{RoomName, UserName};
use crate::proto::secret::Secret;

/// Something to show or to act on. Lines are in the scrollback of their [`Place`] already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The outcome of a request that was made with this ticket; each gets exactly one.
    Answered { ticket: Ticket, outcome: Result<Answer, Failure> },
    /// The interruption is over: logged in again, and every room entered again is up to date. The one
    /// event to show about it ("connection lost, back after 12 s").
    Back { after: Duration },
    /// The server knows this client by its name now, for the first time or again.
    LoggedIn(LoggedIn),
    /// The name or the password was refused; [`Session::log_in`](super::Session::log_in) tries another.
    LoginRefused(Refused),
    /// Somebody offers a file: see [`Private::offers`](crate::client::private::Private::offers); `key` names
    /// it there. A line in the conversation says so.
    FileOffered { from: UserName, key: Vec<u8> },
    /// The connection is lost, or could not be made; comes once for an interruption, however many
    /// attempts fail. The session goes on trying by itself unless a [`Event::Stopped`] follows.
    Lost(Lost),
    /// A line was added at the end of a conversation.
    Line { place: Place, number: LineNumber, line: Line },
    /// The members of a room changed.
    MembersChanged(RoomName),
    /// Older lines were put in front; `start`: there are no older ones.
    Older { room: RoomName, lines: usize, start: bool },
    /// Private messages with somebody, or in general, are protected otherwise than before, wait, or have
    /// arrived: whatever is drawn of it must be drawn anew.
    PrivateChanged(Option<UserName>),
    /// In this room now; its recent messages, or those that were missed, follow. Also after an
    /// interruption.
    RoomEntered(RoomName),
    /// Not in this room any more; a line in it says why.
    RoomExited(RoomName),
    /// The session is over and will not connect again by itself.
    Stopped(Stop),
    /// The topic of a room changed.
    TopicChanged(RoomName),
    /// Something happened to a file on its way. A line in the conversation says so.
    Transfer(News),
}

/// Where a line belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// What the server says to nobody else, and about no room.
    Server,
    Room(RoomName),
    /// A private conversation.
    Person(UserName),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Server => f.write_str("server"),
            Place::Room(room) => room.fmt(f),
            Place::Person(user) => user.fmt(f),
        }
    }
}

/// Recognises the answer to a request; never used twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The name was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    pub user: Box<str>,
    /// Without an account: name, rooms and operator rights end with the connection.
    pub guest: bool,
    /// Logs in next time without the password; to be kept where nobody else can read it.
    pub token: Option<Secret>,
    /// The account was made by this login.
    pub registered: bool,
}

/// Why there is no affirmative answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection was lost meanwhile. The request was not repeated, and it is not known whether
    /// the server saw it.
    Lost,
    Refused(Refused),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Lost => f.write_str("connection-lost: it is not known whether this was done"),
            Failure::Refused(refused) => refused.fmt(f),
        }
    }
}

/// Why a request was not even accepted by the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// Not a name of a room or a user.
    BadName,
    /// Private messages are off on this device; its lines say why.
    PrivateOff,
    /// Not logged in at the moment. (What is said in a room is kept and sent later, this was not.)
    Offline,
    /// Not in that room.
    NotInRoom,
    /// No room was named.
    NoRoom,
    /// There is nothing to see in the text.
    Nothing,
    /// One line of the protocol cannot hold it.
    TooLong,
    /// Too much waits for the server already.
    TooMany,
    /// The reader's identity has changed, and nobody has agreed to it yet.
    Untrusted,
    /// The reader had keys, and this session could only send without encryption.
    WasEncrypted,
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsent::BadName => "bad-name: this is not a name",
            Unsent::NoRoom => "no-room: join a room first",
            Unsent::NotInRoom => "not-in-room: you are not in this room",
            Unsent::Nothing => "missing-argument: there is nothing to see in this text",
            Unsent::PrivateOff => "private-off: private messages are off on this device",
            Unsent::Offline => "offline: not connected at the moment",
            Unsent::TooLong => "line-too-long: this is too long for one message",
            Unsent::TooMany => "busy: too much waits for the server already",
            Unsent::Untrusted => {
                "identity-changed: the identity has changed; /verify or /trust this user before you send"
            }
            Unsent::WasEncrypted => {
                "encryption-missing: this user has keys, and this session has none; /plain sends without"
            }
        })
    }
}

impl std::error::Error for Unsent {}

/// Why a connection ended or did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The other side closed it.
    Closed,
    /// It sent what is not this protocol.
    Garbage,
    /// The system reported this.
    Network(Box<str>),
    /// Nothing was heard for too long.
    Silent,
    /// What must be kept of private messages could not be written.
    Storage(Box<str>),
    /// TLS could not be agreed on.
    Tls(Box<str>),
    /// The server is not the one that is trusted: the session stops and does not try again.
    Untrusted,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Closed => f.write_str("the server closed the connection"),
            Lost::Garbage => f.write_str("this is no sottod server: it sent what cannot be read"),
            Lost::Network(text) => f.write_str(text),
            Lost::Silent => f.write_str("the server does not answer"),
            Lost::Storage(text) => f.write_str(text),
            Lost::Tls(text) => write!(f, "no TLS connection: {text}"),
            Lost::Untrusted => f.write_str("the server is not trusted"),
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// As was asked for, with everything delivered.
    Quit,
    Untrusted,
}
