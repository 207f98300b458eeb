//! Saying things in rooms: who sees what, in which shape, and who sees no echo.

use crate::harness::server::Server;

#[test]
fn the_others_see_a_message_and_its_sender_sees_no_echo() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob", "carol"]);
    scene.play(
        "
        alice > hello, everybody
        bob < [HH:MM] #lobby <alice> hello, everybody
        carol < [HH:MM] #lobby <alice> hello, everybody
        bob > hello, alice
        alice < [HH:MM] #lobby <bob> hello, alice
        carol < [HH:MM] #lobby <bob> hello, alice
        ",
    );
}

#[test]
fn an_emote_has_a_shape_of_its_own_and_no_echo() {
    let server = Server::start();
    server.room_of("lobby", &["alice", "bob"]).play(
        "
        alice > /me waves at bob
        bob < [HH:MM] #lobby * alice waves at bob
        alice > /me
        alice < !!! missing-argument: …
        ",
    );
}

#[test]
fn two_slashes_say_a_line_that_starts_with_one() {
    let server = Server::start();
    server.room_of("lobby", &["alice", "bob"]).play(
        "
        alice > //etc/hosts is a file
        bob < [HH:MM] #lobby <alice> /etc/hosts is a file
        alice > ///three
        bob < [HH:MM] #lobby <alice> //three
        ",
    );
}

#[test]
fn a_message_goes_to_the_current_room_only() {
    let server = Server::start();
    let mut scene = server.room_of("one", &["alice", "bob"]);
    scene.guests(&["carol"]);
    scene.join("two", &["alice", "carol"]);
    scene.play(
        "
        alice > in two
        carol < [HH:MM] #two <alice> in two
        ",
    );
}

#[test]
fn without_a_room_there_is_nobody_to_talk_to() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["alice"]);
    for line in ["hello", "/me waves", "//hello", "/history", "/topic", "/who", "/leave"] {
        scene.play(&format!("alice > {line}\nalice < !!! no-room: …"));
    }
}

#[test]
fn spaces_and_tabs_inside_a_message_stay() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.play("alice > a  b\tc   d\nbob < [HH:MM] #lobby <alice> a  b\tc   d");
}

#[test]
fn any_letters_pass_unchanged() {
    let server = Server::start();
    server.room_of("lobby", &["alice", "bob"]).play(
        "
        alice > Grüße, 世界 👩‍👩‍👧 ﷺ שלום
        bob < [HH:MM] #lobby <alice> Grüße, 世界 👩‍👩‍👧 ﷺ שלום
        ",
    );
}

#[test]
fn all_line_ends_are_ends_and_empty_lines_nothing() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.person("alice").wire.send(b"\n\r\n\rone\rtwo\r\nthree\n\nfour\r\0five\r");
    scene.person("alice").wire.send(b"\nsix\n");
    scene.play(
        "
        bob < [HH:MM] #lobby <alice> one
        bob < [HH:MM] #lobby <alice> two
        bob < [HH:MM] #lobby <alice> three
        bob < [HH:MM] #lobby <alice> four
        bob < [HH:MM] #lobby <alice> five
        bob < [HH:MM] #lobby <alice> six
        ",
    );
}

#[test]
fn telnet_negotiation_is_skipped_and_a_doubled_ff_is_no_text() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    let alice = &mut scene.person("alice").wire;
    alice.send(b"be\xff\xfd\x01fore\xff\xfb\x1f\n");
    alice.send(b"sub\xff\xfa\x18\x00xterm\xff\xf0option\n");
    alice.send(b"go\xff\xf9ahead\n");
    alice.send(b"literal \xff\xff\n");
    scene.play(
        "
        bob < [HH:MM] #lobby <alice> before
        bob < [HH:MM] #lobby <alice> suboption
        bob < [HH:MM] #lobby <alice> goahead
        alice < !!! invalid-utf8: …
        ",
    );
}

#[test]
fn another_session_of_the_sender_sees_the_line_and_the_one_that_said_it_does_not() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.login_as("phone", "alice");
    scene.join("lobby", &["alice", "phone", "bob"]);
    scene.play(
        "
        alice > from the desk
        phone < [HH:MM] #lobby <alice> from the desk
        bob < [HH:MM] #lobby <alice> from the desk
        phone > /me walks
        alice < [HH:MM] #lobby * alice walks
        bob < [HH:MM] #lobby * alice walks
        ",
    );
}

#[test]
fn a_user_is_in_the_room_until_the_last_session_ends() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.join("lobby", &["alice", "bob"]);
    scene.login_as("phone", "alice");
    scene.play(
        "
        phone > /quit
        phone < ⋮
        phone < (closed)
        bob > still there?
        alice < [HH:MM] #lobby <bob> still there?
        alice > /quit for today
        alice < ⋮
        alice < (closed)
        bob < *** {alice} {#lobby} {for today}
        ",
    );
}
