//! Why the server did not start, or did not go on.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::error::ConfigError;
use crate::server::certificate::CertificateError;
use crate::server::data_dir::DataDirError;
use crate::server::log::LogError;
use crate::store::OpenError;

#[derive(Debug)]
pub enum StartError {
    Certificate(CertificateError),
    Config(ConfigError),
    Data(DataDirError),
    /// The directory of files cannot be used.
    Files {
        path: PathBuf,
        reason: String,
    },
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    Log(LogError),
    Store(OpenError),
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Certificate(error) => error.fmt(f),
            StartError::Config(error) => error.fmt(f),
            StartError::Data(error) => error.fmt(f),
            StartError::Files { path, reason } => write!(f, "{}: {reason}", path.display()),
            StartError::Listen { address, error } => write!(f, "cannot listen on {address}: {error}"),
            StartError::Log(error) => error.fmt(f),
            StartError::Store(error) => error.fmt(f),
            StartError::System(error) => write!(f, "the system refuses: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

macro_rules! from {
    ($($variant:ident($error:ty)),*) => {$(
        impl From<$error> for StartError {
            fn from(error: $error) -> StartError {
                StartError::$variant(error)
            }
        }
    )*};
}

from!(
    Certificate(CertificateError),
    Config(ConfigError),
    Data(DataDirError),
    Log(LogError),
    Store(OpenError)
);
