//! The server's side of TLS: a real client's handshake and lines, cut, held back, changed or reordered on
//! the way. If nothing was changed the handshake succeeds and every line arrives; whatever was changed,
//! nothing panics, nothing wrong arrives, and little is kept.

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use sottovoce::conn::tls::{PLAINTEXT_PER_CALL, Tls};

use crate::input::Input;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let first = input.byte();
    let server = Tls::new(server_config());
    if first & 4 != 0 {
        return raw(server, &mut input);
    }
    let client = client(first & 1 != 0, (first & 2 != 0).then_some(512));
    let mut talk = Talk {
        server,
        client,
        to_server: Vec::new(),
        plaintext: Vec::new(),
        said: Vec::new(),
        told: Vec::new(),
        changed: false,
        over: false,
        refreshed: 0,
    };
    for _ in 0..STEPS_MAX {
        if talk.over || input.is_empty() {
            break;
        }
        talk.step(&mut input);
    }
    talk.finish();
}

/// No client at all, only bytes.
fn raw(mut server: Tls, input: &mut Input<'_>) {
    let mut plaintext = Vec::new();
    while !input.is_empty() {
        let size = 1 + input.word() % 5000;
        let mut bytes = [server.begun(), input.bytes(size)].concat();
        if server.feed(&mut bytes, &mut plaintext).is_err() {
            break;
        }
        assert!(server.kept_bytes() <= KEPT_MAX);
    }
    assert!(plaintext.is_empty(), "nobody without a handshake says anything");
    assert!(!server.is_ready());
    server.close();
}

struct Talk {
    server: Tls,
    client: ClientConnection,
    /// Under way.
    to_server: Vec<u8>,
    /// What has arrived at the server, and what the client said.
    plaintext: Vec<u8>,
    said: Vec<u8>,
    /// What the server said, as far as it was made into records.
    told: Vec<u8>,
    changed: bool,
    over: bool,
    /// New keys the client asked for.
    refreshed: u32,
}

impl Talk {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 12 {
            0..=2 => self.deliver(usize::MAX),
            3 => self.deliver(1 + input.word() % 2000),
            4 => self.deliver(1),
            5 => self.client_says(&[b'c'; 40]),
            6 => self.client_says(&vec![b'C'; 1 + input.word() % 20_000]),
            7 => self.server_says(&vec![b's'; 1 + input.word() % 20_000]),
            8 => self.client_closes(),
            9 => self.refresh(),
            10 => self.changed |= input.edit(&mut self.to_server),
            _ => self.swap_records(),
        }
    }

    /// What the client wants to send gets under way.
    fn collect(&mut self) {
        while self.client.wants_write() {
            self.client.write_tls(&mut self.to_server).expect("memory takes everything");
        }
    }

    fn deliver(&mut self, most: usize) {
        self.collect();
        let count = most.min(self.to_server.len());
        let mut bytes = self.server.begun().to_vec();
        bytes.extend(self.to_server.drain(..count));
        match self.server.feed(&mut bytes, &mut self.plaintext) {
            Ok(fed) => self.over |= fed.closed,
            Err(why) => {
                assert!(self.changed, "{why:?}, although nothing was changed");
                self.over = true;
            }
        }
        assert!(self.server.kept_bytes() <= KEPT_MAX, "{}", self.server.kept_bytes());
        let alert = self.server.unsent().to_vec();
        self.server.sent(alert.len());
        self.reach_client(&alert);
    }

    fn reach_client(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.over {
            self.client.read_tls(&mut bytes).expect("memory does not fail");
            if let Err(why) = self.client.process_new_packets() {
                assert!(self.changed, "{why}, although nothing was changed");
                self.over = true;
                return;
            }
            let mut told = Vec::new();
            // The end of the records at hand is no error.
            let _ = self.client.reader().read_to_end(&mut told);
            assert!(self.told.starts_with(&told), "the client reads what the server said");
            self.told.drain(..told.len());
        }
    }

    fn client_says(&mut self, bytes: &[u8]) {
        if self.client.is_handshaking() {
            return;
        }
        if self.client.writer().write_all(bytes).is_ok() {
            self.said.extend_from_slice(bytes);
        }
        self.collect();
    }

    fn server_says(&mut self, bytes: &[u8]) {
        if !self.server.is_ready() || !self.server.unsent().is_empty() {
            return;
        }
        let mut out = Vec::new();
        match self.server.encrypt(bytes, &mut out) {
            Ok(taken) => {
                assert!(taken == bytes.len().min(PLAINTEXT_PER_CALL));
                self.told.extend_from_slice(&bytes[..taken]);
                let (now, later) = out.split_at(out.len() / 2);
                self.server.keep_unsent(later);
                self.reach_client(now);
                let later = self.server.unsent().to_vec();
                self.server.sent(later.len());
                self.reach_client(&later);
            }
            Err(why) => {
                assert!(self.changed, "{why:?}, although nothing was changed");
                self.over = true;
            }
        }
    }

    fn client_closes(&mut self) {
        if self.client.is_handshaking() {
            // To rustls an end in the middle of a handshake is a failure of it.
            self.changed = true;
        }
        self.client.send_close_notify();
        // A client that has said goodbye is done: rustls asserts that it does not fail after that.
        self.over = true;
        self.deliver(usize::MAX);
    }

    fn refresh(&mut self) {
        // More without anything said between is misbehaviour, and refused.
        if self.refreshed == REFRESHES_MAX {
            return;
        }
        self.refreshed += 1;
        // TLS 1.2 has no such thing, and neither has a handshake under way.
        let _ = self.client.refresh_traffic_keys();
        self.collect();
    }

    /// The second record under way is sent before the first.
    fn swap_records(&mut self) {
        self.collect();
        let end = |from: usize| {
            let head = self.to_server.get(from..from + 5)?;
            let end = from + 5 + usize::from(u16::from_be_bytes([head[3], head[4]]));
            (end <= self.to_server.len()).then_some(end)
        };
        if let Some(first) = end(0)
            && let Some(second) = end(first)
        {
            self.to_server[..second].rotate_left(first);
            self.changed = true;
        }
    }

    fn finish(mut self) {
        if !self.over {
            for _ in 0..6 {
                self.deliver(usize::MAX);
                if self.over {
                    break;
                }
            }
        }
        assert!(self.said.starts_with(&self.plaintext), "what arrives is what was said");
        if !self.changed && !self.over {
            assert!(self.server.is_ready() && !self.client.is_handshaking(), "the handshake succeeds");
            assert_eq!(self.said.len(), self.plaintext.len());
            assert!(self.told.is_empty());
        }
        self.server.close();
    }
}

pub fn client(old: bool, fragment: Option<usize>) -> ClientConnection {
    let provider = Arc::new(ring::default_provider());
    let versions = if old { [&TLS12] } else { [&TLS13] };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .expect("versions that the provider has")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.max_fragment_size = fragment;
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::new(config), name).expect("a sound configuration")
}

pub fn server_config() -> Arc<ServerConfig> {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let made =
                rcgen::generate_simple_self_signed([String::from("localhost")]).expect("a certificate");
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
            let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let builder = builder.with_safe_default_protocol_versions().expect("they are supported");
            let config = builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
            Arc::new(config.expect("key and certificate belong together"))
        })
        .clone()
}

/// Takes any certificate: who the server is does not matter here.
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

const STEPS_MAX: usize = 60;
/// Key updates that rustls takes before application data comes.
const REFRESHES_MAX: u32 = 32;
/// Two records that did not come whole, and what a vector takes beyond its need.
const KEPT_MAX: usize = 128 * 1024;
