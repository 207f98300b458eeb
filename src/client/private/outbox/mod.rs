//! What is to be sent, and what was sent and may be asked for again.
//!
//! ```text
//! entry    accepted ──► sealed and under way ──► sent, shown ──► delivered everywhere: gone
//!                                                     │ after 7 days, or at 500 for a peer: gone
//! part     Wanted ──► Sealed(bytes) ──► Stored ──► Delivered
//!            ▲                            │ the device began a new session
//!            └────────────────────────────┘ at most three times
//! ```
//!
//! An entry has a part for each device that gets an envelope of it. A part is sealed once, together with
//! the session's step, and its bytes are what is sent, as often as it takes. A *lane* is everything for one
//! name, in order: control first (what repairs a session must come before what is sent in it), then
//! messages as they were accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::client::private::pack::{Reader, Torn, Writer};
use crate::client::session::event::Ticket;
use crate::e2e::address::{Address, DAY_MS, DeviceId, Millis, Uid};
use crate::e2e::content::MessageId;
use crate::proto::name::UserName;
use crate::proto::time::Timestamp;

/// One thing to send.
pub(super) struct Entry {
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
pub(super) enum What {
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
pub(super) enum Part {
    Wanted { resent: u8 },
    Sealed { bytes: Arc<[u8]>, resent: u8 },
    Stored { resent: u8 },
    Delivered,
}

/// What goes first to the same reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Sealed, and not confirmed: it may be there already. If anything that is sealed later came before its
    /// second copy, that would be one of a chain that has ended, which cannot be told from a forged one.
    InDoubt,
    Control,
    Message,
}

impl Rank {
    const ALL: [Rank; 3] = [Rank::InDoubt, Rank::Control, Rank::Message];
}

impl Entry {
    pub fn new(to: UserName, id: MessageId, made: Millis, what: What) -> Entry {
        let parts = BTreeMap::new();
        let (sent, at, ticket) = (None, None, None);
        Entry { to, uid: None, id, made, what, sent, counter: 0, parts, ticket, tries: 0, at }
    }

    fn rank(&self) -> Rank {
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
            put_address(&mut out, *address);
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
            let address = read_address(&mut input)?;
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
                put_address(out, *to);
                out.u32(ids.len() as u32);
                ids.iter().for_each(|id| out.bytes(&id.0));
            }
            What::Reset(to, lost, begun) => {
                out.u8(WHAT_RESET);
                put_address(out, *to);
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
                let (to, count) = (read_address(input)?, input.u32()?);
                let ids = (0..count).map(|_| input.array().map(|id| MessageId(*id)));
                What::Receipt(to, ids.collect::<Result<_, Torn>>()?)
            }
            WHAT_RESET => {
                let (to, begun, count) = (read_address(input)?, input.u8()? == 1, input.u32()?);
                let lost = (0..count).map(|_| input.u64());
                What::Reset(to, lost.collect::<Result<_, Torn>>()?, begun)
            }
            WHAT_OWN => What::Own(Zeroizing::new(input.blob()?.to_vec())),
            _ => return Err(Torn),
        })
    }
}

/// All entries, by the order in which they were accepted.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    entries: BTreeMap<u64, Entry>,
    /// Invariant: the unfinished entries, by lane.
    lanes: BTreeMap<UserName, BTreeSet<(Rank, u64)>>,
}

impl Outbox {
    pub fn restore(&mut self, order: u64, entry: Entry) {
        self.entries.insert(order, entry);
        self.settle(order);
    }

    pub fn push(&mut self, entry: Entry) -> u64 {
        let order = self.entries.last_key_value().map_or(ORDER_FIRST, |(order, _)| order + 1);
        self.restore(order, entry);
        order
    }

    /// Before everything else.
    pub fn push_front(&mut self, entry: Entry) -> u64 {
        let order = self.entries.first_key_value().map_or(ORDER_FIRST, |(order, _)| order - 1);
        self.restore(order, entry);
        order
    }

    pub fn get(&self, order: u64) -> Option<&Entry> {
        self.entries.get(&order)
    }

    /// To be followed by [`Outbox::settle`].
    pub fn get_mut(&mut self, order: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&order)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(order, entry)| (*order, entry))
    }

    pub fn remove(&mut self, order: u64) -> Option<Entry> {
        let entry = self.entries.remove(&order)?;
        self.leave_lane(&entry.to, order);
        Some(entry)
    }

    /// Brings the lanes in order after an entry has changed.
    pub fn settle(&mut self, order: u64) {
        let Some(entry) = self.entries.get(&order) else { return };
        if entry.is_unfinished() {
            let (to, rank) = (entry.to.clone(), entry.rank());
            let lane = self.lanes.entry(to).or_default();
            Rank::ALL.iter().filter(|other| **other != rank).for_each(|other| {
                lane.remove(&(*other, order));
            });
            lane.insert((rank, order));
        } else {
            let to = entry.to.clone();
            self.leave_lane(&to, order);
        }
    }

    fn leave_lane(&mut self, to: &UserName, order: u64) {
        let Some(lane) = self.lanes.get_mut(to) else { return };
        Rank::ALL.iter().for_each(|rank| {
            lane.remove(&(*rank, order));
        });
        if lane.is_empty() {
            self.lanes.remove(to);
        }
    }

    /// Who is to be sent something.
    pub fn lanes(&self) -> impl Iterator<Item = &UserName> {
        self.lanes.keys()
    }

    /// What is to be sent to somebody, in order.
    pub fn lane(&self, to: &UserName) -> impl Iterator<Item = u64> {
        self.lanes.get(to).into_iter().flatten().map(|(_, order)| *order)
    }

    /// Messages that people wait for.
    pub fn waiting(&self) -> usize {
        let unsent = |entry: &&Entry| !entry.is_control() && entry.sent.is_none();
        self.entries.values().filter(unsent).count()
    }

    /// Forgets what nobody can ask for any more; returns what is gone.
    pub fn expire(&mut self, now: Millis) -> Vec<u64> {
        let mut gone: Vec<u64> =
            self.entries.iter().filter(|(_, entry)| entry.is_over(now)).map(|(order, _)| *order).collect();
        let mut kept: BTreeMap<&UserName, usize> = BTreeMap::new();
        for (order, entry) in self.entries.iter().rev() {
            if entry.sent.is_some() && !entry.is_over(now) {
                let kept = kept.entry(&entry.to).or_default();
                *kept += 1;
                if *kept > KEPT_MAX && !entry.is_unfinished() {
                    gone.push(*order);
                }
            }
        }
        gone.iter().for_each(|order| {
            self.remove(*order);
        });
        gone
    }
}

