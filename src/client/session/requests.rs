//! What a session asks of the server by wish of the user. Nothing is sent that the session knows to be
//! in vain, and everything that waits is bounded.

use std::borrow::Cow;

use crate::client::session::answers::{Expected, Outstanding};
use crate::client::session::connection::QUIT_PATIENCE;
use crate::client::session::entering::joined;
use crate::client::session::event::{Event, Failure, Place, Ticket, Unsent};
use crate::client::session::room::{Room, Saying, Stage};
use crate::client::session::{Login, Options, Phase, ROOMS_MAX, Session};
use crate::client::wire::{self, request};
use crate::proto::command::{Command, HistoryRange, Paging};
use crate::proto::event::Answer;
use crate::proto::id::Seq;
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::Code;
use crate::proto::secret::Secret;
use crate::proto::text::sanitise;
use crate::proto::time::Now;

impl Session {
    /// Logs in with this name and proof, after a refusal or instead of waiting for the next attempt.
    pub fn log_in(&mut self, now: Now, user: String, login: Login) {
        if matches!(self.phase, Phase::Online { .. } | Phase::Quitting { .. }) {
            return;
        }
        self.drop_connection();
        self.user = user;
        self.login = login;
        self.attempt += 1;
        self.phase = Phase::Connecting { since: now.mono };
    }

    /// Does whatever a user can ask for; the methods below are the same for one purpose each. The
    /// room must be named in commands that are about one.
    pub fn act(&mut self, now: Now, command: Command<'_>) -> Result<Ticket, Unsent> {
        match command {
            Command::Join { room, key } => self.join(now, &room_name(&room)?, key),
            Command::Quit { text } => Ok(self.quit(now, text.as_deref())),
            Command::Say { room, text, me, key: _ } => {
                let room = room.as_deref().ok_or(Unsent::NoRoom)?;
                self.say(now, &room_name(room)?, &text, me)
            }
            Command::Msg { user, text } => {
                self.message(now, &UserName::parse(&user).map_err(|_| Unsent::BadName)?, &text)
            }
            Command::Help { topic } => {
                let (ticket, topic) = (self.ticket(), topic.map(Cow::into_owned));
                let outcome = Ok(Answer::Help { topic });
                self.events.push_back(Event::Answered { ticket, outcome });
                Ok(ticket)
            }
            other => self.ask(other),
        }
    }

    /// Says something in a room, also while the connection is interrupted: it is kept until the server
    /// has confirmed that it is durable. A text of several lines is several messages, and the ticket
    /// is that of the last.
    pub fn say(&mut self, now: Now, room: &RoomName, text: &str, me: bool) -> Result<Ticket, Unsent> {
        if self.rooms.get(room).is_none_or(|room| room.stage == Stage::Out) {
            return Err(Unsent::NotInRoom);
        }
        let visible = |text: &Cow<'_, str>| text.chars().any(|c| !c.is_whitespace());
        let mut sayings = Vec::new();
        for text in text.split('\n').map(sanitise).filter(visible) {
            let (ticket, key) = (self.ticket(), self.key().into());
            let saying = Saying { ticket, text: text.into(), me, key, sent: false, doubtful: false };
            if request::encode(i64::MAX, &say_command(room, &saying)).len() > LINE_BYTES_MAX {
                return Err(Unsent::TooLong);
            }
            sayings.push(saying);
        }
        let ticket = sayings.last().ok_or(Unsent::Nothing)?.ticket;
        if self.unconfirmed() + sayings.len() > UNCONFIRMED_MAX {
            return Err(Unsent::TooMany);
        }
        self.rooms.get_mut(room).ok_or(Unsent::NotInRoom)?.outbox.extend(sayings);
        self.advance(now);
        Ok(ticket)
    }

    /// Enters a room, or creates it; at the next opportunity if there is no connection. The answer
    /// comes when its recent messages were shown.
    pub fn join(&mut self, now: Now, name: &RoomName, key: Option<Secret>) -> Result<Ticket, Unsent> {
        if !self.rooms.contains_key(name) && self.rooms.len() >= ROOMS_MAX {
            return Err(Unsent::TooMany);
        }
        let fresh = self.ticket();
        let room = self.rooms.entry(name.clone()).or_insert_with(|| Room::new(name.clone(), None));
        if room.stage == Stage::In {
            self.events.push_back(Event::RoomEntered(name.clone()));
            let topic = room.topic.as_deref().map(Into::into);
            let answer = joined(name.clone(), topic, room.sequence.last().0);
            self.events.push_back(Event::Answered { ticket: fresh, outcome: Ok(answer) });
            return Ok(fresh);
        }
        if room.stage == Stage::Out {
            room.stage = Stage::Wanted;
        }
        room.key = key.or(room.key.take());
        let ticket = *room.ticket.get_or_insert(fresh);
        self.advance(now);
        Ok(ticket)
    }

