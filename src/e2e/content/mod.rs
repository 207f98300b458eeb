//! What is inside of a message: JSON, `{"v":1,"id":..,"ts":..,"k":kind,..}`.
//!
//! ```text
//! text       text                              receipt    ids, state: "delivered" or "read"
//! file       blob, key, size, sha256,          reset      lost: server sequences not opened
//!            name, mime                        sent       to: uid, name, what: the content as it was sent
//! edit       of, text                          pair-trust trust: [{uid, ik, state}]
//! delete     of                                           state: "pinned" or "verified"
//! react      of, text
//! ```
//!
//! Ids, keys and digests are small hexadecimal letters; `of` and `ids` are ids of messages. Fields
//! and kinds that are not known are ignored, so that a newer program can say more.
//!
//! The codec checks forms and sizes. Who may edit what, and whether an id was seen before, is for
//! the caller, which knows the history.

use std::fmt;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::e2e::address::{Millis, Uid};
use crate::e2e::envelope::CONTENT_BYTES_MAX;
use crate::e2e::error::Error;
use crate::e2e::file::FileKey;
use crate::e2e::hex;
use crate::e2e::pairing::TrustEntry;

/// Names a message among those of one account; random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub struct MessageId(#[serde(with = "hex")] pub [u8; 16]);

/// A message as its author made it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Content {
    v: Version1,
    pub id: MessageId,
    /// The author's claim; messages are sorted by the server's sequence.
    #[serde(rename = "ts")]
    pub time: Millis,
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a message does.
#[derive(Deserialize, Serialize)]
#[serde(tag = "k", rename_all = "kebab-case")]
pub enum Kind {
    Delete {
        of: MessageId,
    },
    Edit {
        of: MessageId,
        text: String,
    },
    #[serde(rename = "file")]
    FileNote(FileNote),
    /// Between devices of one account: what a person has decided about others.
    PairTrust {
        trust: Vec<TrustEntry>,
    },
    React {
        of: MessageId,
        text: String,
    },
    Receipt {
        ids: Vec<MessageId>,
        state: ReceiptState,
    },
    /// The first message of a session that replaces one that failed.
    Reset {
        lost: Vec<u64>,
    },
    /// Between devices of one account: what one of them has sent, and to whom.
    Sent {
        to: Uid,
        /// The reader's name: the other device may never have heard of that account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        what: Box<Content>,
    },
    Text {
        text: String,
    },
    /// Made by a newer program; shown as such or not at all.
    #[serde(other)]
    Unknown,
}

/// Where a file is and how it is opened.
#[derive(Deserialize, Serialize)]
pub struct FileNote {
    #[serde(with = "hex")]
    pub blob: [u8; 16],
    #[serde(serialize_with = "write_key", deserialize_with = "read_key")]
    pub key: FileKey,
    /// The true size; the blob holds it padded.
    pub size: u64,
    /// Of the blob.
    #[serde(with = "hex")]
    pub sha256: [u8; 32],
    /// As the sender wrote it: pass it through [`crate::e2e::file::name::safe_name`].
    pub name: String,
    pub mime: String,
}

/// What became of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptState {
    Delivered,
    Read,
}

impl Content {
    pub fn new(id: MessageId, time: Millis, kind: Kind) -> Content {
        Content { v: Version1, id, time, kind }
    }

