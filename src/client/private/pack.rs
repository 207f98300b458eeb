//! Fixed fields, texts and byte strings of a row, big-endian. Nothing here can run past the end, and
//! nothing that was written is left behind in memory.

use zeroize::Zeroizing;

use crate::e2e::address::{Address, DeviceId, Uid};

/// A row that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn;

/// Appends fields. When it must grow, the old buffer is erased.
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    pub fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Bytes with their length in front.
    pub fn blob(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).expect("a row is far below four gigabytes"));
        self.bytes(bytes);
    }

    pub fn address(&mut self, address: Address) {
        self.u64(address.uid.0);
        self.u32(address.device.number());
    }

    pub fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Takes fields off the front.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Torn> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Torn)?;
        self.0 = rest;
        Ok(head)
    }

    pub fn u8(&mut self) -> Result<u8, Torn> {
        self.array().map(|&[byte]| byte)
    }

    pub fn u32(&mut self) -> Result<u32, Torn> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub fn u64(&mut self) -> Result<u64, Torn> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    pub fn blob(&mut self) -> Result<&'a [u8], Torn> {
        let length = usize::try_from(self.u32()?).map_err(|_| Torn)?;
        let (head, rest) = self.0.split_at_checked(length).ok_or(Torn)?;
        self.0 = rest;
        Ok(head)
    }

    pub fn text(&mut self) -> Result<&'a str, Torn> {
        str::from_utf8(self.blob()?).map_err(|_| Torn)
    }

    pub fn address(&mut self) -> Result<Address, Torn> {
        Ok(Address { uid: Uid(self.u64()?), device: DeviceId::new(self.u32()?).map_err(|_| Torn)? })
    }

    /// Checks that nothing is left.
    pub fn end(self) -> Result<(), Torn> {
        if self.0.is_empty() { Ok(()) } else { Err(Torn) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_and_reading_stops_at_the_end() {
        let mut writer = Writer::with_capacity(1);
        writer.u8(7);
        writer.u64(u64::MAX);
        writer.blob("tea é".as_bytes());
        writer.u32(9);
        let row = writer.finish();
        let mut reader = Reader::new(&row);
        assert_eq!((reader.u8(), reader.u64(), reader.text()), (Ok(7), Ok(u64::MAX), Ok("tea é")));
        assert_eq!(reader.u64(), Err(Torn), "four bytes are left");
        assert_eq!(reader.u32(), Ok(9));
        assert_eq!(reader.end(), Ok(()));
        let mut short = Reader::new(&row[..12]);
        assert_eq!((short.u8().is_ok(), short.u64().is_ok(), short.blob()), (true, true, Err(Torn)));
    }
}
