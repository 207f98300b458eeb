//! The sealed store of one account's keys and private messages on this disk.
//!
//! A vault is a directory, closed to others, `keys/localhost_12345/alice` in sotto's home:
//!
//! ```text
//! keystore     the data key, sealed by the passphrase (e2e::keystore); replaced in one step
//! private.db   SQLite: a table for each row::Table, and `vault` for its own; every value is sealed
//! lock         held while a process has the vault open
//! handover     where that process takes files over (client::handover); not of the vault's making
//! ```
//!
//! Values never lie open on the disk. The keys of rows do: numbers of accounts and devices, and
//! counters. So whoever has the disk and no passphrase sees with how many people there is how much to
//! and fro, and nothing of what was said.
//!
//! What must stay true:
//!
//! - [`Vault::commit`] is one transaction on the disk, whole or not there. Nothing that depends on it
//!   may be sent or shown before it returned.
//! - What cannot be opened is never written over. Every error names the file, and what can be done.
//! - One process has a vault open: two would seal with the same message keys.
//!
//! It knows rows, and not what is in them.

mod create;
mod database;
mod error;
mod keyfile;
mod lock;
mod renew;
mod search;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use zeroize::Zeroizing;

pub use crate::client::vault::error::VaultError;
pub use crate::client::vault::search::{Found, Words};

use crate::client::private::row::{Change, Rows, Table};
use crate::client::vault::database::Database;
use crate::client::vault::lock::Lock;
use crate::e2e::address::Uid;
use crate::e2e::keystore::{Cost, DataKey};
use crate::e2e::row::{DATA_KEY_WRITES_MAX, RowKey};

/// An open vault. See the [module](self).
pub struct Vault {
    directory: PathBuf,
    database: Database,
    data_key: DataKey,
    keys: RowKeys,
    /// The data key is sealed by a passphrase.
    sealed: bool,
    /// Rows sealed with this data key.
    writes: u64,
    options: Options,
    /// Held for as long as the vault is open.
    _lock: Lock,
}

/// What tests make smaller.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What guessing the passphrase costs.
    pub cost: Cost,
    /// Rows sealed with one data key.
    pub writes_max: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { cost: Cost::NORMAL, writes_max: DATA_KEY_WRITES_MAX }
    }
}

/// Some messages with one peer, newest first.
#[derive(Default)]
pub struct Page {
    /// The counter of each, and what was kept.
    pub rows: Vec<(u64, Zeroizing<Vec<u8>>)>,
    /// Messages in between that cannot be opened any more.
    pub damaged: usize,
}

impl Vault {
    /// There is a vault in this directory, whole or not.
    pub fn exists(directory: &Path) -> bool {
        create::exists(directory)
    }

    /// Whether opening it takes a passphrase. Also tells that another process has it open.
    pub fn needs_passphrase(directory: &Path) -> Result<bool, VaultError> {
        let _lock = Lock::take(directory)?;
        keyfile::is_sealed(directory, &keyfile::read(directory)?)
    }

    /// Makes a vault where there is none. Without a passphrase its key lies open beside it.
    pub fn create(directory: &Path, passphrase: Option<&str>) -> Result<Vault, VaultError> {
        Vault::create_with(directory, passphrase, Options::default())
    }

    /// [`Vault::create`] with options of one's own.
    pub fn create_with(
        directory: &Path,
        passphrase: Option<&str>,
        options: Options,
    ) -> Result<Vault, VaultError> {
        create::create(directory, passphrase, options)?;
        Vault::open_with(directory, passphrase, options)
    }

    /// Opens a vault. One without a passphrase opens with any, so that a script may always give one.
    pub fn open(directory: &Path, passphrase: Option<&str>) -> Result<Vault, VaultError> {
        Vault::open_with(directory, passphrase, Options::default())
    }

