//! What a hostile server or peer can send: nothing of it opens, and nothing of it changes a state.
//!
//! [`Party::receive`] compares the whole stored state around each error.

use crate::e2e::address::{Address, DAY_MS, DeviceId, Millis, Uid};
use crate::e2e::envelope::{CONTENT_BYTES_MAX, Envelope};
use crate::e2e::error::Error;
use crate::e2e::identity::Identity;
use crate::e2e::prekey::{Bundle, OneTimePrekey};
use crate::e2e::seen::{BaseId, SEEN_BASES_MAX, SEEN_BASES_OF_ACCOUNT_MAX};
use crate::e2e::session_set::SESSIONS_MAX;
use crate::e2e::tests::party::{NOW, Party, acquainted};

/// Flips each bit, and then shows that the envelope as it was still opens.
fn check_flips(bob: &mut Party, from: Address, envelope: &[u8]) {
    for bit in 0..envelope.len() * 8 {
        let mut changed = envelope.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(bob.opens(from, &changed).is_err(), "bit {bit}");
    }
    for length in (0..envelope.len()).step_by(7) {
        assert!(bob.opens(from, &envelope[..length]).is_err(), "cut to {length}");
    }
    assert!(bob.opens(from, &[envelope, &[0]].concat()).is_err());
    assert_eq!(bob.opens(from, envelope).unwrap(), b"hello");
}

#[test]
fn every_flipped_bit_of_a_first_message() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let [one, two] = [0, 1].map(|_| alice.send(&bob, b"hello"));
    check_flips(&mut bob, alice.address, &two);
    check_flips(&mut bob, alice.address, &one);
}

#[test]
fn every_flipped_bit_of_a_later_message() {
    let (mut alice, mut bob) = acquainted();
    let [one, two] = [0, 1].map(|_| alice.send(&bob, b"hello"));
    check_flips(&mut bob, alice.address, &two);
    check_flips(&mut bob, alice.address, &one);
}

#[test]
fn a_message_is_from_and_for_one_device() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let first = alice.send(&bob, b"hello");
    let (other_uid, other_device) = (Uid(77), DeviceId::new(77).unwrap());
    for from in
        [Address { uid: other_uid, ..alice.address }, Address { device: other_device, ..alice.address }]
    {
        assert_eq!(bob.opens(from, &first), Err(Error::Auth), "not from {from:?}");
    }
    let address = bob.address;
    for me in [Address { uid: other_uid, ..address }, Address { device: other_device, ..address }] {
        bob.address = me;
        bob.sets.clear();
        assert_eq!(bob.opens(alice.address, &first), Err(Error::Auth), "not for {me:?}");
    }
    bob.address = address;
    bob.sets.clear();
    assert_eq!(bob.opens(alice.address, &first).unwrap(), b"hello");

    let (mut alice, mut bob) = acquainted();
    let mut carol = Party::new(3, 1);
    let later = alice.send(&bob, b"hello");
    assert_eq!(bob.opens(carol.address, &later), Err(Error::NoSession));
    carol.start_with(&mut bob);
    let hers = carol.send(&bob, b"from carol");
    assert!(bob.opens(carol.address, &hers).is_ok());
    assert_eq!(bob.opens(carol.address, &later), Err(Error::Auth), "not from carol");
    assert_eq!(bob.opens(alice.address, &later).unwrap(), b"hello");
}

#[test]
fn messages_sent_back_to_their_author() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let first = alice.send(&bob, b"hello");
    assert!(alice.opens(bob.address, &first).is_err());
    let (mut alice, bob) = acquainted();
    let later = alice.send(&bob, b"hello");
    assert_eq!(alice.opens(bob.address, &later), Err(Error::Auth));
}

#[test]
fn messages_are_opened_once() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let first = alice.send(&bob, b"hello");
    assert!(bob.opens(alice.address, &first).is_ok());
    assert_eq!(bob.opens(alice.address, &first), Err(Error::Duplicate));
    bob.sets.clear();
    assert_eq!(
        bob.opens(alice.address, &first),
        Err(Error::Replay),
        "the session is gone, the record is not"
    );
    let late = Millis(NOW.0 + 40 * DAY_MS);
    bob.prekeys.rotate(&bob.identity, Millis(NOW.0 + 7 * DAY_MS), &mut bob.rng).unwrap();
    assert!(bob.prekeys.expire(late));
    bob.seen.retain_prekeys(|id| bob.prekeys.has_signed(id));
    assert!(bob.seen.is_empty());
    assert_eq!(bob.opens(alice.address, &first), Err(Error::UnknownPrekey), "nor is the key, by then");
}

