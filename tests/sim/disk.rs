//! What the lane of files is to do, in its simplest form: every file in memory.

use std::collections::BTreeMap;

use sottovoce::hub::job::StoreFailure;
use sottovoce::hub::job::files::{FileJob, FileReply, KeptFile, PutFailure, ReadFailure};
use sottovoce::proto::id::FileId;
use sottovoce::proto::limits::PIECE_BYTES;

#[derive(Debug, Default)]
pub struct Disk {
    pub parts: BTreeMap<FileId, Vec<u8>>,
    pub whole: BTreeMap<FileId, Vec<u8>>,
}

impl Disk {
    /// A server starts: what there is, as the store has it, with how much of it is there.
    pub fn start(&mut self, kept: Vec<KeptFile>) -> Vec<KeptFile> {
        self.parts.retain(|id, _| kept.iter().any(|file| file.id == *id));
        self.whole.retain(|id, _| kept.iter().any(|file| file.id == *id));
        let mut files = Vec::new();
        for mut file in kept {
            if file.complete {
                let there = self.whole.get(&file.id).is_some_and(|bytes| bytes.len() as u64 == file.size);
                // A file that was being removed has lost its bytes first.
                if !there {
                    continue;
                }
            } else {
                if let Some(bytes) = self.whole.remove(&file.id) {
                    self.parts.insert(file.id, bytes);
                }
                let bytes = self.parts.entry(file.id).or_default();
                if bytes.len() as u64 != file.size {
                    bytes.truncate(bytes.len() - bytes.len() % PIECE_BYTES);
                }
                file.stored = bytes.len() as u64;
            }
            files.push(file);
        }
        files
    }

    pub fn run(&mut self, job: FileJob) -> FileReply {
        match job {
            FileJob::Finish { origin, file, size } => {
                if let Some(bytes) = self.parts.remove(&file) {
                    self.whole.insert(file, bytes);
                }
                let found = self.whole.get(&file).map(|bytes| bytes.len() as u64);
                assert!(found == Some(size), "{file} is finished with {found:?} of {size} bytes");
                FileReply::Finished { origin, file, outcome: Ok(()) }
            }
            FileJob::Put { part, offset, piece } => {
                let bytes = self.parts.entry(part.file).or_default();
                let misplaced = bytes.len() as u64 != offset;
                if !misplaced {
                    bytes.extend_from_slice(piece.bytes());
                }
                let stored = bytes.len() as u64;
                let outcome = if misplaced { Err(PutFailure::Misplaced) } else { Ok(()) };
                FileReply::Put { part, offset, piece, stored, outcome }
            }
            FileJob::Read { read, offset, mut piece } => {
                let from = usize::try_from(offset).expect("simulated files are small");
                let wanted = from..from + piece.len();
                let found = self.whole.get(&read.file).and_then(|bytes| bytes.get(wanted));
                if let Some(found) = found {
                    piece.bytes_mut().copy_from_slice(found);
                }
                let outcome = if found.is_some() { Ok(()) } else { Err(ReadFailure::Missing) };
                FileReply::Read { read, offset, piece, outcome }
            }
            FileJob::Remove { file } => {
                self.parts.remove(&file);
                self.whole.remove(&file);
                FileReply::Removed { file, outcome: Ok(()) }
            }
        }
    }

    /// The job is not done.
    pub fn fail(&self, job: FileJob, failure: StoreFailure) -> FileReply {
        match job {
            FileJob::Finish { origin, file, .. } => {
                FileReply::Finished { origin, file, outcome: Err(failure) }
            }
            FileJob::Put { part, offset, piece } => {
                let stored = self.parts.get(&part.file).map_or(0, |bytes| bytes.len() as u64);
                FileReply::Put { part, offset, piece, stored, outcome: Err(PutFailure::Storage(failure)) }
            }
            FileJob::Read { read, offset, piece } => {
                FileReply::Read { read, offset, piece, outcome: Err(ReadFailure::Storage(failure)) }
            }
            FileJob::Remove { file } => FileReply::Removed { file, outcome: Err(failure) },
        }
    }
}
