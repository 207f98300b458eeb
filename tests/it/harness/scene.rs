//! Several people with netcat, and a script of what they type and see.
//!
//! A script has a line for everything typed (`alice > text`) and everything seen (`bob < pattern`), in
//! the order in which it happens. `bob < ⋮` lets any lines pass; `bob < (closed)` is the end of the
//! connection. Who is first mentioned connects. Behind the last line nobody may have seen more than was
//! written; a mismatch prints both texts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::PASSWORD;
use super::pattern::matches;
use super::text::Text;
use super::wire::{Heard, Wire};

const ANY_LINES: &str = "⋮";
const CLOSED: &str = "(closed)";

pub struct Scene {
    address: SocketAddr,
    people: BTreeMap<String, Text>,
}

impl Scene {
    pub fn new(address: SocketAddr) -> Scene {
        Scene { address, people: BTreeMap::new() }
    }

    /// Connects these as guests.
    pub fn guests(&mut self, names: &[&str]) {
        for name in names {
            self.enter(name, &format!("/nick {name}"));
        }
    }

    /// Connects these and makes an account for each.
    pub fn accounts(&mut self, names: &[&str]) {
        for name in names {
            self.enter(name, &format!("/register {name} {PASSWORD}"));
        }
    }

    /// Connects somebody with an account; rooms and letters that come with the login are read.
    pub fn login(&mut self, name: &str) {
        self.login_as(name, name);
    }

    /// The same under another name in the script: a second session.
    pub fn login_as(&mut self, who: &str, name: &str) {
        self.enter_as(who, name, &format!("/login {name} {PASSWORD}"));
    }

    fn enter(&mut self, name: &str, line: &str) {
        self.enter_as(name, name, line);
    }

    fn enter_as(&mut self, who: &str, name: &str, line: &str) {
        let person = self.person(who);
        person.send(line);
        person.expect(&format!("*** {{{name}}}"));
        self.settle();
    }

    /// All these join, one after the other; what they see of it is read.
    pub fn join(&mut self, room: &str, names: &[&str]) {
        for name in names {
            self.person(name).send(&format!("/join {room}"));
            self.person(name).expect_until("*** end of history");
        }
        self.settle();
    }

    /// Reads everything that has come for anybody.
    pub fn settle(&mut self) {
        for person in self.people.values_mut() {
            person.sync();
        }
    }

    /// Somebody of the scene, who connects if need be.
    pub fn person(&mut self, who: &str) -> &mut Text {
        let address = self.address;
        self.people.entry(who.to_owned()).or_insert_with(|| Text::new(Wire::connect(address)))
    }

    /// Puts somebody on another connection into the scene, such as a TLS one.
    pub fn add(&mut self, who: &str, wire: Wire) {
        self.people.insert(who.to_owned(), Text::new(wire));
    }

    /// Leaves politely; what the others see of it is read.
    pub fn quit(&mut self, who: &str) {
        let person = self.person(who);
        person.send("/quit");
        person.wire.rest();
        self.remove(who);
        self.settle();
    }

    /// Cuts the connection.
    pub fn remove(&mut self, who: &str) {
        self.people.remove(who);
    }

    #[track_caller]
    pub fn ask(&mut self, who: &str, command: &str) -> Vec<String> {
        self.person(who).ask(command)
    }

    #[track_caller]
    pub fn shows(&mut self, who: &str, command: &str, words: &str) {
        self.person(who).shows(command, words);
    }

    #[track_caller]
    pub fn hides(&mut self, who: &str, command: &str, text: &str) {
        self.person(who).hides(command, text);
    }

    /// Plays a script to its end.
    #[track_caller]
    pub fn play(&mut self, script: &str) {
        let mut play = self.start(script);
        for (who, person) in &mut self.people {
            if !play.closed.contains(who) {
                let more = person.sync();
                if !play.passing.contains(who) {
                    play.actual.extend(more.iter().map(|line| format!("{who} < {line}")));
                }
            }
        }
        play.check();
        for who in play.closed {
            self.people.remove(&who);
        }
    }

    /// Plays a script that ends at a question: the next line typed is the answer.
    #[track_caller]
    pub fn play_open(&mut self, script: &str) {
        self.start(script).check();
    }

    #[track_caller]
    fn start(&mut self, script: &str) -> Play {
        let mut play = Play::new(script);
        for line in play.expected.clone() {
            let (who, rest) = line.split_once(' ').expect("a script's line starts with a name");
            match rest.split_at(1) {
                (">", typed) => {
                    self.person(who).send(typed.strip_prefix(' ').unwrap_or(""));
                    play.actual.push(line);
                }
                ("<", seen) => {
                    let seen = seen.trim_start();
                    if !play.see(who, self.person(who), seen) {
                        play.check();
                        unreachable!("what does not match differs");
                    }
                }
                _ => panic!("neither typed nor seen: {line:?}"),
            }
        }
        play
    }
}

/// A script on its way.
struct Play {
    expected: Vec<String>,
    actual: Vec<String>,
    /// Who may see any lines until the next that is written.
    passing: BTreeSet<String>,
    closed: BTreeSet<String>,
}

impl Play {
    fn new(script: &str) -> Play {
        let lines = script.lines().map(str::trim_start).filter(|line| !line.is_empty());
        Play {
            expected: lines.map(str::to_owned).collect(),
            actual: Vec::new(),
            passing: BTreeSet::new(),
            closed: BTreeSet::new(),
        }
    }

    /// Whether the next line is the one that was written; notes what it is.
    fn see(&mut self, who: &str, person: &mut Text, pattern: &str) -> bool {
        if pattern == ANY_LINES {
            self.passing.insert(who.to_owned());
            self.actual.push(format!("{who} < {pattern}"));
            return true;
        }
        let passing = self.passing.remove(who);
        loop {
            let heard = person.wire.hear();
            let (matched, text) = match &heard {
                Heard::Line(line) => (matches(pattern, line), line.as_str()),
                Heard::Closed => (pattern == CLOSED, CLOSED),
                Heard::Nothing => (false, "(nothing)"),
            };
            if matched || !passing || !matches!(heard, Heard::Line(_)) {
                let text = if matched { pattern } else { text };
                self.actual.push(format!("{who} < {text}"));
                if heard == Heard::Closed {
                    self.closed.insert(who.to_owned());
                }
                return matched;
            }
        }
    }

    #[track_caller]
    fn check(&self) {
        let (expected, actual) = (self.expected.join("\n"), self.actual.join("\n"));
        assert!(expected == actual, "expected:\n{expected}\n\nactual:\n{actual}\n");
    }
}
