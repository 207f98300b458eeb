//! What a client can ask for, whatever dialect it speaks.
//!
//! A command borrows from the read buffer. Names in it are raw text: the hub parses them, so that a
//! bad name is refused in the same words in every dialect.

use std::borrow::Cow;

use crate::proto::id::DeviceId;
use crate::proto::keys::{NewPrekeys, PublicKey, Sealed, Sending};
use crate::proto::secret::Secret;

/// Text that borrows from the read buffer where it can.
pub type Text<'a> = Cow<'a, str>;

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The attached device has stored its envelopes up to this one.
    Ack {
        seq: u64,
    },
    /// This connection reads a device's mailbox. `run` counts how often the device did this.
    Attach {
        device: DeviceId,
        run: u64,
    },
    Ban {
        room: Option<Text<'a>>,
        user: Text<'a>,
    },
    Block {
        user: Text<'a>,
    },
    /// What is needed to begin sessions with devices; `None`: with all of the user's.
    Claim {
        user: Text<'a>,
        devices: Option<Vec<DeviceId>>,
    },
    /// The asker's account does not want a file. JSON lines only, as all about files.
    Decline {
        file: Text<'a>,
    },
    /// Removes one's own file.
    Delete {
        file: Text<'a>,
    },
    Deop {
        room: Option<Text<'a>>,
        user: Text<'a>,
    },
    /// The devices of a user that can be written to; `None`: one's own.
    Devices {
        user: Option<Text<'a>>,
    },
    /// A new device of one's own. `replace`: the account has this identity from now on.
    Enroll {
        identity: PublicKey,
        name: Text<'a>,
        replace: bool,
    },
    /// One's own files. `after` is the number of a file: start behind it.
    Files {
        after: Option<Text<'a>>,
        limit: Option<u32>,
    },
    /// An upload is whole: others may read it.
    Finish {
        file: Text<'a>,
    },
    /// JSON lines only; text mode has no handshake.
    Hello {
        version: i64,
    },
    Help {
        topic: Option<Text<'a>>,
    },
    History {
        room: Option<Text<'a>>,
        range: HistoryRange,
        limit: Option<u32>,
        paging: Paging,
    },
    Invite {
        room: Option<Text<'a>>,
        user: Text<'a>,
    },
    Join {
        room: Text<'a>,
        key: Option<Secret>,
    },
    Kick {
        room: Option<Text<'a>>,
        user: Text<'a>,
        why: Option<Text<'a>>,
    },
    Leave {
        room: Option<Text<'a>>,
    },
    /// Who is online. `after` is a user name: start behind it.
    List {
        after: Option<Text<'a>>,
        limit: Option<u32>,
        paging: Paging,
    },
    /// `data`: this connection carries files from now on, and nothing else.
    Login {
        user: Text<'a>,
        proof: Proof,
        data: bool,
    },
    /// A private message.
    Msg {
        user: Text<'a>,
        text: Text<'a>,
    },
    /// Takes a guest's name, or changes it.
    Nick {
        user: Text<'a>,
    },
    Op {
        room: Option<Text<'a>>,
        user: Text<'a>,
    },
    /// Changes the password. In text mode both are asked for.
    Passwd {
        old: Option<Secret>,
        new: Option<Secret>,
    },
    /// The answer to a pairing code, for one's other sessions.
    Pair {
        answer: Sealed,
    },
    /// Answered at once; keeps a line alive through middle boxes.
    Ping,
    /// What a device of one's own publishes.
    Prekeys(Box<NewPrekeys>),
    Quit {
        text: Option<Text<'a>>,
    },
    Register {
        user: Text<'a>,
        password: Option<Secret>,
        invite: Option<Secret>,
    },
    /// A device of one's own is one no more.
    Revoke {
        device: DeviceId,
    },
    Room {
        room: Option<Text<'a>>,
        access: Text<'a>,
        key: Option<Secret>,
    },
    /// Rooms one may see. `after` is a room name: start behind it.
    Rooms {
        after: Option<Text<'a>>,
        limit: Option<u32>,
        paging: Paging,
    },
    /// A message to a room; `me` marks an emote. `key` makes a repeated request harmless.
    Say {
        room: Option<Text<'a>>,
        text: Text<'a>,
        me: bool,
        key: Option<Text<'a>>,
    },
    Search {
        query: Text<'a>,
        limit: Option<u32>,
    },
    /// The line that follows an [`Event::Prompt`](crate::proto::event::Event::Prompt), whole; empty
    /// cancels.
    Secret {
        line: Secret,
    },
    /// A private message that only devices can read.
    Send(Box<Sending<'a>>),
    Status {
        status: Option<Text<'a>>,
        text: Option<Text<'a>>,
    },
    /// Shows the topic (`None`), sets it, or clears it (empty).
    Topic {
        room: Option<Text<'a>>,
        topic: Option<Text<'a>>,
    },
    Unban {
        room: Option<Text<'a>>,
        user: Text<'a>,
    },
    Unblock {
        user: Text<'a>,
    },
    /// Makes room for a file of so many bytes, for so many accounts to fetch or decline.
    Upload {
        size: u64,
        readers: u32,
    },
    UploadStatus {
        file: Text<'a>,
    },
    Who {
        room: Option<Text<'a>>,
        after: Option<Text<'a>>,
        limit: Option<u32>,
        paging: Paging,
    },
    Whois {
        user: Text<'a>,
    },
}

