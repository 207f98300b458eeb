//! A vault on a real disk, with a cheap passphrase.

mod damage;
mod kill;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::client::private::row::{Change, Table};
use crate::client::vault::{Options, Vault, VaultError, Words, history_key};
use crate::e2e::address::Uid;
use crate::e2e::keystore::Cost;
use crate::proto::time::Timestamp;

const CHEAP: Options = Options { cost: Cost { memory_kib: 8, passes: 1, lanes: 1 }, writes_max: 1 << 30 };
const PASS: Option<&str> = Some("correct horse");

/// A directory for a vault, in one that goes with the test.
fn place() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let directory = home.path().join("keys/localhost_1/alice");
    (home, directory)
}

fn create(directory: &Path) -> Vault {
    Vault::create_with(directory, PASS, CHEAP).expect("a new vault")
}

fn open(directory: &Path, passphrase: Option<&str>) -> Result<Vault, VaultError> {
    Vault::open_with(directory, passphrase, CHEAP)
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Change {
    Change { table, key: key.to_vec(), value: Some(Zeroizing::new(value.to_vec())) }
}

fn delete(table: Table, key: &[u8]) -> Change {
    Change { table, key: key.to_vec(), value: None }
}

fn message(peer: u64, counter: u64, text: &str) -> Change {
    put(Table::History, &history_key(Uid(peer), counter), text.as_bytes())
}

/// Everything in it, as text: `table key=value`.
#[track_caller]
fn content(vault: &Vault) -> Vec<String> {
    let rows = vault.load().expect("it can be read");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let tables = Table::ALL.iter().flat_map(|&table| {
        rows.of(table).map(move |(key, value)| format!("{} {}={}", table.name(), text(key), text(value)))
    });
    tables.collect()
}

/// A page of the history: `counter text`.
fn page(vault: &Vault, peer: u64, before: Option<u64>, limit: usize) -> Vec<String> {
    let page = vault.history(Uid(peer), before, limit).expect("it can be read");
    page.rows.iter().map(|(counter, text)| format!("{counter} {}", String::from_utf8_lossy(text))).collect()
}

/// All files of a vault but its lock, with what is in them.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .filter(|(name, _)| name != "lock")
        .collect();
    files.sort();
    files
}

#[test]
fn what_was_committed_is_there_again() {
    let (_home, directory) = place();
    assert!(!Vault::exists(&directory));
    let mut vault = create(&directory);
    assert!(Vault::exists(&directory));
    vault
        .commit(&[
            put(Table::Peers, b"9", b"nine"),
            put(Table::Peers, b"3", b"first"),
            put(Table::Account, b"", b"seed"),
            put(Table::Peers, b"3", b"three"),
            put(Table::Outbox, b"1", b"gone"),
            delete(Table::Outbox, b"1"),
            delete(Table::Outbox, b"never there"),
            message(7, 1, "hello"),
        ])
        .expect("committed");
    let expected = ["account =seed", "peers 3=three", "peers 9=nine"];
    assert_eq!(content(&vault), expected);
    drop(vault);
    let mut vault = open(&directory, PASS).expect("it opens again");
    assert_eq!(content(&vault), expected);
    vault.commit(&[delete(Table::Peers, b"9")]).expect("committed");
    vault.commit(&[]).expect("nothing is nothing");
    drop(vault);
    let vault = open(&directory, PASS).expect("it opens again");
    assert_eq!(content(&vault), expected[..2]);
    assert_eq!(page(&vault, 7, None, 10), ["1 hello"]);
}

#[test]
fn history_comes_in_pages_newest_first() {
    let (_home, directory) = place();
    let mut vault = create(&directory);
    let of_seven = (1..=5).map(|counter| message(7, counter, &format!("seven {counter}")));
    let of_others = [message(6, 9, "six"), message(8, 0, "eight"), message(u64::MAX, 3, "last")];
    vault.commit(&of_seven.chain(of_others).collect::<Vec<_>>()).expect("committed");
    assert_eq!(page(&vault, 7, None, 2), ["5 seven 5", "4 seven 4"]);
    assert_eq!(page(&vault, 7, Some(4), 2), ["3 seven 3", "2 seven 2"]);
    assert_eq!(page(&vault, 7, Some(2), 2), ["1 seven 1"]);
    assert_eq!(page(&vault, 7, Some(1), 2), [""; 0]);
    assert_eq!(page(&vault, 8, None, 9), ["0 eight"]);
    assert_eq!(page(&vault, u64::MAX, None, 9), ["3 last"]);
    assert_eq!(page(&vault, 5, None, 9), [""; 0]);
    assert!(content(&vault).is_empty(), "the history is not loaded as a whole");
}

