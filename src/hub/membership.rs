//! Coming into rooms.
//!
//! A join is a job of the store, and takes effect when its reply comes: what the reply holds of the
//! log is exactly what was said before the messages that follow, so nobody misses or doubles one.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::hub::address::Act;
use crate::hub::crowd::Step;
use crate::hub::effect::Effect;
use crate::hub::job::{Change, NewRoom, Page, StoreJob};
use crate::hub::room::Room;
use crate::hub::session::{Stream, Streaming, Waiting};
use crate::hub::{Ask, Hub};
use crate::proto::event::{Access, Answer, Event, RoomView};
use crate::proto::id::{AccountId, ConnId, RequestId, RoomId, Seq, UserId};
use crate::proto::limits::{ROOMS_MAX, ROOMS_PER_CREATOR_MAX, ROOMS_PER_USER_MAX};
use crate::proto::name::RoomName;
use crate::proto::pages::Part;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::secret::Secret;

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
        if let Some(account) = account {
            // What is owed must not take away what is given now.
            self.owed.retain(|owed| *owed != Change::Leave { room: id, account });
        }
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
        if self.rooms.count() >= ROOMS_MAX {
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
        // An empty bucket refuses the next attempt.
        self.take_of_address(ask, Act::FailLogin);
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
            self.announce_step(id, me, Step::Came, event, out);
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

    /// The room as this user sees it on coming in.
    pub(super) fn view(&mut self, conn: ConnId, id: RoomId, me: UserId, page: Page) -> RoomView {
        let wants_members = self.session(conn).wants_members;
        if wants_members {
            self.crowds.shown(id, &self.users.get(me).name);
        }
        let room = self.room(id);
        let shown = if wants_members { usize::MAX } else { 0 };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::hub::Handled;
    use crate::hub::job::{Kept, KeptRoom};
    use crate::hub::session::Peer;
    use crate::proto::command::Command;
    use crate::proto::id::ConnId;
    use crate::proto::time::{Instant, Now, Timestamp};

    #[test]
    fn a_server_has_so_many_rooms() {
        let kept = |id: u32| KeptRoom {
            id: RoomId(id),
            name: RoomName::parse(&format!("room{id}")).unwrap(),
            creator: Some(AccountId(1)),
            topic: None,
            access: Access::Public,
            key_hash: None,
            operators: Vec::new(),
            bans: Vec::new(),
            seq: Seq(0),
        };
        let now = Now { mono: Instant(1_000), wall: Timestamp(0) };
        for (rooms, refused) in [(ROOMS_MAX - 1, false), (ROOMS_MAX, true)] {
            let rooms: Vec<KeptRoom> = (0..rooms as u32).map(kept).collect();
            let kept = Kept { next_room: rooms.len() as u32, rooms, ..Kept::default() };
            let mut hub = Hub::new(Config::default().settings(), kept, now);
            let (conn, mut out) = (ConnId { slot: 0, serial: 1 }, Vec::new());
            hub.opened(now, conn, Peer { address: [127, 0, 0, 1].into(), loopback: true }).unwrap();
            let commands = [
                Command::Nick { user: "alice".into() },
                Command::Join { room: "one-more".into(), key: None },
            ];
            for command in commands {
                assert_eq!(hub.handle(now, conn, RequestId(1), command, &mut out), Handled::Done);
            }
            let told = |effect: &Effect| match effect {
                Effect::Tell(_, Event::Answer(_, Answer::Refused(refusal))) => {
                    refusal.text == "there are too many rooms on this server"
                }
                _ => false,
            };
            assert_eq!(out.iter().any(told), refused, "{out:?}");
        }
    }
}
