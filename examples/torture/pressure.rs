//! The silent, the half, the loud and the deaf, beside people who chat and must not notice.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::chat::{Chat, Way};
use crate::daemon::Home;
use crate::people;
use crate::swarm::{Answer, Listener, Swarm};
use crate::{Outcome, Row};

#[derive(Clone, clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 100)]
    people: usize,
    #[arg(long, default_value_t = 10_000)]
    silent: usize,
    #[arg(long, default_value_t = 1_000)]
    half: usize,
    #[arg(long, default_value_t = 100)]
    floods: usize,
    #[arg(long, default_value_t = 100)]
    deaf: usize,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

impl Default for Options {
    fn default() -> Options {
        Options { people: 100, silent: 10_000, half: 1_000, floods: 100, deaf: 100, seconds: 10.0 }
    }
}

pub fn run(program: &Path, options: &Options) -> Outcome<Vec<Row>> {
    let home = Home::new(program, "ulimit -n 20000 || true", &["limits.connections = 0"])?;
    let mut daemon = home.start()?;
    let mut swarm = Swarm::new(daemon.address)?;
    let how_long = Duration::from_secs_f64(options.seconds);
    let keys = people::room(&mut swarm, options.people, ROOM, |index| format!("s{index:04}"))?;
    let way = Way::Room { room: ROOM.into(), name: "s0000".into() };
    let mut calm = Chat::new(&keys, keys.len(), way.clone(), LINE_BYTES);
    calm.steady(&mut swarm, RATE, how_long, false)?;
    let memory = daemon.resident_bytes()?;

    swarm.small_buffers(true);
    let deaf = people::room(&mut swarm, options.deaf, ROOM, |index| format!("d{index:04}"))?;
    deaf.iter().for_each(|&key| swarm.deafen(key));
    swarm.small_buffers(false);
    for kind in [options.silent, options.half] {
        let half = kind == options.half;
        for count in 0..kind {
            let key = swarm.open(false)?;
            if half {
                swarm.send(key, &HALF_HELLO);
            }
            if count % AT_ONCE == 0 {
                swarm.turn(Duration::from_millis(5), &mut people::Ignore)?;
            }
        }
        people::settle(&mut swarm)?;
    }
    let over = Arc::new(AtomicBool::new(false));
    let floods = thread::spawn({
        let (over, address, count) = (Arc::clone(&over), daemon.address, options.floods);
        move || flood(address, count, &over).map_err(|error| error.to_string())
    });
    let mut chat = Chat::new(&keys, keys.len(), way, LINE_BYTES);
    let outcome = chat.steady(&mut swarm, RATE, how_long, false);
    over.store(true, Ordering::Relaxed);
    let flooded = floods.join().map_err(|_| "the floods panicked")??;
    outcome?;
    let grown = daemon.resident_bytes()?.saturating_sub(memory);

    let ms = |chat: &Chat| chat.latencies.value_at_quantile(0.99) as f64 / 1e6;
    let (before, during) = (ms(&calm), ms(&chat));
    let faults = chat.faults();
    let wrong = faults.lost + faults.doubled + faults.reordered;
    let alive = daemon.is_alive();
    let row = |what: String, found: String, passed| Row::new("pressure", what, found, passed);
    let Options { people, silent, half, floods, deaf, .. } = options;
    Ok(vec![
        row(format!("{people} people chat, {RATE} messages/s: p99"), format!("{before:.2} ms"), true),
        row(
            format!("beside {silent} silent, {half} half TLS, {floods} floods, {deaf} deaf: p99"),
            format!("{during:.2} ms"),
            during <= (2.0 * before).max(P99_MS_ALWAYS_GOOD),
        ),
        row("messages lost, doubled, reordered".into(), wrong.to_string(), wrong == 0),
        row("of those who chat, disconnected".into(), format!("{:?}", chat.ended), chat.ended.is_empty()),
        row(
            format!(
                "memory that it cost; floods sent {} KiB, {} were closed",
                flooded.bytes / 1024,
                flooded.closed
            ),
            format!("{} MiB", grown >> 20),
            grown < MEMORY_MAX && alive,
        ),
    ])
}

/// Writes as fast as it goes on every connection, and comes back when it is closed.
#[derive(Default)]
struct Flood {
    bytes: usize,
    closed: usize,
    lost: Vec<usize>,
}

impl Listener for Flood {
    fn line(&mut self, _key: usize, _line: &[u8], _answer: &mut Answer) {}

    fn closed(&mut self, key: usize, _why: &str) {
        self.closed += 1;
        self.lost.push(key);
    }
}

fn flood(address: SocketAddr, count: usize, over: &AtomicBool) -> Outcome<Flood> {
    let mut swarm = Swarm::new(address)?;
    let mut flood = Flood::default();
    let burst = "/msg s0000 flood\n".repeat(240);
    let mut keys = Vec::new();
    while !over.load(Ordering::Relaxed) {
        if keys.len() < count {
            let key = swarm.open(false)?;
            swarm.send(key, format!("/nick f{:06}\n", flood.closed + keys.len()).as_bytes());
            keys.push(key);
        }
        for &key in &keys {
            if swarm.unsent(key) == 0 {
                swarm.send(key, burst.as_bytes());
                flood.bytes += burst.len();
            }
        }
        swarm.turn(Duration::from_millis(2), &mut flood)?;
        for key in std::mem::take(&mut flood.lost) {
            keys.retain(|&kept| kept != key);
        }
    }
    Ok(flood)
}

const ROOM: &str = "lobby";
const RATE: u32 = 100;
const LINE_BYTES: usize = 100;
/// Connections begun between two looks at what has arrived.
const AT_ONCE: usize = 50;
/// The head of a record of 512 bytes, and the first of a hello.
const HALF_HELLO: [u8; 11] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
/// Below this nobody notices anything, whatever it was before.
const P99_MS_ALWAYS_GOOD: f64 = 3.0;
/// 100 deaf readers with a queue of 4 MiB each, at most, and a little for everybody else.
const MEMORY_MAX: u64 = 450 << 20;
