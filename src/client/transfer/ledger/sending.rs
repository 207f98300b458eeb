//! Files that go out: reserved, uploaded, finished, and told of.

use std::collections::VecDeque;
use std::path::PathBuf;

use crate::client::transfer::job::{Job, Order, Upload};
use crate::client::transfer::ledger::news::{News, Took, What};
use crate::client::transfer::ledger::{
    ENTRIES_MAX, Entry, Fresh, Ledger, Question, RESTARTS_MAX, Reply, State, Topic, Want,
};
use crate::client::transfer::piece::Plan;
use crate::client::transfer::place::Stamp;
use crate::client::transfer::record::{self, Blob, Hash, Number, Owed, Record, Sending};
use crate::e2e::content::FileNote;
use crate::e2e::file::{ChunkTag, FileKey, PREFIX_BYTES};
use crate::proto::name::{RoomName, UserName};
use crate::proto::time::Instant;

/// A file that somebody wants to send.
#[derive(Clone, Debug)]
pub struct Wish {
    pub path: PathBuf,
    pub stamp: Stamp,
    /// What it is called there.
    pub name: String,
    pub room: Option<RoomName>,
    pub readers: Vec<UserName>,
}

/// Why a wish was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwilling {
    Nobody,
    TooLarge,
    TooMany,
}

impl std::fmt::Display for Unwilling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unwilling::Nobody => "there is nobody who could receive it",
            Unwilling::TooLarge => "no file may be that large",
            Unwilling::TooMany => "there are too many files on their way",
        })
    }
}

impl Ledger {
    /// A transfer of this file that is not over, as it was when an earlier session was interrupted: to
    /// the same person, or in the same room, whoever was there then. If the file has changed since, it is one
    /// that rests before all of it was sent: it begins anew, and the old content is sent by nobody.
    pub fn find(&self, wish: &Wish) -> Option<Number> {
        let same = |entry: &&Entry| {
            let Record::Sending(sending) = &entry.record else { return false };
            let place = (&sending.path, &sending.room) == (&wish.path, &wish.room.as_ref().map(shown_room));
            let rests = matches!(entry.state, State::Resting | State::Waiting { .. });
            let content = sending.stamp == wish.stamp || rests && sending.whole.is_none();
            let readers = wish.room.is_some() || sending.readers == shown_users(&wish.readers);
            place && content && readers
        };
        self.entries().find(same).map(Entry::number)
    }

    /// A number for a transfer to come.
    pub fn reserve(&mut self) -> Number {
        self.next_number()
    }

    /// Begins to send a file.
    pub fn send(
        &mut self,
        now: Instant,
        number: Number,
        wish: Wish,
        fresh: &mut dyn Fresh,
    ) -> Result<(), Unwilling> {
        let Wish { path, stamp, name, room, readers } = wish;
        if readers.is_empty() {
            return Err(Unwilling::Nobody);
        }
        Plan::new(stamp.size).map_err(|_| Unwilling::TooLarge)?;
        if self.entries.len() >= ENTRIES_MAX {
            return Err(Unwilling::TooMany);
        }
        let (key, prefix) = new_key(fresh);
        let record = Record::Sending(Sending {
            path,
            stamp,
            name,
            room: room.as_ref().map(shown_room),
            readers: shown_users(&readers),
            told: false,
            key,
            prefix,
            blob: None,
            whole: None,
        });
        let entry = Entry::new(number, record, State::Waiting { until: now, why: None });
        entry.keep(&mut self.wants);
        self.entries.insert(number, entry);
        self.advance(now);
        Ok(())
    }