#[test]
fn search_finds_every_word_in_any_case_newest_first() {
    let (_home, directory) = place();
    let mut vault = create(&directory);
    let texts = [(7, 4, "Bread und Käse"), (7, 2, "käse"), (8, 3, "KÄSE, bread"), (8, 5, "tea")];
    vault.commit(&texts.map(|(peer, counter, text)| message(peer, counter, text))).expect("committed");
    let find = |peer: Option<u64>, before: Option<u64>, words: &str, limit| -> Vec<String> {
        let words = Words::new(words);
        let wanted = |value: &[u8]| words.are_in(&String::from_utf8_lossy(value));
        let found = vault.search(peer.map(Uid), before, limit, wanted).expect("it can be read");
        found.iter().map(|found| format!("{}/{}", found.peer.0, found.counter)).collect()
    };
    assert_eq!(find(None, None, "käse", 10), ["7/4", "8/3", "7/2"]);
    assert_eq!(find(None, None, "käse", 2), ["7/4", "8/3"]);
    assert_eq!(find(None, Some(4), "käse", 10), ["8/3", "7/2"]);
    assert_eq!(find(None, None, " Bread  KÄSE", 10), ["7/4", "8/3"]);
    assert_eq!(find(Some(8), None, "käse", 10), ["8/3"]);
    assert_eq!(find(Some(9), None, "käse", 10), [""; 0]);
    assert_eq!(find(None, None, "käse coffee", 10), [""; 0]);
    assert_eq!(find(None, None, " ", 10), [""; 0]);
    assert_eq!(find(None, None, "käse", 0), [""; 0]);
}

#[test]
fn a_passphrase_is_asked_for_and_changed() {
    let (_home, directory) = place();
    let mut vault = create(&directory);
    vault.commit(&[put(Table::Account, b"", b"seed")]).expect("committed");
    assert!(vault.is_sealed());
    drop(vault);
    assert!(Vault::needs_passphrase(&directory).expect("it is there"));
    assert!(matches!(open(&directory, None), Err(VaultError::NeedsPassphrase { .. })));
    let wrong = open(&directory, Some("wrong horse")).expect_err("it is wrong");
    assert!(matches!(wrong, VaultError::WrongPassphrase { .. }));
    assert!(wrong.to_string().contains("alice/keystore"), "{wrong}");

    let mut vault = open(&directory, PASS).expect("it opens");
    vault.change_passphrase(Some("battery staple")).expect("changed");
    drop(vault);
    assert!(matches!(open(&directory, PASS), Err(VaultError::WrongPassphrase { .. })));
    let mut vault = open(&directory, Some("battery staple")).expect("it opens");
    vault.change_passphrase(None).expect("changed");
    assert!(!vault.is_sealed());
    drop(vault);
    assert!(!Vault::needs_passphrase(&directory).expect("it is there"));
    assert_eq!(content(&open(&directory, None).expect("it opens")), ["account =seed"]);
    assert_eq!(content(&open(&directory, Some("any")).expect("it opens")), ["account =seed"]);
    let names: Vec<_> = files(&directory).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["keystore", "private.db"], "nothing is left over");
}

#[test]
fn two_processes_do_not_share_a_vault() {
    let (_home, directory) = place();
    let vault = create(&directory);
    for refused in [open(&directory, PASS).map(drop), Vault::needs_passphrase(&directory).map(drop)] {
        let error = refused.expect_err("it is in use");
        let process = format!("process {}", std::process::id());
        let text = error.to_string();
        assert!(matches!(error, VaultError::InUse { .. }), "{text}");
        assert!(text.contains("localhost_1/alice") && text.contains(&process), "{text}");
    }
    assert!(matches!(Vault::set_aside(&directory, Timestamp(0)), Err(VaultError::InUse { .. })));
    drop(vault);
    open(&directory, PASS).expect("it is free again");
}

#[test]
fn nothing_lies_open_and_all_is_closed_to_others() {
    let (home, directory) = place();
    let mut vault = create(&directory);
    let secret = b"the plaintext of a message";
    let everywhere = Table::ALL.map(|table| put(table, &[7; 16], secret));
    vault.commit(&everywhere).expect("committed");
    vault.commit(&[message(1, 1, "the plaintext of a message")]).expect("committed");
    let search = |when: &str| {
        for (name, bytes) in files(&directory) {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{name} {when}");
        }
    };
    search("while it is open");
    drop(vault);
    search("when it is closed");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        for (name, _) in files(&directory) {
            assert_eq!(mode(&directory.join(&name)), 0o600, "{name}");
        }
        for inner in [&directory, &home.path().join("keys")] {
            assert_eq!(mode(inner), 0o700, "{}", inner.display());
        }
    }
}

