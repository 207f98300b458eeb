//! Whole files between real `sotto` programs, beside `scp` of the same file in the same run, and beside
//! people who chat.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tempfile::TempDir;

use crate::Outcome;
use crate::content::{check_same, write_file};
use crate::figures::{Figure, histogram, median, progress};
use crate::ledger::Faults;
use crate::people;
use crate::scenario::{Stage, latency};
use crate::scp::Scp;
use crate::server::{Server, Wishes};
use crate::sotto::{Running, Sotto, Took};
use crate::swarm::Swarm;

pub struct Options {
    /// The client; if not given, the `sotto` beside the server's program.
    pub client: Option<PathBuf>,
    /// Bytes of the file.
    pub bytes: u64,
    /// People who chat meanwhile, and messages a second of all of them together.
    pub members: usize,
    pub rate: u32,
    /// Transfers at once in the last measurement.
    pub at_once: usize,
}

/// What several runs found.
struct Found {
    scp: Rates,
    sotto: Rates,
    chat_alone: Histogram<u64>,
    chat_beside_scp: Histogram<u64>,
    chat_beside_sotto: Histogram<u64>,
    client_bytes: u64,
    server_bytes: u64,
    faults: Faults,
}

/// In MB/s, one of each for each run.
#[derive(Default)]
struct Rates {
    up: Vec<f64>,
    down: Vec<f64>,
    up_beside: Vec<f64>,
    down_beside: Vec<f64>,
}

pub fn run(stage: &mut Stage, options: &Options) -> Outcome<()> {
    let home = tempfile::Builder::new().prefix("sottovoce-files-").tempdir()?;
    let file = home.path().join("file");
    progress("a file to be sent");
    write_file(&file, options.bytes)?;
    let scp = if stage.bare { Scp::start(home.path())? } else { None };
    let mut found = Found {
        scp: Rates::default(),
        sotto: Rates::default(),
        chat_alone: histogram(),
        chat_beside_scp: histogram(),
        chat_beside_sotto: histogram(),
        client_bytes: 0,
        server_bytes: 0,
        faults: Faults::default(),
    };
    for round in 0..stage.runs {
        progress(&format!("run {} of {}", round + 1, stage.runs));
        one_run(stage, options, home.path(), scp.as_ref(), &mut found)?;
    }
    let size = format!("{} MiB", options.bytes >> 20);
    match &scp {
        Some(_) => found.scp.report(stage, "scp", &size),
        None if stage.bare => eprintln!("load: no sshd and scp here to compare with"),
        None => {}
    }
    found.sotto.report(stage, "sotto", &size);
    if scp.is_some() {
        for (what, ours, theirs) in [
            ("alone", found.sotto.alone(), found.scp.alone()),
            ("both at once", found.sotto.beside(), found.scp.beside()),
        ] {
            stage.report.add(Figure::new(format!("sotto to scp, {what}: the slower way"), ours / theirs, ""));
        }
    }
    let who = format!("{} chatting at {} messages/s", options.members, options.rate);
    stage.report.latencies(&format!("{who}, alone"), &found.chat_alone);
    if scp.is_some() {
        stage.report.latencies(&format!("{who}, beside scp"), &found.chat_beside_scp);
    }
    stage.report.latencies(&format!("{who}, beside sotto"), &found.chat_beside_sotto);
    let note = "at most, over an idle server";
    stage.report.add(Figure::new("server's memory", found.server_bytes as f64 / 1e6, "MB").note(note));
    let note = "at most, all of it";
    stage.report.add(Figure::new("a client's memory", found.client_bytes as f64 / 1e6, "MB").note(note));
    stage.report.add(found.faults.figure());
    drop(scp);
    many_at_once(stage, options)
}

