//! Whether the server is the one it should be: by its certificate chain, or by the fingerprint of its
//! certificate, confirmed on first use and kept, like ssh does it.
//!
//! [`Policy::judge`] decides, from data alone. [`Watcher`] asks it from inside the TLS handshake, where
//! nobody can be asked: an unknown server ends the handshake with [`Verdict::Unknown`], the user is
//! asked, the fingerprint is kept, and the next attempt finds it. The handshake's signatures are always
//! verified, so that a fingerprint says who holds the key.
//!
//! `known_servers` has a line for each server: `localhost:12345 AB:CD:...`, SHA-256 of the certificate
//! as `sottod fingerprint` prints it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::client::keep;

/// Where a server is, as the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(certificate: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(certificate).into())
    }

    /// Reads what `Display` writes; the colons and the case do not matter.
    pub fn parse(text: &str) -> Option<Fingerprint> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Fingerprint(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            let colon = if position == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What to think of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Trusted: its certificate is signed by somebody who is trusted.
    Chain,
    /// Trusted: its fingerprint is the one that was kept.
    Kept,
    /// Trusted from now on, because the user wants to accept new servers; to be kept.
    New(Fingerprint),
    /// Not trusted yet: ask.
    Unknown(Fingerprint),
    /// Not trusted: it is not the one that was kept.
    Changed { kept: Fingerprint, offered: Fingerprint },
}

/// What a verdict is based on.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub kept: Option<Fingerprint>,
    pub accept_new: bool,
}

impl Policy {
    pub fn judge(&self, chain_is_valid: bool, offered: Fingerprint) -> Verdict {
        match self.kept {
            _ if chain_is_valid => Verdict::Chain,
            Some(kept) if kept == offered => Verdict::Kept,
            Some(kept) => Verdict::Changed { kept, offered },
            None if self.accept_new => Verdict::New(offered),
            None => Verdict::Unknown(offered),
        }
    }
}

/// The sentences to show about a server that is not trusted.
pub fn explain(server: &Server, verdict: &Verdict, known: &Path) -> String {
    match verdict {
        Verdict::Unknown(offered) => format!(
            "{server} is not known yet. The fingerprint of its certificate is\n  {offered}\n\
             `sottod fingerprint` prints it on the server."
        ),
        Verdict::Changed { kept, offered } => format!(
            "THE SERVER {server} IS NOT THE ONE IT WAS.\n\
             Somebody may be listening in, or the server has a new certificate.\n  \
             kept:    {kept}\n  offered: {offered}\n\
             Ask the operator what `sottod fingerprint` prints. If it is the one offered, remove the\n\
             line of {server} from {} and connect again. Until then nothing is sent.",
            known.display()
        ),
        Verdict::Chain | Verdict::Kept | Verdict::New(_) => format!("{server} is trusted"),
    }
}

/// What the user trusts.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    known: PathBuf,
    accept_new: bool,
}

impl Trust {
    /// The public authorities and the servers kept in the file `known`; `accept_new`: a server that is
    /// met for the first time is kept without asking.
    pub fn new(known: PathBuf, accept_new: bool) -> Trust {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Trust { roots: Arc::new(roots), known, accept_new }
    }

    /// The authorities in this PEM file instead of the public ones.
    pub fn with_authorities(mut self, file: &Path) -> Result<Trust, String> {
        let wrong = |error: String| format!("{}: {error}", file.display());
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(wrong("there is no certificate in it".to_owned()));
        }
        self.roots = Arc::new(roots);
        Ok(self)
    }

    /// Where fingerprints are kept.
    pub fn known(&self) -> &Path {
        &self.known
    }

    /// What is to be thought of this server, as far as it is known beforehand.
    pub fn policy(&self, server: &Server) -> io::Result<Policy> {
        let name = server.to_string();
        let kept = keep::read(&self.known)?;
        let kept = kept.lines().find_map(|line| entry(line).filter(|(known, _)| *known == name));
        match kept {
            None => Ok(Policy { kept: None, accept_new: self.accept_new }),
            Some((_, text)) => match Fingerprint::parse(text) {
                Some(kept) => Ok(Policy { kept: Some(kept), accept_new: self.accept_new }),
                // Not the same as an unknown server: somebody wanted this one to be checked.
                None => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{}: the line of {name} has no fingerprint", self.known.display()),
                )),
            },
        }
    }

    /// Keeps the fingerprint of a server that was confirmed.
    pub fn keep(&self, server: &Server, fingerprint: Fingerprint) -> io::Result<()> {
        let name = server.to_string();
        let mut text = keep::read(&self.known)?;
        if text.lines().any(|line| entry(line).is_some_and(|(known, _)| known == name)) {
            return Ok(());
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("{name} {fingerprint}\n"));
        keep::replace(&self.known, &text)
    }

    /// Makes the verifier for connections to this server.
    pub fn watcher(&self, provider: &Arc<CryptoProvider>) -> Arc<Watcher> {
        let chain =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(provider))
                .build()
                .ok();
        let policy = Policy { kept: None, accept_new: false };
        Arc::new(Watcher {
            chain,
            provider: Arc::clone(provider),
            state: Mutex::new(Watch { policy, verdict: None }),
        })
    }
}

