//! Coming, going, and what the members of a room are told.

use crate::harness::server::Server;

#[test]
fn joining_tells_the_topic_and_the_history() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    scene.guests(&["bob"]);
    scene.play(
        "
        alice > first
        alice > /me waves
        alice > /topic all about tea
        alice < *** …all about tea…
        bob > /join lobby
        bob < *** you are in #lobby
        bob < *** …all about tea…
        bob < *** history of #lobby
        bob < [HH:MM] #lobby <alice> first
        bob < [HH:MM] #lobby * alice waves
        bob < *** end of history
        alice < *** {bob} {#lobby}
        ",
    );
}

#[test]
fn an_empty_history_is_a_block_too() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["alice"]);
    scene.play(
        "
        alice > /join lobby
        alice < *** you are in #lobby
        alice < *** history of #lobby
        alice < *** end of history
        ",
    );
}

#[test]
fn joining_again_replays_the_history_and_tells_nobody() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.join("other", &["alice"]);
    scene.play(
        "
        alice > /join lobby
        alice < *** you are in #lobby
        alice < *** history of #lobby
        alice < *** end of history
        alice > back
        bob < [HH:MM] #lobby <alice> back
        ",
    );
}

#[test]
fn the_members_are_told_who_comes_and_goes() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    scene.guests(&["bob", "carol"]);
    scene.play(
        "
        bob > /join lobby
        bob < ⋮
        alice < *** {bob} {#lobby}
        bob > /leave
        alice < *** {bob} {#lobby}
        carol > /join lobby
        carol < ⋮
        alice < *** {carol} {#lobby}
        carol > /quit to the sea
        alice < *** {carol} {#lobby} {to the sea}
        carol < ⋮
        carol < (closed)
        ",
    );
}

#[test]
fn a_cut_connection_is_a_quit() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.remove("bob");
    scene.play("alice < *** {bob} {#lobby}");
    scene.hides("alice", "/who", "bob");
}

#[test]
fn after_leaving_the_room_before_is_current_and_then_none() {
    let server = Server::start();
    let mut scene = server.room_of("one", &["alice", "bob"]);
    scene.join("two", &["alice"]);
    scene.play(
        "
        alice > /leave
        alice < *** {#two}
        alice > hello
        bob < [HH:MM] #one <alice> hello
        alice > /leave
        alice < *** {#one}
        bob < *** {alice} {#one}
        alice > hello
        alice < !!! no-room: …
        ",
    );
}

#[test]
fn a_room_can_be_left_by_name() {
    let server = Server::start();
    let mut scene = server.room_of("one", &["alice", "bob"]);
    scene.join("two", &["alice"]);
    scene.play(
        "
        alice > /leave one
        alice < *** {#one}
        bob < *** {alice} {#one}
        alice > /leave #one
        alice < !!! not-in-room: …
        alice > /leave nowhere
        alice < !!! no…: …
        ",
    );
}

#[test]
fn who_lists_the_members() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.guests(&["carol"]);
    scene.shows("alice", "/who", "alice");
    scene.shows("alice", "/who", "bob");
    scene.hides("alice", "/who", "carol");
    scene.shows("bob", "/who #lobby", "alice");
    scene.play("alice > /who nowhere\nalice < !!! no-such-room: …");
}

#[test]
fn rooms_are_listed_with_topic_and_number_of_members() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.ask("alice", "/topic all about tea");
    scene.guests(&["carol"]);
    scene.shows("carol", "/rooms", "#lobby 2 tea");
    scene.ask("bob", "/leave");
    scene.shows("carol", "/rooms", "#lobby 1 tea");
}

#[test]
fn a_guests_empty_room_is_gone_with_all_it_had() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.ask("alice", "/topic secret plans");
    scene.play("alice > for bob only\nbob < ⋮\nbob < [HH:MM] #lobby <alice> for bob only");
    scene.ask("alice", "/leave");
    scene.ask("bob", "/leave");
    scene.hides("alice", "/rooms", "lobby");
    scene.play(
        "
        bob > /join lobby
        bob < *** you are in #lobby
        bob < *** history of #lobby
        bob < *** end of history
        bob > /topic mine now
        bob < *** …mine now…
        ",
    );
}

#[test]
fn an_accounts_empty_room_stays() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    scene.join("lobby", &["alice"]);
    scene.ask("alice", "/topic all about tea");
    scene.ask("alice", "first");
    scene.ask("alice", "/leave");
    scene.shows("alice", "/rooms", "#lobby 0 tea");
    scene.play(
        "
        alice > /join lobby
        alice < *** you are in #lobby
        alice < *** …all about tea…
        alice < *** history of #lobby
        alice < [HH:MM] #lobby <alice> first
        alice < *** end of history
        ",
    );
}

#[test]
fn rooms_belong_to_the_user_and_come_back_at_login() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.join("lobby", &["alice", "bob"]);
    scene.join("kitchen", &["alice"]);
    scene.quit("alice");
    scene.play(
        "
        alice > /login alice correct-horse
        alice < *** {alice}
        alice < ⋮
        bob < *** {alice} {#lobby}
        ",
    );
    scene.shows("alice", "/who kitchen", "alice");
    scene.play("bob > welcome back\nalice < [HH:MM] #lobby <bob> welcome back");
}
