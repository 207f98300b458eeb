//! The pool of data connections: opened on demand, lent to one transfer at a time, kept for the next,
//! closed when idle.
//!
//! ```text
//! take ─► idle one, the newest first ─┐
//!     └─► none: connect, log in ──────┴─► Lease ─► give_back ─► idle ─► closed after a minute
//!                                            └─► dropped: a connection that failed
//! ```
//!
//! There are never more connections than transfers at work
//! ([`ACTIVE_MAX`](crate::client::transfer::ledger::ACTIVE_MAX)), because each takes one at a time. A
//! connection that was idle may be dead without anybody knowing; whoever takes it just takes another.
//!
//! A server is trusted here by the same rules as everywhere, and nobody is asked: that was done when the
//! chat's own connection was made.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;

use crate::client::link::Target;
use crate::client::link::socket::{client_config, sentence};
use crate::client::transfer::connection::Connection;
use crate::client::transfer::stream::{Broken, Stream};
use crate::client::trust::{self, Trust, Verdict, Watcher};
use crate::client::wire::{self, Head, request};
use crate::proto::command::{Command, Proof};
use crate::proto::refusal::Code;
use crate::proto::secret::Secret;

/// See the [module](self).
pub struct Pool {
    target: Target,
    trust: Trust,
    tls: Arc<ClientConfig>,
    /// Held while a connection is made: the watcher remembers one verdict.
    watcher: Mutex<Arc<Watcher>>,
    credentials: Mutex<Option<Credentials>>,
    idle: Mutex<Vec<Idle>>,
}

