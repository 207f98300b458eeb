//! X25519 (RFC 7748): key pairs, public keys, and the agreement that refuses low-order points.

use std::fmt;

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::ZeroizeOnDrop;

use crate::e2e::error::Error;

/// Somebody's X25519 public key, as it came.
///
/// Compared as bytes. RFC 7748 §5 has all encodings accepted, the 19 above the prime and those with
/// the top bit set as well. In a message that is harmless, because the field is authenticated as it
/// came; a bundle must have the one encoding that key generation makes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DhPublic(pub [u8; 32]);

impl DhPublic {
    /// Whether this is the one encoding of its point: a number below 2^255 - 19.
    pub fn is_canonical(&self) -> bool {
        let [low, middle @ .., high] = &self.0;
        *high < 0x7f || *high == 0x7f && (*low < 0xed || middle.iter().any(|&byte| byte != 0xff))
    }
}

impl fmt::Debug for DhPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DhPublic({})", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

/// An X25519 key pair of ours; the secret half is erased on drop.
pub struct KeyPair {
    secret: Box<StaticSecret>,
    public: DhPublic,
}

impl KeyPair {
    /// Makes a pair from 32 random bytes.
    pub fn generate(rng: &mut impl CryptoRng) -> KeyPair {
        KeyPair::from_secret(Box::new(StaticSecret::random_from_rng(rng)))
    }

    /// The pair of these secret bytes; they are clamped when used, not when kept.
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> KeyPair {
        KeyPair::from_secret(Box::new(StaticSecret::from(*bytes)))
    }

    fn from_secret(secret: Box<StaticSecret>) -> KeyPair {
        let public = DhPublic(PublicKey::from(&*secret).to_bytes());
        KeyPair { secret, public }
    }

    /// The half that may be shown.
    pub fn public(&self) -> DhPublic {
        self.public
    }

    pub(super) fn secret_bytes(&self) -> &[u8; 32] {
        self.secret.as_bytes()
    }

    /// DH(ours, theirs). A point of low order would make a result that everybody knows, whatever
    /// our secret is, so it is refused (RFC 7748 §6.1, X3DH §4.4 leaves it to the implementer).
    pub(super) fn agree(&self, theirs: &DhPublic) -> Result<SharedSecret, Error> {
        let shared = self.secret.diffie_hellman(&PublicKey::from(theirs.0));
        if shared.was_contributory() { Ok(shared) } else { Err(Error::LowOrder) }
    }
}

/// The secret half erases itself.
impl ZeroizeOnDrop for KeyPair {}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeyPair { secret: _, public } = self;
        write!(f, "KeyPair({public:?})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_encoding_for_each_point() {
        let point = |low: u8, middle: u8, high: u8| {
            let mut bytes = [middle; 32];
            (bytes[0], bytes[31]) = (low, high);
            DhPublic(bytes).is_canonical()
        };
        assert!(point(0, 0, 0) && point(0xff, 0xff, 0x7e) && point(0xff, 0xfe, 0x7f));
        assert!(point(0xec, 0xff, 0x7f) && !point(0xed, 0xff, 0x7f) && !point(0xff, 0xff, 0x7f));
        assert!(!point(0, 0, 0x80));
    }
}
