//! What the operator chose, as far as the hub cares.

use std::sync::Arc;
use std::time::Duration;

use crate::proto::limits::Limits;

#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's name, shown to users.
    pub name: Arc<str>,
    /// Shown after the name is chosen; may have several lines; empty for none.
    pub motd: Arc<str>,
    pub registration: Registration,
    pub guests: bool,
    pub bcrypt_cost: u32,
    /// How long a session token is good for; `None`: no tokens.
    pub session_lives: Option<Duration>,
    pub limits: Limits,
    /// Messages shown on coming into a room.
    pub on_join: u32,
    /// Whether rooms have a log at all. Without one, messages are broadcast at once and gone.
    pub history: bool,
    pub keep_messages: Option<u64>,
    pub keep: Option<Duration>,
    /// Connections that hear a room up to which it is told at once who comes and goes.
    pub presence_at_once: usize,
    pub files: Files,
    /// Jobs that may wait in each lane.
    pub store_jobs_max: u32,
    pub password_jobs_max: u32,
}

/// What the operator chose about files; `None` is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Whether files are kept at all.
    pub enabled: bool,
    /// Bytes of one file, of all files of an account, and of all files.
    pub file_bytes: Option<u64>,
    pub account_bytes: Option<u64>,
    pub total_bytes: Option<u64>,
    /// From when room was made for a file to its end.
    pub keep: Duration,
}

impl Default for Files {
    fn default() -> Files {
        const GIB: u64 = 1024 * 1024 * 1024;
        Files {
            enabled: true,
            file_bytes: Some(8 * GIB),
            account_bytes: Some(16 * GIB),
            total_bytes: Some(64 * GIB),
            keep: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

/// Who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    Closed,
    Invite,
    Open,
}
