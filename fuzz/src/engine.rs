//! The whole server from raw bytes: the real engine and hub over sockets and workers in memory. The input
//! decides who connects, what they send, how it is cut, how much they read, when workers answer and
//! whether they fail, and how time passes. Built with assertions, the engine checks itself after each turn.

use std::collections::VecDeque;
use std::io::{IoSlice, Write as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use sottovoce::engine::Engine;
use sottovoce::engine::io::{Io, Read, Write};
use sottovoce::engine::settings::{Plaintext, Settings};
use sottovoce::hub::Hub;
use sottovoce::hub::job::{Job, PasswordHash, PasswordJob, PasswordReply, Reply, StoreFailure, StoreJob};
use sottovoce::hub::settings::{Files, Registration, Settings as HubSettings};
use sottovoce::proto::limits::{Limits, PerAddress};
use sottovoce::proto::text::is_unsafe;
use sottovoce::proto::time::{Instant, Now, Timestamp};

use crate::disk::Disk;
use crate::input::Input;
use crate::model::{self, Model};
use crate::tls;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(input.byte());
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.settle();
}

#[derive(Default)]
struct Pipe {
    slot: Option<u32>,
    /// Sent by the client, not read by the server.
    arrived: VecDeque<u8>,
    fin: bool,
    reset: bool,
    /// Bytes that fit before the client reads.
    room: usize,
    blocked: bool,
    output: Vec<u8>,
    tls: Option<Box<ClientConnection>>,
    /// The first byte it sent: who begins like TLS is answered in TLS.
    first: Option<u8>,
}

#[derive(Default)]
struct Net {
    pipes: Vec<Pipe>,
    slots: Vec<Option<usize>>,
    jobs: VecDeque<Job>,
}

struct World {
    engine: Engine,
    net: Net,
    model: Model,
    disk: Disk,
    replies: VecDeque<Reply>,
    now: u64,
    /// Store jobs that are to fail.
    failing: usize,
    tls_count: usize,
}

