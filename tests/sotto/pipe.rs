//! Plain mode in a pipe, and one-shot commands.

use serde_json::json;

use crate::client::{NO_KEYS, Talker, check, pipe, sotto};
use crate::harness::PASSWORD;
use crate::harness::json::Json;
use crate::harness::server::Server;

#[test]
fn lines_in_lines_out_until_the_input_ends() {
    let server = Server::start();
    let mut alice = sotto(&server.home, server.address, "alice");
    alice.env("SOTTO_PASSWORD", PASSWORD).args(["--plain", "--accept-new", "--register"]);
    let input =
        "/join lobby\nhello\n\n/me waves\n/topic tea at four\n/who\n/nonsense\n/leave\nlost\n/help join\n";
    check(
        &pipe(&mut alice, input),
        0,
        &[
            "*** {alice}",
            NO_KEYS,
            "*** you are in #lobby",
            "*** topic of #lobby: tea at four",
            "*** {members} {#lobby}",
            "*** {alice} {online} {operator}",
            "*** {end of members}",
            "!!! unknown-command: …",
            "*** you have left #lobby…",
            "!!! no-room: …",
            "*** /join ROOM [KEY]: …",
        ],
    );
    let mut bob = sotto(&server.home, server.address, "bob");
    bob.args(["--plain", "--accept-new", "--join", "lobby"]);
    check(
        &pipe(&mut bob, "hi\n/quit\nnever read\n"),
        0,
        &[
            "*** {bob} {guest}",
            "*** you are in #lobby",
            "*** topic of #lobby: tea at four",
            "[HH:MM] #lobby <alice> hello",
            "[HH:MM] #lobby * alice waves",
        ],
    );
}

#[test]
fn two_people_talk() {
    let server = Server::start();
    let start = |name: &str| {
        let mut command = sotto(&server.home, server.address, name);
        Talker::start(command.args(["--accept-new", "--join", "lobby"]))
    };
    let mut alice = start("alice");
    alice.shows("*** {alice}");
    alice.shows("*** you are in #lobby");
    let mut bob = start("bob");
    bob.shows("*** {bob}");
    bob.shows("*** you are in #lobby");
    alice.shows("*** bob {joined} {#lobby}");
    bob.types("good evening\n");
    alice.shows("[HH:MM] #lobby <bob> good evening");
    // Guests have no keys, and both are told once what that means.
    alice.types("/msg bob psst\n");
    alice.shows("*** messages with bob are NOT encrypted…");
    alice.shows("[HH:MM] <you -> bob> psst");
    bob.shows("*** messages with alice are NOT encrypted…");
    bob.shows("[HH:MM] <alice -> you> psst");
    alice.types("/msg bob again\n");
    alice.shows("[HH:MM] <you -> bob> again");
    bob.shows("[HH:MM] <alice -> you> again");
    bob.types("/msg nobody psst\n");
    bob.shows("*** messages with nobody are NOT encrypted…");
    bob.shows("!!! no-such-user: …");
    let told = bob.ends();
    assert_eq!((told.status, told.out.as_str()), (Some(0), ""));
    alice.shows("*** bob {quit}");
}

#[test]
fn a_thousand_lines_arrive_in_their_order() {
    let server = Server::with(&["limits.messages_per_second = 0"]);
    let lines: Vec<String> = (0..1000).map(|number| format!("line {number}")).collect();
    let mut reader = reader(&server);
    let mut alice = sotto(&server.home, server.address, "alice");
    alice.args(["--plain", "--accept-new", "--join", "lobby"]);
    let told = pipe(&mut alice, &(lines.join("\n") + "\n"));
    check(&told, 0, &["*** {alice}", "*** you are in #lobby"]);
    assert_eq!(said(&mut reader, "lobby"), lines);
}

#[test]
fn a_pipe_slows_down_instead_of_being_refused() {
    let server = Server::with(&["limits.messages_per_second = 5", "limits.message_burst = 5"]);
    let lines: Vec<String> = (0..12).map(|number| format!("line {number}")).collect();
    let mut reader = reader(&server);
    let mut alice = sotto(&server.home, server.address, "alice");
    alice.args(["--plain", "--accept-new", "--join", "lobby"]);
    check(&pipe(&mut alice, &lines.join("\n")), 0, &["*** {alice}", "*** you are in #lobby"]);
    assert_eq!(said(&mut reader, "lobby"), lines);
}

#[test]
fn one_message_for_a_job() {
    let server = Server::start();
    let mut reader = reader(&server);
    let mut job = sotto(&server.home, server.address, "job");
    let told = pipe(job.args(["--accept-new", "say", "#lobby", "disk", "is", "full"]), "");
    check(&told, 0, &[]);
    assert_eq!(said(&mut reader, "lobby"), ["disk is full"]);
    let mut job = sotto(&server.home, server.address, "job");
    let told = pipe(job.args(["say", "bad name", "x"]), "");
    assert_eq!(told.status, Some(2), "{told:?}");
}

/// A program in the lobby, which keeps the room alive when the guests have gone.
fn reader(server: &Server) -> Json {
    let mut reader = server.json_guest("reader");
    reader.join("lobby");
    reader
}

/// What was said in a room, as a program sees it.
fn said(reader: &mut Json, room: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut after = 0;
    loop {
        let page = reader.ok(json!({"cmd": "history", "room": room, "after": after, "limit": 500}));
        let messages = page["messages"].as_array().expect("a page has messages").clone();
        let Some(last) = messages.last() else { return texts };
        after = last["seq"].as_u64().expect("a number");
        texts.extend(messages.iter().map(|message| message["text"].as_str().expect("a text").to_owned()));
    }
}
