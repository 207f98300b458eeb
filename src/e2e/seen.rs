//! Which first messages were accepted, so that none starts a second session.
//!
//! A one-time prekey protects against that by being deleted (X3DH §4.2); a first message without one
//! could be replayed for as long as the signed prekey's private half exists. So the ephemeral key of
//! each is remembered exactly as long.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::e2e::address::Uid;
use crate::e2e::dh::DhPublic;
use crate::e2e::error::Error;
use crate::e2e::wire::{Reader, Writer};
use zeroize::Zeroizing;

/// Stands for one X3DH: SHA-256 of its ephemeral key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BaseId(pub [u8; 32]);

impl BaseId {
    pub(super) fn of(ephemeral: &DhPublic) -> BaseId {
        BaseId(Sha256::digest(ephemeral.0).into())
    }
}

/// The ephemeral keys of accepted first messages, of all peers together.
#[derive(Debug, Default)]
pub struct SeenBases {
    /// Invariant: at most [`SEEN_BASES_MAX`]. The values are the signed prekey each was made for, and by
    /// whose device.
    bases: BTreeMap<BaseId, (u32, Uid)>,
    /// Invariant: how many of `bases` an account has, at most [`SEEN_BASES_OF_ACCOUNT_MAX`] and not zero.
    by_account: BTreeMap<Uid, usize>,
}

impl SeenBases {
    pub fn contains(&self, base: &BaseId) -> bool {
        self.bases.contains_key(base)
    }

    /// Whether there is no room for another one of this account. A full record refuses new sessions
    /// rather than forget an old one, so nobody alone may fill it.
    pub fn is_full(&self, from: Uid) -> bool {
        let of_account = self.by_account.get(&from).copied().unwrap_or(0);
        self.bases.len() >= SEEN_BASES_MAX || of_account >= SEEN_BASES_OF_ACCOUNT_MAX
    }

    /// Records one; false if there is no room.
    pub fn insert(&mut self, base: BaseId, signed_id: u32, from: Uid) -> bool {
        let room = !self.is_full(from);
        if room && self.bases.insert(base, (signed_id, from)).is_none() {
            *self.by_account.entry(from).or_default() += 1;
        }
        room
    }

    /// Forgets those whose signed prekey is gone: they fail with `UnknownPrekey` from now on. Returns
    /// what was forgotten.
    pub fn retain_prekeys(&mut self, exists: impl Fn(u32) -> bool) -> Vec<BaseId> {
        let gone = self.bases.iter().filter(|&(_, &(signed_id, _))| !exists(signed_id));
        let gone: Vec<BaseId> = gone.map(|(base, _)| *base).collect();
        for base in &gone {
            let Some((_, from)) = self.bases.remove(base) else { continue };
            if let Some(count) = self.by_account.get_mut(&from) {
                *count -= 1;
            }
        }
        self.by_account.retain(|_, count| *count > 0);
        gone
    }

    pub fn len(&self) -> usize {
        self.bases.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bases.is_empty()
    }

    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::with_capacity(1 + self.bases.len() * ENTRY_BYTES);
        out.u8(FORMAT);
        for (base, (signed_id, from)) in &self.bases {
            out.bytes(&base.0);
            out.u32(*signed_id);
            out.u64(from.0);
        }
        out.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<SeenBases, Error> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != FORMAT {
            return Err(Error::Version);
        }
        let mut seen = SeenBases::default();
        while !reader.rest().is_empty() {
            let base = BaseId(*reader.array()?);
            let in_order = seen.bases.last_key_value().is_none_or(|(last, _)| *last < base);
            if !in_order || !seen.insert(base, reader.u32()?, Uid(reader.u64()?)) {
                return Err(Error::Malformed);
            }
        }
        Ok(seen)
    }
}

/// Sessions that others may start with us within the life of a signed prekey, about five weeks:
/// one a minute, and 3 MB. Beyond that somebody is flooding us.
pub const SEEN_BASES_MAX: usize = 50_000;
/// Of one account: as many as all its eight devices start if each begins anew every seven hours. The
/// record is full once fifty accounts flood us.
pub const SEEN_BASES_OF_ACCOUNT_MAX: usize = 1_000;

const FORMAT: u8 = 2;
const ENTRY_BYTES: usize = 32 + 4 + 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn base(number: usize) -> BaseId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        BaseId(bytes)
    }

    #[test]
    fn a_full_record_forgets_nothing() {
        let mut seen = SeenBases::default();
        let by = |number: usize| Uid((number / SEEN_BASES_OF_ACCOUNT_MAX) as u64);
        assert!((0..SEEN_BASES_MAX).all(|number| seen.insert(base(number), 7, by(number))));
        assert!(!seen.insert(base(SEEN_BASES_MAX), 7, by(SEEN_BASES_MAX)));
        assert!(seen.contains(&base(0)) && !seen.contains(&base(SEEN_BASES_MAX)));
        let stored = seen.to_bytes();
        assert_eq!(SeenBases::from_bytes(&stored).map(|seen| seen.len()), Ok(SEEN_BASES_MAX));
        let more = [&stored[..], &[0xff; ENTRY_BYTES]].concat();
        assert_eq!(SeenBases::from_bytes(&more).map(|seen| seen.len()), Err(Error::Malformed));
        seen.retain_prekeys(|id| id != 7);
        assert!(seen.is_empty());
    }

    #[test]
    fn nobody_alone_fills_the_record() {
        let mut seen = SeenBases::default();
        let (mallory, bob) = (Uid(1), Uid(2));
        assert!((0..SEEN_BASES_OF_ACCOUNT_MAX).all(|number| seen.insert(base(number), 7, mallory)));
        assert!(!seen.insert(base(SEEN_BASES_OF_ACCOUNT_MAX), 7, mallory));
        assert!(seen.insert(base(SEEN_BASES_OF_ACCOUNT_MAX), 8, bob));
        let stored = seen.to_bytes();
        let twice = [&stored[..], &stored[1..]].concat();
        assert_eq!(SeenBases::from_bytes(&twice).err(), Some(Error::Malformed), "it has one form");
        let mut again = SeenBases::from_bytes(&stored).unwrap();
        assert!(again.is_full(mallory) && !again.is_full(bob));
        assert_eq!(again.retain_prekeys(|id| id != 7).len(), SEEN_BASES_OF_ACCOUNT_MAX);
        assert!(again.insert(base(0), 9, mallory) && again.len() == 2);
    }
}
