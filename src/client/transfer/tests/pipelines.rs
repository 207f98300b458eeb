//! Files through real threads and sockets, to a server that may do anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::client::private::row::{Change, Rows, Table};
use crate::client::transfer::ledger::ACTIVE_MAX;
use crate::client::transfer::ledger::news::What;
use crate::client::transfer::piece::PIECE_BYTES;
use crate::client::transfer::record::{self, Making, Number, Receiving, Record, Stage};
use crate::client::transfer::tests::content;
use crate::client::transfer::tests::desk::{Desk, names};
use crate::client::transfer::tests::stub::Stub;
use crate::e2e::content::FileNote;
use crate::e2e::file::FileKey;
use crate::proto::refusal::Code;

const PIECE: usize = PIECE_BYTES as usize;

/// A file to send, and an empty directory to receive into.
struct Place {
    home: TempDir,
}

impl Place {
    fn new() -> Place {
        let home = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(home.path().join("in")).expect("made");
        Place { home }
    }

    fn file(&self, name: &str, size: usize) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, content(size)).expect("written");
        path
    }

    fn inbox(&self) -> PathBuf {
        self.home.path().join("in")
    }
}

#[track_caller]
fn check_same(one: &Path, other: &Path) {
    let (one, other) = (fs::read(one).expect("there"), fs::read(other).expect("there"));
    assert!(one == other, "{} and {} bytes that differ", one.len(), other.len());
}

#[test]
fn files_of_every_size_arrive_as_they_were() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let sizes = [0, 1, 65_535, 65_536, 65_537, PIECE - 44, PIECE - 1, PIECE, PIECE + 1, 12 * PIECE + 7];
    for size in sizes {
        let file = place.file(&format!("{size}.bin"), size);
        let note = alice.sent(&file);
        assert_eq!((note.size, note.name.clone()), (size as u64, format!("{size}.bin")));
        let arrived = bob.received(&note, &place.inbox());
        assert_eq!(arrived, place.inbox().join(format!("{size}.bin")));
        check_same(&file, &arrived);
    }
    assert_eq!(names(&place.inbox()).len(), sizes.len(), "and nothing else");
    assert_eq!(stub.state().connections, 2, "one connection each, used again and again");
    drop((alice, bob));
    let plain = content(1_000);
    let state = stub.state();
    let leaks = state.blobs.values().any(|blob| blob.bytes.windows(64).any(|bytes| bytes == &plain[..64]));
    assert!(!leaks, "the server has seen what is in a file");
}

#[test]
fn connections_that_break_are_replaced() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 20 * PIECE + 11);
    let cuts = [1, 70_000, PIECE as u64, PIECE as u64 + 1, 3 * PIECE as u64 - 1, 1_000_000];
    stub.state().cuts.extend(cuts);
    let note = alice.sent(&file);
    assert_eq!(stub.state().connections, cuts.len() + 1);
    let taken = stub.state().taken;
    assert_eq!(taken, stub.blob(|blob| blob.len()) as u64, "nothing was taken twice");

    stub.state().cuts.extend(cuts);
    let arrived = bob.received(&note, &place.inbox());
    check_same(&file, &arrived);
    assert_eq!(stub.state().connections, 2 * cuts.len() + 2);
    assert_eq!(names(&place.inbox()), ["a.bin"]);
}

#[test]
fn an_idle_connection_that_has_died_costs_nothing() {
    let (stub, place) = (Stub::start(), Place::new());
    let mut alice = Desk::new(&stub);
    alice.sent(&place.file("a.bin", 10));
    stub.hang_up();
    let note = alice.sent(&place.file("b.bin", 10));
    stub.hang_up();
    alice.received(&note, &place.inbox());
    assert_eq!(stub.state().connections, 3);
    let interruptions = alice.floor.news.iter().filter(|news| matches!(news.what, What::Interrupted { .. }));
    assert_eq!(interruptions.count(), 0);
}

