//! Names of users and rooms: what is allowed, how they are shown, how they are compared.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, LazyLock};

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::skeleton;

use crate::proto::limits::{ROOM_NAME_CHARS_MAX, USER_NAME_CHARS_MAX};
use crate::proto::refusal::{Code, Refusal};

/// A valid user name: as its holder typed it, and the key it is compared by.
#[derive(Clone)]
pub struct UserName(Name);

/// A valid room name, without the `#`; shown with one.
#[derive(Clone)]
pub struct RoomName(Name);

#[derive(Clone)]
struct Name {
    shown: Arc<str>,
    /// Invariant: `fold(shown)`. The same allocation as `shown` where they are equal.
    key: Arc<str>,
}

impl UserName {
    /// Checks and folds what somebody typed.
    pub fn parse(text: &str) -> Result<UserName, Refusal> {
        let name = parse(text, USER_NAME_CHARS_MAX)?;
        // `<alice -> you>` is how a private message to the reader is shown: nobody may be called that.
        if &*name.key == "you" {
            return Err(bad_name("the name `you` would mislead others, take another one"));
        }
        Ok(UserName(name))
    }

    /// As its holder typed it.
    pub fn shown(&self) -> &Arc<str> {
        &self.0.shown
    }

    /// What names are compared by; equal keys are the same name.
    pub fn key(&self) -> &Arc<str> {
        &self.0.key
    }
}

impl RoomName {
    /// Checks and folds what somebody typed, with or without a leading `#`.
    pub fn parse(text: &str) -> Result<RoomName, Refusal> {
        parse(text.strip_prefix('#').unwrap_or(text), ROOM_NAME_CHARS_MAX).map(RoomName)
    }

    /// As its first visitor typed it, without the `#`.
    pub fn shown(&self) -> &Arc<str> {
        &self.0.shown
    }

    /// What names are compared by; equal keys are the same name.
    pub fn key(&self) -> &Arc<str> {
        &self.0.key
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.shown)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0.shown)
    }
}

macro_rules! compared_by_key {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.key == other.0.key
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.key.cmp(&other.0.key)
            }
        }
        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.0.key.hash(state);
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0.shown)
            }
        }
    };
}

compared_by_key!(UserName);
compared_by_key!(RoomName);

fn parse(text: &str, chars_max: usize) -> Result<Name, Refusal> {
    if text.is_ascii() { parse_ascii(text, chars_max) } else { parse_any(text, chars_max) }
}

/// Names that need no Unicode: one look-up a byte, and one allocation where the key is the name itself.
fn parse_ascii(text: &str, chars_max: usize) -> Result<Name, Refusal> {
    if text.len() > chars_max {
        return Err(wrong_length(chars_max));
    }
    let mut key = [0; ASCII_KEY_BYTES_MAX];
    let mut length = 0;
    let mut has_letter = false;
    for &byte in text.as_bytes() {
        let folded = &ASCII[usize::from(byte)];
        if folded.length == 0 {
            return Err(not_allowed(char::from(byte)));
        }
        let bytes = &folded.bytes[..usize::from(folded.length)];
        key[length..length + bytes.len()].copy_from_slice(bytes);
        length += bytes.len();
        has_letter |= byte.is_ascii_alphanumeric();
    }
    if !has_letter {
        return Err(without_letters(text, chars_max));
    }
    let key = str::from_utf8(&key[..length]).expect("the table holds ASCII alone");
    Ok(name(text, key))
}

/// Any name; what [`parse_ascii`] does with a table, and more.
fn parse_any(text: &str, chars_max: usize) -> Result<Name, Refusal> {
    // Counting stops early: a line may be much longer than a name.
    if text.chars().take(chars_max + 1).count() > chars_max {
        return Err(wrong_length(chars_max));
    }
    check_marks(text)?;
    let mut has_letter = false;
    for c in text.chars() {
        match class(c) {
            Class::Letter | Class::Digit => has_letter = true,
            Class::Mark | Class::Punctuation => {}
            Class::Other => return Err(not_allowed(c)),
        }
        // A few letters are short for whole phrases with blanks in them.
        if c.nfkc().any(|part| class(part) == Class::Other) {
            return Err(not_allowed(c));
        }
    }
    if !has_letter {
        return Err(without_letters(text, chars_max));
    }
    match fold(text) {
        Some(key) if !key.is_empty() => Ok(name(text, &key)),
        _ => Err(bad_name("this name cannot be told from others reliably, take another one")),
    }
}

fn name(shown: &str, key: &str) -> Name {
    let shown: Arc<str> = shown.into();
    let key = if *shown == *key { Arc::clone(&shown) } else { key.into() };
    Name { shown, key }
}

