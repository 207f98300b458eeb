//! What comes back from storage, or from anywhere, is checked before it is used.

use proptest::prelude::*;

use crate::e2e::content::Content;
use crate::e2e::envelope::Envelope;
use crate::e2e::error::Error;
use crate::e2e::file::name::safe_name;
use crate::e2e::fingerprint::read_paste_form;
use crate::e2e::keystore;
use crate::e2e::pairing::PairingCode;
use crate::e2e::prekey_store::PrekeyStore;
use crate::e2e::recovery::read_recovery_key;
use crate::e2e::seen::SeenBases;
use crate::e2e::session::Session;
use crate::e2e::session_set::{SESSIONS_MAX, SessionSet};
use crate::e2e::tests::party::{NOW, Party, acquainted};

#[test]
fn sessions_come_back_as_they_were() {
    let (mut alice, mut bob) = acquainted();
    let state = alice.state();
    alice.restore(&state);
    assert!(alice.state() == state);
    let envelope = alice.send(&bob, b"again");
    assert_eq!(bob.opens(alice.address, &envelope).unwrap(), b"again");
}

#[test]
fn stored_sessions_are_checked() {
    let (mut alice, bob) = acquainted();
    let (me, peer) = (alice.address, bob.address);
    let bytes = alice.set(peer).to_bytes();
    let read = |bytes: &[u8]| SessionSet::from_bytes(me, peer, bytes).map(|set| set.len());
    assert_eq!(read(&bytes), Ok(1));
    assert_eq!(SessionSet::from_bytes(peer, me, &bytes).map(|_| ()), Err(Error::Malformed));
    for length in 0..bytes.len() {
        assert_eq!(read(&bytes[..length]), Err(Error::Malformed), "{length}");
    }
    assert_eq!(read(&[&bytes[..], &[0]].concat()), Err(Error::Malformed));
    assert_eq!(read(&[&[2], &bytes[1..]].concat()), Err(Error::Version));
    let (head, session) = (&bytes[..25], &bytes[26..]);
    let with = |count: usize| read(&[head, &[count as u8], &session.repeat(count)].concat());
    assert_eq!(with(SESSIONS_MAX), Ok(SESSIONS_MAX));
    assert_eq!(with(SESSIONS_MAX + 1), Err(Error::Malformed));
    for role in [0, 2, 3] {
        let mut changed = bytes.to_vec();
        changed[26] = role;
        assert_eq!(read(&changed), Err(Error::Malformed), "not in this role");
    }
}

#[test]
fn stored_ratchets_are_in_a_state_that_messages_lead_to() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let (me, peer) = (alice.address, bob.address);
    let bytes = alice.set(peer).to_bytes();
    let read = |change: &dyn Fn(&mut [u8])| {
        let mut changed = bytes.to_vec();
        change(&mut changed);
        SessionSet::from_bytes(me, peer, &changed).map(|set| set.len())
    };
    // From the end: the number of skipped keys, of messages before, the chain that receives, if there is one.
    let (previous, chain) = (bytes.len() - 8, bytes.len() - 8 - 36);
    assert_eq!(read(&|_| {}), Ok(1), "nothing was received yet");
    assert_eq!(read(&|bytes| bytes[chain] = 1), Err(Error::Malformed), "a chain where there is none");
    assert_eq!(read(&|bytes| bytes[chain - 1] = 2), Err(Error::Malformed), "neither there nor not");
    assert_eq!(read(&|bytes| bytes[previous] = 0xff), Err(Error::Malformed), "more than a session has");
    assert_eq!(read(&|bytes| bytes[previous + 3] = 1), Err(Error::Malformed), "a chain before the first");
}

#[test]
fn a_session_with_somebody_else_is_not_taken() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    let bundle = bob.bundle().check(bob.address.uid, None, NOW).unwrap();
    let session = Session::initiate(&alice.identity, alice.address, &bundle, &mut alice.rng).unwrap();
    let mut other = SessionSet::new(alice.address, Party::address_of(4, 1));
    assert_eq!(other.add(session), Err(Error::Malformed));
    assert!(other.is_empty());
}

