//! Leaving rooms and the server, and rooms that nobody is left in.
//!
//! Leaving takes effect at once; what the store could not do about it is owed and tried again.

use std::sync::Arc;

use crate::hub::crowd::Step;
use crate::hub::effect::{CloseReason, Effect};
use crate::hub::job::{Change, StoreJob};
use crate::hub::room::Room;
use crate::hub::session::{Activity, Waiting};
use crate::hub::{Ask, Hub};
use crate::proto::event::{Answer, Event};
use crate::proto::id::{AccountId, ConnId, RoomId, UserId};
use crate::proto::limits::REASON_BYTES_MAX;
use crate::proto::refusal::Refusal;
use crate::proto::text::cut;
use crate::proto::time::Now;

impl Hub {
    pub(super) fn leave(
        &mut self,
        ask: Ask,
        me: UserId,
        room: Option<&str>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let id = self.my_room(ask.conn, me, room)?;
        let name = self.room(id).name.clone();
        let event = Event::Left { room: name.clone(), user: self.user(me).name.clone() };
        let seated = self.remove_member(id, me, true, out);
        self.announce_step(id, me, Step::Went, event, out);
        for session in seated.into_iter().filter(|&session| session != ask.conn) {
            out.push(Effect::Tell(session, Event::Exited { room: name.clone() }));
        }
        let current = self.session(ask.conn).current.map(|id| self.room(id).name.clone());
        self.answer(ask, Answer::Left { room: name, current }, out);
        self.drop_if_deserted(id, out);
        Ok(())
    }

    pub(super) fn quit(
        &mut self,
        ask: Ask,
        text: Option<&str>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let text: Option<Arc<str>> =
            text.map(|text| cut(text, REASON_BYTES_MAX)).filter(|text| !text.is_empty()).map(Arc::from);
        self.answer(ask, Answer::Quit { text: text.clone() }, out);
        self.end_session(ask.conn, text, out);
        out.push(Effect::Close(ask.conn, CloseReason::Quit));
        Ok(())
    }

    /// Ends a session; with the last one, the user is gone. Does nothing for a session that ended.
    pub(super) fn end_session(&mut self, conn: ConnId, text: Option<Arc<str>>, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get(conn) else { return };
        let hashing = self.hashing.contains_key(&conn);
        let saving = match &session.activity {
            Activity::Waiting(waiting) => matches!(**waiting, Waiting::Register { .. }),
            _ => false,
        };
        if !hashing && !saving {
            self.directory.release(conn);
        }
        if let Some(me) = session.user {
            let seats: Vec<RoomId> = session.seats.iter().map(|seat| seat.room).collect();
            if self.user(me).sessions.len() == 1 {
                self.end_user(me, text, out);
            } else {
                for id in seats {
                    self.give_seat_up(conn, id);
                }
                self.users.get_mut(me).sessions.retain(|session| *session != conn);
                self.letters_reader_gone(me, conn, out);
            }
        }
        self.mailboxes.leave(conn);
        self.tokens.remove(&conn);
        self.data_gone(conn);
        let session = self.sessions.remove(conn).expect("it was there");
        if session.used_keys {
            self.submit_store(StoreJob::ForgetKeys { conn }, out);
        }
        if let Some(key) = session.address {
            self.addresses.release(key);
        }
    }

    pub(super) fn end_user(&mut self, me: UserId, text: Option<Arc<str>>, out: &mut Vec<Effect>) {
        for id in self.user(me).rooms.clone() {
            let event = Event::Quit {
                room: self.room(id).name.clone(),
                user: self.user(me).name.clone(),
                text: text.clone(),
            };
            self.remove_member(id, me, false, out);
            self.announce_step(id, me, Step::Went, event, out);
            self.drop_if_deserted(id, out);
        }
        self.forget_blocks(me);
        self.users.remove(me);
    }

    /// A guest's room goes with its last member.
    pub(super) fn drop_if_deserted(&mut self, id: RoomId, out: &mut Vec<Effect>) {
        let gone = self.rooms.get(id).is_some_and(|room| room.creator.is_none() && room.is_deserted());
        if gone {
            self.rooms.remove(id);
            let change = Change::DropRoom { room: id };
            self.submit_store(StoreJob::Change { origin: None, change }, out);
        }
    }

    /// Guests' rooms that were there when the server started, and to which nobody came back; and those
    /// whose removal failed.
    pub(super) fn drop_deserted_rooms(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.pay_owed(out);
        if now.mono.since_ms(self.started) < GUEST_ROOMS_WAIT_MS {
            return;
        }
        let deserted = |room: &Room| room.creator.is_none() && room.is_deserted();
        let ids: Vec<RoomId> =
            self.rooms.iter().filter(|(_, room)| deserted(room)).map(|(id, _)| id).collect();
        for id in ids {
            self.drop_if_deserted(id, out);
        }
    }

    /// Tries again what the store could not do.
    pub(super) fn pay_owed(&mut self, out: &mut Vec<Effect>) {
        for change in std::mem::take(&mut self.owed) {
            match change {
                Change::Leave { room, account } if self.account_is_in(room, account) => {}
                Change::Leave { room, account } => self.submit_leave(room, account, out),
                change => self.submit_store(StoreJob::Change { origin: None, change }, out),
            }
        }
    }

    fn account_is_in(&self, room: RoomId, account: AccountId) -> bool {
        let holder = self.directory.get(account).and_then(|account| self.users.find(&account.user));
        holder.is_some_and(|user| self.is_member(user, room))
    }

    /// Has the store forget a membership that has ended here.
    pub(super) fn submit_leave(&mut self, room: RoomId, account: AccountId, out: &mut Vec<Effect>) {
        *self.leaving.entry((account, room)).or_default() += 1;
        let change = Change::Leave { room, account };
        self.submit_store(StoreJob::Change { origin: None, change }, out);
    }

    /// The store forgot a membership, or could not.
    pub(super) fn leave_answered(&mut self, room: RoomId, account: AccountId) {
        let left = self.leaving.get_mut(&(account, room)).expect("a leave is answered once");
        *left -= 1;
        if *left == 0 {
            self.leaving.remove(&(account, room));
        }
    }

    /// Whether a membership has ended that the store may have told of before it knew.
    pub(super) fn has_just_left(&self, room: RoomId, account: AccountId) -> bool {
        self.leaving.contains_key(&(account, room)) || self.owed.contains(&Change::Leave { room, account })
    }
}

/// How long a guest's room waits for somebody to come back after the server started.
const GUEST_ROOMS_WAIT_MS: u64 = 60 * 60 * 1000;
