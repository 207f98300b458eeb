//! One process for a vault. The lock belongs to the open file and ends with the process, however that
//! ends; a lock file that lies around means nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::client::keep;
use crate::client::vault::Vault;
use crate::client::vault::error::VaultError;

/// Held open for its lock.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of a vault that is there. Who only looks whether it is in use has it for a moment,
    /// which is waited for.
    pub fn take(directory: &Path) -> Result<Lock, VaultError> {
        let path = directory.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = keep::private(&mut options).open(&path).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return VaultError::Missing { path: directory.to_path_buf() };
            }
            VaultError::Failed { path: path.clone(), error }
        })?;
        let mut taken = file.try_lock();
        for _ in 0..LOOKS {
            if !matches!(taken, Err(TryLockError::WouldBlock)) {
                break;
            }
            thread::sleep(BETWEEN_LOOKS);
            taken = file.try_lock();
        }
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let path = directory.to_path_buf();
                return Err(VaultError::InUse { path, process: process_in(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(VaultError::Failed { path, error }),
        }
        let number = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        number.map_err(VaultError::failed(&path))?;
        Ok(Lock { file })
    }
}

impl Drop for Lock {
    /// Closing the file is not enough at once: a child process that is just being started holds a copy of
    /// it until it runs its own program.
    fn drop(&mut self) {
        // What cannot be unlocked ends with the process.
        let _ = self.file.unlock();
    }
}

impl Vault {
    /// Another process has it open; the error says which.
    pub fn in_use(directory: &Path) -> Option<VaultError> {
        match Lock::take(directory) {
            Err(in_use @ VaultError::InUse { .. }) => Some(in_use),
            Ok(_) | Err(_) => None,
        }
    }
}

fn process_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    // Where the lock keeps others from reading (Windows), the number stays unknown.
    file.take(PROCESS_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// A tenth of a second in all.
const LOOKS: u32 = 10;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
const LOCK_FILE: &str = "lock";
/// A number and the end of its line.
const PROCESS_BYTES_MAX: u64 = 16;
