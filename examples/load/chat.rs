//! People who talk, and a listener that checks and times what arrives.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::Outcome;
use crate::figures::histogram;
use crate::ledger::{Faults, Ledger, parse, text};
use crate::people::contains;
use crate::swarm::{Answer, Listener, Swarm};

/// A set of connections of which the first few send numbered messages.
pub struct Chat {
    /// Connections by number; the first `senders` of them talk.
    keys: Vec<usize>,
    /// Numbers by connection.
    number_of: Vec<Option<usize>>,
    senders: usize,
    /// Where each sender's messages go.
    way: Way,
    line_bytes: usize,
    pub ledger: Ledger,
    pub sent: Vec<u32>,
    /// When each message was handed to the socket, by sender and number; empty if that is not measured.
    sent_at: Vec<Vec<Instant>>,
    pub latencies: Histogram<u64>,
    now: Instant,
    /// Error lines of the server, the first few of them.
    pub refusals: Vec<String>,
    /// Why those of the chat were disconnected who were.
    pub ended: Vec<String>,
    /// Notices that the first member got, such as that others left.
    pub notices: u64,
}

#[derive(Clone)]
pub enum Way {
    /// Into this room, where the senders have names of this form.
    Room { room: String, name: String },
    /// Each sender to the person of the same place in the second half, as a private message.
    Pairs { to: Vec<String> },
}

impl Chat {
    pub fn new(keys: &[usize], senders: usize, way: Way, line_bytes: usize) -> Chat {
        let mut number_of = vec![None; keys.iter().max().map_or(0, |key| key + 1)];
        keys.iter().enumerate().for_each(|(number, &key)| number_of[key] = Some(number));
        Chat {
            keys: keys.to_vec(),
            number_of,
            senders,
            way,
            line_bytes,
            ledger: Ledger::new(keys.len(), senders),
            sent: vec![0; senders],
            sent_at: vec![Vec::new(); senders],
            latencies: histogram(),
            now: Instant::now(),
            refusals: Vec::new(),
            ended: Vec::new(),
            notices: 0,
        }
    }

    /// Sends messages to the server as fast as it delivers them, never more than `window` ahead of
    /// the slowest receiver, until `done`; then waits for the rest to arrive.
    pub fn saturate(
        &mut self,
        swarm: &mut Swarm,
        window: u64,
        mut done: impl FnMut(&Chat) -> Outcome<bool>,
    ) -> Outcome<()> {
        let mut sender = 0;
        let mut progress = (Instant::now(), 0);
        while !done(self)? {
            let mut ahead = self.sent_total() - self.slowest();
            while ahead + BURST_LINES <= window {
                self.say(swarm, sender, BURST_LINES);
                sender = (sender + 1) % self.senders;
                ahead += BURST_LINES;
            }
            swarm.turn(TURN, self)?;
            if self.ledger.deliveries > progress.1 {
                progress = (Instant::now(), self.ledger.deliveries);
            } else if progress.0.elapsed() > STALL_MAX {
                return Err(self.complaint("nothing arrives any more").into());
            }
        }
        self.drain(swarm)
    }

