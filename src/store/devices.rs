//! The devices of an account that take part in end-to-end encryption: numbers, names, one identity.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::e2e::identity::IdentityKey;
use crate::hub::job::StoreReply;
use crate::hub::job::keys::{Gone, KeysRefusal, KeysReply, TokenId};
use crate::proto::id::{AccountId, DeviceId, Origin};
use crate::proto::keys::{DeviceAbout, PublicKey};
use crate::proto::limits::DEVICES_PER_ACCOUNT_MAX;
use crate::proto::time::Timestamp;
use crate::store::batch::{JobError, JobResult};
use crate::store::position::{int, uint};

/// Who wants to enroll what.
pub(super) struct Enrolment<'a> {
    pub account: AccountId,
    pub identity: PublicKey,
    pub name: &'a str,
    /// Another identity than before is taken in its place.
    pub replace: bool,
    pub now: Timestamp,
}

/// The devices that have published prekeys.
pub(super) fn list(conn: &Connection, origin: Origin, account: AccountId) -> JobResult {
    let identity = identity(conn, account)?.map(|(key, _)| key);
    let mut statement = conn.prepare_cached(
        "SELECT device, name, since, seen FROM devices
         WHERE account = ?1 AND signed_id IS NOT NULL ORDER BY device",
    )?;
    let about = |row: &Row<'_>| {
        let seen: Option<i64> = row.get(3)?;
        let (since, seen) = (Timestamp(uint(row.get(2)?)), seen.map(|at| Timestamp(uint(at))));
        Ok((number(row, 0)?, DeviceAbout { name: row.get(1)?, since, seen }))
    };
    let devices = statement.query_map([account.0], about)?.collect::<rusqlite::Result<_>>()?;
    Ok(StoreReply::Keys(KeysReply::Devices { origin, account, identity, devices }))
}

pub(super) fn enroll(conn: &Connection, origin: Origin, enrolment: &Enrolment<'_>) -> JobResult {
    let Enrolment { account, identity: key, name, replace, now } = *enrolment;
    if IdentityKey::import(&key.0).is_err() {
        return Ok(refused(origin, KeysRefusal::BadKey));
    }
    if !conn.prepare_cached("SELECT 1 FROM accounts WHERE id = ?1")?.exists([account.0])? {
        return Err(JobError::Impossible("no such account"));
    }
    let (last, replaced) = match identity(conn, account)? {
        None => (0, false),
        Some((present, last)) if present == key => (last, false),
        Some((_, last)) if replace => (last, true),
        Some(_) => return Ok(refused(origin, KeysRefusal::WrongIdentity)),
    };
    let device = DeviceId::new(last + 1).ok_or(JobError::Impossible("no more numbers for devices"))?;
    let Some(gone) = make_room(conn, account, replaced)? else {
        return Ok(refused(origin, KeysRefusal::TooManyDevices));
    };
    conn.prepare_cached("INSERT OR REPLACE INTO identities (account, key, devices) VALUES (?1, ?2, ?3)")?
        .execute((account.0, key.0, device.number()))?;
    conn.prepare_cached("INSERT INTO devices (account, device, name, since) VALUES (?1, ?2, ?3, ?4)")?
        .execute((account.0, device.number(), name, int(now.0)))?;
    Ok(StoreReply::Keys(KeysReply::Enrolled { origin, account, device, gone, replaced }))
}

/// Removes a device with everything of it; upkeep removes what waits in its mailbox.
pub(super) fn revoke(conn: &Connection, origin: Origin, account: AccountId, device: DeviceId) -> JobResult {
    let found = conn
        .prepare_cached(
            "SELECT id, name, signed_id IS NOT NULL, token FROM devices WHERE account = ?1 AND device = ?2",
        )?
        .query_row((account.0, device.number()), |row| {
            let gone = Gone { device, name: row.get(1)?, published: row.get(2)? };
            Ok((row.get::<_, i64>(0)?, gone, row.get::<_, Option<[u8; 8]>>(3)?))
        })
        .optional()?;
    let Some((id, gone, token)) = found else { return Ok(refused(origin, KeysRefusal::NoSuchDevice)) };
    if let Some(token) = token {
        conn.prepare_cached("DELETE FROM sessions WHERE account = ?1 AND substr(token_hash, 1, 8) = ?2")?
            .execute((account.0, token))?;
    }
    conn.prepare_cached("DELETE FROM devices WHERE id = ?1")?.execute([id])?;
    let token = token.map(TokenId);
    Ok(StoreReply::Keys(KeysReply::Revoked { origin, account, gone, token }))
}

/// The identity of an account, and the last number of its devices.
pub(super) fn identity(conn: &Connection, account: AccountId) -> rusqlite::Result<Option<(PublicKey, u32)>> {
    conn.prepare_cached("SELECT key, devices FROM identities WHERE account = ?1")?
        .query_row([account.0], |row| Ok((PublicKey(row.get(0)?), row.get(1)?)))
        .optional()
}

/// The devices that can be written to, but for one.
pub(super) fn numbers(
    conn: &Connection,
    account: AccountId,
    except: Option<DeviceId>,
) -> rusqlite::Result<Vec<DeviceId>> {
    let mut statement = conn.prepare_cached(
        "SELECT device FROM devices WHERE account = ?1 AND signed_id IS NOT NULL ORDER BY device",
    )?;
    let all = statement.query_map([account.0], |row| number(row, 0))?;
    all.filter(|device| !matches!(device, Ok(device) if Some(*device) == except)).collect()
}

/// A device's number as it was kept.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<DeviceId> {
    let number: u32 = row.get(column)?;
    DeviceId::new(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, number.into()))
}

pub(super) fn refused(origin: Origin, refusal: KeysRefusal) -> StoreReply {
    StoreReply::Keys(KeysReply::Refused { origin, refusal })
}

/// Removes all devices; or, if there are too many for another one, the oldest that nobody can know. `None`
/// if there is none, and then nothing was removed.
fn make_room(conn: &Connection, account: AccountId, all: bool) -> rusqlite::Result<Option<Vec<Gone>>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, device, name, signed_id IS NOT NULL FROM devices WHERE account = ?1 ORDER BY device",
    )?;
    let found = statement.query_map([account.0], |row| {
        let gone = Gone { device: number(row, 1)?, name: row.get::<_, Arc<str>>(2)?, published: row.get(3)? };
        Ok((row.get::<_, i64>(0)?, gone))
    })?;
    let found = found.collect::<rusqlite::Result<Vec<_>>>()?;
    let going: Vec<(i64, Gone)> = match all {
        true => found,
        false if found.len() < DEVICES_PER_ACCOUNT_MAX => Vec::new(),
        false => match found.into_iter().find(|(_, gone)| !gone.published) {
            Some(unknown) => vec![unknown],
            None => return Ok(None),
        },
    };
    for (id, _) in &going {
        conn.prepare_cached("DELETE FROM devices WHERE id = ?1")?.execute([id])?;
    }
    Ok(Some(going.into_iter().map(|(_, gone)| gone).collect()))
}
