//! The order of one room's messages: complete, without doubles, whatever way they come.
//!
//! Messages arrive live, in the answer to `join`, in pages fetched to fill a gap, and as answers to
//! one's own `say`; the same message may come by several of these. [`Sequence`] lets each pass once,
//! in the order of `seq`. What is ahead of a gap waits, in bounded numbers; what does not fit is
//! fetched again.
//!
//! ```text
//!             seq = last + 1: shown, and what waits behind it
//! message ──► seq > last + 1: waits; `gap()` says what to fetch
//!             seq <= last:    was shown already, dropped
//! ```

use std::collections::BTreeMap;

use crate::client::scrollback::{Kind, LINES_MAX, Line, Origin, Seal};
use crate::proto::id::Seq;
use crate::proto::time::Timestamp;

/// Which of a room's messages were shown, and which wait.
#[derive(Debug, Default)]
pub struct Sequence {
    /// The newest message that was shown; `None` before the room was entered for the first time.
    last: Option<u64>,
    /// A message of this number exists.
    target: u64,
    /// Invariant: every key is above `last + 1`, and at most [`AHEAD_MAX`] are kept.
    ahead: BTreeMap<u64, Line>,
}

impl Sequence {
    /// The newest message shown.
    pub fn last(&self) -> Seq {
        Seq(self.last.unwrap_or(0))
    }

    /// The room was entered before, so a gap is what was missed.
    pub fn has_begun(&self) -> bool {
        self.last.is_some()
    }

    /// Messages are missing: fetch those after this one.
    pub fn gap(&self) -> Option<Seq> {
        self.last.filter(|last| *last < self.target).map(Seq)
    }

    /// The answer to `join`: the newest number, and recent messages, oldest first. `fresh`: the first
    /// such answer on this connection, so its number counts even if it is lower than what was known.
    pub fn enter(&mut self, seq: u64, recent: Vec<Line>, fresh: bool) -> Vec<Line> {
        let mut shown = Vec::new();
        let newest = recent.iter().map(|line| line.seq.0).max().unwrap_or(0).max(seq).min(SEQ_MAX);
        if fresh && self.last.is_some_and(|last| newest < last) {
            shown.push(gap_line(&recent, "the log of this room began anew"));
            *self = Sequence { target: newest, ..Sequence::default() };
        }
        self.target = self.target.max(newest);
        let Some(last) = self.last else {
            let first = recent.iter().map(|line| line.seq.0).find(|seq| (1..=SEQ_MAX).contains(seq));
            self.last = Some(first.map_or(newest, |first| first - 1));
            self.step_through(recent, &mut shown);
            return shown;
        };
        let missing = newest.saturating_sub(last);
        if missing > LINES_MAX as u64 {
            let skipped = missing - LINES_MAX as u64;
            shown.push(gap_line(&recent, &format!("{skipped} messages before this were skipped")));
            self.last = Some(last + skipped);
        }
        self.take_all(recent, &mut shown);
        shown
    }

    /// A message was said, by anybody.
    pub fn live(&mut self, line: Line) -> Vec<Line> {
        let mut shown = Vec::new();
        self.take(line, &mut shown);
        shown
    }

    /// A message exists that is not shown yet, because the room is being entered.
    pub fn heard_of(&mut self, seq: Seq) {
        self.target = self.target.max(seq.0.min(SEQ_MAX));
    }

    /// The page that was fetched after [`Sequence::gap`], oldest first. The server's log is the
    /// authority: what is not in the page does not exist any more, and the gap is marked instead.
    /// Every page ends or shortens the gap, so fetching comes to an end whatever the server sends.
    pub fn page(&mut self, page: Vec<Line>) -> Vec<Line> {
        let mut shown = Vec::new();
        let before = self.last;
        self.step_through(page, &mut shown);
        if self.last == before && self.gap().is_some() {
            match self.ahead.pop_first() {
                Some((_, line)) => self.step_through(vec![line], &mut shown),
                None => self.target = self.last.unwrap_or(0),
            }
        }
        shown
    }

