//! Running a room: operators, topic, kick, ban, invitations, private rooms and keys.

use crate::harness::scene::Scene;
use crate::harness::server::Server;

#[test]
fn the_creator_is_operator_and_others_are_not() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob", "carol"]);
    for line in [
        "/kick carol",
        "/ban carol",
        "/unban carol",
        "/op bob",
        "/deop alice",
        "/room private",
        "/room key k",
        "/topic mine",
    ] {
        scene.play(&format!("bob > {line}\nbob < !!! not-operator: …"));
    }
}

#[test]
fn an_operator_makes_and_unmakes_another() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.ask("alice", "/op bob");
    scene.settle();
    scene.play(
        "
        bob > /topic mine
        bob < *** …mine…
        alice < *** {bob} {#lobby} {mine}
        ",
    );
    scene.ask("alice", "/deop bob");
    scene.settle();
    scene.play("bob > /topic again\nbob < !!! not-operator: …");
    scene.play("alice > /op nobody\nalice < !!! no…: …");
}

#[test]
fn a_topic_is_set_shown_and_told() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.play(
        "
        alice > /topic all about tea
        alice < *** …all about tea…
        bob < *** {alice} {#lobby} {all about tea}
        bob > /topic
        bob < *** …all about tea…
        ",
    );
}

#[test]
fn a_kick_names_who_and_why_and_is_no_ban() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob", "carol"]);
    scene.play(
        "
        alice > /kick bob too loud
        alice < *** {bob}
        bob < *** {alice} {#lobby} {too loud}
        carol < *** {bob} {alice} {#lobby} {too loud}
        bob > hello?
        bob < !!! no-room: …
        bob > /join lobby
        bob < ⋮
        alice < *** {bob} {#lobby}
        carol < *** {bob} {#lobby}
        ",
    );
}

#[test]
fn kicking_needs_a_member() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    scene.guests(&["bob"]);
    scene.play(
        "
        alice > /kick bob
        alice < !!! no…: …
        alice > /kick
        alice < !!! missing-argument: …
        ",
    );
}

#[test]
fn a_banned_user_is_out_and_stays_out() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.join("lobby", &["alice", "bob"]);
    scene.ask("alice", "/ban bob");
    scene.settle();
    scene.hides("alice", "/who", "bob");
    scene.play("bob > /join lobby\nbob < !!! banned: …");
    let server = server.restart();
    let mut scene = server.scene();
    scene.login("bob");
    scene.play("bob > /join lobby\nbob < !!! banned: …");
    scene.login("alice");
    scene.join("lobby", &["alice"]);
    scene.play("alice > /unban bob\nalice < *** {bob}");
    scene.join("lobby", &["bob"]);
}

#[test]
fn a_private_room_opens_to_the_invited_and_shows_to_nobody_else() {
    let server = Server::start();
    let mut scene = server.room_of("hideout", &["alice"]);
    scene.ask("alice", "/room private");
    scene.guests(&["bob", "carol"]);
    scene.hides("bob", "/rooms", "hideout");
    scene.play("bob > /join hideout\nbob < !!! invite-only: …");
    scene.play(
        "
        alice > /invite bob
        alice < *** {bob}
        bob < *** {alice} {#hideout}
        bob > /join hideout
        bob < ⋮
        alice < *** {bob} {#hideout}
        carol > /join hideout
        carol < !!! invite-only: …
        ",
    );
    scene.shows("bob", "/rooms", "hideout");
    scene.hides("carol", "/rooms", "hideout");
    let lines = scene.ask("carol", "/who hideout");
    assert!(!lines.iter().any(|line| line.contains("alice")), "{lines:?}");
}

#[test]
fn a_key_opens_a_room_with_a_key() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    scene.join("vault", &["alice"]);
    scene.ask("alice", "/room key sesame");
    scene.guests(&["bob"]);
    let refused = "
        bob > /join vault
        bob < !!! bad-key: …
        bob > /join vault simsalabim
        bob < !!! bad-key: …
        ";
    scene.play(refused);
    let server = server.restart();
    let mut scene = server.scene();
    scene.guests(&["bob"]);
    scene.play(refused);
    scene.join("vault sesame", &["bob"]);
    scene.login("alice");
    scene.settle();
    scene.join("vault", &["alice"]);
    scene.ask("alice", "/room public");
    scene.guests(&["carol"]);
    scene.join("vault", &["carol"]);
}

#[test]
fn a_room_has_three_kinds_of_access() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    scene.play(
        "
        alice > /room secret
        alice < !!! bad-argument: …
        alice > /room key
        alice < !!! missing-argument: …
        ",
    );
}

#[test]
fn a_guests_operator_right_ends_when_the_guest_leaves() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.quit("alice");
    scene.guests(&["alice"]);
    scene.join("lobby", &["alice"]);
    scene.play("alice > /kick bob\nalice < !!! not-operator: …");
}

fn lobby_of_alice(server: &Server) -> Scene {
    let mut scene = server.scene();
    scene.login("alice");
    scene.login("bob");
    scene.join("lobby", &["alice", "bob"]);
    scene
}

#[test]
fn operators_topics_and_rooms_survive_a_restart() {
    let server = Server::start();
    server.home.add_user("alice");
    server.home.add_user("bob");
    let mut scene = lobby_of_alice(&server);
    scene.ask("alice", "/topic all about tea");
    scene.ask("alice", "/op bob");
    let server = server.restart();
    let mut scene = lobby_of_alice(&server);
    scene.shows("alice", "/topic", "all about tea");
    scene.shows("bob", "/topic", "all about tea");
    for who in ["alice", "bob"] {
        scene.ask(who, &format!("/topic by {who}"));
        scene.settle();
        scene.shows(who, "/topic", &format!("by {who}"));
    }
}

#[test]
fn an_accounts_operator_right_survives_leaving() {
    let server = Server::start();
    server.home.add_user("alice");
    server.home.add_user("bob");
    let mut scene = lobby_of_alice(&server);
    scene.ask("alice", "/leave");
    scene.join("lobby", &["alice"]);
    scene.play("alice > /kick bob\nalice < *** {bob}\nbob < *** {alice} {#lobby}");
}

#[test]
fn a_name_that_nobody_holds_yet_can_be_banned() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    scene.play("alice > /ban mallory\nalice < *** {mallory}");
    scene.guests(&["mallory"]);
    scene.play(
        "
        mallory > /join lobby
        mallory < !!! banned: …
        alice > /ban no/name
        alice < !!! bad-name: …
        alice > /unban MALLORY
        alice < *** {mallory}
        mallory > /join lobby
        mallory < *** you are in #lobby
        mallory < ⋮
        alice < *** {mallory} {#lobby}
        ",
    );
}
