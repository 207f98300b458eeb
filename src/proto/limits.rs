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
/// Bytes that a file has at most, whatever the operator chose: 32 TiB, so that sums of them do not overflow.
pub const FILE_BYTES_CEILING: u64 = 1 << 45;
/// Uploads of one account that are not complete; all files of one account, and all there are.
pub const UPLOADS_PER_ACCOUNT_MAX: usize = 100;
pub const FILES_PER_ACCOUNT_MAX: usize = 10_000;
pub const FILES_MAX: usize = 200_000;
/// Accounts that a file is for.
pub const FILE_READERS_MAX: u32 = 1_000;
/// Connections of one account that carry files, and files that are read at once on one of them.
pub const DATA_CONNECTIONS_PER_ACCOUNT_MAX: usize = 8;
pub const GETS_PER_CONNECTION_MAX: usize = 4;
/// Bytes of a file in one frame at most, and in one step of reading or writing it.
pub const PIECE_BYTES: usize = 256 * 1024;
/// Connections that hear a room up to which everybody who comes or goes is told of at once: so many
/// writes cost half a millisecond. In a larger room, what happens in a while is told together.
pub const PRESENCE_AT_ONCE_MAX: usize = 100;
/// How long that while is: a millisecond for each connection that hears the room, so that no room
/// costs more than a thousand such writes a second; never shorter or longer than this.
pub const PRESENCE_WINDOW_MIN: Duration = Duration::from_secs(1);
pub const PRESENCE_WINDOW_MAX: Duration = Duration::from_secs(10);
/// Names that are told together; with so many it is done before the while is over. They fill a quarter
/// of a send queue at its soft limit.
pub const PRESENCE_NAMES_MAX: usize = 500;

/// Devices of one account that take part in end-to-end encryption: each costs every sender an envelope.
pub const DEVICES_PER_ACCOUNT_MAX: usize = 8;
/// Characters of a device's name.
pub const DEVICE_NAME_CHARS_MAX: usize = 64;
/// One-time prekeys in one request, and kept for one device: what a client keeps in stock.
pub const ONE_TIME_PREKEYS_MAX: usize = 100;
/// Envelopes in one request: one for each device of both sides.
pub const ENVELOPES_PER_REQUEST_MAX: usize = 2 * DEVICES_PER_ACCOUNT_MAX;
/// Bytes of an envelope: the shortest later message, and the longest first one.
pub const ENVELOPE_BYTES_MIN: usize = 198;
pub const ENVELOPE_BYTES_MAX: usize = 65_678;
/// What waits for one device, and how long; a device that is away for longer begins new sessions.
pub const MAILBOX_ENVELOPES_MAX: u64 = 10_000;
pub const MAILBOX_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The part of it, a quarter, that one account may fill of somebody else's: so nobody alone keeps others
/// from reaching a device that is away.
pub const MAILBOX_SHARES: u64 = 4;
pub const ENVELOPES_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Envelopes handed to a device before it has to take them.
pub const ENVELOPES_PAGE_MAX: u32 = 50;
/// How often one account may ask for the prekeys of another within [`CLAIMS_PER`]: each time costs every
/// device of that account a one-time prekey.
pub const CLAIMS_PER_TARGET_MAX: u32 = 10;
/// Accounts whose prekeys one account may ask for within [`CLAIMS_PER`].
pub const CLAIM_TARGETS_MAX: usize = 200;
pub const CLAIMS_PER: Duration = Duration::from_secs(60 * 60);
/// Bytes of an answer to a pairing code: it fits a line, and is not kept.
pub const PAIR_ANSWER_BYTES_MAX: usize = 48_000;
/// Between two notices to somebody that the same sender wrote what only `sotto` can read.
pub const SEALED_NOTICE_EVERY: Duration = Duration::from_secs(60);

/// What an operator may choose; `None` is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, all together.
    pub connections: Option<u32>,
    /// What one address may do that is not this machine.
    pub per_address: PerAddress,
    /// What this machine may do: only what the operator asked for, as netcat on the same machine is
    /// not a crowd.
    pub per_address_loopback: PerAddress,
    /// Messages (`say`, `msg`, `me`) of one connection: rate and burst.
    pub messages_per_second: Option<u32>,
    pub message_burst: u32,
    /// All other commands of one connection; the burst is five seconds' worth.
    pub commands_per_second: Option<u32>,
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

/// What all connections of one address may do together; a /64 of IPv6 is one address. The default is
/// no limit at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerAddress {
    /// Connections at once, and new ones in a minute.
    pub connections: Option<u32>,
    pub connections_per_minute: Option<u32>,
    /// Messages, and all other commands; the burst is five seconds' worth.
    pub messages_per_second: Option<u32>,
    pub commands_per_second: Option<u32>,
    /// Accounts registered.
    pub registrations_per_hour: Option<u32>,
    /// Wrong passwords.
    pub failed_logins_per_minute: Option<u32>,
}

impl Limits {
    /// What holds for the address of a connection; `None`: nothing does.
    pub fn of_address(&self, loopback: bool) -> Option<&PerAddress> {
        let limits = if loopback { &self.per_address_loopback } else { &self.per_address };
        (*limits != PerAddress::default()).then_some(limits)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: None,
            per_address: PerAddress {
                connections: Some(64),
                connections_per_minute: Some(120),
                messages_per_second: Some(50),
                commands_per_second: Some(200),
                registrations_per_hour: Some(10),
                failed_logins_per_minute: Some(10),
            },
            per_address_loopback: PerAddress::default(),
            messages_per_second: Some(10),
            message_burst: 60,
            commands_per_second: Some(50),
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
const _: () = assert!((FILES_MAX as u64) <= u64::MAX / FILE_BYTES_CEILING);
const _: () = assert!(LIST_PAGE_DEFAULT <= LIST_PAGE_MAX);
const _: () = assert!(ENVELOPE_BYTES_MIN < ENVELOPE_BYTES_MAX && ENVELOPE_BYTES_MAX <= PAGE_BYTES_MAX);
const _: () = assert!(PRESENCE_WINDOW_MIN.as_millis() < PRESENCE_WINDOW_MAX.as_millis());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_only_the_limits_that_were_asked_for() {
        let mut limits = Limits::default();
        assert_eq!(limits.of_address(true), None);
        assert_eq!(limits.of_address(false), Some(&limits.per_address));
        limits.per_address_loopback.connections = Some(2);
        assert_eq!(limits.of_address(true), Some(&limits.per_address_loopback));
        limits.per_address = PerAddress::default();
        assert_eq!(limits.of_address(false), None);
    }
}
