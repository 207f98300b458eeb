//! Work on the contents of files, as plain data; what is known about them is the store's.
//!
//! Jobs on the bytes of one file are done in the order they were submitted. A file is complete when it was
//! finished: until then it has another name on disk, and nobody can read it.

use crate::hub::job::StoreFailure;
use crate::proto::id::{AccountId, ConnId, FileId, Origin};
use crate::proto::piece::FilePiece;
use crate::proto::time::Timestamp;

/// Something to do with the bytes of a file.
#[derive(Debug)]
pub enum FileJob {
    /// Has an upload of this size written to the disk, and gives it its final name. Doing it twice is
    /// harmless.
    Finish { origin: Origin, file: FileId, size: u64 },
    /// Appends a piece to an upload: `offset` is where the upload ends, or nothing is written.
    Put { part: Part, offset: u64, piece: FilePiece },
    /// Fills a piece, to its length, from a complete file.
    Read { read: Read, offset: u64, piece: FilePiece },
    /// Removes a file, complete or not. It is no failure if there is none.
    Remove { file: FileId },
}

/// Which part of which PUT a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub conn: ConnId,
    /// Counts the PUTs of a connection.
    pub put: u32,
    pub file: FileId,
}

/// What a piece is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    pub conn: ConnId,
    /// Counts the GETs of a connection.
    pub get: u32,
    pub file: FileId,
}

#[derive(Debug)]
pub enum FileReply {
    Finished {
        origin: Origin,
        file: FileId,
        outcome: Result<(), StoreFailure>,
    },
    /// `stored`: so long is the upload now, whatever the outcome.
    Put {
        part: Part,
        offset: u64,
        piece: FilePiece,
        stored: u64,
        outcome: Result<(), PutFailure>,
    },
    Read {
        read: Read,
        offset: u64,
        piece: FilePiece,
        outcome: Result<(), ReadFailure>,
    },
    Removed {
        file: FileId,
        outcome: Result<(), StoreFailure>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutFailure {
    /// The upload does not end there: a piece before this one was not written.
    Misplaced,
    Storage(StoreFailure),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFailure {
    /// The file is not there, or shorter than it should be.
    Missing,
    Storage(StoreFailure),
}

// ---- what the store knows of a file ---------------------------------------------------------------

/// An upload that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    pub owner: AccountId,
    pub size: u64,
    /// Accounts that it is for.
    pub readers: u32,
    pub created: Timestamp,
    pub expires: Timestamp,
}

/// A file as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    pub id: FileId,
    pub owner: AccountId,
    pub size: u64,
    pub readers: u32,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub complete: bool,
    /// Bytes that are there; of an upload, the store leaves that to whoever looks at the disk.
    pub stored: u64,
    /// Accounts that do not want it.
    pub declined: Vec<AccountId>,
}

/// Whether nobody is left who wants a file: everybody it is for has declined it, and somebody has.
pub fn is_declined_by_all(declined: &[AccountId], readers: u32) -> bool {
    !declined.is_empty() && declined.len() >= readers as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_declined_by_all_when_the_last_one_has() {
        let by = |accounts: &[u32], readers| {
            let accounts: Vec<AccountId> = accounts.iter().copied().map(AccountId).collect();
            is_declined_by_all(&accounts, readers)
        };
        assert!(!by(&[], 1) && by(&[1], 1));
        assert!(!by(&[], 2) && !by(&[1], 2) && by(&[1, 2], 2) && by(&[1, 2, 3], 2));
        // Nobody was named: it waits for somebody who says no.
        assert!(!by(&[], 0) && by(&[1], 0));
    }
}
