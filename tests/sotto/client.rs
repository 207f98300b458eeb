//! Starts the real `sotto` with a home of its own.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::{ChildStdin, Command};

use crate::harness::PASSWORD;
use crate::harness::home::Home;
use crate::harness::pattern::matches;
use crate::harness::process::{Process, Told};

/// `sotto` as this user, without a password.
pub fn sotto(home: &Home, address: SocketAddr, user: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sotto"));
    for variable in ["SOTTO_PASSWORD", "SOTTO_PASSPHRASE", "SOTTO_NEW_PASSPHRASE"] {
        command.env_remove(variable);
    }
    command.arg("--home").arg(home.path(&format!("sotto-{user}")));
    command.args(["--host", "127.0.0.1", "--port", &address.port().to_string(), "--username", user]);
    command
}

/// The same, with an account and its password; the keys of private messages are kept unsealed, which
/// spares each start the time that a passphrase costs on purpose.
pub fn account(home: &Home, address: SocketAddr, user: &str) -> Command {
    let mut command = sotto(home, address, user);
    command.env("SOTTO_PASSWORD", PASSWORD).args(["--accept-new", "--no-passphrase"]);
    command
}

/// What an account is told whose keys nobody has given a passphrase for.
pub const NO_KEYS: &str = "*** private messages are off in this run: …";

/// Runs to the end of this input.
#[track_caller]
pub fn pipe(command: &mut Command, input: &str) -> Told {
    let mut process = Process::start(command);
    let written = process.stdin().write_all(input.as_bytes());
    let told = process.finish();
    // It may have ended before it read everything, which its status tells.
    drop(written);
    told
}

/// Its status and output; patterns as in the other tests.
#[track_caller]
pub fn check(told: &Told, status: i32, expected: &[&str]) {
    assert_eq!(told.status, Some(status), "{told:?}");
    let lines: Vec<&str> = told.out.lines().collect();
    let same = lines.len() == expected.len() && lines.iter().zip(expected).all(|(l, e)| matches(e, l));
    assert!(same, "expected:\n{}\nfound:\n{}{}", expected.join("\n"), told.out, told.err);
}

/// A running `sotto --plain` that one line after the other is typed into.
pub struct Talker {
    pub process: Process,
    stdin: ChildStdin,
}

impl Talker {
    pub fn start(command: &mut Command) -> Talker {
        let mut process = Process::start(command.arg("--plain"));
        let stdin = process.stdin();
        Talker { process, stdin }
    }

    pub fn types(&mut self, lines: &str) {
        self.try_types(lines).expect("it reads its input");
    }

    /// For one that may have ended.
    pub fn try_types(&mut self, lines: &str) -> io::Result<()> {
        self.stdin.write_all(lines.as_bytes())?;
        self.stdin.flush()
    }

    /// The next line must be this.
    #[track_caller]
    pub fn shows(&mut self, pattern: &str) {
        let line = self.process.line().unwrap_or_else(|| panic!("it ended, {pattern:?} was expected"));
        assert!(matches(pattern, &line), "expected {pattern:?}, found {line:?}");
    }

    /// One of the next lines must be this; returns it, and those before.
    #[track_caller]
    pub fn until(&mut self, pattern: &str) -> (String, Vec<String>) {
        let mut before = Vec::new();
        loop {
            let line = self.process.line();
            let line = line.unwrap_or_else(|| panic!("it ended, {pattern:?} was expected after {before:#?}"));
            if matches(pattern, &line) {
                return (line, before);
            }
            before.push(line);
        }
    }

    /// It ends by itself, whatever else could be typed.
    pub fn ended(self) -> Told {
        let Talker { mut process, stdin } = self;
        let told = process.finish();
        drop(stdin);
        told
    }

    /// The end of its input.
    pub fn ends(self) -> Told {
        let Talker { mut process, stdin } = self;
        drop(stdin);
        process.finish()
    }
}
