//! From when to when a certificate is valid.
//!
//! rustls reads certificates but tells no dates of our own one. They are the fifth or sixth field of
//! what is signed, so that a walk over the fields before them is enough:
//!
//! ```text
//! SEQUENCE { SEQUENCE { [0] version?, serial, algorithm, issuer, SEQUENCE { begins, ends }, ... }, ... }
//! ```

use crate::proto::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub begins: Timestamp,
    pub ends: Timestamp,
}

/// `None` if these bytes are no certificate.
pub(super) fn of(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = expect(SEQUENCE, der)?;
    let (mut signed, _) = expect(SEQUENCE, certificate)?;
    if let Some((_, rest)) = expect(VERSION, signed) {
        signed = rest;
    }
    let (_, rest) = expect(INTEGER, signed)?;
    let (_, rest) = expect(SEQUENCE, rest)?;
    let (_, rest) = expect(SEQUENCE, rest)?;
    let (validity, _) = expect(SEQUENCE, rest)?;
    let (begins, rest) = time(validity)?;
    let (ends, _) = time(rest)?;
    Some(Validity { begins, ends })
}

/// The content of the first element, which has to have this tag, and what follows it.
fn expect(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(der)?;
    (found == tag).then_some((content, rest))
}

fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, der) = der.split_first()?;
    let (&length, der) = der.split_first()?;
    let (length, der) = match length {
        0..=0x7f => (usize::from(length), der),
        // How many bytes the length has; four are more than any certificate.
        0x81..=0x84 => {
            let (bytes, der) = der.split_at_checked(usize::from(length - 0x80))?;
            (
                bytes
                    .iter()
                    .try_fold(0, |length: usize, &byte| Some(length.checked_mul(256)? + usize::from(byte)))?,
                der,
            )
        }
        _ => return None,
    };
    let (content, rest) = der.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`; dates before 1970 count as 1970.
fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, content, rest) = element(der)?;
    let digits = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, digits) = match tag {
        UTC_TIME if digits.len() == 12 => {
            let (year, rest) = digits.split_at(2);
            (format!("{}{year}", if year < "50" { "20" } else { "19" }), rest)
        }
        GENERALIZED_TIME if digits.len() == 14 => {
            let (year, rest) = digits.split_at(4);
            (String::from(year), rest)
        }
        _ => return None,
    };
    if *year < *"1970" {
        return Some((Timestamp(0), rest));
    }
    let part = |at: usize| &digits[at..at + 2];
    let text = format!("{year}-{}-{}T{}:{}:{}Z", part(0), part(2), part(4), part(6), part(8));
    // What no clock shows (the certificate that never ends, 9999-12-31T23:59:59Z) is the end of time.
    Some((Timestamp::parse_rfc3339(&text).unwrap_or(Timestamp(u64::MAX)), rest))
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(time_der: &[u8], expected: Option<&str>) {
        let found = time(time_der).map(|(time, _)| time.rfc3339());
        assert_eq!(found.as_deref(), expected, "{:?}", String::from_utf8_lossy(time_der));
    }

    #[test]
    fn both_forms_of_time_are_read() {
        check(b"\x17\x0d260131120001Z", Some("2026-01-31T12:00:01.000Z"));
        check(b"\x17\x0d491231235959Z", Some("2049-12-31T23:59:59.000Z"));
        check(b"\x17\x0d500101000000Z", Some("1970-01-01T00:00:00.000Z"));
        check(b"\x17\x0d700101000001Z", Some("1970-01-01T00:00:01.000Z"));
        check(b"\x18\x0f20500131120001Z", Some("2050-01-31T12:00:01.000Z"));
        check(b"\x18\x0f99991231235959Z", Some("9999-12-30T22:00:00.000Z"));
        for wrong in [
            &b"\x17\x0d2601311200+1Z"[..],
            b"\x17\x0c26013112000Z",
            b"\x18\x0d260131120001Z",
            b"\x17\x0d260131120001",
            b"\x17",
            b"",
            b"\x02\x0d260131120001Z",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_certificate_cut_anywhere_is_no_certificate() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![String::from("localhost")]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 31);
        params.not_after = rcgen::date_time_ymd(2050, 2, 28);
        let der = params.self_signed(&pair).unwrap().der().to_vec();
        let validity = of(&der).unwrap();
        assert_eq!(validity.begins.rfc3339(), "2026-01-31T00:00:00.000Z");
        assert_eq!(validity.ends.rfc3339(), "2050-02-28T00:00:00.000Z");
        for end in 0..der.len() {
            assert_eq!(of(&der[..end]), None, "{end} bytes of {}", der.len());
        }
    }
}
