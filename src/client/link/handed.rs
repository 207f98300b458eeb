//! Files that another process has handed over: `sotto send` beside a program that has the vault open.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::TrySendError;

use crate::client::bars::Bar;
use crate::client::batch::{Batch, Said, ready};
use crate::client::handover::words::{Named, Told};
use crate::client::link::Link;
use crate::client::link::listener::{Listener, Request};
use crate::client::scrollback::Kind;
use crate::client::send::{GAVE_UP, PATIENCE};
use crate::client::session::State;
use crate::client::session::event::Place;
use crate::client::transfer::ledger::news::News;
use crate::client::transfer::place::{self, told_name};
use crate::client::transfer::record::Number;
use crate::proto::name::UserName;
use crate::proto::time::Instant;

/// What a link has for that.
#[derive(Default)]
pub(super) struct Handover {
    // Before the listener: what was said last is sent while that goes.
    handed: Vec<Handed>,
    /// There once it was asked for, as long as the vault is open.
    listener: Option<Listener>,
}

/// What one caller has asked for.
struct Handed {
    request: Request,
    /// There once the files were taken.
    batch: Option<Batch>,
    /// When it is refused if nothing can be sent by then.
    until: Instant,
    /// It was told what it waits for.
    waits: bool,
    /// What was told last about how far it is, and when.
    bars: Vec<Bar>,
    told: Instant,
    /// It does not listen.
    deaf: bool,
}

impl Link {
    /// Takes files over from now on that `sotto send` brings, which cannot open the vault while this link
    /// has it.
    pub fn take_over_files(&mut self) {
        let Some(directory) = self.vault_mut().map(|vault| vault.directory().to_path_buf()) else { return };
        let waker = self.waker();
        let wake = Arc::new(move || {
            // A link that is gone needs no waking.
            let _ = waker.wake();
        });
        match Listener::start(&directory, wake) {
            Ok(listener) => self.handover.listener = Some(listener),
            Err(error) => {
                let (now, at) = (self.now(), directory.display());
                let text = format!("sotto send will be refused while this runs: {at}: {error}");
                self.session.note(now, Place::Server, Kind::Notice, text);
            }
        }
    }

    /// Nobody waits for files that were handed over.
    pub(super) fn has_settled_handed(&self) -> bool {
        self.handover.handed.is_empty()
    }

    /// Without a vault nothing is sent, and another process may open it.
    pub(super) fn close_handover(&mut self, why: &str) {
        let handover = std::mem::take(&mut self.handover);
        for mut one in handover.handed {
            one.tell(Told::Refused(why.to_owned()));
        }
    }

    /// When [`Link::turn_handed`] has something to do, even if nothing happens.
    pub(super) fn handed_deadline(&self) -> Option<Instant> {
        self.handover.handed.iter().filter(|one| one.batch.is_none()).map(|one| one.until).min()
    }

    /// Takes what was handed over, and tells how far it is; `true` if there may be more to do.
    pub(super) fn turn_handed(&mut self) -> bool {
        let now = self.now().mono;
        // Whoever is not told that its files were taken sends them itself, once the vault is free.
        let leaving = self.session.is_leaving();
        while !leaving && let Some(request) = self.handover.listener.as_ref().and_then(Listener::next) {
            self.handover.handed.push(Handed {
                request,
                batch: None,
                until: now + PATIENCE,
                waits: false,
                bars: Vec::new(),
                told: now,
                deaf: false,
            });
        }
        let mut begun = false;
        let mut handed = std::mem::take(&mut self.handover.handed);
        handed.retain_mut(|one| {
            if one.batch.is_none() {
                if leaving || one.is_gone() {
                    return false;
                }
                match self.may_begin(&one.request, now >= one.until) {
                    Some(Ok(())) => {
                        begun = true;
                        one.begin(self);
                    }
                    Some(Err(why)) => {
                        one.tell(Told::Refused(why));
                        return false;
                    }
                    None => one.waits(self),
                }
            }
            one.goes_on(self, now)
        });
        self.handover.handed = handed;
        begun
    }

    /// Tells those who wait for it.
    pub(super) fn tell_handed(&mut self, news: &News) {
        for one in &mut self.handover.handed {
            match one.batch.as_mut().and_then(|batch| batch.heed(news)) {
                Some(Said::Line(text)) => one.tell(Told::Line(text)),
                Some(Said::Error(text)) => one.tell(Told::Error(text)),
                None => {}
            }
        }
    }

