//! Clients that ignore every limit, beside people who chat.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::Outcome;
use crate::figures::{Figure, progress};
use crate::people;
use crate::scenario::Stage;
use crate::scenario::latency::{ROOM, conclude, talkers};
use crate::server::{Server, Wishes};
use crate::swarm::{Answer, Listener, Swarm};

pub struct Options {
    pub members: usize,
    pub floods: usize,
    pub seconds: f64,
}

pub fn run(stage: &mut Stage, options: &Options) -> Outcome<()> {
    let &Options { members, floods, seconds } = options;
    let how_long = Duration::from_secs_f64(seconds);
    let server = Server::start(&stage.source, &Wishes { default_limits: true, ..Wishes::default() })?;
    let mut swarm = Swarm::new(server.address)?;
    let keys = people::room(&mut swarm, members, ROOM, |index| format!("s{index:04}"))?;
    progress("calm");
    let mut calm = talkers(&keys);
    calm.steady(&mut swarm, RATE, how_long, false)?;
    stage.report.latencies("calm", &calm.latencies);
    conclude(&mut stage.report, &calm)?;
    let before = server.usage().ok();
    progress("flood");
    let stop = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&stop);
    let address = server.address;
    let thread = thread::spawn(move || rise(address, floods, &watched).map_err(|error| error.to_string()));
    let mut chat = talkers(&keys);
    let outcome = chat.steady(&mut swarm, RATE, how_long, false);
    stop.store(true, Ordering::Relaxed);
    let flood = thread.join().map_err(|_| "the flood panicked")??;
    outcome?;
    let what = format!("{floods} floods");
    stage.report.latencies(&what, &chat.latencies);
    if let Some((before, after)) = before.zip(server.usage().ok()) {
        let grown = after.resident_bytes.saturating_sub(before.resident_bytes) as f64 / 1024.0 / 1024.0;
        stage.report.add(Figure::new(format!("{what}: memory that it cost"), grown, "MiB"));
        let cores = after.cores_since(&before);
        stage.report.add(Figure::new(format!("{what}: server's processor time"), cores, "cores"));
    }
    stage.report.add(
        Figure::new(format!("{what}: of their connections closed"), flood.closed as f64, "").note(format!(
            "{} told too-fast, {} MB taken",
            flood.warned,
            flood.sent_bytes / 1_000_000
        )),
    );
    conclude(&mut stage.report, &chat)
}

/// Sends without end, and comes back when closed.
fn rise(address: SocketAddr, floods: usize, stop: &AtomicBool) -> Outcome<Flood> {
    let mut swarm = Swarm::new(address)?;
    let mut flood = Flood::default();
    let mut serial = 0;
    let mut open: Vec<(usize, Vec<u8>)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // At most one comes back in a turn, which is a thousand a second.
        if open.len() < floods {
            serial += 1;
            let key = swarm.open(false)?;
            swarm.send(key, format!("/nick f{serial}\n/join #flood\n").as_bytes());
            open.push((key, wave(serial)));
        }
        for (key, wave) in &open {
            if swarm.unsent(*key) == 0 {
                swarm.send(*key, wave);
                flood.sent_bytes += wave.len() as u64;
            }
        }
        swarm.turn(Duration::from_millis(1), &mut flood)?;
        open.retain(|(key, _)| !flood.gone.contains(key));
        flood.gone.clear();
    }
    Ok(flood)
}

/// What this one sends over and over: messages, commands that do not exist, or a line without end.
fn wave(serial: usize) -> Vec<u8> {
    match serial % 3 {
        0 => b"all work and no play makes jack a dull boy\n".repeat(WAVE_BYTES / 43),
        1 => b"/frobnicate the server\n".repeat(WAVE_BYTES / 23),
        _ => vec![b'a'; WAVE_BYTES],
    }
}

#[derive(Default)]
struct Flood {
    closed: u64,
    warned: u64,
    sent_bytes: u64,
    gone: Vec<usize>,
}

impl Listener for Flood {
    fn line(&mut self, _key: usize, line: &[u8], _answer: &mut Answer) {
        self.warned += u64::from(line.starts_with(b"!!! too-fast"));
    }

    fn closed(&mut self, key: usize, _why: &str) {
        self.closed += 1;
        self.gone.push(key);
    }
}

/// All members together; each of them stays far below what one may send.
const RATE: u32 = 100;
const WAVE_BYTES: usize = 16 * 1024;
