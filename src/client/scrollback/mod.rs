//! The lines of one conversation, kept small: 100 rooms of 5,000 lines have to fit beside a program
//! of a few megabytes in 20 MB, which leaves less than 30 bytes a line.
//!
//! The newest lines lie in an open block of plain bytes. A full block is compressed and sealed; chat
//! shrinks to less than half, and names that repeat cost nearly nothing, so no table of names is
//! needed. Reading a screenful unpacks one or two blocks (some tens of microseconds).
//!
//! A line in a block: `flags u8 | seq | at | from length, from | text length, text`, where `seq` and
//! `at` are differences to the line before, and all numbers are variable-length integers. The flags
//! hold the kind in five bits; a private message is a kind of its own for each [`Seal`], so that the
//! seal costs nothing.
//!
//! Lines are counted by [`LineNumber`]s that stay the same while older lines are put in front or
//! dropped: a view may keep one as its scroll position or as the place of its unread mark.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use crate::proto::id::Seq;
use crate::proto::time::Timestamp;

/// The number of a line in its conversation; the first line of a session has 0, older ones that were
/// loaded later are below.
pub type LineNumber = i64;

/// One line of a conversation, sanitised. Only the text of [`Kind::Say`] and [`Kind::Me`] can have
/// several lines, separated by `\n`; show each of them as a line of its own that cannot be mistaken
/// for another message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub kind: Kind,
    pub origin: Origin,
    /// By this user: one's own message, from this or another session.
    pub own: bool,
    /// The position in the room's log; 0 for what is not in it (notices, private messages).
    pub seq: Seq,
    /// When it was said; to the second once it is in the scrollback.
    pub at: Timestamp,
    /// Who it is about: the author of a message, who joined, who changed the topic; may be empty.
    pub from: Box<str>,
    /// A message as it was written; of any other kind the whole sentence ("alice joined #lobby").
    pub text: Box<str>,
    /// Who else could read it. Of anything but a private message it is [`Seal::ServerReadable`].
    pub seal: Seal,
}

/// How a message or a conversation is protected: what a status bar says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seal {
    /// Encrypted by an identity that has changed, and that nobody has agreed to yet.
    Changed,
    /// End-to-end encrypted; the identity is the one that was seen first.
    Encrypted,
    /// A private message that the server could read, and make up.
    NotEncrypted,
    /// A room, or a notice.
    #[default]
    ServerReadable,
    /// End-to-end encrypted, and the identity was compared.
    Verified,
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Seal::Changed => "identity CHANGED",
            Seal::Encrypted => "encrypted",
            Seal::NotEncrypted => "NOT encrypted",
            Seal::ServerReadable => "server-readable",
            Seal::Verified => "encrypted, verified",
        })
    }
}

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Access,
    Error,
    /// Messages of the log are missing here and cannot be had.
    Gap,
    Invite,
    Join,
    Kick,
    Leave,
    /// An emote.
    Me,
    /// Anything the client or the server has to say.
    Notice,
    Operator,
    Quit,
    Rename,
    Say,
    Topic,
}

/// How a line came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Said by this very session, and confirmed by the server.
    Here,
    /// Said just now, by others or by another session of this user.
    Live,
    /// Said while the connection was interrupted, fetched afterwards.
    Missed,
    /// Said before this client came into the room.
    Past,
}

/// Lines kept of one conversation.
pub const LINES_MAX: usize = 5_000;
/// Bytes kept of one conversation, after compression; long lines hit this before [`LINES_MAX`].
pub const BYTES_MAX: usize = 1024 * 1024;

/// The kept lines of one conversation.
#[derive(Debug, Default)]
pub struct Scrollback {
    sealed: VecDeque<Sealed>,
    open: Block,
    /// Invariant: the bytes of all sealed blocks.
    sealed_bytes: usize,
    /// Invariant: `end - first` is the number of lines in all blocks.
    first: LineNumber,
    end: LineNumber,
}

impl Scrollback {
    /// The numbers of all lines kept.
    pub fn numbers(&self) -> Range<LineNumber> {
        self.first..self.end
    }

    /// How many lines are kept.
    pub fn len(&self) -> usize {
        usize::try_from(self.end - self.first).expect("the end is never before the first")
    }

    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Nothing older can be put in front without dropping it again.
    pub fn is_full(&self) -> bool {
        self.len() >= LINES_MAX || self.bytes() >= BYTES_MAX
    }

    /// Bytes held, apart from the structure itself.
    pub fn bytes(&self) -> usize {
        self.sealed_bytes + self.open.bytes.capacity()
    }

