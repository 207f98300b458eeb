//! How a file is cut into chunks.

use crate::e2e::aead::TAG_BYTES;
use crate::e2e::error::Error;
use crate::e2e::file::HEADER_BYTES;

/// How a content of some length is cut: the same on both sides, so chunks can be asked for by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    chunk_log2: u8,
    length: u64,
    /// Invariant: at least 1; all chunks before the last are full.
    chunks: u32,
}

impl Layout {
    /// The layout of a content of `length` bytes, padding included.
    pub fn new(length: u64) -> Result<Layout, Error> {
        Layout::with_chunks(length, CHUNK_LOG2)
    }

    /// The same with chunks of another size.
    pub fn with_chunks(length: u64, chunk_log2: u8) -> Result<Layout, Error> {
        if !(CHUNK_LOG2_MIN..=CHUNK_LOG2_MAX).contains(&chunk_log2) {
            return Err(Error::Malformed);
        }
        let chunks = length.div_ceil(1 << chunk_log2).max(1);
        let chunks = u32::try_from(chunks).map_err(|_| Error::TooLong)?;
        Ok(Layout { chunk_log2, length, chunks })
    }

    pub(super) fn chunk_log2(&self) -> u8 {
        self.chunk_log2
    }

    pub fn chunks(&self) -> u32 {
        self.chunks
    }

    /// The length of a chunk's content.
    pub fn chunk_bytes(&self, index: u32) -> Result<usize, Error> {
        let size = 1 << self.chunk_log2;
        match u64::from(index) {
            index if index + 1 < u64::from(self.chunks) => Ok(size as usize),
            index if index + 1 == u64::from(self.chunks) => Ok((self.length - index * size) as usize),
            _ => Err(Error::Malformed),
        }
    }

    /// Where a sealed chunk stands in the blob.
    pub fn offset(&self, index: u32) -> u64 {
        HEADER_BYTES as u64 + u64::from(index) * ((1 << self.chunk_log2) + TAG_BYTES as u64)
    }

    /// The length of the blob.
    pub fn blob_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.length + u64::from(self.chunks) * TAG_BYTES as u64
    }

    pub(super) fn is_last(&self, index: u32) -> bool {
        index + 1 == self.chunks
    }
}

/// Chunks of 64 KiB: one is read, encrypted and sent at a time, and a broken transfer repeats one.
pub const CHUNK_LOG2: u8 = 16;

/// Smaller chunks would be mostly tags.
pub const CHUNK_LOG2_MIN: u8 = 8;

/// Larger ones would be the sender's choice of how much memory we take.
pub const CHUNK_LOG2_MAX: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_have_bounds() {
        let layout = |length| Layout::new(length).map(|layout| (layout.chunks(), layout.blob_bytes()));
        assert_eq!(layout(0), Ok((1, 44 + 16)));
        assert_eq!(layout(65_536), Ok((1, 44 + 65_552)), "no extra chunk");
        assert_eq!(layout(65_537), Ok((2, 44 + 65_552 + 17)));
        assert_eq!(Layout::new(65_537).unwrap().offset(1), 44 + 65_552);
        assert_eq!(Layout::new(65_537).unwrap().chunk_bytes(2), Err(Error::Malformed));
        let longest = u64::from(u32::MAX) << 16;
        assert_eq!(Layout::new(longest).map(|layout| layout.chunks()), Ok(u32::MAX));
        assert_eq!(Layout::new(longest + 1), Err(Error::TooLong));
        assert_eq!(Layout::new(u64::MAX), Err(Error::TooLong));
        assert!(
            Layout::with_chunks(1, CHUNK_LOG2_MIN).is_ok() && Layout::with_chunks(1, CHUNK_LOG2_MAX).is_ok()
        );
        assert_eq!(Layout::with_chunks(1, CHUNK_LOG2_MIN - 1), Err(Error::Malformed));
        assert_eq!(Layout::with_chunks(1, CHUNK_LOG2_MAX + 1), Err(Error::Malformed));
    }
}
