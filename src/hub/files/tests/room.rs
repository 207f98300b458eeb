//! Who may send what: accounts, sizes, quotas, numbers.

use super::*;
use crate::hub::files::data::DataConn;
use crate::proto::limits::{
    DATA_CONNECTIONS_PER_ACCOUNT_MAX, FILE_BYTES_CEILING, FILE_READERS_MAX, FILES_MAX, FILES_PER_ACCOUNT_MAX,
    UPLOADS_PER_ACCOUNT_MAX,
};

#[track_caller]
fn check_upload(bench: &mut Bench, conn: ConnId, size: u64, readers: u32, expected: &str) {
    bench.ask(conn, Command::Upload { size, readers });
    bench.store_all();
    let told = bench.told(conn).concat();
    assert!(told.starts_with(expected), "{size} bytes for {readers}: {told}, and not {expected}");
}

#[test]
fn sizes_and_readers_have_their_bounds() {
    let rules = Rules { file_bytes: Some(1000), ..Rules::default() };
    let mut bench = Bench::with(rules, Vec::new());
    let alice = bench.login("alice");
    check_upload(&mut bench, alice, 0, 1, "bad-argument");
    check_upload(&mut bench, alice, 1, 1, "room");
    check_upload(&mut bench, alice, 1000, FILE_READERS_MAX, "room");
    check_upload(&mut bench, alice, 1001, 1, "file-too-large");
    check_upload(&mut bench, alice, 1, 0, "bad-argument");
    check_upload(&mut bench, alice, 1, FILE_READERS_MAX + 1, "bad-argument");
    let none = Rules { file_bytes: None, account_bytes: None, total_bytes: None, ..Rules::default() };
    let mut bench = Bench::with(none, Vec::new());
    let alice = bench.login("alice");
    check_upload(&mut bench, alice, FILE_BYTES_CEILING, 1, "room");
    check_upload(&mut bench, alice, FILE_BYTES_CEILING + 1, 1, "file-too-large");
    check_upload(&mut bench, alice, u64::MAX, 1, "file-too-large");
}

#[test]
fn an_account_and_the_server_have_so_much_room() {
    let rules = Rules { account_bytes: Some(100), total_bytes: Some(150), ..Rules::default() };
    let mut bench = Bench::with(rules, Vec::new());
    let [alice, bob] = ["alice", "bob"].map(|name| bench.login(name));
    check_upload(&mut bench, alice, 101, 1, "quota-exceeded");
    let first = bench.upload(alice, 60);
    check_upload(&mut bench, alice, 41, 1, "quota-exceeded");
    check_upload(&mut bench, alice, 40, 1, "room");
    check_upload(&mut bench, bob, 51, 1, "quota-exceeded");
    check_upload(&mut bench, bob, 50, 1, "room");
    check_upload(&mut bench, bob, 1, 1, "quota-exceeded");
    // What is deleted makes room for others.
    bench.about(alice, "delete", first);
    bench.settles();
    bench.told(alice);
    check_upload(&mut bench, bob, 50, 1, "room");
    check_upload(&mut bench, alice, 11, 1, "quota-exceeded");
}

#[test]
fn room_is_taken_while_the_store_writes_and_given_back_if_it_cannot() {
    let rules = Rules { account_bytes: Some(100), ..Rules::default() };
    let mut bench = Bench::with(rules, Vec::new());
    let [one, two] = ["alice", "alice"].map(|name| bench.login(name));
    bench.ask(one, Command::Upload { size: 60, readers: 1 });
    check_upload(&mut bench, two, 60, 1, "quota-exceeded");
    assert_eq!(bench.told(one).len(), 1);
    bench.about(one, "delete", FileId([1; 16]));
    bench.settles();
    bench.told(one);
    bench.ask(one, Command::Upload { size: 60, readers: 1 });
    bench.store_fails();
    assert_eq!(bench.told(one), ["storage-unavailable"]);
    check_upload(&mut bench, two, 60, 1, "room");
}

#[test]
fn an_upload_whose_number_nobody_hears_is_removed() {
    let mut bench = Bench::new();
    let alice = bench.login("alice");
    bench.ask(alice, Command::Upload { size: 60, readers: 1 });
    bench.gone(alice);
    bench.settles();
    let alice = bench.login("alice");
    bench.ask(alice, Command::Files { after: None, limit: None });
    assert_eq!(bench.told(alice), ["0 files, 0 bytes"]);
}

fn kept(number: u64, owner: u32, complete: bool) -> KeptFile {
    let mut id = FileId([0; 16]);
    id.0[..8].copy_from_slice(&number.to_be_bytes());
    KeptFile {
        id,
        owner: AccountId(owner),
        size: 1,
        readers: 1,
        created: Timestamp(0),
        expires: Timestamp(u64::MAX),
        complete,
        stored: u64::from(complete),
        declined: Vec::new(),
    }
}

