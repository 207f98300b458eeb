//! Carries out what the [`Ledger`] wants: keeps rows, asks the server, starts workers, tells the user.
//! It belongs to whoever drives the session, and does all of it in [`Transfers::turn`], on that thread,
//! which never waits for a file or the network here.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant as Clock;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::client::link::Target;
use crate::client::private::row::{Change, Rows};
use crate::client::session::event::{Failure, Ticket};
use crate::client::transfer::inquiry::Inquiry;
use crate::client::transfer::job::{Report, Trouble};
use crate::client::transfer::ledger::news::{News, Subject, What};
use crate::client::transfer::ledger::receiving::{Offer, Unfit};
use crate::client::transfer::ledger::sending::Wish;
use crate::client::transfer::ledger::{Fresh, Ledger, Question, Reply, Unanswered, Want};
use crate::client::transfer::place;
use crate::client::transfer::pool::{Credentials, Pool};
use crate::client::transfer::record::{Blob, Number};
use crate::client::transfer::worker::{Post, Wake, Worker};
use crate::client::trust::Trust;
use crate::e2e::content::FileNote;
use crate::proto::command::Command;
use crate::proto::event::Answer;
use crate::proto::id::FileId;
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::Code;
use crate::proto::time::Instant;

/// See the [module](self).
pub struct Transfers {
    ledger: Ledger,
    pool: Arc<Pool>,
    workers: BTreeMap<Number, Worker>,
    posts: Receiver<Post>,
    /// For workers to come.
    poster: Sender<Post>,
    wake: Wake,
    runs: u64,
    inquiries: Vec<Inquiry>,
    /// Questions on their way.
    asked: BTreeMap<Ticket, Number>,
    /// When a connection of the pool was idle for too long.
    idle_until: Option<Instant>,
    /// Nothing can be kept any more, so nothing is done any more.
    broken: bool,
}

/// Which transfers of earlier sessions go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Focus {
    #[default]
    All,
    /// Those that are asked for again.
    Asked,
    /// Those that come in.
    Receiving,
}

/// Whom a file is for.
#[derive(Clone, Debug)]
pub enum To {
    Person(UserName),
    /// A room, and who is there beside this user.
    Room(RoomName, Vec<UserName>),
}

/// What transfers stand on: the session and the store of whoever drives them.
pub trait Ground {
    /// Keeps these rows in one transaction, with whatever else waits to be kept.
    fn keep(&mut self, changes: Vec<Change>) -> Result<(), String>;

    /// Asks the server; or says why that cannot be done now.
    fn ask(&mut self, command: Command<'_>) -> Result<Ticket, String>;

    /// Takes an encrypted message to a reader, to be kept with the next rows and sent after that.
    fn note(&mut self, number: Number, reader: &UserName, note: FileNote) -> Result<(), String>;

    /// Tells the user.
    fn tell(&mut self, news: News);

    /// Tells the user what went wrong and is about no transfer.
    fn complain(&mut self, text: String);
}

impl Transfers {
    /// Goes on with what earlier sessions have left.
    pub fn new(target: Target, trust: Trust, rows: &Rows, wake: Wake, focus: Focus) -> io::Result<Transfers> {
        let (poster, posts) = unbounded();
        Ok(Transfers {
            ledger: Ledger::load(rows, focus, &mut System),
            pool: Arc::new(Pool::new(target, trust)?),
            workers: BTreeMap::new(),
            posts,
            poster,
            wake,
            runs: 0,
            inquiries: Vec::new(),
            asked: BTreeMap::new(),
            idle_until: None,
            broken: false,
        })
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// When [`Transfers::turn`] has something to do, even if nobody wakes it.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.broken {
            return None;
        }
        [self.ledger.next_deadline(), self.idle_until].into_iter().flatten().min()
    }

    /// The user is logged in, as this; or not any more.
    pub fn connected(&mut self, now: Instant, credentials: Option<Credentials>) {
        let online = credentials.is_some();
        if online {
            self.pool.admit(credentials);
        }
        self.ledger.connected(now, online);
    }

    /// Whether what was received need not stay at the server.
    pub fn settles(&mut self, settles: bool) {
        self.ledger.settles(settles);
    }

    // ---- wishes of the user -----------------------------------------------------------------------

    /// Sends a file to somebody, or to those in a room who can read it. A transfer of this very file that
    /// was interrupted goes on.
    pub fn send(&mut self, path: &Path, to: To) -> Result<Number, String> {
        let told = |error: io::Error| format!("{}: {error}", path.display());
        let full = std::path::absolute(path).map_err(told)?;
        let (_, stamp) = place::open_source(&full).map_err(told)?;
        let name = place::told_name(&full);
        let (room, readers) = match to {
            To::Person(user) => (None, vec![user]),
            To::Room(room, members) => (Some(room), members),
        };
        if readers.len() > READERS_MAX {
            return Err(format!("too-many: one file is sent to at most {READERS_MAX} people at once"));
        }
        if self.inquiries.len() >= INQUIRIES_MAX {
            return Err("busy: too many files wait to be sent".to_owned());
        }
        let wish = Wish { path: full, stamp, name, room, readers };
        if let Some(number) = self.ledger.find(&wish) {
            self.ledger.go_on(number);
            return Ok(number);
        }
        let number = self.ledger.reserve();
        self.inquiries.push(Inquiry::new(number, wish));
        Ok(number)
    }

