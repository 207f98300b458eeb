//! Everything over TLS: both dialects, both versions, pieces of handshakes, and garbage.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::harness::json::Json;
use crate::harness::server::Server;
use crate::harness::text::Text;
use crate::harness::tls;
use crate::harness::wire::{Stream, Wire, socket};

const TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// Sends every byte by itself.
struct ByteByByte(TcpStream);

impl Read for ByteByByte {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for ByteByByte {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[track_caller]
fn check_works(server: &Server) {
    Text::new(server.tls()).ask("/help");
    server.text().ask("/help");
}

/// What a client sends first.
fn client_hello() -> Vec<u8> {
    let mut hello = Vec::new();
    tls::client(TLS13).write_tls(&mut hello).expect("a vector takes it");
    hello
}

#[test]
fn text_mode_over_both_versions_and_plain_meets_in_one_room() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.add("alice", tls::connect(server.address, TLS13).0);
    scene.add("bob", tls::connect(server.address, TLS12).0);
    scene.guests(&["alice", "bob", "carol"]);
    scene.join("lobby", &["alice", "bob", "carol"]);
    scene.play(
        "
        alice > over 1.3
        bob < [HH:MM] #lobby <alice> over 1.3
        carol < [HH:MM] #lobby <alice> over 1.3
        bob > over 1.2
        alice < [HH:MM] #lobby <bob> over 1.2
        carol < [HH:MM] #lobby <bob> over 1.2
        ",
    );
}

#[test]
fn json_lines_over_tls() {
    let server = Server::start();
    let mut program = Json::new(server.tls());
    program.nick("program");
    program.join("lobby");
    assert_eq!(program.say("lobby", "hi"), 1);
}

#[test]
fn the_certificate_is_the_one_that_fingerprint_tells_of_and_stays() {
    let server = Server::start();
    let fingerprint = server.home.fingerprint();
    assert_eq!(tls::connect(server.address, TLS13).1, fingerprint.to_lowercase());
    let server = server.restart();
    assert_eq!(server.home.fingerprint(), fingerprint);
    assert_eq!(tls::connect(server.address, TLS12).1, fingerprint.to_lowercase());
}

#[test]
fn a_handshake_byte_by_byte_and_lines_too() {
    let server = Server::start();
    for versions in [TLS12, TLS13] {
        let (wire, _) = tls::over(ByteByByte(socket(server.address)), versions);
        let mut alice = Text::new(wire);
        alice.send("/nick alice");
        alice.expect("*** {alice}");
        alice.send("/quit");
        alice.wire.rest();
    }
}

#[test]
fn long_lines_and_long_answers_pass_through_tls() {
    let server = Server::with(&["limits.messages_per_second = 0"]);
    let (mut alice, mut bob) = (Json::new(server.tls()), Json::new(server.tls()));
    alice.nick("alice");
    bob.nick("bob");
    alice.join("lobby");
    bob.join("lobby");
    let text = "x".repeat(60_000);
    let ids: Vec<i64> =
        (0..20).map(|_| alice.send(json!({"cmd": "say", "room": "lobby", "text": text}))).collect();
    for id in ids {
        assert!(alice.reply(id)["ok"].is_object());
        assert_eq!(bob.message()["text"], text.as_str());
    }
    assert_eq!(bob.log("lobby").len(), 20);
}

#[test]
fn half_a_hello_hurts_nobody() {
    let server = Server::start();
    let hello = client_hello();
    let mut halves = Vec::new();
    for size in [1, 2, 5, 6, hello.len() / 2, hello.len() - 1] {
        let mut half = server.wire();
        half.send(&hello[..size]);
        halves.push(half);
    }
    check_works(&server);
    drop(halves);
    check_works(&server);
}

#[test]
fn a_hello_that_stops_half_way_is_closed_in_time() {
    let server = Server::with(&["limits.login_timeout = \"1s\""]);
    let hello = client_hello();
    let begun = |size| {
        let mut half = socket(server.address);
        half.write_all(&hello[..size]).expect("the server takes it");
        half
    };
    // All at once: each waits for the same time.
    let all: Vec<_> = [1, hello.len() / 2, hello.len()].into_iter().map(begun).collect();
    for mut half in all {
        read_to_the_end(&mut half);
    }
}

/// Reads what comes, until the server closes the connection.
#[track_caller]
fn read_to_the_end(stream: &mut impl Stream) {
    match io::copy(stream, &mut io::sink()) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn garbage_after_the_first_byte_of_tls_is_closed() {
    let server = Server::start();
    let hello = client_hello();
    let mut garbage = vec![
        b"\x16hello there, this is no TLS\n".to_vec(),
        b"\x16\x03\x01\xff\xff".iter().copied().chain([0; 70_000]).collect(),
        b"\x16\x03\x03\x00\x00".to_vec().repeat(1000),
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00".to_vec(),
    ];
    // A hello with every so many bytes flipped, and then what no handshake goes on with.
    for at in (5..hello.len()).step_by(29) {
        let mut bent = hello.clone();
        bent[at] ^= 0xff;
        bent.extend_from_slice(&[0x16; 64]);
        garbage.push(bent);
    }
    for bytes in garbage {
        let mut stream = socket(server.address);
        // It may be closed before all is sent.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        read_to_the_end(&mut stream);
    }
    check_works(&server);
}

#[test]
fn garbage_in_the_middle_of_a_connection_ends_only_that_one() {
    let server = Server::start();
    let mut stream = socket(server.address);
    let mut connection = tls::client(TLS12);
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).expect("a handshake");
    }
    // An unencrypted hello, as if to negotiate anew, and an unencrypted alert.
    let _ = stream.write_all(&client_hello());
    let _ = stream.write_all(b"\x15\x03\x03\x00\x02\x02\x00");
    read_to_the_end(&mut stream);
    check_works(&server);
}

#[test]
fn quitting_over_tls_ends_with_a_goodbye_of_tls() {
    let server = Server::start();
    let mut stream = socket(server.address);
    let mut connection = tls::client(TLS13);
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).expect("a handshake");
    }
    let mut both = rustls::Stream::new(&mut connection, &mut stream);
    both.write_all(b"/quit\n").expect("the server takes it");
    let mut answer = String::new();
    both.read_to_string(&mut answer).expect("closed with close_notify, not cut");
}

#[test]
fn too_old_versions_are_refused() {
    let server = Server::start();
    // A hello that offers TLS 1.0 at most, one cipher suite of its time and nothing else.
    let mut hello = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01".to_vec();
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(b"\x00\x00\x02\x00\x2f\x01\x00");
    let mut stream = socket(server.address);
    stream.write_all(&hello).expect("the server takes it");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("closed after the alert");
    assert_eq!(answer.first(), Some(&0x15), "an alert: {answer:?}");
}

#[test]
fn a_wire_that_ends_within_tls_is_a_quit() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    let mut bob: Wire = server.tls();
    bob.send(b"/nick bob\n/join lobby\n");
    while bob.line() != "*** end of history" {}
    drop(bob);
    scene.play("alice < *** {bob} {#lobby}\nalice < *** {bob} {#lobby}");
}