#[test]
fn a_data_key_that_is_used_up_is_changed() {
    let (_home, directory) = place();
    let small = Options { writes_max: 8, ..CHEAP };
    let mut vault = Vault::create_with(&directory, PASS, small).expect("a new vault");
    vault.commit(&[put(Table::Peers, b"3", b"three"), message(7, 1, "one")]).expect("committed");
    let before = files(&directory);
    drop(vault);
    let mut vault = Vault::open_with(&directory, PASS, small).expect("it opens");
    assert!(key_store(&before) == key_store(&files(&directory)), "not yet: four rows");
    vault.commit(&[put(Table::Peers, b"4", b"four"), message(7, 2, "two")]).expect("committed");
    vault.commit(&[put(Table::Peers, b"5", b"five")]).expect("committed");
    drop(vault);
    let vault = Vault::open_with(&directory, PASS, small).expect("it opens");
    assert_ne!(key_store(&before), key_store(&files(&directory)), "eight rows and more");
    let expected = ["peers 3=three", "peers 4=four", "peers 5=five"];
    assert_eq!(
        (content(&vault), page(&vault, 7, None, 9)),
        (expected.map(str::to_owned).into(), vec!["2 two".to_owned(), "1 one".to_owned()])
    );
    drop(vault);
    // With the old key store, nothing opens any more: all rows are sealed anew.
    let after = key_store(&files(&directory));
    fs::write(directory.join("keystore"), key_store(&before)).expect("written");
    let error = Vault::open_with(&directory, PASS, CHEAP).expect_err("other keys");
    assert!(matches!(error, VaultError::Damaged { .. }), "{error}");
    fs::write(directory.join("keystore"), after).expect("written");
    assert_eq!(content(&open(&directory, PASS).expect("it opens")), expected);
}

#[test]
fn a_vault_that_is_never_closed_stops_before_nonces_repeat() {
    let (_home, directory) = place();
    let small = Options { writes_max: 8, ..CHEAP };
    let mut vault = Vault::create_with(&directory, PASS, small).expect("a new vault");
    // One for the making, and two for each of these.
    for round in 0..8 {
        vault.commit(&[put(Table::Peers, b"3", b"three")]).unwrap_or_else(|error| panic!("{round}: {error}"));
    }
    let error = vault.commit(&[put(Table::Peers, b"3", b"other")]).expect_err("it is used up");
    assert!(matches!(error, VaultError::UsedUp { .. }), "{error}");
    drop(vault);
    let mut vault = Vault::open_with(&directory, PASS, small).expect("it opens");
    assert_eq!(content(&vault), ["peers 3=three"]);
    vault.commit(&[put(Table::Peers, b"3", b"other")]).expect("there is a new key");
}

#[test]
fn a_vault_is_put_aside_and_not_lost() {
    let (_home, directory) = place();
    let today = Timestamp::parse_rfc3339("2026-11-27T10:00:00.000Z").expect("a time");
    for name in ["alice.old-2026-11-27", "alice.old-2026-11-27-2"] {
        create(&directory).commit(&[put(Table::Account, b"", name.as_bytes())]).expect("committed");
        let aside = Vault::set_aside(&directory, today).expect("put aside");
        assert_eq!(aside.file_name().and_then(|name| name.to_str()), Some(name));
        assert!(!Vault::exists(&directory) && Vault::exists(&aside));
        assert_eq!(content(&open(&aside, PASS).expect("it opens")), [format!("account ={name}")]);
    }
    assert!(matches!(Vault::set_aside(&directory, today), Err(VaultError::Missing { .. })));
    create(&directory);
}

#[test]
fn what_is_there_is_not_made_anew() {
    let (_home, directory) = place();
    create(&directory).commit(&[put(Table::Account, b"", b"seed")]).expect("committed");
    let before = files(&directory);
    let error = Vault::create_with(&directory, PASS, CHEAP).expect_err("there is one");
    assert!(matches!(error, VaultError::Exists { .. }), "{error}");
    assert!(files(&directory) == before);
}

fn key_store(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    files.iter().find(|(name, _)| name == "keystore").expect("a key store").1.clone()
}
