//! The pieces in which all files pass through, and how many of them there may be.

use crate::proto::piece::FilePiece;

/// Pieces that nobody uses, and the number of those that somebody does.
#[derive(Debug)]
pub(super) struct Pool {
    free: Vec<FilePiece>,
    out: usize,
}

impl Pool {
    pub fn new() -> Pool {
        Pool { free: Vec::new(), out: 0 }
    }

    /// Pieces in use.
    pub fn out(&self) -> usize {
        self.out
    }

    pub fn has_one_for_put(&self) -> bool {
        self.out < PIECES_MAX
    }

    /// Some stay for uploads: a download may keep its pieces for as long as its connection is slow.
    pub fn has_one_for_get(&self) -> bool {
        self.out < PIECES_MAX - PUT_RESERVE
    }

    /// More than half of what there is for downloads is in use: each may have one piece only.
    pub fn is_scarce_for_get(&self) -> bool {
        self.out >= (PIECES_MAX - PUT_RESERVE) / 2
    }

    /// An empty piece. The caller asked whether there is one.
    pub fn take(&mut self) -> FilePiece {
        assert!(self.out < PIECES_MAX, "the caller looked");
        self.out += 1;
        self.free.pop().unwrap_or_default()
    }

    pub fn give_back(&mut self, mut piece: FilePiece) {
        assert!(self.out > 0, "a piece comes back once");
        self.out -= 1;
        piece.resize(0);
        self.free.push(piece);
    }

    /// Time passed without transfers: memory is given back.
    pub fn rest(&mut self) {
        if self.out == 0 {
            self.free = Vec::new();
        }
    }
}

/// All pieces together are 16 MiB: enough that the disk and thirty connections are never idle.
pub const PIECES_MAX: usize = 64;
/// Pieces that downloads leave to uploads.
const PUT_RESERVE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_pieces_and_no_more() {
        let mut pool = Pool::new();
        let mut taken = Vec::new();
        while pool.has_one_for_get() {
            taken.push(pool.take());
        }
        assert_eq!(taken.len(), PIECES_MAX - PUT_RESERVE);
        while pool.has_one_for_put() {
            taken.push(pool.take());
        }
        assert_eq!((taken.len(), pool.out()), (PIECES_MAX, PIECES_MAX));
        taken[0].fill(b"left over");
        taken.into_iter().for_each(|piece| pool.give_back(piece));
        assert!(!pool.is_scarce_for_get() && pool.free.iter().all(FilePiece::is_empty));
        pool.rest();
        assert!(pool.free.is_empty());
    }

    #[test]
    #[should_panic(expected = "the caller looked")]
    fn one_more_is_a_bug() {
        let mut pool = Pool::new();
        let _pieces: Vec<FilePiece> = (0..=PIECES_MAX).map(|_| pool.take()).collect();
    }
}
