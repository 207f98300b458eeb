//! Numbered messages, and a ledger of which of them arrived where.
//!
//! A message ends with who sent it and its number among that sender's messages: ` 0003 00001234`.
//! Every receiver must get the numbers of each sender without a gap, once, in order; and all receivers
//! of a room must see the senders interleaved in the same way.

use std::collections::HashSet;

use crate::figures::Figure;

/// A message that makes a line of this many bytes, line end included, when `around` bytes of it are
/// not the message.
pub fn text(sender: usize, number: u32, line_bytes: usize, around: usize) -> String {
    let padding = line_bytes.saturating_sub(around + TAIL_BYTES + 1);
    format!("{:x<padding$} {sender:04} {number:08}", "")
}

/// What the server puts around a room message: `[HH:MM] #room <name> ` before, the line end behind.
pub fn around_room(room: &str, name: &str) -> usize {
    "[00:00] ".len() + room.len() + " <".len() + name.len() + "> ".len()
}

/// The sender and the number, if the line ends with them.
pub fn parse(line: &[u8]) -> Option<(usize, u32)> {
    let tail = line.last_chunk::<TAIL_BYTES>()?;
    if tail[0] != b' ' || tail[5] != b' ' {
        return None;
    }
    let sender = digits(&tail[1..5])?;
    Some((usize::try_from(sender).ok()?, digits(&tail[6..])?))
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes
        .iter()
        .try_fold(0u32, |number, &byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}

pub struct Ledger {
    senders: usize,
    /// By receiver and sender: the number that comes next.
    next: Vec<u32>,
    /// By receiver: messages that arrived, each counted once.
    pub received: Vec<u64>,
    /// By receiver: a digest of the order in which they came.
    order: Vec<u64>,
    pub deliveries: u64,
    /// Jumped over and not seen yet.
    missing: HashSet<(usize, usize, u32)>,
    reordered: u64,
    doubled: u64,
    /// Numbers start again from 0 here; the bare loop sends the same lines over and over.
    cycle: u32,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub lost: u64,
    pub reordered: u64,
    pub doubled: u64,
    /// Receivers that saw the senders interleaved in another way than the first receiver.
    pub disagreeing: u64,
}

impl Ledger {
    pub fn new(receivers: usize, senders: usize) -> Ledger {
        Ledger {
            senders,
            next: vec![0; receivers * senders],
            received: vec![0; receivers],
            order: vec![0; receivers],
            deliveries: 0,
            missing: HashSet::new(),
            reordered: 0,
            doubled: 0,
            cycle: u32::MAX,
        }
    }

    pub fn with_cycle(mut self, cycle: u32) -> Ledger {
        self.cycle = cycle;
        self
    }

    pub fn record(&mut self, receiver: usize, sender: usize, number: u32) {
        if sender >= self.senders {
            return;
        }
        self.deliveries += 1;
        self.received[receiver] += 1;
        let seen = (sender as u64) << 32 | u64::from(number);
        self.order[receiver] = (self.order[receiver] ^ seen).wrapping_mul(ORDER_FACTOR);
        let next = &mut self.next[receiver * self.senders + sender];
        if number == *next {
            *next = if number + 1 == self.cycle { 0 } else { number + 1 };
        } else {
            self.irregular(receiver, sender, number);
        }
    }

    #[cold]
    fn irregular(&mut self, receiver: usize, sender: usize, number: u32) {
        let next = &mut self.next[receiver * self.senders + sender];
        if number > *next {
            // Beyond this many the verdict is clear, and memory matters more than the exact count.
            let gap = (*next..number).take(MISSING_MAX.saturating_sub(self.missing.len()));
            self.missing.extend(gap.map(|number| (receiver, sender, number)));
            *next = number + 1;
        } else if self.missing.remove(&(receiver, sender, number)) {
            self.reordered += 1;
        } else {
            self.doubled += 1;
            self.deliveries -= 1;
            self.received[receiver] -= 1;
        }
    }

    /// The verdict, once everything sent has had time to arrive. `sent` is by sender; `hears` tells
    /// whether this receiver should get what that sender says.
    pub fn faults(&self, sent: &[u32], hears: impl Fn(usize, usize) -> bool) -> Faults {
        let mut lost = self.missing.len() as u64;
        for receiver in 0..self.received.len() {
            for (sender, &sent) in sent.iter().enumerate().filter(|(sender, _)| hears(receiver, *sender)) {
                lost += u64::from(sent.saturating_sub(self.next[receiver * self.senders + sender]));
            }
        }
        // Who hears everybody saw the room's own order; a sender misses its own lines.
        let mut orders = (0..self.received.len())
            .filter(|&receiver| (0..sent.len()).all(|sender| hears(receiver, sender)));
        let first = orders.next().map(|receiver| self.order[receiver]);
        let disagreeing = orders.filter(|&receiver| Some(self.order[receiver]) != first).count() as u64;
        Faults { lost, reordered: self.reordered, doubled: self.doubled, disagreeing }
    }
}

impl Faults {
    pub fn add(&mut self, other: Faults) {
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.doubled += other.doubled;
        self.disagreeing += other.disagreeing;
    }

    pub fn figure(&self) -> Figure {
        let Faults { lost, reordered, doubled, disagreeing } = self;
        let sum = lost + reordered + doubled + disagreeing;
        Figure::new("messages lost, reordered, doubled, in another order", sum as f64, "")
            .note(format!("{lost}, {reordered}, {doubled}, {disagreeing}"))
    }
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Faults) {
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.doubled += other.doubled;
        self.disagreeing += other.disagreeing;
    }
}

