//! What is in files that are sent, and whether it is the same behind that.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;

use crate::Outcome;
use crate::carrier::piece;

/// Fills a file with bytes that nothing can make less of, and syncs it.
pub fn write_file(path: &Path, bytes: u64) -> Outcome<()> {
    let piece = piece();
    let mut file = BufWriter::new(File::create(path)?);
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        // No two pieces are alike.
        let mark = left.to_le_bytes();
        let marked = mark.len().min(part);
        file.write_all(&mark[..marked])?;
        file.write_all(&piece[marked..part])?;
        left -= part as u64;
    }
    Ok(file.into_inner().map_err(|error| error.into_error())?.sync_all()?)
}

/// Compares two files.
pub fn check_same(one: &Path, other: &Path) -> Outcome<()> {
    let (mut first, mut second) = (File::open(one)?, File::open(other)?);
    let differ = || format!("{} is not what was sent", other.display());
    if first.metadata()?.len() != second.metadata()?.len() {
        return Err(differ().into());
    }
    let (mut here, mut there) = (vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]);
    loop {
        let count = first.read(&mut here)?;
        if count == 0 {
            return Ok(());
        }
        second.read_exact(&mut there[..count])?;
        if here[..count] != there[..count] {
            return Err(differ().into());
        }
    }
}

const COMPARED_BYTES: usize = 1 << 20;
