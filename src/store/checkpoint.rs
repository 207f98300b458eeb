//! Copying the write-ahead log into the database, beside the thread that writes.
//!
//! A checkpoint waits for the disk two or three times: some ten milliseconds on a good one. Done by the
//! thread that commits messages, as SQLite would by itself, everybody waits for it. So a [`Checkpointer`]
//! does it over a connection of its own, which hinders nobody: what is written meanwhile goes to the
//! end of the log.
//!
//! A log begins anew when all of it is in the database, and somebody writes next. Where writes never
//! pause for as long as a checkpoint takes, it only grows; then the thread that writes has to do the
//! rest after all, at `WAL_PAGES_MAX` of the schema, which is a small rest.

use rusqlite::Connection;

use crate::store::schema::WAL_PAGES;

/// A connection that only does checkpoints.
pub struct Checkpointer {
    conn: Connection,
}

/// Pages in the log, and those of them that are in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Progress {
    pages: i64,
    done: i64,
}

impl Checkpointer {
    pub(super) fn new(conn: Connection) -> Checkpointer {
        Checkpointer { conn }
    }

    /// Copies what waits, if it is enough to be worth it. A failure is no news: it is tried again later,
    /// and on a full disk by whoever writes next.
    pub fn step(&mut self) {
        let Ok(before) = self.run("PRAGMA wal_checkpoint(NOOP)") else { return };
        if before.pages - before.done < WAL_PAGES {
            return;
        }
        for _ in 0..ROUNDS_MAX {
            match self.run("PRAGMA wal_checkpoint(PASSIVE)") {
                // What came meanwhile is little, and with luck nothing comes while it is copied.
                Ok(Progress { pages, done }) if done < pages => {}
                _ => return,
            }
        }
    }

    fn run(&self, pragma: &str) -> rusqlite::Result<Progress> {
        self.conn
            .prepare_cached(pragma)?
            .query_row([], |row| Ok(Progress { pages: row.get(1)?, done: row.get(2)? }))
    }
}

/// Checkpoints in a row, each of what was written during the last.
const ROUNDS_MAX: usize = 3;
