//! Text from other people never reaches a terminal raw, in whatever field it comes.

use serde_json::json;

use crate::harness::scene::Scene;
use crate::harness::server::Server;

/// What a joker sends, what must be left of it, and nothing else.
const SENT: &str = "a\u{1b}[31;1mb\u{1b}]0;title\u{7}c\u{8}d\u{7f}e\u{202e}f\u{2066}g\u{2069}h\u{85}i\u{2028}j\u{2029}k\u{200f}l\tm\u{0}n";
const SEEN: &str = "abcdefghijkl\tmn";

fn is_unsafe(c: char) -> bool {
    let bidi =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\t') || bidi || matches!(c, '\u{2028}' | '\u{2029}')
}

/// All that the two have seen since; the field is in it, cleaned.
#[track_caller]
fn check_cleaned(lines: &[String]) {
    for line in lines {
        assert!(!line.contains(is_unsafe), "{line:?}");
    }
    assert!(lines.iter().any(|line| line.contains(SEEN)), "no {SEEN:?} in {lines:#?}");
}

fn alice_and_bob(server: &Server) -> Scene {
    server.room_of("lobby", &["alice", "bob"])
}

#[test]
fn in_messages_emotes_private_messages_and_topics() {
    let server = Server::start();
    let mut scene = alice_and_bob(&server);
    for command in ["x", "/me", "/msg bob", "/topic"] {
        let own = scene.ask("alice", &format!("{command} {SENT}"));
        assert!(own.iter().all(|line| !line.contains(is_unsafe)), "{own:?}");
        let first = scene.person("bob").wire.line();
        check_cleaned(&[first]);
        scene.settle();
    }
    check_cleaned(&scene.ask("bob", "/history"));
    check_cleaned(&scene.ask("bob", "/topic"));
    check_cleaned(&scene.ask("bob", "/rooms"));
    scene.guests(&["carol"]);
    check_cleaned(&scene.ask("carol", "/join lobby"));
}

#[test]
fn in_status_texts() {
    let server = Server::start();
    let mut scene = alice_and_bob(&server);
    scene.ask("alice", &format!("/status away {SENT}"));
    check_cleaned(&scene.ask("bob", "/list"));
    check_cleaned(&scene.ask("bob", "/whois alice"));
}

#[test]
fn in_quit_and_kick_texts() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob", "carol"]);
    scene.person("alice").send(&format!("/kick carol {SENT}"));
    let (bob, carol) = (scene.person("bob").wire.line(), scene.person("carol").wire.line());
    check_cleaned(&[bob]);
    check_cleaned(&[carol]);
    scene.person("alice").send(&format!("/quit {SENT}"));
    let last = scene.person("bob").wire.line();
    check_cleaned(&[last]);
    let rest = scene.person("alice").wire.rest();
    assert!(rest.iter().all(|line| !line.contains(is_unsafe)), "{rest:?}");
}

#[test]
fn in_letters_and_search_results() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["bob", "alice"]);
    scene.join("lobby", &["alice", "bob"]);
    scene.quit("bob");
    scene.ask("alice", &format!("/msg bob {SENT}"));
    scene.ask("alice", &format!("needle {SENT}"));
    let bob = scene.person("bob");
    bob.send("/login bob correct-horse");
    let mut lines = bob.expect_until("…<alice -> you> …");
    lines.extend(bob.sync());
    assert!(lines.iter().all(|line| !line.contains(is_unsafe)), "{lines:?}");
    check_cleaned(&scene.ask("alice", "/search needle"));
}

#[test]
fn a_name_is_refused_not_cleaned_and_the_refusal_is_clean() {
    let server = Server::start();
    let mut scene = alice_and_bob(&server);
    for command in
        ["/nick", "/join", "/msg", "/whois", "/kick", "/help", "/status", "/room", "/history", "/xyz"]
    {
        let lines = scene.ask("alice", &format!("{command} {SENT} text"));
        assert!(lines.len() == 1 && lines[0].starts_with("!!! "), "{command}: {lines:?}");
        assert!(!lines[0].contains(is_unsafe), "{command}: {lines:?}");
    }
    let lines = scene.ask("alice", &format!("/x{SENT}"));
    assert!(!lines.iter().any(|line| line.contains(is_unsafe)), "{lines:?}");
}

#[test]
fn from_programs_too_and_a_line_end_forges_no_line() {
    let server = Server::start();
    let mut program = server.json_guest("program");
    let mut scene = alice_and_bob(&server);
    program.join("lobby");
    scene.settle();
    let text = format!("one\n*** forged\r\n!!! forged\r[00:00] #lobby <alice> forged {SENT}");
    program.ok(json!({"cmd": "say", "room": "lobby", "text": text}));
    program.ok(json!({"cmd": "msg", "user": "bob", "text": text}));
    let lines = [scene.person("bob").wire.line(), scene.person("bob").wire.line()];
    let more = scene.person("bob").sync();
    for line in lines.iter().chain(&more) {
        assert!(!line.contains(is_unsafe), "{line:?}");
        let forged =
            line.starts_with("*** forged") || line.starts_with("!!!") || line.contains("#lobby <alice>");
        assert!(!forged || line.contains("<program"), "{line:?}");
    }
}
