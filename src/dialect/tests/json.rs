//! JSON lines to commands.

use super::*;
use crate::proto::command::{HistoryRange, Paging, Proof};
use crate::proto::limits::SAY_KEY_BYTES_MAX;
use crate::proto::secret::Secret;

const RULES: Rules = Rules { line_bytes_max: 64, json_bytes_max: 65_536, secret: true };

/// `request` without its id and its braces.
fn check(request: &str, expected: Command<'_>) {
    let name = expected.name();
    let mut decoder = Decoder::new(Dialect::Json);
    let input = format!("{{\"id\":-7,\"cmd\":\"{name}\",{request}\"x\":[1,{{}}]}}\n");
    let decoded = decoder.decode(input.as_bytes(), &RULES);
    assert_eq!(decoded.request, Some(Request::Command(RequestId(-7), expected)), "{input}");
}

fn check_refused(line: &str, expected: &str) {
    assert_eq!(requests(Dialect::Json, format!("{line}\n").as_bytes(), &RULES), [expected], "{line}");
}

#[test]
fn every_command_is_understood() {
    let lobby = || Some(Text::from("lobby"));
    let user = || Text::from("bob");
    let secret = |text: &str| Some(Secret::new(text));
    let paging = Paging::Page;
    const BOTH: &str = r##""room":"lobby","user":"bob","##;

    check(BOTH, Command::Ban { room: lobby(), user: user() });
    check(BOTH, Command::Deop { room: lobby(), user: user() });
    check(BOTH, Command::Invite { room: lobby(), user: user() });
    check(BOTH, Command::Kick { room: lobby(), user: user(), why: None });
    check(BOTH, Command::Op { room: lobby(), user: user() });
    check(BOTH, Command::Unban { room: lobby(), user: user() });
    let why = Some("loud".into());
    check(
        r#""room":"lobby","user":"bob","text":"\u001b[1mloud","#,
        Command::Kick { room: lobby(), user: user(), why },
    );
    check(r#""user":"bob","#, Command::Block { user: user() });
    check(r#""user":"bob","#, Command::Unblock { user: user() });
    check(r#""user":"bob","#, Command::Nick { user: user() });
    check(r#""user":"bob","#, Command::Whois { user: user() });
    check(r#""version":1,"client":5,"#, Command::Hello { version: 1 });
    check(r#""version":18446744073709551615,"#, Command::Hello { version: i64::MAX });
    check("", Command::Help { topic: None });
    check(r#""topic":"join","#, Command::Help { topic: Some("join".into()) });
    let history = |range, limit| Command::History { room: lobby(), range, limit, paging };
    check(r#""room":"lobby","#, history(HistoryRange::Latest, None));
    check(r#""room":"lobby","before":17,"limit":50,"#, history(HistoryRange::Before(17), Some(50)));
    check(r#""room":"lobby","before":0,"#, history(HistoryRange::Before(0), None));
    check(r#""room":"lobby","after":18446744073709551615,"#, history(HistoryRange::After(u64::MAX), None));
    for large in ["99999999999", "18446744073709551615"] {
        let fields = format!(r#""room":"lobby","limit":{large},"#);
        check(&fields, history(HistoryRange::Latest, Some(u32::MAX)));
    }
    check(r#""room":"lobby","#, Command::Join { room: "lobby".into(), key: None });
    check(r#""room":"lobby","key":"k","#, Command::Join { room: "lobby".into(), key: secret("k") });
    check(r#""room":"lobby","#, Command::Leave { room: lobby() });
    check("", Command::List { after: None, limit: None, paging });
    check(r#""after":"al","limit":3,"#, Command::List { after: Some("al".into()), limit: Some(3), paging });
    let file = || Text::from("00ff");
    check(r#""file":"00ff","#, Command::Decline { file: file() });
    check(r#""file":"00ff","#, Command::Delete { file: file() });
    check("", Command::Files { after: None, limit: None });
    check(r#""after":"00ff","limit":2,"#, Command::Files { after: Some(file()), limit: Some(2) });
    check(r#""file":"00ff","#, Command::Finish { file: file() });
    check(r#""size":0,"#, Command::Upload { size: 0, readers: 1 });
    check(
        r#""size":18446744073709551615,"readers":1000,"#,
        Command::Upload { size: u64::MAX, readers: 1000 },
    );
    check(r#""file":"00ff","#, Command::UploadStatus { file: file() });
    let login = |proof| Command::Login { user: user(), proof, data: false };
    let proof = Proof::Token(Secret::new("tk"));
    check(r#""user":"bob","token":"tk","data":true,"#, Command::Login { user: user(), proof, data: true });
    check(r#""user":"bob","password":"pw","#, login(Proof::Password(Secret::new("pw"))));
    check(r#""user":"bob","token":"tk","password":null,"#, login(Proof::Token(Secret::new("tk"))));
    check(r#""user":"bob","text":"h\ni","#, Command::Msg { user: user(), text: "hi".into() });
    check(r#""old":"a","new":"b","#, Command::Passwd { old: secret("a"), new: secret("b") });
    check("", Command::Ping);
    check("", Command::Quit { text: None });
    check(r#""text":"bye","#, Command::Quit { text: Some("bye".into()) });
    let register = |invite| Command::Register { user: user(), password: secret("pw"), invite };
    check(r#""user":"bob","password":"pw","#, register(None));
    check(r#""user":"bob","password":"pw","invite":"c","#, register(secret("c")));
    check(
        r#""room":"lobby","access":"key","key":"k","#,
        Command::Room { room: lobby(), access: "key".into(), key: secret("k") },
    );
    check("", Command::Rooms { after: None, limit: None, paging });
    check(
        r#""room":"lobby","text":"hi \"you\" \ud83d\ude00\u202e","me":true,"key":"abc","#,
        Command::Say {
            room: lobby(),
            text: "hi \"you\" \u{1f600}".into(),
            me: true,
            key: Some("abc".into()),
        },
    );
    check(r#""query":"a b","#, Command::Search { query: "a b".into(), limit: None });
    check(r#""status":"away","#, Command::Status { status: Some("away".into()), text: None });
    check(r#""text":"","#, Command::Status { status: None, text: Some("".into()) });
    check(r#""room":"lobby","#, Command::Topic { room: lobby(), topic: None });
    check(r#""room":"lobby","topic":"","#, Command::Topic { room: lobby(), topic: Some("".into()) });
    check(r#""room":"lobby","topic":"t","#, Command::Topic { room: lobby(), topic: Some("t".into()) });
    check(r#""room":"lobby","#, Command::Who { room: lobby(), after: None, limit: None, paging });
}

#[test]
fn what_is_wrong_is_named() {
    let wide = "k".repeat(SAY_KEY_BYTES_MAX + 1);
    for (line, expected) in [
        (r#"{"id":1,"cmd":"join"}"#, "1 !missing-argument: `room` is missing"),
        (r#"{"id":1,"cmd":"join","room":null}"#, "1 !missing-argument: `room` is missing"),
        (r#"{"id":1,"cmd":"join","room":5}"#, "1 !bad-argument: `room` is a string"),
        (r#"{"id":1,"cmd":"join","room":{"a":[1]}}"#, "1 !bad-argument: `room` is a string"),
        (r#"{"id":1,"cmd":"say","room":"a"}"#, "1 !missing-argument: `text` is missing"),
        (r#"{"id":1,"cmd":"say","text":"a"}"#, "1 !missing-argument: `room` is missing"),
        (r#"{"id":1,"cmd":"say","room":"a","text":" \n"}"#, "1 !missing-argument: `text` is missing"),
        (r#"{"id":1,"cmd":"say","room":"a","text":"a","me":1}"#, "1 !bad-argument: `me` is true or false"),
        (
            r#"{"id":1,"cmd":"say","room":"a","text":"a","key":""}"#,
            "1 !bad-argument: `key` has 1 to 128 bytes",
        ),
        (
            &format!(r#"{{"id":1,"cmd":"say","room":"a","text":"a","key":"{wide}"}}"#),
            "1 !bad-argument: `key` has 1 to 128 bytes",
        ),
        (r#"{"id":1,"cmd":"history","room":"a","limit":0}"#, "1 !bad-argument: `limit` is an integer from 1"),
        (
            r#"{"id":1,"cmd":"history","room":"a","limit":1.5}"#,
            "1 !bad-argument: `limit` is an integer from 1",
        ),
        (
            r#"{"id":1,"cmd":"history","room":"a","after":-1}"#,
            "1 !bad-argument: `after` is an integer from 0",
        ),
        (
            r#"{"id":1,"cmd":"history","room":"a","after":1,"before":2}"#,
            "1 !bad-argument: either `before` or `after`, not both",
        ),
        (r#"{"id":1,"cmd":"login","user":"a"}"#, "1 !missing-argument: `password` is missing"),
        (
            r#"{"id":1,"cmd":"login","user":"a","token":"b","password":"c"}"#,
            "1 !bad-argument: either `password` or `token`, not both",
        ),
        (
            r#"{"id":1,"cmd":"login","user":"a","token":"b","data":1}"#,
            "1 !bad-argument: `data` is true or false",
        ),
        (r#"{"id":1,"cmd":"upload"}"#, "1 !missing-argument: `size` is missing"),
        (r#"{"id":1,"cmd":"upload","size":-1}"#, "1 !bad-argument: `size` is an integer from 0"),
        (
            r#"{"id":1,"cmd":"upload","size":1,"readers":0}"#,
            "1 !bad-argument: `readers` is an integer from 1",
        ),
        (r#"{"id":1,"cmd":"finish"}"#, "1 !missing-argument: `file` is missing"),
        (r#"{"id":1,"cmd":"hello"}"#, "1 !missing-argument: `version` is missing"),
        (r#"{"id":1,"cmd":"hello","version":"1"}"#, "1 !bad-argument: `version` is an integer"),
        (r#"{"id":1,"cmd":"status"}"#, "1 !missing-argument: `status` is missing"),
        (r#"{"id":1}"#, "1 !missing-argument: `cmd` is missing"),
        (r#"{"id":1,"cmd":[]}"#, "1 !bad-argument: `cmd` is a string"),
        (
            r#"{"id":9223372036854775807,"cmd":"frob"}"#,
            "9223372036854775807 !unknown-command: there is no command `frob`",
        ),
        (r#"{"id":1,"cmd":"secret"}"#, "1 !unknown-command: there is no command `secret`"),
        (r#"{"id":1,"cmd":"\u001b[1mx"}"#, "1 !unknown-command: there is no command `x`"),
    ] {
        check_refused(line, expected);
    }
}

#[test]
fn a_line_without_a_valid_id_belongs_to_no_request() {
    let bad_request = "!bad-request: a request needs an `id`, an integer of at most 64 bits";
    for line in [
        "{}",
        r#"{"cmd":"ping"}"#,
        r#"{"id":"1","cmd":"ping"}"#,
        r#"{"id":1.0,"cmd":"ping"}"#,
        r#"{"id":null,"cmd":"ping"}"#,
        r#"{"id":9223372036854775808,"cmd":"ping"}"#,
    ] {
        check_refused(line, bad_request);
    }
    let deep = format!("{{\"id\":1,\"cmd\":{}", "[".repeat(10_000));
    for line in [
        "[1,2]",
        "5",
        "null",
        "{",
        "{\"id\":1",
        "x",
        "\"\"",
        "{} {}",
        "{\"id\":1,\"cmd\":\"\\ud800\"}",
        &deep,
    ] {
        check_refused(line, "!bad-json: this line is not one JSON object");
    }
    assert_eq!(
        requests(Dialect::Json, b"{\"id\":1,\"cmd\":\"\xff\"}\n", &RULES),
        ["!invalid-utf8: this line is not UTF-8"]
    );
}

#[test]
fn repeated_names_count_once_and_nesting_is_ignored() {
    check_refused(r#"{"id":1,"id":2,"cmd":"ban","cmd":"ping","x":[[[{"id":3}]]]}"#, "2 Ping");
}

#[test]
fn the_emote_of_text_mode_works_here_too() {
    let found = requests(Dialect::Json, b"{\"id\":1,\"cmd\":\"me\",\"room\":\"a\",\"text\":\"b\"}\n", &RULES);
    assert!(found[0].contains("Say") && found[0].contains("me: true"), "{found:?}");
}

type Text<'a> = Cow<'a, str>;
