//! What goes when it is old, and what stays.

use super::*;
use crate::hub::job::SessionProof;
use crate::proto::limits::SAY_KEY_KEPT;
use crate::store::maintain::ROWS_PER_STEP;

#[test]
fn a_room_keeps_its_newest_messages_and_its_place() {
    let mut bench = Bench::new();
    let (long, short) = (bench.room(1, "long", None), bench.room(2, "short", None));
    let count = 2 * u64::from(ROWS_PER_STEP) + 10;
    bench.fill(long, count);
    bench.fill(short, 3);
    // Some are in the index, some are not.
    bench.store().upkeep(Pace::Idle);
    bench.fill(long, 5);
    maintain(&mut bench, NOW, Some(4), None);
    assert_eq!(bench.positions(long), (count + 2..=count + 5).collect::<Vec<_>>());
    assert_eq!(bench.positions(short), [1, 2, 3]);
    assert_eq!(bench.search(&[long], "message", 500).0.len(), 4);
    bench.check_whole();
    maintain(&mut bench, NOW, Some(0), None);
    assert_eq!(bench.positions(long), Vec::<u64>::new());
    bench.restart();
    assert_eq!(bench.kept_room(long).map(|room| room.seq), Some(Seq(count + 5)));
    bench.fill(long, 1);
    assert_eq!(bench.positions(long), [count + 6]);
    bench.settle();
    bench.check_whole();
}

#[test]
fn a_room_keeps_its_young_messages() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    for day in 0..5 {
        bench.run(say_as(room, KeyScope::Guest(GUEST), "word", None, later(DAY * day)));
    }
    maintain(&mut bench, later(DAY * 4), None, Some(2 * DAY));
    assert_eq!(bench.positions(room), [3, 4, 5]);
    maintain(&mut bench, later(DAY * 4 + MS), None, Some(2 * DAY));
    assert_eq!(bench.positions(room), [4, 5]);
    maintain(&mut bench, later(DAY * 9), None, None);
    assert_eq!(bench.positions(room), [4, 5]);
    assert_eq!(bench.search(&[room], "word", 50).0.len(), 2);
    bench.check_whole();
}

#[test]
fn keys_and_tokens_go_when_they_are_old() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    let ann = bench.register("ann", Some(DAY)).expect("registers").account;
    for at in [NOW, later(MS)] {
        let session = SessionTerms { now: at, token_lives: Some(SAY_KEY_KEPT) };
        bench.run(StoreJob::Session { origin: ORIGIN, proof: SessionProof::Verified(ann), session });
        bench.run(say_as(room, KeyScope::Account(ann), "hi", Some(&at.0.to_string()), at));
        bench.run(say_as(room, KeyScope::Guest(GUEST), "hi", Some(&at.0.to_string()), at));
    }
    let mut check = |now, keys: i64, tokens: i64| {
        maintain(&mut bench, now, None, None);
        let guests: i64 = bench
            .store()
            .conn
            .query_row("SELECT COUNT(*) FROM guest_keys", [], |row| row.get(0))
            .expect("counts");
        assert_eq!(guests, keys, "{now:?}");
        assert_eq!(bench.count("SELECT COUNT(*) FROM say_keys"), keys, "{now:?}");
        assert_eq!(bench.count("SELECT COUNT(*) FROM sessions"), tokens, "{now:?}");
    };
    check(later(SAY_KEY_KEPT - MS), 2, 3);
    check(later(SAY_KEY_KEPT), 2, 1);
    check(later(SAY_KEY_KEPT + MS), 1, 0);
    check(later(SAY_KEY_KEPT + 2 * MS), 0, 0);
}

#[test]
fn many_rooms_are_all_reached_though_rounds_are_frequent() {
    let mut bench = Bench::new();
    for id in 1..=600 {
        bench.room(id, &format!("room-{id}"), None);
    }
    bench.fill(RoomId(1), 2);
    bench.fill(RoomId(600), 2);
    let job = || StoreJob::Maintain { now: NOW, keep_messages: Some(1), keep: None };
    for _ in 0..20 {
        assert!(matches!(bench.run(job()), StoreReply::Done));
        bench.store().upkeep(Pace::Idle);
    }
    assert_eq!(bench.positions(RoomId(1)), [2]);
    assert_eq!(bench.positions(RoomId(600)), [2]);
}

fn maintain(bench: &mut Bench, now: Timestamp, keep_messages: Option<u64>, keep: Option<Duration>) {
    assert!(matches!(bench.run(StoreJob::Maintain { now, keep_messages, keep }), StoreReply::Done));
    bench.settle();
}
