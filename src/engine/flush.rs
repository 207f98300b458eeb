//! Writing: whatever waits on a connection leaves in one system call a turn.

use std::io::IoSlice;

use smallvec::SmallVec;

use crate::conn::tls::PLAINTEXT_PER_CALL;
use crate::engine::Engine;
use crate::engine::io::{Io, Write};
use crate::hub::effect::CloseReason;
use crate::proto::id::ConnId;
use crate::proto::time::Now;

impl Engine {
    /// Flushes everybody who was told something; ends the turn's arenas.
    pub(super) fn flush_dirty(&mut self, now: Now, io: &mut impl Io) {
        let mut over: SmallVec<[(ConnId, CloseReason); 4]> = SmallVec::new();
        for slot in std::mem::take(&mut self.dirty) {
            let id = self.conns[slot as usize].id;
            if let Err(reason) = self.flush(slot, io) {
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
            if let Some(conn) = self.conn_mut(id) {
                let waiting = conn.outbox.len();
                conn.outbox.clear();
                self.queued -= waiting;
                self.doom(id.slot);
            }
        }
        self.apply(now, io);
    }

    /// Sends what the system takes of one connection's outbox, and keeps the rest beyond the turn.
    fn flush(&mut self, slot: u32, io: &mut impl Io) -> Result<(), CloseReason> {
        let limits = &self.hub.settings().limits;
        let (soft, hard) = (limits.send_queue_soft, limits.send_queue_hard);
        let conn = &mut self.conns[slot as usize];
        conn.flags.dirty = false;
        if conn.flags.doomed {
            return Ok(());
        }
        let waited = conn.outbox.len();
        let outcome = match conn.tls.is_some() {
            true => self.flush_tls(slot, io),
            false => self.flush_plain(slot, io),
        };
        let conn = &mut self.conns[slot as usize];
        conn.outbox.settle(&mut self.arenas);
        self.queued -= waited - conn.outbox.len();
        outcome?;
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

    fn flush_plain(&mut self, slot: u32, io: &mut impl Io) -> Result<(), CloseReason> {
        let conn = &mut self.conns[slot as usize];
        while conn.flags.writable && !conn.outbox.is_empty() {
            let slices: SmallVec<[IoSlice<'_>; 8]> = conn.outbox.slices(&self.arenas).collect();
            match io.write(slot, &slices) {
                Write::Bytes(count) => {
                    drop(slices);
                    conn.outbox.advance(count);
                }
                Write::Failed => return Err(CloseReason::Socket),
                Write::WouldBlock => conn.flags.writable = false,
            }
        }
        Ok(())
    }

    fn flush_tls(&mut self, slot: u32, io: &mut impl Io) -> Result<(), CloseReason> {
        let conn = &mut self.conns[slot as usize];
        let tls = conn.tls.as_mut().expect("the caller looked");
        while conn.flags.writable {
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
            // Small pieces share a record.
            self.plaintext.clear();
            for slice in conn.outbox.slices(&self.arenas) {
                let room = PLAINTEXT_PER_CALL - self.plaintext.len();
                self.plaintext.extend_from_slice(&slice[..slice.len().min(room)]);
                if slice.len() >= room {
                    break;
                }
            }
            self.ciphertext.clear();
            let taken = tls.encrypt(&self.plaintext, &mut self.ciphertext).map_err(|_| CloseReason::Tls)?;
            conn.outbox.advance(taken);
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
