//! Replies: whose request each answers, and what becomes of it.

use std::time::Duration;

use crate::client::private::Asked;
use crate::client::scrollback::{Kind, Line, Origin, Seal};
use crate::client::session::event::{Event, Failure, Place, Stop, Ticket, Unsent};
use crate::client::session::requests::room_name;
use crate::client::session::{Session, read};
use crate::client::wire::{self, Odd, Refused};
use crate::proto::command::Command;
use crate::proto::event::{Access, Answer, Named};
use crate::proto::id::{FileId, Seq};
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::Code;
use crate::proto::secret::Secret;
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
    Private(Asked),
    Quit,
    Say { room: RoomName, ticket: Ticket },
}

/// What the reply to a user's request contains.
#[derive(Debug)]
pub enum Expected {
    Devices,
    /// Nothing but that it was done, which is known beforehand.
    Done(Answer),
    Files,
    Found {
        query: String,
    },
    History {
        room: RoomName,
    },
    Members,
    Named,
    /// The password is this from now on.
    Password {
        new: Option<Secret>,
    },
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
    Upload,
    UploadStatus,
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
        // What private messages wait for, they know themselves.
        !matches!(self, Outstanding::Hello | Outstanding::Ping | Outstanding::Private(_))
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
            Command::Passwd { new, .. } => return Ok(Expected::Password { new: new.clone() }),
            Command::History { room: name, .. } => return Ok(Expected::History { room: room(name)? }),
            Command::Decline { file } => Answer::Declined { file: file_id(file)? },
            Command::Delete { file } => Answer::Deleted { file: file_id(file)? },
            Command::Devices { .. } => return Ok(Expected::Devices),
            Command::Files { .. } => return Ok(Expected::Files),
            Command::Finish { file } => Answer::Finished { file: file_id(file)? },
            Command::Upload { .. } => return Ok(Expected::Upload),
            Command::UploadStatus { .. } => return Ok(Expected::UploadStatus),
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
            Command::Ack { .. }
            | Command::Attach { .. }
            | Command::Claim { .. }
            | Command::Enroll { .. }
            | Command::Hello { .. }
            | Command::Help { .. }
            | Command::Join { .. }
            | Command::Pair { .. }
            | Command::Ping
            | Command::Prekeys(_)
            | Command::Quit { .. }
            | Command::Revoke { .. }
            | Command::Say { .. }
            | Command::Secret { .. }
            | Command::Send(_) => Answer::Pong,
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
            (Outstanding::Hello, None) => self.handle_hello(),
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
            (Outstanding::Private(asked), refused) => self.handle_private_reply(now, asked, refused, line)?,
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

    fn read_answer(&mut self, expected: Expected, line: &[u8]) -> Result<Answer, Odd> {
        Ok(match expected {
            Expected::Done(answer) => {
                if let Answer::Left { room, .. } = &answer {
                    self.exit_room(room);
                }
                answer
            }
            Expected::Devices => read::devices(wire::ok(line)?)?,
            Expected::Files => read::files(wire::ok(line)?)?,
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
            Expected::Password { new } => {
                self.change_password(new);
                Answer::PasswordChanged
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
                    seal: Seal::NotEncrypted,
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
            Expected::Upload => read::upload(wire::ok(line)?)?,
            Expected::UploadStatus => read::upload_status(wire::ok(line)?)?,
            Expected::Users => read::users(wire::ok(line)?),
            Expected::Whois => read::whois(wire::ok(line)?)?,
        })
    }
}

fn file_id(text: &str) -> Result<FileId, Unsent> {
    FileId::parse(text).ok_or(Unsent::BadName)
}

/// The same request may succeed a little later.
pub(super) fn is_passing(refused: &Refused) -> bool {
    [Code::Busy, Code::ServerFull, Code::ShuttingDown, Code::TooFast].iter().any(|code| refused.is(*code))
}
