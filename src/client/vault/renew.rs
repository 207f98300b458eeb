//! A new data key, when the present one has sealed as much as it may.
//!
//! Key store and database are two files and cannot change in one step, so:
//!
//! ```text
//! 1  one transaction: every row is sealed anew, and the new key, sealed with the old one, is put down
//! 2  the key store gets the new key
//! 3  what was put down is deleted
//! ```
//!
//! Whoever opens a vault and finds a key put down knows that this was interrupted, and goes on: if the
//! key store's key opens it, after step 1; if not, after step 2.

use crate::client::private::row::Table;
use crate::client::vault::database::Database;
use crate::client::vault::error::VaultError;
use crate::client::vault::{NEXT_KEY, OWN_TABLE, RowKeys, STATE, Vault, keyfile, rng};
use crate::e2e::keystore::{self, DataKey};
use crate::e2e::row::RowKey;

/// How far an interrupted change of the data key had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    No,
    InDatabase,
    InKeyStore,
}

/// The data key of the rows, given that of the key store.
pub(super) fn latest(database: &Database, key: DataKey) -> Result<(DataKey, Replaced), VaultError> {
    let Some(sealed) = database.own(NEXT_KEY)? else { return Ok((key, Replaced::No)) };
    let Ok(next) = RowKey::new(&key, OWN_TABLE).open(NEXT_KEY, &sealed) else {
        // If it is damage instead, the rows will not open, and nothing is written.
        return Ok((key, Replaced::InKeyStore));
    };
    let next = keystore::open(&next, "").map_err(|_| database.foreign())?;
    Ok((next, Replaced::InDatabase))
}

impl Vault {
    /// Seals everything with a new data key.
    pub(super) fn renew(&mut self, passphrase: Option<&str>) -> Result<(), VaultError> {
        self.seal_anew()?;
        self.finish_renewal(passphrase, Replaced::InDatabase)
    }

    /// The first step: all rows, and the new key beside them.
    pub(super) fn seal_anew(&mut self) -> Result<(), VaultError> {
        let next = DataKey::generate(&mut rng());
        let mut rng = rng();
        let next_keys = RowKeys::new(&next);
        let put_down = self.keys.own.seal(NEXT_KEY, &keystore::store_unsealed(&next), &mut rng);
        let old_keys = &self.keys;
        let mut writes = 1;
        self.database.transaction(|database| {
            for table in Table::ALL {
                let (old, new) = (old_keys.of(table), next_keys.of(table));
                for key in database.keys(table)? {
                    let Some(sealed) = database.get(table, &key)? else { continue };
                    match old.open(&key, &sealed) {
                        Ok(value) => database.put(table, &key, &new.seal(&key, &value, &mut rng))?,
                        // One message that is damaged must not stand in the way of all others; it stays
                        // what it is.
                        Err(_) if table == Table::History => continue,
                        Err(_) => return Err(database.damaged_row(table)),
                    }
                    writes += 1;
                }
            }
            database.put_own(NEXT_KEY, &put_down)?;
            database.put_own(STATE, &next_keys.seal_writes(writes))
        })?;
        (self.data_key, self.keys, self.writes) = (next, next_keys, writes);
        Ok(())
    }

    pub(super) fn finish_renewal(
        &mut self,
        passphrase: Option<&str>,
        replaced: Replaced,
    ) -> Result<(), VaultError> {
        if replaced == Replaced::InDatabase {
            // A vault without a passphrase opens with any, and stays without.
            let passphrase = passphrase.filter(|_| self.sealed);
            keyfile::replace(&self.directory, &self.data_key, passphrase, self.options.cost)?;
        }
        self.database.transaction(|database| database.delete_own(NEXT_KEY))?;
        self.database.forget_old_pages()
    }
}
