//! People coming and going: a run of such lines is told in one sentence.

use crate::client::scrollback::{Kind, Line};

/// Somebody came or went.
pub fn is_traffic(kind: Kind) -> bool {
    matches!(kind, Kind::Join | Kind::Leave | Kind::Quit)
}

/// "alice, bob joined; carol left; dave came and went".
pub fn summary(run: &[Line]) -> String {
    // Who, and how it began and ended: `true` is in the room.
    let mut people: Vec<(&str, bool, bool)> = Vec::new();
    for line in run {
        let came = line.kind == Kind::Join;
        match people.iter_mut().find(|(name, ..)| *name == &*line.from) {
            Some((_, _, last)) => *last = came,
            None => people.push((&line.from, came, came)),
        }
    }
    let parts = [(true, true, "joined"), (false, false, "left"), (true, false, "came and went")];
    let parts = parts.into_iter().chain([(false, true, "went and came back")]);
    let told = parts.filter_map(|(first, last, what)| {
        let names: Vec<&str> = people
            .iter()
            .filter(|person| (person.1, person.2) == (first, last))
            .map(|person| person.0)
            .collect();
        (!names.is_empty()).then(|| format!("{} {what}", list(&names)))
    });
    told.collect::<Vec<_>>().join("; ")
}

fn list(names: &[&str]) -> String {
    match names.get(..NAMES_MAX) {
        Some(some) if names.len() > NAMES_MAX + 1 => {
            format!("{} and {} others", some.join(", "), names.len() - NAMES_MAX)
        }
        _ => names.join(", "),
    }
}

/// Names in one list; more would hide the messages around it.
const NAMES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::scrollback::{Origin, Seal};
    use crate::proto::id::Seq;
    use crate::proto::time::Timestamp;

    /// `+alice` came, `-alice` left, `!alice` quit.
    #[track_caller]
    fn check(events: &str, expected: &str) {
        let run: Vec<Line> = events
            .split(' ')
            .map(|event| {
                let kind = match &event[..1] {
                    "+" => Kind::Join,
                    "-" => Kind::Leave,
                    _ => Kind::Quit,
                };
                let (from, text, at) = (event[1..].into(), "".into(), Timestamp(0));
                let seal = Seal::ServerReadable;
                Line { kind, origin: Origin::Live, own: false, seq: Seq(0), at, from, text, seal }
            })
            .collect();
        assert_eq!(summary(&run), expected, "{events}");
    }

    #[test]
    fn a_run_is_one_sentence() {
        check("+alice +bob -carol", "alice, bob joined; carol left");
        check("+alice -alice +bob", "bob joined; alice came and went");
        check("!alice +alice", "alice went and came back");
        check("+alice -alice +alice", "alice joined");
        let many: Vec<String> = (0..12).map(|n| format!("+u{n}")).collect();
        check(&many.join(" "), "u0, u1, u2, u3, u4, u5, u6, u7 and 4 others joined");
        let nine: Vec<String> = (0..9).map(|n| format!("+u{n}")).collect();
        check(&nine.join(" "), "u0, u1, u2, u3, u4, u5, u6, u7, u8 joined");
    }
}
