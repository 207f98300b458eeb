//! What a device keeps, as rows: the state machine says what has changed, the sealed store writes it.
//!
//! All changes of one step belong into one transaction, and nothing that the step says may be sent or
//! shown before that is committed. So a crash leaves the state before or after the step, and never a
//! message key that was used and is still there.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// In [`Table::Device`], and not this module's: the last entry of the history that a person was shown, u64
/// big-endian.
pub const SHOWN: &[u8] = &[3];

/// Which kind of row. The name is part of what seals it (E2E document, section "Storage").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The account's identity and number.
    Account,
    /// This device: its number and its counters.
    Device,
    /// Private messages as they are shown. Key: the peer's account number, then a counter, both u64
    /// big-endian. Not loaded as a whole.
    History,
    /// Finished envelopes that are not confirmed, and messages kept to be sent again.
    Outbox,
    /// What is known of other accounts: identity, standing, devices.
    Peers,
    /// The private halves of prekeys.
    Prekeys,
    /// Which messages were taken already.
    Received,
    /// First messages that were accepted.
    Seen,
    /// The sessions with one device of a peer.
    Sessions,
    /// Files on their way.
    Transfers,
}

impl Table {
    pub const ALL: [Table; 10] = [
        Table::Account,
        Table::Device,
        Table::History,
        Table::Outbox,
        Table::Peers,
        Table::Prekeys,
        Table::Received,
        Table::Seen,
        Table::Sessions,
        Table::Transfers,
    ];

    /// The name in the database, and in the derivation of the table's key.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Account => "account",
            Table::Device => "device",
            Table::History => "history",
            Table::Outbox => "outbox",
            Table::Peers => "peers",
            Table::Prekeys => "prekeys",
            Table::Received => "received",
            Table::Seen => "seen",
            Table::Sessions => "sessions",
            Table::Transfers => "transfers",
        }
    }
}

/// One row to be written, or with `value: None` to be deleted. Of two changes of one row in a step, the
/// later one counts.
pub struct Change {
    pub table: Table,
    /// Lies open on the disk: numbers only, never a name or a text.
    pub key: Vec<u8>,
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { table, key, value } = self;
        let bytes = value.as_ref().map(|value| value.len());
        write!(f, "Change({table:?}, {} bytes of key, {bytes:?} bytes)", key.len())
    }
}

/// Everything that was kept, except for the history.
#[derive(Default)]
pub struct Rows {
    rows: BTreeMap<(Table, Vec<u8>), Zeroizing<Vec<u8>>>,
}

impl Rows {
    pub fn insert(&mut self, table: Table, key: Vec<u8>, value: Zeroizing<Vec<u8>>) {
        self.rows.insert((table, key), value);
    }

    /// One row.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<&[u8]> {
        self.rows.get(&(table, key.to_vec())).map(|value| value.as_slice())
    }

    /// The rows of a table in the order of their keys.
    pub fn of(&self, table: Table) -> impl Iterator<Item = (&[u8], &[u8])> {
        let start = (table, Vec::new());
        let rows = self.rows.range(start..).take_while(move |((of, _), _)| *of == table);
        rows.map(|((_, key), value)| (key.as_slice(), value.as_slice()))
    }

    /// The same once more, as a backup is.
    #[cfg(test)]
    pub fn copy(&self) -> Rows {
        Rows { rows: self.rows.clone() }
    }

    /// Takes over what a step changed, as the sealed store does.
    pub fn apply(&mut self, changes: Vec<Change>) {
        for Change { table, key, value } in changes {
            match value {
                Some(value) => self.rows.insert((table, key), value),
                None => self.rows.remove(&(table, key)),
            };
        }
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rows { rows } = self;
        write!(f, "Rows({})", rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(table: Table, key: u8, value: Option<&[u8]>) -> Change {
        Change { table, key: vec![key], value: value.map(|value| Zeroizing::new(value.to_vec())) }
    }

    #[test]
    fn a_table_has_its_rows_in_order_and_no_others() {
        let mut rows = Rows::default();
        rows.apply(vec![
            change(Table::Peers, 9, Some(b"nine")),
            change(Table::Prekeys, 1, Some(b"other")),
            change(Table::Peers, 3, Some(b"first")),
            change(Table::Outbox, 255, Some(b"other")),
            change(Table::Peers, 3, Some(b"three")),
            change(Table::Peers, 4, Some(b"gone")),
            change(Table::Peers, 4, None),
        ]);
        let peers: Vec<_> = rows.of(Table::Peers).collect();
        assert_eq!(peers, [(&[3][..], &b"three"[..]), (&[9][..], &b"nine"[..])]);
        assert_eq!(rows.get(Table::Peers, &[9]), Some(&b"nine"[..]));
        assert_eq!(rows.get(Table::Peers, &[4]), None);
        assert_eq!(rows.of(Table::Seen).count(), 0);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let text = format!("{:?} {:?}", change(Table::Account, 1, Some(b"seed")), Rows::default());
        assert_eq!(text, "Change(Account, 1 bytes of key, Some(4) bytes) Rows(0)");
    }

    #[test]
    fn tables_have_different_names() {
        let mut names: Vec<_> = Table::ALL.iter().map(|table| table.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Table::ALL.len());
    }
}
