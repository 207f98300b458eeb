//! Peers that speak TLS as nobody should, and what must come of it.

use std::io::{Read as _, Write as _};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, DigitallySignedStruct, Error, SignatureScheme,
};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Nonce};

use super::*;

#[test]
fn data_behind_half_a_hello_is_a_failure_and_no_panic() {
    let pieces = [&[0x16, 3, 1, 0, 5, 1, 0, 2, 0, 3][..], &[0x17, 3, 3, 0, 1, 0]];
    for together in [true, false] {
        let mut tls = Tls::new(server());
        let mut plaintext = Vec::new();
        let outcome = match together {
            true => feed(&mut tls, &pieces.concat(), &mut plaintext),
            false => {
                let first = feed(&mut tls, pieces[0], &mut plaintext);
                assert_eq!(first, Ok(Fed { closed: false }), "the rest of the hello may come");
                feed(&mut tls, pieces[1], &mut plaintext)
            }
        };
        assert!(outcome.is_err() && plaintext.is_empty() && !tls.is_ready());
        // A connection that has failed can still be told goodbye.
        tls.close();
    }
}

#[test]
fn something_can_be_said_while_a_renegotiation_has_not_come_whole() {
    let (mut tls, client) = connected(client_of_old(), server());
    // What the client would send next, made by hand: no rustls client wants to renegotiate.
    let secrets = client.dangerous_extract_secrets().expect("the configuration allows it");
    let (sequence, ConnectionTrafficSecrets::Aes128Gcm { key, iv }) = secrets.tx else {
        panic!("the only suite that is offered")
    };
    let seal = |sequence: u64, content: &[u8]| {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&iv.as_ref()[..4]);
        nonce[4..].copy_from_slice(&sequence.to_be_bytes());
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let aad = [&sequence.to_be_bytes()[..], &[0x16, 3, 3], &length].concat();
        let cipher = Aes128Gcm::new_from_slice(key.as_ref()).unwrap();
        let nonce12 = Nonce::try_from(&nonce[..]).unwrap();
        let sealed = cipher.encrypt(&nonce12, Payload { msg: content, aad: &aad }).unwrap();
        let body = [&nonce[4..], &sealed].concat();
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[0x16, 3, 3][..], &length, &body].concat()
    };
    // A ClientHello of 200 bytes, of which the first half comes now.
    let mut hello = vec![1, 0, 0, 200, 3, 3];
    hello.resize(204, 0);
    let (now, later) = hello.split_at(100);
    let mut plaintext = Vec::new();
    assert_eq!(feed(&mut tls, &seal(sequence, now), &mut plaintext), Ok(Fed { closed: false }));
    for _ in 0..2 {
        let mut out = Vec::new();
        let taken = tls.encrypt(b"hello", &mut out);
        // Either is right, as long as nothing is sent when it says that nothing was taken.
        assert!(taken == Ok(5) && !out.is_empty() || taken.is_err() && out.is_empty(), "{taken:?}");
    }
    // What rustls makes of such a hello is its own affair.
    let _ = feed(&mut tls, &seal(sequence + 1, later), &mut plaintext);
    assert!(plaintext.is_empty());
    tls.close();
}

#[test]
fn who_has_said_goodbye_still_hears_the_answers() {
    for client in [client_of_old(), client()] {
        let (mut tls, mut client) = connected(client, server());
        client.writer().write_all(b"/help\n").unwrap();
        client.send_close_notify();
        let (mut sent, mut plaintext) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut sent).unwrap();
        }
        assert_eq!(feed(&mut tls, &sent, &mut plaintext), Ok(Fed { closed: true }));
        assert_eq!(plaintext, b"/help\n");
        let mut answer = Vec::new();
        assert_eq!(tls.encrypt(b"*** the commands\n", &mut answer), Ok(17));
        tls.close();
        answer.extend_from_slice(tls.unsent());
        let mut rest = &answer[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
        let mut heard = Vec::new();
        client.reader().read_to_end(&mut heard).expect("it ends with a goodbye");
        assert_eq!(heard, b"*** the commands\n");
    }
}

