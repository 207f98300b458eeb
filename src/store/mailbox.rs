//! What waits for a device: sealed messages, numbered, kept until it has them.
//!
//! How far a mailbox is, and how far its device, are two numbers of the device's row, and so are the bytes
//! up to there. So bounds are checked, and envelopes taken off, without looking at any; upkeep removes
//! what is taken, in pieces.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::hub::job::StoreReply;
use crate::hub::job::keys::{KeysRefusal, KeysReply, TokenId};
use crate::proto::id::{AccountId, ConnId, DeviceId, Origin, Seq};
use crate::proto::keys::{Attached, Envelope, Sealed};
use crate::proto::limits::{ENVELOPES_KEPT, ENVELOPES_PAGE_MAX};
use crate::proto::time::Timestamp;
use crate::store::batch::{JobError, JobResult};
use crate::store::devices::{self, refused};
use crate::store::position::{int, uint};

/// Who begins to read.
pub(super) struct Attachment {
    pub account: AccountId,
    pub device: DeviceId,
    pub run: u64,
    pub token: Option<TokenId>,
    pub now: Timestamp,
}

pub(super) fn attach(conn: &Connection, origin: Origin, attachment: &Attachment) -> JobResult {
    let Attachment { account, device, run, token, now } = *attachment;
    let found = conn
        .prepare_cached(
            "SELECT id, run, one_time, signed_id, signed_created, seq, taken FROM devices
             WHERE account = ?1 AND device = ?2",
        )?
        .query_row((account.0, device.number()), |row| {
            let signed = row.get::<_, Option<u32>>(3)?;
            let created = row.get::<_, Option<i64>>(4)?.map(|at| Timestamp(uint(at)));
            let (seq, taken) = (uint(row.get(5)?), uint(row.get(6)?));
            let attached = Attached {
                device,
                run: uint(row.get(1)?),
                one_time: 0,
                one_time_next: uint(row.get(2)?) + 1,
                signed: signed.zip(created),
                waiting: seq.saturating_sub(taken),
            };
            Ok((row.get::<_, i64>(0)?, attached, Seq(taken)))
        })
        .optional()?;
    let Some((id, attached, taken)) = found else { return Ok(refused(origin, KeysRefusal::NoSuchDevice)) };
    let one_time = conn
        .prepare_cached("SELECT COUNT(*) FROM prekeys WHERE owner = ?1")?
        .query_row([id], |row| row.get(0))?;
    conn.prepare_cached("UPDATE devices SET run = MAX(run, ?2), token = ?3, seen = ?4 WHERE id = ?1")?
        .execute((id, int(run), token.map(|token| token.0), int(now.0)))?;
    let attached = Attached { one_time, ..attached };
    Ok(StoreReply::Keys(KeysReply::Attached { origin, account, attached, taken }))
}

/// Also returns whether upkeep has to remove more of what is taken.
pub(super) fn ack(
    conn: &Connection,
    origin: Origin,
    account: AccountId,
    device: DeviceId,
    seq: Seq,
    now: Timestamp,
) -> Result<(StoreReply, bool), JobError> {
    let Some(mailbox) = find(conn, account, device)? else {
        return Ok((refused(origin, KeysRefusal::NoSuchDevice), false));
    };
    conn.prepare_cached("UPDATE devices SET seen = ?2 WHERE id = ?1")?.execute((mailbox, int(now.0)))?;
    take_off(conn, mailbox, seq)?;
    let removed = remove_taken(conn, mailbox, ROWS_PER_ACK)?;
    Ok((StoreReply::Keys(KeysReply::Acked { origin, seq }), removed >= ROWS_PER_ACK as usize))
}

/// Envelopes that wait behind `after`, as many as a page takes.
pub(super) fn page(
    conn: &Connection,
    reader: ConnId,
    account: AccountId,
    device: DeviceId,
    after: Seq,
    bytes_max: usize,
) -> JobResult {
    let mut statement = conn.prepare_cached(
        "SELECT envelopes.seq, sender, uid, envelopes.device, at, body FROM devices
         JOIN envelopes ON mailbox = devices.id AND envelopes.seq > MAX(taken, ?3)
         WHERE account = ?1 AND devices.device = ?2 ORDER BY envelopes.seq LIMIT ?4",
    )?;
    // One more than a page, to see whether there is more.
    let mut rows = statement.query((account.0, device.number(), int(after.0), ENVELOPES_PAGE_MAX + 1))?;
    let mut envelopes: Vec<Arc<Envelope>> = Vec::new();
    let (mut bytes, mut more) = (0, false);
    while let Some(row) = rows.next()? {
        let envelope = envelope(row)?;
        bytes += envelope.body.0.len();
        let full = envelopes.len() >= ENVELOPES_PAGE_MAX as usize || bytes > bytes_max;
        if full && !envelopes.is_empty() {
            more = true;
            break;
        }
        envelopes.push(Arc::new(envelope));
    }
    Ok(StoreReply::Keys(KeysReply::Page { conn: reader, account, device, envelopes, more }))
}

