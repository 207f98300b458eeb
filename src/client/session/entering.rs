//! Rooms: entered, refused and left, their gaps filled and their older messages loaded.

use std::sync::Arc;

use crate::client::scrollback::{Kind, Line, Origin};
use crate::client::session::Session;
use crate::client::session::answers::is_passing;
use crate::client::session::event::{Event, Failure, Place};
use crate::client::session::room::Stage;
use crate::client::wire::{self, Odd, Refused};
use crate::proto::event::{Answer, RoomView};
use crate::proto::id::Seq;
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::Code;
use crate::proto::time::Now;

impl Session {
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

    pub(super) fn handle_join_refused(&mut self, now: Now, name: RoomName, refused: Refused) {
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

    pub(super) fn handle_fill(
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

    pub(super) fn handle_older(
        &mut self,
        name: &RoomName,
        refused: Option<Refused>,
        line: &[u8],
    ) -> Result<(), Odd> {
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

/// Members kept of one room.
const MEMBERS_MAX: usize = 20_000;
