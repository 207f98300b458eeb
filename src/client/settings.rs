//! `sotto.toml`: what a user wants without saying it every time. `sotto.toml.example` is its manual.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::client::keep;

/// The settings, each as in the file or at its default.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub host: String,
    pub port: u16,
    /// Empty: the login name of the operating system.
    pub username: String,
    /// Rooms to join, beside those an account is in already.
    pub rooms: Vec<String>,
    /// Authorities to trust instead of the public ones; empty for the public ones.
    pub ca: PathBuf,
    pub accept_new: bool,
    /// Has the passphrase of the keys in its first line; empty: it is asked for.
    pub passphrase_file: PathBuf,
    /// New keys are kept unsealed.
    pub no_passphrase: bool,
    /// What this device is called; empty: the host's name.
    pub device: String,
    /// Where files are put that are accepted without saying where; empty: where sotto was started.
    pub downloads: PathBuf,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            host: "localhost".to_owned(),
            port: 12345,
            username: String::new(),
            rooms: Vec::new(),
            ca: PathBuf::new(),
            accept_new: false,
            passphrase_file: PathBuf::new(),
            no_passphrase: false,
            device: String::new(),
            downloads: PathBuf::new(),
        }
    }
}

/// The file cannot be used; says where and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the file; without one, everything is at its default.
    pub fn load(path: &Path) -> Result<Settings, SettingsError> {
        let wrong = |error: String| SettingsError(format!("{}: {}", path.display(), error.trim_end()));
        let text = keep::read(path).map_err(|error| wrong(error.to_string()))?;
        toml::from_str(&text).map_err(|error| wrong(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_every_key_at_its_default() {
        let example = include_str!("../../sotto.toml.example");
        assert_eq!(toml::from_str::<Settings>(example).expect("it parses"), Settings::default());
        // Each key stands there, commented out or not, with a comment above it.
        let keys = ["host", "port", "username", "rooms", "ca", "accept_new"];
        for key in keys.into_iter().chain(["passphrase_file", "no_passphrase", "device", "downloads"]) {
            let lines: Vec<&str> = example.lines().collect();
            let at = lines.iter().position(|line| line.starts_with(&format!("{key} = ")));
            let at = at.unwrap_or_else(|| panic!("{key} is not in the example"));
            assert!(at > 0 && lines[at - 1].starts_with("# "), "{key} is not explained");
        }
    }

    #[test]
    fn a_mistake_is_told_with_file_line_and_key() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("sotto.toml");
        assert_eq!(Settings::load(&path), Ok(Settings::default()));
        for (text, part) in [("port = 1\nprot = 2\n", "prot"), ("port = \"x\"\n", "port"), ("host", "line 1")]
        {
            std::fs::write(&path, text).expect("written");
            let error = Settings::load(&path).expect_err("a mistake").to_string();
            assert!(error.contains(part) && error.contains("sotto.toml"), "{error}");
        }
    }
}
