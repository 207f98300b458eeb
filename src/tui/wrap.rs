//! Text into rows of a width, counted as terminals count: two columns for CJK and emoji, none for
//! combining marks.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns that a text takes on the screen.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The longest beginning of a text that fits, with `…` if it is not all of it.
pub fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short = fitting(text, columns.saturating_sub(1)).to_owned();
    if columns > 0 {
        short.push('…');
    }
    short
}

/// Breaks a text into rows: the first may be narrower than the others. Breaks at blanks where that is
/// possible; a word that is longer than a row is broken anywhere. There is always at least one row.
pub fn wrap(text: &str, first: usize, others: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for line in text.split('\n') {
        let columns = if rows.is_empty() { first } else { others };
        wrap_line(&line.replace('\t', TAB), columns.max(1), others.max(1), &mut rows);
    }
    rows
}

fn wrap_line(line: &str, first: usize, others: usize, rows: &mut Vec<String>) {
    let before = rows.len();
    let mut row = String::new();
    let mut room = first;
    for part in line.split_inclusive(' ') {
        let word = part.trim_end_matches(' ');
        let columns = width(word);
        if columns > room && columns <= others && (!row.is_empty() || room < others) {
            rows.push(std::mem::take(&mut row));
            room = others;
        }
        let mut rest = word;
        while width(rest) > room {
            let mut cut = fitting(rest, room).len();
            if cut == 0 && row.is_empty() {
                // Wider than a whole row: the screen's edge cuts it off.
                cut = rest.graphemes(true).next().map_or(rest.len(), str::len);
            }
            row.push_str(&rest[..cut]);
            rest = &rest[cut..];
            rows.push(std::mem::take(&mut row));
            room = others;
        }
        row.push_str(rest);
        room -= width(rest);
        // Blanks that do not fit vanish beyond the edge.
        let blanks = (part.len() - word.len()).min(room);
        row.extend(std::iter::repeat_n(' ', blanks));
        room -= blanks;
    }
    if !row.is_empty() || rows.len() == before {
        rows.push(row);
    }
}

/// The longest beginning of a text that takes at most so many columns, of whole clusters.
pub fn fitting(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    for (at, cluster) in text.grapheme_indices(true) {
        taken += width(cluster);
        if taken > columns {
            return &text[..at];
        }
    }
    text
}

/// A tab in somebody's text.
const TAB: &str = "    ";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, first: usize, others: usize, expected: &[&str]) {
        let rows = wrap(text, first, others);
        let trimmed: Vec<&str> = rows.iter().map(|row| row.trim_end()).collect();
        assert_eq!(trimmed, expected, "{text:?}");
        if others > 1 {
            for row in &rows[1..] {
                assert!(width(row) <= others, "{row:?} is wider than {others}");
            }
        }
    }

    #[test]
    fn rows_break_at_blanks() {
        check("", 10, 10, &[""]);
        check("one two three", 7, 7, &["one two", "three"]);
        check("one two three", 3, 9, &["one", "two three"]);
        check("three two", 2, 9, &["", "three two"]);
        check("one  two", 20, 20, &["one  two"]);
        check("one two", 6, 6, &["one", "two"]);
        check("a\nb\n\nc", 5, 5, &["a", "b", "", "c"]);
        check("\na", 5, 5, &["", "a"]);
        check("a\tb", 20, 20, &["a    b"]);
    }

    #[test]
    fn long_words_break_anywhere() {
        check("abcdefgh", 3, 5, &["abc", "defgh"]);
        check("abcdefghij", 3, 5, &["abc", "defgh", "ij"]);
        check("ab cdefghijkl", 5, 5, &["ab cd", "efghi", "jkl"]);
        check("abcde fgh", 5, 5, &["abcde", "fgh"]);
        check("abcdefgh ij", 4, 4, &["abcd", "efgh", "ij"]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        check("漢字漢字", 5, 5, &["漢字", "漢字"]);
        check("a👩‍👩‍👧b", 3, 3, &["a👩‍👩‍👧", "b"]);
        check("e\u{301}e\u{301}e\u{301}", 2, 2, &["e\u{301}e\u{301}", "e\u{301}"]);
        check("漢字", 1, 1, &["漢", "字"]);
        assert_eq!(shorten("漢字漢字", 5), "漢字…");
        assert_eq!(shorten("漢字漢字", 4), "漢…");
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abc", 0), "");
    }
}
