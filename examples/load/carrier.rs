//! A connection that carries files, on a thread of its own that may wait.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection};
use serde_json::{Value, json};
use sottovoce::dialect::frame::client::{ClientFrame, put_head};
use sottovoce::dialect::frame::server::ServerFrame;
use sottovoce::dialect::frame::{Decoded, HEAD_BYTES, Head};
use sottovoce::proto::id::FileId;
use sottovoce::proto::limits::PIECE_BYTES;

use crate::Outcome;

/// A TLS connection for lines, and for frames once it was asked for them.
pub struct Carrier {
    tls: ClientConnection,
    writes: TcpStream,
    /// Many records are read with one call.
    reads: BufReader<TcpStream>,
    /// What is read and not looked at yet, from `start` on.
    plain: Vec<u8>,
    start: usize,
    scratch: Box<[u8]>,
    last_request: u32,
}

impl Carrier {
    pub fn connect(to: SocketAddr, config: &Arc<ClientConfig>) -> Outcome<Carrier> {
        let socket = TcpStream::connect(to)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        socket.set_write_timeout(Some(SILENCE_MAX))?;
        let mut tls = ClientConnection::new(Arc::clone(config), to.ip().into())?;
        tls.set_buffer_limit(None);
        let reads = BufReader::with_capacity(READ_BYTES, socket.try_clone()?);
        let scratch = vec![0; RECORD_BYTES].into_boxed_slice();
        Ok(Carrier { tls, writes: socket, reads, plain: Vec::new(), start: 0, scratch, last_request: 0 })
    }

    /// Registers an account, and gives its token.
    pub fn register(&mut self, name: &str) -> Outcome<String> {
        let named = self.ask(json!({"cmd": "register", "user": name, "password": "correct horse"}))?;
        Ok(named["token"].as_str().ok_or("no token")?.to_owned())
    }

    /// From now on this connection speaks frames.
    pub fn carry(&mut self, name: &str, token: &str) -> Outcome<()> {
        self.ask(json!({"cmd": "login", "user": name, "token": token, "data": true})).map(drop)
    }

    /// Makes room for a file.
    pub fn upload(&mut self, size: u64) -> Outcome<FileId> {
        let begun = self.ask(json!({"cmd": "upload", "size": size}))?;
        Ok(begun["file"].as_str().and_then(FileId::parse).ok_or("no file")?)
    }

    /// The upload is on the disk; returns how long that took.
    pub fn finish(&mut self, file: FileId) -> Outcome<Duration> {
        let began = Instant::now();
        self.ask(json!({"cmd": "finish", "file": file.to_string()}))?;
        Ok(began.elapsed())
    }

    pub fn delete(&mut self, file: FileId) -> Outcome<()> {
        self.ask(json!({"cmd": "delete", "file": file.to_string()})).map(drop)
    }

    fn ask(&mut self, mut request: Value) -> Outcome<Value> {
        request["id"] = 1.into();
        self.send(format!("{request}\n").as_bytes())?;
        loop {
            if let Some(end) = self.plain[self.start..].iter().position(|&byte| byte == b'\n') {
                let reply: Value = serde_json::from_slice(&self.plain[self.start..self.start + end])?;
                self.start += end + 1;
                match (reply.get("re"), reply.get("ok")) {
                    (Some(_), Some(ok)) => return Ok(ok.clone()),
                    (Some(_), None) => return Err(format!("{request} got {reply}").into()),
                    (None, _) => continue,
                }
            }
            self.receive()?;
        }
    }

