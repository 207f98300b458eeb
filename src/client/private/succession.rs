//! Identities that are to replace the account's. Each is kept before the server hears of it, and until it is
//! certain what became of it.
//!
//! A connection that breaks says nothing about that. The server may have taken the new identity and its
//! answer was lost; or the request is still on its way, and is carried out after the next login has been told
//! of the old one. So whatever was asked for is kept until the server refuses it, or says that it is the
//! account's: without its seed, nobody would ever be that account again.

use zeroize::Zeroizing;

use crate::e2e::identity::{Identity, IdentityKey};

/// See the [module](self).
#[derive(Default)]
pub(super) struct Succession {
    /// The one that was asked for last is the last.
    heirs: Vec<Identity>,
    /// That one was asked for on this connection, and there is no answer yet.
    under_way: bool,
}

impl Succession {
    /// A request is on its way.
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// The server may have taken one, or take one yet.
    pub fn is_possible(&self) -> bool {
        !self.heirs.is_empty()
    }

    /// This one is about to be asked for.
    pub fn begin(&mut self, heir: Identity) {
        assert!(!self.under_way, "one at a time");
        self.under_way = true;
        if self.heirs.len() >= HEIRS_MAX {
            self.heirs.remove(0);
        }
        self.heirs.push(heir);
    }

    /// What was asked for is not done, and will not be.
    pub fn refused(&mut self) {
        if std::mem::take(&mut self.under_way) {
            self.heirs.pop();
        }
    }

    /// There will be no answer.
    pub fn in_doubt(&mut self) {
        self.under_way = false;
    }

    /// What was asked for is done.
    pub fn done(&mut self) -> Option<Identity> {
        let heir = self.heirs.pop().filter(|_| self.under_way);
        *self = Succession::default();
        heir
    }

    /// The account has this identity: if it is one of these, it was taken, and the others are of no use.
    pub fn taken(&mut self, there: &IdentityKey) -> Option<Identity> {
        let at = self.heirs.iter().position(|heir| heir.public() == there)?;
        let heir = self.heirs.swap_remove(at);
        *self = Succession::default();
        Some(heir)
    }

    /// Their seeds, one behind the other; `None` if there are none.
    pub fn encode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut seeds = Zeroizing::new(Vec::with_capacity(SEED_BYTES * HEIRS_MAX));
        self.heirs.iter().for_each(|heir| seeds.extend_from_slice(&heir.reveal_seed()[..]));
        Some(seeds).filter(|seeds| !seeds.is_empty())
    }

    /// What [`Succession::encode`] has written.
    pub fn decode(seeds: &[u8]) -> Option<Succession> {
        let (seeds, rest) = seeds.as_chunks::<SEED_BYTES>();
        let heirs = seeds.iter().map(Identity::from_seed).collect();
        (rest.is_empty() && seeds.len() <= HEIRS_MAX).then_some(Succession { heirs, under_way: false })
    }
}

const SEED_BYTES: usize = 32;
/// Those that nobody knows about; each costs a broken connection and another `/newidentity`.
const HEIRS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn heir(number: u8) -> Identity {
        Identity::from_seed(&[number; SEED_BYTES])
    }

    fn seeds(succession: &Succession) -> Vec<u8> {
        let seeds = succession.encode().map(|seeds| seeds.to_vec()).unwrap_or_default();
        seeds.chunks(SEED_BYTES).map(|seed| seed[0]).collect()
    }

    #[test]
    fn only_a_refusal_takes_one_back() {
        let mut succession = Succession::default();
        for number in 1..=6 {
            succession.begin(heir(number));
            succession.in_doubt();
        }
        assert_eq!(seeds(&succession), [3, 4, 5, 6], "the oldest give way");
        succession.refused();
        assert_eq!(seeds(&succession).len(), 4, "nothing is under way");
        succession.begin(heir(7));
        succession.refused();
        assert_eq!(seeds(&succession), [4, 5, 6]);
        let mut again = Succession::decode(&succession.encode().expect("three")).expect("whole");
        assert!(again.taken(heir(3).public()).is_none() && again.is_possible());
        let taken = again.taken(heir(5).public()).expect("it was asked for");
        assert_eq!(taken.public(), heir(5).public());
        assert!(!again.is_possible() && again.encode().is_none());
    }

    #[test]
    fn what_is_torn_is_not_read() {
        for length in [1, SEED_BYTES - 1, SEED_BYTES + 1, SEED_BYTES * (HEIRS_MAX + 1)] {
            assert!(Succession::decode(&vec![1; length]).is_none(), "{length}");
        }
    }
}
