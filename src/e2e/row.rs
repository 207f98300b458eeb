//! Sealed rows: how a secret value lies in the local database.
//!
//! ```text
//! nonce 12 || GCM(K, nonce, value, aad = table || 00 || primary key)
//! K = HKDF(0*32, DEK, "Sottovoce_Store_v1:" || table, 32)
//! ```
//!
//! A row cannot be moved to another place; that it can be replaced by an older one of the same place
//! is what the random nonces of messages are for.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::e2e::aead::{self, NONCE_BYTES, TAG_BYTES};
use crate::e2e::error::Error;
use crate::e2e::kdf;
use crate::e2e::key::Key;
use crate::e2e::keystore::DataKey;

/// The key of one table. Deriving it costs as much as sealing a row, so it is kept.
#[derive(ZeroizeOnDrop)]
pub struct RowKey {
    key: Key,
    #[zeroize(skip)]
    table: &'static str,
}

impl RowKey {
    /// The key of a table. Its name is part of the program and must have no zero byte, which ends
    /// it in the additional data.
    pub fn new(data_key: &DataKey, table: &'static str) -> RowKey {
        assert!(!table.contains('\0'), "a zero byte ends the table's name");
        let key = kdf::derive(&kdf::ZERO_SALT, &[data_key.key().bytes()], &[LABEL, table.as_bytes()]);
        RowKey { key, table }
    }

    pub fn seal(&self, primary_key: &[u8], value: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let mut out = Vec::with_capacity(ROW_OVERHEAD_BYTES + value.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(value);
        aead::seal_tail(&self.key, &nonce, &self.place(primary_key), &mut out, NONCE_BYTES);
        out
    }

    pub fn open(&self, primary_key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (nonce, rest) = sealed.split_first_chunk().ok_or(Error::Malformed)?;
        let mut value = Zeroizing::new(rest.to_vec());
        aead::open_in_place(&self.key, nonce, &self.place(primary_key), &mut value)?;
        Ok(value)
    }

    fn place(&self, primary_key: &[u8]) -> Vec<u8> {
        [self.table.as_bytes(), &[0], primary_key].concat()
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RowKey { key: _, table } = self;
        write!(f, "RowKey({table})")
    }
}

/// Whether a data key has sealed so many rows that a new one must be made.
pub fn needs_new_data_key(writes: u64) -> bool {
    writes >= DATA_KEY_WRITES_MAX
}

/// Rows sealed with one data key. SP 800-38D §8.3 allows 2^32 random nonces for one key; a quarter
/// of that, for all tables together, keeps the chance of a repetition below 2^-37.
pub const DATA_KEY_WRITES_MAX: u64 = 1 << 30;

/// What a row is longer than its value.
pub const ROW_OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

const LABEL: &[u8] = b"Sottovoce_Store_v1:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2e::tests::random::Seeded;

    #[test]
    fn a_row_opens_only_in_its_place() {
        let mut rng = Seeded::new(1);
        let data_key = DataKey::generate(&mut rng);
        let rows = RowKey::new(&data_key, "session");
        let sealed = rows.seal(b"7", b"value", &mut rng);
        assert_eq!(sealed.len(), 5 + ROW_OVERHEAD_BYTES);
        assert_eq!(rows.open(b"7", &sealed).unwrap().as_slice(), b"value");
        assert_eq!(rows.open(b"8", &sealed), Err(Error::Auth));
        assert_eq!(RowKey::new(&data_key, "sessio").open(b"n\x007", &sealed), Err(Error::Auth));
        assert_eq!(
            RowKey::new(&DataKey::generate(&mut rng), "session").open(b"7", &sealed),
            Err(Error::Auth)
        );
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(rows.open(b"7", &changed), Err(Error::Auth), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(rows.open(b"7", &sealed[..length]).is_err());
        }
    }

    #[test]
    fn a_data_key_is_used_up() {
        assert!(!needs_new_data_key(DATA_KEY_WRITES_MAX - 1));
        assert!(needs_new_data_key(DATA_KEY_WRITES_MAX));
    }
}
