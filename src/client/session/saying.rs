//! What was said: confirmed, refused, or found again among what was missed.

use crate::client::scrollback::{Kind, Line, Origin, Seal};
use crate::client::session::Session;
use crate::client::session::answers::is_passing;
use crate::client::session::event::{Event, Failure, Place, Ticket};
use crate::client::session::room::Saying;
use crate::client::wire::{self, Refused};
use crate::proto::event::Answer;
use crate::proto::id::Seq;
use crate::proto::name::RoomName;
use crate::proto::time::Now;

impl Session {
    pub(super) fn handle_said(&mut self, name: &RoomName, ticket: Ticket, said: wire::Said) {
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
            seal: Seal::ServerReadable,
        };
        let lines = room.sequence.live(line);
        self.show_in_room(name, lines);
        self.events.push_back(Event::Answered {
            ticket,
            outcome: Ok(Answer::Said { room: name.clone(), seq: Seq(said.seq), at: said.ts.0 }),
        });
    }

    pub(super) fn handle_say_refused(&mut self, now: Now, name: &RoomName, ticket: Ticket, refused: Refused) {
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
    /// arrived. Only needed where its key is no help: a guest's ends with the connection, an account's
    /// after a day.
    fn recognise(&mut self, name: &RoomName, line: &Line) {
        if !self.keys_forgotten || !line.own || line.origin != Origin::Missed {
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
            seal: Seal::ServerReadable,
        }
    }

    pub(super) fn is_own(&self, user: &str) -> bool {
        self.name.as_deref() == Some(user)
    }
}
