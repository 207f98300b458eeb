//! What the operator chose, as far as connections are concerned.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a client may be silent before it is taken for a person and greeted.
    pub banner_delay: Duration,
    pub plaintext: Plaintext,
    /// The certificate that new connections see.
    pub tls: Arc<ServerConfig>,
}

/// Who is served without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plaintext {
    Always,
    Loopback,
    Never,
}

impl Plaintext {
    pub fn serves(self, loopback: bool) -> bool {
        match self {
            Plaintext::Always => true,
            Plaintext::Loopback => loopback,
            Plaintext::Never => false,
        }
    }
}
