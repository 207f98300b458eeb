//! The bare limit: a process of its own that only writes the same bytes to as many sockets; and for files,
//! a thread that only reads what another writes.
//!
//! An epoll loop as simple as can be: no parsing, no rooms, no queues, no log. It writes 16 lines to
//! each socket that takes them, in turn. What a chat server delivers is compared with what this does in
//! the same run, read by the same reader.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use socket2::{Domain, Protocol, Socket, Type};

use crate::Outcome;
use crate::carrier;
use crate::ledger::{Ledger, around_room, parse, text};
use crate::swarm::{Answer, Listener, Swarm};

/// Deliveries a second of the bare loop.
pub fn measure(receivers: usize, line_bytes: usize, how_long: Duration) -> Outcome<f64> {
    let mut writer = Process::start(["bare-writer", &receivers.to_string(), &line_bytes.to_string()])?;
    let mut swarm = Swarm::new(writer.address)?;
    for _ in 0..receivers {
        swarm.open(false)?;
    }
    let mut reader = Reader { ledger: Ledger::new(receivers, 1).with_cycle(LINES_PER_WRITE), ended: 0 };
    // The writer begins when all are there. Of many at once the system may let some wait for a second.
    let began = Instant::now();
    while reader.ledger.received.contains(&0) && reader.ended == 0 && began.elapsed() < ACCEPT_MAX {
        swarm.turn(TURN, &mut reader)?;
    }
    let began = Instant::now();
    while began.elapsed() < WARM_UP {
        swarm.turn(TURN, &mut reader)?;
    }
    let (before, measured) = (reader.ledger.deliveries, Instant::now());
    while measured.elapsed() < how_long {
        swarm.turn(TURN, &mut reader)?;
    }
    let rate = (reader.ledger.deliveries - before) as f64 / measured.elapsed().as_secs_f64();
    writer.child.kill()?;
    writer.child.wait()?;
    if reader.ended > 0 || reader.ledger.received.contains(&0) {
        return Err("the bare loop did not reach every reader".into());
    }
    Ok(rate)
}

/// Bytes a second from one thread to another over TLS on loopback: what remains of a transfer when nobody is
/// in between, and nothing is kept.
pub fn tls_rate(bytes: u64, config: &Arc<ClientConfig>) -> Outcome<f64> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let to = listener.local_addr()?;
    let made = rcgen::generate_simple_self_signed([String::from("localhost")])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    let reader = thread::spawn(move || -> io::Result<Duration> {
        let mut socket = listener.accept()?.0;
        let mut tls = ServerConnection::new(Arc::new(server)).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        let mut socket = BufReader::with_capacity(256 * 1024, socket);
        let (began, mut found, mut plain) = (Instant::now(), 0, vec![0; 256 * 1024]);
        while found < bytes {
            match tls.reader().read(&mut plain) {
                Ok(count) => found += count as u64,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tls.read_tls(&mut socket)?;
                    tls.process_new_packets().map_err(io::Error::other)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(began.elapsed())
    });
    let mut socket = std::net::TcpStream::connect(to)?;
    let mut tls = ClientConnection::new(Arc::clone(config), to.ip().into())?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    let piece = carrier::piece();
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        tls.set_buffer_limit(None);
        tls.writer().write_all(&piece[..count])?;
        while tls.wants_write() {
            tls.write_tls(&mut socket)?;
        }
        left -= count as u64;
    }
    let took = reader.join().map_err(|_| "the reader of the bare limit ended badly")??;
    Ok(bytes as f64 / took.as_secs_f64())
}

/// This program once more, as something simple to compare with.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    pub fn start<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Outcome<Process> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output is a pipe")).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|_| format!("the bare loop said {line:?}"))?;
        Ok(Process { child, address })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone in the ordinary case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Reader {
    ledger: Ledger,
    ended: usize,
}

impl Listener for Reader {
    // The same work per line as for the real server's lines.
    fn line(&mut self, key: usize, line: &[u8], _answer: &mut Answer) {
        if let Some((sender, number)) = parse(line) {
            self.ledger.record(key, sender, number);
        }
    }

    fn closed(&mut self, _key: usize, _why: &str) {
        self.ended += 1;
    }
}

/// Somewhere to come to, and says where.
pub fn listen() -> Outcome<TcpListener> {
    // As many as come at once must fit: whoever is turned away here never notices.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into());
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    Ok(listener)
}

/// The other process: writes until its readers are gone.
pub fn write_forever(receivers: usize, line_bytes: usize) -> Outcome<()> {
    let mut listener = listen()?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry().register(&mut listener, Token(usize::MAX), Interest::READABLE)?;
    let mut sockets: Vec<Target> = Vec::new();
    while sockets.len() < receivers {
        poll.poll(&mut events, Some(ACCEPT_MAX))?;
        if events.is_empty() {
            return Err("the readers did not come".into());
        }
        while let Ok((mut socket, _)) = listener.accept() {
            socket.set_nodelay(true)?;
            poll.registry().register(&mut socket, Token(sockets.len()), Interest::WRITABLE)?;
            sockets.push(Target { socket, sent: 0, writable: true });
        }
    }
    let lines = sixteen_lines(line_bytes);
    loop {
        let mut written = 0;
        for target in sockets.iter_mut().filter(|target| target.writable) {
            match target.socket.write(&lines[target.sent..]) {
                Ok(count) => target.sent = (target.sent + count) % lines.len(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => target.writable = false,
                Err(_) => return Ok(()),
            }
            written += 1;
        }
        let timeout = if written > 0 { Duration::ZERO } else { ACCEPT_MAX };
        poll.poll(&mut events, Some(timeout))?;
        for event in &events {
            if let Some(target) = sockets.get_mut(event.token().0) {
                target.writable = true;
            }
        }
    }
}

struct Target {
    socket: TcpStream,
    sent: usize,
    writable: bool,
}

fn sixteen_lines(line_bytes: usize) -> Vec<u8> {
    let before = "[12:00] #fan <s0000> ";
    let around = around_room("#fan", "s0000");
    (0..LINES_PER_WRITE)
        .flat_map(|number| format!("{before}{}\n", text(0, number, line_bytes, around)).into_bytes())
        .collect()
}

const LINES_PER_WRITE: u32 = 16;
const WARM_UP: Duration = Duration::from_millis(500);
const TURN: Duration = Duration::from_millis(50);
/// Connections that wait to be accepted; the same as the server's.
const BACKLOG: i32 = 4096;
/// The writer must not outlive a reader that crashed before it connected.
const ACCEPT_MAX: Duration = Duration::from_secs(10);
