//! A hundred files on their way at once, each of four from one of 25 people to one of 25 others, while those
//! already wait for them.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Account, Sotto};
use crate::daemon::Home;
use crate::files::{HALF, is_same, listed, make};
use crate::{Outcome, Programs, Row};

struct Pair {
    sender: Account,
    receiver: Account,
    files: Vec<PathBuf>,
    inbox: PathBuf,
}

pub fn run(programs: &Programs) -> Outcome<Vec<Row>> {
    let home = Home::new(&programs.server, "true", &[])?;
    let daemon = home.start()?;
    let address = daemon.address;
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        let account = |name: &str| Account::register(&programs.client, home.dir.path(), name, address);
        let [out, inbox] = ["out", "in"].map(|name| home.dir.path().join(format!("{name}{number}")));
        fs::create_dir(&out)?;
        fs::create_dir(&inbox)?;
        let files = (0..FILES_EACH).map(|file| out.join(format!("{file}.bin"))).collect::<Vec<_>>();
        for (place, file) in files.iter().enumerate() {
            make(file, (number * FILES_EACH + place + 1) as u64, FILE_BYTES + number * 1000 + place)?;
        }
        let (sender, receiver) = (account(&format!("s{number}"))?, account(&format!("r{number}"))?);
        pairs.push(Pair { sender, receiver, files, inbox });
    }
    let began = Instant::now();
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for Pair { sender, receiver, files, inbox } in &pairs {
        let mut command = receiver.command(address);
        command.arg("receive").arg("--into").arg(inbox).args(["--yes-from", &sender.name]);
        receivers.push((Sotto::start(&mut command)?, 0));
        let mut command = sender.command(address);
        senders.push(Sotto::start(command.arg("send").arg(&receiver.name).args(files))?);
    }
    let (mut up, mut down) = (0, 0);
    let half = |(name, _): &(String, u64)| name.ends_with(HALF);
    while receivers.iter().any(|(_, received)| *received < FILES_EACH) {
        if began.elapsed() > TIME_MAX {
            let counts: Vec<usize> = receivers.iter().map(|(_, received)| *received).collect();
            return Err(format!("not everything has come: {counts:?}").into());
        }
        for (sotto, received) in &mut receivers {
            *received += sotto.heard().iter().filter(|line| line.starts_with("received ")).count();
        }
        up = up.max(listed(&home.data.join("files"))?.iter().filter(|file| half(file)).count());
        let mut coming = 0;
        for Pair { inbox, .. } in &pairs {
            coming += listed(inbox)?.iter().filter(|file| half(file)).count();
        }
        down = down.max(coming);
        thread::sleep(POLL);
    }
    let time = began.elapsed().as_secs_f64();
    let mut complaints = Vec::new();
    for sender in senders {
        let end = sender.finish()?;
        complaints.extend(end.errors.lines().map(String::from));
        if !end.well {
            complaints.push("a sender failed".into());
        }
    }
    for (receiver, _) in receivers {
        complaints.extend(receiver.kill()?.errors.lines().map(String::from));
    }
    let (mut right, mut wrong) = (0, 0);
    for Pair { files, inbox, .. } in &pairs {
        let name = |file: &PathBuf| file.file_name().map(|name| inbox.join(name)).unwrap_or_default();
        let same = files.iter().filter(|file| is_same(file, &name(file))).count();
        right += same;
        wrong += listed(inbox)?.len().abs_diff(same);
    }
    let peak = daemon.peak_bytes()? >> 20;
    let row = |what: String, found: String, passed| Row::new("crowd", what, found, passed);
    let (wanted, megabytes) = (PAIRS * FILES_EACH, (PAIRS * FILES_EACH * FILE_BYTES) as f64 / 1e6);
    let what = format!(
        "{wanted} files of 25 senders to 25 receivers, {megabytes:.0} MB in {time:.0} s; at most {up} half sent \
         and {down} half received at once"
    );
    let first = complaints.first().map_or(String::new(), |first| format!(": {first}"));
    Ok(vec![
        row(what, format!("{right} as they were"), right == wanted),
        row("something else in the inboxes".into(), wrong.to_string(), wrong == 0),
        row("most memory of the server".into(), format!("{peak} MiB"), peak < PEAK_MIB_MAX),
        row(
            format!("complaints of the programs{first}"),
            complaints.len().to_string(),
            complaints.is_empty(),
        ),
    ])
}

const PAIRS: usize = 25;
/// What a client has at work at once.
const FILES_EACH: usize = 4;
const FILE_BYTES: usize = 16 << 20;
/// More than 200 connections with their buffers, and all pieces of files, should need.
const PEAK_MIB_MAX: u64 = 128;
const POLL: Duration = Duration::from_millis(10);
const TIME_MAX: Duration = Duration::from_secs(600);
