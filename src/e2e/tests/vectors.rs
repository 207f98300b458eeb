//! `tests/data/e2e-vectors.json`: recorded from an independent implementation, reproduced byte for
//! byte. Its random keys and nonces are fed through the randomness argument.

use serde_json::Value;

use crate::e2e::address::{Address, DeviceId, Millis, Uid};
use crate::e2e::dh::{DhPublic, KeyPair};
use crate::e2e::envelope::Envelope;
use crate::e2e::error::Error;
use crate::e2e::file::layout::Layout;
use crate::e2e::file::{FileKey, HEADER_BYTES, Opener, Sealer};
use crate::e2e::fingerprint::{Fingerprint, SafetyNumber};
use crate::e2e::identity::Identity;
use crate::e2e::padding;
use crate::e2e::prekey::{Bundle, CheckedBundle, OneTimePrekey, SignedPrekey};
use crate::e2e::prekey_store::PrekeyStore;
use crate::e2e::seen::SeenBases;
use crate::e2e::session::Session;
use crate::e2e::session_set::{Device, SessionSet};
use crate::e2e::tests::random::{Scripted, Seeded};
use crate::e2e::x3dh;

const NOW: Millis = Millis(1_767_225_600_000);

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/data/e2e-vectors.json")).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// A party of the file, with what its device keeps.
struct Party {
    identity: Identity,
    address: Address,
    prekeys: PrekeyStore,
    seen: SeenBases,
    signed: SignedPrekey,
    one_time: Vec<OneTimePrekey>,
    set: Option<SessionSet>,
}

impl Party {
    fn new(party: &Value) -> Party {
        let spk = &party["spk"];
        let signed = SignedPrekey {
            id: number(&spk["id"]),
            created: Millis(spk["created_ms"].as_u64().unwrap()),
            public: DhPublic(array(&spk["pub"])),
            signature: array(&spk["sig"]),
        };
        let one_time = list(&party["opks"]).iter();
        let one_time = one_time
            .map(|opk| OneTimePrekey { id: number(&opk["id"]), public: DhPublic(array(&opk["pub"])) });
        let device = DeviceId::new(number(&party["device"])).unwrap();
        Party {
            identity: Identity::from_seed(&array(&party["seed"])),
            address: Address { uid: Uid(party["uid"].as_u64().unwrap()), device },
            prekeys: prekey_store(party),
            seen: SeenBases::default(),
            signed,
            one_time: one_time.collect(),
            set: None,
        }
    }

    fn bundle(&self, opk_id: u32) -> CheckedBundle {
        let one_time = self.one_time.iter().find(|prekey| prekey.id == opk_id).copied();
        assert_eq!(one_time.is_some(), opk_id != 0);
        let identity = *self.identity.public().bytes();
        let bundle = Bundle { device: self.address.device, identity, signed: self.signed, one_time };
        bundle.check(self.address.uid, None, NOW).unwrap()
    }

    /// Writes the state down and reads it again, so that each step is one from storage.
    fn reload(&mut self) -> Vec<u8> {
        let set = self.set.as_ref().unwrap();
        let (bytes, peer) = (set.to_bytes(), set.peer());
        self.set = Some(SessionSet::from_bytes(self.address, peer, &bytes).unwrap());
        bytes.to_vec()
    }
}

/// The store of a party, by way of its stored form.
fn prekey_store(party: &Value) -> PrekeyStore {
    let spk = &party["spk"];
    let mut bytes = vec![1];
    bytes.extend(number(&party["device"]).to_be_bytes());
    bytes.extend(1_u16.to_be_bytes());
    bytes.extend(number(&spk["id"]).to_be_bytes());
    bytes.extend(spk["created_ms"].as_u64().unwrap().to_be_bytes());
    bytes.extend(hex(&spk["sig"]));
    bytes.extend(hex(&spk["priv"]));
    bytes.extend([0; 8]);
    let opks = list(&party["opks"]);
    bytes.extend((opks.len() as u16).to_be_bytes());
    for opk in opks {
        bytes.extend(number(&opk["id"]).to_be_bytes());
        bytes.extend(hex(&opk["priv"]));
        bytes.extend(NOW.0.to_be_bytes());
        bytes.extend([0; 8]);
    }
    bytes.extend((opks.len() as u32 + 1).to_be_bytes());
    PrekeyStore::from_bytes(&bytes).unwrap()
}

