//! Files that come in: offered, accepted or declined, fetched, and given their name.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::client::transfer::job::{Download, Job, Order};
use crate::client::transfer::ledger::debts::Debts;
use crate::client::transfer::ledger::news::{News, What};
use crate::client::transfer::ledger::{ENTRIES_MAX, Entry, Ledger, OFFERS_EACH_MAX, State, Want};
use crate::client::transfer::part::{Half, Part};
use crate::client::transfer::record::{Blob, Making, Number, Owed, Receiving, Record, Sending, Stage};
use crate::e2e::content::FileNote;
use crate::proto::name::UserName;
use crate::proto::time::Instant;

/// What came of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is known already.
    Known(Number),
    New(Number),
    /// There are too many; it was not kept.
    TooMany,
}

/// Why something cannot be done to a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is not an offer, or not one any more.
    NotOffered,
    /// There is none of this number.
    Unknown,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unfit::NotOffered => "no-such-file: this is no file that waits for an answer",
            Unfit::Unknown => "no-such-file: there is no file of this number; /files lists them",
        })
    }
}

impl Ledger {
    /// Somebody offers a file.
    pub fn offered(&mut self, from: &UserName, verified: bool, note: FileNote) -> Offer {
        let receiving = |entry: &&Entry| match &entry.record {
            Record::Receiving(known) => known.note.blob == note.blob,
            Record::Sending(_) => false,
        };
        if let Some(known) = self.entries().find(receiving) {
            return Offer::Known(known.number);
        }
        let from = from.shown().to_string();
        let his = |entry: &&Entry| matches!(&entry.record, Record::Receiving(other) if other.from == from);
        if self.entries.len() >= ENTRIES_MAX || self.offers().filter(his).count() >= OFFERS_EACH_MAX {
            return Offer::TooMany;
        }
        let record = Record::Receiving(Receiving { from, verified, note, stage: Stage::Offered });
        let number = self.next_number();
        let entry = Entry::new(number, record, State::Offered);
        entry.keep(&mut self.wants);
        self.wants.push_back(Want::News(News::about(&entry, What::Offered)));
        self.entries.insert(number, entry);
        Offer::New(number)
    }

    /// The newest offer, for commands that name none.
    pub fn newest_offer(&self) -> Option<Number> {
        self.offers().map(Entry::number).last()
    }

    /// The user wants a file, in this directory.
    pub fn accept(&mut self, now: Instant, number: Number, into: PathBuf) -> Result<(), Unfit> {
        let entry = self.entries.get_mut(&number).ok_or(Unfit::Unknown)?;
        match &mut entry.record {
            Record::Receiving(receiving) if entry.state == State::Offered => {
                receiving.stage = Stage::Accepted { into, part: None, making: None };
            }
            _ => return Err(Unfit::NotOffered),
        }
        entry.state = State::Waiting { until: now, why: None };
        entry.keep(&mut self.wants);
        self.advance(now);
        Ok(())
    }

    /// The user does not want a file.
    pub fn decline(&mut self, number: Number) -> Result<(), Unfit> {
        let entry = self.entries.get(&number).ok_or(Unfit::Unknown)?;
        if entry.state != State::Offered {
            return Err(Unfit::NotOffered);
        }
        self.settle(number);
        self.end(number, What::Declined, false);
        Ok(())
    }

    /// The user does not want a transfer to go on. A file that comes in is an offer again.
    pub fn cancel(&mut self, now: Instant, number: Number) -> Result<(), Unfit> {
        let entry = self.entries.get(&number).ok_or(Unfit::Unknown)?;
        match &entry.record {
            Record::Receiving(_) if entry.state == State::Offered => self.decline(number)?,
            Record::Receiving(_) => self.offer_again(number, What::Cancelled),
            Record::Sending(_) => self.end(number, What::Cancelled, true),
        }
        self.advance(now);
        Ok(())
    }

