//! What the server tells a client, as data. A dialect turns it into bytes.
//!
//! Events own their data or share it by reference count: an event to a room of thousands is one value.

use std::sync::Arc;

use crate::proto::id::{AccountId, DeviceId, FileId, RequestId, Seq};
use crate::proto::keys::{Attached, Bundle, Devices, Envelope, Sealed};
use crate::proto::name::{RoomName, UserName};
use crate::proto::pages::{FilesPage, Found, HistoryPage, MembersPage, RoomsPage, UsersPage};
use crate::proto::refusal::Refusal;
use crate::proto::secret::Secret;
use crate::proto::time::Timestamp;
use crate::proto::transfer::Told;

/// One message of a room's log, as the store committed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub seq: Seq,
    pub at: Timestamp,
    /// The author's name as it was shown then.
    pub from: Arc<str>,
    /// An emote (`/me`).
    pub me: bool,
    pub text: Arc<str>,
}

/// A private message that waited for its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Counts up over all letters of the server; what was delivered is deleted up to this number.
    pub id: u64,
    pub at: Timestamp,
    pub from: Arc<str>,
    pub text: Arc<str>,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The one reply to a request.
    Answer(RequestId, Answer),
    /// An error that belongs to no request: a line that could not be read, a limit, the end.
    Error(Refusal),
    /// A person is there and has not spoken: say who we are and what to type.
    Banner {
        server: Arc<str>,
    },
    /// The operator's message of the day; follows the name.
    Motd {
        text: Arc<str>,
    },
    /// A device of this user was added or is one no more.
    DeviceChanged {
        device: DeviceId,
        name: Arc<str>,
        added: bool,
    },
    /// This connection does not read the device's mailbox any more.
    Detached {
        device: DeviceId,
    },
    /// To the device that it was sealed for.
    Envelope(Arc<Envelope>),
    /// The answer to a pairing code, from another session of the same user.
    Paired {
        answer: Sealed,
    },
    /// Who came into a large room and who left it or the server lately; everybody once at most.
    Presence {
        room: RoomName,
        joined: Vec<UserName>,
        left: Vec<UserName>,
    },
    /// The next line is taken whole, as the answer to this question.
    Prompt(Prompt),
    Message {
        room: RoomName,
        entry: Arc<Entry>,
    },
    /// To the recipient's sessions.
    PrivateReceived {
        from: Arc<str>,
        to: UserName,
        at: Timestamp,
        text: Arc<str>,
    },
    /// To the sender's other sessions.
    PrivateSent {
        from: UserName,
        to: UserName,
        at: Timestamp,
        text: Arc<str>,
    },
    Joined {
        room: RoomName,
        user: UserName,
    },
    Left {
        room: RoomName,
        user: UserName,
    },
    Quit {
        room: RoomName,
        user: UserName,
        text: Option<Arc<str>>,
    },
    Kicked {
        room: RoomName,
        user: UserName,
        by: Arc<str>,
        why: Option<Arc<str>>,
    },
    TopicChanged {
        room: RoomName,
        by: Arc<str>,
        topic: Arc<str>,
    },
    Renamed {
        room: RoomName,
        from: UserName,
        to: UserName,
    },
    /// Somebody invited this user into a room.
    Invited {
        room: RoomName,
        by: UserName,
    },
    /// An operator was made or unmade.
    OperatorChanged {
        room: RoomName,
        user: UserName,
        by: Arc<str>,
        operator: bool,
    },
    AccessChanged {
        room: RoomName,
        by: Arc<str>,
        access: Access,
    },
    /// This session is a member of a room again after its login, or because another session of the
    /// same user joined.
    Entered(Box<RoomView>),
    /// This session is no longer a member: another session of the same user left.
    Exited {
        room: RoomName,
    },
    /// Somebody sent this user what only a device can read, and this session is none.
    Sealed {
        from: UserName,
    },
    Shutdown {
        text: Arc<str>,
    },
    /// On a connection that carries files.
    Transfer(Told),
}

/// A question whose answer is the next line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    Invite,
    NewPassword,
    OldPassword,
    Password { user: Arc<str> },
}

