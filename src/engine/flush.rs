//! Writing: whatever waits on a connection leaves in one system call a turn.

use std::io::IoSlice;

use smallvec::SmallVec;

use crate::conn::Phase;
use crate::conn::tls::{PLAINTEXT_PER_CALL, RECORD_BYTES};
use crate::engine::Engine;
use crate::engine::frames::DATA_BYTES_PER_TURN;
use crate::engine::io::{Io, Write};
use crate::hub::effect::CloseReason;
use crate::proto::id::ConnId;
use crate::proto::time::Now;

impl Engine {
    /// Flushes everybody who was told something, those last that carry files; ends the turn's arenas.
    pub(super) fn flush_dirty(&mut self, now: Now, io: &mut impl Io) {
        let mut over: SmallVec<[(ConnId, CloseReason); 4]> = SmallVec::new();
        let mut left = DATA_BYTES_PER_TURN;
        let dirty = std::mem::take(&mut self.dirty);
        for slot in dirty.into_iter().chain(std::mem::take(&mut self.dirty_data)) {
            let conn = &self.conns[slot as usize];
            let (id, is_data) = (conn.id, conn.is_data());
            let mut no_bound = usize::MAX;
            if let Err(reason) = self.flush(slot, if is_data { &mut left } else { &mut no_bound }, now, io) {
                over.push((id, reason));
            }
        }
        self.arenas.clear();
        if self.queued > self.hub.settings().limits.send_queue_total {
            over.extend(self.longest_queue().map(|id| (id, CloseReason::SlowReader)));
        }
        // What follows from these ends is flushed by the next turn.
        for (id, reason) in over {
            self.begin_close(id, reason, now);
            let conn = &mut self.conns[id.slot as usize];
            let waiting = conn.outbox.len();
            let mut pieces = Vec::new();
            conn.outbox.clear(&mut pieces);
            self.queued -= waiting;
            self.done.extend(pieces.into_iter().map(|piece| (id, piece)));
            self.doom(id.slot);
        }
        self.apply(now, io);
        self.pieces_done(now, io);
    }

    /// Sends what the system takes of one connection's outbox, or as much as is `left` to it, and keeps the
    /// rest beyond the turn.
    fn flush(&mut self, slot: u32, left: &mut usize, now: Now, io: &mut impl Io) -> Result<(), CloseReason> {
        let limits = &self.hub.settings().limits;
        let (soft, hard) = (limits.send_queue_soft, limits.send_queue_hard);
        let conn = &mut self.conns[slot as usize];
        conn.flags.dirty = false;
        if conn.flags.doomed {
            return Ok(());
        }
        let (waited, before) = (conn.outbox.len(), *left);
        let outcome = match conn.tls.is_some() {
            true => self.flush_tls(slot, left, io),
            false => self.flush_plain(slot, left, io),
        };
        let conn = &mut self.conns[slot as usize];
        conn.outbox.settle(&mut self.arenas);
        self.queued -= waited - conn.outbox.len();
        outcome?;
        if let Phase::Frames(frames) = &mut conn.phase
            && *left < before
        {
            (frames.taken, conn.last_seen) = (now.mono, now.mono);
        }
        if conn.flags.writable && !conn.is_drained() && !conn.is_shaking_hands() {
            // The turn has done enough.
            self.mark_dirty(slot);
        }
        let conn = &mut self.conns[slot as usize];
        if conn.outbox.len() >= hard {
            return Err(CloseReason::SlowReader);
        }
        if conn.is_drained() {
            if std::mem::take(&mut conn.flags.await_drain) {
                let id = conn.id;
                self.drained.push(id);
            }
            self.finish_closing(slot, io);
        }
        let conn = &mut self.conns[slot as usize];
        if conn.outbox.len() <= soft && !conn.flags.paused {
            // Its own input may have waited for this.
            if conn.flags.readable || conn.flags.eof || conn.has_input() {
                self.queue(slot);
            }
        }
        Ok(())
    }

