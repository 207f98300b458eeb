//! Bytes to and from the server on a connection of its own, in a thread that may wait: TCP, and TLS
//! inside where it is not plain.
//!
//! rustls' unbuffered connection works here, too: its usual one reads four kilobytes at a time, which is
//! a quarter of a record, and a file is many records.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

/// A connection; see the [module](self).
pub struct Stream {
    tcp: TcpStream,
    tls: Option<Box<UnbufferedClientConnection>>,
    /// What came from the system; its first `filled` bytes, without those that are done with.
    incoming: Vec<u8>,
    filled: usize,
    /// What was decrypted and not taken yet begins at `taken`.
    plain: Vec<u8>,
    taken: usize,
    outgoing: Vec<u8>,
}

/// Why a connection is of no more use.
#[derive(Debug)]
pub enum Broken {
    /// The other side ended it.
    Closed,
    /// It said why it ended it.
    Ended(String),
    /// It sent what is not this protocol.
    Garbage(String),
    Io(io::Error),
    Tls(rustls::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Io(error)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Closed => f.write_str("the server closed the connection"),
            Broken::Ended(why) => f.write_str(why),
            Broken::Garbage(what) => write!(f, "the server sent what cannot be read: {what}"),
            // The system's names for a patience that ended.
            Broken::Io(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                f.write_str("the server does not answer")
            }
            Broken::Io(error) => error.fmt(f),
            Broken::Tls(error) => write!(f, "no TLS connection: {error}"),
        }
    }
}

impl Stream {
    /// Takes over a connection, and agrees on TLS where there is to be TLS.
    pub fn open(
        tcp: TcpStream,
        tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    ) -> Result<Stream, Broken> {
        let tls = match tls {
            Some((config, name)) => {
                Some(Box::new(UnbufferedClientConnection::new(config, name).map_err(Broken::Tls)?))
            }
            None => None,
        };
        let mut stream = Stream {
            tcp,
            tls,
            incoming: vec![0; INCOMING_BYTES],
            filled: 0,
            plain: Vec::new(),
            taken: 0,
            outgoing: Vec::new(),
        };
        if stream.tls.is_some() {
            stream.shake_hands()?;
        }
        Ok(stream)
    }

