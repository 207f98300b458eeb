//! One connection as a state machine: what it speaks, what came, what waits to go.
//!
//! ```text
//!   Sniffing ── 0x16 ──▶ Sniffing inside TLS
//!      │ first byte, or silence                      line: decode ─▶ hub
//!      └────────────────▶ Talking ─── a login with `data` ──▶ Frames      │
//!                            │ closed by us                  closed by the peer
//!                            ▼                                            ▼
//!                         Closing: flush, say that we are done, wait for the peer, gone
//! ```
//!
//! It does no I/O: the engine hands it bytes and takes bytes from it.

pub mod arena;
pub mod outbox;
pub mod tls;

use std::net::IpAddr;

use crate::conn::outbox::Outbox;
use crate::conn::tls::Tls;
use crate::dialect::frame::reader::FrameReader;
use crate::dialect::{Decoder, Dialect};
use crate::proto::id::ConnId;
use crate::proto::time::Instant;

#[derive(Debug)]
pub struct Conn {
    pub id: ConnId,
    pub address: IpAddr,
    pub phase: Phase,
    pub tls: Option<Box<Tls>>,
    /// Plaintext that was read and not decoded yet: the connection was paused meanwhile.
    pub inbox: Vec<u8>,
    pub outbox: Outbox,
    pub flags: Flags,
    /// Bytes since the last request: of a line that was begun, or is too long.
    pub without_end: usize,
    /// When the timer entry that counts fires; others are left over. The end of time while there is none.
    pub timer_at: Instant,
    /// When it was accepted; after the handshake, when that was done.
    pub since: Instant,
    /// When something last came, or closing began.
    pub last_seen: Instant,
}

#[derive(Debug)]
pub enum Phase {
    /// Nothing is owed but what waits in the outbox; then it ends.
    Closing,
    /// It carries files.
    Frames(Box<Frames>),
    /// No byte has come yet that tells what is spoken.
    Sniffing,
    Talking(Decoder),
}

/// The input side of a connection that carries files.
#[derive(Debug)]
pub struct Frames {
    pub reader: FrameReader,
    /// When the peer last took something of what waits for it.
    pub taken: Instant,
}

/// What is known of the connection at a moment; each flag is independent of the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// Comes from this machine.
    pub loopback: bool,
    /// The system may have bytes for us; stays set until it says that it has none.
    pub readable: bool,
    /// The system takes bytes; stays set until it says that it takes none.
    pub writable: bool,
    /// The peer closed its side.
    pub eof: bool,
    /// The hub wants no command now.
    pub paused: bool,
    /// It stands in the ready list.
    pub queued: bool,
    /// It has something to flush, and stands in the list of those.
    pub dirty: bool,
    /// The hub wants to know when all was sent.
    pub await_drain: bool,
    /// The person was greeted.
    pub greeted: bool,
    /// The first line may show that this is no chat client.
    pub first_line: bool,
    /// The peer was told that its last line has no end.
    pub told_of_half: bool,
    /// We said that we will send no more.
    pub shut: bool,
    /// It ends at the end of this turn, whatever waits.
    pub doomed: bool,
}

impl Conn {
    pub fn new(id: ConnId, address: IpAddr, loopback: bool, now: Instant) -> Conn {
        let flags = Flags { loopback, writable: true, first_line: true, ..Flags::default() };
        Conn {
            id,
            address,
            phase: Phase::Sniffing,
            tls: None,
            inbox: Vec::new(),
            outbox: Outbox::default(),
            flags,
            without_end: 0,
            timer_at: Instant(u64::MAX),
            since: now,
            last_seen: now,
        }
    }

    /// What it speaks, or text as long as that is unknown.
    pub fn dialect(&self) -> Dialect {
        match &self.phase {
            Phase::Frames(_) => Dialect::Frames,
            Phase::Talking(decoder) => decoder.dialect(),
            Phase::Closing | Phase::Sniffing => Dialect::Text,
        }
    }

    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    /// It carries files.
    pub fn is_data(&self) -> bool {
        matches!(self.phase, Phase::Frames(_))
    }

    /// It is not known yet what is spoken.
    pub fn is_sniffing(&self) -> bool {
        matches!(self.phase, Phase::Sniffing)
    }

    /// A line, or a frame, was begun and not ended.
    pub fn is_unfinished(&self) -> bool {
        match &self.phase {
            Phase::Frames(frames) => frames.reader.unfinished(),
            Phase::Talking(decoder) => decoder.unfinished(),
            Phase::Closing | Phase::Sniffing => false,
        }
    }

    /// There is something to decode without reading more.
    pub fn has_input(&self) -> bool {
        let put_back = matches!(&self.phase, Phase::Talking(decoder) if decoder.has_put_back());
        put_back || !self.inbox.is_empty()
    }

    /// A TLS handshake is under way.
    pub fn is_shaking_hands(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| !tls.is_ready())
    }

    /// Nothing waits to be sent.
    pub fn is_drained(&self) -> bool {
        self.outbox.is_empty() && self.tls.as_ref().is_none_or(|tls| tls.unsent().is_empty())
    }
}

// Each connection has one; TLS and what waits come on top.
const _: () = assert!(size_of::<Conn>() <= 256);
