//! Points of low order, points that are none, and points in other encodings, in every position.

use crate::e2e::dh::{DhPublic, KeyPair};
use crate::e2e::error::Error;
use crate::e2e::identity::IdentityKey;
use crate::e2e::prekey::{Bundle, OneTimePrekey, SignedPrekey};
use crate::e2e::tests::party::{Party, acquainted};

const IDENTITY_AT: usize = 2;
const EPHEMERAL_AT: usize = 34;
const FIRST_HEADER_AT: usize = 74;
const LATER_HEADER_AT: usize = 2;

/// The u-coordinates of low order (RFC 7748 §6.1 refers to them), in all encodings of 32 bytes.
fn low_order_points() -> Vec<[u8; 32]> {
    let one = "0100000000000000000000000000000000000000000000000000000000000000";
    let texts = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        one,
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let points =
        texts.map(|text| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap());
    let with_top_bit = points.map(|mut point: [u8; 32]| {
        point[31] |= 0x80;
        point
    });
    [points, with_top_bit].concat()
}

#[test]
fn a_server_knows_every_point_that_no_agreement_can_be_made_with() {
    let ours = KeyPair::from_bytes(&[9; 32]);
    let (mut low, mut other) = (0, 0);
    for point in low_order_points().into_iter().map(DhPublic) {
        assert!(ours.agree(&point).is_err(), "{point:?}");
        match point.check_published() {
            Err(Error::LowOrder) => low += 1,
            Err(Error::BadKey) => other += 1,
            verdict => panic!("{point:?}: {verdict:?}"),
        }
    }
    assert_eq!((low, other), (5, 9));
    assert_eq!(ours.public().check_published(), Ok(()));
}

fn with_bytes(envelope: &[u8], at: usize, bytes: &[u8; 32]) -> Vec<u8> {
    let mut changed = envelope.to_vec();
    changed[at..at + 32].copy_from_slice(bytes);
    changed
}

#[test]
fn low_order_points_in_messages() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let first = alice.send(&bob, b"hello");
    for point in low_order_points() {
        for at in [EPHEMERAL_AT, FIRST_HEADER_AT] {
            assert_eq!(bob.opens(alice.address, &with_bytes(&first, at, &point)), Err(Error::LowOrder));
        }
    }
    let (mut alice, mut bob) = acquainted();
    let later = alice.send(&bob, b"hello");
    for point in low_order_points() {
        let changed = with_bytes(&later, LATER_HEADER_AT, &point);
        assert_eq!(bob.opens(alice.address, &changed), Err(Error::LowOrder));
    }
}

#[test]
fn low_order_points_in_bundles() {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    let bundle = bob.bundle();
    for point in low_order_points().into_iter().map(DhPublic) {
        let refused = Err(if point.is_canonical() { Error::LowOrder } else { Error::BadKey });
        let SignedPrekey { id, created, .. } = bundle.signed;
        let signed = SignedPrekey::sign(&bob.identity, bundle.device, id, created, point);
        assert_eq!(alice.start(bob.address.uid, Bundle { signed, ..bundle }), refused);
        let one_time = Some(OneTimePrekey { id: 1, public: point });
        assert_eq!(alice.start(bob.address.uid, Bundle { one_time, ..bundle }), refused);
    }
}

/// Identities of small order, and in encodings that RFC 8032 §5.1.3 does not decode.
#[test]
fn identities_that_are_none() {
    let mut wrong = Vec::new();
    for low in 0..=1_u8 {
        wrong.push([[low].as_slice(), &[0; 31]].concat());
    }
    for low in 0xec..=0xff {
        wrong.push([[low].as_slice(), &[0xff; 30], &[0x7f]].concat());
    }
    for order_eight in [
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    ] {
        wrong.push(data_encoding::HEXLOWER.decode(order_eight.as_bytes()).unwrap());
    }
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let first = alice.send(&bob, b"hello");
    let bundle = bob.bundle();
    for bytes in wrong {
        let mut key: [u8; 32] = bytes.try_into().unwrap();
        for top_bit in [0, 0x80] {
            key[31] |= top_bit;
            assert_eq!(IdentityKey::import(&key), Err(Error::BadKey), "{key:?}");
            assert_eq!(alice.start(bob.address.uid, Bundle { identity: key, ..bundle }), Err(Error::BadKey));
            let changed = with_bytes(&first, IDENTITY_AT, &key);
            assert_eq!(bob.opens(alice.address, &changed), Err(Error::BadKey));
        }
    }
}

/// X25519 accepts other encodings of a point, and the agreement is the same: the additional data
/// must notice.
#[test]
fn other_encodings_of_points_in_messages() {
    let other = |bytes: &[u8], at: usize| {
        let mut changed = bytes.to_vec();
        changed[at + 31] ^= 0x80;
        changed
    };
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let first = alice.send(&bob, b"hello");
    assert_eq!(bob.opens(alice.address, &other(&first, EPHEMERAL_AT)), Err(Error::Auth));
    assert_eq!(bob.opens(alice.address, &other(&first, FIRST_HEADER_AT)), Err(Error::Auth));
    let (mut alice, mut bob) = acquainted();
    let later = alice.send(&bob, b"hello");
    assert_eq!(bob.opens(alice.address, &other(&later, LATER_HEADER_AT)), Err(Error::Auth));
}
