//! The server under load: started here with a directory and a configuration of its own, and watched
//! through `/proc`.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Outcome;
use crate::proc;

/// Where the server comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// This program is started, with what the scenario needs.
    Program(PathBuf),
    /// It runs already; its configuration is its owner's business.
    Running { address: SocketAddr, pid: Option<u32> },
}

/// What a scenario wants to be different from a server without limits.
#[derive(Clone, Debug)]
pub struct Wishes {
    pub history: bool,
    /// The limits that a server has by default, instead of none.
    pub default_limits: bool,
    /// Smaller send queues, so that a reader that stops reading is noticed within seconds.
    pub send_queues: Option<(usize, usize)>,
    /// Keep this data directory instead of an empty one.
    pub data: Option<PathBuf>,
}

pub struct Server {
    pub address: SocketAddr,
    /// From the start of the process to the line on its standard output.
    pub ready_after: Duration,
    pid: Option<u32>,
    child: Option<Child>,
    /// Removed with everything in it when the server has gone.
    _home: Option<TempDir>,
}

/// What the server has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub at: Instant,
    pub cpu: Duration,
    pub resident_bytes: u64,
}

impl Source {
    /// The client that is of the same build as the server, unless another one is named.
    pub fn client(&self, named: Option<&Path>) -> Outcome<PathBuf> {
        let program = match (named, self) {
            (Some(program), _) => program.to_owned(),
            (None, Source::Program(server)) => {
                server.with_file_name(format!("sotto{}", std::env::consts::EXE_SUFFIX))
            }
            (None, Source::Running { .. }) => return beside_this_program("sotto"),
        };
        // It is started from elsewhere.
        Ok(program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?)
    }
}

/// `target/release/sottod` for `target/release/examples/load`.
pub fn beside_this_program(name: &str) -> Outcome<PathBuf> {
    let here = std::env::current_exe()?;
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let found = here.ancestors().skip(1).take(2).map(|folder| folder.join(&file)).find(|path| path.is_file());
    Ok(found.ok_or_else(|| {
        format!("no {name} beside this program: build it in the same profile, or name it on the command line")
    })?)
}

impl Default for Wishes {
    fn default() -> Wishes {
        Wishes { history: true, default_limits: false, send_queues: None, data: None }
    }
}

impl Server {
    pub fn start(source: &Source, wishes: &Wishes) -> Outcome<Server> {
        match source {
            Source::Program(program) => Server::run(program, wishes),
            Source::Running { address, pid } => Ok(Server {
                address: *address,
                ready_after: Duration::ZERO,
                pid: *pid,
                child: None,
                _home: None,
            }),
        }
    }

    fn run(program: &Path, wishes: &Wishes) -> Outcome<Server> {
        let home = tempfile::Builder::new().prefix("sottovoce-load-").tempdir()?;
        let file = home.path().join("config.toml");
        fs::write(&file, configuration(wishes))?;
        let data = wishes.data.clone().unwrap_or_else(|| home.path().join("data"));
        // It logs as it does by default: a line for each connection has its price.
        let log = home.path().join("stderr");
        let began = Instant::now();
        let mut child = Command::new(program)
            .arg("--config")
            .arg(&file)
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log)?)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                let said = fs::read_to_string(&log)?;
                let status = child.wait()?;
                return Err(format!("the server ended before it listened, with {status}: {said}").into());
            }
            if let Some((_, address)) = line.trim_end().rsplit_once("listening on ") {
                break address.parse()?;
            }
        };
        let ready_after = began.elapsed();
        // Nobody else reads the pipe; a full one would stop the server.
        thread::spawn(move || output.read_to_end(&mut Vec::new()));
        Ok(Server { address, ready_after, pid: Some(child.id()), child: Some(child), _home: Some(home) })
    }

    pub fn usage(&self) -> Outcome<Usage> {
        let pid = self.pid.ok_or("give --pid for the memory and processor time of a running server")?;
        Ok(Usage { at: Instant::now(), cpu: proc::cpu(pid)?, resident_bytes: proc::memory(pid, "VmRSS:")? })
    }

    /// Asks the server to stop, as its owner would, and waits for it.
    pub fn stop(mut self) -> Outcome<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        Command::new("kill").arg("-TERM").arg(child.id().to_string()).status()?;
        let status = child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It has gone by itself if this fails, and then nothing is left to do.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Usage {
    /// Processor time per wall-clock time since then: 1 is one core, all the time.
    pub fn cores_since(&self, before: &Usage) -> f64 {
        (self.cpu - before.cpu).as_secs_f64() / (self.at - before.at).as_secs_f64()
    }
}

fn configuration(wishes: &Wishes) -> String {
    let mut text = String::from("name = \"load\"\nmotd = \"\"\n\n[accounts]\nregistration = \"open\"\n");
    text.push_str("bcrypt_cost = 12\n\n[limits]\n");
    if !wishes.default_limits {
        text.push_str("connections = 0\nmessages_per_second = 0\ncommands_per_second = 0\n");
    }
    if let Some((soft, hard)) = wishes.send_queues {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "send_queue_soft = {soft}\nsend_queue_hard = {hard}");
    }
    if !wishes.history {
        text.push_str("\n[history]\nenabled = false\n");
    }
    text
}
