//! Uploads: in order, bounded, answered once, and resumable whatever fails.

use super::*;

#[test]
fn bytes_go_to_the_lane_as_they_come_and_each_put_has_one_answer() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.upload(alice, 100);
    bench.begin_put(data, 1, file, 0, 60);
    assert_eq!(bench.bytes(data, 25, false), 25);
    assert_eq!(bench.lane.len(), 1, "a slow sender's bytes do not wait for the rest");
    bench.lane_all();
    assert_eq!(bench.told(data), [""; 0], "it is not all there");
    assert_eq!(bench.bytes(data, 35, true), 35);
    // Behind it, before it is answered.
    assert_eq!(bench.put(data, 2, file, 60, 40), 40);
    bench.lane_all();
    assert_eq!(bench.told(data), ["stored 1 60", "stored 2 100"]);
    bench.about(alice, "status", file);
    assert_eq!(bench.told(alice), ["100 of 100"]);
}

#[test]
fn a_put_has_to_go_on_where_the_last_ended() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.upload(alice, 100);
    bench.put(data, 1, file, 1, 10);
    bench.put(data, 2, file, 0, 101);
    assert_eq!(bench.told(data), ["error 1 bad-offset 0", "error 2 bad-offset 0"]);
    bench.put(data, 3, file, 0, 50);
    bench.lane_all();
    bench.put(data, 4, file, 0, 50);
    bench.put(data, 5, file, 49, 1);
    bench.put(data, 6, file, 50, 51);
    bench.put(data, 7, file, u64::MAX, 1);
    let refused = [4, 5, 6, 7].map(|request| format!("error {request} bad-offset 50"));
    assert_eq!(bench.told(data), [&["stored 3 50".to_owned()], &refused[..]].concat());
    bench.put(data, 8, file, 50, 50);
    bench.lane_all();
    bench.put(data, 9, file, 100, 1);
    bench.about(alice, "finish", file);
    bench.put(data, 10, file, 100, 1);
    bench.settles();
    bench.put(data, 11, file, 0, 1);
    assert_eq!(
        bench.told(data),
        ["stored 8 100", "error 9 bad-offset 100", "error 10 bad-offset 100", "error 11 bad-offset 100"]
    );
}

#[test]
fn puts_to_one_file_are_answered_in_their_order_whatever_becomes_of_them() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let [file, other] = [bench.upload(alice, 100), bench.upload(alice, 100)];
    // One that has no place anyhow waits for those before it.
    bench.put(data, 1, file, 0, 10);
    bench.put_waits(data, 2, file, 50, 10);
    assert_eq!(bench.told(data), [""; 0]);
    bench.lane_next();
    assert_eq!(bench.bytes(data, 10, true), 10);
    assert_eq!(bench.told(data), ["stored 1 10", "error 2 bad-offset 10"]);
    // One that loses its place, because one before it fails, does so too.
    bench.put(data, 3, file, 10, 10);
    bench.put(data, 4, file, 20, 10);
    bench.begin_put(data, 5, file, 30, 10);
    bench.lane_fails();
    assert_eq!(bench.bytes(data, 10, true), 0);
    assert_eq!(bench.told(data), ["error 3 storage-unavailable 10"]);
    bench.lane_next();
    assert_eq!(bench.bytes(data, 10, true), 10);
    assert_eq!(bench.told(data), ["error 4 bad-offset 10", "error 5 bad-offset 10"]);
    // To another file it is answered at once.
    bench.put(data, 6, file, 10, 10);
    bench.put(data, 7, other, 1, 10);
    assert_eq!(bench.told(data), ["error 7 bad-offset 0"]);
    // When its turn comes, a PUT may have got its place after all.
    bench.put_waits(data, 8, file, 10, 10);
    bench.lane_fails();
    assert_eq!(bench.bytes(data, 10, true), 10);
    bench.lane_all();
    assert_eq!(bench.told(data), ["error 6 storage-unavailable 10", "stored 8 20"]);
    // So it is with a file that goes away.
    bench.put(data, 9, file, 20, 10);
    bench.about(alice, "delete", file);
    bench.put_waits(data, 10, file, 30, 10);
    bench.lane_next();
    assert_eq!(bench.bytes(data, 10, true), 10);
    assert_eq!(bench.told(data), ["stored 9 30", "error 10 no-such-file 0"]);
    bench.settles();
}

