//! Files that were offered and neither taken nor declined: rows of
//! [`Table::Transfers`](crate::client::private::row::Table::Transfers), written in the step that
//! received the message. The note holds the key of the file, so losing it would lose the file.

use zeroize::Zeroizing;

use crate::client::private::pack::{Reader, Torn, Writer};
use crate::client::scrollback::Seal;
use crate::e2e::address::Uid;
use crate::e2e::content::{FileNote, MessageId};
use crate::e2e::file::FileKey;
use crate::proto::name::UserName;
use crate::proto::time::Timestamp;

/// A file that somebody offers.
#[derive(Debug)]
pub struct Offer {
    pub from: UserName,
    pub uid: Uid,
    pub message: MessageId,
    pub at: Timestamp,
    /// How sure it is who offers it.
    pub seal: Seal,
    pub note: FileNote,
}

impl Offer {
    /// The key of its row. The first byte keeps it apart from other rows of transfers.
    pub fn key(&self) -> Vec<u8> {
        [&[KEY_MARK], &self.uid.0.to_be_bytes()[..], &self.message.0].concat()
    }

    /// Whether a row of the table is an offer.
    pub fn is_key(key: &[u8]) -> bool {
        key.first() == Some(&KEY_MARK)
    }

    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Offer { from, uid, message, at, seal, note } = self;
        let FileNote { blob, key, size, sha256, name, mime } = note;
        let mut out = Writer::with_capacity(320 + name.len() + mime.len());
        out.u8(VERSION);
        out.blob(from.shown().as_bytes());
        out.u64(uid.0);
        out.bytes(&message.0);
        out.u64(at.0);
        out.u8(SEALS.iter().position(|known| known == seal).unwrap_or(0) as u8);
        out.bytes(blob);
        out.bytes(key.reveal());
        out.u64(*size);
        out.bytes(sha256);
        out.blob(name.as_bytes());
        out.blob(mime.as_bytes());
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Offer, Torn> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(Torn);
        }
        let from = UserName::parse(input.text()?).map_err(|_| Torn)?;
        let (uid, message) = (Uid(input.u64()?), MessageId(*input.array()?));
        let at = Timestamp(input.u64()?);
        let seal = *SEALS.get(usize::from(input.u8()?)).ok_or(Torn)?;
        let (blob, key) = (*input.array()?, FileKey::from_bytes(input.array()?));
        let (size, sha256) = (input.u64()?, *input.array()?);
        let (name, mime) = (input.text()?.to_owned(), input.text()?.to_owned());
        input.end()?;
        let note = FileNote { blob, key, size, sha256, name, mime };
        Ok(Offer { from, uid, message, at, seal, note })
    }
}

const KEY_MARK: u8 = b'O';
const VERSION: u8 = 1;
const SEALS: [Seal; 3] = [Seal::Changed, Seal::Encrypted, Seal::Verified];

/// Offers that wait for an answer; the oldest go.
pub const OFFERS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_comes_back_from_its_row() {
        let note = FileNote {
            blob: [1; 16],
            key: FileKey::from_bytes(&[2; 32]),
            size: 3,
            sha256: [4; 32],
            name: "tea.txt".to_owned(),
            mime: "text/plain".to_owned(),
        };
        let from = UserName::parse("Bob").unwrap();
        let (message, at, seal) = (MessageId([5; 16]), Timestamp(6), Seal::Verified);
        let offer = Offer { from, uid: Uid(7), message, at, seal, note };
        let bytes = offer.encode();
        let again = Offer::decode(&bytes).unwrap();
        assert_eq!((again.encode(), again.key()), (bytes.clone(), offer.key()));
        assert!(Offer::is_key(&offer.key()) && !Offer::is_key(b"x"));
        for length in 0..bytes.len() {
            assert!(Offer::decode(&bytes[..length]).is_err());
        }
    }
}
