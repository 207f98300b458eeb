//! What is read at the start: rooms, accounts and what there is of files, never messages.

use rusqlite::{Connection, Row, TransactionBehavior};

use crate::hub::job::{Kept, KeptAccount, KeptRoom};
use crate::proto::event::Access;
use crate::proto::id::{AccountId, RoomId, Seq};
use crate::proto::name::{RoomName, UserName};
use crate::store::files;
use crate::store::logs::Logs;
use crate::store::operator::NewsCursor;
use crate::store::position::uint;

/// Reads what the hub keeps in memory, in one transaction, and forgets news from before it.
pub(super) fn load(conn: &mut Connection) -> rusqlite::Result<(Kept, Logs, NewsCursor)> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let news = NewsCursor::start(&tx)?;
    let accounts = load_accounts(&tx)?;
    let (rooms, logs) = load_rooms(&tx)?;
    let files = files::load(&tx)?;
    let last: i64 = tx.query_row(
        "SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'rooms'), 0)",
        [],
        |row| row.get(0),
    )?;
    tx.commit()?;
    let next_room = u32::try_from(last).unwrap_or(u32::MAX).saturating_add(1);
    Ok((Kept { accounts, rooms, files, next_room }, logs, news))
}

fn load_accounts(conn: &Connection) -> rusqlite::Result<Vec<KeptAccount>> {
    let mut statement = conn.prepare("SELECT id, name, banned FROM accounts ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        let id = AccountId(row.get(0)?);
        let Some(user) = user_name(row, 1)? else { continue };
        accounts.push(KeptAccount { id, user, banned: row.get(2)? });
    }
    Ok(accounts)
}

fn load_rooms(conn: &Connection) -> rusqlite::Result<(Vec<KeptRoom>, Logs)> {
    let mut logs = Logs::default();
    let mut rooms: Vec<KeptRoom> = Vec::new();
    let mut statement = conn
        .prepare("SELECT id, name, creator, topic, access, key_hash, seq, indexed FROM rooms ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = RoomId(row.get(0)?);
        let seq = uint(row.get(6)?);
        logs.load(id, seq, uint(row.get(7)?));
        let name = row.get_ref(1)?.as_str()?;
        let Ok(name) = RoomName::parse(name) else {
            log::warn!("store: room {} has a name that is not allowed any more; it stays closed", id.0);
            continue;
        };
        let access = row.get_ref(4)?.as_str()?;
        rooms.push(KeptRoom {
            id,
            name,
            creator: row.get::<_, Option<u32>>(2)?.map(AccountId),
            topic: row.get(3)?,
            // Unknown words come from no version of ours; then nobody comes in who should not.
            access: Access::parse(access).unwrap_or(Access::Private),
            key_hash: row.get(5)?,
            operators: Vec::new(),
            bans: Vec::new(),
            seq: Seq(seq),
        });
    }
    load_operators(conn, &mut rooms)?;
    load_bans(conn, &mut rooms)?;
    Ok((rooms, logs))
}

fn load_operators(conn: &Connection, rooms: &mut [KeptRoom]) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("SELECT room, account FROM operators ORDER BY room, account")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(room) = kept_room(rooms, row)? {
            room.operators.push(AccountId(row.get(1)?));
        }
    }
    Ok(())
}

fn load_bans(conn: &Connection, rooms: &mut [KeptRoom]) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("SELECT room, name FROM bans ORDER BY room, key")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(room) = kept_room(rooms, row)?
            && let Some(user) = user_name(row, 1)?
        {
            room.bans.push(user);
        }
    }
    Ok(())
}

fn kept_room<'a>(rooms: &'a mut [KeptRoom], row: &Row<'_>) -> rusqlite::Result<Option<&'a mut KeptRoom>> {
    let id = RoomId(row.get(0)?);
    Ok(rooms.binary_search_by_key(&id, |room| room.id).ok().map(|place| &mut rooms[place]))
}

/// A name as it was kept. It was valid then; if it is not now, the rules changed, and it is left out.
pub(super) fn user_name(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<UserName>> {
    let name = row.get_ref(column)?.as_str()?;
    let parsed = UserName::parse(name).ok();
    if parsed.is_none() {
        log::warn!("store: the user name {name:?} is not allowed any more; it is left out");
    }
    Ok(parsed)
}
