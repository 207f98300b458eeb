//! The loop: waits for events, sets flags, and lets the engine have its turn.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam_channel::Receiver;
use mio::net::TcpStream;
use mio::{Events, Poll, Token, Waker};

use crate::config::Config;
use crate::engine::Engine;
use crate::hub::job::Reply;
use crate::proto::time::{Instant, Now, Timestamp};
use crate::server::listeners::{Accepted, Listeners};
use crate::server::signals::Signal;
use crate::server::sockets::{FIRST_TOKEN, Sockets, World, slot};
use crate::work::Lanes;

pub struct Reactor {
    pub poll: Poll,
    pub engine: Engine,
    pub listeners: Listeners,
    pub sockets: Sockets,
    pub lanes: Lanes,
    pub signals: Receiver<Signal>,
    pub clock: Clock,
    /// Rereads the configuration, certificate and all; the new one, or why it stays as it was.
    pub reload: Box<dyn FnMut() -> Result<Reloaded, String>>,
    pub config: Config,
    /// Accepting rests, and the log says so.
    pub resting: bool,
}

/// What a reload changes.
pub struct Reloaded {
    pub config: Config,
    pub engine: crate::engine::settings::Settings,
}

/// Both clocks; the only place that reads them.
#[derive(Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    pub fn start() -> Clock {
        Clock { start: std::time::Instant::now() }
    }

    pub fn now(&self) -> Now {
        let mono = u64::try_from(self.start.elapsed().as_millis()).expect("half a billion years");
        // A clock before 1970 is as wrong as any other wrong clock.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = u64::try_from(wall.as_millis()).expect("half a billion years");
        // Starting at one second keeps "never" apart from "at the start".
        Now { mono: Instant(mono + 1000), wall: Timestamp(wall) }
    }
}

/// Makes the waker of a poll, on the last token below those of connections.
pub fn waker(poll: &Poll) -> io::Result<Arc<Waker>> {
    Waker::new(poll.registry(), WAKER).map(Arc::new)
}

