//! A file that is renamed when it has grown to a size, and begun anew.
//!
//! ```text
//! sottod.log ─► sottod.log.1 ─► sottod.log.2 ─► ... ─► deleted
//! ```

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    rotate_bytes: Option<u64>,
    keep_files: Option<u32>,
    /// Closed while renaming, as some systems want it, and when it could not be opened again.
    file: Option<File>,
    /// Lines that are not written yet.
    waiting: Vec<u8>,
    /// Bytes of the file, those that wait included.
    size: u64,
}

impl RotatingFile {
    pub(super) fn open(
        path: &Path,
        rotate_bytes: Option<u64>,
        keep_files: Option<u32>,
    ) -> io::Result<RotatingFile> {
        let mut opened = RotatingFile {
            path: path.to_path_buf(),
            rotate_bytes,
            keep_files,
            file: None,
            waiting: Vec::new(),
            size: 0,
        };
        opened.reopen()?;
        Ok(opened)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line; it is in the file after [`RotatingFile::flush`].
    pub(super) fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let size = self.size + line.len() as u64;
        let mut rotated = Ok(());
        // A line that is longer than a whole file may be has one to itself.
        if self.rotate_bytes.is_some_and(|max| size > max) && self.size > 0 {
            rotated = self.rotate();
        }
        self.size += line.len() as u64;
        self.waiting.extend_from_slice(line);
        if self.waiting.len() >= WAITING_BYTES_MAX { rotated.and(self.flush()) } else { rotated }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.file.is_none() {
            self.file = Some(open_file(&self.path)?);
        }
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(&self.waiting));
        // What could not be written is lost here and still went to stderr: kept, it would grow.
        self.waiting.clear();
        written
    }

    /// Opens the file by its name again.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.flush()?;
        let file = open_file(&self.path)?;
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let flushed = self.flush();
        self.file = None;
        // Whatever happens now, it is tried again only after as many bytes once more.
        self.size = 0;
        flushed?;
        let keep = self.keep_files.unwrap_or(u32::MAX);
        let mut gap = 1;
        while gap < keep && self.old(gap).exists() {
            gap += 1;
        }
        for number in (1..gap).rev() {
            fs::rename(self.old(number), self.old(number + 1))?;
        }
        fs::rename(&self.path, self.old(1))?;
        // Left over from a time when more were kept.
        let mut surplus = keep.saturating_add(1);
        while surplus < u32::MAX && self.old(surplus).exists() {
            fs::remove_file(self.old(surplus))?;
            surplus += 1;
        }
        Ok(())
    }

    fn old(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(self.path.as_os_str());
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // Addresses and names of users are in it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Bytes that are collected before they are written, when lines come faster than writes.
const WAITING_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes lines to a file that rotates at 10 bytes; returns the files there are then, by name.
    fn check(keep: Option<u32>, lines: &[&str], expected: &[(&str, &str)]) {
        let dir = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::open(&dir.path().join("log"), Some(10), keep).unwrap();
        for line in lines {
            file.line(line.as_bytes()).unwrap();
        }
        file.flush().unwrap();
        assert_eq!(files(dir.path()), owned(expected));
    }

    fn files(dir: &Path) -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), text)
            })
            .collect();
        files.sort();
        files
    }

    fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
        files.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect()
    }

    #[test]
    fn a_file_is_full_at_its_size_and_not_before() {
        check(Some(3), &["1234\n", "6789\n"], &[("log", "1234\n6789\n")]);
        check(Some(3), &["1234\n", "67890\n"], &[("log", "67890\n"), ("log.1", "1234\n")]);
        check(
            Some(3),
            &["longer than a file\n", "x\n"],
            &[("log", "x\n"), ("log.1", "longer than a file\n")],
        );
    }

    #[test]
    fn only_so_many_old_files_are_kept() {
        let lines = ["aaaaaaaaa\n", "bbbbbbbbb\n", "ccccccccc\n", "ddddddddd\n"];
        check(Some(1), &lines, &[("log", lines[3]), ("log.1", lines[2])]);
        check(Some(2), &lines, &[("log", lines[3]), ("log.1", lines[2]), ("log.2", lines[1])]);
        let all = [("log", lines[3]), ("log.1", lines[2]), ("log.2", lines[1]), ("log.3", lines[0])];
        check(Some(3), &lines, &all);
        check(None, &lines, &all);
    }

    #[test]
    fn a_file_from_before_goes_on_and_surplus_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in
            [("log", "12345678\n"), ("log.1", "a"), ("log.2", "b"), ("log.3", "c"), ("log.4", "d")]
        {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let mut file = RotatingFile::open(&dir.path().join("log"), Some(10), Some(2)).unwrap();
        file.line(b"\n").unwrap();
        file.line(b"next\n").unwrap();
        file.flush().unwrap();
        assert_eq!(files(dir.path()), owned(&[("log", "next\n"), ("log.1", "12345678\n\n"), ("log.2", "a")]));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_moved_away_is_begun_anew_when_reopened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = RotatingFile::open(&path, None, None).unwrap();
        file.line(b"before\n").unwrap();
        file.flush().unwrap();
        fs::rename(&path, dir.path().join("moved")).unwrap();
        file.line(b"between\n").unwrap();
        file.reopen().unwrap();
        file.line(b"after\n").unwrap();
        file.flush().unwrap();
        assert_eq!(files(dir.path()), owned(&[("log", "after\n"), ("moved", "before\nbetween\n")]));
    }

    #[test]
    fn a_rotation_that_fails_loses_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        // A directory that is not empty cannot be renamed over.
        fs::create_dir_all(dir.path().join("log.1/x")).unwrap();
        let mut file = RotatingFile::open(&path, Some(10), Some(1)).unwrap();
        file.line(b"12345678\n").unwrap();
        assert!(file.line(b"second\n").is_err());
        file.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "12345678\nsecond\n");
    }
}
