//! What outlives the process, in one SQLite file: messages, rooms, accounts, letters.
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
//! No other module may know SQLite. Nothing here reads a clock, except for the operator's commands.

pub mod operator;

mod accounts;
mod append;
mod changes;
mod history;
mod index;
mod letters;
mod logs;
mod maintain;
mod position;
mod schema;
mod search;
mod sessions;
#[cfg(test)]
mod tests;

use std::fmt;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use crate::hub::job::{Change, FailedJob, Kept, OperatorNews, StoreFailure, StoreJob, StoreReply};
use crate::store::logs::Logs;
use crate::store::maintain::Sweep;
use crate::store::operator::NewsCursor;

/// The database of one data directory. The caller sees to it that there is one for a directory, in all
/// processes: the server holds the directory's lock.
pub struct Store {
    conn: Connection,
    logs: Logs,
    news: NewsCursor,
    sweep: Option<Sweep>,
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
        schema::create_guest_tables(&conn).map_err(|error| OpenError::storage(&path, &error))?;
        let (kept, logs, news) =
            schema::load(&mut conn).map_err(|error| OpenError::storage(&path, &error))?;
        Ok((Store { conn, logs, news, sweep: Some(Sweep::DROPPED) }, kept))
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

    /// What the operator did since the last call, in that order.
    pub fn news(&mut self) -> Vec<OperatorNews> {
        self.news.read(&self.conn).unwrap_or_default()
    }

    fn run_each(&mut self, jobs: &[StoreJob], error: &rusqlite::Error, replies: &mut Vec<StoreReply>) {
        // Who holds the database for seconds would hold it for seconds in every one of these.
        let patient = error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy);
        if !patient {
            schema::set_patience(&self.conn, std::time::Duration::ZERO);
        }
        for job in jobs {
            let start = replies.len();
            if let Err(error) = self.transaction(std::slice::from_ref(job), Indexing::Never, replies) {
                replies.truncate(start);
                replies.push(StoreReply::Failed { job: failed_job(job), failure: failure(&error) });
            }
        }
        if !patient {
            schema::set_patience(&self.conn, schema::BUSY_TIMEOUT);
        }
    }

    fn transaction(
        &mut self,
        jobs: &[StoreJob],
        indexing: Indexing,
        replies: &mut Vec<StoreReply>,
    ) -> rusqlite::Result<()> {
        let lag = self.logs.lag() > 0 && indexing == Indexing::BeforeSearch;
        if !jobs.iter().any(|job| writes(job, lag)) {
            self.conn.prepare_cached("BEGIN")?.execute([])?;
            let outcome = self.run_all(jobs, indexing, replies);
            return self.end(outcome);
        }
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let outcome = self.run_all(jobs, indexing, replies);
        self.end(outcome)
    }

    /// A transaction of its own for `work`.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Connection, &mut Logs) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let outcome = work(&self.conn, &mut self.logs);
        self.end(outcome)
    }

    /// Commits, or takes everything back: in the database and in memory.
    fn end<T>(&mut self, outcome: rusqlite::Result<T>) -> rusqlite::Result<T> {
        let outcome = outcome.and_then(|value| {
            self.logs.flush(&self.conn)?;
            self.conn.prepare_cached("COMMIT")?.execute([])?;
            Ok(value)
        });
        if outcome.is_ok() {
            self.logs.commit();
            return outcome;
        }
        self.logs.rollback();
        // A full disk or an I/O error has ended the transaction already.
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            log::error!("store: a transaction could not be rolled back: {error}");
        }
        outcome
    }

    fn run_all(
        &mut self,
        jobs: &[StoreJob],
        indexing: Indexing,
        replies: &mut Vec<StoreReply>,
    ) -> rusqlite::Result<()> {
        for job in jobs {
            replies.push(match self.run(job, indexing) {
                Ok(reply) => reply,
                Err(JobError::Impossible(why)) => {
                    StoreReply::Failed { job: failed_job(job), failure: StoreFailure::Other(why.to_owned()) }
                }
                Err(JobError::Sql(error)) => return Err(error),
            });
        }
        Ok(())
    }

    fn run(&mut self, job: &StoreJob, indexing: Indexing) -> Result<StoreReply, JobError> {
        let Store { conn, logs, sweep, .. } = self;
        match job {
            StoreJob::Account { origin, user } => accounts::find(conn, *origin, user),
            StoreJob::Append { origin, room, scope, key, entry } => {
                append::append(conn, logs, *origin, *room, *scope, key.as_deref(), entry)
            }
            StoreJob::Change { origin, change } => {
                if matches!(change, Change::DropRoom { .. }) {
                    sweep.get_or_insert(Sweep::DROPPED);
                }
                changes::change(conn, logs, *origin, change)
            }
            StoreJob::ForgetKeys { conn: guest } => append::forget_keys(conn, *guest),
            StoreJob::History { origin, room, range, limit } => {
                history::history(conn, logs, *origin, *room, *range, *limit)
            }
            StoreJob::Join { origin, room, create, member, history } => {
                history::join(conn, logs, *origin, *room, create.as_ref(), *member, *history)
            }
            StoreJob::Letters { account, after } => letters::letters(conn, *account, *after),
            StoreJob::LettersDelivered { account, up_to } => letters::delivered(conn, *account, *up_to),
            StoreJob::Maintain { now, keep_messages, keep } => {
                *sweep = Some(Sweep::renewed(*sweep, *now, *keep_messages, *keep));
                Ok(StoreReply::Done)
            }
            StoreJob::Post { origin, to, from, text, at } => {
                letters::post(conn, *origin, *to, from, text.clone(), *at)
            }
            StoreJob::Register { origin, user, hash, invite, invite_needed, session } => {
                let invite = invite_needed.then_some(invite.as_ref());
                accounts::register(conn, *origin, user, hash, invite, *session)
            }
            StoreJob::Search { origin, rooms, query, limit } => {
                if indexing == Indexing::BeforeSearch {
                    rooms.iter().try_for_each(|&room| index::index_room(conn, logs, room))?;
                }
                search::search(conn, logs, *origin, rooms, query, *limit)
            }
            StoreJob::Session { origin, proof, session } => sessions::open(conn, *origin, proof, *session),
        }
    }
}