    /// Sends at a steady rate, the senders taking turns; then waits for the rest to arrive.
    pub fn steady(
        &mut self,
        swarm: &mut Swarm,
        rate: u32,
        how_long: Duration,
        punctual: bool,
    ) -> Outcome<()> {
        self.sent_at.iter_mut().for_each(|times| times.reserve(PREPARED_MESSAGES));
        let began = Instant::now();
        let total = (f64::from(rate) * how_long.as_secs_f64()) as u32;
        let mut said = 0;
        while said < total {
            let due = began + Duration::from_secs_f64(f64::from(said) / f64::from(rate));
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                self.say(swarm, said as usize % self.senders, 1);
                said += 1;
            }
            // The system waits for whole milliseconds. Who must be punctual asks again and again
            // instead, at the price of a core.
            let wait = if punctual && wait < Duration::from_millis(2) { Duration::ZERO } else { wait };
            swarm.turn(wait, self)?;
        }
        self.drain(swarm)
    }

    /// Waits until everything has arrived, or nothing comes any more.
    pub fn drain(&mut self, swarm: &mut Swarm) -> Outcome<()> {
        let mut quiet_since = Instant::now();
        while self.ledger.deliveries < self.expected() && quiet_since.elapsed() < DRAIN_QUIET {
            let before = self.ledger.deliveries;
            swarm.turn(TURN, self)?;
            if self.ledger.deliveries > before {
                quiet_since = Instant::now();
            }
        }
        // What comes once more than it should comes last.
        while quiet_since.elapsed() < DRAIN_QUIET && swarm.turn(TURN, self)? > 0 {}
        Ok(())
    }

    /// One sender's next messages, in one piece.
    pub fn say(&mut self, swarm: &mut Swarm, sender: usize, count: u64) {
        let (command, around) = match &self.way {
            Way::Room { room, name } => swarm.tongue.around(room, name),
            Way::Pairs { to } => (format!("/msg {} ", to[sender]), PRIVATE_AROUND + to[sender].len()),
        };
        let mut bytes = String::with_capacity(usize::try_from(count).unwrap_or(1) * (self.line_bytes + 16));
        for _ in 0..count {
            bytes.push_str(&command);
            bytes.push_str(&text(sender, self.sent[sender], self.line_bytes, around));
            bytes.push('\n');
            self.sent[sender] += 1;
        }
        if self.sent_at[sender].capacity() > 0 {
            let now = Instant::now();
            self.sent_at[sender].extend((0..count).map(|_| now));
        }
        swarm.send(self.keys[sender], bytes.as_bytes());
    }

    pub fn sent_total(&self) -> u64 {
        self.sent.iter().map(|&count| u64::from(count)).sum()
    }

    /// Messages that have arrived at every one of those who only listen.
    fn slowest(&self) -> u64 {
        self.ledger.received[self.senders..].iter().copied().min().unwrap_or(u64::MAX).min(self.sent_total())
    }

    fn expected(&self) -> u64 {
        match self.way {
            Way::Room { .. } => self.sent_total() * (self.keys.len() as u64 - 1),
            Way::Pairs { .. } => self.sent_total(),
        }
    }

    pub fn faults(&self) -> Faults {
        let pairs = matches!(self.way, Way::Pairs { .. });
        let hears = |receiver: usize, sender: usize| match pairs {
            true => receiver == sender + self.senders,
            false => receiver != sender,
        };
        self.ledger.faults(&self.sent, hears)
    }

    /// What stands in the way of a clean measurement, if anything does.
    pub fn complaint(&self, what: &str) -> String {
        format!("{what}; the server's first errors: {:?}; connections ended: {:?}", self.refusals, self.ended)
    }
}

impl Listener for Chat {
    fn batch(&mut self, _key: usize) {
        self.now = Instant::now();
    }

    fn line(&mut self, key: usize, line: &[u8], _answer: &mut Answer) {
        let Some(&Some(receiver)) = self.number_of.get(key) else { return };
        match parse(line) {
            Some((sender, number)) if sender < self.senders => {
                if matches!(self.way, Way::Pairs { .. }) && !contains(line, b" -> you> ") {
                    return;
                }
                self.ledger.record(receiver, sender, number);
                if let Some(sent_at) = self.sent_at[sender].get(number as usize) {
                    let nanos = self.now.saturating_duration_since(*sent_at).as_nanos();
                    self.latencies.saturating_record(u64::try_from(nanos).unwrap_or(u64::MAX));
                }
            }
            _ if line.starts_with(b"!!!") && self.refusals.len() < KEPT_REFUSALS => {
                self.refusals.push(String::from_utf8_lossy(line).into_owned());
            }
            _ => self.notices += u64::from(receiver == 0 && line.starts_with(b"*** ")),
        }
    }

    fn closed(&mut self, key: usize, why: &str) {
        // The scenario has other connections too, and they end as they like.
        if let Some(number @ Some(_)) = self.number_of.get_mut(key) {
            *number = None;
            self.ended.push(why.to_string());
        }
    }
}

/// `[HH:MM] <s0001 -> you> ` less the name of whom it goes to, which is as long as the sender's.
const PRIVATE_AROUND: usize = "[00:00] < -> you> ".len();
/// Lines that a sender hands to the system at once when it is to saturate the server.
const BURST_LINES: u64 = 32;
const PREPARED_MESSAGES: usize = 1024;
const KEPT_REFUSALS: usize = 5;
const TURN: Duration = Duration::from_millis(50);
const STALL_MAX: Duration = Duration::from_secs(10);
/// Silence after which what has not arrived is lost.
const DRAIN_QUIET: Duration = Duration::from_secs(2);
