//! A stage without dice: people type and see lines, and the lanes work, wait or fail when the script says so.
//!
//! The engine, the hub and the store are the real ones; sockets and clock are simulated. So a script can tell
//! what happens between a question to the store and its answer, which no real server can be made to do.
//!
//! A line of a script is one of these; whoever is not connected does so first:
//!
//! - `alice > text` she sends a line; the server does what it can at once
//! - `alice < pattern` what she sees next; `(nothing)` if there is nothing more, `(closed)` the end
//! - `the store waits`, `the store goes on`; `the store does one job` of those that wait;
//!   `the store fails`: its next job finds a full disk
//! - `passwords wait`, `passwords go on`
//! - `the operator adds bob`, and removes and bans; the server hears of it with `news come`
//! - `the server stops`: it tells everybody, and ends nobody yet
//! - `alice is cut off`, `alice ends`, `alice reads` what her socket holds; `a second passes`, `a minute passes`

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use sottovoce::config::Config;
use sottovoce::engine::Engine;
use sottovoce::engine::settings::{Plaintext, Settings};
use sottovoce::hub::Hub;
use sottovoce::hub::job::{
    Job, PasswordHash, PasswordJob, PasswordReply, Reply, StoreFailure, StoreJob, StoreReply,
};
use sottovoce::hub::settings::Settings as HubSettings;
use sottovoce::proto::name::UserName;
use sottovoce::proto::time::{Instant, Now, Timestamp};
use sottovoce::store::operator::Operator;
use sottovoce::store::{Store, StoreOptions};

use crate::disk::Disk;
use crate::journal;
use crate::model;
use crate::net::Net;
use crate::pattern::matches;
use crate::random::Random;

pub struct Stage {
    pub engine: Engine,
    pub net: Net,
    pub now: u64,
    people: BTreeMap<String, Person>,
    store: Store,
    operator: Operator,
    jobs: VecDeque<StoreJob>,
    passwords: VecDeque<PasswordJob>,
    replies: VecDeque<Reply>,
    disk: Disk,
    store_waits: bool,
    passwords_wait: bool,
    /// Where the next one comes from.
    pub address: IpAddr,
    /// What the sockets of those hold who come from now on, and do not read.
    pub socket_bytes: usize,
    dir: tempfile::TempDir,
}

struct Person {
    pipe: usize,
    seen: VecDeque<String>,
    /// Frames, in place of lines, for one who carries files.
    frames: Option<Vec<u8>>,
}

impl Stage {
    pub fn new() -> Stage {
        Stage::with(|_| {})
    }

    /// With other settings than the defaults.
    pub fn with(change: impl FnOnce(&mut HubSettings)) -> Stage {
        let mut settings = Config::default().settings();
        settings.motd = "".into();
        settings.limits.commands_per_second = None;
        settings.limits.messages_per_second = None;
        change(&mut settings);
        Stage::on(tempfile::tempdir().expect("a directory for the database"), settings, 1_000)
    }

    fn on(dir: tempfile::TempDir, settings: HubSettings, now: u64) -> Stage {
        journal::open(false);
        let (store, kept) = Store::open(dir.path(), StoreOptions::default()).expect("it opens");
        let operator = Operator::open(dir.path()).expect("it opens");
        let engine_settings = Settings {
            banner_delay: Duration::from_millis(250),
            plaintext: Plaintext::Always,
            tls: journal::no_tls(),
        };
        let mut net = Net::new(Random::new(1));
        net.faults = false;
        Stage {
            engine: Engine::new(Hub::new(settings, kept, clock(now)), engine_settings),
            net,
            now,
            people: BTreeMap::new(),
            store,
            operator,
            jobs: VecDeque::new(),
            passwords: VecDeque::new(),
            replies: VecDeque::new(),
            disk: Disk::default(),
            store_waits: false,
            passwords_wait: false,
            address: Ipv4Addr::LOCALHOST.into(),
            socket_bytes: usize::MAX,
            dir,
        }
    }

    /// The server dies and starts again on what it kept; nobody is connected.
    pub fn restarted(self) -> Stage {
        let settings = self.engine.hub().settings().clone();
        let Stage { dir, store, now, .. } = self;
        drop(store);
        Stage::on(dir, settings, now)
    }

    /// These come in as guests, and see nothing of it.
    pub fn guests(&mut self, names: &[&str]) {
        for name in names {
            self.type_line(name, &format!("/nick {name}"));
        }
        self.settle();
    }

