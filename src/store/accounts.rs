//! Accounts: finding one, and making one.

use rusqlite::{Connection, OptionalExtension};

use crate::hub::job::{AccountRecord, PasswordHash, RegisterRefusal, SessionTerms, StoreReply};
use crate::proto::id::{AccountId, Origin};
use crate::proto::name::UserName;
use crate::proto::secret::Secret;
use crate::proto::time::Timestamp;
use crate::store::batch::{JobError, JobResult};
use crate::store::operator::invite_hash;
use crate::store::position::int;
use crate::store::{kept, sessions};

pub(super) fn find(conn: &Connection, origin: Origin, user: &UserName) -> JobResult {
    let account = conn
        .prepare_cached("SELECT id, name, hash, banned FROM accounts WHERE key = ?1")?
        .query_row([&**user.key()], |row| {
            let record = |user| -> rusqlite::Result<AccountRecord> {
                let hash = PasswordHash(row.get(2)?);
                Ok(AccountRecord { id: AccountId(row.get(0)?), user, hash, banned: row.get(3)? })
            };
            kept::user_name(row, 1)?.map(record).transpose()
        })
        .optional()?
        .flatten();
    Ok(StoreReply::Account { origin, account })
}

/// Makes an account. `invite` is `None` if none is needed, otherwise what was given for one.
pub(super) fn register(
    conn: &Connection,
    origin: Origin,
    user: &UserName,
    hash: &PasswordHash,
    invite: Option<Option<&Secret>>,
    terms: SessionTerms,
) -> JobResult {
    // The name first: a code must not be used up for a name that cannot be had.
    if is_taken(conn, user)? {
        return Ok(StoreReply::Registered { origin, outcome: Err(RegisterRefusal::NameTaken) });
    }
    if let Some(invite) = invite
        && !consume(conn, invite)?
    {
        return Ok(StoreReply::Registered { origin, outcome: Err(RegisterRefusal::BadInvite) });
    }
    let account = insert(conn, user, hash, terms.now)?;
    let session = sessions::begin(conn, account, user.clone(), terms)?;
    Ok(StoreReply::Registered { origin, outcome: Ok(session) })
}

pub(super) fn is_taken(conn: &Connection, user: &UserName) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM accounts WHERE key = ?1")?.exists([&**user.key()])
}

pub(super) fn insert(
    conn: &Connection,
    user: &UserName,
    hash: &PasswordHash,
    now: Timestamp,
) -> rusqlite::Result<AccountId> {
    let id = conn
        .prepare_cached("INSERT INTO accounts (name, key, hash, created) VALUES (?1, ?2, ?3, ?4)")?
        .insert((&**user.shown(), &**user.key(), &*hash.0, int(now.0)))?;
    let id = u32::try_from(id).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, id))?;
    Ok(AccountId(id))
}

fn consume(conn: &Connection, invite: Option<&Secret>) -> Result<bool, JobError> {
    let Some(invite) = invite else { return Ok(false) };
    let gone = conn.prepare_cached("DELETE FROM invites WHERE hash = ?1")?.execute([invite_hash(invite)])?;
    Ok(gone > 0)
}
