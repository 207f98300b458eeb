//! Typed lines to commands.

use super::*;
use crate::proto::command::{HistoryRange, Paging, Proof};
use crate::proto::secret::Secret;

fn check(line: &str, expected: Command<'_>) {
    let mut decoder = Decoder::new(Dialect::Text);
    let input = format!("{line}\n");
    let decoded = decoder.decode(input.as_bytes(), &RULES);
    assert_eq!(decoded.request, Some(Request::Command(RequestId::NONE, expected)), "{line:?}");
}

fn check_refused(line: &str, code: Code, text: &str) {
    let mut decoder = Decoder::new(Dialect::Text);
    let input = format!("{line}\n");
    let decoded = decoder.decode(input.as_bytes(), &RULES);
    let refusal = Refusal::new(code, text.to_owned());
    assert_eq!(decoded.request, Some(Request::Refused(RequestId::NONE, refusal)), "{line:?}");
}

fn say(text: &str, me: bool) -> Command<'_> {
    Command::Say { room: None, text: text.into(), me, key: None }
}

#[test]
fn lines_without_a_slash_are_said() {
    check("hello there ", say("hello there ", false));
    check("  /quit", say("  /quit", false));
    check("//quit", say("/quit", false));
    check("///", say("//", false));
    check("a\u{1b}[31mb\u{202e}c\td", say("abc\td", false));
    check("/me waves  twice ", say("waves  twice ", true));
    check("/ME waves", say("waves", true));
    check("/me\twaves", say("waves", true));
    let nothing = "there is nothing to see in this line";
    for line in ["   ", "\t", "\u{1b}[31m", "\u{7}", "\u{3000}"] {
        check_refused(line, Code::MissingArgument, nothing);
    }
}

#[test]
fn every_command_is_understood() {
    let (room, key, paging) = (None, None, Paging::Stream);
    let secret = |text: &str| Some(Secret::new(text));
    check("/ban bob", Command::Ban { room: room.clone(), user: "bob".into() });
    check("/block bob", Command::Block { user: "bob".into() });
    check("/deop bob", Command::Deop { room: room.clone(), user: "bob".into() });
    check("/help", Command::Help { topic: None });
    check("/help /join", Command::Help { topic: Some("/join".into()) });
    let latest = |limit| Command::History { room: None, range: HistoryRange::Latest, limit, paging };
    check("/history", latest(None));
    check("/history 20", latest(Some(20)));
    check("/history 99999999999999999999", latest(Some(u32::MAX)));
    check("/invite bob", Command::Invite { room: room.clone(), user: "bob".into() });
    check("/join #lobby", Command::Join { room: "#lobby".into(), key: key.clone() });
    check("/JOIN  lobby\tk3y ", Command::Join { room: "lobby".into(), key: secret("k3y") });
    check("/kick bob", Command::Kick { room: room.clone(), user: "bob".into(), why: None });
    check(
        "/kick bob too  loud",
        Command::Kick { room: None, user: "bob".into(), why: Some("too  loud".into()) },
    );
    check("/leave", Command::Leave { room: None });
    check("/leave lobby", Command::Leave { room: Some("lobby".into()) });
    check("/list", Command::List { after: None, limit: None, paging });
    check("/login alice", Command::Login { user: "alice".into(), proof: Proof::Ask, data: false });
    let proof = Proof::Password(Secret::new("p/w"));
    check("/login alice p/w", Command::Login { user: "alice".into(), proof, data: false });
    check("/msg bob hi  there", Command::Msg { user: "bob".into(), text: "hi  there".into() });
    check("/msg bob \u{9b}31mhi", Command::Msg { user: "bob".into(), text: "hi".into() });
    check("/nick Al", Command::Nick { user: "Al".into() });
    check("/op bob", Command::Op { room: None, user: "bob".into() });
    check("/passwd", Command::Passwd { old: None, new: None });
    check("/quit", Command::Quit { text: None });
    check("/quit \u{7} ", Command::Quit { text: None });
    check("/quit so long", Command::Quit { text: Some("so long".into()) });
    let register = |password, invite| Command::Register { user: "al".into(), password, invite };
    check("/register al", register(None, None));
    check("/register al pw", register(secret("pw"), None));
    check("/register al pw code", register(secret("pw"), secret("code")));
    let access = |access: &'static str, key| Command::Room { room: None, access: access.into(), key };
    check("/room Public", access("public", None));
    check("/room key k3Y", access("key", secret("k3Y")));
    check("/rooms", Command::Rooms { after: None, limit: None, paging });
    check("/search two words", Command::Search { query: "two words".into(), limit: None });
    let status = |status: &'static str, text: Option<&'static str>| Command::Status {
        status: Some(status.into()),
        text: text.map(Into::into),
    };
    check("/status Away", status("away", None));
    check("/status away at\u{7} lunch", status("away", Some("at lunch")));
    let topic = |topic: Option<&'static str>| Command::Topic { room: None, topic: topic.map(Into::into) };
    check("/topic", topic(None));
    check("/topic  ", topic(None));
    check("/topic -", topic(Some("")));
    check("/topic - x", topic(Some("- x")));
    check("/topic all about it", topic(Some("all about it")));
    check("/unban bob", Command::Unban { room: None, user: "bob".into() });
    check("/unblock bob", Command::Unblock { user: "bob".into() });
    check("/who", Command::Who { room: None, after: None, limit: None, paging });
    check("/who lobby", Command::Who { room: Some("lobby".into()), after: None, limit: None, paging });
    check("/whois bob", Command::Whois { user: "bob".into() });
}

