//! Work that would block, as plain data: the hub says what it needs done, `work` and `store` do it.
//!
//! Every job gets exactly one [`Reply`], failure included. Jobs of one lane are done in the order they
//! were submitted, and the store's replies come in that order, after the commit.

pub mod files;
pub mod keys;

use std::sync::Arc;
use std::time::Duration;

use crate::hub::job::files::{FileJob, FileReply, KeptFile, NewFile};
use crate::hub::job::keys::{KeysJob, KeysReply, TokenId};
use crate::proto::event::{Access, Entry, Letter};
use crate::proto::id::{AccountId, ConnId, DeviceId, FileId, Origin, RoomId, Seq};
use crate::proto::name::{RoomName, UserName};
use crate::proto::secret::Secret;
use crate::proto::time::Timestamp;

/// A piece of work, sorted by the lane that does it.
#[derive(Debug)]
pub enum Job {
    Files(FileJob),
    Password(PasswordJob),
    Store(StoreJob),
}

/// The outcome of a [`Job`], or news that nobody asked for.
#[derive(Debug)]
pub enum Reply {
    Files(FileReply),
    /// The operator changed something from outside while the server runs.
    Operator(OperatorNews),
    Password(PasswordReply),
    Store(StoreReply),
}

// ---- the password lane ----------------------------------------------------------------------

/// bcrypt; takes tens to hundreds of milliseconds of a core.
#[derive(Debug)]
pub enum PasswordJob {
    Hash {
        origin: Origin,
        password: Secret,
        cost: u32,
    },
    /// `hash: None` stands for a user that does not exist: the same work is done, and it never matches.
    Verify {
        origin: Origin,
        password: Secret,
        hash: Option<PasswordHash>,
        cost: u32,
    },
}

#[derive(Debug)]
pub enum PasswordReply {
    Hashed { origin: Origin, hash: PasswordHash },
    Verified { origin: Origin, matches: bool },
}

/// A bcrypt hash in its modular crypt form (`$2b$12$...`); not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub Arc<str>);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let PasswordHash(_) = self;
        f.write_str("PasswordHash(..)")
    }
}

// ---- the store lane -------------------------------------------------------------------------

/// Who the key of a `say` belongs to: an account for ever, a guest while its connection lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyScope {
    Account(AccountId),
    Guest(ConnId),
}

#[derive(Debug)]
pub enum StoreJob {
    /// The account of this name, to log in to it.
    Account { origin: Origin, user: UserName },
    /// A message for a room's log. With a `key` that this scope used in this room within
    /// [`SAY_KEY_KEPT`](crate::proto::limits::SAY_KEY_KEPT), nothing is added.
    Append { origin: Origin, room: RoomId, scope: KeyScope, key: Option<Box<str>>, entry: NewEntry },
    /// A change of something kept; see [`Change`]. What the change means to those connected is the
    /// hub's business, once the reply is there.
    Change { origin: Option<Origin>, change: Change },
    /// The keys of a guest's connection are forgotten.
    ForgetKeys { conn: ConnId },
    /// A page of a room's log.
    History { origin: Origin, room: RoomId, range: PageRange, limit: u32 },
    /// Opens or refreshes a room for somebody: creates it if it is new, remembers the membership,
    /// reads recent history; one transaction, so what is read is exactly what was before the
    /// messages that follow.
    Join { origin: Origin, room: RoomId, create: Option<NewRoom>, member: Option<AccountId>, history: u32 },
    /// Keys, devices and mailboxes.
    Keys(KeysJob),
    /// Letters behind `after`, oldest first, at most
    /// [`LETTERS_PAGE_MAX`](crate::proto::limits::LETTERS_PAGE_MAX).
    Letters { account: AccountId, after: u64 },
    /// Letters up to this one were handed to their reader.
    LettersDelivered { account: AccountId, up_to: u64 },
    /// Throws away what is older than it is to be kept: history, `say` keys, session tokens, envelopes.
    Maintain { now: Timestamp, keep_messages: Option<u64>, keep: Option<Duration> },
    /// A private message for an account that is not connected.
    Post { origin: Origin, to: AccountId, from: Arc<str>, text: Arc<str>, at: Timestamp },
    /// A new account with its first session; `invite` is consumed in the same transaction.
    Register {
        origin: Origin,
        user: UserName,
        hash: PasswordHash,
        invite: Option<Secret>,
        invite_needed: bool,
        session: SessionTerms,
    },
    /// Full-text search in these rooms, the newest `limit` matches, oldest first.
    Search { origin: Origin, rooms: Vec<RoomId>, query: String, limit: u32 },
    /// Logs in to an account whose password was right, or whose token is.
    Session { origin: Origin, proof: SessionProof, session: SessionTerms },
    /// An upload begins: it gets a number that nobody can guess.
    Upload { origin: Origin, new: NewFile },
}

