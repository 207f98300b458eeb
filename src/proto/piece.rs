//! A piece of a file: the one kind of buffer in which files travel through the server.
//!
//! Pieces are few and used again and again ([`hub::files`](crate::hub)), so that a file of any size, and any
//! number of them, takes the same memory.

use std::fmt;

use crate::proto::limits::PIECE_BYTES;

/// A buffer of [`PIECE_BYTES`], filled up to somewhere.
pub struct FilePiece {
    /// Without its length, which is known: send queues have little room.
    buffer: Box<[u8; PIECE_BYTES]>,
    /// Invariant: at most [`PIECE_BYTES`].
    filled: u32,
}

impl FilePiece {
    pub fn new() -> FilePiece {
        // Not `Box::new`, which may make it on the stack first.
        let buffer = vec![0; PIECE_BYTES].try_into().expect("it has this length");
        FilePiece { buffer, filled: 0 }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len()]
    }

    /// The same, for whoever fills it from elsewhere; see [`FilePiece::resize`].
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let filled = self.len();
        &mut self.buffer[..filled]
    }

    pub fn len(&self) -> usize {
        self.filled as usize
    }

    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Makes it so long, whatever is in it.
    pub fn resize(&mut self, bytes: usize) {
        assert!(bytes <= PIECE_BYTES, "a piece has its size");
        self.filled = bytes as u32;
    }

    /// Appends as much as there is room for; returns how much that is.
    pub fn fill(&mut self, bytes: &[u8]) -> usize {
        let filled = self.len();
        let count = bytes.len().min(PIECE_BYTES - filled);
        self.buffer[filled..filled + count].copy_from_slice(&bytes[..count]);
        self.resize(filled + count);
        count
    }
}

impl Default for FilePiece {
    fn default() -> FilePiece {
        FilePiece::new()
    }
}

/// What is in it is nobody's business.
impl fmt::Debug for FilePiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FilePiece { buffer: _, filled } = self;
        write!(f, "FilePiece({filled} bytes)")
    }
}

const _: () = assert!(PIECE_BYTES <= u32::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_takes_what_there_is_room_for() {
        let mut piece = FilePiece::new();
        assert!(piece.is_empty());
        assert_eq!(piece.fill(b"abc"), 3);
        assert_eq!(piece.fill(&[7; PIECE_BYTES]), PIECE_BYTES - 3);
        assert_eq!(piece.fill(b"x"), 0);
        assert_eq!((piece.len(), &piece.bytes()[..4]), (PIECE_BYTES, &b"abc\x07"[..]));
        piece.resize(2);
        assert_eq!((piece.bytes(), format!("{piece:?}").as_str()), (&b"ab"[..], "FilePiece(2 bytes)"));
    }

    #[test]
    #[should_panic(expected = "a piece has its size")]
    fn a_piece_does_not_grow() {
        FilePiece::new().resize(PIECE_BYTES + 1);
    }
}
