//! What people compare to know that nobody stands between them.
//!
//! A fingerprint is 30 digits of a slow hash of an account and its identity; the safety number is
//! both, sorted, so that both sides read out the same 60 digits. The paste form holds the key
//! itself and is compared by the program. There is no short string of emoji: made from keys that
//! stay the same, it could be searched for.

use std::fmt;

use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use crate::e2e::address::Uid;
use crate::e2e::base32;
use crate::e2e::error::Error;
use crate::e2e::identity::IdentityKey;

/// The 30 digits of one account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint([u8; FINGERPRINT_DIGITS]);

impl Fingerprint {
    /// About a millisecond of hashing: each try at a key with similar digits costs as much.
    pub fn of(uid: Uid, identity: &IdentityKey) -> Fingerprint {
        let mut hash = Sha512::new()
            .chain_update(LABEL)
            .chain_update(uid.0.to_be_bytes())
            .chain_update(identity.bytes())
            .finalize();
        for _ in 1..HASHES {
            hash = Sha512::new().chain_update(hash).chain_update(identity.bytes()).finalize();
        }
        let mut digits = [0; FINGERPRINT_DIGITS];
        for (group, bytes) in digits.chunks_exact_mut(GROUP_DIGITS).zip(hash.chunks_exact(5)) {
            let mut value = bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
            for digit in group.iter_mut().rev() {
                *digit = b'0' + (value % 10) as u8;
                value /= 10;
            }
        }
        Fingerprint(digits)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only digits")
    }
}

/// In groups of five, to be read out.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_groups(f, &self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The 60 digits of two accounts; the same from both sides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SafetyNumber([u8; 2 * FINGERPRINT_DIGITS]);

impl SafetyNumber {
    pub fn of(one: Fingerprint, other: Fingerprint) -> SafetyNumber {
        let mut digits = [0; 2 * FINGERPRINT_DIGITS];
        digits[..FINGERPRINT_DIGITS].copy_from_slice(&one.min(other).0);
        digits[FINGERPRINT_DIGITS..].copy_from_slice(&one.max(other).0);
        SafetyNumber(digits)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only digits")
    }
}

/// In groups of five, to be read out.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_groups(f, &self.0)
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafetyNumber({self})")
    }
}

/// `sotto:1:<uid>:<base32 IK>`: what one person shows and the other's program compares.
pub fn paste_form(uid: Uid, identity: &IdentityKey) -> String {
    format!("{PASTE_PREFIX}{}:{}", uid.0, base32::encode(identity.bytes()))
}

/// Reads a paste form.
pub fn read_paste_form(text: &str) -> Result<(Uid, IdentityKey), Error> {
    let rest = text.trim().strip_prefix(PASTE_PREFIX).ok_or(Error::Malformed)?;
    let (uid, key) = rest.split_once(':').ok_or(Error::Malformed)?;
    // `parse` would also take a plus sign; there is one text for each number.
    let number = uid.parse().ok().filter(|number: &u64| number.to_string() == uid);
    let bytes: [u8; 32] = base32::decode(key)?.as_slice().try_into().map_err(|_| Error::Malformed)?;
    Ok((Uid(number.ok_or(Error::Malformed)?), IdentityKey::import(&bytes)?))
}

/// Whether a paste form is of this account and this identity: the only way it verifies anybody.
pub fn paste_form_matches(text: &str, uid: Uid, identity: &IdentityKey) -> Result<bool, Error> {
    let (pasted_uid, pasted) = read_paste_form(text)?;
    Ok(pasted_uid == uid && bool::from(pasted.bytes().ct_eq(identity.bytes())))
}

fn write_groups(f: &mut fmt::Formatter<'_>, digits: &[u8]) -> fmt::Result {
    for (at, group) in digits.chunks(GROUP_DIGITS).enumerate() {
        let space = if at > 0 { " " } else { "" };
        write!(f, "{space}{}", std::str::from_utf8(group).expect("only digits"))?;
    }
    Ok(())
}

const LABEL: &[u8] = b"Sottovoce_Fp_v1";
const PASTE_PREFIX: &str = "sotto:1:";

/// As many as Signal takes; makes a search for similar digits 5,200 times as dear.
const HASHES: usize = 5200;

const GROUP_DIGITS: usize = 5;

/// About 100 bits: nobody finds a second key with the same digits.
const FINGERPRINT_DIGITS: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2e::identity::Identity;

    #[test]
    fn groups_are_read_out() {
        let number = Fingerprint(*b"035840723602890016589856575596");
        assert_eq!(number.to_string(), "03584 07236 02890 01658 98565 75596");
        assert_eq!(format!("{number:?}"), format!("Fingerprint({number})"));
        let safety = SafetyNumber::of(number, number);
        assert_eq!(safety.to_string().len(), 60 + 11);
        assert_eq!(format!("{safety:?}"), format!("SafetyNumber({safety})"));
    }

    #[test]
    fn the_paste_form_is_exact() {
        let key = *Identity::from_seed(&[1; 32]).public();
        let other = *Identity::from_seed(&[2; 32]).public();
        let text = paste_form(Uid(1001), &key);
        assert_eq!(read_paste_form(&format!(" {text}\n")), Ok((Uid(1001), key)));
        assert_eq!(paste_form_matches(&text, Uid(1001), &key), Ok(true));
        assert_eq!(paste_form_matches(&text, Uid(1002), &key), Ok(false));
        assert_eq!(paste_form_matches(&text, Uid(1001), &other), Ok(false));
        let wrong = ["sotto:2:1:aa", "sotto:1:1", "sotto:1:x:aa", &text[..text.len() - 1]];
        for text in wrong {
            assert_eq!(read_paste_form(text), Err(Error::Malformed), "{text}");
        }
        assert_eq!(read_paste_form(&text.replace(":1001", ":+1001")), Err(Error::Malformed));
    }
}
