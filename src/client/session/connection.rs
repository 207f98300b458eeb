//! The connection of a session: when it is wanted, what comes on it, when it is given up, and how long to
//! rest before the next.

use std::time::Duration;

use crate::client::scrollback::Kind;
use crate::client::session::answers::Outstanding;
use crate::client::session::event::{Event, Failure, Lost, Place, Stop};
use crate::client::session::{Interruption, Phase, Session, Wish};
use crate::client::wire::{self, Head};
use crate::proto::time::{Instant, Now};

impl Session {
    /// What the driver should do about its connection.
    pub fn wish(&self) -> Wish {
        match self.phase {
            Phase::Refused | Phase::Resting { .. } | Phase::Stopped => Wish::Rest,
            _ => Wish::Connect(self.attempt),
        }
    }

    /// The connection of the current wish is there, encrypted and all.
    pub fn connected(&mut self, now: Now) {
        if !matches!(self.phase, Phase::Connecting { .. }) {
            return;
        }
        self.heard = now.mono;
        self.odd_lines = 0;
        self.phase = Phase::Greeting { since: now.mono };
        self.greet();
    }

    /// The connection of the current wish ended, or could not be made.
    pub fn disconnected(&mut self, now: Now, why: Lost) {
        match self.phase {
            Phase::Refused | Phase::Resting { .. } | Phase::Stopped => {}
            Phase::Quitting { .. } => self.stop(Stop::Quit),
            Phase::Connecting { .. } | Phase::Greeting { .. } | Phase::Online { .. } => self.lose(now, why),
        }
    }

    /// Connects at once instead of at the end of the current rest, and again after a [`Event::Stopped`].
    pub fn connect_now(&mut self, now: Now) {
        if matches!(self.phase, Phase::Resting { .. } | Phase::Stopped) {
            self.attempt += 1;
            self.phase = Phase::Connecting { since: now.mono };
        }
    }

    /// A line came, without its end.
    pub fn handle_line(&mut self, now: Now, line: &[u8]) {
        if matches!(
            self.phase,
            Phase::Connecting { .. } | Phase::Refused | Phase::Resting { .. } | Phase::Stopped
        ) {
            return;
        }
        self.heard = now.mono;
        let read = match wire::head(line) {
            Ok(Head::Reply { re, refused }) => self.handle_reply(now, re, refused, line),
            Ok(Head::Event { ev, kind }) => self.handle_news(now, &ev, &kind, line),
            Err(odd) => Err(odd),
        };
        if read.is_err() {
            self.handle_odd_line(now);
        }
        self.advance(now);
    }

    pub(super) fn handle_odd_line(&mut self, now: Now) {
        self.odd_lines += 1;
        let greeting = matches!(self.phase, Phase::Greeting { .. });
        if self.odd_lines == 1 && !greeting {
            self.note(now, Place::Server, Kind::Error, "the server sent a line that cannot be read");
        }
        // Before it has said anything sensible, this is no server of ours.
        if greeting || self.odd_lines > ODD_LINES_MAX {
            self.lose(now, Lost::Garbage);
        }
    }

