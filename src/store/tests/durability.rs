//! What was answered stays, what failed leaves no trace: over batches, restarts, crashes and full disks.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

#[test]
fn what_was_answered_survives_the_end_of_the_process() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    bench.fill(room, 40);
    bench.settle();
    bench.fill(room, 3);
    // What a killed process leaves: the files as they are, its shared memory gone.
    let dir = tempfile::tempdir().expect("a temporary directory");
    for name in ["sottod.db", "sottod.db-wal"] {
        std::fs::copy(bench.dir.path().join(name), dir.path().join(name)).expect("copies");
    }
    let (store, kept) = Store::open(dir.path(), StoreOptions::default()).expect("opens");
    let mut crashed = Bench { store: Some(store), kept, dir };
    assert_eq!(crashed.kept, Kept { rooms: crashed.kept.rooms.clone(), next_room: 2, ..Kept::default() });
    assert_eq!(crashed.kept_room(room).map(|room| room.seq), Some(Seq(43)));
    assert_eq!(crashed.positions(room), (1..=43).collect::<Vec<_>>());
    // The last three were not in the index when the process ended.
    assert_eq!(crashed.search(&[room], "message", 50).0.len(), 43);
}

#[test]
fn a_newer_database_is_left_alone() {
    let mut bench = Bench::new();
    bench.store = None;
    let path = schema::path(bench.dir.path());
    let conn = Connection::open(&path).expect("opens");
    let (found, known) = (schema::VERSION + 1, schema::VERSION);
    conn.pragma_update(None, "user_version", found).expect("sets");
    drop(conn);
    let error = Store::open(bench.dir.path(), StoreOptions::default()).err().expect("refuses");
    let words = format!("newer sottod (format {found}, this one knows up to {known})");
    assert!(error.to_string().contains(&words), "{error}");
    assert_eq!(error, OpenError::Newer { path, found, known });
}

#[test]
fn an_older_database_gets_what_it_lacks_and_keeps_what_it_has() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let conn = Connection::open(schema::path(dir.path())).expect("opens");
    conn.execute_batch(schema::STEPS[0]).expect("the tables of the first version");
    conn.pragma_update(None, "user_version", 1).expect("sets");
    conn.execute_batch(
        "INSERT INTO accounts (id, name, key, hash, created) VALUES (7, 'ann', 'ann', 'h', 1);
         INSERT INTO rooms (id, name, key, creator, created, seq) VALUES (3, 'lobby', 'lobby', 7, 1, 1);
         INSERT INTO messages (id, at, sender, me, text) VALUES ((3 << 36) + 1, 1, 'ann', 0, 'hello');",
    )
    .expect("what there was");
    drop(conn);
    for _ in 0..2 {
        let (store, kept) = Store::open(dir.path(), StoreOptions::default()).expect("opens");
        assert_eq!(kept.accounts.iter().map(|account| account.id).collect::<Vec<_>>(), [AccountId(7)]);
        let version = store.conn.pragma_query_value(None, "user_version", |row| row.get(0));
        assert_eq!(version, Ok(schema::VERSION));
        let mut bench = Bench { store: Some(store), kept, dir: tempfile::tempdir().expect("unused") };
        assert_eq!(bench.positions(RoomId(3)), [1]);
        bench.enroll(AccountId(7), "laptop");
    }
}

/// There are databases of every version: what a version added must stay what it was.
#[test]
fn what_a_version_added_is_never_changed() {
    let digest = |text: &str| data_encoding::HEXLOWER.encode(&Sha256::digest(text)[..8]);
    let known = ["55ab0cfc05d19194", "a997179f269d4b9f", "e12ae2f1621a11b9", "3e29037d8cbe15b2"];
    assert_eq!(schema::STEPS.map(digest), known);
}

#[test]
fn what_is_no_database_is_said_to_be_none() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(schema::path(dir.path()), "x".repeat(5000)).expect("writes");
    let error = Store::open(dir.path(), StoreOptions::default()).err().expect("refuses");
    assert!(error.to_string().ends_with("sottod.db: file is not a database"), "{error}");
    let nowhere = dir.path().join("nowhere");
    let error = Store::open(&nowhere, StoreOptions::default()).err().expect("refuses");
    assert!(matches!(error, OpenError::Storage { .. }), "{error}");
}