/// Whether a search may write first. On a full disk it must not: it finds what is indexed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indexing {
    BeforeSearch,
    Never,
}

/// Why a job was not done.
#[derive(Debug)]
enum JobError {
    /// It cannot be done here, and nothing was written for it; others of the same batch are not affected.
    Impossible(&'static str),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for JobError {
    fn from(error: rusqlite::Error) -> JobError {
        JobError::Sql(error)
    }
}

type JobResult = Result<StoreReply, JobError>;

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

/// Whether a job needs the write lock; `lag`: there are messages to index before a search.
fn writes(job: &StoreJob, lag: bool) -> bool {
    match job {
        StoreJob::Account { .. }
        | StoreJob::History { .. }
        | StoreJob::Letters { .. }
        | StoreJob::Maintain { .. } => false,
        StoreJob::Search { .. } => lag,
        _ => true,
    }
}

fn failed_job(job: &StoreJob) -> FailedJob {
    match job {
        StoreJob::Append { origin, .. } | StoreJob::Post { origin, .. } => {
            FailedJob::Append { origin: *origin }
        }
        StoreJob::Change { origin, change } => FailedJob::Change { origin: *origin, change: change.clone() },
        StoreJob::Join { origin, room, .. } => FailedJob::Join { origin: *origin, room: *room },
        StoreJob::Letters { account, .. } => FailedJob::Letters { account: *account },
        StoreJob::ForgetKeys { .. } | StoreJob::LettersDelivered { .. } | StoreJob::Maintain { .. } => {
            FailedJob::Other
        }
        StoreJob::Account { origin, .. }
        | StoreJob::History { origin, .. }
        | StoreJob::Register { origin, .. }
        | StoreJob::Search { origin, .. }
        | StoreJob::Session { origin, .. } => FailedJob::Request { origin: *origin },
    }
}

fn failure(error: &rusqlite::Error) -> StoreFailure {
    let full = match error {
        // The second is the shared memory of the write-ahead log, which could not grow.
        rusqlite::Error::SqliteFailure(cause, _) => {
            cause.code == ErrorCode::DiskFull || cause.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
        }
        _ => false,
    };
    if full { StoreFailure::Full } else { StoreFailure::Other(error.to_string()) }
}
