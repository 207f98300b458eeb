//! Everything that a server can do to a blob is named, and downloads that go on.

use super::*;
use crate::client::transfer::tests::{Sealed, Seeded, content, key, seal};
use crate::e2e::file::layout::Layout;

/// Takes a whole blob in parts of this many bytes; the file, or what is wrong.
fn unpack(sealed: &Sealed, blob: &[u8], parts: usize) -> Result<Vec<u8>, Wrong> {
    let header = blob.first_chunk().ok_or(Wrong::Short)?;
    let mut unpacker = Unpacker::new(&key(), header, sealed.size, sealed.sha256)?;
    let mut file = Vec::new();
    for part in blob[HEADER_BYTES..].chunks(parts) {
        match unpacker.take(part, &mut file) {
            Ok(()) => {}
            Err(Failed::Wrong(wrong)) => return Err(wrong),
            Err(Failed::Local(error)) => panic!("memory takes it: {error}"),
        }
    }
    unpacker.finish().map(|()| file)
}

/// The offset of a chunk in the blob of a file.
fn offset(size: u64, chunk: u32) -> usize {
    Plan::new(size).unwrap().layout().offset(chunk) as usize
}

#[test]
fn a_blob_becomes_the_file_however_it_is_cut() {
    for size in [0, 1, 65_535, 65_536, 65_537, 262_144, 300_000] {
        let file = content(size);
        let sealed = seal(&file);
        for parts in [1_000, 65_552, 262_144, usize::MAX] {
            assert_eq!(unpack(&sealed, &sealed.blob, parts), Ok(file.clone()), "{size} by {parts}");
        }
    }
}

#[test]
fn whatever_is_done_to_a_blob_has_a_name() {
    let sealed = seal(&content(300_000));
    let at = |chunk| offset(300_000, chunk);
    let check = |what: &str, change: &dyn Fn(&mut Vec<u8>), expected: Wrong| {
        let mut blob = sealed.blob.clone();
        change(&mut blob);
        assert_eq!(unpack(&sealed, &blob, 10_000), Err(expected), "{what}");
    };
    check("a flipped bit", &|blob| blob[at(2) + 100] ^= 4, Wrong::Chunk(2));
    check("a flipped bit of a tag", &|blob| blob[at(1) - 1] ^= 1, Wrong::Chunk(0));
    check("a flipped bit of the last chunk", &|blob| *blob.last_mut().unwrap() ^= 1, Wrong::Chunk(4));
    check("no blob", &|blob| blob[0] ^= 1, Wrong::Header);
    check("another length of chunks", &|blob| blob[4] = 17, Wrong::Header);
    check("another prefix", &|blob| blob[5] ^= 1, Wrong::Chunk(0));
    check("another commitment", &|blob| blob[20] ^= 1, Wrong::Key);
    let swap = |blob: &mut Vec<u8>| {
        let (first, second) = blob.split_at_mut(at(2));
        first[at(1)..].swap_with_slice(&mut second[..65_552]);
    };
    check("swapped chunks", &swap, Wrong::Chunk(1));
    check("a missing chunk", &|blob| drop(blob.drain(at(1)..at(2))), Wrong::Chunk(1));
    check("the last chunk is missing", &|blob| blob.truncate(at(4)), Wrong::Short);
    check("a truncated chunk", &|blob| blob.truncate(at(3) + 7), Wrong::Short);
    check("nothing but the header", &|blob| blob.truncate(HEADER_BYTES), Wrong::Short);
    check("less than the header", &|blob| blob.truncate(7), Wrong::Short);
    let repeat = |blob: &mut Vec<u8>| {
        let chunk = blob[at(1)..at(2)].to_vec();
        blob.splice(at(2)..at(2), chunk);
    };
    check("a repeated chunk", &repeat, Wrong::Chunk(2));
    check("one byte more", &|blob| blob.push(0), Wrong::Long);
    check("the last chunk twice", &|blob| blob.extend_from_within(at(4)..), Wrong::Long);
}

#[test]
fn each_of_them_is_said_in_words_of_its_own() {
    let all = [
        Wrong::Chunk(3),
        Wrong::Hash,
        Wrong::Header,
        Wrong::Key,
        Wrong::Long,
        Wrong::Padding,
        Wrong::Short,
        Wrong::Size,
    ];
    let mut said: Vec<String> = all.iter().map(Wrong::to_string).collect();
    said.sort();
    said.dedup();
    assert_eq!(said.len(), all.len());
    assert!(said.iter().all(|said| said.len() > 10 && !said.ends_with('.')), "{said:?}");
}

