//! sotto without a screen: lines in, lines out, in the shapes of text mode, each flushed. For scripts,
//! pipes and screen readers.
//!
//! One line is taken at a time: the next when the last one was answered, or said and durable. So a
//! script's lines happen in their order, and at the end of the input everything has been done.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::client::home::Home;
use crate::client::input;
use crate::client::link::Link;
use crate::client::link::keys::Past;
use crate::client::link::typed::{Input, Typed};
use crate::client::privacy::act::{Desk, Done};
use crate::client::privacy::own::{self, Own, USAGES};
use crate::client::privacy::tell;
use crate::client::private;
use crate::client::scrollback::{Kind, Line, Origin};
use crate::client::session::State;
use crate::client::session::event::{Event, Place, Ticket, Unsent};
use crate::dialect::{self, Dialect};
use crate::proto::command::Command;
use crate::proto::event::{Answer, Entry, Event as Told, Named};
use crate::proto::id::{RequestId, Seq};
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::Refusal;
use crate::proto::secret::Secret;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything was done.
    Done,
    /// Something was not, for this reason.
    Failed(String),
    /// The name or the password was refused, for this reason.
    Refused(String),
}

/// Asks for a secret, without showing what is typed; `None` where nobody can be asked.
pub type AskSecret<'a> = &'a mut dyn FnMut(&str) -> Option<Secret>;

/// The plain client over a link that has logged in.
pub struct Plain<'a, W> {
    link: Link,
    home: &'a Home,
    out: W,
    current: Option<Place>,
    /// The room to be current when it is entered.
    preferred: Option<RoomName>,
    entered: BTreeSet<RoomName>,
    /// The room whose entry was shown last.
    announced: Option<RoomName>,
    /// The line that was taken and is not answered.
    waiting: Option<Ticket>,
    /// The name was shown.
    greeted: bool,
    /// The commands about identities and devices.
    desk: Desk,
    /// Private messages that waited for this person when it was time to go.
    left_behind: usize,
}

