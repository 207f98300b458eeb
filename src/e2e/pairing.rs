//! Pairing: how a new device gets the identity of its account from one that has it.
//!
//! ```text
//! new device     sotto-pair: base32(new.pub || SHA-256(new.pub)[0..4])      on its screen
//! old device     e.pub 32 || nonce 12 || GCM(K, nonce, payload, aad = uid)  through the server
//!                K = HKDF(0*32, DH(e, new), "Sottovoce_Pair_v1" || e.pub || new.pub, 32)
//! payload        version 1 || seed 32 || count u16 || count * (uid u64 || standing u8 || IK 32)
//! ```
//!
//! The code goes from screen to keyboard, so the server cannot replace the new device's key. It can
//! send an answer of its own making; the person compares the fingerprint shown at the end.

use std::fmt;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::e2e::address::{Millis, Uid};
use crate::e2e::aead::{self, NONCE_BYTES, TAG_BYTES};
use crate::e2e::base32;
use crate::e2e::dh::{DhPublic, KeyPair};
use crate::e2e::error::Error;
use crate::e2e::identity::{Identity, IdentityKey};
use crate::e2e::kdf;
use crate::e2e::key::Key;
use crate::e2e::trust::Standing;
use crate::e2e::wire::{Reader, Writer};

/// The new device's side: good for one answer and for ten minutes.
#[derive(ZeroizeOnDrop)]
pub struct PairingSecret {
    pair: KeyPair,
    #[zeroize(skip)]
    created: Millis,
}

/// What the person carries to the old device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairingCode(DhPublic);

/// One line of the list of known identities that goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TrustEntry {
    pub uid: Uid,
    #[serde(rename = "ik")]
    pub identity: IdentityKey,
    #[serde(rename = "state")]
    pub standing: Standing,
}

/// What the new device has after pairing.
#[derive(Debug)]
pub struct Paired {
    pub identity: Identity,
    pub trust: Vec<TrustEntry>,
}

impl PairingSecret {
    pub fn generate(now: Millis, rng: &mut impl CryptoRng) -> PairingSecret {
        PairingSecret { pair: KeyPair::generate(rng), created: now }
    }

    pub fn code(&self) -> PairingCode {
        PairingCode(self.pair.public())
    }

    /// Opens the answer of the old device. Consumes the secret: a code works once, or not.
    pub fn open(self, uid: Uid, answer: &[u8], now: Millis) -> Result<Paired, Error> {
        if now.since(self.created) > CODE_AGE_MS_MAX {
            return Err(Error::UnknownPrekey);
        }
        let mut input = Reader::new(answer);
        let theirs = DhPublic(*input.array()?);
        let nonce = input.array()?;
        if input.rest().len() > PAYLOAD_BYTES_MAX + TAG_BYTES {
            return Err(Error::TooLong);
        }
        let mut payload = Zeroizing::new(input.rest().to_vec());
        let key = derive(&self.pair, &theirs, &theirs, &self.pair.public())?;
        aead::open_in_place(&key, nonce, &uid.0.to_be_bytes(), &mut payload)?;
        read_payload(&payload)
    }
}

impl fmt::Debug for PairingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PairingSecret { pair: _, created: _ } = self;
        f.write_str("PairingSecret(..)")
    }
}

impl PairingCode {
    /// Reads a code that was typed or pasted.
    pub fn parse(text: &str) -> Result<PairingCode, Error> {
        let letters = text.trim().strip_prefix(CODE_PREFIX).ok_or(Error::Malformed)?;
        let bytes = base32::decode(letters)?;
        let (public, checksum) = bytes.split_first_chunk::<32>().ok_or(Error::Malformed)?;
        if Sha256::digest(public)[..CHECKSUM_BYTES] != *checksum {
            return Err(Error::Malformed);
        }
        Ok(PairingCode(DhPublic(*public)))
    }

    /// The old device's side: seals identity and known identities for the device of this code.
    pub fn answer(
        &self,
        uid: Uid,
        identity: &Identity,
        trust: &[TrustEntry],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, Error> {
        let payload = write_payload(identity, trust)?;
        let ephemeral = KeyPair::generate(rng);
        let key = derive(&ephemeral, &self.0, &ephemeral.public(), &self.0)?;
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let mut out = Vec::with_capacity(32 + NONCE_BYTES + payload.len() + TAG_BYTES);
        out.extend_from_slice(&ephemeral.public().0);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&payload);
        aead::seal_tail(&key, &nonce, &uid.0.to_be_bytes(), &mut out, 32 + NONCE_BYTES);
        Ok(out)
    }
}

impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = &self.0.0;
        let checksum = Sha256::digest(public);
        write!(f, "{CODE_PREFIX}{}", base32::encode(&[public, &checksum[..CHECKSUM_BYTES]].concat()))
    }
}

