//! Private messages that wait for an account's next login.

use std::sync::Arc;

use rusqlite::Connection;

use crate::hub::job::{PostRefusal, StoreReply};
use crate::proto::event::Letter;
use crate::proto::id::{AccountId, Origin};
use crate::proto::limits::{LETTERS_PAGE_MAX, LETTERS_PER_USER_MAX, PAGE_BYTES_MAX};
use crate::proto::time::Timestamp;
use crate::store::batch::JobResult;
use crate::store::position::{int, uint};

pub(super) fn post(
    conn: &Connection,
    origin: Origin,
    to: AccountId,
    from: &str,
    text: Arc<str>,
    at: Timestamp,
) -> JobResult {
    let exists: bool = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM accounts WHERE id = ?1)")?
        .query_row([to.0], |row| row.get(0))?;
    if !exists {
        return Ok(StoreReply::PostRefused { origin, to, refusal: PostRefusal::NoSuchUser });
    }
    let waiting: u32 = conn
        .prepare_cached("SELECT COUNT(*) FROM letters WHERE account = ?1")?
        .query_row([to.0], |row| row.get(0))?;
    if waiting >= LETTERS_PER_USER_MAX {
        return Ok(StoreReply::PostRefused { origin, to, refusal: PostRefusal::TooMany });
    }
    conn.prepare_cached("INSERT INTO letters (account, at, sender, text) VALUES (?1, ?2, ?3, ?4)")?
        .execute((to.0, int(at.0), from, &text))?;
    Ok(StoreReply::Posted { origin, to, text, at })
}

pub(super) fn letters(conn: &Connection, account: AccountId, after: u64) -> JobResult {
    let mut statement = conn.prepare_cached(
        "SELECT id, at, sender, text FROM letters WHERE account = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    )?;
    // One more than a page, to see whether there is more.
    let mut rows = statement.query((account.0, int(after), LETTERS_PAGE_MAX + 1))?;
    let mut letters: Vec<Letter> = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let text: Arc<str> = row.get(3)?;
        bytes += text.len();
        let full = letters.len() >= LETTERS_PAGE_MAX as usize || bytes > PAGE_BYTES_MAX;
        if full && !letters.is_empty() {
            return Ok(StoreReply::Letters { account, letters, more: true });
        }
        letters.push(Letter {
            id: uint(row.get(0)?),
            at: Timestamp(uint(row.get(1)?)),
            from: row.get(2)?,
            text,
        });
    }
    Ok(StoreReply::Letters { account, letters, more: false })
}

pub(super) fn delivered(conn: &Connection, account: AccountId, up_to: u64) -> JobResult {
    conn.prepare_cached("DELETE FROM letters WHERE account = ?1 AND id <= ?2")?
        .execute((account.0, int(up_to)))?;
    Ok(StoreReply::Done)
}
