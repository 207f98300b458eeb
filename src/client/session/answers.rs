//! Replies: whose request each answers, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use crate::client::scrollback::{Kind, Line, Origin};
use crate::client::session::event::{Event, Failure, LoggedIn, Lost, Place, Stop, Ticket, Unsent};
use crate::client::session::requests::room_name;
use crate::client::session::room::{Room, Saying, Stage};
use crate::client::session::{Login, Phase, ROOMS_MAX, Session, read};
use crate::client::wire::{self, Odd, Refused};
use crate::proto::command::Command;
use crate::proto::event::{Access, Answer, Named, RoomView};
use crate::proto::id::Seq;
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::Code;
use crate::proto::time::Now;

/// A request on its way, with what is needed to understand its reply.
#[derive(Debug)]
pub enum Outstanding {
    Ask { ticket: Ticket, expected: Expected },
    Fill { room: RoomName },
    Hello,
    Join { room: RoomName },
    Login,
    Older { room: RoomName },
    Ping,
    Quit,
    Say { room: RoomName, ticket: Ticket },
}

/// What the reply to a user's request contains.
#[derive(Debug)]
pub enum Expected {
    /// Nothing but that it was done, which is known beforehand.
    Done(Answer),
    Found {
        query: String,
    },
    History {
        room: RoomName,
    },
    Members,
    Named,
    Rooms,
    Sent {
        to: UserName,
        text: Box<str>,
    },
    Status,
    Topic {
        room: RoomName,
        changed: bool,
    },
    Users,
    Whois,
}

impl Outstanding {
    /// The session asked for it by itself.
    pub(super) fn is_background(&self) -> bool {
        matches!(self, Outstanding::Fill { .. } | Outstanding::Join { .. })
    }

    /// Somebody waits for the answer.
    pub(super) fn matters(&self) -> bool {
        !matches!(self, Outstanding::Hello | Outstanding::Ping)
    }

    /// The connection is gone: who must be told that there will be no answer. What the session
    /// repeats by itself is not among it.
    pub(super) fn abandoned(self) -> Option<Ticket> {
        match self {
            Outstanding::Ask { ticket, .. } => Some(ticket),
            _ => None,
        }
    }
}

impl Expected {
    pub(super) fn of(command: &Command<'_>) -> Result<Expected, Unsent> {
        let room = |room: &Option<_>| room.as_deref().ok_or(Unsent::NoRoom).and_then(room_name);
        let user = |user: &str| UserName::parse(user).map_err(|_| Unsent::BadName);
        Ok(Expected::Done(match command {
            Command::Ban { room: name, user: whom } => {
                Answer::Banned { room: room(name)?, user: user(whom)?, banned: true }
            }
            Command::Unban { room: name, user: whom } => {
                Answer::Banned { room: room(name)?, user: user(whom)?, banned: false }
            }
            Command::Op { room: name, user: whom } => {
                Answer::OperatorSet { room: room(name)?, user: user(whom)?, operator: true }
            }
            Command::Deop { room: name, user: whom } => {
                Answer::OperatorSet { room: room(name)?, user: user(whom)?, operator: false }
            }
            Command::Block { user: whom } => Answer::Blocked { user: user(whom)?, blocked: true },
            Command::Unblock { user: whom } => Answer::Blocked { user: user(whom)?, blocked: false },
            Command::Invite { room: name, user: whom } => {
                Answer::Invited { room: room(name)?, user: user(whom)? }
            }
            Command::Kick { room: name, user: whom, .. } => {
                Answer::Kicked { room: room(name)?, user: user(whom)? }
            }
            Command::Leave { room: name } => Answer::Left { room: room(name)?, current: None },
            Command::Room { room: name, access, .. } => {
                Answer::AccessSet { room: room(name)?, access: Access::parse(access).unwrap_or_default() }
            }
            Command::Passwd { .. } => Answer::PasswordChanged,
            Command::History { room: name, .. } => return Ok(Expected::History { room: room(name)? }),
            Command::List { .. } => return Ok(Expected::Users),
            Command::Login { .. } | Command::Nick { .. } | Command::Register { .. } => {
                return Ok(Expected::Named);
            }
            Command::Msg { user: whom, text } => {
                return Ok(Expected::Sent { to: user(whom)?, text: wire::clean_body(text) });
            }
            Command::Rooms { .. } => return Ok(Expected::Rooms),
            Command::Search { query, .. } => return Ok(Expected::Found { query: query.to_string() }),
            Command::Status { .. } => return Ok(Expected::Status),
            Command::Topic { room: name, topic } => {
                return Ok(Expected::Topic { room: room(name)?, changed: topic.is_some() });
            }
            Command::Who { room: name, .. } => {
                room(name)?;
                return Ok(Expected::Members);
            }
            Command::Whois { .. } => return Ok(Expected::Whois),
            // Those that the session sends by itself, and those that are not sent at all.
            Command::Hello { .. }
            | Command::Help { .. }
            | Command::Join { .. }
            | Command::Ping
            | Command::Quit { .. }
            | Command::Say { .. }
            | Command::Secret { .. } => Answer::Pong,
        }))
    }
}