#[test]
fn many_at_once_share_a_few_connections() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let files: Vec<PathBuf> =
        (0..20).map(|number| place.file(&format!("{number:02}.bin"), number * 40_000)).collect();
    for file in &files {
        alice.send(file);
    }
    alice.finish();
    assert_eq!(alice.floor.notes.len(), 20);
    assert!(stub.state().open_max <= ACTIVE_MAX, "{} connections", stub.state().open_max);
    drop(alice.transfers);
    for note in std::mem::take(&mut alice.floor.notes) {
        bob.accept(&note, &place.inbox());
    }
    bob.finish();
    assert_eq!(names(&place.inbox()).len(), 20);
    for file in &files {
        check_same(file, &place.inbox().join(file.file_name().expect("a name")));
    }
}

#[test]
fn two_files_of_one_name_do_not_meet() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 2 * PIECE);
    let first = alice.sent(&file);
    fs::write(&file, "another one").expect("written");
    let second = alice.sent(&file);
    fs::write(place.inbox().join("a.bin"), "mine").expect("written");
    bob.accept(&first, &place.inbox());
    bob.accept(&second, &place.inbox());
    bob.finish();
    assert_eq!(names(&place.inbox()), ["a.bin", "a.bin (1)", "a.bin (2)"]);
    assert_eq!(fs::read(place.inbox().join("a.bin")).expect("there"), b"mine");
}

/// What is done to the blob at the server, and what the receiver says about it.
#[track_caller]
fn check_refused(what: impl FnOnce(&mut Vec<u8>), expected: &str) {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let note = alice.sent(&place.file("a.bin", 3 * PIECE));
    stub.blob(what);
    bob.accept(&note, &place.inbox());
    let news = bob.finish().to_string();
    assert!(news.contains(expected), "expected {expected:?}, found {news:?}");
    assert!(names(&place.inbox()).is_empty(), "{:?} is left", names(&place.inbox()));
    assert_eq!(bob.floor.rows.of(Table::Transfers).count(), 0);
}

#[test]
fn a_blob_that_was_tampered_with_leaves_nothing() {
    const CHUNK: usize = 65_552;
    check_refused(|blob| blob[44 + 5 * CHUNK] ^= 1, "refused, chunk 5 does not verify");
    check_refused(|blob| blob[12] ^= 1, "it was sealed with another key");
    check_refused(|blob| blob[0] ^= 1, "it does not begin as a sealed file does");
    check_refused(|blob| blob.truncate(44 + 3 * CHUNK), "it is cut off");
    check_refused(|blob| blob.truncate(44 + 3 * CHUNK + 1), "it is cut off");
    check_refused(|blob| blob.truncate(20), "it is cut off");
    check_refused(|blob| blob.push(0), "there is more of it than the sender told");
    check_refused(|blob| blob.extend_from_within(44..44 + CHUNK), "there is more of it");
    check_refused(|blob| drop(blob.drain(44..44 + CHUNK)), "chunk 0 does not verify");
    check_refused(|blob| blob.copy_within(44..44 + CHUNK, 44 + CHUNK), "chunk 1 does not verify");
}

#[test]
fn a_sender_that_lies_leaves_nothing() {
    fn check(what: impl FnOnce(&mut FileNote), expected: &str) {
        let (stub, place) = (Stub::start(), Place::new());
        let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
        let mut note = alice.sent(&place.file("a.bin", PIECE));
        what(&mut note);
        bob.accept(&note, &place.inbox());
        let news = bob.finish();
        assert!(matches!(news.what, What::Failed { .. }), "{news}");
        assert!(news.to_string().contains(expected), "expected {expected:?}, found \"{news}\"");
        assert!(names(&place.inbox()).is_empty(), "{:?} is left", names(&place.inbox()));
    }
    // A size that is padded to the same blob, and others.
    check(|note| note.size -= 1, "it is not as long as the sender told");
    check(|note| note.size += 1, "refused, ");
    check(|note| note.size = 1, "refused, ");
    check(|note| note.size *= 2, "refused, ");
    check(|note| note.size = u64::MAX, "no file can have the size that the sender told");
    check(|note| note.sha256[0] ^= 1, "its SHA-256 is not the one that the sender told");
    check(|note| note.key = FileKey::from_bytes(&[9; 32]), "it was sealed with another key");
    check(|note| note.blob = [9; 16], "the server does not have it any more");
}

