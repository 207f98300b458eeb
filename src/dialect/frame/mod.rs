//! Frames: what a data connection speaks once its login is answered, in both directions.
//!
//! ```text
//! frame:  length u32 | kind u8 | request u32 | body         big-endian; length: of what follows it
//!
//! client: 01 PUT     file 16 | offset u64 | bytes 1..=262144
//!         02 GET     file 16 | offset u64 | length u64 (0: to the end)
//!         03 CANCEL                                         the request is that of a GET
//!         04 PING
//! server: 81 STORED  file 16 | stored u64                   the answer to a PUT
//!         82 DATA    offset u64 | bytes 1..=262144
//!         83 END                                            a GET is done
//!         84 PONG
//!         8F ERROR   offset u64 | code length u8 | code | text
//! ```
//!
//! A request has a number other than 0 that the client chooses; 0 is the connection itself. `server` encodes
//! and decodes what the server says, `client` what a client says, `reader` reads a client's frames from
//! packets however they are cut, without keeping the bytes of a file, and `event` writes what the hub says.

pub mod client;
pub mod event;
pub mod reader;
pub mod server;

use std::fmt;

use crate::proto::limits::PIECE_BYTES;
use crate::proto::refusal::{Code, Refusal};

/// What every frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub kind: u8,
    pub request: u32,
    /// Bytes that follow the head.
    pub body: usize,
}

/// Bytes that are no frame. There is no telling where the next one begins, so the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The body is not as long as this kind has it.
    BadBody {
        kind: u8,
    },
    BadKind {
        kind: u8,
    },
    /// The frame has no room for a kind and a request.
    TooShort,
    TooLong,
    /// A request needs a number of its own.
    WithoutRequest,
}

/// What the beginning of some bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<T> {
    /// A whole frame, and the bytes that it takes.
    Frame { frame: T, consumed: usize },
    /// The beginning of one: at least so many bytes are needed in all.
    Needs(usize),
}

impl Head {
    /// Reads the first [`HEAD_BYTES`] of a frame.
    pub fn decode(bytes: &[u8; HEAD_BYTES]) -> Result<Head, FrameError> {
        let [l0, l1, l2, l3, kind, r0, r1, r2, r3] = *bytes;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(length).map_err(|_| FrameError::TooLong)?;
        if length > LENGTH_MAX {
            return Err(FrameError::TooLong);
        }
        let body = length.checked_sub(HEAD_BYTES - LENGTH_BYTES).ok_or(FrameError::TooShort)?;
        Ok(Head { kind, request: u32::from_be_bytes([r0, r1, r2, r3]), body })
    }

    fn encode(self) -> [u8; HEAD_BYTES] {
        assert!(self.body <= BODY_MAX, "whoever makes a frame keeps to its bounds");
        let length = u32::try_from(HEAD_BYTES - LENGTH_BYTES + self.body).expect("LENGTH_MAX fits");
        let ([l0, l1, l2, l3], [r0, r1, r2, r3]) = (length.to_be_bytes(), self.request.to_be_bytes());
        [l0, l1, l2, l3, self.kind, r0, r1, r2, r3]
    }
}

impl FrameError {
    /// What the peer is told before its connection ends.
    pub fn refusal(self) -> Refusal {
        let code = match self {
            FrameError::TooLong => Code::FrameTooLong,
            _ => Code::BadFrame,
        };
        Refusal::new(code, self.to_string())
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::BadBody { kind } => {
                write!(f, "a frame of kind {kind:#04x} with a body of the wrong size")
            }
            FrameError::BadKind { kind } => write!(f, "there are no frames of kind {kind:#04x}"),
            FrameError::TooShort => {
                write!(f, "a frame has at least {} bytes behind its length", HEAD_BYTES - LENGTH_BYTES)
            }
            FrameError::TooLong => write!(f, "a frame has at most {LENGTH_MAX} bytes behind its length"),
            FrameError::WithoutRequest => write!(f, "a request has a number other than 0"),
        }
    }
}

impl std::error::Error for FrameError {}

/// The head of the frame at the start of `input`, and its body if all of it is there.
fn whole(input: &[u8]) -> Result<Decoded<(Head, &[u8])>, FrameError> {
    let Some((head, rest)) = input.split_first_chunk() else { return Ok(Decoded::Needs(HEAD_BYTES)) };
    let head = Head::decode(head)?;
    let consumed = HEAD_BYTES + head.body;
    Ok(match rest.get(..head.body) {
        Some(body) => Decoded::Frame { frame: (head, body), consumed },
        None => Decoded::Needs(consumed),
    })
}

/// Takes a number from the front of a body, or a file.
fn split<const N: usize>(body: &[u8], kind: u8) -> Result<(&[u8; N], &[u8]), FrameError> {
    body.split_first_chunk().ok_or(FrameError::BadBody { kind })
}

fn no_body(body: &[u8], kind: u8) -> Result<(), FrameError> {
    if body.is_empty() { Ok(()) } else { Err(FrameError::BadBody { kind }) }
}

/// The bytes of a file in a PUT or a DATA.
fn file_bytes(bytes: &[u8], kind: u8) -> Result<&[u8], FrameError> {
    match bytes.len() {
        1..=PIECE_BYTES => Ok(bytes),
        _ => Err(FrameError::BadBody { kind }),
    }
}

const LENGTH_BYTES: usize = 4;
/// Length, kind and request.
pub const HEAD_BYTES: usize = LENGTH_BYTES + 5;
/// A file and an offset, before the bytes of a PUT: the longest that stands before them.
const PUT_HEAD_BYTES: usize = 16 + 8;
const BODY_MAX: usize = PUT_HEAD_BYTES + PIECE_BYTES;
/// What the length of a frame may say.
pub const LENGTH_MAX: usize = HEAD_BYTES - LENGTH_BYTES + BODY_MAX;

#[cfg(test)]
mod tests;
