//! All transfers of a user: what there is, whose turn it is, and what comes next. A pure state machine:
//! no socket, no file, no clock, no randomness of its own.
//!
//! ```text
//! sending                                        receiving
//!
//! Waiting ─► Asking ─► Moving ─► Asking          Offered ◄─── cancel ────┐
//!    ▲      (upload,      │     (finish)            │ accept             │
//!    │       status)      │        │                ▼                    │
//!    └─── interrupted ────┘        ▼             Waiting ─► Moving ──────┤
//!                               Noting              ▲         │ verified │
//!                      (a message to each reader)   └─────────┘          ▼
//!                                  │                            placed: over
//!                                  ▼
//!                                 over
//! ```
//!
//! Wishes of the user, answers of the server and reports of workers go in; [`Want`]s come out, which
//! have to be done in their order: what is to be kept must be kept before anything behind it happens.
//! So a crash never leaves less than what others were told.

mod debts;
pub mod news;
pub mod receiving;
pub mod sending;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::client::private::row::{Change, Rows};
use crate::client::transfer::job::{Job, Order, Report, Trouble};
use crate::client::transfer::ledger::debts::Debts;
use crate::client::transfer::ledger::news::{News, What};
use crate::client::transfer::pace::Meter;
use crate::client::transfer::part::Half;
use crate::client::transfer::record::{self, Blob, Kept, Number, Owed, Receiving, Record, Sending, Stage};
use crate::client::transfer::transfers::Focus;
use crate::e2e::content::FileNote;
use crate::e2e::file::ChunkTag;
use crate::proto::name::UserName;
use crate::proto::time::Instant;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<Number, Entry>,
    debts: Debts,
    wants: VecDeque<Want>,
    /// Questions can be asked.
    online: bool,
    /// What was received need not stay at the server: no other device of this user may want it.
    settles: bool,
    last: u64,
}

/// A transfer, or an offer of one.
#[derive(Debug)]
pub struct Entry {
    number: Number,
    record: Record,
    state: State,
    /// There since a worker has begun.
    meter: Option<Meter>,
    /// Invariant: of all chunks that were ever sealed under its key, and seen by anybody.
    tags: Vec<ChunkTag>,
    /// The first chunks of its rows of tags.
    groups: Vec<u32>,
    /// Who it is for, or from: also those who were told already.
    people: Vec<String>,
    /// Of the blob, once all of it was sent.
    sha256: Option<[u8; 32]>,
    /// Readers who were told, and one who was not.
    told: usize,
    untold: Option<News>,
    /// How often it began anew with another key.
    restarts: u32,
    /// How often in a row it was interrupted.
    interruptions: u32,
}

/// What becomes of a transfer at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The server was asked something about it.
    Asking(Topic),
    /// A worker does it.
    Moving,
    /// Its readers are being told; so many of them were asked for and are not done.
    Noting(usize),
    /// Nobody has decided about it.
    Offered,
    /// It goes on in another session.
    Resting,
    /// For its turn, or for this moment because of this.
    Waiting { until: Instant, why: Option<Box<str>> },
}

/// Something to be done, in this order.
#[derive(Debug)]
pub enum Want {
    /// Ask the server; [`Ledger::answered`] takes the answer.
    Ask { number: Number, question: Question },
    /// End its worker, which reports nothing more.
    CallOff { number: Number },
    /// To be kept before anything that follows is done.
    Keep(Change),
    /// Tell the user.
    News(News),
    /// Send an encrypted message; [`Ledger::noted`] takes the outcome.
    Note { number: Number, reader: UserName, note: FileNote },
    /// Remove half a file that nobody wants any more, which may still be where it was made.
    Remove(Half),
    /// Start a worker.
    Start { number: Number, job: Job },
    /// Tell its worker.
    Tell { number: Number, order: Order },
}

/// What the server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    Decline(Blob),
    Delete(Blob),
    Finish(Blob),
    Status(Blob),
    Upload { size: u64, readers: u32 },
}

/// What a question is about, for who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Finish,
    Status,
    Upload,
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Begun(Blob),
    Done,
    Stored { stored: u64, complete: bool },
}

