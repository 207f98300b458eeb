//! Rates and numbers: what the defaults allow, what is refused, and who is closed.

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::DEADLINE;
use crate::harness::server::Server;
use crate::harness::text::Text;
use crate::harness::wire::{Heard, Wire};

const ONE_A_SECOND: [&str; 2] = ["limits.messages_per_second = 1", "limits.message_burst = 3"];

#[test]
fn the_defaults_do_not_hinder_somebody_who_types_fast() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    // Four lines a second for five seconds, all at once.
    let lines: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
    scene.person("alice").wire.send((lines.join("\n") + "\n").as_bytes());
    let seen: Vec<String> = lines.iter().map(|line| format!("bob < [HH:MM] #lobby <alice> {line}")).collect();
    scene.play(&seen.join("\n"));
}

#[test]
fn a_message_over_the_rate_is_refused_not_queued() {
    let server = Server::with(&ONE_A_SECOND);
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.person("alice").wire.send(b"1\n2\n3\n4\n5\n6\n");
    let answers = scene.ask("alice", "/me");
    assert!(answers.iter().any(|line| line.starts_with("!!! too-fast: ")), "{answers:?}");
    let mut seen: Vec<u32> = Vec::new();
    for line in scene.person("bob").sync() {
        let (_, text) = line.split_once("<alice> ").expect("a message of alice's");
        seen.push(text.parse().expect("a number"));
    }
    assert!(seen.starts_with(&[1, 2, 3]) && seen.is_sorted() && seen.len() < 6, "{seen:?}");
}

#[test]
fn private_messages_and_programs_have_the_same_rate() {
    let server = Server::with(&ONE_A_SECOND);
    let mut alice = server.json_guest("alice");
    let _bob = server.json_guest("bob");
    let requests = (0..5).map(|_| json!({"cmd": "msg", "user": "bob", "text": "hi"}));
    let replies = alice.at_once(requests);
    let refused = replies.iter().filter(|reply| reply["err"]["code"] == "too-fast").count();
    assert!((1..=2).contains(&refused), "{replies:?}");
}

/// Sends the same line until the server closes the connection, and gives what it said.
fn flood(mut wire: Wire, line: &str) -> Vec<String> {
    let piece = format!("{line}\n").repeat(200);
    let start = Instant::now();
    while wire.try_send(piece.as_bytes()).is_ok() {
        assert!(start.elapsed() < 2 * DEADLINE, "still taken after all this time");
    }
    wire.rest()
}

#[test]
fn who_keeps_on_over_the_message_rate_is_closed_and_nobody_else() {
    let server = Server::with(&ONE_A_SECOND);
    let mut scene = server.room_of("lobby", &["bob"]);
    let mut alice = server.text();
    alice.ask("/nick alice");
    alice.ask("/join lobby");
    scene.settle();
    let start = Instant::now();
    flood(alice.wire, "again and again");
    let seconds = start.elapsed().as_secs() as usize;
    let mut lines = scene.person("bob").expect_until("*** {alice} {#lobby}");
    // What the store had not written yet when the connection ended is said all the same.
    lines.extend(scene.person("bob").sync());
    let said = lines.iter().filter(|line| line.contains("<alice>")).count();
    assert!(said <= 3 + seconds + 1, "{said} messages in {seconds} s");
    scene.play("bob > still here");
}

#[test]
fn who_keeps_on_over_the_command_rate_is_closed() {
    let server = Server::with(&["limits.commands_per_second = 2"]);
    let mut alice = server.text();
    alice.ask("/nick alice");
    flood(alice.wire, "/list");
    server.text().ask("/help");
}

#[test]
fn no_limit_is_no_limit() {
    let server = Server::with(&["limits.messages_per_second = 0", "limits.commands_per_second = 0"]);
    let mut alice = server.json_guest("alice");
    alice.join("lobby");
    let ids: Vec<i64> = (0..500)
        .flat_map(|n| {
            let say = alice.send(json!({"cmd": "say", "room": "lobby", "text": n.to_string()}));
            [say, alice.send(json!({"cmd": "whois", "user": "alice"}))]
        })
        .collect();
    for id in ids {
        let reply = alice.reply(id);
        assert!(reply["ok"].is_object(), "{reply}");
    }
}

