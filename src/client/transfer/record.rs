//! What is kept of a transfer, so that another session can go on with it.
//!
//! ```text
//! key                                     value
//! number u64                              version u8 || Record, as JSON
//! number u64, from OWED_FIRST on          version u8 || Owed, as JSON
//! number u64 || first chunk u32           tags of chunks that were sealed, 16 bytes each
//! ```
//!
//! Both are rows of [`Table::Transfers`], which the vault seals: they hold file keys, names and paths. The
//! keys lie open, and say no more than how many transfers there are and how far the uploads among them
//! have come.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::client::private::row::{Change, Rows, Table};
use crate::client::transfer::part::Part;
use crate::client::transfer::place::Stamp;
use crate::client::transfer::written_path;
use crate::e2e::content::FileNote;
use crate::e2e::file::{ChunkTag, FileKey, PREFIX_BYTES};
use crate::e2e::hex;

/// Names a transfer to its user, and its rows. Never that of another one that is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

impl Number {
    /// From here on they name what is owed, which no user ever sees.
    pub const OWED_FIRST: Number = Number(1 << 63);
}

/// A transfer as it is kept.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    Receiving(Receiving),
    Sending(Sending),
}

/// A file that goes out.
#[derive(Deserialize, Serialize)]
pub struct Sending {
    #[serde(with = "written_path")]
    pub path: PathBuf,
    pub stamp: Stamp,
    /// The name that is told to the receivers.
    pub name: String,
    /// The room that it was sent in; none for one receiver.
    pub room: Option<String>,
    /// Who is to be told of it, and was not yet.
    pub readers: Vec<String>,
    /// Somebody was, in whichever session.
    #[serde(default)]
    pub told: bool,
    #[serde(serialize_with = "write_key", deserialize_with = "read_key")]
    pub key: FileKey,
    #[serde(with = "hex")]
    pub prefix: [u8; PREFIX_BYTES],
    /// The upload that was begun.
    pub blob: Option<Blob>,
    /// Everything is at the server, which has said so; the SHA-256 of the blob.
    pub whole: Option<Hash>,
}

/// A file that was offered, or comes in.
#[derive(Deserialize, Serialize)]
pub struct Receiving {
    pub from: String,
    /// The sender's identity was verified when the offer came.
    pub verified: bool,
    pub note: FileNote,
    pub stage: Stage,
}

/// How far a file that comes in has come.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nobody has decided yet.
    Offered,
    /// To be fetched into this directory; the half of it once there is one, and where that was made: there
    /// it is until it has its name.
    Accepted {
        #[serde(with = "written_path")]
        into: PathBuf,
        part: Option<Part>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        making: Option<Making>,
    },
    /// All of it is there and verified, and gets its name.
    Whole { part: Part },
}

/// What the server is still to be told: that this user does not need the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owed {
    /// Somebody else's.
    Decline(Blob),
    /// One's own.
    Delete(Blob),
}

impl Owed {
    /// The row of this.
    pub fn change(&self, number: Number) -> Change {
        let mut value = vec![VERSION];
        serde_json::to_writer(&mut value, self).expect("a blob has a name");
        Change { table: Table::Transfers, key: key(number), value: Some(Zeroizing::new(value)) }
    }

    /// Removes that row.
    pub fn removal(number: Number) -> Change {
        Change { table: Table::Transfers, key: key(number), value: None }
    }
}

/// A path that nobody else uses, for its name was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Making(#[serde(with = "written_path")] pub PathBuf);

/// The server's name for a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Blob(#[serde(with = "hex")] pub [u8; 16]);

/// SHA-256 of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Hash(#[serde(with = "hex")] pub [u8; 32]);

impl Record {
    /// The row of this record.
    pub fn change(&self, number: Number) -> Change {
        // Room at the start, so that the buffer does not move and leave copies of the key.
        let mut value = Zeroizing::new(Vec::with_capacity(RECORD_BYTES_USUAL));
        value.push(VERSION);
        serde_json::to_writer(&mut *value, self).expect("texts and numbers, paths that were checked");
        Change { table: Table::Transfers, key: key(number), value: Some(value) }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sending {
            path: _,
            stamp,
            name: _,
            room: _,
            readers: _,
            told: _,
            key: _,
            prefix: _,
            blob: _,
            whole: _,
        } = self;
        write!(f, "Sending({} bytes)", stamp.size)
    }
}

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receiving { from: _, verified: _, note, stage: _ } = self;
        write!(f, "Receiving({note:?})")
    }
}

/// The row of some tags, the first of which is that of the chunk `first`.
pub fn tags_change(number: Number, first: u32, tags: &[ChunkTag]) -> Change {
    let value = Zeroizing::new(tags.concat());
    Change { table: Table::Transfers, key: tags_key(number, first), value: Some(value) }
}

