//! Changes of what is kept: submitted to the store, and taking effect when it has committed them.

use crate::hub::effect::Effect;
use crate::hub::job::{Change, StoreJob};
use crate::hub::session::Waiting;
use crate::hub::{Ask, Hub, room_is_gone};
use crate::proto::event::{Answer, Event};
use crate::proto::id::{AccountId, RoomId, UserId};
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};

impl Hub {
    pub(super) fn change(&mut self, ask: Ask, change: Change, out: &mut Vec<Effect>) {
        self.submit_store(StoreJob::Change { origin: Some(ask.origin()), change }, out);
        self.wait(ask.conn, Waiting::Change, out);
    }

    /// The store committed a change: it takes effect now, and whoever is concerned is told.
    pub(super) fn changed(&mut self, ask: Ask, change: Change, out: &mut Vec<Effect>) {
        let waits = self.take_waiting(ask.conn).is_some();
        let me = self.sessions.get(ask.conn).and_then(|session| session.user).filter(|_| waits);
        match change {
            Change::Access { room: id, access, key_hash } => {
                let Some(room) = self.rooms.get_mut(id) else { return self.change_void(ask, out) };
                room.access = access;
                room.key_hash = key_hash;
                let name = room.name.clone();
                if let Some(me) = me {
                    let by = self.user(me).name.shown().clone();
                    let event = Event::AccessChanged { room: name.clone(), by, access };
                    self.tell_room(id, event, smallvec::smallvec![ask.conn], out);
                    self.answer(ask, Answer::AccessSet { room: name, access }, out);
                }
            }
            Change::Ban { room: id, user, banned } => self.banned(ask, me, id, user, banned, out),
            Change::Block { user, blocked, .. } => {
                if let Some(me) = me {
                    self.block_changed(ask, me, user, blocked, out);
                }
            }
            Change::DropRoom { .. }
            | Change::FileComplete { .. }
            | Change::FileRemove { .. }
            | Change::Leave { .. } => unreachable!("nobody asked for them, or another hears of them"),
            Change::FileDecline { file, account } => {
                self.file_declined(file, account, out);
                if waits {
                    self.answer(ask, Answer::Declined { file }, out);
                }
            }
            Change::Operator { room: id, account, operator } => {
                self.operator_kept(ask, me, id, account, operator, out)
            }
            Change::Password { .. } => self.answer(ask, Answer::PasswordChanged, out),
            Change::Topic { room: id, topic } => {
                let Some(room) = self.rooms.get_mut(id) else { return self.change_void(ask, out) };
                room.topic = topic.clone();
                let name = room.name.clone();
                if let Some(me) = me {
                    let by = self.user(me).name.shown().clone();
                    let shown = topic.clone().unwrap_or_else(|| "".into());
                    let event = Event::TopicChanged { room: name.clone(), by, topic: shown };
                    self.tell_room(id, event, smallvec::smallvec![ask.conn], out);
                    self.answer(ask, Answer::Topic { room: name, topic, changed: true }, out);
                }
            }
        }
        if waits {
            self.ready(ask.conn, out);
        }
    }

    /// What was to be changed is gone meanwhile.
    pub(super) fn change_void(&mut self, ask: Ask, out: &mut Vec<Effect>) {
        if self.sessions.get(ask.conn).is_some() {
            self.refuse(ask, room_is_gone(), out);
            self.ready(ask.conn, out);
        }
    }

    pub(super) fn banned(
        &mut self,
        ask: Ask,
        me: Option<UserId>,
        id: RoomId,
        user: UserName,
        banned: bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(room) = self.rooms.get_mut(id) else { return self.refuse(ask, room_is_gone(), out) };
        if banned {
            room.bans.insert(user.key().clone(), user.clone());
            room.invited.remove(user.key());
        } else {
            room.bans.remove(user.key());
        }
        let name = room.name.clone();
        let member = room.members.get(user.key()).copied();
        if banned {
            match member {
                Some(member) => self.remove_from(ask, me, id, member, Some("banned".into()), out),
                None => self.end_membership(id, &user, out),
            }
        }
        if me.is_some() {
            self.answer(ask, Answer::Banned { room: name, user, banned }, out);
        }
        self.drop_if_deserted(id, out);
    }

    pub(super) fn operator_kept(
        &mut self,
        ask: Ask,
        me: Option<UserId>,
        id: RoomId,
        account: AccountId,
        operator: bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(room) = self.rooms.get_mut(id) else { return self.refuse(ask, room_is_gone(), out) };
        if operator {
            room.operators.insert(account);
        } else {
            room.operators.remove(&account);
        }
        match (me, self.directory.get(account)) {
            (Some(me), Some(account)) => {
                self.operator_changed(ask, me, id, account.user.clone(), operator, out)
            }
            (Some(_), None) => {
                self.refuse(ask, Refusal::new(Code::NoSuchUser, "the account was removed meanwhile"), out)
            }
            (None, _) => {}
        }
    }

    /// The store could not make a change.
    pub(super) fn change_failed(
        &mut self,
        ask: Option<Ask>,
        change: Change,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        if let Change::Leave { room, account } = change {
            self.leave_answered(room, account);
        }
        if let Change::FileComplete { file } = change {
            self.file_not_complete(file);
        }
        if let Change::DropRoom { .. } | Change::Leave { .. } = change {
            // It took effect here when it was asked for.
            self.owed.push(change);
        }
        if let Some(ask) = ask.filter(|ask| self.sessions.get(ask.conn).is_some()) {
            self.take_waiting(ask.conn);
            self.refuse(ask, refusal, out);
            self.ready(ask.conn, out);
        }
    }
}