    /// The message to a reader was taken, or why it was not. Once it is kept that it was, the message
    /// must be, too: both belong into one transaction.
    pub fn noted(&mut self, now: Instant, number: Number, reader: &UserName, outcome: Result<(), String>) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let (State::Noting(left), Record::Sending(sending)) = (&mut entry.state, &mut entry.record) else {
            return;
        };
        *left = left.saturating_sub(1);
        let left = *left;
        sending.readers.retain(|name| **name != **reader.shown());
        match outcome {
            Ok(()) => (entry.told, sending.told) = (entry.told + 1, true),
            Err(why) => {
                let what = What::NotTold { reader: reader.shown().to_string(), why: why.into() };
                // One reader alone: that is all there is to say about the file.
                entry.untold = Some(News::about(entry, what));
                if entry.people.len() > 1 {
                    self.wants.extend(entry.untold.clone().map(Want::News));
                }
            }
        }
        if left > 0 {
            return entry.keep(&mut self.wants);
        }
        let others = matches!(&entry.record, Record::Sending(sending) if sending.told);
        let took = entry.took(now);
        match entry.untold.take() {
            Some(News { what: What::NotTold { why, .. }, .. }) if entry.told == 0 => {
                // Whoever was told in an earlier session still needs it.
                self.end(number, What::Failed { why }, !others);
            }
            _ => self.end(number, What::Sent { took }, false),
        }
    }

    /// The file, or the blob at the server, is not what it was: with a new key everything begins anew,
    /// since nothing else may ever be sealed under the old one.
    pub(super) fn begin_anew(
        &mut self,
        now: Instant,
        number: Number,
        stamp: Option<Stamp>,
        fresh: &mut dyn Fresh,
    ) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        let Record::Sending(sending) = &mut entry.record else { return };
        entry.restarts += 1;
        if entry.restarts > RESTARTS_MAX {
            return self.fail(number, "it changes faster than it can be sent".into());
        }
        if let Some(blob) = sending.blob.take() {
            self.debts.owe(Owed::Delete(blob), &mut self.wants);
        }
        (sending.key, sending.prefix) = new_key(fresh);
        sending.whole = None;
        sending.stamp = stamp.unwrap_or(sending.stamp);
        let groups = std::mem::take(&mut entry.groups);
        let gone = record::tags_removal(number, &groups);
        self.wants.extend(gone.into_iter().map(Want::Keep));
        (entry.tags, entry.sha256, entry.meter) = (Vec::new(), None, None);
        entry.state = State::Waiting { until: now, why: None };
        entry.keep(&mut self.wants);
        if stamp.is_some() {
            self.wants.push_back(Want::News(News::about(entry, What::Anew)));
        }
    }
}

impl Entry {
    pub(super) fn begin_sending(&mut self, wants: &mut VecDeque<Want>) {
        let Record::Sending(sending) = &self.record else { return };
        match (&sending.whole, sending.blob, &self.sha256) {
            (Some(_), _, _) => self.note(wants),
            (None, None, _) => {
                // It was possible when the wish was taken.
                let size = Plan::new(sending.stamp.size).map_or(u64::MAX, |plan| plan.blob_bytes());
                let readers = u32::try_from(sending.readers.len()).unwrap_or(u32::MAX);
                self.ask(Topic::Upload, Question::Upload { size, readers }, wants);
            }
            (None, Some(blob), Some(_)) => self.ask(Topic::Finish, Question::Finish(blob), wants),
            (None, Some(blob), None) => self.ask(Topic::Status, Question::Status(blob), wants),
        }
    }

    pub(super) fn handle_reply(
        &mut self,
        now: Instant,
        topic: Topic,
        reply: Reply,
        wants: &mut VecDeque<Want>,
    ) {
        let Record::Sending(sending) = &mut self.record else { return };
        match (topic, reply) {
            (Topic::Upload, Reply::Begun(blob)) => {
                sending.blob = Some(blob);
                self.keep(wants);
                self.start_upload(blob, 0, wants);
            }
            // Complete, and nobody kept it: the SHA-256 of the blob is computed once more, from the file.
            (Topic::Status, Reply::Stored { stored, complete: _ }) => {
                if let Some(blob) = sending.blob {
                    self.start_upload(blob, stored, wants);
                }
            }
            (Topic::Finish, Reply::Done) => {
                sending.whole = self.sha256.map(Hash);
                self.keep(wants);
                self.note(wants);
            }
            (_, _) => self.wait(now, "the server gave another answer than it was asked for".into(), wants),
        }
    }

