//! A client's frames out of packets, however they are cut.
//!
//! The bytes of a PUT are not gathered: [`FrameReader::read`] tells of a PUT as soon as its beginning is
//! there, and from then on [`FrameReader::body`] says how many of the next bytes belong to it. So a slow
//! sender occupies no memory, and what it has sent is stored when its connection breaks. An idle reader
//! owns no memory outside itself.

use crate::dialect::frame::client::{CANCEL, GET, GET_BYTES, PING, PUT};
use crate::dialect::frame::{FrameError, HEAD_BYTES, Head, PUT_HEAD_BYTES, split};
use crate::proto::id::FileId;
use crate::proto::limits::PIECE_BYTES;
use crate::proto::transfer::Asked;

/// Reads the frames of one connection. After a [`FrameError`] it is not to be used any more.
#[derive(Clone, Debug)]
pub struct FrameReader {
    /// The beginning of a frame, as far as it has come.
    begun: [u8; BEGINNING_MAX],
    /// Invariant: less than the beginning of that frame has.
    filled: usize,
    /// Bytes of a PUT that are still to come.
    body: usize,
}

impl FrameReader {
    /// Reads up to the end of one frame, or to where the bytes of a PUT begin. Returns how much of the input
    /// is done with, and what was asked; `None`: everything is, and no frame has come whole.
    pub fn read(&mut self, input: &[u8]) -> Result<(usize, Option<Asked>), FrameError> {
        assert!(self.body == 0, "the bytes of a PUT are taken first");
        let mut consumed = self.fill(HEAD_BYTES, input);
        let Some(head) = self.begun[..self.filled].first_chunk() else { return Ok((consumed, None)) };
        let head = Head::decode(head)?;
        let beginning = HEAD_BYTES + check(&head)?;
        consumed += self.fill(beginning, input.get(consumed..).unwrap_or_default());
        if self.filled < beginning {
            return Ok((consumed, None));
        }
        let asked = asked(&head, &self.begun[HEAD_BYTES..beginning])?;
        self.filled = 0;
        if let Asked::Put { bytes, .. } = asked {
            self.body = bytes;
        }
        Ok((consumed, Some(asked)))
    }

    /// Bytes of a PUT that are still to come; they are not for [`FrameReader::read`].
    pub fn body(&self) -> usize {
        self.body
    }

    /// So many bytes of a PUT were taken.
    pub fn took(&mut self, bytes: usize) {
        assert!(bytes <= self.body, "no more is taken of a PUT than belongs to it");
        self.body -= bytes;
    }

    /// A frame was begun and has not ended.
    pub fn unfinished(&self) -> bool {
        self.filled > 0 || self.body > 0
    }

    /// Takes of the input what is missing to so many bytes.
    fn fill(&mut self, wanted: usize, input: &[u8]) -> usize {
        let count = wanted.saturating_sub(self.filled).min(input.len());
        self.begun[self.filled..self.filled + count].copy_from_slice(&input[..count]);
        self.filled += count;
        count
    }
}

impl Default for FrameReader {
    fn default() -> FrameReader {
        FrameReader { begun: [0; BEGINNING_MAX], filled: 0, body: 0 }
    }
}

/// How much follows the head before the bytes of a file; refused as soon as it can be.
fn check(head: &Head) -> Result<usize, FrameError> {
    let &Head { kind, request, body } = head;
    let (beginning, fits) = match kind {
        CANCEL | PING => (0, body == 0),
        GET => (GET_BYTES, body == GET_BYTES),
        PUT => (PUT_HEAD_BYTES, (PUT_HEAD_BYTES + 1..=PUT_HEAD_BYTES + PIECE_BYTES).contains(&body)),
        kind => return Err(FrameError::BadKind { kind }),
    };
    if request == 0 {
        return Err(FrameError::WithoutRequest);
    }
    if fits { Ok(beginning) } else { Err(FrameError::BadBody { kind }) }
}

fn asked(head: &Head, beginning: &[u8]) -> Result<Asked, FrameError> {
    let &Head { kind, request, body } = head;
    match kind {
        CANCEL => return Ok(Asked::Cancel { request }),
        PING => return Ok(Asked::Ping { request }),
        _ => {}
    }
    let (file, rest) = split(beginning, kind)?;
    let (offset, rest) = split(rest, kind)?;
    let (file, offset) = (FileId(*file), u64::from_be_bytes(*offset));
    if kind == PUT {
        return Ok(Asked::Put { request, file, offset, bytes: body - PUT_HEAD_BYTES });
    }
    let (length, _) = split(rest, kind)?;
    Ok(Asked::Get { request, file, offset, length: u64::from_be_bytes(*length) })
}

/// The longest beginning: that of a GET, which is all of it.
const BEGINNING_MAX: usize = HEAD_BYTES + GET_BYTES;
const _: () = assert!(PUT_HEAD_BYTES <= GET_BYTES);