/// Removes a record; `groups` are the first chunks of its rows of tags.
pub fn removal(number: Number, groups: &[u32]) -> Vec<Change> {
    let mut changes = tags_removal(number, groups);
    changes.push(Change { table: Table::Transfers, key: key(number), value: None });
    changes
}

/// Removes the rows of tags, which belong to a key that is used no more.
pub fn tags_removal(number: Number, groups: &[u32]) -> Vec<Change> {
    let gone = |&first: &u32| Change { table: Table::Transfers, key: tags_key(number, first), value: None };
    groups.iter().map(gone).collect()
}

fn key(number: Number) -> Vec<u8> {
    number.0.to_be_bytes().to_vec()
}

fn tags_key(number: Number, first: u32) -> Vec<u8> {
    [&number.0.to_be_bytes()[..], &first.to_be_bytes()].concat()
}

/// A record as it was found.
#[derive(Debug)]
pub struct Kept {
    pub record: Record,
    /// `None` if they are not all there: then nobody knows what was sealed under this key.
    pub tags: Option<Vec<ChunkTag>>,
    /// The first chunks of the rows of tags.
    pub groups: Vec<u32>,
}

/// Everything that was kept, and the removal of what cannot be read.
pub fn load(rows: &Rows) -> (BTreeMap<Number, Kept>, Vec<Change>) {
    let mut found = BTreeMap::<Number, Kept>::new();
    let mut damaged = Vec::new();
    // A record comes before its tags, which come in their order.
    for (key, value) in rows.of(Table::Transfers) {
        let read = match key.split_first_chunk() {
            Some((number, [])) if u64::from_be_bytes(*number) >= Number::OWED_FIRST.0 => {
                read_json(value).map(|_: Owed| ())
            }
            Some((number, [])) => read_json(value).map(|record| {
                let kept = Kept { record, tags: Some(Vec::new()), groups: Vec::new() };
                found.insert(Number(u64::from_be_bytes(*number)), kept);
            }),
            Some((number, first)) => {
                let number = Number(u64::from_be_bytes(*number));
                found.get_mut(&number).and_then(|kept| add_tags(kept, first, value))
            }
            None => None,
        };
        if read.is_none() {
            damaged.push(Change { table: Table::Transfers, key: key.to_vec(), value: None });
        }
    }
    (found, damaged)
}

/// What is owed, as earlier sessions have left it.
pub fn load_owed(rows: &Rows) -> BTreeMap<Number, Owed> {
    let owed = rows.of(Table::Transfers).filter_map(|(key, value)| {
        let number = Number(u64::from_be_bytes(key.try_into().ok()?));
        if number >= Number::OWED_FIRST { Some((number, read_json(value)?)) } else { None }
    });
    owed.collect()
}

fn read_json<T: serde::de::DeserializeOwned>(value: &[u8]) -> Option<T> {
    let json = value.strip_prefix(&[VERSION])?;
    serde_json::from_slice(json).ok()
}

fn add_tags(kept: &mut Kept, first: &[u8], value: &[u8]) -> Option<()> {
    let first = u32::from_be_bytes(first.try_into().ok()?);
    kept.groups.push(first);
    let (tags, rest) = value.as_chunks();
    match &mut kept.tags {
        Some(known) if known.len() == first as usize && rest.is_empty() => known.extend_from_slice(tags),
        known => *known = None,
    }
    Some(())
}

fn write_key<S: serde::Serializer>(key: &FileKey, out: S) -> Result<S::Ok, S::Error> {
    hex::serialize(key.reveal(), out)
}

fn read_key<'de, D: serde::Deserializer<'de>>(input: D) -> Result<FileKey, D::Error> {
    Ok(FileKey::from_bytes(&Zeroizing::new(hex::deserialize::<32, D>(input)?)))
}

