//! The second door, beside a running store.

use std::fs;

use super::*;
use crate::hub::job::KeptAccount;
use crate::store::operator::{Operator, OperatorError};

#[test]
fn the_running_store_learns_what_the_operator_did() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let mut operator = Operator::open(bench.dir.path()).expect("opens");
    assert_eq!(bench.store().news(), []);
    let bob = operator.add_user(&user("Bob"), &hash("bob")).expect("adds");
    operator.set_password(&user("ann"), &hash("new")).expect("sets");
    operator.ban_user(&user("ann")).expect("bans");
    let expected = [
        OperatorNews::Added { account: bob, user: user("bob") },
        OperatorNews::Passwd { account: ann },
        OperatorNews::Banned { account: ann },
    ];
    assert_eq!(bench.store().news(), expected);
    assert_eq!(bench.store().news(), []);
    operator.unban_user(&user("ann")).expect("unbans");
    operator.remove_user(&user("BOB")).expect("removes");
    operator.new_invite().expect("makes one");
    assert_eq!(
        bench.store().news(),
        [OperatorNews::Unbanned { account: ann }, OperatorNews::Removed { account: bob }]
    );
    assert_eq!(bench.store().news(), []);
}

#[test]
fn news_from_before_the_start_is_no_news() {
    let mut bench = Bench::new();
    bench.store = None;
    let mut operator = Operator::open(bench.dir.path()).expect("opens");
    let bob = operator.add_user(&user("bob"), &hash("bob")).expect("adds");
    operator.ban_user(&user("bob")).expect("bans");
    bench.restart();
    assert_eq!(bench.kept.accounts, [KeptAccount { id: bob, user: user("bob"), banned: true }]);
    assert_eq!(bench.store().news(), []);
    assert_eq!(bench.count("SELECT COUNT(*) FROM operator_news"), 0);
    // Numbers go on behind the ones that were trimmed.
    operator.unban_user(&user("bob")).expect("unbans");
    assert_eq!(bench.store().news(), [OperatorNews::Unbanned { account: bob }]);
}

#[test]
fn users_are_listed_by_name() {
    let mut bench = Bench::new();
    bench.account("zoe");
    let mut operator = Operator::open(bench.dir.path()).expect("opens");
    operator.add_user(&user("Ann"), &hash("ann")).expect("adds");
    operator.ban_user(&user("zoe")).expect("bans");
    let users = operator.list_users().expect("lists");
    let lines: Vec<_> = users.iter().map(|row| (&**row.name.shown(), row.banned)).collect();
    assert_eq!(lines, [("Ann", false), ("zoe", true)]);
    assert_eq!(users[1].created, NOW);
    assert!(users[0].created > NOW);
}

#[test]
fn what_cannot_be_done_is_said() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut operator = Operator::open(dir.path()).expect("makes the database");
    operator.add_user(&user("ann"), &hash("ann")).expect("adds");
    let nobody = user("bob");
    assert_eq!(operator.add_user(&user("ANN"), &hash("x")), Err(OperatorError::NameTaken));
    assert_eq!(operator.set_password(&nobody, &hash("x")), Err(OperatorError::NoSuchUser));
    assert_eq!(operator.remove_user(&nobody), Err(OperatorError::NoSuchUser));
    assert_eq!(operator.ban_user(&nobody), Err(OperatorError::NoSuchUser));
    assert_eq!(operator.unban_user(&nobody), Err(OperatorError::NoSuchUser));
    assert_eq!(operator.list_users().expect("lists").len(), 1);
}

#[test]
fn with_an_account_goes_what_belongs_to_it_and_no_message() {
    let mut bench = Bench::new();
    let ann = bench.register("ann", Some(DAY)).expect("registers").account;
    let room = bench.room(1, "lobby", Some(ann));
    bench.run(say_as(room, KeyScope::Account(ann), "hi", None, NOW));
    bench.change(Change::Block { account: ann, user: user("eve"), blocked: true });
    bench.run(StoreJob::Post { origin: ORIGIN, to: ann, from: "eve".into(), text: "hi".into(), at: NOW });
    Operator::open(bench.dir.path()).expect("opens").remove_user(&user("ann")).expect("removes");
    for table in ["sessions", "members", "blocks", "letters", "operators", "accounts"] {
        assert_eq!(bench.count(&format!("SELECT COUNT(*) FROM {table}")), 0, "{table}");
    }
    assert_eq!(bench.positions(room), [1]);
    let next = bench.account("ann");
    assert!(next > ann, "an account's number is not used again");
    bench.restart();
    assert_eq!(bench.kept_room(room).map(|room| room.creator), Some(Some(ann)));
}