impl Session {
    pub(super) fn handle_reply(
        &mut self,
        now: Now,
        re: i64,
        refused: Option<Refused>,
        line: &[u8],
    ) -> Result<(), Odd> {
        let outstanding = self.outstanding.remove(&re).ok_or(Odd)?;
        if self.restoring == Some(re) {
            self.restoring = None;
        }
        match (outstanding, refused) {
            (Outstanding::Ask { ticket, expected }, None) => {
                let outcome = Ok(self.read_answer(expected, line)?);
                self.events.push_back(Event::Answered { ticket, outcome });
            }
            (Outstanding::Ask { ticket, expected: _ }, Some(refused)) => {
                self.events.push_back(Event::Answered { ticket, outcome: Err(Failure::Refused(refused)) });
            }
            (Outstanding::Fill { room }, refused) => self.handle_fill(now, &room, refused, line)?,
            (Outstanding::Hello, None) => {}
            (Outstanding::Hello, Some(refused)) => self.refuse_login(refused),
            (Outstanding::Join { room }, None) => self.handle_joined(room, wire::ok(line)?)?,
            (Outstanding::Join { room }, Some(refused)) => self.handle_join_refused(now, room, refused),
            (Outstanding::Login, None) => self.handle_named(now, wire::ok(line)?),
            (Outstanding::Login, Some(refused)) => self.handle_login_refused(now, refused),
            (Outstanding::Older { room }, refused) => self.handle_older(&room, refused, line)?,
            (Outstanding::Ping, _) => {
                let sent = self.ping_sent.take();
                self.lag = sent.map(|sent| Duration::from_millis(now.mono.since_ms(sent)));
            }
            (Outstanding::Quit, _) => self.stop(Stop::Quit),
            (Outstanding::Say { room, ticket }, None) => {
                self.handle_said(&room, ticket, wire::ok(line)?);
            }
            (Outstanding::Say { room, ticket }, Some(refused)) => {
                self.handle_say_refused(now, &room, ticket, refused);
            }
        }
        Ok(())
    }

    // ---- the name -------------------------------------------------------------------------------

    fn handle_named(&mut self, now: Now, named: wire::Named) {
        let login = std::mem::replace(&mut self.login, Login::Guest);
        let guest = login == Login::Guest;
        let registered = matches!(login, Login::Register { .. });
        let password = match &login {
            Login::Password(password) | Login::Register { password, .. } => Some(password.clone()),
            Login::Token { password, .. } => password.clone(),
            Login::Guest => None,
        };
        self.login = match (named.token.clone(), password) {
            (Some(token), password) => Login::Token { token, password },
            (None, Some(password)) if !matches!(login, Login::Token { .. }) => Login::Password(password),
            (None, _) => login,
        };
        let returning = self.name.is_some();
        self.name = Some(named.user.0.clone());
        self.guest = guest;
        self.phase = Phase::Online { since: now.mono };
        self.events.push_back(Event::LoggedIn(LoggedIn {
            user: named.user.0,
            guest,
            token: named.token,
            registered,
        }));
        let memberships: Vec<RoomName> =
            named.rooms.iter().filter_map(|room| RoomName::parse(room).ok()).take(ROOMS_MAX).collect();
        if returning && !guest {
            self.compare_memberships(now, &memberships);
        }
        if !memberships.is_empty() {
            // The server shows the restored rooms by itself, before it answers anything else. What it
            // did not show when this is answered is asked for.
            self.restoring = Some(self.next_request);
            self.ping(now);
        }
        for name in memberships {
            let room = self.rooms.entry(name.clone()).or_insert_with(|| Room::new(name, None));
            if room.stage == Stage::Out {
                room.stage = Stage::Wanted;
            }
        }
    }

