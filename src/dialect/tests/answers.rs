//! Every answer, as a person and as a program sees it.

use super::events::*;
use super::*;
use crate::proto::event::*;
use crate::proto::id::{FileId, Seq};
use crate::proto::name::RoomName;
use crate::proto::pages::*;
use crate::proto::secret::Secret;

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
fn answers_about_files_are_for_programs() {
    let file = FileId([0xab; 16]);
    const ID: &str = r#""file":"abababababababababababababababab""#;
    let check = |answer, json: &str| check_answer(answer, "", &json.replace("ID", ID));
    check(Answer::Declined { file }, "{ID}");
    check(Answer::Deleted { file }, "{ID}");
    check(Answer::Finished { file }, r#"{ID,"complete":true}"#);
    check(Answer::UploadBegun { file, size: 44, expires: AT }, r#"{ID,"size":44,"expires":"@"}"#);
    check(
        Answer::UploadStatus { file, size: u64::MAX, stored: 7, complete: false },
        r#"{ID,"size":18446744073709551615,"stored":7,"complete":false}"#,
    );
    let page =
        |files, quota, more| Answer::Files(FilesPage { files, more, used: 44, quota, file_bytes: quota });
    check(page(vec![], None, false), r#"{"files":[],"used":44}"#);
    let line = FileLine {
        file,
        size: 44,
        stored: 44,
        complete: true,
        created: AT,
        expires: AT,
        readers: 3,
        settled: 1,
    };
    check(
        page(vec![line], Some(99), true),
        r#"{"files":[{ID,"size":44,"stored":44,"complete":true,"created":"@","expires":"@","readers":3,"settled":1}],"used":44,"quota":99,"file_bytes":99,"more":true}"#,
    );
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
