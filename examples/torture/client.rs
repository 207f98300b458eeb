//! A real `sotto`: an account with a home of its own, and a process that is listened to and killed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::Outcome;

/// Somebody with an account and keys, whatever becomes of their processes.
pub struct Account {
    program: PathBuf,
    home: PathBuf,
    pub name: String,
}

/// A running `sotto`; it is killed when this goes.
pub struct Sotto {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

/// What a process has said since the last look, and how it ended.
#[derive(Debug)]
pub struct End {
    /// Ended by itself, and well; or was killed, or not well.
    pub well: bool,
    pub lines: Vec<String>,
    pub errors: String,
}

impl Account {
    /// Registers it, and makes its keys.
    pub fn register(program: &Path, dir: &Path, name: &str, server: SocketAddr) -> Outcome<Account> {
        let home = dir.join(format!("sotto-{name}"));
        let account = Account { program: program.to_path_buf(), home, name: name.to_string() };
        let end = Sotto::start(account.command(server).args(["--register", "devices"]))?.finish()?;
        if end.well { Ok(account) } else { Err(format!("{name} cannot register: {}", end.errors).into()) }
    }

    /// Over TLS, with a home that no passphrase seals: that would cost a second at each start.
    pub fn command(&self, server: SocketAddr) -> Command {
        let mut command = Command::new(&self.program);
        for variable in ["SOTTO_PASSPHRASE", "SOTTO_NEW_PASSPHRASE"] {
            command.env_remove(variable);
        }
        command.env("SOTTO_PASSWORD", "correct horse").arg("--home").arg(&self.home);
        command.args(["--host", "127.0.0.1", "--port", &server.port().to_string()]);
        command.args(["--username", &self.name, "--accept-new", "--no-passphrase"]);
        command
    }
}

impl Sotto {
    pub fn start(command: &mut Command) -> Outcome<Sotto> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Whoever listened may have gone.
                let _ = sender.send(line);
            }
        });
        let errors = Some(thread::spawn(move || {
            let mut bytes = Vec::new();
            // It ends with the process, however that ends.
            let _ = stderr.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        }));
        Ok(Sotto { child, stdin, lines, errors })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types lines; one that has ended reads none, which is seen elsewhere.
    pub fn types(&mut self, lines: &str) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(lines.as_bytes()).and_then(|()| stdin.flush());
        }
    }

    /// Nothing more will be typed.
    pub fn no_more(&mut self) {
        self.stdin = None;
    }

    /// What it has said since the last look.
    pub fn heard(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// The next line, if there is one soon.
    pub fn next_line(&self, patience: Duration) -> Option<String> {
        self.lines.recv_timeout(patience).ok()
    }

    pub fn is_running(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// kill -9.
    pub fn kill(mut self) -> Outcome<End> {
        self.child.kill()?;
        self.finish()
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Outcome<End> {
        self.stdin = None;
        let lines = self.lines.iter().collect();
        let well = self.child.wait()?.success();
        let errors = self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok(End { well, lines, errors })
    }
}

impl Drop for Sotto {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl End {
    /// Lines on stderr that tell of more than a connection that is lost and comes again. A process that
    /// ended by itself may have been turned away by a server that was being killed: it does not try again
    /// when it comes in for the first time.
    pub fn complaints(&self, killed: bool) -> Vec<String> {
        let passing = |line: &str| {
            let goes_on =
                ["; trying again", "interrupted, will go on"].iter().any(|part| line.contains(part));
            goes_on || !killed && AWAY.iter().any(|part| line.contains(part))
        };
        self.errors.lines().filter(|line| !passing(line)).map(String::from).collect()
    }

    /// The server was killed while it came in.
    pub fn was_turned_away(&self) -> bool {
        !self.well && AWAY.iter().any(|part| self.errors.contains(part))
    }
}

/// How a server that is killed looks to who comes in.
const AWAY: [&str; 3] = ["the server closed the connection", "connection refused", "connection reset"];