#[test]
fn parties() {
    for party in vectors()["parties"].as_object().unwrap().values() {
        let identity = Identity::from_seed(&array(&party["seed"]));
        assert_eq!(identity.public().bytes(), &array(&party["ed25519_pub"]));
        assert_eq!(identity.public().agreement(), DhPublic(array(&party["x25519_pub"])));
        let agreement = KeyPair::from_bytes(&array(&party["x25519_priv"]));
        assert_eq!(agreement.public(), identity.public().agreement());
        let spk = &party["spk"];
        let pair = KeyPair::from_bytes(&array(&spk["priv"]));
        let device = DeviceId::new(number(&party["device"])).unwrap();
        let created = Millis(spk["created_ms"].as_u64().unwrap());
        let signed = SignedPrekey::sign(&identity, device, number(&spk["id"]), created, pair.public());
        assert_eq!(signed.public, DhPublic(array(&spk["pub"])));
        assert_eq!(signed.signature, array(&spk["sig"]), "Ed25519 signatures are deterministic");
        let made = PrekeyStore::generate(&identity, device, created, &mut Scripted(hex(&spk["priv"])));
        assert_eq!(made.signed().public, signed.public);
    }
}

#[test]
fn agreements() {
    let vectors = vectors();
    for session in list(&vectors["sessions"]) {
        let [alice, bob] = ["initiator", "responder"]
            .map(|role| Party::new(&vectors["parties"][session[role].as_str().unwrap()]));
        let ephemeral = KeyPair::from_bytes(&array(&session["ek_priv"]));
        assert_eq!(ephemeral.public(), DhPublic(array(&session["ek_pub"])));
        let opk_id = number(&session["opk_id"]);
        let ours = x3dh::initiate(&alice.identity, alice.address, &bob.bundle(opk_id), &ephemeral).unwrap();
        let theirs = x3dh::respond(
            &bob.identity,
            bob.address,
            bob.prekeys.signed_pair(bob.signed.id).unwrap(),
            Some(opk_id).filter(|&id| id != 0).map(|id| bob.prekeys.one_time_pair(id).unwrap()),
            (*alice.identity.public(), alice.address),
            &ephemeral.public(),
        );
        for agreement in [ours, theirs.unwrap()] {
            assert_eq!(agreement.secret.bytes(), &array(&session["shared_secret"]));
            assert_eq!(agreement.binding.additional_data().as_slice(), hex(&session["ad"]));
        }
    }
}

#[test]
fn sessions() {
    let vectors = vectors();
    assert_eq!(vectors["max_skip"], crate::e2e::ratchet::skipped::SKIP_MAX);
    let mut events = 0;
    for session in list(&vectors["sessions"]) {
        let names = ["initiator", "responder"].map(|role| session[role].as_str().unwrap());
        let mut parties = names.map(|name| Party::new(&vectors["parties"][name]));
        let [alice, bob] = &mut parties;
        let mut rng = Scripted(hex(&session["ek_priv"]));
        rng.0.extend(hex(&session["events"][0]["generated_ratchet_privs"][0]));
        let bundle = bob.bundle(number(&session["opk_id"]));
        let started = Session::initiate(&alice.identity, alice.address, &bundle, &mut rng).unwrap();
        assert_eq!(rng.0.len(), 0);
        let mut set = SessionSet::new(alice.address, bob.address);
        set.add(started).unwrap();
        alice.set = Some(set);
        bob.set = Some(SessionSet::new(bob.address, alice.address));
        for event in list(&session["events"]) {
            let me = names.iter().position(|name| event["by"] == *name).unwrap();
            let peer = *parties[1 - me].identity.public();
            match event["op"].as_str().unwrap() {
                "encrypt" => check_encrypt(&mut parties[me], peer, event),
                "decrypt" => check_decrypt(&mut parties[me], event),
                other => panic!("{other}"),
            }
            events += 1;
        }
    }
    assert_eq!(events, 46);
}

fn check_encrypt(me: &mut Party, peer: crate::e2e::identity::IdentityKey, event: &Value) {
    let set = me.set.as_mut().unwrap();
    for _ in 0..event["skipped_sends_before"].as_u64().unwrap_or(0) {
        set.seal(&peer, b"lost", &mut Seeded::new(1)).unwrap();
    }
    // On a copy, because asking for the key uses it up.
    let before = me.reload();
    let (_, key) = me.set.as_mut().unwrap().first().ratchet().next_sending().unwrap();
    assert_eq!(key.bytes(), &array(&event["message_key"]));
    let peer_address = me.set.as_ref().unwrap().peer();
    me.set = Some(SessionSet::from_bytes(me.address, peer_address, &before).unwrap());
    let mut rng = Scripted(hex(&event["nonce"]));
    let envelope = me.set.as_mut().unwrap().seal(&peer, &hex(&event["plaintext"]), &mut rng).unwrap();
    assert_eq!(envelope, hex(&event["envelope"]));
    assert_eq!(rng.0.len(), 0);
}