    fn flush_plain(&mut self, slot: u32, left: &mut usize, io: &mut impl Io) -> Result<(), CloseReason> {
        let conn = &mut self.conns[slot as usize];
        let mut done = Vec::new();
        while conn.flags.writable && !conn.outbox.is_empty() && *left > 0 {
            let slices: SmallVec<[IoSlice<'_>; 8]> = conn.outbox.slices(&self.arenas).collect();
            match io.write(slot, &slices) {
                Write::Bytes(count) => {
                    drop(slices);
                    conn.outbox.advance(count, &mut done);
                    *left = left.saturating_sub(count);
                }
                Write::Failed => return Err(CloseReason::Socket),
                Write::WouldBlock => conn.flags.writable = false,
            }
        }
        let id = conn.id;
        self.done.extend(done.into_iter().map(|piece| (id, piece)));
        Ok(())
    }

    fn flush_tls(&mut self, slot: u32, left: &mut usize, io: &mut impl Io) -> Result<(), CloseReason> {
        let conn = &mut self.conns[slot as usize];
        let id = conn.id;
        let tls = conn.tls.as_mut().expect("the caller looked");
        let mut done = Vec::new();
        while conn.flags.writable && *left > 0 {
            if !tls.unsent().is_empty() {
                match io.write(slot, &[IoSlice::new(tls.unsent())]) {
                    Write::Bytes(count) => tls.sent(count),
                    Write::Failed => return Err(CloseReason::Socket),
                    Write::WouldBlock => conn.flags.writable = false,
                }
                continue;
            }
            if !tls.is_ready() || conn.outbox.is_empty() {
                break;
            }
            self.ciphertext.clear();
            let front = conn.outbox.front(&self.arenas);
            let taken = if front.len() >= RECORD_BYTES {
                // Records of it alone need no copy; more of them at once, fewer system calls.
                let whole = front.len().min(PLAINTEXT_PER_CALL);
                tls.encrypt(&front[..whole - whole % RECORD_BYTES], &mut self.ciphertext)
            } else {
                // Small pieces share a record.
                self.plaintext.clear();
                for slice in conn.outbox.slices(&self.arenas) {
                    let room = RECORD_BYTES - self.plaintext.len();
                    self.plaintext.extend_from_slice(&slice[..slice.len().min(room)]);
                    if slice.len() >= room {
                        break;
                    }
                }
                tls.encrypt(&self.plaintext, &mut self.ciphertext)
            };
            let taken = taken.map_err(|_| CloseReason::Tls)?;
            conn.outbox.advance(taken, &mut done);
            self.done.extend(done.drain(..).map(|piece| (id, piece)));
            *left = left.saturating_sub(taken);
            match io.write(slot, &[IoSlice::new(&self.ciphertext)]) {
                Write::Bytes(count) if count == self.ciphertext.len() => {}
                Write::Bytes(count) => tls.keep_unsent(&self.ciphertext[count..]),
                Write::Failed => return Err(CloseReason::Socket),
                Write::WouldBlock => {
                    tls.keep_unsent(&self.ciphertext);
                    conn.flags.writable = false;
                }
            }
        }
        Ok(())
    }

    /// A connection that is over and has sent everything says so, and waits for the peer to go.
    fn finish_closing(&mut self, slot: u32, io: &mut impl Io) {
        let conn = &mut self.conns[slot as usize];
        if !conn.is_closing() || conn.flags.shut {
            return;
        }
        if let Some(tls) = &mut conn.tls {
            tls.close();
            if !tls.unsent().is_empty() {
                // The last record, some thirty bytes; if the system does not take them, they are lost
                // and the peer sees a connection that ends without a farewell.
                let _ = io.write(slot, &[IoSlice::new(tls.unsent())]);
                let bytes = tls.unsent().len();
                tls.sent(bytes);
            }
        }
        conn.flags.shut = true;
        io.shut(slot);
        self.queue(slot);
    }

    /// The connection with the most bytes waiting.
    fn longest_queue(&self) -> Option<ConnId> {
        let longest = self.conns.iter().max_by_key(|(_, conn)| conn.outbox.len());
        longest.map(|(_, conn)| conn.id)
    }
}
