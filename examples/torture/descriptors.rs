//! More connections than the server may have descriptors: those who are in go on, it neither spins nor
//! fills its log, and whoever comes once there is room is served.

use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::daemon::Home;
use crate::talker::Talker;
use crate::{Outcome, Row};

pub fn run(program: &Path) -> Outcome<Vec<Row>> {
    let home = Home::new(program, "ulimit -n 64", &["limits.messages_per_second = 0"])?;
    let mut daemon = home.start()?;
    let mut anna = Talker::guest(daemon.address, "anna", ROOM)?;
    let mut bob = Talker::guest(daemon.address, "bob", ROOM)?;
    // The system's queue takes those that the server does not.
    let crowd: Vec<TcpStream> = (0..CROWD)
        .map_while(|_| TcpStream::connect_timeout(&daemon.address, Duration::from_secs(2)).ok())
        .collect();
    let cpu = daemon.cpu()?;
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut said = 0;
    while began.elapsed() < WATCHED {
        let asked = Instant::now();
        anna.ok(json!({"cmd": "say", "room": ROOM, "text": "still here"}))?;
        bob.ok(json!({"cmd": "say", "room": ROOM, "text": "so am I"}))?;
        slowest = slowest.max(asked.elapsed());
        said += 2;
        thread::sleep(Duration::from_millis(20));
    }
    let busy = (daemon.cpu()? - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let crowd_size = crowd.len();
    drop(crowd);
    let began = Instant::now();
    let mut newcomer = Talker::connect(daemon.address)?;
    let served = newcomer.ok(json!({"cmd": "nick", "user": "carol"}));
    let waited = began.elapsed();
    let alive = daemon.is_alive();
    let row = |what: String, found: String, passed| Row::new("descriptors", what, found, passed);
    Ok(vec![
        row(
            format!("{said} messages of two who are in, while {crowd_size} knock: slowest pair"),
            format!("{} ms", slowest.as_millis()),
            slowest < ANSWER_MAX && alive,
        ),
        row("processor time meanwhile".into(), format!("{:.0} %", busy * 100.0), busy < BUSY_MAX),
        row("log".into(), format!("{} KiB", home.log_bytes() / 1024), home.log_bytes() < LOG_BYTES_MAX),
        row(
            "once the others have gone, a newcomer is served".into(),
            served.map_or_else(|why| why.to_string(), |_| format!("after {} ms", waited.as_millis())),
            waited < Duration::from_secs(10),
        ),
    ])
}

const ROOM: &str = "lobby";
const CROWD: usize = 150;
const WATCHED: Duration = Duration::from_secs(3);
const ANSWER_MAX: Duration = Duration::from_millis(500);
const BUSY_MAX: f64 = 0.3;
const LOG_BYTES_MAX: u64 = 256 * 1024;
