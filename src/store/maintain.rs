//! Removing what is not kept any more, in pieces that hold nobody up.
//!
//! A sweep goes through its stages in order; [`Sweep::step`] does a bounded piece of the present one.
//! Positions never start again: a room keeps its last one however little of its log is left.

use std::time::Duration;

use rusqlite::Connection;

use crate::proto::id::{RoomId, Seq};
use crate::proto::time::Timestamp;
use crate::store::append::forgotten_before;
use crate::store::logs::Logs;
use crate::store::position::{int, parts, row, rows, uint};
use crate::store::{index, mailbox};

/// One round through everything that can grow old.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    now: Timestamp,
    keep_messages: Option<u64>,
    /// Messages from before this are not kept.
    keep_since: Option<Timestamp>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Dropped,
    Envelopes,
    Keys,
    /// Mailboxes from this one on.
    Mailboxes(i64),
    /// Rooms from this one on.
    Rooms(RoomId),
    Sessions,
}

impl Sweep {
    /// A round in which nothing grows old: only what is left of dropped rooms and mailboxes goes.
    pub const DROPPED: Sweep =
        Sweep { now: Timestamp(0), keep_messages: None, keep_since: None, stage: Stage::Dropped };

    /// A new round; or the one that runs, with new terms, so that frequent rounds all come to their end.
    pub fn renewed(
        running: Option<Sweep>,
        now: Timestamp,
        keep_messages: Option<u64>,
        keep: Option<Duration>,
    ) -> Sweep {
        let keep_since = keep
            .map(|keep| Timestamp(now.0.saturating_sub(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX))));
        let stage = running.map_or(Stage::Dropped, |sweep| sweep.stage);
        Sweep { now, keep_messages, keep_since, stage }
    }

    /// Does a piece; returns what is left to do.
    pub fn step(self, conn: &Connection, logs: &mut Logs) -> rusqlite::Result<Option<Sweep>> {
        let next = match self.stage {
            Stage::Dropped => match sweep_dropped(conn)? {
                true => Stage::Dropped,
                false => Stage::Sessions,
            },
            Stage::Sessions => match sweep_sessions(conn, self.now)? {
                true => Stage::Sessions,
                false => Stage::Keys,
            },
            Stage::Keys => match sweep_keys(conn, self.now)? {
                true => Stage::Keys,
                false => Stage::Envelopes,
            },
            Stage::Envelopes => match mailbox::expire_some(conn, self.now)? {
                true => Stage::Envelopes,
                false => Stage::Mailboxes(0),
            },
            Stage::Mailboxes(from) => match mailbox::remove_some(conn, from)? {
                Some(next) => Stage::Mailboxes(next),
                None => Stage::Rooms(RoomId(0)),
            },
            Stage::Rooms(room) => match self.sweep_rooms(conn, logs, room)? {
                Some(room) => Stage::Rooms(room),
                None => return Ok(None),
            },
        };
        Ok(Some(Sweep { stage: next, ..self }))
    }

    /// Returns the room to go on with.
    fn sweep_rooms(
        &self,
        conn: &Connection,
        logs: &mut Logs,
        from: RoomId,
    ) -> rusqlite::Result<Option<RoomId>> {
        if self.keep_messages.is_none() && self.keep_since.is_none() {
            return Ok(None);
        }
        let rooms: Vec<u32> = conn
            .prepare_cached("SELECT id FROM rooms WHERE id >= ?1 ORDER BY id LIMIT ?2")?
            .query_map((from.0, ROOMS_PER_STEP), |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for &room in &rooms {
            if self.sweep_room(conn, logs, RoomId(room))? {
                return Ok(Some(RoomId(room)));
            }
        }
        Ok(rooms.last().map(|&room| RoomId(room + 1)))
    }

    /// Removes a piece of a room's beginning; returns whether there was any.
    fn sweep_room(&self, conn: &Connection, logs: &mut Logs, room: RoomId) -> rusqlite::Result<bool> {
        let Some(log) = logs.get(room) else { return Ok(false) };
        let surplus = self.keep_messages.map_or(0, |keep| log.seq.saturating_sub(keep));
        let since = self.keep_since.unwrap_or(Timestamp(0));
        let (first, last) = rows(room);
        let mut statement = conn
            .prepare_cached("SELECT id, at FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3")?;
        let mut rows = statement.query((first, last, ROWS_PER_STEP))?;
        let mut up_to = None;
        while let Some(row) = rows.next()? {
            let (_, seq) = parts(row.get(0)?);
            if seq.0 > surplus && uint(row.get(1)?) >= since.0 {
                break;
            }
            up_to = Some(seq);
        }
        drop(rows);
        let Some(up_to) = up_to else { return Ok(false) };
        remove(conn, room, up_to, Seq(log.indexed))?;
        if up_to.0 > log.indexed {
            conn.prepare_cached("UPDATE rooms SET indexed = ?2 WHERE id = ?1")?
                .execute((room.0, int(up_to.0)))?;
            logs.indexed(room, up_to.0);
        }
        Ok(true)
    }
}

