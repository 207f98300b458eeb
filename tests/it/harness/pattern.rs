//! How an expected line is written where the exact words are the server's own business.
//!
//! - `…` stands for any text, also none
//! - `HH:MM` stands for a time of day
//! - `{word} {#room}` at the end: the rest of the line contains all of these, in any order

/// Whether the line is what the pattern says.
pub fn matches(pattern: &str, line: &str) -> bool {
    match pattern.find('{') {
        Some(at) => {
            let (start, words) = pattern.split_at(at);
            let mut words = words.split(['{', '}']).filter(|word| !word.trim().is_empty());
            let start_len = start.trim_end().len();
            line.get(..start_len) == Some(start.trim_end())
                && words.all(|word| line[start_len..].contains(word))
        }
        None => fits(pattern, line),
    }
}

fn fits(pattern: &str, line: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix('…') {
        return line.char_indices().any(|(at, _)| fits(rest, &line[at..])) || fits(rest, "");
    }
    if let Some(rest) = pattern.strip_prefix("HH:MM") {
        return time_of_day(line).is_some_and(|line| fits(rest, line));
    }
    let (Some(wanted), Some(found)) = (pattern.chars().next(), line.chars().next()) else {
        return pattern.is_empty() && line.is_empty();
    };
    wanted == found && fits(&pattern[wanted.len_utf8()..], &line[found.len_utf8()..])
}

/// What follows the time of day that the line starts with.
fn time_of_day(line: &str) -> Option<&str> {
    let (time, rest) = line.split_at_checked(5)?;
    let (hours, minutes) = time.split_once(':')?;
    let below = |text: &str, bound: u32| text.len() == 2 && text.parse::<u32>().is_ok_and(|n| n < bound);
    (below(hours, 24) && below(minutes, 60)).then_some(rest)
}

#[test]
fn patterns_fit_what_they_say_and_nothing_else() {
    #[track_caller]
    fn check(pattern: &str, line: &str, expected: bool) {
        assert_eq!(matches(pattern, line), expected, "{pattern:?} on {line:?}");
    }
    check("*** you are in #a", "*** you are in #a", true);
    check("*** you are in #a", "*** you are in #ab", false);
    check("!!! no-name: …", "!!! no-name: choose one", true);
    check("!!! no-name: …", "!!! no-room: choose one", false);
    check("… end", "an end", true);
    check("… end", "an ending", false);
    check("[HH:MM] <alice> …", "[23:59] <alice> hello", true);
    check("[HH:MM] <alice> …", "[24:00] <alice> hello", false);
    check("*** {alice} {#lobby}", "*** #lobby: alice came", true);
    check("*** {alice} {#lobby}", "*** #lobby: bob came", false);
    check("*** {alice}", "!!! alice", false);
}
