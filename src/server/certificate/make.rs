//! Making the self-signed certificate of the first start.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};

use crate::server::certificate::CertificateError;
use crate::server::data_dir;

/// The names of the certificate and the key in the data directory; both are there then.
pub(super) fn in_data_directory(data: &Path) -> Result<(PathBuf, PathBuf), CertificateError> {
    data_dir::make(data).map_err(CertificateError::DataDir)?;
    let (cert, key) = (data.join(CERT_FILE), data.join(KEY_FILE));
    if !cert.exists() {
        // A server and `sottod fingerprint` may both find that there is none: one makes it, the other waits.
        let lock_path = data.join(LOCK_FILE);
        let lock = data_dir::private_options().open(&lock_path).map_err(|error| failed(&lock_path, error))?;
        lock.lock().map_err(|error| failed(&lock_path, error))?;
        if !cert.exists() {
            make(&cert, &key)?;
        }
    }
    if !key.exists() {
        return Err(CertificateError::KeyMissing { cert, key });
    }
    Ok((cert, key))
}

/// The key is written first: a certificate that is there always has its key.
fn make(cert: &Path, key: &Path) -> Result<(), CertificateError> {
    let pair = KeyPair::generate().map_err(not_made)?;
    let certificate = params()?.self_signed(&pair).map_err(not_made)?;
    write_private(key, pair.serialize_pem().as_bytes()).map_err(|error| failed(key, error))?;
    write_private(cert, certificate.pem().as_bytes()).map_err(|error| failed(cert, error))
}

fn params() -> Result<CertificateParams, CertificateError> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
    names.extend(host_name().filter(|name| name != "localhost"));
    let mut params = CertificateParams::new(names).map_err(not_made)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, COMMON_NAME);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Valid since yesterday: clocks differ.
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (year, month, day) = year_month_day(today.checked_sub(1.day()))?;
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = year_month_day(today.checked_add(YEARS.years()))?;
    params.not_after = rcgen::date_time_ymd(year, month, day);
    Ok(params)
}

fn year_month_day(date: Result<Date, jiff::Error>) -> Result<(i32, u8, u8), CertificateError> {
    let date = date.map_err(|error| CertificateError::NotMade(format!("the clock is wrong: {error}")))?;
    // Month and day are never negative.
    Ok((date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs()))
}

/// Writes a file that only its owner can read; by that name, there is all of it or nothing.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let mut file = data_dir::private_options().open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_directory(path);
    Ok(())
}

/// Makes the new name survive loss of power.
fn sync_directory(path: &Path) {
    // Some systems cannot open directories; the worst that can happen is a new certificate.
    let _ = path.parent().map(|parent| File::open(parent).and_then(|parent| parent.sync_all()));
}

/// The machine's own name, where the system tells it without being asked through the network.
fn host_name() -> Option<String> {
    let told =
        ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|path| fs::read_to_string(path).ok());
    let name = told.or_else(|| std::env::var("COMPUTERNAME").ok())?.trim().to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let fits = (1..=HOST_NAME_BYTES_MAX).contains(&name.len());
    (fits && name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(name)
}

fn failed(path: &Path, error: io::Error) -> CertificateError {
    CertificateError::Failed { path: path.to_path_buf(), error }
}

fn not_made(error: rcgen::Error) -> CertificateError {
    CertificateError::NotMade(error.to_string())
}

pub(super) const CERT_FILE: &str = "tls-cert.pem";
pub(super) const KEY_FILE: &str = "tls-key.pem";
const LOCK_FILE: &str = "tls.lock";
const COMMON_NAME: &str = "sottod";
/// Clients know the certificate by its fingerprint: a short life would only make them doubt.
const YEARS: i32 = 10;
/// The longest name that DNS has.
const HOST_NAME_BYTES_MAX: usize = 253;
