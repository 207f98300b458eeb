//! How fast a transfer is, how long it will take, and how that is said.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::proto::time::Instant;

/// Watches a count of bytes grow; told the time, like everything that computes.
#[derive(Clone, Debug)]
pub struct Meter {
    total: u64,
    began: Instant,
    /// What was there when it began, and cost no time.
    before: u64,
    done: u64,
    /// Invariant: in the order of time, and never empty; the oldest is the start of the window.
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// A transfer of `total` bytes begins, of which `before` are there already.
    pub fn new(now: Instant, total: u64, before: u64) -> Meter {
        let before = before.min(total);
        Meter { total, began: now, before, done: before, samples: VecDeque::from([(now, before)]) }
    }

    /// This many bytes are there now. A connection that broke may take some back.
    pub fn sample(&mut self, now: Instant, done: u64) {
        self.done = done.min(self.total);
        let (newest, _) = *self.samples.back().unwrap_or(&(self.began, self.before));
        if now.since_ms(newest) < SAMPLE_MS {
            return;
        }
        self.samples.push_back((now, self.done));
        // One sample outside of the window is where it starts.
        while self.samples.get(1).is_some_and(|(at, _)| now.since_ms(*at) >= WINDOW_MS) {
            self.samples.pop_front();
        }
    }

    pub fn done(&self) -> u64 {
        self.done
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// 0 to 100; 100 only when all is there.
    pub fn percent(&self) -> u8 {
        match self.total {
            0 => 100,
            // Not above 100, so it fits; and the product fits in twice the width.
            total => (u128::from(self.done) * 100 / u128::from(total)) as u8,
        }
    }

    /// Bytes in a second, lately.
    pub fn rate(&self, now: Instant) -> u64 {
        let (at, then) = *self.samples.front().unwrap_or(&(self.began, self.before));
        per_second(self.done.saturating_sub(then), now.since_ms(at))
    }

    /// How long the rest takes at this rate; `None` while nothing moves.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        match self.rate(now) {
            0 => None,
            rate => Some(Duration::from_secs((self.total - self.done).div_ceil(rate))),
        }
    }

    /// Bytes in a second since the beginning, and how long that was.
    pub fn overall(&self, now: Instant) -> (u64, Duration) {
        let ms = now.since_ms(self.began);
        (per_second(self.done.saturating_sub(self.before), ms), Duration::from_millis(ms))
    }
}

fn per_second(bytes: u64, ms: u64) -> u64 {
    u64::try_from(u128::from(bytes) * 1000 / u128::from(ms.max(1))).unwrap_or(u64::MAX)
}

/// A number of bytes for people: `0 bytes`, `1,023 bytes`, `1.5 MiB`.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bytes(bytes) = *self;
        if bytes == 1 {
            return f.write_str("1 byte");
        }
        if bytes < 1000 {
            return write!(f, "{bytes} bytes");
        }
        let mut value = bytes as f64 / 1024.0;
        let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].into_iter();
        let mut unit = units.next().unwrap_or_default();
        for larger in units {
            // What would be shown as 1000 or more is shown in the next unit.
            if value < 999.5 {
                break;
            }
            value /= 1024.0;
            unit = larger;
        }
        let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
        write!(f, "{value:.digits$} {unit}")
    }
}

/// A duration for people: `7 s`, `3:05`, `2:03:05`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, _) if self.0 < Duration::from_secs(10) => write!(f, "{:.1} s", self.0.as_secs_f64()),
            (0, 0, seconds) => write!(f, "{seconds} s"),
            (0, minutes, seconds) => write!(f, "{minutes}:{seconds:02}"),
            (hours, minutes, seconds) => write!(f, "{hours}:{minutes:02}:{seconds:02}"),
        }
    }
}

/// `43 %, 12.0 of 28.0 MiB, 3.10 MiB/s, 5.2 s left`.
pub fn describe(meter: &Meter, now: Instant) -> String {
    let (done, total, rate) = (Bytes(meter.done()), Bytes(meter.total()), Bytes(meter.rate(now)));
    let left = match meter.left(now) {
        Some(left) => format!(", {} left", Span(left)),
        None => String::new(),
    };
    format!("{} %, {done} of {total}, {rate}/s{left}", meter.percent())
}

