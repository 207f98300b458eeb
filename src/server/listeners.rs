//! Listening sockets: bound at start, accepted from within a budget, resting when the system has no
//! more descriptors.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::proto::time::Instant;
use crate::server::StartError;
use crate::server::sockets::FIRST_TOKEN;

#[derive(Debug)]
pub struct Listeners {
    all: Vec<Listener>,
    /// No descriptor was left; nothing is accepted before this.
    resting_until: Option<Instant>,
    /// The turn to be accepted from goes round.
    next: usize,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    /// The system may have connections for us.
    ready: bool,
}

/// What came of accepting.
#[derive(Debug)]
pub enum Accepted {
    Connection(TcpStream, IpAddr),
    Nothing,
    /// The system has no descriptors left, for the operator's log.
    Resting(io::Error),
}

impl Listeners {
    /// Binds every address. One that is only a default may fail, as long as another succeeds.
    pub fn bind(
        addresses: &[SocketAddr],
        only_defaults: bool,
        idle: Option<Duration>,
        registry: &Registry,
    ) -> Result<Listeners, StartError> {
        let mut listeners = Listeners::none();
        let mut failed = None;
        for &address in addresses {
            match listeners.add(address, idle, registry) {
                Ok(()) => {}
                Err(error) if only_defaults => {
                    log::warn!("cannot listen on {address}: {error}");
                    failed = Some((address, error));
                }
                Err(error) => return Err(StartError::Listen { address, error }),
            }
        }
        match failed {
            Some((address, error)) if listeners.all.is_empty() => Err(StartError::Listen { address, error }),
            _ => Ok(listeners),
        }
    }

    fn add(&mut self, address: SocketAddr, idle: Option<Duration>, registry: &Registry) -> io::Result<()> {
        assert!(self.all.len() < FIRST_TOKEN - 1, "the configuration bounds the number of listeners");
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            // Both families of one port are two listeners.
            socket.set_only_v6(true)?;
        }
        if cfg!(unix) {
            // On Windows it would let two servers share the port.
            socket.set_reuse_address(true)?;
        }
        socket.set_nonblocking(true)?;
        tune(&SockRef::from(&socket), idle);
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let mut socket = TcpListener::from_std(socket.into());
        let address = socket.local_addr()?;
        registry.register(&mut socket, Token(self.all.len()), Interest::READABLE)?;
        self.all.push(Listener { socket, address, ready: true });
        Ok(())
    }

    /// Listens nowhere.
    pub fn none() -> Listeners {
        Listeners { all: Vec::new(), resting_until: None, next: 0 }
    }

    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.all.iter().map(|listener| listener.address)
    }

    pub fn set_ready(&mut self, token: Token) {
        if let Some(listener) = self.all.get_mut(token.0) {
            listener.ready = true;
        }
    }

    /// There may be a connection to accept now.
    pub fn is_ready(&self, now: Instant) -> bool {
        !self.is_resting(now) && self.all.iter().any(|listener| listener.ready)
    }

    /// When accepting goes on, if it rests.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.resting_until
    }

    fn is_resting(&self, now: Instant) -> bool {
        self.resting_until.is_some_and(|until| now < until)
    }

    /// Accepts one connection, from one listener after the other.
    pub fn accept(&mut self, now: Instant, idle: Option<Duration>) -> Accepted {
        if self.is_resting(now) {
            return Accepted::Nothing;
        }
        self.resting_until = None;
        for _ in 0..self.all.len() {
            self.next = (self.next + 1) % self.all.len();
            let listener = &mut self.all[self.next];
            if !listener.ready {
                continue;
            }
            match listener.socket.accept() {
                Ok((socket, address)) => {
                    if cfg!(not(target_os = "linux")) {
                        // Linux hands down the listener's options.
                        tune(&SockRef::from(&socket), idle);
                    }
                    return Accepted::Connection(socket, address.ip());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => listener.ready = false,
                // The peer was gone before we came.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionAborted | ErrorKind::Interrupted | ErrorKind::ConnectionReset
                    ) => {}
                Err(error) => {
                    self.resting_until = Some(now + REST);
                    return Accepted::Resting(error);
                }
            }
        }
        Accepted::Nothing
    }
}

/// Small messages leave at once, and a peer whose system is gone is noticed: after `idle` without a
/// byte it is probed, and what it does not acknowledge for so long ends the connection.
fn tune(socket: &SockRef<'_>, idle: Option<Duration>) {
    // Where the system does not know an option, the connection works without.
    let _ = socket.set_tcp_nodelay(true);
    let Some(idle) = idle else { return };
    let keepalive = TcpKeepalive::new().with_time(idle.max(Duration::from_secs(1)));
    #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
    let keepalive = keepalive.with_interval(PROBE_EVERY);
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd", target_os = "windows"))]
    let keepalive = keepalive.with_retries(PROBES);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(idle.max(Duration::from_secs(1)) + PROBE_EVERY * PROBES));
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;
/// How long accepting rests when no descriptor is left; a connection that ends gives one back.
const REST: Duration = Duration::from_millis(100);
/// TCP keep-alive: seconds between probes, and how many are lost before the peer is given up.
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;
