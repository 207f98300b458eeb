//! `sotto receive`: waits for files, asks about each, fetches those that are wanted.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, BufReader, IsTerminal, Write};
use std::path::PathBuf;

use crate::client::bars::Bars;
use crate::client::batch::ready;
use crate::client::home::Home;
use crate::client::link::Link;
use crate::client::link::typed::{Input, Typed};
use crate::client::plain::Ending;
use crate::client::session::event::Event;
use crate::client::transfer::ledger::news::{News, What};
use crate::client::transfer::pace::Bytes;
use crate::client::transfer::record::{Number, Record};
use crate::e2e::file::name::safe_name;
use crate::proto::name::UserName;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where files are put.
    pub into: PathBuf,
    /// Whose files are fetched without asking.
    pub yes_from: Vec<UserName>,
    /// To the first file, and what comes with it.
    pub once: bool,
}

/// Receives files over a link that has logged in and unlocked its keys.
pub fn receive(link: Link, home: &Home, options: Options, early: Vec<Event>) -> io::Result<Ending> {
    let server = link.target().server.clone();
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    let typed = if asks { Some(Typed::new(BufReader::new(io::stdin()), link.waker())?) } else { None };
    let mut run = Run {
        link,
        options,
        bars: Bars::default(),
        typed,
        questions: VecDeque::new(),
        asked: None,
        begun: BTreeSet::new(),
        done: 0,
        failed: 0,
        quitting: false,
    };
    let mut started = false;
    let mut events = early;
    loop {
        for event in events {
            home.heed(&server, run.link.session().user(), &event)?;
            match event {
                Event::Transfer(news) => run.heed(&news)?,
                Event::LoginRefused(refused) => return Ok(Ending::Refused(refused.to_string())),
                Event::Lost(why) => run.bars.error(format_args!("sotto: {why}; trying again")),
                Event::Stopped(_) => {
                    return Ok(match (run.link.untrusted(), run.failed) {
                        (Some((_, text)), _) => Ending::Failed(text),
                        (None, 0) => Ending::Done,
                        (None, 1) => Ending::Failed("a file was not received".to_owned()),
                        (None, failed) => Ending::Failed(format!("{failed} files were not received")),
                    });
                }
                _ => {}
            }
        }
        if !started {
            match ready(&run.link) {
                Some(Ok(())) => {
                    started = true;
                    run.take_up();
                }
                Some(Err(why)) => return Ok(Ending::Failed(why)),
                None => {}
            }
        }
        run.ask()?;
        run.end_if_done();
        run.bars.follow(&run.link);
        events = run.link.poll(None)?;
    }
}

struct Run {
    link: Link,
    options: Options,
    bars: Bars,
    /// Where there is somebody to ask.
    typed: Option<Typed>,
    questions: VecDeque<Number>,
    /// What was asked and not answered.
    asked: Option<Number>,
    /// Files that were accepted and are not over.
    begun: BTreeSet<Number>,
    done: usize,
    failed: usize,
    quitting: bool,
}

impl Run {
    /// What earlier sessions have left: offers, and files that are half there.
    fn take_up(&mut self) {
        let Some(transfers) = self.link.transfers() else { return };
        let ledger = transfers.ledger();
        let receiving = ledger.entries().filter(|entry| matches!(entry.record(), Record::Receiving(_)));
        let offers: Vec<Number> = ledger.offers().map(|entry| entry.number()).collect();
        let begun: Vec<Number> =
            receiving.map(|entry| entry.number()).filter(|number| !offers.contains(number)).collect();
        self.begun.extend(begun);
        offers.into_iter().for_each(|number| self.offered(number));
    }

    fn heed(&mut self, news: &News) -> io::Result<()> {
        match &news.what {
            What::Offered => self.offered(news.number),
            What::Received { .. } => {
                self.done += 1;
                self.bars.line(news);
                io::stdout().flush()?;
            }
            What::Declined => self.done += 1,
            What::Failed { .. } if self.begun.contains(&news.number) => {
                self.failed += 1;
                self.done += 1;
                self.bars.error(format_args!("sotto: {news}"));
            }
            What::Interrupted { .. } if self.begun.contains(&news.number) => {
                self.bars.error(format_args!("sotto: {news}"));
            }
            _ => return Ok(()),
        }
        if news.is_last() {
            self.begun.remove(&news.number);
        }
        Ok(())
    }

    /// Accepts an offer, or has it asked about; or leaves it where it is.
    fn offered(&mut self, number: Number) {
        let Some((from, text)) = self.describe(number) else { return };
        if self.begun.contains(&number) || self.questions.contains(&number) || self.asked == Some(number) {
            return;
        }
        if self.options.yes_from.contains(&from) {
            self.accept(number);
        } else if self.typed.is_some() {
            self.questions.push_back(number);
        } else {
            self.bars.error(format_args!("sotto: {text}; not fetched: --yes-from {from} would"));
        }
    }

    fn accept(&mut self, number: Number) {
        let (now, into) = (self.link.now().mono, self.options.into.clone());
        let Some(transfers) = self.link.transfers_mut() else { return };
        match transfers.accept(now, number, &into) {
            Ok(()) => drop(self.begun.insert(number)),
            Err(why) => {
                self.failed += 1;
                self.bars.error(format_args!("sotto: {why}"));
            }
        }
    }

    /// Asks the next question, or takes the answer to the last.
    fn ask(&mut self) -> io::Result<()> {
        loop {
            if self.asked.is_none() {
                let Some(number) = self.questions.pop_front() else { return Ok(()) };
                let Some((_, text)) = self.describe(number) else { continue };
                self.asked = Some(number);
                self.bars.error(format_args!("{text}. Fetch it? [yes/no]"));
            }
            let (Some(typed), Some(number)) = (&mut self.typed, self.asked) else { return Ok(()) };
            let Some(input) = typed.line() else { return Ok(()) };
            match input {
                Input::Line(line) => match line.trim().to_lowercase().as_str() {
                    "y" | "yes" => self.accept(number),
                    "n" | "no" => {
                        if let Some(transfers) = self.link.transfers_mut() {
                            // Gone meanwhile: there is nothing to decline.
                            let _ = transfers.decline(number);
                        }
                    }
                    _ => self.questions.push_front(number),
                },
                Input::End => self.typed = None,
                Input::Failed(error) => return Err(error),
            }
            self.asked = None;
        }
    }

    fn end_if_done(&mut self) {
        let open = !self.begun.is_empty() || self.asked.is_some() || !self.questions.is_empty();
        if !self.options.once || self.done == 0 || open || self.quitting {
            return;
        }
        let now = self.link.now();
        self.link.session_mut().hurry(now);
        if self.link.has_settled_files() && self.link.session().is_settled() {
            self.quitting = true;
            self.link.session_mut().quit(now, None);
        }
    }

    /// Who offers a file, and that in a sentence.
    fn describe(&self, number: Number) -> Option<(UserName, String)> {
        let entry = self.link.transfers()?.ledger().entry(number)?;
        let Record::Receiving(receiving) = entry.record() else { return None };
        let seal = if receiving.verified { "verified" } else { "not verified" };
        let (name, size) = (safe_name(&receiving.note.name), Bytes(entry.size()));
        let text = format!("{} ({seal}) offers {name}, {size}", receiving.from);
        Some((UserName::parse(&receiving.from).ok()?, text))
    }
}
