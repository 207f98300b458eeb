//! The envelope: what the server stores and cannot read.
//!
//! ```text
//! 0     version 01
//! 1     type: 01 first messages, 02 later messages
//!       type 01 only: 2..34 IK_A | 34..66 EK_A | 66..70 signed prekey | 70..74 one-time prekey, 0 = none
//! then  header: ratchet key 32 | PN 4 | N 4
//! then  nonce 12 | ciphertext | tag 16
//! ```
//!
//! Everything up to and including the header is additional data of the message, so there is one
//! encoding of each message and no bit of it can change.

use crate::e2e::aead::{NONCE_BYTES, TAG_BYTES};
use crate::e2e::dh::DhPublic;
use crate::e2e::error::Error;
use crate::e2e::ratchet::chain::MESSAGES_MAX;
use crate::e2e::wire::Reader;

/// The header of the Double Ratchet (§3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sender's current ratchet key.
    pub ratchet: DhPublic,
    /// PN: the messages of the sender's chain before this one.
    pub previous: u32,
    /// N: this message's place in its chain.
    pub number: u32,
}

/// What a first message says about the X3DH that its session comes from (X3DH §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// IK_A, not yet imported.
    pub identity: [u8; 32],
    /// EK_A, which also names the session.
    pub ephemeral: DhPublic,
    pub signed_id: u32,
    pub one_time_id: Option<u32>,
}

/// An envelope taken apart, not yet opened.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// There as long as the sender has not seen an answer.
    pub preamble: Option<Preamble>,
    pub header: Header,
    /// Version to header, as they came.
    pub(super) authenticated: &'a [u8],
    pub(super) nonce: &'a [u8; NONCE_BYTES],
    /// Ciphertext and tag.
    pub(super) sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes an envelope apart. The server checks with this that what it stores is one.
    pub fn parse(bytes: &'a [u8]) -> Result<Envelope<'a>, Error> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(Error::Version);
        }
        let preamble = match reader.u8()? {
            TYPE_FIRST if (FIRST_BYTES_MIN..=FIRST_BYTES_MAX).contains(&bytes.len()) => {
                Some(Preamble::read(&mut reader)?)
            }
            TYPE_LATER if (LATER_BYTES_MIN..=LATER_BYTES_MAX).contains(&bytes.len()) => None,
            _ => return Err(Error::Malformed),
        };
        let header = Header::read(&mut reader)?;
        let authenticated = &bytes[..bytes.len() - reader.rest().len()];
        let nonce = reader.array()?;
        Ok(Envelope { preamble, header, authenticated, nonce, sealed: reader.rest() })
    }
}