#[test]
fn nobody_writes_to_the_file_of_another_or_to_none() {
    let mut bench = Bench::new();
    let (alice, bob) = (bench.login("alice"), bench.data("bob"));
    let file = bench.upload(alice, 100);
    bench.put(bob, 1, file, 0, 10);
    bench.put(bob, 2, FileId([0x77; 16]), 0, 10);
    assert_eq!(bench.told(bob), ["error 1 no-such-file 0", "error 2 no-such-file 0"]);
    let bob = bench.login("bob");
    for command in ["status", "finish", "delete"] {
        bench.about(bob, command, file);
    }
    assert_eq!(bench.told(bob), ["no-such-file"; 3]);
    assert!(bench.lane.is_empty());
}

#[test]
fn a_connection_waits_while_four_of_its_pieces_do() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.upload(alice, 100 * PIECE);
    for piece in 0..4 {
        assert_eq!(bench.put(data, piece, file, u64::from(piece) * PIECE, PIECE), PIECE);
    }
    bench.begin_put(data, 4, file, 4 * PIECE, PIECE);
    assert_eq!(bench.bytes(data, PIECE, true), 0);
    bench.lane_next();
    assert!(bench.is_paused(data), "it goes on when there is room for more than one");
    bench.lane_next();
    assert!(!bench.is_paused(data));
    assert_eq!(bench.bytes(data, PIECE, true), PIECE);
    bench.lane_all();
    assert_eq!(bench.told(data).len(), 5);
}

#[test]
fn all_together_wait_when_the_pieces_run_out() {
    let mut bench = Bench::new();
    let conns: Vec<ConnId> = (0..17).map(|number| bench.data(NAMES[number % 4])).collect();
    let lines = NAMES.map(|name| bench.login(name));
    let mut begun = Vec::new();
    for (number, &data) in conns.iter().enumerate() {
        let file = bench.upload(lines[number % 4], 10 * PIECE);
        let parts = if number < 16 { 4 } else { 1 };
        for part in 0..parts {
            bench.begin_put(data, part + 1, file, u64::from(part) * PIECE, PIECE);
            let taken = bench.bytes(data, PIECE, true);
            assert_eq!(taken == 0, number == 16, "64 pieces, and no more: {number}");
        }
        begun.push(file);
    }
    bench.lane_next();
    assert!(!bench.is_paused(conns[16]), "whoever waits gets the first that is free");
    assert_eq!(bench.bytes(conns[16], PIECE, true), PIECE);
    bench.settles();
    assert_eq!(bench.told(conns[16]), [format!("stored 1 {PIECE}")]);
}

#[test]
fn a_full_disk_fails_what_is_under_way_and_the_upload_goes_on_later() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.upload(alice, 100);
    bench.put(data, 1, file, 0, 10);
    bench.put(data, 2, file, 10, 10);
    bench.begin_put(data, 3, file, 20, 20);
    bench.bytes(data, 10, false);
    bench.lane_next();
    bench.lane_fails();
    assert_eq!(bench.told(data), ["stored 1 10", "error 2 storage-unavailable 10"]);
    // What follows of a PUT behind it is nobody's.
    assert_eq!(bench.bytes(data, 5, false), 5);
    assert_eq!(bench.told(data), ["error 3 bad-offset 10"]);
    assert_eq!(bench.bytes(data, 5, true), 5);
    bench.lane_all();
    assert_eq!(bench.told(data), [""; 0], "once");
    // The client goes on where it was told, and the late answer of the lane changes nothing.
    bench.put(data, 4, file, 10, 90);
    bench.lane_all();
    assert_eq!(bench.told(data), ["stored 4 100"]);
    bench.settles();
}

#[test]
fn the_next_try_may_come_before_the_lane_has_answered_everything() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.upload(alice, 100);
    for (request, offset) in [(1, 0), (2, 10), (3, 20)] {
        bench.put(data, request, file, offset, 10);
    }
    bench.lane_fails();
    assert_eq!(bench.told(data), ["error 1 storage-unavailable 0"]);
    bench.put(data, 4, file, 0, 10);
    bench.lane_next();
    bench.lane_next();
    assert_eq!(bench.told(data), ["error 2 bad-offset 10", "error 3 bad-offset 10"]);
    bench.put(data, 5, file, 10, 90);
    bench.lane_all();
    assert_eq!(bench.told(data), ["stored 4 10", "stored 5 100"]);
}

