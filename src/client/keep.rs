//! Small private files: read whole, replaced whole, readable by their owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Reads a file; one that does not exist is empty.
pub fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => {
            file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
            Ok(text)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(text),
        Err(error) => Err(error),
    }
}

/// Reads a file as it is; one that does not exist is an error.
pub fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Replaces a file in one step, so that neither a crash nor a full disk leaves half of one. Makes the
/// directory if it is missing, closed to others.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    create_directory(parent(path))?;
    // Two processes may do this at once.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    replace_through(path, &path.with_file_name(name), text.as_bytes())
}

/// Replaces a file in one step, through a file of this name beside it.
pub fn replace_through(path: &Path, fresh: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = write_private(fresh, bytes).and_then(|()| fs::rename(fresh, path));
    if written.is_err() {
        // What it was is the error to tell; a left-over file is replaced by the next attempt.
        let _ = fs::remove_file(fresh);
    }
    written.and_then(|()| sync_directory(parent(path)))
}

/// Makes names in a directory last: a file that was renamed has its new name after a power cut, too.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    // Windows opens no directory as a file; its journal keeps names in order.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Makes a directory that only its owner may enter; one that exists stays as it is.
pub fn create_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Options with which a new file can be read by its owner only.
pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = private(options.write(true).create(true).truncate(true)).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name alone is one in the present directory.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// More than any of these files ever has.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_private_and_replaced_whole() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("made/tokens");
        assert_eq!(read(&path).expect("no file is an empty file"), "");
        replace(&path, "one").expect("written");
        replace(&path, "two").expect("written");
        assert_eq!(read(&path).expect("read"), "two");
        assert_eq!(fs::read_dir(home.path().join("made")).expect("listed").count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600);
            assert_eq!(mode(&home.path().join("made")), 0o700);
        }
    }
}