#[test]
fn a_server_without_space_is_asked_again() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 5 * PIECE);
    stub.state().put_refusals.extend([Code::StorageUnavailable; 5]);
    let note = alice.sent(&file);
    let told: Vec<String> = alice.floor.news.iter().map(ToString::to_string).collect();
    assert!(told[0].contains("will go on (storage-unavailable: because)"), "{told:?}");
    check_same(&file, &bob.received(&note, &place.inbox()));
}

#[test]
fn who_may_not_log_in_is_told_and_nothing_is_tried_again() {
    let (stub, place) = (Stub::start(), Place::new());
    let mut alice = Desk::new(&stub);
    stub.state().login_refusal = Some(Code::FilesDisabled);
    alice.send(&place.file("a.bin", 10));
    let news = alice.finish();
    assert!(news.to_string().ends_with("files-disabled: because"), "{news}");
    assert_eq!(stub.state().connections, 1);
    assert!(stub.state().blobs.is_empty(), "the upload that was reserved is given back");
}

/// The chat's own connection has just logged in anew, and nobody here knows the new token yet.
#[test]
fn a_token_that_is_refused_does_not_end_a_transfer() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 10);
    let note = alice.sent(&file);
    stub.state().login_refusal = Some(Code::LoginFailed);
    let before = stub.state().connections;
    bob.accept(&note, &place.inbox());
    bob.until(|_| stub.state().connections >= before + 2);
    stub.state().login_refusal = None;
    let news = bob.finish();
    assert!(matches!(news.what, What::Received { .. }), "{news}");
    check_same(&file, &place.inbox().join("a.bin"));
}

#[test]
fn another_session_sends_only_what_is_missing() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 24 * PIECE);
    // Ends after ten pieces, and no other connection gets anywhere.
    stub.state().cuts.push_back(10 * PIECE_BYTES);
    stub.state().cuts.extend([0; 100]);
    alice.send(&file);
    alice.until(|_| stub.state().taken >= 10 * PIECE_BYTES);
    let alice = alice.restart();
    stub.state().cuts.clear();
    let mut alice = alice;
    let news = alice.finish();
    assert!(matches!(news.what, What::Sent { .. }), "{news}");
    let blob = stub.blob(|blob| blob.len()) as u64;
    assert_eq!(stub.state().taken, blob, "nothing was taken twice");

    let note = alice.floor.notes.pop().expect("a message");
    stub.state().cuts.push_back(44);
    stub.state().cuts.push_back(15 * PIECE_BYTES);
    stub.state().cuts.extend([0; 100]);
    bob.accept(&note, &place.inbox());
    let part = place.inbox().join("a.bin.part");
    bob.until(|_| length(&part) >= 8 * PIECE_BYTES);
    let mut bob = bob.restart();
    let (there, given) = (length(&part), stub.state().given);
    stub.state().cuts.clear();
    bob.finish();
    check_same(&file, &place.inbox().join("a.bin"));
    assert_eq!(names(&place.inbox()), ["a.bin"]);
    let given = stub.state().given - given;
    assert!(given < blob - there + PIECE_BYTES, "{given} bytes, of {blob} there were {there}");
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[test]
fn a_server_that_has_lost_the_end_gets_it_again() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 24 * PIECE);
    stub.state().cuts.push_back(20 * PIECE_BYTES);
    // Nobody gets any further before the end is lost.
    stub.state().cuts.extend([0; 100]);
    alice.send(&file);
    alice.until(|_| stub.state().taken >= 20 * PIECE_BYTES);
    stub.blob(|blob| blob.truncate(7 * PIECE));
    stub.state().cuts.clear();
    let news = alice.finish();
    assert!(matches!(news.what, What::Sent { .. }), "{news}");
    let note = alice.floor.notes.pop().expect("a message");
    check_same(&file, &bob.received(&note, &place.inbox()));
}

