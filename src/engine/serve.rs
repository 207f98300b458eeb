//! Reading: from the socket through TLS and the dialect to the hub, one connection at a time.

use crate::conn::tls::{PARTIAL_BYTES_MAX, Tls, TlsFailure};
use crate::conn::{Conn, Phase};
use crate::dialect::{Decoder, Dialect, Request, Rules, Sniff, foreign, sniff};
use crate::engine::io::{Io, Read};
use crate::engine::{DATA_READ_BYTES_MAX, Engine, READ_BYTES_MAX, TURN_BYTES_MAX};
use crate::hub::Handled;
use crate::hub::effect::CloseReason;
use crate::proto::command::Command;
use crate::proto::event::Event;
use crate::proto::id::ConnId;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::Now;

impl Engine {
    /// Serves everybody that stands in the list now, once; whoever has more goes to its end.
    pub(super) fn serve_ready(&mut self, now: Now, io: &mut impl Io) {
        for _ in 0..self.ready.len() {
            if self.arenas.produced() > TURN_BYTES_MAX {
                break;
            }
            let Some(slot) = self.ready.pop_front() else { break };
            self.serve_slot(slot, now, io);
        }
    }

    /// Serves one that was taken from its list; returns how many bytes that were.
    pub(super) fn serve_slot(&mut self, slot: u32, now: Now, io: &mut impl Io) -> usize {
        let conn = &mut self.conns[slot as usize];
        conn.flags.queued = false;
        let id = conn.id;
        let bytes = match conn.is_closing() {
            true => self.linger(slot, io),
            false => self.serve(id, now, io),
        };
        self.apply(now, io);
        bytes
    }

    /// Reads once, or takes up what was read before, and hands every whole line, or frame, to the hub.
    fn serve(&mut self, id: ConnId, now: Now, io: &mut impl Io) -> usize {
        let soft = self.hub.settings().limits.send_queue_soft;
        let conn = &mut self.conns[id.slot as usize];
        // Resuming, and draining below the soft limit, put it into the list again.
        if conn.flags.paused || conn.outbox.len() > soft {
            return 0;
        }
        let mut bytes = conn.inbox.len();
        if self.stopping {
            // What was read is still answered; nothing more is read.
            let inbox = std::mem::take(&mut conn.inbox);
            self.take_in(id, &inbox, now, io);
            return bytes;
        }
        if conn.has_input() {
            let inbox = std::mem::take(&mut conn.inbox);
            self.take_in(id, &inbox, now, io);
        } else if conn.flags.readable && !conn.flags.eof {
            bytes = self.read(id, now, io);
        } else if conn.flags.eof {
            self.end_of_input(id, now);
        }
        let Some(conn) = self.conn_mut(id) else { return bytes };
        let more = conn.flags.readable || conn.flags.eof || conn.has_input();
        if more && !conn.flags.paused && !conn.is_closing() {
            self.queue(id.slot);
        }
        bytes
    }

    /// Returns how many bytes were read.
    fn read(&mut self, id: ConnId, now: Now, io: &mut impl Io) -> usize {
        let mut scratch = std::mem::take(&mut self.scratch);
        let conn = &mut self.conns[id.slot as usize];
        let most = if conn.is_data() { DATA_READ_BYTES_MAX } else { READ_BYTES_MAX };
        // The beginning of a record stands before what follows it, so that records are whole in one place.
        let begun = conn.tls.as_ref().map_or(&[][..], |tls| tls.begun());
        scratch[..begun.len()].copy_from_slice(begun);
        let begun = begun.len();
        let read = io.read(id.slot, &mut scratch[begun..begun + most]);
        let conn = &mut self.conns[id.slot as usize];
        if let Read::Last(_) | Read::WouldBlock = read {
            conn.flags.readable = false;
        }
        match read {
            Read::Bytes(count) | Read::Last(count) => {
                if conn.is_data() || !conn.is_unfinished() {
                    conn.last_seen = now.mono;
                }
                match conn.tls.is_some() || is_hello(conn, &scratch[..count]) {
                    true => self.read_tls(id, &mut scratch[..begun + count], now, io),
                    false => self.take_in(id, &scratch[..count], now, io),
                }
            }
            Read::Eof => conn.flags.eof = true,
            Read::Failed => {
                self.begin_close(id, CloseReason::Socket, now);
                self.doom(id.slot);
            }
            Read::WouldBlock => {}
        }
        self.scratch = scratch;
        match read {
            Read::Bytes(count) | Read::Last(count) => count,
            Read::Eof | Read::Failed | Read::WouldBlock => 0,
        }
    }

