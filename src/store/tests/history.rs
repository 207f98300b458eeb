//! Messages, pages and keys.

use super::*;
use crate::proto::limits::{HISTORY_PAGE_MAX, PAGE_BYTES_MAX, SAY_KEY_KEPT};

#[test]
fn pages_are_the_right_part_oldest_first() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    let other = bench.room(2, "other", None);
    bench.fill(other, 3);
    bench.fill(room, 10);
    let mut check = |range, limit, expected: &[u64]| {
        let page = bench.page(room, range, limit);
        assert_eq!(seqs(&page), expected, "{range:?} {limit}");
        assert!(!page.more);
    };
    check(PageRange::Latest, 3, &[8, 9, 10]);
    check(PageRange::Latest, 0, &[]);
    check(PageRange::Latest, u32::MAX, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    check(PageRange::Before(Seq(5)), 2, &[3, 4]);
    check(PageRange::Before(Seq(1)), 9, &[]);
    check(PageRange::Before(Seq(0)), 9, &[]);
    check(PageRange::Before(Seq(u64::MAX)), 2, &[9, 10]);
    check(PageRange::After(Seq(5)), 2, &[6, 7]);
    check(PageRange::After(Seq(0)), 1, &[1]);
    check(PageRange::After(Seq(10)), 9, &[]);
    check(PageRange::After(Seq(u64::MAX)), 9, &[]);
}

#[test]
fn an_entry_comes_back_as_it_went_in() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    let entry = NewEntry { at: NOW, from: "Änn".into(), me: true, text: "nul \0 and 🦀".into() };
    let job = StoreJob::Append { origin: ORIGIN, room, scope: KeyScope::Guest(GUEST), key: None, entry };
    let StoreReply::Appended { origin, room: in_room, entry } = bench.run(job) else { panic!() };
    assert_eq!((origin, in_room), (ORIGIN, room));
    let expected =
        Entry { seq: Seq(1), at: NOW, from: "Änn".into(), me: true, text: "nul \0 and 🦀".into() };
    assert_eq!(*entry, expected);
    assert_eq!(bench.page(room, PageRange::Latest, 5).messages, [expected]);
}

#[test]
fn a_page_is_cut_at_its_number_of_messages() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    bench.fill(room, u64::from(HISTORY_PAGE_MAX) + 1);
    let page = bench.page(room, PageRange::After(Seq(0)), HISTORY_PAGE_MAX + 1);
    assert_eq!((page.messages.len(), page.more), (HISTORY_PAGE_MAX as usize, false));
    assert_eq!(seqs(&bench.page(room, PageRange::Latest, u32::MAX))[0], 2);
}

#[test]
fn a_page_is_cut_at_its_bytes_and_says_so() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    let quarter = "x".repeat(PAGE_BYTES_MAX / 4);
    for text in [&*quarter, &quarter, &quarter, &quarter, "y"] {
        bench.run(say(room, text, None));
    }
    let mut check = |range, expected: &[u64], more| {
        let page = bench.page(room, range, 50);
        assert_eq!((seqs(&page), page.more), (expected.to_vec(), more), "{range:?}");
    };
    check(PageRange::Before(Seq(5)), &[1, 2, 3, 4], false);
    check(PageRange::After(Seq(0)), &[1, 2, 3, 4], true);
    check(PageRange::Latest, &[2, 3, 4, 5], true);
}

#[test]
fn a_repeated_key_gives_the_first_answer() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    let other = bench.room(2, "other", None);
    let account = bench.account("ann");
    let scope = KeyScope::Account(account);
    let mut check = |room, scope, at, expected: Result<u64, u64>| {
        let reply = bench.run(say_as(room, scope, "hi", Some("k"), at));
        let found = match reply {
            StoreReply::Appended { entry, .. } => Ok(entry.seq.0),
            StoreReply::Repeated { seq, at, origin, .. } => {
                assert_eq!((at, origin), (NOW, ORIGIN));
                Err(seq.0)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{room:?} {scope:?} {at:?}");
    };
    check(room, scope, NOW, Ok(1));
    check(room, scope, NOW, Err(1));
    check(other, scope, NOW, Ok(1));
    check(room, KeyScope::Guest(GUEST), NOW, Ok(2));
    check(room, KeyScope::Guest(GUEST), NOW, Err(2));
    check(room, KeyScope::Guest(ConnId { serial: 71, ..GUEST }), NOW, Ok(3));
    check(room, scope, later(SAY_KEY_KEPT), Err(1));
    check(room, scope, later(SAY_KEY_KEPT + MS), Ok(4));
}

#[test]
fn a_key_repeated_within_a_batch_is_one_message() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    let replies = bench.batch([say(room, "a", Some("k")), say(room, "a", Some("k")), say(room, "b", None)]);
    let [first, second, third] = &replies[..] else { panic!() };
    assert!(matches!(first, StoreReply::Appended { entry, .. } if entry.seq == Seq(1)));
    assert!(matches!(second, StoreReply::Repeated { seq: Seq(1), .. }));
    assert!(matches!(third, StoreReply::Appended { entry, .. } if entry.seq == Seq(2)));
}

#[test]
fn keys_of_guests_end_with_the_connection_or_the_process() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    let account = bench.account("ann");
    let of_account = || say_as(room, KeyScope::Account(account), "hi", Some("k"), NOW);
    let appended = |reply| matches!(reply, StoreReply::Appended { .. });
    assert!(appended(bench.run(say(room, "hi", Some("k")))));
    assert!(appended(bench.run(of_account())));
    assert!(matches!(bench.run(StoreJob::ForgetKeys { conn: GUEST }), StoreReply::Done));
    assert!(appended(bench.run(say(room, "hi", Some("k")))));
    assert!(!appended(bench.run(say(room, "hi", Some("k")))));
    bench.restart();
    assert!(appended(bench.run(say(room, "hi", Some("k")))));
    assert!(!appended(bench.run(of_account())));
}

#[test]
fn a_room_that_is_not_there_has_no_history_and_takes_no_message() {
    let mut bench = Bench::new();
    for room in [RoomId(5), RoomId(u32::MAX)] {
        assert_eq!(bench.page(room, PageRange::Latest, 5), Page::default());
        let reply = bench.run(say(room, "hi", Some("k")));
        let StoreReply::Failed { job: FailedJob::Append { origin }, failure } = reply else { panic!() };
        assert_eq!(origin, ORIGIN);
        assert!(matches!(failure, StoreFailure::Other(_)));
    }
}

#[test]
fn a_job_that_is_impossible_does_not_disturb_its_batch() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    let replies = bench.batch([say(room, "a", None), say(RoomId(5), "b", None), say(room, "c", None)]);
    assert!(matches!(replies[1], StoreReply::Failed { .. }));
    assert_eq!(bench.positions(room), [1, 2]);
}