    /// An account is in its rooms while it is away. Where it is no longer, it was thrown out, or left
    /// by another session; going back in uninvited would be wrong.
    fn compare_memberships(&mut self, now: Now, memberships: &[RoomName]) {
        let gone: Vec<RoomName> = self
            .rooms
            .values()
            .filter(|room| room.stage != Stage::Out && room.sequence.has_begun() && room.ticket.is_none())
            .filter(|room| !memberships.contains(&room.name))
            .map(|room| room.name.clone())
            .collect();
        for name in gone {
            let text = format!("you are no longer in {name}");
            self.note(now, Place::Room(name.clone()), Kind::Leave, text);
            self.exit_room(&name);
        }
    }

    fn handle_login_refused(&mut self, now: Now, refused: Refused) {
        let returning_guest = self.login == Login::Guest && self.name.is_some();
        if is_passing(&refused) || returning_guest && refused.is(Code::NameTaken) {
            // Busy; or the server has not noticed yet that the old connection is gone.
            let why = Lost::Network(refused.to_string().into());
            return self.lose(now, why);
        }
        if let Login::Token { password: Some(password), .. } = &self.login
            && refused.is(Code::LoginFailed)
        {
            self.login = Login::Password(password.clone());
            return self.present();
        }
        self.refuse_login(refused);
    }

    fn refuse_login(&mut self, refused: Refused) {
        self.drop_connection();
        self.phase = Phase::Refused;
        self.events.push_back(Event::LoginRefused(refused));
    }

    // ---- rooms ----------------------------------------------------------------------------------

    /// The answer to `join`, or the news that another session of this user joined.
    pub(super) fn handle_joined(&mut self, asked: RoomName, view: wire::RoomView) -> Result<(), Odd> {
        let name = RoomName::parse(&view.room).map_err(|_| Odd)?;
        // The server knows the room by the name it was made with.
        let Some(mut room) = self.rooms.remove(&asked) else { return Ok(()) };
        if room.stage == Stage::Out {
            // Left meanwhile.
            self.rooms.insert(asked, room);
            return Ok(());
        }
        let fresh = room.stage != Stage::In;
        room.name = name.clone();
        room.stage = Stage::In;
        room.topic = view.topic.map(|topic| topic.0).filter(|topic| !topic.is_empty());
        room.members =
            view.members.iter().filter_map(|user| UserName::parse(user).ok()).take(MEMBERS_MAX).collect();
        let origin = if room.sequence.has_begun() { Origin::Missed } else { Origin::Past };
        let first = !room.sequence.has_begun();
        let recent: Vec<Line> =
            view.messages.into_iter().map(|message| self.message_line(message, origin)).collect();
        if first {
            room.at_start = recent.first().map_or(view.seq == 0, |line| line.seq.0 <= 1);
        }
        let lines = room.sequence.enter(view.seq, recent, fresh);
        let ticket = room.ticket.take();
        let topic = room.topic.as_deref().map(Into::into);
        self.rooms.insert(name.clone(), room);
        self.events.push_back(Event::RoomEntered(name.clone()));
        self.show_in_room(&name, lines);
        if let Some(ticket) = ticket {
            self.events.push_back(Event::Answered { ticket, outcome: Ok(joined(name, topic, view.seq)) });
        }
        Ok(())
    }

    fn handle_join_refused(&mut self, now: Now, name: RoomName, refused: Refused) {
        let Some(room) = self.rooms.get_mut(&name) else { return };
        if is_passing(&refused) {
            room.stage = Stage::Wanted;
            return self.rest_a_little(now);
        }
        let ticket = room.ticket.take();
        let known = room.sequence.has_begun();
        let text = format!("{name} cannot be entered: {refused}");
        match ticket {
            Some(ticket) => {
                self.events.push_back(Event::Answered { ticket, outcome: Err(Failure::Refused(refused)) });
            }
            None if known => {
                self.note(now, Place::Room(name.clone()), Kind::Error, text);
            }
            None => {
                self.note(now, Place::Server, Kind::Error, text);
            }
        }
        self.exit_room(&name);
        if !known {
            self.rooms.remove(&name);
        }
    }

