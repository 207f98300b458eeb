//! The turn: serves connections, applies effects, flushes, closes; knows nothing of the commands.
//!
//! Events only set flags; work happens at our pace, in this order, each step within a budget:
//!
//! 1. what the lanes answered goes to the hub;
//! 2. timers that are due fire;
//! 3. connections that took everything are told to the hub, which may have more for them;
//! 4. ready connections are served: read once, decode, `hub.handle`, apply the effects; those that carry
//!    files come after all others, and within a budget of bytes;
//! 5. what was said is flushed, one write for each connection, in the same order;
//! 6. what is over is closed;
//! 7. in debug builds, and in the simulation, what must always be true is checked.
//!
//! Whoever still has something to read goes to the back of the ready list. Not reading is the
//! back-pressure: TCP carries it to the peer.
//!
//! Generic over [`Io`], so that the very same code runs on sockets and in the simulation.

mod apply;
mod check;
mod flush;
mod frames;
pub mod io;
mod serve;
pub mod settings;
mod timers;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::IpAddr;

use crate::conn::Conn;
use crate::conn::arena::Arenas;
use crate::conn::tls::PARTIAL_BYTES_MAX;
use crate::engine::io::Io;
use crate::engine::settings::Settings;
use crate::hub::Hub;
use crate::hub::effect::{CloseReason, Effect};
use crate::hub::job::Reply;
use crate::hub::session::Peer;
use crate::proto::id::ConnId;
use crate::proto::piece::FilePiece;
use crate::proto::time::{Instant, Now};

pub struct Engine {
    hub: Hub,
    settings: Settings,
    conns: slab::Slab<Conn>,
    /// Slots with something to read or decode, in the order of their turn.
    ready: VecDeque<u32>,
    /// The same of connections that carry files.
    ready_data: VecDeque<u32>,
    /// Slots with something to flush; and those of connections that carry files.
    dirty: Vec<u32>,
    dirty_data: Vec<u32>,
    /// Connections that took everything, which the hub wanted to know.
    drained: Vec<ConnId>,
    /// Slots that end with this turn.
    doomed: Vec<u32>,
    /// One entry for each connection.
    timers: BinaryHeap<Reverse<(Instant, ConnId)>>,
    effects: Vec<Effect>,
    arenas: Arenas,
    /// Where everything is read.
    scratch: Box<[u8]>,
    /// Plaintext of TLS and ciphertext for it, on their way through.
    plaintext: Vec<u8>,
    ciphertext: Vec<u8>,
    /// Pieces of files that were sent, or will not be, and go back to the hub.
    done: Vec<(ConnId, FilePiece)>,
    /// Bytes that wait in all outboxes, without those of files.
    queued: usize,
    next_serial: u32,
    stopping: bool,
    counters: Counters,
}

/// What happened since the start, for the log and for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub opened: u64,
    pub closed: u64,
}

impl Engine {
    pub fn new(hub: Hub, settings: Settings) -> Engine {
        Engine {
            hub,
            settings,
            conns: slab::Slab::new(),
            ready: VecDeque::new(),
            ready_data: VecDeque::new(),
            dirty: Vec::new(),
            dirty_data: Vec::new(),
            drained: Vec::new(),
            doomed: Vec::new(),
            timers: BinaryHeap::new(),
            effects: Vec::new(),
            arenas: Arenas::default(),
            scratch: vec![0; PARTIAL_BYTES_MAX + DATA_READ_BYTES_MAX].into_boxed_slice(),
            plaintext: Vec::new(),
            ciphertext: Vec::new(),
            done: Vec::new(),
            queued: 0,
            next_serial: 1,
            stopping: false,
            counters: Counters::default(),
        }
    }

    /// A connection was accepted. Returns the slot it has from now on, or why it cannot stay. It is read
    /// when [`Engine::readable`] tells that there is something.
    pub fn accepted(&mut self, now: Now, address: IpAddr) -> Result<u32, CloseReason> {
        let address = address.to_canonical();
        let peer = Peer { address, loopback: address.is_loopback() };
        let slot = u32::try_from(self.conns.vacant_key()).expect("fewer connections than four billion");
        let id = ConnId { slot, serial: self.next_serial };
        self.hub.opened(now, id, peer)?;
        self.next_serial = self.next_serial.wrapping_add(1);
        self.conns.insert(Conn::new(id, address, peer.loopback, now.mono));
        self.counters.opened += 1;
        log::info!("{id} opened from {address}");
        let deadline = self.deadline(slot, now.mono);
        self.set_timer(id, deadline);
        Ok(slot)
    }

    /// The system has bytes for us, or an end.
    pub fn readable(&mut self, slot: u32) {
        if let Some(conn) = self.conns.get_mut(slot as usize) {
            conn.flags.readable = true;
            self.queue(slot);
        }
    }

    /// The system takes bytes again.
    pub fn writable(&mut self, slot: u32) {
        if let Some(conn) = self.conns.get_mut(slot as usize) {
            conn.flags.writable = true;
            if !conn.is_drained() || conn.is_closing() {
                self.mark_dirty(slot);
            }
        }
    }

