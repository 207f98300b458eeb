//! One entry of a private conversation as it is kept: a row of
//! [`Table::History`](crate::client::private::row::Table::History).
//!
//! ```text
//! version 1 | kind u8 | flags u8: 1 own, 2 edited | seal u8 | delivery u8
//! at u64 | claimed u64 | message 16 | text
//! ```
//!
//! The order is that of the keys, which count up; `at` is the server's time and not quite in order.
//! An entry that changes (edited, deleted, delivered) is written again under its key.

use zeroize::Zeroizing;

use crate::client::private::pack::{Reader, Torn, Writer};
use crate::client::scrollback::Seal;
use crate::e2e::address::Uid;
use crate::e2e::content::MessageId;
use crate::proto::time::Timestamp;

/// Something in a private conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub kind: RecordKind,
    /// By this user, from this or another device.
    pub own: bool,
    pub edited: bool,
    pub seal: Seal,
    pub delivery: Delivery,
    /// The server's time.
    pub at: Timestamp,
    /// The author's, which is a claim; the same as `at` where there is none.
    pub claimed: Timestamp,
    /// Zero for what has none: notices, and messages that were not encrypted.
    pub message: MessageId,
    /// Sanitised. May have several lines.
    pub text: Zeroizing<String>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Taken back by its author; the text is gone.
    Deleted,
    /// A file, by name and size.
    FileNote,
    /// What the client had to say: an identity that changed, a message that could not be opened.
    Notice,
    /// A reaction to another message.
    Reaction,
    Text,
}

/// How far a message of this user has come; of others it is always [`Delivery::Received`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A device of the reader has opened it.
    Delivered,
    /// The connection broke before the server confirmed it, and it could not be repeated safely.
    Doubtful,
    Received,
    /// The server has it.
    Sent,
}

impl Record {
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Record { kind, own, edited, seal, delivery, at, claimed, message, text } = self;
        let mut out = Writer::with_capacity(FIXED_BYTES + text.len());
        out.u8(VERSION);
        out.u8(*kind as u8);
        out.u8(if *own { OWN_BIT } else { 0 } | if *edited { EDITED_BIT } else { 0 });
        out.u8(*seal as u8);
        out.u8(*delivery as u8);
        out.u64(at.0);
        out.u64(claimed.0);
        out.bytes(&message.0);
        out.blob(text.as_bytes());
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Record, Torn> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(Torn);
        }
        let kind = *KINDS.get(usize::from(input.u8()?)).ok_or(Torn)?;
        let flags = input.u8()?;
        let seal = *SEALS.get(usize::from(input.u8()?)).ok_or(Torn)?;
        let delivery = *DELIVERIES.get(usize::from(input.u8()?)).ok_or(Torn)?;
        let (at, claimed) = (Timestamp(input.u64()?), Timestamp(input.u64()?));
        let message = MessageId(*input.array()?);
        let text = Zeroizing::new(input.text()?.to_owned());
        input.end()?;
        let (own, edited) = (flags & OWN_BIT != 0, flags & EDITED_BIT != 0);
        Ok(Record { kind, own, edited, seal, delivery, at, claimed, message, text })
    }
}

/// The key of an entry.
pub fn key(peer: Uid, counter: u64) -> Vec<u8> {
    [peer.0.to_be_bytes(), counter.to_be_bytes()].concat()
}

const VERSION: u8 = 1;
const OWN_BIT: u8 = 1;
const EDITED_BIT: u8 = 2;
const FIXED_BYTES: usize = 5 + 8 + 8 + 16 + 4;

/// In the order of their declaration: they are stored as their position.
const KINDS: [RecordKind; 5] =
    [RecordKind::Deleted, RecordKind::FileNote, RecordKind::Notice, RecordKind::Reaction, RecordKind::Text];
const SEALS: [Seal; 5] =
    [Seal::Changed, Seal::Encrypted, Seal::NotEncrypted, Seal::ServerReadable, Seal::Verified];
const DELIVERIES: [Delivery; 4] =
    [Delivery::Delivered, Delivery::Doubtful, Delivery::Received, Delivery::Sent];

const _: () = assert!(KINDS[RecordKind::Text as usize] as usize == KINDS.len() - 1);
const _: () = assert!(SEALS[Seal::Verified as usize] as usize == SEALS.len() - 1);
const _: () = assert!(DELIVERIES[Delivery::Sent as usize] as usize == DELIVERIES.len() - 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_a_cut_one_does_not() {
        for (number, kind) in KINDS.into_iter().enumerate() {
            for seal in SEALS {
                for delivery in DELIVERIES {
                    let record = Record {
                        kind,
                        own: number % 2 == 0,
                        edited: number % 3 == 0,
                        seal,
                        delivery,
                        at: Timestamp(number as u64),
                        claimed: Timestamp(u64::MAX),
                        message: MessageId([number as u8; 16]),
                        text: Zeroizing::new("tea\né".to_owned()),
                    };
                    let bytes = record.encode();
                    assert_eq!(bytes.len(), FIXED_BYTES + 6);
                    assert_eq!(Record::decode(&bytes), Ok(record));
                    for length in 0..bytes.len() {
                        assert_eq!(Record::decode(&bytes[..length]), Err(Torn), "{length}");
                    }
                }
            }
        }
        assert_eq!(Record::decode(&[2; 50]), Err(Torn));
    }
}
