//! Reading and writing fixed fields, big-endian. Nothing here can run past the end.

use zeroize::Zeroizing;

use crate::e2e::address::{Address, DeviceId, Millis, Uid};
use crate::e2e::error::Error;
use crate::e2e::key::Key;

/// Takes fields off the front of some bytes.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Error::Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    pub fn key(&mut self) -> Result<Key, Error> {
        self.array().map(Key::copied_from)
    }

    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|&[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    pub fn millis(&mut self) -> Result<Millis, Error> {
        self.u64().map(Millis)
    }

    /// A moment that may be missing: zero stands for none.
    pub fn maybe_millis(&mut self) -> Result<Option<Millis>, Error> {
        Ok(Some(self.millis()?).filter(|millis| millis.0 != 0))
    }

    pub fn address(&mut self) -> Result<Address, Error> {
        Ok(Address { uid: Uid(self.u64()?), device: DeviceId::new(self.u32()?)? })
    }

    /// What is left, without taking it.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Checks that nothing is left.
    pub fn end(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Malformed) }
    }
}

/// Appends fields to a buffer that is erased when dropped.
///
/// The capacity is said at the start and never exceeded: growing would leave a copy of the secrets
/// in memory that nobody erases.
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        assert!(self.0.len() + bytes.len() <= self.0.capacity(), "a buffer of secrets must not move");
        self.0.extend_from_slice(bytes);
    }

    pub fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub fn maybe_millis(&mut self, millis: Option<Millis>) {
        self.u64(millis.map_or(0, |millis| millis.0));
    }

    pub fn address(&mut self, address: Address) {
        self.u64(address.uid.0);
        self.u32(address.device.number());
    }

    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_at_the_end() {
        let mut reader = Reader::new(&[1, 0, 2, 9]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u16(), Err(Error::Malformed));
        assert_eq!(reader.rest(), [9], "a failed read takes nothing");
        assert_eq!(reader.end(), Err(Error::Malformed));
    }

    #[test]
    #[should_panic(expected = "must not move")]
    fn a_buffer_of_secrets_never_grows() {
        let mut writer = Writer::with_capacity(0);
        writer.bytes(&[0; 64]);
    }
}
