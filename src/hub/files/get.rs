//! Downloads: a little is read ahead of what a connection takes, and no more.

use crate::hub::Hub;
use crate::hub::effect::Effect;
use crate::hub::files::{disabled, no_such_file};
use crate::hub::job::Job;
use crate::hub::job::files::{FileJob, Read, ReadFailure};
use crate::proto::id::{ConnId, FileId};
use crate::proto::limits::{GETS_PER_CONNECTION_MAX, PIECE_BYTES};
use crate::proto::piece::FilePiece;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::Now;
use crate::proto::transfer::Told;

/// A GET under way.
#[derive(Debug)]
pub(super) struct Get {
    number: u32,
    request: u32,
    file: FileId,
    /// What is read next, and where it ends.
    next: u64,
    end: u64,
    /// Pieces that the lane reads.
    pub reading: usize,
}

impl Hub {
    #[expect(clippy::too_many_arguments, reason = "they are the fields of a frame")]
    pub(super) fn get(
        &mut self,
        now: Now,
        conn: ConnId,
        request: u32,
        file: FileId,
        offset: u64,
        length: u64,
        out: &mut Vec<Effect>,
    ) {
        match self.check_get(now, conn, request, file, offset, length) {
            Err((refusal, size)) => self.failed(conn, request, size, refusal, out),
            Ok(end) if end == offset => self.told(conn, Told::End { request }, out),
            Ok(end) => {
                let data = self.files.conns.get_mut(&conn).expect("the caller looked");
                let number = data.next_get;
                data.next_get = number.wrapping_add(1);
                data.gets.push_back(Get { number, request, file, next: offset, end, reading: 0 });
                self.read_ahead(conn, out);
            }
        }
    }

    /// Where a GET ends; or why it is refused, with the size of the file.
    fn check_get(
        &self,
        now: Now,
        conn: ConnId,
        request: u32,
        file: FileId,
        offset: u64,
        length: u64,
    ) -> Result<u64, (Refusal, u64)> {
        if !self.settings.files.enabled {
            return Err((disabled(), 0));
        }
        let data = &self.files.conns[&conn];
        if data.gets.iter().any(|get| get.request == request) {
            let text = "a GET of this number is under way";
            return Err((Refusal::new(Code::BadArgument, text), 0));
        }
        if data.gets.len() >= GETS_PER_CONNECTION_MAX {
            let text = format!("{GETS_PER_CONNECTION_MAX} GETs are under way on this connection");
            return Err((Refusal::new(Code::TooMany, text), 0));
        }
        let entry = self.files.table.find(file, now.wall).filter(|entry| entry.is_complete());
        let entry = entry.ok_or_else(|| (no_such_file(), 0))?;
        let rest = entry.size.checked_sub(offset).filter(|&rest| length <= rest);
        match (rest, length) {
            (None, _) => {
                let text = format!("the file has {} bytes", entry.size);
                Err((Refusal::new(Code::BadOffset, text), entry.size))
            }
            (Some(_), 0) => Ok(entry.size),
            (Some(_), length) => Ok(offset + length),
        }
    }

    pub(super) fn cancel(&mut self, conn: ConnId, request: u32, out: &mut Vec<Effect>) {
        let data = self.files.conns.get_mut(&conn).expect("the caller looked");
        let Some(place) = data.gets.iter().position(|get| get.request == request) else { return };
        data.gets.remove(place);
        self.told(conn, Told::End { request }, out);
    }

    /// Has pieces read, for the GETs of a connection in turn, as many as it may hold.
    pub(super) fn read_ahead(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        if self.stopping {
            return;
        }
        loop {
            let Some(data) = self.files.conns.get_mut(&conn) else { return };
            let pool = &mut self.files.pool;
            let most = if pool.is_scarce_for_get() { 1 } else { AHEAD_MAX };
            let Some(place) = data.gets.iter().position(|get| get.next < get.end) else { return };
            if data.holds >= most {
                return;
            }
            if !pool.has_one_for_get() {
                if !std::mem::replace(&mut data.waits_to_read, true) {
                    self.files.get_waits.push_back(conn);
                }
                return;
            }
            let mut get = data.gets.remove(place).expect("it has this place");
            let Some(entry) = self.files.table.get_mut(get.file).filter(|entry| entry.is_complete()) else {
                // It was removed meanwhile.
                self.failed(conn, get.request, 0, no_such_file(), out);
                self.release_transfer(conn, out);
                continue;
            };
            let mut piece = pool.take();
            let left = usize::try_from(get.end - get.next).unwrap_or(usize::MAX);
            piece.resize(left.min(PIECE_BYTES));
            let (read, offset) = (Read { conn, get: get.number, file: get.file }, get.next);
            get.next += piece.len() as u64;
            get.reading += 1;
            entry.under_way += 1;
            data.holds += 1;
            // The others come first now.
            data.gets.push_back(get);
            out.push(Effect::Submit(Job::Files(FileJob::Read { read, offset, piece })));
        }
    }

    /// The lane read a piece, or could not.
    pub(super) fn piece_read(
        &mut self,
        read: Read,
        offset: u64,
        piece: FilePiece,
        outcome: Result<(), ReadFailure>,
        out: &mut Vec<Effect>,
    ) {
        let conn = read.conn;
        let entry = self.files.table.get_mut(read.file).expect("a file stays until its pieces are read");
        entry.under_way -= 1;
        self.leave_when_idle(read.file, out);
        let found = self.files.conns.get_mut(&conn).and_then(|data| {
            let place = data.gets.iter().position(|get| get.number == read.get)?;
            Some((data, place))
        });
        let Some((data, place)) = found else {
            // It was cancelled, or the connection is gone.
            return self.piece_sent(conn, piece, out);
        };
        let get = &mut data.gets[place];
        let request = get.request;
        match outcome {
            Ok(()) => {
                get.reading -= 1;
                let done = get.reading == 0 && get.next == get.end;
                if done {
                    data.gets.remove(place);
                }
                out.push(Effect::SendPiece { conn, request, offset, piece });
                if done {
                    self.told(conn, Told::End { request }, out);
                    // Its peer may have closed its side, and wait for nothing else.
                    self.release_transfer(conn, out);
                }
            }
            Err(failure) => {
                data.gets.remove(place);
                let refusal = match failure {
                    ReadFailure::Missing => no_such_file(),
                    ReadFailure::Storage(failure) => self.storage_refusal(failure, out),
                };
                self.failed(conn, request, 0, refusal, out);
                self.release_transfer(conn, out);
                self.piece_sent(conn, piece, out);
            }
        }
    }
}

/// Pieces that one connection has read ahead: one is sent while the next is read.
const AHEAD_MAX: usize = 2;
