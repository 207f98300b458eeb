//! Events: what the server tells without being asked.

use crate::client::scrollback::{Kind, Line, Origin, Seal};
use crate::client::session::event::{Event, Place};
use crate::client::session::room::{Room, Stage};
use crate::client::session::{ROOMS_MAX, Session, notice, read};
use crate::client::wire::{self, Clean, Notice, Odd, Refused};
use crate::dialect::{self, Dialect};
use crate::proto::event::Event as News;
use crate::proto::id::Seq;
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::Code;
use crate::proto::time::Now;

impl Session {
    pub(super) fn handle_news(&mut self, now: Now, ev: &str, kind: &str, line: &[u8]) -> Result<(), Odd> {
        match ev {
            "message" => self.handle_message(wire::event(line)?),
            "private" => self.handle_private(now, wire::event(line)?),
            "envelope" => self.handle_envelope(now, &wire::event(line)?),
            "pair" => self.handle_pair_answer(now, &wire::event(line)?),
            "notice" if matches!(kind, "detached" | "device" | "sealed") => {
                self.handle_private_notice(now, kind, line)
            }
            "error" => {
                let error: Notice = wire::event(line)?;
                let text = Clean(error.text.unwrap_or_default().0);
                let refused = Refused { code: error.code.ok_or(Odd)?, text };
                if refused.is(Code::Revoked) {
                    // Coming back by oneself, with the password perhaps, would undo it.
                    self.refuse_login(refused);
                } else {
                    self.note(now, Place::Server, Kind::Error, refused.to_string());
                }
                Ok(())
            }
            "notice" if kind == "entered" => self.handle_entered(wire::event(line)?),
            "notice" => match read::notice(kind, &wire::event(line)?)? {
                Some(news) => self.handle_notice(now, &news),
                None => Ok(()),
            },
            // A newer server may have more to say than this client understands.
            _ => Ok(()),
        }
    }

