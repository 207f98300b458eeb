//! A program that carries files: a connection in frame mode, and what goes with it in lines.

use std::ops::Range;

use serde_json::{Value, json};
use sottovoce::dialect::frame::client::ClientFrame;
use sottovoce::dialect::frame::server::ServerFrame;
use sottovoce::dialect::frame::{Decoded, HEAD_BYTES, Head};
use sottovoce::proto::id::FileId;
use sottovoce::proto::limits::PIECE_BYTES;

use super::json::Json;
use super::wire::{Heard, Wire};

/// A data connection.
pub struct Data {
    pub wire: Wire,
    last_request: u32,
}

/// A frame of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Data { request: u32, offset: u64, bytes: Vec<u8> },
    End { request: u32 },
    Error { request: u32, offset: u64, code: String },
    Pong { request: u32 },
    Stored { request: u32, file: FileId, stored: u64 },
}

impl Data {
    /// Logs in with a token on a connection that has said nothing yet.
    #[track_caller]
    pub fn login(wire: Wire, user: &str, token: &str) -> Data {
        let mut json = Json::new(wire);
        let named = json.ok(json!({"cmd": "login", "user": user, "token": token, "data": true}));
        assert_eq!(named["user"], user);
        assert_eq!(named.get("rooms"), None, "it is in no room");
        Data { wire: json.wire, last_request: 0 }
    }

    /// A number that no request had yet.
    pub fn next(&mut self) -> u32 {
        self.last_request += 1;
        self.last_request
    }

    pub fn send(&mut self, frame: ClientFrame<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.wire.send(&bytes);
    }

    /// Sends a PUT, and gives its number.
    pub fn put(&mut self, file: FileId, offset: usize, bytes: &[u8]) -> u32 {
        let request = self.next();
        self.send(ClientFrame::Put { request, file, offset: offset as u64, bytes });
        request
    }

    /// Sends a GET, and gives its number.
    pub fn get(&mut self, file: FileId, offset: usize, length: usize) -> u32 {
        let request = self.next();
        let (offset, length) = (offset as u64, length as u64);
        self.send(ClientFrame::Get { request, file, offset, length });
        request
    }

    /// The next frame; `None`: the connection ended.
    #[track_caller]
    pub fn try_frame(&mut self) -> Option<Frame> {
        let mut bytes = vec![0; HEAD_BYTES];
        if !self.wire.fill(&mut bytes) {
            return None;
        }
        let head = Head::decode(bytes.first_chunk().expect("so many were read")).expect("a frame's head");
        bytes.resize(HEAD_BYTES + head.body, 0);
        assert!(self.wire.fill(&mut bytes[HEAD_BYTES..]), "cut within a frame: {head:?}");
        let decoded = ServerFrame::decode(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
        let Decoded::Frame { frame, .. } = decoded else { panic!("a whole frame is one") };
        Some(match frame {
            ServerFrame::Data { request, offset, bytes } => {
                Frame::Data { request, offset, bytes: bytes.to_vec() }
            }
            ServerFrame::End { request } => Frame::End { request },
            ServerFrame::Error { request, offset, code, text } => {
                assert!(!text.is_empty(), "{code} says nothing");
                Frame::Error { request, offset, code: code.to_owned() }
            }
            ServerFrame::Pong { request } => Frame::Pong { request },
            ServerFrame::Stored { request, file, stored } => Frame::Stored { request, file, stored },
        })
    }

    #[track_caller]
    pub fn frame(&mut self) -> Frame {
        self.try_frame().expect("the connection goes on")
    }

    /// The next frame is the answer to a PUT that went well.
    #[track_caller]
    pub fn stored(&mut self, request: u32, file: FileId, stored: usize) {
        assert_eq!(self.frame(), Frame::Stored { request, file, stored: stored as u64 });
    }

    /// The next frame is this refusal.
    #[track_caller]
    pub fn refused(&mut self, request: u32, code: &str, offset: usize) {
        let expected = Frame::Error { request, offset: offset as u64, code: code.to_owned() };
        assert_eq!(self.frame(), expected);
    }

    /// The connection ends with this last word about itself.
    #[track_caller]
    pub fn ends_with(&mut self, code: &str) {
        self.refused(0, code, 0);
        assert_eq!(self.try_frame(), None, "the connection is over");
        assert_eq!(self.wire.hear(), Heard::Closed);
    }

    /// What a GET gives: its bytes come in order and without gaps.
    #[track_caller]
    pub fn bytes(&mut self, request: u32, range: Range<usize>) -> Vec<u8> {
        let mut found = Vec::new();
        loop {
            match self.frame() {
                Frame::Data { request: of, offset, bytes } => {
                    assert_eq!((of, offset), (request, (range.start + found.len()) as u64));
                    found.extend(bytes);
                    assert!(found.len() <= range.len(), "more than was asked for");
                }
                Frame::End { request: of } => {
                    assert_eq!((of, found.len()), (request, range.len()));
                    return found;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Sends all of an upload from an offset on, several PUTs at a time.
    #[track_caller]
    pub fn put_all(&mut self, file: FileId, bytes: &[u8], from: usize) {
        let mut sent = Vec::new();
        for (index, piece) in bytes[from..].chunks(PIECE_BYTES).enumerate() {
            let offset = from + index * PIECE_BYTES;
            sent.push((self.put(file, offset, piece), offset + piece.len()));
        }
        for (request, end) in sent {
            match self.frame() {
                Frame::Stored { request: of, file: what, stored } => {
                    assert_eq!((of, what), (request, file));
                    assert!(stored >= end as u64, "{stored} are stored after {end} were sent");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[track_caller]
    pub fn get_all(&mut self, file: FileId, size: usize) -> Vec<u8> {
        let request = self.get(file, 0, 0);
        self.bytes(request, 0..size)
    }
}

/// Makes room for a file, and gives its number.
#[track_caller]
pub fn upload(json: &mut Json, size: usize) -> FileId {
    id(&json.ok(json!({"cmd": "upload", "size": size})))
}

/// The file that a reply is about.
#[track_caller]
pub fn id(reply: &Value) -> FileId {
    let text = reply["file"].as_str().unwrap_or_else(|| panic!("a file in {reply}"));
    FileId::parse(text).unwrap_or_else(|| panic!("a file's number in {reply}"))
}

/// Bytes that are like no others, so that a piece in the wrong place is seen.
pub fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
