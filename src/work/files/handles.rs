//! Files that are open: those used lately stay so, as a file is read and written in many pieces.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::proto::id::FileId;

pub(super) struct Handles {
    open: Mutex<Vec<(Key, Arc<Handle>)>>,
}

/// Which file, and whether it is an upload.
type Key = (FileId, bool);

pub(super) struct Handle {
    pub file: File,
    /// How long an upload is; only the thread that writes it looks.
    end: AtomicU64,
}

impl Handle {
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    pub fn grow(&self, bytes: u64) {
        self.end.fetch_add(bytes, Ordering::Relaxed);
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
        let end = AtomicU64::new(file.metadata()?.len());
        let handle = Arc::new(Handle { file, end });
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
