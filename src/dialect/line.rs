//! Lines out of packets: where a line ends, what is kept of an unfinished one, and when it is too long.
//!
//! A line that lies wholly in the packet is borrowed from it. Only an unfinished line is kept, never
//! more of it than its limit; the rest of an over-long line is dropped up to its end.

use std::ops::Range;

use memchr::{memchr, memchr3};

use crate::dialect::telnet::{IAC, Meaning, Telnet};

/// Finds the lines of one connection. An idle one owns no memory outside itself.
#[derive(Debug)]
pub struct LineReader {
    ends: Ends,
    /// Invariant: at most the limit of the line (and one CR that may belong to its end).
    kept: Vec<u8>,
    telnet: Telnet,
    /// The last byte was a CR that ended a line: an LF or NUL after it belongs to it.
    after_cr: bool,
    /// The line was too long: drop everything up to its end.
    skipping: bool,
    yielded: Yielded,
    /// The line that was yielded last is to be yielded again.
    again: bool,
}

/// How the bytes of a dialect become lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// LF, or CR LF.
    Lf,
    /// LF, CR LF, CR, CR NUL; telnet commands are skipped.
    Any,
}

/// What one [`LineReader::read`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Here in the input.
    Borrowed(Range<usize>),
    /// In [`LineReader::kept`].
    Kept,
    /// No line ends in the input.
    Nothing,
    TooLong,
}

/// What [`LineReader::put_back`] has to undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Yielded {
    /// This many bytes of the input, the end of the line included.
    Borrowed(u32),
    Kept,
    Nothing,
    TooLong,
}

impl LineReader {
    pub fn new(ends: Ends) -> LineReader {
        LineReader {
            ends,
            kept: Vec::new(),
            telnet: Telnet::Data,
            after_cr: false,
            skipping: false,
            yielded: Yielded::Nothing,
            again: false,
        }
    }

    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// Reads up to the end of one line; returns how many bytes of the input that took.
    ///
    /// Empty lines are skipped unless `empty_too`; of JSON, those with nothing but blanks too.
    pub fn read(&mut self, input: &[u8], bytes_max: usize, empty_too: bool) -> (usize, Line) {
        let bytes_max = bytes_max.min(LINE_BYTES_CEILING);
        if std::mem::take(&mut self.again) {
            match self.yielded {
                Yielded::Kept => return (0, Line::Kept),
                Yielded::TooLong => return (0, Line::TooLong),
                Yielded::Borrowed(_) | Yielded::Nothing => unreachable!("only what is kept is put back here"),
            }
        }
        self.settle();
        let (consumed, found) = match self.ends {
            Ends::Any => self.read_text(input, bytes_max, empty_too),
            Ends::Lf => self.read_lf(input, bytes_max),
        };
        self.yielded = match &found {
            Line::Borrowed(line) => Yielded::Borrowed(
                u32::try_from(consumed - line.start).expect("LINE_BYTES_CEILING and its end"),
            ),
            Line::Kept => Yielded::Kept,
            Line::Nothing => Yielded::Nothing,
            Line::TooLong => Yielded::TooLong,
        };
        (consumed, found)
    }

    /// The line that [`Line::Kept`] speaks of.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// The line that was just read is read again next time; returns how many bytes of the input
    /// must be presented again for that.
    pub fn put_back(&mut self) -> usize {
        match self.yielded {
            Yielded::Borrowed(bytes) => {
                self.after_cr = false;
                self.yielded = Yielded::Nothing;
                usize::try_from(bytes).expect("at least 32 bits")
            }
            Yielded::Kept | Yielded::TooLong => {
                self.again = true;
                0
            }
            Yielded::Nothing => unreachable!("a line was just read"),
        }
    }

    /// A line was put back and is not read again yet; it needs no more input.
    pub fn has_put_back(&self) -> bool {
        self.again
    }

    /// Gives back the memory of a line that was read and not put back.
    pub fn settle(&mut self) {
        if self.yielded == Yielded::Kept && !self.again {
            self.kept = Vec::new();
            self.yielded = Yielded::Nothing;
        }
    }

    /// Something was begun and has not ended.
    pub fn unfinished(&self) -> bool {
        let in_line = self.yielded != Yielded::Kept && !self.kept.is_empty();
        in_line || self.skipping || self.telnet != Telnet::Data
    }

    /// Bytes of memory that the unfinished line takes.
    pub fn kept_bytes(&self) -> usize {
        self.kept.capacity()
    }