/// A line of `known_servers`: the server and the rest; nothing for comments and empty lines.
fn entry(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    line.split_once(char::is_whitespace).map(|(server, rest)| (server, rest.trim()))
}

/// Verifies certificates for TLS and remembers what it thought of the last one.
#[derive(Debug)]
pub struct Watcher {
    /// `None` without any authority.
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    state: Mutex<Watch>,
}

#[derive(Debug)]
struct Watch {
    policy: Policy,
    verdict: Option<Verdict>,
}

impl Watcher {
    /// Before a handshake: what is known now.
    pub fn prepare(&self, policy: Policy) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = Watch { policy, verdict: None };
    }

    /// After it: what was thought of the server. `None` if its certificate was not looked at, because
    /// an earlier connection was resumed or the handshake failed before.
    pub fn verdict(&self) -> Option<Verdict> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).verdict
    }
}

impl ServerCertVerifier for Watcher {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let by_chain = self.chain.as_ref().is_some_and(|chain| {
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).is_ok()
        });
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = state.policy.judge(by_chain, Fingerprint::of(end_entity));
        state.verdict = Some(verdict);
        match verdict {
            Verdict::Chain | Verdict::Kept | Verdict::New(_) => Ok(ServerCertVerified::assertion()),
            Verdict::Unknown(_) | Verdict::Changed { .. } => {
                Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(byte: u8) -> Fingerprint {
        Fingerprint([byte; 32])
    }

    #[track_caller]
    fn check(kept: Option<u8>, accept_new: bool, chain: bool, offered: u8, expected: Verdict) {
        assert_eq!(Policy { kept: kept.map(print), accept_new }.judge(chain, print(offered)), expected);
    }

    #[test]
    fn a_server_is_judged_by_chain_then_by_what_was_kept() {
        check(None, false, true, 1, Verdict::Chain);
        check(Some(2), false, true, 1, Verdict::Chain);
        check(Some(1), false, false, 1, Verdict::Kept);
        check(None, false, false, 1, Verdict::Unknown(print(1)));
        check(None, true, false, 1, Verdict::New(print(1)));
        let changed = Verdict::Changed { kept: print(2), offered: print(1) };
        check(Some(2), false, false, 1, changed);
        check(Some(2), true, false, 1, changed);
    }

    #[test]
    fn fingerprints_are_kept_for_each_host_and_port() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let trust = Trust::new(home.path().join("known_servers"), false);
        let server = |host: &str, port| Server { host: host.to_owned(), port };
        let kept = |host, port| trust.policy(&server(host, port)).expect("readable").kept;
        assert_eq!(kept("localhost", 1), None);
        trust.keep(&server("localhost", 1), print(1)).expect("written");
        trust.keep(&server("localhost", 2), print(2)).expect("written");
        trust.keep(&server("::1", 1), print(3)).expect("written");
        trust.keep(&server("localhost", 1), print(9)).expect("the first one stays");
        assert_eq!(kept("localhost", 1), Some(print(1)));
        assert_eq!(kept("localhost", 2), Some(print(2)));
        assert_eq!(kept("::1", 1), Some(print(3)));
        assert_eq!(kept("localhos", 1), None);
    }

    #[test]
    fn a_damaged_line_is_not_an_unknown_server() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let trust = Trust::new(home.path().join("known_servers"), true);
        keep::replace(trust.known(), "# mine\n\nlocalhost:1 AB:CD\n").expect("written");
        let server = Server { host: "localhost".into(), port: 1 };
        assert!(trust.policy(&server).is_err());
        assert!(trust.policy(&Server { port: 2, ..server }).expect("not in the file").kept.is_none());
    }

    #[test]
    fn a_changed_server_is_explained_with_both_fingerprints() {
        let server = Server { host: "chat.example".into(), port: 12345 };
        let verdict = Verdict::Changed { kept: print(0xab), offered: print(0xcd) };
        let text = explain(&server, &verdict, Path::new("/home/a/known_servers"));
        for part in ["chat.example:12345", "AB:AB", "CD:CD", "/home/a/known_servers", "sottod fingerprint"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert_eq!(Fingerprint::parse(&print(0xab).to_string()), Some(print(0xab)));
        assert_eq!(Fingerprint::parse("é".repeat(32).as_str()), None);
    }
}
