//! What a session makes of answers, refusals and news: each as the server has it, through the wire and back.

use super::tests::Talk;
use super::*;
use crate::client::session::event::{Event, Lost, Unsent};
use crate::dialect::{self, Dialect};
use crate::proto::command::{Command, Paging};
use crate::proto::event::{Access, Answer, Event as Told, Named, Status};
use crate::proto::id::{FileId, RequestId};
use crate::proto::name::UserName;
use crate::proto::pages::{FileLine, FilesPage, Part, RoomLine, RoomsPage};
use crate::proto::time::Timestamp;

fn lobby() -> RoomName {
    RoomName::parse("lobby").expect("a name")
}

fn bob() -> UserName {
    UserName::parse("bob").expect("a name")
}

/// A line of the server.
fn line(event: &Told) -> String {
    let mut line = Vec::new();
    dialect::encode(Dialect::Json, event, &mut line);
    String::from_utf8(line).expect("text").trim_end().to_owned()
}

#[test]
fn an_answer_is_what_the_server_meant() {
    let (room, user) = (Some("lobby".into()), || "bob".into());
    let file = FileLine {
        file: FileId([7; 16]),
        size: 3,
        stored: 2,
        complete: false,
        created: Timestamp(1_769_860_800_000),
        expires: Timestamp(1_769_860_900_000),
        readers: 2,
        settled: 1,
    };
    let files = FilesPage { files: vec![file], more: true, used: 3, quota: Some(10), file_bytes: None };
    let about = RoomLine { room: lobby(), topic: Some("tea".into()), members: 3, access: Access::Private };
    let rooms = RoomsPage { rooms: vec![about], part: Part::WHOLE, more: true };
    let banned = |banned| Answer::Banned { room: lobby(), user: bob(), banned };
    let operator = |operator| Answer::OperatorSet { room: lobby(), user: bob(), operator };
    let blocked = |blocked| Answer::Blocked { user: bob(), blocked };
    let named = Answer::Named { user: bob(), how: Named::Guest, token: None, rooms: Vec::new() };
    let access = Command::Room { room: room.clone(), access: "private".into(), key: None };
    let away = Answer::StatusSet { status: Status::Away, text: Some("at tea".into()) };
    let cases = [
        (Command::Ban { room: room.clone(), user: user() }, banned(true)),
        (Command::Unban { room: room.clone(), user: user() }, banned(false)),
        (Command::Op { room: room.clone(), user: user() }, operator(true)),
        (Command::Deop { room: room.clone(), user: user() }, operator(false)),
        (Command::Block { user: user() }, blocked(true)),
        (Command::Unblock { user: user() }, blocked(false)),
        (
            Command::Invite { room: room.clone(), user: user() },
            Answer::Invited { room: lobby(), user: bob() },
        ),
        (
            Command::Kick { room: room.clone(), user: user(), why: None },
            Answer::Kicked { room: lobby(), user: bob() },
        ),
        (access, Answer::AccessSet { room: lobby(), access: Access::Private }),
        (Command::Files { after: None, limit: None }, Answer::Files(files)),
        (Command::Rooms { after: None, limit: None, paging: Paging::Page }, Answer::Rooms(rooms)),
        (Command::Status { status: Some("away".into()), text: Some("at tea".into()) }, away),
        (Command::Nick { user: user() }, named),
        (Command::Ping, Answer::Pong),
    ];
    for (command, answer) in cases {
        let mut talk = Talk::in_lobby();
        let shown = format!("{command:?}");
        let asked = talk.session.act(talk.now, command).unwrap_or_else(|error| panic!("{shown}: {error}"));
        talk.forget();
        talk.hear(&line(&Told::Answer(RequestId(4), answer.clone())));
        match talk.session.poll_event() {
            Some(Event::Answered { ticket, outcome: Ok(found) }) if ticket == asked => {
                assert_eq!(found, answer, "{shown}")
            }
            other => panic!("{shown}: {other:?}"),
        }
    }
}

