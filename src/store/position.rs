//! Where a message lies: room and position packed into the row number.
//!
//! So the table itself is sorted by room and position, and needs no second index; and a room is one range
//! of rows, in the search index too.

use crate::proto::id::{RoomId, Seq};

/// The row of a message.
pub(super) fn row(room: RoomId, seq: Seq) -> i64 {
    assert!(room.0 <= ROOM_MAX, "rooms beyond ROOM_MAX are refused when they are made");
    let seq = seq.0.min(SEQ_MAX);
    i64::try_from(u64::from(room.0) << SEQ_BITS | seq).expect("27 and 36 bits are 63")
}

/// All rows that a room can have, inclusive.
pub(super) fn rows(room: RoomId) -> (i64, i64) {
    (row(room, Seq(0)), row(room, Seq(SEQ_MAX)))
}

/// The room and position of a row.
pub(super) fn parts(row: i64) -> (RoomId, Seq) {
    let row = row.unsigned_abs();
    let room = u32::try_from(row >> SEQ_BITS).expect("64 - 36 bits are 28");
    (RoomId(room), Seq(row & SEQ_MAX))
}

/// SQLite's integers are signed. What does not fit is later, or longer, than anything kept.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way back; the store writes nothing negative.
pub(super) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// 68 thousand million messages in a room: a thousand a second for two years.
const SEQ_BITS: u32 = 36;
pub(super) const SEQ_MAX: u64 = (1 << SEQ_BITS) - 1;
/// 134 million rooms, those of guests that are gone included: one a second for four years.
pub(super) const ROOM_MAX: u32 = (1 << 27) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_room_and_position() {
        let places = [(0, 0), (0, 1), (0, SEQ_MAX), (1, 1), (7, 9), (ROOM_MAX, 0), (ROOM_MAX, SEQ_MAX)];
        let rows: Vec<i64> = places.iter().map(|&(room, seq)| row(RoomId(room), Seq(seq))).collect();
        assert!(rows.is_sorted() && rows[0] == 0 && rows[6] == i64::MAX, "{rows:?}");
        for (row, (room, seq)) in rows.into_iter().zip(places) {
            assert_eq!(parts(row), (RoomId(room), Seq(seq)));
        }
    }

    #[test]
    fn a_position_beyond_the_last_stays_in_its_room() {
        assert_eq!(parts(row(RoomId(3), Seq(u64::MAX))), (RoomId(3), Seq(SEQ_MAX)));
    }
}
