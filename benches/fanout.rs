//! What a room message costs inside the server: `cargo bench --bench fanout`.
//!
//! The real engine, hub and dialect over sockets that take everything at once; the store answers at
//! once. One iteration is a turn in which one member says sixteen lines and all others hear them. The
//! allocations that are printed must not grow with the number of members.

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

const NOW: Now = Now { mono: Instant(1_000), wall: Timestamp(1_767_225_600_000) };
const LINES: usize = 16;

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

/// A room of people, each on a connection of their own.
struct Bench {
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
        let hub = Hub::new(settings, Kept { next_room: 1, ..Kept::default() }, NOW);
        let settings = Settings { banner_delay: Duration::ZERO, plaintext: Plaintext::Always, tls: no_tls() };
        let engine = Engine::new(hub, settings);
        let mut bench = Bench { engine, net: Net::default(), replies: VecDeque::new(), seq: 0 };
        for member in 0..members {
            let slot = bench.engine.accepted(NOW, Ipv4Addr::LOCALHOST.into()).expect("there is room");
            let hello = format!("/nick member-{member:05}\n/join lobby\n");
            bench.net.input.push((slot, hello.into_bytes()));
            bench.settle();
        }
        bench
    }

    /// The first member says these lines.
    fn say(&mut self, lines: &[u8]) {
        self.net.input.push((0, lines.to_vec()));
        self.engine.readable(0);
        self.settle();
        black_box(self.net.written);
    }

    fn settle(&mut self) {
        loop {
            self.engine.turn(NOW, &mut self.net, &mut self.replies);
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

/// Nobody here speaks TLS.
fn no_tls() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.expect("the provider's own versions").with_no_client_auth();
    Arc::new(builder.with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new())))
}