    fn read_tls(&mut self, id: ConnId, ciphertext: &mut [u8], now: Now, io: &mut impl Io) {
        let mut plaintext = std::mem::take(&mut self.plaintext);
        // Flushing uses the same memory, for what goes the other way.
        plaintext.clear();
        let config = &self.settings.tls;
        let conn = &mut self.conns[id.slot as usize];
        let tls = conn.tls.get_or_insert_with(|| Box::new(Tls::new(config.clone())));
        let was_ready = tls.is_ready();
        let outcome = tls.feed(ciphertext, &mut plaintext);
        let is_ready = tls.is_ready();
        if !tls.unsent().is_empty() || !conn.outbox.is_empty() {
            self.mark_dirty(id.slot);
        }
        if is_ready && !was_ready {
            self.secured(id, now);
        }
        if !plaintext.is_empty() {
            self.take_in(id, &plaintext, now, io);
        }
        if plaintext.capacity() > READ_KEPT {
            plaintext = Vec::new();
        }
        self.plaintext = plaintext;
        match outcome {
            Ok(fed) => {
                if let Some(conn) = self.conn_mut(id).filter(|_| fed.closed) {
                    conn.flags.eof = true;
                }
            }
            Err(TlsFailure::Broken(why)) => {
                log::info!("{id} TLS failed: {why}");
                self.begin_close(id, CloseReason::Tls, now);
            }
        }
    }

    /// The handshake is done; silence counts from here.
    fn secured(&mut self, id: ConnId, now: Now) {
        self.hub.encrypted(id);
        self.conns[id.slot as usize].since = now.mono;
        let deadline = self.deadline(id.slot, now.mono);
        self.set_timer(id, deadline);
    }

    /// Plaintext of a connection, in order. What cannot be handled now is kept.
    fn take_in(&mut self, id: ConnId, bytes: &[u8], now: Now, io: &mut impl Io) {
        if self.conns[id.slot as usize].is_data() {
            return self.take_in_frames(id, bytes, now, io);
        }
        let soft = self.hub.settings().limits.send_queue_soft;
        let mut rest = bytes;
        if matches!(self.conns[id.slot as usize].phase, Phase::Sniffing) && !self.sniff(id, rest, now) {
            return;
        }
        loop {
            let Some(conn) = self.conn_mut(id) else { return };
            if conn.flags.paused || conn.outbox.len() > soft {
                conn.inbox = rest.to_vec();
                break;
            }
            if rest.is_empty() && !conn.has_input() {
                break;
            }
            let consumed = self.next_request(id, rest, now);
            rest = &rest[consumed..];
            self.apply(now, io);
        }
        if let Some(Phase::Talking(decoder)) = self.conn_mut(id).map(|conn| &mut conn.phase) {
            decoder.settle();
        }
    }

    /// Decodes one request and hands it to the hub; returns how many bytes are done with.
    fn next_request(&mut self, id: ConnId, bytes: &[u8], now: Now) -> usize {
        let limits = &self.hub.settings().limits;
        let rules = Rules {
            line_bytes_max: limits.line_bytes,
            json_bytes_max: limits.json_bytes,
            secret: self.hub.awaits_secret(id),
        };
        let conn = &mut self.conns[id.slot as usize];
        let Phase::Talking(decoder) = &mut conn.phase else { return bytes.len() };
        let decoded = decoder.decode(bytes, &rules);
        let consumed = decoded.consumed;
        let Some(request) = decoded.request else {
            conn.without_end += consumed;
            if conn.without_end > WITHOUT_END_BYTES_MAX {
                let text = "so much without the end of a line; goodbye";
                self.tell(id, &Event::Error(Refusal::new(Code::LineTooLong, text)));
                self.begin_close(id, CloseReason::Flood, now);
            }
            return consumed;
        };
        conn.last_seen = now.mono;
        conn.without_end = 0;
        let first_line = std::mem::replace(&mut conn.flags.first_line, false);
        let foreign = match &request {
            Request::Command(_, command) if first_line => foreign_line(command),
            _ => None,
        };
        if let Some(sentence) = foreign {
            self.dismiss(id, sentence, now);
            return consumed;
        }
        let (hub, effects) = (&mut self.hub, &mut self.effects);
        let handled = match request {
            Request::Command(re, command) => hub.handle(now, id, re, command, effects),
            Request::Refused(re, refusal) => hub.complain(now, id, Some(re), refusal, effects),
            Request::Error(refusal) => hub.complain(now, id, None, refusal, effects),
        };
        match handled {
            Handled::Done => consumed,
            Handled::Later => {
                conn.flags.first_line = first_line;
                consumed - decoder.put_back()
            }
        }
    }

