//! A file's name as a stranger wrote it, made into one that is safe to show and to write to.

/// The last component, without anything that controls, turns or means more than a name.
pub fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut safe: String = last.chars().map(|letter| if is_unsafe(letter) { '_' } else { letter }).collect();
    // Windows drops these at the end, so that the name would be another one.
    safe.truncate(safe.trim_end_matches(['.', ' ']).len());
    let leading = safe.len() - safe.trim_start_matches([' ', '.']).len();
    safe.drain(..leading);
    let stem = safe.split('.').next().unwrap_or_default().trim_end();
    if safe.is_empty() {
        safe.push_str(NAMELESS);
    } else if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(stem)) || is_numbered_device(stem)
    {
        safe.insert(0, '_');
    }
    let end = (0..=NAME_BYTES_MAX.min(safe.len())).rev().find(|&end| safe.is_char_boundary(end));
    safe.truncate(end.unwrap_or(0));
    safe
}

/// Control characters, those that turn the direction of writing or cannot be seen, and those that
/// mean something in a path or a shell of Windows.
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '<' | '>' | ':' | '"' | '|' | '?' | '*')
        || matches!(letter, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(letter, '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `COM1`, `LPT9`, and the same with the superscript digits that Windows takes as well.
fn is_numbered_device(stem: &str) -> bool {
    let Some((device, number)) = stem.split_at_checked(3) else { return false };
    let mut digits = number.chars();
    (device.eq_ignore_ascii_case("com") || device.eq_ignore_ascii_case("lpt"))
        && matches!(digits.next(), Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'))
        && digits.next().is_none()
}

/// What no file may be called on Windows, with whatever ending.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// For names of which nothing is left.
const NAMELESS: &str = "file";

/// File systems take 255 bytes; the rest is for a number against collisions and for `.part`.
pub const NAME_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_safe() {
        let check = |name: &str, expected: &str| assert_eq!(safe_name(name), expected, "{name:?}");
        check("cat.jpg", "cat.jpg");
        check("grüße 1.txt", "grüße 1.txt");
        check("../../etc/passwd", "passwd");
        check("C:\\Windows\\a.dll", "a.dll");
        check(".bashrc", "bashrc");
        check("...", "file");
        check("", "file");
        check("dir/", "file");
        check("a\u{202e}gpj.exe", "a_gpj.exe");
        check("a\nb\u{1b}[2J", "a_b_[2J");
        check("CON", "_CON");
        check("nul.txt", "_nul.txt");
        check("com1.tar.gz", "_com1.tar.gz");
        check("lpt\u{b2}", "_lpt\u{b2}");
        check("com10", "com10");
        check("console", "console");
        check("aux .txt", "_aux .txt");
        check("name. . ", "name");
        check("a:b", "a_b");
    }

    #[test]
    fn names_have_a_bound() {
        assert_eq!(safe_name(&"a".repeat(NAME_BYTES_MAX)).len(), NAME_BYTES_MAX);
        assert_eq!(safe_name(&"a".repeat(NAME_BYTES_MAX + 1)).len(), NAME_BYTES_MAX);
        assert_eq!(safe_name(&"ü".repeat(NAME_BYTES_MAX)).len(), NAME_BYTES_MAX, "cut between letters");
    }
}