/// Without a one-time prekey the record alone protects.
#[test]
fn replay_without_a_one_time_prekey() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    bob.published.clear();
    alice.start_with(&mut bob);
    let first = alice.send(&bob, b"hello");
    assert!(bob.opens(alice.address, &first).is_ok());
    bob.sets.clear();
    assert_eq!(bob.opens(alice.address, &first), Err(Error::Replay));
}

#[test]
fn a_full_record_refuses_new_sessions() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let first = alice.send(&bob, b"hello");
    for number in 0..SEEN_BASES_MAX as u64 {
        let mut base = [1; 32];
        base[..8].copy_from_slice(&number.to_be_bytes());
        assert!(bob.seen.insert(BaseId(base), 1, Uid(100 + number % 100)));
    }
    assert_eq!(bob.opens(alice.address, &first), Err(Error::Exhausted));
}

#[test]
fn whoever_begins_without_end_is_refused_alone() {
    let (mut alice, mut bob, mut mallory) = (Party::new(1, 1), Party::new(2, 3), Party::new(3, 1));
    let bundle = bob.bundle();
    mallory.start(bob.address.uid, bundle).unwrap();
    for number in 0..SEEN_BASES_OF_ACCOUNT_MAX as u64 {
        let mut base = [1; 32];
        base[..8].copy_from_slice(&number.to_be_bytes());
        assert!(bob.seen.insert(BaseId(base), 1, mallory.address.uid));
    }
    let another = mallory.send(&bob, b"and another");
    assert_eq!(bob.opens(mallory.address, &another), Err(Error::Exhausted));
    alice.start_with(&mut bob);
    let first = alice.send(&bob, b"hello");
    assert!(bob.opens(alice.address, &first).is_ok());
}

#[test]
fn a_one_time_prekey_given_out_twice() {
    let (mut alice, mut bob, mut carol) = (Party::new(1, 1), Party::new(2, 3), Party::new(3, 1));
    let bundle = bob.bundle();
    alice.start(bob.address.uid, bundle).unwrap();
    carol.start(bob.address.uid, bundle).unwrap();
    let (hers, other) = (alice.send(&bob, b"hello"), carol.send(&bob, b"hello"));
    assert!(bob.opens(alice.address, &hers).is_ok());
    assert_eq!(bob.opens(carol.address, &other), Err(Error::UnknownPrekey));
}

/// One-time prekeys are unsigned: whatever bit of one is changed, nobody opens the message that it
/// makes, if it makes one.
#[test]
fn a_forged_one_time_prekey() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    let bundle = bob.bundle();
    let OneTimePrekey { id, public } = bundle.one_time.unwrap();
    let mut check = |one_time: OneTimePrekey, what: &str| {
        if alice.start(bob.address.uid, Bundle { one_time: Some(one_time), ..bundle }).is_ok() {
            let first = alice.send(&bob, b"hello");
            let opened = bob.opens(alice.address, &first);
            assert!(matches!(opened, Err(Error::Auth | Error::UnknownPrekey)), "{what}: {opened:?}");
        }
    };
    for bit in 0..256 {
        let mut public = public;
        public.0[bit / 8] ^= 1 << (bit % 8);
        check(OneTimePrekey { id, public }, &format!("bit {bit}"));
    }
    for bit in 0..32 {
        check(OneTimePrekey { id: id ^ (1 << bit), public }, &format!("bit {bit} of the number"));
    }
}

#[test]
fn both_begin_at_once() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    bob.start_with(&mut alice);
    let (from_alice, from_bob) = (alice.send(&bob, b"a"), bob.send(&alice, b"b"));
    assert_eq!(bob.opens(alice.address, &from_alice).unwrap(), b"a");
    assert_eq!(alice.opens(bob.address, &from_bob).unwrap(), b"b");
    for _ in 0..2 {
        let envelope = alice.send(&bob, b"c");
        assert_eq!(bob.opens(alice.address, &envelope).unwrap(), b"c");
        let envelope = bob.send(&alice, b"d");
        assert_eq!(alice.opens(bob.address, &envelope).unwrap(), b"d");
        assert!(Envelope::parse(&envelope).unwrap().preamble.is_none());
    }
    assert_eq!((alice.set(bob.address).len(), bob.set(alice.address).len()), (2, 2));
    // From the first answer on, one session serves both directions.
    let (one, two) = (alice.send(&bob, b"e"), bob.send(&alice, b"f"));
    let base = |party: &mut Party, peer: Address| party.set(peer).first().base_of_peer();
    assert_ne!(base(&mut alice, bob.address).is_some(), base(&mut bob, alice.address).is_some());
    assert!(bob.opens(alice.address, &one).is_ok() && alice.opens(bob.address, &two).is_ok());
}

