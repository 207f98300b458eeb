//! Single values: from the text of a file to a number, a size, a time, a path; and the words for
//! what would be right. Each function's error is the end of an operator's message.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

use crate::config::keys::Text;
use crate::proto::text::is_unsafe;

/// Whether 0 is taken for "no limit".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zero {
    AsAnyNumber,
    NoLimit,
}

/// A number that is in range, or 0 where that means no limit.
pub(super) fn in_range<T>(
    value: T,
    range: &RangeInclusive<T>,
    zero: Zero,
    shown: fn(T) -> String,
) -> Result<T, String>
where
    T: Copy + PartialOrd + Default,
{
    if range.contains(&value) || (zero == Zero::NoLimit && value == T::default()) {
        return Ok(value);
    }
    let or_zero = if zero == Zero::NoLimit { ", or 0 for no limit" } else { "" };
    let (low, high) = (shown(*range.start()), shown(*range.end()));
    Err(format!("{} is out of range: give {low} to {high}{or_zero}", shown(value)))
}

/// `"10MiB"`, `"64 kB"`, `"4096"`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size: give a number of bytes, or a text such as \"10MiB\"");
    // The parser takes fractions and rounds them; half a byte is a mistake, and so is 1.5 of anything.
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let Some(rest) = text.get(digits..) else { return Err(wrong()) };
    if digits == 0 || rest.starts_with('.') {
        return Err(wrong());
    }
    text.parse::<ByteSize>().map(|size| size.as_u64()).map_err(|_| wrong())
}

/// `"250ms"`, `"1m 30s"`, `"7d"`, `"0"`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("{text:?} is no time: {TIME_EXAMPLES}"))
}

/// A path that names something.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err(String::from("is empty: give a path"));
    }
    if text.contains('\0') {
        return Err(String::from("contains a NUL byte: give a path"));
    }
    Ok(PathBuf::from(text))
}

/// A text that may be shown on a terminal.
pub(super) fn text(text: &str, kind: Text) -> Result<String, String> {
    let (bytes_max, lines) = match kind {
        Text::Line { bytes_max } => (bytes_max, false),
        Text::Lines { bytes_max } => (bytes_max, true),
    };
    let text = if lines { text.replace("\r\n", "\n") } else { text.to_owned() };
    if !lines && text.trim().is_empty() {
        return Err(format!("is empty: give 1 to {bytes_max} bytes"));
    }
    if text.len() > bytes_max {
        return Err(format!("{} bytes are too long: give at most {bytes_max}", text.len()));
    }
    if let Some(c) = text.chars().find(|&c| is_unsafe(c) && !(lines && c == '\n')) {
        let right = if lines { "lines of plain text" } else { "one line of plain text" };
        return Err(format!("contains the control character {}: give {right}", c.escape_unicode()));
    }
    Ok(text)
}

/// `"127.0.0.1:12345"`, `"[::1]:12345"`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is no address: {ADDRESS_EXAMPLES}"))
}

/// Addresses that can all be listened on.
pub(super) fn listen(addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
    if addresses.is_empty() {
        return Err(format!("is empty: {ADDRESS_EXAMPLES}"));
    }
    if addresses.len() > LISTENERS_MAX {
        return Err(format!("{} addresses are too many: give at most {LISTENERS_MAX}", addresses.len()));
    }
    for (at, address) in addresses.iter().enumerate() {
        // Port 0 is a new port each time, so that it can stand there twice.
        if address.port() != 0 && addresses[..at].contains(address) {
            return Err(format!("{address} is there twice: give each address once"));
        }
    }
    Ok(addresses)
}

pub(super) fn shown<T: Display>(value: T) -> String {
    value.to_string()
}

/// `4096 bytes`, `10MiB`.
pub(super) fn shown_size(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|&(unit, _)| bytes >= unit && bytes.is_multiple_of(unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

/// `250ms`, `1m 30s`.
pub(super) fn shown_time(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

pub(super) const TIME_EXAMPLES: &str = "give a text such as \"250ms\", \"30s\" or \"7d\"";
pub(super) const ADDRESS_EXAMPLES: &str = "give ADDRESS:PORT such as \"127.0.0.1:12345\" or \"[::1]:12345\"";
/// More listeners than a machine has addresses worth naming; each is one registration of the poll.
const LISTENERS_MAX: usize = 64;