#[test]
fn a_second_failure_does_not_take_back_what_was_accepted_since_the_first() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.upload(alice, 100);
    bench.put(data, 1, file, 0, 10);
    bench.put(data, 2, file, 10, 10);
    bench.lane_fails();
    bench.put(data, 3, file, 0, 20);
    bench.lane_fails();
    bench.put(data, 4, file, 20, 80);
    bench.lane_all();
    let told = bench.told(data);
    assert_eq!(told[..2], ["error 1 storage-unavailable 0", "error 2 storage-unavailable 20"]);
    assert_eq!(told[2..], ["stored 3 20", "stored 4 100"]);
}

#[test]
fn what_came_of_a_put_whose_connection_broke_is_kept() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.upload(alice, 100);
    bench.begin_put(data, 1, file, 0, 60);
    bench.bytes(data, 20, false);
    bench.bytes(data, 5, false);
    bench.gone(data);
    let data = bench.data("alice");
    // Where it goes on is known at once.
    bench.put(data, 1, file, 0, 1);
    assert_eq!(bench.told(data), ["error 1 bad-offset 25"]);
    bench.put(data, 2, file, 25, 75);
    bench.lane_all();
    assert_eq!(bench.told(data), ["stored 2 100"]);
}

#[test]
fn two_connections_that_write_to_one_upload_do_not_spoil_it() {
    let mut bench = Bench::new();
    let alice = bench.login("alice");
    let [one, two] = [bench.data("alice"), bench.data("alice")];
    let file = bench.upload(alice, 100);
    bench.begin_put(one, 1, file, 0, 40);
    bench.bytes(one, 10, false);
    bench.put(two, 1, file, 10, 20);
    assert_eq!(bench.bytes(one, 30, true), 30);
    bench.lane_all();
    assert_eq!(bench.told(one), ["error 1 bad-offset 30"]);
    assert_eq!(bench.told(two), ["stored 1 30"]);
    bench.settles();
}

#[test]
fn an_upload_is_finished_when_all_of_it_is_there() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.upload(alice, 10);
    bench.about(alice, "finish", file);
    bench.put(data, 1, file, 0, 10);
    bench.about(alice, "finish", file);
    assert_eq!(bench.told(alice), ["incomplete"; 2], "it is not on the disk before the lane says so");
    bench.lane_all();
    bench.about(alice, "finish", file);
    assert!(bench.is_paused(alice));
    let other = bench.login("alice");
    bench.about(other, "finish", file);
    assert_eq!(bench.told(other), ["busy"]);
    bench.lane_fails();
    assert_eq!(bench.told(alice), ["storage-unavailable"]);
    bench.about(alice, "finish", file);
    bench.lane_all();
    bench.store_fails();
    assert_eq!(bench.told(alice), ["storage-unavailable"]);
    bench.about(alice, "status", file);
    bench.about(alice, "finish", file);
    bench.settles();
    bench.about(alice, "finish", file);
    bench.about(alice, "status", file);
    let complete = format!("complete {file}");
    assert_eq!(bench.told(alice), ["10 of 10", &complete, &complete, "10 of 10, complete"]);
}

#[test]
fn whoever_waits_for_the_end_of_an_upload_may_go() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.upload(alice, 10);
    bench.put(data, 1, file, 0, 10);
    bench.lane_all();
    bench.about(alice, "finish", file);
    bench.gone(alice);
    bench.settles();
    let alice = bench.login("alice");
    bench.about(alice, "status", file);
    assert_eq!(bench.told(alice), ["10 of 10, complete"]);
}

#[test]
fn a_peer_that_sends_no_more_is_answered_first() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.upload(alice, 10);
    bench.put(data, 1, file, 0, 10);
    let end = |bench: &mut Bench| {
        let mut out = Vec::new();
        let handled = bench.hub.end_of_input(data, &mut out);
        bench.apply(out);
        handled
    };
    assert_eq!(end(&mut bench), Handled::Later);
    assert!(bench.is_paused(data));
    bench.lane_all();
    assert_eq!(bench.told(data), ["stored 1 10"]);
    assert!(!bench.is_paused(data));
    assert_eq!(end(&mut bench), Handled::Done);
    assert_eq!(bench.closed, [data]);
}
