//! People who come and go: connect, choose a name, perhaps join a room, quit.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::figures::{Figure, median, progress};
use crate::people::contains;
use crate::scenario::Stage;
use crate::server::{Server, Wishes};
use crate::swarm::{Answer, Listener, Swarm};

#[derive(Clone, Copy)]
pub struct Options {
    pub tls: bool,
    pub join: bool,
    pub seconds: f64,
}

pub fn run(stage: &mut Stage, options: Options) -> Outcome<()> {
    let server = Server::start(&stage.source, &Wishes::default())?;
    let mut swarm = Swarm::new(server.address)?;
    let mut guests = Guests { join: options.join, ..Guests::default() };
    let how_long = Duration::from_secs_f64(options.seconds);
    cycle(&mut swarm, &mut guests, options.tls, WARM_UP)?;
    let (mut rates, mut costs, mut cores) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=stage.runs {
        progress(&format!("run {run} of {}", stage.runs));
        let (before, done) = (server.usage().ok(), guests.done);
        let began = Instant::now();
        cycle(&mut swarm, &mut guests, options.tls, how_long)?;
        let count = (guests.done - done) as f64;
        if count == 0.0 {
            return Err("nobody got through".into());
        }
        rates.push(count / began.elapsed().as_secs_f64());
        if let Some((before, after)) = before.zip(server.usage().ok()) {
            costs.push((after.cpu - before.cpu).as_secs_f64() * 1e6 / count);
            cores.push(after.cores_since(&before));
        }
    }
    let what = match options {
        Options { tls: true, .. } => "TLS handshake, guest login, quit",
        Options { join: true, .. } => "connect, guest login, join, quit",
        _ => "connect, guest login, quit",
    };
    let report = &mut stage.report;
    report.add(Figure::new(what, median(&rates), "/s"));
    if !costs.is_empty() {
        report.add(Figure::new(format!("{what}: server's processor time"), median(&costs), "µs each"));
        report.add(Figure::new(format!("{what}: server's load"), median(&cores), "cores"));
    }
    if let Some(failure) = guests.failure {
        return Err(format!("{} cycles failed, the first with: {failure}", guests.failed).into());
    }
    Ok(())
}

/// Keeps a number of guests coming and going.
fn cycle(swarm: &mut Swarm, guests: &mut Guests, tls: bool, how_long: Duration) -> Outcome<()> {
    let began = Instant::now();
    while began.elapsed() < how_long {
        while swarm.len() < AT_ONCE {
            let key = swarm.open(tls)?;
            let hello = guests.enter(key);
            swarm.send(key, hello.as_bytes());
        }
        let before = guests.done;
        if swarm.turn(TURN, guests)? == 0 && guests.done == before && began.elapsed() > STALL_MAX {
            return Err("nobody gets through any more".into());
        }
    }
    Ok(())
}

#[derive(Default)]
struct Guests {
    join: bool,
    serial: u64,
    steps: Vec<Step>,
    done: u64,
    failed: u64,
    failure: Option<String>,
}

#[derive(Clone, Default)]
enum Step {
    #[default]
    Gone,
    /// Waits for the answer to `/nick`, which contains this name.
    Naming(String),
    Joining,
    Quitting,
}

impl Guests {
    fn enter(&mut self, key: usize) -> String {
        self.serial += 1;
        let name = format!("c{}", self.serial);
        let hello = format!("/nick {name}\n");
        self.steps.resize(self.steps.len().max(key + 1), Step::Gone);
        self.steps[key] = Step::Naming(name);
        hello
    }

    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.failure.get_or_insert(why);
    }
}

impl Listener for Guests {
    fn line(&mut self, key: usize, line: &[u8], answer: &mut Answer) {
        if line.starts_with(b"!!!") {
            self.fail(String::from_utf8_lossy(line).into_owned());
            answer.close = true;
            return;
        }
        match &self.steps[key] {
            Step::Naming(name) if line.starts_with(b"*** ") && contains(line, name.as_bytes()) => {
                if self.join {
                    // A few rooms, so that a coming and going is told to a few.
                    answer.bytes.extend_from_slice(format!("/join #c{}\n", key % ROOMS).as_bytes());
                    self.steps[key] = Step::Joining;
                } else {
                    answer.bytes.extend_from_slice(b"/quit\n");
                    self.steps[key] = Step::Quitting;
                }
            }
            Step::Joining if contains(line, b"you are in") => {
                answer.bytes.extend_from_slice(b"/quit\n");
                self.steps[key] = Step::Quitting;
            }
            _ => {}
        }
    }

    fn closed(&mut self, key: usize, why: &str) {
        match std::mem::take(&mut self.steps[key]) {
            Step::Quitting => self.done += 1,
            _ => self.fail(why.to_string()),
        }
    }
}

const AT_ONCE: usize = 64;
const ROOMS: usize = 16;
const WARM_UP: Duration = Duration::from_millis(500);
const TURN: Duration = Duration::from_millis(50);
const STALL_MAX: Duration = Duration::from_secs(10);
