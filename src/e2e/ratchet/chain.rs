//! The symmetric chains (Double Ratchet §2.2, §5.2): one key for each message, none leads back.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use crate::e2e::aead::{self, NONCE_BYTES};
use crate::e2e::error::Error;
use crate::e2e::kdf;
use crate::e2e::key::Key;

/// A sending or receiving chain: its key and the number of the next message (Ns or Nr).
#[derive(ZeroizeOnDrop)]
pub(super) struct Chain {
    key: Key,
    /// Invariant: at most [`MESSAGES_MAX`].
    #[zeroize(skip)]
    next: u32,
}

impl Chain {
    pub fn start(key: Key) -> Chain {
        Chain { key, next: 0 }
    }

    pub fn restore(key: Key, next: u32) -> Result<Chain, Error> {
        if next <= MESSAGES_MAX { Ok(Chain { key, next }) } else { Err(Error::Malformed) }
    }

    pub fn next(&self) -> u32 {
        self.next
    }

    pub fn key_bytes(&self) -> &[u8; 32] {
        self.key.bytes()
    }

    /// Whether this is what is stored in the place of no chain.
    pub fn is_blank(&self) -> bool {
        self.next == 0 && bool::from(self.key.ct_eq(&Key::empty()))
    }

    /// A copy to try a message on.
    pub fn duplicate(&self) -> Chain {
        Chain { key: self.key.duplicate(), next: self.next }
    }

    /// KDF_CK: the key of the next message, and the chain one step on.
    pub fn step(&mut self) -> Result<MessageKey, Error> {
        if self.next >= MESSAGES_MAX {
            return Err(Error::Exhausted);
        }
        let (message, chain) = kdf::mac_two(&self.key, MESSAGE_KEY_INPUT, CHAIN_KEY_INPUT);
        self.key = chain;
        self.next += 1;
        Ok(MessageKey(message))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Chain { key: _, next } = self;
        write!(f, "Chain(next {next})")
    }
}

/// MK: seals or opens one message.
#[derive(ZeroizeOnDrop)]
pub(in crate::e2e) struct MessageKey(Key);

impl MessageKey {
    pub(super) fn restore(key: Key) -> MessageKey {
        MessageKey(key)
    }

    pub fn bytes(&self) -> &[u8; 32] {
        self.0.bytes()
    }

    /// Encrypts the end of the buffer, from `start` on, and appends the tag.
    pub fn seal_tail(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], buffer: &mut Vec<u8>, start: usize) {
        aead::seal_tail(&self.cipher_key(), nonce, aad, buffer, start);
    }

    /// Decrypts `ciphertext || tag` where it stands.
    pub fn open(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), Error> {
        aead::open_in_place(&self.cipher_key(), nonce, aad, buffer)
    }

    /// K, the key GCM gets. The nonce is not derived with it but random: a state that was rolled
    /// back makes a message key twice, and then key and nonce must not repeat together.
    fn cipher_key(&self) -> Key {
        kdf::derive(&kdf::ZERO_SALT, &[self.0.bytes()], &[LABEL])
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MessageKey(_) = self;
        f.write_str("MessageKey(..)")
    }
}

const LABEL: &[u8] = b"Sottovoce_DR_Msg_v1";

/// The constants of Double Ratchet §5.2.
const MESSAGE_KEY_INPUT: u8 = 1;
const CHAIN_KEY_INPUT: u8 = 2;

/// Messages in one chain. Nobody sends so many without an answer, and the counter never wraps.
pub const MESSAGES_MAX: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_ends_at_its_bound() {
        let last = Chain::restore(Key::empty(), MESSAGES_MAX - 1);
        let mut chain = last.unwrap();
        assert!(chain.step().is_ok());
        let key = chain.key_bytes().to_owned();
        assert_eq!(chain.step().map(|_| ()), Err(Error::Exhausted));
        assert_eq!((chain.next(), chain.key_bytes()), (MESSAGES_MAX, &key), "nothing has changed");
        assert!(Chain::restore(Key::empty(), MESSAGES_MAX + 1).is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut chain = Chain::start(Key::empty());
        assert_eq!(format!("{:?}", chain.step().unwrap()), "MessageKey(..)");
        assert_eq!(format!("{chain:?}"), "Chain(next 1)");
    }
}
