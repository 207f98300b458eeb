//! The lane on a real directory: what is written, finished, removed, and what a crash leaves.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::hub::job::files::{KeptFile, Part, Read};
use crate::proto::id::{AccountId, ConnId, Origin, RequestId};
use crate::proto::limits::PIECE_BYTES;
use crate::proto::time::Timestamp;
use crate::work::files::scan::{Scan, scan};

const FILE: FileId = FileId([0xab; 16]);
const CONN: ConnId = ConnId { slot: 0, serial: 1 };
const NOW: Timestamp = Timestamp(1_000_000);

struct Bench {
    files: Files,
    dir: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Bench { files: Files { directory: dir.path().to_owned(), handles: Handles::new() }, dir }
    }

    fn put(&self, offset: u64, bytes: &[u8]) -> (u64, Result<(), PutFailure>) {
        let mut piece = FilePiece::new();
        piece.fill(bytes);
        match self.files.run(FileJob::Put { part: Part { conn: CONN, put: 3, file: FILE }, offset, piece }) {
            FileReply::Put { part, piece, stored, outcome, .. } => {
                assert_eq!((part.put, piece.len()), (3, bytes.len()), "the piece comes back");
                (stored, outcome)
            }
            other => panic!("{other:?}"),
        }
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, ReadFailure> {
        let mut piece = FilePiece::new();
        piece.resize(length);
        match self.files.run(FileJob::Read { read: Read { conn: CONN, get: 5, file: FILE }, offset, piece }) {
            FileReply::Read { piece, outcome, .. } => outcome.map(|()| piece.bytes().to_vec()),
            other => panic!("{other:?}"),
        }
    }

    fn finish(&self, size: u64) -> Result<(), StoreFailure> {
        let origin = Origin { conn: CONN, re: RequestId(1) };
        match self.files.run(FileJob::Finish { origin, file: FILE, size }) {
            FileReply::Finished { outcome, .. } => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn remove(&self) -> Result<(), StoreFailure> {
        match self.files.run(FileJob::Remove { file: FILE }) {
            FileReply::Removed { outcome, .. } => outcome,
            other => panic!("{other:?}"),
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).expect("it is there");
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

#[test]
fn an_upload_grows_is_finished_and_read() {
    let bench = Bench::new();
    assert_eq!(bench.put(0, b"hello "), (6, Ok(())));
    assert_eq!(bench.put(6, b"world"), (11, Ok(())));
    assert_eq!(bench.read(0, 1), Err(ReadFailure::Missing), "nobody reads half a file");
    assert_eq!(bench.names(), [format!("{FILE}.part")]);
    assert!(matches!(bench.finish(12), Err(StoreFailure::Other(_))), "it is shorter than that");
    for _ in 0..2 {
        assert_eq!(bench.finish(11), Ok(()));
        assert_eq!(bench.names(), [FILE.to_string()]);
    }
    assert_eq!(bench.read(6, 5), Ok(b"world".to_vec()));
    assert_eq!(bench.read(10, 1), Ok(b"d".to_vec()));
    assert_eq!(bench.read(10, 2), Err(ReadFailure::Missing), "past the end");
    for _ in 0..2 {
        assert_eq!(bench.remove(), Ok(()));
        assert_eq!(bench.names(), [""; 0]);
    }
    assert_eq!(bench.read(0, 1), Err(ReadFailure::Missing), "an open file does not outlive its removal");
}

#[test]
fn a_piece_out_of_place_changes_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.put(1, b"x"), (0, Err(PutFailure::Misplaced)));
    assert_eq!(bench.names(), [""; 0]);
    assert_eq!(bench.put(0, b"abc"), (3, Ok(())));
    for offset in [0, 2, 4, u64::MAX] {
        assert_eq!(bench.put(offset, b"x"), (3, Err(PutFailure::Misplaced)), "{offset}");
    }
    assert_eq!(fs::read(bench.path(&format!("{FILE}.part"))).unwrap(), b"abc");
}

#[test]
fn what_cannot_be_written_is_a_failure_of_storage() {
    let bench = Bench::new();
    fs::create_dir(bench.path(&format!("{FILE}.part"))).unwrap();
    let (stored, outcome) = bench.put(0, b"x");
    assert!(matches!(outcome, Err(PutFailure::Storage(StoreFailure::Other(_)))), "{outcome:?}");
    assert_eq!(stored, 0);
    assert!(bench.remove().is_err(), "a directory is none of ours");
}

#[test]
fn what_goes_in_steps_is_gone_in_the_end() {
    const MIB: u64 = 1 << 20;
    // Sparse: only lengths matter.
    for bytes in [16 * MIB, 16 * MIB + 1, 100 * MIB, 65 * 64 * 16 * MIB] {
        let bench = Bench::new();
        for path in [disk::whole(bench.dir.path(), FILE), disk::part(bench.dir.path(), FILE)] {
            File::create(path).and_then(|file| file.set_len(bytes)).expect("a sparse file");
        }
        assert_eq!(bench.remove(), Ok(()), "{bytes} bytes");
        assert_eq!(fs::read_dir(bench.dir.path()).expect("it is there").count(), 0, "{bytes} bytes");
    }
}

#[test]
fn as_many_files_as_there_are_may_be_used_in_turn() {
    let handles = Handles::new();
    let dir = tempfile::tempdir().unwrap();
    let id = |n: u8| FileId([n; 16]);
    for round in 0..2u64 {
        for n in 0..200 {
            let handle = handles.part(id(n), || disk::open_part(dir.path(), id(n), round == 0)).unwrap();
            assert_eq!(handle.end(), round * 5, "a file that was closed meanwhile is as long as before");
            disk::write_at(&handle.file, b"bytes", handle.end()).unwrap();
            handle.grow(5);
        }
    }
}

fn kept(size: u64, complete: bool) -> KeptFile {
    KeptFile {
        id: FILE,
        owner: AccountId(1),
        size,
        readers: 1,
        created: Timestamp(0),
        expires: Timestamp(NOW.0 + 1),
        complete,
        stored: if complete { size } else { 0 },
        declined: Vec::new(),
    }
}

/// What a start makes of one record and these files, of so many bytes each.
#[track_caller]
fn check_start(
    record: Option<KeptFile>,
    files: &[(&str, usize)],
    expected: Option<u64>,
    left: &[(&str, usize)],
) {
    let bench = Bench::new();
    for (name, size) in files {
        fs::write(bench.path(&name.replace("ID", &FILE.to_string())), vec![7; *size]).unwrap();
    }
    let Scan { files: found, lost } = scan(bench.dir.path(), record.iter().cloned().collect(), NOW).unwrap();
    assert_eq!(found.iter().map(|file| file.stored).next(), expected, "{files:?}");
    assert_eq!(found.len() + lost.len(), usize::from(record.is_some()), "each record is kept or lost");
    let sizes: Vec<(String, usize)> = bench
        .names()
        .into_iter()
        .map(|name| (name.replace(&FILE.to_string(), "ID"), fs::read(bench.path(&name)).unwrap().len()))
        .collect();
    let left: Vec<(String, usize)> = left.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    assert_eq!(sizes, left, "{files:?}");
}

#[test]
fn a_start_makes_whole_what_a_crash_left() {
    const P: usize = PIECE_BYTES;
    let upload = || Some(kept(3 * P as u64 + 5, false));
    check_start(upload(), &[], Some(0), &[]);
    check_start(upload(), &[("ID.part", 1)], Some(0), &[("ID.part", 0)]);
    check_start(upload(), &[("ID.part", P - 1)], Some(0), &[("ID.part", 0)]);
    check_start(upload(), &[("ID.part", P)], Some(P as u64), &[("ID.part", P)]);
    check_start(upload(), &[("ID.part", 2 * P + 1)], Some(2 * P as u64), &[("ID.part", 2 * P)]);
    // All of it is there, and was not finished, or not recorded.
    check_start(upload(), &[("ID.part", 3 * P + 5)], Some(3 * P as u64 + 5), &[("ID.part", 3 * P + 5)]);
    check_start(upload(), &[("ID", 3 * P + 5)], Some(3 * P as u64 + 5), &[("ID.part", 3 * P + 5)]);
    // More than there can be.
    check_start(Some(kept(5, false)), &[("ID.part", P)], Some(5), &[("ID.part", 5)]);
    let complete = || Some(kept(5, true));
    check_start(complete(), &[("ID", 5)], Some(5), &[("ID", 5)]);
    check_start(complete(), &[("ID", 4)], None, &[]);
    check_start(complete(), &[("ID.part", 5)], None, &[]);
    check_start(complete(), &[], None, &[]);
    // Nobody knows these; and those are not ours.
    check_start(None, &[("ID", 5), ("ID.part", 1)], None, &[]);
    check_start(
        None,
        &[("README", 5), ("ID.bak", 1), (".part", 1)],
        None,
        &[(".part", 1), ("README", 5), ("ID.bak", 1)],
    );
    // Its time has come.
    let ended = KeptFile { expires: NOW, ..kept(5, true) };
    check_start(Some(ended), &[("ID", 5)], None, &[]);
    // Everybody it was sent to has declined it, or one of two.
    let unwanted = KeptFile { declined: vec![AccountId(2)], ..kept(5, true) };
    check_start(Some(unwanted), &[("ID", 5)], None, &[]);
    let wanted = KeptFile { readers: 2, declined: vec![AccountId(2)], ..kept(5, true) };
    check_start(Some(wanted), &[("ID", 5)], Some(5), &[("ID", 5)]);
}
