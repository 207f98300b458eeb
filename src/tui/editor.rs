//! The input line: text of one or several lines, a cursor, and the editing that readline users know.
//!
//! The cursor stands between grapheme clusters, so an emoji or a letter with accents is one step and
//! is deleted as a whole. What is typed or pasted is cleaned: nothing that could move the terminal's
//! cursor gets in, and nothing beyond [`BYTES_MAX`].

use unicode_segmentation::UnicodeSegmentation;

use crate::proto::text::sanitise;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Editor {
    text: String,
    /// Invariant: a boundary of grapheme clusters in `text`, or its end.
    cursor: usize,
    /// What was cut last, for [`Edit::Yank`].
    killed: String,
}

/// One step of editing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    Backspace,
    BackspaceWord,
    /// Back to the last white space, as Ctrl-w does.
    BackspaceBlank,
    Delete,
    DeleteWord,
    End,
    Home,
    KillToEnd,
    KillToStart,
    Left,
    LeftWord,
    Right,
    RightWord,
    Transpose,
    Yank,
}

impl Editor {
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the cursor is, in bytes.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Takes the text out, for sending.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Puts another text in; the cursor goes to its end.
    pub fn set(&mut self, text: &str) {
        self.text.clear();
        self.cursor = 0;
        self.insert(text);
    }

    /// Inserts at the cursor.
    pub fn insert(&mut self, text: &str) {
        let lines: Vec<String> = lines_of(text).map(|line| sanitise(line).replace('\t', TAB)).collect();
        let text = lines.join("\n");
        if self.text.len() + text.len() <= BYTES_MAX {
            self.text.insert_str(self.cursor, &text);
            self.cursor += text.len();
            // A combining mark joined what stands before it, or what follows joined it.
            self.settle();
        }
    }

    /// Replaces the bytes from `start` to the cursor: how a completion is put in.
    pub fn replace_before(&mut self, start: usize, with: &str) {
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
        self.insert(with);
    }

    pub fn edit(&mut self, edit: Edit) {
        let (text, at) = (&self.text, self.cursor);
        match edit {
            Edit::Left => self.cursor = left(text, at),
            Edit::Right => self.cursor = right(text, at),
            Edit::LeftWord => self.cursor = left_word(text, at, is_word),
            Edit::RightWord => self.cursor = right_word(text, at),
            Edit::Home => self.cursor = line_start(text, at),
            Edit::End => self.cursor = line_end(text, at),
            Edit::Backspace => self.remove(left(text, at), at),
            Edit::Delete => self.remove(at, right(text, at)),
            Edit::BackspaceWord => self.kill(left_word(text, at, is_word), at),
            Edit::BackspaceBlank => self.kill(left_word(text, at, |c| !c.is_whitespace()), at),
            Edit::DeleteWord => self.kill(at, right_word(text, at)),
            Edit::KillToStart => self.kill(line_start(text, at), at),
            // At the end of a line, the end itself, as emacs does.
            Edit::KillToEnd if line_end(text, at) == at => self.kill(at, right(text, at)),
            Edit::KillToEnd => self.kill(at, line_end(text, at)),
            Edit::Transpose => self.transpose(),
            Edit::Yank => {
                let killed = std::mem::take(&mut self.killed);
                self.insert(&killed);
                self.killed = killed;
            }
        }
    }

    /// Goes one line up or down within the text; `false` if there is none.
    pub fn step_line(&mut self, up: bool) -> bool {
        let start = line_start(&self.text, self.cursor);
        let column = self.text[start..self.cursor].graphemes(true).count();
        let target = if up {
            if start == 0 {
                return false;
            }
            line_start(&self.text, start - 1)
        } else {
            let end = line_end(&self.text, self.cursor);
            if end == self.text.len() {
                return false;
            }
            end + 1
        };
        let line = &self.text[target..line_end(&self.text, target)];
        self.cursor = target + line.graphemes(true).take(column).map(str::len).sum::<usize>();
        true
    }

    fn remove(&mut self, start: usize, end: usize) {
        self.text.replace_range(start..end, "");
        self.cursor = start;
        self.settle();
    }

    fn kill(&mut self, start: usize, end: usize) {
        if start < end {
            self.killed = self.text[start..end].to_owned();
            self.remove(start, end);
        }
    }

    fn transpose(&mut self) {
        let end = right(&self.text, self.cursor);
        let middle = left(&self.text, end);
        let start = left(&self.text, middle);
        if start < middle && middle < end && !self.text[start..end].contains('\n') {
            let swapped = format!("{}{}", &self.text[middle..end], &self.text[start..middle]);
            self.text.replace_range(start..end, &swapped);
            self.cursor = end;
            self.settle();
        }
    }

    /// Moves the cursor to the next boundary of clusters.
    fn settle(&mut self) {
        let boundaries = self.text.grapheme_indices(true).map(|(at, _)| at);
        let next = boundaries.chain([self.text.len()]).find(|&at| at >= self.cursor);
        self.cursor = next.unwrap_or(self.text.len());
    }
}

