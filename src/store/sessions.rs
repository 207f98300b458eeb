//! Logging in to an account that has shown who it is, and the tokens that spare the password next time.
//!
//! A token is 256 random bits, so a plain SHA-256 of it is enough to keep: nobody can try them all.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use crate::hub::job::keys::TokenId;
use crate::hub::job::{SessionProof, SessionRecord, SessionRefusal, SessionTerms, StoreReply};
use crate::proto::id::{AccountId, Origin, RoomId};
use crate::proto::limits::SESSIONS_PER_USER_MAX;
use crate::proto::name::UserName;
use crate::proto::secret::Secret;
use crate::proto::time::Timestamp;
use crate::store::batch::{JobError, JobResult};
use crate::store::kept;
use crate::store::position::int;

pub(super) fn open(
    conn: &Connection,
    origin: Origin,
    proof: &SessionProof,
    terms: SessionTerms,
) -> JobResult {
    let outcome = match proof {
        SessionProof::Verified(account) => by_account(conn, *account, terms)?,
        SessionProof::Token { user, token } => by_token(conn, user, token, terms)?,
    };
    Ok(StoreReply::Session { origin, outcome })
}

/// The session of an account that may have one; with a new token, if tokens are made.
pub(super) fn begin(
    conn: &Connection,
    account: AccountId,
    user: UserName,
    terms: SessionTerms,
) -> Result<SessionRecord, JobError> {
    let token = match terms.token_lives {
        None => None,
        Some(lives) => Some(new_token(conn, account, expiry(terms.now, lives))?),
    };
    record(conn, account, user, token)
}

fn by_account(
    conn: &Connection,
    account: AccountId,
    terms: SessionTerms,
) -> Result<Result<SessionRecord, SessionRefusal>, JobError> {
    let found = conn
        .prepare_cached("SELECT banned, name FROM accounts WHERE id = ?1")?
        .query_row([account.0], |row| Ok((row.get(0)?, kept::user_name(row, 1)?)))
        .optional()?;
    match found {
        None | Some((_, None)) => Ok(Err(SessionRefusal::Refused)),
        Some((true, Some(_))) => Ok(Err(SessionRefusal::Banned)),
        Some((false, Some(user))) => Ok(Ok(begin(conn, account, user, terms)?)),
    }
}

/// Prolongs the token. Where no tokens are made any more, old ones are good for nothing.
fn by_token(
    conn: &Connection,
    user: &UserName,
    token: &Secret,
    terms: SessionTerms,
) -> Result<Result<SessionRecord, SessionRefusal>, JobError> {
    let Some(lives) = terms.token_lives else { return Ok(Err(SessionRefusal::Refused)) };
    let hash = token_hash(token);
    let found = conn
        .prepare_cached(
            "SELECT accounts.id, banned, name FROM sessions JOIN accounts ON accounts.id = account
             WHERE token_hash = ?1 AND key = ?2 AND expires > ?3",
        )?
        .query_row((hash, &**user.key(), int(terms.now.0)), |row| {
            Ok((AccountId(row.get(0)?), row.get(1)?, kept::user_name(row, 2)?))
        })
        .optional()?;
    match found {
        None | Some((_, _, None)) => Ok(Err(SessionRefusal::Refused)),
        Some((_, true, Some(_))) => Ok(Err(SessionRefusal::Banned)),
        Some((account, false, Some(user))) => {
            conn.prepare_cached("UPDATE sessions SET expires = ?2 WHERE token_hash = ?1")?
                .execute((hash, int(expiry(terms.now, lives).0)))?;
            Ok(Ok(record(conn, account, user, Some(token.clone()))?))
        }
    }
}

/// Keeps a new token, in place of the one that ends first if there are too many.
fn new_token(conn: &Connection, account: AccountId, expires: Timestamp) -> Result<Secret, JobError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| JobError::Impossible("the system gives no random numbers"))?;
    let token = Secret::new(hexadecimal(&bytes));
    conn.prepare_cached(
        "DELETE FROM sessions WHERE token_hash IN
         (SELECT token_hash FROM sessions WHERE account = ?1 ORDER BY expires DESC LIMIT -1 OFFSET ?2)",
    )?
    .execute((account.0, u32::try_from(SESSIONS_PER_USER_MAX - 1).expect("a small constant")))?;
    conn.prepare_cached("INSERT INTO sessions (token_hash, account, expires) VALUES (?1, ?2, ?3)")?
        .execute((token_hash(&token), account.0, int(expires.0)))?;
    Ok(token)
}

fn record(
    conn: &Connection,
    account: AccountId,
    user: UserName,
    token: Option<Secret>,
) -> Result<SessionRecord, JobError> {
    let rooms = conn
        .prepare_cached("SELECT room FROM members WHERE account = ?1 ORDER BY position")?
        .query_map([account.0], |row| Ok(RoomId(row.get(0)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let blocks = conn
        .prepare_cached("SELECT name FROM blocks WHERE account = ?1 ORDER BY key")?
        .query_map([account.0], |row| kept::user_name(row, 0))?
        .filter_map(Result::transpose)
        .collect::<rusqlite::Result<_>>()?;
    let token_id = token.as_ref().map(token_id);
    let letters_wait =
        conn.prepare_cached("SELECT 1 FROM letters WHERE account = ?1 LIMIT 1")?.exists([account.0])?;
    Ok(SessionRecord { account, user, token, token_id, rooms, blocks, letters_wait })
}

fn expiry(now: Timestamp, lives: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(u64::try_from(lives.as_millis()).unwrap_or(u64::MAX)))
}

fn token_hash(token: &Secret) -> [u8; 32] {
    Sha256::digest(token.reveal()).into()
}

/// What a token can be ended by: with it, one of an account's 64 is told from the others.
fn token_id(token: &Secret) -> TokenId {
    let [a, b, c, d, e, f, g, h, ..] = token_hash(token);
    TokenId([a, b, c, d, e, f, g, h])
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("four bits are one digit");
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// 256 bits.
const TOKEN_BYTES: usize = 32;
