//! Rooms and the changes of them.

use super::*;
use crate::proto::event::Access;
use crate::store::maintain::ROWS_PER_STEP;
use crate::store::position::ROOM_MAX;

#[test]
fn joining_makes_a_room_and_reads_what_was_before() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let replies = bench.batch([
        join(1, Some(("Lobby", Some(ann))), Some(ann), 50),
        say(RoomId(1), "one", None),
        say(RoomId(1), "two", None),
        join(1, Some(("lobby", None)), None, 1),
        say(RoomId(1), "three", None),
        join(1, None, None, 0),
    ]);
    let joined = |reply: &StoreReply| match reply {
        StoreReply::Joined { origin: ORIGIN, room: RoomId(1), page, seq } => (seqs(page), seq.0),
        other => panic!("{other:?}"),
    };
    assert_eq!(joined(&replies[0]), (vec![], 0));
    assert_eq!(joined(&replies[3]), (vec![2], 2));
    assert_eq!(joined(&replies[5]), (vec![], 3));
    bench.restart();
    assert_eq!(
        bench.kept.rooms,
        [KeptRoom {
            id: RoomId(1),
            name: room_name("Lobby"),
            creator: Some(ann),
            topic: None,
            access: Access::Public,
            key_hash: None,
            operators: vec![ann],
            bans: vec![],
            seq: Seq(3),
        }]
    );
    assert_eq!(&**bench.kept.rooms[0].name.shown(), "Lobby");
    assert_eq!(joined(&bench.run(join(1, None, None, 50))), (vec![1, 2, 3], 3));
}

#[test]
fn a_room_that_cannot_be_made_fails_as_a_join() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    bench.room(1, "lobby", Some(ann));
    let mut check = |job| {
        let StoreJob::Join { room, .. } = job else { panic!() };
        let reply = bench.run(job);
        let StoreReply::Failed { job: FailedJob::Join { origin: ORIGIN, room: failed }, .. } = reply else {
            panic!("{reply:?}")
        };
        assert_eq!(failed, room);
    };
    check(join(2, None, None, 5));
    check(join(3, Some(("LOBBY", None)), None, 5));
    check(join(ROOM_MAX + 1, Some(("far", None)), None, 5));
    check(join(4, Some(("orphan", Some(AccountId(77)))), None, 5));
    assert_eq!(bench.room(ROOM_MAX, "last", None), RoomId(ROOM_MAX));
    bench.fill(RoomId(ROOM_MAX), 2);
    assert_eq!(bench.positions(RoomId(ROOM_MAX)), [1, 2]);
}

#[test]
fn a_failing_job_in_a_batch_takes_no_other_with_it() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    bench.room(1, "lobby", Some(ann));
    let replies = bench.batch([
        say(RoomId(1), "one", Some("k")),
        join(2, Some(("new", None)), None, 5),
        join(3, Some(("lobby", None)), None, 5),
        say(RoomId(2), "in the new one", None),
        say(RoomId(1), "two", None),
    ]);
    let failed: Vec<bool> = replies.iter().map(|r| matches!(r, StoreReply::Failed { .. })).collect();
    assert_eq!(failed, [false, false, true, false, false]);
    assert_eq!(bench.positions(RoomId(1)), [1, 2]);
    assert_eq!(bench.positions(RoomId(2)), [1]);
    bench.settle();
    bench.check_whole();
}

#[test]
fn room_numbers_are_not_used_again() {
    let mut bench = Bench::new();
    assert_eq!(bench.kept.next_room, 1);
    let room = bench.room(7, "lobby", None);
    bench.change(Change::DropRoom { room });
    bench.restart();
    assert_eq!(bench.kept, Kept { next_room: 8, ..Kept::default() });
}

