//! Simulated sockets: bytes under way arrive in pieces and late, buffers are small, peers reset.
//!
//! What the engine writes can be read by the checks at once, whether the client reads it or not; a
//! client that does not read only keeps the socket's buffer full.

use std::collections::VecDeque;
use std::io::IoSlice;

use sottovoce::engine::io::{Io, Read, Write};
use sottovoce::hub::job::Job;

use crate::random::Random;

/// Both directions of one connection.
#[derive(Debug, Default)]
pub struct Pipe {
    /// What the client sent: under way, and arrived.
    sent: VecDeque<u8>,
    arrived: VecDeque<u8>,
    /// The client ended its side, behind what it sent.
    fin: bool,
    fin_arrived: bool,
    /// The client is gone with a reset.
    pub reset: bool,
    /// Bytes in the socket's buffer that the client has not read, and how many fit.
    unread: usize,
    capacity: usize,
    /// The engine was told that nothing fits, and waits for an event.
    blocked: bool,
    /// Everything the engine wrote that the checks have not seen.
    pub output: Vec<u8>,
    /// The engine ended its side; the engine is done with the socket.
    pub shut: bool,
    pub closed: bool,
    readable: bool,
    writable: bool,
}

pub struct Net {
    pub pipes: Vec<Pipe>,
    /// The pipe of each slot of the engine.
    slots: Vec<Option<usize>>,
    pub jobs: Vec<Job>,
    pub random: Random,
    /// Reads and writes take random parts of what they could, and bytes are late.
    pub faults: bool,
}

impl Net {
    pub fn new(random: Random) -> Net {
        Net { pipes: Vec::new(), slots: Vec::new(), jobs: Vec::new(), random, faults: true }
    }

    /// A client connects; the engine gave it this slot.
    pub fn open(&mut self, slot: u32, capacity: usize) -> usize {
        let pipe = self.pipes.len();
        self.pipes.push(Pipe { capacity, ..Pipe::default() });
        let slot = slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, None);
        }
        assert!(self.slots[slot].is_none(), "a slot has one socket");
        self.slots[slot] = Some(pipe);
        pipe
    }

    /// The server is gone, and every connection with it.
    pub fn crash(&mut self) {
        for pipe in self.slots.drain(..).flatten() {
            self.pipes[pipe].closed = true;
        }
        self.jobs.clear();
    }

    pub fn send(&mut self, pipe: usize, bytes: &[u8]) {
        let pipe = &mut self.pipes[pipe];
        if !pipe.fin && !pipe.reset {
            pipe.sent.extend(bytes);
        }
    }

    /// Bytes that the server has not read.
    pub fn backlog(&self, pipe: usize) -> usize {
        self.pipes[pipe].sent.len() + self.pipes[pipe].arrived.len()
    }

    pub fn end(&mut self, pipe: usize) {
        self.pipes[pipe].fin = true;
    }

    pub fn reset(&mut self, pipe: usize) {
        let pipe = &mut self.pipes[pipe];
        pipe.reset = true;
        pipe.readable = true;
        pipe.writable = true;
    }

    /// The client reads so many bytes, or what there is.
    pub fn take(&mut self, pipe: usize, bytes: usize) {
        let pipe = &mut self.pipes[pipe];
        pipe.unread -= bytes.min(pipe.unread);
        if pipe.blocked && pipe.unread < pipe.capacity {
            pipe.blocked = false;
            pipe.writable = true;
        }
    }

    /// Something is under way, or was not told to the engine yet.
    pub fn is_quiet(&self) -> bool {
        self.slots.iter().flatten().all(|&pipe| {
            let pipe = &self.pipes[pipe];
            pipe.sent.is_empty() && !pipe.readable && !pipe.writable && pipe.fin == pipe.fin_arrived
        })
    }

    /// Time passes: bytes arrive. Returns the events for the engine, by slot: readable, writable.
    pub fn pass(&mut self) -> Vec<(u32, bool, bool)> {
        let mut events = Vec::new();
        for (slot, pipe) in self.slots.iter().enumerate() {
            let Some(pipe) = pipe.map(|pipe| &mut self.pipes[pipe]) else { continue };
            let arriving = match self.faults {
                true if self.random.per_mille(300) => 0,
                true => self.random.between(1, 400).min(pipe.sent.len()),
                false => pipe.sent.len(),
            };
            if arriving > 0 {
                pipe.arrived.extend(pipe.sent.drain(..arriving));
                pipe.readable = true;
            }
            if pipe.fin && !pipe.fin_arrived && pipe.sent.is_empty() {
                pipe.fin_arrived = true;
                pipe.readable = true;
            }
            let late = self.faults && self.random.per_mille(100);
            if (pipe.readable || pipe.writable) && !late {
                let slot = u32::try_from(slot).expect("few connections");
                events.push((slot, std::mem::take(&mut pipe.readable), std::mem::take(&mut pipe.writable)));
            }
        }
        events
    }

    fn pipe(&mut self, slot: u32) -> &mut Pipe {
        let pipe = self.slots[slot as usize].expect("the engine uses slots that it has");
        &mut self.pipes[pipe]
    }
}

impl Io for Net {
    fn read(&mut self, slot: u32, buffer: &mut [u8]) -> Read {
        let part = if self.faults { self.random.between(1, 300) } else { usize::MAX };
        // Some systems tell that nothing is left, of others one has to ask.
        let tells_last = self.random.per_mille(500);
        let pipe = self.pipe(slot);
        if pipe.reset {
            return Read::Failed;
        }
        if pipe.arrived.is_empty() {
            return if pipe.fin_arrived { Read::Eof } else { Read::WouldBlock };
        }
        let count = pipe.arrived.len().min(buffer.len()).min(part);
        for (to, from) in buffer.iter_mut().zip(pipe.arrived.drain(..count)) {
            *to = from;
        }
        match pipe.arrived.is_empty() && !pipe.fin_arrived && tells_last {
            true => Read::Last(count),
            false => Read::Bytes(count),
        }
    }

    fn write(&mut self, slot: u32, slices: &[IoSlice<'_>]) -> Write {
        let short = self.faults && self.random.per_mille(200);
        let part = if short { self.random.between(1, 100) } else { usize::MAX };
        let pipe = self.pipe(slot);
        assert!(!pipe.shut, "nothing is written after the end");
        if pipe.reset {
            return Write::Failed;
        }
        let room = pipe.capacity - pipe.unread;
        if room == 0 {
            pipe.blocked = true;
            return Write::WouldBlock;
        }
        let mut left = room.min(part);
        let before = pipe.output.len();
        for slice in slices {
            let count = slice.len().min(left);
            pipe.output.extend_from_slice(&slice[..count]);
            left -= count;
        }
        let written = pipe.output.len() - before;
        assert!(written > 0, "nothing was to be written");
        pipe.unread += written;
        Write::Bytes(written)
    }

    fn shut(&mut self, slot: u32) {
        let pipe = self.pipe(slot);
        assert!(!pipe.shut, "a connection ends once");
        pipe.shut = true;
    }

    fn close(&mut self, slot: u32) {
        self.pipe(slot).closed = true;
        self.slots[slot as usize] = None;
    }

    fn submit(&mut self, job: Job) {
        self.jobs.push(job);
    }
}
