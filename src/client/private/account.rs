//! Who we are: the account's identity, this device, and the counters it must not forget.

use std::fmt;

use zeroize::Zeroizing;

use crate::client::private::pack::{Reader, Torn, Writer};
use crate::e2e::address::{Address, DeviceId, Uid};
use crate::e2e::identity::Identity;

/// The account that the identity belongs to.
pub(super) struct Account {
    pub uid: Uid,
    pub identity: Identity,
    /// A device was published under this identity: it is what others may have pinned. Before that,
    /// nobody knows it, and it may give way to one that another device made at the same time.
    pub published: bool,
}

/// This device, as the server numbers it.
#[derive(Debug)]
pub(super) struct Device {
    pub number: DeviceId,
    /// The server has taken its first signed prekey.
    pub published: bool,
    /// Raised and stored before each `attach`. Whoever else continues from the same state raises it as
    /// well, and is noticed.
    pub run: u64,
    /// The newest envelope that was taken; what comes again at or below it is dropped unopened.
    pub handled: u64,
}

/// Numbers for the entries of the history, reserved by the thousand so that not every message writes
/// them. What a crash leaves unused stays unused.
#[derive(Debug)]
pub(super) struct Counter {
    next: u64,
    reserved: u64,
}

impl Account {
    pub fn address(&self, device: DeviceId) -> Address {
        Address { uid: self.uid, device }
    }

    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::with_capacity(ACCOUNT_BYTES);
        out.u8(VERSION);
        out.u64(self.uid.0);
        out.u8(u8::from(self.published));
        out.bytes(self.identity.reveal_seed());
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Account, Torn> {
        let mut input = Reader::new(bytes);
        versioned(&mut input)?;
        let (uid, published) = (Uid(input.u64()?), input.u8()? == 1);
        let identity = Identity::from_seed(input.array()?);
        input.end()?;
        Ok(Account { uid, identity, published })
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { uid, identity, published: _ } = self;
        write!(f, "Account({}, {identity:?})", uid.0)
    }
}

impl Device {
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Device { number, published, run, handled } = self;
        let mut out = Writer::with_capacity(DEVICE_BYTES);
        out.u8(VERSION);
        out.u32(number.number());
        out.u8(u8::from(*published));
        out.u64(*run);
        out.u64(*handled);
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Device, Torn> {
        let mut input = Reader::new(bytes);
        versioned(&mut input)?;
        let number = DeviceId::new(input.u32()?).map_err(|_| Torn)?;
        let published = input.u8()? == 1;
        let device = Device { number, published, run: input.u64()?, handled: input.u64()? };
        input.end()?;
        Ok(device)
    }
}

impl Counter {
    pub fn new() -> Counter {
        Counter { next: 1, reserved: 1 }
    }

    /// The next number, and whether the reservation must be stored.
    pub fn next(&mut self) -> (u64, bool) {
        let number = self.next;
        self.next += 1;
        let reserves = number >= self.reserved;
        if reserves {
            self.reserved = number + RESERVED_AT_ONCE;
        }
        (number, reserves)
    }

    /// The highest number that was given, or may have been before a crash.
    pub fn last(&self) -> u64 {
        self.next - 1
    }

    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::with_capacity(9);
        out.u8(VERSION);
        out.u64(self.reserved);
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Counter, Torn> {
        let mut input = Reader::new(bytes);
        versioned(&mut input)?;
        let reserved = input.u64()?;
        input.end()?;
        // There are not so many messages, and there must be room to add to.
        if reserved > u64::MAX / 2 { Err(Torn) } else { Ok(Counter { next: reserved, reserved }) }
    }
}

fn versioned(input: &mut Reader<'_>) -> Result<(), Torn> {
    if input.u8()? == VERSION { Ok(()) } else { Err(Torn) }
}

const VERSION: u8 = 1;
const ACCOUNT_BYTES: usize = 1 + 8 + 1 + 32;
const DEVICE_BYTES: usize = 1 + 4 + 1 + 8 + 8;
/// Entries of the history between two writes of the counter.
const RESERVED_AT_ONCE: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back() {
        let account = Account { uid: Uid(9), identity: Identity::from_seed(&[3; 32]), published: true };
        let again = Account::decode(&account.encode()).unwrap();
        assert_eq!((again.uid, again.published), (Uid(9), true));
        assert_eq!(again.identity.public(), account.identity.public());
        assert!(!format!("{account:?}").contains("0303"));
        let number = DeviceId::new(4).unwrap();
        let device = Device { number, published: false, run: 5, handled: 6 };
        let again = Device::decode(&device.encode()).unwrap();
        assert_eq!((again.number, again.published, again.run, again.handled), (number, false, 5, 6));
        assert!(Account::decode(&account.encode()[1..]).is_err() && Device::decode(&[1; 21]).is_err());
    }

    #[test]
    fn a_crash_never_gives_a_number_twice() {
        let mut counter = Counter::new();
        let mut stored = counter.encode();
        let mut last = 0;
        for step in 0..5000 {
            let (number, reserves) = counter.next();
            assert!(number > last);
            last = number;
            if reserves {
                stored = counter.encode();
            }
            if step % 700 == 0 {
                counter = Counter::decode(&stored).unwrap();
            }
        }
    }
}
