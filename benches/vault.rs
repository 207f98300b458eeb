//! What keeping costs: `cargo bench --bench vault`.
//!
//! The bound to keep: storing what sending a message changes (its session, the finished envelope, the
//! line in the history) below 5 ms. The disk has the greatest part in that: beside it stands a file to
//! which as many bytes are added and synced.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use divan::Bencher;
use tempfile::TempDir;
use zeroize::Zeroizing;

use sottovoce::client::private::row::{Change, Table};
use sottovoce::client::vault::{Options, Vault, Words, history_key};
use sottovoce::e2e::address::Uid;
use sottovoce::e2e::keystore::Cost;

/// A session in good order, a message of 1 KiB to two devices and its line.
const SESSION: usize = 1_024;
const ENVELOPES: usize = 4_096;
const LINE: usize = 1_200;

fn main() {
    divan::main();
}

/// On the disk of the build, because `/tmp` may be no disk.
fn place() -> TempDir {
    tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a directory")
}

fn vault(place: &TempDir) -> Vault {
    let cheap = Options { cost: Cost { memory_kib: 8, passes: 1, lanes: 1 }, ..Options::default() };
    Vault::create_with(&place.path().join("vault"), Some("pass"), cheap).expect("a vault")
}

fn put(table: Table, key: &[u8], bytes: usize) -> Change {
    let text = "some words of a message, and again ";
    let value = text.bytes().cycle().take(bytes).collect();
    Change { table, key: key.to_vec(), value: Some(Zeroizing::new(value)) }
}

#[divan::bench(sample_count = 1000, sample_size = 1)]
fn commit_of_a_send(bencher: Bencher) {
    let place = place();
    let mut vault = vault(&place);
    let mut counter = 0_u64;
    bencher.bench_local(|| {
        counter += 1;
        let changes = [
            put(Table::Sessions, &history_key(Uid(7), 1), SESSION),
            put(Table::Outbox, &counter.to_be_bytes(), ENVELOPES),
            put(Table::History, &history_key(Uid(7), counter), LINE),
        ];
        vault.commit(&changes).expect("committed");
    });
}

#[divan::bench(sample_count = 1000, sample_size = 1)]
fn bare_sync_of_as_many_bytes(bencher: Bencher) {
    let place = place();
    let mut file = File::create(place.path().join("bare")).expect("a file");
    let bytes = vec![b'x'; SESSION + ENVELOPES + LINE];
    bencher.bench_local(|| {
        file.write_all(&bytes).expect("written");
        file.sync_data().expect("synced");
    });
}

/// A hundred thousand messages of a hundred letters, none of which has the word.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn search_a_hundred_thousand_messages(bencher: Bencher) {
    let place = place();
    let mut vault = vault(&place);
    for start in (0..100_000).step_by(1_000) {
        let page: Vec<_> = (start..start + 1_000)
            .map(|counter| put(Table::History, &history_key(Uid(counter % 20), counter), 100))
            .collect();
        vault.commit(&page).expect("committed");
    }
    let words = Words::new("nowhere");
    bencher.bench_local(|| {
        let wanted = |value: &[u8]| words.are_in(&String::from_utf8_lossy(value));
        assert!(vault.search(None, None, 100, wanted).expect("searched").is_empty());
    });
}