/// Marks follow a letter, and only so many: stacks of them climb into the lines above.
fn check_marks(text: &str) -> Result<(), Refusal> {
    let mut marks = MARKS_MAX;
    for c in text.chars() {
        match class(c) {
            Class::Letter => marks = 0,
            Class::Mark if marks < MARKS_MAX => marks += 1,
            Class::Mark => return Err(bad_name("in a name, a mark follows a letter, at most 4 of them")),
            Class::Digit | Class::Punctuation | Class::Other => marks = MARKS_MAX,
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Digit,
    Letter,
    Mark,
    Other,
    Punctuation,
}

fn class(c: char) -> Class {
    if matches!(c, '_' | '-' | '.') {
        return Class::Punctuation;
    }
    let class = match c.general_category() {
        GeneralCategory::UppercaseLetter
        | GeneralCategory::LowercaseLetter
        | GeneralCategory::TitlecaseLetter
        | GeneralCategory::ModifierLetter
        | GeneralCategory::OtherLetter => Class::Letter,
        GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark => Class::Mark,
        GeneralCategory::DecimalNumber => Class::Digit,
        _ => return Class::Other,
    };
    // Default-ignorable code points have an empty skeleton: letters and marks that nobody sees.
    let invisible = skeleton(c.encode_utf8(&mut [0; 4])).next().is_none();
    if invisible { Class::Other } else { class }
}

/// NFKC, case fold, skeleton, case fold, until nothing changes: what looks alike becomes equal.
///
/// `None` if it does not settle, which no allowed character was seen to do.
fn fold(text: &str) -> Option<String> {
    let mut key = fold_once(text);
    for _ in 0..FOLD_ROUNDS_MAX {
        let next = fold_once(&key);
        if next == key {
            return Some(key);
        }
        key = next;
    }
    None
}

fn fold_once(text: &str) -> String {
    // Lower case first: the standard library knows newer scripts than the case folding data does.
    let mapped: String = text.nfkc().flat_map(char::to_lowercase).default_case_fold().collect();
    skeleton(&mapped).default_case_fold().collect()
}

/// What one ASCII character becomes in a key; no bytes if a name must not contain it.
#[derive(Clone, Copy, Default)]
struct Folded {
    bytes: [u8; ASCII_FOLDED_BYTES_MAX],
    length: u8,
}

static ASCII: LazyLock<[Folded; 128]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let c = char::from(u8::try_from(byte).expect("the table has 128 places"));
        let mut folded = Folded::default();
        if class(c) != Class::Other {
            let key = fold(c.encode_utf8(&mut [0; 4])).expect("ASCII settles");
            assert!(key.is_ascii() && key.len() <= ASCII_FOLDED_BYTES_MAX);
            folded.bytes[..key.len()].copy_from_slice(key.as_bytes());
            folded.length = u8::try_from(key.len()).expect("checked above");
        }
        folded
    })
});

fn bad_name(text: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Code::BadName, text)
}

fn wrong_length(chars_max: usize) -> Refusal {
    bad_name(format!("a name here has 1 to {chars_max} characters: letters, digits, _ - ."))
}

fn without_letters(text: &str, chars_max: usize) -> Refusal {
    if text.is_empty() {
        return wrong_length(chars_max);
    }
    bad_name("a name needs a letter or a digit")
}

/// Names the character by its number where showing it could do harm.
fn not_allowed(c: char) -> Refusal {
    let shown = match c {
        ' ' => "a blank".into(),
        c if c.is_ascii_graphic() => format!("`{c}`"),
        c => format!("U+{:04X}", u32::from(c)),
    };
    bad_name(format!("a name is made of letters, digits, _ - and .; {shown} is not allowed"))
}

/// Marks on one letter; Vietnamese needs two, pointed Hebrew and Arabic three.
const MARKS_MAX: usize = 4;
/// Two rounds were enough for every allowed character.
const FOLD_ROUNDS_MAX: usize = 8;
/// `m` becomes `rn`; no other ASCII character grows.
const ASCII_FOLDED_BYTES_MAX: usize = 2;
const ASCII_KEY_BYTES_MAX: usize = ROOM_NAME_CHARS_MAX * ASCII_FOLDED_BYTES_MAX;

