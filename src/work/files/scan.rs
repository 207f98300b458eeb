//! What lies in the directory at the start, compared with what the store knows.
//!
//! A crash may have left an upload with half a piece at its end, a file that was renamed and not recorded as
//! complete, bytes without a record, and a record without bytes. All of it is made whole here, before
//! anybody is served; only file names and sizes are read.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use crate::hub::job::files::{KeptFile, is_declined_by_all};
use crate::proto::id::FileId;
use crate::proto::limits::PIECE_BYTES;
use crate::proto::time::Timestamp;
use crate::work::files::disk::{self, PART};

/// What there is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Files that are there, with how much of them is.
    pub files: Vec<KeptFile>,
    /// Records to be forgotten: nothing is left of these.
    pub lost: Vec<FileId>,
}

/// Sizes of what lies under the two names of a file.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    part: Option<u64>,
    whole: Option<u64>,
}

/// Looks at the directory. Files whose time has come, those that everybody has declined, and those that no
/// record knows, are removed; what has another name than ours is left alone.
pub fn scan(directory: &Path, kept: Vec<KeptFile>, now: Timestamp) -> io::Result<Scan> {
    let mut found = look(directory)?;
    let mut scan = Scan::default();
    for mut file in kept {
        let there = found.remove(&file.id).unwrap_or_default();
        // Declined by the last one, and the server died before it was removed.
        let unwanted = is_declined_by_all(&file.declined, file.readers);
        if file.expires <= now || unwanted {
            disk::remove(directory, file.id)?;
            scan.lost.push(file.id);
            continue;
        }
        match file.complete {
            true if there.whole == Some(file.size) => scan.files.push(file),
            true => {
                log::error!("the file {} of {} bytes is gone, or was cut: {there:?}", file.id, file.size);
                disk::remove(directory, file.id)?;
                scan.lost.push(file.id);
            }
            false => {
                file.stored = measure(directory, &file, there)?;
                scan.files.push(file);
            }
        }
    }
    for &file in found.keys() {
        log::info!("the file {file} has no record, and is removed");
        disk::remove(directory, file)?;
    }
    Ok(scan)
}

fn look(directory: &Path) -> io::Result<BTreeMap<FileId, Found>> {
    let mut found: BTreeMap<FileId, Found> = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let (id, is_part) = name.strip_suffix(PART).map_or((name, false), |id| (id, true));
        let Some(id) = FileId::parse(id) else { continue };
        let size = entry.metadata()?.len();
        let there = found.entry(id).or_default();
        *(if is_part { &mut there.part } else { &mut there.whole }) = Some(size);
    }
    Ok(found)
}

/// How much of an upload is there. What a write that did not come to its end may have left is cut off.
fn measure(directory: &Path, file: &KeptFile, there: Found) -> io::Result<u64> {
    let found = match there {
        Found { part: Some(size), .. } => size,
        Found { part: None, whole: Some(size) } => {
            // It was finished, and not recorded: that is asked for again.
            fs::rename(disk::whole(directory, file.id), disk::part(directory, file.id))?;
            size
        }
        Found { part: None, whole: None } => return Ok(0),
    };
    let stored = match found == file.size {
        true => found,
        false => (found - found % PIECE_BYTES as u64).min(file.size),
    };
    if stored != found {
        OpenOptions::new().write(true).open(disk::part(directory, file.id))?.set_len(stored)?;
    }
    Ok(stored)
}
