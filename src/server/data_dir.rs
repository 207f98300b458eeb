//! The data directory: made for its owner only, and used by one server at a time.
//!
//! The lock belongs to the open file, not to its name: it ends with the process however that ends, and
//! a lock file that lies around means nothing.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A data directory that this process alone serves from, until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held open for its lock.
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug)]
pub enum DataDirError {
    Failed {
        path: PathBuf,
        error: io::Error,
    },
    /// Another server uses it; its process number, if it could be read.
    InUse {
        path: PathBuf,
        process: Option<u32>,
    },
    NotADirectory {
        path: PathBuf,
    },
}

impl DataDir {
    /// Makes the directory if it is missing, and locks it.
    pub fn open(path: &Path) -> Result<DataDir, DataDirError> {
        make(path)?;
        let lock_path = path.join(LOCK_FILE);
        let failed = |error| DataDirError::Failed { path: lock_path.clone(), error };
        let mut lock = private_options().truncate(false).read(true).open(&lock_path).map_err(failed)?;
        match try_some_times(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::InUse { path: path.to_path_buf(), process: process_in(&mut lock) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(DataDir { path: path.to_path_buf(), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether a server uses this data directory now.
pub fn is_in_use(path: &Path) -> bool {
    let lock = OpenOptions::new().read(true).write(true).open(path.join(LOCK_FILE));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Makes a data directory for its owner only, if there is none. One that is there is left as it is.
pub fn make(path: &Path) -> Result<(), DataDirError> {
    let failed = |error| DataDirError::Failed { path: path.to_path_buf(), error };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(DataDirError::NotADirectory { path: path.to_path_buf() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    match private_directory().create(path) {
        // Two programs started together both find that it is missing; one of them makes it.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => Ok(()),
    }
}

/// The directory of files in a data directory; made for its owner only, if there is none.
pub fn files(data: &Path) -> Result<PathBuf, DataDirError> {
    let path = data.join(FILES_DIRECTORY);
    make(&path)?;
    Ok(path)
}

/// For creating a file that only its owner can read.
pub fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn private_directory() -> fs::DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes to set"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Locks the file unless another server has it. [`is_in_use`] has it for a moment, too.
fn try_some_times(lock: &File) -> Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            outcome => return outcome,
        }
    }
    lock.try_lock()
}

fn process_in(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.rewind().ok()?;
    // Where the lock keeps others from reading (Windows), the number stays unknown.
    lock.take(PROCESS_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl fmt::Display for DataDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataDirError::Failed { path, error } => write!(f, "{}: {error}", path.display()),
            DataDirError::InUse { path, process } => {
                write!(f, "{}: is in use by another sottod", path.display())?;
                if let Some(process) = process {
                    write!(f, " (process {process})")?;
                }
                f.write_str("; stop it, or choose another directory with --data")
            }
            DataDirError::NotADirectory { path } => {
                write!(f, "{}: is not a directory; choose another with --data", path.display())
            }
        }
    }
}

impl std::error::Error for DataDirError {}

const FILES_DIRECTORY: &str = "files";
const LOCK_FILE: &str = "sottod.lock";
/// Far longer than anybody but a server holds the lock.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// A process number and the end of its line.
const PROCESS_BYTES_MAX: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/data");
        assert!(!is_in_use(&path));
        let first = DataDir::open(&path).unwrap();
        assert_eq!(first.path(), path);
        assert!(is_in_use(&path));
        let error = DataDir::open(&path).unwrap_err();
        assert!(matches!(error, DataDirError::InUse { .. }), "{error}");
        #[cfg(unix)]
        assert!(error.to_string().contains(&format!("(process {})", std::process::id())), "{error}");
        drop(first);
        assert!(!is_in_use(&path));
        DataDir::open(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_is_made_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let _held = DataDir::open(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(LOCK_FILE)), 0o600);
        // What was there is the operator's business.
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        make(&open).unwrap();
        assert_eq!(mode(&open), 0o755);
    }

    #[test]
    fn a_file_in_its_place_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::NotADirectory { .. })));
        assert!(matches!(DataDir::open(&path.join("below")), Err(DataDirError::Failed { .. })));
    }
}
