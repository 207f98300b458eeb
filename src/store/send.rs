//! A private message that only devices can read: an envelope for each of them, all or none.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use crate::e2e::envelope;
use crate::hub::job::StoreReply;
use crate::hub::job::keys::{Delivery, KeysReply, SendJob, SendRefusal};
use crate::proto::id::{AccountId, Seq};
use crate::proto::keys::{Envelope, NewEnvelope};
use crate::proto::limits::{MAILBOX_BYTES_MAX, MAILBOX_ENVELOPES_MAX, MAILBOX_SHARES};
use crate::proto::name::UserName;
use crate::store::batch::JobResult;
use crate::store::position::{int, uint};
use crate::store::{devices, mailbox};

pub(super) fn send(conn: &Connection, job: &SendJob) -> JobResult {
    let SendJob { origin, to, at, .. } = job;
    if let Some(refusal) = check(conn, job)? {
        return Ok(StoreReply::Keys(KeysReply::SendRefused { origin: *origin, refusal }));
    }
    let (mut kept, mut full) = (Vec::new(), Vec::new());
    for new in &job.envelopes {
        match keep(conn, job, *to, new)? {
            Some(delivery) => kept.push(delivery),
            None => full.push((*to, new.device)),
        }
    }
    if kept.is_empty() && !full.is_empty() {
        let refusal = SendRefusal::Full;
        return Ok(StoreReply::Keys(KeysReply::SendRefused { origin: *origin, refusal }));
    }
    for new in &job.copies {
        match keep(conn, job, job.from.account, new)? {
            Some(delivery) => kept.push(delivery),
            None => full.push((job.from.account, new.device)),
        }
    }
    Ok(StoreReply::Keys(KeysReply::Sent { origin: *origin, to: *to, at: *at, kept, full }))
}

fn check(conn: &Connection, job: &SendJob) -> rusqlite::Result<Option<SendRefusal>> {
    let SendJob { from, to, to_devices, own_devices, envelopes, copies, .. } = job;
    if mailbox::find(conn, from.account, from.device)?.is_none() {
        return Ok(Some(SendRefusal::NoSuchDevice));
    }
    if !conn.prepare_cached("SELECT 1 FROM accounts WHERE id = ?1")?.exists([to.0])? {
        return Ok(Some(SendRefusal::NoSuchUser));
    }
    if is_blocked(conn, &from.user, *to)? {
        return Ok(Some(SendRefusal::Blocked));
    }
    let to_self = *to == from.account;
    let their = devices::numbers(conn, *to, to_self.then_some(from.device))?;
    let own = match to_self {
        true => Vec::new(),
        false => devices::numbers(conn, from.account, Some(from.device))?,
    };
    if their != *to_devices || own != *own_devices {
        return Ok(Some(SendRefusal::Changed { to: their, own }));
    }
    let mut bodies = envelopes.iter().chain(copies).map(|new| &*new.body.0);
    if bodies.any(|body| envelope::Envelope::parse(body).is_err()) {
        return Ok(Some(SendRefusal::Malformed));
    }
    Ok(None)
}

/// Whether an account wants nothing from a user.
pub(super) fn is_blocked(conn: &Connection, from: &UserName, to: AccountId) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM blocks WHERE account = ?1 AND key = ?2")?.exists((to.0, &**from.key()))
}

/// Puts an envelope into its mailbox; `None` if that is full, or the sender's share of it. What a sender
/// has in a mailbox is only looked at where more waits than such a share.
fn keep(
    conn: &Connection,
    job: &SendJob,
    account: AccountId,
    new: &NewEnvelope,
) -> rusqlite::Result<Option<Delivery>> {
    let SendJob { from, at, .. } = job;
    let NewEnvelope { device, body } = new;
    let place = conn
        .prepare_cached(
            "UPDATE devices SET seq = seq + 1, bytes = bytes + ?3
             WHERE account = ?1 AND device = ?2 AND seq - taken < ?4 AND bytes + ?3 - taken_bytes <= ?5
             AND (account = ?6 OR seq - taken < ?7 AND bytes + ?3 - taken_bytes <= ?8
                  OR (SELECT COUNT(*) < ?7 AND COALESCE(SUM(length(body)), 0) + ?3 <= ?8 FROM envelopes
                      WHERE mailbox = devices.id AND uid = ?6 AND envelopes.seq > taken))
             RETURNING id, seq, bytes",
        )?
        .query_row(
            (
                account.0,
                device.number(),
                length(&body.0),
                MAILBOX.0,
                MAILBOX.1,
                from.account.0,
                SHARE.0,
                SHARE.1,
            ),
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
        )
        .optional()?;
    let Some((mailbox, seq, up_to)) = place else { return Ok(None) };
    conn.prepare_cached(
        "INSERT INTO envelopes (mailbox, seq, up_to, at, sender, uid, device, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute((
        mailbox,
        seq,
        up_to,
        int(at.0),
        &**from.user.shown(),
        from.account.0,
        from.device.number(),
        &*body.0,
    ))?;
    let envelope = Arc::new(Envelope {
        seq: Seq(uint(seq)),
        from: from.user.shown().clone(),
        uid: from.account,
        device: from.device,
        at: *at,
        body: body.clone(),
    });
    Ok(Some(Delivery { account, device: *device, envelope }))
}

fn length(body: &[u8]) -> i64 {
    i64::try_from(body.len()).unwrap_or(i64::MAX)
}

/// What a mailbox holds, in envelopes and bytes as SQLite counts, and what of one sender.
const MAILBOX: (i64, i64) = (MAILBOX_ENVELOPES_MAX as i64, MAILBOX_BYTES_MAX as i64);
const SHARE: (i64, i64) = (MAILBOX.0 / MAILBOX_SHARES as i64, MAILBOX.1 / MAILBOX_SHARES as i64);