#[test]
fn sessions_are_bound_in_number() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    let mut late = Vec::new();
    for _ in 0..SESSIONS_MAX {
        alice.start_with(&mut bob);
        let (first, second) = (alice.send(&bob, b"hello"), alice.send(&bob, b"late"));
        assert!(bob.opens(alice.address, &first).is_ok());
        late.push(second);
    }
    assert_eq!(bob.opens(alice.address, &late[0]).unwrap(), b"late", "the fifth is still there");
    alice.start_with(&mut bob);
    let sixth = alice.send(&bob, b"hello");
    assert!(bob.opens(alice.address, &sixth).is_ok());
    assert_eq!(bob.set(alice.address).len(), SESSIONS_MAX);
    // The first was the most recently successful one, so the second has gone.
    assert_eq!(bob.opens(alice.address, &late[1]), Err(Error::Replay));
    assert_eq!(bob.opens(alice.address, &late[2]).unwrap(), b"late");
}

#[test]
fn sessions_of_another_identity_do_not_send() {
    let (mut alice, mut bob) = acquainted();
    let old = bob.key();
    bob.identity = Identity::from_seed(&[77; 32]);
    let fresh =
        crate::e2e::prekey_store::PrekeyStore::generate(&bob.identity, bob.address.device, NOW, &mut bob.rng);
    bob.prekeys = fresh;
    bob.published.clear();
    let bundle = bob.bundle();
    assert_eq!(bundle.check(bob.address.uid, Some(&old), NOW).map(|_| ()), Err(Error::IdentityChanged));
    let new = bob.key();
    assert!(alice.set(bob.address).can_send(&old) && !alice.set(bob.address).can_send(&new));
    assert_eq!(alice.send_to(bob.address, &new, b"x"), Err(Error::NoSession));
    alice.start(bob.address.uid, bundle).unwrap();
    let envelope = alice.send_to(bob.address, &new, b"x").unwrap();
    assert!(Envelope::parse(&envelope).unwrap().preamble.is_some(), "not in the old session");
    bob.sets.clear();
    assert_eq!(bob.opens(alice.address, &envelope).unwrap(), b"x");
}

/// A state that came from a copy may have sealed more than it knows: it only opens, until a new session
/// is there. That stays so when it is stored.
#[test]
fn closed_sessions_open_and_do_not_send() {
    let (mut alice, mut bob) = acquainted();
    let late = alice.send(&bob, b"late");
    bob.set(alice.address).close_for_sending();
    let state = bob.state();
    bob.restore(&state);
    assert!(!bob.set(alice.address).can_send(&alice.key()));
    assert_eq!(bob.opens(alice.address, &late).unwrap(), b"late");
    let sealed = bob.send_to(alice.address, &alice.key(), b"no");
    assert_eq!(sealed, Err(Error::NoSession), "opening does not make it send again");
    bob.start_with(&mut alice);
    let fresh = bob.send(&alice, b"fresh");
    assert_eq!(alice.opens(bob.address, &fresh).unwrap(), b"fresh");
}

#[test]
fn devices_of_one_account() {
    let (mut one, mut other) = (Party::new(1, 1), Party::new(1, 2));
    one.start_with(&mut other);
    let copy = one.send(&other, b"copy");
    assert_eq!(other.opens(one.address, &copy).unwrap(), b"copy");
    let bundle = one.bundle();
    assert_eq!(one.start(one.address.uid, bundle), Err(Error::Malformed), "nobody writes to themselves");
    let mut stranger = Party::new(9, 3);
    let bundle = stranger.bundle();
    assert_eq!(one.start(one.address.uid, bundle), Err(Error::IdentityChanged));
}

#[test]
fn contents_have_a_bound() {
    let (mut alice, mut bob) = acquainted();
    let before = alice.state();
    let (key, to) = (bob.key(), bob.address);
    assert_eq!(alice.send_to(to, &key, &vec![1; CONTENT_BYTES_MAX + 1]), Err(Error::TooLong));
    assert!(alice.state() == before);
    let longest = vec![1; CONTENT_BYTES_MAX];
    let envelope = alice.send(&bob, &longest);
    assert_eq!(bob.opens(alice.address, &envelope).unwrap(), longest);
}