/// Whether there is anything left of dropped rooms.
fn sweep_dropped(conn: &Connection) -> rusqlite::Result<bool> {
    let mut statement = conn.prepare_cached("SELECT room, indexed FROM dropped ORDER BY room LIMIT 1")?;
    let found = statement
        .query_map([], |row| Ok((RoomId(row.get(0)?), Seq(uint(row.get(1)?)))))?
        .next()
        .transpose()?;
    let Some((room, indexed)) = found else { return Ok(false) };
    let (first, last) = rows(room);
    let up_to: Option<i64> = conn
        .prepare_cached(
            "SELECT MAX(id) FROM (SELECT id FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)",
        )?
        .query_row((first, last, ROWS_PER_STEP), |row| row.get(0))?;
    match up_to {
        Some(up_to) => remove(conn, room, parts(up_to).1, indexed)?,
        None => {
            conn.prepare_cached("DELETE FROM dropped WHERE room = ?1")?.execute([room.0])?;
        }
    }
    Ok(true)
}

/// Removes a room's messages up to this one, from the index too if they were in it.
fn remove(conn: &Connection, room: RoomId, up_to: Seq, indexed: Seq) -> rusqlite::Result<()> {
    index::forget(conn, room, Seq(0), up_to.min(indexed))?;
    conn.prepare_cached("DELETE FROM messages WHERE id BETWEEN ?1 AND ?2")?
        .execute((row(room, Seq(0)), row(room, up_to)))?;
    Ok(())
}

fn sweep_sessions(conn: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    let gone = conn
        .prepare_cached(
            "DELETE FROM sessions WHERE token_hash IN
             (SELECT token_hash FROM sessions WHERE expires <= ?1 LIMIT ?2)",
        )?
        .execute((int(now.0), ROWS_PER_STEP))?;
    Ok(gone > 0)
}

/// Looks only at the oldest ones, and goes on as long as there is one to forget among them.
fn sweep_keys(conn: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    let before = int(forgotten_before(now).0);
    let mut gone = 0;
    for sql in [
        "DELETE FROM say_keys WHERE at < ?1 AND id IN (SELECT id FROM say_keys ORDER BY id LIMIT ?2)",
        "DELETE FROM guest_keys WHERE at < ?1 AND id IN (SELECT id FROM guest_keys ORDER BY id LIMIT ?2)",
    ] {
        gone += conn.prepare_cached(sql)?.execute((before, ROWS_PER_STEP))?;
    }
    Ok(gone > 0)
}

/// Rows removed, or looked at, in one piece: about a millisecond.
pub(super) const ROWS_PER_STEP: u32 = 128;
/// Rooms looked at in one piece; most have nothing to remove.
const ROOMS_PER_STEP: u32 = 256;
