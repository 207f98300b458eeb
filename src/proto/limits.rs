//! Bounds: what the protocol fixes, and what an operator may choose.
//!
//! Constants hold for every server. [`Limits`] comes from `[limits]` of the configuration, which
//! checks the ranges; there 0 means no limit, here it is [`None`].

use std::time::Duration;

/// Characters of a user's name.
pub const USER_NAME_CHARS_MAX: usize = 32;
/// Characters of a room's name.
pub const ROOM_NAME_CHARS_MAX: usize = 64;
/// Bytes of a password: bcrypt reads no more, and cutting silently would make longer ones equal.
pub const PASSWORD_BYTES_MIN: usize = 8;
pub const PASSWORD_BYTES_MAX: usize = 72;
/// Bytes of a room's key.
pub const ROOM_KEY_BYTES_MAX: usize = 64;
/// Bytes of a topic, of a status text, of a quit or kick text.
pub const TOPIC_BYTES_MAX: usize = 512;
pub const STATUS_BYTES_MAX: usize = 256;
pub const REASON_BYTES_MAX: usize = 256;
/// Bytes of the key that makes a repeated `say` harmless.
pub const SAY_KEY_BYTES_MAX: usize = 128;
/// How long a `say` key is remembered.
pub const SAY_KEY_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Messages in one reply to `history` and `search`, and the number where none is given.
pub const HISTORY_PAGE_MAX: u32 = 500;
pub const HISTORY_PAGE_DEFAULT: u32 = 50;
/// Messages that text mode's `/history N` streams at most.
pub const HISTORY_STREAM_MAX: u32 = 10_000;
/// Bytes of message text in one page, so that a reply always fits a send queue.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Lines in one piece of a streamed answer.
pub const STREAM_PIECE_LINES: u32 = 100;
/// Users, members or rooms in one reply where no limit is given, and at most.
pub const LIST_PAGE_DEFAULT: u32 = 1_000;
pub const LIST_PAGE_MAX: u32 = 1_000;
/// Letters that wait for one user; then the sender is told.
pub const LETTERS_PER_USER_MAX: u32 = 1_000;
/// Letters handed out at once at login.
pub const LETTERS_PAGE_MAX: u32 = 50;
/// Bans of one room, blocks of one user, rooms of one user, sessions of one user.
pub const BANS_PER_ROOM_MAX: usize = 1_000;
pub const BLOCKS_PER_USER_MAX: usize = 1_000;
pub const ROOMS_PER_USER_MAX: usize = 100;
pub const SESSIONS_PER_USER_MAX: usize = 64;
/// Rooms that one account made; they are kept when they are empty.
pub const ROOMS_PER_CREATOR_MAX: usize = 200;
/// Rooms on one server, with members or kept.
pub const ROOMS_MAX: usize = 100_000;

/// What an operator may choose; `None` is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, all together and from one address (a /64 of IPv6 is one address).
    pub connections: Option<u32>,
    pub connections_per_ip: Option<u32>,
    /// New connections a minute from one address.
    pub connections_per_minute_per_ip: Option<u32>,
    /// Messages (`say`, `msg`, `me`) of one connection: rate and burst.
    pub messages_per_second: Option<u32>,
    pub message_burst: u32,
    /// The same for all connections of one address together; the burst is five seconds' worth.
    pub messages_per_second_per_ip: Option<u32>,
    /// All other commands of one connection; the burst is five seconds' worth.
    pub commands_per_second: Option<u32>,
    pub commands_per_second_per_ip: Option<u32>,
    /// Accounts registered from one address.
    pub registrations_per_hour: Option<u32>,
    /// Wrong passwords from one address.
    pub failed_logins_per_minute: Option<u32>,
    /// Limits per address count on loopback as well; set when the file names one of them.
    pub loopback_counts: bool,
    /// Bytes of a line in text mode and in JSON lines, without its end.
    pub line_bytes: usize,
    pub json_bytes: usize,
    /// Bytes that wait to be sent: from here the client's own input pauses; at this it is closed.
    pub send_queue_soft: usize,
    pub send_queue_hard: usize,
    /// Bytes that wait in all send queues together; over it the longest is closed.
    pub send_queue_total: usize,
    /// From the connection to a name.
    pub login_timeout: Option<Duration>,
    /// Without a sign of the peer's system; also for a line that was begun and not ended.
    pub idle_timeout: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: None,
            connections_per_ip: Some(64),
            connections_per_minute_per_ip: Some(120),
            messages_per_second: Some(10),
            message_burst: 60,
            messages_per_second_per_ip: Some(50),
            commands_per_second: Some(50),
            commands_per_second_per_ip: Some(200),
            registrations_per_hour: Some(10),
            failed_logins_per_minute: Some(10),
            loopback_counts: false,
            line_bytes: 4096,
            json_bytes: 65_536,
            send_queue_soft: 256 * 1024,
            send_queue_hard: 4 * 1024 * 1024,
            send_queue_total: 512 * 1024 * 1024,
            login_timeout: Some(Duration::from_secs(60)),
            idle_timeout: Some(Duration::from_secs(300)),
        }
    }
}

const _: () = assert!(PASSWORD_BYTES_MIN < PASSWORD_BYTES_MAX);
const _: () = assert!(HISTORY_PAGE_DEFAULT <= HISTORY_PAGE_MAX && HISTORY_PAGE_MAX <= HISTORY_STREAM_MAX);
const _: () = assert!(LIST_PAGE_DEFAULT <= LIST_PAGE_MAX);
