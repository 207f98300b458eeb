//! What a data connection is refused, and what ends it.

use serde_json::json;
use sottovoce::dialect::frame::client::ClientFrame;
use sottovoce::dialect::frame::{HEAD_BYTES, LENGTH_MAX};
use sottovoce::proto::id::FileId;
use sottovoce::proto::limits::PIECE_BYTES;

use crate::harness::PASSWORD;
use crate::harness::data::{Data, Frame, noise, upload};
use crate::harness::server::Server;
use crate::transfer::Carrier;

const NOBODY: FileId = FileId([0x5a; 16]);

/// A frame of any shape.
fn frame(kind: u8, request: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(5 + body.len()).expect("short");
    [&length.to_be_bytes()[..], &[kind], &request.to_be_bytes(), body].concat()
}

/// These bytes end a data connection with this code, and nobody else's.
#[track_caller]
fn check_end(server: &Server, alice: &mut Carrier, bytes: &[u8], code: &str) {
    let mut data = alice.another(server);
    // The server may close before it has read everything.
    let _ = data.wire.try_send(bytes);
    data.ends_with(code);
    let request = alice.data.next();
    alice.data.send(ClientFrame::Ping { request });
    assert_eq!(alice.data.frame(), Frame::Pong { request }, "the other connection goes on");
}

#[test]
fn what_is_no_frame_ends_the_connection_with_a_word() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    for kind in [0x00, 0x05, 0x40, 0x81, 0x82, 0x8f, 0xff] {
        check_end(&server, &mut alice, &frame(kind, 1, b""), "bad-frame");
    }
    // Bodies that are too long or too short for their kind.
    for (kind, sizes) in [(0x01, &[0, 23, 24][..]), (0x02, &[0, 31, 33]), (0x03, &[1]), (0x04, &[1])] {
        for &size in sizes {
            check_end(&server, &mut alice, &frame(kind, 1, &vec![0; size]), "bad-frame");
        }
    }
    // A request without a number.
    check_end(&server, &mut alice, &frame(0x04, 0, b""), "bad-frame");
    check_end(&server, &mut alice, &frame(0x02, 0, &[0; 32]), "bad-frame");
    // Less than a kind and a number.
    check_end(&server, &mut alice, b"\0\0\0\x04\x04\0\0\0\0", "bad-frame");
    check_end(&server, &mut alice, &[0; 9], "bad-frame");
    check_end(&server, &mut alice, b"{\"id\":1,\"cmd\":\"ping\"}\n", "frame-too-long");
    check_end(&server, &mut alice, b"\xff\xff\xff\xff\x01\0\0\0\x01", "frame-too-long");
    check_end(&server, &mut alice, &noise(100_000, 7), "frame-too-long");
}

#[test]
fn frames_are_for_those_who_logged_in_for_files() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let file = upload(&mut alice.json, 5);
    let mut put = Vec::new();
    ClientFrame::Put { request: 1, file, offset: 0, bytes: b"hello" }.encode(&mut put);
    // Before any login, and on a connection for lines.
    let mut stranger = server.wire();
    stranger.send(&put);
    let told = stranger.rest();
    assert!(told.iter().all(|line| line.starts_with("!!! ")), "{told:?}");
    let mut lines = server.json();
    lines.login("alice");
    lines.wire.send(&[&put[..], b"\n"].concat());
    assert_eq!(lines.receive()["ev"], "error");
    assert_eq!(alice.stored(file), 0);
    let request = alice.data.put(file, 0, b"hello");
    alice.data.stored(request, file, 5);
}

#[test]
fn cancelling_what_is_not_under_way_is_no_harm() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let file = alice.upload(b"hello");
    let over = alice.data.get(file, 0, 0);
    assert_eq!(alice.data.bytes(over, 0..5), b"hello");
    let put = alice.data.put(file, 5, b"x");
    for request in [over, put, 4711] {
        alice.data.send(ClientFrame::Cancel { request });
    }
    alice.data.refused(put, "bad-offset", 5);
    let request = alice.data.next();
    alice.data.send(ClientFrame::Ping { request });
    assert_eq!(alice.data.frame(), Frame::Pong { request }, "nothing else was answered");
}

#[test]
fn a_frame_is_at_most_so_long_and_a_byte_more_ends_the_connection() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let bytes = noise(PIECE_BYTES + 1, 1);
    let file = upload(&mut alice.json, bytes.len());
    let request = alice.data.put(file, 0, &bytes[..PIECE_BYTES]);
    alice.data.stored(request, file, PIECE_BYTES);
    let body = [&file.0[..], &0u64.to_be_bytes(), &bytes].concat();
    let wire = frame(0x01, 1, &body);
    assert_eq!(wire.len(), 4 + LENGTH_MAX + 1);
    check_end(&server, &mut alice, &wire[..HEAD_BYTES], "frame-too-long");
    check_end(&server, &mut alice, &wire, "frame-too-long");
    assert_eq!(alice.stored(file), PIECE_BYTES);
}

