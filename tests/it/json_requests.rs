//! JSON lines: requests that are wrong, their order, and lines that are none.

use serde_json::{Value, json};

use crate::harness::PASSWORD;
use crate::harness::json::Json;
use crate::harness::server::Server;

#[track_caller]
fn check_refused(json: &mut Json, request: Value, code: &str) {
    assert_eq!(json.err(request.clone()), code, "{request}");
}

/// Sends a line as it is; the answer is an error event with this code.
#[track_caller]
fn check_error_event(json: &mut Json, line: &[u8], code: &str) {
    json.wire.send(line);
    json.wire.send(b"\n");
    let event = json.receive();
    assert_eq!((&event["ev"], &event["code"]), (&json!("error"), &json!(code)), "{event}");
}

#[test]
fn what_cannot_be_done_has_a_code() {
    let server = Server::start();
    let mut alice = server.json();
    check_refused(&mut alice, json!({"cmd": "join", "room": "lobby"}), "no-name");
    check_refused(&mut alice, json!({"cmd": "nick", "user": "a b"}), "bad-name");
    alice.nick("alice");
    check_refused(&mut alice, json!({"cmd": "join", "room": "a/b"}), "bad-name");
    check_refused(&mut alice, json!({"cmd": "say", "room": "nowhere", "text": "hi"}), "no-such-room");
    check_refused(&mut alice, json!({"cmd": "leave", "room": "nowhere"}), "no-such-room");
    server.json_guest("bob").join("lobby");
    let mut bob = server.json_guest("bobby");
    bob.join("bobs");
    check_refused(&mut alice, json!({"cmd": "say", "room": "bobs", "text": "hi"}), "not-in-room");
    check_refused(&mut alice, json!({"cmd": "history", "room": "bobs", "after": 0}), "not-in-room");
    check_refused(&mut alice, json!({"cmd": "whois", "user": "nobody"}), "no-such-user");
    check_refused(&mut alice, json!({"cmd": "status", "status": "sleepy"}), "bad-argument");
    check_refused(&mut alice, json!({"cmd": "juggle"}), "unknown-command");
}

#[test]
fn a_missing_or_misshapen_argument_is_refused() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    alice.join("lobby");
    let missing = [
        json!({"cmd": "join"}),
        json!({"cmd": "say", "room": "lobby"}),
        json!({"cmd": "msg", "user": "bob"}),
        json!({"cmd": "whois"}),
    ];
    for request in missing {
        check_refused(&mut alice, request, "missing-argument");
    }
    let misshapen = [
        json!({"cmd": "join", "room": 17}),
        json!({"cmd": "say", "room": "lobby", "text": ["hi"]}),
        json!({"cmd": "history", "room": "lobby", "limit": "many"}),
        json!({"cmd": "history", "room": "lobby", "before": -1}),
        json!({"cmd": "say", "room": "lobby", "text": "hi", "key": "k".repeat(129)}),
    ];
    for request in misshapen {
        let code = alice.err(request.clone());
        assert!(["bad-argument", "bad-request"].contains(&code.as_str()), "{request}: {code}");
    }
}

#[test]
fn an_argument_out_of_its_range_is_refused() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    alice.join("lobby");
    let long = "k".repeat(65);
    let refused = [
        (json!({"cmd": "history", "room": "lobby", "limit": 0}), "bad-argument"),
        (json!({"cmd": "search", "query": "tea", "limit": 0}), "bad-argument"),
        (json!({"cmd": "search", "query": " "}), "missing-argument"),
        (json!({"cmd": "say", "room": "lobby", "text": " "}), "missing-argument"),
        (json!({"cmd": "list", "limit": 0}), "bad-argument"),
        (json!({"cmd": "status"}), "missing-argument"),
        (json!({"cmd": "room", "room": "lobby", "access": "private", "key": "k"}), "bad-argument"),
        (json!({"cmd": "room", "room": "lobby", "access": "key", "key": long}), "bad-argument"),
        (json!({"cmd": "room", "room": "lobby", "access": "key", "key": ""}), "missing-argument"),
        (json!({"cmd": "room", "room": "lobby", "access": "key"}), "missing-argument"),
    ];
    for (request, code) in refused {
        check_refused(&mut alice, request, code);
    }
    alice.ok(json!({"cmd": "room", "room": "lobby", "access": "key", "key": &long[1..]}));
}

