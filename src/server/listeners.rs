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
    /// Silence after which the system asks a peer for a sign of life.
    idle: Option<Duration>,
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
        let mut listeners = Listeners { idle, ..Listeners::none() };
        let mut failed = None;
        for &address in addresses {
            match listeners.add(address, registry) {
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

    fn add(&mut self, address: SocketAddr, registry: &Registry) -> io::Result<()> {
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
        tune(&SockRef::from(&socket), self.idle);
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
        Listeners { all: Vec::new(), resting_until: None, next: 0, idle: None }
    }

    /// Changes it for connections that come from now on.
    pub fn set_idle(&mut self, idle: Option<Duration>) {
        self.idle = idle;
        for listener in &self.all {
            tune(&SockRef::from(&listener.socket), idle);
        }
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
    pub fn accept(&mut self, now: Instant) -> Accepted {
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
                        tune(&SockRef::from(&socket), self.idle);
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
    let Some(idle) = idle else {
        let _ = socket.set_keepalive(false);
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_user_timeout(None);
        return;
    };
    let idle = idle.clamp(PROBE_AFTER_MIN, PROBE_AFTER_MAX);
    let keepalive = TcpKeepalive::new().with_time(idle);
    #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
    let keepalive = keepalive.with_interval(PROBE_EVERY);
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd", target_os = "windows"))]
    let keepalive = keepalive.with_retries(PROBES);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(idle + PROBE_EVERY * PROBES));
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;
/// How long accepting rests when no descriptor is left; a connection that ends gives one back.
const REST: Duration = Duration::from_millis(100);
/// TCP keep-alive counts seconds, and Linux takes at most 32767 of them before the first probe.
const PROBE_AFTER_MIN: Duration = Duration::from_secs(1);
const PROBE_AFTER_MAX: Duration = Duration::from_secs(2 * 60 * 60);
/// TCP keep-alive: seconds between probes, and how many are lost before the peer is given up.
const PROBE_EVERY: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;

    use mio::Poll;

    use super::*;

    /// Documentation addresses (RFC 5737) are on no machine.
    const NOT_HERE: &str = "192.0.2.1:0";
    const HERE: &str = "127.0.0.1:0";

    fn bind(addresses: &[&str], only_defaults: bool) -> Result<Listeners, StartError> {
        let addresses: Vec<_> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let poll = Poll::new().unwrap();
        Listeners::bind(&addresses, only_defaults, Some(Duration::from_secs(300)), poll.registry())
    }

    fn connect(listeners: &Listeners, index: usize) -> Client {
        Client::connect(listeners.all[index].address).unwrap()
    }

    /// The listener's address that the next connection came to; `None` if there is none.
    fn accepted(listeners: &mut Listeners, now: Instant) -> Option<(TcpStream, SocketAddr)> {
        match listeners.accept(now) {
            Accepted::Connection(socket, from) => {
                assert!(from.is_loopback());
                let to = socket.local_addr().unwrap();
                Some((socket, to))
            }
            Accepted::Nothing => None,
            Accepted::Resting(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_default_that_is_not_here_is_left_out_and_one_that_was_asked_for_is_an_error() {
        let listeners = bind(&[NOT_HERE, HERE], true).unwrap();
        let bound: Vec<SocketAddr> = listeners.addresses().collect();
        assert!(matches!(bound[..], [address] if address.ip().is_loopback() && address.port() != 0));
        let refused = bind(&[HERE, NOT_HERE], false).unwrap_err().to_string();
        assert!(refused.starts_with("cannot listen on 192.0.2.1:0: "), "{refused}");
        let refused = bind(&[NOT_HERE, NOT_HERE], true).unwrap_err().to_string();
        assert!(refused.starts_with("cannot listen on 192.0.2.1:0: "), "{refused}");
    }

    #[test]
    fn a_port_has_one_server() {
        let first = bind(&[HERE], false).unwrap();
        let taken = first.all[0].address.to_string();
        assert!(matches!(bind(&[&taken], false), Err(StartError::Listen { address, .. })
            if address == first.all[0].address));
    }

    #[test]
    fn listeners_take_turns_and_wait_for_an_event_when_nobody_comes() {
        let mut listeners = bind(&[HERE, HERE], false).unwrap();
        let _clients = [0, 0, 1, 1].map(|index| connect(&listeners, index));
        let mut turns = Vec::new();
        while let Some((_, to)) = accepted(&mut listeners, Instant(0)) {
            turns.push(to);
        }
        assert_eq!(turns.len(), 4);
        assert!(turns[0] != turns[1] && turns[0] == turns[2] && turns[1] == turns[3], "{turns:?}");
        assert!(!listeners.is_ready(Instant(0)));
        let _client = connect(&listeners, 1);
        assert!(accepted(&mut listeners, Instant(0)).is_none(), "no event has told of it");
        listeners.set_ready(Token(1));
        // A token that is no listener's.
        listeners.set_ready(Token(2));
        assert!(listeners.is_ready(Instant(0)) && accepted(&mut listeners, Instant(0)).is_some());
    }

    #[test]
    fn nobody_is_accepted_while_accepting_rests_and_nobody_is_lost() {
        let mut listeners = bind(&[HERE], false).unwrap();
        let _client = connect(&listeners, 0);
        let until = Instant(1_000);
        listeners.resting_until = Some(until);
        let before = Instant(999);
        assert!(!listeners.is_ready(before) && accepted(&mut listeners, before).is_none());
        assert_eq!(listeners.next_deadline(), Some(until));
        assert!(listeners.is_ready(until) && accepted(&mut listeners, until).is_some());
        assert_eq!(listeners.next_deadline(), None);
    }

    // Elsewhere a listener that was shut down reports something else.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_error_of_the_system_lets_accepting_rest() {
        let mut listeners = bind(&[HERE], false).unwrap();
        SockRef::from(&listeners.all[0].socket).shutdown(std::net::Shutdown::Both).unwrap();
        let now = Instant(5_000);
        assert!(matches!(listeners.accept(now), Accepted::Resting(_)));
        assert_eq!(listeners.next_deadline(), Some(now + REST));
        assert!(matches!(listeners.accept(now), Accepted::Nothing));
        assert!(matches!(listeners.accept(now + REST), Accepted::Resting(_)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn connections_are_probed_as_was_last_configured() {
        let mut listeners = bind(&[HERE], false).unwrap();
        let mut check = |idle: Option<Duration>, expected: Option<Duration>| {
            listeners.set_idle(idle);
            let _client = connect(&listeners, 0);
            listeners.set_ready(Token(0));
            let (socket, _) = accepted(&mut listeners, Instant(0)).unwrap();
            let socket = SockRef::from(&socket);
            assert!(socket.tcp_nodelay().unwrap());
            assert_eq!(socket.keepalive().unwrap(), expected.is_some(), "{idle:?}");
            if let Some(expected) = expected {
                assert_eq!(socket.tcp_keepalive_time().unwrap(), expected, "{idle:?}");
            }
            let gone_after = expected.map(|idle| idle + PROBE_EVERY * PROBES);
            assert_eq!(socket.tcp_user_timeout().unwrap(), gone_after, "{idle:?}");
        };
        let seconds = Duration::from_secs;
        check(Some(seconds(60)), Some(seconds(60)));
        check(Some(Duration::from_millis(100)), Some(PROBE_AFTER_MIN));
        check(Some(seconds(7 * 24 * 60 * 60)), Some(PROBE_AFTER_MAX));
        check(None, None);
        check(Some(seconds(90)), Some(seconds(90)));
    }
}
