//! What it costs to keep messages: `cargo bench --bench store`.
//!
//! The real store on a file in a temporary directory, without its threads. A batch is one transaction:
//! the more messages wait, the less each costs. The search index follows in its own pieces, as it does in
//! the server while messages keep coming.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use tempfile::TempDir;

use sottovoce::hub::job::{KeyScope, NewEntry, NewRoom, PageRange, StoreJob};
use sottovoce::proto::id::{ConnId, Origin, RequestId, RoomId};
use sottovoce::proto::name::RoomName;
use sottovoce::proto::time::Timestamp;
use sottovoce::store::{Durability, Pace, Store, StoreOptions};

const ORIGIN: Origin = Origin { conn: ConnId { slot: 0, serial: 1 }, re: RequestId(1) };
const ROOM: RoomId = RoomId(1);
const AT: Timestamp = Timestamp(1_767_225_600_000);
/// Words that differ, so that the index has something to do.
const WORDS: [&str; 8] = ["bread", "butter", "kettle", "morning", "garden", "letter", "window", "quietly"];

fn main() {
    divan::main();
}

/// Messages that survive the end of the process.
#[divan::bench(args = [1, 32, 256])]
fn messages_in_a_batch(bencher: Bencher<'_, '_>, batch: usize) {
    append(bencher, batch, Durability::Os);
}

/// Messages that survive the loss of power: each batch waits for the disk.
#[divan::bench(args = [1, 32, 256])]
fn messages_in_a_batch_on_disk(bencher: Bencher<'_, '_>, batch: usize) {
    append(bencher, batch, Durability::Disk);
}

/// The newest fifty messages of a room with ten thousand.
#[divan::bench]
fn page_of_history(bencher: Bencher<'_, '_>) {
    let mut bench = Bench::new(Durability::Os);
    (0..40).for_each(|_| bench.append(256));
    bencher.counter(ItemsCount::new(50_usize)).bench_local(|| bench.page());
}

fn append(bencher: Bencher<'_, '_>, batch: usize, durability: Durability) {
    let mut bench = Bench::new(durability);
    bencher.counter(ItemsCount::new(batch)).bench_local(|| bench.append(batch));
}

struct Bench {
    store: Store,
    jobs: Vec<StoreJob>,
    said: usize,
    _dir: TempDir,
}

impl Bench {
    fn new(durability: Durability) -> Bench {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (store, _) = Store::open(dir.path(), StoreOptions { durability }).expect("opens");
        let name = RoomName::parse("kitchen").expect("a name");
        let create = Some(NewRoom { name, creator: None, at: AT });
        let join = StoreJob::Join { origin: ORIGIN, room: ROOM, create, member: None, history: 0 };
        let mut bench = Bench { store, jobs: vec![join], said: 0, _dir: dir };
        bench.run();
        bench
    }

    fn append(&mut self, batch: usize) {
        for _ in 0..batch {
            self.said += 1;
            let word = |n: usize| WORDS[(self.said / n) % WORDS.len()];
            let text = format!("{} {} {} number {}", word(1), word(3), word(7), self.said);
            let entry = NewEntry { at: AT, from: "alice".into(), me: false, text: text.into() };
            let scope = KeyScope::Guest(ORIGIN.conn);
            self.jobs.push(StoreJob::Append { origin: ORIGIN, room: ROOM, scope, key: None, entry });
        }
        self.run();
        self.store.upkeep(Pace::Busy);
    }

    fn page(&mut self) {
        let (origin, room, range) = (ORIGIN, ROOM, PageRange::Latest);
        self.jobs.push(StoreJob::History { origin, room, range, limit: 50 });
        self.run();
    }

    fn run(&mut self) {
        let mut replies = Vec::new();
        self.store.run_batch(&mut self.jobs, &mut replies);
        black_box(replies);
    }
}
