//! Every event and answer, as a person and as a program sees it.

use std::sync::Arc;

use super::*;
use crate::proto::event::*;
use crate::proto::id::Seq;
use crate::proto::name::{RoomName, UserName};
use crate::proto::secret::Secret;
use crate::proto::text::is_unsafe;
use crate::proto::time::Timestamp;

/// 2026-01-31T12:34:56.789Z
const AT: Timestamp = Timestamp(1_769_862_896_789);

fn written(dialect: Dialect, event: &Event) -> String {
    let mut out = b"before\n".to_vec();
    encode(dialect, event, &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    text.strip_prefix("before\n").expect("appended").to_owned()
}

/// Compares both dialects. In `json`, `@` stands for the time, which is always the same here.
fn check(event: Event, text: &str, json: &str) {
    assert_eq!(written(Dialect::Text, &event), text, "{event:?}");
    let line = written(Dialect::Json, &event);
    if json.is_empty() {
        return assert_eq!(line, "", "{event:?}");
    }
    assert_eq!(line, json.replace('@', "2026-01-31T12:34:56.789Z") + "\n", "{event:?}");
    serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
}

fn check_answer(answer: Answer, text: &str, ok: &str) {
    check(Event::Answer(RequestId(5), answer), text, &format!(r#"{{"re":5,"ok":{ok}}}"#));
}

fn room() -> RoomName {
    RoomName::parse("Lobby").unwrap()
}

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn alice() -> UserName {
    user("alice")
}

fn some(text: &str) -> Option<Arc<str>> {
    Some(text.into())
}

fn entry(seq: u64, me: bool, text: &str) -> Entry {
    Entry { seq: Seq(seq), at: AT, from: "alice".into(), me, text: text.into() }
}

fn view(topic: Option<&str>) -> Box<RoomView> {
    let members = vec![alice(), user("Bob")];
    let messages =
        if topic.is_some() { vec![entry(16, false, "hi"), entry(17, true, "waves")] } else { vec![] };
    Box::new(RoomView { room: room(), topic: topic.map(Into::into), members, seq: Seq(17), messages })
}

const HI: &str = r#"{"ev":"message","room":"Lobby","from":"alice","seq":16,"ts":"@","text":"hi"}"#;
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
    notice(
        Event::Kicked { room: room(), user: bob(), by: by.clone(), why: some("loud") },
        "bob was kicked from #Lobby by alice (loud)",
        r#""kick","room":"Lobby","user":"bob","by":"alice","why":"loud""#,
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

#[test]
fn history_comes_in_one_piece_or_many() {
    let page = |first, last, more| {
        let messages = vec![entry(16, false, "hi")];
        Answer::History(HistoryPage { room: room(), messages, part: Part { first, last }, more })
    };
    let (head, line, end) =
        ("*** history of #Lobby\n", "[12:34] #Lobby <alice> hi\n", "*** end of history\n");
    let json = format!(r#"{{"room":"Lobby","messages":[{HI}]}}"#);
    check_answer(page(true, true, false), &format!("{head}{line}{end}"), &json);
    check_answer(page(true, false, false), &format!("{head}{line}"), &json);
    check_answer(page(false, false, false), line, &json);
    check_answer(
        page(false, true, true),
        &format!("{line}{end}"),
        &format!(r#"{{"room":"Lobby","messages":[{HI}],"more":true}}"#),
    );
    let found = |more| Found { query: "hi".into(), messages: vec![(room(), entry(16, false, "hi"))], more };
    check_answer(
        Answer::Search(found(false)),
        &format!("*** messages with hi\n{line}*** end of search: 1 message\n"),
        &format!(r#"{{"query":"hi","messages":[{HI}]}}"#),
    );
    check_answer(
        Answer::Search(found(true)),
        &format!("*** messages with hi\n{line}*** end of search: 1 message, and older ones\n"),
        &format!(r#"{{"query":"hi","messages":[{HI}],"more":true}}"#),
    );
}

#[test]
fn lists() {
    let users = vec![
        UserLine { user: alice(), status: Status::Online, text: None, guest: false },
        UserLine { user: user("bob"), status: Status::Away, text: some("lunch"), guest: true },
    ];
    let lines = "*** alice is online\n*** bob is away, a guest: lunch\n";
    let json = r#"{"users":[{"user":"alice","status":"online"},{"user":"bob","status":"away","text":"lunch","guest":true}]}"#;
    let page = |part, more| Answer::Users(UsersPage { users: users.clone(), part, more });
    check_answer(
        page(Part::WHOLE, false),
        &format!("*** who is online\n{lines}*** end of list: 2 users\n"),
        json,
    );
    let more = json.replace("]}", r#"],"more":true}"#);
    check_answer(page(Part::WHOLE, true), &format!("*** who is online\n{lines}*** end of list\n"), &more);
    check_answer(
        page(Part { first: true, last: false }, false),
        &format!("*** who is online\n{lines}"),
        json,
    );
    check_answer(page(Part { first: false, last: true }, false), &format!("{lines}*** end of list\n"), json);

    let members = vec![
        MemberLine { user: alice(), operator: true, status: Status::Online, text: some("here") },
        MemberLine { user: user("bob"), operator: false, status: Status::Away, text: None },
    ];
    check_answer(
        Answer::Members(MembersPage { room: room(), members, part: Part::WHOLE, more: false }),
        "*** members of #Lobby\n*** alice is online, operator: here\n*** bob is away\n*** end of members: 2 members\n",
        r#"{"room":"Lobby","members":[{"user":"alice","operator":true,"status":"online","text":"here"},{"user":"bob","operator":false,"status":"away"}]}"#,
    );

    let den = RoomName::parse("den").unwrap();
    let rooms = vec![
        RoomLine { room: room(), topic: some("tea"), members: 1, access: Access::Public },
        RoomLine { room: den, topic: None, members: 2, access: Access::Key },
    ];
    check_answer(
        Answer::Rooms(RoomsPage { rooms, part: Part::WHOLE, more: false }),
        "*** rooms\n*** #Lobby (1 member): tea\n*** #den (2 members, key)\n*** end of rooms: 2 rooms\n",
        r#"{"rooms":[{"room":"Lobby","topic":"tea","members":1,"access":"public"},{"room":"den","topic":"","members":2,"access":"key"}]}"#,
    );
}

#[test]
fn about_one_user() {
    check_answer(
        Answer::Whois(Whois { user: alice(), guest: false, online: None }),
        "*** alice (account) is not connected\n",
        r#"{"user":"alice","guest":false,"online":false}"#,
    );
    let online =
        |rooms| WhoisOnline { status: Status::Away, text: some("tea"), rooms, since: AT, secure: true };
    check_answer(
        Answer::Whois(Whois { user: alice(), guest: true, online: Some(online(vec![room()])) }),
        "*** alice (guest) is away: tea\n*** alice is connected since 2026-01-31 12:34 UTC, encrypted\n*** alice is in #Lobby\n",
        r#"{"user":"alice","guest":true,"online":true,"status":"away","text":"tea","rooms":["Lobby"],"since":"@","secure":true}"#,
    );
    check_answer(
        Answer::Whois(Whois { user: alice(), guest: true, online: Some(online(vec![])) }),
        "*** alice (guest) is away: tea\n*** alice is connected since 2026-01-31 12:34 UTC, encrypted\n",
        r#"{"user":"alice","guest":true,"online":true,"status":"away","text":"tea","rooms":[],"since":"@","secure":true}"#,
    );
}

#[test]
fn answers_about_oneself() {
    let named = |how, token: Option<&str>, rooms| Answer::Named {
        user: alice(),
        how,
        token: token.map(Secret::new),
        rooms,
    };
    check_answer(named(Named::Guest, None, vec![]), "*** you are alice, a guest\n", r#"{"user":"alice"}"#);
    check_answer(
        named(Named::Login, Some("t0k"), vec![room()]),
        "*** you are logged in as alice\n",
        r#"{"user":"alice","token":"t0k","rooms":["Lobby"]}"#,
    );
    check_answer(
        named(Named::Register, Some("t0k"), vec![]),
        "*** you are registered and logged in as alice\n",
        r#"{"user":"alice","token":"t0k"}"#,
    );
    let status = |status, text| Answer::StatusSet { status, text };
    check_answer(
        status(Status::Away, some("tea")),
        "*** you are away: tea\n",
        r#"{"status":"away","text":"tea"}"#,
    );
    check_answer(status(Status::Online, None), "*** you are online\n", r#"{"status":"online"}"#);
    check_answer(status(Status::Offline, None), "*** you are shown as offline\n", r#"{"status":"offline"}"#);
    check_answer(Answer::PasswordChanged, "*** your password is changed\n", "{}");
    check_answer(Answer::Cancelled, "*** cancelled\n", "{}");
    check_answer(Answer::Pong, "", "{}");
    check_answer(Answer::Quit { text: None }, "*** goodbye\n", "{}");
    check_answer(Answer::Quit { text: some("so long") }, "*** goodbye: so long\n", "{}");
    let server = concat!("sottod/", env!("CARGO_PKG_VERSION"));
    check_answer(
        Answer::Hello { server: "Den".into() },
        "*** this is Den\n",
        &format!(r#"{{"server":"{server}","version":1,"name":"Den"}}"#),
    );
    check_answer(Answer::Said { room: room(), seq: Seq(17), at: AT }, "", r#"{"seq":17,"ts":"@"}"#);
    let sent = |kept| Answer::Sent { to: user("bob"), from: alice(), at: AT, text: "psst".into(), kept };
    check_answer(sent(false), "[12:34] <you -> bob> psst\n", r#"{"to":"bob","ts":"@","kept":false}"#);
    check_answer(
        sent(true),
        "[12:34] <you -> bob> psst\n*** bob is not connected: the message is kept for the next login\n",
        r#"{"to":"bob","ts":"@","kept":true}"#,
    );
    check_answer(
        Answer::Blocked { user: user("bob"), blocked: true },
        "*** bob is blocked\n",
        r#"{"user":"bob","blocked":true}"#,
    );
    check_answer(
        Answer::Blocked { user: user("bob"), blocked: false },
        "*** bob is no longer blocked\n",
        r#"{"user":"bob","blocked":false}"#,
    );
}

#[test]
fn answers_about_a_room() {
    let bob = || user("bob");
    let left = |current| Answer::Left { room: room(), current };
    let json = r#"{"room":"Lobby"}"#;
    check_answer(left(None), "*** you have left #Lobby; there is no current room\n", json);
    check_answer(left(Some(room())), "*** you have left #Lobby; the current room is #Lobby\n", json);
    let topic = |topic, changed| Answer::Topic { room: room(), topic, changed };
    let tea = r#"{"room":"Lobby","topic":"tea"}"#;
    check_answer(topic(some("tea"), true), "*** topic of #Lobby: tea\n", tea);
    check_answer(topic(some("tea"), false), "*** topic of #Lobby: tea\n", tea);
    check_answer(topic(None, true), "*** topic of #Lobby cleared\n", r#"{"room":"Lobby","topic":""}"#);
    check_answer(topic(some(""), false), "*** #Lobby has no topic\n", r#"{"room":"Lobby","topic":""}"#);
    for (access, text, json) in [
        (Access::Key, "open to whoever knows the key", "key"),
        (Access::Private, "private", "private"),
        (Access::Public, "public", "public"),
    ] {
        check_answer(
            Answer::AccessSet { room: room(), access },
            &format!("*** #Lobby is now {text}\n"),
            &format!(r#"{{"room":"Lobby","access":"{json}"}}"#),
        );
    }
    let both = r#"{"room":"Lobby","user":"bob""#;
    check_answer(
        Answer::Invited { room: room(), user: bob() },
        "*** bob is invited to #Lobby\n",
        &format!("{both}}}"),
    );
    check_answer(
        Answer::Kicked { room: room(), user: bob() },
        "*** bob was kicked from #Lobby\n",
        &format!("{both}}}"),
    );
    for (flag, banned, operator) in [
        (true, "bob is banned from #Lobby", "bob is now an operator of #Lobby"),
        (false, "bob is no longer banned from #Lobby", "bob is no longer an operator of #Lobby"),
    ] {
        check_answer(
            Answer::Banned { room: room(), user: bob(), banned: flag },
            &format!("*** {banned}\n"),
            &format!(r#"{both},"banned":{flag}}}"#),
        );
        check_answer(
            Answer::OperatorSet { room: room(), user: bob(), operator: flag },
            &format!("*** {operator}\n"),
            &format!(r#"{both},"operator":{flag}}}"#),
        );
    }
}

#[test]
fn help_lists_everything_or_explains_one_command() {
    let all = Event::Answer(RequestId(5), Answer::Help { topic: None });
    let text = written(Dialect::Text, &all);
    assert_eq!(text.lines().count(), help::COMMANDS.len() + 1);
    for usage in &help::COMMANDS {
        assert!(text.contains(&format!("*** {} ", usage.line())), "{}", usage.name);
    }
    let value: serde_json::Value = serde_json::from_str(&written(Dialect::Json, &all)).unwrap();
    assert_eq!(value["ok"]["commands"].as_array().unwrap().len(), help::COMMANDS.len());
    for topic in ["join", "/join", "JOIN"] {
        check_answer(
            Answer::Help { topic: Some(topic.into()) },
            "*** /join ROOM [KEY]: enter or make a room; it becomes the current one\n",
            r#"{"commands":[{"cmd":"join","arguments":"ROOM [KEY]","text":"enter or make a room; it becomes the current one"}]}"#,
        );
    }
    check(
        Event::Answer(RequestId(5), Answer::Help { topic: Some("/fr\u{1b}ob".into()) }),
        "!!! unknown-command: there is no /frb; /help lists what there is\n",
        r#"{"re":5,"err":{"code":"unknown-command","text":"there is no such command"}}"#,
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
