//! Password logins without end, beside whatever else is measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::people::{Crowd, contains, gather};
use crate::swarm::{Answer, Listener, Swarm};

/// A thread that keeps a number of logins waiting.
pub struct Storm {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Weather, String>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub logins_per_second: f64,
    pub busy: u64,
    pub failed: u64,
}

impl Storm {
    /// Registers the accounts, then lets each of them log in, quit and log in again.
    pub fn start(address: SocketAddr, logins: usize) -> Outcome<Storm> {
        let mut swarm = Swarm::new(address)?;
        let hello = |index| format!("/register {} {PASSWORD}\n", name(index));
        let crowd =
            Crowd { count: logins, tls: false, at_once: REGISTERING_MAX, hello: &hello, welcome: &name };
        gather(&mut swarm, &crowd)?;
        swarm.close_all();
        let stop = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            blow(&mut swarm, logins, &watched).map_err(|error| format!("the login storm failed: {error}"))
        });
        Ok(Storm { stop, thread })
    }

    pub fn stop(self) -> Outcome<Weather> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.thread.join().map_err(|_| "the login storm panicked")??)
    }
}

fn blow(swarm: &mut Swarm, logins: usize, stop: &AtomicBool) -> Outcome<Weather> {
    let mut waiting = Waiting { account_of: Vec::new(), free: (0..logins).collect(), ..Waiting::default() };
    let began = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        while let Some(account) = waiting.free.pop() {
            let key = swarm.open(false)?;
            waiting.account_of.resize(waiting.account_of.len().max(key + 1), 0);
            waiting.account_of[key] = account;
            swarm.send(key, format!("/login {} {PASSWORD}\n", name(account)).as_bytes());
        }
        swarm.turn(TURN, &mut waiting)?;
    }
    let mut weather = waiting.weather;
    weather.logins_per_second = waiting.logins as f64 / began.elapsed().as_secs_f64();
    Ok(weather)
}

#[derive(Default)]
struct Waiting {
    account_of: Vec<usize>,
    free: Vec<usize>,
    logins: u64,
    weather: Weather,
}

impl Listener for Waiting {
    fn line(&mut self, key: usize, line: &[u8], answer: &mut Answer) {
        if line.starts_with(b"!!! busy") {
            self.weather.busy += 1;
        } else if line.starts_with(b"!!!") {
            self.weather.failed += 1;
        } else if line.starts_with(b"*** ") && contains(line, name(self.account_of[key]).as_bytes()) {
            self.logins += 1;
        } else {
            return;
        }
        answer.close = true;
    }

    fn closed(&mut self, key: usize, _why: &str) {
        self.free.push(self.account_of[key]);
    }
}

fn name(account: usize) -> String {
    format!("b{account:04}")
}

const PASSWORD: &str = "correct-horse-battery";
/// Few enough that no server calls itself busy.
const REGISTERING_MAX: usize = 4;
const TURN: Duration = Duration::from_millis(20);
