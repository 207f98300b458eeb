//! `sotto send USER FILE...`: files that are at the server, and told of, when this returns.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::client::bars::Bars;
use crate::client::home::Home;
use crate::client::link::Link;
use crate::client::plain::Ending;
use crate::client::privacy::tell;
use crate::client::private::State;
use crate::client::session::event::{Event, Place};
use crate::client::transfer::ledger::news::{News, What};
use crate::client::transfer::record::Number;
use crate::proto::name::UserName;

/// Sends files to somebody over a link that has logged in and unlocked its keys, and quits.
pub fn send(
    mut link: Link,
    home: &Home,
    to: &UserName,
    files: &[PathBuf],
    early: Vec<Event>,
) -> io::Result<Ending> {
    let server = link.target().server.clone();
    let mut run = Run { bars: Bars::default(), open: BTreeSet::new(), failures: 0, quitting: false };
    let until = Instant::now() + PATIENCE;
    let mut begun = false;
    let mut events = early;
    loop {
        for event in events {
            home.heed(&server, link.session().user(), &event)?;
            match event {
                Event::Transfer(news) => run.heed(&news),
                Event::LoginRefused(refused) => return Ok(Ending::Refused(refused.to_string())),
                Event::Lost(why) => run.bars.error(format_args!("sotto: {why}; trying again")),
                Event::Stopped(_) => {
                    return Ok(match (link.untrusted(), run.failures) {
                        (Some((_, text)), _) => Ending::Failed(text),
                        (None, 0) => Ending::Done,
                        (None, 1) if files.len() == 1 => Ending::Failed("the file was not sent".into()),
                        (None, failed) => {
                            Ending::Failed(format!("{failed} of {} files were not sent", files.len()))
                        }
                    });
                }
                _ => {}
            }
        }
        if !begun {
            match ready(&link) {
                Some(Ok(())) => {
                    begun = true;
                    files.iter().for_each(|file| run.begin(&mut link, to, file));
                }
                Some(Err(why)) => return Ok(Ending::Failed(why)),
                None if Instant::now() >= until => {
                    return Ok(Ending::Failed("gave up: the server has not answered".to_owned()));
                }
                None => {}
            }
        }
        let settled = link.has_settled_files() && link.session().is_settled();
        if begun && run.open.is_empty() && settled && !run.quitting {
            run.quitting = true;
            let now = link.now();
            link.session_mut().quit(now, None);
        }
        if let Some(transfers) = link.transfers() {
            run.bars.draw(transfers.ledger(), link.now().mono);
        }
        let left = until.saturating_duration_since(Instant::now());
        events = link.poll(Some(left).filter(|_| !begun))?;
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

struct Run {
    bars: Bars,
    /// Files that are not over.
    open: BTreeSet<Number>,
    failures: usize,
    quitting: bool,
}

impl Run {
    fn begin(&mut self, link: &mut Link, to: &UserName, file: &std::path::Path) {
        match link.send_file(file, &Place::Person(to.clone())) {
            Ok(number) => drop(self.open.insert(number)),
            Err(why) => {
                self.failures += 1;
                self.bars.error(format_args!("sotto: {why}"));
            }
        }
    }

    fn heed(&mut self, news: &News) {
        let ours = self.open.contains(&news.number);
        match &news.what {
            What::Sent { .. } if ours => self.bars.line(news),
            // After the file was sent: the message about it was refused.
            What::NotTold { .. } => {
                self.failures += 1;
                self.bars.error(format_args!("sotto: {news}"));
            }
            What::Anew | What::Interrupted { .. } if ours => self.bars.error(format_args!("sotto: {news}")),
            What::Failed { .. } if ours => {
                self.failures += 1;
                self.bars.error(format_args!("sotto: {news}"));
            }
            _ => return,
        }
        if news.is_last() {
            self.open.remove(&news.number);
        }
    }
}

/// From the login to keys that can be used.
const PATIENCE: Duration = Duration::from_secs(60);
