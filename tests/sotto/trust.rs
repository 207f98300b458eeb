//! Whether the server is the one it should be.

use crate::client::{check, pipe, sotto};
use crate::harness::home::Home;
use crate::harness::process::Process;
use crate::harness::server::{Server, ready};

#[test]
fn an_unknown_server_is_not_trusted_by_a_script() {
    let server = Server::start();
    let mut alice = sotto(&server.home, server.address, "alice");
    let told = pipe(alice.args(["say", "lobby", "hi"]), "");
    check(&told, 1, &[]);
    assert!(told.err.contains(server.home.fingerprint().trim()), "{told:?}");
    assert!(told.err.contains("--accept-new"), "{told:?}");
    assert!(!server.home.path("sotto-alice/known_servers").exists());
}

#[test]
fn a_server_that_changed_is_refused_with_both_fingerprints() {
    let server = Server::start();
    let address = server.address;
    let mut alice = sotto(&server.home, address, "alice");
    check(&pipe(alice.args(["--accept-new", "say", "lobby", "hi"]), ""), 0, &[]);
    let kept = server.home.fingerprint();
    let Server { home, mut process, .. } = server;
    process.kill();

    let other = Home::new(&[]);
    let listen = address.to_string();
    let mut process = Process::start(other.sottod().args(["--listen", &listen]));
    assert_eq!(ready(&mut process), address);
    let mut alice = sotto(&home, address, "alice");
    let told = pipe(alice.args(["--accept-new", "say", "lobby", "a secret"]), "");
    check(&told, 1, &[]);
    for part in [kept.trim(), other.fingerprint().trim(), "known_servers", "NOT THE ONE"] {
        assert!(told.err.contains(part), "{part} is missing: {told:?}");
    }
    // Once the line is removed, it is a new server.
    std::fs::write(home.path("sotto-alice/known_servers"), "").expect("written");
    let mut alice = sotto(&home, address, "alice");
    check(&pipe(alice.args(["--accept-new", "say", "lobby", "hi"]), ""), 0, &[]);
}

#[test]
fn an_authority_of_ones_own_needs_no_fingerprint() {
    let server = Server::start();
    server.home.fingerprint();
    let certificate = server.home.data().join("tls-cert.pem");
    let mut alice = sotto(&server.home, server.address, "alice");
    // A self-signed certificate that names its host is its own authority.
    alice.args(["--host", "localhost", "--ca"]).arg(certificate).args(["say", "lobby", "hi"]);
    check(&pipe(&mut alice, ""), 0, &[]);
    assert!(!server.home.path("sotto-alice/known_servers").exists());
}

#[test]
fn a_plain_connection_stays_within_this_machine() {
    let server = Server::start();
    let mut alice = sotto(&server.home, server.address, "alice");
    check(&pipe(alice.args(["--insecure-plaintext", "say", "lobby", "hi"]), ""), 0, &[]);
    let mut alice = sotto(&server.home, server.address, "alice");
    // An address that is nobody's: it is refused before anything is sent there.
    let told = pipe(alice.args(["--insecure-plaintext", "--host", "192.0.2.1", "say", "lobby", "hi"]), "");
    check(&told, 1, &[]);
    assert!(told.err.contains("within this machine only"), "{told:?}");
}
