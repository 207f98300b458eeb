//! Chunks in their place, cut and changed blobs, and uploads that go on.

use super::*;
use crate::e2e::tests::random::Seeded;

fn key() -> FileKey {
    FileKey::from_bytes(&[7; 32])
}

/// Seals a content of `length` bytes in chunks of 256; returns the header and the sealed chunks.
fn seal(length: u64) -> ([u8; HEADER_BYTES], Vec<Vec<u8>>) {
    let layout = Layout::with_chunks(length, 8).unwrap();
    let mut sealer = Sealer::new(&key(), layout, &mut Seeded::new(1));
    let chunks = (0..layout.chunks()).map(|index| {
        let mut chunk = vec![index as u8; layout.chunk_bytes(index).unwrap()];
        sealer.seal(index, &mut chunk).unwrap();
        chunk
    });
    let chunks = chunks.collect();
    (*sealer.header(), chunks)
}

#[test]
fn chunks_open_alone_and_only_in_their_place() {
    let (header, chunks) = seal(600);
    let opener = Opener::new(&key(), &header, 600).unwrap();
    for index in [2, 0, 1] {
        let mut chunk = chunks[index].clone();
        opener.open(index as u32, &mut chunk).unwrap();
        assert!(chunk.iter().all(|&byte| byte == index as u8));
    }
    assert_eq!(opener.open(1, &mut chunks[0].clone()), Err(Error::Auth));
    assert_eq!(opener.open(2, &mut chunks[0].clone()), Err(Error::Malformed), "wrong length");
    assert_eq!(opener.open(3, &mut chunks[0].clone()), Err(Error::Malformed));
}

#[test]
fn a_cut_file_does_not_open() {
    let (header, chunks) = seal(600);
    let shorter = Opener::new(&key(), &header, 512).unwrap();
    assert_eq!(shorter.open(0, &mut chunks[0].clone()), Ok(()));
    assert_eq!(shorter.open(1, &mut chunks[1].clone()), Err(Error::Auth), "not the last one");
    let longer = Opener::new(&key(), &header, 1000).unwrap();
    assert_eq!(longer.open(2, &mut chunks[2].clone()), Err(Error::Malformed));
}

#[test]
fn every_flipped_bit_is_refused() {
    let (header, chunks) = seal(300);
    for bit in 0..HEADER_BYTES * 8 {
        let mut changed = header;
        changed[bit / 8] ^= 1 << (bit % 8);
        let opened =
            Opener::new(&key(), &changed, 300).and_then(|opener| opener.open(0, &mut chunks[0].clone()));
        assert!(opened.is_err(), "header bit {bit}");
    }
    let opener = Opener::new(&key(), &header, 300).unwrap();
    for bit in 0..chunks[1].len() * 8 {
        let mut changed = chunks[1].clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opener.open(1, &mut changed), Err(Error::Auth), "chunk bit {bit}");
    }
    let other = FileKey::from_bytes(&[8; 32]);
    assert_eq!(Opener::new(&other, &header, 300).map(|_| ()), Err(Error::Auth));
}

#[test]
fn no_chunk_is_sealed_to_two_contents() {
    let layout = Layout::with_chunks(600, 8).unwrap();
    let mut sealer = Sealer::new(&key(), layout, &mut Seeded::new(2));
    let (mut first, mut again) = (vec![1; 256], vec![1; 256]);
    assert_eq!(sealer.seal(1, &mut vec![1; 256]), Err(Error::Malformed), "chunks come in order");
    sealer.seal(0, &mut first).unwrap();
    sealer.seal(0, &mut again).unwrap();
    assert_eq!(first, again, "the same bytes for the same content");
    let mut changed = vec![2; 256];
    assert_eq!(sealer.seal(0, &mut changed), Err(Error::Changed));
    assert!(changed.is_empty(), "nothing of it is given out, neither plain nor encrypted");
    assert_eq!(sealer.seal(1, &mut vec![2; 255]), Err(Error::Changed));

    let mut resumed = Sealer::resume(&key(), layout, sealer.prefix(), sealer.tags().to_vec());
    assert_eq!(resumed.header(), sealer.header());
    assert_eq!(resumed.seal(0, &mut vec![2; 256]), Err(Error::Changed), "after a restart too");
    assert_eq!(resumed.seal(0, &mut vec![1; 256]), Ok(()));
    assert_eq!(resumed.seal(1, &mut vec![3; 256]), Ok(()));
    assert_eq!(resumed.tags().len(), 2);
}

#[test]
fn files_are_padded() {
    assert_eq!(padded_file_bytes(0), 128);
    assert_eq!(padded_file_bytes(128), 128);
    assert_eq!(padded_file_bytes(1_000_001), 1_015_808);
}

#[test]
fn debug_shows_no_secret() {
    let layout = Layout::new(3).unwrap();
    let sealer = Sealer::new(&key(), layout, &mut Seeded::new(3));
    let opener = Opener::new(&key(), sealer.header(), 3).unwrap();
    assert_eq!(format!("{:?}", key()), "FileKey(..)");
    assert_eq!(format!("{sealer:?} {opener:?}"), "Sealer(0 of 1 chunks) Opener(1 chunks)");
}