#[test]
fn changes_survive_a_restart_and_may_be_made_twice() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    let room = bench.room(1, "lobby", Some(ann));
    let key_hash = Some([7; 32]);
    let changes = [
        Change::Access { room, access: Access::Key, key_hash },
        Change::Ban { room, user: user("Troll"), banned: true },
        Change::Ban { room, user: user("eve"), banned: true },
        Change::Operator { room, account: bob, operator: true },
        Change::Topic { room, topic: Some("tea".into()) },
    ];
    for change in changes.iter().chain(&changes) {
        bench.change(change.clone());
    }
    bench.restart();
    let kept = bench.kept_room(room).expect("is kept");
    assert_eq!((kept.access, kept.key_hash), (Access::Key, key_hash));
    assert_eq!(kept.bans, [user("eve"), user("troll")]);
    assert_eq!(&**kept.bans[1].shown(), "Troll");
    assert_eq!(kept.operators, [ann, bob]);
    assert_eq!(kept.topic.as_deref(), Some("tea"));
    let changes = [
        Change::Access { room, access: Access::Private, key_hash: None },
        Change::Ban { room, user: user("TROLL"), banned: false },
        Change::Operator { room, account: ann, operator: false },
        Change::Topic { room, topic: None },
    ];
    for change in changes.iter().chain(&changes) {
        bench.change(change.clone());
    }
    bench.restart();
    let kept = bench.kept_room(room).expect("is kept");
    assert_eq!((kept.access, kept.key_hash), (Access::Private, None));
    assert_eq!((&*kept.bans, &*kept.operators), (&[user("eve")][..], &[bob][..]));
    assert_eq!(kept.topic, None);
}

#[test]
fn a_dropped_room_leaves_nothing() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let room = bench.room(1, "brief", None);
    let stays = bench.room(2, "stays", None);
    bench.fill(stays, 2);
    // More than upkeep removes at once; some in the index, some not yet.
    bench.fill(room, u64::from(ROWS_PER_STEP) + 5);
    bench.settle();
    bench.fill(room, 3);
    bench.run(join(1, None, Some(ann), 0));
    bench.change(Change::Ban { room, user: user("eve"), banned: true });
    bench.change(Change::Operator { room, account: ann, operator: true });
    bench.change(Change::DropRoom { room });
    bench.change(Change::DropRoom { room });
    assert_eq!(bench.page(room, PageRange::Latest, 5), Page::default());
    assert_eq!(bench.search(&[room, stays], "message", 50).0.len(), 2);
    // The name is free at once.
    bench.room(3, "brief", None);
    bench.restart();
    assert_eq!(bench.kept.rooms.iter().map(|room| room.id.0).collect::<Vec<_>>(), [2, 3]);
    bench.settle();
    for table in ["dropped", "members", "bans", "operators"] {
        assert_eq!(bench.count(&format!("SELECT COUNT(*) FROM {table}")), 0, "{table}");
    }
    assert_eq!(bench.count("SELECT COUNT(*) FROM messages"), 2);
    bench.check_whole();
}

#[test]
fn a_room_of_a_guest_survives_the_process() {
    let mut bench = Bench::new();
    let room = bench.room(1, "brief", None);
    bench.fill(room, 2);
    bench.restart();
    assert_eq!(bench.kept_room(room).map(|room| (room.creator, room.seq)), Some((None, Seq(2))));
}

#[test]
fn what_has_a_name_that_is_not_allowed_any_more_is_left_out() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    bench.account("bob");
    let room = bench.room(1, "lobby", Some(ann));
    bench.room(2, "garden", Some(ann));
    bench.run(join(2, None, Some(ann), 0));
    bench.change(Change::Ban { room, user: user("eve"), banned: true });
    bench.store = None;
    Connection::open(schema::path(bench.dir.path()))
        .and_then(|conn| {
            conn.execute_batch(
                "UPDATE accounts SET name = 'b o b' WHERE name = 'bob';
                 UPDATE rooms SET name = 'g/a/r/d/e/n' WHERE name = 'garden';
                 UPDATE bans SET name = ' ' WHERE name = 'eve';",
            )
        })
        .expect("an older program had other rules");
    bench.restart();
    assert_eq!(bench.kept.accounts.iter().map(|kept| kept.id).collect::<Vec<_>>(), [ann]);
    assert_eq!(bench.kept.rooms.iter().map(|kept| kept.id).collect::<Vec<_>>(), [room]);
    assert_eq!(bench.kept_room(room).map(|room| room.bans.len()), Some(0));
    // The closed room's messages are not mistaken for those of another.
    bench.fill(room, 3);
    assert_eq!(bench.positions(room), [1, 2, 3]);
}
