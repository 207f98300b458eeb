//! What is known about files: whose they are, how large, for how long. Their bytes are not here.

use rusqlite::Connection;

use crate::hub::job::StoreReply;
use crate::hub::job::files::{KeptFile, NewFile};
use crate::proto::id::{AccountId, FileId, Origin};
use crate::proto::time::Timestamp;
use crate::store::Store;
use crate::store::batch::{JobError, JobResult};
use crate::store::position::{int, uint};

impl Store {
    /// Forgets files whose bytes were not found at the start.
    pub fn forget_files(&mut self, files: &[FileId]) -> Result<(), String> {
        self.write(|conn, _| files.iter().try_for_each(|&file| remove(conn, file)))
            .map_err(|error| error.to_string())
    }
}

/// An upload begins, under a number of 128 random bits: knowing it is all that a reader needs.
pub(super) fn upload(conn: &Connection, origin: Origin, new: &NewFile) -> JobResult {
    let mut file = FileId([0; 16]);
    getrandom::fill(&mut file.0).map_err(|_| JobError::Impossible("the system gives no random numbers"))?;
    let NewFile { owner, size, readers, created, expires } = *new;
    let added = conn
        .prepare_cached(
            "INSERT INTO files (id, owner, size, readers, created, expires)
             SELECT ?1, id, ?3, ?4, ?5, ?6 FROM accounts WHERE id = ?2",
        )?
        .execute((file.0, owner.0, int(size), readers, int(created.0), int(expires.0)))?;
    // Without an account, it was removed a moment ago.
    let file = (added > 0).then_some(file);
    Ok(StoreReply::Uploaded { origin, new: new.clone(), file })
}

pub(super) fn complete(conn: &Connection, file: FileId) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE files SET complete = 1 WHERE id = ?1")?.execute([file.0])?;
    Ok(())
}

/// Nothing happens where the file, or the account, is gone.
pub(super) fn decline(conn: &Connection, file: FileId, account: AccountId) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO declines (file, account)
         SELECT files.id, accounts.id FROM files, accounts WHERE files.id = ?1 AND accounts.id = ?2
         ON CONFLICT DO NOTHING",
    )?
    .execute((file.0, account.0))?;
    Ok(())
}

pub(super) fn remove(conn: &Connection, file: FileId) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM files WHERE id = ?1")?.execute([file.0])?;
    Ok(())
}

/// All there are. Of what is stored of an upload, the disk tells more.
pub(super) fn load(conn: &Connection) -> rusqlite::Result<Vec<KeptFile>> {
    let mut files = conn
        .prepare("SELECT id, owner, size, readers, created, expires, complete FROM files ORDER BY id")?
        .query_map([], |row| {
            let (size, complete) = (uint(row.get(2)?), row.get(6)?);
            Ok(KeptFile {
                id: FileId(row.get(0)?),
                owner: AccountId(row.get(1)?),
                size,
                readers: row.get(3)?,
                created: Timestamp(uint(row.get(4)?)),
                expires: Timestamp(uint(row.get(5)?)),
                complete,
                stored: if complete { size } else { 0 },
                declined: Vec::new(),
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut statement = conn.prepare("SELECT file, account FROM declines ORDER BY file, account")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id = FileId(row.get(0)?);
        if let Ok(place) = files.binary_search_by_key(&id, |file| file.id) {
            files[place].declined.push(AccountId(row.get(1)?));
        }
    }
    Ok(files)
}
