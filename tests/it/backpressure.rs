//! Slow readers: they wait, then they are closed; nobody else notices.

use serde_json::json;

use crate::harness::json::seqs;
use crate::harness::server::Server;
use crate::harness::wire::Wire;

const SMALL_QUEUES: [&str; 4] = [
    "limits.send_queue_soft = 65536",
    "limits.send_queue_hard = 1048576",
    "limits.messages_per_second = 0",
    "limits.commands_per_second = 0",
];
/// More than the system's own buffers of a loopback connection hold.
const FLOOD_BYTES_MAX: usize = 64 << 20;

/// Somebody who joins a room and then reads nothing.
fn reads_nothing(mut wire: Wire) -> Wire {
    wire.send(b"/nick slow\n/join lobby\n");
    while wire.line() != "*** end of history" {}
    wire
}

#[test]
fn a_reader_that_falls_behind_is_closed_and_the_others_miss_nothing() {
    for over_tls in [false, true] {
        let server = Server::with(&SMALL_QUEUES);
        let mut alice = server.json_guest("alice");
        let mut bob = server.json_guest("bob");
        alice.join("lobby");
        bob.join("lobby");
        let mut slow = reads_nothing(if over_tls { server.tls() } else { server.wire() });
        let text = "x".repeat(4000);
        let mut seen = Vec::new();
        let mut sent = 0;
        let slow_is_gone = |event: &serde_json::Value| event["kind"] == "quit" && event["user"] == "slow";
        'talk: loop {
            assert!(sent * text.len() < FLOOD_BYTES_MAX, "the slow reader was never closed");
            let say = json!({"cmd": "say", "room": "lobby", "text": text});
            let asked: Vec<i64> = (0..50).map(|_| alice.send(say.clone())).collect();
            for id in asked {
                assert!(alice.reply(id)["ok"].is_object());
            }
            sent += 50;
            while seen.len() < sent {
                let event = bob.event();
                if slow_is_gone(&event) {
                    break 'talk;
                }
                seen.extend(event["seq"].as_u64());
            }
        }
        while seen.len() < sent {
            seen.extend(seqs([&bob.event()]));
        }
        assert_eq!(seen, (1..=sent as u64).collect::<Vec<u64>>());
        // What was on its way may still come, and then the end.
        slow.drain();
    }
}

#[test]
fn who_does_not_read_is_not_heard_and_loses_nothing_once_it_reads() {
    let server = Server::with(&SMALL_QUEUES);
    let mut talker = server.json_guest("talker");
    talker.join("lobby");
    let ids: Vec<i64> = (0..300)
        .map(|n| {
            talker.send(json!({"cmd": "say", "room": "lobby", "text": format!("{n} {}", "x".repeat(4000))}))
        })
        .collect();
    for id in ids {
        assert!(talker.reply(id)["ok"].is_object());
    }
    let mut reader = server.json_guest("reader");
    reader.join("lobby");
    // Far more than the send queue holds, asked for before the first answer is read: the server lets the
    // questions wait instead of piling up answers.
    let asked: Vec<i64> = (0..100)
        .map(|_| reader.send(json!({"cmd": "history", "room": "lobby", "after": 0, "limit": 50})))
        .collect();
    for id in asked {
        let reply = reader.reply(id);
        assert_eq!(reply["ok"]["messages"].as_array().map(Vec::len), Some(50), "{id}");
    }
}

#[test]
fn what_a_slow_reader_says_waits_until_it_reads() {
    let server = Server::with(&SMALL_QUEUES);
    let mut talker = server.json_guest("talker");
    talker.join("lobby");
    let ids: Vec<i64> = (0..200)
        .map(|_| talker.send(json!({"cmd": "say", "room": "lobby", "text": "x".repeat(4000)})))
        .collect();
    ids.into_iter().for_each(|id| drop(talker.reply(id)));
    let mut reader = server.json_guest("reader");
    reader.join("lobby");
    talker.events();
    // Forty megabytes of answers: more than the system's own buffers hold. Each fits the queue together with
    // what may stand there, below the soft limit, when the server takes the next question.
    let asked: Vec<i64> =
        (0..50).map(|_| reader.send(json!({"cmd": "history", "room": "lobby", "limit": 200}))).collect();
    let said = reader.send(json!({"cmd": "say", "room": "lobby", "text": "at last"}));
    for _ in 0..50 {
        assert_eq!(talker.events(), Vec::<serde_json::Value>::new());
    }
    for id in asked {
        assert!(reader.reply(id)["ok"].is_object());
    }
    assert!(reader.reply(said)["ok"].is_object());
    assert_eq!(talker.message()["text"], "at last");
}

#[test]
fn a_very_long_history_streams_to_a_reader_who_is_not_there_yet() {
    let server = Server::with(&SMALL_QUEUES);
    let mut program = server.json_guest("program");
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    program.join("lobby");
    let text = "x".repeat(2000);
    for _ in 0..10 {
        let say = json!({"cmd": "say", "room": "lobby", "text": text});
        let ids: Vec<i64> = (0..500).map(|_| program.send(say.clone())).collect();
        ids.into_iter().for_each(|id| assert!(program.reply(id)["ok"].is_object()));
        scene.settle();
    }
    // Ten megabytes, ten times the hard limit; meanwhile the others talk.
    scene.person("alice").send("/history 5000");
    scene.play_open("bob > go on");
    assert_eq!(program.message()["text"], "go on");
    let alice = scene.person("alice");
    let before = alice.expect_until("*** history of #lobby");
    let history = alice.expect_until("*** end of history");
    let go_on = |line: &&String| line.ends_with("<bob> go on");
    assert_eq!(history.iter().filter(|line| line.ends_with(&text)).count(), 5000);
    let after = alice.sync();
    let heard = before.iter().chain(&history).chain(&after).filter(go_on).count();
    assert_eq!(heard, 1, "said while the history was on its way");
}

#[test]
fn a_long_answer_is_drained_at_the_readers_pace() {
    let server = Server::with(&SMALL_QUEUES);
    let mut scene = server.room_of("lobby", &["alice"]);
    let text = "x".repeat(4000);
    let alice = scene.person("alice");
    for _ in 0..500 {
        alice.send(&text);
    }
    alice.sync();
    // Two megabytes an answer, four times; the queue takes half of one.
    for _ in 0..4 {
        alice.send("/history 500");
    }
    for _ in 0..4 {
        alice.expect("*** history of #lobby");
        assert_eq!(alice.expect_until("*** end of history").len(), 500);
    }
    alice.sync();
}
