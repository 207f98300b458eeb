//! The root chain (Double Ratchet §2.3, §5.2): mixes each new agreement of keys into the session.

use x25519_dalek::SharedSecret;
use zeroize::ZeroizeOnDrop;

use crate::e2e::kdf;
use crate::e2e::key::Key;
use crate::e2e::ratchet::chain::Chain;

/// RK.
#[derive(ZeroizeOnDrop)]
pub(super) struct RootKey(Key);

impl RootKey {
    pub fn new(key: Key) -> RootKey {
        RootKey(key)
    }

    pub fn bytes(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    /// KDF_RK: the next root key and a new chain. The old root stays as it is, for the caller to
    /// replace once the message has proved itself.
    pub fn step(&self, agreed: &SharedSecret) -> (RootKey, Chain) {
        let (root, chain) = kdf::derive_two(self.0.bytes(), &[agreed.as_bytes()], &[LABEL]);
        (RootKey(root), Chain::start(chain))
    }
}

const LABEL: &[u8] = b"Sottovoce_DR_Root_v1";
