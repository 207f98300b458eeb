//! How a blob travels: in pieces that have nothing to do with its chunks.
//!
//! ```text
//! blob     header 44 | chunk 0 (65,552) | chunk 1 | chunk 2 | chunk 3 | chunk 4 | .. | last chunk
//! pieces   0 (262,144)                                            | 1 ..             | the rest
//! ```
//!
//! The server takes pieces in order, and keeps whole ones when it dies. A piece may be sent once all
//! chunks that it has a part of are sealed *and* their tags are kept: nobody may ever have seen a
//! chunk that could be sealed again with another content.

use std::ops::Range;

use crate::e2e::error::Error;
use crate::e2e::file::layout::Layout;
use crate::e2e::file::padded_file_bytes;
use crate::proto::limits;

/// How a file of some size becomes a blob, and the blob pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    size: u64,
    layout: Layout,
}

impl Plan {
    /// For a file of `size` bytes that is about to be sealed; [`Error::TooLong`] if no blob can hold it.
    pub fn new(size: u64) -> Result<Plan, Error> {
        // Padding adds less than an eighth, which must not run over.
        if size > FILE_BYTES_MAX {
            return Err(Error::TooLong);
        }
        Ok(Plan { size, layout: Layout::new(padded_file_bytes(size))? })
    }

    /// For a blob whose header says how long its chunks are.
    pub fn of(size: u64, layout: Layout) -> Plan {
        Plan { size, layout }
    }

    /// The length of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The length of the blob.
    pub fn blob_bytes(&self) -> u64 {
        self.layout.blob_bytes()
    }

    /// The bytes of the blob in a piece; empty behind the last one.
    pub fn piece(&self, number: u64) -> Range<u64> {
        let start = number.saturating_mul(PIECE_BYTES).min(self.blob_bytes());
        start..(start + PIECE_BYTES).min(self.blob_bytes())
    }

    /// How many chunks have a part before this offset of the blob.
    pub fn chunks_before(&self, offset: u64) -> u32 {
        let chunks = offset.saturating_sub(self.layout.offset(0)).div_ceil(self.sealed_bytes());
        u32::try_from(chunks).unwrap_or(u32::MAX).min(self.layout.chunks())
    }

    /// How many bytes of a chunk's content are the file's; the rest is padding.
    pub fn file_bytes(&self, index: u32) -> Result<usize, Error> {
        let chunk = self.layout.chunk_bytes(index)?;
        let start = u64::from(index) * self.content_bytes();
        // Not more than a chunk, so it fits.
        Ok(self.size.saturating_sub(start).min(chunk as u64) as usize)
    }

    /// How many whole chunks the first `bytes` of the file hold; all of them if these are all bytes.
    pub fn chunks_of_file(&self, bytes: u64) -> u32 {
        if bytes >= self.size {
            return self.layout.chunks();
        }
        u32::try_from(bytes / self.content_bytes()).unwrap_or(u32::MAX).min(self.layout.chunks())
    }

    /// The bytes of the file in the first `chunks` chunks.
    pub fn file_bytes_of(&self, chunks: u32) -> u64 {
        (u64::from(chunks) * self.content_bytes()).min(self.size)
    }

    /// The length of every chunk in the blob but the last.
    fn sealed_bytes(&self) -> u64 {
        self.layout.offset(1) - self.layout.offset(0)
    }

    fn content_bytes(&self) -> u64 {
        self.sealed_bytes() - TAG_BYTES
    }
}

/// Bytes of a piece: what the server takes in one frame and keeps whole.
pub const PIECE_BYTES: u64 = limits::PIECE_BYTES as u64;

/// Far above what a blob can hold, and far below where padding would run over.
const FILE_BYTES_MAX: u64 = 1 << 50;

/// What sealing adds to a chunk.
const TAG_BYTES: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2e::file::layout::CHUNK_LOG2;

    const CHUNK: u64 = 1 << CHUNK_LOG2;

    #[test]
    fn pieces_cover_the_blob_once() {
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, PIECE_BYTES, 10 * PIECE_BYTES + 3] {
            let plan = Plan::new(size).unwrap();
            let mut offset = 0;
            for number in 0.. {
                let piece = plan.piece(number);
                assert_eq!(piece.start, offset, "file of {size}, piece {number}");
                if piece.is_empty() {
                    break;
                }
                offset = piece.end;
            }
            assert_eq!(offset, plan.blob_bytes(), "file of {size}");
            let contents: u64 =
                (0..plan.layout().chunks()).map(|index| plan.file_bytes(index).unwrap() as u64).sum();
            assert_eq!(contents, size);
        }
    }

    #[test]
    fn a_piece_needs_every_chunk_that_it_has_a_part_of() {
        let plan = Plan::new(8 * CHUNK).unwrap();
        assert_eq!(plan.chunks_before(0), 0);
        assert_eq!(plan.chunks_before(44), 0, "the header alone");
        assert_eq!(plan.chunks_before(45), 1);
        assert_eq!(plan.chunks_before(44 + 65_552), 1);
        assert_eq!(plan.chunks_before(44 + 65_552 + 1), 2);
        assert_eq!(plan.chunks_before(PIECE_BYTES), 4);
        assert_eq!(plan.chunks_before(2 * PIECE_BYTES), 8);
        assert_eq!(plan.chunks_before(plan.blob_bytes()), plan.layout().chunks());
        assert_eq!(plan.chunks_before(u64::MAX), plan.layout().chunks());
    }

    #[test]
    fn what_is_there_of_a_file_counts_by_whole_chunks() {
        let plan = Plan::new(3 * CHUNK + 5).unwrap();
        let chunks = plan.layout().chunks();
        for (bytes, expected) in
            [(0, 0), (CHUNK - 1, 0), (CHUNK, 1), (3 * CHUNK + 4, 3), (3 * CHUNK + 5, chunks)]
        {
            assert_eq!(plan.chunks_of_file(bytes), expected, "{bytes}");
        }
        assert_eq!((plan.file_bytes_of(2), plan.file_bytes_of(chunks)), (2 * CHUNK, 3 * CHUNK + 5));
        assert_eq!(plan.file_bytes(chunks), Err(Error::Malformed));
        let empty = Plan::new(0).unwrap();
        assert_eq!((empty.chunks_of_file(0), empty.file_bytes(0)), (1, Ok(0)));
    }

    #[test]
    fn a_file_has_a_longest_size() {
        let longest = u64::from(u32::MAX) << CHUNK_LOG2;
        assert!(Plan::new(longest - (longest >> 5)).is_ok());
        assert_eq!(Plan::new(longest + 1), Err(Error::TooLong));
        assert_eq!(Plan::new(FILE_BYTES_MAX), Err(Error::TooLong));
        assert_eq!(Plan::new(u64::MAX), Err(Error::TooLong));
    }
}