    fn start_upload(&mut self, blob: Blob, stored: u64, wants: &mut VecDeque<Want>) {
        let Record::Sending(sending) = &self.record else { return };
        let job = Job::Upload(Upload {
            path: sending.path.clone(),
            stamp: sending.stamp,
            blob,
            key: sending.key.duplicate(),
            prefix: sending.prefix,
            tags: self.tags.clone(),
            stored,
        });
        self.state = State::Moving;
        wants.push_back(Want::Start { number: self.number, job });
    }

    pub(super) fn keep_tags(&mut self, first: u32, tags: &[ChunkTag], wants: &mut VecDeque<Want>) {
        let known = &mut self.tags;
        assert_eq!(known.len(), first as usize, "a worker tells every chunk once, and in order");
        known.extend_from_slice(tags);
        // Not more than there are chunks, which are counted so.
        let kept = u32::try_from(known.len()).unwrap_or(u32::MAX);
        self.groups.push(first);
        wants.push_back(Want::Keep(record::tags_change(self.number, first, tags)));
        let order = Order::Kept(kept);
        wants.push_back(Want::Tell { number: self.number, order });
    }

    pub(super) fn handle_sent(&mut self, now: Instant, sha256: [u8; 32], wants: &mut VecDeque<Want>) {
        let Record::Sending(Sending { blob: Some(blob), .. }) = self.record else { return };
        self.sha256 = Some(sha256);
        if let Some(meter) = &mut self.meter {
            meter.sample(now, meter.total());
        }
        self.ask(Topic::Finish, Question::Finish(blob), wants);
    }

    /// Tells every reader where the file is, and how it is opened.
    fn note(&mut self, wants: &mut VecDeque<Want>) {
        let Record::Sending(sending) = &self.record else { return };
        let (Some(Blob(blob)), Some(Hash(sha256))) = (sending.blob, sending.whole) else { return };
        let readers: Vec<UserName> =
            sending.readers.iter().filter_map(|name| UserName::parse(name).ok()).collect();
        let notes = readers.into_iter().map(|reader| {
            let note = FileNote {
                blob,
                key: sending.key.duplicate(),
                size: sending.stamp.size,
                sha256,
                name: sending.name.clone(),
                mime: MIME.to_owned(),
            };
            Want::Note { number: self.number, reader, note }
        });
        let notes: Vec<Want> = notes.collect();
        self.state = State::Noting(notes.len());
        wants.extend(notes);
    }

    /// How long it took, as far as this session knows.
    pub(super) fn took(&self, now: Instant) -> Took {
        let (rate, time) = self.meter.as_ref().map(|meter| meter.overall(now)).unwrap_or_default();
        let sha256 = match &self.record {
            Record::Receiving(receiving) => receiving.note.sha256,
            Record::Sending(sending) => sending.whole.map(|Hash(sha256)| sha256).unwrap_or_default(),
        };
        Took { time, rate, sha256 }
    }
}

fn shown_room(room: &RoomName) -> String {
    room.shown().trim_start_matches('#').to_owned()
}

fn shown_users(users: &[UserName]) -> Vec<String> {
    users.iter().map(|user| user.shown().to_string()).collect()
}

fn new_key(fresh: &mut dyn Fresh) -> (FileKey, [u8; PREFIX_BYTES]) {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    let mut prefix = [0; PREFIX_BYTES];
    fresh.fill(&mut *key);
    fresh.fill(&mut prefix);
    (FileKey::from_bytes(&key), prefix)
}

/// Nobody is told what kind of file it is but by its name; what arrives is never opened by itself.
const MIME: &str = "application/octet-stream";
