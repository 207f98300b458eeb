//! What waits to be sent on one connection. An empty one owns no memory outside itself.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use crate::conn::arena::{Arenas, Range};
use crate::proto::piece::FilePiece;

#[derive(Debug, Default)]
pub struct Outbox {
    /// Invariant: empty pieces are not kept, and `more` is empty unless `first` is there.
    first: Option<Piece>,
    #[expect(clippy::box_collection, reason = "most connections have nothing here: 8 bytes, not 32")]
    more: Option<Box<VecDeque<Piece>>>,
    /// Those in pieces of files do not count.
    bytes: usize,
}

#[derive(Debug)]
enum Piece {
    /// Of a file, sent from an offset on.
    Of { piece: FilePiece, start: u32 },
    /// A copy of our own, sent from an offset on.
    Own { bytes: Box<[u8]>, start: u32 },
    /// Part of an earlier turn's arena.
    Shared { bytes: Arc<Vec<u8>>, start: u32, end: u32 },
    /// Part of this turn's arenas.
    Turn(Range),
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Bytes that wait, without those of files, whose number has a bound of its own.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Adds something that was said in this turn.
    pub fn push(&mut self, range: Range) {
        if range.is_empty() {
            return;
        }
        self.bytes += range.len();
        let last = match &mut self.more {
            Some(more) if !more.is_empty() => more.back_mut(),
            _ => self.first.as_mut(),
        };
        match last {
            Some(Piece::Turn(last)) if last.area == range.area && last.end == range.start => {
                last.end = range.end;
            }
            Some(_) => self.more.get_or_insert_default().push_back(Piece::Turn(range)),
            None => self.first = Some(Piece::Turn(range)),
        }
    }

    /// Adds a piece of a file.
    pub fn push_piece(&mut self, piece: FilePiece) {
        let piece = Piece::Of { piece, start: 0 };
        match self.first {
            Some(_) => self.more.get_or_insert_default().push_back(piece),
            None => self.first = Some(piece),
        }
    }

    /// Pieces of files that wait.
    pub fn file_pieces(&self) -> usize {
        self.pieces().filter(|piece| matches!(piece, Piece::Of { .. })).count()
    }

    /// The pieces that wait, in order, at most as many as fit one system call.
    pub fn slices<'a>(&'a self, arenas: &'a Arenas) -> impl Iterator<Item = IoSlice<'a>> {
        self.pieces().map(|piece| IoSlice::new(piece.bytes(arenas))).take(SLICES_MAX)
    }

    /// The bytes of the first piece.
    pub fn front<'a>(&'a self, arenas: &'a Arenas) -> &'a [u8] {
        self.first.as_ref().map_or(&[], |piece| piece.bytes(arenas))
    }

    /// So many bytes were sent; pieces of files that were sent whole go to `done`.
    pub fn advance(&mut self, mut sent: usize, done: &mut Vec<FilePiece>) {
        while let Some(piece) = &mut self.first {
            let len = piece.len();
            let part = sent.min(len);
            self.bytes -= piece.counted(part);
            if part < len {
                return piece.advance(part);
            }
            sent -= len;
            let next = self.more.as_mut().and_then(|more| more.pop_front());
            if let Some(Piece::Of { piece, .. }) = std::mem::replace(&mut self.first, next) {
                done.push(piece);
            }
        }
        assert!(sent == 0, "no more is sent than waits");
        // An outbox that was long is given back when it is empty.
        self.more = None;
    }

    /// The turn ends: what is left of its arenas is kept in another way. Returns whether an arena is
    /// kept alive.
    pub fn settle(&mut self, arenas: &mut Arenas) {
        if self.first.is_none() {
            return;
        }
        let more = self.more.iter_mut().flat_map(|more| more.iter_mut());
        for piece in self.first.iter_mut().chain(more) {
            let &mut Piece::Turn(range) = piece else { continue };
            // A shared arena lives until its slowest reader is done: only who has much of it to come
            // may keep it, so that what is kept alive stays in proportion to what waits.
            let much = range.len() >= arenas.len(range.area) / SHARE_FROM;
            *piece = match much {
                true => Piece::Shared { bytes: arenas.share(range.area), start: range.start, end: range.end },
                false => Piece::Own { bytes: arenas.bytes(range).into(), start: 0 },
            };
        }
    }

    /// Throws away what waits; pieces of files go to `done`.
    pub fn clear(&mut self, done: &mut Vec<FilePiece>) {
        let Outbox { first, more, bytes: _ } = std::mem::take(self);
        for piece in first.into_iter().chain(more.into_iter().flat_map(|more| *more)) {
            if let Piece::Of { piece, .. } = piece {
                done.push(piece);
            }
        }
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.first.iter().chain(self.more.iter().flat_map(|more| more.iter()))
    }
}

impl Piece {
    fn bytes<'a>(&'a self, arenas: &'a Arenas) -> &'a [u8] {
        match self {
            Piece::Of { piece, start } => &piece.bytes()[*start as usize..],
            Piece::Own { bytes, start } => &bytes[*start as usize..],
            Piece::Shared { bytes, start, end } => &bytes[*start as usize..*end as usize],
            Piece::Turn(range) => arenas.bytes(*range),
        }
    }