#[test]
fn so_many_uploads_may_be_unfinished() {
    let most = UPLOADS_PER_ACCOUNT_MAX as u64;
    let files = (1..most).map(|number| kept(number, 1, false)).chain([kept(most, 1, true)]).collect();
    let mut bench = Bench::with(Rules::default(), files);
    let alice = bench.login("alice");
    let file = bench.upload(alice, 1);
    check_upload(&mut bench, alice, 1, 1, "too-many");
    let data = bench.data("alice");
    bench.put(data, 1, file, 0, 1);
    bench.lane_all();
    bench.about(alice, "finish", file);
    bench.settles();
    bench.told(alice);
    check_upload(&mut bench, alice, 1, 1, "room");
    check_upload(&mut bench, alice, 1, 1, "too-many");
    let bob = bench.login("bob");
    check_upload(&mut bench, bob, 1, 1, "room");
}

#[test]
fn so_many_files_may_one_account_have_and_all_together() {
    let most = FILES_PER_ACCOUNT_MAX as u64;
    let files = (1..most).map(|number| kept(number, 1, true)).collect();
    let mut bench = Bench::with(Rules::default(), files);
    let alice = bench.login("alice");
    check_upload(&mut bench, alice, 1, 1, "room");
    check_upload(&mut bench, alice, 1, 1, "too-many");
    // Most of them are of people that are not here.
    let files = (1..FILES_MAX as u64).map(|number| kept(number, 10 + (number / most) as u32, true)).collect();
    let mut bench = Bench::with(Rules::default(), files);
    let alice = bench.login("alice");
    check_upload(&mut bench, alice, 1, 1, "room");
    check_upload(&mut bench, alice, 1, 1, "too-many");
}

#[test]
fn only_accounts_have_files_and_only_where_they_are_taken() {
    let mut bench = Bench::new();
    let guest = bench.guest("visitor");
    let file = FileId([9; 16]);
    bench.ask(guest, Command::Upload { size: 1, readers: 1 });
    bench.ask(guest, Command::Files { after: None, limit: None });
    for command in ["decline", "delete", "finish", "status"] {
        bench.about(guest, command, file);
    }
    assert_eq!(bench.told(guest), ["not-registered"; 6]);

    let mut bench = Bench::with(Rules { enabled: false, ..Rules::default() }, vec![kept(1, 1, true)]);
    let alice = bench.login("alice");
    bench.ask(alice, Command::Upload { size: 1, readers: 1 });
    bench.about(alice, "status", kept(1, 1, true).id);
    let other = bench.open();
    bench.log_in(other, "alice", true);
    assert_eq!(bench.told(other), ["files-disabled"]);
    assert_eq!(bench.told(alice), ["files-disabled"; 2]);
}

#[test]
fn files_that_are_switched_off_are_refused_on_open_connections() {
    let mut bench = Bench::new();
    let (alice, data) = (bench.login("alice"), bench.data("alice"));
    let file = bench.complete(alice, data, 10, 1);
    let part = bench.upload(alice, 10);
    let settings = bench.hub.settings().clone();
    let files = Rules { enabled: false, ..settings.files.clone() };
    bench.hub.reconfigure(crate::hub::settings::Settings { files, ..settings });
    bench.get(data, 1, file, 0, 0);
    bench.put(data, 2, part, 0, 1);
    assert_eq!(bench.told(data), ["error 1 files-disabled 0", "error 2 files-disabled 0"]);
    bench.settles();
}

#[test]
fn a_file_s_number_is_32_digits() {
    let mut bench = Bench::new();
    let alice = bench.login("alice");
    for file in ["", "0", "../../etc/passwd", "ABABABABABABABABABABABABABABABAB"] {
        bench.ask(alice, Command::UploadStatus { file: file.into() });
        bench.ask(alice, Command::Files { after: Some(file.into()), limit: None });
        assert_eq!(bench.told(alice), ["bad-argument"; 2], "{file}");
    }
    bench.about(alice, "status", FileId([0xab; 16]));
    assert_eq!(bench.told(alice), ["no-such-file"]);
}

#[test]
fn an_account_has_so_many_data_connections() {
    let mut bench = Bench::new();
    let conns: Vec<ConnId> = (0..DATA_CONNECTIONS_PER_ACCOUNT_MAX).map(|_| bench.data("alice")).collect();
    let one_more = bench.open();
    bench.log_in(one_more, "alice", true);
    assert_eq!(bench.told(one_more), ["too-many"]);
    assert!(!bench.hub.is_data(one_more));
    bench.data("bob");
    bench.gone(conns[3]);
    bench.data("alice");
    let held = |data: &DataConn| data.account == AccountId(1);
    assert_eq!(bench.hub.files.conns.values().filter(|data| held(data)).count(), conns.len());
}
