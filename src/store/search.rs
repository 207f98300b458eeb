//! Full-text search. What a user types is words, never a query language.

use rusqlite::Connection;

use crate::hub::job::StoreReply;
use crate::proto::event::Entry;
use crate::proto::id::{Origin, RoomId};
use crate::proto::limits::{HISTORY_PAGE_MAX, PAGE_BYTES_MAX};
use crate::store::batch::JobResult;
use crate::store::history::entry;
use crate::store::logs::Logs;
use crate::store::position::{parts, rows};

/// The newest matches over all these rooms, oldest first.
pub(super) fn search(
    conn: &Connection,
    logs: &Logs,
    origin: Origin,
    rooms: &[RoomId],
    query: &str,
    limit: u32,
) -> JobResult {
    let limit = limit.min(HISTORY_PAGE_MAX);
    let query = phrases(query);
    if query.is_empty() {
        return Ok(StoreReply::Search { origin, messages: Vec::new(), more: false });
    }
    let mut found = Vec::new();
    for room in rooms.iter().copied().filter(|&room| logs.get(room).is_some()) {
        find(conn, room, &query, limit, &mut found)?;
    }
    // Positions of different rooms cannot be compared, times can.
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.dedup();
    let mut more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let mut messages = Vec::with_capacity(found.len());
    let mut bytes = 0;
    for (_, id) in found {
        let entry = read(conn, id)?;
        bytes += entry.text.len();
        if bytes > PAGE_BYTES_MAX {
            more = true;
            break;
        }
        messages.push((parts(id).0, entry));
    }
    messages.reverse();
    Ok(StoreReply::Search { origin, messages, more })
}

/// The newest matches of one room, as time and row; one more than `limit`, to see whether there is more.
fn find(
    conn: &Connection,
    room: RoomId,
    query: &str,
    limit: u32,
    found: &mut Vec<(i64, i64)>,
) -> rusqlite::Result<()> {
    let (first, last) = rows(room);
    let mut statement = conn.prepare_cached(
        "SELECT messages.at, messages.id FROM found JOIN messages ON messages.id = found.rowid
         WHERE found MATCH ?1 AND found.rowid BETWEEN ?2 AND ?3 ORDER BY found.rowid DESC LIMIT ?4",
    )?;
    let rows = statement.query_map((query, first, last, limit + 1), |row| Ok((row.get(0)?, row.get(1)?)))?;
    for row in rows {
        found.push(row?);
    }
    Ok(())
}

fn read(conn: &Connection, id: i64) -> rusqlite::Result<Entry> {
    conn.prepare_cached("SELECT id, at, sender, me, text FROM messages WHERE id = ?1")?.query_row([id], entry)
}

/// Each word as a quoted string, which is all of the index's query language that a user reaches. A word
/// that is several to the index (`foo-bar`) is found where these stand together.
fn phrases(query: &str) -> String {
    let mut phrases = String::new();
    // The index reads its query up to the first NUL, which would cut a string open.
    for word in
        query.split(|c: char| c.is_whitespace() || c == '\0').filter(|word| !word.is_empty()).take(WORDS_MAX)
    {
        phrases.push('"');
        phrases.push_str(&word.replace('"', "\"\""));
        phrases.push_str("\" ");
    }
    phrases
}

/// Words of a query that count; a longer one finds more than it should, which is better than nothing.
const WORDS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_never_a_query_language() {
        let check = |query: &str, expected: &str| assert_eq!(phrases(query), expected, "{query:?}");
        check("", "");
        check(" \t\n\0 ", "");
        check("two words", "\"two\" \"words\" ");
        check("a\"b OR* NEAR(", "\"a\"\"b\" \"OR*\" \"NEAR(\" ");
        check("cut\0open", "\"cut\" \"open\" ");
        check(&"x ".repeat(WORDS_MAX + 1), &"\"x\" ".repeat(WORDS_MAX));
    }
}
