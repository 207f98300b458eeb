//! What encryption costs: `cargo bench --bench e2e`.
//!
//! The bounds to keep: sealing and opening a message of 1 KiB below 25 µs each while the direction
//! stays, setting a session up below 1 ms, storing a session below 5 ms.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use getrandom::SysRng;
use rand_core::UnwrapErr;

use sottovoce::e2e::address::{Address, DeviceId, Millis, Uid};
use sottovoce::e2e::file::layout::Layout;
use sottovoce::e2e::file::{FileKey, Opener, Sealer};
use sottovoce::e2e::fingerprint::Fingerprint;
use sottovoce::e2e::identity::Identity;
use sottovoce::e2e::keystore::{self, Cost, DataKey};
use sottovoce::e2e::prekey::Bundle;
use sottovoce::e2e::prekey_store::PrekeyStore;
use sottovoce::e2e::row::RowKey;
use sottovoce::e2e::seen::SeenBases;
use sottovoce::e2e::session::Session;
use sottovoce::e2e::session_set::{Device, SessionSet};

const NOW: Millis = Millis(1_767_225_600_000);
const CONTENT: [u8; 1024] = [b'x'; 1024];
const CHUNK: u64 = 1 << 16;

fn main() {
    divan::main();
}

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

struct Party {
    identity: Identity,
    address: Address,
    prekeys: PrekeyStore,
    seen: SeenBases,
}

impl Party {
    fn new(uid: u64) -> Party {
        let identity = Identity::generate(&mut rng());
        let device = DeviceId::new(1).unwrap();
        let prekeys = PrekeyStore::generate(&identity, device, NOW, &mut rng());
        Party { identity, address: Address { uid: Uid(uid), device }, prekeys, seen: SeenBases::default() }
    }

    /// A bundle with a one-time prekey of its own.
    fn bundle(&mut self) -> Bundle {
        let refill = self.prekeys.refill(0, NOW, &mut rng()).unwrap().unwrap();
        let identity = *self.identity.public().bytes();
        let signed = *self.prekeys.signed();
        Bundle { device: self.address.device, identity, signed, one_time: refill.prekeys.last().copied() }
    }

    fn start(&self, peer: &Party, bundle: Bundle) -> SessionSet {
        let bundle = bundle.check(peer.address.uid, None, NOW).unwrap();
        let mut set = SessionSet::new(self.address, peer.address);
        set.add(Session::initiate(&self.identity, self.address, &bundle, &mut rng()).unwrap()).unwrap();
        set
    }

    fn seal(&self, set: &mut SessionSet, peer: &Party) -> Vec<u8> {
        set.seal(peer.identity.public(), &CONTENT, &mut rng()).unwrap()
    }

    fn open(&mut self, set: &mut SessionSet, envelope: &[u8]) {
        let device = Device { identity: &self.identity, prekeys: &mut self.prekeys, seen: &mut self.seen };
        black_box(set.receive(device, envelope, NOW, &mut rng()).unwrap());
    }
}

/// Two parties in one session, both of which have spoken.
fn talking() -> (Party, SessionSet, Party, SessionSet) {
    let (mut alice, mut bob) = (Party::new(1), Party::new(2));
    let bundle = bob.bundle();
    let mut hers = alice.start(&bob, bundle);
    let mut his = SessionSet::new(bob.address, alice.address);
    let first = alice.seal(&mut hers, &bob);
    bob.open(&mut his, &first);
    let answer = bob.seal(&mut his, &alice);
    alice.open(&mut hers, &answer);
    (alice, hers, bob, his)
}

#[divan::bench]
fn seal_1_kib(bencher: Bencher) {
    let (alice, mut hers, bob, _) = talking();
    bencher.bench_local(|| alice.seal(&mut hers, &bob));
}

#[divan::bench(sample_count = 200, sample_size = 4)]
fn open_1_kib(bencher: Bencher) {
    let (_, mut hers, mut bob, mut his) = talking();
    let bob_identity = *bob.identity.public();
    let mut next = || hers.seal(&bob_identity, &CONTENT, &mut rng()).unwrap();
    let envelopes: Vec<_> = (0..900).map(|_| next()).collect();
    let mut envelopes = envelopes.into_iter();
    bencher
        .with_inputs(|| envelopes.next().unwrap())
        .bench_local_values(|envelope| bob.open(&mut his, &envelope));
}

