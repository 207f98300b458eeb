//! A program that speaks JSON lines.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::PASSWORD;
use super::wire::Wire;

pub struct Json {
    pub wire: Wire,
    last_id: i64,
    events: VecDeque<Value>,
    /// Replies that came while waiting for another.
    replies: BTreeMap<i64, Value>,
}

impl Json {
    pub fn new(wire: Wire) -> Json {
        Json { wire, last_id: 0, events: VecDeque::new(), replies: BTreeMap::new() }
    }

    /// Sends a request under a fresh id, which is returned.
    pub fn send(&mut self, mut request: Value) -> i64 {
        self.last_id += 1;
        request["id"] = self.last_id.into();
        self.wire.send_line(&request.to_string());
        self.last_id
    }

    /// The next line, whatever it is.
    #[track_caller]
    pub fn receive(&mut self) -> Value {
        let line = self.wire.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// The reply to a request: `{"re":..,"ok":{..}}` or `{"re":..,"err":{..}}`.
    #[track_caller]
    pub fn reply(&mut self, id: i64) -> Value {
        loop {
            if let Some(reply) = self.replies.remove(&id) {
                return reply;
            }
            let line = self.receive();
            match line.get("re").and_then(Value::as_i64) {
                Some(re) => assert!(self.replies.insert(re, line).is_none(), "{re} was answered twice"),
                None => self.events.push_back(line),
            }
        }
    }

    /// Sends all of these in one piece, so that no time passes between them, and gives their replies.
    #[track_caller]
    pub fn at_once(&mut self, requests: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let (mut lines, mut ids) = (String::new(), Vec::new());
        for mut request in requests {
            self.last_id += 1;
            request["id"] = self.last_id.into();
            ids.push(self.last_id);
            lines += &format!("{request}\n");
        }
        self.wire.send(lines.as_bytes());
        ids.into_iter().map(|id| self.reply(id)).collect()
    }

    #[track_caller]
    pub fn request(&mut self, request: Value) -> Value {
        let id = self.send(request);
        self.reply(id)
    }

    /// What a request that must succeed gives.
    #[track_caller]
    pub fn ok(&mut self, request: Value) -> Value {
        let reply = self.request(request.clone());
        reply.get("ok").unwrap_or_else(|| panic!("{request} got {reply}")).clone()
    }

    /// The code of a refusal.
    #[track_caller]
    pub fn err(&mut self, request: Value) -> String {
        let reply = self.request(request.clone());
        assert!(reply["err"]["text"].is_string(), "{request} got {reply}");
        reply["err"]["code"].as_str().unwrap_or_else(|| panic!("{request} got {reply}")).to_owned()
    }

    /// The next event.
    #[track_caller]
    pub fn event(&mut self) -> Value {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        loop {
            let line = self.receive();
            let Some(re) = line.get("re").and_then(Value::as_i64) else { return line };
            // Kept for whoever asks for it.
            assert!(self.replies.insert(re, line).is_none(), "{re} was answered twice");
        }
    }

    /// The next room message, other events aside.
    #[track_caller]
    pub fn message(&mut self) -> Value {
        loop {
            let event = self.event();
            if event["ev"] == "message" {
                return event;
            }
        }
    }

    /// All events that came before the server had dealt with what was sent so far.
    #[track_caller]
    pub fn events(&mut self) -> Vec<Value> {
        assert_eq!(self.err(json!({"cmd": "are-you-there"})), "unknown-command");
        self.events.drain(..).collect()
    }

    pub fn nick(&mut self, name: &str) {
        assert_eq!(self.ok(json!({"cmd": "nick", "user": name}))["user"], name);
    }

    /// Gives the session token.
    pub fn register(&mut self, name: &str) -> String {
        self.named_by("register", name)
    }

    /// Gives the session token.
    pub fn login(&mut self, name: &str) -> String {
        self.named_by("login", name)
    }

    fn named_by(&mut self, command: &str, name: &str) -> String {
        let named = self.ok(json!({"cmd": command, "user": name, "password": PASSWORD}));
        assert_eq!(named["user"], name);
        named["token"].as_str().unwrap_or_else(|| panic!("a token in {named}")).to_owned()
    }

    #[track_caller]
    pub fn join(&mut self, room: &str) -> Value {
        self.ok(json!({"cmd": "join", "room": room}))
    }

    /// Says something durably and gives its position.
    #[track_caller]
    pub fn say(&mut self, room: &str, text: &str) -> u64 {
        let said = self.ok(json!({"cmd": "say", "room": room, "text": text}));
        said["seq"].as_u64().unwrap_or_else(|| panic!("a position in {said}"))
    }

    /// A room's whole log, page by page.
    #[track_caller]
    pub fn log(&mut self, room: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or(json!(0), |message| message["seq"].clone());
            let page = self.ok(json!({"cmd": "history", "room": room, "after": after, "limit": 500}));
            let page = page["messages"].as_array().expect("messages is a list");
            if page.is_empty() {
                return all;
            }
            all.extend_from_slice(page);
        }
    }
}

/// One field of many objects, as text.
pub fn texts<'a>(messages: impl IntoIterator<Item = &'a Value>) -> Vec<&'a str> {
    messages.into_iter().filter_map(|message| message["text"].as_str()).collect()
}

/// The positions of many messages.
pub fn seqs<'a>(messages: impl IntoIterator<Item = &'a Value>) -> Vec<u64> {
    messages.into_iter().filter_map(|message| message["seq"].as_u64()).collect()
}

/// Replaces a timestamp, having checked its form, so that the rest can be compared.
#[track_caller]
pub fn without_time(mut object: Value) -> Value {
    let time = object["ts"].as_str().unwrap_or_else(|| panic!("a time in {object}"));
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "in {object}");
    object["ts"] = "TIME".into();
    object
}
