//! Downloads: what may be read, how far ahead, and how it ends.

use super::*;

#[test]
fn a_file_is_read_a_little_ahead_of_who_takes_it() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 5 * PIECE + 1, 1);
    bench.get(data, 1, file, 0, 0);
    assert_eq!(bench.lane.len(), 2);
    bench.lane_all();
    assert_eq!(bench.told(data), [format!("data 1 0+{PIECE}"), format!("data 1 {PIECE}+{PIECE}")]);
    assert!(bench.lane.is_empty(), "nobody has taken anything");
    bench.take(data, 1);
    assert_eq!(bench.lane.len(), 1);
    bench.settles();
    let told = bench.told(data);
    assert_eq!(told.last().unwrap(), "end 1");
    assert_eq!(told[told.len() - 2], format!("data 1 {}+1", 5 * PIECE));
    assert_eq!(told.len(), 5);
}

#[test]
fn a_part_of_a_file_has_its_bounds() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 100, 1);
    let mut check = |offset, length, expected: &[&str]| {
        bench.get(data, 1, file, offset, length);
        bench.settles();
        assert_eq!(bench.told(data), expected, "{length} from {offset}");
    };
    check(0, 0, &["data 1 0+100", "end 1"]);
    check(99, 1, &["data 1 99+1", "end 1"]);
    check(100, 0, &["end 1"]);
    check(99, 2, &["error 1 bad-offset 100"]);
    check(100, 1, &["error 1 bad-offset 100"]);
    check(101, 0, &["error 1 bad-offset 100"]);
    check(1, u64::MAX, &["error 1 bad-offset 100"]);
    check(u64::MAX, u64::MAX, &["error 1 bad-offset 100"]);
    check(u64::MAX, 0, &["error 1 bad-offset 100"]);
}

#[test]
fn a_connection_that_is_gone_reads_nothing() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 10, 1);
    bench.gone(data);
    bench.get(data, 1, file, 0, 0);
    assert!(bench.lane.is_empty() && bench.told(data).is_empty());
    bench.settles();
}

#[test]
fn whoever_knows_its_number_reads_a_complete_file() {
    let mut bench = Bench::new();
    let (alice, data, bob) = (bench.login("alice"), bench.data("alice"), bench.data("bob"));
    let file = bench.complete(alice, data, 10, 1);
    let part = bench.upload(alice, 10);
    bench.put(data, 2, part, 0, 10);
    bench.get(bob, 1, file, 0, 0);
    bench.get(bob, 2, part, 0, 0);
    bench.get(data, 3, part, 0, 0);
    bench.get(bob, 4, FileId([0x77; 16]), 0, 0);
    bench.settles();
    assert_eq!(bench.told(bob), ["error 2 no-such-file 0", "error 4 no-such-file 0", "data 1 0+10", "end 1"]);
    assert_eq!(bench.told(data), ["error 3 no-such-file 0", "stored 2 10"]);
}

#[test]
fn four_files_at_once_and_each_under_a_number_of_its_own() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 10 * PIECE, 1);
    for request in 1..=4 {
        bench.get(data, request, file, 0, 0);
    }
    bench.get(data, 5, file, 0, 0);
    bench.get(data, 2, file, 0, 0);
    assert_eq!(bench.told(data), ["error 5 too-many 0", "error 2 bad-argument 0"]);
    bench.lane_all();
    for _ in 0..6 {
        bench.take(data, 1);
        bench.lane_all();
    }
    let requests: Vec<String> = bench.told(data).iter().map(|told| told[..6].to_owned()).collect();
    let turns = ["data 1", "data 2", "data 3", "data 4", "data 1", "data 2"];
    assert_eq!(requests[2..], turns, "the first was alone at first; from then on they take turns");
    bench.settles();
    bench.told(data);
    bench.get(data, 2, file, 0, 1);
    bench.settles();
    assert_eq!(bench.told(data), ["data 2 0+1", "end 2"], "a number is free again");
}

#[test]
fn a_cancelled_get_ends_at_once_and_its_number_may_be_used_again() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 10 * PIECE, 1);
    bench.get(data, 1, file, 0, 0);
    bench.lane_next();
    bench.frame(data, Asked::Cancel { request: 1 });
    bench.frame(data, Asked::Cancel { request: 1 });
    bench.get(data, 1, file, 5, 1);
    bench.settles();
    assert_eq!(bench.told(data), [&format!("data 1 0+{PIECE}"), "end 1", "data 1 5+1", "end 1"]);
}

#[test]
fn what_cannot_be_read_ends_that_get_alone() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 10 * PIECE, 1);
    bench.get(data, 1, file, 0, 0);
    bench.lane_next();
    bench.lane_fails();
    bench.get(data, 2, file, 0, 1);
    bench.settles();
    assert_eq!(
        bench.told(data),
        [&format!("data 1 0+{PIECE}"), "error 1 storage-unavailable 0", "data 2 0+1", "end 2"]
    );
    bench.disk.remove(&file);
    bench.get(data, 3, file, 0, 1);
    bench.settles();
    assert_eq!(bench.told(data), ["error 3 no-such-file 0"]);
}

#[test]
fn slow_readers_leave_pieces_to_uploads_and_wait_their_turn() {
    let mut bench = Bench::new();
    let (alice, first) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, first, 10 * PIECE, 1);
    bench.gone(first);
    let conns: Vec<ConnId> = (0..32).map(|number| bench.data(NAMES[number / 8])).collect();
    for &data in &conns {
        bench.get(data, 1, file, 0, 0);
    }
    bench.lane_all();
    // Nobody takes anything: the first ones have two, the others one.
    assert_eq!(bench.sending.len(), 12 * 2 + 20);
    bench.gone(conns[0]);
    let uploader = bench.data("alice");
    let part = bench.upload(alice, PIECE);
    assert_eq!(bench.put(uploader, 1, part, 0, PIECE), PIECE);
    // Who takes what it has is read for again, and every one comes to its end.
    bench.settles();
    for &data in &conns[1..] {
        assert_eq!(bench.told(data).last().map(String::as_str), Some("end 1"));
    }
}

#[test]
fn whoever_finds_no_piece_gets_one_when_there_is() {
    let mut bench = Bench::new();
    let lines = NAMES.map(|name| bench.login(name));
    let conns: Vec<ConnId> = (0..12).map(|number| bench.data(NAMES[number % 4])).collect();
    let reader = bench.data("alice");
    let file = bench.complete(lines[0], reader, PIECE, 1);
    // Uploads that the disk does not write hold all that downloads may have.
    for (number, &data) in conns.iter().enumerate() {
        let part = bench.upload(lines[number % 4], 4 * PIECE);
        for piece in 0..4 {
            bench.put(data, piece, part, u64::from(piece) * PIECE, PIECE);
        }
    }
    bench.get(reader, 1, file, 0, 0);
    assert_eq!(bench.lane.iter().filter(|job| matches!(job, FileJob::Read { .. })).count(), 0);
    assert!(bench.hub.wants_pieces() && bench.hub.is_transferring(reader));
    bench.lane_next();
    assert!(!bench.hub.wants_pieces());
    bench.settles();
    assert_eq!(bench.told(reader), [&format!("data 1 0+{PIECE}"), "end 1"]);
}

#[test]
fn a_connection_that_ends_gives_everything_back() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 10 * PIECE, 1);
    let part = bench.upload(alice, 10 * PIECE);
    bench.get(data, 1, file, 0, 0);
    bench.lane_next();
    bench.put(data, 2, part, 0, PIECE);
    bench.gone(data);
    bench.settles();
    assert_eq!(bench.hub.files.pool.out(), 0);
}
