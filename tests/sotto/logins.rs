//! Who logs in and how, and what the exit status says.

use crate::client::{NO_KEYS, check, pipe, sotto};
use crate::harness::PASSWORD;
use crate::harness::server::Server;

#[test]
fn a_wrong_password_is_status_3() {
    let server = Server::start();
    server.json_account("alice");
    let mut alice = sotto(&server.home, server.address, "alice");
    let told = pipe(alice.args(["--plain", "--accept-new"]).env("SOTTO_PASSWORD", "wrong-horse"), "hi\n");
    check(&told, 3, &[]);
    assert!(told.err.contains("login-failed"), "{told:?}");
    assert!(!told.err.contains("wrong-horse"), "{told:?}");
}

#[test]
fn a_registered_name_is_refused_to_a_guest() {
    let server = Server::start();
    server.json_account("alice");
    let mut alice = sotto(&server.home, server.address, "alice");
    let told = pipe(alice.args(["--accept-new", "say", "lobby", "hi"]), "");
    check(&told, 3, &[]);
    assert!(told.err.contains("name-registered"), "{told:?}");
}

#[test]
fn a_password_is_taken_from_a_file_and_not_asked_for_again() {
    let server = Server::start();
    server.json_account("alice");
    let file = server.home.write("password", &format!("{PASSWORD}\r\nnot this line\n"));
    let mut alice = sotto(&server.home, server.address, "alice");
    let told = pipe(alice.args(["--plain", "--accept-new", "--password-file"]).arg(&file), "");
    check(&told, 0, &["*** {logged in} {alice}", NO_KEYS]);
    let kept = std::fs::read_to_string(server.home.path("sotto-alice/tokens")).expect("a kept session");
    assert!(!kept.contains(PASSWORD), "the password is not kept");
    // The session that was kept is enough.
    let mut alice = sotto(&server.home, server.address, "alice");
    let expected = ["*** {logged in} {alice}", NO_KEYS, "*** …", "*** …"];
    check(&pipe(alice.arg("--plain"), "/whois alice\n"), 0, &expected);
    // It ends with the password.
    server.home.user_with_password("passwd", "alice", "another-horse");
    let mut alice = sotto(&server.home, server.address, "alice");
    check(&pipe(alice.arg("--plain"), "hi\n"), 3, &[]);
}

#[test]
fn wrong_usage_is_status_2() {
    let server = Server::start();
    let run = |args: &[&str]| {
        let mut alice = sotto(&server.home, server.address, "alice");
        pipe(alice.args(args), "")
    };
    for args in [
        &["--nonsense"][..],
        &["--password", "secret"],
        &["--register"],
        &["--guest", "--register"],
        &["--join", "not a name"],
        &["say", "lobby"],
        &["--password-file", "/no/such/file"],
        &["--ca", "/no/such/file"],
    ] {
        let told = run(args);
        assert_eq!((told.status, told.out.as_str()), (Some(2), ""), "{args:?}: {told:?}");
        assert!(!told.err.is_empty(), "{args:?}");
    }
    server.home.write("sotto.toml", "");
    std::fs::create_dir_all(server.home.path("sotto-alice")).expect("a home");
    std::fs::write(server.home.path("sotto-alice/sotto.toml"), "prot = 1\n").expect("written");
    let told = run(&["--plain"]);
    assert_eq!(told.status, Some(2), "{told:?}");
    assert!(told.err.contains("sotto.toml") && told.err.contains("prot"), "{told:?}");
}

#[test]
fn settings_are_read_from_the_home_directory() {
    let server = Server::start();
    std::fs::create_dir_all(server.home.path("sotto-alice")).expect("a home");
    let settings = "accept_new = true\nrooms = [\"lobby\"]\n";
    std::fs::write(server.home.path("sotto-alice/sotto.toml"), settings).expect("written");
    let mut alice = sotto(&server.home, server.address, "alice");
    check(&pipe(alice.arg("--plain"), ""), 0, &["*** {alice}", "*** you are in #lobby"]);
}

#[test]
fn nobody_there_is_status_1() {
    let mut server = Server::start();
    let address = server.address;
    server.process.kill();
    let mut alice = sotto(&server.home, address, "alice");
    let told = pipe(alice.args(["say", "lobby", "hi"]), "");
    check(&told, 1, &[]);
    assert!(told.err.contains("connection refused"), "{told:?}");
}
