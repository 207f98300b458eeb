//! A data directory and a configuration file of a test's own, and the one-shot commands on them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::PASSWORD;
use super::process::{Told, run, sottod};

/// What tests run with: cheap password hashes, no banner for a test that was held up, no motd.
const BASE: [&str; 3] = ["banner_delay = \"1m\"", "motd = \"\"", "accounts.bcrypt_cost = 4"];

pub struct Home {
    dir: TempDir,
}

impl Home {
    /// `keys` are lines of TOML with dotted keys, such as `limits.line_bytes = 512`.
    pub fn new(keys: &[&str]) -> Home {
        let home = Home { dir: TempDir::new().expect("a temporary directory") };
        home.configure(keys);
        home
    }

    /// Writes the configuration anew.
    pub fn configure(&self, keys: &[&str]) {
        let split = |line: &&str| line.split_once(" = ").map(|(key, value)| (key.into(), value.into()));
        let keys: BTreeMap<String, String> = BASE.iter().chain(keys).filter_map(split).collect();
        let lines: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        self.write("config.toml", &lines);
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A file of the test's own, beside the data directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the temporary directory is writable");
        path
    }

    /// `sottod` with this home's configuration and data.
    pub fn sottod(&self) -> Command {
        let mut command = self.bare();
        command.arg("--config").arg(self.path("config.toml")).arg("--data").arg(self.data());
        command
    }

    /// The same after these shell commands, which may change what the process inherits.
    #[cfg(unix)]
    pub fn sottod_after(&self, prelude: &str) -> Command {
        let plain = self.sottod();
        let mut command = Command::new("sh");
        command.current_dir(self.dir.path());
        command.arg("-c").arg(format!("{prelude}; exec \"$0\" \"$@\"")).arg(plain.get_program());
        command.args(plain.get_args());
        command
    }

    /// `sottod` without arguments, in a directory that has no `config.toml` but this home's.
    pub fn bare(&self) -> Command {
        let mut command = sottod();
        command.current_dir(self.dir.path());
        command
    }

    /// Runs a command such as `["user", "list"]` to its end.
    pub fn tool(&self, args: &[&str]) -> Told {
        run(self.sottod().args(args))
    }

    /// The same, for a command that must succeed; gives its output.
    pub fn tool_ok(&self, args: &[&str]) -> String {
        let told = self.tool(args);
        assert_eq!(told.status, Some(0), "sottod {args:?}: {told:?}");
        told.out
    }

    /// Makes an account from outside, with [`PASSWORD`].
    pub fn add_user(&self, name: &str) {
        self.user_with_password("add", name, PASSWORD);
    }

    /// `user add` or `user passwd` with a password file.
    pub fn user_with_password(&self, action: &str, name: &str, password: &str) {
        let file = self.write("password", &format!("{password}\n"));
        self.tool_ok(&["user", action, name, "--password-file", text(&file)]);
    }

    pub fn fingerprint(&self) -> String {
        self.tool_ok(&["fingerprint"]).trim_end().to_owned()
    }
}

/// A path as an argument; the paths of tests are UTF-8.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}
