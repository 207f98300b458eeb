//! Which of the messages that are kept a person was shown: a mark in the vault, so that what was kept in the
//! moment in which a program was killed, or while one ran that shows none, is shown by the next.
//!
//! The mark is the number of an entry of the history. It moves on when whoever shows events asks for the next
//! ones, because then they are shown. So a crash may have a message shown twice, and never not at all; in the
//! history it is once.

use crate::client::link::Link;
use crate::client::link::keys::Past;
use crate::client::private::history::{Record, RecordKind};
use crate::client::private::row::{Change, SHOWN, Table};
use crate::client::scrollback::Kind;
use crate::client::session::event::{Event, Place};
use crate::client::vault::VaultError;
use crate::e2e::address::Uid;

/// What a vault has for that.
#[derive(Default)]
pub(super) struct Showing {
    /// The last entry that was shown; `None` if that was never kept.
    mark: Option<u64>,
    /// Somebody shows what this link tells.
    begun: bool,
    /// The last entry of what was told and is not known to be shown.
    due: Option<u64>,
}

impl Showing {
    /// From the row that was kept.
    pub fn restore(row: Option<&[u8]>) -> Showing {
        let mark = row.and_then(|row| row.try_into().ok()).map(u64::from_be_bytes);
        Showing { mark, ..Showing::default() }
    }
}

impl Link {
    /// From now on what this link tells counts as shown once it is polled again. Returns the messages of
    /// others that were kept before and were not, oldest first.
    pub fn begin_showing(&mut self) -> Result<Vec<Past>, VaultError> {
        let (Some(keeping), Some(private)) = (&mut self.keeping, self.session.private()) else {
            return Ok(Vec::new());
        };
        let last = private.last_entry();
        (keeping.showing.begun, keeping.showing.due) = (true, Some(last));
        // One of an earlier version has shown all that it kept, as far as anybody knows.
        let Some(mark) = keeping.showing.mark.filter(|mark| *mark < last) else { return Ok(Vec::new()) };
        let peers: Vec<Uid> = private.peers().map(|peer| peer.uid()).collect();
        let mut found = Vec::new();
        for peer in peers {
            found.extend(
                self.entries_after(peer, mark)?.into_iter().map(|(counter, record)| (counter, peer, record)),
            );
        }
        found.sort_unstable_by_key(|(counter, ..)| *counter);
        let skipped = found.len().saturating_sub(SHOWN_AT_ONCE_MAX);
        let past = found.drain(skipped..).map(|(_, peer, record)| self.past(peer, &record));
        Ok(past.collect())
    }

    /// Messages of somebody behind this entry, newest first.
    fn entries_after(&self, peer: Uid, mark: u64) -> Result<Vec<(u64, Record)>, VaultError> {
        let mut found = Vec::new();
        let Some(keeping) = &self.keeping else { return Ok(found) };
        let mut before = None;
        while found.len() < SHOWN_AT_ONCE_MAX {
            let page = keeping.vault.history(peer, before, PAGE)?;
            let is_last = page.rows.len() + page.damaged < PAGE;
            before = page.rows.last().map(|(counter, _)| *counter);
            for (counter, value) in page.rows.iter().take_while(|(counter, _)| *counter > mark) {
                let record = Record::decode(value).ok().filter(|record| !record.own && is_message(record));
                found.extend(record.map(|record| (*counter, record)));
            }
            if is_last || before.is_none_or(|before| before <= mark) {
                break;
            }
        }
        Ok(found)
    }

    /// Whoever polls has shown what it was told before.
    pub(super) fn note_shown(&mut self) {
        let Some(keeping) = &mut self.keeping else { return };
        let Some(due) = keeping.showing.due.take() else { return };
        if keeping.showing.mark.is_some_and(|mark| mark >= due) {
            return;
        }
        keeping.showing.mark = Some(due);
        let value = Some(due.to_be_bytes().to_vec().into());
        // Why it failed is said by the session.
        let _ = self.store_with(vec![Change { table: Table::Device, key: SHOWN.to_vec(), value }]);
    }

    /// Whoever polls is told this.
    pub(super) fn note_told(&mut self, events: &[Event]) {
        let is_theirs = |event: &Event| match event {
            Event::Line { place: Place::Person(_), line, .. } => {
                !line.own && matches!(line.kind, Kind::Say | Kind::Me)
            }
            _ => false,
        };
        let Some(last) = self.session.private().map(|private| private.last_entry()) else { return };
        if let Some(keeping) = self.keeping.as_mut().filter(|keeping| keeping.showing.begun)
            && events.iter().any(is_theirs)
        {
            keeping.showing.due = Some(last);
        }
    }
}

fn is_message(record: &Record) -> bool {
    matches!(record.kind, RecordKind::FileNote | RecordKind::Reaction | RecordKind::Text)
}

/// Messages that are shown at a start; older ones are in the history, and who was away for so long looks
/// there.
const SHOWN_AT_ONCE_MAX: usize = 1_000;
/// Entries that are read at a time.
const PAGE: usize = 100;
