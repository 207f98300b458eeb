//! The server under torture: a process that can be killed and started again on the same data.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::Outcome;
use crate::proc;

/// Where a server lives, between its lives too.
pub struct Home {
    pub dir: TempDir,
    program: PathBuf,
    pub data: PathBuf,
    /// Shell commands before the server, such as `ulimit -n 64`.
    prelude: String,
}

pub struct Daemon {
    child: Child,
    pub address: SocketAddr,
}

impl Home {
    /// `keys` are lines of TOML with dotted keys.
    pub fn new(program: &Path, prelude: &str, keys: &[&str]) -> Outcome<Home> {
        let dir = tempfile::Builder::new().prefix("sottovoce-torture-").tempdir()?;
        let base = ["motd = \"\"", "accounts.bcrypt_cost = 4", "accounts.registration = \"open\""];
        fs::write(dir.path().join("config.toml"), [&base, keys].concat().join("\n"))?;
        let data = dir.path().join("data");
        Ok(Home { dir, program: program.to_path_buf(), data, prelude: prelude.into() })
    }

    pub fn start(&self) -> Outcome<Daemon> {
        self.start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts it where it was before, for those who come back.
    pub fn start_at(&self, address: SocketAddr) -> Outcome<Daemon> {
        let log = self.dir.path().join("stderr");
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{}; exec \"$0\" \"$@\"", self.prelude))
            .arg(&self.program)
            .arg("--config")
            .arg(self.dir.path().join("config.toml"))
            .arg("--data")
            .arg(&self.data)
            .args(["--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                let status = child.wait()?;
                return Err(format!("the server ended with {status}: {}", fs::read_to_string(&log)?).into());
            }
            if let Some((_, address)) = line.trim_end().rsplit_once("listening on ") {
                break address.parse()?;
            }
        };
        // Nobody else reads the pipe; a full one would stop the server.
        thread::spawn(move || output.read_to_end(&mut Vec::new()));
        Ok(Daemon { child, address })
    }

    /// Bytes that the server has written about itself in this life.
    pub fn log_bytes(&self) -> u64 {
        fs::metadata(self.dir.path().join("stderr")).map_or(0, |file| file.len())
    }
}

impl Daemon {
    /// The hard way: SIGKILL.
    pub fn kill(mut self) -> Outcome<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn resident_bytes(&self) -> Outcome<u64> {
        proc::memory(self.child.id(), "VmRSS:")
    }

    /// The most that it ever had.
    pub fn peak_bytes(&self) -> Outcome<u64> {
        proc::memory(self.child.id(), "VmHWM:")
    }

    /// Processor time so far, user and system.
    pub fn cpu(&self) -> Outcome<Duration> {
        proc::cpu(self.child.id())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