/// Why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// There is no such file, or not any more.
    Gone,
    /// What is to be finished is not all there.
    Incomplete,
    /// The connection is lost, or the server has too much to do: to be asked again.
    Passing(String),
    /// It will not.
    Refused(String),
}

impl Ledger {
    /// Takes up what earlier sessions have left.
    pub fn load(rows: &Rows, focus: Focus, fresh: &mut dyn Fresh) -> Ledger {
        let (kept, damaged) = record::load(rows);
        let mut ledger = Ledger { debts: Debts::new(record::load_owed(rows)), ..Ledger::default() };
        ledger.wants.extend(damaged.into_iter().map(Want::Keep));
        for (number, Kept { record, tags, groups }) in kept {
            let waiting = State::Waiting { until: Instant(0), why: None };
            let state = match (&record, focus) {
                (Record::Receiving(Receiving { stage: Stage::Offered, .. }), _) => State::Offered,
                (_, Focus::Asked) | (Record::Sending(_), Focus::Receiving) => State::Resting,
                _ => waiting,
            };
            let complete = tags.is_some();
            let mut entry = Entry::new(number, record, state.clone());
            (entry.tags, entry.groups) = (tags.unwrap_or_default(), groups);
            ledger.last = ledger.last.max(number.0);
            ledger.entries.insert(number, entry);
            if !complete {
                // Nobody knows what was sealed under this key.
                ledger.begin_anew(Instant(0), number, None, fresh);
            }
            if let Some(entry) = ledger.entries.get_mut(&number) {
                entry.state = state;
            }
        }
        ledger
    }

    // ---- what there is to see ---------------------------------------------------------------------