#[test]
fn keys_that_the_client_renews_are_renewed_on_both_sides() {
    let (mut tls, mut client) = connected(client(), server());
    let mut plaintext = Vec::new();
    for round in 0..3 {
        client.refresh_traffic_keys().unwrap();
        client.writer().write_all(b"tea?").unwrap();
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).unwrap();
        }
        assert_eq!(feed(&mut tls, &sent, &mut plaintext), Ok(Fed { closed: false }));
        assert_eq!(plaintext, b"tea?".repeat(round + 1));
        let mut answer = tls.unsent().to_vec();
        tls.sent(answer.len());
        assert_eq!(tls.encrypt(b"yes", &mut answer), Ok(3));
        let mut rest = &answer[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
        let mut heard = [0; 3];
        client.reader().read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"yes");
        assert_eq!(tls.kept_bytes(), 0, "an idle connection has no buffer");
    }
}

#[test]
fn a_record_that_was_tampered_with_ends_the_connection_and_what_came_before_it_counts() {
    for client in [client_of_old(), client()] {
        let (mut tls, mut client) = connected(client, server());
        let mut sent = Vec::new();
        for text in [b"one\n", b"two\n"] {
            client.writer().write_all(text).unwrap();
            while client.wants_write() {
                client.write_tls(&mut sent).unwrap();
            }
        }
        *sent.last_mut().unwrap() ^= 1;
        let mut plaintext = Vec::new();
        let outcome = feed(&mut tls, &sent, &mut plaintext);
        assert!(matches!(outcome, Err(TlsFailure::Broken(_))), "{outcome:?}");
        assert_eq!(plaintext, b"one\n");
        assert!(!tls.unsent().is_empty() && !tls.is_ready(), "an alert, and nothing more");
        assert_eq!(format!("{tls:?}"), "Tls(Closed)");
    }
}

#[test]
fn a_hello_in_more_pieces_than_there_is_room_for_is_a_failure() {
    // It announces 61,440 bytes, and they come in records of 16,000.
    let (mut tls, mut plaintext) = (Tls::new(server()), Vec::new());
    let mut outcomes = Vec::new();
    for first in [true, false, false] {
        let mut record = vec![0x16, 3, 1, 0x3e, 0x80];
        record.resize(5 + 16_000, 0);
        if first {
            record[5..11].copy_from_slice(&[1, 0, 0xf0, 0, 3, 3]);
        }
        outcomes.push(feed(&mut tls, &record, &mut plaintext));
        assert!(tls.begun().len() <= PARTIAL_BYTES_MAX);
    }
    assert_eq!(outcomes[..2], [Ok(Fed { closed: false }), Ok(Fed { closed: false })]);
    assert!(outcomes[2].is_err() && tls.begun().is_empty(), "{outcomes:?}");
    tls.close();
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind() {
    let mut out = b"before".to_vec();
    assert!(append(&mut out, |_| Err(Needs::Room(5))).is_err(), "it says so again with that much room");
    assert!(append(&mut out, |_| Err(encode_needs(EncodeError::AlreadyEncoded))).is_err());
    assert!(append(&mut out, |_| Err(encrypt_needs(EncryptError::EncryptExhausted))).is_err());
    assert_eq!(out, b"before");
}

/// Hands in bytes behind what is kept.
fn feed(tls: &mut Tls, bytes: &[u8], plaintext: &mut Vec<u8>) -> Result<Fed, TlsFailure> {
    let mut input = [tls.begun(), bytes].concat();
    tls.feed(&mut input, plaintext)
}

/// A server's and a client's side with nothing under way between them.
fn connected(mut client: ClientConnection, config: Arc<ServerConfig>) -> (Tls, ClientConnection) {
    let mut tls = Tls::new(config);
    let mut plaintext = Vec::new();
    while client.is_handshaking() || client.wants_write() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        feed(&mut tls, &bytes, &mut plaintext).unwrap();
        let answer = tls.unsent().to_vec();
        tls.sent(answer.len());
        let mut rest = &answer[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    assert!(tls.is_ready() && plaintext.is_empty());
    (tls, client)
}

fn client_of_old() -> ClientConnection {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let mut config = trusting(builder.with_protocol_versions(&[&TLS12]).unwrap());
    config.enable_secret_extraction = true;
    ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
}

/// A client that takes any certificate.
pub(crate) fn client() -> ClientConnection {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = trusting(builder.with_protocol_versions(&[&TLS13]).unwrap());
    ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap()
}

fn trusting(builder: rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>) -> ClientConfig {
    let verifier = Arc::new(AnyCertificate(Arc::new(ring::default_provider())));
    builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
}

pub(crate) fn server() -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap())
}

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