impl Preamble {
    fn read(reader: &mut Reader<'_>) -> Result<Preamble, Error> {
        Ok(Preamble {
            identity: *reader.array()?,
            ephemeral: DhPublic(*reader.array()?),
            signed_id: reader.u32()?,
            one_time_id: Some(reader.u32()?).filter(|&id| id != 0),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.identity);
        out.extend_from_slice(&self.ephemeral.0);
        out.extend_from_slice(&self.signed_id.to_be_bytes());
        out.extend_from_slice(&self.one_time_id.unwrap_or(0).to_be_bytes());
    }
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Header, Error> {
        let header =
            Header { ratchet: DhPublic(*reader.array()?), previous: reader.u32()?, number: reader.u32()? };
        if header.previous > MESSAGES_MAX || header.number >= MESSAGES_MAX {
            return Err(Error::Malformed);
        }
        Ok(header)
    }
}

/// Version to header: the authenticated beginning of an envelope.
pub(super) fn begin(preamble: Option<&Preamble>, header: &Header, capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
    out.extend_from_slice(&[VERSION, if preamble.is_some() { TYPE_FIRST } else { TYPE_LATER }]);
    if let Some(preamble) = preamble {
        preamble.write(&mut out);
    }
    out.extend_from_slice(&header.ratchet.0);
    out.extend_from_slice(&header.previous.to_be_bytes());
    out.extend_from_slice(&header.number.to_be_bytes());
    out
}

pub const VERSION: u8 = 1;
const TYPE_FIRST: u8 = 1;
const TYPE_LATER: u8 = 2;

const HEADER_BYTES: usize = 32 + 4 + 4;
const PREAMBLE_BYTES: usize = 32 + 32 + 4 + 4;

/// What an envelope of type 02 is longer than its padded content.
pub const LATER_OVERHEAD_BYTES: usize = 2 + HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/// What an envelope of type 01 is longer than its padded content.
pub const FIRST_OVERHEAD_BYTES: usize = LATER_OVERHEAD_BYTES + PREAMBLE_BYTES;

/// The shortest padded content: the first step of the padding.
pub const PADDED_BYTES_MIN: usize = 128;

/// The longest padded content, 64 KiB: longer things are files. An envelope fits one frame.
pub const PADDED_BYTES_MAX: usize = 65_536;

/// The longest content: one byte goes to the mark of the padding.
pub const CONTENT_BYTES_MAX: usize = PADDED_BYTES_MAX - 1;

const FIRST_BYTES_MIN: usize = FIRST_OVERHEAD_BYTES + PADDED_BYTES_MIN;
const FIRST_BYTES_MAX: usize = FIRST_OVERHEAD_BYTES + PADDED_BYTES_MAX;
const LATER_BYTES_MIN: usize = LATER_OVERHEAD_BYTES + PADDED_BYTES_MIN;
const LATER_BYTES_MAX: usize = LATER_OVERHEAD_BYTES + PADDED_BYTES_MAX;

const _: () = assert!(FIRST_OVERHEAD_BYTES == 142 && LATER_OVERHEAD_BYTES == 70);
const _: () = assert!(FIRST_BYTES_MIN == 270 && FIRST_BYTES_MAX == 65_678);
const _: () = assert!(LATER_BYTES_MIN == 198 && LATER_BYTES_MAX == 65_606);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: u8, length: usize) -> Result<(), Error> {
        let mut bytes = vec![0; length];
        (bytes[0], bytes[1]) = (VERSION, kind);
        Envelope::parse(&bytes).map(|_| ())
    }

    #[test]
    fn lengths_have_bounds() {
        for (kind, shortest, longest) in [(1, 270, 65_678), (2, 198, 65_606)] {
            assert_eq!(check(kind, shortest - 1), Err(Error::Malformed));
            assert_eq!(check(kind, shortest), Ok(()));
            assert_eq!(check(kind, longest), Ok(()));
            assert_eq!(check(kind, longest + 1), Err(Error::Malformed));
        }
        assert_eq!(check(3, 300), Err(Error::Malformed));
        assert!(Envelope::parse(&[]).is_err() && Envelope::parse(&[1]).is_err());
        assert_eq!(Envelope::parse(&[2, 1]).map(|_| ()), Err(Error::Version));
    }

    #[test]
    fn counters_have_bounds() {
        let with = |previous: u32, number: u32| {
            let header = Header { ratchet: DhPublic([1; 32]), previous, number };
            let mut bytes = begin(None, &header, 0);
            bytes.resize(LATER_BYTES_MIN, 0);
            Envelope::parse(&bytes).map(|envelope| assert_eq!(envelope.header, header))
        };
        assert_eq!(with(MESSAGES_MAX, MESSAGES_MAX - 1), Ok(()));
        assert_eq!(with(MESSAGES_MAX + 1, 0), Err(Error::Malformed));
        assert_eq!(with(0, MESSAGES_MAX), Err(Error::Malformed));
    }

    #[test]
    fn what_is_written_is_read() {
        let header = Header { ratchet: DhPublic([3; 32]), previous: 4, number: 5 };
        for one_time_id in [None, Some(7)] {
            let preamble =
                Preamble { identity: [1; 32], ephemeral: DhPublic([2; 32]), signed_id: 6, one_time_id };
            let mut bytes = begin(Some(&preamble), &header, 0);
            bytes.resize(FIRST_BYTES_MIN, 9);
            let envelope = Envelope::parse(&bytes).unwrap();
            assert_eq!((envelope.preamble, envelope.header), (Some(preamble), header));
            assert_eq!(envelope.authenticated, &bytes[..114]);
            assert_eq!(envelope.sealed.len(), PADDED_BYTES_MIN + TAG_BYTES);
        }
    }
}