#[test]
fn an_address_registers_so_many_accounts_an_hour() {
    let server = Server::with(&["limits.registrations_per_hour = 2"]);
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.play(
        "
        carol > /register carol correct-horse
        carol < !!! too-fast: …
        carol > /nick carol
        carol < *** {carol}
        ",
    );
}

/// The third connection is turned away until one of the two has gone.
#[track_caller]
fn check_two_at_once(key: &str) {
    let server = Server::with(&[key]);
    let mut alice = server.text();
    let mut bob = server.text();
    alice.ask("/nick alice");
    bob.ask("/nick bob");
    let mut third = server.wire();
    // It may be closed before this arrives.
    let _ = third.try_send(b"/nick carol\n");
    let said = third.rest();
    assert!(said.iter().all(|line| line.starts_with("!!! ")), "{said:?}");
    bob.send("/quit");
    bob.wire.rest();
    let end = Instant::now() + DEADLINE;
    let mut carol = loop {
        let mut wire = server.wire();
        let _ = wire.try_send(b"/nick carol\n");
        match wire.hear() {
            Heard::Line(line) if line.starts_with("*** ") => break Text::new(wire),
            _ => assert!(Instant::now() < end, "no place became free"),
        }
    };
    carol.sync();
    alice.sync();
}

#[test]
fn so_many_connections_at_once_and_one_more_is_turned_away() {
    check_two_at_once("limits.connections = 2");
}

#[test]
fn a_limit_per_address_in_the_file_counts_for_loopback() {
    check_two_at_once("limits.connections_per_ip = 2");
}

#[test]
fn limits_per_address_do_not_count_for_loopback_by_default() {
    let server = Server::start();
    let crowd: Vec<Wire> = (0..150).map(|_| server.wire()).collect();
    for wire in crowd {
        Text::new(wire).ask("/help");
    }
}

#[test]
fn who_chooses_no_name_in_time_is_closed_and_who_has_one_stays() {
    // Long enough to choose a name, or to shake hands, on a busy machine.
    let server = Server::with(&["limits.login_timeout = \"5s\""]);
    let mut alice = server.text();
    alice.ask("/nick alice");
    let mut program = server.json();
    program.nick("program");
    let silent = server.wire();
    let mut helped = server.text();
    helped.ask("/help");
    let over_tls = server.tls();
    for mut wire in [silent, helped.wire, over_tls] {
        let said = wire.rest();
        assert!(said.iter().all(|line| line.starts_with("!!! ")), "{said:?}");
    }
    alice.sync();
    assert_eq!(program.events(), Vec::<Value>::new());
}

#[test]
fn a_line_that_was_begun_must_end_and_silence_between_lines_is_no_fault() {
    // Nothing else is due before the test would give up.
    let server = Server::with(&["limits.idle_timeout = \"1s\"", "banner_delay = \"1m\""]);
    let mut scene = server.scene();
    scene.guests(&["alice", "bob"]);
    scene.person("bob").wire.send(b"half a li");
    let said = scene.person("bob").wire.rest();
    assert!(said.iter().all(|line| line.starts_with("!!! ")), "{said:?}");
    scene.remove("bob");
    scene.play("alice > /nick lucia\nalice < *** {lucia}");
}

#[test]
fn wrong_passwords_are_limited_by_address_also_on_many_connections() {
    let server = Server::with(&["limits.failed_logins_per_minute = 3"]);
    server.home.add_user("alice");
    for _ in 0..3 {
        server.scene().play("x > /login alice wrong-horse\nx < !!! login-failed: …");
    }
    let answer = server.text().ask("/login alice wrong-horse");
    assert!(!answer[0].starts_with("!!! login-failed: "), "{answer:?}");
}

#[test]
fn topics_statuses_and_texts_have_a_bound() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    let long = "x".repeat(4000);
    for command in ["/topic", "/status away", "/kick bob"] {
        let lines = scene.ask("alice", &format!("{command} {long}"));
        let refused = lines.iter().any(|line| line.starts_with("!!! "));
        let cut = lines.iter().all(|line| line.len() < 2000);
        assert!(refused || cut, "{command}: {lines:?}");
    }
}
