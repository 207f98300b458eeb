//! Screens as text: a session told by a scripted server, keys, and what is to be seen then.

use crossterm::event::{Event as Typed, KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::{TimeZone, offset};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::client::session::event::Lost;
use crate::client::session::{Login, Options, Session};
use crate::proto::time::{Instant, Now, Timestamp};
use crate::tui::model::{Model, Size};
use crate::tui::perform::perform;
use crate::tui::theme::Theme;
use crate::tui::update::{Action, Input, update};
use crate::tui::view::view;

/// A screen with a session behind it.
pub struct Stage {
    pub model: Model,
    pub session: Session,
    pub now: Now,
    terminal: Terminal<TestBackend>,
    /// What was for the terminal to do.
    pub outside: Vec<Action>,
    requests: Vec<String>,
}

impl Stage {
    /// Logged in as alice, in no room yet.
    pub fn new(columns: u16, rows: u16) -> Stage {
        let now = Now { mono: Instant(0), wall: Timestamp(1_769_860_800_000) };
        let options = Options::new("alice", Login::Guest, &[]).expect("good names");
        let session = Session::new(now, options, [7; 24]);
        let zone = TimeZone::fixed(offset(1));
        let mut model = Model::new(Size { columns, rows }, zone, now);
        model.server = "localhost:12345".to_owned();
        let terminal = Terminal::new(TestBackend::new(columns, rows)).expect("memory");
        let mut stage = Stage { model, session, now, terminal, outside: Vec::new(), requests: Vec::new() };
        stage.session.connected(now);
        stage.hear(r#"{"re":1,"ok":{"server":"sottod/0.1.0","version":1,"name":"x"}}"#);
        stage.hear(r#"{"re":2,"ok":{"user":"alice"}}"#);
        stage.sent();
        stage
    }

    /// In `#lobby` with bob and carol, where the first message of ten was said by bob.
    pub fn in_lobby(columns: u16, rows: u16) -> Stage {
        let mut stage = Stage::new(columns, rows);
        stage.join("lobby", &["alice", "bob", "carol"], &[]);
        stage
    }

    /// Joins a room by typing; `past` was said there before, from 1 on.
    pub fn join(&mut self, room: &str, members: &[&str], past: &[(&str, &str)]) {
        self.keys(&format!("/join {room}<Enter>"));
        let id = self.last_id();
        let messages: Vec<String> = past
            .iter()
            .enumerate()
            .map(|(at, (from, text))| message_json(room, from, at as u64 + 1, text))
            .collect();
        let members: Vec<String> = members.iter().map(|member| format!("{member:?}")).collect();
        self.hear(&format!(
            r#"{{"re":{id},"ok":{{"room":"{room}","topic":"tea and talk","members":[{}],"seq":{},"messages":[{}]}}}}"#,
            members.join(","),
            past.len(),
            messages.join(","),
        ));
    }

    /// The server sends a line.
    pub fn hear(&mut self, line: &str) {
        self.session.handle_line(self.now, line.as_bytes());
        self.settle();
    }

    /// Somebody says something in a room.
    pub fn said(&mut self, room: &str, from: &str, seq: u64, text: &str) {
        let message = message_json(room, from, seq, text);
        self.hear(&message.replacen('{', r#"{"ev":"message","#, 1));
    }

    pub fn private(&mut self, from: &str, text: &str) {
        let ts = self.now.wall.rfc3339();
        self.hear(&format!(r#"{{"ev":"private","from":"{from}","to":"alice","ts":"{ts}","text":"{text}"}}"#));
    }

    pub fn notice(&mut self, kind: &str, room: &str, user: &str) {
        self.hear(&format!(r#"{{"ev":"notice","kind":"{kind}","room":"{room}","user":"{user}"}}"#));
    }

    pub fn lose(&mut self) {
        self.session.disconnected(self.now, Lost::Closed);
        self.settle();
    }

    /// Types `text<Enter><A-1><C-n><PgUp>`.
    pub fn keys(&mut self, keys: &str) {
        for key in parse_keys(keys) {
            self.input(Input::Typed(Typed::Key(key)));
        }
    }

    pub fn typed(&mut self, typed: Typed) {
        self.input(Input::Typed(typed));
    }

    /// What was sent to the server since this was asked last, one request a line.
    pub fn sent(&mut self) -> Vec<String> {
        self.settle();
        std::mem::take(&mut self.requests)
    }

    fn last_id(&mut self) -> u64 {
        let sent = self.sent();
        let last = sent.last().expect("a request was sent");
        let digits = last.trim_start_matches(r#"{"id":"#);
        digits.split(',').next().and_then(|id| id.parse().ok()).expect("it has an id")
    }

    /// Answers the request that was sent last.
    pub fn answer(&mut self, ok: &str) {
        let id = self.last_id();
        self.hear(&format!(r#"{{"re":{id},{ok}}}"#));
    }

    fn input(&mut self, input: Input) {
        for action in update(&mut self.model, &self.session, input) {
            let left = perform(&mut self.model, &mut self.session, self.now, action);
            self.outside.extend(left);
        }
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(line) = self.session.poll_line() {
            self.requests.push(line.trim_end().to_owned());
        }
        while let Some(event) = self.session.poll_event() {
            self.input(Input::News(event));
        }
    }

    /// Everything that is on the screen, without blanks at the end of rows.
    pub fn screen(&mut self) -> String {
        self.model.now = self.now;
        let size = self.model.size;
        self.terminal.backend_mut().resize(size.columns, size.rows);
        let (model, session) = (&self.model, &self.session);
        self.terminal.draw(|frame| view(model, session, Theme { colors: true }, frame)).expect("memory");
        let buffer = self.terminal.backend().buffer();
        let mut rows = Vec::new();
        for y in 0..size.rows {
            let mut row = String::new();
            let mut x = 0;
            while x < size.columns {
                let symbol = buffer[(x, y)].symbol();
                row.push_str(symbol);
                // The second column of a wide character holds nothing of its own.
                x += (crate::tui::wrap::width(symbol).max(1)) as u16;
            }
            rows.push(row.trim_end().to_owned());
        }
        rows.join("\n")
    }

    /// Types these keys and compares the screen.
    #[track_caller]
    pub fn check_screen(&mut self, keys: &str, expected: &str) {
        self.keys(keys);
        let found = self.screen();
        let expected = expected.trim_matches('\n');
        assert!(found == expected, "after {keys:?}\nexpected:\n{expected}\nfound:\n{found}\n");
    }

    /// Some row of the screen has this text.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        let found = self.screen();
        assert!(found.contains(text), "expected to see {text:?} in:\n{found}\n");
    }

    #[track_caller]
    pub fn hides(&mut self, text: &str) {
        let found = self.screen();
        assert!(!found.contains(text), "expected not to see {text:?} in:\n{found}\n");
    }
}

pub fn message_json(room: &str, from: &str, seq: u64, text: &str) -> String {
    let ts = Timestamp(1_769_860_800_000 + seq * 60_000).rfc3339();
    format!(r#"{{"room":"{room}","from":"{from}","seq":{seq},"ts":"{ts}","text":"{text}"}}"#)
}

fn parse_keys(keys: &str) -> Vec<KeyEvent> {
    let mut found = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        match named {
            Some((name, after)) => {
                found.push(parse_key(name));
                rest = after;
            }
            None => {
                found.push(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    found
}

fn parse_key(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.split_once('-') {
        Some(("A", name)) => (KeyModifiers::ALT, name),
        Some(("C", name)) => (KeyModifiers::CONTROL, name),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "BackTab" => KeyCode::BackTab,
        "Backspace" => KeyCode::Backspace,
        "Down" => KeyCode::Down,
        "End" => KeyCode::End,
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "F1" => KeyCode::F(1),
        "F2" => KeyCode::F(2),
        "F3" => KeyCode::F(3),
        "Home" => KeyCode::Home,
        "Left" => KeyCode::Left,
        "PgDn" => KeyCode::PageDown,
        "PgUp" => KeyCode::PageUp,
        "Right" => KeyCode::Right,
        "Tab" => KeyCode::Tab,
        "Up" => KeyCode::Up,
        name => KeyCode::Char(name.chars().next().expect("a name")),
    };
    KeyEvent::new(code, modifiers)
}

mod keys;
mod narrow;
mod screens;
