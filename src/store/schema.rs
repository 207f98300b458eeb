//! The tables, and opening the database.
//!
//! Rows that belong to an account or a room go with it (`ON DELETE CASCADE`). Messages do not: there may
//! be millions, so a room that is dropped leaves its number in `dropped`, and they are removed in pieces.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::store::{Durability, OpenError};

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(DATABASE_FILE)
}

/// Opens the database for a server or for a command of the operator, and makes the tables if needed.
pub(super) fn open(dir: &Path, durability: Durability) -> Result<Connection, OpenError> {
    let path = path(dir);
    private_file(&path).map_err(|error| OpenError::storage(&path, &error))?;
    let connect = || {
        // Without SQLITE_OPEN_URI, so that no path is taken for an address.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&path, flags)?;
        set_patience(&conn, BUSY_TIMEOUT);
        conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        // Otherwise a statement with a range or a limit is compiled anew for every value in it, which
        // costs more than running it. No plan here depends on values.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        let synchronous = match durability {
            Durability::Disk => "FULL",
            Durability::Os => "NORMAL",
        };
        conn.pragma_update(None, "synchronous", synchronous)?;
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
        conn.pragma_update(None, "wal_autocheckpoint", WAL_PAGES_MAX)?;
        conn.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
        Ok(conn)
    };
    let mut conn = connect().map_err(|error: rusqlite::Error| OpenError::storage(&path, &error))?;
    let found = create(&mut conn).map_err(|error| OpenError::storage(&path, &error))?;
    if found > VERSION {
        return Err(OpenError::Newer { path, found, known: VERSION });
    }
    Ok(conn)
}

/// Makes the tables that are missing, all in an empty database; returns the format's version before that.
fn create(conn: &mut Connection) -> rusqlite::Result<i64> {
    let version = |conn: &Connection| conn.pragma_query_value(None, "user_version", |row| row.get(0));
    let found: i64 = version(conn)?;
    if found >= VERSION {
        return Ok(found);
    }
    // A server and a command may start at the same time: look again under the lock.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = version(&tx)?;
    for tables in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tx.execute_batch(tables)?;
    }
    if found < VERSION {
        tx.pragma_update(None, "user_version", VERSION)?;
    }
    tx.commit()?;
    Ok(found)
}

/// The keys of guests end with their connections, so they lie where nothing outlives the process.
pub(super) fn create_guest_tables(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(GUEST_TABLES)
}

/// Opens a file, and makes it for nobody else to read if it is new. SQLite gives its companions the same
/// rights.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().read(true).write(true).create(true).truncate(false)).open(path)
}

/// A new file that nobody else may read; an existing one is an error.
pub(super) fn private_new_file(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().write(true).create_new(true)).open(path)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &OpenOptions {
    options
}

/// How long to wait for another process that writes. Cannot fail on an open connection.
pub(super) fn set_patience(conn: &Connection, patience: Duration) {
    conn.busy_timeout(patience).expect("an open connection takes any timeout");
}

/// What each version of the format added; never changed once released.
pub(super) const STEPS: [&str; VERSION as usize] = [CHAT_TABLES, KEYS_TABLES, FILE_TABLES, SENDERS_INDEX];

const CHAT_TABLES: &str = "
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL,
    created INTEGER NOT NULL,
    banned INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_account ON sessions (account, expires);
