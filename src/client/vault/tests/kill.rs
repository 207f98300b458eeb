//! kill -9 at any moment leaves the old state or the new one.
//!
//! The test runs itself again as a child that commits, and says so, without end; and kills it at some
//! moment after some commit.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::client::private::row::{Change, Table};
use crate::client::vault::tests::{CHEAP, PASS, delete, place, put};
use crate::client::vault::{Options, Vault, VaultError, history_key};
use crate::e2e::address::Uid;

/// So few writes that the data key changes every other time that the vault is opened.
const SMALL: Options = Options { writes_max: 24, ..CHEAP };
const DIRECTORY: &str = "VAULT_OF_THE_CHILD";
const KILLS: usize = 25;
/// Rows of a kind that are kept.
const KEPT: u64 = 4;

/// The rows of a state, each of which tells its number; some come and go.
fn changes(number: u64) -> Vec<Change> {
    let padded = [number.to_be_bytes().as_slice(), &[b'x'; 2_000]].concat();
    let history = |number| history_key(Uid(1), number);
    let mut changes = vec![
        put(Table::Account, b"", &number.to_be_bytes()),
        put(Table::Sessions, b"1", &padded),
        put(Table::Outbox, &number.to_be_bytes(), &padded),
        put(Table::History, &history(number), &padded),
    ];
    if let Some(old) = number.checked_sub(KEPT) {
        changes.extend([delete(Table::Outbox, &old.to_be_bytes()), delete(Table::History, &history(old))]);
    }
    changes
}

/// The number of the state that is in the vault, after checking that all of it belongs to that state.
fn state(vault: &Vault) -> u64 {
    let rows = vault.load().expect("it can be read");
    let number = |value: &[u8]| u64::from_be_bytes(*value.first_chunk().expect("a number comes first"));
    let Some(account) = rows.get(Table::Account, b"") else {
        assert_eq!(Table::ALL.iter().map(|&table| rows.of(table).count()).sum::<usize>(), 0);
        return 0;
    };
    let state = number(account);
    assert_eq!(number(rows.get(Table::Sessions, b"1").expect("a session")), state);
    let kept: Vec<u64> = (state.saturating_sub(KEPT) + 1..=state).collect();
    assert_eq!(rows.of(Table::Outbox).map(|(_, value)| number(value)).collect::<Vec<_>>(), kept);
    let page = vault.history(Uid(1), None, usize::MAX).expect("it can be read");
    assert_eq!(page.damaged, 0);
    assert_eq!(page.rows.iter().rev().map(|(_, value)| number(value)).collect::<Vec<_>>(), kept);
    state
}

/// What the child does when the parent has told it where: makes the vault, opens it, commits, changes
/// the passphrase to what it is, closes it, again and again.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let directory = PathBuf::from(directory);
    let say = |what: &str, number: u64| {
        let mut out = std::io::stdout().lock();
        // The parent has seen enough.
        let _ = writeln!(out, "\n{what} {number}").and_then(|()| out.flush());
    };
    loop {
        let opened = if Vault::exists(&directory) {
            Vault::open_with(&directory, PASS, SMALL)
        } else {
            Vault::create_with(&directory, PASS, SMALL)
        };
        let mut vault = opened.expect("it opens");
        let mut number = state(&vault);
        say("opened", number);
        for _ in 0..4 {
            number += 1;
            vault.commit(&changes(number)).expect("committed");
            say("committed", number);
        }
        vault.change_passphrase(PASS).expect("changed");
    }
}

fn start(directory: &Path) -> (Child, impl Iterator<Item = (String, u64)>) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "client::vault::tests::kill::child", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let said = lines.map_while(Result::ok).filter_map(|line| {
        let (what, number) = line.split_once(' ')?;
        let number = number.parse().ok()?;
        ["opened", "committed"].contains(&what).then(|| (what.to_owned(), number))
    });
    (child, said)
}

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    u64::from_be_bytes(bytes) % below
}

#[test]
fn killed_at_any_moment_it_has_the_old_state_or_the_new() {
    let (_home, directory) = place();
    let mut reached = 0;
    for round in 0..KILLS {
        let (mut child, mut said) = start(&directory);
        let mut last = reached;
        // The first rounds are killed while the vault is made and opened.
        for _ in 0..random(round as u64 + 2) {
            last = said.next().expect("the child goes on until it is killed").1;
        }
        // Some moment after that; a loop, because a sleep is as long as the system likes.
        for _ in 0..random(3_000_000) {
            std::hint::black_box(());
        }
        child.kill().expect("killed");
        last = said.map(|(_, number)| number).last().unwrap_or(last);
        child.wait().expect("it ended");
        if !Vault::exists(&directory) {
            assert_eq!(last, 0, "round {round}: a vault that was opened is gone");
            continue;
        }
        let vault = Vault::open_with(&directory, PASS, CHEAP)
            .unwrap_or_else(|error| panic!("round {round}, after {last}: {error}"));
        let found = state(&vault);
        assert!(found == last || found == last + 1, "round {round}: {last} was told, {found} is there");
        reached = found;
    }
    assert!(reached > 0, "something was committed in {KILLS} rounds");
}

/// Every step of making a vault and of changing its data key, with a crash after it: what a kill would
/// hit only by chance.
#[test]
fn interrupted_between_any_two_steps_it_goes_on() {
    let (_home, directory) = place();
    // Made, but for the last step.
    drop(Vault::create_with(&directory, PASS, CHEAP).expect("a new vault"));
    let (key_store, unfinished) = (directory.join("keystore"), directory.join("keystore.unfinished"));
    std::fs::rename(&key_store, &unfinished).expect("renamed");
    assert!(!Vault::exists(&directory), "nobody has kept anything there");
    assert!(matches!(Vault::open_with(&directory, PASS, CHEAP), Err(VaultError::Missing { .. })));
    let mut vault = Vault::create_with(&directory, PASS, CHEAP).expect("made anew");
    for number in 1..=9 {
        vault.commit(&changes(number)).expect("committed");
    }
    drop(vault);

    // A new data key: the key store of before and of after, with the database of each step.
    let database = directory.join("private.db");
    let old_key_store = std::fs::read(&key_store).expect("a key store");
    let mut vault = Vault::open_with(&directory, PASS, CHEAP).expect("it opens");
    vault.seal_anew().expect("sealed anew");
    drop(vault);
    assert_eq!(std::fs::read(&key_store).expect("a key store"), old_key_store);
    let between = std::fs::read(&database).expect("a database");
    let vault = Vault::open_with(&directory, PASS, CHEAP).expect("it goes on after the first step");
    assert_eq!(state(&vault), 9);
    drop(vault);
    assert_ne!(std::fs::read(&key_store).expect("a key store"), old_key_store);
    std::fs::write(&database, between).expect("written");
    for _ in 0..2 {
        let vault = Vault::open_with(&directory, PASS, CHEAP).expect("it goes on after the second step");
        assert_eq!(state(&vault), 9);
    }
}
