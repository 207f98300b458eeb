//! Bytes to lines.

/// Collects bytes and gives out the lines in them.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Invariant: no byte before this one is part of a line that was not given out.
    start: usize,
    /// Invariant: there is no line end in `start..searched`.
    searched: usize,
}

/// A line that does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endless;

impl Lines {
    /// Where to append what was read.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        &mut self.bytes
    }

    /// The next line, without its end.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, Endless> {
        match memchr::memchr(b'\n', &self.bytes[self.searched..]) {
            Some(length) => {
                let (start, end) = (self.start, self.searched + length);
                self.start = end + 1;
                self.searched = self.start;
                let line = &self.bytes[start..end];
                Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
            }
            None if self.bytes.len() - self.start > LINE_BYTES_MAX => Err(Endless),
            None => {
                self.searched = self.bytes.len();
                if self.start == self.bytes.len() && self.bytes.capacity() > IDLE_BYTES_MAX {
                    *self = Lines::default();
                }
                Ok(None)
            }
        }
    }
}

/// A page of history has at most a mebibyte of text; escapes and fields may make several of it.
const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Memory kept while nothing is read.
const IDLE_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_the_bytes_are_split() {
        let stream = b"one\r\n\ntwo\nthree";
        for split in 0..=stream.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for part in [&stream[..split], &stream[split..]] {
                lines.buffer().extend_from_slice(part);
                while let Ok(Some(line)) = lines.next_line() {
                    found.push(String::from_utf8_lossy(line).into_owned());
                }
            }
            assert_eq!(found, ["one", "", "two"], "split at {split}");
        }
    }

    #[test]
    fn a_line_has_an_end_or_the_connection_has() {
        let mut lines = Lines::default();
        lines.buffer().resize(LINE_BYTES_MAX, b'x');
        assert_eq!(lines.next_line(), Ok(None));
        lines.buffer().push(b'x');
        assert_eq!(lines.next_line(), Err(Endless));
    }
}
