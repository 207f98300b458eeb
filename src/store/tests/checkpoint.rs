//! The store's log goes into its database beside the writing, and begins anew.

use std::fs;

use super::*;
use crate::store::schema::{WAL_PAGES, WAL_PAGES_MAX};

/// A page with its head in the log.
const FRAME_BYTES: u64 = 4096 + 24;

/// Bytes of the store's log.
fn log_bytes(bench: &Bench) -> u64 {
    fs::metadata(bench.dir.path().join("sottod.db-wal")).map_or(0, |file| file.len())
}

/// Says things until the log has grown by so many pages.
fn write_pages(bench: &mut Bench, room: RoomId, pages: i64) {
    let until = log_bytes(bench) + pages.cast_unsigned() * FRAME_BYTES;
    while log_bytes(bench) < until {
        let long = "x".repeat(4_000);
        bench.batch((0..64).map(|_| say(room, &long, None)));
    }
}

#[test]
fn the_log_is_emptied_beside_the_writing_and_used_again() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    let mut checkpointer = bench.store().take_checkpointer().expect("nobody has it");
    write_pages(&mut bench, room, WAL_PAGES / 2);
    let before = fs::metadata(bench.dir.path().join("sottod.db")).unwrap().len();
    checkpointer.step();
    let after = |bench: &Bench| fs::metadata(bench.dir.path().join("sottod.db")).unwrap().len();
    assert_eq!(after(&bench), before, "so little is not worth it");
    write_pages(&mut bench, room, WAL_PAGES / 2);
    checkpointer.step();
    assert!(after(&bench) > before, "all that was said is in the database");
    let full = log_bytes(&bench);
    for _ in 0..20 {
        bench.batch([say(room, "hello", None)]);
    }
    assert_eq!(log_bytes(&bench), full, "the log begins anew");
    drop(checkpointer);
    bench.restart();
    assert!(bench.kept.rooms[0].seq.0 > 20);
}

#[test]
fn whoever_writes_empties_the_log_where_nobody_else_does() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    write_pages(&mut bench, room, WAL_PAGES_MAX);
    let full = log_bytes(&bench);
    for _ in 0..4 {
        let long = "x".repeat(4_000);
        bench.batch((0..64).map(|_| say(room, &long, None)));
    }
    assert_eq!(log_bytes(&bench), full, "the log begins anew");
}
