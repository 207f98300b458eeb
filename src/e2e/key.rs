//! Thirty-two secret bytes.

use std::fmt;

use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A symmetric secret: boxed, so that moving it leaves no copy behind, and erased when dropped.
pub(super) struct Key(Box<[u8; 32]>);

impl Key {
    /// All zeros, to be written to: the secret is made where it stays.
    pub fn empty() -> Key {
        Key(Box::new([0; 32]))
    }

    pub fn random(rng: &mut impl CryptoRng) -> Key {
        let mut key = Key::empty();
        rng.fill_bytes(key.bytes_mut());
        key
    }

    pub fn copied_from(bytes: &[u8; 32]) -> Key {
        Key(Box::new(*bytes))
    }

    /// A second copy. Not `Clone`, so that each place where secrets multiply is seen.
    pub fn duplicate(&self) -> Key {
        Key::copied_from(&self.0)
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn bytes_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

impl ConstantTimeEq for Key {
    fn ct_eq(&self, other: &Key) -> Choice {
        self.0.as_slice().ct_eq(other.0.as_slice())
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key(_) = self;
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_only_if_every_byte_is() {
        let key = Key::copied_from(&[7; 32]);
        assert!(bool::from(key.ct_eq(&key.duplicate())));
        for position in 0..32 {
            let mut other = key.duplicate();
            other.bytes_mut()[position] ^= 1;
            assert!(!bool::from(key.ct_eq(&other)), "byte {position}");
        }
    }
}
