//! Progress on the command line: a bar for each file at work, redrawn in place on the standard error,
//! and nothing of it where that is no terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::client::batch::Said;
use crate::client::link::Link;
use crate::client::transfer::ledger::{Entry, State};
use crate::client::transfer::list;
use crate::client::transfer::pace::{Bytes, Meter, Span};
use crate::proto::time::Instant;

/// The bars that are shown.
#[derive(Default)]
pub struct Bars {
    all: MultiProgress,
    /// By the number of the transfer.
    shown: BTreeMap<u64, ProgressBar>,
}

/// How far a transfer is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    /// Of the transfer.
    pub number: u64,
    /// Of the file, safe to show.
    pub name: String,
    /// Bytes.
    pub size: u64,
    pub done: u64,
    /// What stands behind the bar.
    pub text: String,
}

impl Bar {
    /// `None` for a transfer that is not at work.
    pub fn of(entry: &Entry, now: Instant) -> Option<Bar> {
        if matches!(entry.state(), State::Offered | State::Resting) {
            return None;
        }
        Some(Bar {
            number: entry.number().0,
            name: list::name(entry),
            size: entry.size(),
            done: entry.meter().map_or(0, Meter::done),
            text: match (entry.state(), entry.meter()) {
                (State::Moving, Some(meter)) => moving(meter, now),
                _ => list::state(entry, now),
            },
        })
    }
}

impl Bars {
    /// Shows how far everything is.
    pub fn follow(&mut self, link: &Link) {
        let now = link.now().mono;
        if let Some(transfers) = link.transfers() {
            let bars: Vec<Bar> =
                transfers.ledger().entries().filter_map(|entry| Bar::of(entry, now)).collect();
            self.draw(&bars);
        }
    }

    /// Shows these bars, and no others.
    pub fn draw(&mut self, bars: &[Bar]) {
        let numbers: BTreeSet<u64> = bars.iter().map(|bar| bar.number).collect();
        self.shown.retain(|number, bar| {
            let there = numbers.contains(number);
            if !there {
                bar.finish_and_clear();
            }
            there
        });
        for Bar { number, name, size, done, text } in bars {
            let bar = self.shown.entry(*number).or_insert_with(|| {
                let bar = self.all.add(ProgressBar::new(*size).with_style(style()));
                bar.with_prefix(name.clone())
            });
            bar.set_position(*done);
            bar.set_message(text.clone());
        }
    }

    /// Says what there is to say, if there is anything.
    pub fn said(&self, said: Option<Said>) {
        match said {
            Some(Said::Error(text)) => self.error(format_args!("sotto: {text}")),
            Some(Said::Line(text)) => self.line(text),
            None => {}
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
