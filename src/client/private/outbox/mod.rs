//! What is to be sent, and what was sent and may be asked for again.
//!
//! ```text
//! entry    accepted ──► sealed and under way ──► sent, shown ──► delivered everywhere: gone
//!                                                     │ after 7 days, or at 500 for a peer: gone
//! part     Wanted ──► Sealed(bytes) ──► Stored ──► Delivered
//!            ▲                            │ the device began a new session
//!            └────────────────────────────┘ at most three times
//! ```
//!
//! An entry has a part for each device that gets an envelope of it. A part is sealed once, together with
//! the session's step, and its bytes are what is sent, as often as it takes. A *lane* is everything for one
//! name, in order: control first (what repairs a session must come before what is sent in it), then
//! messages as they were accepted.

mod entry;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::client::private::outbox::entry::Rank;
pub(super) use crate::client::private::outbox::entry::{Entry, Part, What};
use crate::e2e::address::{DAY_MS, Millis};
use crate::proto::name::UserName;

/// All entries, by the order in which they were accepted.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    entries: BTreeMap<u64, Entry>,
    /// Invariant: the unfinished entries, by lane.
    lanes: BTreeMap<UserName, BTreeSet<(Rank, u64)>>,
}

impl Outbox {
    pub fn restore(&mut self, order: u64, entry: Entry) {
        self.entries.insert(order, entry);
        self.settle(order);
    }

    pub fn push(&mut self, entry: Entry) -> u64 {
        let order = self.entries.last_key_value().map_or(ORDER_FIRST, |(order, _)| order + 1);
        self.restore(order, entry);
        order
    }

    /// Before everything else.
    pub fn push_front(&mut self, entry: Entry) -> u64 {
        let order = self.entries.first_key_value().map_or(ORDER_FIRST, |(order, _)| order - 1);
        self.restore(order, entry);
        order
    }

    pub fn get(&self, order: u64) -> Option<&Entry> {
        self.entries.get(&order)
    }

    /// To be followed by [`Outbox::settle`].
    pub fn get_mut(&mut self, order: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&order)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(order, entry)| (*order, entry))
    }

    pub fn remove(&mut self, order: u64) -> Option<Entry> {
        let entry = self.entries.remove(&order)?;
        self.leave_lane(&entry.to, order);
        Some(entry)
    }

    /// Brings the lanes in order after an entry has changed.
    pub fn settle(&mut self, order: u64) {
        let Some(entry) = self.entries.get(&order) else { return };
        if entry.is_unfinished() {
            let (to, rank) = (entry.to.clone(), entry.rank());
            let lane = self.lanes.entry(to).or_default();
            Rank::ALL.iter().filter(|other| **other != rank).for_each(|other| {
                lane.remove(&(*other, order));
            });
            lane.insert((rank, order));
        } else {
            let to = entry.to.clone();
            self.leave_lane(&to, order);
        }
    }

    fn leave_lane(&mut self, to: &UserName, order: u64) {
        let Some(lane) = self.lanes.get_mut(to) else { return };
        Rank::ALL.iter().for_each(|rank| {
            lane.remove(&(*rank, order));
        });
        if lane.is_empty() {
            self.lanes.remove(to);
        }
    }

    /// Who is to be sent something.
    pub fn lanes(&self) -> impl Iterator<Item = &UserName> {
        self.lanes.keys()
    }

    /// What is to be sent to somebody, in order.
    pub fn lane(&self, to: &UserName) -> impl Iterator<Item = u64> {
        self.lanes.get(to).into_iter().flatten().map(|(_, order)| *order)
    }

    /// Messages that people wait for.
    pub fn waiting(&self) -> usize {
        let unsent = |entry: &&Entry| !entry.is_control() && entry.sent.is_none();
        self.entries.values().filter(unsent).count()
    }

    /// Forgets what nobody can ask for any more; returns what is gone.
    pub fn expire(&mut self, now: Millis) -> Vec<u64> {
        let mut gone: Vec<u64> =
            self.entries.iter().filter(|(_, entry)| entry.is_over(now)).map(|(order, _)| *order).collect();
        let mut kept: BTreeMap<&UserName, usize> = BTreeMap::new();
        for (order, entry) in self.entries.iter().rev() {
            if entry.sent.is_some() && !entry.is_over(now) {
                let kept = kept.entry(&entry.to).or_default();
                *kept += 1;
                if *kept > KEPT_MAX && !entry.is_unfinished() {
                    gone.push(*order);
                }
            }
        }
        gone.iter().for_each(|order| {
            self.remove(*order);
        });
        gone
    }
}

/// How long a message that was sent is kept to be sent again: long enough for a device that was away for
/// the week-end to find that it cannot open it.
pub const KEPT_MS: u64 = 7 * DAY_MS;
/// Sent messages kept for one peer.
pub const KEPT_MAX: usize = 500;
/// How often one envelope is made anew because a device lost its session.
pub const RESENT_MAX: u8 = 3;

/// Orders count up from here; what is taken back goes below.
const ORDER_FIRST: u64 = 1 << 32;
