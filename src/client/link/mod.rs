//! Drives a [`Session`] over a real connection: TCP, TLS, the clock, and a name look-up in a thread of
//! its own because it blocks. Everything else happens in [`Link::poll`], on the caller's thread.
//!
//! A bot in a dozen lines; it repeats what others say:
//!
//! ```no_run
//! use sottovoce::client::link::{Link, Target};
//! use sottovoce::client::scrollback::{Kind, Origin};
//! use sottovoce::client::session::event::{Event, Place};
//! use sottovoce::client::session::{Login, Options};
//! use sottovoce::client::trust::Trust;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::new("parrot", Login::Guest, &["lobby"])?;
//! let trust = Trust::new("known_servers".into(), true);
//! let mut link = Link::open(Target::new("localhost", 12345), trust, options)?;
//! loop {
//!     match link.wait()? {
//!         Event::Line { place: Place::Room(room), line, .. }
//!             if line.kind == Kind::Say && line.origin == Origin::Live && !line.own =>
//!         {
//!             let _ = link.say(&room, &line.text);
//!         }
//!         Event::LoginRefused(refused) => return Err(refused.to_string().into()),
//!         Event::Stopped(_) => return Ok(()),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! A program with another source of input (a terminal, a pipe) reads that in a thread, puts what it
//! read into a channel, and wakes the link through [`Link::waker`]; [`Link::poll`] returns then.
//!
//! Private messages are encrypted once a program has handed over a vault with [`Link::unlock`]. The link
//! commits what the session wants kept before it sends or tells anything ([`keys`]).

pub mod files;
mod handed;
pub mod keys;
pub mod lines;
mod listener;
pub mod resolve;
mod shown;
pub mod socket;
pub mod typed;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock, SystemTime};

use mio::{Events, Interest, Poll, Token, Waker};
use rustls::pki_types::ServerName;

use crate::client::link::files::Files;
use crate::client::link::handed::Handover;
use crate::client::link::keys::Keeping;
use crate::client::link::resolve::Resolver;
use crate::client::link::socket::{Broken, Socket, Stage, client_config, sentence};
use crate::client::session::event::{Event, Lost, Ticket, Unsent};
use crate::client::session::{Options, Session, Wish};
use crate::client::trust::{self, Fingerprint, Server, Trust, Verdict, Watcher};
use crate::proto::command::Command;
use crate::proto::name::RoomName;
use crate::proto::time::{Instant, Now, Timestamp};

/// Where to connect to, and how.
#[derive(Clone, Debug)]
pub struct Target {
    pub server: Server,
    /// Without TLS; only ever done within this machine.
    pub plaintext: bool,
}

impl Target {
    /// A server with TLS.
    pub fn new(host: &str, port: u16) -> Target {
        Target { server: Server { host: host.to_owned(), port }, plaintext: false }
    }
}

/// See the [module](self).
pub struct Link {
    session: Session,
    target: Target,
    trust: Trust,
    tls: Arc<rustls::ClientConfig>,
    watcher: Arc<Watcher>,
    /// What was thought of the server that was not trusted.
    untrusted: Option<Verdict>,
    poll: Poll,
    system: Events,
    waker: Arc<Waker>,
    /// Somebody called the waker, or the session changed: whoever polls may have something to do, also
    /// without an event.
    changed: bool,
    resolver: Resolver,
    attempt: Option<Attempt>,
    /// The number of the last attempt that was begun.
    begun: u64,
    started: Clock,
    pending: VecDeque<Event>,
    // Before the vault: whoever opens that next is the one who listens.
    handover: Handover,
    keeping: Option<Keeping>,
    files: Files,
}

/// The connection that the session wished for, however far it is.
struct Attempt {
    number: u64,
    /// Not tried yet.
    addresses: VecDeque<SocketAddr>,
    socket: Option<Socket>,
    /// When to give up the present address for the next.
    patience: Clock,
    /// The session knows that it is connected.
    told: bool,
    last_error: Option<io::Error>,
}

