//! What was typed before, for Up, Down and Ctrl-r. Never a secret; and what is private, or could hold
//! a password, is kept in memory alone: the rest lasts until the next start.

use std::collections::VecDeque;

/// Lines that were sent, oldest first.
#[derive(Debug, Default)]
pub struct History {
    lines: VecDeque<Typed>,
    /// The line that is shown, counted from the newest; `None`: what is being typed.
    at: Option<usize>,
    /// What was being typed when going up began.
    typed: String,
}

#[derive(Debug)]
struct Typed {
    text: String,
    /// It may be written to disk.
    lasts: bool,
}

impl History {
    /// What an earlier session left, a line each.
    pub fn restore(text: &str) -> History {
        let mut history = History::default();
        text.lines().for_each(|line| history.keep(line, true));
        history
    }

    /// What may be written to disk, a line each. A text of several lines is not among it.
    pub fn lasting(&self) -> String {
        let lasting = self.lines.iter().filter(|typed| typed.lasts && !typed.text.contains('\n'));
        lasting.flat_map(|typed| [typed.text.as_str(), "\n"]).collect()
    }

    /// Keeps a line; going up begins anew. `public`: it was typed where the server can read it anyway.
    pub fn keep(&mut self, line: &str, public: bool) {
        self.at = None;
        if self.lines.back().is_some_and(|last| last.text == line) || line.len() > LINE_BYTES_MAX {
            return;
        }
        self.lines.push_back(Typed { text: line.to_owned(), lasts: public && is_harmless(line) });
        if self.lines.len() > LINES_MAX {
            self.lines.pop_front();
        }
    }

    /// The line before the one that is shown; `shown` is what the input holds.
    pub fn older(&mut self, shown: &str) -> Option<&str> {
        let next = self.at.map_or(0, |at| at + 1);
        if next >= self.lines.len() {
            return None;
        }
        if self.at.is_none() {
            self.typed = shown.to_owned();
        }
        self.at = Some(next);
        self.lines.get(self.lines.len() - 1 - next).map(|typed| typed.text.as_str())
    }

    /// The line after the one that is shown, at last what was being typed.
    pub fn newer(&mut self) -> Option<&str> {
        match self.at? {
            0 => {
                self.at = None;
                Some(&self.typed)
            }
            at => {
                self.at = Some(at - 1);
                self.lines.get(self.lines.len() - at).map(|typed| typed.text.as_str())
            }
        }
    }

    /// The newest line with these words in it, after passing over some such lines.
    pub fn find(&self, words: &str, skip: usize) -> Option<&str> {
        let words = words.to_lowercase();
        let mut lines = self.lines.iter().rev().map(|typed| typed.text.as_str());
        lines.by_ref().filter(|line| line.to_lowercase().contains(&words)).nth(skip)
    }
}

/// A text, or a command that takes neither a password nor a key nor a private message.
fn is_harmless(line: &str) -> bool {
    let mut words = line.split_whitespace();
    match words.next() {
        Some("/join") => words.count() <= 1,
        Some(word) if word.starts_with('/') && !word.starts_with("//") => HARMLESS.contains(&word),
        _ => true,
    }
}

const HARMLESS: [&str; 12] = [
    "/help", "/history", "/leave", "/list", "/me", "/rooms", "/search", "/status", "/topic", "/who",
    "/whois", "/close",
];

/// Lines kept, and the longest of them: a paste of pages is not worth keeping.
const LINES_MAX: usize = 500;
const LINE_BYTES_MAX: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_in_order_and_what_was_typed_last() {
        let mut history = History::default();
        for line in ["one", "two", "two", "Twenty"] {
            history.keep(line, true);
        }
        assert_eq!(history.newer(), None);
        assert_eq!(history.older("thr"), Some("Twenty"));
        assert_eq!(history.older("Twenty"), Some("two"));
        assert_eq!(history.older("two"), Some("one"));
        assert_eq!(history.older("one"), None);
        assert_eq!(history.newer(), Some("two"));
        assert_eq!(history.newer(), Some("Twenty"));
        assert_eq!(history.newer(), Some("thr"));
        assert_eq!(history.newer(), None);
        assert_eq!(history.find("TW", 0), Some("Twenty"));
        assert_eq!(history.find("tw", 1), Some("two"));
        assert_eq!(history.find("tw", 2), None);
    }

    #[test]
    fn it_is_bounded() {
        let mut history = History::default();
        for n in 0..LINES_MAX + 10 {
            history.keep(&format!("line {n}"), true);
        }
        assert_eq!(history.lines.len(), LINES_MAX);
        history.keep(&"x".repeat(LINE_BYTES_MAX + 1), true);
        assert_eq!(history.older(""), Some(format!("line {}", LINES_MAX + 9).as_str()));
    }

    #[test]
    fn what_is_private_or_secret_does_not_last() {
        let mut history = History::default();
        for line in
            ["hello room", "/msg bob psst", "/join a", "/join b key", "/login al pw", "/whois bob", "//x"]
        {
            history.keep(line, true);
        }
        history.keep("to bob alone", false);
        history.keep("two\nlines", true);
        assert_eq!(history.lasting(), "hello room\n/join a\n/whois bob\n//x\n");
        let mut restored = History::restore(&history.lasting());
        assert_eq!(restored.older(""), Some("//x"));
        assert_eq!(history.older(""), Some("two\nlines"));
    }
}