#[test]
fn a_file_that_changes_between_sessions_is_sent_anew() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 20 * PIECE);
    stub.state().cuts.push_back(10 * PIECE_BYTES);
    stub.state().cuts.extend([0; 100]);
    alice.send(&file);
    alice.until(|_| stub.state().taken >= 10 * PIECE_BYTES);
    let old = *stub.state().blobs.keys().next().expect("a blob");
    let mut alice = alice.restart();
    stub.state().cuts.clear();
    let mut changed = content(20 * PIECE);
    changed[5] ^= 1;
    fs::write(&file, changed).expect("written");
    let news = alice.finish();
    assert!(matches!(news.what, What::Sent { .. }), "{news}");
    assert!(matches!(alice.floor.news[0].what, What::Anew), "{:?}", alice.floor.news);
    assert!(!stub.state().blobs.contains_key(&old), "the old blob is gone");
    let note = alice.floor.notes.pop().expect("a message");
    check_same(&file, &bob.received(&note, &place.inbox()));
}

/// The size, the time and the inode are what they were: only the tags tell.
#[test]
fn a_file_that_changes_without_a_trace_is_noticed() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 20 * PIECE);
    stub.state().cuts.push_back(10 * PIECE_BYTES);
    stub.state().cuts.extend([0; 100]);
    alice.send(&file);
    alice.until(|_| stub.state().taken >= 10 * PIECE_BYTES);
    let mut alice = alice.restart();
    stub.state().cuts.clear();
    let modified = fs::metadata(&file).and_then(|metadata| metadata.modified()).expect("a time");
    let mut changed = content(20 * PIECE);
    changed[5] ^= 1;
    fs::write(&file, changed).expect("written");
    fs::File::options().write(true).open(&file).and_then(|file| file.set_modified(modified)).expect("set");
    let news = alice.finish();
    assert!(matches!(news.what, What::Sent { .. }), "{news}");
    assert!(matches!(alice.floor.news[0].what, What::Anew), "{:?}", alice.floor.news);
    let note = alice.floor.notes.pop().expect("a message");
    check_same(&file, &bob.received(&note, &place.inbox()));
}

#[test]
fn a_half_that_was_damaged_is_fetched_once_more() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 20 * PIECE);
    let note = alice.sent(&file);
    stub.state().cuts.push_back(44);
    stub.state().cuts.push_back(15 * PIECE_BYTES);
    stub.state().cuts.extend([0; 100]);
    bob.accept(&note, &place.inbox());
    let part = place.inbox().join("a.bin.part");
    bob.until(|_| length(&part) > 5 * PIECE_BYTES);
    let mut bob = bob.restart();
    stub.state().cuts.clear();
    let mut half = fs::read(&part).expect("there");
    half[100] ^= 1;
    fs::write(&part, half).expect("written");
    bob.finish();
    check_same(&file, &place.inbox().join("a.bin"));
    assert_eq!(names(&place.inbox()), ["a.bin"]);
}

#[test]
fn a_crash_around_the_last_step_leaves_one_file() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", PIECE);
    let note = alice.sent(&file);
    // Whole and kept as whole, but without its name.
    bob.accept(&note, &place.inbox());
    bob.until(|desk| {
        let record = format!("{:?}", desk.transfers.ledger().entries().next().map(|entry| entry.record()));
        !record.contains("Receiving") || is_whole(desk)
    });
    let mut bob = bob.restart();
    bob.finish();
    assert_eq!(names(&place.inbox()), ["a.bin"]);
    check_same(&file, &place.inbox().join("a.bin"));
}

