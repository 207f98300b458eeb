//! One thing to send, and how it is kept.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::client::private::outbox::KEPT_MS;
use crate::client::private::pack::{Reader, Torn, Writer};
use crate::client::session::event::Ticket;
use crate::e2e::address::{Address, Millis, Uid};
use crate::e2e::content::MessageId;
use crate::proto::name::UserName;
use crate::proto::time::Timestamp;

/// One thing to send.
pub struct Entry {
    pub to: UserName,
    /// The account, once it is known.
    pub uid: Option<Uid>,
    pub id: MessageId,
    /// When it was accepted: the time that the message claims.
    pub made: Millis,
    pub what: What,
    /// When the server had all of it for the first time.
    pub sent: Option<Timestamp>,
    /// The number of its entry in the history, once it was sent.
    pub counter: u64,
    pub parts: BTreeMap<Address, Part>,
    /// Of this run of the program.
    pub ticket: Option<Ticket>,
    /// How often the list of devices was another one.
    pub tries: u8,
    /// What the server said last about the time.
    pub at: Option<Timestamp>,
}

/// What it is.
pub enum What {
    /// A message: an encoded content.
    Content(Zeroizing<Vec<u8>>),
    /// The same, to be sent without encryption: a person has said so.
    Plain(Zeroizing<Vec<u8>>),
    /// To one device: what was opened of it.
    Receipt(Address, Vec<MessageId>),
    /// To one device, in a new session; `true` once that session was made.
    Reset(Address, Vec<u64>, bool),
    /// To one's own other devices: an encoded content that is no message.
    Own(Zeroizing<Vec<u8>>),
}

/// The envelope for one device.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    Wanted { resent: u8 },
    Sealed { bytes: Arc<[u8]>, resent: u8 },
    Stored { resent: u8 },
    Delivered,
}

/// What goes first to the same reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Sealed, and not confirmed: it may be there already. If anything that is sealed later came before its
    /// second copy, that would be one of a chain that has ended, which cannot be told from a forged one.
    InDoubt,
    Control,
    Message,
}

impl Rank {
    pub const ALL: [Rank; 3] = [Rank::InDoubt, Rank::Control, Rank::Message];
}

impl Entry {
    pub fn new(to: UserName, id: MessageId, made: Millis, what: What) -> Entry {
        let parts = BTreeMap::new();
        let (sent, at, ticket) = (None, None, None);
        Entry { to, uid: None, id, made, what, sent, counter: 0, parts, ticket, tries: 0, at }
    }

    pub fn rank(&self) -> Rank {
        match self.parts.values().any(|part| matches!(part, Part::Sealed { .. })) {
            true => Rank::InDoubt,
            false if self.is_control() => Rank::Control,
            false => Rank::Message,
        }
    }

    /// Before messages, because it makes them possible.
    pub fn is_control(&self) -> bool {
        !matches!(self.what, What::Content(_) | What::Plain(_))
    }

    /// Something of it must still be sealed or sent.
    pub fn is_unfinished(&self) -> bool {
        let open = |part: &Part| matches!(part, Part::Wanted { .. } | Part::Sealed { .. });
        self.sent.is_none() || self.parts.values().any(open)
    }

