//! What is refused, and how it is named: by the server, by the client, and when somebody tampered with
//! what the server keeps.

use std::fs;

use crate::client::{pipe, sotto};
use crate::scene::{Scene, content, to_its_end};

#[test]
fn a_limit_is_told_before_anything_is_sent() {
    let scene = Scene::with(&["files.file_bytes = 100000"], &["alice", "bob"]);
    let file = scene.file("large.bin", &content(1, 200_000));
    let told = to_its_end(&mut scene.send("alice", "bob", &[&file]));
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains("large.bin to bob: file-too-large: "), "{told:?}");
    assert!(scene.blobs().is_empty(), "{:?}", scene.blobs());
}

#[test]
fn who_cannot_read_it_gets_no_file() {
    let scene = Scene::new(&["alice"]);
    scene.home().add_user("carol");
    let file = scene.file("a.bin", b"a");
    for (to, code) in [("carol", "not-encrypted: "), ("nobody", "no-such-user: ")] {
        let told = to_its_end(&mut scene.send("alice", to, &[&file]));
        assert_eq!(told.status, Some(1), "{told:?}");
        assert!(told.err.contains(&format!("a.bin to {to}: {code}")), "{told:?}");
    }
    let mut guest = sotto(scene.home(), scene.address, "eve");
    let told = pipe(guest.args(["--accept-new", "--guest", "send", "alice"]).arg(&file), "");
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains("not-registered: "), "{told:?}");
    assert!(scene.blobs().is_empty(), "{:?}", scene.blobs());
}

#[test]
fn one_file_that_is_not_there_does_not_hinder_the_others() {
    let scene = Scene::new(&["alice", "bob"]);
    let there = scene.file("there.txt", b"there");
    let missing = scene.home().path("missing.txt");
    let told = to_its_end(&mut scene.send("alice", "bob", &[&missing, &there, &scene.home().path("out")]));
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains("missing.txt: "), "{told:?}");
    assert!(told.err.contains("out: this is not a file"), "{told:?}");
    assert!(told.err.ends_with("2 of 3 files were not sent\n"), "{told:?}");
    assert!(told.out.starts_with("sent there.txt to bob: 5 bytes"), "{told:?}");
}

/// What is done to the blob that the server keeps, and what the receiver says about it.
#[track_caller]
fn check_tampered(change: impl FnOnce(&mut Vec<u8>), expected: &str) {
    let scene = Scene::new(&["alice", "bob"]);
    let file = scene.file("a.bin", &content(1, 300_000));
    scene.sent("alice", "bob", &[&file]);
    let [blob] = &scene.blobs()[..] else { panic!("one blob: {:?}", scene.blobs()) };
    let mut bytes = fs::read(blob).expect("there");
    change(&mut bytes);
    fs::write(blob, bytes).expect("written");
    let told = scene.receive_once("bob", "alice");
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains(expected), "expected {expected:?}, found {told:?}");
    assert_eq!(scene.names("bob"), [""; 0], "nothing is left");
    // It is over, and not tried again.
    let told = pipe(scene.sotto("bob").arg("--plain"), "/files\n");
    assert!(told.out.contains("*** no files are offered or on their way"), "{told:?}");
}

#[test]
fn a_blob_with_a_flipped_bit_is_refused() {
    check_tampered(|blob| blob[200_000] ^= 8, "a.bin from alice: refused, chunk 3 does not verify");
}

#[test]
fn a_blob_with_swapped_chunks_is_refused() {
    let swap = |blob: &mut Vec<u8>| {
        let (first, second) = blob.split_at_mut(CHUNK_0 + CHUNK);
        first[CHUNK_0..].swap_with_slice(&mut second[..CHUNK]);
    };
    check_tampered(swap, "refused, chunk 0 does not verify");
}

#[test]
fn a_blob_with_a_repeated_chunk_is_refused() {
    let repeat = |blob: &mut Vec<u8>| blob.copy_within(CHUNK_0..CHUNK_0 + CHUNK, CHUNK_0 + CHUNK);
    check_tampered(repeat, "refused, chunk 1 does not verify");
}

#[test]
fn a_blob_with_a_missing_chunk_is_refused() {
    // Those behind it move up; at the end there is something of the right length.
    let leave_out = |blob: &mut Vec<u8>| {
        blob.copy_within(CHUNK_0 + 2 * CHUNK.., CHUNK_0 + CHUNK);
    };
    check_tampered(leave_out, "refused, chunk 1 does not verify");
}

#[test]
fn a_blob_whose_last_chunk_stands_for_another_is_refused() {
    let swap = |blob: &mut Vec<u8>| {
        let last = blob.len() - CHUNK;
        blob.copy_within(last.., CHUNK_0);
    };
    check_tampered(swap, "refused, chunk 0 does not verify");
}

#[test]
fn a_blob_that_begins_otherwise_is_refused() {
    check_tampered(|blob| blob[40] ^= 1, "refused, it was sealed with another key than the sender told");
    check_tampered(|blob| blob[1] ^= 1, "refused, it does not begin as a sealed file does");
}

#[test]
fn a_blob_that_was_cut_is_nobody_s_file() {
    // The server knows how long it was, and that this is not it.
    let gone = "a.bin from alice: the server does not have it any more";
    check_tampered(|blob| blob.truncate(CHUNK_0 + 2 * CHUNK), gone);
    check_tampered(|blob| blob.truncate(CHUNK_0 + 2 * CHUNK + 1000), gone);
    check_tampered(Vec::clear, gone);
}

#[test]
fn a_blob_that_is_another_files_is_refused() {
    let scene = Scene::new(&["alice", "bob"]);
    let file = scene.file("a.bin", &content(1, 300_000));
    scene.sent("alice", "bob", &[&file]);
    let before = scene.blobs();
    let other = scene.file("b.bin", &content(2, 300_000));
    scene.sent("alice", "bob", &[&other]);
    let new = scene.blobs().into_iter().find(|blob| !before.contains(blob)).expect("a second blob");
    fs::copy(&before[0], &new).expect("written over");
    let told = scene.receive_once("bob", "alice");
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains("b.bin from alice: refused, it was sealed with another key"), "{told:?}");
    assert_eq!(scene.names("bob"), ["a.bin"]);
}

#[test]
fn whoever_is_not_named_is_not_fetched_from() {
    let scene = Scene::new(&["alice", "bob", "carol"]);
    let from_carol = scene.file("carol.txt", b"carol's");
    let from_alice = scene.file("alice.txt", b"alice's");
    scene.sent("carol", "bob", &[&from_carol]);
    scene.sent("alice", "bob", &[&from_alice]);
    let told = scene.receive_once("bob", "alice");
    assert_eq!(told.status, Some(0), "{told:?}");
    assert_eq!(scene.names("bob"), ["alice.txt"]);
    assert!(told.err.contains("carol (not verified) offers carol.txt, 7 bytes; not fetched: "), "{told:?}");
    // The offer is still there.
    scene.received("bob", "carol", 1);
    assert_eq!(scene.names("bob"), ["alice.txt", "carol.txt"]);
}

/// Where the first chunk stands in a blob, and how long each of them is, with its tag.
const CHUNK_0: usize = 44;
const CHUNK: usize = 65_552;
