//! What the server says in frames.

use crate::dialect::frame::{Decoded, FrameError, HEAD_BYTES, Head, file_bytes, no_body, split, whole};
use crate::proto::id::FileId;

/// One frame of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerFrame<'a> {
    /// Bytes that a GET asked for.
    Data {
        request: u32,
        offset: u64,
        bytes: &'a [u8],
    },
    /// A GET is done.
    End {
        request: u32,
    },
    /// A request came to nothing; with request 0, the connection. `code` may be newer than its reader.
    Error {
        request: u32,
        offset: u64,
        code: &'a str,
        text: &'a str,
    },
    Pong {
        request: u32,
    },
    /// A PUT is in its file, of which the server has so many bytes now.
    Stored {
        request: u32,
        file: FileId,
        stored: u64,
    },
}

impl ServerFrame<'_> {
    /// Appends the frame. Bytes of DATA are 1 to [`PIECE_BYTES`](crate::proto::limits::PIECE_BYTES).
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            ServerFrame::Data { request, offset, bytes } => {
                out.extend_from_slice(&data_head(request, offset, bytes.len()));
                out.extend_from_slice(bytes);
            }
            ServerFrame::End { request } => head(END, request, 0, out),
            ServerFrame::Error { request, offset, code, text } => {
                let code_bytes = u8::try_from(code.len()).expect("codes are short words");
                head(ERROR, request, OFFSET_BYTES + 1 + code.len() + text.len(), out);
                out.extend_from_slice(&offset.to_be_bytes());
                out.push(code_bytes);
                out.extend_from_slice(code.as_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            ServerFrame::Pong { request } => head(PONG, request, 0, out),
            ServerFrame::Stored { request, file, stored } => {
                head(STORED, request, file.0.len() + OFFSET_BYTES, out);
                out.extend_from_slice(&file.0);
                out.extend_from_slice(&stored.to_be_bytes());
            }
        }
    }

    /// Reads the frame at the start of `input`.
    pub fn decode(input: &[u8]) -> Result<Decoded<ServerFrame<'_>>, FrameError> {
        let (Head { kind, request, .. }, body, consumed) = match whole(input)? {
            Decoded::Frame { frame: (head, body), consumed } => (head, body, consumed),
            Decoded::Needs(bytes) => return Ok(Decoded::Needs(bytes)),
        };
        let frame = match kind {
            DATA => {
                let (offset, body) = split(body, kind)?;
                let bytes = file_bytes(body, kind)?;
                ServerFrame::Data { request, offset: u64::from_be_bytes(*offset), bytes }
            }
            END => {
                no_body(body, kind)?;
                ServerFrame::End { request }
            }
            ERROR => {
                let (offset, body) = split(body, kind)?;
                let ([code_bytes], body) = split(body, kind)?;
                let text = std::str::from_utf8(body).map_err(|_| FrameError::BadBody { kind })?;
                let at = usize::from(*code_bytes);
                let (code, text) = text.split_at_checked(at).ok_or(FrameError::BadBody { kind })?;
                ServerFrame::Error { request, offset: u64::from_be_bytes(*offset), code, text }
            }
            PONG => {
                no_body(body, kind)?;
                ServerFrame::Pong { request }
            }
            STORED => {
                let (file, body) = split(body, kind)?;
                let (stored, body) = split(body, kind)?;
                no_body(body, kind)?;
                ServerFrame::Stored { request, file: FileId(*file), stored: u64::from_be_bytes(*stored) }
            }
            kind => return Err(FrameError::BadKind { kind }),
        };
        Ok(Decoded::Frame { frame, consumed })
    }
}

/// What stands before the bytes of DATA, for who has them elsewhere.
pub fn data_head(request: u32, offset: u64, bytes: usize) -> [u8; HEAD_BYTES + OFFSET_BYTES] {
    let head = Head { kind: DATA, request, body: OFFSET_BYTES + bytes }.encode();
    let mut out = [0; HEAD_BYTES + OFFSET_BYTES];
    let (start, position) = out.split_at_mut(HEAD_BYTES);
    start.copy_from_slice(&head);
    position.copy_from_slice(&offset.to_be_bytes());
    out
}

fn head(kind: u8, request: u32, body: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&Head { kind, request, body }.encode());
}

const STORED: u8 = 0x81;
/// The kind of [`ServerFrame::Data`], for who puts its bytes elsewhere.
pub const DATA: u8 = 0x82;
const END: u8 = 0x83;
const PONG: u8 = 0x84;
const ERROR: u8 = 0x8f;
/// What stands before the bytes of DATA.
pub const OFFSET_BYTES: usize = 8;
