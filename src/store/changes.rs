//! What is kept beside messages. Every change holds the new value, so doing one twice is harmless. So is one
//! about an account that the operator removed a moment ago, of which the hub has not heard: it does nothing.

use rusqlite::Connection;

use crate::hub::job::{Change, StoreReply};
use crate::proto::id::{Origin, RoomId};
use crate::store::batch::JobResult;
use crate::store::files;
use crate::store::logs::Logs;
use crate::store::position::int;

pub(super) fn change(
    conn: &Connection,
    logs: &mut Logs,
    origin: Option<Origin>,
    change: &Change,
) -> JobResult {
    match change {
        Change::Access { room, access, key_hash } => {
            conn.prepare_cached("UPDATE rooms SET access = ?2, key_hash = ?3 WHERE id = ?1")?.execute((
                room.0,
                access.as_str(),
                key_hash,
            ))?;
        }
        Change::Ban { room, user, banned: true } => {
            conn.prepare_cached("INSERT OR REPLACE INTO bans (room, key, name) VALUES (?1, ?2, ?3)")?
                .execute((room.0, &**user.key(), &**user.shown()))?;
        }
        Change::Ban { room, user, banned: false } => {
            conn.prepare_cached("DELETE FROM bans WHERE room = ?1 AND key = ?2")?
                .execute((room.0, &**user.key()))?;
        }
        Change::Block { account, user, blocked: true } => {
            conn.prepare_cached(
                "INSERT OR REPLACE INTO blocks (account, key, name)
                 SELECT id, ?2, ?3 FROM accounts WHERE id = ?1",
            )?
            .execute((account.0, &**user.key(), &**user.shown()))?;
        }
        Change::Block { account, user, blocked: false } => {
            conn.prepare_cached("DELETE FROM blocks WHERE account = ?1 AND key = ?2")?
                .execute((account.0, &**user.key()))?;
        }
        Change::DropRoom { room } => drop_room(conn, logs, *room)?,
        Change::FileComplete { file } => files::complete(conn, *file)?,
        Change::FileDecline { file, account } => files::decline(conn, *file, *account)?,
        Change::FileRemove { file } => files::remove(conn, *file)?,
        Change::Leave { room, account } => {
            conn.prepare_cached("DELETE FROM members WHERE account = ?1 AND room = ?2")?
                .execute((account.0, room.0))?;
        }
        Change::Operator { room, account, operator: true } => {
            conn.prepare_cached(
                "INSERT INTO operators (room, account)
                 SELECT ?1, id FROM accounts WHERE id = ?2 ON CONFLICT DO NOTHING",
            )?
            .execute((room.0, account.0))?;
        }
        Change::Operator { room, account, operator: false } => {
            conn.prepare_cached("DELETE FROM operators WHERE room = ?1 AND account = ?2")?
                .execute((room.0, account.0))?;
        }
        Change::Password { account, hash } => {
            conn.prepare_cached("UPDATE accounts SET hash = ?2 WHERE id = ?1")?
                .execute((account.0, &*hash.0))?;
            conn.prepare_cached("DELETE FROM sessions WHERE account = ?1")?.execute([account.0])?;
        }
        Change::Topic { room, topic } => {
            conn.prepare_cached("UPDATE rooms SET topic = ?2 WHERE id = ?1")?
                .execute((room.0, topic.as_deref()))?;
        }
    }
    Ok(StoreReply::Changed { origin, change: change.clone() })
}

/// The room is gone at once for everybody; upkeep removes its messages, of which there may be many.
fn drop_room(conn: &Connection, logs: &mut Logs, room: RoomId) -> rusqlite::Result<()> {
    let Some(log) = logs.get(room) else { return Ok(()) };
    conn.prepare_cached("DELETE FROM rooms WHERE id = ?1")?.execute([room.0])?;
    if log.seq > 0 {
        conn.prepare_cached("INSERT INTO dropped (room, indexed) VALUES (?1, ?2)")?
            .execute((room.0, int(log.indexed)))?;
    }
    logs.remove(room);
    Ok(())
}