/// How a session is opened.
#[derive(Debug)]
pub enum SessionProof {
    /// The password was verified by the password lane.
    Verified(AccountId),
    /// A token of this account, not expired.
    Token { user: UserName, token: Secret },
}

/// When a session begins and how long its token is good for (`None`: no token is made).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTerms {
    pub now: Timestamp,
    pub token_lives: Option<Duration>,
}

/// A message before the store gave it its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    pub at: Timestamp,
    pub from: Arc<str>,
    pub me: bool,
    pub text: Arc<str>,
}

/// A room that does not exist yet. Without a creator it is a guest's, and goes when it empties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoom {
    pub name: RoomName,
    pub creator: Option<AccountId>,
    pub at: Timestamp,
}

/// Which part of a room's log, bounds exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageRange {
    After(Seq),
    Before(Seq),
    Latest,
}

/// What is kept beside messages. Each variant holds the new value, so that doing it twice is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `key_hash` is SHA-256 of the room's key, only with [`Access::Key`].
    Access {
        room: RoomId,
        access: Access,
        key_hash: Option<[u8; 32]>,
    },
    Ban {
        room: RoomId,
        user: UserName,
        banned: bool,
    },
    Block {
        account: AccountId,
        user: UserName,
        blocked: bool,
    },
    /// An upload is complete.
    FileComplete {
        file: FileId,
    },
    /// An account does not want a file.
    FileDecline {
        file: FileId,
        account: AccountId,
    },
    FileRemove {
        file: FileId,
    },
    /// A guest's room that is empty now: the room, its log and everything about it goes.
    DropRoom {
        room: RoomId,
    },
    /// The membership of an account ends.
    Leave {
        room: RoomId,
        account: AccountId,
    },
    Operator {
        room: RoomId,
        account: AccountId,
        operator: bool,
    },
    /// All other session tokens of the account end with its old password.
    Password {
        account: AccountId,
        hash: PasswordHash,
    },
    Topic {
        room: RoomId,
        topic: Option<Arc<str>>,
    },
}

#[derive(Debug)]
pub enum StoreReply {
    Account {
        origin: Origin,
        account: Option<AccountRecord>,
    },
    Appended {
        origin: Origin,
        room: RoomId,
        entry: Arc<Entry>,
    },
    Changed {
        origin: Option<Origin>,
        change: Change,
    },
    /// For jobs whose outcome nobody asks for.
    Done,
    Failed {
        job: FailedJob,
        failure: StoreFailure,
    },
    History {
        origin: Origin,
        room: RoomId,
        page: Page,
    },
    Joined {
        origin: Origin,
        room: RoomId,
        page: Page,
        seq: Seq,
    },
    Keys(KeysReply),
    Letters {
        account: AccountId,
        letters: Vec<Letter>,
        more: bool,
    },
    Posted {
        origin: Origin,
        to: AccountId,
        text: Arc<str>,
        at: Timestamp,
    },
    PostRefused {
        origin: Origin,
        to: AccountId,
        refusal: PostRefusal,
    },
    Registered {
        origin: Origin,
        outcome: Result<SessionRecord, RegisterRefusal>,
    },
    /// The key was used before: this is what it was answered with then.
    Repeated {
        origin: Origin,
        room: RoomId,
        seq: Seq,
        at: Timestamp,
    },
    Search {
        origin: Origin,
        messages: Vec<(RoomId, Entry)>,
        more: bool,
    },
    Session {
        origin: Origin,
        outcome: Result<SessionRecord, SessionRefusal>,
    },
    /// `None`: the account is gone.
    Uploaded {
        origin: Origin,
        new: NewFile,
        file: Option<FileId>,
    },
}