/// Lines as a terminal pastes them: ended by LF, CR or both.
fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn left(text: &str, at: usize) -> usize {
    text[..at].grapheme_indices(true).next_back().map_or(0, |(start, _)| start)
}

fn right(text: &str, at: usize) -> usize {
    at + text[at..].graphemes(true).next().map_or(0, str::len)
}

fn left_word(text: &str, at: usize, is_part: impl Fn(char) -> bool) -> usize {
    let between = text[..at].trim_end_matches(|c| !is_part(c));
    between.trim_end_matches(is_part).len()
}

fn right_word(text: &str, at: usize) -> usize {
    let rest = text[at..].trim_start_matches(|c| !is_word(c)).trim_start_matches(is_word);
    text.len() - rest.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline)
}

/// What a line may hold: as much as one request of the protocol.
pub const BYTES_MAX: usize = 64 * 1024;

/// A tab would move the terminal's cursor by an amount nobody knows.
const TAB: &str = "    ";

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` is the cursor, before and after.
    #[track_caller]
    fn check(before: &str, edits: &[Edit], after: &str) {
        let mut editor = Editor::default();
        let (left, right) = before.split_once('|').expect("a cursor");
        editor.set(&format!("{left}{right}"));
        editor.cursor = left.len();
        for &edit in edits {
            editor.edit(edit);
        }
        let (left, right) = editor.text.split_at(editor.cursor);
        assert_eq!(format!("{left}|{right}"), after, "{before} {edits:?}");
    }

    #[test]
    fn edits_are_those_of_readline() {
        check("one two|", &[Edit::Home], "|one two");
        check("|one two", &[Edit::End], "one two|");
        check("one| two", &[Edit::Left, Edit::Left, Edit::Right], "on|e two");
        check("one two, three|", &[Edit::LeftWord, Edit::LeftWord], "one |two, three");
        check("|one two", &[Edit::RightWord, Edit::RightWord, Edit::RightWord], "one two|");
        check("one, two-three|", &[Edit::BackspaceWord], "one, two-|");
        check("one, two-three|", &[Edit::BackspaceBlank], "one, |");
        check("one two-three  |", &[Edit::BackspaceBlank], "one |");
        check("|one two", &[Edit::DeleteWord], "| two");
        check("one |two", &[Edit::KillToEnd, Edit::Home, Edit::Yank], "two|one ");
        check("one |two", &[Edit::KillToStart, Edit::End, Edit::Yank], "twoone |");
        check("ab|", &[Edit::Transpose], "ba|");
        check("a|bc", &[Edit::Transpose], "ba|c");
        check("|", &[Edit::Backspace, Edit::Delete, Edit::Left, Edit::Right, Edit::Transpose], "|");
        check("one\ntw|o", &[Edit::KillToStart, Edit::KillToEnd], "one\n|");
        check("one|\ntwo", &[Edit::KillToEnd], "one|two");
        check("one\n|two", &[Edit::Backspace], "one|two");
    }

    #[test]
    fn what_looks_like_one_character_is_one_step() {
        check("a👩‍👩‍👧|", &[Edit::Backspace], "a|");
        check("e\u{301}|x", &[Edit::Left], "|e\u{301}x");
        check("漢字|", &[Edit::Left], "漢|字");
        check("|🇩🇪🇫🇷", &[Edit::Delete], "|🇫🇷");
        // Deleting what stood between joins two flags into others; the cursor stays between clusters.
        let mut editor = Editor::default();
        editor.set("e");
        editor.cursor = 0;
        editor.insert("x");
        editor.insert("\u{301}");
        assert_eq!((editor.text(), editor.cursor()), ("x\u{301}e", 3));
    }

    #[test]
    fn what_is_pasted_is_clean_and_bounded() {
        let mut editor = Editor::default();
        editor.insert("a\tb\u{1b}[31m\r\nc\rd\u{202e}");
        assert_eq!(editor.text(), format!("a{TAB}b[31m\nc\nd").replace("[31m", &sanitised("\u{1b}[31m")));
        editor.set(&"x".repeat(BYTES_MAX));
        editor.insert("y");
        assert_eq!(editor.text().len(), BYTES_MAX);
    }

    fn sanitised(text: &str) -> String {
        sanitise(text).into_owned()
    }

    #[test]
    fn lines_are_stepped_through_in_their_column() {
        let mut editor = Editor::default();
        editor.set("first\nab\nthird");
        let mut steps = Vec::new();
        for up in [true, true, true, false, false, false] {
            steps.push((editor.step_line(up), editor.cursor()));
        }
        let expected = [(true, 8), (true, 2), (false, 2), (true, 8), (true, 11), (false, 11)];
        assert_eq!(steps, expected);
    }
}
