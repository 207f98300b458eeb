//! Random histories of two to four devices, each decided by one seed: messages, broken connections,
//! crashes between any two steps, restored backups, a server that repeats, swaps and drops envelopes,
//! devices that come and go. Then all is calm, and must have come right.
//!
//! What must be true: whatever a sender was told is sent is shown once at each device that was there,
//! never twice, in the order of its author; unless the seed says that envelopes are dropped or states
//! restored, and then it is never twice, and everything said afterwards arrives. The server checks that no
//! key and nonce seal two things.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::Rng;

use crate::client::private::row::Rows;
use crate::client::private::tests::world::World;
use crate::client::session::event::Ticket;
use crate::e2e::tests::random::Seeded;

/// What happens in a seed.
#[derive(Clone, Copy, Debug)]
struct Plan {
    steps: u64,
    cuts: bool,
    crashes: bool,
    restores: bool,
    repeats: bool,
    swaps: bool,
    drops: bool,
    devices: bool,
    busy: bool,
}

impl Plan {
    fn of(seed: u64) -> Plan {
        let bit = |n: u64| seed >> n & 1 == 1;
        Plan {
            steps: 60 + seed % 60,
            cuts: bit(0) || bit(1),
            crashes: bit(1),
            restores: seed % 5 == 4,
            repeats: bit(2),
            swaps: bit(3),
            drops: bit(4) && bit(0),
            devices: bit(5),
            busy: bit(6),
        }
    }

    /// Envelopes arrive in the order they were sent, and none is made anew.
    fn keeps_order(&self) -> bool {
        !self.swaps && !self.drops && !self.restores
    }
}

/// A message as its author said it.
struct Said {
    by: usize,
    to: &'static str,
    ticket: (u64, Ticket),
    /// It was stored, so that no crash takes it back.
    kept: bool,
    /// The devices that must show it.
    readers: BTreeSet<usize>,
}

struct Simulation {
    world: World,
    plan: Plan,
    rng: Seeded,
    said: Vec<Said>,
    backups: BTreeMap<usize, Rows>,
    /// Devices whose state went back, and what had been said by then.
    restored: BTreeSet<usize>,
    gone: BTreeSet<usize>,
    /// Everything that each device has shown.
    shown: Vec<Vec<String>>,
    dropped: bool,
    histories: Vec<Vec<String>>,
}

