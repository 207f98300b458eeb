//! Whatever is wrong with the files: a clear error that names the file, and nothing is written over.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::client::private::row::Table;
use crate::client::vault::tests::{CHEAP, PASS, content, create, files, message, open, page, place, put};
use crate::client::vault::{Vault, VaultError, history_key};
use crate::e2e::address::Uid;

/// One vault with a row in each table.
fn filled(directory: &Path, passphrase: Option<&str>) {
    let mut vault = Vault::create_with(directory, passphrase, CHEAP).expect("a new vault");
    let rows = Table::ALL.map(|table| put(table, &history_key(Uid(7), 1), table.name().as_bytes()));
    vault.commit(&rows).expect("committed");
}

/// It is refused with an error that names the file, and the files stay as they are.
#[track_caller]
fn refused(directory: &Path, file: &str, about: &str) -> VaultError {
    let before = files(directory);
    let opened = open(directory, PASS).and_then(|vault| vault.load().map(drop));
    let error = opened.expect_err(about);
    let path = directory.join(file);
    assert!(error.to_string().contains(&path.display().to_string()), "{about}: {error}");
    assert!(files(directory) == before, "{about}: {error}, and the files are others now");
    error
}

#[test]
fn every_flipped_bit_of_the_key_store_is_refused() {
    for passphrase in [PASS, None] {
        let (_home, directory) = place();
        filled(&directory, passphrase);
        let path = directory.join("keystore");
        let whole = fs::read(&path).expect("a key store");
        // Bits 8 to 11 of the memory that the passphrase costs ask for 64 to 512 MiB: they are refused
        // as well, after seconds.
        let slow = 5 * 8 + 8..5 * 8 + 12;
        for bit in (0..whole.len() * 8).filter(|bit| !slow.contains(bit)) {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &changed).expect("written");
            let error = refused(&directory, "keystore", &format!("bit {bit} of {passphrase:?}"));
            let expected = matches!(error, VaultError::Damaged { .. } | VaultError::WrongPassphrase { .. });
            assert!(expected, "bit {bit}: {error}");
        }
        for length in [0, 1, 92] {
            fs::write(&path, &whole[..length]).expect("written");
            let error = refused(&directory, "keystore", &format!("{length} bytes"));
            assert!(matches!(error, VaultError::Damaged { .. }), "{length} bytes: {error}");
        }
        fs::write(&path, &whole).expect("written");
        assert_eq!(content(&open(&directory, passphrase).expect("whole again")).len(), 9);
    }
}

/// Changes the sealed value of a row behind the vault's back.
fn change_row(directory: &Path, table: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let conn = Connection::open(directory.join("private.db")).expect("a database");
    let read = |conn: &Connection| {
        conn.query_row(&format!("SELECT value FROM {table}"), [], |row| row.get::<_, Vec<u8>>(0))
    };
    let mut value = read(&conn).expect("a row");
    change(&mut value);
    conn.execute(&format!("UPDATE {table} SET value = ?"), [value]).expect("updated");
}

#[test]
fn every_flipped_bit_of_a_row_is_refused() {
    let (_home, directory) = place();
    filled(&directory, PASS);
    let tables = Table::ALL.iter().filter(|&&table| table != Table::History).map(|table| table.name());
    for table in tables.chain(["vault"]) {
        let mut bytes = 0;
        change_row(&directory, table, |value| bytes = value.len());
        // All bits of one table, and one of each byte of the others, which are sealed by the same code.
        let step = if table == "account" { 1 } else { 9 };
        for bit in (0..bytes * 8).step_by(step) {
            let flip = |value: &mut Vec<u8>| value[bit / 8] ^= 1 << (bit % 8);
            change_row(&directory, table, flip);
            let error = refused(&directory, "private.db", &format!("bit {bit} of {table}"));
            assert!(matches!(error, VaultError::Damaged { .. }), "bit {bit} of {table}: {error}");
            change_row(&directory, table, flip);
        }
    }
    assert_eq!(content(&open(&directory, PASS).expect("whole again")).len(), 9);
}

#[test]
fn a_row_belongs_in_its_place() {
    let (_home, directory) = place();
    let mut vault = create(&directory);
    vault.commit(&[put(Table::Peers, b"3", b"three"), put(Table::Peers, b"4", b"four")]).expect("committed");
    drop(vault);
    let conn = Connection::open(directory.join("private.db")).expect("a database");
    conn.execute("UPDATE peers SET value = (SELECT value FROM peers WHERE key = x'33')", []).expect("moved");
    drop(conn);
    refused(&directory, "private.db", "a row in another's place");
}

