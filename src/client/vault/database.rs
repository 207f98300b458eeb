//! The SQLite file of a vault: sealed values under keys that lie open. It seals and opens nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, params};

use crate::client::keep;
use crate::client::private::row::Table;
use crate::client::vault::OWN_TABLE;
use crate::client::vault::error::VaultError;

/// An open database; its vault holds the lock.
pub(super) struct Database {
    path: PathBuf,
    conn: Connection,
}

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(DATABASE_FILE)
}

/// Removes a database in which nothing was kept.
pub(super) fn remove(directory: &Path) -> Result<(), VaultError> {
    for companion in ["", "-wal", "-shm", "-journal"] {
        let path = directory.join(format!("{DATABASE_FILE}{companion}"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(VaultError::Failed { path, error });
            }
            _ => {}
        }
    }
    Ok(())
}

impl Database {
    /// Makes a database with one row of the vault's own.
    pub fn create(directory: &Path, key: &[u8], value: &[u8]) -> Result<(), VaultError> {
        let path = path(directory);
        // SQLite gives its companions the rights of this file.
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        keep::private(&mut options).open(&path).map_err(VaultError::failed(&path))?;
        let mut database = Database::connect(path)?;
        database.set_up()?;
        database.transaction(|database| {
            for table in Table::ALL.iter().map(|table| table.name()).chain([OWN_TABLE]) {
                let columns = "(key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID";
                database.run(|conn| conn.execute_batch(&format!("CREATE TABLE {table} {columns}")))?;
            }
            database.run(|conn| conn.pragma_update(None, "user_version", VERSION))?;
            database.put_own(key, value)
        })
    }

    pub fn open(directory: &Path) -> Result<Database, VaultError> {
        let path = path(directory);
        if !path.exists() {
            return Err(VaultError::Missing { path });
        }
        let database = Database::connect(path)?;
        match database.run(|conn| conn.pragma_query_value(None, "user_version", |row| row.get(0)))? {
            VERSION => database.set_up()?,
            found if found > VERSION => {
                return Err(VaultError::Newer { path: database.path, found, known: VERSION });
            }
            _ => return Err(database.foreign()),
        }
        Ok(database)
    }

    fn connect(path: PathBuf) -> Result<Database, VaultError> {
        // Without SQLITE_OPEN_URI, so that no path is taken for an address.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&path, flags).map_err(|error| explain(&path, &error))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        let database = Database { path, conn };
        // The vault's lock keeps others out; so the index of the log can stay in memory.
        database.run(|conn| conn.pragma_update(None, "locking_mode", "EXCLUSIVE"))?;
        Ok(database)
    }

    /// Writes to a database that is not known yet, so it comes after a look at it.
    fn set_up(&self) -> Result<(), VaultError> {
        self.run(|conn| {
            conn.pragma_update(None, "journal_mode", "WAL")?;
            conn.pragma_update(None, "synchronous", "FULL")?;
            conn.pragma_update(None, "secure_delete", true)?;
            conn.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
            // Old states of sessions lie in the log until it is written over: it is cut short instead.
            conn.pragma_update(None, "journal_size_limit", 0)
        })
    }

    /// Does all of it, or nothing.
    pub fn transaction(
        &mut self,
        work: impl FnOnce(&Database) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        self.run(|conn| conn.execute_batch("BEGIN IMMEDIATE"))?;
        let outcome = work(self).and_then(|()| self.run(|conn| conn.execute_batch("COMMIT")));
        if outcome.is_err() && !self.conn.is_autocommit() {
            // SQLite has rolled back already where this fails.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        outcome
    }

    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        self.get_in(table.name(), key)
    }

    pub fn put(&self, table: Table, key: &[u8], sealed: &[u8]) -> Result<(), VaultError> {
        self.put_in(table.name(), key, sealed)
    }

    pub fn delete(&self, table: Table, key: &[u8]) -> Result<(), VaultError> {
        self.delete_in(table.name(), key)
    }

    /// A row of the vault's own.
    pub fn own(&self, key: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        self.get_in(OWN_TABLE, key)
    }

    pub fn put_own(&self, key: &[u8], sealed: &[u8]) -> Result<(), VaultError> {
        self.put_in(OWN_TABLE, key, sealed)
    }

    pub fn delete_own(&self, key: &[u8]) -> Result<(), VaultError> {
        self.delete_in(OWN_TABLE, key)
    }

