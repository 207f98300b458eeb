//! TLS on one connection, without buffers of its own.
//!
//! rustls' unbuffered connection works in the reactor's scratch. What must be kept between turns is
//! little: bytes of a record that has not come whole (`partial`), and bytes of a record that
//! was made and not sent whole ([`Tls::unsent`]). Plaintext waits in the outbox until it can be sent.
//!
//! RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2).

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};

pub struct Tls {
    session: UnbufferedServerConnection,
    /// Invariant: at most [`PARTIAL_BYTES_MAX`]; empty between records and handshake messages.
    partial: Vec<u8>,
    /// Ciphertext that was made and is not sent yet.
    unsent: Vec<u8>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Handshake,
    Traffic,
}

/// The peer does not speak TLS as it should, or goes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// In rustls' words, for the log.
    Broken(String),
}

/// What came of feeding ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// The peer said that it will send no more.
    pub closed: bool,
}

impl Tls {
    pub fn new(config: Arc<ServerConfig>) -> Tls {
        let session = UnbufferedServerConnection::new(config).expect("records have their usual size");
        Tls { session, partial: Vec::new(), unsent: Vec::new(), phase: Phase::Handshake }
    }

    /// The handshake is done: plaintext can be sent.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Traffic
    }

    /// Ciphertext that waits to be sent before anything else.
    pub fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    pub fn sent(&mut self, bytes: usize) {
        self.unsent.drain(..bytes);
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
    }

    /// Keeps ciphertext that the system did not take.
    pub fn keep_unsent(&mut self, ciphertext: &[u8]) {
        assert!(self.unsent.is_empty(), "records leave in order");
        self.unsent = ciphertext.to_vec();
    }

    /// The beginning of a record that has not come whole, at most [`PARTIAL_BYTES_MAX`]: it has to stand
    /// before what comes next.
    pub fn begun(&self) -> &[u8] {
        &self.partial
    }

    /// Takes ciphertext from the peer behind [`Tls::begun`], and appends the plaintext in it. What has to be
    /// answered is in [`Tls::unsent`] then, after a failure too: an alert says what was wrong.
    pub fn feed(&mut self, input: &mut [u8], plaintext: &mut Vec<u8>) -> Result<Fed, TlsFailure> {
        debug_assert!(input.starts_with(&self.partial), "what was begun goes on");
        self.partial.clear();
        let (used, outcome) = self.process(input, plaintext);
        match outcome {
            Ok(Fed { closed: false }) if used < input.len() => self.partial.extend_from_slice(&input[used..]),
            // Between records an idle connection keeps nothing.
            _ => self.partial = Vec::new(),
        }
        if self.partial.len() > PARTIAL_BYTES_MAX {
            // rustls is not asked any more: it would want to see them again.
            (self.partial, self.phase) = (Vec::new(), Phase::Closed);
            return Err(TlsFailure::Broken("a message in too many pieces".into()));
        }
        outcome
    }

    /// Returns how many bytes are done with.
    fn process(&mut self, bytes: &mut [u8], plaintext: &mut Vec<u8>) -> (usize, Result<Fed, TlsFailure>) {
        let mut start = 0;
        loop {
            let (used, step) = self.step(&mut bytes[start..], plaintext);
            start += used;
            match step {
                Step::Again => {}
                Step::Wait => return (start, Ok(Fed { closed: false })),
                Step::PeerClosed => return (start, Ok(Fed { closed: true })),
                Step::Failed(failure) => {
                    self.encode_alert(&mut bytes[start..]);
                    self.phase = Phase::Closed;
                    return (start, Err(failure));
                }
            }
        }
    }

    fn step(&mut self, bytes: &mut [u8], plaintext: &mut Vec<u8>) -> (usize, Step) {
        let UnbufferedStatus { discard, state, .. } = self.session.process_tls_records(bytes);
        let mut used = discard;
        let step = match state {
            Err(error) => Step::Failed(broken(error)),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                self.phase = Phase::Traffic;
                loop {
                    match traffic.next_record() {
                        Some(Ok(record)) => {
                            used += record.discard;
                            plaintext.extend_from_slice(record.payload);
                        }
                        Some(Err(error)) => break Step::Failed(broken(error)),
                        None => break Step::Again,
                    }
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                append(&mut self.unsent, |out| data.encode(out).map_err(encode_needs))
                    .map_or_else(Step::Failed, |()| Step::Again)
            }
            Ok(ConnectionState::TransmitTlsData(mut data)) => {
                if data.may_encrypt_app_data().is_some() {
                    self.phase = Phase::Traffic;
                }
                data.done();
                Step::Again
            }
            Ok(ConnectionState::WriteTraffic(_)) => {
                self.phase = Phase::Traffic;
                Step::Wait
            }
            Ok(ConnectionState::BlockedHandshake) => Step::Wait,
            Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Step::PeerClosed,
            Ok(_) => Step::Failed(TlsFailure::Broken("early data is not served".into())),
        };
        (used, step)
    }

    /// Makes records of plaintext, at most [`PLAINTEXT_PER_CALL`] bytes of it, and appends them to
    /// `out`; returns how much was taken.
    pub fn encrypt(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<usize, TlsFailure> {
        assert!(self.is_ready(), "nothing is sent before the handshake is done");
        let plaintext = &plaintext[..plaintext.len().min(PLAINTEXT_PER_CALL)];
        // Bytes that are kept belong to every call: rustls remembers how much of them it has seen.
        loop {
            let UnbufferedStatus { discard, state, .. } = self.session.process_tls_records(&mut self.partial);
            let done = match state.map_err(broken)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    append(out, |room| traffic.encrypt(plaintext, room).map_err(encrypt_needs))?;
                    true
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(out, |room| data.encode(room).map_err(encode_needs))?;
                    false
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    false
                }
                _ => return Err(TlsFailure::Broken("the connection cannot send".into())),
            };
            self.partial.drain(..discard);
            if done {
                return Ok(plaintext.len());
            }
        }
    }

    /// Says that we will send no more (close_notify).
    pub fn close(&mut self) {
        if self.phase != Phase::Traffic {
            return;
        }
        self.phase = Phase::Closed;
        let state = self.session.process_tls_records(&mut self.partial).state;
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            // Nothing is lost if it fails: the connection ends either way.
            let _ = append(&mut self.unsent, |room| traffic.queue_close_notify(room).map_err(encrypt_needs));
        }
    }

    /// After a failure rustls has an alert for the peer. It wants to see the same bytes again.
    fn encode_alert(&mut self, bytes: &mut [u8]) {
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = self.session.process_tls_records(bytes).state {
            // Nothing is lost if it fails: the connection ends either way.
            let _ = append(&mut self.unsent, |out| data.encode(out).map_err(encode_needs));
        }
    }

    /// Bytes of memory that wait in this connection.
    pub fn kept_bytes(&self) -> usize {
        self.partial.capacity() + self.unsent.capacity()
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tls { session: _, partial: _, unsent: _, phase } = self;
        write!(f, "Tls({phase:?})")
    }
}

