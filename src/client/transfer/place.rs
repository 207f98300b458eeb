//! Where a file comes from: what tells it from another one, and the name that others are told.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::client::transfer::written_path;
use crate::e2e::file::name::safe_name;

/// Tells whether a file is the same that it was, with the same content, as far as the system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Stamp {
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: u64,
    pub id: Inode,
}

/// Tells whether a file is the same that it was, whatever its content; all zeros where the system has
/// no such numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Inode {
    pub device: u64,
    pub inode: u64,
}

impl Stamp {
    pub fn of(metadata: &Metadata) -> Stamp {
        let modified = metadata.modified().ok();
        let modified = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        Stamp {
            size: metadata.len(),
            modified: modified.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            id: Inode::of(metadata),
        }
    }
}

impl Inode {
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Inode {
        use std::os::unix::fs::MetadataExt;
        Inode { device: metadata.dev(), inode: metadata.ino() }
    }

    #[cfg(not(unix))]
    pub fn of(_: &Metadata) -> Inode {
        Inode::default()
    }
}

/// Opens a file to be sent: what is read is what the stamp is of.
pub fn open_source(path: &Path) -> io::Result<(File, Stamp)> {
    // A pipe would wait for its other end, and a directory opens on some systems.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a file"));
    }
    if written_path::bytes(path).is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this path is no text"));
    }
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    Ok((file, stamp))
}

/// The name that is told to others: the last component of the path, as far as it can be told.
pub fn told_name(path: &Path) -> String {
    safe_name(&path.file_name().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_tells_a_changed_file() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("a");
        fs::write(&path, "one").expect("written");
        let (_, stamp) = open_source(&path).expect("a file");
        assert_eq!(open_source(&path).expect("a file").1, stamp);
        fs::write(&path, "four").expect("written");
        assert_ne!(open_source(&path).expect("a file").1, stamp);
        assert!(open_source(home.path()).is_err(), "a directory");
        assert!(open_source(&home.path().join("none")).is_err());
        assert_eq!(told_name(Path::new("/a/b/report.pdf")), "report.pdf");
    }
}
