//! Uploads: bytes that come on a data connection go to the lane, piece by piece, in the order they came.

use crate::hub::Hub;
use crate::hub::effect::Effect;
use crate::hub::files::data::DataConn;
use crate::hub::files::table::{Entry, State};
use crate::hub::files::{disabled, no_such_file};
use crate::hub::job::files::{FileJob, Part, PutFailure};
use crate::hub::job::{Job, StoreFailure};
use crate::proto::id::{ConnId, FileId};
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::Now;
use crate::proto::transfer::Told;

/// Whose the bytes are that come on a data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Nothing,
    /// Of the PUT of this number.
    Put(u32),
    /// Of a PUT that has no place as things stand, while others to its file are not answered: it is decided
    /// when they are, so that it is not answered before them.
    Undecided(Head),
    /// Of a PUT that was refused: nobody's.
    Refused,
}

/// What a PUT says before its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub request: u32,
    pub file: FileId,
    pub offset: u64,
    pub bytes: usize,
}

/// A PUT that is not answered yet.
#[derive(Debug)]
pub(super) struct Put {
    number: u32,
    request: u32,
    pub file: FileId,
    /// Where its next bytes go.
    next: u64,
    /// Its pieces that the lane is to write.
    pub parts: u32,
    /// All its bytes came.
    ended: bool,
    /// It was answered with an error.
    failed: bool,
}

impl DataConn {
    /// Whether PUTs to this file that came before the one of this number wait for their answers.
    fn owes(&self, file: FileId, before: u32) -> bool {
        let mut earlier = self.puts.iter().take_while(|put| put.number != before);
        earlier.any(|put| put.file == file && !put.failed)
    }
}

/// Why a PUT is refused, and where it would have to go on.
type Misfit = (Refusal, u64);

impl Hub {
    /// Begins a PUT or refuses it; `false` if that has to wait, and then the connection is paused.
    pub(super) fn begin_put(&mut self, now: Now, conn: ConnId, head: Head, out: &mut Vec<Effect>) -> bool {
        let outcome = self.check_put(now, conn, head);
        let data = self.files.conns.get_mut(&conn).expect("the caller looked");
        let Head { request, file, offset, .. } = head;
        match outcome {
            Ok(()) => {
                let number = data.next_put;
                data.next_put = number.wrapping_add(1);
                data.incoming = Incoming::Put(number);
                let put = Put { number, request, file, next: offset, parts: 0, ended: false, failed: false };
                data.puts.push_back(put);
            }
            Err(_) if data.owes(file, data.next_put) => {
                data.incoming = Incoming::Undecided(head);
                self.hold_transfer(conn, out);
                return false;
            }
            Err((refusal, offset)) => {
                data.incoming = Incoming::Refused;
                self.failed(conn, request, offset, refusal, out);
            }
        }
        true
    }

    fn check_put(&self, now: Now, conn: ConnId, head: Head) -> Result<(), Misfit> {
        let Head { file, offset, bytes, .. } = head;
        if !self.settings.files.enabled {
            return Err((disabled(), 0));
        }
        let account = self.files.conns[&conn].account;
        let entry = self.files.table.find(file, now.wall).filter(|entry| entry.owner == account);
        let entry = entry.ok_or_else(|| (no_such_file(), 0))?;
        if entry.state != State::Uploading {
            let refusal = Refusal::new(Code::BadOffset, "the upload is complete");
            return Err((refusal, entry.size));
        }
        if offset != entry.accepted {
            return Err(misplaced(entry));
        }
        if bytes as u64 > entry.size - offset {
            let text = format!("the upload has {} bytes, and this would be more", entry.size);
            return Err((Refusal::new(Code::BadOffset, text), entry.accepted));
        }
        Ok(())
    }

    /// Bytes of a PUT, in order; `last`: there are no more. Returns how many were taken: none while the
    /// connection has to wait, and then it is paused.
    pub fn put(&mut self, now: Now, conn: ConnId, bytes: &[u8], last: bool, out: &mut Vec<Effect>) -> usize {
        let Some(data) = self.files.conns.get_mut(&conn) else { return bytes.len() };
        let number = match data.incoming {
            Incoming::Put(number) => number,
            Incoming::Undecided(head) => {
                let decided = self.begin_put(now, conn, head, out);
                return if decided { self.put(now, conn, bytes, last, out) } else { 0 };
            }
            Incoming::Nothing | Incoming::Refused => return bytes.len(),
        };
        let put = data.puts.iter_mut().find(|put| put.number == number).expect("it is not answered yet");
        let file = put.file;
        // Somebody may have removed the file meanwhile, or added to it on another connection.
        let entry = self.files.table.get_mut(file).filter(|entry| entry.state == State::Uploading);
        let Some(entry) = entry.filter(|entry| entry.accepted == put.next) else {
            if data.owes(file, number) {
                self.hold_transfer(conn, out);
                return 0;
            }
            self.spoil_put(conn, number, None, out);
            return bytes.len();
        };
        if data.parts >= PARTS_MAX {
            self.hold_transfer(conn, out);
            return 0;
        }
        if !self.files.pool.has_one_for_put() {
            if !std::mem::replace(&mut data.waits_to_put, true) {
                self.files.put_waits.push_back(conn);
            }
            self.hold_transfer(conn, out);
            return 0;
        }
        let mut piece = self.files.pool.take();
        let count = piece.fill(bytes);
        let (part, offset) = (Part { conn, put: number, file: put.file }, put.next);
        entry.accepted += count as u64;
        entry.under_way += 1;
        put.next += count as u64;
        put.parts += 1;
        data.parts += 1;
        if last && count == bytes.len() {
            put.ended = true;
            data.incoming = Incoming::Nothing;
        }
        out.push(Effect::Submit(Job::Files(FileJob::Put { part, offset, piece })));
        count
    }

