//! The bytes of files: a directory beside the database, in which nobody but this lane writes.
//!
//! ```text
//!   ID.part    an upload, as long as what has come of it
//!   ID         a complete file: written to the disk, renamed, and the directory written as well
//! ```
//!
//! Bytes are read and written by a few threads; all jobs on one file go to the same one, so that they are
//! done in order. What may take long (the disk has to write everything, or give a large file's space back)
//! is another thread's, so that no transfer waits for it.
//!
//! A crash at any moment leaves a state that [`scan`](scan::scan) makes whole again at the next start.

mod disk;
mod handles;
pub mod scan;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::hub::job::files::{FileJob, FileReply, PutFailure, ReadFailure};
use crate::hub::job::{Reply, StoreFailure};
use crate::proto::id::FileId;
use crate::proto::piece::FilePiece;
use crate::work::files::handles::Handles;
use crate::work::lane::Outlet;
use crate::work::spawn;

/// The queues of this lane, and the threads that are waited for at the end.
pub(super) struct FileLane {
    bytes: Vec<Sender<FileJob>>,
    chores: Sender<FileJob>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share.
struct Files {
    directory: PathBuf,
    handles: Handles,
}

impl FileLane {
    pub fn start<W: Fn() + Clone + Send + 'static>(
        directory: &Path,
        threads: usize,
        stopping: &Arc<AtomicBool>,
        outlet: &Outlet<W>,
    ) -> FileLane {
        assert!(threads > 0, "a lane without a thread would never answer");
        let files = Arc::new(Files { directory: directory.to_owned(), handles: Handles::new() });
        let mut lane = FileLane { bytes: Vec::new(), chores: bounded(0).0, threads: Vec::new() };
        for number in 1..=threads {
            let (jobs_in, jobs) = bounded(BYTES_JOBS_MAX);
            let (files, outlet) = (files.clone(), outlet.clone());
            lane.bytes.push(jobs_in);
            lane.threads.push(spawn(format!("files-{number}"), move || serve(&files, &jobs, None, &outlet)));
        }
        let (chores_in, chores) = bounded(CHORES_MAX);
        lane.chores = chores_in;
        let (outlet, stopping) = (outlet.clone(), stopping.clone());
        // Never joined: nothing is lost if it ends in the middle, and the disk may take its time.
        drop(spawn("files-sync".into(), move || serve(&files, &chores, Some(&stopping), &outlet)));
        lane
    }

    pub fn submit(&self, job: FileJob) {
        let queue = match &job {
            FileJob::Finish { .. } | FileJob::Remove { .. } => &self.chores,
            FileJob::Put { part, .. } => self.queue_of(part.file),
            FileJob::Read { read, .. } => self.queue_of(read.file),
        };
        queue.try_send(job).expect("the hub counts the places of this lane");
    }

    /// Takes no more jobs; returns the threads that finish what they have.
    pub fn stop(self) -> Vec<JoinHandle<()>> {
        self.threads
    }

    fn queue_of(&self, file: FileId) -> &Sender<FileJob> {
        // Numbers are random, so that any byte spreads them.
        &self.bytes[usize::from(file.0[0]) % self.bytes.len()]
    }
}

fn serve<W: Fn()>(
    files: &Files,
    jobs: &Receiver<FileJob>,
    stopping: Option<&AtomicBool>,
    outlet: &Outlet<W>,
) {
    for job in jobs {
        if stopping.is_some_and(|stopping| stopping.load(Ordering::Acquire)) {
            return;
        }
        outlet.send(vec![Reply::Files(files.run(job))]);
    }
}

impl Files {
    fn run(&self, job: FileJob) -> FileReply {
        match job {
            FileJob::Put { part, offset, piece } => {
                let (stored, outcome) = self.put(part.file, offset, &piece);
                FileReply::Put { part, offset, piece, stored, outcome }
            }
            FileJob::Read { read, offset, mut piece } => {
                let outcome = self.read(read.file, offset, &mut piece);
                FileReply::Read { read, offset, piece, outcome }
            }
            FileJob::Finish { origin, file, size } => {
                FileReply::Finished { origin, file, outcome: self.finish(file, size) }
            }
            FileJob::Remove { file } => FileReply::Removed { file, outcome: self.remove(file) },
        }
    }

    /// Appends a piece. Returns how long the upload is then.
    fn put(&self, file: FileId, offset: u64, piece: &FilePiece) -> (u64, Result<(), PutFailure>) {
        let part = self.handles.part(file, || disk::open_part(&self.directory, file, offset == 0));
        let part = match part {
            Ok(part) => part,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (0, Err(PutFailure::Misplaced)),
            Err(error) => return (0, Err(PutFailure::Storage(failure(&error)))),
        };
        let end = part.end();
        if offset != end {
            return (end, Err(PutFailure::Misplaced));
        }
        match disk::write_at(&part.file, piece.bytes(), offset) {
            Ok(()) => {
                part.grow(piece.len() as u64);
                (part.end(), Ok(()))
            }
            Err(error) => {
                // What was written of it is written over by the next try, or cut off at the next start.
                let _ = part.file.set_len(end);
                (end, Err(PutFailure::Storage(failure(&error))))
            }
        }
    }

    fn read(&self, file: FileId, offset: u64, piece: &mut FilePiece) -> Result<(), ReadFailure> {
        let read = self
            .handles
            .whole(file, || File::open(disk::whole(&self.directory, file)))
            .and_then(|whole| disk::read_at(&whole.file, piece.bytes_mut(), offset));
        read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => ReadFailure::Missing,
            _ => ReadFailure::Storage(failure(&error)),
        })
    }

    fn finish(&self, file: FileId, size: u64) -> Result<(), StoreFailure> {
        self.handles.forget(file);
        disk::finish(&self.directory, file, size).map_err(|error| failure(&error))
    }

    fn remove(&self, file: FileId) -> Result<(), StoreFailure> {
        // An open handle would keep the space.
        self.handles.forget(file);
        disk::remove_in_steps(&self.directory, file).map_err(|error| failure(&error))
    }
}

fn failure(error: &io::Error) -> StoreFailure {
    match error.kind() {
        // The last is what a limit on the size of files gives.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StoreFailure::Full
        }
        _ => StoreFailure::Other(error.to_string()),
    }
}

/// Each of these jobs holds a piece, and there are fewer of those.
const BYTES_JOBS_MAX: usize = 64;
/// What the hub hands in at once of the others.
const CHORES_MAX: usize = 64;
