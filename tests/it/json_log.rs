//! JSON lines: a room's log, its positions and pages, and keys that make a repetition harmless.

use serde_json::{Value, json};

use crate::harness::json::{Json, seqs, texts};
use crate::harness::server::Server;

#[test]
fn positions_have_no_gap_and_are_the_same_for_everybody() {
    let server = Server::start();
    let mut people: Vec<Json> = ["alice", "bob", "carol"].map(|name| server.json_guest(name)).into();
    let mut witness = server.json_guest("witness");
    witness.join("lobby");
    for person in &mut people {
        person.join("lobby");
    }
    // Everybody at once; the order is the server's to choose.
    for n in 0..20 {
        for person in &mut people {
            person.send(json!({"cmd": "say", "room": "lobby", "text": format!("message {n}")}));
        }
    }
    let seen: Vec<Value> = (0..60).map(|_| witness.message()).collect();
    assert_eq!(seqs(&seen), (1..=60).collect::<Vec<u64>>());
    for person in &mut people {
        let heard: Vec<Value> = (0..40).map(|_| person.message()).collect();
        for message in heard {
            let seq = message["seq"].as_u64().expect("a position");
            assert_eq!(message, seen[seq as usize - 1]);
        }
        assert_eq!(person.log("lobby"), seen);
    }
}

/// An account in a room with messages `1` to `size`.
fn with_log(size: u32) -> (Server, Json) {
    let server = Server::with(&["limits.messages_per_second = 0"]);
    let mut alice = server.json_account("alice");
    alice.join("lobby");
    let say = |n| json!({"cmd": "say", "room": "lobby", "text": n});
    let ids: Vec<i64> = (1..=size).map(|n| alice.send(say(n.to_string()))).collect();
    for id in ids {
        assert!(alice.reply(id)["ok"].is_object());
    }
    (server, alice)
}

#[track_caller]
fn check_page(alice: &mut Json, terms: Value, expected: impl Iterator<Item = u64>) {
    let mut request = json!({"cmd": "history", "room": "lobby"});
    for (key, value) in terms.as_object().expect("an object") {
        request[key] = value.clone();
    }
    let page = alice.ok(request);
    let page = page["messages"].as_array().expect("a list");
    assert_eq!(seqs(page), expected.collect::<Vec<u64>>(), "{terms}");
    for message in page {
        assert_eq!(message["text"], message["seq"].to_string());
    }
}

#[test]
fn pages_are_exclusive_oldest_first_and_bounded() {
    let (_server, mut alice) = with_log(600);
    check_page(&mut alice, json!({}), 551..=600);
    check_page(&mut alice, json!({"limit": 3}), 598..=600);
    check_page(&mut alice, json!({"before": 17, "limit": 5}), 12..=16);
    check_page(&mut alice, json!({"before": 3, "limit": 5}), 1..=2);
    check_page(&mut alice, json!({"before": 1}), 1..1);
    check_page(&mut alice, json!({"before": 601, "limit": 10_000}), 101..=600);
    check_page(&mut alice, json!({"before": 1_000_000, "limit": 1}), 600..=600);
    check_page(&mut alice, json!({"after": 0}), 1..=50);
    check_page(&mut alice, json!({"after": 17, "limit": 5}), 18..=22);
    check_page(&mut alice, json!({"after": 598, "limit": 5}), 599..=600);
    check_page(&mut alice, json!({"after": 600}), 1..1);
    check_page(&mut alice, json!({"after": 0, "limit": 501}), 1..=500);
}

#[test]
fn the_log_is_the_same_after_a_restart() {
    let (server, mut alice) = with_log(10);
    let before = alice.log("lobby");
    let server = server.restart();
    let mut alice = server.json();
    alice.login("alice");
    assert_eq!(alice.join("lobby")["seq"], 10);
    assert_eq!(alice.log("lobby"), before);
    assert_eq!(alice.say("lobby", "11"), 11);
}

#[test]
fn a_key_makes_one_message_and_gives_the_first_answer_again() {
    let server = Server::start();
    let mut alice = server.json_account("alice");
    let mut bob = server.json_guest("bob");
    alice.join("lobby");
    alice.join("other");
    bob.join("lobby");
    let say = |room: &str, key: &str| json!({"cmd": "say", "room": room, "text": "hi", "key": key});
    let first = alice.ok(say("lobby", "k1"));
    assert_eq!(alice.ok(say("lobby", "k1")), first);
    assert_eq!(alice.ok(say("lobby", &"k".repeat(128)))["seq"], 2, "another key");
    assert_eq!(alice.ok(say("other", "k1"))["seq"], 1, "another room");
    assert_eq!(bob.ok(say("lobby", "k1"))["seq"], 3, "another account");
    let mut phone = server.json();
    phone.login("alice");
    phone.join("lobby");
    assert_eq!(phone.ok(say("lobby", "k1")), first, "another session");
    let server = server.restart();
    let mut alice = server.json();
    alice.login("alice");
    alice.join("lobby");
    assert_eq!(alice.ok(say("lobby", "k1")), first, "after a restart");
    assert_eq!(texts(&alice.log("lobby")), ["hi"; 3]);
}

#[test]
fn two_equal_keys_on_their_way_make_one_message() {
    let server = Server::start();
    let mut alice = server.json_account("alice");
    alice.join("lobby");
    let say = json!({"cmd": "say", "room": "lobby", "text": "hi", "key": "once"});
    let ids: Vec<i64> = (0..10).map(|_| alice.send(say.clone())).collect();
    let answers: Vec<Value> = ids.into_iter().map(|id| alice.reply(id)["ok"].clone()).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer["seq"] == 1), "{answers:?}");
    assert_eq!(alice.log("lobby").len(), 1);
}

#[test]
fn a_guests_keys_end_with_the_connection() {
    let server = Server::start();
    let mut keeper = server.json_guest("keeper");
    keeper.join("lobby");
    let say = json!({"cmd": "say", "room": "lobby", "text": "hi", "key": "once"});
    for seq in 1..=2 {
        let mut guest = server.json_guest(&format!("guest{seq}"));
        guest.join("lobby");
        assert_eq!(guest.ok(say.clone())["seq"], seq);
        assert_eq!(guest.ok(say.clone())["seq"], seq);
    }
}

#[test]
fn topics_and_comings_take_no_position() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    alice.join("lobby");
    assert_eq!(alice.say("lobby", "one"), 1);
    alice.ok(json!({"cmd": "topic", "room": "lobby", "topic": "tea"}));
    let mut bob = server.json_guest("bob");
    bob.join("lobby");
    alice.ok(json!({"cmd": "msg", "user": "bob", "text": "hi"}));
    bob.ok(json!({"cmd": "leave", "room": "lobby"}));
    assert_eq!(alice.say("lobby", "two"), 2);
}

#[test]
fn a_gap_after_a_reconnect_is_filled() {
    let server = Server::start();
    let mut bob = server.json_account("bob");
    let mut alice = server.json_account("alice");
    bob.join("lobby");
    alice.join("lobby");
    alice.say("lobby", "seen");
    let seen = bob.message();
    drop(bob);
    alice.say("lobby", "missed");
    let mut bob = server.json();
    bob.login("bob");
    bob.join("lobby");
    let page = bob.ok(json!({"cmd": "history", "room": "lobby", "after": seen["seq"]}));
    assert_eq!(texts(page["messages"].as_array().expect("a list")), ["missed"]);
}
