//! What the simulation knows about what was asked for and answered, across all connections and
//! restarts: far less than the hub, but enough to tell whether somebody was told something wrong.

use std::collections::{BTreeMap, BTreeSet};

use sottovoce::proto::id::{RoomId, Seq};

use crate::devices::DeviceFacts;
use crate::model::Model;

#[derive(Debug, Default)]
pub struct Facts {
    /// Every message anybody sent, by its number.
    pub sent: Vec<Sent>,
    /// Blocks and unblocks that were ever asked for: who, whom.
    pub blocked_ever: BTreeSet<(String, String)>,
    pub unblocked_ever: BTreeSet<(String, String)>,
    /// Whom somebody wanted to be no operator of some room any more.
    pub deop_ever: BTreeSet<String>,
    /// Joins that were not answered when their connection ended, and may be kept: user, room.
    pub joins_lost: BTreeSet<(String, String)>,
    /// Private messages that were said to be kept: number, reader.
    pub kept: Vec<(u64, String)>,
    /// Private messages that were delivered at once: number, and the connections that must have them.
    pub at_once: Vec<(u64, Vec<usize>)>,
    /// Who saw which private message: number, connection.
    pub seen: BTreeSet<(u64, usize)>,
    /// Readers that saw it, by name.
    pub seen_by: BTreeSet<(u64, String)>,
    /// Accounts whose registration was acknowledged.
    pub registered: BTreeSet<String>,
    /// Connections that are named and open: the reader, by connection; and those that were renamed.
    pub online: BTreeMap<usize, String>,
    pub renamed: BTreeSet<usize>,
    pub devices: DeviceFacts,
    /// Every name that a connection ever had.
    pub names: BTreeMap<usize, BTreeSet<String>>,
}

#[derive(Debug)]
pub struct Sent {
    /// The connection that sent it first.
    pub link: usize,
    /// Sent with a key, by an account: it may be sent again.
    pub key: Option<Key>,
    pub state: State,
    /// Connections of the reader of a private message, when it was sent.
    readers: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct Key {
    pub user: String,
    pub room: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Acknowledged,
    Open,
    Refused,
}

impl Facts {
    /// A message for a room is about to be sent; returns its number.
    pub fn say(&mut self, link: usize, key: Option<Key>) -> u64 {
        self.sent.push(Sent { link, key, state: State::Open, readers: Vec::new() });
        self.sent.len() as u64 - 1
    }

    /// The same for a private message.
    pub fn write_to(&mut self, link: usize, to: &str) -> u64 {
        let readers = self.online.iter().filter(|(reader, name)| *name == to && **reader != link);
        let readers = readers.map(|(&reader, _)| reader).collect();
        self.sent.push(Sent { link, key: None, state: State::Open, readers });
        self.sent.len() as u64 - 1
    }

    /// A private message was taken: kept for later, or given to everybody who is this user now.
    pub fn was_sent(&mut self, number: u64, to: &str, kept: bool) {
        let sent = &mut self.sent[number as usize];
        sent.state = State::Acknowledged;
        match kept {
            true => self.kept.push((number, to.to_string())),
            false => {
                let mut readers = std::mem::take(&mut sent.readers);
                readers.retain(|reader| self.online.get(reader).is_some_and(|name| name == to));
                self.at_once.push((number, readers));
            }
        }
    }

    /// A guest has another name now, and blocks whom they blocked.
    pub fn renamed(&mut self, link: usize, from: &str, to: &str) {
        self.renamed.insert(link);
        for pairs in [&mut self.blocked_ever, &mut self.unblocked_ever] {
            let theirs = pairs.iter().filter(|(blocker, _)| blocker == from);
            let carried: Vec<_> = theirs.map(|(_, author)| (to.to_string(), author.clone())).collect();
            pairs.extend(carried);
        }
    }

    /// A connection ended: nothing has to reach it any more.
    pub fn ended(&mut self, link: usize) {
        self.online.remove(&link);
        self.at_once.iter_mut().for_each(|(_, readers)| readers.retain(|&reader| reader != link));
    }

    pub fn may_miss(&self, reader: &str, author: &str) -> bool {
        self.blocked_ever.contains(&(reader.to_string(), author.to_string()))
    }

    /// The same for whatever name the sender may have had when the message was taken.
    pub fn may_miss_from(&self, reader: &str, number: u64) -> bool {
        let names = self.names.get(&self.sent[number as usize].link).into_iter().flatten();
        names.into_iter().any(|name| self.may_miss(reader, name))
    }

    pub fn may_see_again(&self, reader: &str, author: &str) -> bool {
        self.unblocked_ever.contains(&(reader.to_string(), author.to_string()))
    }
}

/// Where a room message is in the log; nobody may see one that is not there.
#[track_caller]
pub fn place(model: &Model, number: u64, room: Option<RoomId>, seq: Option<u64>) -> (RoomId, Seq) {
    let places = model.committed.get(&number).map(Vec::as_slice).unwrap_or_default();
    let fits = |place: &&(RoomId, Seq)| {
        room.is_none_or(|room| place.0 == room) && seq.is_none_or(|seq| place.1.0 == seq)
    };
    let found = places.iter().rev().find(fits);
    *found.unwrap_or_else(|| panic!("m{number} was seen at {room:?} {seq:?}, and is committed at {places:?}"))
}
