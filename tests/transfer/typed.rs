//! Files in an interactive session: commands and what they say.

use crate::client::Talker;
use crate::harness::process::Process;
use crate::scene::{PATIENCE, Scene, check_same, content};

fn talker(scene: &Scene, name: &str) -> Talker {
    let mut command = scene.sotto(name);
    command.current_dir(scene.inbox(name));
    let mut talker = Talker::start(&mut command);
    talker.shows(&format!("*** {{logged in}} {{{name}}}"));
    talker
}

#[test]
fn a_file_is_offered_accepted_and_fetched() {
    let scene = Scene::new(&["alice", "bob"]);
    let file = scene.file("report.pdf", &content(1, 100_000));
    let (mut alice, mut bob) = (talker(&scene, "alice"), talker(&scene, "bob"));
    alice.types(&format!("/send bob {}\n", file.display()));
    alice.until("*** sending report.pdf to bob; /cancel 1 ends it");
    alice.until("*** sent report.pdf to bob: 97.7 KiB in …, sealed sha256 …");
    bob.until("[HH:MM] <alice -> you> file: report.pdf …");
    bob.until("*** alice (not verified) offers report.pdf, 97.7 KiB: /accept 1 or /decline 1");
    assert_eq!(scene.names("bob"), [""; 0], "nothing is fetched unasked");
    bob.types("/files\n");
    bob.until("*** 1: report.pdf from alice, 97.7 KiB: offered: /accept 1 or /decline 1");
    bob.types("/accept\n");
    bob.until("*** fetching report.pdf into this directory; /cancel 1 ends it");
    bob.until("*** received …report.pdf from alice: 97.7 KiB in …, sealed sha256 …");
    check_same(&file, &scene.inbox("bob").join("report.pdf"));
    bob.types("/files\n");
    bob.until("*** no files are offered or on their way");
    bob.types("/accept 1\n");
    bob.until("!!! no-such-file: …");
    assert_eq!(alice.ends().status, Some(0));
    assert_eq!(bob.ends().status, Some(0));
}

#[test]
fn what_is_declined_by_all_is_removed() {
    let scene = Scene::new(&["alice", "bob"]);
    let file = scene.file("a.txt", b"unwanted");
    let mut bob = talker(&scene, "bob");
    scene.sent("alice", "bob", &[&file]);
    bob.until("*** alice (not verified) offers a.txt, 8 bytes: /accept 1 or /decline 1");
    assert_eq!(scene.blobs().len(), 1);
    bob.types("/decline\n");
    bob.until("*** a.txt from alice: declined");
    assert_eq!(bob.ends().status, Some(0));
    scene.until_nothing_is_kept();
}

#[test]
fn what_came_while_nobody_could_read_it_is_shown_by_the_next() {
    let scene = Scene::new(&["alice", "bob"]);
    assert_eq!(talker(&scene, "bob").ends().status, Some(0));
    let mut receiver = Process::start(&mut scene.receive("bob", "alice"));
    let mut alice = talker(&scene, "alice");
    alice.types("/msg bob one\n/msg bob two\n");
    alice.until("[HH:MM] <you -> bob> two");
    // Behind them, so they are kept when this is there.
    alice.types(&format!("/send bob {}\n", scene.file("a.txt", b"a").display()));
    receiver.line_within(PATIENCE).expect("received");
    receiver.kill();
    let mut bob = talker(&scene, "bob");
    bob.shows("[HH:MM] <alice -> you> one");
    bob.shows("[HH:MM] <alice -> you> two");
    bob.shows("[HH:MM] <alice -> you> file: a.txt …");
    alice.types("/msg bob three\n");
    bob.until("[HH:MM] <alice -> you> three");
    bob.types("/list\n");
    bob.until("*** end of list: …");
    bob.process.kill();
    // What was shown is not shown again.
    let mut bob = talker(&scene, "bob");
    alice.types("/msg bob four\n");
    let (_, before) = bob.until("[HH:MM] <alice -> you> four");
    assert!(!before.iter().any(|line| line.contains("<alice")), "{before:#?}");
    alice.ends();
}

#[test]
fn in_a_room_everybody_with_keys_gets_it_and_it_is_uploaded_once() {
    let scene = Scene::new(&["alice", "bob", "carol"]);
    let file = scene.file("menu.txt", b"bread");
    let mut talkers = ["alice", "bob", "carol"].map(|name| talker(&scene, name));
    for talker in &mut talkers {
        talker.types("/join kitchen\n");
        talker.until("*** you are in #kitchen");
    }
    let mut guest = Talker::start(crate::client::sotto(scene.home(), scene.address, "eve").args([
        "--guest",
        "--join",
        "kitchen",
        "--accept-new",
    ]));
    guest.until("*** you are in #kitchen");
    let [mut alice, bob, carol] = talkers;
    alice.until("*** eve has joined #kitchen");
    alice.types(&format!("/send {}\n", file.display()));
    alice.until("*** sent menu.txt to #kitchen (2 people): 5 bytes in …");
    assert_eq!(scene.blobs().len(), 1);
    for (name, mut talker) in [("bob", bob), ("carol", carol)] {
        talker.until("*** alice (not verified) offers menu.txt, 5 bytes: /accept 1 or /decline 1");
        talker.types("/accept 1\n");
        talker.until("*** received …menu.txt from alice: …");
        check_same(&file, &scene.inbox(name).join("menu.txt"));
        talker.ends();
    }
    // Everybody has it.
    scene.until_nothing_is_kept();
    alice.ends();
}

#[test]
fn a_transfer_is_cancelled_and_an_offer_is_an_offer_again() {
    let scene = Scene::new(&["alice", "bob"]);
    let file = scene.file("a.bin", &content(1, 30_000_000));
    let mut alice = talker(&scene, "alice");
    alice.types(&format!("/send bob {}\n/cancel 1\n", file.display()));
    alice.until("*** sending a.bin to bob; /cancel 1 ends it");
    alice.until("*** a.bin to bob: cancelled");
    alice.types("/files\n");
    alice.until("*** no files are offered or on their way");
    alice.types("/cancel 1\n");
    alice.until("!!! no-such-file: …");
    alice.types("/send nobody-here.txt\n");
    alice.until("!!! missing-argument: usage: /send [USER] FILE");
    alice.types("/send bob /no/such/file\n");
    alice.until("!!! /no/such/file: …");
    assert_eq!(alice.ends().status, Some(0));
    assert!(scene.blobs().is_empty(), "{:?}", scene.blobs());
}
