//! Brings a file to the server: one thread reads and seals, this one sends.
//!
//! ```text
//! sealer:  read ─► seal, hash ─► pieces ────┐   every GROUP_CHUNKS: tags reported, to be kept
//!             ▲                             ▼
//!             │       sender:  kept? ─► PUT ─► in flight ─► STORED ─┐
//!             └────────────────── empty buffers ◄───────────────────┘
//! ```
//!
//! There is a fixed number of buffers, so a file of any size takes the same memory. A connection that
//! fails is replaced: what is in flight is sent again from where the server has got to.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::client::transfer::connection::{Failed, Told};
use crate::client::transfer::job::{Order, Report, Trouble, Upload};
use crate::client::transfer::pack::{Packer, Piece, Unfit};
use crate::client::transfer::piece::{PIECE_BYTES, Plan};
use crate::client::transfer::place::{self, Stamp};
use crate::client::transfer::pool::Lease;
use crate::client::transfer::record::Blob;
use crate::client::transfer::stream::Broken;
use crate::client::transfer::worker::{Desk, Halt, Progress};
use crate::e2e::file::Sealer;
use crate::proto::refusal::Code;

/// Does the whole job; it is over when this returns.
pub fn upload(desk: &Desk, job: Upload) -> Result<(), Halt> {
    let (file, stamp) = place::open_source(&job.path).map_err(|error| unreadable(&error))?;
    if stamp != job.stamp {
        return Err(Trouble::Changed(Some(stamp)).into());
    }
    let plan = Plan::new(stamp.size).map_err(|_| Trouble::Local("no file may be that large".into()))?;
    let mut failures = 0;
    // Before anything is read: without a server that would be for nothing.
    let lease = desk.connect(&mut failures)?;
    let sealer = Sealer::resume(&job.key, plan.layout(), job.prefix, job.tags);
    let kept = u32::try_from(sealer.tags().len()).unwrap_or(u32::MAX);
    let packer = Packer::new(&file, plan, sealer);

    let (empty, emptied) = unbounded();
    let (fill, filled) = bounded(BUFFERS);
    for _ in 0..BUFFERS {
        // The receiver is right here.
        let _ = empty.send(Vec::with_capacity(PIECE_BYTES as usize));
    }
    thread::scope(|scope| {
        let sealing = Sealing { desk, file: &file, stamp, stored: job.stored };
        scope.spawn(move || sealing.run(packer, &emptied, &fill));
        let mut sending = Sending {
            desk,
            blob: job.blob,
            plan,
            empty,
            kept,
            lease: Some(lease),
            flight: VecDeque::new(),
            stored: job.stored,
            sent: 0,
            unanswered: 0,
            probing: true,
            failures,
            progress: None,
            scratch: Vec::new(),
        };
        // It drops the channels when it ends, and the sealer ends with that.
        sending.run(filled)
    })
}

/// What the sealer hands on.
enum Sealed {
    Piece(Piece),
    /// There are no more; the SHA-256 of the blob.
    Whole([u8; 32]),
    Unfit(Trouble),
}

struct Sealing<'a> {
    desk: &'a Desk,
    file: &'a File,
    stamp: Stamp,
    stored: u64,
}

