//! The log: to stderr and to a rotating file, by a thread of its own.
//!
//! Whoever logs hands a finished line to a bounded channel and goes on; it never waits for a disk or for
//! whoever reads stderr. When the channel is full, lines are dropped and counted, and the count is logged.
//!
//! ```text
//! log::info! ─► env_logger (format) ─► Pipe ─► channel ─► writer thread ─► stderr
//!                                                                 └──────► RotatingFile
//! ```

mod rotate;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use log::LevelFilter;

use crate::config;
use crate::proto::time::Timestamp;
use crate::server::log::rotate::RotatingFile;

/// The running log; ends, with everything written, when it is stopped or dropped.
#[derive(Debug)]
pub struct Logging {
    to_writer: Sender<Message>,
    /// Disconnected when the writer has ended.
    ended: Receiver<()>,
}

/// The log cannot be started.
#[derive(Debug)]
pub enum LogError {
    /// This process logs already.
    AlreadyStarted,
    File {
        path: PathBuf,
        error: io::Error,
    },
    Thread(io::Error),
}

enum Message {
    Line(Box<[u8]>),
    Reopen,
    Stop,
}

impl Logging {
    /// Starts logging as configured, for the whole process; a file is relative to `data`.
    pub fn start(config: &config::Log, data: &Path) -> Result<Logging, LogError> {
        let (logging, pipe) = Logging::start_writer(config, data, Box::new(io::stderr()))?;
        env_logger::Builder::new()
            // Only what is ours; the level is log's own global one, which can be changed while running.
            .filter_level(LevelFilter::Warn)
            .filter_module(OURS, LevelFilter::Trace)
            .write_style(env_logger::WriteStyle::Never)
            .target(env_logger::Target::Pipe(Box::new(pipe)))
            .format(|out, record| {
                let (time, level) = (out.timestamp_millis(), record.level());
                writeln!(out, "{time} {level:<5} {}", OneLine(record.args()))
            })
            .try_init()
            .map_err(|_| LogError::AlreadyStarted)?;
        logging.set_level(config.level);
        Ok(logging)
    }

    /// Changes the level from now on.
    pub fn set_level(&self, level: LevelFilter) {
        log::set_max_level(level);
    }

    /// Opens the file by its name again: somebody may have moved the old one away.
    pub fn reopen(&self) {
        // Where lines are being dropped, this may be as well; the next reload tries again.
        let _ = self.to_writer.try_send(Message::Reopen);
    }

    /// Writes what waits, and ends. What is logged later goes straight to stderr.
    pub fn stop(self) {
        drop(self);
    }

    fn start_writer(
        config: &config::Log,
        data: &Path,
        stderr: Box<dyn Write + Send>,
    ) -> Result<(Logging, Pipe), LogError> {
        let file = match &config.file {
            None => None,
            Some(name) => {
                let path = data.join(name);
                let file = RotatingFile::open(&path, config.rotate_bytes, config.keep_files);
                Some(file.map_err(|error| LogError::File { path, error })?)
            }
        };
        let (to_writer, messages) = bounded(LINES_WAITING_MAX);
        let (alive, ended) = bounded(0);
        let dropped = Arc::new(AtomicU64::new(0));
        let pipe = Pipe { to_writer: to_writer.clone(), dropped: Arc::clone(&dropped) };
        let writer =
            Writer { messages, dropped, stderr, file, file_failed: false, text: Vec::new(), _alive: alive };
        thread::Builder::new().name(String::from("log")).spawn(|| writer.run()).map_err(LogError::Thread)?;
        Ok((Logging { to_writer, ended }, pipe))
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        // A writer that hangs on a blocked stderr must not keep the process from ending.
        if self.to_writer.send_timeout(Message::Stop, STOP_WAIT).is_ok() {
            let _ = self.ended.recv_timeout(STOP_WAIT);
        }
    }
}