    /// For who wants to end it from another thread.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Sends all of this.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if self.tls.is_none() {
            return Ok(self.tcp.write_all(bytes)?);
        }
        for part in bytes.chunks(PLAIN_BYTES_AT_ONCE) {
            while !self.process(Some(part), &mut [])?.done {
                self.receive()?;
            }
            self.flush()?;
        }
        Ok(())
    }

    /// Fills all of this with what comes.
    pub fn receive_exact(&mut self, mut out: &mut [u8]) -> Result<(), Broken> {
        while !out.is_empty() {
            let waiting = &self.plain[self.taken..];
            if !waiting.is_empty() {
                let length = waiting.len().min(out.len());
                out[..length].copy_from_slice(&waiting[..length]);
                out = &mut out[length..];
                self.taken += length;
                continue;
            }
            self.plain.clear();
            self.taken = 0;
            let length = match self.tls {
                Some(_) => self.receive_records(out)?,
                None => self.receive_plain(out)?,
            };
            out = &mut out[length..];
        }
        Ok(())
    }

    /// A line, without its end.
    pub fn receive_line(&mut self, bytes_max: usize) -> Result<Vec<u8>, Broken> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            self.receive_exact(&mut byte)?;
            match byte {
                [b'\n'] => return Ok(line),
                [byte] => line.push(byte),
            }
            if line.len() > bytes_max {
                return Err(Broken::Garbage("a line without an end".to_owned()));
            }
        }
    }

    fn receive_plain(&mut self, out: &mut [u8]) -> Result<usize, Broken> {
        loop {
            match self.tcp.read(out) {
                Ok(0) => return Err(Broken::Closed),
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Decrypts into `out`, and what does not fit into `plain`, until there is something.
    fn receive_records(&mut self, out: &mut [u8]) -> Result<usize, Broken> {
        loop {
            let processed = self.process(None, out)?;
            self.flush()?;
            if processed.plain > 0 {
                return Ok(processed.plain);
            }
            if processed.closed {
                return Err(Broken::Closed);
            }
            self.receive()?;
        }
    }

    fn shake_hands(&mut self) -> Result<(), Broken> {
        loop {
            let processed = self.process(None, &mut []);
            // A failed handshake has an alert to send.
            let flushed = self.flush();
            let processed = processed?;
            flushed?;
            if processed.ready {
                return Ok(());
            }
            if processed.closed {
                return Err(Broken::Closed);
            }
            self.receive()?;
        }
    }

    /// Waits for bytes from the system.
    fn receive(&mut self) -> Result<(), Broken> {
        if self.filled == self.incoming.len() {
            return Err(Broken::Garbage("a record without an end".to_owned()));
        }
        loop {
            match self.tcp.read(&mut self.incoming[self.filled..]) {
                Ok(0) => return Err(Broken::Closed),
                Ok(length) => {
                    self.filled += length;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> Result<(), Broken> {
        if !self.outgoing.is_empty() {
            self.tcp.write_all(&self.outgoing)?;
            self.outgoing.clear();
        }
        Ok(())
    }

    /// Goes through the records that came, as far as they are whole, and encrypts what is to be sent.
    fn process(&mut self, send: Option<&[u8]>, out: &mut [u8]) -> Result<Processed, Broken> {
        let Stream { tls: Some(tls), incoming, filled, plain, outgoing, .. } = self else {
            return Err(Broken::Garbage("a record without TLS".to_owned()));
        };
        let mut processed = Processed::default();
        let mut start = 0;
        let outcome = loop {
            let UnbufferedStatus { mut discard, state, .. } =
                tls.process_tls_records(&mut incoming[start..*filled]);
            let step = match state {
                Err(error) => {
                    // The alert that says what is wrong.
                    if let UnbufferedStatus { state: Ok(ConnectionState::EncodeTlsData(mut data)), .. } =
                        tls.process_tls_records(&mut [])
                    {
                        append(outgoing, |room| data.encode(room).map_err(encode_needs))?;
                    }
                    break Err(Broken::Tls(error));
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    let mut step = Step::Again;
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                discard += record.discard;
                                let room = &mut out[processed.plain..];
                                let fits = record.payload.len().min(room.len());
                                let (now, later) = record.payload.split_at(fits);
                                room[..fits].copy_from_slice(now);
                                processed.plain += fits;
                                plain.extend_from_slice(later);
                            }
                            Err(error) => step = Step::Failed(Broken::Tls(error)),
                        }
                    }
                    step
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(outgoing, |room| data.encode(room).map_err(encode_needs))?;
                    Step::Again
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Step::Again
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    processed.ready = true;
                    if let Some(bytes) = send {
                        append(outgoing, |room| traffic.encrypt(bytes, room).map_err(encrypt_needs))?;
                        processed.done = true;
                    }
                    Step::Wait
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    processed.closed = true;
                    Step::Wait
                }
                Ok(_) => Step::Wait,
            };
            start += discard;
            match step {
                Step::Again => {}
                Step::Wait => break Ok(()),
                Step::Failed(broken) => break Err(broken),
            }
        };
        incoming.copy_within(start..*filled, 0);
        *filled -= start;
        if processed.closed && send.is_some() {
            return Err(Broken::Closed);
        }
        outcome.map(|()| processed)
    }
}

/// What came of going through the records.
#[derive(Clone, Copy, Debug, Default)]
struct Processed {
    /// Bytes that were written where they were wanted.
    plain: usize,
    /// What was to be sent is encrypted.
    done: bool,
    /// The handshake is over.
    ready: bool,
    closed: bool,
}

enum Step {
    Again,
    Failed(Broken),
    Wait,
}

/// Appends what `write` makes, which says how much room it needs if it has too little.
fn append(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Result<usize, Broken>>,
) -> Result<(), Broken> {
    let start = out.len();
    let mut room = 0;
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(length) => {
                out.truncate(start + length);
                return Ok(());
            }
            Err(Ok(needed)) if needed > room => room = needed,
            Err(failed) => {
                out.truncate(start);
                return Err(failed.err().unwrap_or(Broken::Garbage("a record without end".to_owned())));
            }
        }
    }
}

fn encode_needs(error: EncodeError) -> Result<usize, Broken> {
    match error {
        EncodeError::InsufficientSize(size) => Ok(size.required_size),
        error => Err(Broken::Garbage(error.to_string())),
    }
}

fn encrypt_needs(error: EncryptError) -> Result<usize, Broken> {
    match error {
        EncryptError::InsufficientSize(size) => Ok(size.required_size),
        error => Err(Broken::Garbage(error.to_string())),
    }
}

/// Several records: one call to the system for each few of them. A handshake message has to fit.
const INCOMING_BYTES: usize = 128 * 1024;
/// Encrypted before anything is handed to the system: two sets of this and the system's own buffers
/// are what a connection has in memory.
const PLAIN_BYTES_AT_ONCE: usize = 64 * 1024;
