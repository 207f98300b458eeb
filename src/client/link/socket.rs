//! One connection: TCP, and TLS inside where it is not plain.
//!
//! ```text
//! Connecting ── writable, no error ──► Securing ── handshake done ──► Open
//!                                         └── plain: at once ──────────▲
//! ```

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::ClientConnection;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;

use crate::client::link::lines::Lines;
use crate::client::trust::Watcher;

/// A connection and what is on its way through it.
pub struct Socket {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
    stage: Stage,
    /// Bytes to send over a plain connection; TLS keeps its own.
    outgoing: Vec<u8>,
    pub incoming: Lines,
    /// The system has not said yet that there is nothing to read, or no room to write.
    readable: bool,
    writable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Connecting,
    Securing,
    Open,
}

/// Why a connection is of no more use.
#[derive(Debug)]
pub enum Broken {
    Closed,
    Io(io::Error),
    Tls(rustls::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Io(error)
    }
}

impl Socket {
    /// Begins to connect. With a TLS configuration, whatever is sent goes through TLS.
    pub fn connect(
        address: SocketAddr,
        tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
    ) -> Result<Socket, Broken> {
        let tcp = TcpStream::connect(address)?;
        let tls = match tls {
            Some((config, name)) => {
                let mut tls = ClientConnection::new(config, name).map_err(Broken::Tls)?;
                // What is sent is bounded by the session.
                tls.set_buffer_limit(None);
                Some(Box::new(tls))
            }
            None => None,
        };
        Ok(Socket {
            tcp,
            tls,
            stage: Stage::Connecting,
            outgoing: Vec::new(),
            incoming: Lines::default(),
            readable: false,
            writable: false,
        })
    }

    /// For registering with the system.
    pub fn source(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// The system says that something can be done.
    pub fn ready(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// There is something to do without waiting for the system.
    pub fn is_busy(&self) -> bool {
        self.readable && self.stage != Stage::Connecting
    }

    /// Takes a line to send.
    pub fn queue(&mut self, line: &[u8]) {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(line).expect("memory takes it, there is no limit"),
            None => self.outgoing.extend_from_slice(line),
        }
    }

    /// Goes on as far as possible: connects, reads what is there (a bounded part of it), writes.
    pub fn advance(&mut self) -> Result<(), Broken> {
        if self.stage == Stage::Connecting {
            if !self.writable {
                return Ok(());
            }
            if let Some(error) = self.tcp.take_error()? {
                return Err(Broken::Io(error));
            }
            match self.tcp.peer_addr() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    self.writable = false;
                    return Ok(());
                }
                Err(error) => return Err(Broken::Io(error)),
            }
            self.tcp.set_nodelay(true)?;
            self.stage = Stage::Securing;
        }
        let read = self.read();
        // A failed handshake has an alert to send, and a closed connection may still take bytes.
        let written = self.write();
        if self.stage == Stage::Securing && self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking()) {
            self.stage = Stage::Open;
        }
        read?;
        written
    }

    /// Says good-bye, as far as that works without waiting.
    pub fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.writable = true;
        // The connection ends in any case.
        let _ = self.write();
        let _ = self.tcp.shutdown(std::net::Shutdown::Write);
    }

    fn read(&mut self) -> Result<(), Broken> {
        let mut budget = READ_BYTES_MAX;
        while self.readable && budget > 0 {
            let read = match &mut self.tls {
                Some(tls) => match tls.read_tls(&mut self.tcp) {
                    Ok(bytes) => {
                        let state = tls.process_new_packets().map_err(Broken::Tls)?;
                        let plain = state.plaintext_bytes_to_read();
                        tls.reader().take(plain as u64).read_to_end(self.incoming.buffer())?;
                        if state.peer_has_closed() {
                            return Err(Broken::Closed);
                        }
                        Ok(bytes)
                    }
                    Err(error) => Err(error),
                },
                None => {
                    let buffer = self.incoming.buffer();
                    let before = buffer.len();
                    buffer.resize(before + PLAIN_READ_BYTES, 0);
                    let read = self.tcp.read(&mut buffer[before..]);
                    buffer.truncate(before + *read.as_ref().unwrap_or(&0));
                    read
                }
            };
            match read {
                Ok(0) => return Err(Broken::Closed),
                Ok(bytes) => budget = budget.saturating_sub(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Io(error)),
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Broken> {
        while self.writable {
            let written = match &mut self.tls {
                Some(tls) if tls.wants_write() => tls.write_tls(&mut self.tcp),
                None if !self.outgoing.is_empty() => {
                    let written = self.tcp.write(&self.outgoing);
                    self.outgoing.drain(..*written.as_ref().unwrap_or(&0));
                    written
                }
                _ => return Ok(()),
            };
            match written {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Io(error)),
            }
        }
        Ok(())
    }
}

/// TLS as this client speaks it, on every connection.
pub fn client_config(
    provider: Arc<CryptoProvider>,
    watcher: &Arc<Watcher>,
) -> io::Result<Arc<rustls::ClientConfig>> {
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(watcher) as Arc<_>)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Without the number that the system gives an error.
pub fn sentence(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

/// Read at once before anything else gets its turn, such as the key that was pressed.
const READ_BYTES_MAX: usize = 256 * 1024;
const PLAIN_READ_BYTES: usize = 16 * 1024;
