//! Every event, as a person and as a program sees it.

use std::sync::Arc;

use super::*;
use crate::proto::event::*;
use crate::proto::id::Seq;
use crate::proto::name::{RoomName, UserName};
use crate::proto::pages::*;
use crate::proto::text::is_unsafe;
use crate::proto::time::Timestamp;

/// 2026-01-31T12:34:56.789Z
pub const AT: Timestamp = Timestamp(1_769_862_896_789);

pub fn written(dialect: Dialect, event: &Event) -> String {
    let mut out = b"before\n".to_vec();
    encode(dialect, event, &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    text.strip_prefix("before\n").expect("appended").to_owned()
}

/// Compares both dialects. In `json`, `@` stands for the time, which is always the same here.
pub fn check(event: Event, text: &str, json: &str) {
    assert_eq!(written(Dialect::Text, &event), text, "{event:?}");
    let line = written(Dialect::Json, &event);
    if json.is_empty() {
        return assert_eq!(line, "", "{event:?}");
    }
    assert_eq!(line, json.replace('@', "2026-01-31T12:34:56.789Z") + "\n", "{event:?}");
    serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
}

pub fn check_answer(answer: Answer, text: &str, ok: &str) {
    check(Event::Answer(RequestId(5), answer), text, &format!(r#"{{"re":5,"ok":{ok}}}"#));
}

pub fn room() -> RoomName {
    RoomName::parse("Lobby").unwrap()
}

pub fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub fn alice() -> UserName {
    user("alice")
}

pub fn some(text: &str) -> Option<Arc<str>> {
    Some(text.into())
}

pub fn entry(seq: u64, me: bool, text: &str) -> Entry {
    Entry { seq: Seq(seq), at: AT, from: "alice".into(), me, text: text.into() }
}

fn view(topic: Option<&str>) -> Box<RoomView> {
    let members = vec![alice(), user("Bob")];
    let messages =
        if topic.is_some() { vec![entry(16, false, "hi"), entry(17, true, "waves")] } else { vec![] };
    Box::new(RoomView { room: room(), topic: topic.map(Into::into), members, seq: Seq(17), messages })
}

pub const HI: &str = r#"{"ev":"message","room":"Lobby","from":"alice","seq":16,"ts":"@","text":"hi"}"#;
const WAVES: &str =
    r#"{"ev":"message","room":"Lobby","from":"alice","seq":17,"ts":"@","text":"waves","me":true}"#;

#[test]
fn messages() {
    let message = |entry| Event::Message { room: room(), entry: Arc::new(entry) };
    check(message(entry(16, false, "hi")), "[12:34] #Lobby <alice> hi\n", HI);
    check(message(entry(17, true, "waves")), "[12:34] #Lobby * alice waves\n", WAVES);
    check(
        message(entry(18, false, "a\t\"b\" \\ \u{1f600}")),
        "[12:34] #Lobby <alice> a\t\"b\" \\ \u{1f600}\n",
        "{\"ev\":\"message\",\"room\":\"Lobby\",\"from\":\"alice\",\"seq\":18,\"ts\":\"@\",\"text\":\"a\\t\\\"b\\\" \\\\ \u{1f600}\"}",
    );
    let private = r#"{"ev":"private","from":"alice","to":"bob","ts":"@","text":"psst"}"#;
    check(
        Event::PrivateReceived { from: "alice".into(), to: user("bob"), at: AT, text: "psst".into() },
        "[12:34] <alice -> you> psst\n",
        private,
    );
    check(
        Event::PrivateSent { from: alice(), to: user("bob"), at: AT, text: "psst".into() },
        "[12:34] <you -> bob> psst\n",
        private,
    );
}

#[test]
fn notices_about_rooms() {
    let notice = |event, text: &str, json: &str| {
        check(event, &format!("*** {text}\n"), &format!(r#"{{"ev":"notice","kind":{json}}}"#));
    };
    let by: Arc<str> = "alice".into();
    let bob = || user("bob");
    notice(
        Event::Joined { room: room(), user: alice() },
        "alice has joined #Lobby",
        r#""join","room":"Lobby","user":"alice""#,
    );
    notice(
        Event::Left { room: room(), user: alice() },
        "alice has left #Lobby",
        r#""leave","room":"Lobby","user":"alice""#,
    );
    notice(
        Event::Quit { room: room(), user: alice(), text: some("bye") },
        "alice has quit #Lobby (bye)",
        r#""quit","room":"Lobby","user":"alice","text":"bye""#,
    );
    notice(
        Event::Quit { room: room(), user: alice(), text: None },
        "alice has quit #Lobby",
        r#""quit","room":"Lobby","user":"alice""#,
    );
    let presence = |joined: &[&str], left: &[&str]| {
        let users = |names: &[&str]| names.iter().map(|name| user(name)).collect();
        Event::Presence { room: room(), joined: users(joined), left: users(left) }
    };
    notice(
        presence(&["alice", "bob"], &[]),
        "alice and bob have joined #Lobby",
        r#""presence","room":"Lobby","joined":["alice","bob"],"left":[]"#,
    );
    notice(
        presence(&[], &["alice", "bob", "carol"]),
        "alice, bob and carol have left #Lobby",
        r#""presence","room":"Lobby","joined":[],"left":["alice","bob","carol"]"#,
    );
    notice(
        presence(&["alice", "bob", "carol", "dave"], &["eve"]),
        "4 have joined #Lobby, among them alice, bob and carol; eve has left",
        r#""presence","room":"Lobby","joined":["alice","bob","carol","dave"],"left":["eve"]"#,
    );
    notice(
        presence(&["eve"], &["alice", "bob", "carol", "dave"]),
        "eve has joined #Lobby; 4 have left, among them alice, bob and carol",
        r#""presence","room":"Lobby","joined":["eve"],"left":["alice","bob","carol","dave"]"#,
    );
    notice(
        Event::Kicked { room: room(), user: bob(), by: by.clone(), why: some("loud") },
        "bob was kicked from #Lobby by alice (loud)",
        r#""kick","room":"Lobby","user":"bob","by":"alice","text":"loud""#,
    );
    notice(
        Event::Kicked { room: room(), user: bob(), by: by.clone(), why: None },
        "bob was kicked from #Lobby by alice",
        r#""kick","room":"Lobby","user":"bob","by":"alice""#,
    );
    notice(
        Event::TopicChanged { room: room(), by: by.clone(), topic: "tea".into() },
        "topic of #Lobby set by alice: tea",
        r#""topic","room":"Lobby","by":"alice","topic":"tea""#,
    );
    notice(
        Event::TopicChanged { room: room(), by: by.clone(), topic: "".into() },
        "topic of #Lobby cleared by alice",
        r#""topic","room":"Lobby","by":"alice","topic":"""#,
    );
    notice(
        Event::Renamed { room: room(), from: alice(), to: bob() },
        "alice is now bob in #Lobby",
        r#""rename","room":"Lobby","from":"alice","to":"bob""#,
    );
    notice(
        Event::Invited { room: room(), by: alice() },
        "alice invites you to #Lobby: /join #Lobby",
        r#""invite","room":"Lobby","by":"alice""#,
    );
    notice(
        Event::OperatorChanged { room: room(), user: bob(), by: by.clone(), operator: true },
        "bob is now an operator of #Lobby, by alice",
        r#""op","room":"Lobby","user":"bob","by":"alice""#,
    );
    notice(
        Event::OperatorChanged { room: room(), user: bob(), by: by.clone(), operator: false },
        "bob is no longer an operator of #Lobby, by alice",
        r#""deop","room":"Lobby","user":"bob","by":"alice""#,
    );
    notice(
        Event::AccessChanged { room: room(), by: by.clone(), access: Access::Private },
        "#Lobby is now private, by alice",
        r#""room","room":"Lobby","by":"alice","access":"private""#,
    );
    notice(Event::Exited { room: room() }, "you have left #Lobby", r#""exited","room":"Lobby""#);
    notice(
        Event::Shutdown { text: "back soon".into() },
        "the server is shutting down: back soon",
        r#""shutdown","text":"back soon""#,
    );
}

#[test]
fn errors_and_what_is_said_to_people_alone() {
    check(
        Event::Error(Refusal::new(Code::TooFast, "slow down")),
        "!!! too-fast: slow down\n",
        r#"{"ev":"error","code":"too-fast","text":"slow down"}"#,
    );
    check(
        Event::Answer(RequestId(-1), Answer::Refused(Refusal::new(Code::NoSuchRoom, "no #x"))),
        "!!! no-such-room: no #x\n",
        r##"{"re":-1,"err":{"code":"no-such-room","text":"no #x"}}"##,
    );
    check(
        Event::Motd { text: "one\r\n\ntwo\n".into() },
        "*** one\n*** \n*** two\n",
        r#"{"ev":"notice","kind":"motd","text":"one\r\n\ntwo\n"}"#,
    );
    check(
        Event::Banner { server: "Den".into() },
        "*** welcome to Den\n*** /nick NAME to come in as a guest, /login NAME with an account, /help for more\n",
        "",
    );
    check(Event::Prompt(Prompt::Invite), "*** your invitation code? (an empty line cancels)\n", "");
    check(Event::Prompt(Prompt::NewPassword), "*** the new password? (an empty line cancels)\n", "");
    check(Event::Prompt(Prompt::OldPassword), "*** the present password? (an empty line cancels)\n", "");
    check(
        Event::Prompt(Prompt::Password { user: "alice".into() }),
        "*** the password of alice? (an empty line cancels)\n",
        "",
    );
}

#[test]
fn entering_a_room() {
    let text = "*** you are in #Lobby\n*** topic of #Lobby: tea\n*** history of #Lobby\n\
                [12:34] #Lobby <alice> hi\n[12:34] #Lobby * alice waves\n*** end of history\n";
    let fields = format!(
        r#""room":"Lobby","topic":"tea","members":["alice","Bob"],"seq":17,"messages":[{HI},{WAVES}]"#
    );
    check_answer(Answer::Joined(view(Some("tea"))), text, &format!("{{{fields}}}"));
    check(
        Event::Entered(view(Some("tea"))),
        text,
        &format!(r#"{{"ev":"notice","kind":"entered",{fields}}}"#),
    );
    check_answer(
        Answer::Joined(view(None)),
        "*** you are in #Lobby\n*** history of #Lobby\n*** end of history\n",
        r#"{"room":"Lobby","topic":"","members":["alice","Bob"],"seq":17,"messages":[]}"#,
    );
}

/// Should ever an event carry text that was not cleaned, a terminal is safe from it still.
#[test]
fn no_event_steers_a_terminal() {
    let evil = || -> Arc<str> { "x\u{1b}[2Jy\u{9b}1mz\r\n*** fake\0\u{202e}\u{7}".into() };
    let some = || Some(evil());
    let entry = Entry { from: evil(), ..entry(1, false, &evil()) };
    let online = WhoisOnline { status: Status::Away, text: some(), rooms: vec![], since: AT, secure: false };
    let view =
        RoomView { room: room(), topic: some(), members: vec![], seq: Seq(1), messages: vec![entry.clone()] };
    let answers = [
        Answer::Hello { server: evil() },
        Answer::Help { topic: Some(evil().to_string()) },
        Answer::Joined(Box::new(view.clone())),
        Answer::History(HistoryPage {
            room: room(),
            messages: vec![entry.clone()],
            part: Part::WHOLE,
            more: false,
        }),
        Answer::Members(MembersPage {
            room: room(),
            members: vec![MemberLine { user: alice(), operator: true, status: Status::Away, text: some() }],
            part: Part::WHOLE,
            more: false,
        }),
        Answer::Quit { text: some() },
        Answer::Refused(Refusal::new(Code::Busy, evil().to_string())),
        Answer::Rooms(RoomsPage {
            rooms: vec![RoomLine { room: room(), topic: some(), members: 1, access: Access::Key }],
            part: Part::WHOLE,
            more: false,
        }),
        Answer::Search(Found {
            query: evil().to_string(),
            messages: vec![(room(), entry.clone())],
            more: false,
        }),
        Answer::Sent { to: alice(), from: alice(), at: AT, text: evil(), kept: true },
        Answer::StatusSet { status: Status::Away, text: some() },
        Answer::Topic { room: room(), topic: some(), changed: true },
        Answer::Users(UsersPage {
            users: vec![UserLine { user: alice(), status: Status::Away, text: some(), guest: true }],
            part: Part::WHOLE,
            more: false,
        }),
        Answer::Whois(Whois { user: alice(), guest: true, online: Some(online) }),
    ];
    let events = [
        Event::Banner { server: evil() },
        Event::Motd { text: evil() },
        Event::Prompt(Prompt::Password { user: evil() }),
        Event::Message { room: room(), entry: Arc::new(entry) },
        Event::PrivateReceived { from: evil(), to: alice(), at: AT, text: evil() },
        Event::PrivateSent { from: alice(), to: alice(), at: AT, text: evil() },
        Event::Quit { room: room(), user: alice(), text: some() },
        Event::Kicked { room: room(), user: alice(), by: evil(), why: some() },
        Event::TopicChanged { room: room(), by: evil(), topic: evil() },
        Event::TopicChanged { room: room(), by: evil(), topic: "".into() },
        Event::OperatorChanged { room: room(), user: alice(), by: evil(), operator: true },
        Event::AccessChanged { room: room(), by: evil(), access: Access::Key },
        Event::Entered(Box::new(view)),
        Event::Shutdown { text: evil() },
        Event::Error(Refusal::new(Code::Busy, evil().to_string())),
    ];
    for event in events.into_iter().chain(answers.map(|answer| Event::Answer(RequestId(1), answer))) {
        let text = written(Dialect::Text, &event);
        assert!(text.chars().all(|c| c == '\n' || !is_unsafe(c)), "{text:?}");
        let is_motd = matches!(event, Event::Motd { .. });
        assert!(is_motd || !text.lines().any(|line| line.starts_with("*** fake")), "{text:?}");
        let json = written(Dialect::Json, &event);
        assert_eq!(json.matches('\n').count(), usize::from(!json.is_empty()), "{json:?}");
    }
}
