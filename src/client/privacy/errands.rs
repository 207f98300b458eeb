//! `sotto verify`, `devices`, `pair`, `recover`, `recovery`: one thing done without an interface, with an
//! exit status. Answers go to the output, what went wrong into the ending.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::client::home::Home;
use crate::client::link::Link;
use crate::client::plain::Ending;
use crate::client::privacy::act::{Desk, Done};
use crate::client::privacy::own::Own;
use crate::client::private::State;
use crate::client::scrollback::{Kind, Origin};
use crate::client::session::event::{Event, Place};

/// Does it over a link that has logged in and unlocked its keys, and quits.
pub fn errand(
    link: Link,
    home: &Home,
    own: Own,
    early: Vec<Event>,
    out: &mut dyn Write,
) -> io::Result<Ending> {
    let until = match own {
        // The code itself has an end.
        Own::Pair(None) => None,
        _ => Some(Instant::now() + PATIENCE),
    };
    let wants_keys = matches!(own, Own::Pair(None) | Own::Recover(_));
    let about = own.user();
    let mut run =
        Run { link, home, out, about, failure: None, last_error: None, arrived: 0, quitting: false };
    let mut desk = Desk::default();
    let mut under_way = false;
    let mut done = Some(desk.act(&mut run.link, own));
    let mut events = early;
    loop {
        for event in events {
            if let Some(ending) = run.take(event)? {
                return Ok(ending);
            }
        }
        match done.take() {
            None | Some(Done::Waiting) => {}
            Some(Done::Compared(false)) => run.fail("this is NOT the identity that is known here".to_owned()),
            Some(Done::Refused(text)) => run.fail(text),
            Some(Done::Lines(lines)) => {
                under_way = true;
                run.last_error = None;
                for line in lines {
                    writeln!(run.out, "{line}")?;
                }
                run.out.flush()?;
            }
            Some(_) => under_way = true,
        }
        if under_way && !run.quitting {
            run.end_when_done(wants_keys);
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(Ending::Failed("gave up: the server has not answered".to_owned()));
        }
        events = run.link.poll(left)?;
        done = desk.heed(&mut run.link);
    }
}

struct Run<'a> {
    link: Link,
    home: &'a Home,
    out: &'a mut dyn Write,
    /// Whose conversation is shown as well.
    about: Option<crate::proto::name::UserName>,
    failure: Option<String>,
    /// What the client said in red since it was asked for anything.
    last_error: Option<String>,
    /// Messages that came meanwhile, which nobody has seen.
    arrived: usize,
    quitting: bool,
}

impl Run<'_> {
    fn fail(&mut self, text: String) {
        self.failure.get_or_insert(text);
        self.quit();
    }

    fn quit(&mut self) {
        if !std::mem::replace(&mut self.quitting, true) {
            let now = self.link.now();
            self.link.session_mut().quit(now, None);
        }
    }

    /// The server has answered everything, and keys that were waited for are there, or will not come.
    fn end_when_done(&mut self, wants_keys: bool) {
        let session = self.link.session();
        let state = session.private().map(|private| private.state());
        match state {
            Some(State::NeedsPairing { code: Some(_) } | State::Starting) if wants_keys => {}
            Some(State::Ready) if wants_keys && session.is_settled() => self.quit(),
            Some(State::Ready) if wants_keys => {}
            _ if !wants_keys && !session.is_settled() => {}
            _ => match self.last_error.take() {
                Some(text) => self.fail(text),
                None if wants_keys => self.fail("the keys did not come".to_owned()),
                None => self.quit(),
            },
        }
    }

    fn take(&mut self, event: Event) -> io::Result<Option<Ending>> {
        let server = self.link.target().server.clone();
        self.home.heed(&server, self.link.session().user(), &event)?;
        match event {
            Event::Line { place, line, .. } => {
                let ours = match &place {
                    Place::Server => true,
                    Place::Person(user) => Some(user) == self.about.as_ref(),
                    Place::Room(_) => false,
                };
                match line.kind {
                    Kind::Say | Kind::Me if matches!(place, Place::Person(_)) => {
                        self.arrived += usize::from(!line.own && line.origin != Origin::Past);
                    }
                    Kind::Error if ours => self.last_error = Some(line.text.into()),
                    Kind::Notice if ours => {
                        writeln!(self.out, "{}", line.text)?;
                        self.out.flush()?;
                    }
                    _ => {}
                }
                Ok(None)
            }
            Event::LoginRefused(refused) => Ok(Some(Ending::Refused(refused.to_string()))),
            Event::Stopped(_) => {
                if self.arrived > 0 {
                    eprintln!("sotto: {} private messages came meanwhile; they are kept", self.arrived);
                }
                let failure = self.failure.take().or_else(|| self.link.untrusted().map(|(_, text)| text));
                Ok(Some(failure.map_or(Ending::Done, Ending::Failed)))
            }
            _ => Ok(None),
        }
    }
}

/// For the server to answer.
const PATIENCE: Duration = Duration::from_secs(60);
