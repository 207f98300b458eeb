//! Searching the history: every row is opened and looked at. An index would be a list of words that
//! lies open beside the sealed rows, or a second thing to seal; and a hundred thousand messages take
//! some tenths of a second.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

use zeroize::Zeroizing;

use crate::client::private::row::Table;
use crate::client::vault::error::VaultError;
use crate::client::vault::{Vault, history_key};
use crate::e2e::address::Uid;

/// What was searched for: all of these words, wherever and in whatever case.
pub struct Words(Vec<Zeroizing<String>>);

impl Words {
    /// The words of a text; one without any finds nothing.
    pub fn new(text: &str) -> Words {
        Words(text.split_whitespace().map(fold).collect())
    }

    /// Whether they are all in this text.
    pub fn are_in(&self, text: &str) -> bool {
        let text = fold(text);
        !self.0.is_empty() && self.0.iter().all(|word| text.contains(word.as_str()))
    }
}

/// The folded text is as secret as the text.
fn fold(text: &str) -> Zeroizing<String> {
    Zeroizing::new(caseless::default_case_fold_str(text))
}

/// A row that was found.
pub struct Found {
    pub peer: Uid,
    pub counter: u64,
    pub value: Zeroizing<Vec<u8>>,
}

impl Found {
    fn order(&self) -> (u64, u64) {
        (self.counter, self.peer.0)
    }
}

impl Vault {
    /// The newest `limit` rows of the history that are wanted, with one peer or with all, and below a
    /// counter. Counters count up over all peers. Those that cannot be opened are not found;
    /// [`Vault::history`] counts them.
    pub fn search(
        &self,
        peer: Option<Uid>,
        before: Option<u64>,
        limit: usize,
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<Vec<Found>, VaultError> {
        let row_key = self.keys.of(Table::History);
        let (from, to) = (peer.unwrap_or(Uid(0)), peer.unwrap_or(Uid(u64::MAX)));
        let (first, last) = (history_key(from, 0), history_key(to, u64::MAX));
        let mut best: BinaryHeap<Reverse<Found>> = BinaryHeap::new();
        self.database.history_between(&first, &last, |key, sealed| {
            let Some((peer, counter)) = read_key(key) else { return Ok(()) };
            let newest =
                best.len() < limit || best.peek().is_some_and(|Reverse(last)| last.counter < counter);
            if !newest || before.is_some_and(|before| counter >= before) {
                return Ok(());
            }
            let Ok(value) = row_key.open(key, sealed) else { return Ok(()) };
            if wanted(&value) {
                best.push(Reverse(Found { peer, counter, value }));
                if best.len() > limit {
                    best.pop();
                }
            }
            Ok(())
        })?;
        Ok(best.into_sorted_vec().into_iter().map(|Reverse(found)| found).collect())
    }
}

fn read_key(key: &[u8]) -> Option<(Uid, u64)> {
    let (peer, counter) = key.split_first_chunk::<8>()?;
    Some((Uid(u64::from_be_bytes(*peer)), u64::from_be_bytes(counter.try_into().ok()?)))
}

impl PartialEq for Found {
    fn eq(&self, other: &Found) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Found {}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Found) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Found {
    fn cmp(&self, other: &Found) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { peer, counter, value: _ } = self;
        write!(f, "Found({}, {counter})", peer.0)
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Words(words) = self;
        write!(f, "Words({})", words.len())
    }
}
