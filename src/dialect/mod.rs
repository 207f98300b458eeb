//! Bytes to commands, events to bytes. A dialect knows no rooms and no sockets.
//!
//! [`sniff`] tells what a client speaks, [`Decoder`] reads its requests, [`encode`] writes what it
//! is told. `text` is for people with netcat, `json` for programs; both say the same things. `frame` is
//! what a program's data connection speaks, which carries files.

mod first;
pub mod frame;
pub mod help;
mod json;
mod line;
mod telnet;
mod text;

use std::borrow::Cow;

use crate::proto::command::Command;
use crate::proto::event::Event;
use crate::proto::id::RequestId;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::text::sanitise;

pub use crate::dialect::first::{Sniff, foreign, sniff};
use crate::dialect::line::{Ends, Line, LineReader};

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
    /// Frames, after a login that asked for them; read by a [`FrameReader`](frame::reader::FrameReader).
    Frames,
}

/// What a line may be; asked for with every [`Decoder::decode`], because it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    pub line_bytes_max: usize,
    pub json_bytes_max: usize,
    /// The next line answers a prompt: text mode takes it whole, as [`Command::Secret`].
    pub secret: bool,
}

/// What one call of [`Decoder::decode`] made of the input.
#[derive(Debug, PartialEq)]
pub struct Decoded<'a> {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// `None`: everything was consumed, and no line ended.
    pub request: Option<Request<'a>>,
}

/// One line of a client.
#[derive(Debug, PartialEq)]
pub enum Request<'a> {
    Command(RequestId, Command<'a>),
    /// The reply to a request that could not be understood.
    Refused(RequestId, Refusal),
    /// Belongs to no request.
    Error(Refusal),
}

/// Reads the requests of one connection. An idle one owns no memory outside itself.
#[derive(Debug)]
pub struct Decoder {
    /// Knows the dialect by how its lines end, so that no byte is spent on saying it twice.
    lines: LineReader,
}

impl Decoder {
    pub fn new(dialect: Dialect) -> Decoder {
        let ends = match dialect {
            Dialect::Text => Ends::Any,
            Dialect::Json => Ends::Lf,
            Dialect::Frames => unreachable!("frames are no lines"),
        };
        Decoder { lines: LineReader::new(ends) }
    }

    pub fn dialect(&self) -> Dialect {
        match self.lines.ends() {
            Ends::Any => Dialect::Text,
            Ends::Lf => Dialect::Json,
        }
    }

    /// Reads at most one request and never looks past its line.
    pub fn decode<'a>(&'a mut self, input: &'a [u8], rules: &Rules) -> Decoded<'a> {
        let dialect = self.dialect();
        let secret = rules.secret && dialect == Dialect::Text;
        let bytes_max = match dialect {
            Dialect::Text => rules.line_bytes_max,
            Dialect::Json => rules.json_bytes_max,
            Dialect::Frames => unreachable!("a decoder reads lines"),
        };
        let (consumed, found) = self.lines.read(input, bytes_max, secret);
        let line = match found {
            Line::Nothing => return Decoded { consumed, request: None },
            Line::TooLong => {
                let refusal =
                    Refusal::new(Code::LineTooLong, format!("a line has at most {bytes_max} bytes"));
                return Decoded { consumed, request: Some(Request::Error(refusal)) };
            }
            Line::Kept => self.lines.kept(),
            Line::Borrowed(line) => &input[line],
        };
        let request = match dialect {
            Dialect::Text => text::decode::decode(line, secret),
            Dialect::Json => json::decode::decode(line),
            Dialect::Frames => unreachable!("a decoder reads lines"),
        };
        Decoded { consumed, request: Some(request) }
    }

    /// The request that was just decoded is decoded again by the next call.
    ///
    /// Returns how many of the bytes consumed for it, counted from their end, must be presented again.
    pub fn put_back(&mut self) -> usize {
        self.lines.put_back()
    }

    /// A request was put back inside: the next [`Decoder::decode`] yields it, without any input too.
    pub fn has_put_back(&self) -> bool {
        self.lines.has_put_back()
    }

    /// Call when the last request of a packet was done: gives back the memory of its line.
    pub fn settle(&mut self) {
        self.lines.settle();
    }

    /// A line was begun and has not ended.
    pub fn unfinished(&self) -> bool {
        self.lines.unfinished()
    }

    /// Bytes of memory that the unfinished line takes.
    pub fn kept_bytes(&self) -> usize {
        self.lines.kept_bytes()
    }
}

/// Appends what a client of this dialect sees of an event: whole lines, or frames, or nothing.
pub fn encode(dialect: Dialect, event: &Event, out: &mut Vec<u8>) {
    match dialect {
        Dialect::Text => text::encode::encode(event, out),
        Dialect::Json => json::encode::encode(event, out),
        Dialect::Frames => frame::event::encode(event, out),
    }
}

/// Text for others, cleaned, or nothing if nobody would see anything of it.
fn body(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let clean = match text {
        Cow::Borrowed(text) => sanitise(text),
        Cow::Owned(text) => match sanitise(&text) {
            Cow::Borrowed(_) => Cow::Owned(text),
            Cow::Owned(clean) => Cow::Owned(clean),
        },
    };
    let visible = clean.chars().any(|c| !c.is_whitespace());
    visible.then_some(clean)
}

/// The decoder is paid by every idle connection.
const DECODER_BYTES_MAX: usize = 40;
const _: () = assert!(size_of::<Decoder>() <= DECODER_BYTES_MAX);

#[cfg(test)]
mod tests;