const _: () = assert!(USER_NAME_CHARS_MAX <= ROOM_NAME_CHARS_MAX);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> String {
        UserName::parse(text).unwrap_or_else(|refusal| panic!("{text:?}: {refusal}")).key().to_string()
    }

    #[test]
    fn look_alikes_are_the_same_name() {
        let groups: [&[&str]; 8] = [
            // The first letter of the last one is Cherokee: its skeleton is an m, which has one of its own.
            &["modem", "modern", "MODEM", "Modern", "\u{13b7}odem"],
            &["alice", "Alice", "ALICE", "\u{430}lice", "\u{ff41}\u{ff4c}ice", "a1ice"],
            &["paypal", "p\u{430}yp\u{430}l", "\u{440}aypal"],
            &["zo\u{eb}", "zoe\u{308}", "ZO\u{cb}"],
            &["stra\u{df}e", "strasse", "STRASSE", "STRA\u{1e9e}E"],
            &["o0o", "OOO", "000"],
            &["\u{3c3}\u{3b9}\u{3b3}\u{3b1}\u{3c3}", "\u{3a3}\u{399}\u{393}\u{391}\u{3a3}"],
            &["\u{1d5ba}da", "ada", "Ada"],
        ];
        for group in groups {
            for name in group {
                assert_eq!(key(name), key(group[0]), "{name}");
            }
        }
        assert_ne!(key("alice"), key("alise"));
        assert_ne!(key("a-b"), key("a_b"));
    }

    #[test]
    fn names_of_many_scripts_are_accepted_and_shown_as_typed() {
        for name in [
            "alice",
            "Zo\u{eb}",
            "\u{5d3}\u{5d5}\u{5d3}",
            "\u{639}\u{644}\u{64a}",
            "\u{91f}\u{93f}\u{92a}\u{94d}",
            "\u{96ea}",
            "\u{d55c}\u{ae00}",
            "\u{e01}\u{e33}",
            "\u{6f1}\u{6f2}",
            "a.b-c_d",
            ".dot",
            "-dash-",
            "7",
        ] {
            assert_eq!(&**UserName::parse(name).unwrap().shown(), name);
        }
        let room = RoomName::parse("#Lobby").unwrap();
        assert_eq!((room.to_string().as_str(), &**room.shown(), &**room.key()), ("#Lobby", "Lobby", "lobby"));
        assert_eq!(room, RoomName::parse("lobby").unwrap());
    }

    #[test]
    fn what_is_not_a_name_is_refused_with_the_reason() {
        let cases = [
            ("", "1 to 32"),
            ("a b", "a blank"),
            ("a/b", "`/`"),
            ("a\u{7}", "U+0007"),
            ("a\u{9b}b", "U+009B"),
            ("a\u{202e}b", "U+202E"),
            ("a\u{200d}b", "U+200D"),
            ("a\u{200b}b", "U+200B"),
            ("a\u{ad}b", "U+00AD"),
            ("\u{115f}", "U+115F"),
            ("\u{1160}a", "U+1160"),
            ("\u{3164}", "U+3164"),
            ("\u{ffa0}", "U+FFA0"),
            ("a\u{fe0f}", "U+FE0F"),
            ("a\u{34f}", "U+034F"),
            ("\u{fdfa}", "U+FDFA"),
            ("\u{1f600}", "U+1F600"),
            ("\u{2800}", "U+2800"),
            ("##", "`#`"),
            ("...", "a letter"),
            ("_-.", "a letter"),
            ("\u{301}a", "mark"),
            ("1\u{301}\u{eb}", "mark"),
            ("a\u{301}\u{301}\u{301}\u{301}\u{301}", "mark"),
            ("You", "mislead"),
            ("y\u{43e}u", "mislead"),
            ("y0u", "mislead"),
        ];
        for (name, reason) in cases {
            let refusal = UserName::parse(name).expect_err(name);
            assert_eq!(refusal.code, Code::BadName);
            assert!(refusal.text.contains(reason), "{name:?}: {refusal}");
        }
        assert!(
            RoomName::parse("you").is_ok() && RoomName::parse("#").is_err() && RoomName::parse("##").is_err()
        );
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        for letter in ["a", "m", "\u{eb}", "\u{10400}"] {
            assert!(UserName::parse(&letter.repeat(32)).is_ok());
            assert!(UserName::parse(&letter.repeat(33)).is_err());
            assert!(RoomName::parse(&letter.repeat(64)).is_ok());
            assert!(RoomName::parse(&letter.repeat(65)).is_err());
        }
    }

    #[test]
    fn one_allocation_serves_both_where_they_are_equal() {
        let name = UserName::parse("bob").unwrap();
        assert!(Arc::ptr_eq(name.shown(), name.key()));
    }

    #[test]
    fn every_allowed_character_folds_to_something_that_stays_whatever_its_case() {
        for c in ('\0'..=char::MAX).filter(|&c| matches!(class(c), Class::Letter | Class::Digit)) {
            let key =
                fold(&c.to_string()).unwrap_or_else(|| panic!("U+{:04X} does not settle", u32::from(c)));
            assert!(!key.is_empty(), "U+{:04X}", u32::from(c));
            for other in [c.to_lowercase().to_string(), c.to_uppercase().to_string()] {
                assert_eq!(fold(&other).as_deref(), Some(&*key), "U+{:04X} and its other case", u32::from(c));
            }
        }
    }

    proptest! {
        #[test]
        fn the_table_agrees_with_the_general_path(text in "[ -~]{0,3}|[a-zA-Z0-9_.-]{0,70}") {
            let (quick, general) = (parse_ascii(&text, 64), parse_any(&text, 64));
            prop_assert_eq!(quick.as_ref().map(|name| (&name.shown, &name.key)), general.as_ref().map(|name| (&name.shown, &name.key)));
        }

        #[test]
        fn parsing_never_panics_and_folding_is_idempotent(text in "\\PC{0,40}|[\\p{L}\\p{Mn}\\p{Nd}]{1,12}") {
            if let Ok(name) = UserName::parse(&text) {
                prop_assert_eq!(&UserName::parse(name.shown()).unwrap(), &name);
                let key = fold(name.key());
                prop_assert_eq!(key.as_deref(), Some(&**name.key()));
            }
        }
    }
}
