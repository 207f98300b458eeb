//! Files and a server that dies, a disk that is full, readers that do not read, files whose time has come.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use sottovoce::proto::id::FileId;
use sottovoce::proto::limits::PIECE_BYTES;

use crate::harness::data::{Data, Frame, noise, upload};
use crate::harness::server::Server;
use crate::harness::wait_until;
use crate::transfer::Carrier;

/// Names in the directory of files.
fn names(server: &Server) -> Vec<String> {
    let entries = fs::read_dir(files(server)).expect("it is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn files(server: &Server) -> PathBuf {
    server.home.data().join("files")
}

#[test]
fn an_upload_goes_on_after_the_server_died_at_any_moment() {
    let bytes = noise(20 * PIECE_BYTES + 99, 1);
    let mut server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let file = upload(&mut alice.json, bytes.len());
    let mut sent = 0;
    let mut answered = 0;
    for round in 0..6 {
        // Some are answered, and the rest is somewhere on its way.
        for number in 0..5 {
            let end = bytes.len().min(sent + PIECE_BYTES);
            if sent < end && alice.data.wire.try_send(&put(file, sent, &bytes[sent..end])).is_ok() {
                sent = end;
            }
            if number < round
                && let Frame::Stored { stored, .. } = alice.data.frame()
            {
                answered = stored as usize;
            }
        }
        server = server.restart();
        alice = Carrier::again(&server, "alice");
        let stored = alice.stored(file);
        assert!(stored.is_multiple_of(PIECE_BYTES) || stored == bytes.len(), "{stored} is no whole piece");
        assert!(stored >= answered - answered % PIECE_BYTES, "{stored} of {answered} that were told");
        let on_disk = fs::read(files(&server).join(format!("{file}.part"))).unwrap_or_default();
        assert!(on_disk == bytes[..stored], "what is there is what was sent");
        (sent, answered) = (stored, stored);
    }
    alice.data.put_all(file, &bytes, sent);
    server = server.restart();
    let mut alice = Carrier::again(&server, "alice");
    assert_eq!(alice.stored(file), bytes.len(), "whole, and not finished");
    assert_eq!(names(&server), [format!("{file}.part")]);
    alice.finish(file);
    server = server.restart();
    let mut alice = Carrier::again(&server, "alice");
    assert_eq!(names(&server), [file.to_string()]);
    alice.finish(file);
    assert!(alice.data.get_all(file, bytes.len()) == bytes);
}

fn put(file: FileId, offset: usize, bytes: &[u8]) -> Vec<u8> {
    use sottovoce::dialect::frame::client::ClientFrame;
    let mut wire = Vec::new();
    ClientFrame::Put { request: 1, file, offset: offset as u64, bytes }.encode(&mut wire);
    wire
}

#[test]
fn a_start_makes_whole_what_a_crash_may_leave() {
    let mut server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let [kept, lost] = [1, 2].map(|seed| alice.upload(&noise(1000, seed)));
    let unbegun = upload(&mut alice.json, 10);
    server.process.kill();
    let directory = files(&server);
    let path = |name: String| directory.join(name);
    // The bytes of one are gone, as when its removal did not come to its end; a stranger's are there.
    fs::remove_file(path(lost.to_string())).unwrap();
    fs::write(path(FileId([7; 16]).to_string()), "whose?").unwrap();
    fs::write(path(format!("{}.part", FileId([8; 16]))), "whose?").unwrap();
    fs::write(path("notes.txt".to_owned()), "the operator's").unwrap();
    let server = server.restart();
    let mut alice = Carrier::again(&server, "alice");
    let list = alice.json.ok(json!({"cmd": "files"}));
    let mut found: Vec<&str> =
        list["files"].as_array().unwrap().iter().map(|file| file["file"].as_str().unwrap()).collect();
    found.sort_unstable();
    let mut expected = [kept, unbegun].map(|file| file.to_string());
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(list["used"], json!(1010));
    assert_eq!(names(&server), [kept.to_string(), "notes.txt".to_owned()]);
    assert_eq!(alice.err("upload-status", lost), "no-such-file");
    assert!(alice.data.get_all(kept, 1000) == noise(1000, 1));
}

#[test]
fn whoever_declines_a_file_lets_it_go_after_a_restart_too() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let mut bob = Carrier::new(&server, "bob");
    server.json_account("carol");
    let begun = alice.json.ok(json!({"cmd": "upload", "size": 5, "readers": 2}));
    let file = crate::harness::data::id(&begun);
    alice.data.put_all(file, b"hello", 0);
    alice.finish(file);
    assert_eq!(alice.err("decline", file), "bad-argument");
    let decline = json!({"cmd": "decline", "file": file.to_string()});
    assert_eq!(bob.json.ok(decline.clone()), json!({"file": file.to_string()}));
    let server = server.restart();
    let mut alice = Carrier::again(&server, "alice");
    assert_eq!(alice.json.ok(json!({"cmd": "files"}))["files"][0]["settled"], 1);
    bob = Carrier::again(&server, "bob");
    bob.json.ok(decline.clone());
    assert_eq!(bob.data.get_all(file, 5), b"hello", "it is there for the others");
    let mut carol = Carrier::again(&server, "carol");
    carol.json.ok(decline);
    let request = carol.data.get(file, 0, 0);
    carol.data.refused(request, "no-such-file", 0);
    wait_until("the file is removed", || names(&server).is_empty());
    assert_eq!(alice.err("upload-status", file), "no-such-file");
}

