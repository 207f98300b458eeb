//! What is remembered of an address: how many connections it has, and how fast it acts.
//!
//! Only addresses that have a connection, or acted lately, are remembered; [`AddressBook::sweep`]
//! forgets the others. Loopback is in the book only where the operator limits it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::hub::bucket::{Bucket, Rate};
use crate::proto::limits::PerAddress;
use crate::proto::time::Instant;

/// One address as limits see it: all of IPv4, the first 64 bits of IPv6 (one subscriber's network).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressKey([u8; 9]);

impl AddressKey {
    pub fn new(address: IpAddr) -> AddressKey {
        let mut key = [0; 9];
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                key[0] = 4;
                key[1..5].copy_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                key[0] = 6;
                key[1..9].copy_from_slice(&v6.octets()[..8]);
            }
        }
        AddressKey(key)
    }
}

/// What an address is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Command,
    Connect,
    FailLogin,
    Message,
    Register,
}

#[derive(Debug, Default)]
pub struct AddressBook {
    records: BTreeMap<AddressKey, Record>,
}

#[derive(Debug, Default)]
struct Record {
    connections: u32,
    /// Password hashes under way.
    hashes: u32,
    buckets: [Bucket; 5],
}

impl AddressBook {
    /// Whether another connection may come; counts it if so.
    pub fn admit(&mut self, now: Instant, key: AddressKey, limits: &PerAddress) -> bool {
        let record = self.records.entry(key).or_default();
        if limits.connections.is_some_and(|most| record.connections >= most) {
            return false;
        }
        if !record.take(now, Act::Connect, limits) {
            return false;
        }
        record.connections += 1;
        true
    }

    pub fn release(&mut self, key: AddressKey) {
        let record = self.records.get_mut(&key).expect("who has a connection is not forgotten");
        assert!(record.connections > 0, "a connection was released twice");
        record.connections -= 1;
    }

    /// Takes from the bucket of this act, or says that it is empty.
    pub fn take(&mut self, now: Instant, key: AddressKey, act: Act, limits: &PerAddress) -> bool {
        rate(act, limits).is_none() || self.records.entry(key).or_default().take(now, act, limits)
    }

    /// Whether the act would be allowed; nothing is taken.
    pub fn may(&self, now: Instant, key: AddressKey, act: Act, limits: &PerAddress) -> bool {
        match (self.records.get(&key), rate(act, limits)) {
            (Some(record), Some(rate)) => record.buckets[act as usize].has_one(now, rate),
            _ => true,
        }
    }

    /// Counts a password hash that begins; refused when this address has `most` under way.
    pub fn begin_hash(&mut self, key: AddressKey, most: u32) -> bool {
        let record = self.records.entry(key).or_default();
        let allowed = record.hashes < most;
        record.hashes += u32::from(allowed);
        allowed
    }

    pub fn end_hash(&mut self, key: AddressKey) {
        if let Some(record) = self.records.get_mut(&key) {
            record.hashes = record.hashes.saturating_sub(1);
        }
    }

    /// Forgets who has no connection and did nothing for a while.
    pub fn sweep(&mut self, now: Instant) {
        self.records.retain(|_, record| {
            record.connections > 0 || record.hashes > 0 || !record.buckets.iter().all(|b| b.is_full(now))
        });
    }
}

impl Record {
    fn take(&mut self, now: Instant, act: Act, limits: &PerAddress) -> bool {
        rate(act, limits).is_none_or(|rate| self.buckets[act as usize].take(now, rate))
    }
}

fn rate(act: Act, limits: &PerAddress) -> Option<Rate> {
    match act {
        Act::Command => limits.commands_per_second.map(|n| Rate::new(n, 1, n.saturating_mul(BURST_SECONDS))),
        Act::Connect => limits.connections_per_minute.map(|n| Rate::new(n, 60, n)),
        Act::FailLogin => limits.failed_logins_per_minute.map(|n| Rate::new(n, 60, n)),
        Act::Message => limits.messages_per_second.map(|n| Rate::new(n, 1, n.saturating_mul(BURST_SECONDS))),
        Act::Register => limits.registrations_per_hour.map(|n| Rate::new(n, 3600, n)),
    }
}

/// Where only a rate is configured, this many seconds of it may come at once.
pub const BURST_SECONDS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AddressKey {
        AddressKey::new(text.parse().unwrap())
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_a_mapped_one_is_ipv4() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    #[test]
    fn connections_are_counted_and_forgotten() {
        let limits = PerAddress { connections: Some(2), ..PerAddress::default() };
        let mut book = AddressBook::default();
        let now = Instant(0);
        assert!(book.admit(now, key("192.0.2.1"), &limits));
        assert!(book.admit(now, key("192.0.2.1"), &limits));
        assert!(!book.admit(now, key("192.0.2.1"), &limits));
        assert!(book.admit(now, key("192.0.2.2"), &limits));
        book.release(key("192.0.2.1"));
        assert!(book.admit(now, key("192.0.2.1"), &limits));
        book.release(key("192.0.2.2"));
        book.sweep(Instant(600_000));
        assert_eq!(book.records.len(), 1);
    }

    #[test]
    fn what_has_no_limit_is_not_remembered() {
        let limits = PerAddress { registrations_per_hour: Some(1), ..PerAddress::default() };
        let mut book = AddressBook::default();
        let (now, key) = (Instant(0), key("127.0.0.1"));
        assert!((0..1000).all(|_| book.take(now, key, Act::Message, &limits)));
        assert!(book.records.is_empty());
        assert!(book.take(now, key, Act::Register, &limits));
        assert!(!book.take(now, key, Act::Register, &limits));
    }
}
