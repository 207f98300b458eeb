//! Passwords: how they are asked for, how long they are, how they are changed and not guessed.

use serde_json::{Value, json};

use crate::harness::PASSWORD;
use crate::harness::server::Server;

#[test]
fn a_password_left_out_is_asked_for() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.play_open(
        "
        alice > /register alice
        alice < *** …
        ",
    );
    scene.play(
        "
        alice > /secret with spaces
        alice < *** {alice}
        alice > /quit
        alice < ⋮
        alice < (closed)
        ",
    );
    scene.play_open(
        "
        alice > /login alice
        alice < *** …
        ",
    );
    scene.play(
        "
        alice > /secret with spaces
        alice < *** {alice}
        ",
    );
}

#[test]
fn an_empty_password_cancels() {
    let server = Server::start();
    let mut scene = server.scene();
    for command in ["/register alice", "/login alice"] {
        scene.play_open(&format!("alice > {command}\nalice < *** …"));
        scene.play("alice >\nalice < *** …");
    }
    scene.play("alice > /nick alice\nalice < *** {alice}");
}

#[test]
fn the_line_after_a_prompt_is_no_command() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.play_open(
        "
        alice > /register alice
        alice < *** …
        ",
    );
    scene.play(
        "
        alice > /nick somebody
        alice < *** {alice}
        bob > /nick somebody
        bob < *** {somebody}
        bob > /quit
        bob < ⋮
        bob < (closed)
        carol > /login alice nick somebody
        carol < !!! …
        ",
    );
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_answered_alike() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    let wrong = scene.ask("mallory", "/login alice wrong-horse");
    let unknown = scene.ask("mallory", "/login nobody wrong-horse");
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].starts_with("!!! login-failed: "), "{wrong:?}");
    assert_eq!(wrong, unknown);
}

#[test]
fn wrong_passwords_do_not_lock_the_account() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    scene.remove("alice");
    for _ in 0..3 {
        scene.play("mallory > /login alice wrong-horse\nmallory < !!! login-failed: …");
    }
    scene.play("alice > /login alice correct-horse\nalice < *** {alice}");
}

#[test]
fn guessing_passwords_on_a_connection_comes_to_an_end() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    let mut guesser = server.wire();
    // All at once; the connection may be closed before the last is read.
    let _ = guesser.try_send("/login alice wrong-horse\n".repeat(200).as_bytes());
    let _ = guesser.try_send(b"/quit\n");
    let answers = guesser.rest();
    let tried = answers.iter().filter(|line| line.starts_with("!!! login-failed: ")).count();
    assert!((1..100).contains(&tried), "{tried} guesses were answered");
}

#[test]
fn password_lengths_are_checked_in_bytes_and_nothing_is_cut() {
    let server = Server::start();
    let longest = "p".repeat(72);
    // 71 bytes and a letter of two are 73; four letters of two are 8.
    let cases = [
        ("a", "1234567".to_owned(), false),
        ("b", "12345678".to_owned(), true),
        ("c", longest.clone(), true),
        ("d", format!("{longest}x"), false),
        ("e", format!("{}é", "p".repeat(71)), false),
        ("f", "éééé".to_owned(), true),
    ];
    for (name, password, accepted) in cases {
        let seen = if accepted { format!("*** {{{name}}}") } else { "!!! bad-password: …".to_owned() };
        server.scene().play(&format!("{name} > /register {name} {password}\n{name} < {seen}"));
    }
    server.scene().play(&format!("c > /login c {longest}x\nc < !!! …"));
    server.scene().play(&format!("c > /login c {longest}\nc < *** {{c}}"));
}

#[test]
fn a_password_is_changed_and_the_old_one_is_dead() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    scene.play_open("alice > /passwd\nalice < *** …");
    scene.play_open("alice > correct-horse\nalice < *** …");
    scene.play("alice > new secret\nalice < *** …");
    scene.play_open("bob > /login alice\nbob < *** …");
    scene.play("bob > correct-horse\nbob < !!! login-failed: …");
    scene.play_open("bob > /login alice\nbob < *** …");
    scene.play("bob > new secret\nbob < *** {alice}");
}

#[test]
fn changing_a_password_needs_the_old_one() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    scene.person("alice").send("/passwd");
    scene.person("alice").expect("*** …");
    scene.person("alice").send("wrong-horse");
    scene.person("alice").send("new-horse");
    let answers = scene.ask("alice", "/whois alice");
    assert!(answers.iter().any(|line| line.starts_with("!!! ")), "{answers:?}");
    scene.play("bob > /login alice new-horse\nbob < !!! login-failed: …");
    scene.play("carol > /login alice correct-horse\ncarol < *** {alice}");
}

#[test]
fn a_change_of_password_can_be_cancelled_at_each_question() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    scene.play_open("alice > /passwd\nalice < *** …");
    scene.play("alice >\nalice < *** …");
    scene.play_open("alice > /passwd\nalice < *** …");
    scene.play_open("alice > correct-horse\nalice < *** …");
    scene.play("alice >\nalice < *** …");
    scene.play("alice > /nick lucia\nalice < !!! already-named: …");
    scene.play("phone > /login alice correct-horse\nphone < *** {alice}");
}

#[test]
fn a_guest_has_no_password_to_change() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["alice"]);
    scene.play("alice > /passwd\nalice < !!! …");
    server.json_guest("bob").err(passwd(PASSWORD, "new-horse"));
}

fn passwd(old: &str, new: &str) -> Value {
    json!({"cmd": "passwd", "old": old, "new": new})
}

#[test]
fn a_program_changes_the_password_and_tokens_from_before_are_dead() {
    let server = Server::start();
    let mut alice = server.json();
    let token = alice.register("alice");
    let by_token = json!({"cmd": "login", "user": "alice", "token": token});
    assert_eq!(alice.err(passwd("wrong-horse", "new-horse")), "login-failed");
    assert_eq!(alice.err(passwd(PASSWORD, "short")), "bad-password");
    assert_eq!(alice.err(json!({"cmd": "passwd", "old": PASSWORD})), "missing-argument");
    server.json().ok(by_token.clone());
    alice.ok(passwd(PASSWORD, "new-horse"));
    // Who is connected stays; who comes anew needs the new password.
    alice.join("lobby");
    assert_eq!(server.json().err(by_token), "login-failed");
    let by_password = |password: &str| json!({"cmd": "login", "user": "alice", "password": password});
    assert_eq!(server.json().err(by_password(PASSWORD)), "login-failed");
    server.json().ok(by_password("new-horse"));
}
