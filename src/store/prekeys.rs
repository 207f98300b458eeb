//! What devices publish so that others can begin sessions with them: one signed prekey, and one-time
//! prekeys that are given out once each.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::e2e::address;
use crate::e2e::dh::DhPublic;
use crate::e2e::error::Error;
use crate::e2e::identity::IdentityKey;
use crate::e2e::prekey;
use crate::hub::job::StoreReply;
use crate::hub::job::keys::{KeysRefusal, KeysReply};
use crate::proto::id::{AccountId, DeviceId, Origin};
use crate::proto::keys::{Bundle, NewPrekeys, OneTimePrekey, PublicKey, Signature, SignedPrekey};
use crate::proto::limits::ONE_TIME_PREKEYS_MAX;
use crate::proto::name::UserName;
use crate::proto::time::Timestamp;
use crate::store::batch::{JobError, JobResult};
use crate::store::devices::{self, refused};
use crate::store::position::{int, uint};
use crate::store::send;

/// Doing the same again changes nothing, so that a client may when its connection broke before the reply.
pub(super) fn publish(
    conn: &Connection,
    origin: Origin,
    account: AccountId,
    prekeys: &NewPrekeys,
) -> JobResult {
    let NewPrekeys { device, signed, one_time, replace } = prekeys;
    let found = conn
        .prepare_cached(
            "SELECT name, one_time, id, signed_id, signed_created, signed_key, signature FROM devices
             WHERE account = ?1 AND device = ?2",
        )?
        .query_row((account.0, device.number()), |row| {
            Ok((row.get(0)?, row.get::<_, u32>(1)?, row.get::<_, i64>(2)?, signed_prekey(row, 3)?))
        })
        .optional()?;
    let Some((name, highest, owner, present)) = found else {
        return Ok(refused(origin, KeysRefusal::NoSuchDevice));
    };
    if let Err(refusal) = check_points(prekeys) {
        return Ok(refused(origin, refusal));
    }
    let new_signed = match check_signed(conn, account, *device, present.as_ref(), signed.as_ref())? {
        Ok(new) => new,
        Err(refusal) => return Ok(refused(origin, refusal)),
    };
    let stored: Vec<u32> = conn
        .prepare_cached("SELECT id FROM prekeys WHERE owner = ?1")?
        .query_map([owner], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    // Those that this request brought the first time it came must not go when it comes again.
    let named: BTreeSet<u32> = one_time.iter().map(|prekey| prekey.id).collect();
    let (kept, going): (Vec<u32>, Vec<u32>) =
        stored.into_iter().partition(|id| !replace || named.contains(id));
    let new = || one_time.iter().filter(|prekey| prekey.id > highest);
    let count = kept.len() + new().count();
    if count > ONE_TIME_PREKEYS_MAX {
        return Ok(refused(origin, KeysRefusal::TooManyPrekeys));
    }
    if let Some(signed) = new_signed {
        conn.prepare_cached(
            "UPDATE devices SET signed_id = ?2, signed_created = ?3, signed_key = ?4, signature = ?5
             WHERE id = ?1",
        )?
        .execute((owner, signed.id, int(signed.created.0), signed.key.0, signed.signature.0))?;
    }
    for id in going {
        conn.prepare_cached("DELETE FROM prekeys WHERE owner = ?1 AND id = ?2")?.execute((owner, id))?;
    }
    for prekey in new() {
        conn.prepare_cached("INSERT INTO prekeys (owner, id, key) VALUES (?1, ?2, ?3)")?.execute((
            owner,
            prekey.id,
            prekey.key.0,
        ))?;
    }
    if let Some(highest) = new().map(|prekey| prekey.id).max() {
        conn.prepare_cached("UPDATE devices SET one_time = ?2 WHERE id = ?1")?.execute((owner, highest))?;
    }
    let (device, first) = (*device, present.is_none());
    let one_time = u32::try_from(count).expect("no more than ONE_TIME_PREKEYS_MAX");
    Ok(StoreReply::Keys(KeysReply::Published { origin, account, device, name, one_time, first }))
}

/// Gives out a bundle for each of these devices that there is; each one-time prekey once.
pub(super) fn claim(
    conn: &Connection,
    origin: Origin,
    from: &UserName,
    target: AccountId,
    wanted: Option<&[DeviceId]>,
    except: Option<DeviceId>,
) -> JobResult {
    if send::is_blocked(conn, from, target)? {
        return Ok(StoreReply::Keys(KeysReply::ClaimBlocked { origin, target }));
    }
    let mut bundles = Vec::new();
    if let Some((identity, _)) = devices::identity(conn, target)? {
        let mut statement = conn.prepare_cached(
            "SELECT id, device, signed_id, signed_created, signed_key, signature FROM devices
             WHERE account = ?1 AND signed_id IS NOT NULL ORDER BY device",
        )?;
        let mut rows = statement.query([target.0])?;
        while let Some(row) = rows.next()? {
            let (owner, device) = (row.get::<_, i64>(0)?, devices::number(row, 1)?);
            let asked = wanted.is_none_or(|wanted| wanted.contains(&device)) && except != Some(device);
            if let Some(signed) = signed_prekey(row, 2)?.filter(|_| asked) {
                bundles.push(Bundle { device, identity, signed, one_time: give_out(conn, owner)? });
            }
        }
    }
    Ok(StoreReply::Keys(KeysReply::Claimed { origin, target, bundles }))
}

/// Takes the oldest one-time prekey out.
fn give_out(conn: &Connection, owner: i64) -> rusqlite::Result<Option<OneTimePrekey>> {
    conn.prepare_cached(
        "DELETE FROM prekeys WHERE owner = ?1 AND id = (SELECT MIN(id) FROM prekeys WHERE owner = ?1)
         RETURNING id, key",
    )?
    .query_row([owner], |row| Ok(OneTimePrekey { id: row.get(0)?, key: PublicKey(row.get(1)?) }))
    .optional()
}

/// The columns from this one on: number, date, key, signature; `None` before the first publication.
fn signed_prekey(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<SignedPrekey>> {
    let Some(id) = row.get::<_, Option<u32>>(column)? else { return Ok(None) };
    Ok(Some(SignedPrekey {
        id,
        created: Timestamp(uint(row.get(column + 1)?)),
        key: PublicKey(row.get(column + 2)?),
        signature: Signature(row.get(column + 3)?),
    }))
}

/// Nobody should fetch a point that no agreement can be made with, or one of two encodings of it.
fn check_points(prekeys: &NewPrekeys) -> Result<(), KeysRefusal> {
    let signed = prekeys.signed.iter().map(|prekey| prekey.key);
    let mut keys = signed.chain(prekeys.one_time.iter().map(|prekey| prekey.key));
    match keys.try_for_each(|key| DhPublic(key.0).check_published()) {
        Ok(()) => Ok(()),
        Err(_) => Err(KeysRefusal::BadKey),
    }
}

/// The signed prekey that is to take the place of the present one, if any.
fn check_signed<'a>(
    conn: &Connection,
    account: AccountId,
    device: DeviceId,
    present: Option<&SignedPrekey>,
    signed: Option<&'a SignedPrekey>,
) -> Result<Result<Option<&'a SignedPrekey>, KeysRefusal>, JobError> {
    let new = match (present, signed) {
        (None, None) => return Ok(Err(KeysRefusal::MissingSigned)),
        (Some(_), None) => return Ok(Ok(None)),
        (Some(present), Some(signed)) if present == signed => return Ok(Ok(None)),
        (Some(present), Some(signed)) if signed.id <= present.id => return Ok(Err(KeysRefusal::OldSigned)),
        (_, Some(signed)) => signed,
    };
    let Some((identity, _)) = devices::identity(conn, account)? else {
        return Err(JobError::Impossible("a device without an identity"));
    };
    Ok(verify(&identity, device, new).map(|()| Some(new)).map_err(|_| KeysRefusal::BadSignature))
}

fn verify(identity: &PublicKey, device: DeviceId, signed: &SignedPrekey) -> Result<(), Error> {
    let device = address::DeviceId::new(device.number())?;
    let prekey = prekey::SignedPrekey {
        id: signed.id,
        created: address::Millis(signed.created.0),
        public: DhPublic(signed.key.0),
        signature: signed.signature.0,
    };
    prekey.verify(&IdentityKey::import(&identity.0)?, device)
}