    /// Tells by the first byte what is spoken; false if the connection ends over it.
    fn sniff(&mut self, id: ConnId, bytes: &[u8], now: Now) -> bool {
        let conn = &mut self.conns[id.slot as usize];
        let sniffed = sniff(bytes);
        let dialect = if sniffed == Sniff::Json { Dialect::Json } else { Dialect::Text };
        conn.phase = Phase::Talking(Decoder::new(dialect));
        self.hub.identified(id, dialect == Dialect::Json);
        let plain = conn.tls.is_none();
        if plain && sniffed != Sniff::Tls && !self.settings.plaintext.serves(conn.flags.loopback) {
            let text = "this server speaks only TLS here: ncat --ssl HOST PORT, or \
                        openssl s_client -quiet -connect HOST:PORT";
            self.tell(id, &Event::Error(Refusal::new(Code::PlaintextRefused, text)));
            self.begin_close(id, CloseReason::Plaintext, now);
            return false;
        }
        match sniffed {
            Sniff::Json | Sniff::Text => return true,
            Sniff::Binary => self.dismiss(id, "this is a chat server: it reads lines of UTF-8 text", now),
            // A hello inside TLS, or after the greeting, is nothing that a client means to send.
            Sniff::Tls => self.begin_close(id, CloseReason::Tls, now),
        }
        false
    }

    /// One clear line to a program that is no chat client, and the end.
    fn dismiss(&mut self, id: ConnId, sentence: &'static str, now: Now) {
        self.tell(id, &Event::Error(Refusal::new(Code::BadRequest, sentence)));
        self.begin_close(id, CloseReason::NotChat, now);
    }

    /// The peer sends no more. A line without an end may be half of what was meant, and is dropped.
    fn end_of_input(&mut self, id: ConnId, now: Now) {
        let conn = &mut self.conns[id.slot as usize];
        // A file's bytes that came are kept, so that half a frame is none that anybody has to hear of.
        if conn.is_unfinished() && !conn.is_data() && !std::mem::replace(&mut conn.flags.told_of_half, true) {
            let text = "the last line has no end, and was not taken";
            self.tell(id, &Event::Error(Refusal::new(Code::BadRequest, text)));
        }
        // If it has to wait, the connection is paused and comes here again.
        if self.hub.end_of_input(id, &mut self.effects) == Handled::Done {
            self.begin_close(id, CloseReason::Eof, now);
        }
    }

    /// Reads and throws away what a closed connection still sends, so that what we said last is not
    /// lost to a reset; until the peer is done, or a moment is over.
    fn linger(&mut self, slot: u32, io: &mut impl Io) -> usize {
        let conn = &mut self.conns[slot as usize];
        if !conn.flags.readable || conn.flags.eof {
            if conn.flags.eof && conn.flags.shut {
                self.doom(slot);
            }
            return 0;
        }
        match io.read(slot, &mut self.scratch[..READ_BYTES_MAX]) {
            Read::Bytes(count) => {
                self.queue(slot);
                return count;
            }
            Read::Eof => {
                conn.flags.eof = true;
                self.queue(slot);
            }
            Read::Failed => self.doom(slot),
            Read::Last(_) | Read::WouldBlock => conn.flags.readable = false,
        }
        0
    }
}

/// The first bytes of a plain connection that has not been greeted begin a TLS handshake.
fn is_hello(conn: &Conn, bytes: &[u8]) -> bool {
    matches!(conn.phase, Phase::Sniffing) && !conn.flags.greeted && sniff(bytes) == Sniff::Tls
}

/// What a first line says if it is the opening of another protocol.
fn foreign_line(command: &Command<'_>) -> Option<&'static str> {
    match command {
        Command::Say { text, .. } => foreign(text.as_bytes()),
        _ => None,
    }
}

/// Bytes of one line that are thrown away before its sender is: a mistaken paste is smaller.
const WITHOUT_END_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Scratch for plaintext that is used again; more is given back.
const READ_KEPT: usize = PARTIAL_BYTES_MAX + DATA_READ_BYTES_MAX;