#[test]
fn a_damaged_message_is_counted_and_the_others_are_shown() {
    let (_home, directory) = place();
    let mut vault = create(&directory);
    vault.commit(&[message(7, 1, "one"), message(7, 2, "two"), message(7, 3, "three")]).expect("committed");
    drop(vault);
    let conn = Connection::open(directory.join("private.db")).expect("a database");
    let sql = "UPDATE history SET value = zeroblob(40) WHERE key = ?";
    conn.execute(sql, [history_key(Uid(7), 2)]).expect("updated");
    drop(conn);
    let vault = open(&directory, PASS).expect("it opens");
    assert_eq!(page(&vault, 7, None, 9), ["3 three", "1 one"]);
    assert_eq!(vault.history(Uid(7), None, 9).expect("read").damaged, 1);
    assert_eq!(vault.search(None, None, 9, |_| true).expect("read").len(), 2);
    drop(vault);
    // Nor does it stand in the way of a new data key.
    let used_up = crate::client::vault::Options { writes_max: 1, ..CHEAP };
    let vault = Vault::open_with(&directory, PASS, used_up).expect("it opens");
    assert_eq!(page(&vault, 7, None, 9), ["3 three", "1 one"]);
}

#[test]
fn what_is_missing_or_foreign_is_named() {
    let (_home, directory) = place();
    filled(&directory, PASS);
    let other = directory.with_file_name("bob");
    filled(&other, PASS);
    let (key_store, database) = (directory.join("keystore"), directory.join("private.db"));
    let aside = directory.with_file_name("aside");

    fs::rename(&key_store, &aside).expect("moved");
    assert!(Vault::exists(&directory), "its database is still worth something");
    assert!(matches!(refused(&directory, "keystore", "no key store"), VaultError::Missing { .. }));
    let error = Vault::create_with(&directory, PASS, CHEAP).expect_err("never over a database");
    assert!(matches!(error, VaultError::Exists { .. }), "{error}");
    fs::rename(&aside, &key_store).expect("moved");

    fs::rename(&database, &aside).expect("moved");
    assert!(matches!(refused(&directory, "private.db", "no database"), VaultError::Missing { .. }));
    fs::copy(other.join("private.db"), &database).expect("copied");
    assert!(matches!(refused(&directory, "private.db", "another's database"), VaultError::Damaged { .. }));
    fs::write(&database, b"").expect("written");
    assert!(matches!(refused(&directory, "private.db", "an empty database"), VaultError::Damaged { .. }));
    let noise: Vec<u8> = (0..8192_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(&database, noise).expect("written");
    assert!(matches!(refused(&directory, "private.db", "no database at all"), VaultError::Damaged { .. }));
    fs::rename(&aside, &database).expect("moved");

    let conn = Connection::open(&database).expect("a database");
    conn.pragma_update(None, "user_version", 2).expect("updated");
    drop(conn);
    let error = refused(&directory, "private.db", "a newer format");
    assert!(matches!(error, VaultError::Newer { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn a_full_disk_keeps_what_was_there() {
    let (_home, directory) = place();
    let mut vault = create(&directory);
    vault.commit(&[put(Table::Peers, b"3", b"three")]).expect("committed");
    // No page can be added: what a full disk says, without filling one.
    let pages_max = |vault: &Vault, pages: u32| -> i64 {
        let sql = format!("PRAGMA max_page_count = {pages}");
        vault.database.run(|conn| conn.query_row(&sql, [], |row| row.get(0))).expect("a number")
    };
    assert!(pages_max(&vault, 1) > 1, "no fewer than there are");
    let large = vec![b'x'; 100_000];
    let error = vault.commit(&[put(Table::Peers, b"3", b"3"), put(Table::Peers, b"4", &large)]);
    let error = error.expect_err("the disk is full");
    assert!(matches!(error, VaultError::Storage { .. }), "{error}");
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(content(&vault), ["peers 3=three"]);
    pages_max(&vault, 100_000);
    vault.commit(&[put(Table::Peers, b"3", b"3")]).expect("there is space again");
    drop(vault);
    assert_eq!(content(&open(&directory, PASS).expect("it opens")), ["peers 3=3"]);
}
