//! What the files are made of, and whether they are what they were.

use std::fs;
use std::path::Path;

use memchr::memmem;

use crate::Outcome;
use crate::random::Random;

/// Bytes that nothing makes less of, with a mark in each block.
pub fn make(path: &Path, seed: u64, size: usize) -> Outcome<()> {
    let mut bytes = vec![0; size];
    Random::new(Some(seed)).fill(&mut bytes);
    for block in bytes.chunks_exact_mut(MARK_EVERY) {
        block[..MARK.len()].copy_from_slice(MARK.as_bytes());
    }
    Ok(fs::write(path, bytes)?)
}

/// Whether two files have the same bytes; one that is not there has none.
pub fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

/// Names and sizes of what is in a directory, sorted.
pub fn listed(directory: &Path) -> Outcome<Vec<(String, u64)>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        // The server makes it with its first file.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let entry = entry?;
        // It may be gone since, or have another name.
        if let Ok(metadata) = entry.metadata() {
            found.push((entry.file_name().to_string_lossy().into_owned(), metadata.len()));
        }
    }
    found.sort();
    Ok(found)
}

/// Files below a directory that have one of these in them, and bytes that were looked at.
pub fn search(directory: &Path, words: &[&str]) -> Outcome<(Vec<String>, u64)> {
    let (mut found, mut seen) = (Vec::new(), 0);
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            let (below, bytes) = search(&path, words)?;
            found.extend(below);
            seen += bytes;
        } else if path.is_file() {
            let bytes = fs::read(&path)?;
            seen += bytes.len() as u64;
            if words.iter().any(|word| memmem::find(&bytes, word.as_bytes()).is_some()) {
                found.push(path.display().to_string());
            }
        }
    }
    Ok((found, seen))
}

/// In every block of every file.
pub const MARK: &str = "the treasure lies below the third oak";
const MARK_EVERY: usize = 4096;
const _: () = assert!(MARK.len() < MARK_EVERY);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_where_they_are_and_nowhere_else() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("below")).unwrap();
        let (one, other) = (home.path().join("below/a"), home.path().join("b"));
        make(&one, 1, 10_000).unwrap();
        make(&other, 1, 10_000).unwrap();
        assert!(is_same(&one, &other));
        make(&other, 2, 10_000).unwrap();
        assert!(!is_same(&one, &other));
        fs::write(&other, "nothing of that kind").unwrap();
        let (found, seen) = search(home.path(), &[MARK]).unwrap();
        assert_eq!((found, seen), (vec![one.display().to_string()], 10_020));
        assert!(!is_same(&home.path().join("none"), &home.path().join("nor this")));
        assert_eq!(listed(home.path()).unwrap()[0], ("b".to_string(), 20));
    }
}
