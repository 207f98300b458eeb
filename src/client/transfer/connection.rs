//! One data connection: frames on a [`Stream`], in a thread that may wait.

use std::net::TcpStream;

use crate::client::transfer::record::Blob;
use crate::client::transfer::stream::{Broken, Stream};
use crate::dialect::frame::client::{ClientFrame, put_head};
use crate::dialect::frame::server::{DATA, OFFSET_BYTES, ServerFrame};
use crate::dialect::frame::{Decoded, HEAD_BYTES, Head};
use crate::proto::id::FileId;
use crate::proto::limits::PIECE_BYTES;
use crate::proto::text::sanitise;

/// A connection after its login.
pub struct Connection {
    stream: Stream,
    /// The number of the last request.
    request: u32,
}

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// These are in the buffer that was given.
    Data {
        offset: u64,
    },
    End,
    Failed(Failed),
    Pong,
    Stored {
        stored: u64,
    },
}

/// Why a request came to nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed {
    /// Where a PUT would have to go on.
    pub offset: u64,
    pub code: String,
    /// Safe to show.
    pub text: String,
}

impl Connection {
    pub fn new(stream: Stream) -> Connection {
        Connection { stream, request: 0 }
    }

    /// For who wants to end it from another thread.
    pub fn tcp(&self) -> &TcpStream {
        self.stream.tcp()
    }

    /// Sends the next bytes of an upload.
    pub fn put(&mut self, blob: Blob, offset: u64, bytes: &[u8]) -> Result<(), Broken> {
        let head = put_head(self.next_request(), FileId(blob.0), offset, bytes.len());
        self.stream.send(&head)?;
        self.stream.send(bytes)
    }

    /// Asks for a part of a blob; `length` 0: to its end.
    pub fn get(&mut self, blob: Blob, offset: u64, length: u64) -> Result<(), Broken> {
        let request = self.next_request();
        self.send(ClientFrame::Get { request, file: FileId(blob.0), offset, length })
    }

    /// Asks whether the server is there.
    pub fn ping(&mut self) -> Result<(), Broken> {
        let request = self.next_request();
        self.send(ClientFrame::Ping { request })
    }

    fn send(&mut self, frame: ClientFrame<'_>) -> Result<(), Broken> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.stream.send(&bytes)
    }

    fn next_request(&mut self) -> u32 {
        // 0 is the connection itself.
        self.request = self.request.checked_add(1).unwrap_or(1);
        self.request
    }

    /// Waits for the next frame. The bytes of DATA replace those in `data`.
    pub fn receive(&mut self, data: &mut Vec<u8>) -> Result<Told, Broken> {
        let mut head = [0; HEAD_BYTES];
        self.stream.receive_exact(&mut head)?;
        let Head { kind, body, .. } =
            Head::decode(&head).map_err(|error| Broken::Garbage(error.to_string()))?;
        if kind == DATA {
            return self.receive_data(body, data);
        }
        // A head never tells of more than a piece and a little.
        let mut frame = head.to_vec();
        frame.resize(HEAD_BYTES + body, 0);
        self.stream.receive_exact(&mut frame[HEAD_BYTES..])?;
        told(&frame)
    }

    fn receive_data(&mut self, body: usize, data: &mut Vec<u8>) -> Result<Told, Broken> {
        let length = match body.checked_sub(OFFSET_BYTES) {
            Some(length @ 1..=PIECE_BYTES) => length,
            _ => return Err(Broken::Garbage("data of a wrong length".to_owned())),
        };
        let mut offset = [0; OFFSET_BYTES];
        self.stream.receive_exact(&mut offset)?;
        data.resize(length, 0);
        self.stream.receive_exact(data)?;
        Ok(Told::Data { offset: u64::from_be_bytes(offset) })
    }
}

/// A whole frame that is not DATA.
fn told(frame: &[u8]) -> Result<Told, Broken> {
    let garbage = |what: &str| Broken::Garbage(what.to_owned());
    let frame = match ServerFrame::decode(frame) {
        Ok(Decoded::Frame { frame, .. }) => frame,
        Ok(Decoded::Needs(_)) => return Err(garbage("half a frame")),
        Err(error) => return Err(garbage(&error.to_string())),
    };
    Ok(match frame {
        // The connection is about to end, and this is why.
        ServerFrame::Error { request: 0, text, .. } => {
            return Err(Broken::Ended(sanitise(text).into_owned()));
        }
        ServerFrame::Error { offset, code, text, .. } => {
            let text = format!("{}: {}", sanitise(code), sanitise(text));
            Told::Failed(Failed { offset, code: code.to_owned(), text })
        }
        ServerFrame::Data { .. } => return Err(garbage("data of a wrong length")),
        ServerFrame::End { .. } => Told::End,
        ServerFrame::Pong { .. } => Told::Pong,
        ServerFrame::Stored { stored, .. } => Told::Stored { stored },
    })
}
