//! A device with everything it keeps, for tests.

use std::collections::{BTreeMap, VecDeque};

use crate::e2e::address::{Address, DeviceId, Millis, Uid};
use crate::e2e::error::Error;
use crate::e2e::identity::{Identity, IdentityKey};
use crate::e2e::prekey::{Bundle, OneTimePrekey};
use crate::e2e::prekey_store::PrekeyStore;
use crate::e2e::seen::SeenBases;
use crate::e2e::session::Session;
use crate::e2e::session_set::{Device, Received, SessionSet};
use crate::e2e::tests::random::Seeded;

pub const NOW: Millis = Millis(1_767_225_600_000);

pub struct Party {
    pub identity: Identity,
    pub address: Address,
    pub prekeys: PrekeyStore,
    pub seen: SeenBases,
    pub sets: BTreeMap<Address, SessionSet>,
    /// What the server has of our one-time prekeys.
    pub published: VecDeque<OneTimePrekey>,
    pub rng: Seeded,
}

impl Party {
    pub fn address_of(account: u8, device: u32) -> Address {
        Address { uid: Uid(1000 + u64::from(account)), device: DeviceId::new(device).unwrap() }
    }

    pub fn new(account: u8, device: u32) -> Party {
        let address = Party::address_of(account, device);
        let mut rng = Seeded::new(u64::from(account) << 32 | u64::from(device));
        let identity = Identity::from_seed(&[account; 32]);
        let mut prekeys = PrekeyStore::generate(&identity, address.device, NOW, &mut rng);
        let refill = prekeys.refill(95, NOW, &mut rng).unwrap();
        assert!(refill.is_none(), "enough on the server");
        let mut party = Party {
            identity,
            address,
            prekeys,
            seen: SeenBases::default(),
            sets: BTreeMap::new(),
            published: VecDeque::new(),
            rng,
        };
        party.publish();
        party
    }

    pub fn publish(&mut self) {
        let refill = self.prekeys.refill(0, NOW, &mut self.rng).unwrap().unwrap();
        self.published = refill.prekeys.into();
    }

    pub fn key(&self) -> IdentityKey {
        *self.identity.public()
    }

    /// The bundle that a server would give out, with a one-time prekey that nobody else gets.
    pub fn bundle(&mut self) -> Bundle {
        let one_time = self.published.pop_front();
        let signed = *self.prekeys.signed();
        Bundle { device: self.address.device, identity: *self.key().bytes(), signed, one_time }
    }

    pub fn start(&mut self, uid: Uid, bundle: Bundle) -> Result<(), Error> {
        let bundle = bundle.check(uid, None, NOW)?;
        let session = Session::initiate(&self.identity, self.address, &bundle, &mut self.rng)?;
        self.set(bundle.address()).add(session)
    }

    pub fn start_with(&mut self, peer: &mut Party) {
        let bundle = peer.bundle();
        self.start(peer.address.uid, bundle).unwrap();
    }

    pub fn set(&mut self, peer: Address) -> &mut SessionSet {
        let me = self.address;
        self.sets.entry(peer).or_insert_with(|| SessionSet::new(me, peer))
    }

    pub fn send(&mut self, to: &Party, content: &[u8]) -> Vec<u8> {
        self.send_to(to.address, &to.key(), content).unwrap()
    }

    pub fn send_to(&mut self, to: Address, key: &IdentityKey, content: &[u8]) -> Result<Vec<u8>, Error> {
        let set = self.sets.get_mut(&to).ok_or(Error::NoSession)?;
        set.seal(key, content, &mut self.rng)
    }

    /// Receives; if that fails, checks that no byte of the state has changed.
    pub fn receive(&mut self, from: Address, envelope: &[u8], now: Millis) -> Result<Received, Error> {
        let before = self.state();
        self.set(from);
        let device = Device { identity: &self.identity, prekeys: &mut self.prekeys, seen: &mut self.seen };
        let set = self.sets.get_mut(&from).unwrap();
        let received = set.receive(device, envelope, now, &mut self.rng);
        if received.is_err() {
            assert!(self.state() == before, "an error has changed the state");
        }
        received
    }

    pub fn opens(&mut self, from: Address, envelope: &[u8]) -> Result<Vec<u8>, Error> {
        self.receive(from, envelope, NOW).map(|received| received.content.to_vec())
    }

    /// Everything that is stored.
    pub fn state(&self) -> State {
        let sets = self.sets.iter().filter(|(_, set)| !set.is_empty());
        State {
            prekeys: self.prekeys.to_bytes().to_vec(),
            seen: self.seen.to_bytes().to_vec(),
            sets: sets.map(|(peer, set)| (*peer, set.to_bytes().to_vec())).collect(),
        }
    }

    /// As after a crash: what is in memory is gone.
    pub fn restore(&mut self, state: &State) {
        self.prekeys = PrekeyStore::from_bytes(&state.prekeys).unwrap();
        self.seen = SeenBases::from_bytes(&state.seen).unwrap();
        let me = self.address;
        let sets = state.sets.iter();
        self.sets =
            sets.map(|(peer, set)| (*peer, SessionSet::from_bytes(me, *peer, set).unwrap())).collect();
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct State {
    pub prekeys: Vec<u8>,
    pub seen: Vec<u8>,
    pub sets: BTreeMap<Address, Vec<u8>>,
}

/// Two devices that have written to each other once, in one session.
pub fn acquainted() -> (Party, Party) {
    let (mut alice, mut bob) = (Party::new(1, 1), Party::new(2, 3));
    alice.start_with(&mut bob);
    let first = alice.send(&bob, b"hello");
    assert_eq!(bob.opens(alice.address, &first).unwrap(), b"hello");
    let answer = bob.send(&alice, b"hello yourself");
    assert_eq!(alice.opens(bob.address, &answer).unwrap(), b"hello yourself");
    (alice, bob)
}
