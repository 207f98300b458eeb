//! What is wrong with a configuration, for the operator.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a configuration is refused.
#[derive(Debug)]
pub enum ConfigError {
    /// The command line asks for something impossible.
    Argument {
        name: &'static str,
        problem: String,
    },
    Directory {
        file: PathBuf,
    },
    /// An unknown key, a wrong type or an impossible value. `key` is written `section.key`.
    Key {
        file: PathBuf,
        line: usize,
        key: String,
        problem: String,
    },
    /// Not TOML, or not even UTF-8.
    Syntax {
        file: PathBuf,
        line: usize,
        problem: String,
    },
    Unreadable {
        file: PathBuf,
        error: io::Error,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Argument { name, problem } => write!(f, "{name}: {problem}"),
            ConfigError::Directory { file } => {
                write!(f, "{}: is a directory; name the configuration file itself", file.display())
            }
            ConfigError::Key { file, line, key, problem } => {
                write!(f, "{}:{line}: {key}: {problem}", file.display())
            }
            ConfigError::Syntax { file, line, problem } => write!(f, "{}:{line}: {problem}", file.display()),
            ConfigError::Unreadable { file, error } => {
                write!(f, "{}: cannot be read: {error}", file.display())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