    /// Adds a line at the end; drops the oldest block when there are too many.
    pub fn push(&mut self, line: &Line) -> LineNumber {
        let number = self.end;
        self.open.push(line);
        self.end += 1;
        if self.open.is_full() {
            let block = std::mem::take(&mut self.open).seal();
            self.sealed_bytes += block.packed.len();
            self.sealed.push_back(block);
        }
        self.trim();
        number
    }

    /// Puts older lines in front, given oldest first.
    pub fn prepend(&mut self, lines: &[Line]) {
        let mut blocks = Vec::new();
        let mut block = Block::default();
        for line in lines {
            block.push(line);
            if block.is_full() {
                blocks.push(std::mem::take(&mut block).seal());
            }
        }
        if block.lines > 0 {
            blocks.push(block.seal());
        }
        for block in blocks.into_iter().rev() {
            self.sealed_bytes += block.packed.len();
            self.first -= i64::from(block.lines);
            self.sealed.push_front(block);
        }
        self.trim();
    }

    /// The lines of this range that are kept, oldest first.
    pub fn lines(&self, range: Range<LineNumber>) -> Vec<Line> {
        let mut found = Vec::new();
        let mut number = self.first;
        for block in &self.sealed {
            let next = number + i64::from(block.lines);
            if number < range.end && range.start < next {
                read(&block.unpack(), number, &range, &mut found);
            }
            number = next;
        }
        if number < range.end {
            read(&self.open.bytes, number, &range, &mut found);
        }
        found
    }

    /// One line, if it is kept.
    pub fn line(&self, number: LineNumber) -> Option<Line> {
        self.lines(number..number.saturating_add(1)).pop()
    }

    /// The oldest position of the room's log that is kept: where loading older lines goes on.
    pub fn oldest_seq(&self) -> Option<Seq> {
        let blocks = self.sealed.iter().map(|block| block.oldest_seq);
        blocks.chain([self.open.oldest_seq]).flatten().next()
    }

    fn trim(&mut self) {
        while let Some(oldest) = self.sealed.front() {
            let lines = oldest.lines as usize;
            if self.len() - lines < LINES_MAX && self.sealed_bytes <= BYTES_MAX {
                return;
            }
            self.sealed_bytes -= oldest.packed.len();
            self.first += i64::from(oldest.lines);
            self.sealed.pop_front();
        }
    }
}

/// A full block, compressed.
#[derive(Debug)]
struct Sealed {
    packed: Box<[u8]>,
    plain_bytes: usize,
    lines: u32,
    oldest_seq: Option<Seq>,
}

impl Sealed {
    fn unpack(&self) -> Vec<u8> {
        miniz_oxide::inflate::decompress_to_vec_with_limit(&self.packed, self.plain_bytes)
            .expect("the block was made by this program and lay in its memory")
    }
}

/// Lines that are being collected.
#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    lines: u32,
    oldest_seq: Option<Seq>,
    last_seq: u64,
    last_at: u64,
}

impl Block {
    fn is_full(&self) -> bool {
        self.bytes.len() >= BLOCK_BYTES || self.lines >= BLOCK_LINES
    }

