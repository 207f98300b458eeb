//! What a session does, told as dialogues with a scripted server.

use super::*;
use crate::client::session::event::Event;
use crate::proto::time::{Instant, Timestamp};

/// A session, a clock, and what was sent.
struct Talk {
    session: Session,
    now: Now,
}

impl Talk {
    fn new(login: Login, rooms: &[&str]) -> Talk {
        let now = Now { mono: Instant(0), wall: Timestamp(1_769_860_800_000) };
        let options = Options::new("alice", login, rooms).expect("good names");
        Talk { session: Session::new(now, options, [7; 24]), now }
    }

    /// Logged in as an account, in `lobby` with messages 1 and 2.
    fn in_lobby() -> Talk {
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

    fn connect(&mut self) {
        assert!(matches!(self.session.wish(), Wish::Connect(_)));
        self.session.connected(self.now);
    }

    fn wait(&mut self, ms: u64) {
        self.now.mono = Instant(self.now.mono.0 + ms);
        self.session.handle_timeout(self.now);
    }

    fn hear(&mut self, line: &str) {
        self.session.handle_line(self.now, line.as_bytes());
    }

    #[track_caller]
    fn sent(&mut self, expected: &[&str]) {
        let sent: Vec<String> =
            std::iter::from_fn(|| self.session.poll_line()).map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(sent, expected);
    }

    #[track_caller]
    fn events(&mut self, expected: &[&str]) {
        let events: Vec<String> = std::iter::from_fn(|| self.session.poll_event()).map(shown).collect();
        assert_eq!(events, expected);
    }
}

fn shown(event: Event) -> String {
    match event {
        Event::Answered { ticket: _, outcome: Ok(answer) } => format!("answer {answer:?}"),
        Event::Answered { ticket: _, outcome: Err(failure) } => format!("failure {failure}"),
        Event::Back { after } => format!("back after {after:?}"),
        Event::LoggedIn(logged_in) => format!("logged in as {}", logged_in.user),
        Event::LoginRefused(refused) => format!("login refused: {refused}"),
        Event::Lost(why) => format!("lost: {why}"),
        Event::Line { place, line, .. } if matches!(line.kind, Kind::Say | Kind::Me) => {
            format!("{place}: {}: {}", line.from, line.text)
        }
        Event::Line { place, line, .. } => format!("{place}: [{}]", line.text),
        Event::MembersChanged(room) => format!("members of {room}"),
        Event::Older { room, lines, start } => format!("{lines} older in {room}, start {start}"),
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