    /// Not in this room any more, for whatever reason.
    pub(super) fn exit_room(&mut self, name: &RoomName) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        if room.stage == Stage::Out {
            return;
        }
        room.stage = Stage::Out;
        room.members.clear();
        self.fail_outbox(name, Code::NotInRoom, "you are not in this room any more");
        self.events.push_back(Event::RoomExited(name.clone()));
    }

    fn handle_fill(
        &mut self,
        now: Now,
        name: &RoomName,
        refused: Option<Refused>,
        line: &[u8],
    ) -> Result<(), Odd> {
        let Some(room) = self.rooms.get_mut(name) else { return Ok(()) };
        room.filling = false;
        if refused.as_ref().is_some_and(is_passing) {
            self.rest_a_little(now);
            return Ok(());
        }
        // A refusal is an empty page: the gap cannot be filled, and is marked.
        let page = if refused.is_some() { Ok(wire::Page::default()) } else { wire::ok(line) };
        let odd = page.as_ref().err().copied();
        let page = page.unwrap_or_default();
        let lines: Vec<Line> =
            page.messages.into_iter().map(|message| self.message_line(message, Origin::Missed)).collect();
        let Some(room) = self.rooms.get_mut(name) else { return Ok(()) };
        let lines = room.sequence.page(lines);
        self.show_in_room(name, lines);
        odd.map_or(Ok(()), Err)
    }

    fn handle_older(&mut self, name: &RoomName, refused: Option<Refused>, line: &[u8]) -> Result<(), Odd> {
        let Some(room) = self.rooms.get_mut(name) else { return Ok(()) };
        room.loading = false;
        if refused.is_some() {
            self.events.push_back(Event::Older { room: name.clone(), lines: 0, start: false });
            return Ok(());
        }
        let page: wire::Page = wire::ok(line)?;
        let lines: Vec<Line> =
            page.messages.into_iter().map(|message| self.message_line(message, Origin::Past)).collect();
        let Some(room) = self.rooms.get_mut(name) else { return Ok(()) };
        // What is not strictly older would be shown twice.
        let mut below = room.scrollback.oldest_seq().unwrap_or(Seq(u64::MAX));
        let mut older: Vec<Line> = Vec::new();
        for line in lines.into_iter().rev() {
            if line.seq < below && line.seq.0 > 0 {
                below = line.seq;
                older.push(line);
            }
        }
        older.reverse();
        room.at_start = older.first().is_none_or(|line| line.seq.0 <= 1);
        room.scrollback.prepend(&older);
        let start = !room.has_older();
        self.events.push_back(Event::Older { room: name.clone(), lines: older.len(), start });
        Ok(())
    }

    // ---- saying ---------------------------------------------------------------------------------

    fn handle_said(&mut self, name: &RoomName, ticket: Ticket, said: wire::Said) {
        let user = self.name.clone().unwrap_or_default();
        let Some(room) = self.rooms.get_mut(name) else { return };
        let Some(saying) = room.confirm(|saying| saying.ticket == ticket) else { return };
        let line = Line {
            kind: if saying.me { Kind::Me } else { Kind::Say },
            origin: Origin::Here,
            own: true,
            seq: Seq(said.seq),
            at: said.ts.0,
            from: user,
            text: saying.text,
        };
        let lines = room.sequence.live(line);
        self.show_in_room(name, lines);
        self.events.push_back(Event::Answered {
            ticket,
            outcome: Ok(Answer::Said { room: name.clone(), seq: Seq(said.seq), at: said.ts.0 }),
        });
    }

    fn handle_say_refused(&mut self, now: Now, name: &RoomName, ticket: Ticket, refused: Refused) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        if is_passing(&refused) {
            if let Some(saying) = room.outbox.front_mut() {
                saying.sent = false;
            }
            return self.rest_a_little(now);
        }
        if room.confirm(|saying| saying.ticket == ticket).is_some() {
            self.events.push_back(Event::Answered { ticket, outcome: Err(Failure::Refused(refused)) });
        }
    }

    /// Adds lines that the room's sequence let pass.
    pub(super) fn show_in_room(&mut self, name: &RoomName, lines: Vec<Line>) {
        for line in lines {
            self.recognise(name, &line);
            self.show(Place::Room(name.clone()), line);
        }
    }

    /// A text that was on its way when the connection broke, and is among what was missed, has
    /// arrived. Only needed where its key is no help: a guest's ends with the connection.
    fn recognise(&mut self, name: &RoomName, line: &Line) {
        if !self.guest || !line.own || line.origin != Origin::Missed {
            return;
        }
        let Some(room) = self.rooms.get_mut(name) else { return };
        let same = |saying: &Saying| {
            saying.doubtful && saying.text == line.text && saying.me == (line.kind == Kind::Me)
        };
        if let Some(saying) = room.confirm(same) {
            let outcome = Ok(Answer::Said { room: name.clone(), seq: line.seq, at: line.at });
            self.events.push_back(Event::Answered { ticket: saying.ticket, outcome });
        }
    }

    pub(super) fn message_line(&self, message: wire::Message, origin: Origin) -> Line {
        Line {
            kind: if message.me { Kind::Me } else { Kind::Say },
            origin,
            own: self.is_own(&message.from),
            seq: Seq(message.seq),
            at: message.ts.0,
            from: message.from.0,
            text: message.text.0,
        }
    }

    pub(super) fn is_own(&self, user: &str) -> bool {
        self.name.as_deref() == Some(user)
    }

    // ---- what the user asked --------------------------------------------------------------------

    fn read_answer(&mut self, expected: Expected, line: &[u8]) -> Result<Answer, Odd> {
        Ok(match expected {
            Expected::Done(answer) => {
                if let Answer::Left { room, .. } = &answer {
                    self.exit_room(room);
                }
                answer
            }
            Expected::Found { query } => read::found(query, wire::ok(line)?),
            Expected::History { room } => read::history(room, wire::ok(line)?),
            Expected::Members => read::members(wire::ok(line)?)?,
            Expected::Named => {
                let named: wire::Named = wire::ok(line)?;
                let user = read::user(&named.user)?;
                self.user = named.user.to_string();
                self.name = Some(named.user.0);
                Answer::Named { user, how: Named::Guest, token: None, rooms: Vec::new() }
            }
            Expected::Rooms => read::rooms(wire::ok(line)?),
            Expected::Sent { to, text } => {
                let sent: wire::Sent = wire::ok(line)?;
                let to = UserName::parse(&sent.to).unwrap_or(to);
                let from = UserName::parse(self.name().unwrap_or_default()).map_err(|_| Odd)?;
                let line = Line {
                    kind: Kind::Say,
                    origin: Origin::Here,
                    own: true,
                    seq: Seq(0),
                    at: sent.ts.0,
                    from: from.shown().as_ref().into(),
                    text: text.clone(),
                };
                self.show(Place::Person(to.clone()), line);
                Answer::Sent { to, from, at: sent.ts.0, text: text.into(), kept: sent.kept }
            }
            Expected::Status => read::status_set(wire::ok(line)?),
            Expected::Topic { room, changed } => {
                let topic: wire::Topic = wire::ok(line)?;
                let topic = read::shared(topic.topic);
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.topic = topic.as_deref().map(Box::from);
                    self.events.push_back(Event::TopicChanged(room.name.clone()));
                }
                Answer::Topic { room, topic, changed }
            }
            Expected::Users => read::users(wire::ok(line)?),
            Expected::Whois => read::whois(wire::ok(line)?)?,
        })
    }
}

/// The answer to whoever asked to join; the recent messages were shown already.
pub(super) fn joined(room: RoomName, topic: Option<Arc<str>>, seq: u64) -> Answer {
    Answer::Joined(Box::new(RoomView {
        room,
        topic,
        members: Vec::new(),
        seq: Seq(seq),
        messages: Vec::new(),
    }))
}

/// The same request may succeed a little later.
fn is_passing(refused: &Refused) -> bool {
    [Code::Busy, Code::ServerFull, Code::ShuttingDown, Code::TooFast].iter().any(|code| refused.is(*code))
}

/// Members kept of one room.
const MEMBERS_MAX: usize = 20_000;
