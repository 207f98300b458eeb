//! What was typed before, for Up, Down and Ctrl-r. Kept in memory alone, and never a secret.

use std::collections::VecDeque;

/// Lines that were sent, oldest first.
#[derive(Debug, Default)]
pub struct History {
    lines: VecDeque<String>,
    /// The line that is shown, counted from the newest; `None`: what is being typed.
    at: Option<usize>,
    /// What was being typed when going up began.
    typed: String,
}

impl History {
    /// Keeps a line; going up begins anew.
    pub fn keep(&mut self, line: &str) {
        self.at = None;
        if self.lines.back().is_some_and(|last| last == line) || line.len() > LINE_BYTES_MAX {
            return;
        }
        self.lines.push_back(line.to_owned());
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
        self.lines.get(self.lines.len() - 1 - next).map(String::as_str)
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
                self.lines.get(self.lines.len() - at).map(String::as_str)
            }
        }
    }

    /// The newest line with these words in it, after passing over some such lines.
    pub fn find(&self, words: &str, skip: usize) -> Option<&str> {
        let words = words.to_lowercase();
        let mut found = self.lines.iter().rev().filter(|line| line.to_lowercase().contains(&words));
        found.nth(skip).map(String::as_str)
    }
}

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
            history.keep(line);
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
            history.keep(&format!("line {n}"));
        }
        assert_eq!(history.lines.len(), LINES_MAX);
        history.keep(&"x".repeat(LINE_BYTES_MAX + 1));
        assert_eq!(history.older(""), Some(format!("line {}", LINES_MAX + 9).as_str()));
    }
}
