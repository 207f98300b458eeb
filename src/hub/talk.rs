//! Room messages.
//!
//! A message becomes an append of the store; it is delivered to anyone, and acknowledged to its
//! sender, when the store says that it is committed. A committed entry is something that happened to
//! the room: it is broadcast whether its sender is still there or not.

use std::sync::Arc;

use smallvec::smallvec;

use crate::hub::effect::{Effect, Except};
use crate::hub::job::{KeyScope, NewEntry, StoreJob};
use crate::hub::{Ask, Hub, room_is_gone};
use crate::proto::event::{Answer, Entry, Event};
use crate::proto::id::{ConnId, RoomId, Seq, UserId};
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::Timestamp;

/// What is to be said. Whoever gives the same `key` again says it once.
#[derive(Clone, Copy)]
pub(super) struct Saying<'a> {
    pub text: &'a str,
    pub emote: bool,
    pub key: Option<&'a str>,
}

impl Hub {
    pub(super) fn say(
        &mut self,
        ask: Ask,
        me: UserId,
        room: Option<&str>,
        saying: Saying<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let Saying { text, emote, key } = saying;
        let room = self.my_room(ask.conn, me, room)?;
        check_text(text)?;
        let user = self.user(me);
        let entry =
            NewEntry { at: ask.now.wall, from: user.name.shown().clone(), me: emote, text: text.into() };
        if !self.settings.history {
            self.say_unkept(ask, room, entry, out);
            return Ok(());
        }
        let scope = user.account.map_or(KeyScope::Guest(ask.conn), KeyScope::Account);
        let session = self.session_mut(ask.conn);
        session.appends += 1;
        session.used_keys |= key.is_some() && matches!(scope, KeyScope::Guest(_));
        let key = key.map(Box::from);
        self.submit_store(StoreJob::Append { origin: ask.origin(), room, scope, key, entry }, out);
        Ok(())
    }

    /// A room without a log: the hub counts, and the message is delivered at once.
    fn say_unkept(&mut self, ask: Ask, id: RoomId, entry: NewEntry, out: &mut Vec<Effect>) {
        let room = self.rooms.get_mut(id).expect("the caller found it");
        room.seq = Seq(room.seq.0 + 1);
        let NewEntry { at, from, me, text } = entry;
        let entry = Arc::new(Entry { seq: room.seq, at, from, me, text });
        self.deliver(ask, id, entry, out);
    }

    /// The store committed a message.
    pub(super) fn appended(&mut self, ask: Ask, id: RoomId, entry: Arc<Entry>, out: &mut Vec<Effect>) {
        match self.rooms.get_mut(id) {
            Some(room) => {
                assert!(entry.seq.0 == room.seq.0 + 1, "positions have no gaps");
                room.seq = entry.seq;
                self.deliver(ask, id, entry, out);
            }
            None => self.refuse(ask, room_is_gone(), out),
        }
        self.append_done(ask.conn, out);
    }

    /// The store had this message before: its first answer is given again, and nobody else hears it.
    pub(super) fn repeated(&mut self, ask: Ask, id: RoomId, seq: Seq, at: Timestamp, out: &mut Vec<Effect>) {
        match self.rooms.get(id) {
            Some(room) => self.answer(ask, Answer::Said { room: room.name.clone(), seq, at }, out),
            None => self.refuse(ask, room_is_gone(), out),
        }
        self.append_done(ask.conn, out);
    }

    fn deliver(&self, ask: Ask, id: RoomId, entry: Arc<Entry>, out: &mut Vec<Effect>) {
        let name = self.room(id).name.clone();
        let (seq, at) = (entry.seq, entry.at);
        let except = self.deaf_to(ask.conn, &entry.from);
        self.tell_room(id, Event::Message { room: name.clone(), entry }, except, out);
        self.answer(ask, Answer::Said { room: name, seq, at }, out);
    }

    /// Who does not hear a message: the session that said it, and whoever blocks its author.
    fn deaf_to(&self, sender: ConnId, author: &str) -> Except {
        let mut except: Except = smallvec![sender];
        if !self.blockers.is_empty()
            && let Ok(author) = UserName::parse(author)
            && let Some(blockers) = self.blockers.get(author.key())
        {
            except.extend(blockers.iter().flat_map(|&user| self.user(user).sessions.iter().copied()));
        }
        except
    }

    /// Messages without those by authors whom this user blocks.
    pub(super) fn without_blocked(&self, me: UserId, mut messages: Vec<Entry>) -> Vec<Entry> {
        let blocks = &self.user(me).blocks;
        if !blocks.is_empty() {
            messages.retain(|entry| {
                UserName::parse(&entry.from).is_ok_and(|author| !blocks.contains_key(author.key()))
            });
        }
        messages
    }
}

/// A message says something.
pub(super) fn check_text(text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::new(Code::MissingArgument, "there is nothing to say"));
    }
    Ok(())
}
