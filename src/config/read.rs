//! From the bytes of a file to a checked [`Config`]; every complaint has a line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::{DeInteger, DeTable, DeValue};

use crate::config::Config;
use crate::config::error::ConfigError;
use crate::config::keys::{self, Text, Visitor};
use crate::config::value::{self, Zero};
use crate::proto::limits::{Limits, PerAddress};

/// Reads a file's bytes; `file` is its name, for messages only.
pub(super) fn config(file: &Path, bytes: &[u8]) -> Result<Config, ConfigError> {
    let syntax = |at: usize, problem: String| ConfigError::Syntax {
        file: file.to_path_buf(),
        line: line_of(bytes, at),
        problem,
    };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| syntax(error.valid_up_to(), String::from("is not UTF-8: save the file as UTF-8")))?;
    let table = DeTable::parse(text)
        .map_err(|error| syntax(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    let mut reader = Reader {
        file,
        bytes,
        sections: vec![(TOP_LEVEL, table.into_inner())],
        asked: Vec::new(),
        lines: BTreeMap::new(),
    };
    let mut config = Config::default();
    keys::walk(&mut config, &mut reader)?;
    reader.refuse_unknown()?;
    reader.settle(&mut config)?;
    Ok(config)
}

struct Reader<'a> {
    file: &'a Path,
    bytes: &'a [u8],
    /// The top level and the sections asked for until now, with what nobody has taken from them; the
    /// last one is being read.
    ///
    /// Invariant: never empty.
    sections: Vec<(&'static str, DeTable<'a>)>,
    /// Every key there is, with its section.
    asked: Vec<(&'static str, &'static str)>,
    /// The line of every known key that the file has, by its full name.
    lines: BTreeMap<String, usize>,
}

impl<'a> Reader<'a> {
    /// If the file has this key in the section being read, makes `value` what `read` says.
    fn take<T>(
        &mut self,
        key: &'static str,
        value: &mut T,
        read: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Result<(), ConfigError> {
        let (section, rest) = self.sections.last_mut().expect("the top level is always there");
        let name = full_name(section, key);
        self.asked.push((section, key));
        let Some(found) = rest.remove(key) else { return Ok(()) };
        self.lines.insert(name.clone(), line_of(self.bytes, found.span().start));
        *value = read(found.get_ref()).map_err(|problem| self.wrong(&name, problem))?;
        Ok(())
    }

    /// Refuses the first thing in the file that nobody asked for.
    fn refuse_unknown(&self) -> Result<(), ConfigError> {
        let unknown =
            self.sections.iter().flat_map(|(section, rest)| rest.keys().map(move |key| (section, key)));
        let Some((section, key)) = unknown.min_by_key(|(_, key)| key.span().start) else { return Ok(()) };
        Err(ConfigError::Key {
            file: self.file.to_path_buf(),
            line: line_of(self.bytes, key.span().start),
            key: full_name(section, key.get_ref()),
            problem: self.unknown(section, key.get_ref()),
        })
    }

    fn unknown(&self, section: &str, name: &str) -> String {
        if let Some((home, _)) = self.asked.iter().find(|&&(_, key)| key == name) {
            return match *home {
                TOP_LEVEL => String::from("stands in the wrong section: it belongs above all [sections]"),
                home => format!("stands in the wrong section: it belongs in [{home}]"),
            };
        }
        let here = self.asked.iter().filter(|&&(home, _)| home == section).map(|&(_, key)| key);
        let sections = self.sections.iter().map(|&(home, _)| home).filter(|_| section == TOP_LEVEL);
        match here.chain(sections).map(|known| (edits(name, known), known)).min() {
            Some((distance, known)) if distance <= EDITS_MAX.min(name.len() / LETTERS_PER_EDIT) => {
                format!("unknown key; did you mean {known}?")
            }
            _ => String::from("unknown key; config.toml.example lists all there are"),
        }
    }

    /// Settles what no key can say alone.
    fn settle(&self, config: &mut Config) -> Result<(), ConfigError> {
        config.listen_is_default = !self.named("listen");
        self.settle_send_queues(config)
    }

    /// The queues' bounds rise from soft to hard to total. One that the file does not name makes way
    /// for those it names.
    fn settle_send_queues(&self, config: &mut Config) -> Result<(), ConfigError> {
        let limits = &mut config.limits;
        let [soft, hard, total] =
            ["limits.send_queue_soft", "limits.send_queue_hard", "limits.send_queue_total"];
        if !self.named(soft) {
            limits.send_queue_soft = limits.send_queue_soft.min(limits.send_queue_hard / 2);
        } else if !self.named(hard) {
            limits.send_queue_hard = limits.send_queue_hard.max(limits.send_queue_soft * 2);
        }
        if !self.named(total) {
            limits.send_queue_total = limits.send_queue_total.max(limits.send_queue_hard);
        }
        let hard_shown = value::shown_size(limits.send_queue_hard as u64);
        if limits.send_queue_soft >= limits.send_queue_hard {
            return Err(self.wrong(soft, format!("must be less than send_queue_hard, which is {hard_shown}")));
        }
        if limits.send_queue_total < limits.send_queue_hard {
            return Err(self.wrong(total, format!("must be at least send_queue_hard, which is {hard_shown}")));
        }
        Ok(())
    }

    fn named(&self, full_name: &str) -> bool {
        self.lines.contains_key(full_name)
    }

    /// A complaint about a key that the file has.
    fn wrong(&self, full_name: &str, problem: String) -> ConfigError {
        ConfigError::Key {
            file: self.file.to_path_buf(),
            line: self.lines.get(full_name).copied().unwrap_or(1),
            key: full_name.to_owned(),
            problem,
        }
    }
}

impl Visitor for Reader<'_> {
    type Error = ConfigError;

