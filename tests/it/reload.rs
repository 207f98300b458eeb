//! SIGHUP: certificates, limits and log level change, connections stay.

use std::fs;
use std::time::Instant;

use crate::harness::DEADLINE;
use crate::harness::home::{Home, text};
use crate::harness::server::Server;
use crate::harness::tls;

/// A home whose certificate lies in files of the test's own, which another home lent.
fn with_certificate_files(of: &Home) -> Home {
    let home = Home::new(&[]);
    home.configure(&[
        &format!("tls.cert = {:?}", text(&home.path("site-cert.pem"))),
        &format!("tls.key = {:?}", text(&home.path("site-key.pem"))),
    ]);
    lend(of, &home);
    home
}

/// Copies the certificate and key that `sottod` made in one home into the other's files.
fn lend(from: &Home, to: &Home) {
    from.fingerprint();
    for (made, site) in [("tls-cert.pem", "site-cert.pem"), ("tls-key.pem", "site-key.pem")] {
        fs::copy(from.data().join(made), to.path(site)).expect("the certificate was made");
    }
}

fn shown(server: &Server) -> String {
    tls::connect(server.address, rustls::ALL_VERSIONS).1
}

#[test]
fn a_configured_certificate_is_shown_and_told_of() {
    let lender = Home::new(&[]);
    let server = Server::on(with_certificate_files(&lender));
    assert_eq!(server.home.fingerprint(), lender.fingerprint());
    drop(server.tls());
}

#[test]
fn a_new_certificate_is_shown_to_new_connections_and_old_ones_live() {
    let (first, second) = (Home::new(&[]), Home::new(&[]));
    let server = Server::on(with_certificate_files(&first));
    let mut scene = server.scene();
    scene.add("alice", server.tls());
    scene.guests(&["alice", "bob"]);
    scene.join("lobby", &["alice", "bob"]);
    lend(&second, &server.home);
    server.process.signal("HUP");
    let end = Instant::now() + DEADLINE;
    while shown(&server) != second.fingerprint().to_lowercase() {
        assert!(Instant::now() < end, "the new certificate was not taken");
    }
    scene.play(
        "
        alice > still here
        bob < [HH:MM] #lobby <alice> still here
        ",
    );
}

#[test]
fn a_broken_certificate_changes_nothing_and_is_logged() {
    let first = Home::new(&[]);
    let server = Server::on(with_certificate_files(&first));
    for broken in ["-----BEGIN CERTIFICATE-----\nthis is none\n", ""] {
        server.home.write("site-cert.pem", broken);
        let logged = server.process.errors().len();
        server.process.signal("HUP");
        server.process.wait_for_error(logged, |line| line.contains("site-cert.pem"));
        assert_eq!(shown(&server), first.fingerprint().to_lowercase());
    }
    server.text().ask("/help");
}

#[test]
fn a_broken_configuration_changes_nothing_and_is_logged() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["alice"]);
    server.home.write("config.toml", "[limits]\nmessages_per_second = 1\nwibble = 2\n");
    let logged = server.process.errors().len();
    server.process.signal("HUP");
    server.process.wait_for_error(logged, |line| line.contains("wibble"));
    scene.join("lobby", &["alice"]);
    // Twenty at once pass under the default rate, not under the one in the broken file.
    scene.person("alice").wire.send("line\n".repeat(20).as_bytes());
    assert_eq!(scene.ask("alice", "/topic tea").len(), 1);
}

#[test]
fn rates_change_for_those_connected() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    server.home.configure(&["limits.messages_per_second = 1", "limits.message_burst = 1"]);
    server.process.signal("HUP");
    let end = Instant::now() + DEADLINE;
    // Two in one piece: however slow the machine is, no second passes between them.
    while !scene.ask("alice", "hello\nhello").iter().any(|line| line.starts_with("!!! too-fast: ")) {
        assert!(Instant::now() < end, "the new limit was not taken");
    }
    scene.ask("alice", "/help");
}

#[test]
fn limits_change_for_those_connected() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    server.home.configure(&["limits.line_bytes = 1000"]);
    server.process.signal("HUP");
    let end = Instant::now() + DEADLINE;
    loop {
        let answer = scene.ask("alice", &format!("/topic {}", "x".repeat(1500)));
        if answer.iter().any(|line| line.starts_with("!!! line-too-long: ")) {
            break;
        }
        assert!(Instant::now() < end, "the new limit was not taken");
    }
    scene.play("alice > short\nalice > /history\nalice < ⋮");
}
