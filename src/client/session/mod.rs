//! A chat session as a pure state machine: no socket, no clock, no randomness.
//!
//! Lines from the server and wishes of the user go in; lines to send, [`Event`]s to show, a deadline
//! and a wish to be connected come out. Whoever drives it ([`Link`](crate::client::link::Link), a
//! test, a simulation) does what [`Session::wish`] says and tells what came of it:
//!
//! ```text
//!      ┌───────────────────── log_in ──────────────────────┐
//!      ▼   connected                                       │
//!  Connecting ──► Greeting ── name accepted ──► Online   Refused
//!    ▲     │ failed  │  └───── name refused ───────│───────▲
//!    │     │         │ lost                        │ lost
//!    │ time▼         ▼                             │
//!    └── Resting ◄─────────────────────────────────┘   quit, or not trusted ──► Stopped
//! ```
//!
//! What it promises for rooms: every message of the log once, in the order of `seq`, also across
//! interruptions (see [`sequence`]); every text that [`Session::say`] accepted is said exactly once,
//! in the order it was accepted, unless the server refuses it. After an interruption a text that may
//! have arrived is sent again under its old `key`; where the server has forgotten the keys (a guest's
//! end with the connection, an account's after a day), it is looked for among what was missed first.
//! A private message has no key: if the connection breaks before the answer, it is not repeated, and
//! the user is told ([`Failure::Lost`](event::Failure::Lost)).

pub mod event;
pub mod room;
pub mod sequence;

mod answers;
#[cfg(test)]
mod answers_tests;
mod connection;
#[cfg(test)]
mod cuts_tests;
mod entering;
mod errands;
mod naming;
mod news;
pub mod privately;
mod read;
mod requests;
mod saying;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::client::private::Private;
use crate::client::scrollback::{Kind, Line, Origin, Scrollback, Seal};
use crate::client::session::answers::Outstanding;
use crate::client::session::event::{Event, Place, Stop};
use crate::client::session::room::Room;
use crate::proto::id::Seq;
use crate::proto::name::{RoomName, UserName};
use crate::proto::secret::Secret;
use crate::proto::time::{Instant, Now};

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Without an account.
    Guest,
    Password(Secret),
    Register {
        password: Secret,
        invite: Option<Secret>,
    },
    /// From an earlier login; `password` is tried if the token has ended.
    Token {
        token: Secret,
        password: Option<Secret>,
    },
    /// Nobody yet: connects, to see that the server is there and trusted, and then asks with
    /// [`Event::LoginRefused`] and the code `no-name` for a [`Session::log_in`].
    Unknown,
}

/// Who logs in, and what to do then.
#[derive(Clone, Debug)]
pub struct Options {
    pub user: String,
    pub login: Login,
    /// Rooms to join, beside those an account is in already.
    pub rooms: Vec<RoomName>,
}

/// What the session wants of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// One connection of this number: make it, keep it; end a connection of any other number.
    Connect(u64),
    /// No connection: end what there is.
    Rest,
}

/// What the connection is like, for a status bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Connecting,
    /// Connected, waiting for the name to be accepted.
    Greeting,
    Online,
    /// The name or password was refused.
    Refused,
    /// Waiting to try again.
    Resting {
        until: Instant,
    },
    Stopped,
}

/// See the [module](self).
pub struct Session {
    user: String,
    login: Login,
    /// Name and kind of the session, once it was accepted; kept while it is interrupted.
    name: Option<Box<str>>,
    guest: bool,
    /// The server cannot tell by its key whether it has a message from before the interruption.
    keys_forgotten: bool,
    /// A connection broke while the login was on its way: the server may know the name already.
    name_in_doubt: bool,
    phase: Phase,
    /// Counts connections, so that news of an old one is not taken for news of this one.
    attempt: u64,
    /// Failures since the last connection that held.
    failures: u32,
    /// The interruption that is going on.
    interrupted: Option<Interruption>,
    rooms: BTreeMap<RoomName, Room>,
    people: BTreeMap<UserName, Person>,
    server: Scrollback,
    outstanding: BTreeMap<i64, Outstanding>,
    next_request: i64,
    next_ticket: u64,
    next_key: u64,
    /// Makes the keys of this session different from those of any other.
    key_prefix: String,
    jitter: u64,
    /// Nothing that the session repeats by itself is sent before this: the server was too busy.
    pause: Option<Instant>,
    heard: Instant,
    ping_sent: Option<Instant>,
    lag: Option<Duration>,
    odd_lines: u32,
    /// The request whose answer comes after all rooms that the login restores.
    restoring: Option<i64>,
    /// Keys and encrypted conversations, once they were unlocked.
    private: Option<Box<Private>>,
    /// Why there are none, where there should be.
    private_off: Option<Box<str>>,
    lines: VecDeque<Zeroizing<String>>,
    events: VecDeque<Event>,
}

