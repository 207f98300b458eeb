//! Every key of the configuration, once: its name, its kind and its range.
//!
//! A [`Visitor`] walks the list in the order of the file: top level first, then the sections.
//! Where a kind says "or none", 0 (or an empty text) stands for [`None`].

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use crate::config::{Accounts, Config, Durability, Files, History, Log, Plaintext, Tls, TlsFiles, Workers};
use crate::hub::settings::Registration;
use crate::proto::limits::{FILE_BYTES_CEILING, HISTORY_PAGE_MAX, Limits, PerAddress};

/// Something that wants to see every key: a reader or a printer.
pub(super) trait Visitor {
    type Error;

    fn section(&mut self, name: &'static str) -> Result<(), Self::Error>;

    fn addresses(&mut self, key: &'static str, value: &mut Vec<SocketAddr>) -> Result<(), Self::Error>;
    fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        value: &mut T,
        choices: &[(&'static str, T)],
    ) -> Result<(), Self::Error>;
    fn flag(&mut self, key: &'static str, value: &mut bool) -> Result<(), Self::Error>;
    fn number(
        &mut self,
        key: &'static str,
        value: &mut u32,
        range: RangeInclusive<u32>,
    ) -> Result<(), Self::Error>;
    fn number_or_none<T: Copy + TryFrom<u64> + Into<u64>>(
        &mut self,
        key: &'static str,
        value: &mut Option<T>,
        range: RangeInclusive<T>,
    ) -> Result<(), Self::Error>;
    /// Whether all limits per address hold for this machine, or none; it comes after them.
    fn loopback_counts(&mut self, key: &'static str, limits: &mut Limits) -> Result<(), Self::Error>;
    /// A limit on what one address does. It holds for this machine where the file names it.
    fn number_per_address(
        &mut self,
        key: &'static str,
        limits: &mut Limits,
        of: fn(&mut PerAddress) -> &mut Option<u32>,
        range: RangeInclusive<u32>,
    ) -> Result<(), Self::Error>;
    fn path(&mut self, key: &'static str, value: &mut PathBuf) -> Result<(), Self::Error>;
    fn path_or_none(&mut self, key: &'static str, value: &mut Option<PathBuf>) -> Result<(), Self::Error>;
    /// Two paths that are given both or not at all.
    fn paths_or_none(
        &mut self,
        keys: [&'static str; 2],
        value: &mut Option<(PathBuf, PathBuf)>,
    ) -> Result<(), Self::Error>;
    fn size(
        &mut self,
        key: &'static str,
        value: &mut usize,
        range: RangeInclusive<u64>,
    ) -> Result<(), Self::Error>;
    fn size_or_none(
        &mut self,
        key: &'static str,
        value: &mut Option<u64>,
        range: RangeInclusive<u64>,
    ) -> Result<(), Self::Error>;
    fn text(&mut self, key: &'static str, value: &mut String, kind: Text) -> Result<(), Self::Error>;
    fn time(
        &mut self,
        key: &'static str,
        value: &mut Duration,
        range: RangeInclusive<Duration>,
    ) -> Result<(), Self::Error>;
    fn time_or_none(
        &mut self,
        key: &'static str,
        value: &mut Option<Duration>,
        range: RangeInclusive<Duration>,
    ) -> Result<(), Self::Error>;
}

/// What a text may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// One line, not empty.
    Line { bytes_max: usize },
    /// Any number of lines, none too.
    Lines { bytes_max: usize },
}

pub(super) fn walk<V: Visitor>(config: &mut Config, v: &mut V) -> Result<(), V::Error> {
    v.addresses("listen", &mut config.listen)?;
    v.path("data", &mut config.data)?;
    v.text("name", &mut config.name, Text::Line { bytes_max: NAME_BYTES_MAX })?;
    v.text("motd", &mut config.motd, Text::Lines { bytes_max: MOTD_BYTES_MAX })?;
    v.time("banner_delay", &mut config.banner_delay, Duration::ZERO..=MINUTE)?;
    v.time_or_none("shutdown_timeout", &mut config.shutdown_timeout, TIMEOUT_MIN..=HOUR)?;
    accounts(&mut config.accounts, v)?;
    tls(&mut config.tls, v)?;
    limits(&mut config.limits, v)?;
    history(&mut config.history, v)?;
    files(&mut config.files, v)?;
    workers(&mut config.workers, v)?;
    log(&mut config.log, v)
}

fn accounts<V: Visitor>(accounts: &mut Accounts, v: &mut V) -> Result<(), V::Error> {
    v.section("accounts")?;
    v.choice("registration", &mut accounts.registration, &REGISTRATION)?;
    v.flag("guests", &mut accounts.guests)?;
    v.number("bcrypt_cost", &mut accounts.bcrypt_cost, BCRYPT_COST)?;
    v.number_or_none("session_days", &mut accounts.session_days, DAYS)
}

fn tls<V: Visitor>(tls: &mut Tls, v: &mut V) -> Result<(), V::Error> {
    v.section("tls")?;
    let mut files = tls.files.take().map(|files| (files.cert, files.key));
    v.paths_or_none(["cert", "key"], &mut files)?;
    tls.files = files.map(|(cert, key)| TlsFiles { cert, key });
    v.choice("plaintext", &mut tls.plaintext, &PLAINTEXT)
}

fn limits<V: Visitor>(limits: &mut Limits, v: &mut V) -> Result<(), V::Error> {
    v.section("limits")?;
    v.number_or_none("connections", &mut limits.connections, COUNT)?;
    v.number_per_address("connections_per_ip", limits, |of| &mut of.connections, COUNT)?;
    v.number_per_address(
        "connections_per_minute_per_ip",
        limits,
        |of| &mut of.connections_per_minute,
        COUNT,
    )?;
    v.number_or_none("messages_per_second", &mut limits.messages_per_second, COUNT)?;
    // No limit is the greatest number here: with it the rate never matters.
    let mut burst = Some(limits.message_burst).filter(|&burst| burst != u32::MAX);
    v.number_or_none("message_burst", &mut burst, COUNT)?;
    limits.message_burst = burst.unwrap_or(u32::MAX);
    v.number_per_address("messages_per_second_per_ip", limits, |of| &mut of.messages_per_second, COUNT)?;
    v.number_or_none("commands_per_second", &mut limits.commands_per_second, COUNT)?;
    v.number_per_address("commands_per_second_per_ip", limits, |of| &mut of.commands_per_second, COUNT)?;
    v.number_per_address("registrations_per_hour", limits, |of| &mut of.registrations_per_hour, COUNT)?;
    v.number_per_address("failed_logins_per_minute", limits, |of| &mut of.failed_logins_per_minute, COUNT)?;
    v.loopback_counts("loopback_counts", limits)?;
    v.size("line_bytes", &mut limits.line_bytes, LINE_BYTES)?;
    v.size("json_bytes", &mut limits.json_bytes, JSON_BYTES)?;
    v.size("send_queue_soft", &mut limits.send_queue_soft, SEND_QUEUE_SOFT)?;
    v.size("send_queue_hard", &mut limits.send_queue_hard, SEND_QUEUE_HARD)?;
    v.size("send_queue_total", &mut limits.send_queue_total, SEND_QUEUE_TOTAL)?;
    v.time_or_none("login_timeout", &mut limits.login_timeout, TIMEOUT_MIN..=WEEK)?;
    v.time_or_none("idle_timeout", &mut limits.idle_timeout, TIMEOUT_MIN..=WEEK)
}

fn history<V: Visitor>(history: &mut History, v: &mut V) -> Result<(), V::Error> {
    v.section("history")?;
    v.flag("enabled", &mut history.enabled)?;
    v.number("on_join", &mut history.on_join, 0..=HISTORY_PAGE_MAX)?;
    v.number_or_none("keep_messages", &mut history.keep_messages, KEEP_MESSAGES)?;
    v.number_or_none("keep_days", &mut history.keep_days, DAYS)?;
    v.choice("durability", &mut history.durability, &DURABILITY)
}

fn files<V: Visitor>(files: &mut Files, v: &mut V) -> Result<(), V::Error> {
    v.section("files")?;
    let rules = &mut files.rules;
    v.flag("enabled", &mut rules.enabled)?;
    v.size_or_none("file_bytes", &mut rules.file_bytes, FILE_BYTES)?;
    v.size_or_none("account_bytes", &mut rules.account_bytes, FILES_BYTES)?;
    v.size_or_none("total_bytes", &mut rules.total_bytes, FILES_BYTES)?;
    v.time("keep", &mut rules.keep, FILES_KEPT)?;
    v.number_or_none("threads", &mut files.threads, FILE_THREADS)
}

fn workers<V: Visitor>(workers: &mut Workers, v: &mut V) -> Result<(), V::Error> {
    v.section("workers")?;
    v.number_or_none("threads", &mut workers.threads, THREADS)?;
    v.number("password_jobs", &mut workers.password_jobs, PASSWORD_JOBS)?;
    v.number("store_jobs", &mut workers.store_jobs, STORE_JOBS)
}

fn log<V: Visitor>(log: &mut Log, v: &mut V) -> Result<(), V::Error> {
    v.section("log")?;
    v.choice("level", &mut log.level, &LEVEL)?;
    v.path_or_none("file", &mut log.file)?;
    v.size_or_none("rotate_bytes", &mut log.rotate_bytes, ROTATE_BYTES)?;
    v.number_or_none("keep_files", &mut log.keep_files, KEEP_FILES)
}

const REGISTRATION: [(&str, Registration); 3] =
    [("open", Registration::Open), ("invite", Registration::Invite), ("closed", Registration::Closed)];
const PLAINTEXT: [(&str, Plaintext); 3] =
    [("loopback", Plaintext::Loopback), ("always", Plaintext::Always), ("never", Plaintext::Never)];
const DURABILITY: [(&str, Durability); 2] = [("os", Durability::Os), ("disk", Durability::Disk)];
const LEVEL: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::Off),
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;
const TIB: u64 = 1024 * GIB;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The name stands in banners and greetings: a line of a terminal has room for it.
const NAME_BYTES_MAX: usize = 64;
/// The greeting goes out before the client has read anything: it has to fit any send queue.
const MOTD_BYTES_MAX: usize = 4096;
/// Shorter than this, a busy machine would close clients that did nothing wrong.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// Connections and rates: far above what one machine serves, far below what overflows.
const COUNT: RangeInclusive<u32> = 1..=1_000_000;
/// 4 is bcrypt's own minimum; at 16 one login takes seconds of a core, and each step doubles that.
const BCRYPT_COST: RangeInclusive<u32> = 4..=16;
/// A century.
const DAYS: RangeInclusive<u32> = 1..=36_525;
/// Below 512 bytes the commands themselves do not fit; a mebibyte is no line any more.
const LINE_BYTES: RangeInclusive<u64> = 512..=MIB;
/// A request carries a text and its frame, and each byte of a text can be written as six.
const JSON_BYTES: RangeInclusive<u64> = KIB..=16 * MIB;
/// Send queues cannot be unlimited: one reader that sleeps would eat the memory of all.
const SEND_QUEUE_SOFT: RangeInclusive<u64> = KIB..=512 * MIB;
/// The greeting and the shortest history have to fit.
const SEND_QUEUE_HARD: RangeInclusive<u64> = 16 * KIB..=GIB;
#[cfg(target_pointer_width = "64")]
const SEND_QUEUE_TOTAL: RangeInclusive<u64> = 16 * KIB..=TIB;
#[cfg(not(target_pointer_width = "64"))]
const SEND_QUEUE_TOTAL: RangeInclusive<u64> = 16 * KIB..=2 * GIB;
const KEEP_MESSAGES: RangeInclusive<u64> = 1..=1_000_000_000_000;
/// Anything smaller is sent in a message; more has no file system of one machine.
const FILE_BYTES: RangeInclusive<u64> = KIB..=FILE_BYTES_CEILING;
const FILES_BYTES: RangeInclusive<u64> = KIB..=1024 * 1024 * TIB;
/// Files are on their way to somebody; no way takes ten years.
const FILES_KEPT: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3_650 * 24 * 60 * 60);
const FILE_THREADS: RangeInclusive<u32> = 1..=16;
const THREADS: RangeInclusive<u32> = 1..=256;
/// Each waiting password costs its holder a bcrypt of patience: thousands are minutes.
const PASSWORD_JOBS: RangeInclusive<u32> = 1..=10_000;
/// A quarter stays free for the work that follows from replies, so few are too few.
const STORE_JOBS: RangeInclusive<u32> = 16..=1_000_000;
/// A file smaller than this would be rotated every few lines.
const ROTATE_BYTES: RangeInclusive<u64> = KIB..=TIB;
const KEEP_FILES: RangeInclusive<u32> = 1..=1_000;

const _: () = assert!(*SEND_QUEUE_SOFT.start() < *SEND_QUEUE_HARD.start());
const _: () = assert!(*SEND_QUEUE_HARD.end() <= *SEND_QUEUE_TOTAL.end());
const _: () = assert!((MOTD_BYTES_MAX as u64) < *SEND_QUEUE_HARD.start());