/// Who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub token: Secret,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection that is lent.
pub struct Lease {
    pub connection: Connection,
    /// It was idle before: a failure says nothing about the server.
    pub used: bool,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum Unconnected {
    /// It was called off.
    CalledOff,
    /// Later it may work.
    Passing(String),
    /// The server does not want this user, or is not the one that it was.
    Refused(String),
}

impl From<Broken> for Unconnected {
    fn from(broken: Broken) -> Unconnected {
        Unconnected::Passing(broken.to_string())
    }
}

impl From<io::Error> for Unconnected {
    fn from(error: io::Error) -> Unconnected {
        Unconnected::Passing(sentence(&error))
    }
}

impl Pool {
    pub fn new(target: Target, trust: Trust) -> io::Result<Pool> {
        let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let watcher = trust.watcher(&provider);
        Ok(Pool {
            target,
            trust,
            tls: client_config(provider, &watcher)?,
            watcher: Mutex::new(watcher),
            credentials: Mutex::new(None),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Whom to log in; connections of somebody else are closed.
    pub fn admit(&self, credentials: Option<Credentials>) {
        let mut known = lock(&self.credentials);
        if known.as_ref().map(|known| &known.user) != credentials.as_ref().map(|new| &new.user) {
            lock(&self.idle).clear();
        }
        *known = credentials;
    }

    /// Lends a connection.
    pub fn take(&self, breaker: &Breaker) -> Result<Lease, Unconnected> {
        let idle = lock(&self.idle).pop();
        if let Some(Idle { connection, .. }) = idle {
            breaker.watch(connection.tcp())?;
            return Ok(Lease { connection, used: true });
        }
        let connection = self.connect(breaker)?;
        Ok(Lease { connection, used: false })
    }

    /// Takes a connection back on which nothing is under way.
    pub fn give_back(&self, lease: Lease, now: Instant) {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_MAX {
            idle.push(Idle { connection: lease.connection, since: now });
        }
    }

    /// Closes what was idle for too long; when to call it next.
    pub fn close_idle(&self, now: Instant) -> Option<Instant> {
        let mut idle = lock(&self.idle);
        idle.retain(|idle| now.saturating_duration_since(idle.since) < IDLE_TIME_MAX);
        idle.iter().map(|idle| idle.since + IDLE_TIME_MAX).min()
    }

    fn connect(&self, breaker: &Breaker) -> Result<Connection, Unconnected> {
        let credentials = lock(&self.credentials).clone();
        let Some(credentials) = credentials else {
            return Err(Unconnected::Passing("not logged in at the moment".to_owned()));
        };
        // One at a time: the others have connections by then, or know why there are none.
        let watcher = lock(&self.watcher);
        let server = &self.target.server;
        let addresses = (server.host.as_str(), server.port).to_socket_addrs()?;
        let mut failed = Unconnected::Passing(format!("{} has no address", server.host));
        for address in addresses.take(ADDRESSES_MAX) {
            breaker.check()?;
            match self.connect_to(address, &watcher, breaker) {
                Ok(stream) => return log_in(stream, &credentials),
                Err(Unconnected::Passing(why)) => failed = Unconnected::Passing(why),
                Err(other) => return Err(other),
            }
        }
        Err(failed)
    }

    fn connect_to(
        &self,
        address: SocketAddr,
        watcher: &Watcher,
        breaker: &Breaker,
    ) -> Result<Stream, Unconnected> {
        let server = &self.target.server;
        let refused = |text: &str| Unconnected::Refused(text.to_owned());
        let tls = if self.target.plaintext {
            if !address.ip().is_loopback() {
                return Err(refused("a connection without TLS is made within this machine only"));
            }
            None
        } else {
            let name = ServerName::try_from(server.host.clone());
            let name = name.map_err(|_| refused("this is not the name of a host"))?;
            watcher.prepare(self.trust.policy(server)?);
            Some((Arc::clone(&self.tls), name))
        };
        let tcp = TcpStream::connect_timeout(&address, CONNECT_PATIENCE)?;
        breaker.watch(&tcp)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let stream = Stream::open(tcp, tls).map_err(|broken| match watcher.verdict() {
            Some(verdict @ (Verdict::Unknown(_) | Verdict::Changed { .. })) if !self.target.plaintext => {
                Unconnected::Refused(trust::explain(server, &verdict, self.trust.known()))
            }
            _ => broken.into(),
        })?;
        if let Some(Verdict::New(fingerprint)) = watcher.verdict()
            && !self.target.plaintext
        {
            self.trust.keep(server, fingerprint)?;
        }
        Ok(stream)
    }
}

/// The line that makes a connection one for data, and its answer.
fn log_in(mut stream: Stream, credentials: &Credentials) -> Result<Connection, Unconnected> {
    let Credentials { user, token } = credentials;
    let proof = Proof::Token(token.clone());
    let line = request::encode(1, &Command::Login { user: user.into(), proof, data: true });
    stream.send(line.as_bytes())?;
    let answer = stream.receive_line(ANSWER_BYTES_MAX)?;
    match wire::head(&answer) {
        Ok(Head::Reply { re: 1, refused: None }) => Ok(Connection::new(stream)),
        Ok(Head::Reply { re: 1, refused: Some(refused) }) => {
            // Whether this user may log in at all is for the chat's own connection to find out. A token
            // that is refused here may just have been replaced by the one of its next login.
            Err(match refused.is(Code::FilesDisabled) {
                true => Unconnected::Refused(refused.to_string()),
                false => Unconnected::Passing(refused.to_string()),
            })
        }
        _ => Err(Unconnected::Passing("the server sent what cannot be read".to_owned())),
    }
}

/// Ends the connection that a worker waits for, from another thread.
#[derive(Debug, Default)]
pub struct Breaker {
    off: AtomicBool,
    tcp: Mutex<Option<TcpStream>>,
}

impl Breaker {
    /// Whatever the worker waits for on its connection ends now, and it begins nothing new.
    pub fn call_off(&self) {
        self.off.store(true, Ordering::SeqCst);
        if let Some(tcp) = lock(&self.tcp).take() {
            // A connection that has ended already has what it should have.
            let _ = tcp.shutdown(std::net::Shutdown::Both);
        }
    }

    pub fn is_off(&self) -> bool {
        self.off.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), Unconnected> {
        if self.is_off() { Err(Unconnected::CalledOff) } else { Ok(()) }
    }

    /// The worker waits for this connection from now on.
    fn watch(&self, tcp: &TcpStream) -> Result<(), Unconnected> {
        *lock(&self.tcp) = Some(tcp.try_clone()?);
        // It may have been called off just before.
        self.check()
    }

    /// The worker's connection goes to others.
    pub fn forget(&self) {
        *lock(&self.tcp) = None;
    }
}

/// Nothing that a panicking thread could have left half done is behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections kept for the next transfer: as many as can be at work.
const IDLE_MAX: usize = crate::client::transfer::ledger::ACTIVE_MAX;
/// A transfer that follows another one finds its connection; a server's places are not held for longer.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);
/// For an address to answer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// For a server that has something to do: its disk may be slow. Then the connection is replaced.
const PATIENCE: Duration = Duration::from_secs(60);
/// Addresses tried of one host.
const ADDRESSES_MAX: usize = 8;
/// The answer to a login.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
