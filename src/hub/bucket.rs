//! Rates: a token bucket in eight bytes.
//!
//! The generic cell rate algorithm (ITU-T I.371): instead of a number of tokens and a time, the moment
//! at which the bucket would be full again is kept. A bucket that was never used is full.

use crate::proto::time::Instant;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds until one token is there again.
    token_us: u64,
    /// Microseconds' worth of tokens that an unused bucket holds.
    burst_us: u64,
}

impl Rate {
    /// `tokens` in every `period_seconds`, at most `burst` at once. All must be positive.
    pub fn new(tokens: u32, period_seconds: u32, burst: u32) -> Rate {
        assert!(tokens > 0 && period_seconds > 0 && burst > 0);
        let token_us = (u64::from(period_seconds) * 1_000_000 / u64::from(tokens)).max(1);
        Rate { token_us, burst_us: token_us.saturating_mul(u64::from(burst)) }
    }
}

/// One bucket; its [`Rate`] is given at each use, so that a changed configuration counts at once. Of
/// two with the same rate, the emptier one is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    full_at_us: u64,
}

impl Bucket {
    /// Takes one token, or says that there is none.
    pub fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let taken = self.after_one(now, rate);
        let enough = taken <= now.0.saturating_mul(1000).saturating_add(rate.burst_us);
        if enough {
            self.full_at_us = taken;
        }
        enough
    }

    /// Whether [`Bucket::take`] would succeed.
    pub fn has_one(&self, now: Instant, rate: Rate) -> bool {
        self.after_one(now, rate) <= now.0.saturating_mul(1000).saturating_add(rate.burst_us)
    }

    /// Whether nothing is remembered: a bucket like this need not be kept.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at_us <= now.0.saturating_mul(1000)
    }

    fn after_one(&self, now: Instant, rate: Rate) -> u64 {
        self.full_at_us.max(now.0.saturating_mul(1000)).saturating_add(rate.token_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let rate = Rate::new(10, 1, 30);
        let mut bucket = Bucket::default();
        let start = Instant(5_000);
        for _ in 0..30 {
            assert!(bucket.take(start, rate));
        }
        assert!(!bucket.take(start, rate));
        assert!(!bucket.take(Instant(5_099), rate));
        assert!(bucket.take(Instant(5_100), rate));
        assert!(!bucket.take(Instant(5_100), rate));
        assert!(!bucket.is_full(Instant(5_100)));
        assert!(bucket.is_full(Instant(9_000)));
    }

    #[test]
    fn rates_above_the_clock_s_resolution_still_count() {
        let rate = Rate::new(50_000, 1, 50_000);
        let mut bucket = Bucket::default();
        let passed = (0..60_000).filter(|_| bucket.take(Instant(1), rate)).count();
        assert_eq!(passed, 50_000);
        let passed = (0..60_000).filter(|_| bucket.take(Instant(101), rate)).count();
        assert_eq!(passed, 5_000);
    }
}
