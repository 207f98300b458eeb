//! Random histories: three devices of two accounts, a network that loses, repeats, reorders and
//! alters, and devices that crash and come back from what they had stored.
//!
//! Storing is what the client does: the state and the envelope in one transaction. A crash takes
//! back whatever was not stored yet; the envelope that was being received comes again.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::e2e::address::Address;
use crate::e2e::dh::DhPublic;
use crate::e2e::envelope::Envelope;
use crate::e2e::error::Error;
use crate::e2e::tests::party::{Party, State};

#[derive(Clone, Debug)]
enum Step {
    /// Send from one device to another; a crash before storing takes the message back.
    Send {
        from: usize,
        to: usize,
        crash: bool,
    },
    /// Begin another session, as for a reset.
    Restart {
        from: usize,
        to: usize,
    },
    /// Deliver something that is on its way; a crash before storing makes it come again.
    Deliver {
        which: usize,
        crash: bool,
    },
    /// Deliver it altered, and leave it on its way.
    Alter {
        which: usize,
        bit: usize,
    },
    /// Deliver again what was delivered.
    Repeat {
        which: usize,
    },
    Lose {
        which: usize,
    },
    /// Go back to an older state, as from a backup.
    RollBack {
        party: usize,
        back: usize,
    },
}

struct World {
    parties: Vec<Party>,
    /// The stored states of each party, oldest first.
    history: Vec<Vec<State>>,
    under_way: Vec<Letter>,
    delivered: Vec<Letter>,
    sent: u32,
    restarts: Vec<(usize, usize)>,
    /// Each key and nonce that sealed anything, kept or not.
    sealed: BTreeSet<([u8; 32], u32, Vec<u8>)>,
    rolled_back: bool,
}

#[derive(Clone)]
struct Letter {
    from: usize,
    to: usize,
    content: Vec<u8>,
    envelope: Vec<u8>,
}

impl World {
    fn new() -> World {
        let parties = vec![Party::new(1, 1), Party::new(1, 2), Party::new(2, 1)];
        let history = parties.iter().map(|party| vec![party.state()]).collect();
        World {
            parties,
            history,
            under_way: Vec::new(),
            delivered: Vec::new(),
            sent: 0,
            restarts: Vec::new(),
            sealed: BTreeSet::new(),
            rolled_back: false,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Send { from, to, crash } => self.send(from, to, crash),
            Step::Restart { from, to } => self.restart(from, to),
            Step::Deliver { which, crash } => self.deliver(which, crash),
            Step::Alter { which, bit } => self.alter(which, bit),
            Step::Repeat { which } => self.repeat(which),
            Step::Lose { which } => {
                self.pick(which).map(|which| self.under_way.swap_remove(which));
            }
            Step::RollBack { party, back } => {
                let states = &self.history[party];
                let state = states[states.len().saturating_sub(1 + back)].clone();
                self.parties[party].restore(&state);
                self.store(party);
                self.rolled_back = true;
            }
        }
    }

    fn pick(&self, which: usize) -> Option<usize> {
        which.checked_rem(self.under_way.len())
    }

    fn address(&self, party: usize) -> Address {
        self.parties[party].address
    }

    fn store(&mut self, party: usize) {
        let state = self.parties[party].state();
        self.history[party].push(state);
    }

    fn crash(&mut self, party: usize) {
        let stored = self.history[party].last().unwrap().clone();
        self.parties[party].restore(&stored);
    }

    fn restart(&mut self, from: usize, to: usize) {
        // Beyond this, sessions would be pushed out by their bound, and messages with them.
        let pair = (from.min(to), from.max(to));
        if from == to || self.restarts.iter().filter(|&&other| other == pair).count() >= 3 {
            return;
        }
        self.restarts.push(pair);
        let bundle = self.parties[to].bundle();
        let uid = self.address(to).uid;
        self.parties[from].start(uid, bundle).unwrap();
        self.store(from);
    }

    fn send(&mut self, from: usize, to: usize, crash: bool) {
        if from == to {
            return;
        }
        let (peer, key) = (self.address(to), self.parties[to].key());
        if !self.parties[from].set(peer).can_send(&key) {
            self.restart(from, to);
        }
        self.sent += 1;
        let content = self.sent.to_be_bytes().to_vec();
        let envelope = match self.parties[from].send_to(peer, &key, &content) {
            // All restarts are used up and the sessions were rolled back.
            Err(Error::NoSession) => return,
            sealed => sealed.unwrap(),
        };
        let parsed = Envelope::parse(&envelope).unwrap();
        let DhPublic(ratchet) = parsed.header.ratchet;
        let fresh = self.sealed.insert((ratchet, parsed.header.number, parsed.nonce.to_vec()));
        assert!(fresh, "a key and a nonce were used together twice");
        if crash {
            self.crash(from);
        } else {
            self.store(from);
            self.under_way.push(Letter { from, to, content, envelope });
        }
    }