/// A private conversation.
#[derive(Debug)]
pub struct Person {
    name: UserName,
    scrollback: Scrollback,
    touched: u64,
    /// It was said that messages here are not encrypted.
    warned: bool,
}

impl Person {
    pub fn name(&self) -> &UserName {
        &self.name
    }

    pub fn scrollback(&self) -> &Scrollback {
        &self.scrollback
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting { since: Instant },
    Greeting { since: Instant },
    Online { since: Instant },
    Refused,
    Resting { until: Instant },
    Quitting { until: Instant },
    Stopped,
}

#[derive(Clone, Debug)]
struct Interruption {
    since: Instant,
    /// It had been online before, so rooms have gaps to fill and there is a way back.
    was_online: bool,
}

impl Session {
    /// A session that wants to connect. `entropy` must be random: it makes message keys unique, and
    /// spreads the attempts of many clients over time.
    pub fn new(now: Now, options: Options, entropy: [u8; 24]) -> Session {
        let (prefix, jitter) = entropy.split_at(16);
        let mut session = Session {
            user: options.user,
            login: options.login,
            name: None,
            guest: true,
            keys_forgotten: true,
            name_in_doubt: false,
            phase: Phase::Connecting { since: now.mono },
            attempt: 1,
            failures: 0,
            interrupted: None,
            rooms: BTreeMap::new(),
            people: BTreeMap::new(),
            server: Scrollback::default(),
            outstanding: BTreeMap::new(),
            next_request: 1,
            next_ticket: 1,
            next_key: 1,
            key_prefix: prefix.iter().map(|byte| format!("{byte:02x}")).collect(),
            jitter: u64::from_le_bytes(jitter.try_into().expect("24 - 16 = 8 bytes")),
            pause: None,
            heard: now.mono,
            ping_sent: None,
            lag: None,
            odd_lines: 0,
            restoring: None,
            private: None,
            private_off: None,
            lines: VecDeque::new(),
            events: VecDeque::new(),
        };
        for room in options.rooms.into_iter().take(ROOMS_MAX) {
            session.rooms.insert(room.clone(), Room::new(room, None));
        }
        session
    }

    // ---- what there is to see -------------------------------------------------------------------

    /// The name as the server shows it; `None` before it was accepted for the first time.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Who wants to log in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Without an account.
    pub fn is_guest(&self) -> bool {
        self.guest
    }

    pub fn state(&self) -> State {
        match self.phase {
            Phase::Connecting { .. } => State::Connecting,
            Phase::Greeting { .. } => State::Greeting,
            Phase::Online { .. } | Phase::Quitting { .. } => State::Online,
            Phase::Refused => State::Refused,
            Phase::Resting { until } => State::Resting { until },
            Phase::Stopped => State::Stopped,
        }
    }