impl Link {
    /// Prepares a session; [`Link::poll`] connects.
    pub fn open(target: Target, trust: Trust, options: Options) -> io::Result<Link> {
        let mut entropy = [0; 24];
        getrandom::fill(&mut entropy).map_err(|error| io::Error::other(error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let watcher = trust.watcher(&provider);
        let tls = client_config(provider, &watcher)?;
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let started = Clock::now();
        let mut link = Link {
            session: Session::new(Now::default(), options, entropy),
            target,
            trust,
            tls,
            watcher,
            untrusted: None,
            poll,
            system: Events::with_capacity(SYSTEM_EVENTS),
            resolver: Resolver::new(Arc::clone(&waker)),
            waker,
            changed: false,
            attempt: None,
            begun: 0,
            started,
            pending: VecDeque::new(),
            handover: Handover::default(),
            keeping: None,
            files: Files::default(),
        };
        link.settle();
        Ok(link)
    }

    /// Both clocks, now.
    pub fn now(&self) -> Now {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { mono: Instant(ms(self.started.elapsed())), wall: Timestamp(ms(wall)) }
    }

    /// The session, to read what there is to show.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session, to ask something of it; sent with the next [`Link::poll`].
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Says something in a room.
    pub fn say(&mut self, room: &RoomName, text: &str) -> Result<Ticket, Unsent> {
        let now = self.now();
        self.session.say(now, room, text, false)
    }

    /// Does whatever a user can ask for; the room must be named in commands that are about one.
    pub fn act(&mut self, command: Command<'_>) -> Result<Ticket, Unsent> {
        let now = self.now();
        self.session.act(now, command)
    }

    /// Ends [`Link::poll`] early, from any thread.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Where the link goes to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Why the session stopped with [`Stop::Untrusted`](crate::client::session::event::Stop), and the
    /// sentences to show about it. [`Verdict::Unknown`] may be answered with [`Link::confirm`].
    pub fn untrusted(&self) -> Option<(Verdict, String)> {
        let verdict = self.untrusted?;
        Some((verdict, trust::explain(&self.target.server, &verdict, self.trust.known())))
    }

    /// The user confirmed the fingerprint of a server that was not known: it is kept, and the session
    /// connects again.
    pub fn confirm(&mut self, fingerprint: Fingerprint) -> io::Result<()> {
        self.trust.keep(&self.target.server, fingerprint)?;
        self.untrusted = None;
        let now = self.now();
        self.session.connect_now(now);
        Ok(())
    }

    /// The next event, however long it takes.
    pub fn wait(&mut self) -> io::Result<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            self.pending = self.poll(None)?.into();
        }
    }

