//! kill -9 of the sender, the receiver and the server, at bytes that a seed chooses: whatever happens,
//! the file arrives as it was, and half a file never has its name.

use std::path::Path;

use crate::client::pipe;
use crate::harness::process::Process;
use crate::proxy::Proxy;
use crate::scene::{Scene, check_same, content, end_of};

const SIZE: usize = 3_000_000;
const ROUNDS: u64 = 3;

/// Below `bytes`, from a seed.
fn somewhere(seed: u64, bytes: u64) -> u64 {
    u64::from_le_bytes(content(seed, 8).try_into().expect("eight bytes")) % bytes
}

#[test]
fn a_sender_that_is_killed_goes_on_where_it_was() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let file = scene.file("a.bin", &content(3, SIZE));
    for round in 0..ROUNDS {
        proxy.hold_after(20_000 + somewhere(round, SIZE as u64 / 4));
        let mut sender = Process::start(&mut scene.send("alice", "bob", &[&file]));
        proxy.until_held();
        sender.kill();
        proxy.release();
    }
    scene.sent("alice", "bob", &[&file]);
    assert_eq!(scene.blobs().len(), 1, "one blob, however often it was begun: {:?}", scene.blobs());
    scene.received("bob", "alice", 1);
    check_same(&file, &scene.inbox("bob").join("a.bin"));
    assert_eq!(scene.names("bob"), ["a.bin"]);
}

#[test]
fn a_receiver_that_is_killed_goes_on_where_it_was() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let file = scene.file("a.bin", &content(4, SIZE));
    scene.sent("alice", "bob", &[&file]);
    for round in 0..ROUNDS {
        proxy.hold_after(20_000 + somewhere(round, SIZE as u64 / 4));
        let mut receiver = Process::start(&mut scene.receive("bob", "alice"));
        proxy.until_held();
        receiver.kill();
        proxy.release();
        let names = scene.names("bob");
        assert!(names.is_empty() || names == ["a.bin.part"], "half a file is called {names:?}");
    }
    scene.received("bob", "alice", 1);
    check_same(&file, &scene.inbox("bob").join("a.bin"));
    assert_eq!(scene.names("bob"), ["a.bin"]);
}

/// The server dies while somebody is at work, and comes back.
fn kill_server(scene: &mut Scene, proxy: &Proxy, seed: u64) {
    proxy.hold_after(20_000 + somewhere(seed, SIZE as u64 / 4));
    proxy.until_held();
    scene.server.process.kill();
    proxy.release();
    scene.server_comes_back();
}

#[test]
fn a_server_that_is_killed_is_found_again_by_both() {
    let (mut scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let file = scene.file("a.bin", &content(5, SIZE));
    let mut sender = Process::start(&mut scene.send("alice", "bob", &[&file]));
    for round in 0..ROUNDS - 1 {
        kill_server(&mut scene, &proxy, round);
    }
    let told = end_of(&mut sender);
    assert_eq!(told.status, Some(0), "{told:?}");
    let mut receiver = Process::start(scene.receive("bob", "alice").arg("--once"));
    // Once: what it had sent is on its way, and may be all of it.
    kill_server(&mut scene, &proxy, ROUNDS);
    let told = end_of(&mut receiver);
    assert_eq!(told.status, Some(0), "{told:?}");
    check_same(&file, &scene.inbox("bob").join("a.bin"));
    assert_eq!(scene.names("bob"), ["a.bin"]);
}

#[test]
fn a_file_that_changed_since_is_sent_anew() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let file = scene.file("a.bin", &content(6, SIZE));
    proxy.hold_after(1_500_000);
    let mut sender = Process::start(&mut scene.send("alice", "bob", &[&file]));
    proxy.until_held();
    sender.kill();
    proxy.release();
    // Another content of the same length, in the same place.
    scene.file("a.bin", &content(7, SIZE));
    scene.sent("alice", "bob", &[&file]);
    assert_eq!(scene.kept("alice"), 1, "neither the old one nor another that was begun takes up room");
    scene.received("bob", "alice", 1);
    check_same(&file, &scene.inbox("bob").join("a.bin"));
}

#[test]
fn what_only_receives_does_not_send() {
    let (scene, proxy) = Scene::with_proxy(&["alice", "bob"]);
    let file = scene.file("a.bin", &content(8, SIZE));
    proxy.hold_after(1_500_000);
    let mut sender = Process::start(&mut scene.send("alice", "bob", &[&file]));
    proxy.until_held();
    sender.kill();
    proxy.release();
    let note = scene.file("note.txt", b"from bob");
    scene.sent("bob", "alice", &[&note]);
    scene.received("alice", "bob", 1);
    let half = |path: &Path| path.extension().is_some_and(|extension| extension == "part");
    assert!(scene.blobs().iter().any(|path| half(path)), "{:?}", scene.blobs());
    // An interactive session goes on with it by itself.
    let told = pipe(scene.sotto("alice").arg("--plain"), "");
    assert_eq!(told.status, Some(0), "{told:?}");
    assert!(told.out.contains("sent a.bin to bob: 2.86 MiB"), "{told:?}");
}