fn check_decrypt(me: &mut Party, event: &Value) {
    let before = me.reload();
    // One chain of keys may begin; an event that fails in our order of steps makes none.
    let script = list(&event["generated_ratchet_privs"]).iter().flat_map(hex).collect();
    let device = Device { identity: &me.identity, prekeys: &mut me.prekeys, seen: &mut me.seen };
    let set = me.set.as_mut().unwrap();
    let mut rng = Scripted(script);
    let opened = set.receive(device, &hex(&event["envelope"]), NOW, &mut rng);
    match event["expect"].as_str().unwrap() {
        "ok" => {
            assert_eq!(opened.unwrap().content.as_slice(), hex(&event["plaintext"]));
            assert_eq!(rng.0.len(), 0, "as many keys were made as there");
        }
        refused => {
            let error = match refused {
                "auth" => Error::Auth,
                "duplicate" => Error::Duplicate,
                "too_many_skipped" => Error::TooManySkipped,
                other => panic!("{other}"),
            };
            // The file speaks of one session. A set looks for the session by EK_A first, so with a
            // flipped bit there it takes the message for the first of another session, whose
            // one-time prekey is gone. The reaction to both is the same.
            let envelope = hex(&event["envelope"]);
            let envelope = Envelope::parse(&envelope).unwrap();
            let alone = set.first().open(&envelope, NOW, &mut Seeded::new(2));
            assert_eq!(alone.map(|_| ()), Err(error));
            let in_set = opened.map(|_| ()).unwrap_err();
            let knows = envelope
                .preamble
                .is_none_or(|preamble| set.first().base_of_peer() == Some(preamble.ephemeral));
            assert_eq!(in_set, if knows { error } else { Error::UnknownPrekey });
            assert_eq!(in_set.reaction(), error.reaction());
            assert_eq!(me.reload(), before, "nothing has changed");
        }
    }
}

#[test]
fn paddings() {
    for pair in list(&vectors()["padding"]) {
        assert_eq!(
            padding::padded_bytes(pair[0].as_u64().unwrap() as usize),
            pair[1].as_u64().unwrap() as usize
        );
    }
}

#[test]
fn files() {
    for file in list(&vectors()["files"]) {
        let key = FileKey::from_bytes(&array(&file["key"]));
        let (plaintext, sealed) = (hex(&file["plaintext"]), hex(&file["sealed"]));
        let chunk_log2 = number(&file["chunk_log2"]) as u8;
        let layout = Layout::with_chunks(plaintext.len() as u64, chunk_log2).unwrap();
        assert_eq!(layout.blob_bytes(), sealed.len() as u64);
        let mut sealer = Sealer::new(&key, layout, &mut Scripted(hex(&file["nonce_prefix"])));
        let header: [u8; HEADER_BYTES] = sealed[..HEADER_BYTES].try_into().unwrap();
        assert_eq!(sealer.header(), &header);
        let opener = Opener::new(&key, &header, plaintext.len() as u64).unwrap();
        for index in 0..layout.chunks() {
            let at = (index as usize) << chunk_log2;
            let content = &plaintext[at..at + layout.chunk_bytes(index).unwrap()];
            let mut chunk = content.to_vec();
            sealer.seal(index, &mut chunk).unwrap();
            let offset = layout.offset(index) as usize;
            assert_eq!(chunk, sealed[offset..offset + chunk.len()]);
            opener.open(index, &mut chunk).unwrap();
            assert_eq!(chunk, content);
        }
    }
}

#[test]
fn fingerprints() {
    let vectors = vectors();
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let party = Party::new(&vectors["parties"][name]);
        let fingerprint = Fingerprint::of(party.address.uid, party.identity.public());
        assert_eq!(fingerprint.as_str(), vectors["fingerprints"][name].as_str().unwrap());
        fingerprint
    });
    for number in [SafetyNumber::of(alice, bob), SafetyNumber::of(bob, alice)] {
        assert_eq!(number.as_str(), vectors["fingerprints"]["safety_number"].as_str().unwrap());
    }
}
