//! A room so large that it is told together who comes and who goes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::json::Json;
use crate::harness::server::Server;

/// Connections that hear a room up to which everything is told at once.
const AT_ONCE: usize = 100;
/// So many come at once that not all of them can come in a while of their own.
const MANY: usize = 24;

/// The members of a room as a client keeps them, from the reply to `join` and what is told after it.
struct Members {
    names: BTreeSet<String>,
    /// What was told of them, in the order it came.
    notices: Vec<Value>,
}

impl Members {
    fn new(view: &Value) -> Members {
        Members { names: names(&view["members"]), notices: Vec::new() }
    }

    fn hear(&mut self, notice: Value) {
        let user = || notice["user"].as_str().expect("a user").to_owned();
        match notice["kind"].as_str().expect("a kind") {
            "join" => drop(self.names.insert(user())),
            "leave" | "quit" | "kick" => drop(self.names.remove(&user())),
            "presence" => {
                self.names.retain(|name| !names(&notice["left"]).contains(name));
                self.names.extend(names(&notice["joined"]));
            }
            _ => return,
        }
        self.notices.push(notice);
    }
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

fn who(client: &mut Json) -> BTreeSet<String> {
    let page = client.ok(json!({"cmd": "who", "room": "lobby"}));
    let members = page["members"].as_array().expect("a list");
    members.iter().map(|member| member["user"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_large_room_is_told_together_who_comes_and_goes() {
    let server = Server::start();
    let guest = |number: usize| server.json_guest(&format!("u{number:03}"));
    let mut anna = server.json_guest("anna");
    let mut members = Members::new(&anna.join("lobby"));
    // With anna and a person with netcat, as many as are told at once, and one who comes into that.
    let mut regulars: Vec<Json> = (0..AT_ONCE - 2).map(guest).collect();
    for regular in &mut regulars {
        regular.join("lobby");
    }
    let mut scene = server.room_of("lobby", &["bob"]);
    for event in anna.events() {
        assert_eq!(event["kind"], "join", "one by one in a small room");
        members.hear(event);
    }
    assert_eq!(members.names, who(&mut anna), "known at once in a small room");
    let mut last = server.json_guest("last");
    last.join("lobby");
    members.hear(anna.event());

    // One after the other, which takes no second.
    let mut others: Vec<Json> = (AT_ONCE..AT_ONCE + MANY).map(guest).collect();
    for other in &mut others {
        other.join("lobby");
    }
    for mut other in others.drain(MANY / 2..) {
        other.ok(json!({"cmd": "quit"}));
    }
    regulars[0].ok(json!({"cmd": "leave", "room": "lobby"}));
    let there = who(&mut anna);
    while members.names != there {
        members.hear(anna.event());
    }
    let together = members.notices.iter().filter(|notice| notice["kind"] == "presence");
    assert!(together.count() > 0, "{:?}", members.notices);
    // Once, or more often where the machine is slow.
    scene.play("bob < ⋮\nbob < *** …have…#lobby…\nbob < ⋮");
}

#[test]
fn in_a_large_room_kicks_topics_and_messages_come_at_once() {
    let server = Server::start();
    let mut anna = server.json_guest("anna");
    anna.join("lobby");
    let mut others: Vec<Json> =
        (0..=AT_ONCE).map(|number| server.json_guest(&format!("u{number}"))).collect();
    for other in &mut others {
        other.join("lobby");
    }
    anna.events();
    anna.ok(json!({"cmd": "kick", "room": "lobby", "user": "u100", "text": "loud"}));
    anna.ok(json!({"cmd": "topic", "room": "lobby", "topic": "tea"}));
    anna.say("lobby", "hello");
    let mut told = Vec::new();
    while told.last().is_none_or(|event: &Value| event["ev"] != "message") {
        told.push(others[50].event());
    }
    let kinds: Vec<&str> = told.iter().filter_map(|event| event["kind"].as_str()).collect();
    let of_note: Vec<&&str> = kinds.iter().filter(|kind| !matches!(**kind, "join" | "presence")).collect();
    assert_eq!(of_note, [&"kick", &"topic"], "{told:?}");
    assert_eq!(others[100].events().last().expect("the kick")["kind"], "kick");
}
