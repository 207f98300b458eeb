//! The fuzzer's bytes, read as decisions. When they have run out, everything is zero.

pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn new(data: &'a [u8]) -> Input<'a> {
        Input { rest: data }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// Two bytes, for lengths and positions.
    pub fn word(&mut self) -> usize {
        usize::from(self.byte()) << 8 | usize::from(self.byte())
    }

    /// A number below `bound`; zero if that is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        let number = if bound > 256 { self.word() } else { usize::from(self.byte()) };
        number.checked_rem(bound).unwrap_or(0)
    }

    /// So many bytes, or what is left.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Bytes up to the next 0xFF, which is not among them: text needs no length in front of it.
    pub fn text(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| byte == 0xff).unwrap_or(self.rest.len());
        let text = self.bytes(end);
        self.bytes(1);
        text
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Changes something: bits, a byte put in, a piece cut out or doubled. Says whether it did.
    pub fn edit(&mut self, bytes: &mut Vec<u8>) -> bool {
        let before = bytes.clone();
        let at = self.below(bytes.len().max(1));
        match self.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= self.byte(),
            1 => bytes.insert(at.min(bytes.len()), self.byte()),
            2 => bytes.truncate(at),
            3 => {
                let end = (at + self.below(256)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            4 => {
                let end = (at + self.below(256)).min(bytes.len());
                let piece = bytes[at.min(end)..end].to_vec();
                bytes.splice(at.min(end)..at.min(end), piece);
            }
            _ => {
                let count = self.below(32);
                let new = self.bytes(count);
                let end = (at + new.len()).min(bytes.len());
                bytes.splice(at.min(end)..end, new.iter().copied());
            }
        }
        *bytes != before
    }
}