const VERSION: u8 = 1;
const RECORD_BYTES_USUAL: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::transfer::place::Inode;

    fn sending() -> Sending {
        Sending {
            path: "/home/alice/secret plans.pdf".into(),
            stamp: Stamp { size: 3, modified: u64::MAX, id: Inode { device: 1, inode: 2 } },
            name: "secret plans.pdf".into(),
            room: Some("kitchen".into()),
            readers: vec!["bob".into()],
            told: false,
            key: FileKey::from_bytes(&[7; 32]),
            prefix: [8; 7],
            blob: Some(Blob([9; 16])),
            whole: None,
        }
    }

    fn receiving(stage: Stage) -> Receiving {
        let note = FileNote {
            blob: [1; 16],
            key: FileKey::from_bytes(&[2; 32]),
            size: 5,
            sha256: [3; 32],
            name: "../ü".into(),
            mime: "text/plain".into(),
        };
        Receiving { from: "bob".into(), verified: true, note, stage }
    }

    fn part() -> Part {
        Part { path: "dir/ü.part".into(), id: Inode { device: 3, inode: u64::MAX } }
    }

    /// Keeps a record and finds it again; its row as text.
    fn again(record: &Record) -> (Record, String) {
        let change = record.change(Number(5));
        let json = String::from_utf8(change.value.as_ref().expect("a row")[1..].to_vec()).expect("JSON");
        let mut rows = Rows::default();
        rows.apply(vec![change]);
        let (mut found, damaged) = load(&rows);
        assert!(damaged.is_empty());
        (found.remove(&Number(5)).expect("it was kept").record, json)
    }

    #[test]
    fn records_come_back() {
        let stages = [
            Stage::Offered,
            Stage::Accepted { into: "dir".into(), part: None, making: None },
            Stage::Accepted { into: "dir".into(), part: None, making: Some(Making("dir/a.part".into())) },
            Stage::Accepted { into: "dir".into(), part: Some(part()), making: None },
            Stage::Whole { part: part() },
        ];
        let records = stages.into_iter().map(|stage| Record::Receiving(receiving(stage)));
        for record in records.chain([Record::Sending(sending())]) {
            let (found, json) = again(&record);
            assert_eq!(again(&found).1, json);
        }
        let (Record::Sending(found), _) = again(&Record::Sending(sending())) else { panic!("another kind") };
        assert_eq!((found.path, found.stamp, found.prefix), (sending().path, sending().stamp, [8; 7]));
        assert_eq!(found.key.reveal(), &[7; 32]);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_need_not_be_a_text() {
        use std::os::unix::ffi::OsStrExt;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(b"/a\xff/b"));
        let (found, _) = again(&Record::Sending(Sending { path: path.clone(), ..sending() }));
        assert!(matches!(found, Record::Sending(sending) if sending.path == path));
    }

    #[test]
    fn tags_come_back_in_their_order_and_all_or_not_at_all() {
        let found = |tags: &[(u32, usize)]| {
            let mut rows = Rows::default();
            rows.apply(vec![Record::Sending(sending()).change(Number(1))]);
            rows.apply(vec![Record::Sending(sending()).change(Number(2))]);
            for &(first, count) in tags {
                let tags: Vec<ChunkTag> = (0..count).map(|at| [first as u8 + at as u8; 16]).collect();
                rows.apply(vec![tags_change(Number(1), first, &tags)]);
            }
            let (mut found, damaged) = load(&rows);
            assert_eq!((found.len(), damaged.len()), (2, 0));
            assert!(found[&Number(2)].groups.is_empty());
            found.remove(&Number(1)).map(|kept| (kept.tags, kept.groups)).expect("it was kept")
        };
        let tag = |number: u8| [number; 16];
        assert_eq!(found(&[]), (Some(vec![]), vec![]));
        assert_eq!(found(&[(2, 1), (0, 2)]), (Some(vec![tag(0), tag(1), tag(2)]), vec![0, 2]));
        assert_eq!(found(&[(0, 2), (3, 1)]), (None, vec![0, 3]), "one is missing");
        assert_eq!(found(&[(0, 2), (1, 1)]), (None, vec![0, 1]), "one too many");
    }

    #[test]
    fn what_cannot_be_read_is_removed() {
        let mut rows = Rows::default();
        let row = |key: &[u8], value: &[u8]| Change {
            table: Table::Transfers,
            key: key.to_vec(),
            value: Some(Zeroizing::new(value.to_vec())),
        };
        let newer = Record::Sending(sending()).change(Number(2));
        let newer = newer.value.map(|mut value| {
            value[0] = 2;
            value
        });
        rows.apply(vec![
            row(&[1], b"short key"),
            row(&1u64.to_be_bytes(), b"\x01{}"),
            Change { table: Table::Transfers, key: key(Number(2)), value: newer },
            tags_change(Number(3), 0, &[[1; 16]]),
            Record::Sending(sending()).change(Number(4)),
            tags_change(Number(4), 0, &[[1; 16]]),
        ]);
        let (found, damaged) = load(&rows);
        assert_eq!(found.keys().collect::<Vec<_>>(), [&Number(4)]);
        assert_eq!(damaged.len(), 4);
        rows.apply(damaged);
        rows.apply(removal(Number(4), &found[&Number(4)].groups));
        assert_eq!(rows.of(Table::Transfers).count(), 0);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let text = format!("{:?} {:?}", Record::Sending(sending()), receiving(Stage::Offered));
        assert_eq!(text, "Sending(Sending(3 bytes)) Receiving(FileNote(5 bytes))");
    }
}
