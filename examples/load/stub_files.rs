//! A stub for files beside that of the chat, on one port: TLS is for files, plain lines for the chat.
//!
//! Every account is let in, and what is sent is kept in memory. It can be told to spoil a byte.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use sottovoce::dialect::frame::client::ClientFrame;
use sottovoce::dialect::frame::server::ServerFrame;
use sottovoce::dialect::frame::{Decoded, HEAD_BYTES, Head};
use sottovoce::proto::id::FileId;
use sottovoce::proto::limits::PIECE_BYTES;

use crate::stub::{self, Chat, Habit};

/// What is done to the bytes of a file on their way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    Good,
    /// The last byte of each file is another one.
    Spoils,
}

#[derive(Default)]
struct Shelf {
    files: BTreeMap<FileId, Vec<u8>>,
    made: u8,
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// Its address; it ends with the test.
pub fn start(care: Care) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let config = Arc::new(stub::tls_config());
    let (chat, shelf) = (Arc::new(Mutex::new(Chat::default())), Arc::new(Mutex::new(Shelf::default())));
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (config, chat, shelf) = (Arc::clone(&config), Arc::clone(&chat), Arc::clone(&shelf));
            thread::spawn(move || {
                let mut first = [0];
                socket.peek(&mut first).ok()?;
                match first[0] {
                    HANDSHAKE => serve(socket, config, &shelf, care),
                    _ => stub::serve(socket, &chat, Habit::Good),
                }
            });
        }
    });
    address
}

/// Lines until somebody logs in for files, and frames from then on.
fn serve(socket: TcpStream, config: Arc<ServerConfig>, shelf: &Mutex<Shelf>, care: Care) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let session = ServerConnection::new(config).ok()?;
    let mut stream = BufReader::new(StreamOwned::new(session, socket));
    let mut line = String::new();
    while stream.read_line(&mut line).ok()? > 0 {
        let request: Value = serde_json::from_str(&line).ok()?;
        let reply = shelf.lock().unwrap_or_else(PoisonError::into_inner).answer(&request)?;
        let reply = json!({"re": request["id"], "ok": reply});
        stream.get_mut().write_all(format!("{reply}\n").as_bytes()).ok()?;
        if request["data"] == true {
            while frame(&mut stream, shelf, care).is_some() {}
            return None;
        }
        line.clear();
    }
    Some(())
}

/// Answers the next frame.
fn frame(stream: &mut Stream, shelf: &Mutex<Shelf>, care: Care) -> Option<()> {
    let mut wire = vec![0; HEAD_BYTES];
    stream.read_exact(&mut wire).ok()?;
    let head = Head::decode(wire.first_chunk()?).ok()?;
    wire.resize(HEAD_BYTES + head.body, 0);
    stream.read_exact(&mut wire[HEAD_BYTES..]).ok()?;
    let Decoded::Frame { frame, .. } = ClientFrame::decode(&wire).ok()? else { return None };
    let mut out = Vec::new();
    let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
    match frame {
        ClientFrame::Put { request, file, bytes, .. } => {
            let kept = shelf.files.get_mut(&file)?;
            kept.extend_from_slice(bytes);
            ServerFrame::Stored { request, file, stored: kept.len() as u64 }.encode(&mut out);
        }
        ClientFrame::Get { request, file, .. } => {
            let mut kept = shelf.files.get(&file)?.clone();
            if care == Care::Spoils {
                *kept.last_mut()? ^= 1;
            }
            for (number, bytes) in kept.chunks(PIECE_BYTES).enumerate() {
                let offset = (number * PIECE_BYTES) as u64;
                ServerFrame::Data { request, offset, bytes }.encode(&mut out);
            }
            ServerFrame::End { request }.encode(&mut out);
        }
        ClientFrame::Cancel { .. } | ClientFrame::Ping { .. } => return None,
    }
    drop(shelf);
    stream.get_mut().write_all(&out).ok()
}

impl Shelf {
    fn answer(&mut self, request: &Value) -> Option<Value> {
        let file = || request["file"].as_str().and_then(FileId::parse);
        Some(match request["cmd"].as_str()? {
            "register" | "login" => json!({"user": request["user"], "token": "a token"}),
            "upload" => {
                self.made += 1;
                let file = FileId([self.made; 16]);
                self.files.insert(file, Vec::new());
                json!({"file": file.to_string()})
            }
            "finish" => json!({"file": file()?.to_string()}),
            "delete" => {
                self.files.remove(&file()?)?;
                json!({"file": file()?.to_string()})
            }
            _ => return None,
        })
    }
}

/// The first byte of everybody who speaks TLS.
const HANDSHAKE: u8 = 0x16;
