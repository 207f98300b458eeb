//! What outlives the process, in one SQLite file: messages, rooms, accounts, letters, keys, envelopes, and
//! what is known about files.
//!
//! A [`Store`] belongs to one thread and does [`StoreJob`]s in batches: everything that waits goes into
//! one transaction, and the replies exist only after its commit. So whoever sees a reply sees something
//! that a crash cannot take back. If the transaction fails, each job is tried alone, so that one bad job
//! or a full disk gives each its own verdict; nothing is remembered of a failure, so everything goes on
//! by itself when there is space again.
//!
//! The search index is not written together with the message, which would cost a third of the speed.
//! Each room keeps in `rooms.indexed` up to where it is indexed; [`Store::upkeep`] follows in larger
//! pieces when there is time, and a search first indexes what its rooms lack. Nothing is lost in a crash:
//! the watermark is written in the same transaction as the index.
//!
//! No other module may know SQLite. Nothing here reads a clock, except for what the operator does.

pub mod operator;

mod accounts;
mod append;
mod batch;
mod changes;
pub mod checkpoint;
mod devices;
mod files;
mod history;
mod index;
mod kept;
mod letters;
mod logs;
mod mailbox;
mod maintain;
mod position;
mod prekeys;
mod restored;
mod schema;
mod search;
mod send;
mod sessions;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::hub::job::{Kept, OperatorNews, StoreJob, StoreReply};
use crate::store::batch::Indexing;
use crate::store::checkpoint::Checkpointer;
use crate::store::logs::Logs;
use crate::store::maintain::Sweep;
use crate::store::operator::NewsCursor;

/// The database of one data directory. The caller sees to it that there is one for a directory, in all
/// processes, because positions are counted in memory: the server holds the directory's lock.
pub struct Store {
    conn: Connection,
    logs: Logs,
    news: NewsCursor,
    sweep: Option<Sweep>,
    /// Until somebody takes it to a thread of its own.
    checkpointer: Option<Checkpointer>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    pub durability: Durability,
}

/// What a committed message survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Loss of power: every batch waits for the disk.
    Disk,
    /// The end of the process, however abrupt. After a loss of power the newest messages may be missing,
    /// but the database is whole.
    #[default]
    Os,
}

/// Why the database could not be opened; the sentence is for the operator.
#[derive(Debug, PartialEq, Eq)]
pub enum OpenError {
    /// A newer version of the program wrote it.
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    Storage {
        path: PathBuf,
        reason: String,
    },
}

/// Whether jobs wait while upkeep is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Jobs keep coming: only what must not pile up.
    Busy,
    /// Nobody waits: one piece of whatever there is to do.
    Idle,
}

impl Store {
    /// Opens the database in `dir`, creating it if there is none, and reads what the hub keeps in memory.
    ///
    /// Reads rooms and accounts, never messages, so that a large history does not delay the start.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<(Store, Kept), OpenError> {
        let mut conn = schema::open(dir, options.durability)?;
        let path = schema::path(dir);
        let restored = restored::settle(&mut conn, operator::now());
        if restored.map_err(|error| OpenError::storage(&path, &error))? {
            log::info!("the database is a backup that was restored");
        }
        schema::create_guest_tables(&conn).map_err(|error| OpenError::storage(&path, &error))?;
        let (kept, logs, news) = kept::load(&mut conn).map_err(|error| OpenError::storage(&path, &error))?;
        let checkpointer = Some(Checkpointer::new(schema::open(dir, options.durability)?));
        Ok((Store { conn, logs, news, sweep: Some(Sweep::DROPPED), checkpointer }, kept))
    }

    /// Does the jobs in order and in one transaction; afterwards `jobs` is empty, and `replies` has one
    /// more for each of them, in the same order.
    pub fn run_batch(&mut self, jobs: &mut Vec<StoreJob>, replies: &mut Vec<StoreReply>) {
        let start = replies.len();
        if let Err(error) = self.transaction(jobs, Indexing::BeforeSearch, replies) {
            replies.truncate(start);
            self.run_each(jobs, &error, replies);
        }
        assert_eq!(replies.len() - start, jobs.len(), "every job gets exactly one reply");
        jobs.clear();
    }

    /// A bounded piece of the work that nobody waits for: the search index, and removing what is not kept
    /// any more. Returns whether there is more of it; a failure is no news, it is tried again later.
    pub fn upkeep(&mut self, pace: Pace) -> bool {
        let outcome = match pace {
            Pace::Busy if self.logs.lag() < index::LAG_MAX => return false,
            Pace::Busy => self.write(index::index_some),
            Pace::Idle if self.logs.lag() > 0 => self.write(index::index_some),
            Pace::Idle => match self.sweep {
                None => return false,
                Some(sweep) => self.write(|conn, logs| sweep.step(conn, logs)).map(|rest| self.sweep = rest),
            },
        };
        outcome.is_ok() && (self.logs.lag() > 0 || self.sweep.is_some())
    }

    /// What does the checkpoints, for a thread of its own. It must end before the store does, or the log
    /// is left for the next start to read.
    pub fn take_checkpointer(&mut self) -> Option<Checkpointer> {
        self.checkpointer.take()
    }

    /// What the operator did since the last call, in that order.
    pub fn news(&mut self) -> Vec<OperatorNews> {
        let news = self.news.read(&self.conn).unwrap_or_default();
        if news.iter().any(|news| matches!(news, OperatorNews::Removed { .. })) {
            // Mailboxes are left over.
            self.sweep.get_or_insert(Sweep::DROPPED);
        }
        news
    }
}

impl OpenError {
    fn storage(path: &Path, reason: &dyn fmt::Display) -> OpenError {
        OpenError::Storage { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Newer { path, found, known } => write!(
                f,
                "{}: written by a newer sottod (format {found}, this one knows up to {known}); use that one",
                path.display()
            ),
            OpenError::Storage { path, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}
