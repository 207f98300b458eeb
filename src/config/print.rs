//! A [`Config`] as TOML that reads back as the same configuration.

use std::convert::Infallible;
use std::fmt::{Display, Write};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::keys::{self, Text, Visitor};
use crate::config::{Config, value};
use crate::proto::limits::{Limits, PerAddress};

pub(super) fn toml(config: &Config) -> String {
    let mut printer = Printer { out: String::new() };
    // The walk takes what it shows for changeable, as a reader needs it; a copy is all it can change.
    match keys::walk(&mut config.clone(), &mut printer) {
        Ok(()) => printer.out,
        Err(never) => match never {},
    }
}

struct Printer {
    out: String,
}

impl Printer {
    fn line(&mut self, key: &str, value: impl Display) -> Result<(), Infallible> {
        writeln!(self.out, "{key} = {value}").expect("writing to a String cannot fail");
        Ok(())
    }

    fn string(&mut self, key: &str, value: &str) -> Result<(), Infallible> {
        self.line(key, toml::Value::from(value))
    }
}

impl Visitor for Printer {
    type Error = Infallible;

    fn section(&mut self, name: &'static str) -> Result<(), Infallible> {
        writeln!(self.out, "\n[{name}]").expect("writing to a String cannot fail");
        Ok(())
    }

    fn addresses(&mut self, key: &'static str, value: &mut Vec<SocketAddr>) -> Result<(), Infallible> {
        let addresses: Vec<String> = value.iter().map(SocketAddr::to_string).collect();
        self.line(key, toml::Value::from(addresses))
    }

    fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        value: &mut T,
        choices: &[(&'static str, T)],
    ) -> Result<(), Infallible> {
        let chosen = choices.iter().find(|(_, choice)| choice == value);
        let (name, _) = chosen.expect("the list of choices names every value of its type");
        self.string(key, name)
    }

    fn flag(&mut self, key: &'static str, value: &mut bool) -> Result<(), Infallible> {
        self.line(key, value)
    }

    fn number(
        &mut self,
        key: &'static str,
        value: &mut u32,
        _: RangeInclusive<u32>,
    ) -> Result<(), Infallible> {
        self.line(key, value)
    }

    fn number_or_none<T: Copy + TryFrom<u64> + Into<u64>>(
        &mut self,
        key: &'static str,
        value: &mut Option<T>,
        _: RangeInclusive<T>,
    ) -> Result<(), Infallible> {
        self.line(key, value.map_or(0, T::into))
    }

    fn loopback_counts(&mut self, key: &'static str, limits: &mut Limits) -> Result<(), Infallible> {
        match all_or_none(limits) {
            Some(all) => self.line(key, all),
            None => Ok(()),
        }
    }

    fn number_per_address(
        &mut self,
        key: &'static str,
        limits: &mut Limits,
        of: fn(&mut PerAddress) -> &mut Option<u32>,
        _: RangeInclusive<u32>,
    ) -> Result<(), Infallible> {
        let (remote, loopback) = (*of(&mut limits.per_address), *of(&mut limits.per_address_loopback));
        // Some were named: to name this one, a default, would make it hold for this machine too.
        let mark = if remote == loopback || all_or_none(limits).is_some() { "" } else { "#" };
        self.line(&format!("{mark}{key}"), remote.unwrap_or(0))
    }

    fn path(&mut self, key: &'static str, value: &mut PathBuf) -> Result<(), Infallible> {
        // A path from the command line need not be UTF-8; TOML can show it only nearly then.
        self.string(key, &value.to_string_lossy())
    }

    fn path_or_none(&mut self, key: &'static str, value: &mut Option<PathBuf>) -> Result<(), Infallible> {
        self.string(key, &value.as_deref().map_or("".into(), Path::to_string_lossy))
    }

    fn paths_or_none(
        &mut self,
        keys: [&'static str; 2],
        value: &mut Option<(PathBuf, PathBuf)>,
    ) -> Result<(), Infallible> {
        let (mut first, mut second) = value.clone().unzip();
        self.path_or_none(keys[0], &mut first)?;
        self.path_or_none(keys[1], &mut second)
    }

    fn size(
        &mut self,
        key: &'static str,
        value: &mut usize,
        _: RangeInclusive<u64>,
    ) -> Result<(), Infallible> {
        self.line(key, value)
    }

    fn size_or_none(
        &mut self,
        key: &'static str,
        value: &mut Option<u64>,
        _: RangeInclusive<u64>,
    ) -> Result<(), Infallible> {
        self.line(key, value.unwrap_or(0))
    }

    fn text(&mut self, key: &'static str, value: &mut String, _: Text) -> Result<(), Infallible> {
        self.string(key, value)
    }

    fn time(
        &mut self,
        key: &'static str,
        value: &mut Duration,
        _: RangeInclusive<Duration>,
    ) -> Result<(), Infallible> {
        self.string(key, &value::shown_time(*value))
    }

    fn time_or_none(
        &mut self,
        key: &'static str,
        value: &mut Option<Duration>,
        _: RangeInclusive<Duration>,
    ) -> Result<(), Infallible> {
        self.string(key, &value::shown_time(value.unwrap_or_default()))
    }
}

/// Whether all limits per address hold for this machine, or none does; `None`: some do.
fn all_or_none(limits: &Limits) -> Option<bool> {
    let none = limits.per_address_loopback == PerAddress::default();
    let all = limits.per_address_loopback == limits.per_address;
    (none || all).then_some(!none)
}
