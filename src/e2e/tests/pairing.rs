//! A new device gets its account's identity.

use crate::e2e::address::{Millis, Uid};
use crate::e2e::error::Error;
use crate::e2e::identity::Identity;
use crate::e2e::pairing::*;
use crate::e2e::tests::random::Seeded;
use crate::e2e::trust::Standing;

const NOW: Millis = Millis(5_000_000);
const UID: Uid = Uid(1001);

/// The same secret each time, since opening consumes it.
fn secret() -> PairingSecret {
    PairingSecret::generate(NOW, &mut Seeded::new(9))
}

fn answer(trust: &[TrustEntry]) -> Result<Vec<u8>, Error> {
    let code = PairingCode::parse(&secret().code().to_string()).unwrap();
    code.answer(UID, &Identity::from_seed(&[1; 32]), trust, &mut Seeded::new(1))
}

fn entry(number: u64) -> TrustEntry {
    let standing = if number.is_multiple_of(2) { Standing::Pinned } else { Standing::Verified };
    TrustEntry { uid: Uid(number), identity: *Identity::from_seed(&[2; 32]).public(), standing }
}

#[test]
fn paired() {
    let trust = [entry(1), entry(2)];
    let paired = secret().open(UID, &answer(&trust).unwrap(), NOW).unwrap();
    assert_eq!(paired.identity.public(), Identity::from_seed(&[1; 32]).public());
    assert_eq!(paired.trust, trust);
    let most: Vec<_> = (0..TRUST_ENTRIES_MAX as u64).map(entry).collect();
    assert_eq!(secret().open(UID, &answer(&most).unwrap(), NOW).unwrap().trust, most);
    let more: Vec<_> = (0..=TRUST_ENTRIES_MAX as u64).map(entry).collect();
    assert_eq!(answer(&more), Err(Error::TooLong));
}

#[test]
fn a_code_lives_ten_minutes() {
    let answer = answer(&[]).unwrap();
    let opened = |at: u64| secret().open(UID, &answer, Millis(at)).map(|_| ());
    assert_eq!(opened(NOW.0 + CODE_AGE_MS_MAX), Ok(()));
    assert_eq!(opened(NOW.0 + CODE_AGE_MS_MAX + 1), Err(Error::UnknownPrekey));
}

#[test]
fn every_flipped_bit_of_an_answer_is_refused() {
    let answer = answer(&[entry(1)]).unwrap();
    for bit in 0..answer.len() * 8 {
        let mut changed = answer.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(secret().open(UID, &changed, NOW).is_err(), "bit {bit}");
    }
    for length in 0..answer.len() {
        assert!(secret().open(UID, &answer[..length], NOW).is_err());
    }
    assert_eq!(secret().open(Uid(1002), &answer, NOW).map(|_| ()), Err(Error::Auth));
    let other = PairingSecret::generate(NOW, &mut Seeded::new(10));
    assert_eq!(other.open(UID, &answer, NOW).map(|_| ()), Err(Error::Auth));
}

#[test]
fn low_order_points_are_refused() {
    let code = "sotto-pair:";
    let zero = [[0; 32].as_slice(), &[0x66, 0x68, 0x7a, 0xad]].concat();
    let code = format!("{code}{}", crate::e2e::base32::encode(&zero));
    let code = PairingCode::parse(&code).unwrap();
    let answered = code.answer(UID, &Identity::from_seed(&[1; 32]), &[], &mut Seeded::new(1));
    assert_eq!(answered, Err(Error::LowOrder));
    let mut answer = answer(&[]).unwrap();
    answer[..32].fill(0);
    assert_eq!(secret().open(UID, &answer, NOW).map(|_| ()), Err(Error::LowOrder));
}

#[test]
fn every_wrong_letter_of_a_code_is_noticed() {
    let text = secret().code().to_string();
    assert_eq!(text.len(), "sotto-pair:".len() + 58);
    assert!(PairingCode::parse(&format!("  {text} ")).is_ok());
    for at in 0..text.len() {
        for letter in ['a', 'q', '5'] {
            let wrong = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
            assert!(wrong == text || PairingCode::parse(&wrong) == Err(Error::Malformed), "{wrong}");
        }
    }
}