    /// One turn. Takes replies until they produce so much that it should be sent first; the rest stays.
    pub fn turn(&mut self, now: Now, io: &mut impl Io, replies: &mut VecDeque<Reply>) {
        while self.arenas.produced() <= TURN_BYTES_MAX
            && let Some(reply) = replies.pop_front()
        {
            self.hub.reply(now, reply, &mut self.effects);
            self.apply(now, io);
        }
        for id in std::mem::take(&mut self.drained) {
            // Told something more since then, it has not taken everything.
            if self.conn_mut(id).is_some_and(|conn| !conn.flags.await_drain) {
                self.hub.drained(now, id, &mut self.effects);
                self.apply(now, io);
            }
        }
        self.serve_ready(now, io);
        self.serve_data(now, io);
        // After what has come: whoever spoke in time is not to blame for a server that comes late to it.
        self.fire_timers(now, io);
        self.flush_dirty(now, io);
        self.close_doomed(now, io);
        if cfg!(debug_assertions) {
            self.check();
        }
    }

    /// There is work that needs no event.
    pub fn has_work(&self) -> bool {
        let ready = !self.ready.is_empty() || !self.ready_data.is_empty();
        ready || !self.drained.is_empty() || !self.dirty.is_empty() || !self.dirty_data.is_empty()
    }

    /// When the next timer wants to fire.
    pub fn next_deadline(&self) -> Instant {
        let timer = self.timers.peek().map_or(Instant(u64::MAX), |Reverse((at, _))| *at);
        timer.min(self.hub.next_deadline())
    }

    /// Tells everybody that the server stops; what is under way is finished, nothing new is read.
    pub fn shutdown(&mut self, now: Now, io: &mut impl Io) {
        self.stopping = true;
        self.hub.shutdown(&mut self.effects);
        self.apply(now, io);
    }

    /// After [`Engine::shutdown`]: everything is committed and everybody has taken what was said.
    pub fn is_settled(&self) -> bool {
        // A password that is being hashed is of no use to anybody any more.
        self.hub.is_stored()
            && self.drained.is_empty()
            && self.dirty.is_empty()
            && self.dirty_data.is_empty()
            && self.conns.iter().all(|(_, conn)| conn.is_drained() || conn.is_shaking_hands())
    }

    /// Ends every connection, whatever it has not taken.
    pub fn close_all(&mut self, now: Now, io: &mut impl Io) {
        let ids: Vec<ConnId> = self.conns.iter().map(|(_, conn)| conn.id).collect();
        for &id in &ids {
            self.begin_close(id, CloseReason::Shutdown, now);
        }
        self.apply(now, io);
        self.flush_dirty(now, io);
        for id in ids {
            if self.conn_mut(id).is_some() {
                self.doom(id.slot);
            }
        }
        self.close_doomed(now, io);
    }

    /// The operator changed the configuration; connections keep the certificate they began with.
    pub fn reconfigure(&mut self, settings: Settings, hub: crate::hub::settings::Settings) {
        self.settings = settings;
        self.hub.reconfigure(hub);
    }

    /// Whether connections from there may speak without TLS.
    pub fn serves_plain(&self, address: IpAddr) -> bool {
        self.settings.plaintext.serves(address.to_canonical().is_loopback())
    }

    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    fn queue(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        if !conn.flags.queued {
            conn.flags.queued = true;
            match conn.is_data() {
                true => self.ready_data.push_back(slot),
                false => self.ready.push_back(slot),
            }
        }
    }

    fn mark_dirty(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        if !conn.flags.dirty {
            conn.flags.dirty = true;
            match conn.is_data() {
                true => self.dirty_data.push(slot),
                false => self.dirty.push(slot),
            }
        }
    }

    fn doom(&mut self, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        if !conn.flags.doomed {
            conn.flags.doomed = true;
            self.doomed.push(slot);
        }
    }

    fn close_doomed(&mut self, now: Now, io: &mut impl Io) {
        for slot in std::mem::take(&mut self.doomed) {
            let mut conn = self.conns.remove(slot as usize);
            assert!(conn.is_closing(), "the hub knows of every end");
            self.queued -= conn.outbox.len();
            let mut pieces = Vec::new();
            conn.outbox.clear(&mut pieces);
            self.done.extend(pieces.into_iter().map(|piece| (conn.id, piece)));
            self.counters.closed += 1;
            io.close(slot);
            if conn.flags.queued {
                self.ready.retain(|&ready| ready != slot);
                self.ready_data.retain(|&ready| ready != slot);
            }
            if conn.flags.dirty {
                self.dirty.retain(|&dirty| dirty != slot);
                self.dirty_data.retain(|&dirty| dirty != slot);
            }
        }
        self.pieces_done(now, io);
    }

    /// The connection, unless it is gone and its slot has another tenant.
    fn conn_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(id.slot as usize).filter(|conn| conn.id == id)
    }
}

/// A turn that has produced so much is flushed before more is done.
const TURN_BYTES_MAX: usize = 1024 * 1024;
/// Bytes read at once from one connection; then it is another's turn.
const READ_BYTES_MAX: usize = 64 * 1024;
/// The same of a connection that carries files: larger, as a system call costs the same.
const DATA_READ_BYTES_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests;
