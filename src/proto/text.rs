//! What of other people's text may reach a terminal.

use std::borrow::Cow;

/// Removes what could steer a terminal, reorder a line or hide text in it.
///
/// That is: whole escape sequences with their parameters and payload, all controls but TAB,
/// bidirectional controls, line and paragraph separators, annotation and tag characters (flags
/// keep theirs). What joins letters and emoji stays. The result is a fixed point.
pub fn sanitise(text: &str) -> Cow<'_, str> {
    if is_plain_ascii(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let Some(first) = text.char_indices().find(|&(_, c)| is_unsafe(c)) else {
        return Cow::Borrowed(text);
    };
    let mut clean = String::with_capacity(text.len());
    // A flag's tags look unsafe one by one; the walk starts before the flag that they may belong to.
    let (kept, mut rest) = text.split_at(text[..first.0].rfind(BLACK_FLAG).unwrap_or(first.0));
    clean.push_str(kept);
    while let Some(c) = rest.chars().next() {
        let (skipped, copied) = step(c, rest);
        clean.push_str(&rest[skipped..copied]);
        rest = &rest[copied..];
    }
    if clean.len() == text.len() { Cow::Borrowed(text) } else { Cow::Owned(clean) }
}

/// C0 and C1 controls but TAB, bidirectional controls, separators, annotations, tags, byte order marks.
pub fn is_unsafe(c: char) -> bool {
    match c {
        '\t' => false,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => true,
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

/// The longest beginning of `text` that has at most `bytes_max` bytes and ends between characters.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let fits = |&end: &usize| text.is_char_boundary(end);
    let end = (0..=bytes_max.min(text.len())).rev().find(fits).unwrap_or(0);
    &text[..end]
}

/// One quick pass without a branch a byte: almost every line that is ever said ends here.
fn is_plain_ascii(bytes: &[u8]) -> bool {
    bytes.chunks(32).all(|chunk| {
        chunk.iter().fold(true, |plain, &byte| plain & (matches!(byte, b' '..=b'~') | (byte == b'\t')))
    })
}

/// What to do at `rest`, which begins with `first`: where the part to drop ends, then the part to copy.
fn step(first: char, rest: &str) -> (usize, usize) {
    let length = first.len_utf8();
    match first {
        ESCAPE => {
            let skipped = escape_sequence(rest);
            (skipped, skipped)
        }
        '\u{9b}' => {
            let skipped = length + control_sequence(&rest[length..]);
            (skipped, skipped)
        }
        '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => {
            let skipped = length + control_string(&rest[length..]);
            (skipped, skipped)
        }
        BLACK_FLAG => (0, length + flag_tags(&rest[length..])),
        c if is_unsafe(c) => (length, length),
        _ => (0, length),
    }
}

/// How long the sequence is that starts with the ESC at the beginning of `text`.
fn escape_sequence(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        Some(b'[') => 2 + control_sequence(&text[2..]),
        Some(b'P' | b'X' | b']' | b'^' | b'_') => 2 + control_string(&text[2..]),
        _ => {
            let intermediate = run(&bytes[1..], b' '..=b'/');
            let last = bytes.get(1 + intermediate);
            1 + intermediate + usize::from(last.is_some_and(|byte| matches!(byte, b'0'..=b'~')))
        }
    }
}

/// Parameters, intermediates and the final byte; where anything else comes, the sequence has ended.
fn control_sequence(text: &str) -> usize {
    let bytes = text.as_bytes();
    let parameters = run(bytes, b'0'..=b'?');
    let length = parameters + run(&bytes[parameters..], b' '..=b'/');
    length + usize::from(bytes.get(length).is_some_and(|byte| matches!(byte, b'@'..=b'~')))
}

/// The payload with its terminator, BEL or ST; nothing if it is not terminated.
///
/// Any other introducer breaks the string off, as terminals do; so no character is looked at twice.
fn control_string(text: &str) -> usize {
    for (index, c) in text.char_indices() {
        match c {
            '\u{7}' | '\u{9c}' => return index + c.len_utf8(),
            ESCAPE if text[index + 1..].starts_with('\\') => return index + 2,
            ESCAPE | '\u{18}' | '\u{1a}' | '\u{80}'..='\u{9f}' => return 0,
            _ => {}
        }
    }
    0
}

