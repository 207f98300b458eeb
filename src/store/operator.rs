//! What the operator does from outside: accounts, registration codes, backups; with or without a server
//! running on the same database.
//!
//! Every change of an account leaves a row in `operator_news` in the same transaction; the server's store
//! looks for new ones and tells the hub.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use sha2::{Digest, Sha256};

use crate::hub::job::{OperatorNews, PasswordHash};
use crate::proto::id::AccountId;
use crate::proto::name::UserName;
use crate::proto::secret::Secret;
use crate::proto::time::Timestamp;
use crate::store::position::{int, uint};
use crate::store::{Durability, OpenError, accounts, kept, restored, schema};

/// A second door to the database of a data directory.
pub struct Operator {
    conn: Connection,
}

/// An account as `sottod user list` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    pub name: UserName,
    pub created: Timestamp,
    pub banned: bool,
}

/// Why a command of the operator was not done. Nothing was changed then.
#[derive(Debug, PartialEq, Eq)]
pub enum OperatorError {
    /// The file of a backup is there already.
    Exists,
    NameTaken,
    NoSuchUser,
    Storage(String),
}

impl Operator {
    /// Opens the database in `dir`, or makes it.
    pub fn open(dir: &Path) -> Result<Operator, OpenError> {
        // A command is done once and should stay done.
        schema::open(dir, Durability::Disk).map(|conn| Operator { conn })
    }

    pub fn add_user(&mut self, user: &UserName, hash: &PasswordHash) -> Result<AccountId, OperatorError> {
        self.write(|tx| {
            if accounts::is_taken(tx, user)? {
                return Err(OperatorError::NameTaken);
            }
            let account = accounts::insert(tx, user, hash, now())?;
            announce(tx, ADDED, account, user)?;
            Ok(account)
        })
    }

    /// Ends all session tokens of the account.
    pub fn set_password(&mut self, user: &UserName, hash: &PasswordHash) -> Result<(), OperatorError> {
        self.write(|tx| {
            let account = find(tx, user)?;
            tx.execute("UPDATE accounts SET hash = ?2 WHERE id = ?1", (account.0, &*hash.0))?;
            tx.execute("DELETE FROM sessions WHERE account = ?1", [account.0])?;
            announce(tx, PASSWD, account, user)
        })
    }

    /// Removes the account and what belongs to it; what it said stays.
    pub fn remove_user(&mut self, user: &UserName) -> Result<(), OperatorError> {
        self.write(|tx| {
            let account = find(tx, user)?;
            tx.execute("DELETE FROM accounts WHERE id = ?1", [account.0])?;
            announce(tx, REMOVED, account, user)
        })
    }

    pub fn ban_user(&mut self, user: &UserName) -> Result<(), OperatorError> {
        self.set_banned(user, true)
    }

    pub fn unban_user(&mut self, user: &UserName) -> Result<(), OperatorError> {
        self.set_banned(user, false)
    }

    /// All accounts, by name.
    pub fn list_users(&self) -> Result<Vec<UserRow>, OperatorError> {
        let mut statement = self.conn.prepare("SELECT name, created, banned FROM accounts ORDER BY key")?;
        let users = statement.query_map([], |row| {
            let Some(name) = kept::user_name(row, 0)? else { return Ok(None) };
            Ok(Some(UserRow { name, created: Timestamp(uint(row.get(1)?)), banned: row.get(2)? }))
        })?;
        Ok(users.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?)
    }

    /// A code that lets one person register, once. It is shown here and never again.
    pub fn new_invite(&mut self) -> Result<Secret, OperatorError> {
        let invite = random_invite()?;
        self.write(|tx| {
            tx.execute(
                "INSERT INTO invites (hash, created) VALUES (?1, ?2)",
                (invite_hash(&invite), int(now().0)),
            )?;
            Ok(())
        })?;
        Ok(invite)
    }

    /// Whether there is news that no server has read yet.
    pub fn news_wait(&self) -> Result<bool, OperatorError> {
        let query = "SELECT EXISTS (SELECT 1 FROM operator_news)";
        Ok(self.conn.query_row(query, [], |row| row.get(0))?)
    }

    /// Writes a consistent copy of the database, as of one moment, to a file that does not exist yet. It
    /// can be put in the place of the original.
    pub fn backup(&self, file: &Path) -> Result<(), OperatorError> {
        let storage =
            |error: &dyn fmt::Display| OperatorError::Storage(format!("{}: {error}", file.display()));
        // Absolute, so that SQLite cannot take it for an address.
        let path = std::path::absolute(file).map_err(|error| storage(&error))?;
        let name = path.to_str().ok_or_else(|| storage(&"the file's name is not UTF-8"))?;
        schema::private_new_file(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => OperatorError::Exists,
            _ => storage(&error),
        })?;
        // SQLite fills the empty file, and does not wait for the disk by itself.
        let written = self
            .conn
            .execute("VACUUM INTO ?1", [name])
            .map_err(|error| storage(&error))
            .and_then(|_| restored::mark(&path).map_err(|error| storage(&error)))
            .and_then(|()| File::options().write(true).open(&path).map_err(|error| storage(&error)))
            .and_then(|copy| copy.sync_all().map_err(|error| storage(&error)));
        if written.is_err() {
            // What is there is no backup; the first error says what went wrong.
            let _ = std::fs::remove_file(&path);
        }
        written
    }

    fn set_banned(&mut self, user: &UserName, banned: bool) -> Result<(), OperatorError> {
        self.write(|tx| {
            let account = find(tx, user)?;
            tx.execute("UPDATE accounts SET banned = ?2 WHERE id = ?1", (account.0, banned))?;
            announce(tx, if banned { BANNED } else { UNBANNED }, account, user)
        })
    }

    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, OperatorError>,
    ) -> Result<T, OperatorError> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&tx)?;
        tx.commit()?;
        Ok(value)
    }
}

