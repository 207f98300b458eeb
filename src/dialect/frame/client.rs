//! What a client says in frames.

use crate::dialect::frame::{
    Decoded, FrameError, HEAD_BYTES, Head, PUT_HEAD_BYTES, file_bytes, no_body, split, whole,
};
use crate::proto::id::FileId;

/// One frame of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFrame<'a> {
    /// Ends a GET early.
    Cancel {
        request: u32,
    },
    /// Asks for part of a file; `length` 0: to its end.
    Get {
        request: u32,
        file: FileId,
        offset: u64,
        length: u64,
    },
    Ping {
        request: u32,
    },
    /// The next bytes of an upload.
    Put {
        request: u32,
        file: FileId,
        offset: u64,
        bytes: &'a [u8],
    },
}

impl ClientFrame<'_> {
    /// Appends the frame. The bytes of a PUT are 1 to [`PIECE_BYTES`](crate::proto::limits::PIECE_BYTES).
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            ClientFrame::Cancel { request } => head(CANCEL, request, 0, out),
            ClientFrame::Get { request, file, offset, length } => {
                head(GET, request, GET_BYTES, out);
                out.extend_from_slice(&file.0);
                out.extend_from_slice(&offset.to_be_bytes());
                out.extend_from_slice(&length.to_be_bytes());
            }
            ClientFrame::Ping { request } => head(PING, request, 0, out),
            ClientFrame::Put { request, file, offset, bytes } => {
                out.extend_from_slice(&put_head(request, file, offset, bytes.len()));
                out.extend_from_slice(bytes);
            }
        }
    }

    /// Reads the frame at the start of `input`.
    pub fn decode(input: &[u8]) -> Result<Decoded<ClientFrame<'_>>, FrameError> {
        let (Head { kind, request, .. }, body, consumed) = match whole(input)? {
            Decoded::Frame { frame: (head, body), consumed } => (head, body, consumed),
            Decoded::Needs(bytes) => return Ok(Decoded::Needs(bytes)),
        };
        if request == 0 {
            return Err(FrameError::WithoutRequest);
        }
        let frame = match kind {
            CANCEL => {
                no_body(body, kind)?;
                ClientFrame::Cancel { request }
            }
            GET => {
                let (file, body) = split(body, kind)?;
                let (offset, body) = split(body, kind)?;
                let (length, body) = split(body, kind)?;
                no_body(body, kind)?;
                let (offset, length) = (u64::from_be_bytes(*offset), u64::from_be_bytes(*length));
                ClientFrame::Get { request, file: FileId(*file), offset, length }
            }
            PING => {
                no_body(body, kind)?;
                ClientFrame::Ping { request }
            }
            PUT => {
                let (file, body) = split(body, kind)?;
                let (offset, body) = split(body, kind)?;
                let bytes = file_bytes(body, kind)?;
                ClientFrame::Put { request, file: FileId(*file), offset: u64::from_be_bytes(*offset), bytes }
            }
            kind => return Err(FrameError::BadKind { kind }),
        };
        Ok(Decoded::Frame { frame, consumed })
    }
}

/// What stands before the bytes of a PUT, for who has them elsewhere.
pub fn put_head(request: u32, file: FileId, offset: u64, bytes: usize) -> [u8; HEAD_BYTES + PUT_HEAD_BYTES] {
    let head = Head { kind: PUT, request, body: PUT_HEAD_BYTES + bytes }.encode();
    let mut out = [0; HEAD_BYTES + PUT_HEAD_BYTES];
    let (start, rest) = out.split_at_mut(HEAD_BYTES);
    start.copy_from_slice(&head);
    let (name, position) = rest.split_at_mut(file.0.len());
    name.copy_from_slice(&file.0);
    position.copy_from_slice(&offset.to_be_bytes());
    out
}

fn head(kind: u8, request: u32, body: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&Head { kind, request, body }.encode());
}

pub(super) const PUT: u8 = 0x01;
pub(super) const GET: u8 = 0x02;
pub(super) const CANCEL: u8 = 0x03;
pub(super) const PING: u8 = 0x04;
/// The body of a GET: file, offset and length.
pub(super) const GET_BYTES: usize = 16 + 8 + 8;