/// A row of `seq, sender, uid, device, at, body`.
fn envelope(row: &Row<'_>) -> rusqlite::Result<Envelope> {
    Ok(Envelope {
        seq: Seq(uint(row.get(0)?)),
        from: row.get(1)?,
        uid: AccountId(row.get(2)?),
        device: devices::number(row, 3)?,
        at: Timestamp(uint(row.get(4)?)),
        body: Sealed(row.get_ref(5)?.as_blob()?.into()),
    })
}

/// The mailbox of a device.
pub(super) fn find(conn: &Connection, account: AccountId, device: DeviceId) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT id FROM devices WHERE account = ?1 AND device = ?2")?
        .query_row((account.0, device.number()), |row| row.get(0))
        .optional()
}

/// Takes the oldest of all envelopes off their mailboxes if they are older than any is kept; looks at a few,
/// and returns whether there may be more.
pub(super) fn expire_some(conn: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    let kept = u64::try_from(ENVELOPES_KEPT.as_millis()).unwrap_or(u64::MAX);
    let mut statement = conn.prepare_cached(
        "SELECT mailbox, MAX(seq) FROM (SELECT mailbox, seq, at FROM envelopes ORDER BY id LIMIT ?2)
         WHERE at < ?1 GROUP BY mailbox",
    )?;
    let old: Vec<(i64, i64)> = statement
        .query_map((int(now.0.saturating_sub(kept)), ROWS_PER_STEP), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for &(mailbox, seq) in &old {
        take_off(conn, mailbox, Seq(uint(seq)))?;
        // Those before it in its mailbox came before it, and are among the few.
        conn.prepare_cached("DELETE FROM envelopes WHERE mailbox = ?1 AND seq <= ?2")?
            .execute((mailbox, seq))?;
    }
    Ok(!old.is_empty())
}

/// Removes a piece of what is taken off, or was for a device that is gone, from this mailbox on; returns the
/// one to go on with.
pub(super) fn remove_some(conn: &Connection, from: i64) -> rusqlite::Result<Option<i64>> {
    let mut mailbox = from;
    for _ in 0..MAILBOXES_PER_STEP {
        let next = conn
            .prepare_cached("SELECT mailbox FROM envelopes WHERE mailbox >= ?1 ORDER BY mailbox LIMIT 1")?
            .query_row([mailbox], |row| row.get(0))
            .optional()?;
        let Some(next) = next else { return Ok(None) };
        if remove_taken(conn, next, ROWS_PER_STEP)? > 0 {
            return Ok(Some(next));
        }
        mailbox = next + 1;
    }
    Ok(Some(mailbox))
}

/// The device has everything up to here; it may have had it before.
fn take_off(conn: &Connection, mailbox: i64, seq: Seq) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE devices SET taken = ?2,
         taken_bytes = COALESCE(
             (SELECT up_to FROM envelopes WHERE mailbox = ?1 AND envelopes.seq = ?2), taken_bytes)
         WHERE id = ?1 AND taken < ?2 AND seq >= ?2",
    )?
    .execute((mailbox, int(seq.0)))?;
    Ok(())
}

/// Removes at most so many rows that nobody needs.
fn remove_taken(conn: &Connection, mailbox: i64, rows: u32) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "DELETE FROM envelopes WHERE id IN
         (SELECT id FROM envelopes WHERE mailbox = ?1
          AND seq <= COALESCE((SELECT taken FROM devices WHERE devices.id = ?1), ?3)
          ORDER BY seq LIMIT ?2)",
    )?
    .execute((mailbox, rows, i64::MAX))
}

/// Rows removed, or looked at, in one piece; they may be long.
pub(super) const ROWS_PER_STEP: u32 = 32;
/// A device acknowledges pages, and each is removed at once; whoever saves them up leaves it to upkeep.
const ROWS_PER_ACK: u32 = 2 * ENVELOPES_PAGE_MAX;
/// Mailboxes looked at in one piece; most have nothing to remove.
const MAILBOXES_PER_STEP: u32 = 256;