    /// In the order of their numbers.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub fn entry(&self, number: Number) -> Option<&Entry> {
        self.entries.get(&number)
    }

    /// The offers that nobody has decided about.
    pub fn offers(&self) -> impl Iterator<Item = &Entry> {
        self.entries().filter(|entry| entry.state == State::Offered)
    }

    /// Transfers that have begun and are not over.
    pub fn is_busy(&self) -> bool {
        self.entries().any(|entry| !matches!(entry.state, State::Offered | State::Resting))
    }

    /// The server can be asked.
    pub fn is_online(&self) -> bool {
        self.online
    }

    // ---- what happens -----------------------------------------------------------------------------

    /// Whether the server need not keep what was received: it is the user's only device.
    pub fn settles(&mut self, settles: bool) {
        self.settles = settles;
    }

    /// Whether the server can be asked, and messages be sent.
    pub fn connected(&mut self, now: Instant, online: bool) {
        self.online = online;
        self.debts.connected();
        self.advance(now);
    }

    /// What an earlier session has left goes on in this one after all.
    pub fn go_on(&mut self, number: Number) {
        if let Some(entry) = self.entries.get_mut(&number)
            && entry.state == State::Resting
        {
            entry.state = State::Waiting { until: Instant(0), why: None };
        }
    }

    /// The next thing to be done; to be asked for until there is none.
    pub fn poll(&mut self) -> Option<Want> {
        // What is owed is asked for before anything new is: a new upload may need the room of an old one.
        match self.wants.front() {
            None | Some(Want::Ask { .. }) if self.online => {
                self.debts.poll().or_else(|| self.wants.pop_front())
            }
            _ => self.wants.pop_front(),
        }
    }

    /// When [`Ledger::advance`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let waiting = self.entries().filter_map(|entry| match entry.state {
            State::Waiting { until, why: Some(_) } => Some(until),
            _ => None,
        });
        if self.online { waiting.chain(self.debts.next_deadline()).min() } else { None }
    }

    /// Begins what may begin.
    pub fn advance(&mut self, now: Instant) {
        if !self.online {
            return;
        }
        self.debts.advance(now);
        let ready = |entry: &&Entry| matches!(entry.state, State::Waiting { until, .. } if until <= now);
        let ready: Vec<Number> = self.entries().filter(ready).map(|entry| entry.number).collect();
        for number in ready {
            let active = self.entries().filter(|entry| entry.is_active()).count();
            let large = self.entries().filter(|entry| entry.is_active() && entry.is_large()).count();
            let Some(entry) = self.entries.get_mut(&number) else { continue };
            let room = active < ACTIVE_MAX && (large < LARGE_ACTIVE_MAX || !entry.is_large());
            if room || entry.is_nearly_over() {
                entry.begin(&mut self.wants);
            }
        }
    }

    /// An answer of the server, or what came of asking.
    pub fn answered(
        &mut self,
        now: Instant,
        number: Number,
        answer: Result<Reply, Unanswered>,
        fresh: &mut dyn Fresh,
    ) {
        if self.debts.answered(now, number, &answer, &mut self.wants) {
            return;
        }
        let Some(entry) = self.entries.get_mut(&number) else {
            // It was called off meanwhile, and is nobody's.
            if let Ok(Reply::Begun(blob)) = answer {
                self.debts.owe(Owed::Delete(blob), &mut self.wants);
            }
            return;
        };
        let State::Asking(topic) = entry.state else { return };
        match answer {
            Err(Unanswered::Incomplete) => {
                entry.sha256 = None;
                entry.wait(now, "the server has lost a part of it".into(), &mut self.wants);
            }
            Ok(reply) => entry.handle_reply(now, topic, reply, &mut self.wants),
            Err(Unanswered::Passing(why)) => entry.wait(now, why, &mut self.wants),
            Err(Unanswered::Refused(why)) => self.fail(number, why),
            Err(Unanswered::Gone) => self.begin_anew(now, number, None, fresh),
        }
        self.advance(now);
    }

    /// What a worker tells.
    pub fn report(&mut self, now: Instant, number: Number, report: Report, fresh: &mut dyn Fresh) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        if entry.state != State::Moving {
            return;
        }
        match report {
            Report::Began { done } => {
                entry.meter = Some(Meter::new(now, entry.size(), done));
            }
            Report::Progress { done } => {
                entry.interruptions = 0;
                if let Some(meter) = &mut entry.meter {
                    meter.sample(now, done);
                }
            }
            Report::Tags { first, tags } => entry.keep_tags(first, &tags, &mut self.wants),
            Report::Sent { sha256 } => entry.handle_sent(now, sha256, &mut self.wants),
            Report::Making(path) => entry.keep_making(&path, &mut self.wants),
            Report::Part(part) => entry.keep_part(part, &mut self.wants),
            Report::Verified => entry.handle_verified(&mut self.wants),
            Report::Placed(path) => self.handle_placed(now, number, path),
            Report::Stopped(trouble) => self.handle_trouble(now, number, trouble, fresh),
        }
        self.advance(now);
    }

    fn handle_trouble(&mut self, now: Instant, number: Number, trouble: Trouble, fresh: &mut dyn Fresh) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        match (trouble, &entry.record) {
            (Trouble::Interrupted(why), _) => entry.wait(now, why, &mut self.wants),
            (Trouble::Changed(Some(stamp)), _) => self.begin_anew(now, number, Some(stamp), fresh),
            (Trouble::Gone, Record::Sending(_)) => self.begin_anew(now, number, None, fresh),
            (Trouble::Changed(None), _) => self.fail(number, "the file is not there any more".into()),
            (Trouble::Gone, Record::Receiving(_)) => {
                self.fail(number, "the server does not have it any more".into());
            }
            // The file is still there, and can be accepted once more.
            (Trouble::Local(why) | Trouble::Refused(why), Record::Receiving(_)) => {
                self.offer_again(number, What::Failed { why: why.into() })
            }
            (Trouble::Local(why) | Trouble::Refused(why), _) => self.fail(number, why),
            (Trouble::Wrong(wrong), _) => {
                self.fail(number, format!("refused, {wrong}; nothing of it was kept"))
            }
        }
    }

    /// It is over, and came to nothing.
    fn fail(&mut self, number: Number, why: String) {
        self.end(number, What::Failed { why: why.into() }, true);
    }

    /// Forgets a transfer; with `clean`, also what there is of it elsewhere.
    fn end(&mut self, number: Number, what: What, clean: bool) {
        let Some(entry) = self.entries.remove(&number) else { return };
        if clean {
            entry.clean_up(&mut self.debts, &mut self.wants);
        }
        self.wants.extend(record::removal(number, &entry.groups).into_iter().map(Want::Keep));
        self.wants.push_back(Want::News(News::about(&entry, what)));
    }

    fn next_number(&mut self) -> Number {
        // Small numbers are easy to type; no number comes twice in a session, lest a habit accepts what
        // somebody else has offered meanwhile.
        self.last += 1;
        Number(self.last)
    }
}

