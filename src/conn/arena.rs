//! The bytes that one turn produces, shared by everybody they go to.
//!
//! An event is encoded once into an arena, and every connection that hears it holds only a range. All
//! that one connection hears in a turn often lies side by side, so its ranges join and leave in one
//! piece. At the end of the turn the arenas are empty again; what a slow connection has not taken is
//! either copied for it (a little) or kept alive by a shared reference to the whole arena (a lot).

use std::sync::Arc;

/// Which arena a range lies in. What many hear is kept apart from what one hears, so that the
/// answers to senders do not tear the ranges of the room asunder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    JsonShared,
    Single,
    TextShared,
}

/// A piece of an arena, valid until the end of the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub area: Area,
    pub start: u32,
    pub end: u32,
}

impl Range {
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

#[derive(Debug, Default)]
pub struct Arenas {
    areas: [Arena; 3],
}

#[derive(Debug, Default)]
struct Arena {
    bytes: Vec<u8>,
    /// Invariant: once set, `bytes` is empty and nothing is added before the turn ends.
    frozen: Option<Arc<Vec<u8>>>,
}

impl Arenas {
    /// Appends what `write` writes, and says where it is.
    pub fn write(&mut self, area: Area, write: impl FnOnce(&mut Vec<u8>)) -> Range {
        let arena = &mut self.areas[area as usize];
        assert!(arena.frozen.is_none(), "nothing is said while the turn is flushed");
        let start = arena.bytes.len();
        write(&mut arena.bytes);
        let position = |bytes| u32::try_from(bytes).expect("a turn is cut long before four gigabytes");
        Range { area, start: position(start), end: position(arena.bytes.len()) }
    }

    pub fn bytes(&self, range: Range) -> &[u8] {
        let arena = &self.areas[range.area as usize];
        let bytes = arena.frozen.as_ref().map_or(&arena.bytes, |frozen| &**frozen);
        &bytes[range.start as usize..range.end as usize]
    }

    /// The whole arena, to be kept beyond the turn by whoever has not taken most of it.
    pub fn share(&mut self, area: Area) -> Arc<Vec<u8>> {
        let arena = &mut self.areas[area as usize];
        let bytes = &mut arena.bytes;
        arena.frozen.get_or_insert_with(|| Arc::new(std::mem::take(bytes))).clone()
    }

    /// Bytes in one arena.
    pub fn len(&self, area: Area) -> usize {
        let arena = &self.areas[area as usize];
        arena.frozen.as_ref().map_or(arena.bytes.len(), |frozen| frozen.len())
    }

    /// Bytes that this turn produced so far.
    pub fn produced(&self) -> usize {
        [Area::JsonShared, Area::Single, Area::TextShared].into_iter().map(|area| self.len(area)).sum()
    }

    /// The turn is over; no range is valid any more.
    pub fn clear(&mut self) {
        for arena in &mut self.areas {
            arena.frozen = None;
            arena.bytes.clear();
            if arena.bytes.capacity() > ARENA_BYTES_KEPT {
                arena.bytes = Vec::new();
            }
        }
    }
}

/// A busy turn's memory is used again by the next; more than this is given back.
const ARENA_BYTES_KEPT: usize = 1024 * 1024;