    /// Sends a whole file, with a window of PUTs that are not answered. Returns how long it took.
    pub fn put(&mut self, file: FileId, size: u64, piece: &[u8; PIECE_BYTES]) -> Outcome<Duration> {
        let began = Instant::now();
        let (mut offset, mut open) = (0, 0);
        while offset < size || open > 0 {
            if offset < size && open < PUTS_OPEN_MAX {
                let bytes = usize::try_from(size - offset).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
                self.last_request += 1;
                self.tls.writer().write_all(&put_head(self.last_request, file, offset, bytes))?;
                self.send(&piece[..bytes])?;
                (offset, open) = (offset + bytes as u64, open + 1);
                continue;
            }
            self.frame(|frame| match frame {
                ServerFrame::Stored { .. } => Ok(()),
                other => Err(format!("a PUT got {other:?}").into()),
            })?;
            open -= 1;
        }
        Ok(began.elapsed())
    }

    /// Fetches a whole file, and compares it with what it was made of. Returns how long it took.
    pub fn get(&mut self, file: FileId, size: u64, piece: &[u8; PIECE_BYTES]) -> Outcome<Duration> {
        let began = Instant::now();
        self.last_request += 1;
        let mut wire = Vec::new();
        ClientFrame::Get { request: self.last_request, file, offset: 0, length: 0 }.encode(&mut wire);
        self.send(&wire)?;
        let mut found = 0;
        let mut ended = false;
        while !ended {
            self.frame(|frame| match frame {
                ServerFrame::Data { offset, bytes, .. } => {
                    let from = usize::try_from(offset).unwrap_or(0) % PIECE_BYTES;
                    let expected = piece.get(from..from + bytes.len());
                    if offset != found || expected != Some(bytes) {
                        return Err(format!("{} bytes at {offset} are not what was sent", bytes.len()).into());
                    }
                    found += bytes.len() as u64;
                    Ok(())
                }
                ServerFrame::End { .. } => {
                    ended = true;
                    Ok(())
                }
                other => Err(format!("a GET got {other:?}").into()),
            })?;
        }
        if found == size { Ok(began.elapsed()) } else { Err(format!("{found} bytes of {size} came").into()) }
    }

    /// Waits for the next frame.
    fn frame(&mut self, take: impl FnOnce(ServerFrame<'_>) -> Outcome<()>) -> Outcome<()> {
        loop {
            let rest = &self.plain[self.start..];
            let whole = match rest.first_chunk() {
                Some(head) => HEAD_BYTES + Head::decode(head)?.body,
                None => HEAD_BYTES,
            };
            if rest.len() < whole || rest.len() < HEAD_BYTES {
                self.receive()?;
                continue;
            }
            let Decoded::Frame { frame, consumed } = ServerFrame::decode(rest)? else {
                return Err("a whole frame is none".into());
            };
            take(frame)?;
            self.start += consumed;
            return Ok(());
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.tls.writer().write_all(bytes)?;
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.writes)?;
        }
        Ok(())
    }

    /// Reads what is there, at least something.
    fn receive(&mut self) -> Outcome<()> {
        if self.start > 0 {
            self.plain.drain(..self.start);
            self.start = 0;
        }
        loop {
            match self.tls.reader().read(&mut self.scratch[..]) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(count) => {
                    self.plain.extend_from_slice(&self.scratch[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            while self.tls.wants_write() {
                self.tls.write_tls(&mut self.writes)?;
            }
            if self.tls.read_tls(&mut self.reads)? == 0 {
                return Err("the server closed the connection".into());
            }
            self.tls.process_new_packets()?;
        }
    }
}

/// What every file is made of: bytes that no disk and no file system can make less of.
pub fn piece() -> Box<[u8; PIECE_BYTES]> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::with_capacity(PIECE_BYTES);
    while bytes.len() < PIECE_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.try_into().expect("a multiple of eight")
}

/// PUTs that are not answered: four megabytes, more than is under way on loopback.
const PUTS_OPEN_MAX: usize = 16;
const READ_BYTES: usize = 256 * 1024;
/// What one record holds.
const RECORD_BYTES: usize = 16 * 1024;
/// A server that says nothing for so long has stopped working.
const SILENCE_MAX: Duration = Duration::from_secs(60);
