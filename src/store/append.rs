//! Messages into a room's log, and the keys that make a repeated `say` harmless.
//!
//! The hottest path of the store: two or three prepared statements, and nothing allocated but the entry
//! that everybody will share.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use crate::hub::job::{KeyScope, NewEntry, StoreReply};
use crate::proto::event::Entry;
use crate::proto::id::{ConnId, Origin, RoomId, Seq};
use crate::proto::limits::SAY_KEY_KEPT;
use crate::proto::time::Timestamp;
use crate::store::batch::{JobError, JobResult};
use crate::store::logs::Logs;
use crate::store::position::{int, row, uint};

pub(super) fn append(
    conn: &Connection,
    logs: &mut Logs,
    origin: Origin,
    room: RoomId,
    scope: KeyScope,
    key: Option<&str>,
    entry: &NewEntry,
) -> JobResult {
    if let Some(key) = key
        && let Some((seq, at)) = find_key(conn, room, scope, key, entry.at)?
    {
        return Ok(StoreReply::Repeated { origin, room, seq, at });
    }
    let seq = logs.next(room).ok_or(JobError::Impossible("no such room, or it is full"))?;
    conn.prepare_cached("INSERT INTO messages (id, at, sender, me, text) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((row(room, seq), int(entry.at.0), &*entry.from, entry.me, &*entry.text))?;
    if let Some(key) = key {
        remember_key(conn, room, scope, key, seq, entry.at)?;
    }
    let NewEntry { at, from, me, text } = entry.clone();
    Ok(StoreReply::Appended { origin, room, entry: Arc::new(Entry { seq, at, from, me, text }) })
}

pub(super) fn forget_keys(conn: &Connection, guest: ConnId) -> JobResult {
    conn.prepare_cached("DELETE FROM guest_keys WHERE scope = ?1")?.execute([guest_number(guest)])?;
    Ok(StoreReply::Done)
}

fn find_key(
    conn: &Connection,
    room: RoomId,
    scope: KeyScope,
    key: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<(Seq, Timestamp)>> {
    let (sql, number) = match scope {
        KeyScope::Account(account) => {
            ("SELECT seq, at FROM say_keys WHERE scope = ?1 AND room = ?2 AND key = ?3", i64::from(account.0))
        }
        KeyScope::Guest(guest) => (
            "SELECT seq, at FROM guest_keys WHERE scope = ?1 AND room = ?2 AND key = ?3",
            guest_number(guest),
        ),
    };
    let found = conn
        .prepare_cached(sql)?
        .query_row((number, room.0, key), |row| Ok((Seq(uint(row.get(0)?)), Timestamp(uint(row.get(1)?)))))
        .optional()?;
    Ok(found.filter(|(_, at)| at.0 >= forgotten_before(now).0))
}

fn remember_key(
    conn: &Connection,
    room: RoomId,
    scope: KeyScope,
    key: &str,
    seq: Seq,
    at: Timestamp,
) -> rusqlite::Result<()> {
    // REPLACE, because the key may be there still from more than a day ago.
    let (sql, number) = match scope {
        KeyScope::Account(account) => (
            "INSERT OR REPLACE INTO say_keys (scope, room, key, seq, at) VALUES (?1, ?2, ?3, ?4, ?5)",
            i64::from(account.0),
        ),
        KeyScope::Guest(guest) => (
            "INSERT OR REPLACE INTO guest_keys (scope, room, key, seq, at) VALUES (?1, ?2, ?3, ?4, ?5)",
            guest_number(guest),
        ),
    };
    conn.prepare_cached(sql)?.execute((number, room.0, key, int(seq.0), int(at.0)))?;
    Ok(())
}

/// Keys from before this moment are forgotten.
pub(super) fn forgotten_before(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(u64::try_from(SAY_KEY_KEPT.as_millis()).unwrap_or(u64::MAX)))
}

/// Both halves of a connection's id, side by side.
fn guest_number(conn: ConnId) -> i64 {
    (u64::from(conn.slot) << 32 | u64::from(conn.serial)).cast_signed()
}
