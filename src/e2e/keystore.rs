//! The sealed key store: one random key for everything on this disk, itself sealed by a passphrase.
//!
//! ```text
//! "SVK1" || kdf u8 || m_kib u32 || t u32 || p u32 || salt 16 || nonce 12 || 48 bytes
//! kdf 1: 48 bytes = GCM(KEK, nonce, DEK, aad = all before the nonce)
//!        KEK = Argon2id v1.3(passphrase as NFC, salt, m, t, p)
//! kdf 0: 48 bytes = DEK || SHA-256(all before it and DEK)[0..16]
//!        m, t, p, salt and nonce are zero
//! ```
//!
//! This makes and reads the bytes. Whoever writes them to a file does so atomically: a temporary
//! file, fsync, rename, mode 0600. A new passphrase seals the same DEK again.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::e2e::aead::{self, NONCE_BYTES, TAG_BYTES};
use crate::e2e::error::Error;
use crate::e2e::key::Key;
use crate::e2e::wire::Reader;

/// DEK: the key from which the keys of all tables come.
#[derive(ZeroizeOnDrop)]
pub struct DataKey(Key);

impl DataKey {
    pub fn generate(rng: &mut impl CryptoRng) -> DataKey {
        DataKey(Key::random(rng))
    }

    pub(super) fn key(&self) -> &Key {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DataKey(_) = self;
        f.write_str("DataKey(..)")
    }
}

/// What guessing a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Cost {
    /// 64 MiB and 3 passes: an eighth of a second, and the second choice of RFC 9106 §4 but for
    /// its four lanes, which would need threads.
    pub const NORMAL: Cost = Cost { memory_kib: 65_536, passes: 3, lanes: 1 };

    fn check(self) -> Result<Cost, Error> {
        let accepted =
            self.memory_kib <= MEMORY_KIB_MAX && self.passes <= PASSES_MAX && self.lanes <= LANES_MAX;
        if accepted { Ok(self) } else { Err(Error::Locked) }
    }
}

/// Seals a data key under a passphrase.
pub fn seal(key: &DataKey, passphrase: &str, cost: Cost, rng: &mut impl CryptoRng) -> Result<Vec<u8>, Error> {
    let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut nonce);
    let mut out = begin(KDF_ARGON2ID, cost.check()?, &salt);
    let wrapping = stretch(passphrase, cost, &salt)?;
    let header = out.clone();
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(key.0.bytes());
    aead::seal_tail(&wrapping, &nonce, &header, &mut out, start);
    Ok(out)
}

/// Writes a data key down in clear, for those who asked for a store without a passphrase.
pub fn store_unsealed(key: &DataKey) -> Zeroizing<Vec<u8>> {
    let none = Cost { memory_kib: 0, passes: 0, lanes: 0 };
    let mut out = Zeroizing::new(begin(KDF_NONE, none, &[0; SALT_BYTES]));
    out.extend_from_slice(&[0; NONCE_BYTES]);
    out.extend_from_slice(key.0.bytes());
    let checksum = Sha256::digest(&*out);
    out.extend_from_slice(&checksum[..TAG_BYTES]);
    out
}

/// Whether the store asks for a passphrase.
pub fn needs_passphrase(bytes: &[u8]) -> Result<bool, Error> {
    Stored::read(bytes).map(|stored| stored.kdf == KDF_ARGON2ID)
}

/// Opens a key store. A wrong passphrase and a damaged store are one error, [`Error::Locked`]; a
/// store without a passphrase opens with any, so that a script may always give one.
pub fn open(bytes: &[u8], passphrase: &str) -> Result<DataKey, Error> {
    let stored = Stored::read(bytes)?;
    if stored.kdf == KDF_NONE {
        return stored.open_unsealed(bytes);
    }
    let wrapping = stretch(passphrase, stored.cost.check()?, stored.salt)?;
    let mut plain = Zeroizing::new(stored.sealed.to_vec());
    aead::open_in_place(&wrapping, stored.nonce, &bytes[..HEADER_BYTES], &mut plain)
        .map_err(|_| Error::Locked)?;
    Reader::new(&plain).key().map(DataKey)
}

/// The fields of a key store, not yet believed.
struct Stored<'a> {
    kdf: u8,
    cost: Cost,
    salt: &'a [u8; SALT_BYTES],
    nonce: &'a [u8; NONCE_BYTES],
    sealed: &'a [u8; SEALED_BYTES],
}

