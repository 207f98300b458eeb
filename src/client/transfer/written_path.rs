//! Paths as hexadecimal letters in JSON, because they need not be texts: `#[serde(with = "written_path")]`.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};

pub fn serialize<S: Serializer>(path: &Path, out: S) -> Result<S::Ok, S::Error> {
    let bytes = bytes(path).ok_or_else(|| S::Error::custom("this path is no text"))?;
    out.serialize_str(&HEXLOWER.encode(bytes))
}

pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<PathBuf, D::Error> {
    let bytes = HEXLOWER.decode(String::deserialize(input)?.as_bytes()).map_err(D::Error::custom)?;
    from_bytes(bytes).ok_or_else(|| D::Error::custom("not a path"))
}

/// `None` for a path that cannot be written down here.
#[cfg(unix)]
pub fn bytes(path: &Path) -> Option<&[u8]> {
    Some(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
}

#[cfg(unix)]
fn from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    Some(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into())
}

/// `None` for a path that cannot be written down here.
#[cfg(not(unix))]
pub fn bytes(path: &Path) -> Option<&[u8]> {
    path.to_str().map(str::as_bytes)
}

#[cfg(not(unix))]
fn from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}