/// A message each way: both sides make new keys.
#[divan::bench]
fn change_of_direction(bencher: Bencher) {
    let (mut alice, mut hers, mut bob, mut his) = talking();
    bencher.bench_local(|| {
        let envelope = alice.seal(&mut hers, &bob);
        bob.open(&mut his, &envelope);
        let envelope = bob.seal(&mut his, &alice);
        alice.open(&mut hers, &envelope);
    });
}

/// Checking a bundle, X3DH and the first message.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn set_up_initiator(bencher: Bencher) {
    let (alice, mut bob) = (Party::new(1), Party::new(2));
    let bundle = bob.bundle();
    bencher.bench_local(|| {
        let mut hers = alice.start(&bob, bundle);
        alice.seal(&mut hers, &bob)
    });
}

/// X3DH from the other side and opening the first message.
#[divan::bench(sample_count = 50, sample_size = 1)]
fn set_up_responder(bencher: Bencher) {
    let (alice, mut bob) = (Party::new(1), Party::new(2));
    let mut firsts: Vec<_> = (0..60)
        .map(|_| {
            let bundle = bob.bundle();
            let mut hers = alice.start(&bob, Bundle { one_time: None, ..bundle });
            alice.seal(&mut hers, &bob)
        })
        .collect();
    bencher.with_inputs(|| firsts.pop().unwrap()).bench_local_values(|first| {
        let mut his = SessionSet::new(bob.address, alice.address);
        bob.open(&mut his, &first);
        his
    });
}

/// What a client stores with each message, at the most keys that a session keeps.
#[divan::bench(args = [0, 2000])]
fn store_a_session(bencher: Bencher, skipped: usize) {
    let (alice, mut hers, mut bob, mut his) = talking();
    for _ in 0..skipped / 1000 {
        let mut last = Vec::new();
        for _ in 0..1001 {
            last = alice.seal(&mut hers, &bob);
        }
        bob.open(&mut his, &last);
    }
    let rows = RowKey::new(&DataKey::generate(&mut rng()), "session");
    bencher.bench_local(|| rows.seal(b"2/1", &his.to_bytes(), &mut rng()));
}

#[divan::bench]
fn seal_file_chunk(bencher: Bencher) {
    let key = FileKey::from_bytes(&[1; 32]);
    let layout = Layout::new(2 * CHUNK).unwrap();
    let sealer = Sealer::new(&key, layout, &mut rng());
    let chunk = vec![7; CHUNK as usize];
    bencher
        .counter(BytesCount::new(CHUNK))
        .with_inputs(|| {
            let mut chunk = chunk.clone();
            chunk.reserve(16);
            (Sealer::resume(&key, layout, sealer.prefix(), Vec::new()), chunk)
        })
        .bench_local_refs(|(sealer, chunk)| sealer.seal(0, chunk).unwrap());
}

#[divan::bench]
fn open_file_chunk(bencher: Bencher) {
    let key = FileKey::from_bytes(&[1; 32]);
    let layout = Layout::new(2 * CHUNK).unwrap();
    let mut sealer = Sealer::new(&key, layout, &mut rng());
    let mut chunk = vec![7; CHUNK as usize];
    sealer.seal(0, &mut chunk).unwrap();
    let opener = Opener::new(&key, sealer.header(), 2 * CHUNK).unwrap();
    bencher
        .counter(BytesCount::new(CHUNK))
        .with_inputs(|| chunk.clone())
        .bench_local_refs(|chunk| opener.open(0, chunk).unwrap());
}

#[divan::bench(sample_count = 20)]
fn fingerprint(bencher: Bencher) {
    let party = Party::new(1);
    bencher.bench_local(|| Fingerprint::of(Uid(1), party.identity.public()));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn open_key_store(bencher: Bencher) {
    let sealed =
        keystore::seal(&DataKey::generate(&mut rng()), "passphrase", Cost::NORMAL, &mut rng()).unwrap();
    bencher.bench_local(|| keystore::open(&sealed, "passphrase").unwrap());
}
