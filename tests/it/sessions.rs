//! Several connections of one account, and coming back.

use std::net::Shutdown;

use serde_json::json;

use crate::harness::scene::Scene;
use crate::harness::server::Server;
use crate::harness::wire::{Wire, socket};

/// Alice at her desk and on her phone, and bob; all in the lobby.
fn desk_and_phone(server: &Server) -> Scene {
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.login_as("phone", "alice");
    scene.join("lobby", &["alice", "phone", "bob"]);
    scene
}

#[test]
fn what_one_session_says_the_others_of_the_user_see_under_the_users_name() {
    let server = Server::start();
    let mut scene = desk_and_phone(&server);
    scene.play(
        "
        alice > from the desk
        phone < [HH:MM] #lobby <alice> from the desk
        bob < [HH:MM] #lobby <alice> from the desk
        phone > /me waves
        alice < [HH:MM] #lobby * alice waves
        bob < [HH:MM] #lobby * alice waves
        ",
    );
}

#[test]
fn the_user_is_one_member_and_leaves_with_the_last_session() {
    let server = Server::start();
    let mut scene = desk_and_phone(&server);
    scene.shows("bob", "/rooms", "#lobby 2");
    let members = scene.ask("bob", "/who");
    assert_eq!(members.iter().filter(|line| line.contains("alice")).count(), 1, "{members:?}");
    scene.play(
        "
        phone > /quit from the phone
        phone < ⋮
        phone < (closed)
        bob > still there?
        alice < [HH:MM] #lobby <bob> still there?
        alice > /quit from the desk
        alice < ⋮
        alice < (closed)
        bob < *** {alice} {#lobby} {from the desk}
        ",
    );
}

#[test]
fn the_current_room_is_the_sessions_own() {
    let server = Server::start();
    let mut scene = desk_and_phone(&server);
    scene.join("kitchen", &["phone", "bob"]);
    scene.play(
        "
        alice > in the lobby
        phone < [HH:MM] #lobby <alice> in the lobby
        bob < [HH:MM] #lobby <alice> in the lobby
        phone > in the kitchen
        alice < [HH:MM] #kitchen <alice> in the kitchen
        bob < [HH:MM] #kitchen <alice> in the kitchen
        ",
    );
}

#[test]
fn leaving_a_room_is_for_all_sessions_of_the_user() {
    let server = Server::start();
    let mut scene = desk_and_phone(&server);
    scene.ask("alice", "/leave");
    scene.settle();
    scene.play("bob > alone?\nphone > hello\nphone < !!! no…: …");
    scene.hides("bob", "/who", "alice");
}

#[test]
fn a_block_holds_in_all_sessions() {
    let server = Server::start();
    let mut scene = desk_and_phone(&server);
    scene.ask("alice", "/block bob");
    scene.play("bob > can you hear me?\nbob > /msg alice here?\nbob < !!! blocked: …");
}

#[test]
fn a_login_comes_into_its_rooms_and_shows_what_was_said_meanwhile() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.join("lobby", &["alice", "bob"]);
    scene.join("kitchen", &["alice", "bob"]);
    scene.ask("alice", "before");
    scene.quit("alice");
    scene.ask("bob", "meanwhile");
    scene.settle();
    let alice = scene.person("alice");
    alice.send("/login alice correct-horse");
    alice.expect("*** {alice}");
    for _ in 0..2 {
        alice.expect_until("*** you are in #…");
        let history = alice.expect_until("*** end of history");
        if history[0] == "*** history of #kitchen" {
            let said: Vec<&str> = history[1..].iter().map(|line| &line[8..]).collect();
            assert_eq!(said, ["#kitchen <alice> before", "#kitchen <bob> meanwhile"]);
        } else {
            assert_eq!(history, ["*** history of #lobby"]);
        }
    }
}

#[test]
fn a_program_that_logs_in_hears_its_rooms_without_joining_them() {
    let server = Server::start();
    let mut alice = server.json_account("alice");
    let mut bob = server.json_guest("bob");
    alice.join("lobby");
    bob.join("lobby");
    alice.ok(json!({"cmd": "quit"}));
    alice.wire.rest();
    let mut alice = server.json();
    alice.login("alice");
    // Behind the rooms in the order of requests.
    alice.ok(json!({"cmd": "list"}));
    bob.say("lobby", "welcome back");
    assert_eq!(alice.message()["text"], "welcome back");
}

#[test]
fn who_was_banned_meanwhile_does_not_come_back_into_the_room() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.join("lobby", &["alice", "bob"]);
    scene.quit("bob");
    scene.ask("alice", "/ban bob");
    let lines = scene.ask("bob", "/login bob correct-horse");
    assert!(!lines.iter().any(|line| line.contains("#lobby")), "{lines:?}");
    scene.play("bob > hello?\nbob < !!! no-room: …");
}

/// Sends everything, ends its side of the connection as `nc -N` does, and gives what came.
fn piped(server: &Server, lines: &str) -> Vec<String> {
    let stream = socket(server.address);
    let ending = stream.try_clone().expect("a socket has a second handle");
    let mut wire = Wire::new(stream);
    wire.send(lines.as_bytes());
    ending.shutdown(Shutdown::Write).expect("it is connected");
    wire.rest()
}

#[test]
fn lines_from_a_pipe_are_all_done_before_the_connection_ends() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["bob"]);
    let came = piped(&server, "/nick alice\n/join lobby\nfrom a pipe\n/history\n");
    assert!(came.last().is_some_and(|line| line == "*** end of history"), "{came:?}");
    scene.play(
        "
        bob < *** {alice} {#lobby}
        bob < [HH:MM] #lobby <alice> from a pipe
        bob < *** {alice} {#lobby}
        ",
    );
}

#[test]
fn what_a_pipe_said_last_is_heard_though_its_end_follows_at_once() {
    let server = Server::start();
    server.home.add_user("carol");
    let mut scene = server.room_of("lobby", &["bob"]);
    piped(&server, "/login carol correct-horse\n/join lobby\nthe last words\n");
    scene.play("bob < ⋮\nbob < [HH:MM] #lobby <carol> the last words\nbob < *** {carol} {#lobby}");
    let came = piped(&server, "{\"id\":1,\"cmd\":\"nick\",\"user\":\"dave\"}\n{\"id\":2,\"cmd\":\"list\"}\n");
    assert_eq!(came.len(), 2, "{came:?}");
}
