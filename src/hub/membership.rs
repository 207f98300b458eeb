//! Coming into rooms and leaving them.
//!
//! A join is a job of the store, and takes effect when its reply comes: what the reply holds of the
//! log is exactly what was said before the messages that follow, so nobody misses or doubles one.
//! Leaving takes effect at once.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::hub::address::Act;
use crate::hub::effect::{CloseReason, Effect, Except};
use crate::hub::job::{Change, NewRoom, Page, StoreJob};
use crate::hub::room::Room;
use crate::hub::session::{Activity, Seat, Stream, Streaming, Waiting};
use crate::hub::{Ask, Hub};
use crate::proto::event::{Access, Answer, Event, Part, RoomView};
use crate::proto::id::{AccountId, ConnId, RequestId, RoomId, Seq, UserId};
use crate::proto::limits::{REASON_BYTES_MAX, ROOMS_MAX, ROOMS_PER_CREATOR_MAX, ROOMS_PER_USER_MAX};
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::{Code, Refusal};
use crate::proto::secret::Secret;
use crate::proto::text::cut;
use crate::proto::time::Now;

impl Hub {
    pub(super) fn join(
        &mut self,
        ask: Ask,
        me: UserId,
        room: &str,
        key: Option<Secret>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let name = RoomName::parse(room)?;
        let user = self.user(me);
        let account = user.account;
        let found = self.rooms.find(&name);
        let is_member = found.is_some_and(|id| self.room(id).is_member(me, &user.name));
        if !is_member && user.rooms.len() >= ROOMS_PER_USER_MAX {
            let text = format!("you are in {ROOMS_PER_USER_MAX} rooms; /leave one first");
            return Err(Refusal::new(Code::TooMany, text));
        }
        let id = match found {
            Some(id) => {
                self.check_may_enter(ask, id, me, key.as_ref())?;
                id
            }
            None => {
                self.check_may_create(account)?;
                // The store may still have a guest's room of this name that could not be dropped.
                self.pay_owed(out);
                self.rooms.create(Room::new(name, account))
            }
        };
        let room = self.rooms.get_mut(id).expect("found or created");
        room.joining += 1;
        let at = ask.now.wall;
        let create = (!room.stored).then(|| NewRoom { name: room.name.clone(), creator: room.creator, at });
        let history = self.settings.on_join;
        let job = StoreJob::Join { origin: ask.origin(), room: id, create, member: account, history };
        self.submit_store(job, out);
        self.wait(ask.conn, Waiting::Join { room: Some(id) }, out);
        Ok(())
    }

    fn check_may_create(&self, account: Option<AccountId>) -> Result<(), Refusal> {
        if self.rooms.len() >= ROOMS_MAX {
            return Err(Refusal::new(Code::TooMany, "there are too many rooms on this server"));
        }
        if account.is_some_and(|account| self.rooms.made_by(account) >= ROOMS_PER_CREATOR_MAX) {
            let text = format!("you have made {ROOMS_PER_CREATOR_MAX} rooms, which is all you may");
            return Err(Refusal::new(Code::TooMany, text));
        }
        Ok(())
    }

    fn check_may_enter(
        &mut self,
        ask: Ask,
        id: RoomId,
        me: UserId,
        key: Option<&Secret>,
    ) -> Result<(), Refusal> {
        let (room, user) = (self.room(id), self.user(me));
        if room.is_operator(me, user.account) || room.is_member(me, &user.name) {
            return Ok(());
        }
        if room.bans.contains_key(user.name.key()) {
            return Err(Refusal::new(Code::Banned, format!("you are banned from {}", room.name)));
        }
        if room.invited.contains(user.name.key()) {
            return Ok(());
        }
        match room.access {
            Access::Public => Ok(()),
            Access::Private => {
                Err(Refusal::new(Code::InviteOnly, format!("{} is for those who are invited", room.name)))
            }
            Access::Key => {
                let refusal =
                    Refusal::new(Code::BadKey, format!("{} needs its key: /join ROOM KEY", room.name));
                let Some(key) = key else { return Err(refusal) };
                // A key can be guessed like a password, and is slowed like one.
                self.check_failures(ask)?;
                let given = hash_key(id, key.reveal());
                if self.room(id).key_hash.is_some_and(|hash| bool::from(hash.ct_eq(&given))) {
                    return Ok(());
                }
                self.count_wrong_key(ask);
                Err(refusal)
            }
        }
    }

