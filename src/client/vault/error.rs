//! Why a vault cannot be used: which file it is about, and what can be done.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Nothing was changed when one of these is returned.
#[derive(Debug)]
pub enum VaultError {
    /// The content of a file is not what was written.
    Damaged { path: PathBuf, what: String },
    /// There is a vault here already.
    Exists { path: PathBuf },
    /// The system refused something.
    Failed { path: PathBuf, error: io::Error },
    /// Another process has it open; its number, if it could be read.
    InUse { path: PathBuf, process: Option<u32> },
    /// A file that must be there is not.
    Missing { path: PathBuf },
    /// It asks for a passphrase, and none was given.
    NeedsPassphrase { path: PathBuf },
    /// A newer version of the program wrote it.
    Newer { path: PathBuf, found: i64, known: i64 },
    /// SQLite could not read or write, for lack of space say.
    Storage { path: PathBuf, reason: String },
    /// Open for so long that its data key should have been changed long ago.
    UsedUp { path: PathBuf },
    /// The passphrase is wrong. A damaged key store looks the same.
    WrongPassphrase { path: PathBuf },
}

impl VaultError {
    pub(super) fn failed(path: &Path) -> impl FnOnce(io::Error) -> VaultError {
        let path = path.to_path_buf();
        move |error| VaultError::Failed { path, error }
    }
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VaultError::Damaged { path, what } => write!(f, "{}: {what}; {WAYS_OUT}", path.display()),
            VaultError::Exists { path } => write!(f, "{}: there are keys here already", path.display()),
            VaultError::Failed { path, error } => write!(f, "{}: {error}", path.display()),
            VaultError::InUse { path, process } => {
                write!(f, "{}: these keys are in use by another sotto", path.display())?;
                if let Some(process) = process {
                    write!(f, " (process {process})")?;
                }
                f.write_str("; end it first, or use another directory with --home")
            }
            VaultError::Missing { path } => write!(f, "{}: is missing; {WAYS_OUT}", path.display()),
            VaultError::NeedsPassphrase { path } => {
                write!(f, "{}: is sealed, and no passphrase was given", path.display())
            }
            VaultError::Newer { path, found, known } => write!(
                f,
                "{}: written by a newer sotto (format {found}, this one knows up to {known}); use that one",
                path.display()
            ),
            VaultError::Storage { path, reason } => write!(f, "{}: {reason}", path.display()),
            VaultError::UsedUp { path } => {
                write!(f, "{}: this has been open for too many messages; start sotto again", path.display())
            }
            VaultError::WrongPassphrase { path } => {
                write!(f, "{}: the passphrase is wrong, or the file is damaged", path.display())
            }
        }
    }
}

impl std::error::Error for VaultError {}

const WAYS_OUT: &str = "nothing was changed. Bring the whole directory back from a backup; or rename it, \
                        and sotto begins anew, with another of your devices, your recovery key or a new \
                        identity";