    /// Takes back that a file was accepted, with all that there is of it.
    pub(super) fn offer_again(&mut self, number: Number, what: What) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        entry.clean_up(&mut self.debts, &mut self.wants);
        if let Record::Receiving(receiving) = &mut entry.record {
            receiving.stage = Stage::Offered;
        }
        (entry.state, entry.meter, entry.interruptions) = (State::Offered, None, 0);
        entry.keep(&mut self.wants);
        self.wants.push_back(Want::News(News::about(entry, what)));
    }

    /// The server need not keep the blob for this account.
    fn settle(&mut self, number: Number) {
        if let Some(Record::Receiving(receiving)) = self.entries.get(&number).map(Entry::record) {
            self.debts.owe(Owed::Decline(Blob(receiving.note.blob)), &mut self.wants);
        }
    }

    pub(super) fn handle_placed(&mut self, now: Instant, number: Number, path: Option<PathBuf>) {
        let Some(entry) = self.entries.get(&number) else { return };
        let took = entry.took(now);
        if self.settles {
            self.settle(number);
        }
        self.end(number, What::Received { path, took }, false);
    }
}

impl Entry {
    pub(super) fn begin_receiving(&mut self, wants: &mut VecDeque<Want>) {
        let Record::Receiving(Receiving { note, stage, .. }) = &self.record else { return };
        let (into, part, making, whole) = match stage {
            Stage::Accepted { into, part, making } => (into.clone(), part.clone(), making.clone(), false),
            Stage::Whole { part } => (PathBuf::new(), Some(part.clone()), None, true),
            Stage::Offered => return,
        };
        let job = Job::Download(Download {
            blob: Blob(note.blob),
            key: note.key.duplicate(),
            size: note.size,
            sha256: note.sha256,
            name: note.name.clone(),
            into,
            part,
            making: making.map(|Making(path)| path),
            whole,
        });
        self.state = State::Moving;
        wants.push_back(Want::Start { number: self.number, job });
    }

    /// Whatever happens from now on, what is made there is known to be the half of this file.
    pub(super) fn keep_making(&mut self, path: &Path, wants: &mut VecDeque<Want>) {
        let Record::Receiving(receiving) = &mut self.record else { return };
        if let Stage::Accepted { part, making, .. } = &mut receiving.stage {
            (*part, *making) = (None, Some(Making(path.to_path_buf())));
            self.keep(wants);
            wants.push_back(Want::Tell { number: self.number, order: Order::Make });
        }
    }

    pub(super) fn keep_part(&mut self, made: Part, wants: &mut VecDeque<Want>) {
        let Record::Receiving(receiving) = &mut self.record else { return };
        if let Stage::Accepted { part, .. } = &mut receiving.stage {
            *part = Some(made);
            self.keep(wants);
            wants.push_back(Want::Tell { number: self.number, order: Order::Write });
        }
    }

    pub(super) fn handle_verified(&mut self, wants: &mut VecDeque<Want>) {
        let Record::Receiving(receiving) = &mut self.record else { return };
        let Stage::Accepted { part: Some(part), .. } = &receiving.stage else { return };
        receiving.stage = Stage::Whole { part: part.clone() };
        self.keep(wants);
        wants.push_back(Want::Tell { number: self.number, order: Order::Settle });
    }

    /// Takes away what there is of it beside its rows: a worker, half a file, a blob at the server.
    pub(super) fn clean_up(&self, debts: &mut Debts, wants: &mut VecDeque<Want>) {
        if self.state == State::Moving {
            wants.push_back(Want::CallOff { number: self.number });
        }
        match &self.record {
            Record::Receiving(Receiving { stage, .. }) => match stage {
                Stage::Accepted { part: None, making: None, .. } | Stage::Offered => {}
                Stage::Accepted { part, making, .. } => wants.push_back(Want::Remove(Half {
                    draft: making.clone().map(|Making(path)| path),
                    part: part.clone(),
                })),
                Stage::Whole { part } => {
                    wants.push_back(Want::Remove(Half { draft: None, part: Some(part.clone()) }));
                }
            },
            Record::Sending(Sending { blob: Some(blob), .. }) => debts.owe(Owed::Delete(*blob), wants),
            Record::Sending(_) => {}
        }
    }
}
