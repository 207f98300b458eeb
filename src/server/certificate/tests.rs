use std::fs;

use rcgen::{CertificateParams, KeyPair};

use super::*;

/// A certificate and its key as PEM.
fn pair(not_after_year: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![String::from("chat.example.org")]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(not_after_year, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Loads these two files, at noon of the first day of 2026.
fn load_files(cert: &str, key: &str) -> Result<Certificate, CertificateError> {
    let dir = tempfile::tempdir().unwrap();
    let (cert_path, key_path) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
    fs::write(&cert_path, cert).unwrap();
    fs::write(&key_path, key).unwrap();
    load(&cert_path, &key_path, Timestamp::parse_rfc3339("2026-01-01T12:00:00Z").unwrap())
}

#[track_caller]
fn refuses(cert: &str, key: &str, message: &str) {
    let error = load_files(cert, key).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
    assert!(!error.contains("PRIVATE KEY"), "{error}");
}

#[test]
fn the_first_start_makes_one_and_the_next_finds_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let tls = config::Tls::default();
    let made = load_or_make(&data, &tls).unwrap();
    let found = load_or_make(&data, &tls).unwrap();
    assert_eq!(made.fingerprint(), found.fingerprint());
    assert_eq!(made.fingerprint().len(), 32 * 3 - 1);
    assert!(made.fingerprint().split(':').all(|pair| u8::from_str_radix(pair, 16).is_ok()));
    assert_eq!(format!("{made:?}"), format!("Certificate({})", made.fingerprint()));
    server_config(&made).unwrap();

    let validity = validity::of(&made.chain[0]).unwrap();
    let day = 24 * 60 * 60 * 1000;
    let days = (validity.ends.0 - validity.begins.0) / day;
    assert!((3653..=3654).contains(&days), "{days} days");
    assert!(validity.begins <= now());

    #[cfg(unix)]
    for name in [make::CERT_FILE, make::KEY_FILE] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(data.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn many_first_starts_at_once_make_one() {
    let dir = tempfile::tempdir().unwrap();
    let fingerprints: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    load_or_make(&dir.path().join("data"), &config::Tls::default()).unwrap().fingerprint()
                })
            })
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]), "{fingerprints:?}");
}

#[test]
fn a_certificate_without_its_key_is_not_replaced_silently() {
    let dir = tempfile::tempdir().unwrap();
    let tls = config::Tls::default();
    let made = load_or_make(dir.path(), &tls).unwrap();
    fs::remove_file(dir.path().join(make::KEY_FILE)).unwrap();
    assert!(matches!(load_or_make(dir.path(), &tls), Err(CertificateError::KeyMissing { .. })));
    // Without its certificate a key of ours is worth nothing: that is how a first start can end half-way.
    fs::remove_file(dir.path().join(make::CERT_FILE)).unwrap();
    fs::write(dir.path().join(make::KEY_FILE), "half").unwrap();
    assert_ne!(load_or_make(dir.path(), &tls).unwrap().fingerprint(), made.fingerprint());
}

#[test]
fn files_of_the_operator_are_checked() {
    let (cert, key) = pair(2030);
    let (other_cert, other_key) = pair(2030);
    load_files(&cert, &key).unwrap();
    let both = load_files(&(cert.clone() + &other_cert), &key).unwrap();
    assert_eq!(both.chain().len(), 2);

    refuses(&cert, &other_key, "the key does not belong to the certificate in");
    refuses(&(other_cert + &cert), &key, "the server's own certificate has to come first; it is number 2");
    refuses("", &key, "holds no certificate in PEM form");
    refuses(&key, &key, "holds no certificate in PEM form");
    refuses(&cert, "", "holds no private key in PEM form");
    refuses(&cert, &cert, "holds no private key in PEM form");
    refuses(&cert, &key.replace("PRIVATE", "ENCRYPTED PRIVATE"), "has to be decrypted first");
    refuses(&cert[..cert.len() / 2], &key, "is not PEM");
    refuses(&cert, &key[..key.len() / 2], "is not PEM");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    refuses(nonsense, &key, "certificate 1 cannot be read");
    let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    refuses(&cert, nonsense, "of a kind that is not supported");
    refuses(&"#".repeat(FILE_BYTES_MAX as usize + 1), &key, "is larger than");
    let missing = load(Path::new("missing.pem"), Path::new("missing.pem"), now()).unwrap_err();
    assert!(missing.to_string().starts_with("missing.pem: "), "{missing}");
}

#[test]
fn an_expired_certificate_is_refused_and_a_future_one_is_not() {
    let (cert, key) = pair(2026);
    refuses(&cert, &key, "the certificate expired on 2026-01-01T00:00:00.000Z");
    let (cert, key) = pair(2027);
    load_files(&cert, &key).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (cert_path, key_path) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
    fs::write(&cert_path, cert).unwrap();
    fs::write(&key_path, key).unwrap();
    load(&cert_path, &key_path, Timestamp(0)).unwrap();
    let end = Timestamp::parse_rfc3339("2027-01-01T00:00:00Z").unwrap();
    load(&cert_path, &key_path, end).unwrap();
    assert!(load(&cert_path, &key_path, Timestamp(end.0 + 1)).is_err());
}