    /// Shows these in order and marks what is missing between them.
    fn step_through(&mut self, lines: Vec<Line>, shown: &mut Vec<Line>) {
        for line in lines {
            let last = self.last.unwrap_or(0);
            if line.seq.0 > SEQ_MAX {
                continue;
            }
            if line.seq.0 > last + 1 {
                let missing = line.seq.0 - last - 1;
                let text = match missing {
                    1 => "a message is missing here".to_owned(),
                    _ => format!("{missing} messages are missing here"),
                };
                shown.push(gap_line(std::slice::from_ref(&line), &text));
                self.last = Some(line.seq.0 - 1);
            }
            self.take(line, shown);
        }
    }

    fn take_all(&mut self, lines: Vec<Line>, shown: &mut Vec<Line>) {
        for line in lines {
            self.take(line, shown);
        }
    }

    fn take(&mut self, line: Line, shown: &mut Vec<Line>) {
        let last = self.last.unwrap_or(0);
        let seq = line.seq.0;
        match seq {
            // A room without a log.
            0 => shown.push(line),
            _ if seq > SEQ_MAX || seq <= last => {}
            _ if seq == last + 1 => {
                shown.push(line);
                self.last = Some(seq);
                self.release(shown);
            }
            _ => {
                self.ahead.entry(seq).or_insert(line);
                if self.ahead.len() > AHEAD_MAX {
                    self.ahead.pop_last();
                }
            }
        }
        self.target = self.target.max(seq.min(SEQ_MAX));
    }

    /// Shows what waited for the message that was shown last.
    fn release(&mut self, shown: &mut Vec<Line>) {
        while let Some((&seq, _)) = self.ahead.first_key_value() {
            let last = self.last.unwrap_or(0);
            if seq > last + 1 {
                return;
            }
            let line = self.ahead.remove(&seq).expect("it was the first a moment ago");
            if seq == last + 1 {
                shown.push(line);
                self.last = Some(seq);
            }
        }
    }
}

fn gap_line(before: &[Line], text: &str) -> Line {
    Line {
        kind: Kind::Gap,
        origin: Origin::Missed,
        own: false,
        seq: Seq(0),
        at: before.first().map_or(Timestamp::default(), |line| line.at),
        from: "".into(),
        text: text.into(),
        seal: Seal::ServerReadable,
    }
}

