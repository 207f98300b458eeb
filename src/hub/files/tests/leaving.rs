//! How files end: deleted, declined, too old, with their account.

use super::*;
use crate::hub::job::OperatorNews;

#[test]
fn a_deleted_file_is_gone_at_once_and_its_room_when_its_bytes_are() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 100, 1);
    bench.about(alice, "delete", file);
    assert!(bench.is_paused(alice));
    let other = bench.login("alice");
    bench.about(other, "status", file);
    bench.about(other, "delete", file);
    bench.ask(other, Command::Files { after: None, limit: None });
    assert_eq!(bench.told(other), ["no-such-file", "no-such-file", "0 files, 100 bytes"]);
    bench.get(data, 1, file, 0, 0);
    assert_eq!(bench.told(data), ["error 1 no-such-file 0"]);
    bench.lane_all();
    assert!(bench.disk.is_empty() && bench.is_paused(alice), "first the bytes, then the record");
    bench.store_all();
    assert_eq!(bench.told(alice), [format!("deleted {file}")]);
    bench.ask(other, Command::Files { after: None, limit: None });
    assert_eq!(bench.told(other), ["0 files, 0 bytes"]);
}

#[test]
fn a_file_that_is_written_or_read_goes_when_that_is_done() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let part = bench.upload(alice, 100);
    bench.begin_put(data, 1, part, 0, 60);
    bench.bytes(data, 20, false);
    bench.about(alice, "delete", part);
    assert_eq!(bench.bytes(data, 20, false), 20);
    assert_eq!(bench.told(data), ["error 1 no-such-file 0"]);
    assert_eq!(bench.bytes(data, 20, true), 20);
    assert_eq!(bench.lane.len(), 1, "the piece that is under way comes first");
    bench.settles();
    assert!(bench.disk.is_empty(), "nothing was made anew");
    assert_eq!(bench.told(alice), [format!("deleted {part}")]);
    let file = bench.complete(alice, data, 10 * PIECE, 1);
    bench.get(data, 2, file, 0, 0);
    bench.lane_next();
    bench.about(alice, "delete", file);
    bench.settles();
    assert_eq!(bench.told(alice), [format!("deleted {file}")]);
    let told = bench.told(data);
    assert_eq!(told.last().unwrap(), "error 2 no-such-file 0");
    assert!(told.len() <= 3, "{told:?}");
}

#[test]
fn a_file_may_be_deleted_while_it_is_finished() {
    for after_the_lane in [false, true] {
        let mut bench = Bench::new();
        let (alice, other, data) = (bench.login("alice"), bench.login("alice"), bench.data("alice"));
        let file = bench.upload(alice, 10);
        bench.put(data, 1, file, 0, 10);
        bench.lane_all();
        bench.about(alice, "finish", file);
        if after_the_lane {
            bench.lane_all();
        }
        bench.about(other, "delete", file);
        bench.settles();
        assert_eq!(bench.told(alice), ["no-such-file"]);
        assert_eq!(bench.told(other), [format!("deleted {file}")]);
        assert!(bench.disk.is_empty());
    }
}

#[test]
fn a_file_is_declined_by_all_while_it_is_deleted() {
    let mut bench = Bench::new();
    let (alice, data, bob) = (bench.login("alice"), bench.data("alice"), bench.login("bob"));
    let file = bench.complete(alice, data, 10, 1);
    bench.about(bob, "decline", file);
    bench.about(alice, "delete", file);
    bench.settles();
    assert_eq!(bench.told(bob), [format!("declined {file}")]);
    assert_eq!(bench.told(alice), [format!("deleted {file}")]);
    assert!(bench.disk.is_empty());
}

#[test]
fn what_cannot_be_removed_is_tried_again() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 10, 1);
    bench.about(alice, "delete", file);
    bench.lane_fails();
    assert_eq!(bench.told(alice), ["storage-unavailable"]);
    bench.about(alice, "delete", file);
    assert_eq!(bench.told(alice), ["no-such-file"]);
    bench.tick(60_000);
    bench.lane_all();
    // The sweep asked the store for other things, too.
    while !matches!(bench.store.front(), Some(StoreJob::Change { .. })) {
        let job = bench.store.pop_front().expect("the record is to go");
        let reply = bench.stored(job);
        bench.reply(Reply::Store(reply));
    }
    bench.store_fails();
    bench.ask(alice, Command::Files { after: None, limit: None });
    assert_eq!(bench.told(alice), ["0 files, 10 bytes"]);
    bench.tick(60_000);
    bench.settles();
    bench.ask(alice, Command::Files { after: None, limit: None });
    assert_eq!(bench.told(alice), ["0 files, 0 bytes"]);
}

