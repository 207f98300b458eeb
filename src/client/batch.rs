//! Files that are sent together: what is said about each of them, and what came of all.

use std::collections::BTreeSet;
use std::path::Path;

use crate::client::link::Link;
use crate::client::plain::Ending;
use crate::client::privacy::tell;
use crate::client::private::State;
use crate::client::session::event::Place;
use crate::client::transfer::ledger::news::{News, What};
use crate::client::transfer::record::Number;
use crate::proto::name::UserName;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Batch {
    numbers: BTreeSet<Number>,
    /// Those that are not over.
    open: BTreeSet<Number>,
    failures: usize,
}

/// What is said, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Error(String),
    Line(String),
}

impl Batch {
    /// Begins to send one more.
    pub fn begin(&mut self, link: &mut Link, to: &UserName, file: &Path) -> Result<Number, String> {
        let begun = link.send_file(file, &Place::Person(to.clone()));
        match &begun {
            Ok(number) => {
                self.numbers.insert(*number);
                self.open.insert(*number);
            }
            Err(_) => self.failures += 1,
        }
        begun
    }

    /// One more cannot be sent.
    pub fn misses(&mut self) {
        self.failures += 1;
    }

    /// What there is to say about news; nothing if they are about other files.
    pub fn heed(&mut self, news: &News) -> Option<Said> {
        let ours = self.numbers.contains(&news.number);
        let open = self.open.contains(&news.number);
        if news.is_last() {
            self.open.remove(&news.number);
        }
        match &news.what {
            What::Sent { .. } if open => Some(Said::Line(news.to_string())),
            What::Anew | What::Interrupted { .. } if open => Some(Said::Error(news.to_string())),
            What::Failed { .. } | What::Cancelled if open => Some(self.fail(news)),
            // After the file was sent: the message about it was refused.
            What::NotTold { .. } if ours => Some(self.fail(news)),
            _ => None,
        }
    }

    fn fail(&mut self, news: &News) -> Said {
        self.failures += 1;
        Said::Error(news.to_string())
    }

    /// Nothing more will be said.
    pub fn is_over(&self, link: &Link) -> bool {
        self.open.is_empty() && !link.tells_of_files(&self.numbers)
    }

    pub fn is_open(&self, number: Number) -> bool {
        self.open.contains(&number)
    }

    /// Files that were not sent, and messages about files.
    pub fn failures(&self) -> usize {
        self.failures
    }
}

/// How a program ends that was to send so many files.
pub fn ending(failures: usize, files: usize) -> Ending {
    match failures {
        0 => Ending::Done,
        1 if files == 1 => Ending::Failed("the file was not sent".into()),
        failed => Ending::Failed(format!("{failed} of {files} files were not sent")),
    }
}

/// Whether files can be sent and received; `None`: not yet.
pub fn ready(link: &Link) -> Option<Result<(), String>> {
    let session = link.session();
    if session.is_guest() {
        return Some(Err("not-registered: files are for accounts; guests have no keys".to_owned()));
    }
    match session.private().map(|private| private.state()) {
        Some(State::Ready) => Some(Ok(())),
        Some(State::Offline | State::Starting) => None,
        _ => {
            let why = tell::why_off(session);
            Some(Err(why.unwrap_or_else(|| "private-off: private messages are off on this device".into())))
        }
    }
}