impl Entry {
    fn new(number: Number, record: Record, state: State) -> Entry {
        let people = match &record {
            Record::Receiving(receiving) => vec![receiving.from.clone()],
            Record::Sending(sending) => sending.readers.clone(),
        };
        Entry {
            number,
            record,
            state,
            meter: None,
            tags: Vec::new(),
            groups: Vec::new(),
            people,
            sha256: None,
            told: 0,
            untold: None,
            restarts: 0,
            interruptions: 0,
        }
    }

    pub fn number(&self) -> Number {
        self.number
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Who it is for, or from.
    pub fn people(&self) -> &[String] {
        &self.people
    }

    /// How far it is, once it has begun.
    pub fn meter(&self) -> Option<&Meter> {
        self.meter.as_ref()
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        match &self.record {
            Record::Receiving(Receiving { note, .. }) => note.size,
            Record::Sending(Sending { stamp, .. }) => stamp.size,
        }
    }

    /// Needs a place among those that are at work.
    fn is_active(&self) -> bool {
        matches!(self.state, State::Asking(_) | State::Moving)
    }

    fn is_large(&self) -> bool {
        self.size() > LARGE_BYTES
    }

    /// What is left needs no data connection.
    fn is_nearly_over(&self) -> bool {
        match &self.record {
            Record::Receiving(receiving) => matches!(receiving.stage, Stage::Whole { .. }),
            Record::Sending(sending) => sending.whole.is_some(),
        }
    }

    fn begin(&mut self, wants: &mut VecDeque<Want>) {
        match &self.record {
            Record::Receiving(_) => self.begin_receiving(wants),
            Record::Sending(_) => self.begin_sending(wants),
        }
    }

    fn keep(&self, wants: &mut VecDeque<Want>) {
        wants.push_back(Want::Keep(self.record.change(self.number)));
    }

    /// Tries again later; the first time it is told.
    fn wait(&mut self, now: Instant, why: String, wants: &mut VecDeque<Want>) {
        let rest = REST_FIRST.saturating_mul(1 << self.interruptions.min(16)).min(REST_MAX);
        self.interruptions = self.interruptions.saturating_add(1);
        let why: Box<str> = why.into();
        if self.interruptions == TOLD_AFTER {
            wants.push_back(Want::News(News::about(self, What::Interrupted { why: why.clone() })));
        }
        self.state = State::Waiting { until: now + rest, why: Some(why) };
    }

    fn ask(&mut self, topic: Topic, question: Question, wants: &mut VecDeque<Want>) {
        self.state = State::Asking(topic);
        wants.push_back(Want::Ask { number: self.number, question });
    }
}

/// Where keys come from.
pub trait Fresh {
    fn fill(&mut self, bytes: &mut [u8]);
}

/// Transfers at work at once, each with a data connection.
pub const ACTIVE_MAX: usize = 4;
/// Large ones among them: there is always a way for a small file.
const LARGE_ACTIVE_MAX: usize = 3;
/// What takes a while on most lines.
const LARGE_BYTES: u64 = 64 * 1024 * 1024;
const _: () = assert!(LARGE_ACTIVE_MAX < ACTIVE_MAX);

/// Transfers and offers: more than anybody looks through, and some hundred kilobytes.
pub const ENTRIES_MAX: usize = 2_000;
/// Offers of one sender that nobody has decided about; more are not kept.
pub const OFFERS_EACH_MAX: usize = 200;

/// The first rest after an interruption, and the longest; doubled in between.
const REST_FIRST: Duration = Duration::from_millis(250);
const REST_MAX: Duration = Duration::from_secs(30);
/// Interruptions in a row before it is worth a line.
const TOLD_AFTER: u32 = 4;
/// New keys for a file that changes again and again.
const RESTARTS_MAX: u32 = 5;

#[cfg(test)]
mod tests;