    fn count_wrong_key(&mut self, ask: Ask) {
        if let Some(key) = self.session(ask.conn).address {
            // An empty bucket refuses the next attempt.
            self.addresses.take(ask.now.mono, key, Act::FailLogin, &self.settings.limits);
        }
    }

    /// Whether the membership of an account still stands: the room exists, and no ban came since.
    pub(super) fn may_rejoin(&self, id: RoomId, me: UserId) -> bool {
        let user = self.user(me);
        self.rooms.get(id).is_some_and(|room| {
            !room.bans.contains_key(user.name.key()) || room.is_operator(me, user.account)
        })
    }

    /// The user is a member, or a session of theirs is on its way after its login.
    pub(super) fn is_or_will_be_in(&self, id: RoomId, me: UserId) -> bool {
        let user = self.user(me);
        user.rooms.contains(&id) || user.sessions.iter().any(|&conn| self.session(conn).is_to_rejoin(id))
    }

    /// Comes into the rooms of a login one after the other, each when the last one was read;
    /// `rooms` in reverse order.
    pub(super) fn rejoin(&mut self, conn: ConnId, mut rooms: Vec<RoomId>, out: &mut Vec<Effect>) {
        let Some(me) = self.session(conn).user else { return self.ready(conn, out) };
        while let Some(id) = rooms.pop() {
            if !self.may_rejoin(id, me) {
                continue;
            }
            self.rooms.get_mut(id).expect("it may be rejoined").joining += 1;
            let origin = crate::proto::id::Origin { conn, re: RequestId::NONE };
            let history = self.settings.on_join;
            self.submit_store(StoreJob::Join { origin, room: id, create: None, member: None, history }, out);
            return self.wait(conn, Waiting::Rejoin { room: Some(id), rooms }, out);
        }
        self.ready(conn, out);
    }