    fn handle_message(&mut self, message: wire::Message) -> Result<(), Odd> {
        let name = read::room(message.room.as_ref().ok_or(Odd)?)?;
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

    fn handle_private(&mut self, now: Now, private: wire::Private) -> Result<(), Odd> {
        let own = self.is_own(&private.from);
        let peer = read::user(if own { &private.to } else { &private.from })?;
        self.heed_plain(now, &peer, own, &private);
        let line = Line {
            kind: Kind::Say,
            origin: Origin::Live,
            own,
            seq: Seq(0),
            at: private.ts.0,
            from: private.from.0,
            text: private.text.0,
            seal: Seal::NotEncrypted,
        };
        self.show(Place::Person(peer), line);
        Ok(())
    }

    /// The server restored a membership at login, or another session of this user joined.
    fn handle_entered(&mut self, view: wire::RoomView) -> Result<(), Odd> {
        let name = read::room(&view.room)?;
        if !self.rooms.contains_key(&name) && self.rooms.len() >= ROOMS_MAX {
            return Ok(());
        }
        let room = self.rooms.entry(name.clone()).or_insert_with(|| Room::new(name.clone(), None));
        match room.stage {
            // Its answer will come, and has more.
            Stage::In | Stage::Joining => return Ok(()),
            Stage::Out | Stage::Wanted => room.stage = Stage::Wanted,
        }
        if view.messages.is_empty() && view.seq > 0 && !room.sequence.has_begun() {
            // Without recent messages; asking for the room brings them.
            return Ok(());
        }
        self.handle_joined(name, view)
    }

    fn handle_notice(&mut self, now: Now, news: &News) -> Result<(), Odd> {
        let (name, kind, from) = match news {
            News::Joined { room, user } => (room, Kind::Join, &**user.shown()),
            News::Left { room, user } => (room, Kind::Leave, &**user.shown()),
            News::Quit { room, user, .. } => (room, Kind::Quit, &**user.shown()),
            News::Kicked { room, user, .. } => (room, Kind::Kick, &**user.shown()),
            News::TopicChanged { room, by, .. } => (room, Kind::Topic, &**by),
            News::Renamed { room, from, .. } => (room, Kind::Rename, &**from.shown()),
            News::OperatorChanged { room, user, .. } => (room, Kind::Operator, &**user.shown()),
            News::AccessChanged { room, by, .. } => (room, Kind::Access, &**by),
            News::Presence { room, joined, left } => {
                self.handle_presence(now, room, joined, left);
                return Ok(());
            }
            News::Exited { room } => (room, Kind::Leave, self.name.as_deref().unwrap_or_default()),
            News::Invited { by, .. } => {
                let line = notice(now, Kind::Invite, by.shown(), &sentences(news).concat());
                self.show(Place::Server, line);
                return Ok(());
            }
            _ => {
                for sentence in sentences(news) {
                    self.note(now, Place::Server, Kind::Notice, sentence);
                }
                return Ok(());
            }
        };
        let Some(room) = self.rooms.get(name).filter(|room| room.stage != Stage::Out) else { return Ok(()) };
        let name = room.name.clone();
        let mut line = notice(now, kind, from, &sentences(news).concat());
        line.own = self.is_own(from);
        let own = line.own;
        self.show(Place::Room(name.clone()), line);
        self.keep_up(&name, news, own);
        Ok(())
    }

    /// A few who came and went are shown one by one, as in a small room; more would fill the screen.
    fn handle_presence(&mut self, now: Now, room: &RoomName, joined: &[UserName], left: &[UserName]) {
        let others = |users: &[UserName]| -> Vec<UserName> {
            users.iter().filter(|user| !self.is_own(user.shown())).cloned().collect()
        };
        // This user knows about itself, and has other news about it.
        let (joined, left) = (others(joined), others(left));
        let Some(found) = self.rooms.get_mut(room).filter(|room| room.stage != Stage::Out) else { return };
        found.members.retain(|member| !left.contains(member));
        found.members.extend(joined.iter().cloned());
        let name = found.name.clone();
        let (room, came, went) = (&name, Kind::Join, Kind::Leave);
        let lines: Vec<Line> = if joined.len() + left.len() > PRESENCE_LINES_MAX {
            let sentence = sentences(&News::Presence { room: room.clone(), joined, left }).concat();
            vec![notice(now, Kind::Notice, "", &sentence)]
        } else {
            let line =
                |kind, user: &UserName, news| notice(now, kind, user.shown(), &sentences(&news).concat());
            let joined = joined
                .iter()
                .map(|user| line(came, user, News::Joined { room: room.clone(), user: user.clone() }));
            let left = left
                .iter()
                .map(|user| line(went, user, News::Left { room: room.clone(), user: user.clone() }));
            joined.chain(left).collect()
        };
        self.show_in_room(room, lines);
        self.events.push_back(Event::MembersChanged(name));
    }

    /// Keeps members and topic as the news says. `own`: it is about this user.
    fn keep_up(&mut self, name: &RoomName, news: &News, own: bool) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        match news {
            News::Exited { .. } => return self.exit_room(name),
            News::Kicked { .. } | News::Left { .. } | News::Quit { .. } if own => {
                return self.exit_room(name);
            }
            News::Kicked { user, .. } | News::Left { user, .. } | News::Quit { user, .. } => {
                room.members.remove(user);
            }
            News::Joined { user, .. } => {
                room.members.insert(user.clone());
            }
            News::Renamed { from, to, .. } => {
                room.members.remove(from);
                room.members.insert(to.clone());
            }
            News::TopicChanged { topic, .. } => {
                room.topic = Some(&**topic).filter(|topic| !topic.is_empty()).map(Box::from);
                self.events.push_back(Event::TopicChanged(name.clone()));
                return;
            }
            _ => return,
        }
        self.events.push_back(Event::MembersChanged(name.clone()));
    }
}

/// People who came and went together and are shown one by one.
const PRESENCE_LINES_MAX: usize = 5;

/// The sentences that text mode has for an event, without the stars.
fn sentences(news: &News) -> Vec<String> {
    let mut lines = Vec::new();
    dialect::encode(Dialect::Text, news, &mut lines);
    let lines = String::from_utf8_lossy(&lines);
    lines.lines().map(|line| line.strip_prefix("*** ").unwrap_or(line).to_owned()).collect()
}