#[test]
fn a_put_in_the_wrong_place_is_told_the_right_one() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let bytes = noise(1000, 2);
    let file = upload(&mut alice.json, 1000);
    let check = |data: &mut Data, offset: usize, bytes: &[u8], right: usize| {
        let request = data.put(file, offset, bytes);
        data.refused(request, "bad-offset", right);
    };
    check(&mut alice.data, 1, &bytes[1..2], 0);
    check(&mut alice.data, 0, &noise(1001, 3), 0);
    check(&mut alice.data, usize::MAX, &bytes[..1], 0);
    let request = alice.data.put(file, 0, &bytes[..400]);
    alice.data.stored(request, file, 400);
    check(&mut alice.data, 0, &bytes[..400], 400);
    check(&mut alice.data, 399, &bytes[399..], 400);
    check(&mut alice.data, 401, &bytes[401..], 400);
    check(&mut alice.data, 400, &noise(601, 4), 400);
    assert_eq!(alice.err("finish", file), "incomplete");
    assert_eq!(alice.stored(file), 400);
    let request = alice.data.put(file, 400, &bytes[400..]);
    alice.data.stored(request, file, 1000);
    check(&mut alice.data, 1000, &[0], 1000);
    alice.finish(file);
    alice.finish(file);
    check(&mut alice.data, 0, &bytes, 1000);
    assert!(alice.data.get_all(file, 1000) == bytes, "nothing of it did harm");
}

#[test]
fn the_file_of_another_is_written_by_nobody_and_read_by_whoever_knows_it() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let mut bob = Carrier::new(&server, "bob");
    let part = upload(&mut alice.json, 100);
    for file in [part, NOBODY] {
        let request = bob.data.put(file, 0, b"x");
        bob.data.refused(request, "no-such-file", 0);
        let request = bob.data.get(file, 0, 0);
        bob.data.refused(request, "no-such-file", 0);
        for command in ["upload-status", "finish", "delete", "decline"] {
            assert_eq!(bob.err(command, file), "no-such-file", "{command}");
        }
    }
    let request = alice.data.get(part, 0, 0);
    alice.data.refused(request, "no-such-file", 0);
    assert_eq!(alice.stored(part), 0);
    let whole = alice.upload(b"for bob");
    assert_eq!(bob.data.get_all(whole, 7), b"for bob");
    let request = bob.data.put(whole, 7, b"x");
    bob.data.refused(request, "no-such-file", 0);
    assert_eq!(bob.err("delete", whole), "no-such-file");
}

#[test]
fn reading_has_its_bounds_and_a_refusal_ends_that_request_alone() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let bytes = noise(10 * PIECE_BYTES, 5);
    let size = bytes.len();
    let file = alice.upload(&bytes);
    for (offset, length) in [(size + 1, 0), (size, 1), (size - 1, 2), (0, size + 1), (1, usize::MAX)] {
        let request = alice.data.get(file, offset, length);
        alice.data.refused(request, "bad-offset", size);
    }
    // Four, which nobody reads yet, and one more; and one under the number of another.
    let requests: Vec<u32> = (0..4).map(|_| alice.data.get(file, 0, 0)).collect();
    let one_more = alice.data.get(file, 0, 0);
    alice.data.send(ClientFrame::Get { request: requests[1], file, offset: 0, length: 1 });
    let mut refused = Vec::new();
    let mut ended = 0;
    while ended < 4 {
        match alice.data.frame() {
            Frame::Data { request, .. } => assert!(requests.contains(&request)),
            Frame::End { .. } => ended += 1,
            Frame::Error { request, code, .. } => refused.push((request, code)),
            other => panic!("{other:?}"),
        }
    }
    let code = |code: &str| code.to_owned();
    assert_eq!(refused, [(one_more, code("too-many")), (requests[1], code("bad-argument"))]);
}

#[test]
fn logging_in_for_files_needs_what_every_login_needs() {
    let server = Server::start();
    let mut alice = server.json();
    alice.register("alice");
    assert_eq!(
        alice.err(json!({"cmd": "login", "user": "alice", "token": "x", "data": true})),
        "already-named"
    );
    let mut other = server.json();
    for (proof, value) in [("token", "wrong"), ("password", "wrong")] {
        let login = json!({"cmd": "login", "user": "alice", proof: value, "data": true});
        assert_eq!(other.err(login), "login-failed");
    }
    // Refused, it speaks lines as before.
    other.ok(json!({"cmd": "ping"}));
    let login = json!({"cmd": "login", "user": "alice", "password": PASSWORD, "data": true});
    assert_eq!(other.ok(login)["user"], "alice");
    other.wire.send(&frame(0x04, 9, b""));
    let mut pong = [0; 9];
    assert!(other.wire.fill(&mut pong));
    assert_eq!(pong, *b"\0\0\0\x05\x84\0\0\0\x09");
    let mut guest = server.json_guest("visitor");
    assert_eq!(guest.err(json!({"cmd": "upload", "size": 1})), "not-registered");
    assert_eq!(guest.err(json!({"cmd": "files"})), "not-registered");
}

