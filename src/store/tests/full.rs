//! A disk without space, simulated by a limit of pages.

use super::*;

#[test]
fn a_full_disk_refuses_keeps_what_it_has_and_recovers_by_itself() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    bench.fill(room, 5);
    bench.settle();
    limit_pages(bench.store(), Some(0));
    let long = "long ".repeat(4000);
    let replies = bench.batch([
        say(room, &long, Some("a")),
        StoreJob::History { origin: ORIGIN, room, range: PageRange::Latest, limit: 1 },
        say(room, &long, Some("b")),
    ]);
    let full = |reply: &StoreReply| match reply {
        StoreReply::Failed { job: FailedJob::Append { origin: ORIGIN }, failure } => {
            *failure == StoreFailure::Full
        }
        _ => false,
    };
    assert!(full(&replies[0]) && full(&replies[2]), "{replies:?}");
    assert!(matches!(&replies[1], StoreReply::History { page, .. } if seqs(page) == [5]));
    limit_pages(bench.store(), None);
    // The same key again: it was not used.
    let reply = bench.run(say(room, &long, Some("b")));
    assert!(matches!(&reply, StoreReply::Appended { entry, .. } if entry.seq == Seq(6)), "{reply:?}");
    bench.restart();
    assert_eq!(bench.positions(room), [1, 2, 3, 4, 5, 6]);
    bench.settle();
    bench.check_whole();
}

#[test]
fn every_job_of_a_batch_gets_its_own_verdict() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    limit_pages(bench.store(), Some(0));
    let long = "long ".repeat(4000);
    let replies = bench.batch([say(room, "short", None), say(room, &long, None), say(room, "short", None)]);
    let positions: Vec<Option<u64>> = replies
        .iter()
        .map(|reply| match reply {
            StoreReply::Appended { entry, .. } => Some(entry.seq.0),
            _ => None,
        })
        .collect();
    assert_eq!(positions, [Some(1), None, Some(2)]);
    assert_eq!(bench.positions(room), [1, 2]);
}

#[test]
fn every_kind_of_job_says_which_it_was() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let room = bench.room(1, "lobby", None);
    let long = "long ".repeat(4000);
    limit_pages(bench.store(), Some(0));
    let topic = Change::Topic { room, topic: Some(long.as_str().into()) };
    let reply = bench.run(StoreJob::Change { origin: None, change: topic.clone() });
    let StoreReply::Failed { job: FailedJob::Change { origin: None, change }, failure } = reply else {
        panic!()
    };
    assert_eq!((change, failure), (topic, StoreFailure::Full));
    let (from, text) = ("bob".into(), long.as_str().into());
    let reply = bench.run(StoreJob::Post { origin: ORIGIN, to: ann, from, text, at: NOW });
    assert_eq!(format!("{reply:?}"), failed(&FailedJob::Post { origin: ORIGIN, to: ann }));
    // Small rows fit into what is there for a while.
    let new = |id| join(id, Some((&format!("room-{id}"), None)), None, 0);
    let id = (2..10_000).find(|&id| {
        let reply = bench.run(new(id));
        let join = FailedJob::Join { origin: ORIGIN, room: RoomId(id) };
        matches!(reply, StoreReply::Failed { .. }) && format!("{reply:?}") == failed(&join)
    });
    limit_pages(bench.store(), None);
    let reply = bench.run(new(id.expect("does not fit at last")));
    assert!(matches!(reply, StoreReply::Joined { seq: Seq(0), .. }), "{reply:?}");
}

#[test]
fn a_search_on_a_full_disk_finds_what_is_indexed() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    bench.fill(room, 3);
    bench.settle();
    let many_words: String = (0..3000).map(|n| format!("message word{n} ")).collect();
    bench.run(say(room, &many_words, None));
    limit_pages(bench.store(), Some(0));
    assert!(!bench.store().upkeep(Pace::Idle), "a full disk is no reason to try again at once");
    assert_eq!(bench.search(&[room], "message", 50).0.len(), 3);
    limit_pages(bench.store(), None);
    assert_eq!(bench.search(&[room], "message", 50).0.len(), 4);
    bench.settle();
    bench.check_whole();
}

#[test]
fn who_holds_the_database_holds_up_a_batch_once() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    schema::set_patience(&bench.store().conn, Duration::from_millis(1));
    let holder = Connection::open(schema::path(bench.dir.path())).expect("opens");
    holder.execute_batch("BEGIN IMMEDIATE").expect("holds");
    let replies = bench.batch((0..3).map(|_| say(room, "hi", None)));
    for reply in replies {
        let StoreReply::Failed { failure: StoreFailure::Other(why), .. } = reply else { panic!("{reply:?}") };
        assert!(why.contains("locked"), "{why}");
    }
    // Who only reads is not held up.
    assert_eq!(bench.positions(room), Vec::<u64>::new());
    holder.execute_batch("ROLLBACK").expect("lets go");
    bench.fill(room, 1);
    assert_eq!(bench.positions(room), [1]);
}

fn failed(job: &FailedJob) -> String {
    format!("Failed {{ job: {job:?}, failure: Full }}")
}
