//! A user with transfers, on a stub server: what Link is in the program.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant as Clock};

use crate::client::private::row::{Change, Rows};
use crate::client::session::event::{Failure, Ticket};
use crate::client::transfer::ledger::news::{News, What};
use crate::client::transfer::ledger::receiving::Offer;
use crate::client::transfer::pool::Credentials;
use crate::client::transfer::record::Number;
use crate::client::transfer::tests::stub::Stub;
use crate::client::transfer::transfers::{Focus, Ground, To, Transfers};
use crate::client::trust::Trust;
use crate::e2e::content::FileNote;
use crate::proto::command::Command;
use crate::proto::event::Answer;
use crate::proto::name::UserName;
use crate::proto::secret::Secret;
use crate::proto::time::Instant;

pub struct Desk<'a> {
    pub transfers: Transfers,
    pub floor: Floor<'a>,
    began: Clock,
    bell: Arc<Bell>,
}

/// What a desk stands on.
pub struct Floor<'a> {
    stub: &'a Stub,
    pub rows: Rows,
    answers: VecDeque<(Ticket, Result<Answer, Failure>)>,
    tickets: u64,
    pub notes: Vec<FileNote>,
    pub news: Vec<News>,
    /// The store cannot keep anything.
    pub full: bool,
    /// Somebody sees each row before it is kept.
    pub before_keeping: Option<Witness>,
    pub complaints: Vec<String>,
}

/// Sees the value of a row.
type Witness = Box<dyn FnMut(&[u8])>;

#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    condition: Condvar,
}

impl<'a> Desk<'a> {
    pub fn new(stub: &'a Stub) -> Desk<'a> {
        Desk::with(stub, Rows::default())
    }

    fn with(stub: &'a Stub, rows: Rows) -> Desk<'a> {
        let bell = Arc::new(Bell::default());
        let ring = Arc::clone(&bell);
        let wake = Arc::new(move || {
            *ring.rung.lock().unwrap() = true;
            ring.condition.notify_all();
        });
        let trust = Trust::new("/nowhere/known_servers".into(), false);
        let mut transfers = Transfers::new(stub.target(), trust, &rows, wake, Focus::All).expect("transfers");
        let credentials = Credentials { user: "alice".into(), token: Secret::new("token") };
        transfers.connected(Instant(0), Some(credentials));
        let floor = Floor {
            stub,
            rows,
            answers: VecDeque::new(),
            tickets: 0,
            notes: Vec::new(),
            news: Vec::new(),
            full: false,
            before_keeping: None,
            complaints: Vec::new(),
        };
        Desk { transfers, floor, began: Clock::now(), bell }
    }

    /// This session ends at once, and another one begins with what was kept.
    pub fn restart(self) -> Desk<'a> {
        let Desk { transfers, floor, .. } = self;
        drop(transfers);
        Desk::with(floor.stub, floor.rows)
    }

    pub fn now(&self) -> Instant {
        Instant(self.began.elapsed().as_millis() as u64)
    }

    pub fn send(&mut self, path: &Path) -> Number {
        let bob = UserName::parse("bob").expect("a name");
        self.transfers.send(path, To::Person(bob)).expect("it is sent")
    }

    /// Receives what another desk has sent.
    pub fn offer(&mut self, note: &FileNote) -> Number {
        let alice = UserName::parse("alice").expect("a name");
        match self.transfers.offered(&alice, false, again(note)) {
            Offer::New(number) | Offer::Known(number) => number,
            Offer::TooMany => panic!("there are too many"),
        }
    }

    pub fn accept(&mut self, note: &FileNote, into: &Path) -> Number {
        let number = self.offer(note);
        self.transfers.accept(self.now(), number, into).expect("it is accepted");
        number
    }

    /// Works until this is true.
    #[track_caller]
    pub fn until(&mut self, mut what: impl FnMut(&Desk<'a>) -> bool) {
        let deadline = Clock::now() + Duration::from_secs(120);
        loop {
            let now = self.now();
            self.transfers.turn(now, &mut self.floor);
            while let Some((ticket, outcome)) = self.floor.answers.pop_front() {
                self.transfers.answered(now, ticket, outcome);
                self.transfers.turn(now, &mut self.floor);
            }
            if what(self) {
                return;
            }
            assert!(Clock::now() < deadline, "it does not come to an end: {:?}", self.floor.news);
            let rest = match self.transfers.next_deadline() {
                _ if self.transfers.is_pressing() => continue,
                Some(until) => Duration::from_millis(until.since_ms(now)),
                None => Duration::from_secs(1),
            };
            let rung = self.bell.rung.lock().unwrap();
            let waited = self.bell.condition.wait_timeout_while(rung, rest, |rung| !*rung).unwrap();
            *{ waited.0 } = false;
        }
    }

    /// Works until there is nothing more to do, and returns what it told last.
    #[track_caller]
    pub fn finish(&mut self) -> News {
        self.until(|desk| desk.transfers.is_idle());
        self.floor.news.last().expect("it tells how it ended").clone()
    }

    /// Sends a file; the message about it.
    #[track_caller]
    pub fn sent(&mut self, path: &Path) -> FileNote {
        self.send(path);
        let news = self.finish();
        assert!(matches!(news.what, What::Sent { .. }), "{news}");
        self.floor.notes.pop().expect("a message")
    }

    /// Receives a file; where it is.
    #[track_caller]
    pub fn received(&mut self, note: &FileNote, into: &Path) -> PathBuf {
        self.accept(note, into);
        let news = self.finish();
        match news.what {
            What::Received { path: Some(path), .. } => path,
            _ => panic!("{news}"),
        }
    }
}

impl Ground for Floor<'_> {
    fn keep(&mut self, changes: Vec<Change>) -> Result<(), String> {
        if self.full {
            return Err("the disk is full".to_owned());
        }
        for value in changes.iter().filter_map(|change| change.value.as_ref()) {
            if let Some(see) = &mut self.before_keeping {
                see(value);
            }
        }
        self.rows.apply(changes);
        Ok(())
    }

    fn ask(&mut self, command: Command<'_>) -> Result<Ticket, String> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.answers.push_back((ticket, self.stub.ask(&command)));
        Ok(ticket)
    }

    fn note(&mut self, _: Number, _: &UserName, note: FileNote) -> Result<(), String> {
        self.notes.push(note);
        Ok(())
    }

    fn tell(&mut self, news: News) {
        self.news.push(news);
    }

    fn complain(&mut self, text: String) {
        self.complaints.push(text);
    }
}

fn again(note: &FileNote) -> FileNote {
    let FileNote { blob, key, size, sha256, name, mime } = note;
    FileNote {
        blob: *blob,
        key: key.duplicate(),
        size: *size,
        sha256: *sha256,
        name: name.clone(),
        mime: mime.clone(),
    }
}

/// What is in a directory.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("it is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}