impl Sealing<'_> {
    /// Ends early when nobody takes pieces any more.
    fn run(self, mut packer: Packer<&File>, emptied: &Receiver<Vec<u8>>, fill: &Sender<Sealed>) {
        let mut reported = packer.tags().len();
        let mut spare = None;
        while let Some(buffer) = spare.take().or_else(|| emptied.recv().ok())
            && self.desk.check().is_ok()
        {
            let next = packer.next_piece(buffer);
            let tags = &packer.tags()[reported..];
            if tags.len() >= GROUP_CHUNKS || (matches!(next, Ok(None)) && !tags.is_empty()) {
                // Not more than there are chunks, which are counted so.
                let first = u32::try_from(reported).unwrap_or(u32::MAX);
                self.desk.report(Report::Tags { first, tags: tags.to_vec() });
                reported = packer.tags().len();
            }
            // Where nobody takes it any more, the sender has ended, and no buffer comes back.
            let _ = match next {
                Ok(Some(piece)) if piece.end() <= self.stored => {
                    spare = Some(piece.bytes);
                    continue;
                }
                Ok(Some(piece)) => fill.send(Sealed::Piece(piece)),
                Ok(None) => return drop(fill.send(self.finish(packer))),
                Err(unfit) => return drop(fill.send(Sealed::Unfit(self.explain(unfit)))),
            };
        }
    }

    fn finish(&self, packer: Packer<&File>) -> Sealed {
        match packer.finish() {
            Ok(sha256) => match self.file.metadata() {
                Ok(metadata) if Stamp::of(&metadata) == self.stamp => Sealed::Whole(sha256),
                Ok(metadata) => Sealed::Unfit(Trouble::Changed(Some(Stamp::of(&metadata)))),
                Err(error) => Sealed::Unfit(Trouble::Local(error.to_string())),
            },
            Err(unfit) => Sealed::Unfit(self.explain(unfit)),
        }
    }

    fn explain(&self, unfit: Unfit) -> Trouble {
        match (unfit, self.file.metadata()) {
            (Unfit::Unreadable(error), _) | (Unfit::Changed, Err(error)) => Trouble::Local(error.to_string()),
            (Unfit::Changed, Ok(metadata)) => Trouble::Changed(Some(Stamp::of(&metadata))),
        }
    }
}

struct Sending<'a> {
    desk: &'a Desk,
    blob: Blob,
    plan: Plan,
    empty: Sender<Vec<u8>>,
    /// The tags of this many chunks are kept.
    kept: u32,
    lease: Option<Lease>,
    /// Invariant: not stored yet, without gaps.
    flight: VecDeque<Piece>,
    /// What the server has, as far as it has said.
    stored: u64,
    /// Pieces of the flight that went out on this connection.
    sent: usize,
    /// PUTs that were not answered on this connection.
    unanswered: usize,
    /// Nobody knows where the server is: one piece goes out alone.
    probing: bool,
    failures: u32,
    progress: Option<Progress<'a>>,
    scratch: Vec<u8>,
}

/// Why sending cannot go on like this.
enum Fault {
    Broken(Broken),
    Trouble(Trouble),
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Fault {
        Fault::Broken(broken)
    }
}

