//! Keys of messages that have not come yet (Double Ratchet §2.6): first in, first dropped.
//!
//! Each kept key is a message that a thief of the state could open, so they are bounded in number
//! and in age (Double Ratchet §8.4 asks for both).

use std::collections::VecDeque;
use std::fmt;

use zeroize::ZeroizeOnDrop;

use crate::e2e::address::{DAY_MS, Millis};
use crate::e2e::dh::DhPublic;
use crate::e2e::envelope::Header;
use crate::e2e::error::Error;
use crate::e2e::ratchet::chain::{Chain, MessageKey};
use crate::e2e::wire::{Reader, Writer};

/// The skipped keys of one session.
#[derive(Default)]
pub(super) struct Skipped {
    /// Invariant: at most [`SKIPPED_KEYS_MAX`], oldest first.
    keys: VecDeque<SkippedKey>,
}

/// One key, and which message it is for.
#[derive(ZeroizeOnDrop)]
pub(super) struct SkippedKey {
    #[zeroize(skip)]
    ratchet: DhPublic,
    #[zeroize(skip)]
    number: u32,
    key: MessageKey,
    #[zeroize(skip)]
    since: Millis,
}

impl Skipped {
    /// Where the key for this message is, if it is here and not too old.
    pub fn find(&self, header: &Header, now: Millis) -> Option<usize> {
        self.keys.iter().position(|skipped| {
            skipped.number == header.number && skipped.ratchet == header.ratchet && !skipped.is_old(now)
        })
    }

    pub fn key(&self, place: usize) -> Option<&MessageKey> {
        self.keys.get(place).map(|skipped| &skipped.key)
    }

    pub fn remove(&mut self, place: usize) {
        self.keys.remove(place);
    }

    /// Adds keys; beyond the bound the oldest go.
    pub fn extend(&mut self, keys: Vec<SkippedKey>) {
        self.keys.extend(keys);
        let excess = self.keys.len().saturating_sub(SKIPPED_KEYS_MAX);
        self.keys.drain(..excess);
    }

    /// Drops what is too old.
    pub fn expire(&mut self, now: Millis) {
        self.keys.retain(|skipped| !skipped.is_old(now));
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn encoded_bytes(&self) -> usize {
        4 + self.keys.len() * ENTRY_BYTES
    }

    pub fn encode(&self, out: &mut Writer) {
        out.u32(self.keys.len() as u32);
        for SkippedKey { ratchet, number, key, since } in &self.keys {
            out.bytes(&ratchet.0);
            out.u32(*number);
            out.bytes(key.bytes());
            out.u64(since.0);
        }
    }

    pub fn decode(input: &mut Reader<'_>) -> Result<Skipped, Error> {
        let count = input.u32()? as usize;
        if count > SKIPPED_KEYS_MAX || input.rest().len() < count * ENTRY_BYTES {
            return Err(Error::Malformed);
        }
        let mut keys = VecDeque::with_capacity(count);
        for _ in 0..count {
            keys.push_back(SkippedKey {
                ratchet: DhPublic(*input.array()?),
                number: input.u32()?,
                key: MessageKey::restore(input.key()?),
                since: input.millis()?,
            });
        }
        Ok(Skipped { keys })
    }
}

impl SkippedKey {
    fn is_old(&self, now: Millis) -> bool {
        now.since(self.since) > SKIPPED_AGE_MS_MAX
    }
}

impl fmt::Debug for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Skipped { keys } = self;
        write!(f, "Skipped({})", keys.len())
    }
}

/// Steps a chain to a message and returns the keys of those before it. The caller has checked that
/// there are not too many.
pub(super) fn skip_to(
    chain: &mut Chain,
    ratchet: DhPublic,
    number: u32,
    now: Millis,
) -> Result<Vec<SkippedKey>, Error> {
    let count = number.saturating_sub(chain.next());
    assert!(count <= SKIP_MAX, "checked before any key is made");
    let mut keys = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let number = chain.next();
        keys.push(SkippedKey { ratchet, number, key: chain.step()?, since: now });
    }
    Ok(keys)
}

/// Messages that may be missing before one that came: what a stranger can make us compute with one
/// forged header, a fraction of a millisecond. A day offline in a lively conversation fits.
pub const SKIP_MAX: u32 = 1000;

/// Keys kept for one session, 150 KB: two gaps of the largest size.
pub const SKIPPED_KEYS_MAX: usize = 2000;

/// How long a server keeps an envelope; what has not come by then does not come any more.
pub const SKIPPED_AGE_MS_MAX: u64 = 30 * DAY_MS;

const ENTRY_BYTES: usize = 32 + 4 + 32 + 8;

const _: () = assert!(SKIPPED_KEYS_MAX >= 2 * SKIP_MAX as usize, "a gap in the old chain and one in the new");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2e::key::Key;

    fn keys(ratchet: u8, count: u32, now: u64) -> Vec<SkippedKey> {
        let mut chain = Chain::start(Key::empty());
        skip_to(&mut chain, DhPublic([ratchet; 32]), count, Millis(now)).unwrap()
    }

    fn header(ratchet: u8, number: u32) -> Header {
        Header { ratchet: DhPublic([ratchet; 32]), previous: 0, number }
    }

    #[test]
    fn the_oldest_go_beyond_the_bound() {
        let mut skipped = Skipped::default();
        skipped.extend(keys(1, 1000, 0));
        skipped.extend(keys(2, 1000, 0));
        assert_eq!(skipped.len(), SKIPPED_KEYS_MAX);
        assert!(skipped.find(&header(1, 0), Millis(0)).is_some());
        skipped.extend(keys(3, 1, 0));
        assert_eq!(skipped.len(), SKIPPED_KEYS_MAX);
        assert!(skipped.find(&header(1, 0), Millis(0)).is_none());
        assert!(skipped.find(&header(1, 1), Millis(0)).is_some());
    }

    #[test]
    fn keys_die_of_age() {
        let mut skipped = Skipped::default();
        skipped.extend(keys(1, 1, 7));
        let last = Millis(7 + SKIPPED_AGE_MS_MAX);
        let late = Millis(last.0 + 1);
        assert!(skipped.find(&header(1, 0), last).is_some());
        assert!(skipped.find(&header(1, 0), late).is_none(), "refused even before it is dropped");
        skipped.expire(last);
        assert_eq!(skipped.len(), 1);
        skipped.expire(late);
        assert_eq!(skipped.len(), 0);
    }

    #[test]
    fn stored_keys_have_the_same_bound() {
        let stored = |count: u32| {
            let mut bytes = count.to_be_bytes().to_vec();
            bytes.resize(4 + count as usize * ENTRY_BYTES, 0);
            Skipped::decode(&mut Reader::new(&bytes)).map(|skipped| skipped.len())
        };
        assert_eq!(stored(2000), Ok(SKIPPED_KEYS_MAX));
        assert_eq!(stored(2001), Err(Error::Malformed));
    }
}
