//! What is said on a connection that carries files, whatever its bytes look like.

use crate::proto::id::FileId;
use crate::proto::refusal::Refusal;

/// What a client asks for. A request has a number other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Ends a GET early.
    Cancel {
        request: u32,
    },
    /// Part of a complete file; `length` 0: to its end.
    Get {
        request: u32,
        file: FileId,
        offset: u64,
        length: u64,
    },
    Ping {
        request: u32,
    },
    /// The next bytes of an upload, which follow.
    Put {
        request: u32,
        file: FileId,
        offset: u64,
        bytes: usize,
    },
}

/// What a client is told, but for the bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A GET is done.
    End {
        request: u32,
    },
    /// A request came to nothing. `offset`: where a PUT would have to go on, or the size of the file that a
    /// GET asked for; 0 where neither is the matter.
    Failed {
        request: u32,
        offset: u64,
        refusal: Refusal,
    },
    Pong {
        request: u32,
    },
    /// A PUT is in its file, which has so many bytes now.
    Stored {
        request: u32,
        file: FileId,
        stored: u64,
    },
}
