//! A person with netcat.

use super::pattern::matches;
use super::wire::{Heard, Wire};

pub struct Text {
    pub wire: Wire,
}

impl Text {
    pub fn new(wire: Wire) -> Text {
        Text { wire }
    }

    pub fn send(&mut self, line: &str) {
        self.wire.send_line(line);
    }

    /// The next line must be this; see [`matches`].
    #[track_caller]
    pub fn expect(&mut self, pattern: &str) -> String {
        match self.wire.hear() {
            Heard::Line(line) if matches(pattern, &line) => line,
            other => panic!("expected {pattern:?}, heard {other:?}"),
        }
    }

    /// All lines before the first that is this.
    #[track_caller]
    pub fn expect_until(&mut self, pattern: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.wire.hear() {
                Heard::Line(line) if matches(pattern, &line) => return lines,
                Heard::Line(line) => lines.push(line),
                other => panic!("expected {pattern:?}, heard {other:?} after {lines:#?}"),
            }
        }
    }

    /// Everything that came before the server had dealt with all that was sent.
    ///
    /// A command that does not exist has an answer of one line, which names it.
    #[track_caller]
    pub fn sync(&mut self) -> Vec<String> {
        self.send("/are-you-there");
        let mut lines = Vec::new();
        loop {
            match self.wire.hear() {
                Heard::Line(line) if matches("!!! unknown-command: …/are-you-there…", &line) => {
                    return lines;
                }
                Heard::Line(line) => lines.push(line),
                other => panic!("no answer to an unknown command: {other:?} after {lines:#?}"),
            }
        }
    }

    /// Sends a line and gives everything that came of it.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> Vec<String> {
        self.send(line);
        self.sync()
    }

    /// One line of the answer contains all of these words.
    #[track_caller]
    pub fn shows(&mut self, command: &str, words: &str) {
        let lines = self.ask(command);
        let found = lines.iter().any(|line| words.split(' ').all(|word| line.contains(word)));
        assert!(found, "{command}: no line with {words:?} in {lines:#?}");
    }

    /// No line of the answer contains this.
    #[track_caller]
    pub fn hides(&mut self, command: &str, text: &str) {
        let lines = self.ask(command);
        assert!(!lines.iter().any(|line| line.contains(text)), "{command}: {text:?} in {lines:#?}");
    }
}