    /// Nothing is on its way, and nothing waits to be.
    pub fn is_idle(&self) -> bool {
        !self.ledger.is_busy() && self.inquiries.is_empty()
    }

    /// Somebody offers a file.
    pub fn offered(&mut self, from: &UserName, verified: bool, note: FileNote) -> Offer {
        self.ledger.offered(from, verified, note)
    }

    /// Fetches an offered file into a directory.
    pub fn accept(&mut self, now: Instant, number: Number, into: &Path) -> Result<(), String> {
        let told = |error: io::Error| format!("{}: {error}", into.display());
        let full = std::path::absolute(into).map_err(told)?;
        if !std::fs::metadata(&full).map_err(told)?.is_dir() {
            return Err(format!("{}: this is not a directory", into.display()));
        }
        self.ledger.accept(now, number, full).map_err(|unfit| unfit.to_string())
    }

    pub fn decline(&mut self, number: Number) -> Result<(), Unfit> {
        self.ledger.decline(number)
    }

    pub fn cancel(&mut self, now: Instant, number: Number) -> Result<(), Unfit> {
        match self.inquiries.iter_mut().find(|inquiry| inquiry.number == number) {
            Some(inquiry) => {
                inquiry.cancel();
                Ok(())
            }
            None => self.ledger.cancel(now, number),
        }
    }

    // ---- work -------------------------------------------------------------------------------------

    /// Whether an answer to this is for transfers; then it goes to [`Transfers::answered`].
    pub fn asked(&self, ticket: Ticket) -> bool {
        self.asked.contains_key(&ticket) || self.inquiries.iter().any(|inquiry| inquiry.waits_for(ticket))
    }

    /// An answer of the server.
    pub fn answered(&mut self, now: Instant, ticket: Ticket, outcome: Result<Answer, Failure>) {
        if let Some(inquiry) = self.inquiries.iter_mut().find(|inquiry| inquiry.waits_for(ticket)) {
            return inquiry.answered(ticket, outcome);
        }
        if let Some(number) = self.asked.remove(&ticket) {
            self.ledger.answered(now, number, reply(outcome), &mut System);
        }
    }

    /// Does everything that there is to do; `true`: whoever shows transfers may have something new.
    pub fn turn(&mut self, now: Instant, ground: &mut dyn Ground) -> bool {
        if self.broken {
            return false;
        }
        let clock = Clock::now();
        let idle_until = self.pool.close_idle(clock);
        self.idle_until = idle_until.map(|until| now + until.saturating_duration_since(clock));
        let mut changed = self.inquire(now, ground);
        self.ledger.advance(now);
        changed |= self.carry_out(now, ground);
        for _ in 0..POSTS_MAX {
            let Ok(Post { number, run, report }) = self.posts.try_recv() else { break };
            if self.workers.get(&number).is_none_or(|worker| worker.run != run) {
                continue;
            }
            if matches!(report, Report::Placed(_) | Report::Sent { .. } | Report::Stopped(_)) {
                self.workers.remove(&number);
            }
            self.ledger.report(now, number, report, &mut System);
            self.carry_out(now, ground);
            changed = true;
        }
        changed
    }

    /// Asks about readers, and begins to send where that is over; `true` if anything was done.
    fn inquire(&mut self, now: Instant, ground: &mut dyn Ground) -> bool {
        let mut any = false;
        // Without a line they wait for one.
        let online = self.ledger.is_online();
        for inquiry in self.inquiries.iter_mut().filter(|_| online) {
            while let Some(user) = inquiry.next_question() {
                any = true;
                let name = user.shown().to_string();
                inquiry.asked(user, ground.ask(Command::Devices { user: Some(name.into()) }));
            }
        }
        let over: Vec<Inquiry> = self.inquiries.extract_if(.., |inquiry| inquiry.is_over()).collect();
        any |= !over.is_empty();
        for inquiry in over {
            let (number, subject) = (inquiry.number, Subject::of(&inquiry.wish, &inquiry.people));
            let sent = inquiry.finish().and_then(|wish| {
                let sent = self.ledger.send(now, number, wish, &mut System);
                sent.map_err(|unwilling| Some(unwilling.to_string()))
            });
            if let Err(why) = sent {
                let what = why.map_or(What::Cancelled, |why| What::Failed { why: why.into() });
                ground.tell(News { number, subject, what });
            }
        }
        any
    }

    /// There is something to do at once.
    pub fn is_pressing(&self) -> bool {
        !self.broken && !self.posts.is_empty()
    }