impl Sending<'_> {
    fn run(&mut self, filled: Receiver<Sealed>) -> Result<(), Halt> {
        loop {
            // The sealer always says how it ends, unless this one has ended before.
            match filled.recv().map_err(|_| Halt::CalledOff)? {
                Sealed::Piece(piece) => {
                    while self.kept < piece.chunks {
                        if let Order::Kept(chunks) = self.desk.order()? {
                            self.kept = chunks;
                        }
                    }
                    if self.progress.is_none() {
                        self.progress = Some(Progress::begin(self.desk, self.file_bytes()));
                    }
                    self.flight.push_back(piece);
                    self.settle(WINDOW - 1)?;
                }
                Sealed::Unfit(trouble) => return Err(trouble.into()),
                Sealed::Whole(sha256) => {
                    self.settle(0)?;
                    if let Some(lease) = self.lease.take() {
                        self.desk.give_back(lease);
                    }
                    self.desk.report(Report::Sent { sha256 });
                    return Ok(());
                }
            }
        }
    }

    /// Sends everything, and waits until at most so many pieces are in flight.
    fn settle(&mut self, flight_max: usize) -> Result<(), Halt> {
        loop {
            let fault = match self.step(flight_max) {
                Ok(true) => continue,
                Ok(false) => return Ok(()),
                Err(fault) => fault,
            };
            let used = self.lease.take().is_some_and(|lease| lease.used);
            match fault {
                Fault::Trouble(trouble) => return Err(trouble.into()),
                // It had been idle, and nobody knew that it was dead.
                Fault::Broken(_) if used => {}
                Fault::Broken(broken) => self.desk.rest(&mut self.failures, broken.to_string())?,
            }
            self.lease = Some(self.desk.connect(&mut self.failures)?);
            (self.sent, self.unanswered, self.probing) = (0, 0, true);
        }
    }

    /// Sends a piece or takes an answer; `false` if there is nothing to do.
    fn step(&mut self, flight_max: usize) -> Result<bool, Fault> {
        let Some(lease) = &mut self.lease else { return Err(Fault::Broken(Broken::Closed)) };
        let unanswered_max = if self.probing { 1 } else { WINDOW };
        if let Some(piece) = self.flight.get(self.sent)
            && self.unanswered < unanswered_max
        {
            let start = self.stored.saturating_sub(piece.offset);
            let rest = usize::try_from(start).ok().and_then(|start| piece.bytes.get(start..));
            let rest = rest.unwrap_or_default();
            lease.connection.put(self.blob, piece.end() - rest.len() as u64, rest)?;
            self.sent += 1;
            self.unanswered += 1;
            return Ok(true);
        }
        if self.unanswered == 0 || (self.flight.len() <= flight_max && self.sent == self.flight.len()) {
            return Ok(false);
        }
        match lease.connection.receive(&mut self.scratch)? {
            Told::Stored { stored } => self.advance(stored),
            Told::Failed(failed) => self.handle_failed(failed),
            told => Err(Fault::Broken(Broken::Garbage(format!("{told:?} as the answer to a PUT")))),
        }?;
        Ok(true)
    }

    /// The server has so much, and says so in answer to a PUT.
    fn advance(&mut self, stored: u64) -> Result<(), Fault> {
        self.unanswered = self.unanswered.saturating_sub(1);
        let sealed = self.flight.back().map_or(self.stored, Piece::end);
        if stored > sealed || self.flight.front().is_some_and(|first| stored < first.offset) {
            // Less than it had: it died and lost the end. More than was sent: it is not ours to explain.
            let why = format!("the server has {stored} bytes of it, which nobody expected");
            return Err(Fault::Trouble(Trouble::Interrupted(why)));
        }
        self.stored = stored;
        self.probing = false;
        self.failures = 0;
        while self.flight.front().is_some_and(|first| first.end() <= stored) {
            if let Some(piece) = self.flight.pop_front() {
                self.sent = self.sent.saturating_sub(1);
                // The sealer may be done already.
                let _ = self.empty.send(piece.bytes);
            }
        }
        let done = self.file_bytes();
        if let Some(progress) = &mut self.progress {
            progress.tell(done);
        }
        Ok(())
    }

    fn handle_failed(&mut self, failed: Failed) -> Result<(), Fault> {
        let Failed { offset, code, text } = failed;
        let is = |known: Code| code == known.as_str();
        if is(Code::BadOffset) && self.probing {
            self.advance(offset)?;
            // What was sent was not taken: the rest of it goes out once more.
            self.sent = 0;
            return Ok(());
        }
        Err(if is(Code::BadOffset) {
            Fault::Broken(Broken::Garbage(text))
        } else if is(Code::NoSuchFile) {
            Fault::Trouble(Trouble::Gone)
        } else if is(Code::FilesDisabled) {
            Fault::Trouble(Trouble::Refused(text))
        } else {
            Fault::Trouble(Trouble::Interrupted(text))
        })
    }

    /// Of the file, so that all of it is exactly its size: the blob is a little longer.
    fn file_bytes(&self) -> u64 {
        let (size, blob) = (self.plan.size(), self.plan.blob_bytes());
        let done = u128::from(self.stored) * u128::from(size) / u128::from(blob.max(1));
        u64::try_from(done).unwrap_or(size).min(size)
    }
}

fn unreadable(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::NotFound => Trouble::Changed(None),
        _ => Trouble::Local(error.to_string()),
    }
}

/// Chunks whose tags are kept in one transaction: 2 MiB of the file.
const GROUP_CHUNKS: usize = 32;
/// Pieces sent and not answered: 2 MiB, what a fast line holds while an answer comes.
const WINDOW: usize = 8;
/// Pieces in memory: 6 MiB. Two groups, one of which is being kept while the other is sealed, and
/// what is in flight.
const BUFFERS: usize = 24;

/// Four chunks are less than a piece, so a group begins and ends within pieces. Fewer buffers than
/// this, and the sealer would wait for the sender, who waits for tags, which wait for the sealer.
const _: () = assert!(BUFFERS > WINDOW + GROUP_CHUNKS / 4 + 2);
