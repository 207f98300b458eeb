//! Running a room: topic, access, operators, invitations, kicks and bans.
//!
//! What is kept changes when the store has committed it (`changes`); until then the asker waits.

use std::sync::Arc;

use crate::hub::effect::Effect;
use crate::hub::job::Change;
use crate::hub::membership::hash_key;
use crate::hub::{Ask, Hub};
use crate::proto::event::{Access, Answer, Event};
use crate::proto::id::{RoomId, UserId};
use crate::proto::limits::{BANS_PER_ROOM_MAX, REASON_BYTES_MAX, ROOM_KEY_BYTES_MAX, TOPIC_BYTES_MAX};
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::{Code, Refusal};
use crate::proto::secret::Secret;
use crate::proto::text::cut;

impl Hub {
    pub(super) fn topic(
        &mut self,
        ask: Ask,
        me: UserId,
        room: Option<&str>,
        topic: Option<&str>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let id = self.my_room(ask.conn, me, room)?;
        let Some(topic) = topic else {
            let room = self.room(id);
            let answer = Answer::Topic { room: room.name.clone(), topic: room.topic.clone(), changed: false };
            self.answer(ask, answer, out);
            return Ok(());
        };
        self.check_operator(id, me)?;
        if topic.len() > TOPIC_BYTES_MAX {
            let text = format!("a topic has at most {TOPIC_BYTES_MAX} bytes");
            return Err(Refusal::new(Code::BadArgument, text));
        }
        let topic = (!topic.trim().is_empty()).then(|| Arc::from(topic));
        self.change(ask, Change::Topic { room: id, topic }, out);
        Ok(())
    }

    pub(super) fn room_access(
        &mut self,
        ask: Ask,
        me: UserId,
        room: Option<&str>,
        access: &str,
        key: Option<Secret>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let id = self.my_room(ask.conn, me, room)?;
        self.check_operator(id, me)?;
        let access = Access::parse(access).ok_or_else(|| {
            Refusal::new(Code::BadArgument, "a room is public, private, or key with its key: /room key KEY")
        })?;
        let key_hash = match (access, key) {
            (Access::Key, Some(key)) if key.reveal().len() > ROOM_KEY_BYTES_MAX => {
                let text = format!("a room's key has at most {ROOM_KEY_BYTES_MAX} bytes");
                return Err(Refusal::new(Code::BadArgument, text));
            }
            (Access::Key, Some(key)) if !key.reveal().is_empty() => Some(hash_key(id, key.reveal())),
            (Access::Key, _) => return Err(Refusal::new(Code::MissingArgument, "which key? /room key KEY")),
            (_, Some(_)) => return Err(Refusal::new(Code::BadArgument, "only /room key takes a key")),
            (_, None) => None,
        };
        self.change(ask, Change::Access { room: id, access, key_hash }, out);
        Ok(())
    }

    pub(super) fn op(
        &mut self,
        ask: Ask,
        me: UserId,
        room: Option<&str>,
        user: &str,
        operator: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let id = self.my_room(ask.conn, me, room)?;
        self.check_operator(id, me)?;
        let name = UserName::parse(user)?;
        let member = self.member(id, me, &name);
        // An account keeps the right while it is away; a guest has it while staying.
        let account = self.directory.find(&name);
        match (account, member) {
            (Some(account), _) if member.is_some() || !operator => {
                self.change(ask, Change::Operator { room: id, account, operator }, out);
            }
            (None, Some(member)) => {
                let room = self.rooms.get_mut(id).expect("found");
                if operator {
                    room.guest_operators.insert(member);
                } else {
                    room.guest_operators.remove(&member);
                }
                let name = self.user(member).name.clone();
                self.operator_changed(ask, me, id, name, operator, out);
            }
            _ => return Err(not_there(&name, &self.room(id).name)),
        }
        Ok(())
    }

    pub(super) fn operator_changed(
        &self,
        ask: Ask,
        me: UserId,
        id: RoomId,
        user: UserName,
        operator: bool,
        out: &mut Vec<Effect>,
    ) {
        let room = self.room(id).name.clone();
        let by = self.user(me).name.shown().clone();
        let event = Event::OperatorChanged { room: room.clone(), user: user.clone(), by, operator };
        self.tell_room(id, event, smallvec::smallvec![ask.conn], out);
        self.answer(ask, Answer::OperatorSet { room, user, operator }, out);
    }

    pub(super) fn invite(
        &mut self,
        ask: Ask,
        me: UserId,
        room: Option<&str>,
        user: &str,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let id = self.my_room(ask.conn, me, room)?;
        self.check_operator(id, me)?;
        let name = UserName::parse(user)?;
        let online = self.users.find(&name);
        let known = self.directory.find(&name).and_then(|account| self.directory.get(account));
        let shown = match (online, known) {
            (_, Some(account)) => account.user.clone(),
            (Some(online), None) if self.find_visible(me, &name).is_some() => self.user(online).name.clone(),
            _ => return Err(no_such_user(&name)),
        };
        let by = self.user(me).name.clone();
        let room = self.rooms.get_mut(id).expect("found");
        if room.invited.len() >= BANS_PER_ROOM_MAX {
            return Err(Refusal::new(Code::TooMany, "too many invitations to this room wait for an answer"));
        }
        if online.is_none_or(|online| room.members.get(name.key()) != Some(&online)) {
            room.invited.insert(name.key().clone());
        }
        let room = self.room(id).name.clone();
        if let Some(online) = online
            && !self.user(online).blocks.contains_key(by.key())
        {
            for &session in &self.user(online).sessions {
                let event = Event::Invited { room: room.clone(), by: by.clone() };
                out.push(Effect::Tell(session, event));
            }
        }
        self.answer(ask, Answer::Invited { room, user: shown }, out);
        Ok(())
    }