impl Reactor {
    /// Serves until a signal stops it; then finishes what is under way.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        let mut replies = VecDeque::new();
        let mut more_replies = false;
        loop {
            let timeout = self.timeout(more_replies || !replies.is_empty());
            self.wait(&mut events, timeout)?;
            let now = self.clock.now();
            self.accept(now);
            more_replies = self.take_replies(&mut replies);
            let Reactor { engine, sockets, poll, lanes, .. } = &mut self;
            engine.turn(now, &mut World { sockets, registry: poll.registry(), lanes }, &mut replies);
            while let Ok(signal) = self.signals.try_recv() {
                match signal {
                    Signal::Reload => self.reload(),
                    Signal::Stop => return self.stop(events, replies),
                }
            }
        }
    }

    /// Takes what the lanes have, unless the last turn left some; returns whether there is more.
    fn take_replies(&self, replies: &mut VecDeque<Reply>) -> bool {
        let room = REPLIES_PER_TURN.saturating_sub(replies.len());
        self.lanes.replies(replies, room)
    }

    fn timeout(&self, more_replies: bool) -> Option<Duration> {
        let now = self.clock.now().mono;
        if more_replies || self.engine.has_work() || self.listeners.is_ready(now) {
            return Some(Duration::ZERO);
        }
        let rested = self.listeners.next_deadline().unwrap_or(Instant(u64::MAX));
        let deadline = self.engine.next_deadline().min(rested);
        // A millisecond late is in time; a moment early would be a turn for nothing.
        Some(Duration::from_millis(deadline.since_ms(now).min(LONGEST_WAIT_MS) + 1))
    }

    fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        for event in events.iter() {
            match slot(event.token()) {
                Some(slot) => {
                    let ended = event.is_read_closed() || event.is_error();
                    if ended {
                        self.sockets.set_ended(slot);
                    }
                    if ended || event.is_readable() {
                        self.engine.readable(slot);
                    }
                    if event.is_writable() {
                        self.engine.writable(slot);
                    }
                }
                None if event.token() == WAKER => {}
                None => self.listeners.set_ready(event.token()),
            }
        }
        Ok(())
    }

    fn accept(&mut self, now: Now) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.listeners.accept(now.mono) {
                Accepted::Nothing => break,
                Accepted::Resting(error) => {
                    if !std::mem::replace(&mut self.resting, true) {
                        log::warn!("accepting rests until a connection ends: {error}");
                    }
                    break;
                }
                Accepted::Connection(socket, address) => {
                    self.resting = false;
                    self.accepted(now, socket, address);
                }
            }
        }
    }

    fn accepted(&mut self, now: Now, mut socket: TcpStream, address: IpAddr) {
        match self.engine.accepted(now, address) {
            Ok(slot) => {
                if let Err(error) = self.sockets.insert(slot, socket, self.poll.registry()) {
                    // The connection has no socket, and ends with the first look at it.
                    log::error!("a socket from {address} cannot be registered: {error}");
                    self.engine.readable(slot);
                }
            }
            Err(reason) => {
                log::info!("refused {address}: {reason}");
                if self.engine.serves_plain(address) {
                    // One line always fits a new socket's buffer; if not, it is not said.
                    let _ = socket.write(FULL);
                }
            }
        }
    }

    fn reload(&mut self) {
        match (self.reload)() {
            Ok(reloaded) => {
                self.engine.reconfigure(reloaded.engine, reloaded.config.settings());
                self.config = reloaded.config;
                self.listeners.set_idle(self.config.limits.idle_timeout);
                log::info!("the configuration was reloaded");
            }
            Err(why) => log::error!("nothing was reloaded: {why}"),
        }
    }

    /// Stops accepting, tells everybody, finishes what is under way, and ends every connection.
    fn stop(mut self, mut events: Events, mut replies: VecDeque<Reply>) -> io::Result<()> {
        log::info!("stopping");
        let registry = self.poll.registry().try_clone()?;
        drop(std::mem::replace(&mut self.listeners, Listeners::none()));
        let begun = self.clock.now().mono;
        let deadline = self.config.shutdown_timeout.map(|timeout| begun + timeout);
        let (engine, sockets, lanes) = (&mut self.engine, &mut self.sockets, &self.lanes);
        engine.shutdown(self.clock.now(), &mut World { sockets, registry: &registry, lanes });
        loop {
            let now = self.clock.now();
            let more = self.take_replies(&mut replies);
            let (engine, sockets, lanes) = (&mut self.engine, &mut self.sockets, &self.lanes);
            engine.turn(now, &mut World { sockets, registry: &registry, lanes }, &mut replies);
            if !more && replies.is_empty() && engine.is_settled() {
                break;
            }
            if deadline.is_some_and(|deadline| deadline <= now.mono) {
                log::warn!("somebody did not take everything in time");
                break;
            }
            self.wait(&mut events, Some(STOP_STEP))?;
        }
        let now = self.clock.now();
        let (engine, sockets, lanes) = (&mut self.engine, &mut self.sockets, &self.lanes);
        engine.close_all(now, &mut World { sockets, registry: &registry, lanes });
        self.lanes.stop();
        log::info!("stopped");
        Ok(())
    }
}

const WAKER: Token = Token(FIRST_TOKEN - 1);
/// Events taken from the system at once.
const EVENTS_PER_POLL: usize = 1024;
/// Replies handed to the hub in one turn, and connections accepted; the rest waits for the next.
const REPLIES_PER_TURN: usize = 1024;
const ACCEPTS_PER_TURN: usize = 256;
const LONGEST_WAIT_MS: u64 = 60_000;
/// While stopping, how often we look whether everything is done.
const STOP_STEP: Duration = Duration::from_millis(10);
const FULL: &[u8] = b"!!! server-full: too many connections; try again later\n";
