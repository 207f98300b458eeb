//! The server under simulation, and everybody who uses it: one turn after the other.

use std::collections::VecDeque;

use sottovoce::engine::Engine;
use sottovoce::engine::settings::{Plaintext, Settings};
use sottovoce::hub::Hub;
use sottovoce::hub::job::Reply;
use sottovoce::proto::time::{Instant, Now, Timestamp};

use crate::facts::Facts;
use crate::journal;
use crate::lanes::Lanes;
use crate::link::{Dialect, Link};
use crate::net::Net;
use crate::people::Person;
use crate::plan::Plan;
use crate::random::Random;

pub struct World {
    pub plan: Plan,
    pub random: Random,
    pub now: u64,
    pub engine: Engine,
    pub net: Net,
    pub lanes: Lanes,
    pub facts: Facts,
    /// What the engine was handed and has not taken.
    replies: VecDeque<Reply>,
    /// No faults any more, and nobody misbehaves.
    pub calm: bool,
    /// The server is being stopped: connections end for no reason of their own.
    pub stopping: bool,
    links: usize,
}

impl World {
    pub fn new(plan: Plan, mut random: Random) -> World {
        let net = Net::new(Random::new(random.next()));
        let mut lanes = Lanes::new(&plan);
        let engine = engine(&plan, &mut lanes, 1_000);
        World {
            plan,
            random,
            now: 1_000,
            engine,
            net,
            lanes,
            facts: Facts::default(),
            replies: VecDeque::new(),
            calm: false,
            stopping: false,
            links: 0,
        }
    }

    pub fn clock(&self) -> Now {
        clock(self.now)
    }

    pub fn connect(&mut self, dialect: Dialect) -> Link {
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        let slot = self.engine.accepted(self.clock(), address).expect("there is no limit");
        let pipe = self.net.open(slot, self.plan.socket_bytes);
        let server_name = format!("c{}", self.engine.counters().opened);
        self.links += 1;
        Link::new(self.links, server_name, dialect, pipe, &self.plan)
    }

    /// The text of a message: its number, and something to search for.
    pub fn text(&mut self, number: u64) -> String {
        let long = self.plan.long_texts && number.is_multiple_of(5);
        format!(
            "m{number} hello{}",
            if long { " and so on".repeat(number as usize % 100) } else { String::new() }
        )
    }

    /// One turn of the engine, with what happened around it.
    pub fn turn(&mut self, people: &mut [Person]) {
        self.lanes.pass(self.now, &mut self.random);
        for (slot, readable, writable) in self.net.pass() {
            if readable {
                self.engine.readable(slot);
            }
            if writable {
                self.engine.writable(slot);
            }
        }
        let replies = self.lanes.take(&mut self.random);
        self.replies.extend(replies);
        self.engine.turn(clock(self.now), &mut self.net, &mut self.replies);
        if !cfg!(debug_assertions) {
            self.engine.check();
        }
        self.submit();
        self.look(people);
        self.pass();
    }

    /// Work that the engine gave out goes to the lanes.
    pub fn submit(&mut self) {
        for job in std::mem::take(&mut self.net.jobs) {
            log::trace!("job {job:?}");
            self.lanes.submit(self.now, job, &mut self.random);
        }
    }

    /// Everybody looks at what the server wrote, and notices if their connection is over.
    pub fn look(&mut self, people: &mut [Person]) {
        let closed = journal::closed();
        for person in people {
            let Some(mut link) = person.link.take() else { continue };
            let output = std::mem::take(&mut self.net.pipes[link.pipe].output);
            link.take(&output, &mut self.facts, &self.lanes.model);
            if let Some((_, reason)) = closed.iter().find(|(name, _)| *name == link.server_name) {
                self.check_reason(&link, reason);
            }
            let pipe = &self.net.pipes[link.pipe];
            let (shut, gone) = (pipe.shut, pipe.closed || pipe.reset);
            if self.now >= person.stalled_until {
                let most = if self.calm { usize::MAX } else { self.random.between(1, 2_000) };
                self.net.take(link.pipe, most);
                if shut && !gone {
                    self.net.end(link.pipe);
                }
            }
            match gone {
                true => person.lost(link, self),
                false => person.link = Some(link),
            }
        }
    }