    fn push(&mut self, line: &Line) {
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

    fn seal(self) -> Sealed {
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

fn read(bytes: &[u8], mut number: LineNumber, range: &Range<LineNumber>, found: &mut Vec<Line>) {
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
const BLOCK_LINES: u32 = 1024;
/// Times are kept to the second: milliseconds cannot be compressed, and nobody reads them.
const SECOND_MS: u64 = 1_000;
/// 1 to 10; higher ones gain next to nothing on blocks of this size.
const COMPRESSION_LEVEL: u8 = 6;

const KIND_MASK: u8 = 0x1f;
const ORIGIN_SHIFT: u8 = 5;
const OWN_SHIFT: u8 = 7;

/// In the order of their declaration: [`Kind`] and [`Origin`] are stored as their position.
const KINDS: [Kind; 14] = [
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
const ORIGINS: [Origin; 4] = [Origin::Here, Origin::Live, Origin::Missed, Origin::Past];

/// The seals of a message that was said to one person.
const SEALS: [Seal; 4] = [Seal::Changed, Seal::Encrypted, Seal::NotEncrypted, Seal::Verified];

const _: () = assert!(KINDS.len() + SEALS.len() <= KIND_MASK as usize + 1);
const _: () = assert!(ORIGINS[Origin::Past as usize] as usize == ORIGINS.len() - 1);
const _: () = assert!(KINDS[Kind::Topic as usize] as u8 == KINDS.len() as u8 - 1);

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, text: &str) -> Line {
        Line {
            kind: Kind::Say,
            origin: Origin::Live,
            own: seq.is_multiple_of(2),
            seq: Seq(seq),
            at: Timestamp(1_769_860_800_000 + seq * 3_000),
            from: format!("user{}", seq % 20).into(),
            text: text.into(),
            seal: Seal::ServerReadable,
        }
    }

    fn sentence(n: u64) -> String {
        let words = ["the", "server", "keeps", "every", "message", "until", "it", "is", "old", "quietly"];
        let pick = |i: u64| words[((n * 7 + i * i * 13 + (n >> 3) * i) % 10) as usize];
        (0..8).map(pick).collect::<Vec<_>>().join(" ") + &format!(" {n}")
    }

    #[test]
    fn every_kind_and_origin_comes_back() {
        let mut scrollback = Scrollback::default();
        let mut pushed = Vec::new();
        for (i, kind) in KINDS.into_iter().enumerate() {
            for origin in ORIGINS {
                let mut line = line(i as u64, "h\u{e9} \u{1f980}\nsecond");
                (line.kind, line.origin) = (kind, origin);
                if i == 3 {
                    (line.seq, line.at) = (Seq(u64::MAX), Timestamp(0));
                }
                scrollback.push(&line);
                pushed.push(line);
            }
        }
        assert_eq!(scrollback.lines(scrollback.numbers()), pushed);
    }

    #[test]
    fn seals_come_back_and_cost_nothing() {
        let (mut sealed, mut open) = (Scrollback::default(), Scrollback::default());
        for (i, seal) in SEALS.into_iter().enumerate() {
            for origin in ORIGINS {
                let mut line = line(i as u64, "hi");
                (line.seal, line.origin) = (seal, origin);
                let number = sealed.push(&line);
                assert_eq!(sealed.line(number), Some(line.clone()));
                open.push(&Line { seal: Seal::ServerReadable, ..line });
            }
        }
        assert_eq!(sealed.open.bytes.len(), open.open.bytes.len());
    }

    #[test]
    fn ranges_cross_blocks_and_numbers_stay_when_older_lines_come_in_front() {
        let mut scrollback = Scrollback::default();
        for seq in 1001..=3000 {
            scrollback.push(&line(seq, &sentence(seq)));
        }
        assert!(scrollback.sealed.len() > 2);
        assert_eq!(scrollback.line(700), Some(line(1701, &sentence(1701))));
        let older: Vec<Line> = (1..=1000).map(|seq| line(seq, &sentence(seq))).collect();
        scrollback.prepend(&older);
        assert_eq!(scrollback.numbers(), -1000..2000);
        assert_eq!(scrollback.oldest_seq(), Some(Seq(1)));
        let seqs: Vec<u64> = scrollback.lines(-3..3).iter().map(|line| line.seq.0).collect();
        assert_eq!(seqs, [998, 999, 1000, 1001, 1002, 1003]);
        assert_eq!(scrollback.line(700), Some(line(1701, &sentence(1701))));
        assert_eq!(scrollback.lines(2000..2100), []);
        assert_eq!(scrollback.line(i64::MAX), None);
    }

    #[test]
    fn the_oldest_lines_go_when_there_are_too_many() {
        let mut scrollback = Scrollback::default();
        for seq in 1..=20_000 {
            scrollback.push(&line(seq, &sentence(seq)));
        }
        assert!((LINES_MAX..LINES_MAX + BLOCK_LINES as usize).contains(&scrollback.len()));
        assert_eq!(scrollback.numbers().end, 20_000);
        assert_eq!(scrollback.oldest_seq().map(|seq| seq.0), Some(scrollback.numbers().start as u64 + 1));
        // Hexadecimal digits without a pattern: compression cannot go below half.
        let mut state = 1u64;
        let mut digits = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{:016x}", state ^ state >> 33)
        };
        for seq in 1..=60 {
            let long: String = (0..4_000).map(|_| digits()).collect();
            scrollback.push(&line(seq, &long));
        }
        assert!(scrollback.sealed_bytes <= BYTES_MAX);
        assert!((20..60).contains(&scrollback.len()), "{} lines", scrollback.len());
    }

    #[test]
    fn a_hundred_rooms_of_5000_lines_stay_small() {
        let mut scrollback = Scrollback::default();
        for seq in 1..=LINES_MAX as u64 {
            scrollback.push(&line(seq, &sentence(seq)));
        }
        let plain: usize = scrollback.lines(scrollback.numbers()).iter().map(|line| line.text.len()).sum();
        assert!(plain / LINES_MAX > 40, "the lines of this test are as long as people's");
        assert!(scrollback.bytes() * 100 < 14_000_000, "{} bytes a room", scrollback.bytes());
    }
}
