//! What was measured: a table for people, lines of JSON for programs.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;

/// One measured number.
#[derive(Clone, Debug)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    pub note: String,
}

/// Prints figures as they come.
pub struct Report {
    scenario: String,
    json: bool,
    pub figures: Vec<(String, Figure)>,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Figure {
        Figure { name: name.into(), value, unit, note: String::new() }
    }

    pub fn note(mut self, note: impl Into<String>) -> Figure {
        self.note = note.into();
        self
    }

    /// Few digits: a measurement is not exact to more.
    pub fn shown(&self) -> String {
        let digits = match self.value.abs() {
            value if value == 0.0 || value >= 100.0 => 0,
            value if value >= 10.0 => 1,
            _ => 2,
        };
        let number = grouped(&format!("{:.digits$}", self.value));
        if self.unit.is_empty() { number } else { format!("{number} {}", self.unit) }
    }
}

impl Report {
    pub fn new(json: bool) -> Report {
        Report { scenario: String::new(), json, figures: Vec::new() }
    }

    pub fn scenario(&mut self, scenario: &str) {
        self.scenario = scenario.to_string();
        if !self.json {
            println!("\n{scenario}");
        }
    }

    pub fn add(&mut self, figure: Figure) {
        progress("");
        if self.json {
            let Figure { name, value, unit, note } = &figure;
            let scenario = &self.scenario;
            println!(
                "{}",
                json!({"scenario": scenario, "figure": name, "value": value, "unit": unit, "note": note})
            );
        } else {
            let line = format!("  {:<52} {:>18}  {}", figure.name, figure.shown(), figure.note);
            println!("{}", line.trim_end());
        }
        self.figures.push((self.scenario.clone(), figure));
    }

    pub fn latencies(&mut self, what: &str, histogram: &Histogram<u64>) {
        for (name, nanos) in [
            ("p50", histogram.value_at_quantile(0.5)),
            ("p99", histogram.value_at_quantile(0.99)),
            ("p99.9", histogram.value_at_quantile(0.999)),
            ("max", histogram.max()),
        ] {
            self.add(Figure::new(format!("{what}: {name}"), nanos as f64 / 1e6, "ms"));
        }
    }

    /// Everything again, as the table of a README.
    pub fn markdown(&self) {
        if self.json {
            return;
        }
        println!("\nMeasured on {}.", machine());
        println!("\n| scenario | figure | measured | |\n|---|---|---:|---|");
        for (scenario, figure) in &self.figures {
            println!("| `{scenario}` | {} | {} | {} |", figure.name, figure.shown(), figure.note);
        }
    }
}

/// From a microsecond to a minute, to three digits.
pub fn histogram() -> Histogram<u64> {
    let longest = u64::try_from(Duration::from_secs(60).as_nanos()).expect("a minute fits");
    Histogram::new_with_bounds(1_000, longest, 3).expect("these bounds are valid")
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

/// Where the work is, on one line that replaces itself; only for a person who watches.
pub fn progress(text: &str) {
    let mut error = std::io::stderr();
    if error.is_terminal() {
        // A terminal that went away must not stop the measurement.
        let _ = write!(error, "\r\x1b[K{text}").and_then(|()| error.flush());
    }
}

/// What this was measured on.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, |count| count.get());
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = model.map_or("unknown processor", |(_, model)| model);
    format!("{cores} cores of {model}, {} {}", std::env::consts::OS, kernel.trim())
}

fn grouped(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (whole, fraction) =
        number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_few_digits_and_in_groups() {
        for (value, expected) in [
            (3_390_123.4, "3,390,123"),
            (100.0, "100"),
            (12.34, "12.3"),
            (0.654, "0.65"),
            (-1234.0, "-1,234"),
        ] {
            assert_eq!(Figure::new("", value, "").shown(), expected);
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
