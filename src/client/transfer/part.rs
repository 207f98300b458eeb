//! Where a file goes: names, collisions, and the one step in which half a file becomes a whole one.
//!
//! ```text
//! draft_path:   .sotto-RANDOM
//! create_draft: an empty file there
//! name_part:    .sotto-RANDOM ─► NAME.part, or NAME (1).part ..
//! settle:       NAME.part ─► synced ─► NAME, or NAME (1) ..
//! ```
//!
//! A half is made where nobody else makes anything, for the name is drawn: what lies there after a crash is
//! ours, whereas an empty `NAME.part` may be anybody's. It is not written to before it has its second name.
//!
//! Names come from strangers: they go through [`safe_name`] here, so that nobody can forget it, and the
//! directory is that of the user. Nothing is ever written over, whoever else creates files meanwhile.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
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

/// Half a file under either of its names, for who wants to be rid of it.
#[derive(Debug, Default)]
pub struct Half {
    /// Where it was made; there it is until it has its second name.
    pub draft: Option<PathBuf>,
    pub part: Option<Part>,
}

/// Where the first half of a file may be, the best place first; those are left out where something is.
pub fn part_paths(directory: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    let name = safe_name(name);
    let paths = (0..NAMES_MAX).map(move |number| format!("{}.part", numbered(&name, number)));
    let directory = directory.to_path_buf();
    paths.map(move |name| directory.join(name)).filter(|path| fs::symlink_metadata(path).is_err())
}

/// Where a half is made: a name that nobody else has, nor can be sent by anybody.
pub fn draft_path(directory: &Path) -> io::Result<PathBuf> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(directory.join(format!("{DRAFT_PREFIX}{}", HEXLOWER.encode(&bytes))))
}

/// Makes the empty file that becomes a half.
pub fn create_draft(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// The half that was made just before a crash, and has no other name yet.
pub fn reopen_draft(path: &Path) -> io::Result<Option<File>> {
    // Its name says that it is ours.
    reopen(path, |_| true)
}

/// Gives what was made its second name; `false` if somebody has that already.
pub fn name_part(draft: &Path, part: &Part) -> io::Result<bool> {
    match rename_without_replacing(draft, part.id, &part.path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens the half that was made earlier; `None` if it is not there any more, or is another file.
pub fn reopen_part(part: &Part) -> io::Result<Option<File>> {
    reopen(&part.path, |metadata| Inode::of(metadata) == part.id)
}

/// A file of one's own, which may have gone, or been exchanged for what is not a file or is not `ours`.
fn reopen(path: &Path, ours: impl Fn(&Metadata) -> bool) -> io::Result<Option<File>> {
    let is_it = |metadata: &Metadata| metadata.is_file() && ours(metadata);
    match fs::symlink_metadata(path) {
        Ok(metadata) if is_it(&metadata) => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    // Somebody may have exchanged it in between.
    Ok(is_it(&file.metadata()?).then_some(file))
}

impl Half {
    /// Removes it, whichever of its names it has.
    pub fn remove(&self) -> io::Result<()> {
        let removed = self.draft.as_ref().map(fs::remove_file);
        let unnamed = matches!(removed, Some(Ok(())));
        if let Some(Err(error)) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        match &self.part {
            // It did not have that name yet. Where files have no numbers, nothing else tells what is there.
            Some(part) if unnamed && part.id == Inode::default() => Ok(()),
            Some(part) if reopen_part(part)?.is_some() => fs::remove_file(&part.path),
            _ => Ok(()),
        }
    }

    /// Where a user would look for it.
    pub fn path(&self) -> &Path {
        let part = self.part.as_ref().map(|part| &part.path);
        part.or(self.draft.as_ref()).map_or(Path::new(""), |path| path)
    }
}

/// Gives a whole and synced file its name, beside its half; the name that it got.
pub fn settle(part: &Part, name: &str) -> io::Result<PathBuf> {
    let name = safe_name(name);
    let directory = part.path.parent().unwrap_or(Path::new("."));
    for number in 0..NAMES_MAX {
        let path = directory.join(numbered(&name, number));
        match rename_without_replacing(&part.path, part.id, &path) {
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

fn rename_without_replacing(from: &Path, id: Inode, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            // Not every file system can do it.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    link_and_unlink(from, id, to)
}

/// The same in two steps, of which the first never replaces anything. After a crash between them the
/// second one is made up for.
fn link_and_unlink(from: &Path, id: Inode, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let is_it = id != Inode::default() && Inode::of(&fs::symlink_metadata(to)?) == id;
            if is_it { fs::remove_file(from) } else { Err(error) }
        }
        // A file system without links, such as that of a memory stick: somebody who creates a file of
        // this name at this very moment loses it.
        Err(_) if fs::symlink_metadata(to).is_err() => fs::rename(from, to),
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
/// Names of files that come in begin with no dot.
const DRAFT_PREFIX: &str = ".sotto-";

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

    fn remove(draft: Option<&Path>, part: Option<&Part>) -> io::Result<()> {
        Half { draft: draft.map(Path::to_path_buf), part: part.cloned() }.remove()
    }

    fn make_part(directory: &Path, name: &str) -> Option<(Part, File)> {
        let draft = draft_path(directory).expect("random");
        let file = create_draft(&draft).expect("made");
        let id = Inode::of(&file.metadata().expect("there"));
        let mut parts = part_paths(directory, name).map(|path| Part { path, id });
        let part = parts.find(|part| name_part(&draft, part).expect("named, or taken"));
        remove(Some(&draft), None).expect("it has its name, or goes");
        part.map(|part| (part, file))
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
        let error = link_and_unlink(&part.path, part.id, &to).expect_err("it is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        link_and_unlink(&part.path, part.id, &home.path().join("b")).expect("it is free");
        assert_eq!(names(home.path()), ["a", "b"]);
        assert_eq!(fs::read_to_string(&to).expect("there"), "mine");
    }

    #[cfg(unix)]
    #[test]
    fn a_crash_between_two_steps_is_made_up_for() {
        let home = directory();
        let (part, _) = make_part(home.path(), "a").expect("a part");
        fs::hard_link(&part.path, home.path().join("a")).expect("the first step");
        link_and_unlink(&part.path, part.id, &home.path().join("a")).expect("it has its name already");
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
        remove(None, Some(&part)).expect("nothing to do");
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
    fn a_half_goes_whichever_of_its_names_it_has() {
        let home = directory();
        let draft = draft_path(home.path()).expect("random");
        assert_ne!(draft, draft_path(home.path()).expect("random"));
        assert!(reopen_draft(&draft).expect("looked").is_none(), "there is none");
        remove(Some(&draft), None).expect("nothing to do");
        let id = Inode::of(&create_draft(&draft).expect("made").metadata().expect("there"));
        assert!(reopen_draft(&draft).expect("looked").is_some());
        let part = Part { path: home.path().join("a.part"), id };
        fs::write(&part.path, "somebody's").expect("written");
        assert!(!name_part(&draft, &part).expect("looked"), "it is there");
        remove(Some(&draft), Some(&part)).expect("removed");
        assert_eq!(names(home.path()), ["a.part"]);

        let (part, file) = make_part(home.path(), "b").expect("a part");
        remove(Some(&draft), Some(&part)).expect("removed");
        assert_eq!(names(home.path()), ["a.part"]);
        drop(file);
        // A system without numbers of files.
        create_draft(&draft).expect("made");
        let part = Part { path: home.path().join("a.part"), id: Inode::default() };
        remove(Some(&draft), Some(&part)).expect("removed");
        assert_eq!(names(home.path()), ["a.part"]);
    }
}
