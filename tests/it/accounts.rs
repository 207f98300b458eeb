//! Registering, logging in and guests, as typed.

use crate::harness::server::Server;

#[test]
fn a_guest_takes_a_name_and_changes_it() {
    let server = Server::start();
    server.scene().play(
        "
        alice > /nick alice
        alice < *** {alice}
        alice > /nick lucia
        alice < *** {lucia}
        bob > /nick alice
        bob < *** {alice}
        bob > /nick lucia
        bob < !!! name-taken: …
        ",
    );
}

#[test]
fn before_a_name_only_a_few_commands_work() {
    let server = Server::start();
    let mut scene = server.scene();
    for line in
        ["hello", "/join lobby", "/list", "/msg bob hi", "/who", "/rooms", "/status away", "/me waves"]
    {
        scene.play(&format!("alice > {line}\nalice < !!! no-name: …"));
    }
    assert!(!scene.ask("alice", "/help").is_empty());
    scene.play("alice > /quit\nalice < ⋮\nalice < (closed)");
}

#[test]
fn an_account_outlives_its_connection_and_a_restart() {
    let server = Server::start();
    let script = "
        alice > /login alice correct-horse
        alice < *** {alice}
        ";
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    scene.remove("alice");
    scene.play(script);
    let server = server.restart();
    server.scene().play(script);
}

#[test]
fn a_registered_name_is_not_for_guests_nor_for_a_second_account() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    scene.remove("alice");
    scene.play(
        "
        bob > /nick alice
        bob < !!! name-registered: …
        bob > /register alice other-horse
        bob < !!! name-…: …
        bob > /nick bob
        bob < *** {bob}
        bob > /nick Alice
        bob < !!! name-registered: …
        ",
    );
}

#[test]
fn an_account_keeps_its_name_and_is_not_named_twice() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.play(
        "
        alice > /nick lucia
        alice < !!! already-named: …
        alice > /login bob correct-horse
        alice < !!! already-named: …
        ",
    );
}

#[test]
fn closed_registration_refuses() {
    let server = Server::with(&["accounts.registration = \"closed\""]);
    server.scene().play(
        "
        alice > /register alice correct-horse
        alice < !!! registration-closed: …
        alice > /nick alice
        alice < *** {alice}
        ",
    );
}

#[test]
fn registration_by_invitation_takes_a_code_once() {
    let server = Server::with(&["accounts.registration = \"invite\""]);
    let code = server.home.tool_ok(&["invite"]);
    let code = code.trim_end();
    assert!(!code.is_empty() && !code.contains(char::is_whitespace), "the code alone: {code:?}");
    server.scene().play(&format!(
        "
        alice > /register alice correct-horse no-such-code
        alice < !!! bad-invite: …
        alice > /register alice correct-horse {code}
        alice < *** {{alice}}
        bob > /register bob correct-horse {code}
        bob < !!! bad-invite: …
        "
    ));
}

#[test]
fn an_invitation_that_was_left_out_is_asked_for() {
    let server = Server::with(&["accounts.registration = \"invite\""]);
    let code = server.home.tool_ok(&["invite"]);
    server.scene().play(&format!(
        "
        alice > /register alice
        alice < *** …password…
        alice > correct-horse
        alice < *** …invitation…
        alice > {code}
        alice < *** {{alice}}
        "
    ));
}

#[test]
fn a_server_without_guests_refuses_them() {
    let server = Server::with(&["accounts.guests = false"]);
    server.scene().play(
        "
        alice > /nick alice
        alice < !!! …
        alice > /register alice correct-horse
        alice < *** {alice}
        ",
    );
}

#[test]
fn quitting_closes_the_connection() {
    let server = Server::start();
    server.scene().play(
        "
        alice > /nick alice
        alice < *** {alice}
        alice > /quit good night
        alice < ⋮
        alice < (closed)
        ",
    );
}
