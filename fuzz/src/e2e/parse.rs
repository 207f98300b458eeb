//! Formats: what is read is written the same again, and what was changed is not taken for what it was.

use sottovoce::e2e::address::{Address, DeviceId, Millis, Uid};
use sottovoce::e2e::content::{Content, Kind};
use sottovoce::e2e::dh::DhPublic;
use sottovoce::e2e::envelope::Envelope;
use sottovoce::e2e::fingerprint::{paste_form, read_paste_form};
use sottovoce::e2e::identity::Identity;
use sottovoce::e2e::keystore::{self, Cost, DataKey};
use sottovoce::e2e::pairing::{PairingCode, PairingSecret};
use sottovoce::e2e::prekey::{Bundle, OneTimePrekey, SignedPrekey};
use sottovoce::e2e::prekey_store::PrekeyStore;
use sottovoce::e2e::recovery::{read_recovery_key, recovery_key};
use sottovoce::e2e::row::RowKey;
use sottovoce::e2e::seen::SeenBases;
use sottovoce::e2e::session::Session;
use sottovoce::e2e::session_set::SessionSet;

use crate::e2e::random::Seeded;
use crate::input::Input;

/// An envelope before it is opened, and the content that may be in it.
pub fn envelope(data: &[u8]) {
    if let Ok(envelope) = Envelope::parse(data) {
        assert!((198..=65_678).contains(&data.len()), "{envelope:?}");
    }
    if let Ok(content) = Content::decode(data) {
        let encoded = match content.encode() {
            Ok(encoded) => encoded,
            // What a later version says is let pass, and not said again.
            Err(_) if matches!(content.kind, Kind::Unknown | Kind::Sent { .. }) => return,
            Err(why) => panic!("{why:?}: what was read can be written"),
        };
        let again = Content::decode(&encoded).expect("what was written can be read");
        assert_eq!(again.encode().as_deref().ok(), Some(&*encoded));
    }
}

/// A bundle of prekeys as a server gives it out: valid, and changed in places.
pub fn bundle(data: &[u8]) {
    let mut input = Input::new(data);
    let mut rng = Seeded { seed: 1, counter: 0 };
    let (bob, alice) = (Identity::from_seed(&[2; 32]), Identity::from_seed(&[1; 32]));
    let device = DeviceId::new(3).expect("a device");
    let mut prekeys = PrekeyStore::generate(&bob, device, NOW, &mut rng);
    let refill = prekeys.refill(99, NOW, &mut rng).expect("room for more");
    let one_time = refill.and_then(|refill| refill.prekeys.first().copied());
    let signed = *prekeys.signed();
    let mut bytes = [&bob.public().bytes()[..], &signed.public.0, &signed.signature].concat();
    bytes.extend_from_slice(&one_time.map_or([9; 32], |prekey| prekey.public.0));
    bytes.extend_from_slice(&signed.id.to_be_bytes());
    bytes.extend_from_slice(&signed.created.0.to_be_bytes());
    let original = bytes.clone();
    while !input.is_empty() {
        input.edit(&mut bytes);
    }
    bytes.resize(original.len(), 0);
    let mut fields = Input::new(&bytes);
    let mut key = || <[u8; 32]>::try_from(fields.bytes(32)).expect("there are enough");
    let (identity, public, first, second, one) = (key(), key(), key(), key(), key());
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&first);
    signature[32..].copy_from_slice(&second);
    let id = u32::from_be_bytes(fields.bytes(4).try_into().expect("four"));
    let created = Millis(u64::from_be_bytes(fields.bytes(8).try_into().expect("eight")));
    let bundle = Bundle {
        device,
        identity,
        signed: SignedPrekey { id, created, public: DhPublic(public), signature },
        one_time: Some(OneTimePrekey { id: 1, public: DhPublic(one) }),
    };
    let checked = bundle.check(Uid(7), Some(bob.public()), NOW);
    let signed_part = |bytes: &[u8]| [&bytes[..128], &bytes[160..]].concat();
    assert!(
        checked.is_err() || signed_part(&bytes) == signed_part(&original),
        "nothing that is signed can be changed"
    );
    let checked = checked.or_else(|_| bundle.check(Uid(7), None, NOW));
    if let Ok(checked) = checked {
        let me = Address { uid: Uid(8), device };
        // Keys of low order are refused here.
        let _ = Session::initiate(&alice, me, &checked, &mut rng);
    }
}

