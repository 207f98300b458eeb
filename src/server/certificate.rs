//! The TLS certificate: read from the operator's files, or made at the first start.
//!
//! A certificate of our own is signed by itself; clients trust it by its fingerprint, as with ssh. It is
//! kept in the data directory and never replaced silently: a new one would look like an attack.

mod make;
mod validity;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{ServerConfig, version};
use sha2::{Digest, Sha256};

use crate::config;
use crate::proto::time::Timestamp;
use crate::server::data_dir::DataDirError;

/// A certificate chain and its key, which belong together.
pub struct Certificate {
    /// Invariant: not empty; the first one is the server's own.
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
}

/// Why there is no certificate to serve with.
#[derive(Debug)]
pub enum CertificateError {
    DataDir(DataDirError),
    /// The server's own certificate is over; when it ended.
    Expired {
        path: PathBuf,
        ended: Timestamp,
    },
    Failed {
        path: PathBuf,
        error: io::Error,
    },
    /// The key belongs to none of the certificates.
    KeyMismatch {
        cert: PathBuf,
        key: PathBuf,
    },
    /// A certificate was made once, and one of its two files is gone.
    KeyMissing {
        cert: PathBuf,
        key: PathBuf,
    },
    /// A certificate could not be made, or TLS could not be set up with it.
    NotMade(String),
    /// Not what is expected in such a file; in words.
    Unusable {
        path: PathBuf,
        problem: String,
    },
    /// The server's own certificate is there, but not the first one; which one it is, from 1.
    WrongOrder {
        path: PathBuf,
        position: usize,
    },
}

/// The files named in the configuration, or else those of the data directory, made if there are none.
pub fn load_or_make(data: &Path, tls: &config::Tls) -> Result<Certificate, CertificateError> {
    let (cert, key) = match &tls.files {
        Some(files) => (files.cert.clone(), files.key.clone()),
        None => make::in_data_directory(data)?,
    };
    load(&cert, &key, now())
}

/// TLS as every listener speaks it: 1.3 and 1.2, and little memory for each connection.
pub fn server_config(certificate: &Certificate) -> Result<Arc<ServerConfig>, CertificateError> {
    let not_made = |error: rustls::Error| CertificateError::NotMade(error.to_string());
    let key = CertifiedKey::new(certificate.chain.clone(), Arc::clone(&certificate.key));
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(not_made)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
    // What a session needs to be resumed goes to the client, sealed, rather than into our memory.
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(not_made)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // A client comes back once, or connects anew.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

impl Certificate {
    /// SHA-256 of the server's own certificate, as `openssl x509 -fingerprint -sha256` prints it.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.chain[0]);
        let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }

    /// The certificates as they are sent, the server's own first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }
}

fn load(cert: &Path, key: &Path, now: Timestamp) -> Result<Certificate, CertificateError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(cert)?)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(cert, pem_problem(&error, "certificate")))?;
    if chain.is_empty() {
        return Err(unusable(cert, pem_problem(&pem::Error::NoItemsFound, "certificate")));
    }
    let signing_key = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| unusable(key, pem_problem(&error, "private key")))?;
    let signing_key = rustls::crypto::ring::sign::any_supported_type(&signing_key).map_err(|_| {
        unusable(key, String::from("the key is of a kind that is not supported: give ECDSA, Ed25519 or RSA"))
    })?;
    let certificate = Certificate { chain, key: signing_key };
    certificate.check_order(cert, key)?;
    if let Some(validity) = validity::of(&certificate.chain[0]) {
        if validity.ends < now {
            return Err(CertificateError::Expired { path: cert.to_path_buf(), ended: validity.ends });
        }
        // Not an error: a machine without a clock of its own starts in 1970 and learns better later.
        if validity.begins > now {
            log::warn!(
                "{}: the certificate is valid only from {}",
                cert.display(),
                validity.begins.rfc3339()
            );
        }
    }
    Ok(certificate)
}

impl Certificate {
    /// The first certificate has to be the key's.
    fn check_order(&self, cert: &Path, key: &Path) -> Result<(), CertificateError> {
        for (at, der) in self.chain.iter().enumerate() {
            match CertifiedKey::new(vec![der.clone()], Arc::clone(&self.key)).keys_match() {
                Ok(()) if at == 0 => return Ok(()),
                Ok(()) => {
                    return Err(CertificateError::WrongOrder { path: cert.to_path_buf(), position: at + 1 });
                }
                Err(rustls::Error::InconsistentKeys(_)) => {}
                Err(error) => {
                    return Err(unusable(cert, format!("certificate {} cannot be read: {error}", at + 1)));
                }
            }
        }
        Err(CertificateError::KeyMismatch { cert: cert.to_path_buf(), key: key.to_path_buf() })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let failed = |error| CertificateError::Failed { path: path.to_path_buf(), error };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unusable(path, format!("is larger than {FILE_BYTES_MAX} bytes: no PEM file is")));
    }
    Ok(bytes)
}

fn unusable(path: &Path, problem: String) -> CertificateError {
    CertificateError::Unusable { path: path.to_path_buf(), problem }
}

fn pem_problem(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::NoItemsFound if what == "private key" => {
            String::from("holds no private key in PEM form; one with a passphrase has to be decrypted first")
        }
        pem::Error::NoItemsFound => format!("holds no {what} in PEM form"),
        error => format!("is not PEM: {error}"),
    }
}

fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Certificate { chain: _, key: _ } = self;
        write!(f, "Certificate({})", self.fingerprint())
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateError::DataDir(error) => error.fmt(f),
            CertificateError::Expired { path, ended } => {
                let ended = ended.rfc3339();
                write!(f, "{}: the certificate expired on {ended}; renew it, or remove ", path.display())?;
                f.write_str("tls-cert.pem and tls-key.pem from the data directory to have a new one made")
            }
            CertificateError::Failed { path, error } => {
                let path = path.display();
                write!(f, "{path}: the TLS certificate or its key cannot be read or written: {error}")
            }
            CertificateError::KeyMismatch { cert, key } => {
                let (cert, key) = (cert.display(), key.display());
                write!(f, "{key}: the key does not belong to the certificate in {cert}")
            }
            CertificateError::KeyMissing { cert, key } => {
                let (cert, key) = (cert.display(), key.display());
                write!(f, "{key}: is missing, while {cert} is there; ")?;
                f.write_str("put it back, or remove the certificate to have both made anew")
            }
            CertificateError::NotMade(problem) => write!(f, "TLS cannot be set up: {problem}"),
            CertificateError::Unusable { path, problem } => write!(f, "{}: {problem}", path.display()),
            CertificateError::WrongOrder { path, position } => {
                write!(f, "{}: the server's own certificate has to come first; ", path.display())?;
                write!(f, "it is number {position}")
            }
        }
    }
}

impl std::error::Error for CertificateError {}

/// Far above any chain, far below what would hurt to read.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
