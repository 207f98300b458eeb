//! A file that is larger than any memory should notice: it arrives as it was, and nobody needs more memory
//! for it than for a small one.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::client::{Account, End, Sotto};
use crate::daemon::Home;
use crate::proc;
use crate::random::Random;
use crate::{Outcome, Programs, Row};

#[derive(Clone, clap::Args)]
pub struct Options {
    /// Size of the file, in MiB
    #[arg(long, default_value_t = 5 * 1024)]
    mib: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { mib: 5 * 1024 }
    }
}

pub fn run(programs: &Programs, options: &Options) -> Outcome<Vec<Row>> {
    let bytes = options.mib << 20;
    let home = Home::new(&programs.server, "true", &[])?;
    let dir = home.dir.path();
    // What the server keeps, encrypted, and what the receiver has; the source has holes.
    let needed = 2 * (bytes + bytes / 20) + ROOM_LEFT;
    let free = free_bytes(dir)?;
    if free < needed {
        let (needed, free) = (needed >> 20, free >> 20);
        let dir = dir.display();
        return Err(format!("needs {needed} MiB on the disk of {dir}, which has {free}; see TMPDIR").into());
    }
    let daemon = home.start()?;
    let account = |name| Account::register(&programs.client, dir, name, daemon.address);
    let (alice, bob) = (account("alice")?, account("bob")?);
    let (source, inbox) = (dir.join("large.bin"), dir.join("in"));
    fs::create_dir(&inbox)?;
    make(&source, bytes)?;
    let digest = hash(&source)?;

    let mut command = alice.command(daemon.address);
    let (sender, sent) = to_its_end(command.arg("send").arg("bob").arg(&source))?;
    let mut command = bob.command(daemon.address);
    let receive = command.arg("receive").arg("--into").arg(&inbox).args(["--yes-from", "alice", "--once"]);
    let (receiver, received) = to_its_end(receive)?;
    let server = daemon.peak_bytes()?;

    let names: Vec<_> = fs::read_dir(&inbox)?.flatten().map(|entry| entry.file_name()).collect();
    let same = names == ["large.bin"] && hash(&inbox.join("large.bin"))? == digest;
    let rate = |time: Duration| format!("{:.0} MB/s", bytes as f64 / 1e6 / time.as_secs_f64());
    let peaks = [server, sender, receiver];
    let [server, sender, receiver] = peaks.map(|bytes| bytes >> 20);
    Ok(vec![
        Row::new(
            "large",
            format!("{} MiB with holes: sent at {}, received at {}", options.mib, rate(sent), rate(received)),
            if same { "arrived with the same SHA-256" } else { "is NOT what was sent" },
            same,
        ),
        Row::new(
            "large",
            "most memory of server, sender and receiver",
            format!("{server}, {sender} and {receiver} MiB"),
            peaks.into_iter().all(|peak| peak < PEAK_MAX),
        ),
    ])
}

/// Holes, and some bytes here and there, so that no piece of it can stand for another.
fn make(path: &Path, bytes: u64) -> Outcome<()> {
    let mut file = File::create(path)?;
    file.set_len(bytes)?;
    let mut random = Random::new(Some(bytes));
    let mut mark = vec![0; MARK_BYTES];
    for part in 0..MARKS {
        let start = bytes / MARKS * part;
        file.seek(SeekFrom::Start(start + random.below((bytes / MARKS).saturating_sub(MARK_BYTES as u64))))?;
        random.fill(&mut mark);
        file.write_all(&mark)?;
    }
    Ok(())
}

fn hash(path: &Path) -> Outcome<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Lets a program do its work, and tells the most memory that it had, and how long it took.
fn to_its_end(command: &mut Command) -> Outcome<(u64, Duration)> {
    let began = Instant::now();
    let mut sotto = Sotto::start(command)?;
    let mut most = 0;
    while sotto.is_running()? {
        // It ends between two looks, and is then too short to matter.
        most = proc::memory(sotto.id(), "VmHWM:").map_or(most, |bytes| bytes.max(most));
        if began.elapsed() > TIME_MAX {
            return Err("it does not come to its end".into());
        }
        thread::sleep(POLL);
    }
    let End { well, errors, .. } = sotto.finish()?;
    if well { Ok((most, began.elapsed())) } else { Err(format!("it failed: {errors}").into()) }
}

/// As `df` tells it.
fn free_bytes(directory: &Path) -> Outcome<u64> {
    let output = Command::new("df").arg("-Pk").arg(directory).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().nth(1).ok_or("df tells nothing")?;
    let free = line.split_whitespace().nth(3).ok_or("df tells no free space")?;
    Ok(free.parse::<u64>()? * 1024)
}

const MARKS: u64 = 64;
const MARK_BYTES: usize = 64 * 1024;
/// What a disk should have left in any case.
const ROOM_LEFT: u64 = 512 << 20;
/// More than any of them should need, whatever the size of the file.
const PEAK_MAX: u64 = 128 << 20;
const POLL: Duration = Duration::from_millis(20);
const TIME_MAX: Duration = Duration::from_secs(1800);