impl World {
    fn new(kind: u8) -> World {
        let rate = |count| (kind & 1 != 0).then_some(count);
        let limits = Limits {
            connections: Some(CONNECTIONS_MAX as u32 + 4),
            messages_per_second: rate(5),
            commands_per_second: rate(10),
            message_burst: 8,
            line_bytes: 400,
            json_bytes: 600,
            send_queue_soft: 1024,
            send_queue_hard: 8 * 1024,
            send_queue_total: 20 * 1024,
            per_address_loopback: if kind & 2 != 0 {
                Limits::default().per_address
            } else {
                PerAddress::default()
            },
            ..Limits::default()
        };
        let settings = HubSettings {
            name: "fuzzed".into(),
            motd: "hello".into(),
            registration: if kind & 4 != 0 { Registration::Invite } else { Registration::Open },
            guests: true,
            bcrypt_cost: 4,
            session_lives: Some(Duration::from_secs(1_000_000)),
            limits,
            on_join: 3,
            history: kind & 8 == 0,
            keep_messages: None,
            keep: None,
            files: Files::default(),
            presence_at_once: if kind & 32 != 0 { 1 } else { 100 },
            store_jobs_max: 66,
            password_jobs_max: 2,
        };
        let mut model = Model::default();
        let hub = Hub::new(settings, model.start(), clock(1_000));
        let plaintext = if kind & 16 != 0 { Plaintext::Never } else { Plaintext::Always };
        let banner_delay = Duration::from_millis(250);
        let settings = Settings { banner_delay, plaintext, tls: tls::server_config() };
        World {
            engine: Engine::new(hub, settings),
            net: Net::default(),
            model,
            disk: Disk::default(),
            replies: VecDeque::new(),
            now: 1_000,
            failing: 0,
            tls_count: 0,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let step = input.byte();
        let which = usize::from(step >> 4) % self.net.pipes.len().max(1);
        match step & 15 {
            0 => self.connect(false),
            1 => self.connect(true),
            2..=4 => {
                let line = WORDS[input.below(WORDS.len())];
                self.send(which, line.as_bytes());
                self.turn();
            }
            5 | 6 => self.send(which, input.text()),
            7 => {
                let text = input.text();
                self.send(which, text);
                self.send(which, b"\n");
                self.turn();
            }
            8 => self.turn(),
            9 => self.work(input.below(40)),
            10 => {
                self.now += 20 * input.word() as u64;
                self.turn();
            }
            11 => {
                if let Some(pipe) = self.net.pipes.get_mut(which) {
                    pipe.fin = true;
                }
                self.wake(which);
            }
            12 => {
                if let Some(pipe) = self.net.pipes.get_mut(which) {
                    pipe.reset = input.byte() & 1 != 0;
                }
                self.wake(which);
            }
            13 => self.read(which, 100 * input.below(256)),
            14 => self.failing = input.below(8),
            _ => {
                let count = 1 + input.below(40);
                let line = WORDS[input.below(WORDS.len())];
                self.send(which, line.repeat(count).as_bytes());
                self.turn();
            }
        }
    }

    fn connect(&mut self, secure: bool) {
        let secure = secure && self.tls_count < TLS_MAX;
        if self.net.pipes.len() >= CONNECTIONS_MAX {
            return;
        }
        let address = [127, 0, 0, 1 + self.net.pipes.len() as u8 % 2].into();
        let Ok(slot) = self.engine.accepted(clock(self.now), address) else { return };
        let pipe = self.net.pipes.len();
        let connection = secure.then(|| Box::new(tls::client(pipe.is_multiple_of(2), None)));
        self.tls_count += usize::from(secure);
        self.net.pipes.push(Pipe { slot: Some(slot), room: ROOM, tls: connection, ..Pipe::default() });
        let slot = slot as usize;
        if self.net.slots.len() <= slot {
            self.net.slots.resize(slot + 1, None);
        }
        assert!(self.net.slots[slot].is_none(), "a slot has one socket");
        self.net.slots[slot] = Some(pipe);
        if secure {
            for _ in 0..3 {
                self.send(pipe, b"");
                self.turn();
            }
        }
    }

    fn send(&mut self, which: usize, bytes: &[u8]) {
        let Some(pipe) = self.net.pipes.get_mut(which) else { return };
        if pipe.arrived.len() + bytes.len() > ARRIVED_MAX {
            return;
        }
        match &mut pipe.tls {
            Some(client) => {
                // A client that has failed sends no more than its alert.
                let _ = client.writer().write_all(bytes);
                let mut records = Vec::new();
                while client.wants_write() && client.write_tls(&mut records).is_ok() {}
                pipe.arrived.extend(records);
            }
            None => {
                pipe.first = pipe.first.or(bytes.first().copied());
                pipe.arrived.extend(bytes);
            }
        }
        self.wake(which);
    }

    fn wake(&mut self, which: usize) {
        if let Some(slot) = self.net.pipes.get(which).and_then(|pipe| pipe.slot) {
            self.engine.readable(slot);
            if self.net.pipes[which].reset {
                self.engine.writable(slot);
            }
        }
    }

    fn read(&mut self, which: usize, bytes: usize) {
        let Some(pipe) = self.net.pipes.get_mut(which) else { return };
        pipe.room = (pipe.room + bytes).min(1 << 20);
        if std::mem::take(&mut pipe.blocked)
            && let Some(slot) = pipe.slot
        {
            self.engine.writable(slot);
        }
    }

    /// Workers do so many jobs.
    fn work(&mut self, count: usize) {
        for _ in 0..count {
            let Some(job) = self.net.jobs.pop_front() else { break };
            let reply = match job {
                Job::Files(job) => Reply::Files(self.disk.run(job)),
                Job::Password(job) => Reply::Password(hash(job)),
                Job::Store(job) => Reply::Store(self.store(&job)),
            };
            self.replies.push_back(reply);
        }
        self.turn();
    }

    fn store(&mut self, job: &StoreJob) -> sottovoce::hub::job::StoreReply {
        if self.failing > 0 && !matches!(job, StoreJob::ForgetKeys { .. }) {
            self.failing -= 1;
            return match self.failing & 1 {
                0 => model::failed(job, StoreFailure::Full),
                _ => model::failed(job, StoreFailure::Other("so it was decided".into())),
            };
        }
        self.model.run(job)
    }

    fn turn(&mut self) {
        self.engine.turn(clock(self.now), &mut self.net, &mut self.replies);
        self.engine.check();
        self.now += 1;
        for pipe in &mut self.net.pipes {
            let output = std::mem::take(&mut pipe.output);
            match &mut pipe.tls {
                Some(client) => {
                    let mut rest = &output[..];
                    while !rest.is_empty() && client.read_tls(&mut rest).is_ok() {
                        client.process_new_packets().expect("the server speaks TLS well");
                        let mut told = Vec::new();
                        // The end of the records at hand is no error.
                        let _ = std::io::Read::read_to_end(&mut client.reader(), &mut told);
                        check_output(&told);
                    }
                }
                None if pipe.first == Some(0x16) => {}
                None => check_output(&output),
            }
        }
    }

    /// Everybody reads, the workers do everything, and everything comes to rest.
    fn settle(&mut self) {
        self.failing = 0;
        for round in 0.. {
            for which in 0..self.net.pipes.len() {
                self.read(which, 1 << 20);
                self.send(which, b"");
            }
            self.work(1000);
            let quiet = self.net.jobs.is_empty() && self.replies.is_empty() && !self.engine.has_work();
            if quiet && self.engine.paused() == 0 {
                break;
            }
            // Whoever was too fast is read from again after a while.
            self.now += 500;
            assert!(round < SETTLE_TURNS, "something never comes to rest");
        }
        self.engine.shutdown(clock(self.now), &mut self.net);
        for _ in 0..20 {
            self.work(1000);
        }
        self.engine.close_all(clock(self.now), &mut self.net);
        assert_eq!(self.engine.connections(), 0);
    }
}

/// Nothing that could steer a terminal reaches anybody in the clear.
fn check_output(output: &[u8]) {
    // A character may be cut where the socket took no more; only whole ones are looked at.
    for line in String::from_utf8_lossy(output).split(['\n', '\r']) {
        let tag = |c: &char| ('\u{e0000}'..='\u{e007f}').contains(c);
        assert!(!line.chars().any(|c| is_unsafe(c) && !tag(&c)), "{line:?}");
    }
}

impl Io for Net {
    fn read(&mut self, slot: u32, buffer: &mut [u8]) -> Read {
        let pipe = self.pipe(slot);
        if pipe.reset {
            return Read::Failed;
        }
        let count = pipe.arrived.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(pipe.arrived.drain(..count)) {
            *to = from;
        }
        match count {
            0 if pipe.fin => Read::Eof,
            0 => Read::WouldBlock,
            count => Read::Bytes(count),
        }
    }

