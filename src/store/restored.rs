//! A backup that was put in the place of the database. The server goes back to the moment of the copy, and
//! the devices do not: what was numbered since, or given out once, must not be so again.
//!
//! - Envelopes count on from far ahead, those that wait too. A device drops what has a number that it has
//!   seen, and would drop other messages that come under the same.
//! - One-time prekeys go; devices bring new ones when they see that there are none. Those that were given
//!   out since the copy would be given out once more, and the second first message could not be opened.
//!
//! A copy is known by a mark in its header, which only [`mark`] writes.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::proto::time::Timestamp;
use crate::store::position::int;

/// Marks a copy, which nobody uses yet.
pub(super) fn mark(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.pragma_update(None, MARK, BACKUP)?;
    conn.close().map_err(|(_, error)| error)
}

/// If this is a copy, makes it one to go on with; returns whether it was.
pub(super) fn settle(conn: &mut Connection, now: Timestamp) -> rusqlite::Result<bool> {
    if conn.pragma_query_value(None, MARK, |row| row.get::<_, i64>(0))? != BACKUP {
        return Ok(false);
    }
    // The seconds since 1970: if the same copy is restored twice, the second time is further ahead than
    // the first, and than what was sent in between at one a second.
    let ahead = int(now.0 / 1000);
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute("UPDATE envelopes SET seq = seq + ?1", [ahead])?;
    tx.execute("UPDATE devices SET seq = seq + ?1, taken = taken + ?1", [ahead])?;
    tx.execute("DELETE FROM prekeys", [])?;
    tx.pragma_update(None, MARK, 0)?;
    tx.commit()?;
    Ok(true)
}

/// A number in the header that SQLite leaves to us; `file` shows it.
const MARK: &str = "application_id";
/// "SVBK".
const BACKUP: i64 = 0x5356_424b;
