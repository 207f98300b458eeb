//! What was acknowledged survives a kill -9, exactly once and in order.

use std::sync::mpsc::channel;
use std::thread;

use serde_json::{Value, json};

use crate::harness::json::{Json, seqs, texts};
use crate::harness::server::Server;
use crate::harness::wire::Heard;

/// Acknowledgements to wait for before the server is killed, in each of the tests' rooms.
const ACKNOWLEDGED: usize = 300;

fn say(n: u64) -> Value {
    json!({"id": n, "cmd": "say", "room": "lobby", "text": format!("message {n}"), "key": format!("key {n}")})
}

/// Talks without waiting until the server is gone; gives the acknowledged ids with their positions.
fn talk_until_gone(mut json: Json, acknowledged: impl Fn()) -> Vec<(u64, u64)> {
    let mut answers = Vec::new();
    // Some requests are always on their way.
    let mut sent = 1000;
    for n in 1000..1064 {
        json.wire.send_line(&say(n).to_string());
        sent = n;
    }
    while let Heard::Line(line) = json.wire.hear() {
        let reply: Value = serde_json::from_str(&line).expect("a line of JSON");
        if let (Some(id), Some(seq)) = (reply["re"].as_u64(), reply["ok"]["seq"].as_u64()) {
            answers.push((id, seq));
            acknowledged();
            sent += 1;
            // The server may be gone by now.
            let _ = json.wire.try_send(format!("{}\n", say(sent)).as_bytes());
        }
    }
    answers
}

#[test]
fn acknowledged_messages_survive_a_kill_once_and_in_order() {
    let mut server = Server::with(&["limits.messages_per_second = 0"]);
    let mut witness = server.json_account("witness");
    witness.join("lobby");
    let mut alice = server.json_account("alice");
    alice.join("lobby");
    let (acknowledge, acknowledged) = channel();
    let talking = thread::spawn(move || {
        talk_until_gone(alice, || {
            // Nobody listens after the kill.
            let _ = acknowledge.send(());
        })
    });
    for _ in 0..ACKNOWLEDGED {
        acknowledged.recv().expect("the talk goes on until the kill");
    }
    server.process.kill();
    let answers = talking.join().expect("no panic");
    let mut heard = Vec::new();
    while let Heard::Line(line) = witness.wire.hear() {
        heard.push(serde_json::from_str::<Value>(&line).expect("a line of JSON"));
    }

    let server = server.restart();
    let mut alice = server.json();
    alice.login("alice");
    alice.join("lobby");
    let log = alice.log("lobby");
    assert_eq!(seqs(&log), (1..=log.len() as u64).collect::<Vec<u64>>(), "no gap");
    assert!(answers.len() >= ACKNOWLEDGED && log.len() >= answers.len());
    for &(id, seq) in &answers {
        assert_eq!(log[seq as usize - 1]["text"], format!("message {id}"), "as it was acknowledged");
    }
    let mut unique = texts(&log);
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), log.len(), "no message twice");
    for event in heard.iter().filter(|event| event["ev"] == "message") {
        let seq = event["seq"].as_u64().expect("a position");
        assert_eq!(*event, log[seq as usize - 1], "nobody saw what a crash took back");
    }

    // A client that repeats what it does not know to have arrived completes the log.
    let last = answers.iter().map(|&(id, _)| id).max().expect("some were acknowledged") + 64;
    for n in 1000..=last {
        let mut request = say(n);
        request.as_object_mut().expect("an object").remove("id");
        alice.ok(request);
    }
    let wanted: Vec<String> = (1000..=last).map(|n| format!("message {n}")).collect();
    assert_eq!(texts(&alice.log("lobby")), wanted);
}

#[test]
fn a_private_message_that_was_kept_survives_a_kill() {
    let mut server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["bob"]);
    scene.quit("bob");
    let mut alice = server.json_guest("alice");
    for n in 0..5 {
        alice.ok(json!({"cmd": "msg", "user": "bob", "text": format!("letter {n}")}));
    }
    server.process.kill();
    let server = server.restart();
    let mut bob = server.json();
    bob.login("bob");
    for n in 0..5 {
        assert_eq!(bob.event()["text"], format!("letter {n}"));
    }
}

#[test]
fn durability_to_disk_works_the_same() {
    let mut server = Server::with(&["history.durability = \"disk\""]);
    let mut alice = server.json_account("alice");
    alice.join("lobby");
    for n in 1..=10 {
        assert_eq!(alice.say("lobby", &format!("message {n}")), n);
    }
    server.process.kill();
    let server = server.restart();
    let mut alice = server.json();
    alice.login("alice");
    alice.join("lobby");
    assert_eq!(alice.log("lobby").len(), 10);
}

#[test]
fn what_an_operator_of_a_room_did_survives_a_kill() {
    let mut server = Server::start();
    server.home.add_user("alice");
    server.home.add_user("bob");
    let mut scene = server.scene();
    scene.login("alice");
    scene.join("lobby", &["alice"]);
    scene.play("alice > /topic tea\nalice < *** …tea…\nalice > /ban bob\nalice < *** {bob}");
    server.process.kill();
    let server = server.restart();
    let mut scene = server.scene();
    scene.login("bob");
    scene.play("bob > /join lobby\nbob < !!! banned: …");
    scene.shows("bob", "/rooms", "#lobby tea");
}