#[test]
fn both_durabilities_are_what_sqlite_calls_them() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (durability, expected) in [(Durability::Disk, 2), (Durability::Os, 1)] {
        let (store, _) = Store::open(dir.path(), StoreOptions { durability }).expect("opens");
        let pragma = |name| store.conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        assert_eq!(pragma("synchronous"), Ok(expected));
        let mode = store.conn.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
        assert_eq!(mode.as_deref(), Ok("wal"));
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    bench.room(1, "lobby", None);
    let mut names = 0;
    for file in std::fs::read_dir(bench.dir.path()).expect("lists") {
        let file = file.expect("lists");
        let mode = file.metadata().expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.file_name());
        names += 1;
    }
    assert_eq!(names, 3, "database, write-ahead log, shared memory");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// A model in memory and the store agree, whatever happens in whatever order.
    #[test]
    fn positions_have_no_gaps_and_keys_no_doubles(steps in vec(step(), 1..30)) {
        let mut bench = Bench::new();
        let account = bench.account("ann");
        for room in 0..ROOMS {
            bench.room(room + 1, &format!("room-{room}"), None);
        }
        let mut seqs = [0; ROOMS as usize];
        let mut keys: HashMap<(u32, u8), u64> = HashMap::new();
        for step in steps {
            match step {
                Step::Restart => bench.restart(),
                Step::Upkeep(pace) => { bench.store().upkeep(pace); }
                Step::Full(full) => limit_pages(bench.store(), full.then_some(1)),
                Step::Batch(sayings) => {
                    let jobs: Vec<StoreJob> = sayings.iter().map(|saying| {
                        let key = saying.key.map(|key| key.to_string());
                        let scope = KeyScope::Account(account);
                        let text = "long ".repeat(saying.length);
                        say_as(RoomId(saying.room + 1), scope, &text, key.as_deref(), NOW)
                    }).collect();
                    let replies = bench.batch(jobs);
                    for (saying, reply) in sayings.iter().zip(replies) {
                        let before = saying.key.and_then(|key| keys.get(&(saying.room, key)).copied());
                        match reply {
                            StoreReply::Appended { entry, .. } => {
                                prop_assert_eq!(before, None);
                                seqs[saying.room as usize] += 1;
                                prop_assert_eq!(entry.seq.0, seqs[saying.room as usize]);
                                if let Some(key) = saying.key {
                                    keys.insert((saying.room, key), entry.seq.0);
                                }
                            }
                            StoreReply::Repeated { seq, .. } => prop_assert_eq!(before, Some(seq.0)),
                            StoreReply::Failed { failure, .. } => prop_assert_eq!(failure, StoreFailure::Full),
                            other => prop_assert!(false, "{:?}", other),
                        }
                    }
                }
            }
        }
        bench.restart();
        for room in 0..ROOMS {
            let id = RoomId(room + 1);
            let seq = seqs[room as usize];
            prop_assert_eq!(bench.positions(id), (1..=seq).collect::<Vec<_>>());
            prop_assert_eq!(bench.kept_room(id).map(|room| room.seq), Some(Seq(seq)));
            let found = bench.search(&[id], "long", 500).0.len() as u64;
            prop_assert_eq!(found, seq.min(500));
        }
        bench.check_whole();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Saying>),
    /// The disk is full from now on, or is not.
    Full(bool),
    Restart,
    Upkeep(Pace),
}

#[derive(Clone, Debug)]
struct Saying {
    room: u32,
    key: Option<u8>,
    length: usize,
}

fn step() -> impl Strategy<Value = Step> {
    let saying = (0..ROOMS, proptest::option::of(0..20_u8), 1..400_usize)
        .prop_map(|(room, key, length)| Saying { room, key, length });
    prop_oneof![
        6 => vec(saying, 1..30).prop_map(Step::Batch),
        1 => any::<bool>().prop_map(Step::Full),
        1 => Just(Step::Restart),
        1 => Just(Step::Upkeep(Pace::Busy)),
        1 => Just(Step::Upkeep(Pace::Idle)),
    ]
}

const ROOMS: u32 = 3;
