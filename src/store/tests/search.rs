//! Words in, the newest messages out.

use super::*;
use crate::proto::limits::{HISTORY_PAGE_MAX, PAGE_BYTES_MAX};

#[test]
fn words_are_found_however_they_are_written() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    for text in ["Grüße aus Köln", "the quick brown fox", "foo-bar baz", "bar foo", "OR and NOT a syntax"]
    {
        bench.run(say(room, text, None));
    }
    let mut check = |query: &str, expected: &[u64]| {
        let (messages, more) = bench.search(&[room], query, 50);
        let found: Vec<u64> = messages.iter().map(|(_, entry)| entry.seq.0).collect();
        assert_eq!((&*found, more), (expected, false), "{query:?}");
    };
    check("grusse", &[]);
    check("gruße KOLN", &[1]);
    check("fox quick", &[2]);
    check("quick cat", &[]);
    check("foo", &[3, 4]);
    check("foo-bar", &[3]);
    check("OR", &[5]);
    check("quick OR foo", &[]);
    check("", &[]);
    check("   ", &[]);
    check("!!!", &[]);
    check("!!! fox", &[2]);
    for query in [
        "\"", "\"\"", "'", "fox\"", "fox AND", "NEAR(fox", "text:fox", "fo*", "^fox", "-fox", "{", "fox\0\"",
        "(", ":", "+",
    ] {
        bench.search(&[room], query, 50);
    }
}

#[test]
fn every_query_is_only_words() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    bench.fill(room, 1);
    let bench = std::cell::RefCell::new(bench);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    runner
        .run(&"\\PC{0,12}|[\"'*^:(){}+\\-\0 a]{0,12}", |query| {
            bench.borrow_mut().search(&[room], &query, 50);
            Ok(())
        })
        .expect("no query fails");
}

#[test]
fn only_the_asked_rooms_are_searched_and_the_newest_win() {
    let mut bench = Bench::new();
    let rooms: Vec<RoomId> = (1..=3).map(|id| bench.room(id, &format!("room-{id}"), None)).collect();
    for n in 0..9 {
        let (room, at) = (rooms[n % 3], later(MS * n as u32));
        bench.run(say_as(room, KeyScope::Guest(GUEST), &format!("word {n}"), None, at));
    }
    let mut check = |asked: &[RoomId], limit, expected: &[&str], more| {
        let (messages, found_more) = bench.search(asked, "word", limit);
        let texts: Vec<&str> = messages.iter().map(|(_, entry)| &*entry.text).collect();
        assert_eq!((&*texts, found_more), (expected, more), "{asked:?} {limit}");
        for (room, entry) in &messages {
            assert!(asked.contains(room));
            assert_eq!(bench.page(*room, PageRange::Before(Seq(entry.seq.0 + 1)), 1).messages[0], *entry);
        }
    };
    check(&[rooms[1]], 50, &["word 1", "word 4", "word 7"], false);
    check(&[rooms[2], rooms[0]], 3, &["word 5", "word 6", "word 8"], true);
    check(&[rooms[2], rooms[0]], 6, &["word 0", "word 2", "word 3", "word 5", "word 6", "word 8"], false);
    check(&[rooms[1], rooms[1]], 3, &["word 1", "word 4", "word 7"], false);
    check(&[], 50, &[], false);
    check(&[RoomId(9)], 50, &[], false);
    check(&[rooms[0]], 0, &[], true);
}

#[test]
fn results_are_cut_at_number_and_bytes() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    bench.fill(room, u64::from(HISTORY_PAGE_MAX) + 1);
    let (messages, more) = bench.search(&[room], "message", u32::MAX);
    assert_eq!((messages.len(), more), (HISTORY_PAGE_MAX as usize, true));
    assert_eq!(messages[0].1.seq, Seq(2));
    let half = format!("{} end", "x".repeat(PAGE_BYTES_MAX / 2 - 4));
    for text in ["the end", &half, &half] {
        bench.run(say(room, text, None));
    }
    let (messages, more) = bench.search(&[room], "end", 50);
    assert_eq!((messages.len(), more), (2, true));
}

#[test]
fn a_search_finds_what_was_said_just_before_it() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    let (rooms, query) = (vec![room], "fox".to_owned());
    let replies =
        bench.batch([say(room, "a fox", None), StoreJob::Search { origin: ORIGIN, rooms, query, limit: 5 }]);
    assert!(matches!(&replies[1], StoreReply::Search { messages, .. } if messages.len() == 1));
}

#[test]
fn the_index_follows_in_its_own_time() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    bench.settle();
    bench.fill(room, index::LAG_MAX - 1);
    assert!(!bench.store().upkeep(Pace::Busy));
    assert_eq!(bench.store().logs.lag(), index::LAG_MAX - 1);
    bench.fill(room, index::PIECE);
    assert!(bench.store().upkeep(Pace::Busy));
    assert_eq!(bench.store().logs.lag(), index::LAG_MAX - 1);
    bench.restart();
    assert_eq!(bench.store().logs.lag(), index::LAG_MAX - 1);
    bench.settle();
    assert_eq!(bench.store().logs.lag(), 0);
    bench.check_whole();
}