#[test]
fn an_account_has_eight_data_connections() {
    let server = Server::start();
    let mut alice = Carrier::new(&server, "alice");
    let mut others: Vec<Data> = (1..8).map(|_| alice.another(&server)).collect();
    let mut one_more = server.json();
    let login = json!({"cmd": "login", "user": "alice", "token": alice.token, "data": true});
    assert_eq!(one_more.err(login.clone()), "too-many");
    drop(others.pop());
    // The server notices its end before or after it looks at the next login.
    let end = std::time::Instant::now() + crate::harness::DEADLINE;
    while one_more.request(login.clone()).get("ok").is_none() {
        assert!(std::time::Instant::now() < end, "a place that is free stays taken");
    }
    alice.json.ok(json!({"cmd": "ping"}));
}

#[test]
fn a_data_connection_that_does_nothing_is_closed_and_one_that_pings_is_not() {
    // Longer than a busy machine holds up the one that is not to be closed.
    let server = Server::with(&["limits.idle_timeout = \"3s\""]);
    let mut alice = Carrier::new(&server, "alice");
    let file = upload(&mut alice.json, 1 << 20);
    let (mut silent, mut half, mut busy) = (alice.another(&server), alice.another(&server), alice.data);
    half.wire.send(b"\0\0");
    // One byte at a time is something, too: the others are over before this one is.
    let closed = std::thread::spawn(move || {
        silent.ends_with("idle-timeout");
        half.ends_with("idle-timeout");
    });
    let mut stored = 0;
    while !closed.is_finished() {
        let request = busy.put(file, stored, b"x");
        stored += 1;
        busy.stored(request, file, stored);
    }
    closed.join().expect("both were closed with a word");
    let request = busy.next();
    busy.send(ClientFrame::Ping { request });
    assert_eq!(busy.frame(), Frame::Pong { request });
}

#[test]
fn files_can_be_switched_off() {
    let server = Server::with(&["files.enabled = false"]);
    let mut alice = server.json();
    let token = alice.register("alice");
    assert_eq!(alice.err(json!({"cmd": "upload", "size": 1})), "files-disabled");
    assert_eq!(alice.err(json!({"cmd": "files"})), "files-disabled");
    let mut other = server.json();
    let login = json!({"cmd": "login", "user": "alice", "token": token, "data": true});
    assert_eq!(other.err(login), "files-disabled");
}

#[test]
fn limits_hold_at_their_bound_and_are_told_with_their_numbers() {
    let server = Server::with(&[
        "files.file_bytes = \"2KiB\"",
        "files.account_bytes = \"4KiB\"",
        "files.total_bytes = \"5KiB\"",
    ]);
    let mut alice = server.json_account("alice");
    let mut bob = server.json_account("bob");
    let refusal = |reply: &serde_json::Value| {
        let (code, text) = (reply["err"]["code"].as_str(), reply["err"]["text"].as_str());
        (code.expect("a refusal").to_owned(), text.expect("its text").to_owned())
    };
    let request = |size: u64| json!({"cmd": "upload", "size": size});
    assert_eq!(alice.err(request(0)), "bad-argument");
    let (code, text) = refusal(&alice.request(request(2049)));
    assert!(code == "file-too-large" && text.contains("2048"), "{code}: {text}");
    let first = upload(&mut alice, 2048);
    upload(&mut alice, 2047);
    let (code, text) = refusal(&alice.request(request(2)));
    assert!(code == "quota-exceeded" && text.contains("4095 of 4096"), "{code}: {text}");
    upload(&mut alice, 1);
    let (code, text) = refusal(&bob.request(request(1025)));
    assert!(code == "quota-exceeded" && text.contains("4096 of the server's 5120"), "{code}: {text}");
    upload(&mut bob, 1024);
    assert_eq!(
        alice.ok(json!({"cmd": "delete", "file": first.to_string()})),
        json!({"file": first.to_string()})
    );
    upload(&mut bob, 2048);
    assert_eq!(bob.err(json!({"cmd": "upload", "size": 1, "readers": 1001})), "bad-argument");
    assert_eq!(alice.err(json!({"cmd": "delete", "file": first.to_string()})), "no-such-file");
}
