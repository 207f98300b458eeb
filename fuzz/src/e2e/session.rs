//! Two devices that write to each other through a server that reorders, repeats, changes and drops.
//!
//! What arrives as it was sealed opens once, to what was said; anything else does not open and changes
//! nothing. Devices are stored and read back in between.

use sottovoce::e2e::address::{Address, DeviceId, Uid};
use sottovoce::e2e::error::Error;
use sottovoce::e2e::identity::Identity;
use sottovoce::e2e::prekey::{Bundle, OneTimePrekey};
use sottovoce::e2e::prekey_store::PrekeyStore;
use sottovoce::e2e::seen::SeenBases;
use sottovoce::e2e::session::Session;
use sottovoce::e2e::session_set::{Device, SESSIONS_MAX, SessionSet};

use crate::e2e::parse::NOW;
use crate::e2e::random::Seeded;
use crate::input::Input;

struct Party {
    identity: Identity,
    address: Address,
    prekeys: PrekeyStore,
    published: Vec<OneTimePrekey>,
    seen: SeenBases,
    set: SessionSet,
    /// What the other one has sealed for us.
    mail: Vec<Mail>,
    rng: Seeded,
}

struct Mail {
    envelope: Vec<u8>,
    content: Vec<u8>,
    opened: bool,
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut pair = [Party::new(1, 2), Party::new(2, 1)];
    let mut starts = 0;
    for number in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        let step = input.byte();
        let (left, right) = pair.split_at_mut(1);
        let (me, peer) = match step & 1 {
            0 => (&mut left[0], &mut right[0]),
            _ => (&mut right[0], &mut left[0]),
        };
        match step >> 1 & 7 {
            0 if starts < SESSIONS_MAX => {
                starts += 1;
                let bundle = peer.bundle();
                me.start(peer.address.uid, bundle);
            }
            0 | 1 => me.send(peer, number),
            2 | 3 => me.deliver_first(),
            4 => {
                let which = input.below(me.mail.len());
                me.deliver(which);
            }
            5 | 6 => me.deliver_changed(&mut input),
            _ => me.store_and_read(),
        }
    }
}

impl Party {
    fn new(account: u8, peer: u8) -> Party {
        let address = |account: u8| Address {
            uid: Uid(u64::from(account)),
            device: DeviceId::new(u32::from(account)).expect("a device"),
        };
        let mut rng = Seeded { seed: u64::from(account), counter: 0 };
        let identity = Identity::from_seed(&[account; 32]);
        let me = address(account);
        let mut prekeys = PrekeyStore::generate(&identity, me.device, NOW, &mut rng);
        let refill = prekeys.refill(0, NOW, &mut rng).expect("room for them");
        Party {
            identity,
            address: me,
            prekeys,
            published: refill.map(|refill| refill.prekeys.into_iter().take(2).collect()).unwrap_or_default(),
            seen: SeenBases::default(),
            set: SessionSet::new(me, address(peer)),
            mail: Vec::new(),
            rng,
        }
    }

    fn bundle(&mut self) -> Bundle {
        let one_time = self.published.pop();
        let signed = *self.prekeys.signed();
        Bundle { device: self.address.device, identity: *self.identity.public().bytes(), signed, one_time }
    }

    fn start(&mut self, uid: Uid, bundle: Bundle) {
        let bundle = bundle.check(uid, None, NOW).expect("the bundle is as it was made");
        let session = Session::initiate(&self.identity, self.address, &bundle, &mut self.rng);
        self.set.add(session.expect("sound keys")).expect("it is with this peer");
    }

    fn send(&mut self, peer: &mut Party, number: usize) {
        let content = format!("message {number}").into_bytes();
        match self.set.seal(peer.identity.public(), &content, &mut self.rng) {
            Ok(envelope) => peer.mail.push(Mail { envelope, content, opened: false }),
            Err(error) => assert!(self.set.is_empty() && error == Error::NoSession, "{error:?}"),
        }
    }

    fn deliver_first(&mut self) {
        if let Some(which) = self.mail.iter().position(|mail| !mail.opened) {
            self.deliver(which);
        }
    }

    fn deliver(&mut self, which: usize) {
        let Some(mail) = self.mail.get(which) else { return };
        let (envelope, content, was_opened) = (mail.envelope.clone(), mail.content.clone(), mail.opened);
        match self.receive(&envelope) {
            Ok(found) => {
                assert!(!was_opened, "nothing opens twice");
                assert_eq!(found, content);
                self.mail[which].opened = true;
            }
            // With so few sessions and messages none is forgotten.
            Err(error) => assert!(was_opened, "{error:?}: what was sealed for us opens"),
        }
    }

    fn deliver_changed(&mut self, input: &mut Input<'_>) {
        let which = input.below(self.mail.len());
        let Some(mail) = self.mail.get(which) else { return };
        let mut envelope = mail.envelope.clone();
        if input.edit(&mut envelope) && !self.mail.iter().any(|mail| mail.envelope == envelope) {
            assert!(self.receive(&envelope).is_err(), "what was changed does not open");
        }
    }

    /// Receives; a failure leaves everything as it was.
    fn receive(&mut self, envelope: &[u8]) -> Result<Vec<u8>, Error> {
        let before = self.stored();
        let device = Device { identity: &self.identity, prekeys: &mut self.prekeys, seen: &mut self.seen };
        let received = self.set.receive(device, envelope, NOW, &mut self.rng);
        if received.is_err() {
            assert!(self.stored() == before, "a failure changes nothing");
        }
        received.map(|received| received.content.to_vec())
    }

    fn stored(&self) -> [Vec<u8>; 3] {
        [self.prekeys.to_bytes().to_vec(), self.seen.to_bytes().to_vec(), self.set.to_bytes().to_vec()]
    }

    fn store_and_read(&mut self) {
        let [prekeys, seen, set] = self.stored();
        self.prekeys = PrekeyStore::from_bytes(&prekeys).expect("what was written can be read");
        self.seen = SeenBases::from_bytes(&seen).expect("what was written can be read");
        let peer = self.set.peer();
        self.set = SessionSet::from_bytes(self.address, peer, &set).expect("what was written can be read");
    }
}

/// So few that no message is skipped too far to be opened.
const STEPS_MAX: usize = 200;
