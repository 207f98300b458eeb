//! Numbers that name things. Each is a type of its own, so that two of them cannot be swapped.

use std::fmt;

/// One connection: a slot of the connection table, and which tenant of that slot it is.
///
/// The serial makes a late answer for a connection that is gone recognisable, although its slot has
/// a new tenant already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    pub slot: u32,
    pub serial: u32,
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.serial)
    }
}

/// A registered account; the store's row, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub u32);

/// One device of an account that takes part in end-to-end encryption: 1 to 2^31 - 1, counted up by the
/// store and never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(u32);

impl DeviceId {
    /// The number as a device's, if it can be one.
    pub fn new(number: u32) -> Option<DeviceId> {
        (1..=DEVICE_ID_MAX).contains(&number).then_some(DeviceId(number))
    }

    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A room; numbered by the hub, kept by the store, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(pub u32);

/// A user that is connected now, as the hub counts them; means nothing after the last session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub u32);

/// The position of a message in its room: counts from 1, without gaps, the same for everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub u64);

/// A stored file: random, so that knowing it is what allows to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub [u8; 16]);

impl FileId {
    /// Reads what [`fmt::Display`] writes: 32 hexadecimal digits, in lower case, so that a file has one name.
    pub fn parse(text: &str) -> Option<FileId> {
        let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(FileId(id))
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// The number a program gave its request, to recognise the reply; text mode always uses [`RequestId::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub i64);

impl RequestId {
    /// For dialects in which replies carry no number.
    pub const NONE: RequestId = RequestId(0);
}

/// Who is waiting for the answer to a piece of work: a connection and the request on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    pub conn: ConnId,
    pub re: RequestId,
}

/// Fits a signed 32-bit integer, which is what databases and JavaScript's bit operations hold.
const DEVICE_ID_MAX: u32 = i32::MAX as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_have_bounds() {
        assert_eq!(DeviceId::new(0), None);
        assert_eq!(DeviceId::new(1).map(DeviceId::number), Some(1));
        assert_eq!(DeviceId::new(DEVICE_ID_MAX).map(DeviceId::number), Some(0x7fff_ffff));
        assert_eq!(DeviceId::new(DEVICE_ID_MAX + 1), None);
    }

    #[test]
    fn a_file_has_one_name() {
        let id = FileId(*b"\x00\x01\xfe\xff0123456789ab");
        assert_eq!(id.to_string(), "0001feff303132333435363738396162");
        assert_eq!(FileId::parse(&id.to_string()), Some(id));
        for wrong in [
            "",
            "0001feff30313233343536373839616",
            "0001feff3031323334353637383961622",
            "0001FEFF303132333435363738396162",
            "0001feff30313233343536373839616g",
            "0001feff3031323334353637383961/:",
            "é001feff3031323334353637383961",
        ] {
            assert_eq!(FileId::parse(wrong), None, "{wrong}");
        }
    }
}