    fn read_text(&mut self, input: &[u8], bytes_max: usize, empty_too: bool) -> (usize, Line) {
        let mut at = 0;
        while at < input.len() {
            if self.telnet != Telnet::Data {
                match self.telnet.skip(input[at]) {
                    Meaning::Command => at += 1,
                    // Not a command after all: the byte before was data, this one is looked at anew.
                    Meaning::DataBefore => {
                        if self.push_literal(bytes_max) {
                            return (at, self.too_long());
                        }
                    }
                    Meaning::DataHere => {
                        at += 1;
                        if self.push_literal(bytes_max) {
                            return (at, self.too_long());
                        }
                    }
                }
                continue;
            }
            if std::mem::take(&mut self.after_cr) && matches!(input[at], b'\n' | b'\0') {
                at += 1;
                continue;
            }
            let rest = &input[at..];
            if self.skipping {
                let Some(end) = memchr3(b'\n', b'\r', IAC, rest) else {
                    return (input.len(), Line::Nothing);
                };
                at += end + 1;
                self.skipping = rest[end] == IAC;
                self.after_data(rest[end]);
                continue;
            }
            // One byte past the limit decides, so that no byte is looked at twice.
            let room = bytes_max.saturating_sub(self.kept.len()) + 1;
            let window = &rest[..rest.len().min(room)];
            let Some(end) = memchr3(b'\n', b'\r', IAC, window) else {
                if window.len() == room {
                    return (at + room, self.too_long());
                }
                self.keep(window, bytes_max);
                return (input.len(), Line::Nothing);
            };
            let line = at..at + end;
            at += end + 1;
            self.after_data(window[end]);
            if window[end] == IAC {
                self.keep(&window[..end], bytes_max);
            } else if !self.kept.is_empty() {
                self.keep(&window[..end], bytes_max);
                return (at, Line::Kept);
            } else if end > 0 || empty_too {
                return (at, Line::Borrowed(line));
            }
        }
        (at, Line::Nothing)
    }

    fn read_lf(&mut self, input: &[u8], bytes_max: usize) -> (usize, Line) {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            if self.skipping {
                let Some(end) = memchr(b'\n', rest) else { return (input.len(), Line::Nothing) };
                at += end + 1;
                self.skipping = false;
                continue;
            }
            // The CR of a CR LF does not count, and until the next byte comes it may be one.
            let room = (bytes_max + 2).saturating_sub(self.kept.len());
            let window = &rest[..rest.len().min(room)];
            let end = memchr(b'\n', window);
            let content = &window[..end.unwrap_or(window.len())];
            let ends_in_cr = content.last().or(self.kept.last()) == Some(&b'\r');
            if self.kept.len() + content.len() > bytes_max + usize::from(ends_in_cr) {
                let found = self.too_long();
                self.skipping = end.is_none();
                return (at + end.map_or(window.len(), |end| end + 1), found);
            }
            let Some(end) = end else {
                self.keep(window, bytes_max + 1);
                return (input.len(), Line::Nothing);
            };
            let line = at..at + end;
            at += end + 1;
            if !self.kept.is_empty() {
                self.keep(content, bytes_max + 1);
                if !self.kept.trim_ascii().is_empty() {
                    return (at, Line::Kept);
                }
                self.kept = Vec::new();
            } else if !content.trim_ascii().is_empty() {
                return (at, Line::Borrowed(line));
            }
        }
        (at, Line::Nothing)
    }

    /// What a byte that ends a line, or starts a telnet command, does to the bytes after it.
    fn after_data(&mut self, byte: u8) {
        match byte {
            IAC => self.telnet = Telnet::Iac,
            b'\r' => self.after_cr = true,
            _ => {}
        }
    }

    /// A literal 0xFF; true if the line is too long with it.
    fn push_literal(&mut self, bytes_max: usize) -> bool {
        if self.skipping {
            return false;
        }
        if self.kept.len() >= bytes_max {
            return true;
        }
        self.keep(&[IAC], bytes_max);
        false
    }

    fn too_long(&mut self) -> Line {
        self.kept = Vec::new();
        self.skipping = true;
        Line::TooLong
    }

    /// Grows by doubling, but never past what the line may have.
    fn keep(&mut self, bytes: &[u8], bytes_max: usize) {
        let needed = self.kept.len() + bytes.len();
        if needed > self.kept.capacity() {
            let target = needed.max((self.kept.capacity() * 2).min(bytes_max));
            self.kept.reserve_exact(target - self.kept.len());
        }
        self.kept.extend_from_slice(bytes);
    }
}

/// What a length in 32 bits can count; limits that make sense are far below.
const LINE_BYTES_CEILING: usize = 1 << 30;
