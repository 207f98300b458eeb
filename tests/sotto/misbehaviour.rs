//! Servers that do not keep to the protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::client::{NO_KEYS, Talker, pipe, sotto};
use crate::harness::home::Home;
use crate::harness::process::Told;

#[test]
fn a_server_without_tls_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        stream.write_all(b"*** welcome to netcat\n").expect("it listens");
        // Until it hangs up; that it may do so rudely is not the point.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let home = Home::new(&[]);
    let told = pipe(sotto(&home, address, "alice").args(["--plain", "--accept-new"]), "");
    server.join().expect("the server of the test does not panic");
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains("no TLS connection"), "{told:?}");
}

/// Runs `sotto --plain` against a server that reads two requests and then sends this, in plain.
fn against(answer: &[u8]) -> Told {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let answer = answer.to_owned();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("the client connects");
        let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        let heard = lines.by_ref().take(2).count();
        assert_eq!(heard, 2, "hello and a login");
        // It may hang up before it has heard everything.
        let _ = (&stream).write_all(&answer);
        lines.for_each(drop);
    });
    let home = Home::new(&[]);
    let mut command = sotto(&home, address, "alice");
    let told = pipe(command.args(["--plain", "--insecure-plaintext"]), "");
    server.join().expect("the server of the test does not panic");
    told
}

#[test]
fn what_is_no_chat_server_is_told_so() {
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 mail ESMTP\r\n", "\u{0}\u{1}\n", "{}\n"] {
        let told = against(answer.as_bytes());
        assert_eq!(told.status, Some(1), "{told:?}");
        assert!(told.err.contains("no sottod server"), "{told:?}");
    }
}

#[test]
fn a_line_without_end_is_not_kept() {
    let told = against(&vec![b'x'; 9 * 1024 * 1024]);
    assert_eq!(told.status, Some(1), "{told:?}");
    assert!(told.err.contains("no sottod server"), "{told:?}");
}

#[test]
fn what_steers_a_terminal_does_not_pass() {
    let told = against(
        concat!(
            r#"{"re":1,"ok":{}}"#,
            "\n",
            r#"{"re":2,"ok":{"user":"alice"}}"#,
            "\n",
            r#"{"ev":"notice","kind":"motd","text":"\u001b[2Jred\u202e\nsecond"}"#,
            "\n",
            r#"{"ev":"private","from":"bob","to":"alice","text":"\u001b]0;title\u0007x\n[12:00] <eve -> you> y"}"#,
            "\n",
            r#"{"ev":"from the future","text":"\u001b[2J"}"#,
            "\n{\"not\": \"known\"}\n\u{1b}[2J\n",
        )
        .as_bytes(),
    );
    assert_eq!(told.status, Some(0), "{told:?}");
    let visible = told.out.bytes().all(|byte| byte == b'\n' || byte >= b' ');
    assert!(visible && !told.out.contains('\u{202e}'), "{told:?}");
    assert!(
        told.out.lines().all(|line| line.starts_with("*** ")
            || line.starts_with("!!! ")
            || line.contains("<bob -> you>")),
        "{told:?}"
    );
}

#[test]
fn a_refusal_is_shown_without_its_escapes() {
    let told = against(
        b"{\"re\":1,\"ok\":{}}\n{\"re\":2,\"err\":{\"code\":\"banned\",\"text\":\"\\u001b[31mgo\"}}\n",
    );
    assert_eq!(told.status, Some(3), "{told:?}");
    assert!(told.err.contains("banned: go"), "{told:?}");
}

/// The last reply before the client is ready comes alone, after everything there was to show.
#[test]
fn lines_are_taken_as_soon_as_the_server_has_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let home = Home::new(&[]);
    let mut command = sotto(&home, address, "alice");
    command.args(["--insecure-plaintext"]).env("SOTTO_PASSWORD", "correct-horse");
    let mut alice = Talker::start(&mut command);
    alice.types("/quit\n");
    let (mut stream, _) = listener.accept().expect("the client connects");
    let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
    let mut hear = |command: &str| {
        let line = lines.next().expect("a request").expect("in UTF-8");
        assert!(line.contains(&format!("\"cmd\":\"{command}\"")), "{line}");
    };
    let mut send = |line: &str| writeln!(stream, "{line}").expect("the client is there");
    hear("hello");
    hear("login");
    send(r#"{"re":1,"ok":{}}"#);
    send(r#"{"re":2,"ok":{"user":"alice","rooms":["lobby"]}}"#);
    send(r#"{"ev":"notice","kind":"entered","room":"lobby","seq":0}"#);
    alice.shows("*** {logged in} {alice}");
    alice.shows(NO_KEYS);
    alice.shows("*** you are in #lobby");
    hear("ping");
    send(r#"{"re":3,"ok":{}}"#);
    hear("quit");
    send(r#"{"re":4,"ok":{}}"#);
    assert_eq!(alice.ends().status, Some(0));
}
