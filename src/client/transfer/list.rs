//! What `/files` shows, and the gauge of a status line: how far each transfer is, in words.

use crate::client::transfer::ledger::{Entry, Ledger, State, Topic};
use crate::client::transfer::pace::{Bytes, Meter, Span, describe};
use crate::client::transfer::record::{Number, Record};
use crate::e2e::file::name::safe_name;
use crate::proto::time::Instant;

/// A line for each transfer and offer.
pub fn lines(ledger: &Ledger, now: Instant) -> Vec<String> {
    let mut lines: Vec<String> = ledger.entries().map(|entry| line(entry, now)).collect();
    if lines.is_empty() {
        lines.push("no files are offered or on their way".to_owned());
    }
    lines
}

/// `3: report.pdf from bob, 3.20 MiB: offered`.
fn line(entry: &Entry, now: Instant) -> String {
    let Number(number) = entry.number();
    let whom = match entry.record() {
        Record::Receiving(receiving) => format!("from {}", receiving.from),
        Record::Sending(sending) => match &sending.room {
            Some(room) => format!("to #{room}"),
            None => format!("to {}", entry.people().join(", ")),
        },
    };
    format!("{number}: {} {whom}, {}: {}", name(entry), Bytes(entry.size()), state(entry, now))
}

/// The file's name, safe to show.
pub fn name(entry: &Entry) -> String {
    match entry.record() {
        Record::Receiving(receiving) => safe_name(&receiving.note.name),
        Record::Sending(sending) => sending.name.clone(),
    }
}

/// What becomes of it at the moment, in words.
pub fn state(entry: &Entry, now: Instant) -> String {
    match (entry.state(), entry.meter()) {
        (State::Asking(Topic::Finish), _) => "the server has all of it, and writes it down".to_owned(),
        (State::Asking(_), _) => "the server is asked".to_owned(),
        (State::Moving, Some(meter)) => describe(meter, now),
        (State::Moving, None) => "what is there is being looked at".to_owned(),
        (State::Noting(_), _) => "it is there, and is being told of".to_owned(),
        (State::Offered, _) => {
            let Number(number) = entry.number();
            format!("offered: /accept {number} or /decline {number}")
        }
        (State::Resting, _) => "waits for another session".to_owned(),
        (State::Waiting { why: None, .. }, _) => "waits for its turn".to_owned(),
        (State::Waiting { until, why: Some(why) }, _) => {
            let rest = std::time::Duration::from_millis(until.since_ms(now));
            format!("interrupted, goes on in {} ({why})", Span(rest))
        }
    }
}

/// All that moves at the moment, as one: for a gauge. `None` while nothing does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    pub transfers: usize,
    pub done: u64,
    pub total: u64,
    /// Bytes in a second.
    pub rate: u64,
}

impl Gauge {
    pub fn of(ledger: &Ledger, now: Instant) -> Option<Gauge> {
        let moving = ledger.entries().filter(|entry| *entry.state() == State::Moving);
        let meters: Vec<&Meter> = moving.filter_map(Entry::meter).collect();
        if meters.is_empty() {
            return None;
        }
        let sum =
            |of: &dyn Fn(&Meter) -> u64| meters.iter().map(|meter| of(meter)).fold(0, u64::saturating_add);
        Some(Gauge {
            transfers: meters.len(),
            done: sum(&Meter::done),
            total: sum(&Meter::total),
            rate: sum(&|meter| meter.rate(now)),
        })
    }

    /// 0 to 100.
    pub fn percent(&self) -> u8 {
        let percent = u128::from(self.done) * 100 / u128::from(self.total.max(1));
        u8::try_from(percent).unwrap_or(100).min(100)
    }

    /// `2 files ▕███▌      ▏ 35 % 12.0 MiB/s`, with a bar of so many columns.
    pub fn text(&self, columns: usize) -> String {
        let files =
            if self.transfers == 1 { "1 file".to_owned() } else { format!("{} files", self.transfers) };
        format!("{files} ▕{}▏ {} % {}/s", bar(self.percent(), columns), self.percent(), Bytes(self.rate))
    }
}

/// A bar of eighths of a column.
fn bar(percent: u8, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = usize::from(percent.min(100)) * columns * 8 / 100;
    let (whole, rest) = (eighths / 8, EIGHTHS[eighths % 8]);
    let empty = columns - whole - usize::from(!rest.is_empty());
    format!("{}{rest}{}", "█".repeat(whole), " ".repeat(empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_width_whatever_it_shows() {
        for percent in 0..=100 {
            assert_eq!(bar(percent, 10).chars().count(), 10, "{percent}");
        }
        assert_eq!(bar(0, 4), "    ");
        assert_eq!(bar(50, 4), "██  ");
        assert_eq!(bar(60, 4), "██▍ ");
        assert_eq!(bar(100, 4), "████");
        assert_eq!(bar(100, 0), "");
    }

    #[test]
    fn a_gauge_is_one_line() {
        let gauge = Gauge { transfers: 2, done: 35, total: 100, rate: 12 << 20 };
        assert_eq!(gauge.text(10), "2 files ▕███▌      ▏ 35 % 12.0 MiB/s");
        let gauge = Gauge { transfers: 1, done: 0, total: 0, rate: 0 };
        assert_eq!(gauge.text(2), "1 file ▕  ▏ 0 % 0 bytes/s");
    }
}