    /// The store prepared a room for somebody who comes in.
    pub(super) fn joined(&mut self, ask: Ask, id: RoomId, page: Page, seq: Seq, out: &mut Vec<Effect>) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        assert!(room.joining > 0, "a join was answered twice");
        room.joining -= 1;
        room.stored = true;
        // Without a log, the hub counts.
        room.seq = room.seq.max(seq);
        let Some(waiting) = self.take_waiting(ask.conn) else {
            return self.drop_if_deserted(id, out);
        };
        let (room, rejoining) = match waiting {
            Waiting::Rejoin { room, rooms } => (room, Some(rooms)),
            Waiting::Join { room } => (room, None),
            _ => unreachable!("a reply comes to what waits for it"),
        };
        if room.is_none() {
            self.drop_if_deserted(id, out);
            return match rejoining {
                Some(rooms) => self.rejoin(ask.conn, rooms, out),
                None => {
                    let text = "you were taken out of the room while you came in";
                    self.refuse(ask, Refusal::new(Code::NotInRoom, text), out);
                    self.ready(ask.conn, out);
                }
            };
        }
        let me = self.session(ask.conn).user.expect("only the named join");
        self.enter(ask.conn, me, id, out);
        let view = Box::new(self.view(ask.conn, id, me, page));
        match rejoining {
            Some(rooms) => {
                out.push(Effect::Tell(ask.conn, Event::Entered(view)));
                let what = Stream::Rejoin { rooms };
                self.stream(ask.conn, Streaming { re: ask.re, part: Part::WHOLE, what }, out);
            }
            None => {
                self.answer(ask, Answer::Joined(view), out);
                self.ready(ask.conn, out);
            }
        }
    }

    /// A join came to nothing: the store could not do its part.
    pub(super) fn join_failed(&mut self, ask: Ask, id: RoomId, refusal: Refusal, out: &mut Vec<Effect>) {
        if let Some(room) = self.rooms.get_mut(id) {
            assert!(room.joining > 0, "a join was answered twice");
            room.joining -= 1;
            // A room that was to be created is not there.
            if room.is_deserted() && !room.stored {
                self.rooms.remove(id);
            }
        }
        match self.take_waiting(ask.conn) {
            Some(Waiting::Rejoin { rooms, .. }) => {
                out.push(Effect::Tell(ask.conn, Event::Error(refusal)));
                self.rejoin(ask.conn, rooms, out);
            }
            Some(_) => {
                self.refuse(ask, refusal, out);
                self.ready(ask.conn, out);
            }
            None => {}
        }
    }

    /// Makes the user a member, if not one yet, and seats this session; and all others of the user, if
    /// the room is new to them. One that has just logged in is on its way by itself, and is told then.
    fn enter(&mut self, conn: ConnId, me: UserId, id: RoomId, out: &mut Vec<Effect>) {
        let user = self.users.get_mut(me);
        let room = self.rooms.get_mut(id).expect("the caller found it");
        let is_new = room.members.insert(user.name.key().clone(), me).is_none();
        room.invited.remove(user.name.key());
        if is_new {
            user.rooms.push(id);
            if room.creator.is_none() && room.members.len() == 1 && room.seq == Seq(0) && user.is_guest() {
                room.guest_operators.insert(me);
            }
            let name = user.name.clone();
            let event = Event::Joined { room: room.name.clone(), user: name };
            self.announce(id, me, event, out);
        }
        self.take_seat(conn, id);
        for session in self.user(me).sessions.clone() {
            if is_new && self.take_seat(session, id) {
                let view = self.view(session, id, me, Page::default());
                out.push(Effect::Tell(session, Event::Entered(Box::new(view))));
            }
        }
        self.session_mut(conn).make_current(id);
    }

    /// Seats a session among a room's listeners; false if it had a seat.
    fn take_seat(&mut self, conn: ConnId, id: RoomId) -> bool {
        let session = self.sessions.get_mut(conn).expect("sessions of a user are connected");
        if session.seat(id).is_some() {
            return false;
        }
        let room = self.rooms.get_mut(id).expect("the caller found it");
        let position = u32::try_from(room.listeners.len()).expect("fewer listeners than connections");
        room.listeners.push(conn);
        // First in the order of return: a room that was never current is returned to last.
        session.seats.insert(0, Seat { room: id, position });
        true
    }

    /// False if it had none.
    fn give_seat_up(&mut self, conn: ConnId, id: RoomId) -> bool {
        let Some(session) = self.sessions.get_mut(conn) else { return false };
        let Some(index) = session.seats.iter().position(|seat| seat.room == id) else { return false };
        let position = session.seats.remove(index).position as usize;
        if session.current == Some(id) {
            session.current = session.seats.last().map(|seat| seat.room);
        }
        let room = self.rooms.get_mut(id).expect("seats are in rooms that exist");
        assert!(room.listeners[position] == conn, "a seat knows its position");
        room.listeners.swap_remove(position);
        if let Some(&moved) = room.listeners.get(position) {
            let seats = &mut self.sessions.get_mut(moved).expect("listeners are connected").seats;
            let seat = seats.iter_mut().find(|seat| seat.room == id).expect("listeners have seats");
            seat.position = position as u32;
        }
        true
    }

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
        self.announce(id, me, event, out);
        for session in seated.into_iter().filter(|&session| session != ask.conn) {
            out.push(Effect::Tell(session, Event::Exited { room: name.clone() }));
        }
        let current = self.session(ask.conn).current.map(|id| self.room(id).name.clone());
        self.answer(ask, Answer::Left { room: name, current }, out);
        self.drop_if_deserted(id, out);
        Ok(())
    }

    /// Takes the user out of the room, all sessions, and returns those that were in it; `for_good`: the
    /// membership of an account ends too.
    pub(super) fn remove_member(
        &mut self,
        id: RoomId,
        me: UserId,
        for_good: bool,
        out: &mut Vec<Effect>,
    ) -> Except {
        let mut seated = Except::new();
        for conn in self.user(me).sessions.clone() {
            if self.give_seat_up(conn, id) {
                seated.push(conn);
            }
            self.session_mut(conn).forget_room(id);
        }
        let user = self.users.get_mut(me);
        user.rooms.retain(|room| *room != id);
        let account = user.account;
        let room = self.rooms.get_mut(id).expect("the caller found it");
        let member = room.members.remove(user.name.key());
        assert!(member == Some(me), "only members leave");
        room.guest_operators.remove(&me);
        if let Some(account) = account.filter(|_| for_good) {
            let change = Change::Leave { room: id, account };
            self.submit_store(StoreJob::Change { origin: None, change }, out);
        }
        seated
    }

    /// The membership of an account that is not in the room ends, wherever it is kept or pending.
    pub(super) fn end_membership(&mut self, id: RoomId, user: &UserName, out: &mut Vec<Effect>) {
        if let Some(online) = self.users.find(user) {
            for session in self.user(online).sessions.clone() {
                self.session_mut(session).forget_room(id);
            }
        }
        if let Some(account) = self.directory.find(user) {
            let change = Change::Leave { room: id, account };
            self.submit_store(StoreJob::Change { origin: None, change }, out);
        }
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
        let session = self.sessions.remove(conn).expect("it was there");
        if session.used_keys {
            self.submit_store(StoreJob::ForgetKeys { conn }, out);
        }
        if let Some(key) = session.address {
            self.addresses.release(key);
        }
    }

    fn end_user(&mut self, me: UserId, text: Option<Arc<str>>, out: &mut Vec<Effect>) {
        for id in self.user(me).rooms.clone() {
            let event = Event::Quit {
                room: self.room(id).name.clone(),
                user: self.user(me).name.clone(),
                text: text.clone(),
            };
            self.remove_member(id, me, false, out);
            self.announce(id, me, event, out);
            self.drop_if_deserted(id, out);
        }
        self.forget_blocks(me);
        self.users.remove(me);
    }

    /// Tells a room what a member did, but not the member; and nobody, if the member is hidden.
    pub(super) fn announce(&self, id: RoomId, who: UserId, event: Event, out: &mut Vec<Effect>) {
        let user = self.user(who);
        if user.is_hidden() {
            return;
        }
        let except: Except = user.sessions.iter().copied().collect();
        self.tell_room(id, event, except, out);
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
    fn pay_owed(&mut self, out: &mut Vec<Effect>) {
        for change in std::mem::take(&mut self.owed) {
            self.submit_store(StoreJob::Change { origin: None, change }, out);
        }
    }

    /// The room as this user sees it on coming in.
    fn view(&self, conn: ConnId, id: RoomId, me: UserId, page: Page) -> RoomView {
        let room = self.room(id);
        let shown = if self.session(conn).wants_members { usize::MAX } else { 0 };
        let members = room
            .members
            .values()
            .take(shown)
            .map(|&member| (member, self.user(member)))
            .filter(|&(member, user)| member == me || !user.is_hidden())
            .map(|(_, user)| user.name.clone())
            .collect();
        let messages = self.without_blocked(me, page.messages);
        let (name, topic) = (room.name.clone(), room.topic.clone());
        RoomView { room: name, topic, members, seq: room.seq, messages }
    }
}

/// What is kept of a room's key: bound to the room, so that equal keys do not look alike.
pub(super) fn hash_key(room: RoomId, key: &str) -> [u8; 32] {
    Sha256::new().chain_update(room.0.to_be_bytes()).chain_update(key.as_bytes()).finalize().into()
}

/// How long a guest's room waits for somebody to come back after the server started.
const GUEST_ROOMS_WAIT_MS: u64 = 60 * 60 * 1000;