/// Messages that wait behind a gap in one room; more are fetched again once it is filled.
const AHEAD_MAX: usize = 1_000;
/// No room has so many messages; a higher number is the server's mistake, and leaves room to add to.
const SEQ_MAX: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64) -> Line {
        Line {
            kind: Kind::Say,
            origin: Origin::Live,
            own: false,
            seq: Seq(seq),
            at: Timestamp(seq),
            from: "alice".into(),
            text: format!("{seq}").into(),
            seal: Seal::ServerReadable,
        }
    }

    fn lines(seqs: impl IntoIterator<Item = u64>) -> Vec<Line> {
        seqs.into_iter().map(line).collect()
    }

    /// Message texts, gaps in brackets.
    #[track_caller]
    fn check(shown: &[Line], expected: &[&str]) {
        let shown: Vec<String> = shown
            .iter()
            .map(
                |line| {
                    if line.kind == Kind::Gap { format!("[{}]", line.text) } else { line.text.to_string() }
                },
            )
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_first_entry_shows_recent_messages_and_goes_on_from_there() {
        let mut room = Sequence::default();
        check(&room.enter(7, lines(5..=7), true), &["5", "6", "7"]);
        assert_eq!(room.gap(), None);
        check(&room.live(line(7)), &[]);
        check(&room.live(line(8)), &["8"]);
    }

    #[test]
    fn a_first_entry_without_recent_messages_counts_from_its_number() {
        let mut room = Sequence::default();
        check(&room.enter(7, vec![], true), &[]);
        assert_eq!((room.last(), room.gap()), (Seq(7), None));
        check(&room.live(line(8)), &["8"]);
    }

    #[test]
    fn a_gap_is_filled_before_what_came_after_it_is_shown() {
        let mut room = Sequence::default();
        room.enter(2, lines([2]), true);
        check(&room.live(line(5)), &[]);
        check(&room.live(line(7)), &[]);
        assert_eq!(room.gap(), Some(Seq(2)));
        check(&room.page(lines(3..=4)), &["3", "4", "5"]);
        assert_eq!(room.gap(), Some(Seq(5)));
        check(&room.page(lines(6..=7)), &["6", "7"]);
        assert_eq!(room.gap(), None);
    }

    #[test]
    fn coming_back_joins_recent_messages_to_what_was_seen() {
        let mut room = Sequence::default();
        room.enter(2, lines(1..=2), true);
        check(&room.enter(6, lines(2..=6), true), &["3", "4", "5", "6"]);
        check(&room.enter(60, lines(58..=60), true), &[]);
        assert_eq!(room.gap(), Some(Seq(6)));
        let all: Vec<String> = (7..=60).map(|seq| seq.to_string()).collect();
        check(&room.page(lines(7..=57)), &all.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn what_the_log_no_longer_has_is_marked() {
        let mut room = Sequence::default();
        room.enter(2, lines(1..=2), true);
        room.enter(20, lines([20]), true);
        check(&room.page(lines(10..=11)), &["[7 messages are missing here]", "10", "11"]);
        check(&room.page(vec![]), &["[8 messages are missing here]", "20"]);
        assert_eq!(room.gap(), None);
        room.heard_of(Seq(22));
        check(&room.page(vec![]), &[]);
        assert_eq!(room.gap(), None, "a message that never comes is not asked for for ever");
    }

    #[test]
    fn a_log_that_began_anew_is_shown_from_its_start() {
        let mut room = Sequence::default();
        room.enter(200, lines(199..=200), true);
        check(&room.enter(3, lines(1..=3), true), &["[the log of this room began anew]", "1", "2", "3"]);
        check(&room.enter(2, lines(1..=2), false), &[]);
        check(&room.live(line(4)), &["4"]);
    }

    #[test]
    fn a_long_absence_is_skipped_to_what_fits() {
        let mut room = Sequence::default();
        room.enter(10, vec![], true);
        check(&room.enter(20_010, lines([20_010]), true), &["[15000 messages before this were skipped]"]);
        assert_eq!(room.gap(), Some(Seq(15_010)));
    }

    #[test]
    fn waiting_messages_are_bounded_and_fetched_again() {
        let mut room = Sequence::default();
        room.enter(1, lines([1]), true);
        for seq in 3..=5_000 {
            room.live(line(seq));
        }
        assert_eq!(room.ahead.len(), AHEAD_MAX);
        assert_eq!(room.page(lines([2])).len(), AHEAD_MAX + 1);
        let mut fetched = 0;
        while let Some(Seq(after)) = room.gap() {
            fetched += room.page(lines(after + 1..=(after + 500).min(5_000))).len();
        }
        assert_eq!(fetched, 5_000 - AHEAD_MAX - 2);
    }

    #[test]
    fn absurd_numbers_do_no_harm() {
        let mut room = Sequence::default();
        room.enter(u64::MAX, lines([u64::MAX, 4]), true);
        let mut room = Sequence::default();
        room.enter(3, lines([3, 2, 9, 1]), true);
        check(&room.live(line(u64::MAX)), &[]);
        room.heard_of(Seq(u64::MAX));
        for _ in 0..4 {
            room.page(vec![]);
        }
        assert_eq!(room.gap(), None);
        assert_eq!(room.live(line(i64::MAX as u64)).len(), 0);
        assert_eq!(room.page(vec![]).len(), 2);
        room.live(line(i64::MAX as u64));
        room.page(lines([i64::MAX as u64]));
    }
}