/// What shows that a login is by whom it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Text mode without a password on the line: ask for it.
    Ask,
    Password(Secret),
    /// A session token from an earlier login.
    Token(Secret),
}

/// Which messages of a room's log, both bounds exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryRange {
    /// The first ones behind this position.
    After(u64),
    /// The nearest ones before this position.
    Before(u64),
    /// The newest ones.
    Latest,
}

/// How a long answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// In one reply of bounded size, which says if there is more.
    Page,
    /// Whole, piece by piece as the client drains it.
    Stream,
}

impl Command<'_> {
    /// The command's name on the wire, for programs, logs and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Ack { .. } => "ack",
            Command::Attach { .. } => "attach",
            Command::Ban { .. } => "ban",
            Command::Block { .. } => "block",
            Command::Claim { .. } => "claim",
            Command::Decline { .. } => "decline",
            Command::Delete { .. } => "delete",
            Command::Deop { .. } => "deop",
            Command::Devices { .. } => "devices",
            Command::Enroll { .. } => "enroll",
            Command::Files { .. } => "files",
            Command::Finish { .. } => "finish",
            Command::Hello { .. } => "hello",
            Command::Help { .. } => "help",
            Command::History { .. } => "history",
            Command::Invite { .. } => "invite",
            Command::Join { .. } => "join",
            Command::Kick { .. } => "kick",
            Command::Leave { .. } => "leave",
            Command::List { .. } => "list",
            Command::Login { .. } => "login",
            Command::Msg { .. } => "msg",
            Command::Nick { .. } => "nick",
            Command::Op { .. } => "op",
            Command::Passwd { .. } => "passwd",
            Command::Pair { .. } => "pair",
            Command::Ping => "ping",
            Command::Prekeys(_) => "prekeys",
            Command::Quit { .. } => "quit",
            Command::Register { .. } => "register",
            Command::Revoke { .. } => "revoke",
            Command::Room { .. } => "room",
            Command::Rooms { .. } => "rooms",
            Command::Say { .. } => "say",
            Command::Search { .. } => "search",
            Command::Secret { .. } => "secret",
            Command::Send(_) => "send",
            Command::Status { .. } => "status",
            Command::Topic { .. } => "topic",
            Command::Unban { .. } => "unban",
            Command::Unblock { .. } => "unblock",
            Command::Upload { .. } => "upload",
            Command::UploadStatus { .. } => "upload-status",
            Command::Who { .. } => "who",
            Command::Whois { .. } => "whois",
        }
    }
}
