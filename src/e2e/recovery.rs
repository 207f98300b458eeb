//! The recovery key: the seed of the identity as text, shown once, to be written down.
//!
//! `base32(seed || SHA-256(seed)[0..3])` in groups of five letters. Three bytes of checksum find a
//! slip of the pen in all but one of 16 million.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::e2e::base32;
use crate::e2e::error::Error;
use crate::e2e::identity::Identity;

/// The text to show once.
pub fn recovery_key(identity: &Identity) -> Zeroizing<String> {
    let seed = identity.reveal_seed();
    let mut bytes = Zeroizing::new([0; 32 + CHECKSUM_BYTES]);
    bytes[..32].copy_from_slice(seed);
    bytes[32..].copy_from_slice(&Sha256::digest(seed)[..CHECKSUM_BYTES]);
    let letters = Zeroizing::new(base32::encode(bytes.as_slice()));
    let mut text = Zeroizing::new(String::with_capacity(2 * letters.len()));
    for (at, letter) in letters.chars().enumerate() {
        if at > 0 && at % GROUP_LETTERS == 0 {
            text.push(' ');
        }
        text.push(letter);
    }
    text
}

/// The identity of a recovery key; spaces, hyphens and the size of letters do not matter.
pub fn read_recovery_key(text: &str) -> Result<Identity, Error> {
    let bytes = base32::decode(text.trim())?;
    let (seed, checksum) = bytes.split_first_chunk::<32>().ok_or(Error::Malformed)?;
    if !bool::from(Sha256::digest(seed)[..CHECKSUM_BYTES].ct_eq(checksum)) {
        return Err(Error::Malformed);
    }
    Ok(Identity::from_seed(seed))
}

const CHECKSUM_BYTES: usize = 3;
const GROUP_LETTERS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_down_and_typed_in() {
        let identity = Identity::from_seed(&[0x5a; 32]);
        let text = recovery_key(&identity);
        assert_eq!(text.len(), 56 + 11, "{}", *text);
        let typed = text.replace(' ', "-").to_uppercase();
        assert_eq!(read_recovery_key(&typed).map(|found| *found.public()), Ok(*identity.public()));
    }

    #[test]
    fn every_wrong_letter_is_noticed() {
        let text = recovery_key(&Identity::from_seed(&[0x5a; 32]));
        for at in (0..text.len()).filter(|&at| text.as_bytes()[at] != b' ') {
            for letter in "abc7".chars().filter(|letter| !text[at..].starts_with(*letter)) {
                let wrong = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
                assert_eq!(read_recovery_key(&wrong).map(|_| ()), Err(Error::Malformed), "{wrong}");
            }
        }
        assert!(read_recovery_key(&text[..text.len() - 1]).is_err());
        assert!(read_recovery_key("").is_err());
    }
}
