//! What a room message costs inside the server, and what it costs that people come and go:
//! `cargo bench --bench fanout`.
//!
//! The real engine, hub and dialect over sockets that take everything at once; the store answers at
//! once. One iteration is a turn in which one member says sixteen lines and all others hear them, or
//! in which sixteen come and later go, and the room is told. The allocations that are printed must not
//! grow with the number of members.

use std::collections::VecDeque;
use std::hint::black_box;
use std::io::IoSlice;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use rustls::ServerConfig;
use rustls::server::ResolvesServerCertUsingSni;

use sottovoce::config::Config;
use sottovoce::engine::Engine;
use sottovoce::engine::io::{Io, Read, Write};
use sottovoce::engine::settings::{Plaintext, Settings};
use sottovoce::hub::Hub;
use sottovoce::hub::job::{Job, Kept, Page, Reply, StoreJob, StoreReply};
use sottovoce::proto::event::Entry;
use sottovoce::proto::id::Seq;
use sottovoce::proto::time::{Instant, Now, Timestamp};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const LINES: usize = 16;
const GUESTS: usize = 16;

fn main() {
    divan::main();
}

#[divan::bench(args = [10, 100, 1_000, 10_000])]
fn sixteen_lines_to_members(bencher: Bencher<'_, '_>, members: usize) {
    let mut bench = Bench::new(members);
    let line = format!("{}\n", "x".repeat(99));
    let input = line.repeat(LINES).into_bytes();
    bencher.counter(ItemsCount::new(members * LINES)).bench_local(|| bench.say(&input));
}

#[divan::bench(args = [10, 100, 1_000, 10_000])]
fn sixteen_come_and_go_beside_members(bencher: Bencher<'_, '_>, members: usize) {
    let mut bench = Bench::new(members);
    let guests: Vec<u32> = (0..GUESTS).map(|guest| bench.connect(&format!("guest-{guest:02}"))).collect();
    bencher.counter(ItemsCount::new(2 * GUESTS)).bench_local(|| {
        for line in ["/join lobby\n", "/leave\n"] {
            for &guest in &guests {
                bench.hear(guest, line.as_bytes());
            }
            bench.settle();
            bench.wait();
        }
    });
}

/// A room of people, each on a connection of their own.
struct Bench {
    now: u64,
    engine: Engine,
    net: Net,
    replies: VecDeque<Reply>,
    seq: u64,
}

/// Sockets that have the input of one connection, take whatever is written, and answer jobs.
#[derive(Default)]
struct Net {
    input: Vec<(u32, Vec<u8>)>,
    jobs: Vec<Job>,
    written: u64,
}

impl Bench {
    fn new(members: usize) -> Bench {
        let mut settings = Config::default().settings();
        settings.limits.messages_per_second = None;
        settings.limits.commands_per_second = None;
        let hub = Hub::new(settings, Kept { next_room: 1, ..Kept::default() }, clock(0));
        let settings = Settings { banner_delay: Duration::ZERO, plaintext: Plaintext::Always, tls: no_tls() };
        let engine = Engine::new(hub, settings);
        let mut bench = Bench { now: 0, engine, net: Net::default(), replies: VecDeque::new(), seq: 0 };
        for member in 0..members {
            let slot = bench.connect(&format!("member-{member:05}"));
            bench.hear(slot, b"/join lobby\n");
            bench.settle();
        }
        bench.wait();
        bench
    }

    fn connect(&mut self, name: &str) -> u32 {
        let address = Ipv4Addr::LOCALHOST.into();
        let slot = self.engine.accepted(clock(self.now), address).expect("there is room");
        self.hear(slot, format!("/nick {name}\n").as_bytes());
        self.settle();
        slot
    }

    fn hear(&mut self, slot: u32, lines: &[u8]) {
        self.net.input.push((slot, lines.to_vec()));
        self.engine.readable(slot);
    }

    /// So long that every room was told who came and who went.
    fn wait(&mut self) {
        for _ in 0..2 {
            self.settle();
            self.now += 10_000;
        }
        self.settle();
        black_box(self.net.written);
    }

    /// The first member says these lines.
    fn say(&mut self, lines: &[u8]) {
        self.hear(0, lines);
        self.settle();
        black_box(self.net.written);
    }

    fn settle(&mut self) {
        loop {
            self.engine.turn(clock(self.now), &mut self.net, &mut self.replies);
            for job in std::mem::take(&mut self.net.jobs) {
                let reply = self.answer(job);
                self.replies.push_back(Reply::Store(reply));
            }
            if self.replies.is_empty() && !self.engine.has_work() {
                return;
            }
        }
    }

    fn answer(&mut self, job: Job) -> StoreReply {
        match job {
            Job::Store(StoreJob::Append { origin, room, entry, .. }) => {
                self.seq += 1;
                let (seq, at, from, me, text) = (Seq(self.seq), entry.at, entry.from, entry.me, entry.text);
                StoreReply::Appended { origin, room, entry: Arc::new(Entry { seq, at, from, me, text }) }
            }
            Job::Store(StoreJob::Join { origin, room, .. }) => {
                StoreReply::Joined { origin, room, page: Page::default(), seq: Seq(self.seq) }
            }
            Job::Store(StoreJob::Maintain { .. }) => StoreReply::Done,
            other => panic!("nobody asks for {other:?}"),
        }
    }
}

impl Io for Net {
    fn read(&mut self, slot: u32, buffer: &mut [u8]) -> Read {
        match self.input.iter().position(|(to, _)| *to == slot) {
            Some(index) => {
                let (_, bytes) = self.input.swap_remove(index);
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Read::Bytes(bytes.len())
            }
            None => Read::WouldBlock,
        }
    }

    fn write(&mut self, _: u32, slices: &[IoSlice<'_>]) -> Write {
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        self.written += bytes as u64;
        Write::Bytes(bytes)
    }

    fn shut(&mut self, _: u32) {}

    fn close(&mut self, _: u32) {}

    fn submit(&mut self, job: Job) {
        self.jobs.push(job);
    }
}

fn clock(now: u64) -> Now {
    Now { mono: Instant(1_000 + now), wall: Timestamp(1_767_225_600_000 + now) }
}

/// Nobody here speaks TLS.
fn no_tls() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.expect("the provider's own versions").with_no_client_auth();
    Arc::new(builder.with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new())))
}
