//! Reading a room's log, and coming into a room.

use rusqlite::{Connection, Row};

use crate::hub::job::{NewRoom, Page, PageRange, StoreReply};
use crate::proto::event::Entry;
use crate::proto::id::{AccountId, Origin, RoomId, Seq};
use crate::proto::limits::{HISTORY_PAGE_MAX, PAGE_BYTES_MAX};
use crate::proto::time::Timestamp;
use crate::store::batch::{JobError, JobResult};
use crate::store::logs::Logs;
use crate::store::position::{ROOM_MAX, int, parts, row, rows, uint};

pub(super) fn history(
    conn: &Connection,
    logs: &Logs,
    origin: Origin,
    room: RoomId,
    range: PageRange,
    limit: u32,
) -> JobResult {
    let page = match logs.get(room) {
        Some(_) => page(conn, room, range, limit)?,
        None => Page::default(),
    };
    Ok(StoreReply::History { origin, room, page })
}

pub(super) fn join(
    conn: &Connection,
    logs: &mut Logs,
    origin: Origin,
    room: RoomId,
    create: Option<&NewRoom>,
    member: Option<AccountId>,
    history: u32,
) -> JobResult {
    let log = match (logs.get(room), create) {
        (Some(log), _) => Some(log),
        (None, Some(_)) if room.0 > ROOM_MAX => {
            return Err(JobError::Impossible("there are no more room numbers"));
        }
        (None, Some(new)) => {
            make_room(conn, room, new)?;
            logs.create(room);
            None
        }
        (None, None) => return Err(JobError::Impossible("no such room")),
    };
    if let Some(account) = member {
        conn.prepare_cached(
            "INSERT INTO members (account, room, position)
             SELECT id, ?2, (SELECT COALESCE(MAX(position), 0) + 1 FROM members WHERE account = ?1)
             FROM accounts WHERE id = ?1 ON CONFLICT DO NOTHING",
        )?
        .execute((account.0, room.0))?;
    }
    let (page, seq) = match log {
        Some(log) => (page(conn, room, PageRange::Latest, history)?, Seq(log.seq)),
        None => (Page::default(), Seq(0)),
    };
    Ok(StoreReply::Joined { origin, room, page, seq })
}

/// The creator is the room's first operator.
fn make_room(conn: &Connection, room: RoomId, new: &NewRoom) -> rusqlite::Result<()> {
    let NewRoom { name, creator, at } = new;
    conn.prepare_cached("INSERT INTO rooms (id, name, key, creator, created) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((room.0, &**name.shown(), &**name.key(), creator.map(|account| account.0), int(at.0)))?;
    if let Some(account) = creator {
        conn.prepare_cached("INSERT INTO operators (room, account) VALUES (?1, ?2)")?
            .execute((room.0, account.0))?;
    }
    Ok(())
}

fn page(conn: &Connection, room: RoomId, range: PageRange, limit: u32) -> rusqlite::Result<Page> {
    let limit = limit.min(HISTORY_PAGE_MAX);
    if limit == 0 {
        return Ok(Page::default());
    }
    let (first, last) = rows(room);
    let (sql, bounds) = match range {
        PageRange::After(seq) => (OLDEST, (row(room, seq).saturating_add(1), last)),
        PageRange::Before(seq) => (NEWEST, (first, row(room, seq).saturating_sub(1))),
        PageRange::Latest => (NEWEST, (first, last)),
    };
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query((bounds.0, bounds.1, limit))?;
    let mut page = Page::default();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let entry = entry(row)?;
        bytes += entry.text.len();
        if bytes > PAGE_BYTES_MAX && !page.messages.is_empty() {
            page.more = true;
            break;
        }
        page.messages.push(entry);
    }
    if sql == NEWEST {
        page.messages.reverse();
    }
    Ok(page)
}

/// A row of `id, at, sender, me, text`.
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (_, seq) = parts(row.get(0)?);
    Ok(Entry { seq, at: Timestamp(uint(row.get(1)?)), from: row.get(2)?, me: row.get(3)?, text: row.get(4)? })
}

const OLDEST: &str =
    "SELECT id, at, sender, me, text FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";
const NEWEST: &str =
    "SELECT id, at, sender, me, text FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT ?3";