impl<'a, W: Write> Plain<'a, W> {
    /// `preferred`: the room that lines are said in at first; else the first that is entered.
    pub fn new(link: Link, home: &'a Home, out: W, preferred: Option<RoomName>) -> Plain<'a, W> {
        Plain {
            link,
            home,
            out,
            current: None,
            preferred,
            entered: BTreeSet::new(),
            announced: None,
            waiting: None,
            greeted: false,
            desk: Desk::default(),
            left_behind: 0,
        }
    }

    /// Takes lines until their end, or until `/quit`.
    pub fn run(&mut self, typed: &mut Typed, early: Vec<Event>, ask: AskSecret<'_>) -> io::Result<Ending> {
        let mut ended = false;
        let mut patience = None;
        for event in early {
            if let Some(ending) = self.show(event)? {
                return Ok(ending);
            }
        }
        self.show_kept()?;
        loop {
            while !ended && self.is_ready() {
                match typed.line() {
                    None => break,
                    Some(Input::Line(line)) => match own::read(&line, self.current.as_ref()) {
                        Some(own) => self.take_own(own, ask)?,
                        None => self.take(&line, ask)?,
                    },
                    Some(Input::End) => ended = true,
                    Some(Input::Failed(error)) => {
                        return Ok(Ending::Failed(format!("standard input: {error}")));
                    }
                }
            }
            if ended {
                let now = self.link.now();
                self.link.session_mut().hurry(now);
                let session = self.link.session();
                let offline = session.state() != State::Online && session.unconfirmed() == 0;
                let answered = self.waiting.is_none() && !self.desk.is_waiting();
                let files = self.link.has_settled_files();
                if answered && (session.is_settled() && files || offline) {
                    self.left_behind = session.private().map_or(0, |private| private.unconfirmed());
                    self.link.session_mut().quit(now, None);
                }
                if !files && !offline {
                    // A large file takes its time, as long as there is a line.
                    patience = None;
                }
                let until = *patience.get_or_insert_with(|| Instant::now() + END_PATIENCE);
                if Instant::now() >= until {
                    let left = self.link.session().unconfirmed();
                    return Ok(Ending::Failed(format!("gave up: {left} messages are not confirmed")));
                }
            }
            let timeout = patience.map(|until| until.saturating_duration_since(Instant::now()));
            for event in self.link.poll(timeout)? {
                if let Some(ending) = self.show(event)? {
                    return Ok(ending);
                }
            }
            if let Some(done) = self.desk.heed(&mut self.link) {
                self.show_done(done)?;
            }
        }
    }

    /// Messages that an earlier run has kept, and was killed before it showed them; or that came while
    /// nobody was there to read them.
    fn show_kept(&mut self) -> io::Result<()> {
        match self.link.begin_showing() {
            Ok(kept) => kept.into_iter().try_for_each(|Past { user, line }| match user {
                Some(user) => self.show_line(&Place::Person(user), &line),
                None => self.notice(&line.text),
            }),
            Err(error) => self.error(&error.to_string()),
        }
    }

    /// The next line may be taken.
    fn is_ready(&self) -> bool {
        let session = self.link.session();
        let entered = session.rooms().all(|room| !room.is_entering());
        let answered = self.waiting.is_none() && !self.desk.is_waiting();
        let starting = session.private().is_some_and(|private| private.state() == private::State::Starting);
        answered && !starting && session.state() == State::Online && !session.is_restoring() && entered
    }

    fn take(&mut self, line: &str, ask: AskSecret<'_>) -> io::Result<()> {
        let now = self.link.now();
        let session = self.link.session_mut();
        let sent = input::read(line, self.current.as_ref(), |command| match command {
            Ok(Command::Passwd { .. }) => {
                let (old, new) = (ask("present password"), ask("new password"));
                session.act(now, Command::Passwd { old, new }).map_err(|unsent| unsent.to_string())
            }
            Ok(command) => session.act(now, command).map_err(|unsent| match unsent {
                Unsent::PrivateOff => tell::why_off(session).unwrap_or_else(|| unsent.to_string()),
                unsent => unsent.to_string(),
            }),
            Err(refusal) => Err(refusal.to_string()),
        });
        match sent {
            Some(Ok(ticket)) => self.waiting = Some(ticket),
            Some(Err(text)) => self.error(&text)?,
            None => {}
        }
        Ok(())
    }

    /// A command about identities and devices.
    fn take_own(&mut self, own: Result<Own, Refusal>, ask: AskSecret<'_>) -> io::Result<()> {
        let own = match own {
            Ok(own) => own,
            Err(refusal) => return self.error(&refusal.to_string()),
        };
        match self.desk.act(&mut self.link, own) {
            Done::AskRecoveryKey => match ask("recovery key") {
                Some(key) => {
                    let done = self.desk.act(&mut self.link, Own::Recover(Some(key)));
                    self.show_done(done)
                }
                None => self.error("missing-argument: usage: /recover KEY"),
            },
            done => self.show_done(done),
        }
    }

    fn show_done(&mut self, done: Done) -> io::Result<()> {
        match done {
            Done::Asked(ticket) => self.waiting = Some(ticket),
            // The conversation says so.
            Done::AskRecoveryKey | Done::Compared(_) | Done::Waiting => {}
            Done::Found { words, past } => self.show_found(&words, past)?,
            Done::Lines(lines) => lines.iter().try_for_each(|line| self.notice(line))?,
            Done::Refused(text) => self.error(&text)?,
        }
        Ok(())
    }

    fn show_found(&mut self, words: &str, past: Vec<Past>) -> io::Result<()> {
        self.notice(&format!("private messages with {words}"))?;
        let count = past.len();
        for Past { user, line } in past {
            match user {
                Some(user) => self.show_line(&Place::Person(user), &line)?,
                None => self.notice(&line.text)?,
            }
        }
        let messages = if count == 1 { "message" } else { "messages" };
        self.notice(&format!("end of search: {count} {messages}"))
    }

    /// Shows an event; some end the run.
    fn show(&mut self, event: Event) -> io::Result<Option<Ending>> {
        let server = self.link.target().server.clone();
        let user = self.link.session().user().to_owned();
        if let Err(error) = self.home.heed(&server, &user, &event) {
            self.error(&format!("{}: {error}", self.home.directory().display()))?;
        }
        match event {
            Event::Answered { ticket, outcome } => {
                if self.waiting == Some(ticket) {
                    self.waiting = None;
                }
                match outcome {
                    Ok(answer) => self.show_answer(answer)?,
                    Err(failure) => self.error(&failure.to_string())?,
                }
            }
            Event::Back { after } => {
                self.notice(&format!("connection lost, back after {} s", after.as_secs().max(1)))?;
            }
            Event::Line { place, line, .. } => self.show_line(&place, &line)?,
            Event::LoginRefused(refused) => return Ok(Some(Ending::Refused(refused.to_string()))),
            // Told when it is over; a person who waits meanwhile sees it where messages to people go.
            Event::Lost(why) => eprintln!("sotto: {why}; trying again"),
            Event::PrivateChanged(user) => {
                // Whoever has to agree to a new identity first, or to bring keys here, must be able to
                // type that; the message waits.
                let session = self.link.session();
                let held = user
                    .zip(session.private())
                    .is_some_and(|(user, private)| private.waiting(&user).iter().any(|message| message.held));
                if held || tell::is_off(session) {
                    self.waiting = None;
                }
            }
            Event::RoomEntered(room) => self.show_entered(room)?,
            Event::RoomExited(room) => {
                self.entered.remove(&room);
                if self.current == Some(Place::Room(room)) {
                    self.current = None;
                }
            }
            Event::Stopped(_) => {
                return Ok(Some(match (self.link.untrusted(), self.left_behind) {
                    (Some((_, text)), _) => Ending::Failed(text),
                    (None, 0) => Ending::Done,
                    (None, left) => Ending::Failed(format!(
                        "{left} private messages wait for you: to agree to changed keys, or bring yours here"
                    )),
                }));
            }
            Event::LoggedIn(login) if !self.greeted => {
                self.greeted = true;
                let how = match (login.guest, login.registered) {
                    (true, _) => Named::Guest,
                    (false, true) => Named::Register,
                    (false, false) => Named::Login,
                };
                if let Ok(user) = UserName::parse(&login.user) {
                    let answer = Answer::Named { user, how, token: None, rooms: Vec::new() };
                    self.tell(&Told::Answer(RequestId::NONE, answer))?;
                }
                if let Some(why) = self.link.session().private_off().map(str::to_owned) {
                    self.notice(&why)?;
                }
            }
            Event::Transfer(_)
            | Event::FileOffered { .. }
            | Event::LoggedIn(_)
            | Event::MembersChanged(_)
            | Event::Older { .. }
            | Event::TopicChanged(_) => {}
        }
        Ok(None)
    }

    fn show_answer(&mut self, answer: Answer) -> io::Result<()> {
        match &answer {
            // Its sender sees what was typed.
            Answer::Said { .. } | Answer::Quit { .. } | Answer::Pong => return Ok(()),
            Answer::Joined(view) => {
                self.current = Some(Place::Room(view.room.clone()));
                // Shown when it was entered, unless that was long ago.
                if self.announced.take().as_ref() != Some(&view.room) {
                    self.announce(&view.room)?;
                }
                return Ok(());
            }
            _ => {}
        }
        let all_help = matches!(answer, Answer::Help { topic: None });
        self.tell(&Told::Answer(RequestId::NONE, answer))?;
        if all_help {
            USAGES.iter().try_for_each(|usage| self.notice(&format!("{}: {}", usage.line(), usage.text)))?;
        }
        Ok(())
    }

    /// A room was entered, for the first time or after an interruption, which is not worth a line.
    fn show_entered(&mut self, room: RoomName) -> io::Result<()> {
        if !self.entered.insert(room.clone()) {
            return Ok(());
        }
        if self.current.is_none() || self.preferred.as_ref() == Some(&room) {
            self.current = Some(Place::Room(room.clone()));
        }
        self.announce(&room)?;
        self.announced = Some(room);
        Ok(())
    }

    fn announce(&mut self, room: &RoomName) -> io::Result<()> {
        self.notice(&format!("you are in {room}"))?;
        let topic = self.link.session().room(room).and_then(|room| room.topic()).map(str::to_owned);
        match topic {
            Some(topic) => self.notice(&format!("topic of {room}: {topic}")),
            None => Ok(()),
        }
    }

    fn show_line(&mut self, place: &Place, line: &Line) -> io::Result<()> {
        // The sender of a private message sees it with the answer, of a room message not at all.
        if line.origin == Origin::Here {
            return Ok(());
        }
        for text in line.text.lines() {
            match (line.kind, place) {
                (Kind::Say | Kind::Me, Place::Room(room)) => {
                    let entry = Entry {
                        seq: Seq(0),
                        at: line.at,
                        from: line.from.as_ref().into(),
                        me: line.kind == Kind::Me,
                        text: text.into(),
                    };
                    self.tell(&Told::Message { room: room.clone(), entry: entry.into() })?;
                }
                (Kind::Say | Kind::Me, Place::Person(user)) => {
                    let Ok(me) = UserName::parse(self.link.session().name().unwrap_or_default()) else {
                        return Ok(());
                    };
                    let (at, text) = (line.at, text.into());
                    self.tell(&if line.own {
                        Told::PrivateSent { from: me, to: user.clone(), at, text }
                    } else {
                        Told::PrivateReceived { from: user.shown().clone(), to: me, at, text }
                    })?;
                }
                (Kind::Gap, _) => self.notice(&format!("{place}: {text}"))?,
                // Scripts take three exclamation marks for a failure; this is how things are.
                (Kind::Error, Place::Person(_)) if text.starts_with(NOT_ENCRYPTED) => {
                    self.notice(text.trim_start_matches(NOT_ENCRYPTED))?;
                }
                (Kind::Error, _) => self.write(&format!("!!! {text}\n"))?,
                _ => self.notice(text)?,
            }
        }
        Ok(())
    }

    fn tell(&mut self, event: &Told) -> io::Result<()> {
        let mut lines = Vec::new();
        dialect::encode(Dialect::Text, event, &mut lines);
        self.out.write_all(&lines)?;
        self.out.flush()
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        self.write(&format!("*** {text}\n"))
    }

    /// What the user asked for was not done.
    fn error(&mut self, text: &str) -> io::Result<()> {
        self.write(&format!("!!! {text}\n"))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// What lines begin with that say so of a conversation or of a message.
const NOT_ENCRYPTED: &str = "not-encrypted: ";

/// From the end of the input to the confirmation of everything, also when the server is away meanwhile.
const END_PATIENCE: Duration = Duration::from_secs(60);
