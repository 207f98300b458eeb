//! Private messages of one device, end-to-end encrypted: a pure state machine beside
//! [`session`](crate::client::session). No socket, no disk, no clock, no randomness of its own.
//!
//! ```text
//!            login to an account
//!  Offline ─────────────────────► Starting ── ours, listed ──────────────► attach ──► Ready
//!     ▲                              │  └─ ours, or none yet ─► enrol, publish ─┘        │
//!     │ the connection is gone       ├─ the account has an identity, we none ─► NeedsPairing
//!     └──────────────────────────────┴─ anything else ─► Off, with the reason            │
//!                                          ▲        detached, revoked, another identity  │
//!                                          └─────────────────────────────────────────────┘
//! ```
//!
//! - [`row`] is what it wants kept: plain data for the sealed store of the device; [`history`] is what
//!   an entry of a conversation looks like, [`offer`] a file that somebody offers.
//! - [`peers`] is what is known of others, [`outbox`] what is to be sent, and what may be asked for again.
//!
//! The session owns it and calls it; the driver stores. Every step leaves changes, lines and events
//! behind, and the session gives out neither lines nor events before the changes were taken
//! ([`Session::take_changes`](crate::client::session::Session::take_changes)). That is all it takes:
//! a crash leaves the state before or after a step, and what was sent is never further than what is
//! stored. Rows are made when changes are taken, so what changed three times is written once.

pub mod history;
pub mod offer;
pub mod outbox;
pub mod pack;
pub mod peers;
pub mod row;

pub mod trusting;

mod account;
mod changing;
mod effects;
mod lanes;
mod lists;
pub mod pairing;
mod plainly;
mod prekeys;
mod receipts;
mod received;
mod receiving;
mod repair;
mod replies;
mod sealing;
mod sending;
mod start;
mod state;
mod stored;
mod succession;
mod telling;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::client::private::account::{Account, Counter, Device};
use crate::client::private::lanes::Lane;
use crate::client::private::offer::Offer;
use crate::client::private::outbox::Outbox;
use crate::client::private::pairing::Pairing;
use crate::client::private::peers::Peers;
use crate::client::private::receipts::Gathering;
use crate::client::private::received::Received;
use crate::client::private::stored::Dirty;
use crate::client::private::succession::Succession;
use crate::client::scrollback::Line;
use crate::client::session::event::{Event, Failure, Place, Ticket};
use crate::e2e::address::{Address, DeviceId, Uid};
use crate::e2e::content::{FileNote, MessageId};
use crate::e2e::error::Error;
use crate::e2e::identity::IdentityKey;
use crate::e2e::prekey_store::PrekeyStore;
use crate::e2e::seen::SeenBases;
use crate::e2e::session_set::SessionSet;
use crate::proto::command::Command;
use crate::proto::event::Answer;
use crate::proto::name::UserName;
use crate::proto::time::{Instant, Now, Timestamp};

/// Where keys and nonces come from: the operating system, or a seed in a test.
pub type Random = Box<dyn CryptoRng + Send>;

/// See the [module](self).
pub struct Private {
    random: Random,
    /// What this device is called when it enrols.
    device_name: Box<str>,
    /// This account's name, once it has logged in.
    me: Option<UserName>,
    account: Option<Account>,
    /// Identities that are to replace the account's.
    succession: Succession,
    device: Option<Device>,
    counter: Counter,
    prekeys: Option<PrekeyStore>,
    seen: SeenBases,
    sets: BTreeMap<Address, SessionSet>,
    peers: Peers,
    outbox: Outbox,
    received: Received,
    offers: BTreeMap<Vec<u8>, Offer>,
    stage: Stage,
    /// The identity that the server says this account has, where it is not ours.
    other_identity: Option<IdentityKey>,
    /// The account's number, as the server said at this login.
    account_uid: Option<Uid>,
    own_list: Vec<OwnDevice>,
    pairing: Option<Pairing>,
    /// Nothing is asked of the server before this: it was too busy.
    pause: Option<Instant>,
    lanes: BTreeMap<UserName, Lane>,
    /// Names that are not accounts, and when the server said so.
    guests: BTreeMap<UserName, Instant>,
    gathering: BTreeMap<Address, Gathering>,
    /// No envelope has come since the last `attach`.
    just_attached: bool,
    /// Devices that are to be sent a reset, as soon as one may be.
    broken: BTreeSet<Address>,
    repair_at: Option<Instant>,
    /// Envelopes that were dropped because they had been opened before.
    dropped: u64,
    /// Envelopes were taken that the server has not been told of.
    ack_due: bool,
    ack_under_way: bool,
    /// The newest envelope of this connection.
    newest: u64,
    /// One-time prekeys that the server has left, as far as is known.
    stock: u32,
    publishing: bool,
    /// When keys were published last.
    published_at: Option<Instant>,
    /// Enrolments on this connection.
    enrolments: u8,
    /// Who is told at the first message that it is not encrypted, was.
    warned: BTreeSet<UserName>,
    /// What was told once of a peer.
    told: HashSet<(Uid, Error)>,
    /// Why private messages are off, as it was said last.
    explained: Option<Box<str>>,
    /// The time at the last step.
    clock: Now,
    /// So many entries make it worth while to look for those that are over.
    expire_at: usize,
    dirty: Dirty,
    out: Vec<Output>,
}