/// Bytes of ` 0003 00001234`.
const TAIL_BYTES: usize = 14;
const MISSING_MAX: usize = 100_000;
/// Knuth's multiplicative constant: odd, so that no digest is forgotten.
const ORDER_FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivered_line_has_the_size_asked_for() {
        let text = text(3, 1234, 100, around_room("#fan", "s0003"));
        let line = format!("[12:00] #fan <s0003> {text}\n");
        assert_eq!(line.len(), 100);
        assert_eq!(parse(line.trim_end().as_bytes()), Some((3, 1234)));
    }

    #[test]
    fn other_lines_are_no_messages() {
        for line in ["", "*** end of history of #fan", "x 0003 0000123a", "x0003 00001234"] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn the_ledger_tells_what_went_wrong() {
        let verdict = |numbers: &[u32], sent: u32| {
            let mut ledger = Ledger::new(1, 1);
            numbers.iter().for_each(|&number| ledger.record(0, 0, number));
            let Faults { lost, reordered, doubled, .. } = ledger.faults(&[sent], |_, _| true);
            (lost, reordered, doubled)
        };
        assert_eq!(verdict(&[0, 1, 2, 3], 4), (0, 0, 0));
        assert_eq!(verdict(&[0, 1, 2], 4), (1, 0, 0));
        assert_eq!(verdict(&[0, 3], 4), (2, 0, 0));
        assert_eq!(verdict(&[0, 2, 1, 3], 4), (0, 1, 0));
        assert_eq!(verdict(&[0, 1, 1, 2], 3), (0, 0, 1));
    }

    #[test]
    fn receivers_that_see_another_order_are_counted() {
        let mut ledger = Ledger::new(3, 2);
        for (receiver, order) in [(0, [0, 1]), (1, [0, 1]), (2, [1, 0])] {
            order.iter().for_each(|&sender| ledger.record(receiver, sender, 0));
        }
        assert_eq!(ledger.faults(&[1, 1], |_, _| true).disagreeing, 1);
    }

    #[test]
    fn numbers_that_start_again_are_no_fault() {
        let mut ledger = Ledger::new(1, 1).with_cycle(2);
        [0, 1, 0, 1, 0].iter().for_each(|&number| ledger.record(0, 0, number));
        assert_eq!(ledger.faults(&[0], |_, _| true), Faults::default());
    }
}