    /// The JSON of this content, or [`Error::TooLong`].
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        if !self.kind.is_within_bounds() {
            return Err(Error::TooLong);
        }
        if let Kind::Unknown = self.kind {
            return Err(Error::Malformed);
        }
        // Room at the start, so that the buffer of most messages does not move and leave copies.
        let mut out = Zeroizing::new(Vec::with_capacity(ENCODED_BYTES_USUAL));
        serde_json::to_writer(&mut *out, self).map_err(|_| Error::Malformed)?;
        if out.len() > CONTENT_BYTES_MAX { Err(Error::TooLong) } else { Ok(out) }
    }

    /// Reads a content that a session has opened.
    pub fn decode(bytes: &[u8]) -> Result<Content, Error> {
        if bytes.len() > CONTENT_BYTES_MAX {
            return Err(Error::TooLong);
        }
        let AnyVersion { v } = serde_json::from_slice(bytes).map_err(|_| Error::Malformed)?;
        if v != VERSION {
            return Err(Error::Version);
        }
        let content: Content = serde_json::from_slice(bytes).map_err(|_| Error::Malformed)?;
        if content.kind.is_within_bounds() { Ok(content) } else { Err(Error::Malformed) }
    }
}

impl Kind {
    fn is_within_bounds(&self) -> bool {
        match self {
            Kind::Delete { .. } | Kind::Edit { .. } | Kind::Text { .. } | Kind::Unknown => true,
            Kind::FileNote(note) => note.name.len() <= LABEL_BYTES_MAX && note.mime.len() <= LABEL_BYTES_MAX,
            Kind::PairTrust { trust } => trust.len() <= PAIR_TRUST_MAX,
            Kind::React { text, .. } => text.len() <= REACTION_BYTES_MAX,
            Kind::Receipt { ids, .. } => ids.len() <= RECEIPT_IDS_MAX,
            Kind::Reset { lost } => lost.len() <= RESET_LOST_MAX,
            Kind::Sent { what, name, to: _ } => {
                !matches!(what.kind, Kind::Sent { .. })
                    && what.kind.is_within_bounds()
                    && name.as_ref().is_none_or(|name| name.len() <= LABEL_BYTES_MAX)
            }
        }
    }
}

/// Bodies are not for logs: only the kind is shown.
impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Delete { .. } => "Delete(..)",
            Kind::Edit { .. } => "Edit(..)",
            Kind::FileNote(_) => "FileNote(..)",
            Kind::PairTrust { .. } => "PairTrust(..)",
            Kind::React { .. } => "React(..)",
            Kind::Receipt { .. } => "Receipt(..)",
            Kind::Reset { .. } => "Reset(..)",
            Kind::Sent { .. } => "Sent(..)",
            Kind::Text { .. } => "Text(..)",
            Kind::Unknown => "Unknown",
        })
    }
}

impl fmt::Debug for FileNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileNote { blob: _, key: _, size, sha256: _, name: _, mime: _ } = self;
        write!(f, "FileNote({size} bytes)")
    }
}

/// The number 1, and nothing else.
#[derive(Debug)]
struct Version1;

impl Serialize for Version1 {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u32(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version1 {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Version1, D::Error> {
        u32::deserialize(input).map(|_| Version1)
    }
}

/// Any content, of which only the version is read.
#[derive(Deserialize)]
struct AnyVersion {
    v: u32,
}

fn write_key<S: Serializer>(key: &FileKey, out: S) -> Result<S::Ok, S::Error> {
    hex::serialize(key.reveal(), out)
}

fn read_key<'de, D: Deserializer<'de>>(input: D) -> Result<FileKey, D::Error> {
    Ok(FileKey::from_bytes(&Zeroizing::new(hex::deserialize::<32, D>(input)?)))
}

const VERSION: u32 = 1;
const ENCODED_BYTES_USUAL: usize = 4096;

/// Messages one receipt speaks of: one page of a conversation.
pub const RECEIPT_IDS_MAX: usize = 500;

/// Lost messages one reset asks for again; each costs its author a message.
pub const RESET_LOST_MAX: usize = 50;

/// The longest emoji with all its modifiers, and a short word.
pub const REACTION_BYTES_MAX: usize = 64;

/// The name and the type of a file, and the name of an account: what file systems take.
pub const LABEL_BYTES_MAX: usize = 255;

/// Decisions about others in one message; an entry is some 120 bytes of JSON.
pub const PAIR_TRUST_MAX: usize = 400;

#[cfg(test)]
mod tests;
