//! Effects of the hub, applied to connections.

use crate::conn::Phase;
use crate::conn::arena::{Area, Range};
use crate::dialect::{Dialect, encode};
use crate::engine::Engine;
use crate::engine::io::Io;
use crate::engine::timers::LINGER;
use crate::hub::effect::{CloseReason, Effect};
use crate::proto::event::Event;
use crate::proto::id::{ConnId, RoomId};
use crate::proto::time::Now;

impl Engine {
    /// Applies everything that the hub wants, in order, and what follows from it.
    pub(super) fn apply(&mut self, now: Now, io: &mut impl Io) {
        let mut effects = std::mem::take(&mut self.effects);
        while !effects.is_empty() {
            for effect in effects.drain(..) {
                self.apply_one(effect, now, io);
            }
            // Closing a connection ends its session, which has effects of its own.
            std::mem::swap(&mut effects, &mut self.effects);
        }
        self.effects = effects;
    }

    fn apply_one(&mut self, effect: Effect, now: Now, io: &mut impl Io) {
        match effect {
            Effect::AwaitDrain(id) => self.await_drain(id),
            Effect::Close(id, reason) => self.begin_close(id, reason, now),
            Effect::Frames(id) => self.begin_frames(id, now),
            Effect::Log(line) => log::log!(line.level, "{}", line.text),
            Effect::Pause(id) => {
                if let Some(conn) = self.conn_mut(id) {
                    conn.flags.paused = true;
                }
            }
            Effect::Resume(id) => {
                if let Some(conn) = self.conn_mut(id) {
                    conn.flags.paused = false;
                    self.queue(id.slot);
                }
            }
            Effect::SendPiece { conn, request, offset, piece } => {
                self.send_piece(conn, request, offset, piece)
            }
            Effect::Submit(job) => io.submit(job),
            Effect::Tell(id, event) => self.tell(id, &event),
            Effect::TellRoom { room, event, except } => self.tell_room(room, &event, &except),
        }
    }

    fn await_drain(&mut self, id: ConnId) {
        let Some(conn) = self.conn_mut(id) else { return };
        conn.flags.await_drain = true;
        // Nothing may wait even now.
        self.mark_dirty(id.slot);
    }

    pub(super) fn tell(&mut self, id: ConnId, event: &Event) {
        let plaintext = self.settings.plaintext;
        let Some(conn) = self.conn_mut(id).filter(|conn| !conn.is_closing()) else { return };
        // A client that is to begin with TLS would take our words for a broken handshake.
        let mute = match &conn.tls {
            Some(tls) => !tls.is_ready(),
            None => conn.is_sniffing() && !plaintext.serves(conn.flags.loopback),
        };
        if mute {
            return;
        }
        let dialect = conn.dialect();
        let range = self.arenas.write(Area::Single, |out| encode(dialect, event, out));
        self.push(id.slot, range);
    }

    /// Encodes the event once for each dialect spoken in the room, however many hear it.
    fn tell_room(&mut self, room: RoomId, event: &Event, except: &[ConnId]) {
        let mut text: Option<Range> = None;
        let mut json: Option<Range> = None;
        for &id in self.hub.listeners(room) {
            if except.contains(&id) {
                continue;
            }
            let conn = &mut self.conns[id.slot as usize];
            assert!(conn.id == id, "listeners are connected");
            let dialect = conn.dialect();
            let (known, area) = match dialect {
                Dialect::Json => (&mut json, Area::JsonShared),
                Dialect::Text => (&mut text, Area::TextShared),
                Dialect::Frames => unreachable!("who carries files hears no room"),
            };
            let arenas = &mut self.arenas;
            let range = *known.get_or_insert_with(|| arenas.write(area, |out| encode(dialect, event, out)));
            conn.outbox.push(range);
            self.queued += range.len();
            if !conn.flags.dirty {
                conn.flags.dirty = true;
                self.dirty.push(id.slot);
            }
        }
    }

    pub(super) fn push(&mut self, slot: u32, range: Range) {
        if range.is_empty() {
            return;
        }
        self.conns[slot as usize].outbox.push(range);
        self.queued += range.len();
        self.mark_dirty(slot);
    }

    /// Ends a connection: what waits is still sent, nothing more is read as commands, and the hub's
    /// session ends; its effects are applied by the caller, or by the [`Engine::apply`] under way.
    pub(super) fn begin_close(&mut self, id: ConnId, reason: CloseReason, now: Now) {
        let Some(conn) = self.conn_mut(id).filter(|conn| !conn.is_closing()) else { return };
        conn.phase = Phase::Closing;
        conn.inbox = Vec::new();
        conn.last_seen = now.mono;
        conn.flags.await_drain = false;
        log::info!("{id} closed: {reason}");
        self.set_timer(id, now.mono + LINGER);
        self.mark_dirty(id.slot);
        self.queue(id.slot);
        self.hub.gone(id, &mut self.effects);
    }
}