    /// The lane wrote a piece, or could not.
    pub(super) fn part_written(
        &mut self,
        part: Part,
        offset: u64,
        stored: u64,
        outcome: Result<(), PutFailure>,
        out: &mut Vec<Effect>,
    ) {
        let Part { conn, put: number, file } = part;
        let entry = self.files.table.get_mut(file).expect("a file stays until its pieces are written");
        entry.under_way -= 1;
        entry.stored = stored;
        // A piece in its place that failed: whatever was handed in behind it is out of place, and will be
        // told so. Not where the piece was out of place itself: the client may have gone on meanwhile.
        if outcome.is_err() && (offset == stored || entry.under_way == 0) {
            entry.accepted = stored;
        }
        self.leave_when_idle(file, out);
        let Some(data) = self.files.conns.get_mut(&conn) else { return };
        data.parts -= 1;
        let may_go_on = data.parts <= PARTS_RESUME;
        let place = data.puts.iter().position(|put| put.number == number).expect("it is not answered yet");
        let put = &mut data.puts[place];
        put.parts -= 1;
        if outcome.is_ok() && put.ended && put.parts == 0 && !put.failed {
            let request = put.request;
            data.puts.remove(place);
            self.told(conn, Told::Stored { request, file, stored }, out);
        } else if let Err(failure) = outcome {
            self.spoil_put(conn, number, Some(failure), out);
        } else if put.failed && put.parts == 0 {
            data.puts.remove(place);
        }
        if may_go_on {
            self.release_transfer(conn, out);
        }
    }

    /// A PUT comes to nothing, and is answered so once; without a failure of the lane, because its file
    /// changed under it.
    fn spoil_put(&mut self, conn: ConnId, number: u32, failure: Option<PutFailure>, out: &mut Vec<Effect>) {
        let data = self.files.conns.get_mut(&conn).expect("the caller looked");
        if data.incoming == Incoming::Put(number) {
            data.incoming = Incoming::Refused;
        }
        let place = data.puts.iter().position(|put| put.number == number).expect("the caller looked");
        let put = &mut data.puts[place];
        let (request, file) = (put.request, put.file);
        let told = std::mem::replace(&mut put.failed, true);
        if put.parts == 0 {
            data.puts.remove(place);
        }
        let entry = self.files.table.get(file).filter(|entry| !matches!(entry.state, State::Leaving { .. }));
        let (refusal, offset) = match (failure, entry) {
            (Some(PutFailure::Storage(failure)), entry) => {
                (self.storage_refusal(failure, out), entry.map_or(0, |entry| entry.accepted))
            }
            (_, None) => (no_such_file(), 0),
            (_, Some(entry)) => misplaced(entry),
        };
        if !told {
            self.failed(conn, request, offset, refusal, out);
        }
    }

    /// The disk does not do what it should: the log tells the operator, and the refusal the user.
    pub(super) fn storage_refusal(&self, failure: StoreFailure, out: &mut Vec<Effect>) -> Refusal {
        let (reason, text) = match failure {
            StoreFailure::Full => ("disk full".to_string(), "the server's disk is full"),
            StoreFailure::Other(reason) => (reason, "the server's storage failed"),
        };
        self.log(log::Level::Error, format!("storage of files failed: {reason}"), out);
        Refusal::new(Code::StorageUnavailable, text)
    }
}

fn misplaced(entry: &Entry) -> Misfit {
    let text = format!("the server has {} of {} bytes; go on there", entry.accepted, entry.size);
    (Refusal::new(Code::BadOffset, text), entry.accepted)
}

/// Pieces of one connection that wait to be written, and how few they are when it is read again: so that
/// what is read then finds room.
pub(super) const PARTS_MAX: u32 = 4;
const PARTS_RESUME: u32 = 2;