#[test]
fn a_deleted_file_is_gone_from_the_disk() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let whole = alice.upload(&noise(100_000, 1));
    let part = upload(&mut alice.json, 100_000);
    let request = alice.data.put(part, 0, &noise(50_000, 2));
    alice.data.stored(request, part, 50_000);
    // It is being read.
    let request = alice.data.get(whole, 0, 1);
    alice.data.bytes(request, 0..1);
    for file in [whole, part] {
        alice.json.ok(json!({"cmd": "delete", "file": file.to_string()}));
        assert_eq!(alice.err("upload-status", file), "no-such-file");
    }
    assert_eq!(names(&server), [""; 0], "the answer comes when it is so");
    let request = alice.data.get(whole, 0, 0);
    alice.data.refused(request, "no-such-file", 0);
    let request = alice.data.put(part, 50_000, b"x");
    alice.data.refused(request, "no-such-file", 0);
    assert_eq!(alice.json.ok(json!({"cmd": "files"}))["used"], 0);
}

#[test]
fn files_go_when_their_time_has_come() {
    // Long enough to upload one on a busy machine.
    let server = Server::with(&["files.keep = \"5s\""]);
    let mut alice = Carrier::new(&server, "alice");
    let part = upload(&mut alice.json, 100);
    let file = alice.upload(b"short-lived");
    let gone = |alice: &mut Carrier, file: FileId| {
        let status = alice.json.request(json!({"cmd": "upload-status", "file": file.to_string()}));
        status["err"]["code"] == "no-such-file"
    };
    wait_until("both have ended", || gone(&mut alice, part) && gone(&mut alice, file));
    let request = alice.data.get(file, 0, 0);
    alice.data.refused(request, "no-such-file", 0);
    assert_eq!(alice.json.ok(json!({"cmd": "files"}))["files"], json!([]));
    let server = server.restart();
    assert_eq!(names(&server), [""; 0], "a start removes what has ended");
    let mut alice = Carrier::again(&server, "alice");
    assert_eq!(alice.json.ok(json!({"cmd": "files"}))["used"], 0);
}