#[test]
fn a_file_goes_when_everybody_it_is_for_declined() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 10, 2);
    let [bob, carol] = ["bob", "carol"].map(|name| bench.login(name));
    let decline = |bench: &mut Bench, conn| {
        bench.about(conn, "decline", file);
        bench.settles();
        bench.told(conn).concat()
    };
    assert_eq!(decline(&mut bench, alice), "bad-argument", "it is her own");
    assert_eq!(decline(&mut bench, bob), format!("declined {file}"));
    assert_eq!(decline(&mut bench, bob), format!("declined {file}"), "once more changes nothing");
    bench.about(alice, "status", file);
    assert_eq!(bench.told(alice), ["10 of 10, complete"]);
    let other = bench.login("bob");
    assert_eq!(decline(&mut bench, other), format!("declined {file}"), "an account counts once");
    assert_eq!(decline(&mut bench, carol), format!("declined {file}"));
    assert_eq!(decline(&mut bench, carol), "no-such-file");
    bench.about(alice, "status", file);
    assert_eq!(bench.told(alice), ["no-such-file"]);
    assert!(bench.disk.is_empty());
}

#[test]
fn only_complete_files_can_be_declined_and_a_failure_changes_nothing() {
    let mut bench = Bench::new();
    let (alice, data, bob) = (bench.login("alice"), bench.data("alice"), bench.login("bob"));
    let part = bench.upload(alice, 10);
    bench.about(bob, "decline", part);
    assert_eq!(bench.told(bob), ["no-such-file"]);
    let file = bench.complete(alice, data, 10, 1);
    bench.about(bob, "decline", file);
    bench.store_fails();
    assert_eq!(bench.told(bob), ["storage-unavailable"]);
    bench.about(alice, "status", file);
    assert_eq!(bench.told(alice), ["10 of 10, complete"]);
}

#[test]
fn files_have_their_time() {
    let keep = std::time::Duration::from_millis(100_000);
    let mut bench = Bench::with(Rules { keep, ..Rules::default() }, Vec::new());
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 10, 1);
    let part = bench.upload(alice, 10);
    bench.tick(99_999);
    bench.about(alice, "status", file);
    bench.about(alice, "status", part);
    assert_eq!(bench.told(alice), ["10 of 10, complete", "0 of 10"]);
    bench.now += 1;
    // Nobody sees them any more, before any sweep.
    bench.about(alice, "status", file);
    bench.about(alice, "finish", part);
    bench.get(data, 1, file, 0, 0);
    bench.put(data, 2, part, 0, 1);
    assert_eq!(bench.told(alice), ["no-such-file"; 2]);
    assert_eq!(bench.told(data), ["error 1 no-such-file 0", "error 2 no-such-file 0"]);
    bench.tick(60_000);
    bench.settles();
    assert!(bench.disk.is_empty());
    bench.ask(alice, Command::Files { after: None, limit: None });
    assert_eq!(bench.told(alice), ["0 files, 0 bytes"]);
}

#[test]
fn many_files_end_without_the_lane_being_flooded() {
    let files: Vec<KeptFile> = (1..=200u8)
        .map(|number| KeptFile {
            id: FileId([number; 16]),
            owner: AccountId(1),
            size: 10,
            readers: 1,
            created: Timestamp(0),
            expires: Timestamp(START + 1),
            complete: true,
            stored: 10,
            declined: Vec::new(),
        })
        .collect();
    let mut bench = Bench::with(Rules::default(), files);
    bench.tick(60_000);
    assert_eq!(bench.lane.len() as u32, CHORES_MAX);
    bench.settles();
    let alice = bench.login("alice");
    bench.ask(alice, Command::Files { after: None, limit: None });
    assert_eq!(bench.told(alice), ["0 files, 0 bytes"]);
}

#[test]
fn files_go_with_their_account() {
    let mut bench = Bench::new();
    let (alice, data, bob) = (bench.login("alice"), bench.data("alice"), bench.data("bob"));
    let file = bench.complete(alice, data, 10, 1);
    bench.upload(alice, 10);
    bench.operator(OperatorNews::Removed { account: AccountId(1) });
    assert_eq!(bench.told(data), ["error banned"]);
    assert_eq!(bench.closed, [data, alice]);
    bench.get(bob, 1, file, 0, 0);
    bench.settles();
    assert_eq!(bench.told(bob), ["error 1 no-such-file 0"]);
    assert!(bench.disk.is_empty());
    assert_eq!(bench.hub.files.table.len(), 0);
}

#[test]
fn a_ban_ends_data_connections_and_keeps_the_files() {
    let mut bench = Bench::new();
    let (alice, data, bob) = (bench.login("alice"), bench.data("alice"), bench.data("bob"));
    let file = bench.complete(alice, data, 10, 1);
    bench.gone(alice);
    bench.operator(OperatorNews::Banned { account: AccountId(1) });
    assert_eq!((bench.told(data), bench.closed.clone()), (vec!["error banned".to_string()], vec![data]));
    bench.get(bob, 1, file, 0, 0);
    bench.settles();
    assert_eq!(bench.told(bob), ["data 1 0+10", "end 1"]);
    for data in [false, true] {
        let again = bench.open();
        bench.log_in(again, "alice", data);
        assert_eq!(bench.told(again), ["banned"]);
    }
}

#[test]
fn an_upload_of_an_account_that_goes_meanwhile_goes_too() {
    let mut bench = Bench::new();
    let alice = bench.login("alice");
    bench.ask(alice, Command::Upload { size: 10, readers: 1 });
    bench.operator(OperatorNews::Removed { account: AccountId(1) });
    bench.settles();
    assert_eq!(bench.hub.files.table.len(), 0);
    assert_eq!(bench.hub.files.table.total(), 0);
}