    /// [`Vault::open`] with options of one's own.
    pub fn open_with(
        directory: &Path,
        passphrase: Option<&str>,
        options: Options,
    ) -> Result<Vault, VaultError> {
        let lock = Lock::take(directory)?;
        let stored = keyfile::read(directory)?;
        let sealed = keyfile::is_sealed(directory, &stored)?;
        let data_key = keyfile::open(directory, &stored, passphrase)?;
        let database = Database::open(directory)?;
        let (data_key, replaced) = renew::latest(&database, data_key)?;
        let keys = RowKeys::new(&data_key);
        let writes = keys.writes(&database)?;
        let directory = directory.to_path_buf();
        let mut vault = Vault { directory, database, data_key, keys, sealed, writes, options, _lock: lock };
        // Only now, when everything is known to belong together, is anything written.
        keyfile::remove_leftover(&vault.directory);
        if replaced != renew::Replaced::No {
            vault.finish_renewal(passphrase, replaced)?;
        }
        if vault.writes >= options.writes_max {
            vault.renew(passphrase)?;
        }
        Ok(vault)
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A passphrase protects it.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Everything but the history.
    pub fn load(&self) -> Result<Rows, VaultError> {
        let mut rows = Rows::default();
        for table in Table::ALL.into_iter().filter(|&table| table != Table::History) {
            let row_key = self.keys.of(table);
            self.database.each(table, |key, sealed| {
                let value = row_key.open(key, sealed).map_err(|_| self.database.damaged_row(table))?;
                rows.insert(table, key.to_vec(), value);
                Ok(())
            })?;
        }
        Ok(rows)
    }

    /// Writes the changes in one transaction, in their order. When this returns they are on the disk;
    /// after an error none of them is, and the state that they came from must be loaded again.
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), VaultError> {
        if changes.is_empty() {
            return Ok(());
        }
        if self.writes >= self.options.writes_max.saturating_mul(WRITES_STOP_FACTOR) {
            return Err(VaultError::UsedUp { path: self.directory.clone() });
        }
        let mut rng = rng();
        // Counted first, and kept when the transaction fails: a nonce that was drawn is drawn.
        self.writes += changes.len() as u64 + 1;
        let state = self.keys.seal_writes(self.writes);
        let keys = &self.keys;
        self.database.transaction(|database| {
            for Change { table, key, value } in changes {
                match value {
                    Some(value) => {
                        database.put(*table, key, &keys.of(*table).seal(key, value, &mut rng))?;
                    }
                    None => database.delete(*table, key)?,
                }
            }
            database.put_own(STATE, &state)
        })
    }

    /// At most `limit` messages with a peer, before the one of this counter or the newest.
    pub fn history(&self, peer: Uid, before: Option<u64>, limit: usize) -> Result<Page, VaultError> {
        let row_key = self.keys.of(Table::History);
        let (first, end) = (history_key(peer, 0), history_key(peer, before.unwrap_or(u64::MAX)));
        let mut page = Page::default();
        self.database.history_before(&first, &end, limit, |key, sealed| {
            let counter = key.last_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes));
            match (counter, row_key.open(key, sealed)) {
                (Some(counter), Ok(value)) => page.rows.push((counter, value)),
                _ => page.damaged += 1,
            }
            Ok(())
        })?;
        Ok(page)
    }

    /// What is kept opens, and still cannot be used.
    pub fn damaged(&self, what: &str) -> VaultError {
        self.database.damaged(what.to_owned())
    }

    /// Another passphrase, or none, for the same data key.
    pub fn change_passphrase(&mut self, passphrase: Option<&str>) -> Result<(), VaultError> {
        keyfile::replace(&self.directory, &self.data_key, passphrase, self.options.cost)?;
        self.sealed = passphrase.is_some();
        Ok(())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Vault { directory, database: _, data_key: _, keys: _, sealed, writes, options: _, _lock: _ } =
            self;
        write!(f, "Vault({}, sealed: {sealed}, writes: {writes})", directory.display())
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Page { rows, damaged } = self;
        write!(f, "Page({} rows, {damaged} damaged)", rows.len())
    }
}

/// The keys of all tables, derived once.
struct RowKeys {
    tables: Vec<RowKey>,
    own: RowKey,
}

impl RowKeys {
    fn new(data_key: &DataKey) -> RowKeys {
        let tables = Table::ALL.iter().map(|table| RowKey::new(data_key, table.name())).collect();
        RowKeys { tables, own: RowKey::new(data_key, OWN_TABLE) }
    }

    fn of(&self, table: Table) -> &RowKey {
        let at = Table::ALL.iter().position(|&other| other == table);
        &self.tables[at.expect("a key was derived for every table there is")]
    }

    /// The number of rows sealed so far. That it opens shows that key and database belong together.
    fn writes(&self, database: &Database) -> Result<u64, VaultError> {
        let sealed = database.own(STATE)?.ok_or_else(|| database.foreign())?;
        let state = self.own.open(STATE, &sealed).map_err(|_| database.foreign())?;
        let bytes = state.as_slice().try_into().map_err(|_| database.foreign())?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn seal_writes(&self, writes: u64) -> Vec<u8> {
        self.own.seal(STATE, &writes.to_be_bytes(), &mut rng())
    }
}

/// The key of a message in the history.
pub fn history_key(peer: Uid, counter: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&peer.0.to_be_bytes());
    key[8..].copy_from_slice(&counter.to_be_bytes());
    key
}

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// What the directory of a vault that was put aside has after its name, and then the day.
pub const ASIDE: &str = ".old-";

/// The table of what is the vault's own, and its rows: how many rows were sealed, and the next data
/// key while one is being changed.
const OWN_TABLE: &str = "vault";
const STATE: &[u8] = b"state";
const NEXT_KEY: &[u8] = b"next key";

/// A data key is changed when the vault is opened. A process that runs on after it should have been
/// may seal as much again; 2^31 random nonces are still below the 2^32 of SP 800-38D §8.3.
const WRITES_STOP_FACTOR: u64 = 2;