#[test]
fn what_a_removed_account_still_wanted_does_nothing_and_fails_nobody() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    let room = bench.room(1, "lobby", Some(bob));
    Operator::open(bench.dir.path()).expect("opens").remove_user(&user("ann")).expect("removes");
    bench.change(Change::Operator { room, account: ann, operator: true });
    bench.change(Change::Block { account: ann, user: user("bob"), blocked: true });
    let reply = bench.run(join(1, None, Some(ann), 0));
    assert!(matches!(reply, StoreReply::Joined { .. }), "{reply:?}");
    assert_eq!(bench.count("SELECT COUNT(*) FROM operators"), 1);
    assert_eq!(bench.count("SELECT COUNT(*) FROM members"), 1);
    assert_eq!(bench.count("SELECT COUNT(*) FROM blocks"), 0);
}

#[test]
fn invitations_differ_and_are_readable() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut operator = Operator::open(dir.path()).expect("opens");
    let (one, two) = (operator.new_invite().expect("makes one"), operator.new_invite().expect("makes one"));
    assert_ne!(one, two);
    assert_eq!(one.reveal().len(), 19);
    assert!(one.reveal().bytes().all(|b| b == b'-' || b.is_ascii_lowercase() || b.is_ascii_digit()));
}

#[test]
fn a_backup_while_the_store_writes_is_of_one_moment() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    bench.fill(room, 300);
    bench.settle();
    let target = tempfile::tempdir().expect("a temporary directory");
    let (source, file) = (bench.dir.path().to_owned(), schema::path(target.path()));
    let copying = std::thread::spawn(move || Operator::open(&source).expect("opens").backup(&file));
    let mut before = 300;
    while !copying.is_finished() {
        bench.fill(room, 20);
        before += 20;
    }
    assert_eq!(copying.join().expect("ends"), Ok(()));
    let (store, kept) = Store::open(target.path(), StoreOptions::default()).expect("opens the copy");
    let mut copy = Bench { store: Some(store), kept, dir: target };
    let positions = copy.positions(room);
    let count = positions.len() as u64;
    assert!((300..=before).contains(&count), "{count} of {before}");
    assert_eq!(positions, (1..=count).collect::<Vec<_>>());
    assert_eq!(copy.kept_room(room).map(|room| room.seq), Some(Seq(count)));
    copy.settle();
    copy.check_whole();
    copy.fill(room, 1);
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_nothing_half_done() {
    let mut bench = Bench::new();
    bench.room(1, "lobby", None);
    let operator = Operator::open(bench.dir.path()).expect("opens");
    let file = bench.dir.path().join("copy.db");
    assert_eq!(operator.backup(&file), Ok(()));
    let written = fs::read(&file).expect("reads");
    assert_eq!(operator.backup(&file), Err(OperatorError::Exists));
    assert_eq!(fs::read(&file).expect("reads"), written);
    assert_eq!(OperatorError::Exists.to_string(), "the file exists already");
    let nowhere = bench.dir.path().join("nowhere").join("copy.db");
    assert!(matches!(operator.backup(&nowhere), Err(OperatorError::Storage(_))));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).expect("is there").permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_backup_that_fails_leaves_no_file() {
    let mut bench = Bench::new();
    let room = bench.room(1, "lobby", None);
    bench.fill(room, 1_000);
    bench.store = None;
    let mut operator = Operator::open(bench.dir.path()).expect("opens");
    let file = bench.dir.path().join("copy.db");
    let database = schema::path(bench.dir.path());
    // All but the first page, which says that it is a database.
    let mut bytes = fs::read(&database).expect("is there");
    bytes[4096..].fill(0xff);
    fs::write(&database, bytes).expect("damages it");
    let error = operator.backup(&file).expect_err("there is nothing to copy");
    assert!(matches!(&error, OperatorError::Storage(_)) && error.to_string().contains("copy.db"), "{error}");
    assert!(!file.exists());
    let error = operator.add_user(&user("ann"), &hash("ann")).expect_err("there is nowhere to add it");
    assert!(matches!(&error, OperatorError::Storage(_)), "{error}");
}

#[test]
fn news_of_a_kind_that_is_not_known_are_passed_over() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    Connection::open(schema::path(bench.dir.path()))
        .and_then(|conn| {
            conn.execute_batch(
                "INSERT INTO operator_news (kind, account, name) VALUES ('praised', 1, 'ann');
                 INSERT INTO operator_news (kind, account, name) VALUES ('banned', 1, 'ann');",
            )
        })
        .expect("a newer program was here");
    assert_eq!(bench.store().news(), [OperatorNews::Banned { account: ann }]);
}
