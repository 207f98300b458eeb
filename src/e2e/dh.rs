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

    /// Whether a device may publish this as a prekey: in its one encoding, and not of low order. A server
    /// asks, so that nobody fetches what no agreement can be made with; it needs no arithmetic for that.
    pub fn check_published(&self) -> Result<(), Error> {
        if !self.is_canonical() {
            return Err(Error::BadKey);
        }
        if LOW_ORDER.contains(&self.0) { Err(Error::LowOrder) } else { Ok(()) }
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

/// The points of low order, on the curve and on its twist, in their one encoding: 0, 1, the two of order
/// eight, and p - 1.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
];

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