/// Which job failed, with what the hub needs to undo what it had prepared for it.
#[derive(Debug)]
pub enum FailedJob {
    /// A message that was not kept, sealed or not; its sender was not paused.
    Append {
        origin: Origin,
    },
    /// A change that was not made.
    Change {
        origin: Option<Origin>,
        change: Change,
    },
    Join {
        origin: Origin,
        room: RoomId,
    },
    Letters {
        account: AccountId,
    },
    /// A page of a mailbox.
    Mailbox {
        conn: ConnId,
        account: AccountId,
        device: DeviceId,
    },
    /// Nobody waits.
    Other,
    /// A letter that was not kept; its sender was not paused.
    Post {
        origin: Origin,
        to: AccountId,
    },
    /// Any job in which only the asker waits.
    Request {
        origin: Origin,
    },
    /// An upload for which room was reserved.
    Upload {
        origin: Origin,
        new: NewFile,
    },
}

/// Messages, oldest first. `more`: cut by size in bytes before the limit was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub messages: Vec<Entry>,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    pub id: AccountId,
    pub user: UserName,
    pub hash: PasswordHash,
    pub banned: bool,
}

/// Everything the hub needs of an account whose session begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    pub account: AccountId,
    pub user: UserName,
    /// Random, 256 bits, hexadecimal; stored only as its SHA-256.
    pub token: Option<Secret>,
    /// Which token it is, to end it by.
    pub token_id: Option<TokenId>,
    /// Rooms to rejoin, in the order they were joined.
    pub rooms: Vec<RoomId>,
    /// Names this account blocks.
    pub blocks: Vec<UserName>,
    /// There are letters to fetch.
    pub letters_wait: bool,
}

/// Why a letter was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostRefusal {
    /// The account was removed.
    NoSuchUser,
    /// Too many wait for this reader.
    TooMany,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterRefusal {
    BadInvite,
    NameTaken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRefusal {
    Banned,
    /// No such account, or no such token, or it expired.
    Refused,
}

/// A worker's bad news about storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFailure {
    /// The disk, or the quota of it, is full.
    Full,
    /// Anything else, in words for the log.
    Other(String),
}

/// What the operator did from outside (`sottod user ...`), as the running server learns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorNews {
    Added {
        account: AccountId,
        user: UserName,
    },
    Banned {
        account: AccountId,
    },
    /// The password was set: every session token of the account has ended.
    Passwd {
        account: AccountId,
    },
    Removed {
        account: AccountId,
    },
    Unbanned {
        account: AccountId,
    },
}

// ---- what the store holds at start ------------------------------------------------------------

/// What is kept, as the store has it when the server starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub accounts: Vec<KeptAccount>,
    pub rooms: Vec<KeptRoom>,
    pub files: Vec<KeptFile>,
    /// No room had this number yet.
    pub next_room: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAccount {
    pub id: AccountId,
    pub user: UserName,
    pub banned: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRoom {
    pub id: RoomId,
    pub name: RoomName,
    pub creator: Option<AccountId>,
    pub topic: Option<Arc<str>>,
    pub access: Access,
    pub key_hash: Option<[u8; 32]>,
    pub operators: Vec<AccountId>,
    pub bans: Vec<UserName>,
    pub seq: Seq,
}
