//! From a file to the pieces of a blob: read, padded, sealed chunk by chunk, hashed, cut.
//!
//! A [`Packer`] always begins at the first chunk, also when an upload goes on: the SHA-256 of the whole
//! blob needs every chunk, and so does the comparison with what was sealed before. A file that is not
//! what it was ends in [`Unfit::Changed`], before a single byte of the new content leaves
//! the [`Sealer`].

use std::fmt;
use std::io::{self, Read};

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::client::transfer::piece::{PIECE_BYTES, Plan};
use crate::e2e::error::Error;
use crate::e2e::file::{ChunkTag, HEADER_BYTES, Sealer};

/// Seals a file of a known size; see the [module](self).
pub struct Packer<R> {
    file: R,
    plan: Plan,
    sealer: Sealer,
    hash: Sha256,
    /// The chunk to be sealed next.
    next: u32,
    /// What was sealed and is in no piece yet: the header at first, then a chunk.
    sealed: Vec<u8>,
    /// Invariant: at most the length of `sealed`; what is before is in a piece.
    taken: usize,
    /// Where in the blob the next piece begins.
    offset: u64,
}

/// A piece of the blob.
pub struct Piece {
    pub offset: u64,
    pub bytes: Vec<u8>,
    /// The tags of this many chunks must be kept before the piece is sent.
    pub chunks: u32,
}

impl Piece {
    /// Where the next piece begins.
    pub fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// Bytes of a piece are as good as public, but they are not for logs.
impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece({} bytes at {})", self.bytes.len(), self.offset)
    }
}

/// Why a file cannot be sealed.
#[derive(Debug)]
pub enum Unfit {
    /// It is not what it was: shorter, longer, or with another content.
    Changed,
    /// It cannot be read.
    Unreadable(io::Error),
}

impl<R: Read> Packer<R> {
    /// `file` stands at its start; `sealer` knows the tags of an earlier attempt.
    pub fn new(file: R, plan: Plan, sealer: Sealer) -> Packer<R> {
        let header = sealer.header().to_vec();
        let hash = Sha256::new_with_prefix(&header);
        Packer { file, plan, sealer, hash, next: 0, sealed: header, taken: 0, offset: 0 }
    }

    /// The next piece, in a buffer that is no longer needed; `None` behind the last one.
    pub fn next_piece(&mut self, mut buffer: Vec<u8>) -> Result<Option<Piece>, Unfit> {
        buffer.clear();
        while buffer.len() < PIECE_BYTES as usize {
            if self.taken == self.sealed.len() && !self.seal_next()? {
                break;
            }
            let rest = &self.sealed[self.taken..];
            let part = &rest[..rest.len().min(PIECE_BYTES as usize - buffer.len())];
            buffer.extend_from_slice(part);
            self.taken += part.len();
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        let piece = Piece { offset: self.offset, bytes: buffer, chunks: self.next };
        self.offset = piece.end();
        Ok(Some(piece))
    }

    /// Seals the next chunk; `false` if there is none.
    fn seal_next(&mut self) -> Result<bool, Unfit> {
        if self.next == self.plan.layout().chunks() {
            return Ok(false);
        }
        let (content, file) = self.chunk_bytes().map_err(|_| Unfit::Changed)?;
        self.sealed.clear();
        self.taken = 0;
        self.sealed.resize(content, 0);
        let read = self.file.read_exact(&mut self.sealed[..file]);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Unfit::Changed,
            _ => Unfit::Unreadable(error),
        })?;
        if let Err(error) = self.sealer.seal(self.next, &mut self.sealed) {
            debug_assert_eq!(error, Error::Changed, "chunks come in order");
            // What is left in it is plain content, and nobody's to send.
            self.sealed.zeroize();
            self.taken = 0;
            return Err(Unfit::Changed);
        }
        self.hash.update(&self.sealed);
        self.next += 1;
        Ok(true)
    }

    /// The lengths of the next chunk and of the file's part in it.
    fn chunk_bytes(&self) -> Result<(usize, usize), Error> {
        Ok((self.plan.layout().chunk_bytes(self.next)?, self.plan.file_bytes(self.next)?))
    }

    /// The tags of all chunks that were ever sealed.
    pub fn tags(&self) -> &[ChunkTag] {
        self.sealer.tags()
    }

    /// The SHA-256 of the blob, once there is no further piece; the file must end here.
    pub fn finish(mut self) -> Result<[u8; 32], Unfit> {
        assert_eq!(self.offset, self.plan.blob_bytes(), "every piece was asked for");
        let mut more = Zeroizing::new([0]);
        match self.file.read(&mut *more) {
            Ok(0) => Ok(self.hash.finalize().into()),
            Ok(_) => Err(Unfit::Changed),
            Err(error) => Err(Unfit::Unreadable(error)),
        }
    }
}

