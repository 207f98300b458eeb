//! Chance that can be had again: everything that a test chooses comes from one seed, which it prints.

use std::time::{SystemTime, UNIX_EPOCH};

/// A xorshift generator: nothing here has to be hard to guess.
pub struct Random {
    pub seed: u64,
    state: u64,
}

impl Random {
    /// From this seed, or from the clock.
    pub fn new(seed: Option<u64>) -> Random {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_micros() as u64);
        let seed = seed.unwrap_or_else(now);
        Random { seed, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    pub fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// Below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
    }

    /// So many victims, equally many of each of three kinds, in an order that nobody chose.
    pub fn victims<T: Copy>(&mut self, kinds: [T; 3], count: usize) -> Vec<T> {
        let mut victims: Vec<T> = kinds.into_iter().cycle().take(count).collect();
        for last in (1..victims.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            victims.swap(last, other);
        }
        victims
    }
}
