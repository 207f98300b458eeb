//! What the server has still to be told: that a blob is not needed any more. It is kept until the server has
//! answered, so that neither a crash nor a line that is lost leaves something there that takes up room for
//! as long as files are kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::client::transfer::ledger::{Question, Reply, Unanswered, Want};
use crate::client::transfer::record::{Number, Owed};
use crate::proto::time::Instant;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Debts {
    debts: BTreeMap<Number, (Owed, Due)>,
}

/// When the server is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// It was, and has not answered.
    Asked,
    Later(Instant),
    Now,
}

impl Debts {
    /// Those of earlier sessions.
    pub fn new(kept: BTreeMap<Number, Owed>) -> Debts {
        Debts { debts: kept.into_iter().map(|(number, owed)| (number, (owed, Due::Now))).collect() }
    }

    pub fn owe(&mut self, owed: Owed, wants: &mut VecDeque<Want>) {
        if self.debts.len() >= DEBTS_MAX
            && let Some((oldest, _)) = self.debts.pop_first()
        {
            // The server will find out by itself when its time has come.
            wants.push_back(Want::Keep(Owed::removal(oldest)));
        }
        let last = self.debts.last_key_value().map_or(Number::OWED_FIRST, |(number, _)| *number);
        let number = Number(last.0.checked_add(1).unwrap_or(Number::OWED_FIRST.0));
        wants.push_back(Want::Keep(owed.change(number)));
        self.debts.insert(number, (owed, Due::Now));
    }

    /// There is a line again.
    pub fn connected(&mut self) {
        self.debts.values_mut().for_each(|(_, due)| *due = Due::Now);
    }

    pub fn advance(&mut self, now: Instant) {
        for (_, due) in self.debts.values_mut() {
            if matches!(due, Due::Later(until) if *until <= now) {
                *due = Due::Now;
            }
        }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        let later = self.debts.values().filter_map(|(_, due)| match due {
            Due::Later(until) => Some(*until),
            Due::Asked | Due::Now => None,
        });
        later.min()
    }

    /// The next question that is due; it is asked now.
    pub fn poll(&mut self) -> Option<Want> {
        let (&number, (owed, due)) = self.debts.iter_mut().find(|(_, (_, due))| *due == Due::Now)?;
        *due = Due::Asked;
        let question = match *owed {
            Owed::Decline(blob) => Question::Decline(blob),
            Owed::Delete(blob) => Question::Delete(blob),
        };
        Some(Want::Ask { number, question })
    }

    /// The answer to one of these questions, unless it is to another one.
    pub fn answered(
        &mut self,
        now: Instant,
        number: Number,
        answer: &Result<Reply, Unanswered>,
        wants: &mut VecDeque<Want>,
    ) -> bool {
        let Some((_, due)) = self.debts.get_mut(&number) else { return number >= Number::OWED_FIRST };
        if let Err(Unanswered::Passing(_)) = answer {
            *due = Due::Later(now + REST);
        } else {
            // It is gone, or was before, or the server will not: there is nothing more to be done.
            self.debts.remove(&number);
            wants.push_back(Want::Keep(Owed::removal(number)));
        }
        true
    }

    #[cfg(test)]
    pub fn blobs(&self) -> Vec<crate::client::transfer::record::Blob> {
        let blob = |owed: &Owed| match *owed {
            Owed::Decline(blob) | Owed::Delete(blob) => blob,
        };
        self.debts.values().map(|(owed, _)| blob(owed)).collect()
    }
}

/// More than a user leaves behind in a day without a line.
const DEBTS_MAX: usize = 1_000;
/// Before a server is asked again that had too much to do.
const REST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::transfer::record::Blob;

    #[test]
    fn there_are_so_many_and_no_more() {
        let (mut debts, mut wants) = (Debts::default(), VecDeque::new());
        for number in 0..=DEBTS_MAX {
            let mut blob = [0; 16];
            blob[..8].copy_from_slice(&number.to_be_bytes());
            debts.owe(Owed::Delete(Blob(blob)), &mut wants);
        }
        assert_eq!(debts.blobs().len(), DEBTS_MAX);
        let mut second = [0; 16];
        second[7] = 1;
        assert_eq!(debts.blobs()[0], Blob(second), "the oldest goes");
        assert_eq!(wants.len(), DEBTS_MAX + 2);
    }
}