/// How far private messages are, on this connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Offline,
    /// Logged in; the account's devices are to be asked for.
    Start,
    Asking,
    Enrolling,
    Publishing,
    Attaching,
    Ready,
    NeedsPairing,
    Off(Off),
}

/// What an interface shows of private messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The account has an identity that this device does not: pair it, or recover, or replace it.
    NeedsPairing {
        /// What to type on a device that has it, while a code is valid.
        code: Option<String>,
    },
    /// Not connected: what is said waits.
    Offline,
    Off(Off),
    Ready,
    Starting,
}

/// Why private messages are off on this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Off {
    /// Another connection has taken this device's place, or it was revoked.
    Detached,
    /// Without an account there are no keys.
    Guest,
    /// The keys in this store belong to an account that is gone; the name is another's now.
    OtherAccount,
    /// The account has another identity now.
    OtherIdentity,
    /// The server refused, and said this.
    Refused(Box<str>),
    /// The server does not know of encryption.
    ServerTooOld,
}

/// One device of this account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDevice {
    pub device: u32,
    pub name: Box<str>,
    pub since: Option<Timestamp>,
    pub seen: Option<Timestamp>,
    /// The one this is.
    pub here: bool,
}

/// What can be said to somebody.
pub enum Saying {
    Delete { of: MessageId },
    Edit { of: MessageId, text: String },
    FileNote(FileNote),
    React { of: MessageId, text: String },
    Text(String),
}

/// A message that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub id: MessageId,
    pub text: Zeroizing<String>,
    /// It waits until a person has agreed to an identity that changed.
    pub held: bool,
}

/// What a step wants done by the session.
pub(in crate::client) enum Output {
    Answered { ticket: Ticket, outcome: Result<Answer, Failure> },
    Ask { command: Command<'static>, asked: Asked },
    Event(Event),
    Line { place: Place, line: Line },
}

/// A request on its way, with what is needed to understand its reply.
#[derive(Debug)]
pub enum Asked {
    Ack,
    Attach { before: u64 },
    Claim { lane: UserName, uid: Uid, devices: Vec<DeviceId> },
    Devices { lane: UserName },
    Enroll { successor: bool },
    OwnDevices { begins: bool },
    Pair,
    Plain(Box<PlainMessage>),
    Prekeys,
    Revoke { device: u32 },
    Send { lane: UserName, order: u64, parts: Vec<Address> },
}

/// A message without encryption, on its way: it cannot be repeated.
#[derive(Debug)]
pub struct PlainMessage {
    pub(super) lane: UserName,
    pub(super) text: Zeroizing<String>,
    pub(super) ticket: Option<Ticket>,
    /// Where it is in the history, if the reader has an account.
    pub(super) entry: Option<(Uid, u64)>,
}

impl Private {
    /// Nothing is known yet: the first login makes an identity, or asks for pairing.
    pub fn new(random: Random) -> Private {
        Private {
            random,
            device_name: DEVICE_NAME.into(),
            me: None,
            account: None,
            succession: Succession::default(),
            device: None,
            counter: Counter::new(),
            prekeys: None,
            seen: SeenBases::default(),
            sets: BTreeMap::new(),
            peers: Peers::default(),
            outbox: Outbox::default(),
            received: Received::default(),
            offers: BTreeMap::new(),
            stage: Stage::Offline,
            other_identity: None,
            account_uid: None,
            own_list: Vec::new(),
            pairing: None,
            pause: None,
            lanes: BTreeMap::new(),
            guests: BTreeMap::new(),
            gathering: BTreeMap::new(),
            just_attached: false,
            broken: BTreeSet::new(),
            repair_at: None,
            dropped: 0,
            ack_due: false,
            ack_under_way: false,
            newest: 0,
            stock: 0,
            publishing: false,
            published_at: None,
            enrolments: 0,
            warned: BTreeSet::new(),
            told: HashSet::new(),
            explained: None,
            clock: Now::default(),
            expire_at: EXPIRE_EVERY,
            dirty: Dirty::default(),
            out: Vec::new(),
        }
    }

    /// What the last step wants done.
    pub(in crate::client) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// What this device is called in the list of the account's devices; at most 64 characters.
    pub fn set_device_name(&mut self, name: &str) {
        let name = crate::proto::text::sanitise(name);
        let name: String = name.trim().chars().take(DEVICE_NAME_CHARS_MAX).collect();
        if !name.is_empty() {
            self.device_name = name.into();
        }
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Private({:?}, {:?}, {} sessions)", self.account, self.stage, self.sets.len())
    }
}

/// Where the driver gives no name.
const DEVICE_NAME: &str = "sotto";
const DEVICE_NAME_CHARS_MAX: usize = 64;
/// Devices of one account.
pub const DEVICES_MAX: usize = 8;
/// Entries of the outbox between two looks for those that are over.
const EXPIRE_EVERY: usize = 100;