CREATE INDEX sessions_by_expires ON sessions (expires);
CREATE TABLE blocks (
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    at INTEGER NOT NULL,
    sender TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX letters_by_account ON letters (account);
CREATE TABLE invites (
    hash BLOB PRIMARY KEY,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE operator_news (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    account INTEGER NOT NULL,
    name TEXT NOT NULL
) STRICT;

-- The creator is no reference: a room outlives its creator's account. NULL is a guest.
CREATE TABLE rooms (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    creator INTEGER,
    created INTEGER NOT NULL,
    topic TEXT,
    access TEXT NOT NULL DEFAULT 'public',
    key_hash BLOB,
    seq INTEGER NOT NULL DEFAULT 0,
    indexed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE members (
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (account, room)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_room ON members (room);
CREATE TABLE operators (
    room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    PRIMARY KEY (room, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX operators_by_account ON operators (account);
CREATE TABLE bans (
    room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (room, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE dropped (
    room INTEGER PRIMARY KEY,
    indexed INTEGER NOT NULL
) STRICT;

-- The id is room and position: see position.rs.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    sender TEXT NOT NULL,
    me INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE found USING fts5 (
    text, content = 'messages', content_rowid = 'id', columnsize = 0,
    tokenize = 'unicode61 remove_diacritics 2'
);

-- In the order they were used, so that the oldest are at the front.
CREATE TABLE say_keys (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    room INTEGER NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (scope, room, key)
) STRICT;
";

const KEYS_TABLES: &str = "
-- The identity of an account, and the last number that one of its devices had.
CREATE TABLE identities (
    account INTEGER PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    key BLOB NOT NULL,
    devices INTEGER NOT NULL
) STRICT;
-- The id is the mailbox's, and never used again. The signed prekey is NULL before the first publication,
-- one_time the highest number of a one-time prekey ever. Of the mailbox: the last envelope and the bytes
-- of all up to it, and the same of the last one that the device has.
CREATE TABLE devices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    device INTEGER NOT NULL,
    name TEXT NOT NULL,
    since INTEGER NOT NULL,
    seen INTEGER,
    run INTEGER NOT NULL DEFAULT 0,
    token BLOB,
    signed_id INTEGER,
    signed_created INTEGER,
    signed_key BLOB,
    signature BLOB,
    one_time INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    taken INTEGER NOT NULL DEFAULT 0,
    taken_bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, device)
) STRICT;
CREATE TABLE prekeys (
    owner INTEGER NOT NULL REFERENCES devices ON DELETE CASCADE,
    id INTEGER NOT NULL,
    key BLOB NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;
-- In the order they came. The mailbox is no reference: of one that is gone there may be thousands, which
-- are removed in pieces. up_to: the bytes of this mailbox up to this one and with it.
CREATE TABLE envelopes (
    id INTEGER PRIMARY KEY,
    mailbox INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    up_to INTEGER NOT NULL,
    at INTEGER NOT NULL,
    sender TEXT NOT NULL,
    uid INTEGER NOT NULL,
    device INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX envelopes_by_mailbox ON envelopes (mailbox, seq);
";

/// Files on their way from one account to others; their bytes lie beside the database.
const FILE_TABLES: &str = "
CREATE TABLE files (
    id BLOB PRIMARY KEY,
    owner INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    size INTEGER NOT NULL,
    readers INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    complete INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX files_by_owner ON files (owner);
CREATE TABLE declines (
    file BLOB NOT NULL REFERENCES files ON DELETE CASCADE,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    PRIMARY KEY (file, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX declines_by_account ON declines (account);
";

/// What somebody has in a mailbox, in number and in bytes, from the index alone.
const SENDERS_INDEX: &str = "
CREATE INDEX envelopes_by_sender ON envelopes (mailbox, uid, seq, length(body));
";

const GUEST_TABLES: &str = "
CREATE TEMP TABLE guest_keys (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    room INTEGER NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (scope, room, key)
) STRICT;
";

const DATABASE_FILE: &str = "sottod.db";
/// The format of the tables above, in `PRAGMA user_version`.
pub(super) const VERSION: i64 = 4;
/// How long a write waits for another process, such as a command of the operator.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// All the statements there are, so that none is prepared twice.
const STATEMENTS_CACHED: usize = 192;
/// Pages kept in memory, in KiB.
const CACHE_KIB: i64 = 8 * 1024;
/// Pages in the write-ahead log before they are copied into the database.
pub(super) const WAL_PAGES: i64 = 2_000;
/// Pages in it before whoever writes has to wait for that: 32 MiB.
pub(super) const WAL_PAGES_MAX: i64 = 8_000;
/// Bytes the write-ahead log keeps after it was larger, while a backup ran for instance.
const WAL_BYTES_KEPT: i64 = 32 * 1024 * 1024;

const _: () = assert!(WAL_PAGES < WAL_PAGES_MAX);