    /// Works until there are events, the session has changed, somebody wakes it, or the time is up.
    pub fn poll(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Event>> {
        let until = timeout.map(|timeout| Clock::now() + timeout);
        self.note_shown();
        let mut events: Vec<Event> = self.pending.drain(..).collect();
        loop {
            self.work(&mut events);
            let left = until.map(|until| until.saturating_duration_since(Clock::now()));
            if !events.is_empty() || self.changed || left.is_some_and(|left| left.is_zero()) {
                self.changed = false;
                self.note_told(&events);
                return Ok(events);
            }
            self.wait_for_system(left)?;
            let now = self.now();
            if self.session.next_deadline().is_some_and(|deadline| deadline <= now.mono) {
                self.session.handle_timeout(now);
                self.changed = true;
            }
        }
    }

    /// Does what can be done without waiting, and adds what there is to tell.
    fn work(&mut self, events: &mut Vec<Event>) {
        loop {
            self.settle();
            while let Some(event) = self.session.poll_event() {
                events.extend(self.heed_files(event));
            }
            let again = self.turn_files() | self.turn_handed() || self.session.has_changes();
            events.extend(self.take_news());
            if !again {
                return;
            }
        }
    }

    /// Sleeps until something can be done; at most `left`.
    fn wait_for_system(&mut self, left: Option<Duration>) -> io::Result<()> {
        let now = self.now();
        let files = self.transfers().and_then(|transfers| transfers.next_deadline());
        let deadlines = [self.session.next_deadline(), files, self.handed_deadline()];
        let deadline = deadlines.into_iter().flatten().min();
        let deadline = deadline.map(|deadline| Duration::from_millis(deadline.since_ms(now.mono)));
        let mut sleep = [left, deadline].into_iter().flatten().min();
        if let Some(attempt) = &self.attempt {
            let socket = attempt.socket.as_ref();
            if socket.is_some_and(Socket::is_busy) {
                sleep = Some(Duration::ZERO);
            } else if socket.is_some_and(|socket| socket.stage() == Stage::Connecting) {
                let patience = attempt.patience.saturating_duration_since(Clock::now());
                sleep = Some(sleep.map_or(patience, |sleep| sleep.min(patience)));
            }
        }
        match self.poll.poll(&mut self.system, sleep) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for event in &self.system {
            match (event.token(), self.attempt.as_mut().and_then(|attempt| attempt.socket.as_mut())) {
                (SOCKET, Some(socket)) => {
                    let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                    socket.ready(readable, event.is_writable() || event.is_write_closed());
                }
                (WAKER, _) => self.changed = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Does what the session wishes, and tells it what came of it, until neither has anything to do.
    fn settle(&mut self) {
        loop {
            // Before anything is asked of the session. When this returns, it has nothing left to store.
            self.store();
            match (self.session.wish(), self.attempt.as_ref().map(|attempt| attempt.number)) {
                (Wish::Connect(wish), Some(number)) if wish == number => {}
                (Wish::Connect(wish), None) if wish == self.begun => return,
                (Wish::Connect(wish), _) => self.begin(wish),
                (Wish::Rest, Some(_)) => self.end(),
                (Wish::Rest, None) => return,
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return,
                Err(why) => {
                    self.end();
                    let now = self.now();
                    self.session.disconnected(now, why);
                }
            }
        }
    }

    fn begin(&mut self, number: u64) {
        self.end();
        self.begun = number;
        self.attempt = Some(Attempt {
            number,
            addresses: VecDeque::new(),
            socket: None,
            patience: Clock::now(),
            told: false,
            last_error: None,
        });
        let server = &self.target.server;
        self.resolver.ask(number, &server.host, server.port);
    }

    /// Ends the connection; what was queued is sent as far as possible.
    fn end(&mut self) {
        let Some(attempt) = self.attempt.take() else { return };
        if let Some(mut socket) = attempt.socket {
            // A socket that cannot be forgotten is closed a moment later, which has the same effect.
            let _ = self.poll.registry().deregister(socket.source());
            socket.close();
        }
    }

    /// One step of the attempt. `true`: the session may wish something else now.
    fn advance(&mut self) -> Result<bool, Lost> {
        let now = self.now();
        let Some(attempt) = &mut self.attempt else { return Ok(false) };
        let Some(socket) = &mut attempt.socket else {
            return self.next_address();
        };
        if attempt.told {
            while let Some(line) = self.session.poll_line() {
                socket.queue(line.as_bytes());
            }
        }
        let advanced = socket.advance();
        if !attempt.told && socket.stage() == Stage::Open && advanced.is_ok() {
            attempt.told = true;
            if !self.target.plaintext
                && let Some(Verdict::New(fingerprint)) = self.watcher.verdict()
            {
                let kept = self.trust.keep(&self.target.server, fingerprint);
                kept.map_err(|error| Lost::Network(cannot_keep(&self.trust, &error).into()))?;
            }
            self.session.connected(now);
            return Ok(true);
        }
        let attempt_number = attempt.number;
        let before = self.session.wish();
        loop {
            match socket.incoming.next_line() {
                Ok(Some(line)) => {
                    self.session.handle_line(now, line);
                    self.changed = true;
                }
                Ok(None) => break,
                Err(lines::Endless) => return Err(Lost::Garbage),
            }
            if self.session.wish() != before {
                return Ok(true);
            }
        }
        match advanced {
            Ok(()) => {}
            Err(broken) if socket.stage() == Stage::Connecting => return self.try_next(broken),
            Err(broken) => return Err(self.explain(broken)),
        }
        if socket.stage() == Stage::Connecting && Clock::now() >= attempt.patience {
            return self.try_next(Broken::Io(io::ErrorKind::TimedOut.into()));
        }
        // The session may have answered to what it heard.
        Ok(attempt_number == self.begun && attempt.told && self.session.has_lines())
    }

    /// Connects to the next address of the host, when they are known.
    fn next_address(&mut self) -> Result<bool, Lost> {
        let Some(attempt) = &mut self.attempt else { return Ok(false) };
        if let Some((number, addresses)) = self.resolver.take()
            && number == attempt.number
        {
            let host = &self.target.server.host;
            let addresses = addresses
                .map_err(|error| Lost::Network(format!("{host} cannot be looked up: {error}").into()))?;
            attempt.addresses = addresses.into_iter().take(ADDRESSES_MAX).collect();
            if attempt.addresses.is_empty() {
                return Err(Lost::Network(format!("{host} has no address").into()));
            }
        } else if attempt.addresses.is_empty() {
            return Ok(false);
        }
        let Some(address) = attempt.addresses.pop_front() else { return Ok(false) };
        let connected = self.connect(address);
        let Some(attempt) = &mut self.attempt else { return Ok(false) };
        match connected {
            Ok(socket) => {
                attempt.socket = Some(socket);
                attempt.patience = Clock::now() + ADDRESS_PATIENCE;
                Ok(false)
            }
            Err(broken) => self.try_next(broken),
        }
    }

    fn connect(&mut self, address: SocketAddr) -> Result<Socket, Broken> {
        let refused = |text: &str| Broken::Io(io::Error::new(io::ErrorKind::PermissionDenied, text));
        let tls = if self.target.plaintext {
            if !address.ip().is_loopback() {
                return Err(refused("a connection without TLS is made within this machine only"));
            }
            None
        } else {
            self.watcher.prepare(self.trust.policy(&self.target.server)?);
            let host = self.target.server.host.clone();
            let name = ServerName::try_from(host).map_err(|_| refused("this is not the name of a host"))?;
            Some((Arc::clone(&self.tls), name))
        };
        let mut socket = Socket::connect(address, tls)?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(socket.source(), SOCKET, both)?;
        Ok(socket)
    }

    /// This address does not answer; the next one may.
    fn try_next(&mut self, broken: Broken) -> Result<bool, Lost> {
        let Some(attempt) = &mut self.attempt else { return Ok(false) };
        attempt.socket = None;
        if let Broken::Io(error) = broken {
            attempt.last_error = Some(error);
        }
        if attempt.addresses.is_empty() {
            let error = attempt.last_error.take();
            let text = error.map_or_else(|| "no connection".to_owned(), |error| sentence(&error));
            return Err(Lost::Network(format!("{}: {text}", self.target.server).into()));
        }
        self.next_address()
    }

    fn explain(&mut self, broken: Broken) -> Lost {
        if let Some(verdict @ (Verdict::Unknown(_) | Verdict::Changed { .. })) = self.watcher.verdict()
            && !self.target.plaintext
        {
            self.untrusted = Some(verdict);
            return Lost::Untrusted;
        }
        match broken {
            Broken::Closed => Lost::Closed,
            Broken::Io(error) => Lost::Network(sentence(&error).into()),
            Broken::Tls(error) => Lost::Tls(error.to_string().into()),
        }
    }
}

fn cannot_keep(trust: &Trust, error: &io::Error) -> String {
    format!("{}: the server's fingerprint cannot be kept: {error}", trust.known().display())
}

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);
/// There are two sources.
const SYSTEM_EVENTS: usize = 8;
/// Addresses tried of one host.
const ADDRESSES_MAX: usize = 8;
/// For one of several addresses to answer.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(5);
