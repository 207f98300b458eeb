//! A server of blobs in memory, with faults: what a data connection meets, without the rest.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use crate::client::link::Target;
use crate::client::session::event::Failure;
use crate::client::trust::Server;
use crate::client::wire::{Clean, Refused};
use crate::dialect::frame::HEAD_BYTES;
use crate::dialect::frame::client::ClientFrame;
use crate::dialect::frame::server::ServerFrame;
use crate::dialect::frame::{Decoded, Head};
use crate::proto::command::Command;
use crate::proto::event::Answer;
use crate::proto::id::{AccountId, DeviceId, FileId};
use crate::proto::keys::Devices;
use crate::proto::name::UserName;
use crate::proto::refusal::Code;
use crate::proto::time::Timestamp;

/// A running stub; see the [module](self).
pub struct Stub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    pub blobs: BTreeMap<[u8; 16], Blob>,
    made: u8,
    /// Connections that were made, that there are, and the most that there were at once.
    pub connections: usize,
    open: Vec<TcpStream>,
    pub open_max: usize,
    /// The next connections end when they have carried so many bytes of files.
    pub cuts: VecDeque<u64>,
    /// The next PUTs are answered with this.
    pub put_refusals: VecDeque<Code>,
    /// Logins are answered with this.
    pub login_refusal: Option<Code>,
    /// Bytes of files that came, and that went.
    pub taken: u64,
    pub given: u64,
}

#[derive(Default)]
pub struct Blob {
    size: u64,
    pub bytes: Vec<u8>,
    pub complete: bool,
}

impl Stub {
    pub fn start() -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let peer = tcp.peer_addr().ok();
                    // However it ends, the client sees only that it has ended.
                    let _ = serve(&tcp, &shared);
                    let _ = tcp.shutdown(Shutdown::Both);
                    shared.lock().unwrap().open.retain(|open| open.peer_addr().ok() != peer);
                });
            }
        });
        Stub { address, state }
    }

    pub fn target(&self) -> Target {
        let server = Server { host: "127.0.0.1".to_owned(), port: self.address.port() };
        Target { server, plaintext: true }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Ends all connections, as a server that dies does.
    pub fn hang_up(&self) {
        for tcp in std::mem::take(&mut self.state().open) {
            // It may have ended by itself.
            let _ = tcp.shutdown(Shutdown::Both);
        }
    }

    /// The only blob there is.
    pub fn blob<T>(&self, what: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut state = self.state();
        assert_eq!(state.blobs.len(), 1);
        what(&mut state.blobs.values_mut().next().expect("one").bytes)
    }

    /// What is asked on the chat's connection.
    pub fn ask(&self, command: &Command<'_>) -> Result<Answer, Failure> {
        let mut state = self.state();
        let gone = || refused(Code::NoSuchFile);
        let id = |file: &str| FileId::parse(file).expect("a file");
        match command {
            Command::Devices { user: Some(user) } => {
                let user = UserName::parse(user).expect("a name");
                let devices = DeviceId::new(1).map(|device| (device, None)).into_iter().collect();
                Ok(Answer::Devices(Devices { user, uid: Some(AccountId(2)), identity: None, devices }))
            }
            Command::Upload { size, readers: _ } => {
                state.made += 1;
                let file = FileId([state.made; 16]);
                state.blobs.insert(file.0, Blob { size: *size, ..Blob::default() });
                Ok(Answer::UploadBegun { file, size: *size, expires: Timestamp(0) })
            }
            Command::UploadStatus { file } => {
                let file = id(file);
                let Blob { size, bytes, complete } = state.blobs.get(&file.0).ok_or_else(gone)?;
                let (size, complete) = (*size, *complete);
                Ok(Answer::UploadStatus { file, size, stored: bytes.len() as u64, complete })
            }
            Command::Finish { file } => {
                let file = id(file);
                let blob = state.blobs.get_mut(&file.0).ok_or_else(gone)?;
                if blob.bytes.len() as u64 != blob.size {
                    return Err(refused(Code::Incomplete));
                }
                blob.complete = true;
                Ok(Answer::Finished { file })
            }
            Command::Delete { file } | Command::Decline { file } => {
                let file = id(file);
                state.blobs.remove(&file.0).ok_or_else(gone)?;
                Ok(Answer::Deleted { file })
            }
            other => panic!("{other:?} is not asked for transfers"),
        }
    }
}

pub fn refused(code: Code) -> Failure {
    let clean = |text: &str| Clean(text.into());
    Failure::Refused(Refused { code: clean(code.as_str()), text: clean("because") })
}