impl<'a> Stored<'a> {
    fn read(bytes: &'a [u8]) -> Result<Stored<'a>, Error> {
        Stored::read_fields(bytes).map_err(|_| Error::Locked)
    }

    fn read_fields(bytes: &'a [u8]) -> Result<Stored<'a>, Error> {
        let mut input = Reader::new(bytes);
        if input.array()? != MAGIC {
            return Err(Error::Malformed);
        }
        let kdf = input.u8()?;
        let cost = Cost { memory_kib: input.u32()?, passes: input.u32()?, lanes: input.u32()? };
        let (salt, nonce, sealed) = (input.array()?, input.array()?, input.array()?);
        input.end()?;
        if kdf != KDF_NONE && kdf != KDF_ARGON2ID {
            return Err(Error::Malformed);
        }
        Ok(Stored { kdf, cost, salt, nonce, sealed })
    }

    fn open_unsealed(&self, bytes: &[u8]) -> Result<DataKey, Error> {
        let (covered, checksum) = bytes.split_at(HEADER_BYTES + NONCE_BYTES + 32);
        let expected = Sha256::digest(covered);
        if !bool::from(expected[..TAG_BYTES].ct_eq(checksum)) {
            return Err(Error::Locked);
        }
        Reader::new(self.sealed).key().map(DataKey)
    }
}

fn begin(kdf: u8, cost: Cost, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
    let mut out = Vec::with_capacity(KEYSTORE_BYTES);
    out.extend_from_slice(MAGIC);
    out.push(kdf);
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(salt);
    out
}

/// KEK. NFC, because one passphrase typed on two keyboards can be two sequences of characters.
fn stretch(passphrase: &str, cost: Cost, salt: &[u8; SALT_BYTES]) -> Result<Key, Error> {
    let mut normal = Zeroizing::new(String::with_capacity(NFC_GROWTH_MAX * passphrase.len()));
    normal.extend(passphrase.nfc());
    let params =
        Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(|_| Error::Locked)?;
    let mut key = Key::empty();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(normal.as_bytes(), salt, key.bytes_mut())
        .map_err(|_| Error::Locked)?;
    Ok(key)
}

const MAGIC: &[u8; 4] = b"SVK1";
const KDF_NONE: u8 = 0;
const KDF_ARGON2ID: u8 = 1;
const SALT_BYTES: usize = 16;
const HEADER_BYTES: usize = 4 + 1 + 3 * 4 + SALT_BYTES;
const SEALED_BYTES: usize = 32 + TAG_BYTES;

/// UTF-8 grows at most threefold under NFC (UAX #15, table 14), so the buffer is not moved.
const NFC_GROWTH_MAX: usize = 3;

/// All of it: a key store has one length.
pub const KEYSTORE_BYTES: usize = HEADER_BYTES + NONCE_BYTES + SEALED_BYTES;

/// 1 GiB: a damaged or planted file must not make us take all memory before the tag is checked.
pub const MEMORY_KIB_MAX: u32 = 1 << 20;

/// Nor all the time: 16 passes over 1 GiB are half a minute.
pub const PASSES_MAX: u32 = 16;

/// More lanes would need threads to be worth anything.
pub const LANES_MAX: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2e::tests::random::Seeded;

    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    fn opens(bytes: &[u8], passphrase: &str, key: &DataKey) -> bool {
        open(bytes, passphrase).is_ok_and(|opened| bool::from(opened.0.ct_eq(&key.0)))
    }

    #[test]
    fn sealed_and_opened() {
        let mut rng = Seeded::new(1);
        let key = DataKey::generate(&mut rng);
        let bytes = seal(&key, "caf\u{e9} am See", CHEAP, &mut rng).unwrap();
        assert_eq!(bytes.len(), KEYSTORE_BYTES);
        assert_eq!(needs_passphrase(&bytes), Ok(true));
        assert!(opens(&bytes, "cafe\u{301} am See", &key), "the same passphrase from another keyboard");
        assert_eq!(open(&bytes, "cafe am See").map(|_| ()), Err(Error::Locked));
        let again = seal(&key, "other", CHEAP, &mut rng).unwrap();
        assert!(opens(&again, "other", &key) && !opens(&again, "caf\u{e9} am See", &key));
    }

    #[test]
    fn unsealed_is_said_to_be() {
        let key = DataKey::generate(&mut Seeded::new(2));
        let bytes = store_unsealed(&key);
        assert_eq!((bytes.len(), needs_passphrase(&bytes)), (KEYSTORE_BYTES, Ok(false)));
        assert!(opens(&bytes, "", &key));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let mut rng = Seeded::new(3);
        let key = DataKey::generate(&mut rng);
        let sealed = seal(&key, "pass", CHEAP, &mut rng).unwrap();
        let unsealed = store_unsealed(&key);
        // Four bits of the cost are left out, those that ask for 64 to 512 MiB: they are accepted,
        // tried and refused like the others, but that takes seconds.
        let dear = 5 * 8..5 * 8 + 32;
        let slow = |bit: &usize| dear.contains(bit) && [8, 9, 10, 11].contains(&(*bit - dear.start));
        for bit in (0..KEYSTORE_BYTES * 8).filter(|bit| !slow(bit)) {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&changed, "pass").map(|_| ()), Err(Error::Locked), "bit {bit}");
        }
        for bit in 0..KEYSTORE_BYTES * 8 {
            let mut changed = unsealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&changed, "pass").map(|_| ()), Err(Error::Locked), "unsealed, bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(open(&sealed[..length], "pass").map(|_| ()), Err(Error::Locked));
        }
    }

    #[test]
    fn the_cost_is_bound_and_authentic() {
        let mut rng = Seeded::new(4);
        let bytes = seal(&DataKey::generate(&mut rng), "pass", CHEAP, &mut rng).unwrap();
        for (at, values) in [(5, [9, MEMORY_KIB_MAX + 1, u32::MAX]), (9, [2, 17, u32::MAX]), (13, [0, 2, 5])]
        {
            for value in values {
                let mut changed = bytes.clone();
                changed[at..at + 4].copy_from_slice(&value.to_be_bytes());
                assert_eq!(open(&changed, "pass").map(|_| ()), Err(Error::Locked), "{at}: {value}");
            }
        }
        let most = Cost { memory_kib: MEMORY_KIB_MAX, passes: PASSES_MAX, lanes: LANES_MAX };
        assert_eq!(most.check(), Ok(most));
        assert!(Cost { memory_kib: MEMORY_KIB_MAX + 1, ..most }.check().is_err());
        assert!(Cost { passes: PASSES_MAX + 1, ..most }.check().is_err());
        assert!(Cost { lanes: LANES_MAX + 1, ..most }.check().is_err());
    }
}