/// What env_logger writes to: one call is one line.
struct Pipe {
    to_writer: Sender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Write for Pipe {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.to_writer.try_send(Message::Line(line.into())) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            // The log has ended, and so does the process: nobody has to be spared the waiting now.
            Err(TrySendError::Disconnected(_)) => io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The thread that writes.
struct Writer {
    messages: Receiver<Message>,
    dropped: Arc<AtomicU64>,
    stderr: Box<dyn Write + Send>,
    file: Option<RotatingFile>,
    /// The file could not be written, and that has been told.
    file_failed: bool,
    /// Lines for stderr, written together.
    text: Vec<u8>,
    _alive: Sender<()>,
}

impl Writer {
    fn run(mut self) {
        while let Ok(first) = self.messages.recv() {
            // Lines seldom come alone. Who is asleep here in earnest does not have to be woken for each.
            thread::sleep(GATHERED_FOR);
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Line(line) => self.line(&line),
                    Message::Reopen => self.on_file(RotatingFile::reopen),
                    Message::Stop => {
                        self.tell_dropped();
                        return self.flush();
                    }
                }
                next = self.messages.try_recv().ok();
            }
            self.tell_dropped();
            self.flush();
        }
    }

    fn line(&mut self, line: &[u8]) {
        self.on_file(|file| file.line(line));
        self.text.extend_from_slice(line);
        if self.text.len() >= TEXT_BYTES_MAX {
            self.flush();
        }
    }

    fn tell_dropped(&mut self) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let text = format!(
                "{dropped} lines of the log were dropped: they came faster than they could be written"
            );
            let line = own_line("WARN", &text);
            self.line(line.as_bytes());
        }
    }

    fn flush(&mut self) {
        self.on_file(RotatingFile::flush);
        // Nobody may be reading stderr; there is nowhere left to complain to.
        let _ = self.stderr.write_all(&self.text).and_then(|()| self.stderr.flush());
        self.text.clear();
    }

    /// Does something to the file, and tells on stderr when it begins to fail.
    fn on_file(&mut self, act: impl FnOnce(&mut RotatingFile) -> io::Result<()>) {
        let Some(file) = &mut self.file else { return };
        match act(file) {
            Ok(()) => self.file_failed = false,
            Err(error) if !self.file_failed => {
                self.file_failed = true;
                let text = format!("{}: the log cannot be written: {error}", file.path().display());
                self.text.extend_from_slice(own_line("ERROR", &text).as_bytes());
            }
            Err(_) => {}
        }
    }
}

/// A line from the writer itself, in the form that all others have.
fn own_line(level: &str, text: &str) -> String {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
    format!("{} {level:<5} {text}\n", now.rfc3339())
}

/// Shows text on one line, whatever is in it: nobody's name or topic may forge a line of the log.
struct OneLine<T>(T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Write::write_fmt(&mut Escaping { f, left: LINE_CHARS_MAX }, format_args!("{}", self.0))
    }
}

struct Escaping<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    /// Characters that still fit.
    left: usize,
}

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match self.left {
                0 => return Ok(()),
                1 => self.f.write_str("...")?,
                _ if crate::proto::text::is_unsafe(c) => write!(self.f, "{}", c.escape_unicode())?,
                _ => self.f.write_char(c)?,
            }
            self.left -= 1;
        }
        Ok(())
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::AlreadyStarted => f.write_str("the log was started twice"),
            LogError::File { path, error } => {
                write!(f, "{}: the log cannot be written: {error}; see log.file", path.display())
            }
            LogError::Thread(error) => write!(f, "the log's thread cannot be started: {error}"),
        }
    }
}

impl std::error::Error for LogError {}

/// The beginning of the names of our crates, as records carry them.
const OURS: &str = "sotto";
/// Lines that wait for the writer: some seconds of a busy server, and at the longest line a few mebibytes.
const LINES_WAITING_MAX: usize = 4096;
/// Characters of a record: names and a reason fit several times.
const LINE_CHARS_MAX: usize = 2048;
/// Bytes that are collected before they are written, when lines come faster than writes.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// How long lines are gathered: nobody who reads along sees a difference.
const GATHERED_FOR: Duration = Duration::from_millis(10);
/// Time for the last lines at the end.
const STOP_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
