//! Which messages were taken already, so that none is shown twice, and where each stands in the
//! history, so that it can be edited.
//!
//! The ratchet opens an envelope once. What is sent again because it could not be opened is another
//! envelope of the same message: its author and id tell.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use crate::client::private::pack::{Reader, Torn, Writer};
use crate::e2e::address::{DAY_MS, Millis, Uid};
use crate::e2e::content::MessageId;
use crate::proto::time::Timestamp;

/// One message: where it is, and what an edited entry needs of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Whose conversation it is in.
    pub conversation: Uid,
    /// The number of its entry in the history.
    pub counter: u64,
    /// When it was taken, by this device's clock.
    pub taken: Millis,
    pub at: Timestamp,
    pub claimed: Timestamp,
    /// Edited or deleted: its entry is no longer what was sent.
    pub rewritten: bool,
}

/// The marks of all authors.
#[derive(Debug, Default)]
pub(super) struct Received {
    marks: BTreeMap<Uid, Author>,
}

#[derive(Debug, Default)]
struct Author {
    marks: BTreeMap<MessageId, Mark>,
    /// Invariant: all of `marks`, oldest first.
    order: BTreeSet<(u64, MessageId)>,
}

impl Received {
    pub fn get(&self, author: Uid, id: &MessageId) -> Option<&Mark> {
        self.marks.get(&author)?.marks.get(id)
    }

    /// Forgets what is too old to be sent again; returns what.
    pub fn expire(&mut self, now: Millis) -> Vec<(Uid, MessageId)> {
        let mut forgotten = Vec::new();
        for (author, of) in &mut self.marks {
            while let Some(&(counter, oldest)) = of.order.first() {
                if of.marks.get(&oldest).is_some_and(|mark| now.since(mark.taken) <= KEPT_MS) {
                    break;
                }
                of.order.remove(&(counter, oldest));
                of.marks.remove(&oldest);
                forgotten.push((*author, oldest));
            }
        }
        self.marks.retain(|_, of| !of.marks.is_empty());
        forgotten
    }

    /// Remembers one; returns those of the author that are forgotten for it.
    pub fn insert(&mut self, author: Uid, id: MessageId, mark: Mark) -> Vec<MessageId> {
        let of = self.marks.entry(author).or_default();
        if of.marks.insert(id, mark).is_none_or(|before| of.order.remove(&(before.counter, id))) {
            of.order.insert((mark.counter, id));
        }
        let mut forgotten = Vec::new();
        while let Some(&(counter, oldest)) = of.order.first() {
            let old = of.marks.get(&oldest).is_none_or(|oldest| mark.taken.since(oldest.taken) > KEPT_MS);
            if of.order.len() <= KEPT_MAX && !old {
                break;
            }
            of.order.remove(&(counter, oldest));
            of.marks.remove(&oldest);
            forgotten.push(oldest);
        }
        forgotten
    }
}

impl Mark {
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Mark { conversation, counter, taken, at, claimed, rewritten } = self;
        let mut out = Writer::with_capacity(41);
        for number in [conversation.0, *counter, taken.0, at.0, claimed.0] {
            out.u64(number);
        }
        out.u8(u8::from(*rewritten));
        out.finish()
    }

    pub fn decode(bytes: &[u8]) -> Result<Mark, Torn> {
        let mut input = Reader::new(bytes);
        let mark = Mark {
            conversation: Uid(input.u64()?),
            counter: input.u64()?,
            taken: Millis(input.u64()?),
            at: Timestamp(input.u64()?),
            claimed: Timestamp(input.u64()?),
            rewritten: input.u8()? == 1,
        };
        input.end()?;
        Ok(mark)
    }
}

/// The key of a row.
pub(super) fn key(author: Uid, id: &MessageId) -> Vec<u8> {
    [&author.0.to_be_bytes()[..], &id.0].concat()
}

/// Reads the key of a row.
pub(super) fn read_key(key: &[u8]) -> Result<(Uid, MessageId), Torn> {
    let mut input = Reader::new(key);
    let read = (Uid(input.u64()?), MessageId(*input.array()?));
    input.end()?;
    Ok(read)
}

/// Longer than an envelope waits at the server, and what is sent again after that.
pub const KEPT_MS: u64 = 40 * DAY_MS;
/// Of one author: all that its eight devices keep to send again, with room to spare.
pub const KEPT_MAX: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> MessageId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        MessageId(id)
    }

    fn mark(counter: u64, taken: u64) -> Mark {
        let (at, claimed) = (Timestamp(3), Timestamp(4));
        Mark { conversation: Uid(1), counter, taken: Millis(taken), at, claimed, rewritten: true }
    }

    #[test]
    fn the_oldest_are_forgotten_by_number_and_age() {
        let mut received = Received::default();
        for number in 0..KEPT_MAX as u64 {
            assert_eq!(received.insert(Uid(1), id(number), mark(number, 0)), []);
        }
        assert_eq!(received.insert(Uid(1), id(9_999), mark(9_999, 0)), [id(0)]);
        assert_eq!(received.insert(Uid(1), id(9_999), mark(9_999, 0)), [], "the same once more");
        assert!(received.get(Uid(1), &id(1)).is_some() && received.get(Uid(2), &id(1)).is_none());
        assert_eq!(received.insert(Uid(2), id(1), mark(10_000, 5)), []);
        assert_eq!(received.insert(Uid(2), id(2), mark(10_001, 5 + KEPT_MS)), []);
        assert_eq!(received.insert(Uid(2), id(3), mark(10_002, 6 + KEPT_MS)), [id(1)]);
        assert_eq!(received.expire(Millis(KEPT_MS)), [], "at the bound");
        let all = KEPT_MAX + 2;
        assert_eq!(received.expire(Millis(7 + 2 * KEPT_MS)).len(), all);
    }

    #[test]
    fn rows_come_back() {
        let mark = mark(7, 8);
        assert_eq!(Mark::decode(&mark.encode()), Ok(mark));
        assert_eq!(read_key(&key(Uid(5), &id(6))), Ok((Uid(5), id(6))));
        assert!(Mark::decode(&mark.encode()[1..]).is_err() && read_key(&[0; 23]).is_err());
    }
}
