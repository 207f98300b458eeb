//! The key store as a file: read whole, replaced in one step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::client::keep;
use crate::client::vault::error::VaultError;
use crate::client::vault::rng;
use crate::e2e::keystore::{self, Cost, DataKey};

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(KEY_FILE)
}

/// Where the key store lies until the vault around it is complete.
pub(super) fn unfinished_path(directory: &Path) -> PathBuf {
    directory.join(UNFINISHED_FILE)
}

pub(super) fn read(directory: &Path) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let path = path(directory);
    match keep::read_bytes(&path) {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(VaultError::Missing { path }),
        Err(error) => Err(VaultError::Failed { path, error }),
    }
}

/// Whether it takes a passphrase. A file that is no key store at all is found out here, whatever the
/// passphrase is.
pub(super) fn is_sealed(directory: &Path, stored: &[u8]) -> Result<bool, VaultError> {
    keystore::needs_passphrase(stored).map_err(|_| damaged(directory))
}

pub(super) fn open(directory: &Path, stored: &[u8], passphrase: Option<&str>) -> Result<DataKey, VaultError> {
    match (is_sealed(directory, stored)?, passphrase) {
        (false, _) => keystore::open(stored, "").map_err(|_| damaged(directory)),
        (true, None) => Err(VaultError::NeedsPassphrase { path: path(directory) }),
        (true, Some(passphrase)) => keystore::open(stored, passphrase)
            .map_err(|_| VaultError::WrongPassphrase { path: path(directory) }),
    }
}

/// Writes a key store in place of what was there.
pub(super) fn replace(
    directory: &Path,
    data_key: &DataKey,
    passphrase: Option<&str>,
    cost: Cost,
) -> Result<(), VaultError> {
    write(&path(directory), directory, data_key, passphrase, cost)
}

/// Writes the key store of a vault that is being made.
pub(super) fn write_unfinished(
    directory: &Path,
    data_key: &DataKey,
    passphrase: Option<&str>,
    cost: Cost,
) -> Result<(), VaultError> {
    write(&unfinished_path(directory), directory, data_key, passphrase, cost)
}

/// Removes what a crash may have left of a replacement that did not come to its end.
pub(super) fn remove_leftover(directory: &Path) {
    // It is of no use to anybody; the next replacement writes over it.
    let _ = fs::remove_file(directory.join(FRESH_FILE));
}

fn write(
    path: &Path,
    directory: &Path,
    data_key: &DataKey,
    passphrase: Option<&str>,
    cost: Cost,
) -> Result<(), VaultError> {
    let stored = match passphrase {
        None => keystore::store_unsealed(data_key),
        Some(passphrase) => {
            let sealed = keystore::seal(data_key, passphrase, cost, &mut rng());
            let no_memory = |_| VaultError::failed(path)(io::ErrorKind::OutOfMemory.into());
            Zeroizing::new(sealed.map_err(no_memory)?)
        }
    };
    let fresh = directory.join(FRESH_FILE);
    keep::replace_through(path, &fresh, &stored).map_err(VaultError::failed(path))
}

fn damaged(directory: &Path) -> VaultError {
    VaultError::Damaged { path: path(directory), what: "this is no key store, or it is damaged".to_owned() }
}

const KEY_FILE: &str = "keystore";
/// What a replacement is written to. One name is enough: the vault's lock is held.
const FRESH_FILE: &str = "keystore.new";
const UNFINISHED_FILE: &str = "keystore.unfinished";