/// Rows as they are when a program is killed that was just about to make the halves of these files.
fn killed_before_making<'a>(bob: Desk<'a>, notes: &[&FileNote], into: &Path) -> (Desk<'a>, Vec<PathBuf>) {
    let mut bob = bob;
    let kept = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&kept);
    bob.floor.before_keeping = Some(Box::new(move |value| {
        let mut rows = Rows::default();
        let row = |value| Change { table: Table::Transfers, key: vec![0; 8], value: Some(value) };
        rows.apply(vec![row(Zeroizing::new(value.to_vec()))]);
        let record = record::load(&rows).0.into_values().next().map(|kept| kept.record);
        if let Some(Record::Receiving(receiving)) = record
            && let Stage::Accepted { part: None, making: Some(_), .. } = &receiving.stage
        {
            seen.lock().unwrap().push(receiving);
        }
    }));
    let numbers: Vec<Number> = notes.iter().map(|note| bob.accept(note, into)).collect();
    bob.until(|_| kept.lock().unwrap().len() >= notes.len());
    bob.floor.before_keeping = None;
    for number in &numbers {
        let now = bob.now();
        bob.transfers.cancel(now, *number).expect("there");
    }
    bob.until(|_| names(into).is_empty());
    let kept = std::mem::take(&mut *kept.lock().unwrap());
    let mut places = Vec::new();
    for receiving in kept {
        let at = notes.iter().position(|note| note.blob == receiving.note.blob).expect("one of them");
        if let Stage::Accepted { making: Some(Making(place)), .. } = &receiving.stage {
            places.push(place.clone());
        }
        bob.floor.rows.apply(vec![Record::Receiving(receiving).change(numbers[at])]);
    }
    (bob.restart(), places)
}

#[test]
fn an_empty_half_of_somebody_else_is_left_alone_after_a_crash() {
    let (stub, place) = (Stub::start(), Place::new());
    let mut alice = Desk::new(&stub);
    let file = place.file("a.bin", PIECE);
    let note = alice.sent(&file);
    let (mut bob, _) = killed_before_making(Desk::new(&stub), &[&note], &place.inbox());
    let theirs = place.inbox().join("a.bin.part");
    fs::write(&theirs, "").expect("made");
    bob.finish();
    assert_eq!(names(&place.inbox()), ["a.bin", "a.bin.part"]);
    assert_eq!(length(&theirs), 0);
    check_same(&file, &place.inbox().join("a.bin"));
}

#[test]
fn two_files_of_one_name_do_not_meet_after_a_crash() {
    let (stub, place) = (Stub::start(), Place::new());
    let mut alice = Desk::new(&stub);
    let file = place.file("a.bin", 5 * PIECE);
    let first = alice.sent(&file);
    fs::write(&file, content(5 * PIECE + 1)).expect("written");
    let second = alice.sent(&file);
    let (mut bob, places) = killed_before_making(Desk::new(&stub), &[&first, &second], &place.inbox());
    // One of them, or both, were made all the same.
    places.iter().for_each(|path| fs::write(path, "").expect("made"));
    bob.finish();
    assert_eq!(names(&place.inbox()), ["a.bin", "a.bin (1)"]);
    let mut lengths = ["a.bin", "a.bin (1)"].map(|name| length(&place.inbox().join(name)));
    lengths.sort();
    assert_eq!(lengths, [5 * PIECE_BYTES, 5 * PIECE_BYTES + 1]);
}

#[test]
fn what_was_made_just_before_a_crash_is_used_or_goes() {
    let (stub, place) = (Stub::start(), Place::new());
    let mut alice = Desk::new(&stub);
    let file = place.file("a.bin", PIECE);
    let note = alice.sent(&file);
    for cancelled in [true, false] {
        let (mut bob, made) = killed_before_making(Desk::new(&stub), &[&note], &place.inbox());
        fs::write(&made[0], "").expect("made");
        if cancelled {
            let number = bob.transfers.ledger().entries().next().expect("there").number();
            let now = bob.now();
            bob.transfers.cancel(now, number).expect("there");
            bob.until(|_| names(&place.inbox()).is_empty());
        } else {
            bob.finish();
            assert_eq!(names(&place.inbox()), ["a.bin"]);
            check_same(&file, &place.inbox().join("a.bin"));
        }
    }
}

