//! Fetches a file: this thread takes bytes from the server, another one verifies, opens and writes them.
//!
//! ```text
//! header ─► GET the rest ─► pieces ──► unpack ─► NAME.part ─► the end? ─► synced ─► (kept) ─► NAME
//!                             ▲            │
//!                             └── buffers ─┘
//! ```
//!
//! The half is made under a name that is drawn, and kept before. What becomes of it, `NAME.part`, is kept
//! before it gets that name, and it has it before anything is written to it: so a crash never leaves a half
//! that nobody knows of, nor takes somebody else's file for it.
//!
//! What lies in `NAME.part` from before is read first, and the download goes on behind it. Should the
//! whole then not be what it must be, the disk may be to blame: everything is fetched once more.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::client::transfer::connection::{Failed, Told};
use crate::client::transfer::job::{Download, Order, Report, Trouble};
use crate::client::transfer::part::{self, Half, Part};
use crate::client::transfer::piece::PIECE_BYTES;
use crate::client::transfer::place::Inode;
use crate::client::transfer::pool::Lease;
use crate::client::transfer::record::Blob;
use crate::client::transfer::stream::Broken;
use crate::client::transfer::unpack::{self, Unpacker, Wrong};
use crate::client::transfer::worker::{Desk, Halt, Progress};
use crate::e2e::file::HEADER_BYTES;
use crate::proto::refusal::Code;
use crate::writeback::Writeback;

/// Does the whole job; it is over when this returns.
pub fn download(desk: &Desk, job: Download) -> Result<(), Halt> {
    if job.whole {
        let Some(part) = &job.part else {
            return Err(Trouble::Local("the half of it is not known".into()).into());
        };
        // A half that is gone has become the whole before a crash.
        let path = settle(part, &job.name)?;
        desk.report(Report::Placed(path));
        return Ok(());
    }
    let mut getting = Getting { desk, blob: job.blob, lease: None, failures: 0 };
    let header = getting.header()?;
    let (part, mut file, restored) = open_part(desk, &job)?;
    let outcome = fetch(&mut getting, &job, &header, &mut file, restored);
    let outcome = match outcome {
        Err(Halt::Trouble(Trouble::Wrong(Wrong::Hash))) if restored => {
            fetch(&mut getting, &job, &header, &mut file, false)
        }
        outcome => outcome,
    };
    outcome?;
    if let Some(lease) = getting.lease.take() {
        desk.give_back(lease);
    }
    file.sync_all().map_err(local)?;
    drop(file);
    desk.report(Report::Verified);
    while desk.order()? != Order::Settle {}
    let Some(path) = settle(&part, &job.name)? else {
        return Err(Trouble::Local(format!("{}: somebody has taken it away", part.path.display())).into());
    };
    desk.report(Report::Placed(Some(path)));
    Ok(())
}

/// Gives the file its name; `None` if there is no half any more.
fn settle(part: &Part, name: &str) -> Result<Option<PathBuf>, Halt> {
    match part::reopen_part(part).map_err(local)? {
        Some(_) => part::settle(part, name).map(Some).map_err(local),
        None => Ok(None),
    }
}

/// The half that there is, or a new one; whether there is something in it.
fn open_part(desk: &Desk, job: &Download) -> Result<(Part, File, bool), Halt> {
    // As long as it has its first name, somebody else has the second one.
    if let Some(draft) = &job.making
        && let Some(file) = part::reopen_draft(draft).map_err(local)?
    {
        return Ok((name_part(desk, job, draft, &file)?, file, false));
    }
    if let Some(part) = &job.part
        && let Some(file) = part::reopen_part(part).map_err(local)?
    {
        return Ok((part.clone(), file, true));
    }
    let draft = part::draft_path(&job.into).map_err(local)?;
    desk.report(Report::Making(draft.clone()));
    while desk.order()? != Order::Make {}
    let file = part::create_draft(&draft).map_err(local)?;
    if let Err(halt) = desk.check() {
        // Who called it off may have looked for it before it was there. Later, it is found.
        let _ = Half { draft: Some(draft), part: None }.remove();
        return Err(halt);
    }
    Ok((name_part(desk, job, &draft, &file)?, file, false))
}