fn derive(ours: &KeyPair, theirs: &DhPublic, ephemeral: &DhPublic, new: &DhPublic) -> Result<Key, Error> {
    let agreed = ours.agree(theirs)?;
    Ok(kdf::derive(&kdf::ZERO_SALT, &[agreed.as_bytes()], &[LABEL, &ephemeral.0, &new.0]))
}

fn write_payload(identity: &Identity, trust: &[TrustEntry]) -> Result<Zeroizing<Vec<u8>>, Error> {
    if trust.len() > TRUST_ENTRIES_MAX {
        return Err(Error::TooLong);
    }
    let mut out = Writer::with_capacity(FIXED_BYTES + trust.len() * ENTRY_BYTES);
    out.u8(FORMAT);
    out.bytes(identity.reveal_seed());
    out.u16(trust.len() as u16);
    for TrustEntry { uid, identity, standing } in trust {
        out.u64(uid.0);
        out.u8(match standing {
            Standing::Pinned => STANDING_PINNED,
            Standing::Verified => STANDING_VERIFIED,
        });
        out.bytes(identity.bytes());
    }
    Ok(out.finish())
}

fn read_payload(payload: &[u8]) -> Result<Paired, Error> {
    let mut input = Reader::new(payload);
    if input.u8()? != FORMAT {
        return Err(Error::Version);
    }
    let identity = Identity::from_seed(input.array()?);
    let count = usize::from(input.u16()?);
    if count > TRUST_ENTRIES_MAX {
        return Err(Error::Malformed);
    }
    let mut trust = Vec::with_capacity(count);
    for _ in 0..count {
        let uid = Uid(input.u64()?);
        let standing = match input.u8()? {
            STANDING_PINNED => Standing::Pinned,
            STANDING_VERIFIED => Standing::Verified,
            _ => return Err(Error::Malformed),
        };
        trust.push(TrustEntry { uid, standing, identity: IdentityKey::import(input.array()?)? });
    }
    input.end()?;
    Ok(Paired { identity, trust })
}

const LABEL: &[u8] = b"Sottovoce_Pair_v1";
const CODE_PREFIX: &str = "sotto-pair:";
const CHECKSUM_BYTES: usize = 4;
const FORMAT: u8 = 1;
const STANDING_PINNED: u8 = 1;
const STANDING_VERIFIED: u8 = 2;
const FIXED_BYTES: usize = 1 + 32 + 2;
const ENTRY_BYTES: usize = 8 + 1 + 32;

/// Time to walk to the other machine and type 58 letters.
pub const CODE_AGE_MS_MAX: u64 = 10 * 60 * 1000;

/// Known identities that go along: as many as fit 64 KiB with the rest. The others are pinned anew.
pub const TRUST_ENTRIES_MAX: usize = 1500;

const PAYLOAD_BYTES_MAX: usize = FIXED_BYTES + TRUST_ENTRIES_MAX * ENTRY_BYTES;

const _: () = assert!(PAYLOAD_BYTES_MAX + 32 + NONCE_BYTES + TAG_BYTES <= 65_536);

#[cfg(test)]
mod tests {
    use super::*;

    /// What an old device would send that is not as ours.
    #[test]
    fn what_is_inside_an_answer_is_checked() {
        let identity = Identity::from_seed(&[1; 32]);
        let entry = TrustEntry { uid: Uid(1), identity: *identity.public(), standing: Standing::Verified };
        let payload = write_payload(&identity, &[entry]).unwrap();
        let read = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut changed = payload.to_vec();
            change(&mut changed);
            read_payload(&changed).map(|paired| paired.trust.len())
        };
        assert_eq!(read(&|_| {}), Ok(1));
        assert_eq!(read(&|bytes| bytes[0] = 2), Err(Error::Version));
        assert_eq!(read(&|bytes| bytes[33] = 0xff), Err(Error::Malformed), "more entries than there may be");
        assert_eq!(read(&|bytes| bytes[FIXED_BYTES + 8] = 3), Err(Error::Malformed), "a standing of no kind");
        assert_eq!(read(&|bytes| bytes.push(0)), Err(Error::Malformed));
    }

    #[test]
    fn an_answer_has_a_length() {
        let pair = || KeyPair::from_bytes(&[3; 32]);
        let length = |bytes: usize| {
            let secret = PairingSecret { pair: pair(), created: Millis(0) };
            let answer = [&pair().public().0[..], &vec![0; NONCE_BYTES + bytes]].concat();
            secret.open(Uid(1), &answer, Millis(0)).map(|paired| paired.trust.len())
        };
        assert_eq!(length(PAYLOAD_BYTES_MAX + TAG_BYTES), Err(Error::Auth));
        assert_eq!(length(PAYLOAD_BYTES_MAX + TAG_BYTES + 1), Err(Error::TooLong));
    }
}
