//! The identity of an account: one Ed25519 key, which serves key agreement as well.
//!
//! `IK` is the Ed25519 public key of a random seed (RFC 8032 §5.1.5). For X25519 the scalar is the
//! first half of SHA-512(seed) and the point its Montgomery form (RFC 7748 §4.1, XEdDSA §2.3 in the
//! other direction). One key for both uses leaves nothing to bind together. The 32 bytes FF in front
//! of X3DH's key material (X3DH §2.2) keep the uses apart.
//!
//! `IK` and `-IK` share one Montgomery point, so additional data and fingerprints take the Ed25519
//! encoding. An identity signs only labelled strings of this library, never bytes of a server.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use x25519_dalek::SharedSecret;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::e2e::dh::{DhPublic, KeyPair};
use crate::e2e::error::Error;
use crate::e2e::hex;
use crate::e2e::key::Key;

/// Our identity: the same on each device of an account.
pub struct Identity {
    signing: Box<SigningKey>,
    agreement: KeyPair,
    public: IdentityKey,
}

impl Identity {
    pub fn generate(rng: &mut impl CryptoRng) -> Identity {
        Identity::from_key(&Key::random(rng))
    }

    /// The identity of a seed. There is no wrong one: each seed is somebody's.
    pub fn from_seed(seed: &[u8; 32]) -> Identity {
        let signing = Box::new(SigningKey::from_bytes(seed));
        let mut scalar = signing.to_scalar_bytes();
        let agreement = KeyPair::from_bytes(&scalar);
        scalar.zeroize();
        let public = IdentityKey(signing.verifying_key());
        Identity { signing, agreement, public }
    }

    pub(super) fn from_key(seed: &Key) -> Identity {
        Identity::from_seed(seed.bytes())
    }

    /// The seed, for the sealed store; the call stands out, so that a reader sees where it goes.
    pub fn reveal_seed(&self) -> &[u8; 32] {
        self.signing.as_bytes()
    }

    pub fn public(&self) -> &IdentityKey {
        &self.public
    }

    pub(super) fn agree(&self, theirs: &DhPublic) -> Result<SharedSecret, Error> {
        self.agreement.agree(theirs)
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }
}

/// Both secret halves erase themselves.
impl ZeroizeOnDrop for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { signing: _, agreement: _, public } = self;
        write!(f, "Identity({public:?})")
    }
}

/// Somebody's identity: a strong Ed25519 public key in its one encoding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentityKey(VerifyingKey);

impl IdentityKey {
    /// Takes a key from outside: it must be a point, not of small order, and in the encoding that
    /// RFC 8032 §5.1.3 decodes. Of the others `ed25519-dalek` would take some, and then one person
    /// could have two fingerprints.
    pub fn import(bytes: &[u8; 32]) -> Result<IdentityKey, Error> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| Error::BadKey)?;
        let canonical = key.to_edwards().compress();
        if key.is_weak() || canonical.as_bytes() != bytes {
            return Err(Error::BadKey);
        }
        Ok(IdentityKey(key))
    }

    pub fn bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The same key as an X25519 point.
    pub(super) fn agreement(&self) -> DhPublic {
        DhPublic(self.0.to_montgomery().to_bytes())
    }

    /// The strict check: also refuses signatures and keys that verify for several messages.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), Error> {
        let signature = Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).map_err(|_| Error::BadSignature)
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", data_encoding::HEXLOWER.encode(&self.bytes()[..4]))
    }
}

impl Serialize for IdentityKey {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        hex::serialize(self.bytes(), out)
    }
}

impl<'de> Deserialize<'de> for IdentityKey {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<IdentityKey, D::Error> {
        let bytes = hex::deserialize(input)?;
        IdentityKey::import(&bytes).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_are_one_key() {
        let identity = Identity::from_seed(&[9; 32]);
        assert_eq!(identity.agreement.public(), identity.public().agreement());
        let signature = identity.sign(b"label");
        assert_eq!(identity.public().verify(b"label", &signature), Ok(()));
        assert_eq!(identity.public().verify(b"other", &signature), Err(Error::BadSignature));
        assert_eq!(IdentityKey::import(identity.public().bytes()), Ok(*identity.public()));
    }

    #[test]
    fn debug_shows_no_secret() {
        let identity = Identity::from_seed(&[9; 32]);
        assert_eq!(format!("{identity:?}"), "Identity(IdentityKey(fd172438))");
    }
}
