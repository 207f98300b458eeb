//! Large files on their way to the disk while they are still being written.

use std::fs::File;
use std::ops::Range;

/// Counts what is written to one file.
#[derive(Debug, Default)]
pub struct Writeback {
    /// Up to here it was handed to the disk.
    begun: u64,
}

impl Writeback {
    /// Of a file that is on the disk up to `end`.
    pub fn from(end: u64) -> Writeback {
        Writeback { begun: end }
    }

    /// The file was written up to `end`. Every few megabytes, the system is asked to begin to write those
    /// out. It would otherwise gather a tenth of the memory first, and whoever syncs the file then waits
    /// for all of that at once while nothing else is to be done.
    ///
    /// Nobody waits here, and nobody learns whether it worked: that the file is on the disk is known only
    /// when it was synced.
    pub fn reached(&mut self, file: &File, end: u64) {
        if end < self.begun {
            self.begun = end;
        }
        if end - self.begun >= STEP_BYTES {
            begin(file, self.begun..end);
            self.begun = end;
        }
    }
}

/// Linux has no other call for this that reports no errors, which belong to who syncs: on pages that are
/// not written out yet, this advice begins to write them (`mm/fadvise.c`), and drops none.
#[cfg(target_os = "linux")]
fn begin(file: &File, range: Range<u64>) {
    use rustix::fs::{Advice, fadvise};
    let length = std::num::NonZeroU64::new(range.end - range.start);
    // Advice may be ignored, by a file system as well.
    let _ = fadvise(file, range.start, length, Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
fn begin(_: &File, _: Range<u64>) {}

const STEP_BYTES: u64 = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};

    #[test]
    fn a_file_is_the_same_whatever_was_begun() {
        let mut file = tempfile::tempfile().unwrap();
        let mut writeback = Writeback::default();
        let content: Vec<u8> = (0..5 * STEP_BYTES / 2).map(|at| at as u8 ^ (at >> 8) as u8).collect();
        let mut begun = vec![0];
        for part in content.chunks(100_000) {
            file.write_all(part).unwrap();
            let end = file.stream_position().unwrap();
            writeback.reached(&file, end);
            begun.push(writeback.begun);
        }
        begun.dedup();
        assert_eq!(begun.len(), 3, "twice in two and a half steps: {begun:?}");
        // Cut off, and written once more.
        file.set_len(1).unwrap();
        file.seek(std::io::SeekFrom::Start(1)).unwrap();
        writeback.reached(&file, 1);
        assert_eq!(writeback.begun, 1);
        file.write_all(&content[1..]).unwrap();
        writeback.reached(&file, content.len() as u64);
        assert_eq!(writeback.begun, content.len() as u64);
        let mut found = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut found).unwrap();
        assert!(found == content);
    }
}