const USERS: [&str; 2] = ["alice", "bob"];

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let mut world = World::new(seed);
        world.device("alice");
        world.device("bob");
        let plan = Plan::of(seed);
        let mut simulation = Simulation {
            world,
            plan,
            rng: Seeded::new(seed ^ 0x51u64 << 32),
            said: Vec::new(),
            backups: BTreeMap::new(),
            restored: BTreeSet::new(),
            gone: BTreeSet::new(),
            shown: vec![Vec::new(); 2],
            dropped: false,
            histories: Vec::new(),
        };
        if plan.devices {
            simulation.pair(0);
        }
        simulation
    }

    fn roll(&mut self, sides: usize) -> usize {
        (self.rng.next_u64() % sides as u64) as usize
    }

    fn pick(&mut self) -> usize {
        loop {
            let id = self.roll(self.world.devices.len());
            if !self.gone.contains(&id) {
                return id;
            }
        }
    }

    fn collect(&mut self, id: usize) {
        let news = self.world.news(id);
        self.shown[id].extend(news);
    }

    fn listen(&mut self, id: usize) {
        self.world.listen(id);
        self.collect(id);
    }

    fn devices_of(&self, user: &str) -> BTreeSet<usize> {
        let of = |id: &usize| self.world.devices[*id].user == user && !self.gone.contains(id);
        (0..self.world.devices.len()).filter(of).collect()
    }

    fn say(&mut self, by: usize) {
        let user = self.world.devices[by].user.clone();
        let to = USERS[usize::from(user == "alice")];
        let text = format!("m{} of {by}", self.said.len());
        let Ok(ticket) = self.world.say(by, to, &text) else { return };
        let ticket = (self.world.devices[by].runs, ticket);
        let kept = self.roll(4) > 0;
        if kept {
            self.world.store(by);
        }
        let mut readers: BTreeSet<usize> = self.devices_of("alice");
        readers.extend(self.devices_of("bob"));
        self.said.push(Said { by, to, ticket, kept, readers });
    }

    fn step(&mut self) {
        let id = self.pick();
        let plan = self.plan;
        match self.roll(20) {
            0..=3 => self.say(id),
            4..=8 => {
                self.world.send(id);
            }
            9..=11 => {
                self.world.receive(id);
            }
            12..=13 => self.listen(id),
            14 => self.world.connect(id),
            15 if plan.cuts => self.world.cut(id),
            16 if plan.crashes => self.crash(id),
            17 if plan.repeats || plan.swaps || plan.drops => self.meddle(id),
            18 if plan.restores => self.restore(),
            19 if plan.devices && self.roll(8) == 0 => self.change_devices(id),
            _ => {
                let ms = [50, 900, 3_000, 40_000][self.roll(4)];
                self.world.wait(ms);
            }
        }
    }

    /// The program ends: before what it changed is stored, or after.
    fn crash(&mut self, id: usize) {
        if self.roll(2) == 0 {
            self.world.store(id);
        }
        self.world.crash(id);
        let lost = self.said.iter_mut().filter(|said| said.by == id && !said.kept);
        lost.for_each(|said| said.readers.clear());
    }

    fn restore(&mut self) {
        let id = 0;
        match self.backups.remove(&id) {
            Some(rows) => {
                self.world.crash_to(id, rows);
                self.restored.insert(id);
                // What it has forgotten it cannot send; what it says from now on counts.
                let mine = self.said.iter_mut().filter(|said| said.by == id);
                mine.for_each(|said| said.readers.clear());
            }
            None => {
                self.world.store(id);
                let rows = self.world.devices[id].rows.copy();
                self.backups.insert(id, rows);
            }
        }
    }

    /// The server does what it should not.
    fn meddle(&mut self, id: usize) {
        let (plan, device) = (self.plan, self.world.number(id));
        let dice = self.roll(3);
        let at = self.roll(8);
        let user = self.world.devices[id].user.clone();
        let uid = self.world.server.uid(&user);
        let Some(device) = self.world.server.accounts.get_mut(&uid).unwrap().devices.get_mut(&device) else {
            return;
        };
        match dice {
            0 if plan.repeats && !device.mailbox.is_empty() => {
                let mut again = device.mailbox[at % device.mailbox.len()].clone();
                again.seq = device.next_seq;
                device.next_seq += 1;
                device.mailbox.push_back(again);
            }
            1 if plan.swaps && device.mailbox.len() > 1 => {
                let (one, other) = (at % device.mailbox.len(), (at + 1) % device.mailbox.len());
                let (first, second) = (device.mailbox[one].seq, device.mailbox[other].seq);
                device.mailbox.swap(one, other);
                device.mailbox[one].seq = first;
                device.mailbox[other].seq = second;
            }
            2 if plan.drops && !device.mailbox.is_empty() => {
                device.mailbox.remove(at % device.mailbox.len());
                self.dropped = true;
            }
            _ => {}
        }
    }

    fn pair(&mut self, old: usize) {
        self.world.server.busy = false;
        self.run_living();
        let user = self.world.devices[old].user.clone();
        let new = self.world.add_account(&user);
        self.shown.push(Vec::new());
        self.run_living();
        let now = self.world.now;
        let code = self.world.devices[new].session.pair(now).expect("a code");
        if self.world.devices[old].session.pair_with(now, &code).is_err() {
            self.gone.insert(new);
        }
        self.run_living();
    }

    fn change_devices(&mut self, id: usize) {
        let user = self.world.devices[id].user.clone();
        let mine = self.devices_of(&user);
        if mine.len() == 1 && self.world.devices.len() < 4 {
            return self.pair(id);
        }
        let other = mine.into_iter().find(|other| *other != id);
        let Some(other) = other else { return };
        self.world.server.busy = false;
        self.run_living();
        let (now, number) = (self.world.now, self.world.number(other));
        if self.world.devices[id].session.revoke(now, number).is_ok() {
            self.gone.insert(other);
            self.said.iter_mut().for_each(|said| {
                said.readers.remove(&other);
                if said.by == other {
                    said.readers.clear();
                }
            });
            self.run_living();
            self.world.cut(other);
        }
    }

    /// Nothing fails any more: all that was said arrives, also what had to be asked for again.
    fn settle(&mut self) {
        self.world.server.tamper = None;
        for _ in 0..4 {
            self.run_living();
            self.world.wait(61 * 60 * 1000);
        }
        self.run_living();
    }

    fn run_living(&mut self) {
        for id in 0..self.world.devices.len() {
            if self.gone.contains(&id) {
                self.world.cut(id);
            } else {
                self.world.connect(id);
            }
        }
        self.world.flow();
        for _ in 0..3 {
            self.world.wait(1_000);
            self.world.flow();
        }
        (0..self.world.devices.len()).for_each(|id| self.collect(id));
    }

    fn check(&self, seed: u64) {
        for (number, said) in self.said.iter().enumerate() {
            let text = format!("m{number} of {}", said.by);
            for id in 0..self.world.devices.len() {
                let line = format!("> {text} [");
                let shown = self.shown[id].iter().filter(|shown| shown.contains(&line)).count();
                // A state that went back has forgotten what it had shown.
                assert!(
                    shown <= 1 || self.restored.contains(&id),
                    "seed {seed}: {text} was shown {shown} times at device {id}: {:#?}",
                    self.shown[id]
                );
                // What a crash kept from the screen is in the history.
                let count = self.histories[id].iter().filter(|entry| **entry == text).count();
                assert!(count <= 1, "seed {seed}: {text} is {count} times in the history of device {id}");
                let outcome = self.world.devices[said.by].answers.get(&said.ticket);
                let told = matches!(outcome, Some(Ok(()))) || said.kept && outcome.is_none();
                let must = told && said.readers.contains(&id) && !self.gone.contains(&said.by);
                let lossy = self.dropped || self.restored.contains(&id);
                assert!(
                    count == 1 || !must || lossy,
                    "seed {seed} {:?}: {text} to {} is not in the history of device {id}: {:#?}",
                    self.plan,
                    said.to,
                    self.shown[id]
                );
            }
        }
        if self.plan.keeps_order() {
            for (id, history) in self.histories.iter().enumerate() {
                for by in 0..self.world.devices.len() {
                    let mark = format!(" of {by}");
                    let order: Vec<usize> = history
                        .iter()
                        .filter(|text| text.ends_with(&mark))
                        .filter_map(|text| text[1..].split(' ').next()?.parse().ok())
                        .collect();
                    assert!(order.is_sorted(), "seed {seed}: device {id} saw {by} in this order: {order:?}");
                }
            }
        }
        for id in (0..self.world.devices.len()).filter(|id| !self.gone.contains(id)) {
            let private = self.world.private(id);
            assert_eq!(
                private.unconfirmed(),
                0,
                "seed {seed}: device {id} still waits: {:#?}",
                self.shown[id]
            );
            assert!(self.world.devices[id].session.is_settled(), "seed {seed}: device {id} is not settled");
        }
    }
}

