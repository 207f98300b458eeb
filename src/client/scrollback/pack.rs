//! Lines as bytes: a block that grows, and the same compressed.
//!
//! A line in a block: `flags u8 | seq | at | from length, from | text length, text`, where `seq` and
//! `at` are differences to the line before, and all numbers are variable-length integers. The flags
//! hold the kind in five bits; a private message is a kind of its own for each [`Seal`], so that the
//! seal costs nothing.

use std::ops::Range;

use crate::client::scrollback::{Kind, Line, LineNumber, Origin, Seal};
use crate::proto::id::Seq;
use crate::proto::time::Timestamp;

/// A full block, compressed.
#[derive(Debug)]
pub(super) struct Sealed {
    pub packed: Box<[u8]>,
    pub plain_bytes: usize,
    pub lines: u32,
    pub oldest_seq: Option<Seq>,
}

impl Sealed {
    pub fn unpack(&self) -> Vec<u8> {
        miniz_oxide::inflate::decompress_to_vec_with_limit(&self.packed, self.plain_bytes)
            .expect("the block was made by this program and lay in its memory")
    }
}

/// Lines that are being collected.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub bytes: Vec<u8>,
    pub lines: u32,
    pub oldest_seq: Option<Seq>,
    last_seq: u64,
    last_at: u64,
}

impl Block {
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= BLOCK_BYTES || self.lines >= BLOCK_LINES
    }

    pub fn push(&mut self, line: &Line) {
        if self.oldest_seq.is_none() && line.seq.0 > 0 {
            self.oldest_seq = Some(line.seq);
        }
        let mark = mark(line.kind, line.seal);
        self.bytes.push(mark | (line.origin as u8) << ORIGIN_SHIFT | u8::from(line.own) << OWN_SHIFT);
        put_difference(&mut self.bytes, &mut self.last_seq, line.seq.0);
        put_difference(&mut self.bytes, &mut self.last_at, line.at.0 / SECOND_MS);
        put_text(&mut self.bytes, &line.from);
        put_text(&mut self.bytes, &line.text);
        self.lines += 1;
    }

    pub fn seal(self) -> Sealed {
        Sealed {
            packed: Box::from(&*compress(&self.bytes)),
            plain_bytes: self.bytes.len(),
            lines: self.lines,
            oldest_seq: self.oldest_seq,
        }
    }
}

/// The result is copied by the caller: shrunk in place, it would leave a hole behind every block.
fn compress(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec(bytes, COMPRESSION_LEVEL)
}

/// The lines of a block, the first of which has this number, that are in the range.
pub(super) fn read(bytes: &[u8], mut number: LineNumber, range: &Range<LineNumber>, found: &mut Vec<Line>) {
    let mut reader = Reader { bytes, last_seq: 0, last_at: 0 };
    while number < range.end {
        let Some(line) = reader.next_line(number >= range.start) else { return };
        found.extend(line);
        number += 1;
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    last_seq: u64,
    last_at: u64,
}

impl<'a> Reader<'a> {
    /// `None` at the end; a line that is not wanted is passed over without copying it.
    fn next_line(&mut self, wanted: bool) -> Option<Option<Line>> {
        let (&flags, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        self.last_seq = self.last_seq.wrapping_add(unfold(self.number()?));
        self.last_at = self.last_at.wrapping_add(unfold(self.number()?));
        let from = self.text()?;
        let text = self.text()?;
        if !wanted {
            return Some(None);
        }
        let (kind, seal) = marked(flags & KIND_MASK)?;
        Some(Some(Line {
            kind,
            seal,
            origin: ORIGINS[usize::from(flags >> ORIGIN_SHIFT & 3)],
            own: flags >> OWN_SHIFT & 1 == 1,
            seq: Seq(self.last_seq),
            at: Timestamp(self.last_at.wrapping_mul(SECOND_MS)),
            from: String::from_utf8_lossy(from).into(),
            text: String::from_utf8_lossy(text).into(),
        }))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(text)
    }
}

/// The five bits of a kind and a seal. Only what people say is sealed.
fn mark(kind: Kind, seal: Seal) -> u8 {
    match (kind, SEALS.iter().position(|&sealed| sealed == seal)) {
        (Kind::Say, Some(place)) => (KINDS.len() + place) as u8,
        _ => kind as u8,
    }
}

fn marked(mark: u8) -> Option<(Kind, Seal)> {
    let mark = usize::from(mark);
    match KINDS.get(mark) {
        Some(&kind) => Some((kind, Seal::ServerReadable)),
        None => SEALS.get(mark - KINDS.len()).map(|&seal| (Kind::Say, seal)),
    }
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Small differences of either sign become small numbers.
fn put_difference(bytes: &mut Vec<u8>, last: &mut u64, value: u64) {
    let difference = value.wrapping_sub(*last).cast_signed();
    put_number(bytes, (difference << 1 ^ difference >> 63).cast_unsigned());
    *last = value;
}

fn unfold(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// Bytes and lines of a block: large enough to compress well, small enough to unpack in an instant
/// and to lie open in each of a hundred rooms.
const BLOCK_BYTES: usize = 16 * 1024;
pub(super) const BLOCK_LINES: u32 = 1024;
/// Times are kept to the second: milliseconds cannot be compressed, and nobody reads them.
const SECOND_MS: u64 = 1_000;
/// 1 to 10; higher ones gain next to nothing on blocks of this size.
const COMPRESSION_LEVEL: u8 = 6;

const KIND_MASK: u8 = 0x1f;
const ORIGIN_SHIFT: u8 = 5;
const OWN_SHIFT: u8 = 7;

/// In the order of their declaration: [`Kind`] and [`Origin`] are stored as their position.
pub(super) const KINDS: [Kind; 14] = [
    Kind::Access,
    Kind::Error,
    Kind::Gap,
    Kind::Invite,
    Kind::Join,
    Kind::Kick,
    Kind::Leave,
    Kind::Me,
    Kind::Notice,
    Kind::Operator,
    Kind::Quit,
    Kind::Rename,
    Kind::Say,
    Kind::Topic,
];
pub(super) const ORIGINS: [Origin; 4] = [Origin::Here, Origin::Live, Origin::Missed, Origin::Past];

/// The seals of a message that was said to one person.
pub(super) const SEALS: [Seal; 4] = [Seal::Changed, Seal::Encrypted, Seal::NotEncrypted, Seal::Verified];

const _: () = assert!(KINDS.len() + SEALS.len() <= KIND_MASK as usize + 1);
const _: () = assert!(ORIGINS[Origin::Past as usize] as usize == ORIGINS.len() - 1);
const _: () = assert!(KINDS[Kind::Topic as usize] as u8 == KINDS.len() as u8 - 1);