#[test]
fn who_changed_the_name_is_called_by_it() {
    let mut talk = Talk::in_lobby();
    talk.session.act(talk.now, Command::Nick { user: "bob".into() }).expect("accepted");
    talk.hear(r#"{"re":4,"ok":{"user":"bob"}}"#);
    assert_eq!(talk.session.name(), Some("bob"));
}

#[test]
fn what_cannot_be_sent_has_a_reason() {
    let mut talk = Talk::in_lobby();
    let room = || Some("lobby".into());
    let nowhere = RoomName::parse("nowhere").expect("a name");
    let mut refused =
        |command: Command<'_>| talk.session.act(talk.now, command).expect_err("refused").to_string();
    assert!(refused(Command::Ban { room: None, user: "bob".into() }).starts_with("no-room: "));
    assert!(refused(Command::Ban { room: room(), user: "b o b".into() }).starts_with("bad-name: "));
    let long: String = "x".repeat(70_000);
    assert!(
        refused(Command::Topic { room: room(), topic: Some(long.into()) }).starts_with("line-too-long: ")
    );
    let say = |text: &'static str, room| Command::Say { room, text: text.into(), me: false, key: None };
    assert!(refused(say(" \n\u{7} ", room())).starts_with("missing-argument: "));
    assert!(refused(say("tea", Some("nowhere".into()))).starts_with("not-in-room: "));
    for _ in 0..requests::OUTSTANDING_MAX {
        talk.session.act(talk.now, Command::Ping).expect("accepted");
    }
    let error = talk.session.act(talk.now, Command::Ping).expect_err("refused");
    assert_eq!((error, error.to_string().starts_with("busy: ")), (Unsent::TooMany, true));
    assert_eq!(talk.session.say(talk.now, &nowhere, "tea", false), Err(Unsent::NotInRoom));
}

#[test]
fn a_server_that_refuses_the_greeting_refuses_the_login() {
    let mut talk = Talk::new(Login::Guest, &[]);
    talk.connect();
    talk.hear(r#"{"re":1,"err":{"code":"bad-version","text":"too old"}}"#);
    talk.events(&["login refused: bad-version: too old"]);
}

#[test]
fn news_about_a_room_are_lines_in_it() {
    let by = || std::sync::Arc::<str>::from("bob");
    let news = [
        (
            Told::OperatorChanged { room: lobby(), user: bob(), by: "alice".into(), operator: true },
            "operator",
        ),
        (Told::AccessChanged { room: lobby(), by: by(), access: Access::Private }, "private"),
        (Told::Kicked { room: lobby(), user: bob(), by: "alice".into(), why: None }, "bob"),
    ];
    for (event, words) in news {
        let mut talk = Talk::in_lobby();
        talk.hear(&line(&event));
        match talk.session.poll_event() {
            Some(Event::Line { place: Place::Room(room), line, .. }) if room == lobby() => {
                assert!(line.text.contains(words), "{}", line.text)
            }
            other => panic!("{event:?}: {other:?}"),
        }
    }
    let mut talk = Talk::in_lobby();
    let garden = RoomName::parse("garden").expect("a name");
    talk.hear(&line(&Told::Invited { room: garden, by: bob() }));
    let event = talk.session.poll_event();
    let Some(Event::Line { place: Place::Server, line: shown, .. }) = event else { panic!("{event:?}") };
    assert!(shown.text.contains("garden") && &*shown.from == "bob", "{}", shown.text);
}

#[test]
fn who_is_thrown_out_is_out_and_what_waits_there_is_given_up() {
    let mut talk = Talk::in_lobby();
    let alice = UserName::parse("alice").expect("a name");
    talk.hear(&line(&Told::Kicked { room: lobby(), user: alice, by: "bob".into(), why: None }));
    let shown = talk.take_events();
    assert!(shown[0].contains("bob") && shown.contains(&"exited #lobby".to_owned()), "{shown:?}");
    assert_eq!(talk.session.say(talk.now, &lobby(), "tea", false), Err(Unsent::NotInRoom));
    // It may be forgotten now, with all that was said.
    talk.session.forget(&Place::Room(lobby()));
    assert_eq!(talk.session.rooms().count(), 0);
}

#[test]
fn a_room_that_cannot_be_entered_again_says_so_where_it_is_seen() {
    for (known, place) in [(true, "#lobby"), (false, "server")] {
        let mut talk = match known {
            true => Talk::in_lobby(),
            false => Talk::new(Login::Password(Secret::new("correct horse")), &["lobby"]),
        };
        if known {
            talk.session.disconnected(talk.now, Lost::Closed);
            talk.wait(1_000);
        }
        talk.connect();
        talk.forget();
        let first = if known { 4 } else { 1 };
        let rooms = if known { r#"["lobby"]"# } else { "[]" };
        talk.hear(&format!(r#"{{"re":{},"ok":{{"user":"alice","token":"t","rooms":{rooms}}}}}"#, first + 1));
        if known {
            talk.hear(r#"{"re":6,"ok":{}}"#);
        }
        talk.forget();
        let join = if known { 7 } else { 3 };
        talk.hear(&format!(r#"{{"re":{join},"err":{{"code":"invite-only","text":"no"}}}}"#));
        let shown = talk.take_events();
        assert!(
            shown[0].contains(&format!("{place}: [#lobby cannot be entered: invite-only: no")),
            "{shown:?}"
        );
    }
}

#[test]
fn older_lines_that_cannot_be_had_are_not_waited_for() {
    let mut talk = Talk::in_lobby();
    talk.hear(
        r#"{"ev":"notice","kind":"entered","room":"garden","topic":"","members":["alice"],"seq":9,"messages":[
        {"room":"garden","from":"bob","seq":9,"ts":"2026-01-31T12:00:00.000Z","text":"nine"}]}"#,
    );
    talk.forget();
    let garden = RoomName::parse("garden").expect("a name");
    assert!(talk.session.load_older(&garden));
    assert!(!talk.session.load_older(&garden), "it is being loaded");
    talk.hear(r#"{"re":4,"err":{"code":"storage-unavailable","text":""}}"#);
    talk.events(&["0 older in #garden, start false"]);
    assert!(talk.session.load_older(&garden), "once more");
}

#[test]
fn a_room_that_was_left_while_it_was_entered_stays_left() {
    let mut talk = Talk::in_lobby();
    talk.session.join(talk.now, &RoomName::parse("garden").expect("a name"), None).expect("accepted");
    talk.hear(r#"{"ev":"notice","kind":"exited","room":"garden"}"#);
    talk.forget();
    let view = r#"{"room":"garden","topic":"","members":["alice"],"seq":0,"messages":[]}"#;
    talk.hear(&format!(r#"{{"re":4,"ok":{view}}}"#));
    talk.events(&[]);
}
