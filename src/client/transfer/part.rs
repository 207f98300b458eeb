//! Where a file goes: names, collisions, and the one step in which half a file becomes a whole one.
//!
//! ```text
//! part_paths:   NAME.part, or NAME (1).part ..
//! create_part:  an empty one                       (never one that is there)
//! settle:       NAME.part ─► synced ─► NAME, or NAME (1) ..
//! ```
//!
//! Names come from strangers: they go through [`safe_name`] here, so that nobody can forget it, and the
//! directory is that of the user. Nothing is ever written over, whoever else creates files meanwhile.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::client::transfer::place::Inode;
use crate::client::transfer::written_path;
use crate::e2e::file::name::safe_name;

/// Half a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Part {
    #[serde(with = "written_path")]
    pub path: PathBuf,
    pub id: Inode,
}

/// Where the first half of a file may be, the best place first; those are left out where something is.
pub fn part_paths(directory: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    let name = safe_name(name);
    let paths = (0..NAMES_MAX).map(move |number| format!("{}.part", numbered(&name, number)));
    let directory = directory.to_path_buf();
    paths.map(move |name| directory.join(name)).filter(|path| fs::symlink_metadata(path).is_err())
}

/// Makes an empty file for the first half of one; `None`: somebody else has made one there.
pub fn create_part(path: &Path) -> io::Result<Option<(Part, File)>> {
    match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
        Ok(file) => {
            let id = Inode::of(&file.metadata()?);
            Ok(Some((Part { path: path.to_path_buf(), id }, file)))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

/// The half that was made just before a crash. Nothing was written to it yet, so a file that is not empty
/// is somebody else's.
pub fn adopt_part(path: &Path) -> io::Result<Option<(Part, File)>> {
    let empty = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.is_file() && metadata.len() == 0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if !empty {
        return Ok(None);
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let metadata = file.metadata()?;
    let part = Part { path: path.to_path_buf(), id: Inode::of(&metadata) };
    Ok((metadata.is_file() && metadata.len() == 0).then_some((part, file)))
}

/// Opens the half that was made earlier; `None` if it is not there any more, or is another file.
pub fn reopen_part(part: &Part) -> io::Result<Option<File>> {
    let same = |metadata: &Metadata| metadata.is_file() && Inode::of(metadata) == part.id;
    match fs::symlink_metadata(&part.path) {
        Ok(metadata) if same(&metadata) => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let file = OpenOptions::new().read(true).write(true).open(&part.path)?;
    // Somebody may have exchanged it in between.
    Ok(same(&file.metadata()?).then_some(file))
}

/// Removes the half, if it is the one that was made.
pub fn remove_part(part: &Part) -> io::Result<()> {
    match reopen_part(part)? {
        Some(_) => fs::remove_file(&part.path),
        None => Ok(()),
    }
}

/// Gives a whole and synced file its name, beside its half; the name that it got.
pub fn settle(part: &Part, name: &str) -> io::Result<PathBuf> {
    let name = safe_name(name);
    let directory = part.path.parent().unwrap_or(Path::new("."));
    for number in 0..NAMES_MAX {
        let path = directory.join(numbered(&name, number));
        match rename_without_replacing(part, &path) {
            Ok(()) => {
                sync_directory(directory)?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(taken(&name))
}

/// `NAME`, `NAME (1)`, ..
fn numbered(name: &str, number: u32) -> String {
    if number == 0 { name.to_owned() } else { format!("{name} ({number})") }
}

/// There is no name left.
pub fn taken(name: &str) -> io::Error {
    let text = format!("there are {NAMES_MAX} files called {name} already");
    io::Error::new(io::ErrorKind::AlreadyExists, text)
}

fn rename_without_replacing(part: &Part, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, &part.path, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            // Not every file system can do it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    link_and_unlink(part, to)
}

/// The same in two steps, of which the first never replaces anything. After a crash between them the
/// second one is made up for.
fn link_and_unlink(part: &Part, to: &Path) -> io::Result<()> {
    match fs::hard_link(&part.path, to) {
        Ok(()) => fs::remove_file(&part.path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let is_it = part.id != Inode::default() && Inode::of(&fs::symlink_metadata(to)?) == part.id;
            if is_it { fs::remove_file(&part.path) } else { Err(error) }
        }
        // A file system without links, such as that of a memory stick: somebody who creates a file of
        // this name at this very moment loses it.
        Err(_) if fs::symlink_metadata(to).is_err() => fs::rename(&part.path, to),
        Err(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

/// Makes a new name durable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Files of one name in a directory. Whoever sends more of them to somebody has them refused.
pub const NAMES_MAX: u32 = 1_000;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("it is there");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    fn make_part(directory: &Path, name: &str) -> Option<(Part, File)> {
        part_paths(directory, name).find_map(|path| create_part(&path).expect("a part, or none"))
    }

    fn receive(directory: &Path, name: &str, content: &str) -> PathBuf {
        let (part, mut file) = make_part(directory, name).expect("a part");
        file.write_all(content.as_bytes()).expect("written");
        settle(&part, name).expect("settled")
    }

    #[test]
    fn nothing_is_ever_replaced() {
        let home = directory();
        fs::write(home.path().join("a.txt"), "mine").expect("written");
        fs::write(home.path().join("a.txt.part"), "mine too").expect("written");
        assert_eq!(receive(home.path(), "a.txt", "first"), home.path().join("a.txt (1)"));
        assert_eq!(receive(home.path(), "a.txt", "second"), home.path().join("a.txt (2)"));
        assert_eq!(names(home.path()), ["a.txt", "a.txt (1)", "a.txt (2)", "a.txt.part"]);
        let content = |name: &str| fs::read_to_string(home.path().join(name)).expect("there");
        assert_eq!(content("a.txt") + &content("a.txt.part"), "minemine too");
        assert_eq!(content("a.txt (1)") + &content("a.txt (2)"), "firstsecond");
    }

    #[test]
    fn without_that_system_call_nothing_is_replaced_either() {
        let home = directory();
        let to = home.path().join("a");
        fs::write(&to, "mine").expect("written");
        let (part, _) = make_part(home.path(), "a").expect("a part");
        let error = link_and_unlink(&part, &to).expect_err("it is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        link_and_unlink(&part, &home.path().join("b")).expect("it is free");
        assert_eq!(names(home.path()), ["a", "b"]);
        assert_eq!(fs::read_to_string(&to).expect("there"), "mine");
    }

    #[cfg(unix)]
    #[test]
    fn a_crash_between_two_steps_is_made_up_for() {
        let home = directory();
        let (part, _) = make_part(home.path(), "a").expect("a part");
        fs::hard_link(&part.path, home.path().join("a")).expect("the first step");
        link_and_unlink(&part, &home.path().join("a")).expect("it has its name already");
        assert_eq!(names(home.path()), ["a"]);
    }

    #[test]
    fn names_from_outside_stay_in_the_directory() {
        let home = directory();
        let inside = home.path().join("inside");
        fs::create_dir(&inside).expect("made");
        for name in
            ["../evil", "/etc/evil", "..", "a/../../evil", "C:\\evil", ".evil", "", "con", "e\u{202e}l"]
        {
            let path = receive(&inside, name, "x");
            assert_eq!(path.parent(), Some(inside.as_path()), "{name:?} became {path:?}");
        }
        assert_eq!(names(home.path()), ["inside"]);
        let kept = names(&inside);
        assert_eq!(
            kept,
            ["_con", "e_l", "evil", "evil (1)", "evil (2)", "evil (3)", "evil (4)", "file", "file (1)"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_part_that_was_exchanged_is_not_ours() {
        let home = directory();
        let other = home.path().join("other");
        fs::write(&other, "mine").expect("written");
        let (part, file) = make_part(home.path(), "a").expect("a part");
        assert!(reopen_part(&part).expect("read").is_some());
        // Kept open, so that its number is not given to another file.
        fs::remove_file(&part.path).expect("removed");
        assert!(reopen_part(&part).expect("read").is_none());
        std::os::unix::fs::symlink(&other, &part.path).expect("linked");
        assert!(reopen_part(&part).expect("read").is_none(), "a link leads out of the directory");
        fs::remove_file(&part.path).expect("removed");
        fs::write(&part.path, "theirs").expect("written");
        assert!(reopen_part(&part).expect("read").is_none());
        remove_part(&part).expect("nothing to do");
        assert_eq!(names(home.path()), ["a.part", "other"]);
        drop(file);
    }

    #[cfg(unix)]
    #[test]
    fn what_arrives_cannot_be_executed() {
        use std::os::unix::fs::PermissionsExt;
        let home = directory();
        let path = receive(home.path(), "run.sh", "#!/bin/sh\n");
        assert_eq!(fs::metadata(path).expect("there").permissions().mode() & 0o111, 0);
    }

    #[test]
    fn there_is_a_last_number() {
        let home = directory();
        for number in 0..NAMES_MAX {
            fs::write(home.path().join(format!("{}.part", numbered("a", number))), "").expect("written");
        }
        assert!(make_part(home.path(), "a").is_none());
        fs::remove_file(home.path().join(format!("a ({}).part", NAMES_MAX - 1))).expect("removed");
        assert!(make_part(home.path(), "a").is_some());
    }

    #[test]
    fn a_half_that_nobody_has_written_to_is_taken_over_and_no_other_is() {
        let home = directory();
        let path = home.path().join("a.part");
        assert!(adopt_part(&path).expect("looked").is_none(), "there is none");
        let (made, file) = create_part(&path).expect("made").expect("nobody else's");
        drop(file);
        assert!(create_part(&path).expect("looked").is_none(), "it is there");
        assert_eq!(adopt_part(&path).expect("looked").expect("it is empty").0, made);
        fs::write(&path, "somebody's").expect("written");
        assert!(adopt_part(&path).expect("looked").is_none());
        assert!(adopt_part(home.path()).expect("looked").is_none(), "a directory");
    }
}
