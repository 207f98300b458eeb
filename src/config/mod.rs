//! The configuration: `config.toml` and the command line, read into a checked [`Config`].
//!
//! `config.toml.example` is the manual for people. Here `keys` lists every key once, with its kind
//! and its range; reading (`read`) and printing (`print`) both walk that list, so that they cannot
//! disagree. What is wrong is told with file, line and key, and with what would be right.
//!
//! The configuration is read at start and again at SIGHUP ([`Config::reload`]); it never changes by itself.

pub mod error;
mod keys;
mod print;
mod read;
mod value;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::LevelFilter;

use crate::config::error::ConfigError;
use crate::hub::settings::{self, Registration, Settings};
use crate::proto::limits::{Limits, PRESENCE_AT_ONCE_MAX};

/// Everything an operator can choose, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub listen: Vec<SocketAddr>,
    /// Nobody asked for these addresses: one that cannot be bound is only a warning.
    pub listen_is_default: bool,
    /// The data directory: database, certificate, log.
    pub data: PathBuf,
    /// The server's name, shown to users.
    pub name: String,
    /// Shown to users after they chose their name; may have several lines.
    pub motd: String,
    /// Silence after which a client is taken for a person and greeted; zero: at once.
    pub banner_delay: Duration,
    /// Time for flushing and committing at the end; `None`: as long as it takes.
    pub shutdown_timeout: Option<Duration>,
    pub accounts: Accounts,
    pub tls: Tls,
    pub limits: Limits,
    pub history: History,
    pub files: Files,
    pub workers: Workers,
    pub log: Log,
    /// Where it came from, for reading it again.
    source: Source,
}

/// `[accounts]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    pub registration: Registration,
    pub guests: bool,
    pub bcrypt_cost: u32,
    /// Days for which a session token is good; `None`: no tokens are given out.
    pub session_days: Option<u32>,
}

/// `[tls]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM files; both or none. `None`: a self-signed certificate in the data directory.
    pub files: Option<TlsFiles>,
    pub plaintext: Plaintext,
}

/// A certificate chain and its key, by the names of their files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// From where connections without TLS are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    Always,
    #[default]
    Loopback,
    Never,
}

/// `[history]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Whether rooms have a log at all.
    pub enabled: bool,
    /// Messages shown on coming into a room.
    pub on_join: u32,
    /// Messages kept for each room.
    pub keep_messages: Option<u64>,
    /// Days for which messages are kept.
    pub keep_days: Option<u32>,
    pub durability: Durability,
}

/// What an accepted message survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Loss of power: the disk is told to write after every transaction.
    Disk,
    /// The end of the server by any means, while the operating system lives.
    #[default]
    Os,
}

/// `[files]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// What the hub needs of it.
    pub rules: settings::Files,
    /// Threads for reading and writing; `None`: see [`Files::thread_count`].
    pub threads: Option<u32>,
}

/// `[workers]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Threads for passwords; `None`: see [`Workers::thread_count`].
    pub threads: Option<u32>,
    /// Jobs that may wait in each lane.
    pub password_jobs: u32,
    pub store_jobs: u32,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub level: LevelFilter,
    /// Relative to the data directory; `None`: no file.
    pub file: Option<PathBuf>,
    /// Size at which a new file is begun; `None`: never.
    pub rotate_bytes: Option<u64>,
    /// Old files that are kept; `None`: all.
    pub keep_files: Option<u32>,
}

/// What the command line says; it beats the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub data: Option<PathBuf>,
    /// Replaces the list of the file, unless it is empty.
    pub listen: Vec<SocketAddr>,
    pub log_level: Option<LevelFilter>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Source {
    explicit: Option<PathBuf>,
    /// The file that was read, if there was one.
    file: Option<PathBuf>,
    overrides: Overrides,
}

impl Config {
    /// Reads `explicit`, or else `config.toml` in the working directory if there is one, and lets
    /// the command line change it.
    pub fn load(explicit: Option<&Path>, overrides: Overrides) -> Result<Config, ConfigError> {
        let path = explicit.unwrap_or(Path::new(FILE_DEFAULT));
        let (mut config, file) = match std::fs::read(path) {
            Ok(bytes) => (read::config(path, &bytes)?, Some(path.to_path_buf())),
            // A link that leads nowhere is a mistake, not the absence of a file.
            Err(error) if explicit.is_none() && error.kind() == ErrorKind::NotFound && !path.is_symlink() => {
                (Config::default(), None)
            }
            Err(_) if path.is_dir() => return Err(ConfigError::Directory { file: path.to_path_buf() }),
            Err(error) => return Err(ConfigError::Unreadable { file: path.to_path_buf(), error }),
        };
        config.apply(&overrides)?;
        config.source = Source { explicit: explicit.map(Path::to_path_buf), file, overrides };
        Ok(config)
    }