/// Replies to requests. `Refused` may answer anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `/room`: who may come in now.
    AccessSet {
        room: RoomName,
        access: Access,
    },
    Acknowledged {
        seq: Seq,
    },
    Attached(Attached),
    Banned {
        room: RoomName,
        user: UserName,
        banned: bool,
    },
    Blocked {
        user: UserName,
        blocked: bool,
    },
    /// A prompt was answered with an empty line.
    Cancelled,
    /// What is needed to begin sessions with devices of this user.
    Claimed {
        user: UserName,
        uid: AccountId,
        bundles: Vec<Bundle>,
    },
    Devices(Devices),
    /// Nothing was sent, because these are the devices now: the user's, and the sender's other ones.
    DevicesChanged {
        to: Vec<DeviceId>,
        own: Vec<DeviceId>,
    },
    /// A new device has this number; it can be written to when it has published prekeys.
    Enrolled {
        uid: AccountId,
        device: DeviceId,
    },
    /// The asker's account does not want the file.
    Declined {
        file: FileId,
    },
    Deleted {
        file: FileId,
    },
    Files(FilesPage),
    /// An upload is complete.
    Finished {
        file: FileId,
    },
    Hello {
        server: Arc<str>,
    },
    Help {
        topic: Option<String>,
    },
    History(HistoryPage),
    Invited {
        room: RoomName,
        user: UserName,
    },
    Joined(Box<RoomView>),
    Kicked {
        room: RoomName,
        user: UserName,
    },
    /// Left a room; `current` is the current room now, in text mode.
    Left {
        room: RoomName,
        current: Option<RoomName>,
    },
    Members(MembersPage),
    /// A name is chosen: by nick, login or register.
    Named {
        user: UserName,
        how: Named,
        token: Option<Secret>,
        rooms: Vec<RoomName>,
    },
    OperatorSet {
        room: RoomName,
        user: UserName,
        operator: bool,
    },
    /// The answer to a pairing code went to so many other sessions.
    Paired {
        sessions: u32,
    },
    PasswordChanged,
    Pong,
    /// So many one-time prekeys of the device are left.
    Published {
        device: DeviceId,
        one_time: u32,
    },
    Quit {
        text: Option<Arc<str>>,
    },
    Refused(Refusal),
    Revoked {
        device: DeviceId,
    },
    Rooms(RoomsPage),
    Said {
        room: RoomName,
        seq: Seq,
        at: Timestamp,
    },
    /// Envelopes wait for their devices, but not for those in `full`, whose mailboxes are.
    Sealed {
        to: UserName,
        at: Timestamp,
        full: Vec<(UserName, DeviceId)>,
    },
    Search(Found),
    /// A private message went out (`kept`: it waits for the reader's next login).
    Sent {
        to: UserName,
        from: UserName,
        at: Timestamp,
        text: Arc<str>,
        kept: bool,
    },
    StatusSet {
        status: Status,
        text: Option<Arc<str>>,
    },
    Topic {
        room: RoomName,
        topic: Option<Arc<str>>,
        changed: bool,
    },
    /// There is room for a file: its bytes may come on data connections.
    UploadBegun {
        file: FileId,
        size: u64,
        expires: Timestamp,
    },
    UploadStatus {
        file: FileId,
        size: u64,
        stored: u64,
        complete: bool,
    },
    Users(UsersPage),
    Whois(Whois),
}

/// How a name came to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Guest,
    Login,
    Register,
}

/// A room as somebody who comes in sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomView {
    pub room: RoomName,
    pub topic: Option<Arc<str>>,
    /// Visible members, sorted by name; empty for text mode's purposes, which asks with `/who`.
    pub members: Vec<UserName>,
    /// The newest message's position; 0 in a room without any.
    pub seq: Seq,
    /// Recent history, oldest first.
    pub messages: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whois {
    pub user: UserName,
    pub guest: bool,
    /// `None`: not connected, or hidden, which looks the same.
    pub online: Option<WhoisOnline>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhoisOnline {
    pub status: Status,
    pub text: Option<Arc<str>>,
    /// Rooms of the user that the asker may see.
    pub rooms: Vec<RoomName>,
    pub since: Timestamp,
    /// All of the user's connections are encrypted.
    pub secure: bool,
}

/// What a user lets others see of their presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    Away,
    /// Connected, and shown to nobody.
    Offline,
    #[default]
    Online,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Away => "away",
            Status::Offline => "offline",
            Status::Online => "online",
        }
    }

    pub fn parse(text: &str) -> Option<Status> {
        [Status::Away, Status::Offline, Status::Online].into_iter().find(|status| status.as_str() == text)
    }
}

/// Who may come into a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Whoever knows the key.
    Key,
    /// Whoever was invited.
    Private,
    #[default]
    Public,
}

impl Access {
    pub fn as_str(self) -> &'static str {
        match self {
            Access::Key => "key",
            Access::Private => "private",
            Access::Public => "public",
        }
    }

    pub fn parse(text: &str) -> Option<Access> {
        [Access::Key, Access::Private, Access::Public].into_iter().find(|access| access.as_str() == text)
    }
}