    fn write(&mut self, slot: u32, slices: &[IoSlice<'_>]) -> Write {
        let pipe = self.pipe(slot);
        if pipe.reset {
            return Write::Failed;
        }
        let mut count = 0;
        for slice in slices {
            assert!(!slice.is_empty(), "no empty pieces are written");
            let taken = slice.len().min(pipe.room);
            pipe.output.extend_from_slice(&slice[..taken]);
            pipe.room -= taken;
            count += taken;
        }
        match count {
            0 => {
                pipe.blocked = true;
                Write::WouldBlock
            }
            count => Write::Bytes(count),
        }
    }

    fn shut(&mut self, slot: u32) {
        // The client ends its side then, as most do.
        self.pipe(slot).fin |= slot.is_multiple_of(2);
    }

    fn close(&mut self, slot: u32) {
        self.pipe(slot).slot = None;
        self.slots[slot as usize] = None;
    }

    fn submit(&mut self, job: Job) {
        self.jobs.push_back(job);
    }
}

impl Net {
    fn pipe(&mut self, slot: u32) -> &mut Pipe {
        let pipe = self.slots[slot as usize].expect("the engine uses what it was given");
        &mut self.pipes[pipe]
    }
}

fn hash(job: PasswordJob) -> PasswordReply {
    let made = |password: &str| PasswordHash(Arc::from(format!("hash of {password}")));
    match job {
        PasswordJob::Hash { origin, password, cost: _ } => {
            PasswordReply::Hashed { origin, hash: made(password.reveal()) }
        }
        PasswordJob::Verify { origin, password, hash, cost: _ } => {
            PasswordReply::Verified { origin, matches: hash == Some(made(password.reveal())) }
        }
    }
}

fn clock(now: u64) -> Now {
    Now { mono: Instant(now), wall: Timestamp(1_790_000_000_000 + now) }
}

/// Lines that get somewhere, so that the fuzzer need not find their spelling.
const WORDS: [&str; 54] = [
    "/nick anna\n",
    "/nick bob\r\n",
    "/nick carol\n",
    "/register anna password1\n",
    "/register dora\n",
    "password1\n",
    "/login anna password1\n",
    "/login anna password2\n",
    "/login dora\n",
    "/join lobby\n",
    "/join tea\n",
    "/join den secret\n",
    "/leave\n",
    "/leave lobby\n",
    "hello m1\n",
    "/me waves\n",
    "/msg anna psst\n",
    "/msg bob psst\n",
    "/msg dora psst\n",
    "/topic tea at four\n",
    "/kick bob\n",
    "/ban bob\n",
    "/unban bob\n",
    "/op bob\n",
    "/room private\n",
    "/room key secret\n",
    "/invite bob\n",
    "/block anna\n",
    "/unblock anna\n",
    "/status offline\n",
    "/list\n",
    "/history 100\n",
    "/search hello\n",
    "/passwd password1 password2\n",
    "/quit\n",
    "GET / HTTP/1.1\n",
    "{\"id\":1,\"cmd\":\"nick\",\"user\":\"eve\"}\n",
    "{\"id\":2,\"cmd\":\"join\",\"room\":\"lobby\"}\n",
    "{\"id\":3,\"cmd\":\"say\",\"room\":\"lobby\",\"text\":\"hi\",\"key\":\"k\"}\n",
    "{\"id\":4,\"cmd\":\"history\",\"room\":\"lobby\",\"after\":0}\n",
    "{\"id\":5,\"cmd\":\"login\",\"user\":\"anna\",\"password\":\"password1\"}\n",
    "{\"id\":6,\"cmd\":\"register\",\"user\":\"fay\",\"password\":\"password1\"}\n",
    "{\"id\":7,\"cmd\":\"msg\",\"user\":\"anna\",\"text\":\"psst\"}\n",
    "{\"id\":9,\"cmd\":\"devices\",\"user\":\"anna\"}\n",
    "{\"id\":10,\"cmd\":\"enroll\",\"identity\":\"3yQ9B2pJAj6RJUlHO6OUf5NOj41CJ16o9VB8HeB4v1w=\",\"name\":\"one\"}\n",
    "{\"id\":11,\"cmd\":\"prekeys\",\"device\":1,\"signed\":{\"created\":1769860800000,\"id\":1,\"key\":\"CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo=\",\"signature\":\"1bMgVorwONKcNvDPo5W5SARTFalq6AXcoIdQtMK+AWYeyyw+rHHP3ODnhsGqi/V1eMjtN27ffXKEHOECBkRiAw==\"},\"one_time\":[{\"id\":1,\"key\":\"CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo=\"}]}\n",
    "{\"id\":12,\"cmd\":\"attach\",\"device\":1,\"run\":1}\n",
    "{\"id\":12,\"cmd\":\"attach\",\"device\":2,\"run\":1}\n",
    "{\"id\":13,\"cmd\":\"claim\",\"user\":\"anna\"}\n",
    "{\"id\":14,\"cmd\":\"ack\",\"seq\":1}\n",
    "{\"id\":15,\"cmd\":\"revoke\",\"device\":1}\n",
    "{\"id\":16,\"cmd\":\"pair\",\"answer\":\"AAAA\"}\n",
    concat!(
        "{\"id\":17,\"cmd\":\"send\",\"user\":\"anna\",\"to\":[1],\"own\":[],\"envelopes\":[{\"device\":1,\"body\":\"",
        "AQIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "\"}]}\n"
    ),
    "{\"id\":8,\"cmd\":\"quit\"}\n",
];

const CONNECTIONS_MAX: usize = 12;
/// Handshakes are dear.
const TLS_MAX: usize = 2;
const STEPS_MAX: usize = 400;
/// Bytes that a client's socket holds.
const ROOM: usize = 3_000;
const ARRIVED_MAX: usize = 64 * 1024;
const SETTLE_TURNS: usize = 2_000;