    /// Loads a page of lines older than those in the scrollback; [`Event::Older`] tells when they are
    /// there. `false` if there is nothing to load, or it is being loaded already.
    pub fn load_older(&mut self, name: &RoomName) -> bool {
        let online = matches!(self.phase, Phase::Online { .. });
        let Some(room) = self.rooms.get_mut(name) else { return false };
        if !online || room.stage != Stage::In || room.loading || !room.has_older() {
            return false;
        }
        room.loading = true;
        let next = Seq(room.sequence.last().0 + 1);
        let before = room.scrollback.oldest_seq().unwrap_or(next);
        let command = Command::History {
            room: Some(Cow::Owned(name.shown().to_string())),
            range: HistoryRange::Before(before.0),
            limit: Some(OLDER_PAGE),
            paging: Paging::Page,
        };
        self.send(&command, Outstanding::Older { room: name.clone() });
        true
    }

    /// Asks for anything else. Not for joining, saying and quitting, which [`Session::act`] knows.
    pub(super) fn ask(&mut self, command: Command<'_>) -> Result<Ticket, Unsent> {
        if !matches!(self.phase, Phase::Online { .. }) {
            return Err(Unsent::Offline);
        }
        if self.outstanding.len() >= OUTSTANDING_MAX {
            return Err(Unsent::TooMany);
        }
        let expected = Expected::of(&command)?;
        if request::encode(i64::MAX, &command).len() > LINE_BYTES_MAX {
            return Err(Unsent::TooLong);
        }
        let ticket = self.ticket();
        self.send(&command, Outstanding::Ask { ticket, expected });
        Ok(ticket)
    }

    /// Leaves the server; [`Event::Stopped`] follows. What is not confirmed yet is given up, so wait
    /// for [`Session::is_settled`] first where that matters.
    pub fn quit(&mut self, now: Now, text: Option<&str>) -> Ticket {
        let ticket = self.ticket();
        self.events.push_back(Event::Answered { ticket, outcome: Ok(Answer::Quit { text: None }) });
        if matches!(self.phase, Phase::Online { .. }) {
            self.send(&Command::Quit { text: text.map(Into::into) }, Outstanding::Quit);
            self.phase = Phase::Quitting { until: now.mono + QUIT_PATIENCE };
        } else if self.phase != Phase::Stopped {
            self.stop(super::Stop::Quit);
        }
        ticket
    }

    /// Forgets a private conversation, or a room that was left.
    pub fn forget(&mut self, place: &Place) {
        match place {
            Place::Server => {}
            Place::Person(user) => {
                self.people.remove(user);
            }
            Place::Room(room) => {
                if self.rooms.get(room).is_some_and(|room| room.stage == Stage::Out) {
                    self.rooms.remove(room);
                }
            }
        }
    }

    pub(super) fn send(&mut self, command: &Command<'_>, outstanding: Outstanding) {
        let id = self.next_request;
        self.next_request += 1;
        self.outstanding.insert(id, outstanding);
        self.lines.push_back(request::encode(id, command));
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    fn key(&mut self) -> String {
        self.next_key += 1;
        format!("{}-{}", self.key_prefix, self.next_key)
    }

    /// Whatever waits to be said in this room is refused.
    pub(super) fn fail_outbox(&mut self, room: &RoomName, code: Code, text: &str) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        for saying in std::mem::take(&mut room.outbox) {
            let refused =
                wire::Refused { code: wire::Clean(code.as_str().into()), text: wire::Clean(text.into()) };
            let outcome = Err(Failure::Refused(refused));
            self.events.push_back(Event::Answered { ticket: saying.ticket, outcome });
        }
    }
}

impl Options {
    /// Logs in with a password and joins these rooms.
    pub fn new(user: &str, login: Login, rooms: &[&str]) -> Result<Options, Unsent> {
        let rooms = rooms.iter().map(|room| room_name(room)).collect::<Result<_, _>>()?;
        Ok(Options { user: user.to_owned(), login, rooms })
    }
}

pub(super) fn say_command<'a>(room: &'a RoomName, saying: &'a Saying) -> Command<'a> {
    Command::Say {
        room: Some(room.shown().as_ref().into()),
        text: Cow::Borrowed(&saying.text),
        me: saying.me,
        key: Some(Cow::Borrowed(&saying.key)),
    }
}

pub(super) fn room_name(text: &str) -> Result<RoomName, Unsent> {
    RoomName::parse(text).map_err(|_| Unsent::BadName)
}

/// Texts that wait for the server's confirmation, in all rooms.
pub const UNCONFIRMED_MAX: usize = 1_000;
/// Requests that were sent and not answered.
pub(super) const OUTSTANDING_MAX: usize = 256;
/// Older messages loaded at a time: some screens full.
const OLDER_PAGE: u32 = 200;
/// Bytes of one request; the server's default for a line of JSON.
const LINE_BYTES_MAX: usize = 65_536;
