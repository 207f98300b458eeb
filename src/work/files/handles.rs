//! Files that are open: those used lately stay so, as a file is read and written in many pieces.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::proto::id::FileId;
use crate::writeback::Writeback;

pub(super) struct Handles {
    open: Mutex<Vec<(Key, Arc<Handle>)>>,
}

/// Which file, and whether it is an upload.
type Key = (FileId, bool);

pub(super) struct Handle {
    pub file: File,
    /// Of an upload; only the thread that writes it looks.
    written: Mutex<Written>,
}

/// How long an upload is, and how much of it is on its way to the disk.
struct Written {
    end: u64,
    writeback: Writeback,
}

impl Handle {
    pub fn end(&self) -> u64 {
        self.lock().end
    }

    pub fn grow(&self, bytes: u64) {
        let mut written = self.lock();
        written.end += bytes;
        let end = written.end;
        written.writeback.reached(&self.file, end);
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().expect("nothing panics while it holds this")
    }
}

impl Handles {
    pub fn new() -> Handles {
        Handles { open: Mutex::new(Vec::new()) }
    }

    /// An upload, opened if it is not.
    pub fn part(&self, file: FileId, open: impl FnOnce() -> io::Result<File>) -> io::Result<Arc<Handle>> {
        self.get((file, true), open)
    }

    /// A complete file, opened if it is not.
    pub fn whole(&self, file: FileId, open: impl FnOnce() -> io::Result<File>) -> io::Result<Arc<Handle>> {
        self.get((file, false), open)
    }

    /// The file has another name, or goes.
    pub fn forget(&self, file: FileId) {
        self.lock().retain(|((open, _), _)| *open != file);
    }

    fn get(&self, key: Key, open: impl FnOnce() -> io::Result<File>) -> io::Result<Arc<Handle>> {
        {
            let mut handles = self.lock();
            if let Some(place) = handles.iter().position(|(open, _)| *open == key) {
                // The one used last stands at the end.
                handles[place..].rotate_left(1);
                return Ok(handles[handles.len() - 1].1.clone());
            }
        }
        // Opening may wait for the disk: the others do not wait with it.
        let file = open()?;
        let end = file.metadata()?.len();
        let written = Mutex::new(Written { end, writeback: Writeback::from(end) });
        let handle = Arc::new(Handle { file, written });
        let mut handles = self.lock();
        if handles.len() >= OPEN_MAX {
            handles.remove(0);
        }
        handles.push((key, handle.clone()));
        Ok(handle)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Key, Arc<Handle>)>> {
        self.open.lock().expect("nothing panics while it holds this")
    }
}

/// Files that stay open: as many as may be on their way at once without opening any twice, and few beside
/// the descriptors of connections.
const OPEN_MAX: usize = 64;