    /// Nobody will ask for it again.
    pub fn is_over(&self, now: Millis) -> bool {
        let done = |part: &Part| matches!(part, Part::Delivered);
        let old = now.since(self.made) > KEPT_MS;
        match self.sent {
            Some(_) => old || self.parts.values().all(done),
            None => old && self.is_control(),
        }
    }

    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Entry { to, uid, id, made, what, sent, counter, parts, ticket: _, tries: _, at: _ } = self;
        let sealed =
            parts.values().map(|part| if let Part::Sealed { bytes, .. } = part { bytes.len() } else { 0 });
        let mut out =
            Writer::with_capacity(FIXED_BYTES + what.bytes() + sealed.sum::<usize>() + 18 * parts.len());
        out.u8(VERSION);
        out.blob(to.shown().as_bytes());
        out.u8(u8::from(uid.is_some()));
        out.u64(uid.map_or(0, |uid| uid.0));
        out.bytes(&id.0);
        out.u64(made.0);
        out.u64(sent.map_or(0, |at| at.0.max(1)));
        out.u64(*counter);
        what.encode(&mut out);
        out.u32(parts.len() as u32);
        for (address, part) in parts {
            out.address(*address);
            match part {
                Part::Wanted { resent } => {
                    out.u8(PART_WANTED);
                    out.u8(*resent);
                }
                Part::Sealed { bytes, resent } => {
                    out.u8(PART_SEALED);
                    out.u8(*resent);
                    out.blob(bytes);
                }
                Part::Stored { resent } => {
                    out.u8(PART_STORED);
                    out.u8(*resent);
                }
                Part::Delivered => out.u8(PART_DELIVERED),
            }
        }
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Entry, Torn> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(Torn);
        }
        let to = UserName::parse(input.text()?).map_err(|_| Torn)?;
        let known = input.u8()? == 1;
        let uid = Some(Uid(input.u64()?)).filter(|_| known);
        let (id, made) = (MessageId(*input.array()?), Millis(input.u64()?));
        let sent = Some(input.u64()?).filter(|&at| at != 0).map(Timestamp);
        let counter = input.u64()?;
        let what = What::decode(&mut input)?;
        let mut parts = BTreeMap::new();
        for _ in 0..input.u32()? {
            let address = input.address()?;
            let part = match input.u8()? {
                PART_WANTED => Part::Wanted { resent: input.u8()? },
                PART_SEALED => {
                    let resent = input.u8()?;
                    Part::Sealed { bytes: input.blob()?.into(), resent }
                }
                PART_STORED => Part::Stored { resent: input.u8()? },
                PART_DELIVERED => Part::Delivered,
                _ => return Err(Torn),
            };
            parts.insert(address, part);
        }
        input.end()?;
        Ok(Entry { to, uid, id, made, what, sent, counter, parts, ticket: None, tries: 0, at: None })
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry(to {}, {:?}, sent {:?}, {} parts)", self.to, self.what, self.sent, self.parts.len())
    }
}

/// Bodies are not for logs.
impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Content(_) => f.write_str("Content(..)"),
            What::Plain(_) => f.write_str("Plain(..)"),
            What::Receipt(_, ids) => write!(f, "Receipt({})", ids.len()),
            What::Reset(_, lost, _) => write!(f, "Reset({})", lost.len()),
            What::Own(_) => f.write_str("Own(..)"),
        }
    }
}

impl What {
    fn bytes(&self) -> usize {
        match self {
            What::Content(content) | What::Plain(content) | What::Own(content) => content.len(),
            What::Receipt(_, ids) => 16 * ids.len(),
            What::Reset(_, lost, _) => 8 * lost.len(),
        }
    }

    fn encode(&self, out: &mut Writer) {
        match self {
            What::Content(content) => {
                out.u8(WHAT_CONTENT);
                out.blob(content);
            }
            What::Plain(content) => {
                out.u8(WHAT_PLAIN);
                out.blob(content);
            }
            What::Receipt(to, ids) => {
                out.u8(WHAT_RECEIPT);
                out.address(*to);
                out.u32(ids.len() as u32);
                ids.iter().for_each(|id| out.bytes(&id.0));
            }
            What::Reset(to, lost, begun) => {
                out.u8(WHAT_RESET);
                out.address(*to);
                out.u8(u8::from(*begun));
                out.u32(lost.len() as u32);
                lost.iter().for_each(|seq| out.u64(*seq));
            }
            What::Own(content) => {
                out.u8(WHAT_OWN);
                out.blob(content);
            }
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<What, Torn> {
        Ok(match input.u8()? {
            WHAT_CONTENT => What::Content(Zeroizing::new(input.blob()?.to_vec())),
            WHAT_PLAIN => What::Plain(Zeroizing::new(input.blob()?.to_vec())),
            WHAT_RECEIPT => {
                let (to, count) = (input.address()?, input.u32()?);
                let ids = (0..count).map(|_| input.array().map(|id| MessageId(*id)));
                What::Receipt(to, ids.collect::<Result<_, Torn>>()?)
            }
            WHAT_RESET => {
                let (to, begun, count) = (input.address()?, input.u8()? == 1, input.u32()?);
                let lost = (0..count).map(|_| input.u64());
                What::Reset(to, lost.collect::<Result<_, Torn>>()?, begun)
            }
            WHAT_OWN => What::Own(Zeroizing::new(input.blob()?.to_vec())),
            _ => return Err(Torn),
        })
    }
}

const VERSION: u8 = 1;
const FIXED_BYTES: usize = 220;
const WHAT_CONTENT: u8 = 1;
const WHAT_PLAIN: u8 = 2;
const WHAT_RECEIPT: u8 = 3;
const WHAT_RESET: u8 = 4;
const WHAT_OWN: u8 = 5;
const PART_WANTED: u8 = 1;
const PART_SEALED: u8 = 2;
const PART_STORED: u8 = 3;
const PART_DELIVERED: u8 = 4;