/// The rate is that of this time: long enough to be steady, short enough to follow.
const WINDOW_MS: u64 = 5_000;
/// Samples closer together than this are one; so a window has at most 50 and one.
const SAMPLE_MS: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut meter = Meter::new(Instant(0), 1000 * MIB, 0);
        for second in 1..=10 {
            meter.sample(Instant(second * 1000), second * 10 * MIB);
        }
        assert_eq!(meter.rate(Instant(10_000)), 10 * MIB);
        for second in 11..=16 {
            meter.sample(Instant(second * 1000), 100 * MIB + (second - 10) * 50 * MIB);
        }
        assert_eq!(meter.rate(Instant(16_000)), 50 * MIB, "the slow start is forgotten");
        assert_eq!(meter.left(Instant(16_000)), Some(Duration::from_secs(12)));
        assert_eq!(meter.overall(Instant(16_000)), (25 * MIB, Duration::from_secs(16)));
        assert!(meter.rate(Instant(60_000)) < 6 * MIB, "a transfer that stands still becomes slow");
    }

    #[test]
    fn what_was_there_before_is_no_speed() {
        let mut meter = Meter::new(Instant(0), 100 * MIB, 90 * MIB);
        assert_eq!((meter.rate(Instant(0)), meter.left(Instant(0))), (0, None));
        meter.sample(Instant(1000), 95 * MIB);
        assert_eq!(meter.rate(Instant(1000)), 5 * MIB);
        assert_eq!(meter.percent(), 95);
        assert_eq!(meter.overall(Instant(1000)).0, 5 * MIB);
        meter.sample(Instant(2000), 80 * MIB);
        assert_eq!((meter.rate(Instant(2000)), meter.percent()), (0, 80), "a server may take some back");
    }

    #[test]
    fn a_meter_is_bounded_and_never_says_done_too_early() {
        let mut meter = Meter::new(Instant(0), u64::MAX, 0);
        for ms in 0..100_000 {
            meter.sample(Instant(ms), u64::MAX - 1);
        }
        assert!(meter.samples.len() <= 52, "{}", meter.samples.len());
        assert_eq!(meter.percent(), 99);
        let mut meter = Meter::new(Instant(0), 0, 0);
        meter.sample(Instant(0), 7);
        assert_eq!((meter.percent(), meter.done()), (100, 0));
    }

    #[test]
    fn numbers_for_people() {
        let check = |bytes: u64, expected: &str| assert_eq!(Bytes(bytes).to_string(), expected);
        check(0, "0 bytes");
        check(1, "1 byte");
        check(999, "999 bytes");
        check(1000, "0.98 KiB");
        check(1024, "1.00 KiB");
        check(10 * 1024, "10.0 KiB");
        check(100 * 1024, "100 KiB");
        check(1000 * 1024, "0.98 MiB");
        check(MIB, "1.00 MiB");
        check(5 << 30, "5.00 GiB");
        check(u64::MAX, "16.0 EiB");
        let check = |ms: u64, expected: &str| {
            assert_eq!(Span(Duration::from_millis(ms)).to_string(), expected);
        };
        check(0, "0.0 s");
        check(1_250, "1.2 s");
        check(59_999, "59 s");
        check(185_000, "3:05");
        check(7_385_000, "2:03:05");
    }

    #[test]
    fn one_line_tells_all() {
        let mut meter = Meter::new(Instant(0), 28 * MIB, 0);
        assert_eq!(describe(&meter, Instant(0)), "0 %, 0 bytes of 28.0 MiB, 0 bytes/s");
        meter.sample(Instant(4000), 12 * MIB);
        assert_eq!(describe(&meter, Instant(4000)), "42 %, 12.0 MiB of 28.0 MiB, 3.00 MiB/s, 6.0 s left");
    }
}
