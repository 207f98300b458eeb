//! One room as the session keeps it: its lines, members and topic, and what waits to be said there.

use std::collections::{BTreeSet, VecDeque};

use crate::client::scrollback::Scrollback;
use crate::client::session::event::Ticket;
use crate::client::session::sequence::Sequence;
use crate::proto::id::Seq;
use crate::proto::name::{RoomName, UserName};
use crate::proto::secret::Secret;

/// A room this user is in, or was in this session.
#[derive(Debug)]
pub struct Room {
    pub(super) name: RoomName,
    pub(super) key: Option<Secret>,
    pub(super) stage: Stage,
    pub(super) topic: Option<Box<str>>,
    pub(super) members: BTreeSet<UserName>,
    pub(super) scrollback: Scrollback,
    pub(super) sequence: Sequence,
    /// What is to be said, in order. Only the first may be on its way: so neither a refusal nor an
    /// interruption can change the order.
    pub(super) outbox: VecDeque<Saying>,
    /// A page that fills a gap is on its way.
    pub(super) filling: bool,
    /// A page of older lines is on its way.
    pub(super) loading: bool,
    /// There is nothing older than what the scrollback holds.
    pub(super) at_start: bool,
    /// Who asked to join.
    pub(super) ticket: Option<Ticket>,
}

/// How far into a room the session is, on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// To be entered as soon as possible.
    Wanted,
    /// Asked for.
    Joining,
    In,
    /// Left, thrown out or refused.
    Out,
}

/// A message to a room that the server has not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    pub ticket: Ticket,
    pub text: Box<str>,
    pub me: bool,
    pub(super) key: Box<str>,
    pub(super) sent: bool,
    /// It was on its way when the connection broke: the server may have it.
    pub(super) doubtful: bool,
}

impl Room {
    pub(super) fn new(name: RoomName, key: Option<Secret>) -> Room {
        Room {
            name,
            key,
            stage: Stage::Wanted,
            topic: None,
            members: BTreeSet::new(),
            scrollback: Scrollback::default(),
            sequence: Sequence::default(),
            outbox: VecDeque::new(),
            filling: false,
            loading: false,
            at_start: false,
            ticket: None,
        }
    }

    /// This user is in it, on this connection.
    pub fn is_in(&self) -> bool {
        self.stage == Stage::In
    }

    pub fn name(&self) -> &RoomName {
        &self.name
    }

    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }

    /// Who is in the room and may be seen, in the order of names.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &UserName> {
        self.members.iter()
    }

    pub fn scrollback(&self) -> &Scrollback {
        &self.scrollback
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// On the way in.
    pub fn is_entering(&self) -> bool {
        matches!(self.stage, Stage::Wanted | Stage::Joining)
    }

    /// What was said here and is not confirmed yet, oldest first: to be shown below the last line, in
    /// a way that tells it is on its way.
    pub fn unconfirmed(&self) -> impl ExactSizeIterator<Item = &Saying> {
        self.outbox.iter()
    }

    /// The newest message that was shown.
    pub fn last_seq(&self) -> Seq {
        self.sequence.last()
    }

    /// Older messages may exist that could be loaded.
    pub fn has_older(&self) -> bool {
        !self.at_start && !self.scrollback.is_full() && self.sequence.has_begun()
    }

    /// The first of what waits to be said, if it is this one, waits no longer.
    pub(super) fn confirm(&mut self, is_it: impl FnOnce(&Saying) -> bool) -> Option<Saying> {
        if self.outbox.front().is_some_and(is_it) { self.outbox.pop_front() } else { None }
    }

    /// The connection is gone: what was on its way is in doubt.
    pub(super) fn interrupt(&mut self) {
        if self.stage != Stage::Out {
            self.stage = Stage::Wanted;
        }
        self.filling = false;
        self.loading = false;
        if let Some(first) = self.outbox.front_mut() {
            first.doubtful |= first.sent;
            first.sent = false;
        }
    }
}
