//! AES-256-GCM (NIST SP 800-38D) in place, with a 12-byte nonce and a 16-byte tag.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};

use crate::e2e::error::Error;
use crate::e2e::key::Key;

/// The nonce GCM is made for; every other length would be hashed first (SP 800-38D §7.1).
pub(super) const NONCE_BYTES: usize = 12;

/// Never shortened: GCM's strength against forgeries falls with the tag (SP 800-38D, appendix C).
pub(super) const TAG_BYTES: usize = 16;

/// Encrypts the end of `buffer`, from `start` on, and appends the tag.
pub(super) fn seal_tail(
    key: &Key,
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    buffer: &mut Vec<u8>,
    start: usize,
) {
    let tag = cipher(key)
        .encrypt_inout_detached(&Nonce::from(*nonce), aad, (&mut buffer[start..]).into())
        .expect("everything sealed here is far below the 64 GiB of GCM");
    buffer.extend_from_slice(&tag);
}

/// Decrypts `ciphertext || tag` where it stands and cuts the tag off.
///
/// The buffer holds no plaintext when this fails: the tag is checked first.
pub(super) fn open_in_place(
    key: &Key,
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), Error> {
    let length = buffer.len().checked_sub(TAG_BYTES).ok_or(Error::Malformed)?;
    let (ciphertext, tag) = buffer.split_at_mut(length);
    let tag = Tag::try_from(&*tag).map_err(|_| Error::Malformed)?;
    cipher(key)
        .decrypt_inout_detached(&Nonce::from(*nonce), aad, ciphertext.into(), &tag)
        .map_err(|_| Error::Auth)?;
    buffer.truncate(length);
    Ok(())
}

fn cipher(key: &Key) -> Aes256Gcm {
    Aes256Gcm::new(key.bytes().into())
}
