//! TLS as a client does it that knows the server by its fingerprint.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};
use sha2::{Digest, Sha256};

use super::wire::{Stream, Wire, socket};

/// A connection to the one server that has this certificate; anyone else fails the test.
pub fn connect_pinned(address: SocketAddr, fingerprint: &str) -> Wire {
    let (wire, seen) = connect(address, rustls::ALL_VERSIONS);
    assert_eq!(seen, fingerprint.to_lowercase(), "the certificate that was told of");
    wire
}

/// A connection in one of these versions, and the fingerprint of the certificate that was shown.
pub fn connect(address: SocketAddr, versions: &[&'static SupportedProtocolVersion]) -> (Wire, String) {
    over(socket(address), versions)
}

/// The same over a stream of the test's own.
pub fn over(
    mut stream: impl Stream + 'static,
    versions: &[&'static SupportedProtocolVersion],
) -> (Wire, String) {
    let mut connection = client(versions);
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).expect("a handshake");
    }
    let certificates = connection.peer_certificates().expect("the server shows a certificate");
    let seen = fingerprint(&certificates[0]);
    (Wire::new(StreamOwned::new(connection, stream)), seen)
}

/// A connection that has not begun.
pub fn client(versions: &[&'static SupportedProtocolVersion]) -> ClientConnection {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("versions that the provider has")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a sound configuration")
}

/// SHA-256, lower-case hexadecimal with colons.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let bytes = Sha256::digest(certificate.as_ref());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Takes any certificate, whose key must have signed the handshake; the caller compares fingerprints.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
