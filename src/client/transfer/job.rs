//! What a worker is asked to do for a transfer, and what it tells of it: plain data between the
//! [`ledger`](crate::client::transfer::ledger), which decides, and the threads, which touch files and
//! sockets.
//!
//! ```text
//! Upload:    Began ─► Tags ─► (Kept) ─► Progress ─► .. ─► Sent
//! Download:  Making ─► (Make) ─► Part ─► (Write) ─► Began ─► Progress ─► ..
//!            .. ─► Verified ─► (Settle) ─► Placed
//! ```
//!
//! In brackets: orders to the worker, each given once what came before is kept. Every job ends with
//! `Sent`, `Placed` or `Stopped`, unless it is called off.

use std::fmt;
use std::path::PathBuf;

use crate::client::transfer::part::Part;
use crate::client::transfer::place::Stamp;
use crate::client::transfer::record::Blob;
use crate::client::transfer::unpack::Wrong;
use crate::e2e::file::{ChunkTag, FileKey, PREFIX_BYTES};

/// What is to be done.
#[derive(Debug)]
pub enum Job {
    Download(Download),
    Upload(Upload),
}

/// To bring a blob to the server, from where it has got to.
pub struct Upload {
    pub path: PathBuf,
    pub stamp: Stamp,
    pub blob: Blob,
    pub key: FileKey,
    pub prefix: [u8; PREFIX_BYTES],
    /// Of all chunks that were sealed before.
    pub tags: Vec<ChunkTag>,
    /// So much of the blob is at the server.
    pub stored: u64,
}

/// To fetch a blob, open it and give it its name.
pub struct Download {
    pub blob: Blob,
    pub key: FileKey,
    pub size: u64,
    pub sha256: [u8; 32],
    pub name: String,
    pub into: PathBuf,
    /// What there is of it.
    pub part: Option<Part>,
    /// Where the half of it was made, before it had a name.
    pub making: Option<PathBuf>,
    /// That is all of it, and verified.
    pub whole: bool,
}

/// What a worker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The tags of this many chunks are kept.
    Kept(u32),
    /// It is kept where the half of the file is made: it may be.
    Make,
    /// It is kept that the file is whole: it may get its name.
    Settle,
    /// It is kept which file the half is, and what it is called: it may have that name, and be written to.
    Write,
}

/// What a worker tells.
#[derive(Debug)]
pub enum Report {
    /// From now on it is the line that takes the time; so many bytes of the file were there before.
    Began {
        done: u64,
    },
    /// Chunks were sealed for the first time.
    Tags {
        first: u32,
        tags: Vec<ChunkTag>,
    },
    /// Half a file is made here.
    Making(PathBuf),
    /// It is there, with nothing in it, and gets this name.
    Part(Part),
    /// The file has its name; `None` if it was given before a crash, and nobody knows which.
    Placed(Option<PathBuf>),
    /// So many bytes of the file are where they are to be.
    Progress {
        done: u64,
    },
    /// The server has everything.
    Sent {
        sha256: [u8; 32],
    },
    Stopped(Trouble),
    /// All is there, and is what the sender told.
    Verified,
}

/// Why a job came to nothing.
#[derive(Debug)]
pub enum Trouble {
    /// The file is not what it was when its upload began. What it is now, if it is there.
    Changed(Option<Stamp>),
    /// The server does not have the blob, or not any more.
    Gone,
    /// The line or the server failed; later it may work.
    Interrupted(String),
    /// Something cannot be read or written here.
    Local(String),
    /// The server will not do it, whenever it is asked.
    Refused(String),
    /// What the server has is not what was sent.
    Wrong(Wrong),
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Upload { path: _, stamp, blob: _, key: _, prefix: _, tags: _, stored } = self;
        write!(f, "Upload({} bytes, {stored} of the blob stored)", stamp.size)
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Download { blob: _, key: _, size, sha256: _, name: _, into: _, part, making: _, whole } = self;
        write!(f, "Download({size} bytes, begun: {}, whole: {whole})", part.is_some())
    }
}
