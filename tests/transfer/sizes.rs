//! Files of every size arrive as they were, whoever was there first.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::pattern::matches;
use crate::harness::process::Process;
use crate::scene::{PATIENCE, Scene, check_same, content, end_of};

const CHUNK: usize = 65_536;
const PIECE: usize = 262_144;

#[test]
fn files_of_every_size_arrive_as_they_were_at_somebody_who_was_away() {
    let scene = Scene::new(&["alice", "bob"]);
    // Around chunks, around pieces of the blob (44 bytes of header, 16 for each chunk), and with padding.
    let sizes = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, PIECE - 44, PIECE - 108, PIECE - 107, PIECE, PIECE + 1];
    let files: Vec<PathBuf> =
        sizes.iter().map(|&size| scene.file(&format!("{size}.bin"), &content(1, size))).collect();
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let sent = scene.sent("alice", "bob", &paths);
    let (receiver, received) = scene.receiving("bob", "alice", sizes.len());
    for (size, file) in sizes.iter().zip(&files) {
        let name = format!("{size}.bin");
        check_same(file, &scene.inbox("bob").join(&name));
        // Both sides tell the same digest.
        let digest = |lines: &[String]| {
            let is_it = |line: &&String| {
                let path = line.split(' ').nth(1).map(Path::new);
                path.and_then(Path::file_name).is_some_and(|found| *found == *name)
            };
            let line = lines.iter().find(is_it).expect("a line about it");
            line.rsplit_once(" sha256 ").expect("a digest").1.to_owned()
        };
        assert_eq!(digest(&sent), digest(&received), "{name}");
    }
    assert!(matches("sent … to bob: … in … s, …/s, sealed sha256 …", &sent[0]), "{}", sent[0]);
    assert!(
        matches("received … from alice: … in … s, …/s, sealed sha256 …", &received[0]),
        "{}",
        received[0]
    );
    assert_eq!(scene.names("bob").len(), sizes.len(), "and nothing else: {:?}", scene.names("bob"));
    // He has no other device, so the server need not keep what he has.
    scene.until_nothing_is_kept();
    drop(receiver);
}

#[test]
fn a_large_file_arrives_as_it_was() {
    let scene = Scene::new(&["alice", "bob"]);
    let file = scene.file("large.bin", &content(2, 64 * 1024 * 1024));
    scene.sent("alice", "bob", &[&file]);
    scene.received("bob", "alice", 1);
    check_same(&file, &scene.inbox("bob").join("large.bin"));
}

#[test]
fn twenty_files_at_once_go_both_ways() {
    let scene = Scene::new(&["alice", "bob"]);
    let files: Vec<PathBuf> = (0..20)
        .map(|number| scene.file(&format!("{number}.bin"), &content(number as u64, number * 50_000)))
        .collect();
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let ways = [("alice", "bob"), ("bob", "alice")];
    let mut senders = ways.map(|(from, to)| Process::start(&mut scene.send(from, to, &paths)));
    for sender in &mut senders {
        let told = end_of(sender);
        assert_eq!((told.status, told.out.lines().count()), (Some(0), 20), "{told:?}");
    }
    let mut receivers = ways.map(|(from, to)| Process::start(&mut scene.receive(to, from)));
    for receiver in &mut receivers {
        (0..20).for_each(|_| drop(receiver.line_within(PATIENCE).expect("it goes on")));
    }
    drop(receivers);
    for name in ["alice", "bob"] {
        assert_eq!(scene.names(name).len(), 20);
        for file in &files {
            check_same(file, &scene.inbox(name).join(file.file_name().expect("a name")));
        }
    }
}

#[test]
fn nothing_is_ever_written_over() {
    let scene = Scene::new(&["alice", "bob"]);
    fs::write(scene.inbox("bob").join("plan.txt"), "mine").expect("written");
    let file = scene.file("plan.txt", b"first");
    scene.sent("alice", "bob", &[&file]);
    scene.file("plan.txt", b"second");
    scene.sent("alice", "bob", &[&file]);
    scene.received("bob", "alice", 2);
    assert_eq!(scene.names("bob"), ["plan.txt", "plan.txt (1)", "plan.txt (2)"]);
    let read = |name: &str| fs::read_to_string(scene.inbox("bob").join(name)).expect("there");
    assert_eq!(read("plan.txt"), "mine");
    let mut arrived = [read("plan.txt (1)"), read("plan.txt (2)")];
    arrived.sort();
    assert_eq!(arrived, ["first", "second"]);
}

#[cfg(unix)]
#[test]
fn what_arrives_cannot_be_executed() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new(&["alice", "bob"]);
    let file = scene.file(".run\u{202e}me.sh", b"#!/bin/sh\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("set");
    scene.sent("alice", "bob", &[&file]);
    scene.received("bob", "alice", 1);
    assert_eq!(scene.names("bob"), ["run_me.sh"], "no hidden file, and no letters that turn around");
    let metadata = fs::metadata(scene.inbox("bob").join("run_me.sh")).expect("there");
    assert_eq!(metadata.permissions().mode() & 0o111, 0);
}
