//! Child processes with a deadline: whatever a test starts ends with it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::DEADLINE;

/// A running program; its output is collected, and it is killed when this goes.
pub struct Process {
    child: Child,
    /// Ends when stderr is closed.
    stderr_reader: Option<thread::JoinHandle<()>>,
    lines: Receiver<String>,
    errors: Arc<Collected>,
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Told {
    /// The exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

#[derive(Default)]
struct Collected {
    text: Mutex<String>,
    grew: Condvar,
}

/// The `sottod` under test.
pub fn sottod() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sottod"))
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Told {
    Process::start(command).finish()
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("stdout is piped");
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The receiver is gone when the test is over.
                let _ = sender.send(line);
            }
        });
        let errors = Arc::new(Collected::default());
        let stderr = child.stderr.take().expect("stderr is piped");
        let collected = Arc::clone(&errors);
        let stderr_reader = Some(thread::spawn(move || collected.fill(stderr)));
        Process { child, stderr_reader, lines, errors }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("stdin is taken once")
    }

    /// The next line on stdout; `None` once the program has closed it, which it does by ending.
    pub fn line(&mut self) -> Option<String> {
        self.line_within(DEADLINE)
    }

    /// The same for what takes longer, such as a large file.
    pub fn line_within(&mut self, patience: Duration) -> Option<String> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line and no end of the program in time"),
        }
    }

    /// Waits for the program to end by itself.
    pub fn finish(&mut self) -> Told {
        drop(self.child.stdin.take());
        let mut out = String::new();
        while let Some(line) = self.line() {
            out.push_str(&line);
            out.push('\n');
        }
        let status = self.child.wait().expect("the program was started").code();
        if let Some(reader) = self.stderr_reader.take() {
            reader.join().expect("no reader panics");
        }
        Told { status, out, err: self.errors() }
    }

    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by its name, as `kill -NAME` does.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.id())).status();
        assert!(sent.expect("a shell").success(), "kill -{name}");
    }

    /// All of stderr so far.
    pub fn errors(&self) -> String {
        self.errors.text.lock().expect("no reader panics").clone()
    }

    /// Waits until a line on stderr, from byte `after` on, satisfies the condition.
    pub fn wait_for_error(&self, after: usize, wanted: impl Fn(&str) -> bool) {
        let end = Instant::now() + DEADLINE;
        let mut text = self.errors.text.lock().expect("no reader panics");
        while !text[after..].lines().any(&wanted) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Or whoever shows what was said could not read it.
                drop(text);
                panic!("no such line on stderr in time");
            }
            text = self.errors.grew.wait_timeout(text, left).expect("no reader panics").0;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("---- stderr of process {}\n{}----", self.id(), self.errors());
        }
    }
}

impl Collected {
    fn fill(&self, mut from: impl Read) {
        let mut piece = [0; 4096];
        while let Ok(size @ 1..) = from.read(&mut piece) {
            self.text.lock().expect("no reader panics").push_str(&String::from_utf8_lossy(&piece[..size]));
            self.grew.notify_all();
        }
    }
}