/// What a device keeps, and codes that people type.
pub fn keys(data: &[u8]) {
    let mut input = Input::new(data);
    let mut rng = Seeded { seed: 2, counter: 0 };
    let identity = Identity::from_seed(&[1; 32]);
    let device = DeviceId::new(1).expect("a device");
    let (me, peer) = (Address { uid: Uid(1), device }, Address { uid: Uid(2), device });
    match input.byte() % 8 {
        0 => {
            let bytes = input.rest();
            let affordable = bytes.get(5..17).is_none_or(|cost| {
                let number = |at| u32::from_be_bytes([cost[at], cost[at + 1], cost[at + 2], cost[at + 3]]);
                number(0) <= 64 && number(4) <= 2
            });
            if affordable && let Ok(true) = keystore::needs_passphrase(bytes) {
                // Whether it opens does not matter.
                let _ = keystore::open(bytes, "passphrase");
            } else if let Ok(false) = keystore::needs_passphrase(bytes) {
                let _ = keystore::open(bytes, "");
            }
        }
        1 => {
            let cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
            let key = DataKey::generate(&mut rng);
            let mut sealed = match input.byte() & 1 {
                0 => keystore::store_unsealed(&key).to_vec(),
                _ => match keystore::seal(&key, "passphrase", cost, &mut rng) {
                    Ok(sealed) => sealed,
                    Err(_) => return,
                },
            };
            let original = sealed.clone();
            input.edit(&mut sealed);
            let number = |at: usize| {
                sealed.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
            };
            if number(5) <= 64 && number(9) <= 2 {
                let opened = keystore::open(&sealed, "passphrase");
                assert_eq!(opened.is_ok(), sealed == original);
            }
            let rows = RowKey::new(&key, "table");
            let mut row = rows.seal(b"key", b"value", &mut rng);
            let changed = input.edit(&mut row);
            assert_eq!(rows.open(b"key", &row).is_ok(), !changed);
        }
        2 => {
            let bytes = input.rest();
            if let Ok(store) = PrekeyStore::from_bytes(bytes) {
                assert_eq!(&store.to_bytes()[..], bytes);
            }
        }
        3 => {
            let bytes = input.rest();
            if let Ok(set) = SessionSet::from_bytes(me, peer, bytes) {
                assert_eq!(&set.to_bytes()[..], bytes);
            }
        }
        4 => {
            let bytes = input.rest();
            if let Ok(seen) = SeenBases::from_bytes(bytes) {
                assert_eq!(&seen.to_bytes()[..], bytes);
            }
        }
        5 => {
            let mut prekeys = PrekeyStore::generate(&identity, device, NOW, &mut rng);
            // With some one-time prekeys in it.
            let _ = prekeys.refill(98, NOW, &mut rng);
            let mut bytes = prekeys.to_bytes().to_vec();
            while !input.is_empty() {
                input.edit(&mut bytes);
            }
            if let Ok(mut store) = PrekeyStore::from_bytes(&bytes) {
                assert_eq!(&store.to_bytes()[..], &bytes[..]);
                let later = Millis(NOW.0 + 40 * 24 * 60 * 60 * 1000);
                let _ = store.rotate(&identity, later, &mut rng);
                let _ = store.refill(0, later, &mut rng);
                store.expire(later);
                let bytes = store.to_bytes();
                assert!(PrekeyStore::from_bytes(&bytes).is_ok(), "it stays consistent");
            }
        }
        6 => codes(&String::from_utf8_lossy(input.rest()), &identity),
        _ => pairing(&mut input, &identity, &mut rng),
    }
}

fn codes(text: &str, identity: &Identity) {
    if let Ok(code) = PairingCode::parse(text) {
        assert_eq!(
            code.to_string().to_lowercase(),
            text.trim().to_lowercase(),
            "there is one text for each code"
        );
    }
    if let Ok(found) = read_recovery_key(text) {
        let again = recovery_key(&found);
        assert_eq!(
            read_recovery_key(&again).map(|found| *found.public().bytes()),
            Ok(*found.public().bytes())
        );
    }
    if let Ok((uid, key)) = read_paste_form(text) {
        assert_eq!(read_paste_form(&paste_form(uid, &key)), Ok((uid, key)));
    }
    assert!(read_recovery_key(&recovery_key(identity)).is_ok());
}

fn pairing(input: &mut Input<'_>, identity: &Identity, rng: &mut Seeded) {
    let secret = PairingSecret::generate(NOW, rng);
    let shown = secret.code().to_string();
    let code = PairingCode::parse(&shown).expect("what is shown can be read");
    let mut answer = code.answer(Uid(1), identity, &[], rng).expect("nothing to trust is not too much");
    let mut changed = false;
    for _ in 0..2 {
        changed |= input.edit(&mut answer);
    }
    let opened = secret.open(Uid(1), &answer, NOW);
    assert!(!changed || opened.is_err() || code.answer(Uid(1), identity, &[], rng).is_ok());
}

pub const NOW: Millis = Millis(1_767_225_600_000);
