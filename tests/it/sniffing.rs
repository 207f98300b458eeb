//! One port for every client: the first bytes tell what it is, silence is a person.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::home::Home;
use crate::harness::json::Json;
use crate::harness::process::Process;
use crate::harness::server::{Server, ready};
use crate::harness::text::Text;
use crate::harness::wire::Wire;

const AT_ONCE: &str = "banner_delay = \"1ms\"";
/// For those who speak first, and whom nobody shall wait for too long.
const SOON: &str = "banner_delay = \"250ms\"";
const DELAY: Duration = Duration::from_millis(250);

/// A connection that says this before its banner is due. A test that was held up for so long tries again.
fn speaks_first(server: &Server, words: &[u8]) -> Wire {
    loop {
        let begun = Instant::now();
        let mut wire = server.wire();
        wire.send(words);
        if begun.elapsed() < DELAY {
            return wire;
        }
    }
}

/// Reads the banner and gives the connection.
fn with_banner(mut wire: Wire) -> Text {
    let line = wire.line();
    assert!(line.starts_with("*** "), "{line:?}");
    let mut text = Text::new(wire);
    assert!(text.sync().iter().all(|line| line.starts_with("*** ")));
    text
}

#[test]
fn a_silent_client_gets_the_banner_after_the_delay() {
    let server = Server::with(&[SOON]);
    let start = Instant::now();
    let mut text = with_banner(server.wire());
    assert!(start.elapsed() >= DELAY, "{:?}", start.elapsed());
    text.send("/nick alice");
    text.expect("*** {alice}");
}

#[test]
fn a_silent_client_over_tls_gets_the_banner_too() {
    // Long enough for a handshake to begin on a busy machine: the delay counts before it as well.
    let server = Server::with(&["banner_delay = \"5s\""]);
    let mut text = with_banner(server.tls());
    text.send("/nick alice");
    text.expect("*** {alice}");
}

#[test]
fn who_speaks_first_gets_no_banner() {
    let server = Server::with(&[SOON]);
    let mut early = Text::new(speaks_first(&server, b"/nick alice\n"));
    early.expect("*** {alice}");
    // Whoever came later has waited out the delay, so the early one's is over as well.
    with_banner(server.wire());
    assert_eq!(early.sync(), Vec::<String>::new());
}

#[test]
fn the_banner_tells_the_servers_name() {
    let server = Server::with(&[AT_ONCE, "name = \"The Teapot\""]);
    let mut wire = server.wire();
    let mut lines = vec![wire.line()];
    lines.extend(Text::new(wire).sync());
    assert!(lines.iter().any(|line| line.contains("The Teapot")), "{lines:?}");
}

#[test]
fn the_motd_follows_the_name() {
    let server = Server::with(&["motd = \"Tea at five.\\nBring a cup.\""]);
    let mut alice = server.text();
    let lines = alice.ask("/nick alice");
    assert!(lines[0].starts_with("*** ") && lines[0].contains("alice"), "{lines:?}");
    let rest = &lines[1..];
    assert!(rest.iter().all(|line| line.starts_with("*** ")), "{lines:?}");
    for part in ["Tea at five.", "Bring a cup."] {
        assert!(rest.iter().any(|line| line.contains(part)), "{lines:?}");
    }
}

#[test]
fn json_after_the_banner_is_still_json() {
    let server = Server::with(&[AT_ONCE]);
    let mut wire = server.wire();
    let mut seen = wire.line();
    let request = json!({"id": 1, "cmd": "hello", "version": 1}).to_string();
    wire.send_line(&request);
    while seen.starts_with("*** ") {
        seen = wire.line();
    }
    let reply: serde_json::Value = serde_json::from_str(&seen).expect("a reply");
    assert_eq!(reply["ok"]["version"], 1);
}

#[test]
fn tls_after_the_banner_is_closed() {
    let server = Server::with(&[AT_ONCE]);
    let mut wire = server.wire();
    wire.line();
    wire.send(b"\x16\x03\x01\x00\x05hello");
    let lines = wire.rest();
    assert!(lines.iter().all(|line| line.starts_with("*** ") || line.starts_with("!!! ")), "{lines:?}");
}

#[test]
fn a_json_client_gets_no_banner() {
    let server = Server::with(&[SOON]);
    let mut json = Json::new(speaks_first(&server, b"{"));
    with_banner(server.wire());
    json.wire.send(b"\"id\":1,\"cmd\":\"hello\",\"version\":1}\n");
    assert_eq!(json.receive()["re"], 1);
}