    /// Whether what was handed over can be sent; `None`: not yet.
    fn may_begin(&self, request: &Request, late: bool) -> Option<Result<(), String>> {
        let server = self.target().server.to_string();
        let me = self.session().name().and_then(|name| UserName::parse(name).ok());
        let me = me.or_else(|| UserName::parse(self.session().user()).ok());
        if server != request.server || UserName::parse(&request.user).ok() != me {
            let me = me.map(|me| me.shown().to_string()).unwrap_or_default();
            return Some(Err(format!(
                "the sotto that has these keys open (process {}) is {me} at {server}, not {} at {}; end it \
                 first, or use another directory with --home",
                std::process::id(),
                request.user,
                request.server,
            )));
        }
        match ready(self) {
            None if late => Some(Err(GAVE_UP.to_owned())),
            ready => ready,
        }
    }

    /// Messages about these files are on their way.
    pub fn tells_of_files(&self, numbers: &BTreeSet<Number>) -> bool {
        self.notes_of_files().any(|number| numbers.contains(&number))
    }
}

impl Handed {
    fn begin(&mut self, link: &mut Link) {
        self.tell(Told::Taken { process: std::process::id() });
        let mut batch = Batch::default();
        let to = self.request.to.clone();
        for file in std::mem::take(&mut self.request.files) {
            let path = file.path.clone();
            let begun = if is_here(&file) {
                batch.begin(link, &to, &path)
            } else {
                batch.misses();
                Err(format!("{}: {ELSEWHERE} (process {})", path.display(), std::process::id()))
            };
            match begun {
                Ok(Number(number)) => {
                    let name = told_name(&path);
                    let text = format!("sending {name} to {to} for sotto send; /cancel {number} ends it");
                    let now = link.now();
                    link.session.note(now, Place::Person(to.clone()), Kind::Notice, text);
                }
                Err(why) => self.tell(Told::Error(why)),
            }
        }
        self.batch = Some(batch);
    }

    /// Tells how far it is; `false` once that was the last.
    fn goes_on(&mut self, link: &Link, now: Instant) -> bool {
        let Some(batch) = &self.batch else { return !self.is_gone() };
        if batch.is_over(link) {
            let failures = batch.failures();
            self.tell(Told::Over { failures });
            return false;
        }
        if now >= self.told + TELL_EVERY {
            let entries = link.transfers().into_iter().flat_map(|transfers| transfers.ledger().entries());
            let ours = entries.filter(|entry| batch.is_open(entry.number()));
            let bars: Vec<Bar> = ours.filter_map(|entry| Bar::of(entry, now)).take(BARS_MAX).collect();
            if bars != self.bars {
                self.tell(Told::Progress(bars.clone()));
                (self.bars, self.told) = (bars, now);
            }
        }
        !self.is_gone()
    }

    /// Tells what it waits for, if that may take long.
    fn waits(&mut self, link: &Link) {
        if !self.waits && link.session().state() != State::Online {
            self.waits = true;
            let process = std::process::id();
            self.tell(Told::Error(format!(
                "waiting for the sotto that runs (process {process}), which is not connected"
            )));
        }
    }

    /// Nobody is there to be told.
    fn is_gone(&self) -> bool {
        self.deaf || self.request.gone.load(Ordering::SeqCst)
    }

    fn tell(&mut self, told: Told) {
        let crowded = self.request.told.len() >= PROGRESS_WAITING_MAX;
        if crowded && matches!(told, Told::Progress(_)) {
            return;
        }
        match self.request.told.try_send(told) {
            Ok(()) => {}
            // Whoever does not listen for so long is not waited for; the files go on.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.deaf = true,
        }
    }
}

/// Whether it is the file that the caller means. One that cannot be read is told of when it is to be sent.
fn is_here(named: &Named) -> bool {
    place::open_source(&named.path).map_or(true, |(_, stamp)| stamp.id == named.id)
}

const ELSEWHERE: &str = "that is another file to the sotto that runs, and was not sent";
/// Not more often than anybody looks.
const TELL_EVERY: std::time::Duration = std::time::Duration::from_millis(100);
/// A screen of them, and few enough for a line.
const BARS_MAX: usize = 20;
/// Words that wait for a caller who is slow; how far it is can be told later.
const PROGRESS_WAITING_MAX: usize = 2;
