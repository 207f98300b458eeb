//! Who is meant: accounts, devices and moments, each a type of its own so that none can be swapped.

use serde::{Deserialize, Serialize};

use crate::e2e::error::Error;

/// An account, as the server numbers it. Bound into every session, so the server cannot renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Uid(pub u64);

/// One device of an account: 1 to 2^31 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(u32);

impl DeviceId {
    /// The number as a device, if it can be one.
    pub fn new(number: u32) -> Result<DeviceId, Error> {
        if (1..=DEVICE_ID_MAX).contains(&number) { Ok(DeviceId(number)) } else { Err(Error::Malformed) }
    }

    pub fn number(self) -> u32 {
        self.0
    }
}

/// One device of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    pub uid: Uid,
    pub device: DeviceId,
}

/// A moment: milliseconds since 1970. Always an argument here, never read from a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Millis(pub u64);

impl Millis {
    /// How long ago `earlier` was; zero if it lies ahead, so that a clock set back ages nothing.
    pub fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Fits a signed 32-bit integer, which is what databases and JavaScript bit operations hold.
pub const DEVICE_ID_MAX: u32 = i32::MAX as u32;

/// Milliseconds in a day, the unit of all lifetimes here.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_have_bounds() {
        assert_eq!(DeviceId::new(0), Err(Error::Malformed));
        assert_eq!(DeviceId::new(1).map(DeviceId::number), Ok(1));
        assert_eq!(DeviceId::new(DEVICE_ID_MAX).map(DeviceId::number), Ok(0x7fff_ffff));
        assert_eq!(DeviceId::new(DEVICE_ID_MAX + 1), Err(Error::Malformed));
    }

    #[test]
    fn time_set_back_ages_nothing() {
        assert_eq!(Millis(5).since(Millis(9)), 0);
        assert_eq!(Millis(9).since(Millis(5)), 4);
    }
}
