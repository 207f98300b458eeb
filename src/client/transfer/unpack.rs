//! From the bytes of a blob to the file: every chunk verified before a byte of it is written.
//!
//! ```text
//! header ─► commitment? ─► chunk ─► tag? padding? ─► written ─► .. ─► the end? SHA-256? ─► whole
//! ```
//!
//! The blob comes from a server that may do anything. What it can do is listed in [`Wrong`]; whatever
//! it is, nothing that was written may get its final name.
//!
//! A download that goes on seals again what is on the disk, which gives the same bytes, because the
//! SHA-256 of the blob needs all of it. So what lies there and was damaged meanwhile is noticed, too.

use std::fmt;
use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::client::transfer::piece::Plan;
use crate::e2e::error::Error;
use crate::e2e::file::{FileKey, HEADER_BYTES, Opener, Sealer, padded_file_bytes};

/// Opens a blob from its start to its end; see the [module](self).
pub struct Unpacker {
    opener: Opener,
    plan: Plan,
    /// Of the whole blob, as the message says.
    sha256: [u8; 32],
    hash: Sha256,
    /// The chunk to be opened next.
    next: u32,
    /// Invariant: what came of that chunk, never more than all of it.
    chunk: Vec<u8>,
}

/// What is wrong with a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// This chunk does not verify: altered, or not the one that belongs there.
    Chunk(u32),
    /// Everything verifies, and yet it is not the blob that the message speaks of.
    Hash,
    /// It does not begin as a blob does.
    Header,
    /// It was sealed with another key than that of the message.
    Key,
    /// It goes on behind its end.
    Long,
    /// What is behind the end of the file is not zeros.
    Padding,
    /// It ends before its end.
    Short,
    /// The message speaks of a size that no blob can have.
    Size,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Chunk(index) => write!(f, "chunk {index} does not verify: it was altered or exchanged"),
            Wrong::Hash => f.write_str("its SHA-256 is not the one that the sender told"),
            Wrong::Header => f.write_str("it does not begin as a sealed file does"),
            Wrong::Key => f.write_str("it was sealed with another key than the sender told"),
            Wrong::Long => f.write_str("there is more of it than the sender told"),
            Wrong::Padding => f.write_str("it is not as long as the sender told"),
            Wrong::Short => f.write_str("it is cut off"),
            Wrong::Size => f.write_str("no file can have the size that the sender told"),
        }
    }
}

/// Why a file did not come into being.
#[derive(Debug)]
pub enum Failed {
    /// It cannot be written, or read again, here.
    Local(io::Error),
    Wrong(Wrong),
}

impl From<Wrong> for Failed {
    fn from(wrong: Wrong) -> Failed {
        Failed::Wrong(wrong)
    }
}

impl Unpacker {
    /// Begins with the header of the blob, and what the message tells.
    pub fn new(
        key: &FileKey,
        header: &[u8; HEADER_BYTES],
        size: u64,
        sha256: [u8; 32],
    ) -> Result<Unpacker, Wrong> {
        // Nothing about a size is computed before it is known to be possible.
        Plan::new(size).map_err(|_| Wrong::Size)?;
        let opener = Opener::new(key, header, padded_file_bytes(size)).map_err(|error| match error {
            Error::Auth => Wrong::Key,
            Error::TooLong => Wrong::Size,
            _ => Wrong::Header,
        })?;
        let plan = Plan::of(size, *opener.layout());
        Ok(Unpacker {
            opener,
            plan,
            sha256,
            hash: Sha256::new_with_prefix(header),
            next: 0,
            chunk: Vec::new(),
        })
    }

    /// Takes over what an earlier attempt has written: `chunks` whole chunks, read from `part`.
    pub fn restore(
        &mut self,
        key: &FileKey,
        header: &[u8; HEADER_BYTES],
        part: &mut impl Read,
        chunks: u32,
    ) -> Result<(), Failed> {
        assert_eq!((self.next, self.chunk.len()), (0, 0), "only before anything was taken");
        let prefix = std::array::from_fn(|at| header[PREFIX_START + at]);
        let mut sealer = Sealer::resume(key, self.plan.layout(), prefix, Vec::new());
        for index in 0..chunks {
            let wrong = |_| Failed::Wrong(Wrong::Size);
            let content = self.plan.layout().chunk_bytes(index).map_err(wrong)?;
            let file = self.plan.file_bytes(index).map_err(wrong)?;
            self.chunk.clear();
            self.chunk.resize(content, 0);
            part.read_exact(&mut self.chunk[..file]).map_err(Failed::Local)?;
            sealer.seal(index, &mut self.chunk).map_err(wrong)?;
            self.hash.update(&self.chunk);
            self.next = index + 1;
        }
        self.chunk.clear();
        Ok(())
    }

    /// The offset of the next byte that it wants.
    pub fn offset(&self) -> u64 {
        match self.is_whole() {
            true => self.plan.blob_bytes(),
            false => self.plan.layout().offset(self.next) + self.chunk.len() as u64,
        }
    }

    /// The bytes of the file that are there, verified.
    pub fn file_bytes(&self) -> u64 {
        self.plan.file_bytes_of(self.next)
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Every chunk is there.
    pub fn is_whole(&self) -> bool {
        self.next == self.plan.layout().chunks()
    }

    /// Takes the next bytes of the blob, and writes what of the file verifies.
    pub fn take(&mut self, mut bytes: &[u8], file: &mut impl Write) -> Result<(), Failed> {
        while !bytes.is_empty() {
            if self.is_whole() {
                return Err(Wrong::Long.into());
            }
            let layout = self.plan.layout();
            let content = layout.chunk_bytes(self.next).map_err(|_| Wrong::Long)?;
            let whole = content + TAG_BYTES;
            let (part, rest) = bytes.split_at(bytes.len().min(whole - self.chunk.len()));
            self.chunk.extend_from_slice(part);
            bytes = rest;
            if self.chunk.len() == whole {
                self.open_next(file)?;
            }
        }
        Ok(())
    }

    fn open_next(&mut self, file: &mut impl Write) -> Result<(), Failed> {
        self.hash.update(&self.chunk);
        self.opener.open(self.next, &mut self.chunk).map_err(|_| Wrong::Chunk(self.next))?;
        let length = self.plan.file_bytes(self.next).map_err(|_| Wrong::Long)?;
        let (content, padding) = self.chunk.split_at(length);
        if padding.iter().any(|&byte| byte != 0) {
            return Err(Wrong::Padding.into());
        }
        file.write_all(content).map_err(Failed::Local)?;
        self.chunk.clear();
        self.next += 1;
        Ok(())
    }

    /// The blob is over. Only after this may the file get its name.
    pub fn finish(self) -> Result<(), Wrong> {
        if !self.is_whole() {
            return Err(Wrong::Short);
        }
        let found: [u8; 32] = self.hash.clone().finalize().into();
        if bool::from(found.ct_eq(&self.sha256)) { Ok(()) } else { Err(Wrong::Hash) }
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        self.chunk.zeroize();
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unpacker { opener, plan: _, sha256: _, hash: _, next, chunk: _ } = self;
        write!(f, "Unpacker({next} chunks of {opener:?})")
    }
}

/// Where the prefix of the nonces stands in the header.
const PREFIX_START: usize = 5;

const TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests;
