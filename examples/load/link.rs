//! One connection to the server, plain or TLS, that never blocks.
//!
//! Loopback only: whatever certificate the server shows is accepted, because what is measured is the
//! server's work and not its identity.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use socket2::{Domain, Protocol, Socket, Type};

pub struct Link {
    pub socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Link {
    /// Begins to connect; the socket is writable once that is done.
    pub fn connect(
        to: SocketAddr,
        serial: usize,
        tls: Option<&Arc<ClientConfig>>,
        receive_bytes: Option<usize>,
    ) -> io::Result<Link> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // The one who closes last resets: thousands of connections a second must not use up the
        // ports by leaving each in TIME_WAIT.
        socket.set_linger(Some(Duration::ZERO))?;
        if let Some(bytes) = receive_bytes {
            // Once the window has been announced it is too late.
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = source(to, serial) {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if in_progress(&error) => {}
            Err(error) => return Err(error),
        }
        let tls = match tls {
            None => None,
            Some(config) => {
                let name = ServerName::IpAddress(to.ip().into());
                let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                Some(Box::new(session))
            }
        };
        Ok(Link { socket: TcpStream::from_std(socket.into()), tls })
    }

    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads what is there; 0 is the end, `WouldBlock` means wait for the next event.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(into);
        };
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
            push(tls, &mut self.socket)?;
        }
    }

    /// Writes what goes; TLS takes everything and keeps what the socket did not take.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write(bytes);
        };
        let taken = tls.writer().write(bytes)?;
        push(tls, &mut self.socket)?;
        Ok(taken)
    }

    /// Sends what TLS still holds, the first handshake message above all.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.is_tls() { self.write(&[]).map(|_| ()) } else { Ok(()) }
    }
}

/// Sends the records that TLS has ready, as far as the socket takes them.
fn push(tls: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            other => other?,
        };
    }
    Ok(())
}

/// A client configuration that accepts every certificate and resumes no session.
pub fn tls_config() -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// One address of this machine has about 28,000 ports to connect from. On Linux all of 127.0.0.0/8
/// is this machine, so connections are spread over several addresses.
fn source(to: SocketAddr, serial: usize) -> Option<IpAddr> {
    if !cfg!(target_os = "linux") || !to.ip().is_loopback() || !to.is_ipv4() {
        return None;
    }
    let last = u8::try_from(serial % SOURCE_ADDRESSES).expect("fewer than 256 addresses") + 1;
    Some(Ipv4Addr::new(127, 0, 0, last).into())
}

fn in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || matches!(error.raw_os_error(), Some(EINPROGRESS))
}

const SOURCE_ADDRESSES: usize = 8;

#[cfg(target_os = "linux")]
const EINPROGRESS: i32 = 115;
#[cfg(not(target_os = "linux"))]
const EINPROGRESS: i32 = 36;