fn run(bytes: &[u8], range: std::ops::RangeInclusive<u8>) -> usize {
    bytes.iter().take_while(|byte| range.contains(byte)).count()
}

/// The tags that make a black flag the flag of a region, the closing one included; else nothing.
fn flag_tags(text: &str) -> usize {
    let mut length = 0;
    for (index, c) in text.chars().enumerate().take(FLAG_TAGS_MAX + 1) {
        length += c.len_utf8();
        match c {
            '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}' => {}
            '\u{e007f}' if index > 0 => return length,
            _ => return 0,
        }
    }
    0
}

const ESCAPE: char = '\u{1b}';
const BLACK_FLAG: char = '\u{1f3f4}';
/// A region is named by up to six letters and digits.
const FLAG_TAGS_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_a_terminal_is_removed() {
        let cases = [
            ("plain", "plain"),
            ("tab\tstays", "tab\tstays"),
            ("a\0b\x07c\rd\ne\x7ff", "abcdef"),
            ("a\u{85}b\u{80}c", "abc"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b[?25;1 qx", "x"),
            ("\x1b[12\u{e9}", "\u{e9}"),
            ("\x1b[12", ""),
            ("\u{9b}2Jx", "x"),
            ("\x1b]0;title\x07x", "x"),
            ("\x1b]8;;http://e\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1b]0;never ended", "0;never ended"),
            ("\x1b]0;broken\x1b[1moff\x07", "0;brokenoff"),
            ("\u{9d}0;title\u{9c}x", "x"),
            ("\x1bPq#0\x1b\\x\x1b_app\x1b\\y\x1b^pm\x1b\\z\x1bXsos\x1b\\", "xyz"),
            ("\u{90}dcs\x07x\u{9f}apc\u{9c}y\u{98}unended", "xyunended"),
            ("\x1b(Bx\x1bcy\x1b", "xy"),
            ("\x1b\u{e9}\x1b\x1b[1mx", "\u{e9}x"),
            ("a\u{202e}b\u{2066}c\u{2069}d\u{200e}e\u{200f}f\u{61c}g", "abcdefg"),
            ("a\u{2028}b\u{2029}c\u{feff}d\u{fff9}e\u{fffb}f\u{206a}g", "abcdefg"),
            ("a\u{e0001}\u{e0041}\u{e007f}b", "ab"),
            (
                "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}!",
                "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}!",
            ),
            ("\u{1f3f4}\u{e0067}\u{e0062}", "\u{1f3f4}"),
            ("\u{1f3f4}\u{e007f}", "\u{1f3f4}"),
            (
                "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e0067}\u{e0067}\u{e007f}",
                "\u{1f3f4}",
            ),
            (
                "\u{1f468}\u{200d}\u{1f469} \u{2764}\u{fe0f} \u{915}\u{94d}\u{200c}\u{937}",
                "\u{1f468}\u{200d}\u{1f469} \u{2764}\u{fe0f} \u{915}\u{94d}\u{200c}\u{937}",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(sanitise(text), expected, "{text:?}");
        }
    }

    #[test]
    fn clean_text_is_borrowed() {
        for text in ["", "hello", "\u{96ea}\u{1f600}", "\u{1f3f4}\u{e0067}\u{e007f}"] {
            assert!(matches!(sanitise(text), Cow::Borrowed(_)), "{text:?}");
        }
    }

    #[test]
    fn a_cut_falls_between_characters() {
        let cases = [
            ("abc", 2, "ab"),
            ("abc", 9, "abc"),
            ("a\u{e9}", 2, "a"),
            ("\u{e9}", 0, ""),
            ("a\u{e9}", 3, "a\u{e9}"),
        ];
        for (text, bytes_max, expected) in cases {
            assert_eq!(cut(text, bytes_max), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left_and_nothing_is_left_to_do(
            text in "([\\x00-\\x7f\u{80}-\u{9f}]|\\PC|[\u{1f3f4}\u{e0061}\u{e007f}\u{1b}\u{9d}\u{7}\\[\\]\\\\]){0,60}"
        ) {
            let clean = sanitise(&text).into_owned();
            prop_assert!(!clean.chars().any(|c| is_unsafe(c) && !('\u{e0000}'..='\u{e007f}').contains(&c)), "{:?}", clean);
            prop_assert_eq!(sanitise(&clean), &*clean);
        }
    }
}