#[test]
fn a_line_that_is_no_request_gets_an_error_event_and_the_connection_goes_on() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    check_error_event(&mut alice, b"{\"id\":1,", "bad-json");
    check_error_event(&mut alice, b"hello", "bad-json");
    check_error_event(&mut alice, b"{\"cmd\":\"list\"}", "bad-request");
    check_error_event(&mut alice, b"{\"id\":\"one\",\"cmd\":\"list\"}", "bad-request");
    check_error_event(&mut alice, b"{\"id\":1.5,\"cmd\":\"list\"}", "bad-request");
    check_error_event(&mut alice, b"{\"id\":null,\"cmd\":\"list\"}", "bad-request");
    check_error_event(&mut alice, b"{\"id\":1,\"cmd\":\"\xff\"}", "invalid-utf8");
    check_error_event(&mut alice, "[".repeat(60_000).as_bytes(), "bad-json");
    alice.ok(json!({"cmd": "list"}));
}

#[test]
fn an_over_long_line_is_dropped_to_its_end() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    let fill = |size: usize| {
        let frame = json!({"id": 1_000_000, "cmd": "whois", "user": ""}).to_string().len();
        json!({"id": 1_000_000, "cmd": "whois", "user": "u".repeat(size - frame)}).to_string()
    };
    alice.wire.send_line(&fill(65_536));
    assert_eq!(alice.reply(1_000_000)["err"]["code"], "bad-name", "a line that just fits");
    check_error_event(&mut alice, fill(65_537).as_bytes(), "line-too-long");
    check_error_event(&mut alice, fill(1_000_000).as_bytes(), "line-too-long");
    alice.ok(json!({"cmd": "list"}));
}

#[test]
fn empty_lines_are_nothing() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    alice.wire.send(b"\n\r\n\n");
    assert_eq!(alice.events(), Vec::<Value>::new());
}

#[test]
fn ids_come_back_as_they_were() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    for id in [0, -5, i64::from(u32::MAX) + 1, i64::MAX, i64::MIN] {
        alice.wire.send_line(&json!({"id": id, "cmd": "list"}).to_string());
        assert!(alice.reply(id)["ok"].is_object(), "{id}");
    }
}

#[test]
fn replies_come_in_the_order_of_requests() {
    let server = Server::start();
    let mut alice = server.json();
    let requests = [
        json!({"cmd": "register", "user": "alice", "password": PASSWORD}),
        json!({"cmd": "list"}),
        json!({"cmd": "join", "room": "lobby"}),
        json!({"cmd": "whois", "user": "nobody"}),
        json!({"cmd": "history", "room": "lobby"}),
        json!({"cmd": "search", "query": "words"}),
        json!({"cmd": "rooms"}),
        json!({"cmd": "leave", "room": "lobby"}),
    ];
    let ids: Vec<i64> = requests.into_iter().map(|request| alice.send(request)).collect();
    let mut answered = Vec::new();
    while answered.len() < ids.len() {
        answered.extend(alice.receive()["re"].as_i64());
    }
    assert_eq!(answered, ids);
}

#[test]
fn what_follows_a_login_waits_for_it() {
    let server = Server::with(&["accounts.bcrypt_cost = 10"]);
    let mut alice = server.json();
    alice.register("alice");
    alice.join("lobby");
    let mut again = server.json();
    let login = again.send(json!({"cmd": "login", "user": "alice", "password": PASSWORD}));
    let join = again.send(json!({"cmd": "join", "room": "lobby"}));
    let say = again.send(json!({"cmd": "say", "room": "lobby", "text": "at once"}));
    for id in [login, join, say] {
        let reply = again.reply(id);
        assert!(reply["ok"].is_object(), "{reply}");
    }
    assert_eq!(alice.message()["text"], "at once");
}

#[test]
fn every_request_is_answered_once() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    alice.join("lobby");
    let ids: Vec<i64> = (0..20)
        .map(|n| alice.send(json!({"cmd": "say", "room": "lobby", "text": format!("message {n}")})))
        .collect();
    // The harness fails where an id comes back twice.
    let seqs: Vec<u64> = ids.iter().filter_map(|&id| alice.reply(id)["ok"]["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=20).collect::<Vec<u64>>());
    assert_eq!(alice.events(), Vec::<Value>::new());
}