#[test]
fn a_line_begun_before_the_banner_is_no_silence() {
    let server = Server::with(&[SOON]);
    let mut slow = Text::new(speaks_first(&server, b"/nick al"));
    with_banner(server.wire());
    slow.wire.send(b"ice\n");
    slow.expect("*** {alice}");
}

/// A client of another protocol hears one line that says so, and the end.
#[track_caller]
fn check_foreign(server: &Server, opening: &[u8]) {
    let mut wire = server.wire();
    wire.send(opening);
    let lines = wire.rest();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!lines[0].is_empty());
}

#[test]
fn other_protocols_get_one_clear_line_and_the_end() {
    let server = Server::start();
    check_foreign(&server, b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\n\r\n");
    check_foreign(&server, b"POST /login HTTP/1.0\r\nContent-Length: 3\r\n\r\na=b");
    check_foreign(&server, b"OPTIONS * HTTP/1.1\r\n\r\n");
    check_foreign(&server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    check_foreign(&server, b"SSH-2.0-OpenSSH_9.6\r\n");
}

#[test]
fn over_tls_too() {
    let server = Server::start();
    let mut wire = server.tls();
    wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(wire.rest().len(), 1);
}

#[test]
fn a_word_that_begins_like_http_is_only_a_word_once_named() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.play(
        "
        alice > GET / HTTP/1.1
        bob < [HH:MM] #lobby <alice> GET / HTTP/1.1
        alice > SSH-2.0-OpenSSH_9.6
        bob < [HH:MM] #lobby <alice> SSH-2.0-OpenSSH_9.6
        ",
    );
}

#[test]
fn binary_hurts_nobody() {
    let server = Server::start();
    let openings: [&[u8]; 6] = [
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",
        b"\x00\x00\x00\x85\xffSMBr\x00\x00\x00\x00",
        b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00",
        b"\x05\x01\x00",
        b"\x00\x00\x00\x00\x00\x00\x00\x00\n",
        b"\x1b[2J\x1b[H\n",
    ];
    for opening in openings {
        let mut wire = server.wire();
        wire.send(opening);
        // It may be closed by now.
        let _ = wire.try_send(b"\n/quit\n");
        wire.rest();
    }
    server.text().ask("/help");
}

#[test]
fn any_first_byte_leaves_the_server_working() {
    let server = Server::start();
    let mut open = Vec::new();
    for byte in 0..=u8::MAX {
        let mut wire = server.wire();
        wire.send(&[byte, b'\n']);
        open.push(wire);
    }
    server.text().ask("/help");
}

#[test]
fn plain_is_refused_where_it_is_never_served() {
    let server = Server::with(&["tls.plaintext = \"never\"", AT_ONCE]);
    let mut silent = server.wire();
    let mut text = with_banner(server.tls());
    text.send("/nick alice");
    text.expect("*** {alice}");
    for opening in ["/nick bob", "{\"id\":1,\"cmd\":\"hello\",\"version\":1}"] {
        let mut wire = server.wire();
        wire.send_line(opening);
        let lines = wire.rest();
        assert!(lines.len() == 1 && lines[0].contains("plaintext-refused"), "{lines:?}");
    }
    // No byte before the client's first, however long ago it came.
    silent.send_line("hello?");
    let lines = silent.rest();
    assert!(lines.len() == 1 && lines[0].starts_with("!!! plaintext-refused: "), "{lines:?}");
    assert!(lines[0].contains("TLS"), "{lines:?}");
    Json::new(server.tls()).nick("program");
}

#[test]
fn plain_is_served_to_loopback_and_where_it_always_is() {
    for policy in ["loopback", "always"] {
        let server = Server::with(&[&format!("tls.plaintext = \"{policy}\"")]);
        server.scene().guests(&["alice"]);
    }
}

#[test]
fn every_listener_serves_every_client() {
    let Ok(probe) = std::net::TcpListener::bind("[::1]:0") else { return };
    drop(probe);
    let home = Home::new(&[]);
    let mut process = Process::start(home.sottod().args(["--listen", "127.0.0.1:0", "--listen", "[::1]:0"]));
    for n in 0..2 {
        let address = ready(&mut process);
        Text::new(Wire::connect(address)).ask("/help");
        Json::new(Wire::connect(address)).nick(&format!("program-{n}"));
    }
}
