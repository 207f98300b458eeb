//! Making a vault, and putting one aside.
//!
//! The key store gets its name last. Until then it is called unfinished, and whoever finds it so after
//! a crash knows that nobody has kept anything here yet, and begins anew. A database without any key
//! store is something else: its keys are lost, and it is left alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::client::keep;
use crate::client::vault::database::{self, Database};
use crate::client::vault::error::VaultError;
use crate::client::vault::lock::Lock;
use crate::client::vault::{ASIDE, Options, RowKeys, STATE, Vault, keyfile, rng};
use crate::e2e::keystore::DataKey;
use crate::proto::time::Timestamp;

pub(super) fn exists(directory: &Path) -> bool {
    let unfinished = keyfile::unfinished_path(directory).exists();
    keyfile::path(directory).exists() || (database::path(directory).exists() && !unfinished)
}

pub(super) fn create(directory: &Path, passphrase: Option<&str>, options: Options) -> Result<(), VaultError> {
    keep::create_directory(directory).map_err(VaultError::failed(directory))?;
    let _lock = Lock::take(directory)?;
    if exists(directory) {
        return Err(VaultError::Exists { path: directory.to_path_buf() });
    }
    let data_key = DataKey::generate(&mut rng());
    // First the mark that says so, then what a crash has left of an earlier attempt goes.
    keyfile::write_unfinished(directory, &data_key, passphrase, options.cost)?;
    database::remove(directory)?;
    let state = RowKeys::new(&data_key).seal_writes(1);
    Database::create(directory, STATE, &state)?;
    let (from, to) = (keyfile::unfinished_path(directory), keyfile::path(directory));
    fs::rename(&from, &to).map_err(VaultError::failed(&to))?;
    keep::sync_directory(directory).map_err(VaultError::failed(directory))
}

impl Vault {
    /// Renames the directory of a vault that cannot be opened any more, and returns its new name. Nothing
    /// in it is lost, if the passphrase comes back to mind.
    pub fn set_aside(directory: &Path, today: Timestamp) -> Result<PathBuf, VaultError> {
        let lock = Lock::take(directory)?;
        // Windows renames no directory with an open file in it; elsewhere the lock could be kept.
        drop(lock);
        let failed = |error| VaultError::Failed { path: directory.to_path_buf(), error };
        let date = today.rfc3339();
        let mut name = directory.file_name().unwrap_or_default().to_owned();
        name.push(format!("{ASIDE}{}", date.split('T').next().unwrap_or_default()));
        for number in 1..SET_ASIDE_MAX {
            let mut name = name.clone();
            if number > 1 {
                name.push(format!("-{number}"));
            }
            let aside = directory.with_file_name(name);
            if aside.exists() {
                continue;
            }
            fs::rename(directory, &aside).map_err(failed)?;
            keep::sync_directory(directory.parent().unwrap_or(Path::new("."))).map_err(failed)?;
            return Ok(aside);
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }
}

/// Vaults put aside on one day: more is a script gone wild.
const SET_ASIDE_MAX: u32 = 100;
