//! Lost and late messages at the bounds of a session, and one past them.

use crate::e2e::address::Millis;
use crate::e2e::error::Error;
use crate::e2e::ratchet::skipped::{SKIP_MAX, SKIPPED_AGE_MS_MAX, SKIPPED_KEYS_MAX};
use crate::e2e::tests::party::{NOW, Party, acquainted};

/// Sends `count` messages and returns them all.
fn send(from: &mut Party, to: &Party, count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|number| from.send(to, &number.to_be_bytes())).collect()
}

fn skipped(party: &mut Party, peer: &Party) -> usize {
    party.set(peer.address).first().ratchet().skipped_count()
}

#[test]
fn the_gap_in_a_chain() {
    let (mut alice, mut bob) = acquainted();
    let envelopes = send(&mut alice, &bob, SKIP_MAX + 3);
    assert!(bob.opens(alice.address, &envelopes[0]).is_ok());
    let (within, beyond) = (SKIP_MAX as usize + 1, SKIP_MAX as usize + 2);
    assert_eq!(bob.opens(alice.address, &envelopes[beyond]), Err(Error::TooManySkipped));
    assert!(bob.opens(alice.address, &envelopes[within]).is_ok());
    assert_eq!(skipped(&mut bob, &alice), SKIP_MAX as usize);
    assert!(bob.opens(alice.address, &envelopes[beyond]).is_ok(), "now it is the next");
    assert!(bob.opens(alice.address, &envelopes[1]).is_ok());
    assert_eq!(bob.opens(alice.address, &envelopes[1]), Err(Error::Duplicate));
}

#[test]
fn the_gap_before_a_new_chain_opens() {
    let (mut alice, mut bob) = acquainted();
    let envelopes = send(&mut alice, &bob, SKIP_MAX + 2);
    assert_eq!(bob.opens(alice.address, &envelopes[SKIP_MAX as usize + 1]), Err(Error::TooManySkipped));
    assert!(bob.opens(alice.address, &envelopes[SKIP_MAX as usize]).is_ok());
}

#[test]
fn the_gap_of_a_first_message() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let envelopes = send(&mut alice, &bob, SKIP_MAX + 2);
    assert_eq!(bob.opens(alice.address, &envelopes[SKIP_MAX as usize + 1]), Err(Error::TooManySkipped));
    assert!(bob.opens(alice.address, &envelopes[SKIP_MAX as usize]).is_ok());
    assert!(bob.opens(alice.address, &envelopes[0]).is_ok());
}

/// The end of a chain: up to the bound its missing keys are kept, beyond it they are dropped and the
/// conversation goes on.
#[test]
fn the_gap_at_the_end_of_a_chain() {
    for (missing, kept) in [(SKIP_MAX, true), (SKIP_MAX + 1, false)] {
        let (mut alice, mut bob) = acquainted();
        let first = alice.send(&bob, b"first");
        assert!(bob.opens(alice.address, &first).is_ok());
        let envelopes = send(&mut alice, &bob, missing);
        let turn = bob.send(&alice, b"turn");
        assert!(alice.opens(bob.address, &turn).is_ok());
        let next = alice.send(&bob, b"next");
        assert_eq!(bob.opens(alice.address, &next).unwrap(), b"next");
        assert_eq!(skipped(&mut bob, &alice), if kept { missing as usize } else { 0 });
        for envelope in [&envelopes[0], &envelopes[missing as usize - 1]] {
            assert_eq!(bob.opens(alice.address, envelope).is_ok(), kept);
        }
    }
}

#[test]
fn the_number_of_kept_keys() {
    let (mut alice, mut bob) = acquainted();
    let envelopes = send(&mut alice, &bob, 2 * SKIP_MAX + 4);
    for at in [SKIP_MAX as usize, 2 * SKIP_MAX as usize + 1] {
        assert!(bob.opens(alice.address, &envelopes[at]).is_ok());
    }
    assert_eq!(skipped(&mut bob, &alice), SKIPPED_KEYS_MAX);
    assert!(bob.opens(alice.address, &envelopes[1]).is_ok(), "at the bound all are there");
    assert!(bob.opens(alice.address, &envelopes[2 * SKIP_MAX as usize + 3]).is_ok());
    assert_eq!(skipped(&mut bob, &alice), SKIPPED_KEYS_MAX);
    assert!(bob.opens(alice.address, &envelopes[0]).is_ok());
    let more = send(&mut alice, &bob, 3);
    assert!(bob.opens(alice.address, &more[2]).is_ok());
    assert_eq!(skipped(&mut bob, &alice), SKIPPED_KEYS_MAX);
    assert_eq!(bob.opens(alice.address, &envelopes[2]), Err(Error::Duplicate), "the oldest went");
    let state = bob.state();
    bob.restore(&state);
    assert!(bob.state() == state);
}

#[test]
fn the_age_of_kept_keys() {
    let (mut alice, mut bob) = acquainted();
    let envelopes = send(&mut alice, &bob, 3);
    assert!(bob.opens(alice.address, &envelopes[2]).is_ok());
    let last = Millis(NOW.0 + SKIPPED_AGE_MS_MAX);
    assert!(bob.receive(alice.address, &envelopes[0], last).is_ok());
    let late = Millis(last.0 + 1);
    let refused = bob.receive(alice.address, &envelopes[1], late);
    assert_eq!(refused.map(|_| ()), Err(Error::Duplicate));
    assert_eq!(skipped(&mut bob, &alice), 1, "an error deletes nothing");
    let next = alice.send(&bob, b"next");
    assert!(bob.receive(alice.address, &next, late).is_ok());
    assert_eq!(skipped(&mut bob, &alice), 0);
}

/// Each side's new key reaches the other with its next message: a copy of the state that was stolen
/// before opens nothing after a round trip.
#[test]
fn a_stolen_state_heals() {
    let (mut alice, mut bob) = acquainted();
    let stolen = bob.state();
    let address = alice.address;
    let open_with_stolen = |bob: &mut Party, envelope: &[u8]| {
        let present = bob.state();
        bob.restore(&stolen);
        let opened = bob.opens(address, envelope);
        bob.restore(&present);
        opened
    };
    let soon = alice.send(&bob, b"soon");
    assert!(open_with_stolen(&mut bob, &soon).is_ok());
    assert!(bob.opens(alice.address, &soon).is_ok());
    for _ in 0..2 {
        let turn = bob.send(&alice, b"turn");
        assert!(alice.opens(bob.address, &turn).is_ok());
        let turn = alice.send(&bob, b"turn");
        assert!(bob.opens(alice.address, &turn).is_ok());
    }
    let healed = alice.send(&bob, b"healed");
    assert_eq!(open_with_stolen(&mut bob, &healed), Err(Error::Auth));
    assert_eq!(bob.opens(alice.address, &healed).unwrap(), b"healed");
}

/// What was opened cannot be opened with the state that is left.
#[test]
fn the_past_stays_closed() {
    let (mut alice, mut bob) = acquainted();
    let past = alice.send(&bob, b"past");
    assert!(bob.opens(alice.address, &past).is_ok());
    assert_eq!(bob.opens(alice.address, &past), Err(Error::Duplicate));
    let turn = bob.send(&alice, b"turn");
    assert!(alice.opens(bob.address, &turn).is_ok());
    let turn = alice.send(&bob, b"turn");
    assert!(bob.opens(alice.address, &turn).is_ok());
    assert_eq!(bob.opens(alice.address, &past), Err(Error::Auth), "its chain is gone altogether");
}
