//! Private messages, to those who are there and to those who come later, and blocking.

use crate::harness::scene::Scene;
use crate::harness::server::Server;

#[test]
fn a_private_message_reaches_one_and_is_shown_to_its_sender() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob", "carol"]);
    scene.play(
        "
        alice > /msg bob between us
        alice < [HH:MM] <you -> bob> between us
        bob < [HH:MM] <alice -> you> between us
        bob > /msg ALICE  two  spaces
        bob < [HH:MM] <you -> alice> …two  spaces
        alice < [HH:MM] <bob -> you> …two  spaces
        ",
    );
}

#[test]
fn a_private_message_needs_a_known_reader_and_a_text() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["alice", "bob"]);
    scene.quit("bob");
    scene.play(
        "
        alice > /msg nobody hello
        alice < !!! no-such-user: …
        alice > /msg bob hello
        alice < !!! no-such-user: …
        alice > /msg bob
        alice < !!! missing-argument: …
        alice > /msg
        alice < !!! missing-argument: …
        ",
    );
}

#[test]
fn all_sessions_of_reader_and_sender_see_a_private_message() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.login_as("phone", "bob");
    scene.play(
        "
        alice > /msg bob where are you?
        alice < [HH:MM] <you -> bob> where are you?
        bob < [HH:MM] <alice -> you> where are you?
        phone < [HH:MM] <alice -> you> where are you?
        phone > /msg alice at home
        phone < [HH:MM] <you -> alice> at home
        bob < [HH:MM] <you -> alice> at home
        alice < [HH:MM] <bob -> you> at home
        ",
    );
}

/// An account that is not connected, and somebody to write to it.
fn with_bob_away(server: &Server) -> Scene {
    let mut scene = server.scene();
    scene.accounts(&["bob"]);
    scene.quit("bob");
    scene.accounts(&["alice"]);
    scene
}

#[test]
fn a_message_to_an_absent_account_waits_for_its_next_login() {
    let server = Server::start();
    let mut scene = with_bob_away(&server);
    for text in ["one", "two", "three"] {
        let lines = scene.ask("alice", &format!("/msg bob {text}"));
        assert!(lines.iter().any(|line| line.starts_with("*** ")), "told that it is kept: {lines:?}");
    }
    let server = server.restart();
    let mut scene = server.scene();
    scene.play(
        "
        bob > /login bob correct-horse
        bob < *** {bob}
        bob < ⋮
        bob < [HH:MM] <alice -> you> one
        bob < [HH:MM] <alice -> you> two
        bob < [HH:MM] <alice -> you> three
        ",
    );
    scene.quit("bob");
    let again = scene.ask("bob", "/login bob correct-horse");
    assert!(!again.iter().any(|line| line.contains("alice")), "delivered once: {again:?}");
}

#[test]
fn many_waiting_messages_all_arrive_in_order() {
    let server = Server::with(&["limits.messages_per_second = 0"]);
    let mut scene = with_bob_away(&server);
    let wanted: Vec<String> = (0..180).map(|n| format!("letter {n}")).collect();
    for text in &wanted {
        scene.person("alice").send(&format!("/msg bob {text}"));
    }
    scene.settle();
    let bob = scene.person("bob");
    bob.send("/login bob correct-horse");
    let mut seen = Vec::new();
    while seen.len() < wanted.len() {
        let line = bob.wire.line();
        if let Some((_, text)) = line.split_once("<alice -> you> ") {
            seen.push(text.to_owned());
        }
    }
    assert_eq!(seen, wanted);
}

#[test]
fn a_new_connection_under_a_registered_name_reads_nothing_without_the_password() {
    let server = Server::start();
    let mut scene = with_bob_away(&server);
    scene.ask("alice", "/msg bob the door code is 1234");
    let lines = scene.ask("mallory", "/login bob wrong-horse");
    assert!(!lines.iter().any(|line| line.contains("1234")), "{lines:?}");
}

#[test]
fn a_blocked_user_does_not_get_through() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.play(
        "
        alice > /block bob
        alice < *** {bob}
        bob > /msg alice hello?
        bob < !!! blocked: …
        alice > /unblock bob
        alice < *** {bob}
        bob > /msg alice hello!
        bob < [HH:MM] <you -> alice> hello!
        alice < [HH:MM] <bob -> you> hello!
        ",
    );
}

#[test]
fn a_block_holds_after_a_restart_and_while_one_is_away() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.ask("alice", "/block bob");
    let server = server.restart();
    let mut scene = server.scene();
    scene.login("alice");
    scene.login("bob");
    scene.play("bob > /msg alice hello?\nbob < !!! blocked: …");
    scene.quit("alice");
    let lines = scene.ask("bob", "/msg alice are you there?");
    let again = scene.ask("alice", "/login alice correct-horse");
    assert!(!again.iter().any(|line| line.contains("are you there?")), "{again:?} after {lines:?}");
}

#[test]
fn blocking_nobody_is_an_error() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    scene.play(
        "
        alice > /block
        alice < !!! missing-argument: …
        alice > /block nobody
        alice < !!! no-such-user: …
        ",
    );
}

#[test]
fn what_a_blocked_user_says_in_a_room_is_not_shown_now_or_later() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob", "carol"]);
    scene.join("lobby", &["alice", "bob", "carol"]);
    scene.ask("alice", "/block bob");
    scene.play(
        "
        bob > cheap pills
        carol < [HH:MM] #lobby <bob> cheap pills
        bob > /me shouts
        carol < [HH:MM] #lobby * bob shouts
        carol > quiet please
        alice < [HH:MM] #lobby <carol> quiet please
        bob < [HH:MM] #lobby <carol> quiet please
        alice > /history
        alice < *** history of #lobby
        alice < [HH:MM] #lobby <carol> quiet please
        alice < *** end of history
        ",
    );
    scene.hides("alice", "/search pills", "cheap");
    scene.shows("carol", "/search pills", "cheap");
    scene.ask("alice", "/unblock bob");
    scene.shows("alice", "/search pills", "cheap");
}