/// A server, people who chat, and four who send and receive: alice sends to bob; carol sends to dave while bob
/// receives; dave receives. scp does the same work in the same minute.
fn one_run(
    stage: &Stage,
    options: &Options,
    directory: &Path,
    scp: Option<&Scp>,
    found: &mut Found,
) -> Outcome<()> {
    let &Options { bytes, members, rate, .. } = options;
    let server = Server::start(&stage.source, &Wishes::default())?;
    let home = homes()?;
    let program = stage.source.client(options.client.as_deref())?;
    let sotto = Sotto { program: &program, server: server.address, directory: home.path() };
    ["alice", "bob", "carol", "dave"].into_iter().try_for_each(|name| sotto.enroll(name))?;
    let idle = server.usage().ok().map_or(0, |usage| usage.resident_bytes);
    let file = directory.join("file");
    let files = [file.clone()];
    let (to_bob, to_dave) = (home.path().join("to-bob"), home.path().join("to-dave"));
    let (scp_up, scp_down) = (directory.join("scp-up"), directory.join("scp-down"));

    if let Some(scp) = scp {
        found.scp.up.push(rate_of(bytes, scp.up(&file, &scp_up)?.finish(PATIENCE)?));
        found.scp.down.push(rate_of(bytes, scp.down(&file, &scp_down)?.finish(PATIENCE)?));
        remove(&[&scp_up, &scp_down])?;
    }
    let sent = sotto.send("alice", "bob", &files)?.finish(PATIENCE)?;
    found.sotto.up.push(rate_of(bytes, sent));

    let mut swarm = Swarm::new(server.address)?;
    let keys = people::room(&mut swarm, members, latency::ROOM, |index| format!("s{index:04}"))?;
    let mut chat = latency::talkers(&keys);
    settle_disk(directory)?;
    chat.steady(&mut swarm, rate, CHAT_ALONE, false)?;
    found.chat_alone.add(&chat.latencies)?;
    chat.latencies.reset();
    let mut server_bytes = 0;
    let mut beside = |both: [Running; 2]| -> Outcome<([Took; 2], Histogram<u64>)> {
        while !both.iter().all(Running::is_done) {
            chat.steady(&mut swarm, rate, CHAT_STEP, false)?;
            server_bytes = server_bytes.max(server.usage().map_or(0, |usage| usage.resident_bytes));
        }
        let latencies = chat.latencies.clone();
        chat.latencies.reset();
        let [up, down] = both.map(|running| running.finish(PATIENCE));
        Ok(([up?, down?], latencies))
    };
    if let Some(scp) = scp {
        settle_disk(directory)?;
        let (took, latencies) = beside([scp.up(&file, &scp_up)?, scp.down(&file, &scp_down)?])?;
        found.scp.push_beside(bytes, took);
        found.chat_beside_scp.add(&latencies)?;
    }
    settle_disk(directory)?;
    let both = [sotto.send("carol", "dave", &files)?, sotto.receive("bob", "alice", &to_bob, true)?];
    let (took, latencies) = beside(both)?;
    found.sotto.push_beside(bytes, took);
    found.chat_beside_sotto.add(&latencies)?;
    found.server_bytes = found.server_bytes.max(server_bytes.saturating_sub(idle));

    let received = sotto.receive("dave", "carol", &to_dave, true)?.finish(PATIENCE)?;
    found.sotto.down.push(rate_of(bytes, received));
    let clients = [sent, took[0], took[1], received].map(|took| took.resident_bytes_max);
    found.client_bytes = clients.into_iter().fold(found.client_bytes, u64::max);
    for inbox in [&to_bob, &to_dave] {
        check_same(&file, &inbox.join("file"))?;
    }
    if scp.is_some() {
        remove(&[&scp_up, &scp_down])?;
    }
    found.faults += chat.faults();
    if !chat.refusals.is_empty() || !chat.ended.is_empty() {
        return Err(chat.complaint("the chat was disturbed").into());
    }
    server.stop()
}

