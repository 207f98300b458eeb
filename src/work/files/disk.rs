//! Single steps on the disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::proto::id::FileId;

/// Where a complete file lies.
pub(super) fn whole(directory: &Path, file: FileId) -> PathBuf {
    directory.join(file.to_string())
}

/// Where an upload lies.
pub(super) fn part(directory: &Path, file: FileId) -> PathBuf {
    directory.join(format!("{file}{PART}"))
}

/// Opens an upload for writing; makes it, for nobody else to read, if `new`.
pub(super) fn open_part(directory: &Path, file: FileId, new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(new).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(part(directory, file))
}

/// Has an upload written to the disk, and gives it its final name. Doing it twice is harmless.
pub(super) fn finish(directory: &Path, file: FileId, size: u64) -> io::Result<()> {
    let (part, whole) = (part(directory, file), whole(directory, file));
    match open_part(directory, file, false) {
        Ok(opened) => {
            check_size(&opened, size)?;
            opened.sync_all()?;
            fs::rename(part, whole)?;
        }
        // A moment ago it was finished, and the store could not record it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => check_size(&File::open(whole)?, size)?,
        Err(error) => return Err(error),
    }
    sync_directory(directory)
}

/// Removes a file under both its names.
pub(super) fn remove(directory: &Path, file: FileId) -> io::Result<()> {
    for path in [part(directory, file), whole(directory, file)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The same for a server that runs: most of the space of a large file is given back in steps, each of them
/// on the disk before the next. In one step, a file system that tells the disk which blocks are free
/// (`discard`) lets whoever syncs a file next, which is the chat's history, wait until the disk knows all of
/// them. A crash in between leaves a file that is too short; the next start removes it.
pub(super) fn remove_in_steps(directory: &Path, file: FileId) -> io::Result<()> {
    for path in [part(directory, file), whole(directory, file)] {
        // It is not there, or goes at once then: what cannot be opened can still be removed.
        let _ = shorten(&path);
    }
    remove(directory, file)
}

fn shorten(path: &Path) -> io::Result<()> {
    let mut left = fs::symlink_metadata(path)?.len();
    let step = STEP_BYTES_MIN.max(left / STEPS_MAX);
    if left <= step {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path)?;
    while left > step {
        left -= step;
        file.set_len(left)?;
        file.sync_data()?;
    }
    Ok(())
}

#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
pub(super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => (bytes, offset) = (&bytes[count..], offset + count as u64),
        }
    }
    Ok(())
}

#[cfg(windows)]
pub(super) fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => (bytes, offset) = (&mut bytes[count..], offset + count as u64),
        }
    }
    Ok(())
}

/// A rename is safe only when the directory is on the disk, too.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        return File::open(directory)?.sync_all();
    }
    // Elsewhere a directory cannot be opened for that, and need not.
    Ok(())
}

fn check_size(file: &File, size: u64) -> io::Result<()> {
    let found = file.metadata()?.len();
    if found == size {
        return Ok(());
    }
    Err(io::Error::other(format!("an upload of {size} bytes has {found} on the disk")))
}

pub(super) const PART: &str = ".part";
/// Some milliseconds of work for a disk.
const STEP_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// A slow disk takes as long for any of them.
const STEPS_MAX: u64 = 64;