    /// Reads the text of a file; `file` is its name, for messages only.
    pub fn parse(file: &Path, text: &[u8]) -> Result<Config, ConfigError> {
        read::config(file, text)
    }

    /// Reads the same file again, with the same command line. On failure the caller keeps what it has.
    pub fn reload(&self) -> Result<Config, ConfigError> {
        Config::load(self.source.explicit.as_deref(), self.source.overrides.clone())
    }

    /// The file that was read; `None` if there was none.
    pub fn file(&self) -> Option<&Path> {
        self.source.file.as_deref()
    }

    /// All of it as a `config.toml`, which reads back as the same configuration.
    pub fn to_toml(&self) -> String {
        print::toml(self)
    }

    /// What the hub needs of it.
    pub fn settings(&self) -> Settings {
        Settings {
            name: self.name.as_str().into(),
            motd: self.motd.as_str().into(),
            registration: self.accounts.registration,
            guests: self.accounts.guests,
            bcrypt_cost: self.accounts.bcrypt_cost,
            session_lives: self.accounts.session_days.map(days),
            limits: self.limits.clone(),
            on_join: self.history.on_join,
            history: self.history.enabled,
            keep_messages: self.history.keep_messages,
            keep: self.history.keep_days.map(days),
            presence_at_once: PRESENCE_AT_ONCE_MAX,
            files: self.files.rules.clone(),
            store_jobs_max: self.workers.store_jobs,
            password_jobs_max: self.workers.password_jobs,
        }
    }

    fn apply(&mut self, overrides: &Overrides) -> Result<(), ConfigError> {
        if let Some(data) = &overrides.data {
            let data = value::path(&data.to_string_lossy()).map(|_| data.clone());
            self.data = data.map_err(|problem| ConfigError::Argument { name: "--data", problem })?;
        }
        if !overrides.listen.is_empty() {
            let listen = value::listen(overrides.listen.clone());
            self.listen = listen.map_err(|problem| ConfigError::Argument { name: "--listen", problem })?;
            self.listen_is_default = false;
        }
        if let Some(level) = overrides.log_level {
            self.log.level = level;
        }
        Ok(())
    }
}

impl Files {
    /// Threads that read and write files: as chosen, or one for each core and at most two, as the disk is
    /// slower than they are.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            Some(threads) => threads as usize,
            None => cores().min(FILE_THREADS_DEFAULT_MAX),
        }
    }
}

impl Workers {
    /// Threads for passwords: as chosen, or one for each core and at least two.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            Some(threads) => threads as usize,
            None => cores().max(THREADS_DEFAULT_MIN),
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: vec![(Ipv4Addr::LOCALHOST, PORT).into(), (Ipv6Addr::LOCALHOST, PORT).into()],
            listen_is_default: true,
            data: PathBuf::from("sottod-data"),
            name: String::from("Sottovoce"),
            motd: String::new(),
            banner_delay: Duration::from_millis(250),
            shutdown_timeout: Some(Duration::from_secs(10)),
            accounts: Accounts::default(),
            tls: Tls::default(),
            limits: Limits::default(),
            history: History::default(),
            files: Files::default(),
            workers: Workers::default(),
            log: Log::default(),
            source: Source::default(),
        }
    }
}

impl Default for Accounts {
    fn default() -> Accounts {
        Accounts { registration: Registration::Open, guests: true, bcrypt_cost: 12, session_days: Some(30) }
    }
}

impl Default for History {
    fn default() -> History {
        History {
            enabled: true,
            on_join: 50,
            keep_messages: None,
            keep_days: None,
            durability: Durability::default(),
        }
    }
}

impl Default for Workers {
    fn default() -> Workers {
        Workers { threads: None, password_jobs: 64, store_jobs: 4096 }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log {
            level: LevelFilter::Info,
            file: Some(PathBuf::from("sottod.log")),
            rotate_bytes: Some(10 * 1024 * 1024),
            keep_files: Some(5),
        }
    }
}

/// `ADDRESS:PORT` as on the command line; the error says what would be right.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    value::address(text)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 60 * 60)
}

/// Read from the working directory when no file is named.
const FILE_DEFAULT: &str = "config.toml";
const PORT: u16 = 12345;
/// One thread would let one slow login hold up all others.
const THREADS_DEFAULT_MIN: usize = 2;
const FILE_THREADS_DEFAULT_MAX: usize = 2;

#[cfg(test)]
mod tests;
