//! When something runs out (disk, descriptors, workers), what works goes on, and the rest comes back.

use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::harness::json::{Json, seqs};
use crate::harness::server::Server;
use crate::harness::wire::Wire;
use crate::harness::{DEADLINE, PASSWORD};

/// Sets how large the server's files may grow; false where the system has no such tool.
#[cfg(target_os = "linux")]
pub fn limit_files(server: &Server, bytes: &str) -> bool {
    let process = server.process.id().to_string();
    let limit = format!("--fsize={bytes}:unlimited");
    Command::new("prlimit").args(["--pid", &process, &limit]).status().is_ok_and(|status| status.success())
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_messages_and_chat_resumes_by_itself() {
    // A process that ignores the signal is told of the limit by its writes failing, as on a full disk.
    let server = Server::after("trap '' XFSZ", &[]);
    let mut alice = server.json_account("alice");
    let mut bob = server.json_guest("bob");
    alice.join("lobby");
    bob.join("lobby");
    assert_eq!(alice.say("lobby", "before"), 1);
    assert_eq!(bob.message()["text"], "before");
    if !limit_files(&server, "1") {
        return;
    }
    let say = |text: &str| json!({"cmd": "say", "room": "lobby", "text": text});
    for _ in 0..3 {
        assert_eq!(alice.err(say("lost")), "storage-unavailable");
    }
    assert_eq!(bob.events(), Vec::<serde_json::Value>::new(), "nobody sees what was not kept");
    alice.ok(json!({"cmd": "msg", "user": "bob", "text": "needs no disk"}));
    assert_eq!(bob.event()["text"], "needs no disk");
    limit_files(&server, "unlimited");
    let end = Instant::now() + DEADLINE;
    while alice.request(say("after")).get("err").is_some() {
        assert!(Instant::now() < end, "storage did not come back");
    }
    assert_eq!(bob.message()["text"], "after");
    let server = server.restart();
    let mut alice = server.json();
    alice.login("alice");
    alice.join("lobby");
    assert_eq!(seqs(&alice.log("lobby")), [1, 2]);
}

#[test]
fn without_descriptors_accepting_rests_and_resumes() {
    let server = Server::after("ulimit -n 64", &[]);
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    // The system completes these connections, whether the server can take them or not.
    let crowd: Vec<Wire> = (0..100).map(|_| server.wire()).collect();
    scene.play(
        "
        alice > crowded here
        bob < [HH:MM] #lobby <alice> crowded here
        bob > still fine
        alice < [HH:MM] #lobby <bob> still fine
        ",
    );
    drop(crowd);
    scene.guests(&["carol"]);
    scene.join("lobby", &["carol"]);
}

#[test]
fn waiting_logins_are_bounded_and_each_is_answered() {
    let server =
        Server::with(&["accounts.bcrypt_cost = 10", "workers.threads = 1", "workers.password_jobs = 4"]);
    server.home.add_user("alice");
    let mut chatter = server.json_guest("chatter");
    chatter.join("lobby");
    let mut crowd: Vec<(Json, i64)> = (0..40)
        .map(|_| {
            let mut json = server.json();
            let id = json.send(json!({"cmd": "login", "user": "alice", "password": PASSWORD}));
            (json, id)
        })
        .collect();
    chatter.say("lobby", "nobody waits for a password but who gave one");
    let (mut welcome, mut busy) = (0, 0);
    for (json, id) in &mut crowd {
        let reply = json.reply(*id);
        match reply["err"]["code"].as_str() {
            None => welcome += 1,
            Some("busy") => busy += 1,
            Some(_) => panic!("{reply}"),
        }
    }
    assert!(welcome >= 4 && busy > 0, "{welcome} welcome, {busy} told to come again");
    server.json().login("alice");
}
