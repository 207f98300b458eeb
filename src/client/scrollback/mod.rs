//! The lines of one conversation, kept small: 100 rooms of 5,000 lines have to fit beside a program
//! of a few megabytes in 20 MB, which leaves less than 30 bytes a line.
//!
//! The newest lines lie in an open block of plain bytes. A full block is compressed and sealed; chat
//! shrinks to less than half, and names that repeat cost nearly nothing, so no table of names is
//! needed. Reading a screenful unpacks one or two blocks (some tens of microseconds).
//!
//! Lines are counted by [`LineNumber`]s that stay the same while older lines are put in front or
//! dropped: a view may keep one as its scroll position or as the place of its unread mark.

mod pack;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use crate::client::scrollback::pack::{Block, Sealed, read};
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