    /// When to call [`Session::handle_timeout`] next.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Connecting { since } => Some(since + CONNECT_PATIENCE),
            Phase::Greeting { since } => Some(since + LOGIN_PATIENCE),
            Phase::Online { .. } => {
                let quiet = match self.ping_sent {
                    Some(_) => self.heard + SILENCE_MAX,
                    None => self.heard + PING_AFTER,
                };
                let private = self.private.as_ref().and_then(|private| private.next_deadline());
                [Some(quiet), self.pause, private].into_iter().flatten().min()
            }
            Phase::Resting { until } | Phase::Quitting { until } => Some(until),
            Phase::Refused | Phase::Stopped => None,
        }
    }

    /// A deadline came.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.next_deadline().is_none_or(|deadline| now.mono < deadline) {
            return;
        }
        match self.phase {
            Phase::Connecting { .. } | Phase::Greeting { .. } => self.lose(now, Lost::Silent),
            Phase::Online { .. } if self.pause.is_some_and(|pause| pause <= now.mono) => {
                self.pause = None;
                self.advance(now);
            }
            Phase::Online { .. } if self.is_private_due(now) => self.handle_private_timeout(now),
            Phase::Online { .. } if self.ping_sent.is_some() => self.lose(now, Lost::Silent),
            Phase::Online { .. } => self.ping(now),
            Phase::Resting { .. } => {
                self.attempt += 1;
                self.phase = Phase::Connecting { since: now.mono };
            }
            Phase::Quitting { .. } => self.stop(Stop::Quit),
            Phase::Refused | Phase::Stopped => {}
        }
    }

    /// Ends the connection and everything that depends on it, and rests before the next one.
    pub(super) fn lose(&mut self, now: Now, why: Lost) {
        self.name_in_doubt |= matches!(self.phase, Phase::Greeting { .. });
        let online_since = match self.phase {
            Phase::Online { since } => Some(since),
            _ => None,
        };
        if online_since.is_some_and(|since| now.mono.since_ms(since) >= as_ms(STEADY_AFTER)) {
            self.failures = 0;
        }
        self.drop_connection();
        let untrusted = why == Lost::Untrusted;
        if self.interrupted.is_none() {
            self.interrupted = Some(Interruption { since: now.mono, was_online: self.name.is_some() });
            self.events.push_back(Event::Lost(why));
        }
        if untrusted {
            self.stop(Stop::Untrusted);
        } else {
            self.phase = Phase::Resting { until: now.mono + self.rest() };
        }
    }

    /// Nothing that was asked on the old connection will be answered.
    pub(super) fn drop_connection(&mut self) {
        self.lines.clear();
        self.pause = None;
        self.restoring = None;
        self.ping_sent = None;
        self.lag = None;
        for outstanding in std::mem::take(&mut self.outstanding).into_values() {
            match outstanding {
                Outstanding::Private(asked) => self.abandon_private(asked),
                other => {
                    if let Some(ticket) = other.abandoned() {
                        self.events.push_back(Event::Answered { ticket, outcome: Err(Failure::Lost) });
                    }
                }
            }
        }
        self.disconnect_private();
        for room in self.rooms.values_mut() {
            room.interrupt();
        }
    }

    pub(super) fn stop(&mut self, why: Stop) {
        self.drop_connection();
        self.phase = Phase::Stopped;
        self.events.push_back(Event::Stopped(why));
    }

    /// Doubles with every failure, up to a bound; between half and all of it, so that clients that
    /// lost their server together do not come back together.
    pub(super) fn rest(&mut self) -> Duration {
        let doubled = as_ms(REST_FIRST).saturating_mul(1 << self.failures.min(16));
        let rest = doubled.min(as_ms(REST_MAX));
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(rest / 2 + self.random() % (rest / 2 + 1))
    }

    /// SplitMix64: good enough to spread attempts, and nothing else depends on it.
    pub(super) fn random(&mut self) -> u64 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.jitter;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

pub(super) fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// To a connection, with name look-up and TLS.
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);
/// To the answer to a login: passwords take time on purpose, and logins queue.
const LOGIN_PATIENCE: Duration = Duration::from_secs(60);
/// When nothing was heard for this long, ask whether the server is there; below what routers forget.
const PING_AFTER: Duration = Duration::from_secs(30);
/// When nothing was heard for this long in spite of asking, the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(50);
/// To the answer to `quit`; then the connection is simply ended.
pub(super) const QUIT_PATIENCE: Duration = Duration::from_secs(2);
/// The first rest before a new attempt, and the longest.
const REST_FIRST: Duration = Duration::from_millis(250);
const REST_MAX: Duration = Duration::from_secs(30);
/// A connection that held this long makes earlier failures forgotten.
const STEADY_AFTER: Duration = Duration::from_secs(10);
/// Lines that cannot be read before the connection is given up.
const ODD_LINES_MAX: u32 = 20;

const _: () = assert!(PING_AFTER.as_secs() < SILENCE_MAX.as_secs());
