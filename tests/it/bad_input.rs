//! Bytes that no well-meaning client sends: each gets its clear error, and everything goes on.

use crate::harness::server::Server;
use crate::harness::text::Text;

#[test]
fn every_byte_value_is_survived_as_a_line() {
    let server = Server::with(&["limits.commands_per_second = 0", "limits.messages_per_second = 0"]);
    let mut scene = server.room_of("lobby", &["alice"]);
    let alice = scene.person("alice");
    for byte in 0..=u8::MAX {
        alice.wire.send(&[byte, b'\n']);
        let lines = alice.sync();
        assert!(lines.len() <= 1, "{byte:#x}: {lines:?}");
        // A stray FF takes the next byte with it, as telnet has it; FE and below are only bad UTF-8.
        if (0x80..0xff).contains(&byte) {
            assert!(lines[0].starts_with("!!! invalid-utf8: "), "{byte:#x}: {lines:?}");
        }
    }
}

#[test]
fn invalid_utf8_is_one_error_a_line() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    let lines: [&[u8]; 7] = [
        b"caf\xe9",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"cut \xe2\x82",
        b"/nick \xfe",
        b"/msg bob \xe9",
    ];
    for line in lines {
        scene.person("alice").wire.send(line);
        scene.play("alice >\nalice < !!! invalid-utf8: …");
    }
    scene.play("alice > still here\nbob < [HH:MM] #lobby <alice> still here");
}

#[test]
fn a_line_as_long_as_allowed_passes_and_one_byte_more_does_not() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    let longest = "x".repeat(4096);
    scene.play(&format!(
        "
        alice > {longest}
        bob < [HH:MM] #lobby <alice> {longest}
        alice > {longest}x
        alice < !!! line-too-long: …
        alice > after
        bob < [HH:MM] #lobby <alice> after
        "
    ));
}

#[test]
fn the_longest_line_is_configured() {
    let server = Server::with(&["limits.line_bytes = 1024"]);
    let mut scene = server.room_of("lobby", &["alice"]);
    let longest = "x".repeat(1024);
    scene.play(&format!("alice > {longest}\nalice > {longest}x\nalice < !!! line-too-long: …"));
}

#[test]
fn ten_megabytes_without_an_end_are_one_error() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..10 {
        scene.person("alice").wire.send(&piece);
    }
    scene.play(
        "
        alice > the end
        alice < !!! line-too-long: …
        alice > after
        bob < [HH:MM] #lobby <alice> after
        ",
    );
}

#[test]
fn json_without_an_end_is_one_error_too() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    let piece = vec![b' '; 1 << 20];
    alice.wire.send(b"{");
    for _ in 0..10 {
        alice.wire.send(&piece);
    }
    alice.wire.send(b"\n");
    let events = alice.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["code"], "line-too-long");
}

/// Sends a conversation byte by byte; what comes of it is what comes of it in one piece.
#[track_caller]
fn check_split_everywhere(input: &[u8]) {
    let server = Server::start();
    let hear = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut wire = server.wire();
        pieces.for_each(|piece| wire.send(piece));
        let times = |line: String| if line.starts_with('[') { line[8..].to_owned() } else { line };
        wire.rest().into_iter().map(times).collect::<Vec<String>>()
    };
    let whole = hear(&mut std::iter::once(input));
    assert!(whole.len() > 1, "{whole:?}");
    assert_eq!(hear(&mut input.chunks(1)), whole);
    for at in 1..input.len() {
        let (start, end) = input.split_at(at);
        assert_eq!(hear(&mut [start, end].into_iter()), whole, "split at {at}");
    }
}

#[test]
fn a_text_conversation_may_come_in_any_pieces() {
    check_split_everywhere("/nick zoë\r\n/join café\r\nhello\r\n/me \u{1F375}\n/quit\r\n".as_bytes());
    check_split_everywhere(b"/nick a\xff\xfd\x01b\r\0/topic\r/caf\xe9\n/quit\n");
}

#[test]
fn a_json_conversation_may_come_in_any_pieces() {
    let lines = [
        r#"{"id":1,"cmd":"nick","user":"zo\u00eb"}"#,
        r#"{"id":2,"cmd":"join","room":"café"}"#,
        r#"{"id":3,"cmd":"leave","room":"café"}"#,
        r#"{"id":4,"cmd":"quit"}"#,
    ];
    check_split_everywhere((lines.join("\n") + "\n").as_bytes());
}

#[test]
fn a_connection_that_says_nothing_or_half_a_line_may_go() {
    let server = Server::start();
    for opening in ["", "/nick al", "{\"id\":", "\u{16}"] {
        let mut wire = server.wire();
        wire.send(opening.as_bytes());
        drop(wire);
    }
    server.text().ask("/help");
}

#[test]
fn half_a_line_before_the_end_is_not_said() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.person("bob").wire.send(b"half a sent");
    scene.remove("bob");
    scene.play("alice < *** {bob} {#lobby}");
}

/// How many connections this process may open beside those of other tests.
fn idle_connections() -> usize {
    let limit = std::process::Command::new("sh").args(["-c", "ulimit -n"]).output();
    let limit = limit.ok().and_then(|output| String::from_utf8(output.stdout).ok()?.trim().parse().ok());
    limit.map_or(1000, |limit: usize| (limit / 2).min(1000))
}

#[test]
fn a_thousand_silent_connections_disturb_nobody() {
    let server = Server::start();
    let silent: Vec<_> = (0..idle_connections()).map(|_| server.wire()).collect();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.add("carol", server.tls());
    scene.guests(&["carol"]);
    scene.join("lobby", &["carol"]);
    scene.play(
        "
        alice > quiet here
        bob < [HH:MM] #lobby <alice> quiet here
        carol < [HH:MM] #lobby <alice> quiet here
        ",
    );
    let last = silent.into_iter().next_back().expect("there are some");
    Text::new(last).ask("/help");
}
