//! How far each room's log is, in memory, in step with the database.
//!
//! The last position of a room is counted here and written once a room and transaction. What a
//! transaction changes is noted and taken back if it fails.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use crate::proto::id::{RoomId, Seq};
use crate::store::position::{SEQ_MAX, int};

#[derive(Default)]
pub(super) struct Logs {
    logs: HashMap<RoomId, Log>,
    /// What the running transaction changed: what was there before, oldest change first.
    undo: Vec<(RoomId, Option<Log>)>,
    /// Invariant: has every room whose index lags; may have others.
    lagging: HashSet<RoomId>,
    /// Invariant: the sum of `seq - indexed` over all rooms.
    lag: u64,
    lag_committed: u64,
}

/// Positions of one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Log {
    /// The newest message.
    pub seq: u64,
    /// What `rooms.seq` says; behind `seq` only within a transaction.
    stored: u64,
    /// Everything up to here is in the search index, or gone.
    pub indexed: u64,
}

impl Logs {
    /// A room that the database has.
    pub fn load(&mut self, room: RoomId, seq: u64, indexed: u64) {
        let log = Log { seq, stored: seq, indexed: indexed.min(seq) };
        self.logs.insert(room, log);
        self.lag += log.seq - log.indexed;
        self.lag_committed = self.lag;
        if log.seq > log.indexed {
            self.lagging.insert(room);
        }
    }

    pub fn get(&self, room: RoomId) -> Option<Log> {
        self.logs.get(&room).copied()
    }

    /// Messages that are not in the search index yet.
    pub fn lag(&self) -> u64 {
        self.lag
    }

    /// A room whose index lags, if any does.
    pub fn lagging(&mut self) -> Option<(RoomId, Log)> {
        loop {
            let room = *self.lagging.iter().next()?;
            match self.get(room) {
                Some(log) if log.indexed < log.seq => return Some((room, log)),
                _ => self.lagging.remove(&room),
            };
        }
    }

    /// A room that was made in this transaction.
    pub fn create(&mut self, room: RoomId) {
        let before = self.logs.insert(room, Log { seq: 0, stored: 0, indexed: 0 });
        assert!(before.is_none(), "a room is made once");
        self.undo.push((room, None));
    }

    pub fn remove(&mut self, room: RoomId) {
        if let Some(log) = self.logs.remove(&room) {
            self.lag -= log.seq - log.indexed;
            self.undo.push((room, Some(log)));
        }
    }

    /// The position of the next message, which the caller writes in the same transaction. `None` when the
    /// room has no more of them, or there is no such room.
    pub fn next(&mut self, room: RoomId) -> Option<Seq> {
        let log = self.logs.get_mut(&room)?;
        if log.seq >= SEQ_MAX {
            return None;
        }
        if log.seq == log.stored {
            self.undo.push((room, Some(*log)));
        }
        if log.seq == log.indexed {
            self.lagging.insert(room);
        }
        log.seq += 1;
        self.lag += 1;
        Some(Seq(log.seq))
    }

    /// The index has everything up to `seq`, or it is gone.
    pub fn indexed(&mut self, room: RoomId, seq: u64) {
        if let Some(log) = self.logs.get_mut(&room)
            && log.indexed < seq
        {
            assert!(seq <= log.seq, "nothing is indexed that does not exist");
            self.undo.push((room, Some(*log)));
            self.lag -= seq - log.indexed;
            log.indexed = seq;
        }
    }

    /// Writes what must be in the database before the commit.
    pub fn flush(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        for (room, _) in &self.undo {
            if let Some(log) = self.logs.get_mut(room)
                && log.stored != log.seq
            {
                conn.prepare_cached("UPDATE rooms SET seq = ?2 WHERE id = ?1")?
                    .execute((room.0, int(log.seq)))?;
                log.stored = log.seq;
            }
        }
        Ok(())
    }

    pub fn commit(&mut self) {
        self.undo.clear();
        self.lag_committed = self.lag;
    }

    pub fn rollback(&mut self) {
        for (room, before) in self.undo.drain(..).rev() {
            match before {
                Some(log) => self.logs.insert(room, log),
                None => self.logs.remove(&room),
            };
            // It may lag again, or not; the list may have more than needed.
            self.lagging.insert(room);
        }
        self.lag = self.lag_committed;
    }
}