    /// These register, and see nothing of it.
    pub fn accounts(&mut self, names: &[&str]) {
        for name in names {
            self.type_line(name, &format!("/register {name} correct-horse"));
        }
        self.settle();
    }

    /// These come into a room, and everybody has seen it.
    pub fn join(&mut self, room: &str, names: &[&str]) {
        for name in names {
            self.type_line(name, &format!("/join {room}"));
        }
        self.settle();
    }

    /// Everybody has seen what there was.
    pub fn settle(&mut self) {
        self.run();
        self.people.values_mut().for_each(|person| person.seen.clear());
    }

    #[track_caller]
    pub fn play(&mut self, script: &str) {
        let (mut expected, mut actual) = (Vec::new(), Vec::new());
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            expected.push(line.to_owned());
            match line.split_once(" < ") {
                Some((who, pattern)) => {
                    let seen = self.sees(who);
                    let as_expected = fits(pattern, &seen);
                    actual.push(format!("{who} < {}", if as_expected { pattern } else { &seen }));
                    if !as_expected {
                        break;
                    }
                }
                None => {
                    self.act(line);
                    actual.push(line.to_owned());
                }
            }
        }
        let (expected, actual) = (expected.join("\n"), actual.join("\n"));
        assert!(expected == actual, "expected:\n{expected}\n\nactual:\n{actual}\n");
    }

    fn act(&mut self, line: &str) {
        if let Some((who, text)) = line.split_once(" > ") {
            return self.type_line(who, text);
        }
        match line {
            "the store waits" => self.store_waits = true,
            "the store goes on" => self.store_waits = false,
            "the store fails" => {
                let job = self.jobs.pop_front().expect("a job waits");
                self.replies.push_back(Reply::Store(model::failed(&job, StoreFailure::Full)));
            }
            "the store does one job" => {
                let job = self.jobs.pop_front().expect("a job waits");
                self.commit(vec![job]);
            }
            "passwords wait" => self.passwords_wait = true,
            "passwords go on" => self.passwords_wait = false,
            "news come" => self.replies.extend(self.store.news().into_iter().map(Reply::Operator)),
            "the server stops" => self.engine.shutdown(clock(self.now), &mut self.net),
            "a second passes" => self.now += 1_000,
            "a minute passes" => self.now += 60_000,
            _ => match line.split(' ').collect::<Vec<_>>()[..] {
                ["the", "operator", "adds", name] => {
                    self.operator.add_user(&user(name), &made("correct-horse")).map(drop).expect("it is free")
                }
                ["the", "operator", "bans", name] => {
                    self.operator.ban_user(&user(name)).expect("it is there")
                }
                ["the", "operator", "removes", name] => {
                    self.operator.remove_user(&user(name)).expect("it is there")
                }
                [name, "is", "cut", "off"] => self.net.reset(self.people[name].pipe),
                [name, "reads"] => self.net.take(self.people[name].pipe, usize::MAX),
                [name, "ends"] => self.net.end(self.people[name].pipe),
                _ => panic!("what is that? {line}"),
            },
        }
        self.run();
    }

    /// Somebody sends a line.
    pub fn type_line(&mut self, who: &str, line: &str) {
        self.send(who, format!("{line}\n").as_bytes());
    }

    /// Somebody sends bytes, and the server does what it can at once.
    pub fn send(&mut self, who: &str, bytes: &[u8]) {
        self.send_unseen(who, bytes);
        self.run();
    }

    /// Somebody sends bytes that are still under way.
    pub fn send_unseen(&mut self, who: &str, bytes: &[u8]) {
        if self.people.get(who).is_none_or(|person| self.is_closed(person)) {
            self.connect(who).expect("there is a place");
        }
        self.net.send(self.people[who].pipe, bytes);
    }

    /// Somebody comes to carry files of an account, over a socket that holds so many bytes.
    pub fn carrier(&mut self, who: &str, account: &str, socket_bytes: usize) {
        self.socket_bytes = socket_bytes;
        self.type_line(
            who,
            &format!(r#"{{"id":1,"cmd":"login","user":"{account}","password":"correct-horse","data":true}}"#),
        );
        self.socket_bytes = usize::MAX;
        let answer = self.sees(who);
        assert!(answer.starts_with(r#"{"re":1,"ok":"#), "{answer}");
        self.net.take(self.people[who].pipe, usize::MAX);
        self.people.get_mut(who).expect("just came").frames = Some(Vec::new());
    }

    /// The frames that came to who carries files.
    pub fn frames(&mut self, who: &str) -> Vec<u8> {
        let person = self.people.get_mut(who).expect("connected");
        person.frames.replace(Vec::new()).expect("carries files")
    }

    pub fn connect(&mut self, who: &str) -> Result<(), sottovoce::hub::effect::CloseReason> {
        let slot = self.engine.accepted(clock(self.now), self.address)?;
        let pipe = self.net.open(slot, self.socket_bytes);
        self.people.insert(who.to_owned(), Person { pipe, seen: VecDeque::new(), frames: None });
        Ok(())
    }

    /// What somebody sees next.
    pub fn sees(&mut self, who: &str) -> String {
        let closed = self.people.get(who).is_none_or(|person| self.is_closed(person));
        let person = self.people.get_mut(who).unwrap_or_else(|| panic!("{who} never came"));
        person.seen.pop_front().unwrap_or_else(|| (if closed { "(closed)" } else { "(nothing)" }).to_owned())
    }

    /// The server has ended somebody's connection.
    pub fn is_over(&self, who: &str) -> bool {
        self.people.get(who).is_some_and(|person| self.is_closed(person))
    }

    fn is_closed(&self, person: &Person) -> bool {
        let pipe = &self.net.pipes[person.pipe];
        pipe.shut || pipe.closed
    }

    /// Everything is done that does not wait.
    pub fn run(&mut self) {
        loop {
            let mut events = false;
            for (slot, readable, writable) in self.net.pass() {
                events = true;
                if readable {
                    self.engine.readable(slot);
                }
                if writable {
                    self.engine.writable(slot);
                }
            }
            self.engine.turn(clock(self.now), &mut self.net, &mut self.replies);
            self.engine.check();
            self.work();
            let due = self.engine.next_deadline() <= Instant(self.now);
            if !events && !due && self.replies.is_empty() && !self.engine.has_work() {
                break;
            }
        }
        for person in self.people.values_mut() {
            let output = std::mem::take(&mut self.net.pipes[person.pipe].output);
            if let Some(frames) = &mut person.frames {
                frames.extend(output);
                continue;
            }
            let text = String::from_utf8(output).expect("lines of UTF-8");
            person.seen.extend(text.lines().map(|line| line.trim_end_matches('\r').to_owned()));
        }
    }

    /// The lanes do what they do not wait with.
    fn work(&mut self) {
        for job in std::mem::take(&mut self.net.jobs) {
            match job {
                Job::Files(job) => self.replies.push_back(Reply::Files(self.disk.run(job))),
                Job::Password(job) => self.passwords.push_back(job),
                Job::Store(job) => self.jobs.push_back(job),
            }
        }
        if !self.passwords_wait {
            self.replies.extend(self.passwords.drain(..).map(|job| Reply::Password(hashed(job))));
        }
        if !self.store_waits && !self.jobs.is_empty() {
            let jobs = self.jobs.drain(..).collect();
            self.commit(jobs);
        }
    }

    fn commit(&mut self, mut jobs: Vec<StoreJob>) {
        let mut replies: Vec<StoreReply> = Vec::new();
        self.store.run_batch(&mut jobs, &mut replies);
        self.replies.extend(replies.into_iter().map(Reply::Store));
    }
}

/// What a person sees is compared as everywhere; of what a program sees, `…` stands for the rest.
fn fits(pattern: &str, line: &str) -> bool {
    match pattern.strip_suffix('…') {
        Some(start) if pattern.starts_with('{') => line.starts_with(start),
        None if pattern.starts_with('{') => line == pattern,
        _ => matches(pattern, line),
    }
}

fn hashed(job: PasswordJob) -> PasswordReply {
    match job {
        PasswordJob::Hash { origin, password, cost: _ } => {
            PasswordReply::Hashed { origin, hash: made(password.reveal()) }
        }
        PasswordJob::Verify { origin, password, hash, cost: _ } => {
            PasswordReply::Verified { origin, matches: hash == Some(made(password.reveal())) }
        }
    }
}

fn made(password: &str) -> PasswordHash {
    PasswordHash(Arc::from(format!("hash of {password}")))
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a name")
}

fn clock(now: u64) -> Now {
    Now { mono: Instant(now), wall: Timestamp(1_790_000_000_000 + now) }
}
