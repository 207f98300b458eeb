//! Files on their way from one account to others: room for them, their uploads and downloads, their end.
//!
//! ```text
//!            upload                 finish: synced, renamed, recorded
//!   (none) ─────────▶ Uploading ────────────────────────────────────▶ Complete
//!                         │  PUT, on data connections                    │  GET, on data connections
//!                         └──────────────┬───────────────────────────────┘
//!                                        │ delete, declined by all, kept long enough, account removed
//!                                        ▼
//!                                     Leaving: the bytes go, then the record ─▶ (none)
//! ```
//!
//! What is known about files is in memory (`table`), as names are; the store has the same, and the number of
//! bytes of an upload is measured at the start. The bytes themselves pass through in pieces (`pool`) that
//! never outnumber a constant: a PUT waits for one, and a GET reads a little ahead of what its connection
//! takes.
//!
//! A data connection has no user in any room and hears nothing; it counts for its account alone.

mod commands;
mod data;
mod get;
mod leaving;
mod pool;
mod put;
mod table;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::hub::Hub;
use crate::hub::effect::Effect;
use crate::hub::files::data::DataConn;
use crate::hub::files::pool::Pool;
use crate::hub::files::table::Table;
use crate::hub::job::Job;
use crate::hub::job::files::{FileJob, FileReply, KeptFile};
use crate::proto::id::{ConnId, FileId};
use crate::proto::piece::FilePiece;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::Now;

/// Everything about files that the hub holds.
#[derive(Debug)]
pub(super) struct Files {
    table: Table,
    conns: BTreeMap<ConnId, DataConn>,
    pool: Pool,
    /// Connections whose PUT, or whose GET, waits for a piece.
    put_waits: VecDeque<ConnId>,
    get_waits: VecDeque<ConnId>,
    /// Places left among the jobs that hold no piece, and those that wait for one.
    chores_left: u32,
    chores: VecDeque<FileJob>,
    /// Files that could not be removed, to be tried again.
    stuck: Vec<FileId>,
}

impl Files {
    pub fn new(kept: Vec<KeptFile>) -> Files {
        Files {
            table: Table::new(kept),
            conns: BTreeMap::new(),
            pool: Pool::new(),
            put_waits: VecDeque::new(),
            get_waits: VecDeque::new(),
            chores_left: CHORES_MAX,
            chores: VecDeque::new(),
            stuck: Vec::new(),
        }
    }
}

impl Hub {
    /// The file lane did a job.
    pub(super) fn file_reply(&mut self, now: Now, reply: FileReply, out: &mut Vec<Effect>) {
        match reply {
            FileReply::Put { part, offset, piece, stored, outcome } => {
                self.part_written(part, offset, stored, outcome, out);
                self.piece_is_free(piece, out);
            }
            FileReply::Read { read, offset, piece, outcome } => {
                self.piece_read(read, offset, piece, outcome, out)
            }
            FileReply::Finished { origin, file, outcome } => {
                self.file_synced(now, origin, file, outcome, out);
                self.chore_done(out);
            }
            FileReply::Removed { file, outcome } => {
                self.bytes_removed(now, file, outcome, out);
                self.chore_done(out);
            }
        }
    }

    /// A piece is free: whoever waits for one gets it. Senders come first, as they hold theirs only while
    /// the disk writes, and receivers as long as they take.
    fn piece_is_free(&mut self, piece: FilePiece, out: &mut Vec<Effect>) {
        self.files.pool.give_back(piece);
        while self.files.pool.has_one_for_put()
            && let Some(conn) = self.files.put_waits.pop_front()
        {
            self.release_transfer(conn, out);
        }
        while self.files.pool.has_one_for_get()
            && let Some(conn) = self.files.get_waits.pop_front()
        {
            if let Some(data) = self.files.conns.get_mut(&conn) {
                data.waits_to_read = false;
            }
            self.read_ahead(conn, out);
        }
    }

    /// Hands work without a piece to the file lane, now or as soon as its queue has a place.
    fn submit_chore(&mut self, job: FileJob, out: &mut Vec<Effect>) {
        match self.files.chores_left {
            0 => self.files.chores.push_back(job),
            _ => {
                self.files.chores_left -= 1;
                out.push(Effect::Submit(Job::Files(job)));
            }
        }
    }

    fn chore_done(&mut self, out: &mut Vec<Effect>) {
        self.files.chores_left += 1;
        assert!(self.files.chores_left <= CHORES_MAX, "a job was answered twice");
        if let Some(job) = self.files.chores.pop_front() {
            self.submit_chore(job, out);
        }
    }

    /// No job on files is under way.
    pub(super) fn files_are_settled(&self) -> bool {
        self.files.chores_left == CHORES_MAX && self.files.pool.out() == 0
    }

    /// Panics unless every piece that is out is at the lane, or one of those, so many, that wait to be sent.
    pub fn check_pieces(&self, sending: usize) {
        let out = self.files.pool.out();
        let at_lane: usize = self.files.table.iter().map(|(_, entry)| entry.under_way as usize).sum();
        assert!(
            out == at_lane + sending,
            "{at_lane} pieces are at the lane and {sending} are to be sent, and {out} are out"
        );
    }

    /// Panics if an invariant is broken, which only a bug can do.
    pub(super) fn check_files(&self) {
        let files = &self.files;
        files.table.check();
        assert!(files.chores.is_empty() || files.chores_left == 0, "work waits although there is a place");
        let mut parts: BTreeMap<FileId, u32> = BTreeMap::new();
        let mut connections = BTreeMap::new();
        for (&conn, data) in &files.conns {
            assert!(self.sessions.get(conn).is_some(), "{conn} carries files, and is gone");
            data.check(conn, self.session(conn).held);
            data.puts().for_each(|(file, count)| *parts.entry(file).or_default() += count);
            *connections.entry(data.account).or_insert(0) += 1;
            let waits = files.get_waits.contains(&conn);
            assert!(data.waits_to_read == waits, "{conn} waits for a piece, and stands in no list");
        }
        for (file, entry) in files.table.iter() {
            let known = parts.get(&file).copied().unwrap_or(0);
            assert!(entry.under_way >= known, "{file} has fewer pieces under way than its connections");
        }
        for (account, count) in connections {
            assert!(files.table.connections(account) == count, "connections of an account are counted");
        }
        if files.pool.has_one_for_put() {
            assert!(files.put_waits.is_empty(), "a PUT waits although there is a piece");
        }
        if files.pool.has_one_for_get() {
            assert!(files.get_waits.is_empty(), "a GET waits although there is a piece");
        }
    }
}

fn disabled() -> Refusal {
    Refusal::new(Code::FilesDisabled, "this server keeps no files")
}

fn no_such_file() -> Refusal {
    Refusal::new(Code::NoSuchFile, "there is no such file, or it is not yours")
}

/// Files that may be finished or removed at once; others wait for their turn.
pub const CHORES_MAX: u32 = 64;