#[test]
fn the_operator_removes_the_files_of_an_account_with_it() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let mut bob = Carrier::new(&server, "bob");
    let file = alice.upload(b"hello");
    upload(&mut alice.json, 10);
    server.home.tool_ok(&["user", "remove", "alice"]);
    alice.data.ends_with("banned");
    let request = bob.data.get(file, 0, 0);
    bob.data.refused(request, "no-such-file", 0);
    wait_until("the file is removed", || names(&server).is_empty());
    // The same without a server.
    let mut server = server.restart();
    let mut bob = Carrier::again(&server, "bob");
    bob.upload(b"hello");
    server.process.kill();
    server.home.tool_ok(&["user", "remove", "bob"]);
    let server = server.restart();
    assert_eq!(names(&server), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_files_and_they_go_on_when_there_is_space() {
    let server = Server::after("trap '' XFSZ", &[]);
    let mut alice = Carrier::new(&server, "alice");
    let mut bob = server.json_guest("bob");
    alice.json.join("lobby");
    bob.join("lobby");
    let bytes = noise(4 * PIECE_BYTES, 1);
    let file = upload(&mut alice.json, bytes.len());
    let request = alice.data.put(file, 0, &bytes[..PIECE_BYTES]);
    alice.data.stored(request, file, PIECE_BYTES);
    let limit = PIECE_BYTES + PIECE_BYTES / 2;
    if !crate::trouble::limit_files(&server, &limit.to_string()) {
        return;
    }
    // Of those that are sent together, one does not fit, and those behind it have no place.
    let requests: Vec<u32> = (1..4)
        .map(|piece| alice.data.put(file, piece * PIECE_BYTES, &bytes[piece * PIECE_BYTES..][..PIECE_BYTES]))
        .collect();
    let mut codes = Vec::new();
    for _ in &requests {
        match alice.data.frame() {
            Frame::Error { request, code, .. } => codes.push((request, code)),
            other => panic!("{other:?}"),
        }
    }
    let code = |code: &str| code.to_owned();
    let expected = [code("storage-unavailable"), code("bad-offset"), code("bad-offset")];
    // A PUT that came in two parts may have one of them in the file.
    assert_eq!(codes, requests.iter().copied().zip(expected).collect::<Vec<_>>());
    let stored = alice.stored(file);
    assert!((PIECE_BYTES..=limit).contains(&stored), "{stored}");
    assert_eq!(alice.json.say("lobby", "the disk is full"), 1, "the chat goes on");
    assert_eq!(bob.message()["text"], "the disk is full");
    crate::trouble::limit_files(&server, "unlimited");
    alice.data.put_all(file, &bytes, stored);
    alice.finish(file);
    assert!(alice.data.get_all(file, bytes.len()) == bytes);
}

#[test]
fn readers_that_do_not_read_hold_nobody_up() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let bytes = noise(80 * PIECE_BYTES, 1);
    let file = alice.upload(&bytes);
    // Thirty-two that ask for everything, four times each, and take nothing.
    let sleepers: Vec<Data> = ["bob", "carol", "dave", "erin"]
        .into_iter()
        .flat_map(|name| {
            let first = Carrier::new(&server, name);
            let more: Vec<Data> = (1..8).map(|_| first.another(&server)).collect();
            more.into_iter().chain([first.data]).collect::<Vec<_>>()
        })
        .map(|mut data| {
            for _ in 0..4 {
                data.get(file, 0, 0);
            }
            data
        })
        .collect();
    // Uploads go on, and so does the chat.
    let other = alice.upload(&bytes[..10 * PIECE_BYTES]);
    alice.json.join("lobby");
    assert_eq!(alice.json.say("lobby", "still here"), 1);
    if let Some(memory) = memory_of(&server) {
        assert!(memory < 120 << 20, "{memory} bytes for readers that do not read");
    }
    // Who reads finds that some of them are gone, or takes turns with those that are not.
    drop(sleepers);
    assert!(alice.data.get_all(other, 10 * PIECE_BYTES) == bytes[..10 * PIECE_BYTES]);
}

/// Bytes in memory of the server's process, where the system tells.
fn memory_of(server: &Server) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[test]
fn a_stop_tells_data_connections_and_keeps_what_they_sent() {
    let mut server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let bytes = noise(3 * PIECE_BYTES, 1);
    let file = upload(&mut alice.json, bytes.len());
    let request = alice.data.put(file, 0, &bytes[..PIECE_BYTES]);
    alice.data.stored(request, file, PIECE_BYTES);
    #[cfg(unix)]
    server.stop();
    #[cfg(not(unix))]
    server.process.kill();
    if cfg!(unix) {
        alice.data.ends_with("shutting-down");
    }
    let server = server.restart();
    let mut alice = Carrier::again(&server, "alice");
    assert_eq!(alice.stored(file), PIECE_BYTES);
    alice.data.put_all(file, &bytes, PIECE_BYTES);
    alice.finish(file);
}