    fn section(&mut self, name: &'static str) -> Result<(), ConfigError> {
        let (_, top_level) = self.sections.first_mut().expect("the top level is always there");
        let Some(found) = top_level.remove(name) else {
            self.sections.push((name, DeTable::new()));
            return Ok(());
        };
        self.lines.insert(name.to_owned(), line_of(self.bytes, found.span().start));
        match found.into_inner() {
            DeValue::Table(table) => self.sections.push((name, table)),
            other => {
                let problem =
                    format!("is a section: write [{name}] on a line of its own, not {}", kind(&other));
                return Err(self.wrong(name, problem));
            }
        }
        Ok(())
    }

    fn addresses(&mut self, key: &'static str, value: &mut Vec<SocketAddr>) -> Result<(), ConfigError> {
        self.take(key, value, |found| {
            let DeValue::Array(array) = found else {
                return Err(format!(
                    "is {}: give a list of texts such as [\"127.0.0.1:12345\"]",
                    kind(found)
                ));
            };
            let addresses: Result<_, String> = array
                .iter()
                .map(|item| value::address(string(item.get_ref(), value::ADDRESS_EXAMPLES)?))
                .collect();
            value::listen(addresses?)
        })
    }

    fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        value: &mut T,
        choices: &[(&'static str, T)],
    ) -> Result<(), ConfigError> {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
        let right = format!("give {}", names.join(" or "));
        self.take(key, value, |found| {
            let text = string(found, &right)?;
            let chosen = choices.iter().find(|&&(name, _)| name == text);
            chosen.map(|&(_, choice)| choice).ok_or_else(|| format!("{text:?} is no choice: {right}"))
        })
    }

    fn flag(&mut self, key: &'static str, value: &mut bool) -> Result<(), ConfigError> {
        self.take(key, value, flag)
    }

    fn number(
        &mut self,
        key: &'static str,
        value: &mut u32,
        range: RangeInclusive<u32>,
    ) -> Result<(), ConfigError> {
        self.take(key, value, |found| {
            let range = u64::from(*range.start())..=u64::from(*range.end());
            let number = whole(found, &range, Zero::AsAnyNumber)?;
            Ok(u32::try_from(number).expect("in a range of u32"))
        })
    }

    fn number_or_none<T: Copy + TryFrom<u64> + Into<u64>>(
        &mut self,
        key: &'static str,
        value: &mut Option<T>,
        range: RangeInclusive<T>,
    ) -> Result<(), ConfigError> {
        self.take(key, value, |found| {
            let range = (*range.start()).into()..=(*range.end()).into();
            let number = whole(found, &range, Zero::NoLimit)?;
            // In range it fits; 0 is no limit.
            Ok(Some(number).filter(|&number| number > 0).and_then(|number| T::try_from(number).ok()))
        })
    }

    fn loopback_counts(&mut self, key: &'static str, limits: &mut Limits) -> Result<(), ConfigError> {
        let mut counts = None;
        self.take(key, &mut counts, |found| flag(found).map(Some))?;
        match counts {
            None => {}
            Some(false) => limits.per_address_loopback = PerAddress::default(),
            Some(true) => limits.per_address_loopback = limits.per_address.clone(),
        }
        Ok(())
    }

    fn number_per_address(
        &mut self,
        key: &'static str,
        limits: &mut Limits,
        of: fn(&mut PerAddress) -> &mut Option<u32>,
        range: RangeInclusive<u32>,
    ) -> Result<(), ConfigError> {
        let mut named = None;
        let range = u64::from(*range.start())..=u64::from(*range.end());
        self.take(key, &mut named, |found| {
            let number = whole(found, &range, Zero::NoLimit)?;
            Ok(Some(u32::try_from(number).ok().filter(|&number| number > 0)))
        })?;
        if let Some(limit) = named {
            *of(&mut limits.per_address) = limit;
            *of(&mut limits.per_address_loopback) = limit;
        }
        Ok(())
    }

    fn path(&mut self, key: &'static str, value: &mut PathBuf) -> Result<(), ConfigError> {
        self.take(key, value, |found| value::path(string(found, PATH_EXAMPLE)?))
    }

    fn path_or_none(&mut self, key: &'static str, value: &mut Option<PathBuf>) -> Result<(), ConfigError> {
        self.take(key, value, |found| match string(found, PATH_EXAMPLE)? {
            "" => Ok(None),
            text => value::path(text).map(Some),
        })
    }

    fn paths_or_none(
        &mut self,
        keys: [&'static str; 2],
        value: &mut Option<(PathBuf, PathBuf)>,
    ) -> Result<(), ConfigError> {
        let (mut first, mut second) = value.take().unzip();
        self.path_or_none(keys[0], &mut first)?;
        self.path_or_none(keys[1], &mut second)?;
        let (given, missing) = match (first, second) {
            (Some(first), Some(second)) => {
                *value = Some((first, second));
                return Ok(());
            }
            (None, None) => return Ok(()),
            (Some(_), None) => (keys[0], keys[1]),
            (None, Some(_)) => (keys[1], keys[0]),
        };
        let (section, _) = self.sections.last().expect("the top level is always there");
        Err(self.wrong(&full_name(section, given), format!("needs {missing} as well: give both or none")))
    }

    fn size(
        &mut self,
        key: &'static str,
        value: &mut usize,
        range: RangeInclusive<u64>,
    ) -> Result<(), ConfigError> {
        self.take(key, value, |found| {
            let bytes = size(found, &range, Zero::AsAnyNumber)?;
            usize::try_from(bytes).map_err(|_| String::from("is more than this machine can address"))
        })
    }

    fn size_or_none(
        &mut self,
        key: &'static str,
        value: &mut Option<u64>,
        range: RangeInclusive<u64>,
    ) -> Result<(), ConfigError> {
        self.take(key, value, |found| {
            size(found, &range, Zero::NoLimit).map(|bytes| Some(bytes).filter(|&b| b > 0))
        })
    }

    fn text(&mut self, key: &'static str, value: &mut String, kind: Text) -> Result<(), ConfigError> {
        self.take(key, value, |found| value::text(string(found, "give a text in quotes")?, kind))
    }

    fn time(
        &mut self,
        key: &'static str,
        value: &mut Duration,
        range: RangeInclusive<Duration>,
    ) -> Result<(), ConfigError> {
        self.take(key, value, |found| time(found, &range, Zero::AsAnyNumber))
    }

    fn time_or_none(
        &mut self,
        key: &'static str,
        value: &mut Option<Duration>,
        range: RangeInclusive<Duration>,
    ) -> Result<(), ConfigError> {
        self.take(key, value, |found| {
            time(found, &range, Zero::NoLimit).map(|time| Some(time).filter(|time| !time.is_zero()))
        })
    }
}

fn flag(found: &DeValue<'_>) -> Result<bool, String> {
    match found {
        DeValue::Boolean(flag) => Ok(*flag),
        other => Err(format!("is {}: give true or false, without quotes", kind(other))),
    }
}

fn whole(found: &DeValue<'_>, range: &RangeInclusive<u64>, zero: Zero) -> Result<u64, String> {
    let DeValue::Integer(number) = found else {
        let or_zero = if zero == Zero::NoLimit { ", or 0 for no limit" } else { "" };
        let (low, high) = (range.start(), range.end());
        return Err(format!("is {}: give a whole number from {low} to {high}{or_zero}", kind(found)));
    };
    let range = i128::from(*range.start())..=i128::from(*range.end());
    let number = value::in_range(integer(number), &range, zero, value::shown)?;
    Ok(u64::try_from(number).expect("in a range of u64"))
}

fn size(found: &DeValue<'_>, range: &RangeInclusive<u64>, zero: Zero) -> Result<u64, String> {
    let bytes = match found {
        DeValue::Integer(number) => {
            let number = integer(number);
            u64::try_from(number.min(u64::MAX.into()))
                .map_err(|_| format!("{number} is no size: {SIZE_EXAMPLES}"))?
        }
        DeValue::String(text) => value::size(text)?,
        other => return Err(format!("is {}: {SIZE_EXAMPLES}", kind(other))),
    };
    value::in_range(bytes, range, zero, value::shown_size)
}

fn time(found: &DeValue<'_>, range: &RangeInclusive<Duration>, zero: Zero) -> Result<Duration, String> {
    let time = match found {
        DeValue::String(text) => value::time(text)?,
        // Nothing is the same in any unit; of any other number one would have to guess.
        DeValue::Integer(number) if integer(number) == 0 => Duration::ZERO,
        other => return Err(format!("is {}: {}", kind(other), value::TIME_EXAMPLES)),
    };
    value::in_range(time, range, zero, value::shown_time)
}

fn string<'v>(found: &'v DeValue<'_>, right: &str) -> Result<&'v str, String> {
    match found {
        DeValue::String(text) => Ok(text),
        other => Err(format!("is {}: {right}", kind(other))),
    }
}

/// Any integer that TOML can write; what does not fit is out of every range of ours as well.
fn integer(number: &DeInteger<'_>) -> i128 {
    let negative = number.as_str().starts_with('-');
    let clamped = if negative { i128::MIN } else { i128::MAX };
    i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(clamped)
}

fn kind(found: &DeValue<'_>) -> &'static str {
    match found {
        DeValue::Array(_) => "a list",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Float(_) => "a fraction",
        DeValue::Integer(_) => "a number",
        DeValue::String(_) => "a text",
        DeValue::Table(_) => "a table",
    }
}

fn full_name(section: &str, key: &str) -> String {
    if section == TOP_LEVEL { key.to_owned() } else { format!("{section}.{key}") }
}

/// The line of a byte, counted from 1.
fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|&&byte| byte == b'\n').count() + 1
}

/// How many letters have to be put in, left out or changed to make one of the other (Levenshtein).
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

const TOP_LEVEL: &str = "";
/// Two slips are a typing mistake; three are another word.
const EDITS_MAX: usize = 2;
/// With every second letter changed, nothing is left of a word.
const LETTERS_PER_EDIT: usize = 2;
const PATH_EXAMPLE: &str = "give a path in quotes";
const SIZE_EXAMPLES: &str = "give a number of bytes, or a text such as \"10MiB\"";