    pub(super) fn kick(
        &mut self,
        ask: Ask,
        me: UserId,
        room: Option<&str>,
        user: &str,
        why: Option<&str>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let id = self.my_room(ask.conn, me, room)?;
        self.check_operator(id, me)?;
        let name = UserName::parse(user)?;
        let room = self.room(id).name.clone();
        let member = self.member(id, me, &name).ok_or_else(|| not_there(&name, &room))?;
        let why = why.map(|why| Arc::from(cut(why, REASON_BYTES_MAX)));
        let user = self.user(member).name.clone();
        self.remove_from(ask, Some(me), id, member, why, out);
        self.answer(ask, Answer::Kicked { room, user }, out);
        self.drop_if_deserted(id, out);
        Ok(())
    }

    /// Takes a member out of the room, and tells the room and the member who did it and why; of a
    /// member who hides, the room learns nothing. `me`: the operator, if still connected.
    pub(super) fn remove_from(
        &mut self,
        ask: Ask,
        me: Option<UserId>,
        id: RoomId,
        member: UserId,
        why: Option<Arc<str>>,
        out: &mut Vec<Effect>,
    ) {
        let by = me.map_or_else(|| "an operator".into(), |me| self.user(me).name.shown().clone());
        let (room, user) = (self.room(id).name.clone(), self.user(member).name.clone());
        self.log(log::Level::Info, format!("{user} was kicked from {room} by {by}"), out);
        let seated = self.remove_member(id, member, true, out);
        self.crowds.told(id, &user);
        let event = Event::Kicked { room, user, by, why };
        for session in seated.into_iter().filter(|&session| session != ask.conn) {
            out.push(Effect::Tell(session, event.clone()));
        }
        if !self.user(member).is_hidden() {
            self.tell_room(id, event, smallvec::smallvec![ask.conn], out);
        }
    }

    pub(super) fn ban(
        &mut self,
        ask: Ask,
        me: UserId,
        room: Option<&str>,
        user: &str,
        banned: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let id = self.my_room(ask.conn, me, room)?;
        self.check_operator(id, me)?;
        let name = UserName::parse(user)?;
        let room = self.room(id);
        let account = self.directory.find(&name);
        let guest = room.members.get(name.key());
        let is_operator = account.is_some_and(|account| room.operators.contains(&account))
            || guest.is_some_and(|guest| room.guest_operators.contains(guest));
        if banned && is_operator {
            let text = format!("{name} is an operator of {}; /deop {name} first", room.name);
            return Err(Refusal::new(Code::BadArgument, text));
        }
        let known = room.bans.get(name.key()).cloned();
        let shown = match known {
            Some(shown) => shown,
            None if !banned => {
                return Err(Refusal::new(
                    Code::NoSuchUser,
                    format!("{name} is not banned from {}", room.name),
                ));
            }
            None if room.bans.len() >= BANS_PER_ROOM_MAX => {
                let text = format!("a room has at most {BANS_PER_ROOM_MAX} bans");
                return Err(Refusal::new(Code::TooMany, text));
            }
            // A name that nobody holds may be banned as well: its holder may have just left.
            None => self.known_user(me, &name).unwrap_or(name),
        };
        self.change(ask, Change::Ban { room: id, user: shown, banned }, out);
        Ok(())
    }

    pub(super) fn check_operator(&self, id: RoomId, me: UserId) -> Result<(), Refusal> {
        let room = self.room(id);
        if room.is_operator(me, self.user(me).account) {
            return Ok(());
        }
        Err(Refusal::new(Code::NotOperator, format!("only an operator of {} may do that", room.name)))
    }

    /// A member of the room whom the asker may see.
    pub(super) fn member(&self, id: RoomId, me: UserId, name: &UserName) -> Option<UserId> {
        let member = self.room(id).members.get(name.key()).copied()?;
        (member == me || !self.user(member).is_hidden()).then_some(member)
    }

    /// The name as its holder typed it, if anybody holds it that the asker may know of.
    pub(super) fn known_user(&self, me: UserId, name: &UserName) -> Option<UserName> {
        let account = self.directory.find(name).and_then(|account| self.directory.get(account));
        match account {
            Some(account) => Some(account.user.clone()),
            None => self.find_visible(me, name).map(|id| self.user(id).name.clone()),
        }
    }
}

pub(super) fn no_such_user(name: &UserName) -> Refusal {
    Refusal::new(Code::NoSuchUser, format!("there is no user {name}"))
}

fn not_there(name: &UserName, room: &RoomName) -> Refusal {
    Refusal::new(Code::NoSuchUser, format!("{name} is not in {room}"))
}