/// Gives what was just made the name of a half, which is kept before.
fn name_part(desk: &Desk, job: &Download, draft: &Path, file: &File) -> Result<Part, Halt> {
    let id = Inode::of(&file.metadata().map_err(local)?);
    // After a crash it may have both names, on a system where that takes two steps.
    let begun = job.part.iter().filter(|part| part.id == id).map(|part| part.path.clone());
    for path in begun.chain(part::part_paths(&job.into, &job.name)) {
        let part = Part { path, id };
        desk.report(Report::Part(part.clone()));
        while desk.order()? != Order::Write {}
        if part::name_part(draft, &part).map_err(local)? {
            return Ok(part);
        }
    }
    Err(local(part::taken(&job.name)))
}

/// Fetches everything that is missing into the file.
fn fetch(
    getting: &mut Getting<'_>,
    job: &Download,
    header: &[u8; HEADER_BYTES],
    file: &mut File,
    restore: bool,
) -> Result<(), Halt> {
    let wrong = |wrong| Halt::Trouble(Trouble::Wrong(wrong));
    let mut unpacker = Unpacker::new(&job.key, header, job.size, job.sha256).map_err(wrong)?;
    if restore {
        let length = file.metadata().map_err(local)?.len();
        // Longer than all of it: this was not written by us.
        let length = if length > job.size { 0 } else { length };
        let chunks = unpacker.plan().chunks_of_file(length);
        file.rewind().map_err(local)?;
        let mut reader = BufReader::with_capacity(PIECE_BYTES as usize, &mut *file);
        unpacker.restore(&job.key, header, &mut reader, chunks).map_err(failed)?;
    }
    let done = unpacker.file_bytes();
    file.set_len(done).map_err(local)?;
    file.seek(SeekFrom::Start(done)).map_err(local)?;

    let offset = unpacker.offset();
    let progress = Progress::begin(getting.desk, done);
    let (empty, emptied) = unbounded();
    let (fill, filled) = bounded(BUFFERS);
    for _ in 0..BUFFERS {
        // The receiver is right here.
        let _ = empty.send(Vec::with_capacity(PIECE_BYTES as usize));
    }
    thread::scope(|scope| {
        let opening = scope.spawn(move || open(unpacker, file, &filled, &empty, progress));
        let got = getting.rest(offset, &emptied, &fill);
        drop(fill);
        // The opener says what is wrong with what it got, which comes before a line that failed then.
        match opening.join() {
            Ok(Ok(())) => got,
            Ok(Err(halt)) if !matches!(got, Err(Halt::CalledOff)) => Err(match (halt, got) {
                // It only saw that nothing more came.
                (Halt::Trouble(Trouble::Wrong(Wrong::Short)), Err(halt)) => halt,
                (halt, _) => halt,
            }),
            Ok(Err(_)) => Err(Halt::CalledOff),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Verifies, opens and writes what comes, until nothing more does.
fn open(
    mut unpacker: Unpacker,
    file: &mut File,
    filled: &Receiver<Vec<u8>>,
    empty: &Sender<Vec<u8>>,
    mut progress: Progress<'_>,
) -> Result<(), Halt> {
    let mut writeback = Writeback::from(unpacker.file_bytes());
    while let Ok(bytes) = filled.recv() {
        unpacker.take(&bytes, file).map_err(failed)?;
        writeback.reached(file, unpacker.file_bytes());
        progress.tell(unpacker.file_bytes());
        // Nobody needs it any more behind the last piece.
        let _ = empty.send(bytes);
    }
    unpacker.finish().map_err(|wrong| Trouble::Wrong(wrong).into())
}

/// The side of the network.
struct Getting<'a> {
    desk: &'a Desk,
    blob: Blob,
    lease: Option<Lease>,
    failures: u32,
}

/// Why a GET ended early.
enum Fault {
    Broken(Broken),
    Halt(Halt),
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Fault {
        Fault::Broken(broken)
    }
}

impl Getting<'_> {
    /// The beginning of the blob, which tells how the rest is to be read.
    fn header(&mut self) -> Result<[u8; HEADER_BYTES], Halt> {
        let mut header = [0; HEADER_BYTES];
        let mut filled = 0;
        let mut buffer = Vec::new();
        self.insist(|getting| {
            let start = filled;
            if start == HEADER_BYTES {
                // The connection broke behind it; a length of nothing would be all the rest.
                return Ok(());
            }
            getting.get(start as u64, (HEADER_BYTES - start) as u64, &mut buffer, &mut |bytes| {
                let room = header.get_mut(filled..filled + bytes.len()).ok_or(Wrong::Long)?;
                room.copy_from_slice(bytes);
                filled += bytes.len();
                Ok(())
            })
        })?;
        if filled == HEADER_BYTES { Ok(header) } else { Err(Trouble::Wrong(Wrong::Short).into()) }
    }

    /// Everything from this offset on, to the opener.
    fn rest(
        &mut self,
        mut offset: u64,
        emptied: &Receiver<Vec<u8>>,
        fill: &Sender<Vec<u8>>,
    ) -> Result<(), Halt> {
        // The opener has ended, and says why.
        let ended = |_| Fault::Halt(Halt::Trouble(Trouble::Wrong(Wrong::Short)));
        self.insist(|getting| {
            let Some(lease) = &mut getting.lease else { return Err(Broken::Closed.into()) };
            lease.connection.get(getting.blob, offset, 0)?;
            loop {
                let mut buffer = emptied.recv().map_err(|_| ()).map_err(ended)?;
                match lease.connection.receive(&mut buffer)? {
                    Told::Data { offset: at } if at == offset => {
                        offset += buffer.len() as u64;
                        getting.failures = 0;
                        fill.send(buffer).map_err(|_| ()).map_err(ended)?;
                    }
                    Told::End => return Ok(()),
                    told => return Err(unexpected(told)),
                }
            }
        })
    }

    /// A part of the blob, which must come whole.
    fn get(
        &mut self,
        offset: u64,
        length: u64,
        buffer: &mut Vec<u8>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Wrong>,
    ) -> Result<(), Fault> {
        let Some(lease) = &mut self.lease else { return Err(Broken::Closed.into()) };
        lease.connection.get(self.blob, offset, length)?;
        loop {
            match lease.connection.receive(buffer)? {
                Told::Data { .. } => {
                    take(buffer).map_err(|wrong| Fault::Halt(Trouble::Wrong(wrong).into()))?;
                }
                Told::End => return Ok(()),
                told => return Err(unexpected(told)),
            }
        }
    }

    /// Does something on a connection, and on another one if that fails.
    fn insist(&mut self, mut what: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Halt> {
        loop {
            if self.lease.is_none() {
                self.lease = Some(self.desk.connect(&mut self.failures)?);
            }
            let fault = match what(self) {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            let used = self.lease.take().is_some_and(|lease| lease.used);
            match fault {
                Fault::Halt(halt) => return Err(halt),
                // It had been idle, and nobody knew that it was dead.
                Fault::Broken(_) if used => self.desk.check()?,
                Fault::Broken(broken) => self.desk.rest(&mut self.failures, broken.to_string())?,
            }
        }
    }
}

/// What should not come in answer to a GET.
fn unexpected(told: Told) -> Fault {
    let Told::Failed(Failed { code, text, .. }) = told else {
        return Fault::Broken(Broken::Garbage(format!("{told:?} as the answer to a GET")));
    };
    let is = |known: Code| code == known.as_str();
    let trouble = if is(Code::NoSuchFile) {
        Trouble::Gone
    } else if is(Code::BadOffset) {
        Trouble::Wrong(Wrong::Short)
    } else if is(Code::FilesDisabled) {
        Trouble::Refused(text)
    } else {
        Trouble::Interrupted(text)
    };
    Fault::Halt(trouble.into())
}

fn local(error: io::Error) -> Halt {
    Trouble::Local(error.to_string()).into()
}

fn failed(failed: unpack::Failed) -> Halt {
    match failed {
        unpack::Failed::Local(error) => local(error),
        unpack::Failed::Wrong(wrong) => Trouble::Wrong(wrong).into(),
    }
}

/// Pieces in memory: 2 MiB, while the disk takes a breath.
const BUFFERS: usize = 8;
