//! Events: what the server tells without being asked.

use crate::client::scrollback::{Kind, Line, Origin};
use crate::client::session::event::{Event, Place};
use crate::client::session::room::{Room, Stage};
use crate::client::session::{ROOMS_MAX, Session, notice};
use crate::client::wire::{self, Notice, Odd};
use crate::proto::id::Seq;
use crate::proto::name::{RoomName, UserName};
use crate::proto::time::Now;

impl Session {
    pub(super) fn handle_news(&mut self, now: Now, ev: &str, kind: &str, line: &[u8]) -> Result<(), Odd> {
        match ev {
            "message" => self.handle_message(wire::event(line)?),
            "private" => self.handle_private(wire::event(line)?),
            "error" => {
                let error: Notice = wire::event(line)?;
                let code = error.code.ok_or(Odd)?;
                let text = format!("{code}: {}", error.text.unwrap_or_default().0);
                self.note(now, Place::Server, Kind::Error, text);
                Ok(())
            }
            "notice" => match kind {
                "entered" => self.handle_entered(wire::event(line)?),
                _ => self.handle_notice(now, kind, &wire::event(line)?),
            },
            // A newer server may have more to say than this client understands.
            _ => Ok(()),
        }
    }

    fn handle_message(&mut self, message: wire::Message) -> Result<(), Odd> {
        let name = message.room.as_ref().and_then(|room| RoomName::parse(room).ok()).ok_or(Odd)?;
        let line = self.message_line(message, Origin::Live);
        let Some(room) = self.rooms.get_mut(&name) else { return Ok(()) };
        match room.stage {
            Stage::In => {
                let name = room.name.clone();
                let lines = room.sequence.live(line);
                self.show_in_room(&name, lines);
            }
            // The answer to `join` has it, or it is fetched like any that were missed.
            Stage::Joining | Stage::Wanted => room.sequence.heard_of(line.seq),
            Stage::Out => {}
        }
        Ok(())
    }

    fn handle_private(&mut self, private: wire::Private) -> Result<(), Odd> {
        let own = self.is_own(&private.from);
        let peer = if own { &private.to } else { &private.from };
        let peer = UserName::parse(peer).map_err(|_| Odd)?;
        let line = Line {
            kind: Kind::Say,
            origin: Origin::Live,
            own,
            seq: Seq(0),
            at: private.ts.0,
            from: private.from.0,
            text: private.text.0,
        };
        self.show(Place::Person(peer), line);
        Ok(())
    }

    /// Another session of this user joined a room, or the server restored a membership at login.
    fn handle_entered(&mut self, view: wire::RoomView) -> Result<(), Odd> {
        let name = RoomName::parse(&view.room).map_err(|_| Odd)?;
        if !self.rooms.contains_key(&name) && self.rooms.len() >= ROOMS_MAX {
            return Ok(());
        }
        let room = self.rooms.entry(name.clone()).or_insert_with(|| Room::new(name, None));
        // Entered by asking, which costs one request more, but is one way for all rooms.
        if room.stage == Stage::Out {
            room.stage = Stage::Wanted;
        }
        Ok(())
    }

    fn handle_notice(&mut self, now: Now, kind: &str, news: &Notice) -> Result<(), Odd> {
        let text = news.text.as_ref().map_or("", |text| &*text.0);
        let Some(room) = &news.room else {
            if !text.is_empty() {
                for text in text.lines() {
                    self.note(now, Place::Server, Kind::Notice, text);
                }
            }
            return Ok(());
        };
        let name = RoomName::parse(room).map_err(|_| Odd)?;
        let user = news.user.as_deref().unwrap_or_default();
        let by = news.by.as_deref().unwrap_or_default();
        let reason = |text: &str| if text.is_empty() { String::new() } else { format!(" ({text})") };
        let one_line = text.replace('\n', " ");
        let (line_kind, from, sentence) = match kind {
            "join" => (Kind::Join, user, format!("{user} joined {name}")),
            "leave" => (Kind::Leave, user, format!("{user} left {name}")),
            "quit" => (Kind::Quit, user, format!("{user} quit {name}{}", reason(&one_line))),
            "kick" => {
                let why = news.why.as_deref().unwrap_or(&one_line);
                (Kind::Kick, user, format!("{user} was kicked from {name} by {by}{}", reason(why)))
            }
            "topic" => match news.topic.as_deref().filter(|topic| !topic.is_empty()) {
                Some(topic) => (Kind::Topic, by, format!("{by} set the topic of {name}: {topic}")),
                None => (Kind::Topic, by, format!("{by} cleared the topic of {name}")),
            },
            "rename" => {
                let (from, to) =
                    (news.from.as_deref().unwrap_or_default(), news.to.as_deref().unwrap_or_default());
                (Kind::Rename, from, format!("{from} is now known as {to}"))
            }
            "invite" => {
                let text = format!("{by} invites you to {name}");
                let mut line = notice(now, Kind::Invite, by, &text);
                line.own = false;
                self.show(Place::Server, line);
                return Ok(());
            }
            "operator" => {
                let verb = if news.operator == Some(false) { "is no longer" } else { "is now" };
                (Kind::Operator, user, format!("{user} {verb} an operator of {name}, by {by}"))
            }
            "access" => {
                let access = news.access.as_deref().unwrap_or_default();
                (Kind::Access, by, format!("{by} made {name} {access}"))
            }
            "exited" => (Kind::Leave, "", format!("you left {name}")),
            _ if !one_line.is_empty() => (Kind::Notice, user, one_line.clone()),
            // A newer server may have more to say than this client understands.
            _ => return Ok(()),
        };
        let Some(room) = self.rooms.get(&name) else { return Ok(()) };
        if room.stage == Stage::Out {
            return Ok(());
        }
        let name = room.name.clone();
        let own = self.is_own(from);
        let mut line = notice(now, line_kind, from, &sentence);
        line.own = own;
        self.show(Place::Room(name.clone()), line);
        self.update_room(&name, kind, news, own)
    }

    /// Keeps members and topic as the news says.
    fn update_room(&mut self, name: &RoomName, kind: &str, news: &Notice, own: bool) -> Result<(), Odd> {
        let user = news.user.as_ref().and_then(|user| UserName::parse(user).ok());
        let Some(room) = self.rooms.get_mut(name) else { return Ok(()) };
        match kind {
            "join" => {
                room.members.insert(user.ok_or(Odd)?);
            }
            "leave" | "kick" | "quit" if own => {
                self.exit_room(name);
                return Ok(());
            }
            "leave" | "kick" | "quit" => {
                room.members.remove(&user.ok_or(Odd)?);
            }
            "exited" => {
                self.exit_room(name);
                return Ok(());
            }
            "rename" => {
                let from = news.from.as_ref().and_then(|user| UserName::parse(user).ok()).ok_or(Odd)?;
                let to = news.to.as_ref().and_then(|user| UserName::parse(user).ok()).ok_or(Odd)?;
                room.members.remove(&from);
                room.members.insert(to);
            }
            "topic" => {
                let topic = news.topic.as_ref().map(|topic| topic.0.clone());
                room.topic = topic.filter(|topic| !topic.is_empty());
                self.events.push_back(Event::TopicChanged(name.clone()));
                return Ok(());
            }
            _ => return Ok(()),
        }
        self.events.push_back(Event::MembersChanged(name.clone()));
        Ok(())
    }
}