impl From<rusqlite::Error> for OperatorError {
    fn from(error: rusqlite::Error) -> OperatorError {
        OperatorError::Storage(error.to_string())
    }
}

impl fmt::Display for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperatorError::Exists => f.write_str("the file exists already"),
            OperatorError::NameTaken => f.write_str("there is an account of this name already"),
            OperatorError::NoSuchUser => f.write_str("there is no account of this name"),
            OperatorError::Storage(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for OperatorError {}

/// What the server has seen of the operator's news.
pub(super) struct NewsCursor {
    /// `PRAGMA data_version`: changes when another connection commits, so that looking costs nothing.
    version: i64,
    seen: i64,
}

impl NewsCursor {
    /// Forgets all news up to now, which the caller, in the same transaction, reads the results of.
    pub fn start(conn: &Connection) -> rusqlite::Result<NewsCursor> {
        let seen = conn.query_row("SELECT COALESCE(MAX(id), 0) FROM operator_news", [], |row| row.get(0))?;
        conn.execute("DELETE FROM operator_news", [])?;
        Ok(NewsCursor { version: data_version(conn)?, seen })
    }

    pub fn read(&mut self, conn: &Connection) -> rusqlite::Result<Vec<OperatorNews>> {
        let version = data_version(conn)?;
        if version == self.version {
            return Ok(Vec::new());
        }
        let mut statement = conn
            .prepare_cached("SELECT id, kind, account, name FROM operator_news WHERE id > ?1 ORDER BY id")?;
        let mut rows = statement.query([self.seen])?;
        let mut news = Vec::new();
        let mut seen = self.seen;
        while let Some(row) = rows.next()? {
            seen = row.get(0)?;
            let account = AccountId(row.get(2)?);
            match row.get_ref(1)?.as_str()? {
                ADDED => {
                    if let Some(user) = kept::user_name(row, 3)? {
                        news.push(OperatorNews::Added { account, user });
                    }
                }
                BANNED => news.push(OperatorNews::Banned { account }),
                PASSWD => news.push(OperatorNews::Passwd { account }),
                REMOVED => news.push(OperatorNews::Removed { account }),
                UNBANNED => news.push(OperatorNews::Unbanned { account }),
                kind => log::warn!("store: news of an unknown kind {kind:?}, from a newer sottod?"),
            }
        }
        (self.version, self.seen) = (version, seen);
        if !news.is_empty() {
            // Whoever brought them may be waiting for this. A full disk keeps them: they are not read twice.
            let _ = conn.execute("DELETE FROM operator_news WHERE id <= ?1", [seen]);
        }
        Ok(news)
    }
}

fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

fn announce(conn: &Connection, kind: &str, account: AccountId, user: &UserName) -> Result<(), OperatorError> {
    conn.execute(
        "INSERT INTO operator_news (kind, account, name) VALUES (?1, ?2, ?3)",
        (kind, account.0, &**user.shown()),
    )?;
    Ok(())
}

fn find(conn: &Connection, user: &UserName) -> Result<AccountId, OperatorError> {
    conn.query_row("SELECT id FROM accounts WHERE key = ?1", [&**user.key()], |row| row.get(0))
        .optional()?
        .map(AccountId)
        .ok_or(OperatorError::NoSuchUser)
}

/// What is kept of a code: it may be typed in capitals and without its dashes.
pub(super) fn invite_hash(invite: &Secret) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for byte in invite.reveal().bytes().filter(|byte| *byte != b'-' && !byte.is_ascii_whitespace()) {
        hasher.update([byte.to_ascii_lowercase()]);
    }
    hasher.finalize().into()
}

fn random_invite() -> Result<Secret, OperatorError> {
    let mut bytes = [0; INVITE_LETTERS];
    getrandom::fill(&mut bytes)
        .map_err(|error| OperatorError::Storage(format!("the system gives no random numbers: {error}")))?;
    let mut invite = String::with_capacity(INVITE_LETTERS * 2);
    for (place, byte) in bytes.into_iter().enumerate() {
        if place > 0 && place % INVITE_GROUP == 0 {
            invite.push('-');
        }
        // 256 is a multiple of 32, so each letter is equally likely.
        invite.push(char::from(INVITE_ALPHABET[usize::from(byte) % INVITE_ALPHABET.len()]));
    }
    Ok(Secret::new(invite))
}

pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

const ADDED: &str = "added";
const BANNED: &str = "banned";
const PASSWD: &str = "passwd";
const REMOVED: &str = "removed";
const UNBANNED: &str = "unbanned";

/// Without letters that are read as one another: no i, l, o, u.
const INVITE_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 80 bits, far more than anybody can try over the network.
const INVITE_LETTERS: usize = 16;
const INVITE_GROUP: usize = 4;
