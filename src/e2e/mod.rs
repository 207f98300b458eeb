//! End-to-end encryption: X3DH, the Double Ratchet, sealed files and the sealed key store.
//!
//! `docs/e2e.md` is the design, byte for byte. This folder is pure: time and randomness are
//! arguments, nothing here opens, sends or stores anything, and nothing here knows what a room or a
//! user name is. Read it in this order: [`identity`], [`prekey`], [`x3dh`], [`ratchet`], [`session`].
//!
//! What must stay true:
//!
//! - A call that returns an [`error::Error`] has changed nothing.
//! - Secret types are boxed, erased on drop, and their `Debug` shows none of it.
//! - Every agreement of keys refuses points of low order, see [`dh`].
//! - All bounds are named constants beside the code that keeps them.
//!
//! The published documents the steps are taken from: X3DH revision 1 and Double Ratchet revision 1
//! (both signal.org/docs/specifications), RFC 5869 (HKDF), RFC 2104 (HMAC), RFC 7748 (X25519),
//! RFC 8032 (Ed25519), RFC 9106 (Argon2) and NIST SP 800-38D (GCM).

pub mod address;
pub mod content;
pub mod dh;
pub mod envelope;
pub mod error;
pub mod file;
pub mod fingerprint;
pub mod identity;
pub mod keystore;
pub mod padding;
pub mod pairing;
pub mod prekey;
pub mod prekey_store;
pub mod ratchet;
pub mod recovery;
pub mod row;
pub mod seen;
pub mod session;
pub mod session_set;
pub mod trust;
pub mod x3dh;

mod aead;
mod base32;
pub(crate) mod hex;
mod kdf;
mod key;
mod wire;

#[cfg(test)]
pub(crate) mod tests;