#[test]
fn a_half_that_was_just_made_goes_when_it_is_called_off() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 20 * PIECE);
    let note = alice.sent(&file);
    let number = bob.accept(&note, &place.inbox());
    bob.until(|desk| {
        desk.transfers.ledger().entries().any(|entry| match entry.record() {
            Record::Receiving(Receiving { stage: Stage::Accepted { part, making, .. }, .. }) => {
                part.is_some() || making.is_some()
            }
            _ => false,
        })
    });
    // The worker makes it, and perhaps nobody has heard of that yet.
    while names(&place.inbox()).is_empty() {
        thread::yield_now();
    }
    let now = bob.now();
    bob.transfers.cancel(now, number).expect("there");
    bob.until(|_| names(&place.inbox()).is_empty());
}

#[test]
fn a_half_that_somebody_takes_away_is_no_file_that_was_received() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", PIECE);
    let note = alice.sent(&file);
    let half = place.inbox().join("a.bin.part");
    bob.floor.before_keeping = Some(Box::new(move |value| {
        if value.windows(7).any(|part| part == b"\"whole\"") {
            fs::remove_file(&half).expect("removed");
        }
    }));
    bob.accept(&note, &place.inbox());
    let news = bob.finish();
    assert!(matches!(news.what, What::Failed { .. }), "{news}");
    assert!(news.to_string().contains("a.bin.part: somebody has taken it away"), "{news}");
    // It is an offer again.
    bob.floor.before_keeping = None;
    check_same(&file, &bob.received(&note, &place.inbox()));
}

fn is_whole(desk: &Desk<'_>) -> bool {
    desk.transfers.ledger().entries().any(|entry| match entry.record() {
        Record::Receiving(receiving) => matches!(receiving.stage, Stage::Whole { .. }),
        Record::Sending(_) => false,
    })
}

#[test]
fn cancelling_ends_the_work_and_takes_away_what_there_is() {
    let (stub, place) = (Stub::start(), Place::new());
    let (mut alice, mut bob) = (Desk::new(&stub), Desk::new(&stub));
    let file = place.file("a.bin", 24 * PIECE);
    stub.state().cuts.push_back(10 * PIECE_BYTES);
    stub.state().cuts.extend([0; 1000]);
    let number = alice.send(&file);
    alice.until(|_| stub.state().taken >= 10 * PIECE_BYTES);
    alice.transfers.cancel(alice.now(), number).expect("there");
    let news = alice.finish();
    assert!(matches!(news.what, What::Cancelled), "{news}");
    assert!(stub.state().blobs.is_empty());

    stub.state().cuts.clear();
    let note = alice.sent(&file);
    stub.state().cuts.push_back(44);
    stub.state().cuts.push_back(15 * PIECE_BYTES);
    stub.state().cuts.extend([0; 1000]);
    let number = bob.accept(&note, &place.inbox());
    bob.until(|_| stub.state().given >= 15 * PIECE_BYTES);
    bob.transfers.cancel(bob.now(), number).expect("there");
    bob.finish();
    assert!(names(&place.inbox()).is_empty(), "{:?}", names(&place.inbox()));
    stub.state().cuts.clear();
    check_same(&file, &bob.received(&note, &place.inbox()));
}

#[test]
fn without_a_store_nothing_is_sent() {
    let (stub, place) = (Stub::start(), Place::new());
    let mut alice = Desk::new(&stub);
    alice.send(&place.file("a.bin", 10));
    alice.floor.full = true;
    alice.until(|desk| !desk.floor.complaints.is_empty());
    assert!(alice.floor.complaints[0].ends_with("the disk is full"));
    let state = stub.state();
    assert_eq!((state.connections, state.blobs.len()), (0, 0));
}