#[test]
fn what_is_missing_or_too_much_is_answered_with_the_usage() {
    for (line, usage) in [
        ("/join", "/join ROOM [KEY]"),
        ("/join ", "/join ROOM [KEY]"),
        ("/msg", "/msg USER TEXT"),
        ("/msg bob", "/msg USER TEXT"),
        ("/msg bob \u{1b}[1m", "/msg USER TEXT"),
        ("/me", "/me ACTION"),
        ("/nick", "/nick NAME"),
        ("/login", "/login NAME [PASSWORD]"),
        ("/register", "/register NAME [PASSWORD] [INVITE]"),
        ("/room", "/room public|private|key [KEY]"),
        ("/room key", "/room public|private|key [KEY]"),
        ("/search  ", "/search WORDS"),
        ("/status", "/status online|away|offline [TEXT]"),
        ("/topic \u{7}", "/topic [TEXT]"),
        ("/whois", "/whois USER"),
    ] {
        check_refused(line, Code::MissingArgument, &format!("usage: {usage}"));
    }
    for (line, usage) in [
        ("/join a b c", "/join ROOM [KEY]"),
        ("/nick a b", "/nick NAME"),
        ("/list all", "/list"),
        ("/login a b c", "/login NAME [PASSWORD]"),
        ("/history ten", "/history [N]"),
        ("/history 0", "/history [N]"),
        ("/history -5", "/history [N]"),
        ("/history 5 6", "/history [N]"),
        ("/room public k", "/room public|private|key [KEY]"),
        ("/passwd new", "/passwd"),
    ] {
        check_refused(line, Code::BadArgument, &format!("usage: {usage}"));
    }
}

#[test]
fn unknown_commands_are_named_without_what_could_do_harm() {
    check_refused("/frob x", Code::UnknownCommand, "there is no /frob; /help lists what there is");
    check_refused("/", Code::UnknownCommand, "there is no /; /help lists what there is");
    check_refused("/ help", Code::UnknownCommand, "there is no /; /help lists what there is");
    check_refused(
        "/a\u{1b}[31mb\u{202e}",
        Code::UnknownCommand,
        "there is no /ab; /help lists what there is",
    );
    check_refused("/hello 1", Code::UnknownCommand, "there is no /hello; /help lists what there is");
}

#[test]
fn every_command_of_the_table_is_read() {
    for usage in &help::COMMANDS {
        let line = format!("/{} a b\n", usage.name);
        let mut decoder = Decoder::new(Dialect::Text);
        let request = decoder.decode(line.as_bytes(), &RULES).request;
        let unknown =
            matches!(request, Some(Request::Refused(_, Refusal { code: Code::UnknownCommand, .. })));
        assert!(!unknown, "{line}");
    }
}

#[test]
fn what_needs_no_cleaning_is_borrowed() {
    let mut decoder = Decoder::new(Dialect::Text);
    let Some(Request::Command(_, Command::Say { text, .. })) = decoder.decode(b"hello\n", &RULES).request
    else {
        panic!("a line is said");
    };
    assert!(matches!(text, Cow::Borrowed("hello")));
}
