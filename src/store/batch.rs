//! Jobs in a transaction: all or nothing in the database and in memory, and a verdict for each.

use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use crate::hub::job::keys::{KeysJob, KeysReply};
use crate::hub::job::{Change, FailedJob, StoreFailure, StoreJob, StoreReply};
use crate::store::devices::Enrolment;
use crate::store::logs::Logs;
use crate::store::mailbox::Attachment;
use crate::store::maintain::Sweep;
use crate::store::{
    Store, accounts, append, changes, devices, files, history, index, letters, mailbox, prekeys, schema,
    search, send, sessions,
};

impl Store {
    /// Tries each job alone, after all of them together failed with `error`.
    pub(super) fn run_each(
        &mut self,
        jobs: &[StoreJob],
        error: &rusqlite::Error,
        replies: &mut Vec<StoreReply>,
    ) {
        // Who holds the database for seconds would hold it for seconds in every one of these.
        let patient = error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy);
        if !patient {
            schema::set_patience(&self.conn, Duration::ZERO);
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

    pub(super) fn transaction(
        &mut self,
        jobs: &[StoreJob],
        indexing: Indexing,
        replies: &mut Vec<StoreReply>,
    ) -> rusqlite::Result<()> {
        let lag = self.logs.lag() > 0 && indexing == Indexing::BeforeSearch;
        let begin = if jobs.iter().any(|job| writes(job, lag)) { "BEGIN IMMEDIATE" } else { "BEGIN" };
        self.conn.prepare_cached(begin)?.execute([])?;
        let outcome = self.run_all(jobs, indexing, replies);
        self.end(outcome)
    }

    /// A transaction of its own for `work`.
    pub(super) fn write<T>(
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
            StoreJob::Keys(job) => {
                let (reply, leaves_more) = keys(conn, job)?;
                if leaves_more {
                    sweep.get_or_insert(Sweep::DROPPED);
                }
                Ok(reply)
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
            StoreJob::Upload { origin, new } => files::upload(conn, *origin, new),
        }
    }
}

/// Does a job about keys, devices or mailboxes; and says whether it leaves something for upkeep to remove.
fn keys(conn: &Connection, job: &KeysJob) -> Result<(StoreReply, bool), JobError> {
    let reply = match job {
        KeysJob::Ack { origin, account, device, seq, now } => {
            return mailbox::ack(conn, *origin, *account, *device, *seq, *now);
        }
        KeysJob::Attach { origin, account, device, run, token, now } => {
            let (account, device, run, token, now) = (*account, *device, *run, *token, *now);
            mailbox::attach(conn, *origin, &Attachment { account, device, run, token, now })
        }
        KeysJob::Claim { origin, from, target, devices, except } => {
            prekeys::claim(conn, *origin, from, *target, devices.as_deref(), *except)
        }
        KeysJob::Devices { origin, account } => devices::list(conn, *origin, *account),
        KeysJob::Enroll { origin, account, identity, name, replace, now } => {
            let (account, identity, replace, now) = (*account, *identity, *replace, *now);
            devices::enroll(conn, *origin, &Enrolment { account, identity, name, replace, now })
        }
        KeysJob::Page { conn: reader, account, device, after, bytes } => {
            mailbox::page(conn, *reader, *account, *device, *after, *bytes)
        }
        KeysJob::Publish { origin, account, prekeys } => {
            self::prekeys::publish(conn, *origin, *account, prekeys)
        }
        KeysJob::Revoke { origin, account, device } => devices::revoke(conn, *origin, *account, *device),
        KeysJob::Send(job) => send::send(conn, job),
    }?;
    let leaves_more = match &reply {
        StoreReply::Keys(KeysReply::Enrolled { gone, .. }) => !gone.is_empty(),
        StoreReply::Keys(KeysReply::Revoked { .. }) => true,
        _ => false,
    };
    Ok((reply, leaves_more))
}

/// Whether a search may write first. On a full disk it must not: it finds what is indexed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Indexing {
    BeforeSearch,
    Never,
}

/// Why a job was not done.
#[derive(Debug)]
pub(super) enum JobError {
    /// It cannot be done here, and nothing was written for it; others of the same batch are not affected.
    Impossible(&'static str),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for JobError {
    fn from(error: rusqlite::Error) -> JobError {
        JobError::Sql(error)
    }
}

pub(super) type JobResult = Result<StoreReply, JobError>;

/// Whether a job needs the write lock; `lag`: there are messages to index before a search.
fn writes(job: &StoreJob, lag: bool) -> bool {
    match job {
        StoreJob::Account { .. }
        | StoreJob::History { .. }
        | StoreJob::Keys(KeysJob::Devices { .. } | KeysJob::Page { .. })
        | StoreJob::Letters { .. }
        | StoreJob::Maintain { .. } => false,
        StoreJob::Search { .. } => lag,
        _ => true,
    }
}

fn failed_job(job: &StoreJob) -> FailedJob {
    match job {
        StoreJob::Post { origin, to, .. } => FailedJob::Post { origin: *origin, to: *to },
        StoreJob::Append { origin, .. } => FailedJob::Append { origin: *origin },
        StoreJob::Change { origin, change } => FailedJob::Change { origin: *origin, change: change.clone() },
        StoreJob::Join { origin, room, .. } => FailedJob::Join { origin: *origin, room: *room },
        StoreJob::Keys(KeysJob::Send(job)) => FailedJob::Append { origin: job.origin },
        StoreJob::Keys(KeysJob::Page { conn, account, device, .. }) => {
            FailedJob::Mailbox { conn: *conn, account: *account, device: *device }
        }
        StoreJob::Letters { account, .. } => FailedJob::Letters { account: *account },
        StoreJob::ForgetKeys { .. } | StoreJob::LettersDelivered { .. } | StoreJob::Maintain { .. } => {
            FailedJob::Other
        }
        StoreJob::Account { origin, .. }
        | StoreJob::History { origin, .. }
        | StoreJob::Keys(
            KeysJob::Ack { origin, .. }
            | KeysJob::Attach { origin, .. }
            | KeysJob::Claim { origin, .. }
            | KeysJob::Devices { origin, .. }
            | KeysJob::Enroll { origin, .. }
            | KeysJob::Publish { origin, .. }
            | KeysJob::Revoke { origin, .. },
        )
        | StoreJob::Register { origin, .. }
        | StoreJob::Search { origin, .. }
        | StoreJob::Session { origin, .. } => FailedJob::Request { origin: *origin },
        StoreJob::Upload { origin, new } => FailedJob::Upload { origin: *origin, new: new.clone() },
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