fn serve(tcp: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let mut budget = {
        let mut state = state.lock().unwrap();
        state.connections += 1;
        state.open.push(tcp.try_clone()?);
        state.open_max = state.open_max.max(state.open.len());
        state.cuts.pop_front()
    };
    let mut input = BufReader::new(tcp);
    let mut line = String::new();
    input.read_line(&mut line)?;
    assert!(line.contains(r#""cmd":"login""#) && line.contains(r#""data":true"#), "{line}");
    let refusal = state.lock().unwrap().login_refusal;
    let answer = match refusal {
        Some(code) => format!(r#"{{"re":1,"err":{{"code":"{}","text":"because"}}}}"#, code.as_str()),
        None => r#"{"re":1,"ok":{"user":"alice"}}"#.to_owned(),
    };
    (&mut &*tcp).write_all(format!("{answer}\n").as_bytes())?;
    loop {
        let mut frame = vec![0; HEAD_BYTES];
        input.read_exact(&mut frame)?;
        let head = Head::decode(frame.first_chunk().expect("a head")).expect("a frame");
        frame.resize(HEAD_BYTES + head.body, 0);
        input.read_exact(&mut frame[HEAD_BYTES..])?;
        let Ok(Decoded::Frame { frame, .. }) = ClientFrame::decode(&frame) else { panic!("not a frame") };
        match frame {
            ClientFrame::Put { request, file, offset, bytes } => {
                let answer = put(state, &mut budget, request, file, offset, bytes)?;
                (&mut &*tcp).write_all(&answer)?;
            }
            ClientFrame::Get { request, file, offset, length } => {
                get(tcp, state, &mut budget, request, file, offset, length)?;
            }
            other => panic!("{other:?} was not expected"),
        }
    }
}

/// Takes so much from what a connection may carry; at its end the connection ends.
fn spend(budget: &mut Option<u64>, bytes: usize) -> io::Result<usize> {
    let Some(left) = budget else { return Ok(bytes) };
    let allowed = bytes.min(*left as usize);
    *left -= allowed as u64;
    if allowed == 0 && bytes > 0 { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(allowed) }
}

fn put(
    state: &Mutex<State>,
    budget: &mut Option<u64>,
    request: u32,
    file: FileId,
    offset: u64,
    bytes: &[u8],
) -> io::Result<Vec<u8>> {
    let mut state = state.lock().unwrap();
    let mut out = Vec::new();
    let refusal = state.put_refusals.pop_front();
    let Some(blob) = state.blobs.get_mut(&file.0) else {
        error(request, 0, Code::NoSuchFile, &mut out);
        return Ok(out);
    };
    let stored = blob.bytes.len() as u64;
    if let Some(code) = refusal {
        error(request, stored, code, &mut out);
    } else if offset != stored || stored + bytes.len() as u64 > blob.size {
        error(request, stored, Code::BadOffset, &mut out);
    } else {
        let allowed = spend(budget, bytes.len())?;
        blob.bytes.extend_from_slice(&bytes[..allowed]);
        let stored = blob.bytes.len() as u64;
        state.taken += allowed as u64;
        if allowed < bytes.len() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        ServerFrame::Stored { request, file, stored }.encode(&mut out);
    }
    Ok(out)
}

fn get(
    mut tcp: &TcpStream,
    state: &Mutex<State>,
    budget: &mut Option<u64>,
    request: u32,
    file: FileId,
    mut offset: u64,
    length: u64,
) -> io::Result<()> {
    let mut out = Vec::new();
    let blob = {
        let state = state.lock().unwrap();
        let blob = state.blobs.get(&file.0).filter(|blob| blob.complete);
        blob.map(|blob| blob.bytes.clone())
    };
    let Some(blob) = blob else {
        error(request, 0, Code::NoSuchFile, &mut out);
        return tcp.write_all(&out);
    };
    let end = if length == 0 { blob.len() as u64 } else { offset + length };
    let Some(part) = blob.get(offset as usize..end as usize) else {
        error(request, blob.len() as u64, Code::BadOffset, &mut out);
        return tcp.write_all(&out);
    };
    // Other pieces than the server's, and than those of the upload.
    for bytes in part.chunks(100_000) {
        let bytes = &bytes[..spend(budget, bytes.len())?];
        out.clear();
        ServerFrame::Data { request, offset, bytes }.encode(&mut out);
        tcp.write_all(&out)?;
        offset += bytes.len() as u64;
        state.lock().unwrap().given += bytes.len() as u64;
        if *budget == Some(0) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
    out.clear();
    ServerFrame::End { request }.encode(&mut out);
    tcp.write_all(&out)
}

fn error(request: u32, offset: u64, code: Code, out: &mut Vec<u8>) {
    ServerFrame::Error { request, offset, code: code.as_str(), text: "because" }.encode(out);
}
