//! The real client: `sotto send` and `sotto receive` as processes, watched through `/proc`.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::proc;

/// Accounts on one server, each with a home of its own in one directory.
pub struct Sotto<'a> {
    pub program: &'a Path,
    pub server: SocketAddr,
    pub directory: &'a Path,
}

impl Sotto<'_> {
    /// Makes an account with keys; from then on others can send to it, and it comes back without its password.
    pub fn enroll(&self, name: &str) -> Outcome<()> {
        let mut command = self.command(name);
        command.env("SOTTO_PASSWORD", "correct horse").args(["--register", "devices"]);
        Running::start(&mut command, &self.log(name))?.finish(PATIENCE).map(drop)
    }

    pub fn send(&self, from: &str, to: &str, files: &[PathBuf]) -> Outcome<Running> {
        Running::start(self.command(from).args(["send", to]).args(files), &self.log(from))
    }

    /// Receives whatever this sender sends; with `once` until the first file is there.
    pub fn receive(&self, name: &str, from: &str, into: &Path, once: bool) -> Outcome<Running> {
        fs::create_dir_all(into)?;
        let mut command = self.command(name);
        command.args(["receive", "--yes-from", from, "--into"]).arg(into);
        Running::start(command.args(once.then_some("--once")), &self.log(name))
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.program);
        command.arg("--host").arg(self.server.ip().to_string());
        command.arg("--port").arg(self.server.port().to_string()).args(["--username", name]);
        command.args(["--accept-new", "--no-passphrase", "--home"]).arg(self.directory.join(name));
        command
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }
}

/// A program that works by itself; it is killed if nobody waits for its end.
pub struct Running {
    watcher: Option<JoinHandle<io::Result<Ended>>>,
    is_called_off: Arc<AtomicBool>,
}

/// How a program ended.
struct Ended {
    status: ExitStatus,
    took: Duration,
    resident_bytes_max: u64,
    /// The last that it said.
    said: String,
}

/// What a program took that did what it was to do.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    pub time: Duration,
    pub resident_bytes_max: u64,
}

impl Running {
    /// What it says goes to this file.
    pub fn start(command: &mut Command, log: &Path) -> Outcome<Running> {
        let said = File::create(log)?;
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).spawn();
        let child = child.map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
        let is_called_off = Arc::new(AtomicBool::new(false));
        let (off, log) = (Arc::clone(&is_called_off), log.to_owned());
        let watcher = thread::spawn(move || watch(child, began, &off, &log));
        Ok(Running { watcher: Some(watcher), is_called_off })
    }

    pub fn is_done(&self) -> bool {
        self.watcher.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until it has done its work, so long at most.
    pub fn finish(mut self, at_most: Duration) -> Outcome<Took> {
        let until = Instant::now() + at_most;
        while !self.is_done() && Instant::now() < until {
            thread::sleep(POLL);
        }
        let Ended { status, took, resident_bytes_max, said } = self.end()?;
        match status.success() {
            true => Ok(Took { time: took, resident_bytes_max }),
            false => Err(format!("a program ended with {status}: {}", said.trim_end()).into()),
        }
    }

    fn end(&mut self) -> Outcome<Ended> {
        self.is_called_off.store(true, Ordering::Relaxed);
        let watcher = self.watcher.take().ok_or("it has ended before")?;
        Ok(watcher.join().map_err(|_| "its watcher has failed")??)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.watcher.is_some() {
            // However it ends, it ends.
            let _ = self.end();
        }
    }
}

fn watch(mut child: Child, began: Instant, is_called_off: &AtomicBool, log: &Path) -> io::Result<Ended> {
    let mut resident_bytes_max = 0;
    loop {
        if let Some(status) = child.try_wait()? {
            let took = began.elapsed();
            let said = fs::read_to_string(log)?;
            return Ok(Ended { status, took, resident_bytes_max, said });
        }
        // Nothing to be read any more in the moment between its end and the answer of `try_wait`.
        resident_bytes_max = proc::memory(child.id(), "VmHWM:").unwrap_or(resident_bytes_max);
        if is_called_off.load(Ordering::Relaxed) {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
        }
        thread::sleep(POLL);
    }
}

const POLL: Duration = Duration::from_millis(5);
/// For an account, with its password hashed.
pub const PATIENCE: Duration = Duration::from_secs(60);
