//! What a session does, told as dialogues with a scripted server.

use super::*;
use crate::client::session::event::{Event, Lost};
use crate::proto::command::Command;
use crate::proto::time::{Instant, Timestamp};

/// A session, a clock, and what was sent.
pub struct Talk {
    pub session: Session,
    pub now: Now,
}

impl Talk {
    pub fn new(login: Login, rooms: &[&str]) -> Talk {
        let now = Now { mono: Instant(0), wall: Timestamp(1_769_860_800_000) };
        let options = Options::new("alice", login, rooms).expect("good names");
        Talk { session: Session::new(now, options, [7; 24]), now }
    }

    /// Logged in as an account, in `lobby` with messages 1 and 2.
    pub fn in_lobby() -> Talk {
        let mut talk = Talk::new(Login::Password(Secret::new("correct horse")), &["lobby"]);
        talk.connect();
        talk.sent(&[
            r#"{"id":1,"cmd":"hello","version":1,"client":"sotto/0.1.0"}"#,
            r#"{"id":2,"cmd":"login","user":"alice","password":"correct horse"}"#,
        ]);
        talk.hear(r#"{"re":1,"ok":{"server":"sottod/0.1.0","version":1,"name":"x"}}"#);
        talk.hear(r#"{"re":2,"ok":{"user":"alice","token":"tok","rooms":[]}}"#);
        talk.sent(&[r#"{"id":3,"cmd":"join","room":"lobby"}"#]);
        talk.hear(
            r#"{"re":3,"ok":{"room":"lobby","topic":"tea","members":["alice","bob"],"seq":2,"messages":[
            {"room":"lobby","from":"bob","seq":1,"ts":"2026-01-31T12:00:00.000Z","text":"one"},
            {"room":"lobby","from":"alice","seq":2,"ts":"2026-01-31T12:00:01.000Z","text":"two"}]}}"#,
        );
        talk.events(&["logged in as alice", "entered #lobby", "#lobby: bob: one", "#lobby: alice: two"]);
        talk
    }

    pub fn connect(&mut self) {
        assert!(matches!(self.session.wish(), Wish::Connect(_)));
        self.session.connected(self.now);
    }

    pub fn wait(&mut self, ms: u64) {
        self.now.mono = Instant(self.now.mono.0 + ms);
        self.session.handle_timeout(self.now);
    }

    pub fn hear(&mut self, line: &str) {
        self.session.handle_line(self.now, line.as_bytes());
    }

    #[track_caller]
    pub fn sent(&mut self, expected: &[&str]) {
        let sent: Vec<String> =
            std::iter::from_fn(|| self.session.poll_line()).map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(sent, expected);
    }

    #[track_caller]
    pub fn events(&mut self, expected: &[&str]) {
        assert_eq!(self.take_events(), expected);
    }
}

fn shown(event: Event) -> String {
    match event {
        Event::Answered { ticket: _, outcome: Ok(answer) } => format!("answer {answer:?}"),
        Event::Answered { ticket: _, outcome: Err(failure) } => format!("failure {failure}"),
        Event::Back { after } => format!("back after {after:?}"),
        Event::Transfer(news) => format!("file: {news}"),
        Event::LoggedIn(logged_in) => format!("logged in as {}", logged_in.user),
        Event::LoginRefused(refused) => format!("login refused: {refused}"),
        Event::Lost(why) => format!("lost: {why}"),
        Event::Line { place, line, .. } if matches!(line.kind, Kind::Say | Kind::Me) => {
            format!("{place}: {}: {}", line.from, line.text)
        }
        Event::Line { place, line, .. } => format!("{place}: [{}]", line.text),
        Event::MembersChanged(room) => format!("members of {room}"),
        Event::Older { room, lines, start } => format!("{lines} older in {room}, start {start}"),
        Event::FileOffered { from, .. } => format!("file offered by {from}"),
        Event::PrivateChanged(_) => "private changed".to_owned(),
        Event::RoomEntered(room) => format!("entered {room}"),
        Event::RoomExited(room) => format!("exited {room}"),
        Event::Stopped(why) => format!("stopped: {why:?}"),
        Event::TopicChanged(room) => format!("topic of {room}"),
    }
}

#[test]
fn a_session_logs_in_and_enters_its_rooms() {
    let talk = Talk::in_lobby();
    let lobby = talk.session.rooms().next().expect("a room");
    assert_eq!((lobby.topic(), lobby.members().len(), lobby.last_seq()), (Some("tea"), 2, Seq(2)));
    assert_eq!(talk.session.state(), State::Online);
    assert!(talk.session.is_settled());
}

#[test]
fn an_unconfirmed_text_is_sent_again_under_its_old_key_after_an_interruption() {
    let mut talk = Talk::in_lobby();
    let lobby = RoomName::parse("lobby").expect("a name");
    talk.session.say(talk.now, &lobby, "three", false).expect("accepted");
    talk.session.say(talk.now, &lobby, "four", false).expect("accepted");
    let key = "07070707070707070707070707070707";
    let say = |id, text: &str, n| {
        format!(r#"{{"id":{id},"cmd":"say","room":"lobby","text":"{text}","key":"{key}-{n}"}}"#)
    };
    talk.sent(&[&say(4, "three", 2)]);
    talk.session.disconnected(talk.now, Lost::Closed);
    talk.events(&["lost: the server closed the connection"]);
    assert_eq!(talk.session.wish(), Wish::Rest);
    talk.wait(250);
    talk.session.disconnected(talk.now, Lost::Closed);
    talk.wait(500);
    talk.connect();
    talk.sent(&[
        r#"{"id":5,"cmd":"hello","version":1,"client":"sotto/0.1.0"}"#,
        r#"{"id":6,"cmd":"login","user":"alice","token":"tok"}"#,
    ]);
    talk.hear(r#"{"re":6,"ok":{"user":"alice","token":"tok2","rooms":["lobby"]}}"#);
    talk.sent(&[r#"{"id":7,"cmd":"ping"}"#]);
    talk.hear(r#"{"re":7,"ok":{}}"#);
    talk.sent(&[r#"{"id":8,"cmd":"join","room":"lobby"}"#]);
    talk.hear(
        r#"{"ev":"message","room":"lobby","from":"bob","seq":6,"ts":"2026-01-31T12:00:05.000Z","text":"six"}"#,
    );
    talk.hear(
        r#"{"re":8,"ok":{"room":"lobby","members":["alice"],"seq":5,"messages":[{"from":"bob","seq":5,"text":"five"}]}}"#,
    );
    talk.events(&["logged in as alice", "entered #lobby"]);
    talk.sent(&[r#"{"id":9,"cmd":"history","room":"lobby","limit":500,"after":2}"#]);
    talk.hear(
        r#"{"re":9,"ok":{"messages":[{"from":"alice","seq":3,"text":"three"},{"from":"bob","seq":4,"text":"4"}]}}"#,
    );
    talk.events(&["#lobby: alice: three", "#lobby: bob: 4", "#lobby: bob: five"]);
    talk.sent(&[r#"{"id":10,"cmd":"history","room":"lobby","limit":500,"after":5}"#]);
    talk.hear(r#"{"re":10,"ok":{"messages":[{"from":"bob","seq":6,"text":"six"}]}}"#);
    talk.events(&["#lobby: bob: six", "back after 750ms"]);
    talk.sent(&[&say(11, "three", 2)]);
    talk.hear(r#"{"re":11,"ok":{"seq":3,"ts":"2026-01-31T12:00:02.000Z"}}"#);
    talk.events(&["answer Said { room: \"lobby\", seq: Seq(3), at: Timestamp(1769860802000) }"]);
    talk.sent(&[&say(12, "four", 3)]);
    talk.hear(r#"{"re":12,"ok":{"seq":7,"ts":"2026-01-31T12:00:09.000Z"}}"#);
    talk.events(&[
        "#lobby: alice: four",
        "answer Said { room: \"lobby\", seq: Seq(7), at: Timestamp(1769860809000) }",
    ]);
    assert!(talk.session.is_settled());
}

const LOBBY_EMPTY: &str = r#"{"room":"lobby","topic":"","members":["alice","bob"],"seq":0,"messages":[]}"#;

impl Talk {
    /// Logged in as a guest, in an empty `lobby`; the next request has number 4.
    fn guest() -> Talk {
        let mut talk = Talk::new(Login::Guest, &["lobby"]);
        talk.connect();
        talk.hear(r#"{"re":1,"ok":{}}"#);
        talk.hear(r#"{"re":2,"ok":{"user":"alice"}}"#);
        talk.hear(&format!(r#"{{"re":3,"ok":{LOBBY_EMPTY}}}"#));
        talk.forget();
        talk
    }

    /// What was sent and told so far does not matter.
    pub fn forget(&mut self) {
        while self.session.poll_line().is_some() {}
        while self.session.poll_event().is_some() {}
    }

    fn say(&mut self, text: &str) -> Result<event::Ticket, event::Unsent> {
        self.session.say(self.now, &lobby(), text, false)
    }

    pub fn take_events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.session.poll_event()).map(shown).collect()
    }

    fn requests(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.session.poll_line()).map(|line| line.trim_end().to_owned()).collect()
    }
}

fn lobby() -> RoomName {
    RoomName::parse("lobby").expect("a name")
}

#[test]
fn a_refused_login_waits_for_other_credentials() {
    let mut talk = Talk::new(Login::Password(Secret::new("wrong horse")), &[]);
    talk.connect();
    talk.hear(r#"{"re":1,"ok":{}}"#);
    talk.hear(r#"{"re":2,"err":{"code":"login-failed","text":"no"}}"#);
    talk.events(&["login refused: login-failed: no"]);
    assert_eq!((talk.session.wish(), talk.session.next_deadline()), (Wish::Rest, None));
    talk.session.log_in(talk.now, "alice".into(), Login::Guest);
    talk.forget();
    talk.connect();
    assert!(talk.requests()[1].contains(r#""cmd":"nick""#));
}

#[test]
fn without_anybody_to_log_in_the_session_asks_once_the_server_is_there() {
    let mut talk = Talk::new(Login::Unknown, &[]);
    talk.connect();
    assert_eq!(talk.requests().len(), 1, "hello and nothing else");
    talk.hear(r#"{"re":1,"ok":{}}"#);
    talk.events(&["login refused: no-name: who logs in?"]);
    assert_eq!(talk.session.wish(), Wish::Rest);
    talk.session.log_in(talk.now, "bob".into(), Login::Guest);
    talk.connect();
    assert!(talk.requests()[1].contains(r#""user":"bob""#));
}

#[test]
fn a_token_that_has_ended_is_replaced_by_the_password_if_there_is_one() {
    let login = Login::Token { token: Secret::new("old"), password: Some(Secret::new("correct horse")) };
    let mut talk = Talk::new(login, &[]);
    talk.connect();
    talk.forget();
    talk.hear(r#"{"re":1,"ok":{}}"#);
    talk.hear(r#"{"re":2,"err":{"code":"login-failed","text":""}}"#);
    talk.sent(&[r#"{"id":3,"cmd":"login","user":"alice","password":"correct horse"}"#]);
    talk.hear(r#"{"re":3,"err":{"code":"login-failed","text":""}}"#);
    talk.events(&["login refused: login-failed: "]);
}

#[test]
fn a_changed_password_brings_the_session_back_when_its_token_has_ended() {
    let mut talk = Talk::in_lobby();
    let (old, new) = (Some(Secret::new("correct horse")), Some(Secret::new("battery staple")));
    talk.session.act(talk.now, Command::Passwd { old, new }).expect("accepted");
    talk.hear(r#"{"re":4,"ok":{}}"#);
    talk.events(&["answer PasswordChanged"]);
    talk.session.disconnected(talk.now, Lost::Closed);
    talk.wait(1_000);
    talk.connect();
    talk.forget();
    talk.hear(r#"{"re":6,"err":{"code":"login-failed","text":""}}"#);
    talk.sent(&[r#"{"id":7,"cmd":"login","user":"alice","password":"battery staple"}"#]);
}

#[test]
fn a_guest_waits_until_the_server_has_forgotten_its_old_connection() {
    let mut talk = Talk::guest();
    talk.session.disconnected(talk.now, Lost::Closed);
    for attempt in 0..3 {
        talk.wait(10_000);
        talk.forget();
        talk.connect();
        let id = 5 + 2 * attempt;
        talk.hear(&format!(r#"{{"re":{id},"err":{{"code":"name-taken","text":"it is"}}}}"#));
        assert!(matches!(talk.session.state(), State::Resting { .. }), "{:?}", talk.session.state());
    }
    talk.events(&[]);
}

#[test]
fn a_server_that_is_busy_is_tried_again() {
    let mut talk = Talk::new(Login::Guest, &[]);
    talk.connect();
    talk.hear(r#"{"re":2,"err":{"code":"busy","text":"later"}}"#);
    talk.events(&["lost: busy: later"]);
    assert!(matches!(talk.session.state(), State::Resting { .. }));
}

#[test]
fn rests_grow_to_a_bound_and_never_vanish() {
    let mut talk = Talk::new(Login::Guest, &[]);
    let mut rests = Vec::new();
    for _ in 0..40 {
        talk.session.disconnected(talk.now, Lost::Closed);
        let State::Resting { until } = talk.session.state() else { panic!("it rests") };
        rests.push(until.since_ms(talk.now.mono));
        talk.wait(until.since_ms(talk.now.mono));
        assert!(matches!(talk.session.wish(), Wish::Connect(_)));
    }
    for (failures, rest) in rests.iter().enumerate() {
        let full = (250u64 << failures.min(16)).min(30_000);
        assert!((full / 2..=full).contains(rest), "after {failures} failures {rest} ms");
    }
    talk.events(&["lost: the server closed the connection"]);
}

#[test]
fn what_was_too_fast_is_said_a_little_later_and_in_order() {
    let mut talk = Talk::guest();
    talk.say("one").expect("accepted");
    talk.say("two").expect("accepted");
    let first = talk.requests();
    assert_eq!(first.len(), 1, "one at a time");
    talk.hear(r#"{"re":4,"err":{"code":"too-fast","text":""}}"#);
    talk.events(&[]);
    talk.sent(&[]);
    talk.wait(1_000);
    assert_eq!(talk.requests(), [first[0].replace(r#""id":4"#, r#""id":5"#)]);
    talk.hear(r#"{"re":5,"ok":{"seq":1,"ts":"2026-01-31T12:00:00.000Z"}}"#);
    assert!(talk.requests()[0].contains("two"));
}

#[test]
fn a_refused_text_is_given_up_and_the_next_one_said() {
    let mut talk = Talk::guest();
    talk.say("one").expect("accepted");
    talk.say("two").expect("accepted");
    talk.forget();
    talk.hear(r#"{"re":4,"err":{"code":"line-too-long","text":"long"}}"#);
    talk.events(&["failure line-too-long: long"]);
    assert!(talk.requests()[0].contains("two"));
}

#[test]
fn after_more_than_a_day_a_text_in_doubt_is_looked_for_before_it_is_said_again() {
    for (away_hours, requests) in [(1, 1), (25, 0)] {
        let mut talk = Talk::in_lobby();
        talk.say("three").expect("accepted");
        talk.session.disconnected(talk.now, Lost::Closed);
        talk.wait(away_hours * 3_600_000);
        talk.connect();
        talk.hear(r#"{"re":6,"ok":{"user":"alice","token":"t","rooms":["lobby"]}}"#);
        talk.hear(
            r#"{"ev":"notice","kind":"entered","room":"lobby","seq":3,"messages":[{"from":"alice","seq":3,"text":"three"}]}"#,
        );
        talk.forget();
        talk.hear(r#"{"re":7,"ok":{}}"#);
        assert_eq!(talk.requests().len(), requests, "after {away_hours} hours");
        assert_eq!(talk.session.unconfirmed(), requests);
    }
}

#[test]
fn several_lines_are_several_messages() {
    let mut talk = Talk::guest();
    talk.say("one\n\n \t\u{1b}[31mtwo\r\n").expect("accepted");
    let texts: Vec<&str> =
        talk.session.rooms().flat_map(|room| room.unconfirmed()).map(|saying| &*saying.text).collect();
    assert_eq!(texts, ["one", " \ttwo"]);
}

#[test]
fn what_cannot_be_said_is_refused_at_once() {
    use event::Unsent;
    let mut talk = Talk::guest();
    assert_eq!(talk.say(" \u{1b}[2J\n"), Err(Unsent::Nothing));
    assert_eq!(talk.say(&"x".repeat(65_536)), Err(Unsent::TooLong));
    assert!(talk.say(&"x".repeat(65_000)).is_ok());
    let elsewhere = RoomName::parse("elsewhere").expect("a name");
    assert_eq!(talk.session.say(talk.now, &elsewhere, "hi", false), Err(Unsent::NotInRoom));
    for _ in 1..requests::UNCONFIRMED_MAX {
        talk.say("hi").expect("there is room");
    }
    assert_eq!(talk.say("one more"), Err(Unsent::TooMany));
    talk.session.disconnected(talk.now, Lost::Closed);
    let bob = UserName::parse("bob").expect("a name");
    assert_eq!(talk.session.message(talk.now, &bob, "hi"), Err(Unsent::Offline));
}

#[test]
fn a_silent_server_is_asked_and_then_given_up() {
    let mut talk = Talk::guest();
    talk.wait(30_000);
    talk.sent(&[r#"{"id":4,"cmd":"ping"}"#]);
    talk.now.mono = Instant(talk.now.mono.0 + 120);
    assert_eq!(talk.session.lag(talk.now), Some(Duration::from_millis(120)));
    talk.hear(r#"{"re":4,"ok":{}}"#);
    assert_eq!(talk.session.lag(talk.now), Some(Duration::from_millis(120)));
    talk.wait(30_000);
    talk.sent(&[r#"{"id":5,"cmd":"ping"}"#]);
    talk.wait(20_000);
    talk.events(&["lost: the server does not answer"]);
}

#[test]
fn notices_keep_members_and_topic_up_to_date() {
    let mut talk = Talk::guest();
    let members = |talk: &Talk| -> String {
        let room = talk.session.room(&lobby()).expect("there");
        room.members().map(|user| user.shown().to_string()).collect::<Vec<_>>().join(" ")
    };
    for (news, line, now_there) in [
        (r#""kind":"join","user":"eve""#, "eve has joined #lobby", "alice bob eve"),
        (r#""kind":"rename","from":"eve","to":"adam""#, "eve is now adam in #lobby", "adam alice bob"),
        (r#""kind":"quit","user":"adam","text":"tea""#, "adam has quit #lobby (tea)", "alice bob"),
        (
            r#""kind":"kick","user":"bob","by":"alice","text":"spam""#,
            "bob was kicked from #lobby by alice (spam)",
            "alice",
        ),
    ] {
        talk.hear(&format!(r#"{{"ev":"notice","room":"lobby",{news}}}"#));
        talk.events(&[&format!("#lobby: [{line}]"), "members of #lobby"]);
        assert_eq!(members(&talk), now_there);
    }
    talk.hear(r#"{"ev":"notice","kind":"topic","room":"lobby","by":"alice","topic":"tea\u001b[2J"}"#);
    talk.events(&["#lobby: [topic of #lobby set by alice: tea]", "topic of #lobby"]);
    assert_eq!(talk.session.room(&lobby()).and_then(|room| room.topic()), Some("tea"));
    talk.say("one").expect("accepted");
    talk.hear(r#"{"ev":"notice","kind":"kick","room":"lobby","user":"alice","by":"bob"}"#);
    talk.events(&[
        "#lobby: [alice was kicked from #lobby by bob]",
        "failure not-in-room: you are not in this room any more",
        "exited #lobby",
    ]);
    assert_eq!(talk.session.room(&lobby()).map(Room::stage), Some(room::Stage::Out));
}

#[test]
fn who_came_and_went_together_is_told_one_by_one_unless_they_are_many() {
    let mut talk = Talk::guest();
    let members = |talk: &Talk| talk.session.room(&lobby()).expect("there").members().len();
    assert_eq!(members(&talk), 2);
    talk.hear(
        r#"{"ev":"notice","kind":"presence","room":"lobby","joined":["alice","carol","dave"],"left":["bob"]}"#,
    );
    talk.events(&[
        "#lobby: [carol has joined #lobby]",
        "#lobby: [dave has joined #lobby]",
        "#lobby: [bob has left #lobby]",
        "members of #lobby",
    ]);
    assert_eq!(members(&talk), 3);
    talk.hear(
        r#"{"ev":"notice","kind":"presence","room":"lobby","joined":["a","b","c","d"],"left":["carol","dave"]}"#,
    );
    talk.events(&[
        "#lobby: [4 have joined #lobby, among them a, b and c; carol and dave have left]",
        "members of #lobby",
    ]);
    assert_eq!(members(&talk), 5);
    talk.hear(r#"{"ev":"notice","kind":"presence","room":"elsewhere","joined":["a","b"],"left":[]}"#);
    talk.events(&[]);
}

#[test]
fn a_room_that_cannot_be_entered_is_told_to_whoever_asked() {
    let mut talk = Talk::guest();
    let tea = RoomName::parse("tea").expect("a name");
    let first = talk.session.join(talk.now, &tea, Some(Secret::new("k")));
    assert_eq!(talk.session.join(talk.now, &tea, None), first, "asked for already");
    talk.sent(&[r#"{"id":4,"cmd":"join","room":"tea","key":"k"}"#]);
    talk.hear(r#"{"re":4,"err":{"code":"bad-key","text":"no"}}"#);
    talk.events(&["failure bad-key: no", "exited #tea"]);
    assert!(talk.session.room(&tea).is_none());
}

#[test]
fn private_messages_go_out_come_in_and_are_not_repeated_in_doubt() {
    let mut talk = Talk::guest();
    let bob = UserName::parse("bob").expect("a name");
    talk.session.message(talk.now, &bob, "one\ntwo").expect("accepted");
    talk.sent(&[r#"{"id":4,"cmd":"msg","user":"bob","text":"one two"}"#]);
    talk.hear(r#"{"re":4,"ok":{"to":"Bob","ts":"2026-01-31T12:00:00.000Z","kept":false}}"#);
    talk.hear(r#"{"ev":"private","from":"Bob","to":"alice","ts":"2026-01-31T12:00:00.000Z","text":"three"}"#);
    let events: Vec<String> = std::iter::from_fn(|| talk.session.poll_event()).map(shown).collect();
    assert!(
        events[0].starts_with("bob: [not-encrypted: messages with bob are NOT encrypted"),
        "{}",
        events[0]
    );
    assert_eq!(events[1], "Bob: alice: one two");
    assert_eq!(events[3], "Bob: Bob: three");
    talk.session.message(talk.now, &bob, "four").expect("accepted");
    talk.session.disconnected(talk.now, Lost::Closed);
    talk.events(&[
        "failure connection-lost: it is not known whether this was done",
        "lost: the server closed the connection",
    ]);
    assert_eq!(talk.session.people().map(|person| person.scrollback().len()).sum::<usize>(), 3);
    let lines = talk.session.scrollback(&Place::Person(bob)).expect("there").lines(0..3);
    let seals: Vec<Seal> = lines.iter().map(|line| line.seal).collect();
    assert_eq!(seals, [Seal::ServerReadable, Seal::NotEncrypted, Seal::NotEncrypted]);
}

#[test]
fn older_messages_are_put_in_front_until_there_are_none() {
    let mut talk = Talk::in_lobby();
    assert!(!talk.session.load_older(&lobby()), "what was shown begins with the first message");
    let mut talk = Talk::guest();
    let tea = RoomName::parse("tea").expect("a name");
    talk.session.join(talk.now, &tea, None).expect("accepted");
    let message = |seq: u64| format!(r#"{{"from":"bob","seq":{seq},"text":"{seq}"}}"#);
    talk.hear(&format!(r#"{{"re":4,"ok":{{"room":"tea","seq":9,"messages":[{}]}}}}"#, message(9)));
    talk.forget();
    assert!(talk.session.load_older(&tea));
    assert!(!talk.session.load_older(&tea), "it is being loaded already");
    talk.sent(&[r#"{"id":5,"cmd":"history","room":"tea","limit":200,"before":9}"#]);
    let page = [message(7), message(8), message(9)].join(",");
    talk.hear(&format!(r#"{{"re":5,"ok":{{"messages":[{page}]}}}}"#));
    talk.events(&["2 older in #tea, start false"]);
    let scrollback = talk.session.room(&tea).expect("there").scrollback();
    assert_eq!(scrollback.numbers(), -2..1);
    assert!(talk.session.load_older(&tea));
    talk.hear(r#"{"re":6,"ok":{"messages":[]}}"#);
    talk.events(&["0 older in #tea, start true"]);
    assert!(!talk.session.load_older(&tea));
}

#[test]
fn restored_rooms_are_taken_from_what_the_server_shows() {
    let mut talk = Talk::new(Login::Password(Secret::new("correct horse")), &[]);
    talk.connect();
    talk.hear(r#"{"re":1,"ok":{}}"#);
    talk.hear(r#"{"re":2,"ok":{"user":"alice","token":"t","rooms":["lobby","tea"]}}"#);
    assert!(talk.session.is_restoring());
    let view = r#""seq":1,"members":["alice"],"messages":[{"from":"bob","seq":1,"text":"x"}]"#;
    talk.hear(&format!(r#"{{"ev":"notice","kind":"entered","room":"lobby",{view}}}"#));
    talk.events(&["logged in as alice", "entered #lobby", "#lobby: bob: x"]);
    talk.forget();
    // The other one was not shown; it is asked for when everything the server does by itself is done.
    talk.hear(r#"{"re":3,"ok":{}}"#);
    talk.sent(&[r#"{"id":4,"cmd":"join","room":"tea"}"#]);
    // Another session of this user enters a room: its recent messages are asked for.
    talk.hear(r#"{"ev":"notice","kind":"entered","room":"ops","seq":5,"members":[],"messages":[]}"#);
    talk.sent(&[r#"{"id":5,"cmd":"join","room":"ops"}"#]);
    talk.hear(r#"{"ev":"notice","kind":"exited","room":"lobby"}"#);
    talk.events(&["#lobby: [you have left #lobby]", "exited #lobby"]);
}

#[test]
fn a_room_that_was_left_elsewhere_is_not_entered_again() {
    let mut talk = Talk::in_lobby();
    talk.session.disconnected(talk.now, Lost::Closed);
    talk.wait(1_000);
    talk.connect();
    talk.forget();
    talk.hear(r#"{"re":5,"ok":{"user":"alice","token":"t"}}"#);
    talk.events(&[
        "logged in as alice",
        "#lobby: [you are no longer in #lobby]",
        "exited #lobby",
        "back after 1s",
    ]);
    talk.sent(&[]);
}

#[test]
fn lines_that_cannot_be_read_end_the_connection_in_the_end() {
    let mut talk = Talk::new(Login::Guest, &[]);
    talk.connect();
    talk.hear("HTTP/1.1 400 Bad Request");
    talk.events(&["lost: this is no sottod server: it sent what cannot be read"]);
    let mut talk = Talk::guest();
    for _ in 0..=20 {
        talk.hear(r#"{"re":99,"ok":{}}"#);
    }
    talk.events(&[
        "server: [the server sent a line that cannot be read]",
        "lost: this is no sottod server: it sent what cannot be read",
    ]);
}

#[test]
fn quitting_ends_the_session_with_or_without_an_answer() {
    let mut talk = Talk::guest();
    talk.session.quit(talk.now, Some("tea"));
    talk.sent(&[r#"{"id":4,"cmd":"quit","text":"tea"}"#]);
    talk.hear(r#"{"re":4,"ok":{}}"#);
    talk.events(&["answer Quit { text: None }", "stopped: Quit"]);
    assert_eq!(talk.session.wish(), Wish::Rest);
    let mut talk = Talk::guest();
    talk.session.quit(talk.now, None);
    talk.wait(2_000);
    talk.events(&["answer Quit { text: None }", "stopped: Quit"]);
}

proptest::proptest! {
    /// Whatever a server sends, nothing panics, and what is kept has a bound.
    #[test]
    fn no_line_can_do_harm(lines in proptest::collection::vec((0..LINES.len(), 0..400usize, ".{0,6}"), 0..60)) {
        let mut talk = Talk::guest();
        for (number, at, cut_in) in lines {
            let line = LINES[number];
            let at = (0..=at.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
            let line = match at % 3 {
                0 => line.to_owned(),
                1 => format!("{}{cut_in}{}", &line[..at], &line[at..]),
                _ => line.replace(|c: char| c.is_ascii_digit(), &cut_in),
            };
            talk.hear(&line);
            let _ = talk.say("hi");
            talk.wait(700);
            if matches!(talk.session.wish(), Wish::Connect(_)) {
                talk.session.connected(talk.now);
            }
            talk.session.load_older(&lobby());
            talk.forget();
        }
    }
}

const LINES: [&str; 12] = [
    r#"{"re":4,"ok":{"seq":1,"ts":"2026-01-31T12:00:00.000Z"}}"#,
    r#"{"re":5,"ok":{"user":"alice","rooms":["lobby","tea","lobby"]}}"#,
    r#"{"re":6,"ok":{"room":"lobby","seq":3,"members":["a","b"],"messages":[{"from":"b","seq":3,"text":"x"}]}}"#,
    r#"{"re":7,"ok":{"messages":[{"from":"b","seq":2,"text":"x"},{"from":"b","seq":1,"text":"y"}]}}"#,
    r#"{"re":8,"err":{"code":"busy","text":"x"}}"#,
    r#"{"ev":"message","room":"lobby","from":"b","seq":5,"ts":"2026-01-31T12:00:00.000Z","text":"x"}"#,
    r#"{"ev":"message","room":"lobby","from":"b","seq":18446744073709551615,"text":"x"}"#,
    r#"{"ev":"private","from":"b","to":"alice","text":"x"}"#,
    r#"{"ev":"notice","kind":"kick","room":"lobby","user":"alice","by":"b"}"#,
    r#"{"ev":"notice","kind":"entered","room":"lobby","seq":9,"messages":[{"from":"b","seq":9,"text":"z"}]}"#,
    r#"{"ev":"notice","kind":"rename","room":"lobby","from":"alice","to":"b"}"#,
    r#"{"ev":"error","code":"line-too-long","text":"x"}"#,
];