enum Step {
    Again,
    Failed(TlsFailure),
    PeerClosed,
    Wait,
}

/// Why rustls did not write.
enum Needs {
    Failure(TlsFailure),
    Room(usize),
}

/// Appends what `write` writes, making as much room as it asks for.
fn append(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Needs>,
) -> Result<(), TlsFailure> {
    let start = out.len();
    let mut room = 0;
    loop {
        out.resize(start + room, 0);
        let failure = match write(&mut out[start..]) {
            Ok(written) => {
                out.truncate(start + written);
                return Ok(());
            }
            Err(Needs::Room(required)) if required > room => {
                room = required;
                continue;
            }
            Err(Needs::Room(_)) => TlsFailure::Broken("no room is enough".into()),
            Err(Needs::Failure(failure)) => failure,
        };
        out.truncate(start);
        return Err(failure);
    }
}

fn encode_needs(error: EncodeError) -> Needs {
    match error {
        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => Needs::Room(required_size),
        EncodeError::AlreadyEncoded => Needs::Failure(TlsFailure::Broken("encoded twice".into())),
    }
}

fn encrypt_needs(error: EncryptError) -> Needs {
    match error {
        EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => Needs::Room(required_size),
        EncryptError::EncryptExhausted => Needs::Failure(TlsFailure::Broken("keys are exhausted".into())),
    }
}

fn broken(error: rustls::Error) -> TlsFailure {
    TlsFailure::Broken(error.to_string())
}

/// Plaintext in a record at most, as TLS has it.
pub const RECORD_BYTES: usize = 16 * 1024;
/// Plaintext made into records at once, so that little ciphertext is kept when the peer does not read.
pub const PLAINTEXT_PER_CALL: usize = 4 * RECORD_BYTES;
/// Two whole records: one that has not come whole, and a handshake message in pieces. A client's
/// hello is far smaller.
pub const PARTIAL_BYTES_MAX: usize = 33 * 1024;

#[cfg(test)]
pub(crate) mod tests;
