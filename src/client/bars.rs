//! Progress on the command line: a bar for each file at work, redrawn in place on the standard error,
//! and nothing of it where that is no terminal.

use std::collections::BTreeMap;
use std::fmt::Display;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::client::transfer::ledger::{Entry, Ledger, State};
use crate::client::transfer::list;
use crate::client::transfer::pace::{Bytes, Meter, Span};
use crate::client::transfer::record::Number;
use crate::proto::time::Instant;

/// The bars that are shown.
#[derive(Default)]
pub struct Bars {
    all: MultiProgress,
    shown: BTreeMap<Number, ProgressBar>,
}

impl Bars {
    /// Shows how far everything is.
    pub fn draw(&mut self, ledger: &Ledger, now: Instant) {
        self.shown.retain(|number, bar| {
            let there = ledger.entry(*number).is_some_and(is_at_work);
            if !there {
                bar.finish_and_clear();
            }
            there
        });
        for entry in ledger.entries().filter(|entry| is_at_work(entry)) {
            let bar = self.shown.entry(entry.number()).or_insert_with(|| {
                let bar = self.all.add(ProgressBar::new(entry.size()).with_style(style()));
                bar.with_prefix(list::name(entry))
            });
            bar.set_position(entry.meter().map_or(0, Meter::done));
            bar.set_message(match (entry.state(), entry.meter()) {
                (State::Moving, Some(meter)) => moving(meter, now),
                _ => list::state(entry, now),
            });
        }
    }

    /// Writes a line to the standard output, and the bars below it.
    pub fn line(&self, text: impl Display) {
        self.all.suspend(|| println!("{text}"));
    }

    /// Writes a line to the standard error.
    pub fn error(&self, text: impl Display) {
        self.all.suspend(|| eprintln!("{text}"));
    }
}

fn is_at_work(entry: &Entry) -> bool {
    !matches!(entry.state(), State::Offered | State::Resting)
}

/// `12.0 MiB of 28.0 MiB, 3.10 MiB/s, 5.2 s left`.
fn moving(meter: &Meter, now: Instant) -> String {
    let left = meter.left(now).map(|left| format!(", {} left", Span(left))).unwrap_or_default();
    format!("{} of {}, {}/s{left}", Bytes(meter.done()), Bytes(meter.total()), Bytes(meter.rate(now)))
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix} {percent:>3} % {bar:24} {msg}");
    // The template is right there; with another one it would only look otherwise.
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}
