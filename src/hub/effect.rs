//! What the hub wants done to the world. The engine applies effects before it decodes the next command.

use std::fmt;

use smallvec::SmallVec;

use crate::hub::job::Job;
use crate::proto::event::Event;
use crate::proto::id::{ConnId, RoomId};
use crate::proto::piece::FilePiece;

/// Connections left out of a room's event: mostly none or the one that caused it.
pub type Except = SmallVec<[ConnId; 1]>;

#[derive(Debug)]
pub enum Effect {
    /// Tell the hub (`drained`) once everything queued for this connection has been sent.
    AwaitDrain(ConnId),
    /// Send what is queued, then end the connection.
    Close(ConnId, CloseReason),
    /// From now on the connection speaks frames.
    Frames(ConnId),
    /// A line for the operator's log.
    Log(LogLine),
    /// Take no command from this connection until [`Effect::Resume`].
    Pause(ConnId),
    Resume(ConnId),
    /// Bytes that a GET asked for. The piece comes back when they were sent, or cannot be: see
    /// [`Hub::piece_sent`](crate::hub::Hub::piece_sent).
    SendPiece {
        conn: ConnId,
        request: u32,
        offset: u64,
        piece: FilePiece,
    },
    Submit(Job),
    Tell(ConnId, Event),
    /// To every connection in the room but these.
    TellRoom {
        room: RoomId,
        event: Event,
        except: Except,
    },
}

/// Why a connection ended; logged, counted, and said to the peer where its dialect can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// Bytes on a data connection that are no frames.
    BadFrame,
    /// The operator banned or removed the account.
    Banned,
    /// The peer closed its side.
    Eof,
    /// Kept on sending over its rate.
    Flood,
    /// No room for another connection.
    Full,
    IdleTimeout,
    LoginTimeout,
    /// Wrong passwords, too many.
    LoginFailures,
    /// A guest's name was registered by the operator.
    NameRegistered,
    /// Bytes that are no dialect of ours.
    NotChat,
    /// Plain where only TLS is served.
    Plaintext,
    Quit,
    /// The account's owner revoked the device that it belongs to.
    Revoked,
    Shutdown,
    /// Its send queue reached the hard limit, or was the longest when all together were too long.
    SlowReader,
    /// The system reported an error on the socket.
    Socket,
    Tls,
}

impl CloseReason {
    pub fn as_str(self) -> &'static str {
        match self {
            CloseReason::BadFrame => "bad-frame",
            CloseReason::Banned => "banned",
            CloseReason::Eof => "eof",
            CloseReason::Flood => "flood",
            CloseReason::Full => "full",
            CloseReason::IdleTimeout => "idle-timeout",
            CloseReason::LoginFailures => "login-failures",
            CloseReason::LoginTimeout => "login-timeout",
            CloseReason::NameRegistered => "name-registered",
            CloseReason::NotChat => "not-chat",
            CloseReason::Plaintext => "plaintext",
            CloseReason::Quit => "quit",
            CloseReason::Revoked => "revoked",
            CloseReason::Shutdown => "shutdown",
            CloseReason::SlowReader => "slow-reader",
            CloseReason::Socket => "socket-error",
            CloseReason::Tls => "tls-error",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line of the log; never a message, a password, a token or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub level: log::Level,
    pub text: String,
}