const _: () = assert!(HEADER_BYTES < PIECE_BYTES as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::transfer::tests::{Seeded, content, key, seal};
    use crate::e2e::file::Opener;

    fn packer(file: &[u8], size: u64, tags: Vec<ChunkTag>) -> Packer<&[u8]> {
        let plan = Plan::new(size).unwrap();
        let prefix = Sealer::new(&key(), plan.layout(), &mut Seeded(1)).prefix();
        Packer::new(file, plan, Sealer::resume(&key(), plan.layout(), prefix, tags))
    }

    /// Every piece until the end, or the error.
    fn drain(packer: &mut Packer<&[u8]>) -> Result<Vec<Piece>, Unfit> {
        let mut pieces = Vec::new();
        while let Some(piece) = packer.next_piece(Vec::new())? {
            pieces.push(piece);
        }
        Ok(pieces)
    }

    #[test]
    fn pieces_are_the_blob_and_name_the_chunks_in_them() {
        for size in [0, 1, 65_535, 65_536, 65_537, 262_144, 600_000] {
            let file = content(size);
            let mut packer = packer(&file, size as u64, Vec::new());
            let pieces = drain(&mut packer).unwrap();
            let plan = Plan::new(size as u64).unwrap();
            for (number, piece) in pieces.iter().enumerate() {
                assert_eq!(piece.offset..piece.end(), plan.piece(number as u64), "file of {size}");
                assert_eq!(piece.chunks, plan.chunks_before(piece.end()), "file of {size}");
            }
            let blob: Vec<u8> = pieces.iter().flat_map(|piece| &piece.bytes).copied().collect();
            let expected = seal(&file);
            assert_eq!(blob, expected.blob, "file of {size}");
            assert_eq!(packer.finish().unwrap(), expected.sha256);
            let header = blob.first_chunk().unwrap();
            assert!(Opener::new(&key(), header, plan.layout().chunk_bytes(0).unwrap() as u64).is_ok());
        }
    }

    #[test]
    fn a_file_that_changed_is_noticed_before_it_is_sealed() {
        let file = content(200_000);
        let mut first = packer(&file, 200_000, Vec::new());
        drain(&mut first).unwrap();
        let tags = first.tags().to_vec();
        assert!(drain(&mut packer(&file, 200_000, tags.clone())).is_ok(), "the same file goes on");
        for at in [0, 65_535, 65_536, 199_999] {
            let mut other = file.clone();
            other[at] ^= 1;
            let mut again = packer(&other, 200_000, tags.clone());
            let mut told = Vec::new();
            let outcome = loop {
                match again.next_piece(Vec::new()) {
                    Ok(Some(piece)) => told.push(piece),
                    other => break other,
                }
            };
            assert!(matches!(outcome, Err(Unfit::Changed)), "byte {at}: {outcome:?}");
            assert!(told.is_empty(), "byte {at}: a piece with another content was given out");
        }
    }

    #[test]
    fn a_file_that_shrinks_or_grows_is_noticed() {
        let file = content(100_000);
        let mut short = packer(&file[..99_999], 100_000, Vec::new());
        assert!(matches!(drain(&mut short), Err(Unfit::Changed)));
        let mut long = packer(&file, 99_999, Vec::new());
        drain(&mut long).unwrap();
        assert!(matches!(long.finish(), Err(Unfit::Changed)));
    }
}
