//! Password hashes. Slow on purpose, so never on the reactor's thread.
//!
//! bcrypt reads 72 bytes and the crate cuts longer input silently; its form that refuses to cut refuses
//! 72 bytes as well, which we allow. So the length is checked here, and nothing is ever cut.

use std::hint::black_box;

use crate::hub::job::{PasswordHash, PasswordJob, PasswordReply};
use crate::proto::limits::PASSWORD_BYTES_MAX;
use crate::proto::secret::Secret;

/// Hashes a password, with a random salt. `cost`: each step doubles the time.
pub fn hash(password: &Secret, cost: u32) -> PasswordHash {
    let password = password.reveal();
    assert!(password.len() <= PASSWORD_BYTES_MAX, "longer passwords are refused before");
    let hash = bcrypt::hash(password, cost).expect("the cost is in bcrypt's range, and there is randomness");
    PasswordHash(hash.into())
}

/// Whether this is the password; takes as long where there is no hash, and is false then.
pub fn verify(password: &Secret, hash: Option<&PasswordHash>, cost: u32) -> bool {
    let password = password.reveal();
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    match hash {
        Some(hash) => bcrypt::verify(password, &hash.0).unwrap_or_else(|error| {
            log::warn!("a password hash cannot be read: {error}");
            false
        }),
        None => {
            // What verifying does, with nothing to compare to.
            let _ = black_box(bcrypt::hash_with_salt(password, cost, [0; SALT_BYTES]));
            false
        }
    }
}

pub(super) fn run(job: PasswordJob) -> PasswordReply {
    match job {
        PasswordJob::Hash { origin, password, cost } => {
            PasswordReply::Hashed { origin, hash: hash(&password, cost) }
        }
        PasswordJob::Verify { origin, password, hash, cost } => {
            PasswordReply::Verified { origin, matches: verify(&password, hash.as_ref(), cost) }
        }
    }
}

const SALT_BYTES: usize = 16;

/// All that bcrypt reads: at a byte more, two passwords could be the same.
const _: () = assert!(PASSWORD_BYTES_MAX <= 72);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let hash = hash(&Secret::new("correct horse"), COST);
        let check = |password: &str, expected: bool| {
            assert_eq!(verify(&Secret::new(password), Some(&hash), COST), expected, "{password:?}");
        };
        check("correct horse", true);
        check("correct horsf", false);
        check("correct horse ", false);
        check("", false);
        assert!(!verify(&Secret::new("correct horse"), None, COST));
        assert!(!verify(&Secret::new("x"), Some(&PasswordHash("no hash".into())), COST));
    }

    #[test]
    fn nothing_is_cut_at_the_limit() {
        let longest = "x".repeat(PASSWORD_BYTES_MAX);
        let hash = hash(&Secret::new(&*longest), COST);
        assert!(verify(&Secret::new(&*longest), Some(&hash), COST));
        assert!(!verify(&Secret::new(&longest[1..]), Some(&hash), COST));
        assert!(!verify(&Secret::new(longest + "y"), Some(&hash), COST));
    }

    #[test]
    #[should_panic(expected = "refused before")]
    fn a_password_beyond_the_limit_is_not_hashed() {
        hash(&Secret::new("x".repeat(PASSWORD_BYTES_MAX + 1)), COST);
    }

    /// The cheapest that bcrypt takes.
    const COST: u32 = 4;
}
