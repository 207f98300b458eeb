//! A disk that fills up and has room again: what is refused is said to be refused, what was accepted
//! stays, and the server goes on by itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::Home;
use crate::talker::Talker;
use crate::{Outcome, Row};

/// A small file system in memory, unmounted in the end.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path) -> Outcome<Disk> {
        std::fs::create_dir_all(at)?;
        shell("mount", &["-t", "tmpfs", "-o", SMALL, "sottovoce-torture", &at.to_string_lossy()])?;
        Ok(Disk(at.to_path_buf()))
    }

    fn grow(&self) -> Outcome<()> {
        shell("mount", &["-o", &format!("remount,{LARGE}"), &self.0.to_string_lossy()])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Left mounted it costs some memory; there is nobody to tell.
        let _ = shell("umount", &["-l", &self.0.to_string_lossy()]);
    }
}

pub fn run(program: &Path) -> Outcome<Vec<Row>> {
    let keys = ["limits.messages_per_second = 0", "limits.commands_per_second = 0"];
    let mut home = Home::new(program, "true", &keys)?;
    let disk = Disk::mount(&home.dir.path().join("disk")).map_err(|why| format!("needs root: {why}"))?;
    home.data = disk.0.join("data");
    let mut daemon = home.start()?;
    let mut talker = Talker::connect(daemon.address)?;
    talker.ok(json!({"cmd": "register", "user": "anna", "password": "password1"}))?;
    talker.ok(json!({"cmd": "join", "room": ROOM}))?;

    let mut accepted: Vec<(u64, String)> = Vec::new();
    let mut others: Vec<String> = Vec::new();
    let mut refused = 0;
    for number in 0..MESSAGES_MAX {
        let text = format!("{number} {}", "x".repeat(3000));
        match say(&mut talker, &text)? {
            Ok(seq) => accepted.push((seq, text)),
            Err(code) if code == "storage-unavailable" => refused += 1,
            Err(code) => others.push(code),
        }
        if refused >= REFUSED_WANTED {
            break;
        }
    }
    let still = talker.ok(json!({"cmd": "ping"})).is_ok() && daemon.is_alive();
    let before = accepted.len();
    disk.grow()?;
    let began = Instant::now();
    let back = loop {
        if began.elapsed() > BACK_MAX {
            break None;
        }
        match say(&mut talker, "there is room again")? {
            Ok(seq) => {
                accepted.push((seq, "there is room again".into()));
                break Some(began.elapsed());
            }
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    };
    let wrong_now = compare(&accepted, &talker.log(ROOM)?);
    daemon.kill()?;
    let daemon = home.start()?;
    let mut talker = Talker::connect(daemon.address)?;
    talker.ok(json!({"cmd": "login", "user": "anna", "password": "password1"}))?;
    let wrong_later = compare(&accepted, &talker.log(ROOM)?);

    let row = |what: &str, found: String, passed| Row::new("full-disk", what, found, passed);
    Ok(vec![
        row("accepted before the disk was full", before.to_string(), before > 0),
        row("refused with storage-unavailable", refused.to_string(), refused >= REFUSED_WANTED),
        row("refused otherwise", format!("{others:?}"), others.is_empty()),
        row("serves what needs no disk", still.to_string(), still),
        row(
            "goes on by itself once there is room",
            back.map_or("no".into(), |after| format!("after {} ms", after.as_millis())),
            back.is_some(),
        ),
        row("accepted and not in the log as accepted", wrong_now.to_string(), wrong_now == 0),
        row("the same after a kill -9", wrong_later.to_string(), wrong_later == 0),
    ])
}

/// The position of a message, or the code of its refusal.
fn say(talker: &mut Talker, text: &str) -> Outcome<Result<u64, String>> {
    let reply: Value = talker.ask(json!({"cmd": "say", "room": ROOM, "text": text}))?;
    match reply["ok"]["seq"].as_u64() {
        Some(seq) => Ok(Ok(seq)),
        None => Ok(Err(reply["err"]["code"].as_str().unwrap_or("no code").into())),
    }
}

/// Messages that are not where they were accepted, and numbers left out.
fn compare(accepted: &[(u64, String)], log: &[(u64, String, String)]) -> usize {
    let gaps = log.iter().zip(1..).filter(|((seq, _, _), expected)| seq != expected).count();
    let at = |seq: u64| usize::try_from(seq).ok().and_then(|seq| log.get(seq.checked_sub(1)?));
    gaps + accepted.iter().filter(|(seq, text)| at(*seq).is_none_or(|(_, _, logged)| logged != text)).count()
}

fn shell(program: &str, arguments: &[&str]) -> Outcome<()> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into())
}

const ROOM: &str = "lobby";
const SMALL: &str = "size=6m";
const LARGE: &str = "size=64m";
/// Far more than fit.
const MESSAGES_MAX: usize = 10_000;
const REFUSED_WANTED: usize = 50;
const BACK_MAX: Duration = Duration::from_secs(15);