    /// Does what the ledger wants, in its order; what is to be kept is kept before what follows.
    fn carry_out(&mut self, now: Instant, ground: &mut dyn Ground) -> bool {
        let mut changes = Vec::new();
        let mut done = false;
        while let Some(want) = self.ledger.poll() {
            done = true;
            if let Want::Keep(change) = want {
                changes.push(change);
                continue;
            }
            // A message belongs to the rows that say it was taken, which come behind it.
            let together = matches!(want, Want::Note { .. });
            if !together && !self.keep(&mut changes, ground) {
                return true;
            }
            self.do_one(now, want, ground);
        }
        self.keep(&mut changes, ground);
        done
    }

    fn keep(&mut self, changes: &mut Vec<Change>, ground: &mut dyn Ground) -> bool {
        if changes.is_empty() {
            return true;
        }
        if let Err(why) = ground.keep(std::mem::take(changes)) {
            self.broken = true;
            std::mem::take(&mut self.workers).into_values().for_each(Worker::call_off);
            ground.complain(format!("no file is sent or received any more: {why}"));
        }
        !self.broken
    }

    fn do_one(&mut self, now: Instant, want: Want, ground: &mut dyn Ground) {
        match want {
            Want::Ask { number, question } => {
                match ground.ask(command(&question)) {
                    Ok(ticket) => drop(self.asked.insert(ticket, number)),
                    Err(why) => {
                        let answer = Err(Unanswered::Passing(why));
                        self.ledger.answered(now, number, answer, &mut System);
                    }
                };
            }
            Want::CallOff { number } => {
                if let Some(worker) = self.workers.remove(&number) {
                    worker.call_off();
                }
            }
            Want::Keep(_) => unreachable!("these were gathered"),
            Want::News(news) => ground.tell(news),
            Want::Note { number, reader, note } => {
                let outcome = ground.note(number, &reader, note);
                self.ledger.noted(now, number, &reader, outcome);
            }
            Want::Remove(half) => {
                if let Err(error) = half.remove() {
                    ground.complain(format!("{}: {error}", half.path().display()));
                }
            }
            Want::Start { number, job } => {
                self.runs += 1;
                let (pool, poster) = (Arc::clone(&self.pool), self.poster.clone());
                match Worker::start(number, self.runs, job, pool, poster, Arc::clone(&self.wake)) {
                    Ok(worker) => drop(self.workers.insert(number, worker)),
                    Err(error) => {
                        let trouble = Trouble::Interrupted(error.to_string());
                        self.ledger.report(now, number, Report::Stopped(trouble), &mut System);
                    }
                }
            }
            Want::Tell { number, order } => {
                if let Some(worker) = self.workers.get(&number) {
                    worker.order(order);
                }
            }
        }
    }
}

impl Drop for Transfers {
    /// The program ends, or somebody else logs in: what is not done is done next time.
    fn drop(&mut self) {
        std::mem::take(&mut self.workers).into_values().for_each(Worker::call_off);
    }
}

fn command(question: &Question) -> Command<'static> {
    let file = |Blob(id): &Blob| FileId(*id).to_string().into();
    match question {
        Question::Decline(blob) => Command::Decline { file: file(blob) },
        Question::Delete(blob) => Command::Delete { file: file(blob) },
        Question::Finish(blob) => Command::Finish { file: file(blob) },
        Question::Status(blob) => Command::UploadStatus { file: file(blob) },
        Question::Upload { size, readers } => Command::Upload { size: *size, readers: *readers },
    }
}

fn reply(outcome: Result<Answer, Failure>) -> Result<Reply, Unanswered> {
    match outcome {
        Ok(Answer::UploadBegun { file, .. }) => Ok(Reply::Begun(Blob(file.0))),
        Ok(Answer::UploadStatus { stored, complete, .. }) => Ok(Reply::Stored { stored, complete }),
        Ok(_) => Ok(Reply::Done),
        Err(Failure::Lost) => Err(Unanswered::Passing("the connection was lost".to_owned())),
        Err(Failure::Refused(refused)) => {
            let is = |codes: &[Code]| codes.iter().any(|code| refused.is(*code));
            let passing =
                [Code::Busy, Code::ServerFull, Code::ShuttingDown, Code::StorageUnavailable, Code::TooFast];
            Err(if is(&[Code::NoSuchFile]) {
                Unanswered::Gone
            } else if is(&[Code::Incomplete]) {
                Unanswered::Incomplete
            } else if is(&passing) {
                Unanswered::Passing(refused.to_string())
            } else {
                Unanswered::Refused(refused.to_string())
            })
        }
    }
}

/// The randomness of the system.
struct System;

impl Fresh for System {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system had random numbers when this program began");
    }
}

/// Files whose readers are being asked about.
const INQUIRIES_MAX: usize = 1_000;
/// Readers of one file: what a server takes.
const READERS_MAX: usize = 1_000;
/// Reports in one turn: the user's keys must not wait for them.
const POSTS_MAX: usize = 256;