    /// Nobody is disconnected without having given cause for it.
    fn check_reason(&self, link: &Link, reason: &str) {
        let did = &link.did;
        let deserved = match reason {
            "eof" => did.end,
            // Who does not read does not see all of them.
            "flood" => did.too_fast >= STRIKES || did.stall,
            "idle-timeout" => did.half_line || did.garbage,
            "login-failures" => did.logins >= LOGIN_FAILURES,
            "login-timeout" => link.name.is_none(),
            "not-chat" | "tls-error" => did.garbage,
            "quit" => did.quit,
            "revoked" => self.facts.devices.revoked_ever.contains(link.me()),
            "shutdown" => self.stopping,
            "slow-reader" => did.stall,
            "socket-error" => did.reset,
            _ => false,
        };
        assert!(deserved, "{} {} was closed: {reason}, {did:?}", link.server_name, link.me());
    }

    /// Time passes: a little while there is something to do, more if there is not.
    fn pass(&mut self) {
        let busy = self.engine.has_work() || !self.net.is_quiet();
        self.now += match (busy, self.calm) {
            (true, _) => self.random.below(3) as u64,
            (false, true) => 5,
            (false, false) if self.random.per_mille(3) => self.random.between(1_000, 70_000) as u64,
            (false, false) => self.random.below(60) as u64,
        };
    }

    /// Nothing is under way anywhere.
    pub fn is_quiet(&self) -> bool {
        self.replies.is_empty()
            && self.lanes.is_idle()
            && self.net.is_quiet()
            && !self.engine.has_work()
            && self.engine.is_settled()
            && self.engine.hub().is_told()
    }

    /// The process dies at once, and another one starts on what was committed.
    pub fn crash(&mut self, people: &mut [Person]) {
        log::trace!("---- the server dies");
        self.net.crash();
        self.restart(people);
    }

    /// The server stops as it should: what is under way is finished first.
    pub fn stop(&mut self, people: &mut [Person]) {
        log::trace!("---- the server stops");
        self.stopping = true;
        self.engine.shutdown(clock(self.now), &mut self.net);
        for _ in 0..STOP_TURNS {
            self.turn(people);
            if self.replies.is_empty() && self.lanes.is_idle() && self.engine.is_settled() {
                break;
            }
        }
        self.engine.close_all(clock(self.now), &mut self.net);
        self.submit();
        self.look(people);
        self.restart(people);
        self.stopping = false;
    }

    fn restart(&mut self, people: &mut [Person]) {
        for person in people {
            if let Some(link) = person.link.take() {
                person.lost(link, self);
            }
        }
        // What the old process wrote about its connections means nothing for the new ones.
        journal::closed();
        self.replies.clear();
        self.engine = engine(&self.plan, &mut self.lanes, self.now);
        self.net.jobs.clear();
    }
}

fn engine(plan: &Plan, lanes: &mut Lanes, now: u64) -> Engine {
    let hub = Hub::new(plan.settings(), lanes.start(), clock(now));
    let settings = Settings {
        banner_delay: std::time::Duration::from_millis(250),
        plaintext: Plaintext::Loopback,
        tls: journal::no_tls(),
    };
    Engine::new(hub, settings)
}

fn clock(now: u64) -> Now {
    Now { mono: Instant(now), wall: Timestamp(1_790_000_000_000 + now) }
}

/// Refusals for haste before a connection is closed for it.
const STRIKES: u32 = 10;
/// Wrong passwords before a connection is closed for them.
const LOGIN_FAILURES: u32 = 5;
/// Turns that a stop may take.
const STOP_TURNS: usize = 300;