    fn len(&self) -> usize {
        match self {
            Piece::Of { piece, start } => piece.len() - *start as usize,
            Piece::Own { bytes, start } => bytes.len() - *start as usize,
            Piece::Shared { start, end, .. } => (end - start) as usize,
            Piece::Turn(range) => range.len(),
        }
    }

    /// Of so many bytes, those that count.
    fn counted(&self, bytes: usize) -> usize {
        if matches!(self, Piece::Of { .. }) { 0 } else { bytes }
    }

    /// Invariant kept by the caller: `sent` is less than the length.
    fn advance(&mut self, sent: usize) {
        let sent = u32::try_from(sent).expect("pieces are shorter than four gigabytes");
        match self {
            Piece::Of { start, .. } | Piece::Own { start, .. } | Piece::Shared { start, .. } => {
                *start += sent
            }
            Piece::Turn(range) => range.start += sent,
        }
    }
}

/// Pieces handed to the system at once.
pub const SLICES_MAX: usize = 64;
/// An arena is shared by whoever has at least this part of it to come: a quarter.
const SHARE_FROM: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::arena::Area;

    fn text(outbox: &Outbox, arenas: &Arenas) -> String {
        let bytes: Vec<u8> = outbox.slices(arenas).flat_map(|slice| slice.to_vec()).collect();
        String::from_utf8(bytes).unwrap()
    }

    fn say(arenas: &mut Arenas, area: Area, text: &str) -> Range {
        arenas.write(area, |out| out.extend_from_slice(text.as_bytes()))
    }

    #[test]
    fn what_lies_side_by_side_leaves_in_one_piece() {
        let (mut arenas, mut outbox) = (Arenas::default(), Outbox::default());
        for line in ["one ", "two ", "three "] {
            outbox.push(say(&mut arenas, Area::TextShared, line));
        }
        assert_eq!(outbox.slices(&arenas).count(), 1);
        outbox.push(say(&mut arenas, Area::Single, "answer "));
        outbox.push(say(&mut arenas, Area::TextShared, "four"));
        assert_eq!(outbox.slices(&arenas).count(), 3);
        assert_eq!(text(&outbox, &arenas), "one two three answer four");
        assert_eq!(outbox.len(), 25);
    }

    #[test]
    fn what_is_not_sent_outlives_its_turn_in_order() {
        let (mut arenas, mut outbox) = (Arenas::default(), Outbox::default());
        outbox.push(say(&mut arenas, Area::TextShared, "0123456789"));
        say(&mut arenas, Area::Single, &"x".repeat(100));
        outbox.push(say(&mut arenas, Area::Single, "ab"));
        outbox.advance(4, &mut Vec::new());
        outbox.settle(&mut arenas);
        arenas.clear();
        outbox.push(say(&mut arenas, Area::TextShared, "next"));
        assert_eq!(text(&outbox, &arenas), "456789abnext");
        for _ in 0..outbox.len() {
            outbox.advance(1, &mut Vec::new());
        }
        assert!(outbox.is_empty() && outbox.more.is_none());
    }

    #[test]
    fn pieces_of_files_come_back_when_they_were_sent() {
        let (mut arenas, mut outbox, mut done) = (Arenas::default(), Outbox::default(), Vec::new());
        let piece = |bytes: &[u8]| {
            let mut piece = FilePiece::new();
            piece.fill(bytes);
            piece
        };
        outbox.push(say(&mut arenas, Area::Single, "head "));
        outbox.push_piece(piece(b"first "));
        outbox.push_piece(piece(b"second "));
        outbox.push(say(&mut arenas, Area::Single, "end"));
        assert_eq!(text(&outbox, &arenas), "head first second end");
        assert_eq!((outbox.len(), outbox.file_pieces()), (8, 2));
        outbox.advance(10, &mut done);
        assert_eq!((outbox.len(), outbox.file_pieces(), done.len()), (3, 2, 0));
        outbox.advance(2, &mut done);
        assert_eq!((outbox.len(), outbox.file_pieces(), done.len()), (3, 1, 1));
        assert_eq!(text(&outbox, &arenas), "econd end");
        outbox.settle(&mut arenas);
        arenas.clear();
        assert_eq!(text(&outbox, &arenas), "econd end");
        outbox.clear(&mut done);
        assert_eq!((outbox.is_empty(), outbox.len(), done.len()), (true, 0, 2));
    }

    #[test]
    fn nothing_is_no_piece_and_a_file_may_come_first() {
        let (mut arenas, mut outbox, mut done) = (Arenas::default(), Outbox::default(), Vec::new());
        outbox.push(say(&mut arenas, Area::Single, ""));
        assert!(outbox.is_empty());
        outbox.push_piece(FilePiece::new());
        outbox.push(say(&mut arenas, Area::Single, "end"));
        assert_eq!((outbox.len(), outbox.file_pieces()), (3, 1));
        outbox.advance(3, &mut done);
        assert_eq!((outbox.is_empty(), done.len()), (true, 1));
    }

    #[test]
    fn an_empty_outbox_is_small() {
        assert!(size_of::<Outbox>() <= 48);
    }
}
