//! Stopping: everybody is told, everything is kept, and the exit status says how it went.

use serde_json::{Value, json};

use crate::harness::home::Home;
use crate::harness::process::run;
use crate::harness::server::Server;

#[test]
fn a_signal_tells_everybody_and_ends_with_status_0() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start();
        let mut scene = server.room_of("lobby", &["alice"]);
        scene.add("carol", server.tls());
        scene.guests(&["carol"]);
        let mut program = server.json_guest("program");
        program.join("lobby");
        scene.settle();
        server.process.signal(signal);
        let told = server.process.finish();
        assert_eq!(told.status, Some(0), "{told:?}");
        for who in ["alice", "carol"] {
            let last = scene.person(who).wire.rest();
            assert!(
                last.iter().any(|line| line.starts_with("***") || line.starts_with("!!! shutting-down: "))
            );
        }
        let rest = program.wire.rest();
        let events: Vec<Value> = rest.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let shutdown = |event: &&Value| event["ev"] == "notice" && event["kind"] == "shutdown";
        assert!(events.iter().any(|event| shutdown(&event)), "{rest:?}");
    }
}

#[test]
fn a_stopped_server_listens_no_more() {
    let mut server = Server::start();
    server.stop();
    assert!(std::net::TcpStream::connect(server.address).is_err());
}

#[test]
fn what_was_said_before_the_stop_is_delivered_and_kept() {
    let mut server = Server::with(&["limits.messages_per_second = 0"]);
    let mut alice = server.json_account("alice");
    let mut bob = server.json_guest("bob");
    alice.join("lobby");
    bob.join("lobby");
    let ids: Vec<i64> = (0..500)
        .map(|n| alice.send(json!({"cmd": "say", "room": "lobby", "text": format!("message {n}")})))
        .collect();
    alice.reply(ids[0]);
    server.stop();
    let acknowledged = 1 + alice
        .wire
        .rest()
        .iter()
        .filter(|line| line.contains("\"ok\":") && line.contains("\"seq\":"))
        .count();
    let heard = bob.wire.rest().iter().filter(|line| line.contains("\"message\"")).count();
    let server = server.restart();
    let mut alice = server.json();
    alice.login("alice");
    alice.join("lobby");
    let kept = alice.log("lobby").len();
    assert!(kept >= acknowledged && kept >= heard, "{acknowledged} acknowledged, {heard} heard, {kept} kept");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::with(&["shutdown_timeout = \"10m\"", "limits.messages_per_second = 0"]);
    let mut alice = server.json_guest("alice");
    let mut slow = server.json_guest("slow");
    alice.join("lobby");
    slow.join("lobby");
    // More than the system takes for somebody who does not read, and less than closes the connection.
    let text = "x".repeat(60_000);
    for _ in 0..150 {
        alice.ok(json!({"cmd": "say", "room": "lobby", "text": text}));
    }
    server.process.signal("TERM");
    while alice.event()["kind"] != "shutdown" {}
    server.process.signal("TERM");
    // The deadline of the harness is far below the minutes that the queue would have been waited for.
    server.process.finish();
}

#[test]
fn a_data_directory_serves_one_server() {
    let server = Server::start();
    let told = run(server.home.sottod().args(["--listen", "127.0.0.1:0"]));
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains("data"), "names the directory: {told:?}");
    assert_eq!(told.out, "");
    server.text().ask("/help");
}

#[test]
fn a_killed_server_leaves_no_lock_behind() {
    let mut server = Server::start();
    server.process.kill();
    server.restart().text().ask("/help");
}

#[test]
fn an_address_that_cannot_be_had_is_a_failure() {
    let server = Server::start();
    let home = Home::new(&[]);
    let told = run(home.sottod().args(["--listen", &server.address.to_string()]));
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains(&server.address.to_string()), "{told:?}");
}

#[test]
fn stdout_has_the_listening_lines_alone() {
    let mut server = Server::with(&["log.level = \"trace\""]);
    server.room_of("lobby", &["alice", "bob"]);
    let told = server.stop();
    assert_eq!(told.out, "", "after the line that was read at the start");
}