pub(super) fn put_address(out: &mut Writer, address: Address) {
    out.u64(address.uid.0);
    out.u32(address.device.number());
}

pub(super) fn read_address(input: &mut Reader<'_>) -> Result<Address, Torn> {
    Ok(Address { uid: Uid(input.u64()?), device: DeviceId::new(input.u32()?).map_err(|_| Torn)? })
}

/// How long a message that was sent is kept to be sent again: long enough for a device that was away for
/// the week-end to find that it cannot open it.
pub const KEPT_MS: u64 = 7 * DAY_MS;
/// Sent messages kept for one peer.
pub const KEPT_MAX: usize = 500;
/// How often one envelope is made anew because a device lost its session.
pub const RESENT_MAX: u8 = 3;

/// Orders count up from here; what is taken back goes below.
const ORDER_FIRST: u64 = 1 << 32;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn address(device: u32) -> Address {
        Address { uid: Uid(5), device: DeviceId::new(device).unwrap() }
    }

    fn entry(what: What) -> Entry {
        let bob = UserName::parse("Bob").unwrap();
        Entry::new(bob, MessageId([7; 16]), Millis(1000), what)
    }

    fn text(text: &str) -> What {
        What::Content(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn entries_come_back_and_a_cut_one_does_not() {
        let whats = [
            text("hi"),
            What::Plain(Zeroizing::new(vec![1])),
            What::Receipt(address(1), vec![MessageId([1; 16]), MessageId([2; 16])]),
            What::Reset(address(2), vec![4, u64::MAX], true),
            What::Own(Zeroizing::new(vec![])),
        ];
        for what in whats {
            let mut entry = entry(what);
            (entry.uid, entry.sent, entry.counter) = (Some(Uid(0)), Some(Timestamp(9)), 77);
            entry.parts.insert(address(1), Part::Wanted { resent: 2 });
            entry.parts.insert(address(2), Part::Sealed { bytes: vec![3; 300].into(), resent: 0 });
            entry.parts.insert(address(3), Part::Stored { resent: 1 });
            entry.parts.insert(address(4), Part::Delivered);
            let bytes = entry.encode();
            let again = Entry::decode(&bytes).unwrap();
            assert_eq!((again.uid, again.sent, again.counter), (entry.uid, entry.sent, 77));
            assert_eq!(
                (format!("{:?}", again.what), again.encode()),
                (format!("{:?}", entry.what), bytes.clone())
            );
            assert_eq!(again.parts, entry.parts);
            for length in 0..bytes.len() {
                assert!(Entry::decode(&bytes[..length]).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn a_lane_has_control_first_and_messages_in_order() {
        let mut outbox = Outbox::default();
        let bob = UserName::parse("bob").unwrap();
        let first = outbox.push(entry(text("one")));
        let second = outbox.push(entry(text("two")));
        let reset = outbox.push(entry(What::Reset(address(1), vec![], false)));
        assert_eq!(outbox.lane(&bob).collect::<Vec<_>>(), [reset, first, second]);
        assert_eq!(outbox.waiting(), 2);
        outbox.remove(reset);
        let entry = outbox.get_mut(first).unwrap();
        entry.sent = Some(Timestamp(1));
        entry.parts.insert(address(1), Part::Stored { resent: 0 });
        outbox.settle(first);
        assert_eq!(outbox.lane(&bob).collect::<Vec<_>>(), [second]);
        outbox.get_mut(first).unwrap().parts.insert(address(1), Part::Wanted { resent: 1 });
        outbox.settle(first);
        assert_eq!(outbox.lane(&bob).collect::<Vec<_>>(), [first, second], "to be sent again, and before");
    }

    fn sent(outbox: &mut Outbox, part: Part) -> u64 {
        let order = outbox.push(entry(text("x")));
        let entry = outbox.get_mut(order).unwrap();
        entry.sent = Some(Timestamp(1));
        entry.parts.insert(address(1), part);
        outbox.settle(order);
        order
    }

    #[test]
    fn sent_messages_are_kept_until_delivered_or_seven_days_or_five_hundred() {
        let mut outbox = Outbox::default();
        let delivered = sent(&mut outbox, Part::Delivered);
        let kept = sent(&mut outbox, Part::Stored { resent: 0 });
        let unsent = outbox.push(entry(text("waits")));
        assert_eq!(outbox.expire(Millis(1000 + KEPT_MS)), [delivered]);
        assert_eq!(outbox.expire(Millis(1000 + KEPT_MS + 1)), [kept]);
        assert!(outbox.get(unsent).is_some(), "what was not sent is kept as long as it takes");
        let orders: Vec<u64> =
            (0..KEPT_MAX + 2).map(|_| sent(&mut outbox, Part::Stored { resent: 0 })).collect();
        let mut gone = outbox.expire(Millis(1000));
        gone.sort_unstable();
        assert_eq!(gone, orders[..2]);
    }
}
