//! What `sottod` writes: the data directory, its modes, and a log that keeps secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::harness::home::{Home, text};
use crate::harness::process::Process;
use crate::harness::server::{Server, ready};
use crate::harness::text::Text;
use crate::harness::wire::Wire;

#[track_caller]
fn check_mode(path: &Path, mode: u32) {
    let found = fs::metadata(path).unwrap_or_else(|error| panic!("{path:?}: {error}")).permissions().mode();
    assert_eq!(found & 0o777, mode, "{path:?}: {found:o}");
}

#[test]
fn the_data_directory_and_the_key_are_for_their_owner_only() {
    let server = Server::start();
    let data = server.home.data();
    check_mode(&data, 0o700);
    check_mode(&data.join("tls-key.pem"), 0o600);
    check_mode(&data.join("tls-cert.pem"), 0o600);
}

#[test]
fn the_log_keeps_no_secret() {
    let home = Home::new(&[]);
    let log = format!("log.file = {:?}", text(&home.path("chat.log")));
    home.configure(&["log.level = \"trace\"", &log]);
    let mut server = Server::on(home);
    let secrets =
        ["correct-horse", "wrong-horse", "said-in-room", "said-in-private", "sesame-key", "topic-text"];
    let mut alice = server.json();
    let token = alice.register("alice");
    alice.join("lobby");
    alice.say("lobby", "said-in-room");
    alice.ok(json!({"cmd": "say", "room": "lobby", "text": "said-in-room", "key": "sesame-key"}));
    alice.ok(json!({"cmd": "room", "room": "lobby", "access": "key", "key": "sesame-key"}));
    alice.ok(json!({"cmd": "topic", "room": "lobby", "topic": "topic-text"}));
    let mut phone = server.json();
    phone.ok(json!({"cmd": "login", "user": "alice", "token": token}));
    let mut scene = server.scene();
    scene.guests(&["bob"]);
    scene.ask("mallory", "/login alice wrong-horse");
    scene.ask("bob", "/join lobby sesame-key");
    scene.ask("bob", "/msg alice said-in-private");
    scene.ask("bob", "/search said-in-room");
    scene.ask("bob", "/nosuch said-in-private");
    phone.wire.send_line("{\"text\":\"said-in-private\"");
    phone.events();
    let told = server.stop();
    let mut written = told.err;
    for file in fs::read_dir(server.home.path("")).expect("the home").flatten() {
        if file.file_name().to_string_lossy().starts_with("chat.log") {
            written += &fs::read_to_string(file.path()).expect("a log is text");
        }
    }
    assert!(written.contains("alice") && written.lines().count() > 5, "something is logged: {written}");
    assert!(server.home.path("chat.log").exists(), "where it was to be");
    for secret in secrets.iter().chain([&token.as_str()]) {
        assert!(!written.contains(secret), "{secret} in {written}");
    }
}

#[test]
fn the_log_tells_who_came_and_went_and_why() {
    let mut server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.ask("mallory", "/login alice wrong-horse");
    scene.join("lobby", &["alice", "bob"]);
    scene.ask("alice", "/kick bob");
    scene.quit("bob");
    let told = server.stop();
    for words in [&["alice"][..], &["kick", "bob"], &["quit"]] {
        let found = told.err.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?} in {}", told.err);
    }
}

#[test]
fn logs_rotate_by_size_and_old_ones_go() {
    let home = Home::new(&[]);
    let log = format!("log.file = {:?}", text(&home.path("chat.log")));
    home.configure(&["log.level = \"trace\"", "log.rotate_bytes = 4096", "log.keep_files = 2", &log]);
    let mut server = Server::on(home);
    for n in 0..200 {
        let mut wire = server.wire();
        wire.send_line(&format!("/nick guest-{n}"));
        wire.send_line("/quit");
        wire.rest();
    }
    server.stop();
    let files = fs::read_dir(server.home.path("")).expect("the home").flatten();
    let logs = files.filter(|file| file.file_name().to_string_lossy().starts_with("chat.log")).count();
    assert!((2..=3).contains(&logs), "{logs} files");
}

#[test]
fn no_file_and_no_set_up_are_needed() {
    let home = Home::new(&[]);
    fs::remove_file(home.path("config.toml")).expect("it was written");
    let mut command = home.bare();
    command.args(["--data", "fresh/below", "--listen", "127.0.0.1:0"]);
    let mut process = Process::start(&mut command);
    let address = ready(&mut process);
    Text::new(Wire::connect(address)).ask("/nick alice");
    assert!(home.path("fresh/below").is_dir());
}