/// As many transfers at once as were asked for, each client with as many of them as it does at a time.
fn many_at_once(stage: &mut Stage, options: &Options) -> Outcome<()> {
    let pairs = options.at_once.div_ceil(FILES_EACH);
    let bytes = options.bytes / (pairs * FILES_EACH) as u64;
    let server = Server::start(&stage.source, &Wishes::default())?;
    let home = homes()?;
    let program = stage.source.client(options.client.as_deref())?;
    let sotto = Sotto { program: &program, server: server.address, directory: home.path() };
    let files: Vec<PathBuf> =
        (0..FILES_EACH).map(|number| home.path().join(format!("file{number}"))).collect();
    files.iter().try_for_each(|file| write_file(file, bytes))?;
    progress(&format!("{} people come", 2 * pairs));
    let names: Vec<(String, String)> =
        (0..pairs).map(|pair| (format!("from{pair}"), format!("to{pair}"))).collect();
    for (from, to) in &names {
        sotto.enroll(from)?;
        sotto.enroll(to)?;
    }
    progress(&format!("{} transfers at once", pairs * FILES_EACH));
    let began = Instant::now();
    let inbox = |to: &str| home.path().join(format!("in-{to}"));
    let receiving = names.iter().map(|(from, to)| sotto.receive(to, from, &inbox(to), false));
    let receiving = receiving.collect::<Outcome<Vec<Running>>>()?;
    let sending = names.iter().map(|(from, to)| sotto.send(from, to, &files));
    let sending = sending.collect::<Outcome<Vec<Running>>>()?;
    for running in sending {
        running.finish(PATIENCE)?;
    }
    for (_, to) in &names {
        while !files.iter().all(|file| file.file_name().is_some_and(|name| inbox(to).join(name).exists())) {
            if began.elapsed() > PATIENCE {
                return Err(format!("not everything has come to {to}").into());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    let took = Took { time: began.elapsed(), resident_bytes_max: 0 };
    drop(receiving);
    for (_, to) in &names {
        for file in &files {
            check_same(file, &inbox(to).join(file.file_name().unwrap_or_default()))?;
        }
    }
    let count = pairs * FILES_EACH;
    let what = format!("{count} transfers of {:.1} MiB at once, together", bytes as f64 / 1_048_576.0);
    let note = format!("{pairs} programs send, {pairs} receive; every file came as it was");
    stage.report.add(Figure::new(what, rate_of(bytes * count as u64, took), "MB/s").note(note));
    server.stop()
}

impl Rates {
    fn push_beside(&mut self, bytes: u64, [up, down]: [Took; 2]) {
        self.up_beside.push(rate_of(bytes, up));
        self.down_beside.push(rate_of(bytes, down));
    }

    fn report(&self, stage: &mut Stage, who: &str, size: &str) {
        let rates = [
            (format!("{who}, {size} up, alone"), &self.up),
            (format!("{who}, {size} down, alone"), &self.down),
            (format!("{who}, {size} up, both at once"), &self.up_beside),
            (format!("{who}, {size} down, both at once"), &self.down_beside),
        ];
        for (what, rates) in rates {
            let runs: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
            let note = format!("runs: {}", runs.join(" "));
            stage.report.add(Figure::new(what, median(rates), "MB/s").note(note));
        }
    }

    /// The slower of the two ways.
    fn alone(&self) -> f64 {
        median(&self.up).min(median(&self.down))
    }

    fn beside(&self) -> f64 {
        median(&self.up_beside).min(median(&self.down_beside))
    }
}

fn homes() -> Outcome<TempDir> {
    Ok(tempfile::Builder::new().prefix("sottovoce-homes-").tempdir()?)
}

fn remove(paths: &[&Path]) -> Outcome<()> {
    Ok(paths.iter().try_for_each(fs::remove_file)?)
}

/// Waits until the disk has taken back what was removed before. A file system that tells the disk which blocks
/// are free (`discard`) does so behind its next commit, and the commit after that waits for it: tens of
/// milliseconds for a gigabyte, which would be counted as what the next transfer costs the chat.
fn settle_disk(directory: &Path) -> Outcome<()> {
    let path = directory.join("settled");
    for content in ["commit", "and the one behind it"] {
        fs::write(&path, content)?;
        File::open(&path)?.sync_all()?;
    }
    Ok(fs::remove_file(path)?)
}

/// From the start of the program to its end.
fn rate_of(bytes: u64, took: Took) -> f64 {
    bytes as f64 / took.time.as_secs_f64() / 1e6
}

const CHAT_ALONE: Duration = Duration::from_secs(3);
/// The chat goes on in steps of this length until the transfers are done.
const CHAT_STEP: Duration = Duration::from_millis(500);
/// What a client works at, at a time.
const FILES_EACH: usize = sottovoce::client::transfer::ledger::ACTIVE_MAX;
/// For a large file on a slow machine.
const PATIENCE: Duration = Duration::from_secs(600);
