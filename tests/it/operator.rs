//! What the operator does from the command line while the server runs.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use crate::harness::PASSWORD;
use crate::harness::home::{Home, text};
use crate::harness::json::texts;
use crate::harness::process::Process;
use crate::harness::server::Server;

/// The first word of each line of `user list`.
fn names(home: &Home) -> Vec<String> {
    let list = home.tool_ok(&["user", "list"]);
    list.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn users_are_added_listed_and_removed_without_a_server() {
    let home = Home::new(&[]);
    assert_eq!(names(&home), Vec::<String>::new());
    home.add_user("bob");
    home.add_user("Alice");
    let mut all = names(&home);
    all.sort();
    assert_eq!(all, ["Alice", "bob"]);
    assert_eq!(home.tool_ok(&["user", "list"]).lines().count(), 2);
    home.tool_ok(&["user", "remove", "ALICE"]);
    assert_eq!(names(&home), ["bob"]);
}

#[test]
fn what_cannot_be_done_to_a_user_fails() {
    let home = Home::new(&[]);
    home.add_user("alice");
    let file = home.write("short", "short\n");
    let good = home.write("good", "long enough\n");
    let cases: [&[&str]; 7] = [
        &["user", "add", "Alice", "--password-file", text(&good)],
        &["user", "add", "bob", "--password-file", text(&file)],
        &["user", "add", "b/b", "--password-file", text(&good)],
        &["user", "add", "bob", "--password-file", "/no/such/file"],
        &["user", "passwd", "nobody", "--password-file", text(&good)],
        &["user", "remove", "nobody"],
        &["user", "ban", "nobody"],
    ];
    for args in cases {
        let told = home.tool(args);
        assert!(matches!(told.status, Some(1 | 2)), "{args:?}: {told:?}");
        assert!(!told.err.is_empty() && told.out.is_empty(), "{args:?}: {told:?}");
    }
    assert_eq!(names(&home), ["alice"]);
}

#[test]
fn an_account_made_while_the_server_runs_works_at_once() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["carol"]);
    server.home.add_user("alice");
    scene.play("bob > /nick alice\nbob < !!! name-registered: …");
    scene.login("alice");
    scene.ask("carol", "/msg alice hello");
    scene.play("alice < [HH:MM] <carol -> you> hello");
}

#[test]
fn a_ban_ends_every_connection_of_the_user_at_once() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.join("lobby", &["alice", "bob"]);
    scene.login_as("phone", "bob");
    let mut program = server.json();
    let token = program.login("bob");
    scene.settle();
    server.home.tool_ok(&["user", "ban", "bob"]);
    scene.person("bob").wire.rest();
    scene.person("phone").wire.rest();
    program.wire.rest();
    scene.remove("bob");
    scene.remove("phone");
    scene.play("alice < *** {bob} {#lobby}");
    scene.play("bob > /login bob correct-horse\nbob < !!! …");
    let mut program = server.json();
    program.err(json!({"cmd": "login", "user": "bob", "token": token}));
    server.home.tool_ok(&["user", "unban", "bob"]);
    scene.login("bob");
}

#[test]
fn a_removed_account_is_gone_with_its_connections() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    server.home.tool_ok(&["user", "remove", "alice"]);
    scene.person("alice").wire.rest();
    scene.remove("alice");
    scene.play(
        "
        alice > /login alice correct-horse
        alice < !!! login-failed: …
        alice > /register alice another-horse
        alice < *** {alice}
        ",
    );
}

#[test]
fn a_password_set_from_outside_is_the_password() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    server.home.user_with_password("passwd", "alice", "a new password");
    scene.play("bob > /login alice correct-horse\nbob < !!! login-failed: …");
    scene.play_open("bob > /login alice\nbob < *** …");
    scene.play("bob > a new password\nbob < *** {alice}");
}

#[test]
fn a_password_may_come_from_a_pipe() {
    let server = Server::start();
    let mut process = Process::start(server.home.sottod().args(["user", "add", "alice"]));
    let mut stdin = process.stdin();
    // It asks once, or twice to be sure; what is not asked for is not read.
    let _ = stdin.write_all(format!("{PASSWORD}\n{PASSWORD}\n").as_bytes());
    drop(stdin);
    let told = process.finish();
    assert_eq!(told.status, Some(0), "{told:?}");
    assert!(!told.out.contains(PASSWORD) && !told.err.contains(PASSWORD), "{told:?}");
    server.scene().login("alice");
}

#[test]
fn invitations_are_made_while_the_server_runs_or_not() {
    let home = Home::new(&["accounts.registration = \"invite\""]);
    let before = home.tool_ok(&["invite"]);
    let server = Server::on(home);
    let during = server.home.tool_ok(&["invite"]);
    assert_ne!(before, during);
    for (name, code) in [("alice", before), ("bob", during)] {
        server.scene().play(&format!(
            "{name} > /register {name} correct-horse {}\n{name} < *** {{{name}}}",
            code.trim_end()
        ));
    }
}

#[test]
fn a_fingerprint_is_told_before_the_first_start() {
    let home = Home::new(&[]);
    let fingerprint = home.fingerprint();
    let bytes: Vec<&str> = fingerprint.split(':').collect();
    assert_eq!(bytes.len(), 32, "{fingerprint}");
    assert!(
        bytes.iter().all(|byte| byte.len() == 2 && u8::from_str_radix(byte, 16).is_ok()),
        "{fingerprint}"
    );
    let server = Server::on(home);
    drop(server.tls());
}

/// The database in a data directory: the file that begins as SQLite's do.
fn database(home: &Home) -> String {
    let files = fs::read_dir(home.data()).expect("a data directory").flatten();
    let is_database =
        |path: &PathBuf| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0"));
    let mut found = files.filter(|file| is_database(&file.path()));
    let name = found.next().expect("a database").file_name();
    name.into_string().expect("a plain name")
}

#[test]
fn a_backup_taken_while_the_server_writes_is_a_database_of_its_own() {
    let server = Server::with(&["limits.messages_per_second = 0"]);
    let mut alice = server.json_account("alice");
    alice.join("lobby");
    let say = |n: u32| json!({"cmd": "say", "room": "lobby", "text": n.to_string()});
    for n in 0..100 {
        alice.ok(say(n));
    }
    let on_their_way: Vec<i64> = (100..1000).map(|n| alice.send(say(n))).collect();
    let copy = Home::new(&[]);
    fs::create_dir(copy.data()).expect("a fresh directory");
    let file = copy.data().join(database(&server.home));
    server.home.tool_ok(&["backup", text(&file)]);
    for id in on_their_way {
        assert!(alice.reply(id)["ok"].is_object());
    }
    let whole = alice.log("lobby");
    let server = Server::on(copy);
    let mut alice = server.json();
    alice.login("alice");
    alice.join("lobby");
    let log = alice.log("lobby");
    assert!(log.len() >= 100 && texts(&log) == texts(&whole[..log.len()]), "{} of 1000", log.len());
    alice.say("lobby", "and on");
}

#[test]
fn a_backup_works_without_a_server_and_spares_an_existing_file() {
    let home = Home::new(&[]);
    home.add_user("alice");
    let file = home.path("copy");
    home.tool_ok(&["backup", text(&file)]);
    let before = fs::read(&file).expect("the backup");
    let told = home.tool(&["backup", text(&file)]);
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains("copy"), "{told:?}");
    assert_eq!(fs::read(&file).expect("the backup"), before);
}