    /// All keys of a table.
    pub fn keys(&self, table: Table) -> Result<Vec<Vec<u8>>, VaultError> {
        self.run(|conn| {
            let mut statement = conn.prepare(&format!("SELECT key FROM {}", table.name()))?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// All rows of a table in the order of their keys.
    pub fn each(
        &self,
        table: Table,
        take: impl FnMut(&[u8], &[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let sql = format!("SELECT key, value FROM {} ORDER BY key", table.name());
        self.query(&sql, params![], take)
    }

    /// Messages from `first` up to but without `end`, the last of them first.
    pub fn history_before(
        &self,
        first: &[u8],
        end: &[u8],
        limit: usize,
        take: impl FnMut(&[u8], &[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let sql = "SELECT key, value FROM history WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?";
        self.query(sql, params![first, end, i64::try_from(limit).unwrap_or(i64::MAX)], take)
    }

    /// Messages from `first` to `last`.
    pub fn history_between(
        &self,
        first: &[u8],
        last: &[u8],
        take: impl FnMut(&[u8], &[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let sql = "SELECT key, value FROM history WHERE key BETWEEN ? AND ? ORDER BY key";
        self.query(sql, params![first, last], take)
    }

    /// Everything into the database itself, and nothing left of the log.
    pub fn forget_old_pages(&self) -> Result<(), VaultError> {
        self.run(|conn| conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    pub fn damaged_row(&self, table: Table) -> VaultError {
        self.damaged(format!("a row of the table {:?} is damaged", table.name()))
    }

    pub fn foreign(&self) -> VaultError {
        self.damaged("this does not belong to the key store beside it, or is damaged".to_owned())
    }

    pub fn damaged(&self, what: String) -> VaultError {
        VaultError::Damaged { path: self.path.clone(), what }
    }

    fn get_in(&self, table: &str, key: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        self.run(|conn| {
            let mut statement = conn.prepare_cached(&format!("SELECT value FROM {table} WHERE key = ?"))?;
            statement.query_row([key], |row| row.get(0)).optional()
        })
    }

    fn put_in(&self, table: &str, key: &[u8], sealed: &[u8]) -> Result<(), VaultError> {
        self.run(|conn| {
            let sql = format!("INSERT OR REPLACE INTO {table} (key, value) VALUES (?, ?)");
            conn.prepare_cached(&sql)?.execute([key, sealed]).map(drop)
        })
    }

    fn delete_in(&self, table: &str, key: &[u8]) -> Result<(), VaultError> {
        self.run(|conn| {
            conn.prepare_cached(&format!("DELETE FROM {table} WHERE key = ?"))?.execute([key]).map(drop)
        })
    }

    fn query(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        mut take: impl FnMut(&[u8], &[u8]) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let mut statement = self.run(|conn| conn.prepare_cached(sql))?;
        let mut rows = self.run(|_| statement.query(values))?;
        let blob = |row: &Row<'_>, column| -> rusqlite::Result<Vec<u8>> { row.get(column) };
        while let Some(row) = self.run(|_| rows.next())? {
            let (key, value) = self.run(|_| Ok((blob(row, 0)?, blob(row, 1)?)))?;
            take(&key, &value)?;
        }
        Ok(())
    }

    pub fn run<'a, T>(
        &'a self,
        work: impl FnOnce(&'a Connection) -> rusqlite::Result<T>,
    ) -> Result<T, VaultError> {
        work(&self.conn).map_err(|error| explain(&self.path, &error))
    }
}

/// Damage and the rest need different answers from the person.
fn explain(path: &Path, error: &rusqlite::Error) -> VaultError {
    let path = path.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            VaultError::Damaged { path, what: "the database is damaged".to_owned() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            VaultError::Storage { path, reason: "another program has this database open".to_owned() }
        }
        // A table or a column that is not there was not made by this program.
        Some(ErrorCode::Unknown) => VaultError::Damaged { path, what: error.to_string() },
        _ => VaultError::Storage { path, reason: error.to_string() },
    }
}

const DATABASE_FILE: &str = "private.db";
/// The format of the tables, in `PRAGMA user_version`.
const VERSION: i64 = 1;
/// More than there are different statements: four for each table.
const STATEMENTS_CACHED: usize = 64;
/// Pages in the write-ahead log before they are copied into the database: 1 MiB.
const WAL_PAGES: i64 = 256;
