//! Gets many people connected, named and into a room, a bounded number of them at a time.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::swarm::{Answer, Listener, Swarm};
use crate::tongue::{Sign, Tongue};

/// Who is to come, and what each of them says on arrival.
pub struct Crowd<'a> {
    pub count: usize,
    pub tls: bool,
    /// How many may be arriving at one time.
    pub at_once: usize,
    /// Sent at once, before the server has said anything; with its line ends.
    pub hello: &'a dyn Fn(usize) -> String,
    /// What the line contains that tells that this one has arrived.
    pub welcome: &'a dyn Fn(usize) -> String,
}

/// Guests with these names, in no room.
pub fn guests(
    swarm: &mut Swarm,
    count: usize,
    tls: bool,
    name: impl Fn(usize) -> String,
) -> Outcome<Vec<usize>> {
    let hello = |index| format!("/nick {}\n", name(index));
    gather(swarm, &Crowd { count, tls, at_once: ARRIVING_MAX, hello: &hello, welcome: &name })
}

/// Guests with these names, all in one room.
pub fn room(
    swarm: &mut Swarm,
    count: usize,
    room: &str,
    name: impl Fn(usize) -> String,
) -> Outcome<Vec<usize>> {
    let tongue = swarm.tongue;
    let hello = |index| tongue.hello(&name(index), room);
    let welcome = |_| tongue.welcome(room);
    let keys =
        gather(swarm, &Crowd { count, tls: false, at_once: ARRIVING_MAX, hello: &hello, welcome: &welcome })?;
    settle(swarm)?;
    Ok(keys)
}

/// Their connections, in the order of their numbers.
pub fn gather(swarm: &mut Swarm, crowd: &Crowd<'_>) -> Outcome<Vec<usize>> {
    let mut arrivals = Arrivals {
        tongue: swarm.tongue,
        number_of: Vec::new(),
        welcomes: Vec::new(),
        arrived: 0,
        failure: None,
    };
    let mut keys = Vec::with_capacity(crowd.count);
    let mut progress = Instant::now();
    while arrivals.arrived < crowd.count {
        while keys.len() < crowd.count && keys.len() - arrivals.arrived < crowd.at_once {
            let key = swarm.open(crowd.tls)?;
            arrivals.expect(key, keys.len(), (crowd.welcome)(keys.len()));
            swarm.send(key, (crowd.hello)(keys.len()).as_bytes());
            keys.push(key);
        }
        let before = arrivals.arrived;
        swarm.turn(TURN, &mut arrivals)?;
        if let Some(failure) = arrivals.failure {
            return Err(failure.into());
        }
        if arrivals.arrived > before {
            progress = Instant::now();
        } else if progress.elapsed() > ARRIVAL_MAX {
            return Err(format!("{before} of {} arrived, then no more", crowd.count).into());
        }
    }
    Ok(keys)
}

/// Reads what the others' arrival still causes, until it is quiet.
pub fn settle(swarm: &mut Swarm) -> Outcome<()> {
    let began = Instant::now();
    while swarm.turn(QUIET, &mut Ignore)? > 0 && began.elapsed() < ARRIVAL_MAX {}
    Ok(())
}

/// Hears and forgets.
pub struct Ignore;

impl Listener for Ignore {
    fn line(&mut self, _key: usize, _line: &[u8], _answer: &mut Answer) {}
}

struct Arrivals {
    tongue: Tongue,
    /// By key, the number of who is expected there.
    number_of: Vec<Option<usize>>,
    welcomes: Vec<String>,
    arrived: usize,
    failure: Option<String>,
}

impl Arrivals {
    fn expect(&mut self, key: usize, number: usize, welcome: String) {
        if self.number_of.len() <= key {
            self.number_of.resize(key + 1, None);
        }
        self.number_of[key] = Some(number);
        self.welcomes.push(welcome);
    }

    fn expected(&self, key: usize) -> Option<usize> {
        self.number_of.get(key).copied().flatten()
    }
}

impl Listener for Arrivals {
    fn line(&mut self, key: usize, line: &[u8], answer: &mut Answer) {
        let Some(number) = self.expected(key) else { return };
        match self.tongue.sign(line, &self.welcomes[number], answer) {
            Sign::Nothing => {}
            Sign::Refused => {
                self.failure = Some(format!("number {number} was told: {}", String::from_utf8_lossy(line)));
            }
            Sign::Arrived => {
                self.number_of[key] = None;
                self.arrived += 1;
            }
        }
    }

    fn closed(&mut self, _key: usize, why: &str) {
        self.failure = Some(format!("a connection ended after {} had arrived: {why}", self.arrived));
    }
}

pub fn contains(line: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(line, part).is_some()
}

/// Connections that have not arrived yet; below the queue that a listening socket has.
const ARRIVING_MAX: usize = 200;
/// A crowd of which nobody arrives for so long will not arrive any more.
const ARRIVAL_MAX: Duration = Duration::from_secs(20);
const TURN: Duration = Duration::from_millis(100);
/// Silence of this length means that nothing is under way.
const QUIET: Duration = Duration::from_millis(200);