    /// The user is leaving, or has left: what is begun now comes to nothing.
    pub fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Quitting { .. } | Phase::Stopped)
    }

    /// The server is about to show the rooms of the account that logged in.
    pub fn is_restoring(&self) -> bool {
        self.restoring.is_some()
    }

    /// How long the server takes to answer; grows while an answer is late.
    pub fn lag(&self, now: Now) -> Option<Duration> {
        let waiting = self.ping_sent.map(|sent| Duration::from_millis(now.mono.since_ms(sent)));
        waiting.max(self.lag)
    }

    /// All rooms of this session in the order of names, those that were left too.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values()
    }

    pub fn room(&self, name: &RoomName) -> Option<&Room> {
        self.rooms.get(name)
    }

    /// Private conversations in the order of names.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// The lines of a conversation; `None` if there is none of this name.
    pub fn scrollback(&self, place: &Place) -> Option<&Scrollback> {
        match place {
            Place::Server => Some(&self.server),
            Place::Room(room) => self.rooms.get(room).map(|room| &room.scrollback),
            Place::Person(user) => self.people.get(user).map(|person| &person.scrollback),
        }
    }

    /// Texts that were accepted and are not confirmed by the server, in all conversations.
    pub fn unconfirmed(&self) -> usize {
        let private = self.private.as_ref().map_or(0, |private| private.unconfirmed());
        private + self.rooms.values().map(|room| room.outbox.len()).sum::<usize>()
    }

    /// Nothing is on its way or waits to be sent, and no room has a gap: what was asked is answered.
    pub fn is_settled(&self) -> bool {
        let rooms = self.rooms.values().all(Room::is_settled);
        let asked = self.outstanding.values().any(Outstanding::matters);
        let private = self.private.as_ref().is_none_or(|private| private.is_settled());
        matches!(self.phase, Phase::Online { .. }) && rooms && !asked && private && self.lines.is_empty()
    }

    // ---- what there is to do --------------------------------------------------------------------

    /// The next line to send, with its end; to be asked for until there is none.
    ///
    /// Nothing while there are changes to be stored: see [`Session::take_changes`].
    pub fn poll_line(&mut self) -> Option<Zeroizing<String>> {
        if self.must_store() { None } else { self.lines.pop_front() }
    }

    /// There is something to send.
    pub fn has_lines(&self) -> bool {
        !self.lines.is_empty() || self.has_changes()
    }

    /// The next event; to be asked for until there is none.
    ///
    /// Nothing while there are changes to be stored: see [`Session::take_changes`].
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.must_store() { None } else { self.events.pop_front() }
    }

    // ---- lines ----------------------------------------------------------------------------------

    /// Adds a line to its conversation and tells the user interface.
    fn show(&mut self, place: Place, line: Line) {
        let number = match &place {
            Place::Server => self.server.push(&line),
            Place::Room(room) => match self.rooms.get_mut(room) {
                Some(room) => room.scrollback.push(&line),
                None => return,
            },
            Place::Person(user) => self.person(user).scrollback.push(&line),
        };
        self.events.push_back(Event::Line { place, number, line });
    }

    /// Adds a line that only this user sees: an answer, or what went wrong.
    pub fn note(&mut self, now: Now, place: Place, kind: Kind, text: impl AsRef<str>) {
        let line = notice(now, kind, "", text.as_ref());
        self.show(place, line);
    }

    fn person(&mut self, user: &UserName) -> &mut Person {
        if !self.people.contains_key(user) && self.people.len() >= PEOPLE_MAX {
            let oldest = self.people.iter().min_by_key(|(_, person)| person.touched);
            let oldest = oldest.map(|(name, _)| name.clone());
            oldest.map(|name| self.people.remove(&name));
        }
        self.next_key += 1;
        let touched = self.next_key;
        let person = self.people.entry(user.clone()).or_insert_with(|| Person {
            name: user.clone(),
            scrollback: Scrollback::default(),
            touched,
            warned: false,
        });
        person.touched = touched;
        person
    }
}

/// A line about something that happened just now.
fn notice(now: Now, kind: Kind, from: &str, text: &str) -> Line {
    Line {
        kind,
        origin: Origin::Live,
        own: false,
        seq: Seq(0),
        at: now.wall,
        from: from.into(),
        text: text.into(),
        seal: Seal::ServerReadable,
    }
}

/// Rooms of one session; the server lets an account be in a hundred.
pub const ROOMS_MAX: usize = 1_000;
/// Private conversations kept; the one that was quiet longest goes.
pub const PEOPLE_MAX: usize = 1_000;