#[test]
fn stored_prekeys_are_checked() {
    let party = Party::new(1, 1);
    let bytes = party.prekeys.to_bytes();
    let read = |bytes: &[u8]| PrekeyStore::from_bytes(bytes).map(|store| store.one_time_count());
    assert_eq!(read(&bytes), Ok(100));
    for length in (0..bytes.len()).step_by(61) {
        assert_eq!(read(&bytes[..length]), Err(Error::Malformed), "{length}");
    }
    assert_eq!(read(&[&bytes[..], &[0]].concat()), Err(Error::Malformed));
    assert_eq!(read(&[&[2], &bytes[1..]].concat()), Err(Error::Version));
    // The signed ones, of which there is one, are in 116 bytes behind their number.
    let mut many = bytes.to_vec();
    assert_eq!(many[5..7], [0, 1]);
    many[7 + 116] = 0xff;
    assert_eq!(read(&many), Err(Error::Malformed), "more than are kept");
    let mut next = bytes.to_vec();
    let at = next.len() - 4;
    next[at..].copy_from_slice(&100_u32.to_be_bytes());
    assert_eq!(read(&next), Err(Error::Malformed), "a number would be used twice");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// No reader panics, whatever it gets; the beginning is right, so that more than that is read.
    #[test]
    fn garbage_is_refused(head in 0..8_usize, tail in prop::collection::vec(any::<u8>(), 0..600)) {
        let (alice, bob) = (Party::address_of(1, 1), Party::address_of(2, 3));
        let heads: [&[u8]; 8] = [&[], &[1], &[1, 1], &[1, 2], b"SVK1", b"SVF1", b"{\"v\":1,", &[1, 0, 0, 0, 1]];
        let bytes = [heads[head], &tail].concat();
        let _ = Envelope::parse(&bytes).is_ok();
        let _ = SessionSet::from_bytes(alice, bob, &bytes).is_ok();
        let _ = PrekeyStore::from_bytes(&bytes).is_ok();
        let _ = SeenBases::from_bytes(&bytes).is_ok();
        let _ = keystore::needs_passphrase(&bytes).is_ok();
        let _ = Content::decode(&bytes).is_ok();
    }

    #[test]
    fn garbage_text_is_refused(text in "(sotto:1:[0-9]{1,22}:|sotto-pair:)?[a-z2-7 =é-]{0,80}") {
        let _ = read_paste_form(&text).is_ok();
        let _ = PairingCode::parse(&text).is_ok();
        let _ = read_recovery_key(&text).is_ok();
    }

    #[test]
    fn any_name_becomes_safe(name in "\\PC{0,40}", any in any::<String>()) {
        for name in [name, any] {
            let safe = safe_name(&name);
            prop_assert!(!safe.is_empty() && !safe.starts_with('.') && !safe.contains(['/', '\\', '\0', '\n']));
            prop_assert_eq!(safe_name(&safe), safe.clone(), "safe already");
        }
    }

    /// Whatever bit changes in a stored set: it is refused, or it is a set that says the same again.
    #[test]
    fn a_flipped_bit_in_a_stored_set_is_no_panic(bit in 0..1000_usize) {
        let (mut alice, mut bob) = acquainted();
        let mut bytes = alice.set(bob.address).to_bytes().to_vec();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(set) = SessionSet::from_bytes(alice.address, bob.address, &bytes) {
            let again = set.to_bytes();
            prop_assert_eq!(again.as_slice(), bytes.as_slice());
            alice.sets.insert(bob.address, set);
            if let Ok(envelope) = alice.send_to(bob.address, &bob.key(), b"x") {
                let _ = bob.opens(alice.address, &envelope).is_ok();
            }
        }
    }
}