fn simulate(seed: u64) {
    let mut simulation = Simulation::new(seed);
    for step in 0..simulation.plan.steps {
        if simulation.plan.busy && step % 7 == 0 {
            let again = simulation.roll(3) == 0;
            simulation.world.server.busy = again;
        }
        simulation.step();
    }
    simulation.world.server.busy = false;
    simulation.settle();
    // Whatever has happened: from now on everything arrives.
    let first = simulation.said.len();
    for id in 0..simulation.world.devices.len() {
        if !simulation.gone.contains(&id) {
            simulation.say(id);
            let said = simulation.said.last_mut().unwrap();
            said.kept = true;
            simulation.world.store(id);
        }
    }
    simulation.dropped = false;
    let restored = std::mem::take(&mut simulation.restored);
    let earlier: Vec<Said> = simulation.said.drain(..first).collect();
    simulation.run_living();
    let offset = earlier.len();
    for (place, said) in simulation.said.iter().enumerate() {
        let text = format!("> m{} of {} [", offset + place, said.by);
        for id in &said.readers {
            let count = simulation.shown[*id].iter().filter(|line| line.contains(&text)).count();
            assert_eq!(
                count, 1,
                "seed {seed}: at the end {text} at device {id}: {:#?}",
                simulation.shown[*id]
            );
        }
    }
    let last = std::mem::replace(&mut simulation.said, earlier);
    simulation.said.extend(last);
    simulation.restored = restored;
    simulation.dropped = simulation.plan.drops;
    let devices = 0..simulation.world.devices.len();
    simulation.histories = devices.map(|id| simulation.world.history(id)).collect();
    simulation.check(seed);
}

#[test]
fn whatever_happens_messages_are_shown_once() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("PRIVATE_SEED") {
        return simulate(seed);
    }
    let first = number("PRIVATE_FIRST").unwrap_or(0);
    for seed in first..first + number("PRIVATE_SEEDS").unwrap_or(SEEDS) {
        simulate(seed);
    }
}

/// In an ordinary run of the tests; `PRIVATE_SEEDS=10000` for more, `PRIVATE_SEED=7` for one.
const SEEDS: u64 = 200;
