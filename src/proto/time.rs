//! Time as an input: the pure core never reads a clock, it is told.

use std::io::Write;
use std::ops::{Add, AddAssign};
use std::time::Duration;

/// Milliseconds on a clock that never goes back; only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// Milliseconds from `earlier` to `self`; zero if `earlier` is later.
    pub fn since_ms(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, duration: Duration) -> Instant {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(ms))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored (POSIX time).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Hours and minutes of the day, UTC.
    pub fn hour_minute(self) -> (u8, u8) {
        let minutes = self.0 / 60_000;
        // Both fit: below 24 and below 60.
        ((minutes / 60 % 24) as u8, (minutes % 60) as u8)
    }

    /// RFC 3339 with milliseconds, UTC: `2026-01-31T12:00:00.123Z`. Always 24 bytes long up to the year 9999.
    pub fn rfc3339(self) -> String {
        format!("{:.3}", self.shown())
    }

    /// [`Timestamp::rfc3339`] at the end of `out`, without a string of its own.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        write!(out, "{:.3}", self.shown()).expect("writing to memory does not fail");
    }

    fn shown(self) -> jiff::Timestamp {
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX).min(LATEST_MS);
        jiff::Timestamp::from_millisecond(ms).expect("clamped to what jiff can show")
    }

    /// Reads what [`Timestamp::rfc3339`] writes; `None` for anything before 1970 or not a time.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        let at: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(at.as_millisecond()).ok().map(Timestamp)
    }
}

/// Both clocks, read once per turn and handed down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    pub mono: Instant,
    pub wall: Timestamp,
}

/// 9999-12-30T22:00:00Z, the last millisecond that `jiff::Timestamp` can show.
const LATEST_MS: i64 = 253_402_207_200_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_shown_in_utc_with_milliseconds() {
        let at = Timestamp(1_769_860_800_123);
        assert_eq!(at.rfc3339(), "2026-01-31T12:00:00.123Z");
        assert_eq!(Timestamp::parse_rfc3339(&at.rfc3339()), Some(at));
        assert_eq!(at.hour_minute(), (12, 0));
        assert_eq!(Timestamp(0).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(u64::MAX).rfc3339().len(), 24);
        assert_eq!(Timestamp::parse_rfc3339("1969-12-31T23:59:59Z"), None);
    }

    #[test]
    fn instants_never_go_below_zero_nor_overflow() {
        assert_eq!(Instant(5).since_ms(Instant(7)), 0);
        assert_eq!(Instant(7) + Duration::MAX, Instant(u64::MAX));
    }
}