    fn deliver(&mut self, which: usize, crash: bool) {
        let Some(which) = self.pick(which) else { return };
        let letter = self.under_way[which].clone();
        let from = self.address(letter.from);
        match self.parties[letter.to].opens(from, &letter.envelope) {
            Ok(content) => assert_eq!(content, letter.content),
            Err(error) => assert!(self.rolled_back, "a message did not open: {error:?}"),
        }
        if crash {
            self.crash(letter.to);
        } else {
            self.store(letter.to);
            self.delivered.push(self.under_way.swap_remove(which));
        }
    }

    fn alter(&mut self, which: usize, bit: usize) {
        let Some(which) = self.pick(which) else { return };
        let mut letter = self.under_way[which].clone();
        let bit = bit % (letter.envelope.len() * 8);
        letter.envelope[bit / 8] ^= 1 << (bit % 8);
        let from = self.address(letter.from);
        let opened = self.parties[letter.to].opens(from, &letter.envelope);
        assert!(opened.is_err(), "opened although bit {bit} was changed");
    }

    fn repeat(&mut self, which: usize) {
        let Some(which) = which.checked_rem(self.delivered.len()) else { return };
        let letter = self.delivered[which].clone();
        let from = self.address(letter.from);
        let opened = self.parties[letter.to].opens(from, &letter.envelope);
        match opened {
            Ok(content) => {
                assert!(self.rolled_back, "opened twice");
                assert_eq!(content, letter.content);
                self.store(letter.to);
            }
            Err(error) => assert_ne!(error, Error::Malformed),
        }
    }

    /// The network calms down: what is still under way arrives, in an order that is not that of
    /// sending, and then everybody can talk to everybody.
    fn settle(&mut self, seed: usize) {
        while !self.under_way.is_empty() {
            self.deliver(seed, false);
        }
        (0..self.delivered.len()).for_each(|which| self.repeat(which));
        for (one, other) in [(0, 1), (1, 2), (2, 0)] {
            // The client resets after a failure; here it is done wherever one was possible.
            if self.rolled_back {
                let bundle = self.parties[other].bundle();
                let uid = self.address(other).uid;
                self.parties[one].start(uid, bundle).unwrap();
            }
            self.talk(one, other);
        }
    }

    fn talk(&mut self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one), (one, other)] {
            let (peer, key) = (self.address(to), self.parties[to].key());
            if !self.parties[from].set(peer).can_send(&key) {
                let bundle = self.parties[to].bundle();
                self.parties[from].start(peer.uid, bundle).unwrap();
            }
            let envelope = self.parties[from].send_to(peer, &key, b"calm").unwrap();
            let from = self.address(from);
            assert_eq!(self.parties[to].opens(from, &envelope).unwrap(), b"calm");
        }
    }
}

fn steps(with_rollback: bool) -> impl Strategy<Value = Vec<Step>> {
    let party = 0..3_usize;
    let (which, often) = (any::<usize>(), prop::bool::weighted(0.15));
    let step = prop_oneof![
        8 => (party.clone(), party.clone(), often).prop_map(|(from, to, crash)| Step::Send { from, to, crash }),
        1 => (party.clone(), party.clone()).prop_map(|(from, to)| Step::Restart { from, to }),
        7 => (which, often).prop_map(|(which, crash)| Step::Deliver { which, crash }),
        1 => (which, any::<usize>()).prop_map(|(which, bit)| Step::Alter { which, bit }),
        1 => which.prop_map(|which| Step::Repeat { which }),
        1 => which.prop_map(|which| Step::Lose { which }),
        u32::from(with_rollback) => (party, 1..6_usize).prop_map(|(party, back)| Step::RollBack { party, back }),
    ];
    prop::collection::vec(step, 1..70)
}

fn run(steps: &[Step], seed: usize) {
    let mut world = World::new();
    steps.iter().for_each(|step| world.step(step));
    world.settle(seed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every message that arrives opens exactly once.
    #[test]
    fn what_arrives_opens_once(steps in steps(false), seed in any::<usize>()) {
        run(&steps, seed);
    }

    /// With a state that went back, messages may be lost or opened again, but no content is ever
    /// another one, no key and nonce are used together twice, and a reset mends it.
    #[test]
    fn rolled_back_states_do_no_harm(steps in steps(true), seed in any::<usize>()) {
        run(&steps, seed);
    }
}