#[test]
fn a_message_that_lies_is_found_out() {
    let sealed = seal(&content(300_000));
    let lie = |size: u64, sha256: [u8; 32]| {
        unpack(&Sealed { blob: Vec::new(), size, sha256 }, &sealed.blob, 10_000).map(|file| file.len())
    };
    assert_eq!(lie(300_000, [7; 32]), Err(Wrong::Hash));
    assert_eq!(lie(299_999, sealed.sha256), Err(Wrong::Padding), "the same padded size");
    assert_eq!(lie(300_001, sealed.sha256), Ok(300_001), "a zero of the padding counts as the file's");
    assert_eq!(lie(1, sealed.sha256), Err(Wrong::Chunk(0)), "another last chunk");
    assert_eq!(lie(200_000, sealed.sha256), Err(Wrong::Chunk(3)));
    assert_eq!(lie(400_000, sealed.sha256), Err(Wrong::Short));
    assert_eq!(lie(u64::MAX, sealed.sha256), Err(Wrong::Size));
    let other = FileKey::from_bytes(&[9; 32]);
    let header = sealed.blob.first_chunk().unwrap();
    assert_eq!(Unpacker::new(&other, header, 300_000, sealed.sha256).map(|_| ()), Err(Wrong::Key));
}

#[test]
fn a_sender_who_hides_something_in_the_padding_is_found_out() {
    // What is sealed is longer than the size that the message tells, within the same padded size.
    let file = content(100_000);
    let plan = Plan::new(100_000).unwrap();
    let longer = content(plan.layout().chunk_bytes(0).unwrap() + plan.layout().chunk_bytes(1).unwrap());
    let sealed = seal(&longer);
    assert_eq!(sealed.blob.len() as u64, plan.blob_bytes(), "it is padded to the same size");
    let told = Sealed { blob: Vec::new(), size: file.len() as u64, sha256: sealed.sha256 };
    assert_eq!(unpack(&told, &sealed.blob, 10_000), Err(Wrong::Padding));
}

#[test]
fn a_download_goes_on_from_any_number_of_chunks() {
    for size in [300_000, 262_144, 0] {
        let file = content(size);
        let sealed = seal(&file);
        let header = sealed.blob.first_chunk().unwrap();
        let plan = Plan::new(size as u64).unwrap();
        for chunks in 0..=plan.layout().chunks() {
            let mut unpacker = Unpacker::new(&key(), header, sealed.size, sealed.sha256).unwrap();
            let mut written = file[..plan.file_bytes_of(chunks) as usize].to_vec();
            unpacker.restore(&key(), header, &mut written.clone().as_slice(), chunks).unwrap();
            assert_eq!(unpacker.file_bytes(), written.len() as u64);
            let rest = &sealed.blob[unpacker.offset() as usize..];
            unpacker.take(rest, &mut written).unwrap();
            assert_eq!(unpacker.finish(), Ok(()), "{chunks} chunks of {size}");
            assert_eq!(written, file);
        }
    }
}

#[test]
fn what_was_damaged_on_the_disk_is_noticed() {
    let file = content(300_000);
    let sealed = seal(&file);
    let header = sealed.blob.first_chunk().unwrap();
    let mut unpacker = Unpacker::new(&key(), header, sealed.size, sealed.sha256).unwrap();
    let mut damaged = file[..131_072].to_vec();
    damaged[70_000] ^= 1;
    unpacker.restore(&key(), header, &mut damaged.as_slice(), 2).unwrap();
    unpacker.take(&sealed.blob[offset(300_000, 2)..], &mut Vec::new()).unwrap();
    assert_eq!(unpacker.finish(), Err(Wrong::Hash));

    let mut unpacker = Unpacker::new(&key(), header, sealed.size, sealed.sha256).unwrap();
    let short = unpacker.restore(&key(), header, &mut &file[..100_000], 2);
    assert!(matches!(short, Err(Failed::Local(_))), "less than two chunks: {short:?}");
}

#[test]
fn smaller_chunks_are_opened_as_well() {
    let file = content(1_000);
    let layout = Layout::with_chunks(padded_file_bytes(1_000), 8).unwrap();
    let mut sealer = Sealer::new(&key(), layout, &mut Seeded(4));
    let mut blob = sealer.header().to_vec();
    for index in 0..layout.chunks() {
        let mut chunk = vec![0; layout.chunk_bytes(index).unwrap()];
        for (byte, at) in chunk.iter_mut().zip(index as usize * 256..) {
            *byte = file.get(at).copied().unwrap_or(0);
        }
        sealer.seal(index, &mut chunk).unwrap();
        blob.extend(chunk);
    }
    let sha256 = Sha256::digest(&blob).into();
    let sealed = Sealed { blob: blob.clone(), size: 1_000, sha256 };
    assert_eq!(unpack(&sealed, &blob, 77), Ok(file));
}

#[test]
fn nothing_secret_is_printed() {
    let sealed = seal(&content(10));
    let header = sealed.blob.first_chunk().unwrap();
    let unpacker = Unpacker::new(&key(), header, sealed.size, sealed.sha256).unwrap();
    assert_eq!(format!("{unpacker:?}"), "Unpacker(0 chunks of Opener(1 chunks))");
}
