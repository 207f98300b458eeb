//! Bringing the search index up to the logs.

use rusqlite::Connection;

use crate::proto::id::{RoomId, Seq};
use crate::store::logs::{Log, Logs};
use crate::store::position::{int, row};

/// Indexes up to [`PIECE`] messages, whatever room they are in.
pub(super) fn index_some(conn: &Connection, logs: &mut Logs) -> rusqlite::Result<()> {
    let mut left = PIECE;
    while left > 0
        && let Some((room, log)) = logs.lagging()
    {
        let up_to = log.seq.min(log.indexed.saturating_add(left));
        index(conn, logs, room, log, up_to)?;
        left -= up_to - log.indexed;
    }
    Ok(())
}

/// Indexes everything that the index lacks of this room.
pub(super) fn index_room(conn: &Connection, logs: &mut Logs, room: RoomId) -> rusqlite::Result<()> {
    match logs.get(room) {
        Some(log) if log.indexed < log.seq => index(conn, logs, room, log, log.seq),
        _ => Ok(()),
    }
}

/// Takes rows out of the index, which needs their text once more; the rows themselves stay.
pub(super) fn forget(conn: &Connection, room: RoomId, first: Seq, last: Seq) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO found (found, rowid, text)
         SELECT 'delete', id, text FROM messages WHERE id BETWEEN ?1 AND ?2",
    )?
    .execute((row(room, first), row(room, last)))?;
    Ok(())
}

fn index(conn: &Connection, logs: &mut Logs, room: RoomId, log: Log, up_to: u64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO found (rowid, text) SELECT id, text FROM messages WHERE id BETWEEN ?1 AND ?2",
    )?
    .execute((row(room, Seq(log.indexed + 1)), row(room, Seq(up_to))))?;
    conn.prepare_cached("UPDATE rooms SET indexed = ?2 WHERE id = ?1")?.execute((room.0, int(up_to)))?;
    logs.indexed(room, up_to);
    Ok(())
}

/// Messages that may lack in the index while jobs keep coming: few enough that a search, and the pause in
/// which they are indexed, stay at some milliseconds.
pub(super) const LAG_MAX: u64 = 512;
/// Messages indexed at once; more than a batch brings, or the index would never catch up.
pub(super) const PIECE: u64 = 2_048;

const _: () = assert!(LAG_MAX <= PIECE);
