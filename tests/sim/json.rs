//! What a JSON client is told.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::facts::{Facts, State, place};
use crate::link::{Ask, Link, Seat};
use crate::model::{Model, number};

impl Link {
    pub fn take_json(&mut self, line: &str, facts: &mut Facts, model: &Model) {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if let Some(re) = value["re"].as_i64() {
            let ask = self.asked.open.remove(&re).unwrap_or_else(|| panic!("nobody asked: {line}"));
            if !ask.is_message() {
                let first = self.asked.ordered.pop_front();
                assert!(first == Some(re), "{first:?} was to be answered first: {line}");
            }
            return match value.get("ok") {
                Some(ok) => self.answered(ask, ok, facts, model),
                None => self.refused(ask, &value["err"], facts, model),
            };
        }
        match text(&value, "ev") {
            "message" => {
                let (room, from) = (text(&value, "room"), text(&value, "from"));
                self.hears(room, from, text(&value, "text"), value["seq"].as_u64(), facts, model);
            }
            "private" => {
                let (from, to) = (text(&value, "from"), text(&value, "to"));
                if from != self.me() || to == self.me() {
                    assert!(to == self.me(), "a private message for {to}: {line}");
                    self.receives(from, text(&value, "text"), facts);
                }
            }
            "envelope" => self.takes_envelope(&value, facts, model),
            "pair" => {}
            "error" => {
                self.did.not_rejoined |= text(&value, "code") == "storage-unavailable";
                self.count(text(&value, "code"));
            }
            "notice" => self.noticed(&value, facts, model),
            _ => panic!("an event that is not documented: {line}"),
        }
    }

    fn answered(&mut self, ask: Ask, ok: &Value, facts: &mut Facts, model: &Model) {
        match ask {
            Ask::Name { register } => {
                let name = text(ok, "user");
                self.named(name, facts);
                if register {
                    facts.registered.insert(name.to_string());
                }
            }
            Ask::Join { .. } => self.enters(ok, facts, model),
            Ask::Keys(asked) => self.keys_answered(asked, ok, facts, model),
            Ask::Leave => {
                self.seats.remove(text(ok, "room"));
            }
            Ask::Say { number, room: named } => {
                let seq = ok["seq"].as_u64().expect("a message has a position");
                let (room, _) = place(model, number, None, Some(seq));
                facts.sent[number as usize].state = State::Acknowledged;
                let reader = self.me().to_string();
                let seat = self.seats.get_mut(&named).filter(|seat| seat.room.is_none_or(|id| id == room));
                // The answer to a repeated one is an old position.
                if let Some(seat) = seat.filter(|seat| seat.last.is_none_or(|last| seq > last)) {
                    seat.room = Some(room);
                    seat.advance(seq, |entry| facts.may_miss(&reader, &entry.from), model);
                }
            }
            Ask::Msg { number } => facts.was_sent(number, text(ok, "to"), ok["kept"] == true),
            Ask::Kick { room } => self.removed(&room, text(ok, "user")),
            Ask::Ban { room } if ok["banned"] == true => self.removed(&room, text(ok, "user")),
            Ask::Block { user, blocked } => {
                match blocked {
                    true => self.blocked.insert(user),
                    false => self.blocked.remove(&user),
                };
            }
            Ask::History { room } => {
                assert!(text(ok, "room") == room);
                self.check_page(&room, &ok["messages"], facts, model);
            }
            Ask::Search => {
                for message in ok["messages"].as_array().expect("a list") {
                    let room = text(message, "room");
                    // A session that could not come into a room after its login is a member's all the same.
                    let may = self.seats.contains_key(room) || self.did.not_rejoined;
                    assert!(may, "found in #{room}, which they are not in");
                    if let Some(number) = number(text(message, "text")) {
                        place(model, number, None, message["seq"].as_u64());
                    }
                }
            }
            Ask::Who { room, settled } => {
                let shown: BTreeSet<String> = names(&ok["members"], |member| text(member, "user"));
                if let Some(seat) = self.seats.get(&room).filter(|_| settled && !self.hiding) {
                    assert!(shown == seat.members, "#{room} has {shown:?}, and was told {:?}", seat.members);
                }
            }
            Ask::Ban { .. } | Ask::Other => {}
        }
    }

    fn refused(&mut self, ask: Ask, err: &Value, facts: &mut Facts, model: &Model) {
        let code = text(err, "code");
        self.count(code);
        match ask {
            Ask::Say { number, .. } => {
                let sent = &mut facts.sent[number as usize];
                // A repeated message may have been taken before.
                if sent.key.is_none() {
                    assert!(sent.state == State::Open, "m{number} was answered twice");
                    // One that went with its room was committed before.
                    let kept = model.committed.contains_key(&number) && code != "no-such-room";
                    assert!(!kept, "m{number} was refused, and is kept");
                    sent.state = State::Refused;
                }
            }
            Ask::Keys(asked) => self.keys_refused(asked, err, facts, model),
            Ask::Msg { number } => facts.sent[number as usize].state = State::Refused,
            Ask::Join { .. } => self.did.join_failed |= code == "storage-unavailable",
            _ => {}
        }
    }

    pub fn count(&mut self, code: &str) {
        self.did.too_fast += u32::from(code == "too-fast");
    }

    fn noticed(&mut self, notice: &Value, facts: &mut Facts, model: &Model) {
        let kind = text(notice, "kind");
        if matches!(kind, "motd" | "invite" | "shutdown") || self.noticed_device(notice) {
            return;
        }
        if kind == "entered" {
            return self.enters(notice, facts, model);
        }
        let room = text(notice, "room");
        let me = self.me().to_string();
        let known = self.hiding || self.gathers;
        if kind == "exited" || kind == "kick" && text(notice, "user") == me {
            let seat = self.seats.remove(room);
            assert!(seat.is_some(), "{me} left #{room}, and was not in it");
            return;
        }
        let Some(seat) = self.seats.get_mut(room) else {
            panic!("{me} is told of #{room}, and is not in it: {notice}");
        };
        match kind {
            "join" => {
                let new = seat.members.insert(text(notice, "user").to_string());
                assert!(new || known, "who joins #{room} was in it: {notice}");
            }
            "leave" | "quit" | "kick" => {
                let was = seat.members.remove(text(notice, "user"));
                assert!(was || known, "who leaves #{room} was not in it: {notice}");
            }
            "rename" => {
                let was = seat.members.remove(text(notice, "from"));
                assert!(was || known, "who is renamed in #{room} was not in it: {notice}");
                seat.members.insert(text(notice, "to").to_string());
            }
            "presence" => {
                let joined = names(&notice["joined"], |user| user.as_str().expect("a name"));
                let left = names(&notice["left"], |user| user.as_str().expect("a name"));
                assert!(self.gathers && joined.len() + left.len() > 1, "told together: {notice}");
                assert!(joined.is_disjoint(&left), "who is in #{room} now? {notice}");
                // Who hides is gone for the others, also while being there.
                assert!(self.hiding || !left.contains(&me), "{me} did not leave #{room}: {notice}");
                seat.members.retain(|member| *member == me || !left.contains(member));
                seat.members.extend(joined);
            }
            "topic" | "op" | "deop" | "room" => {}
            _ => panic!("a notice that is not documented: {notice}"),
        }
    }

    /// This client's own command removed somebody.
    fn removed(&mut self, room: &str, user: &str) {
        if user == self.me() {
            self.seats.remove(room);
        } else if let Some(seat) = self.seats.get_mut(room) {
            seat.members.remove(user);
        }
    }

    /// The reply to `join`, or the notice that says the same.
    fn enters(&mut self, view: &Value, facts: &Facts, model: &Model) {
        let room = text(view, "room");
        let me = self.me().to_string();
        let members: BTreeSet<String> = names(&view["members"], |member| member.as_str().expect("a name"));
        assert!(members.contains(&me), "{me} enters #{room}, and is not in it: {members:?}");
        let seq = view["seq"].as_u64().expect("a position");
        self.check_page(room, &view["messages"], facts, model);
        let newest = view["messages"].as_array().and_then(|messages| messages.last());
        assert!(newest.is_none_or(|newest| newest["seq"].as_u64().expect("a position") <= seq), "{view}");
        let id = newest
            .and_then(|newest| number(text(newest, "text")))
            .map(|number| place(model, number, None, newest.expect("found")["seq"].as_u64()).0);
        let known = self.hiding || self.gathers;
        match self.seats.get_mut(room) {
            Some(seat) => {
                assert!(known || seat.members == members, "#{room}: {:?}, {members:?}", seat.members);
                seat.room = seat.room.or(id);
                if seat.last.is_some_and(|last| last != seq) {
                    seat.advance(seq, |entry| facts.may_miss(&me, &entry.from), model);
                    // Only a blocked one can have been the newest.
                    if let Some(log) = seat.room.and_then(|room| model.archive.get(&room)) {
                        let newest = &log[seq as usize - 1];
                        assert!(facts.may_miss(&me, &newest.from), "#{room}: {seq} was missed: {newest:?}");
                    }
                }
                seat.members = members;
            }
            None => {
                self.seats.insert(room.to_string(), Seat { room: id, last: Some(seq), members });
            }
        }
    }

    /// Messages out of the log: in order, without gaps but those of blocked users.
    fn check_page(&self, room: &str, messages: &Value, facts: &Facts, model: &Model) {
        let mut page = Seat::default();
        for message in messages.as_array().expect("a list") {
            assert!(text(message, "room") == room);
            let (from, said) = (text(message, "from"), text(message, "text"));
            let seq = message["seq"].as_u64().expect("a position");
            if let Some(number) = number(said) {
                page.room = Some(place(model, number, page.room, Some(seq)).0);
            }
            let strict = self.blocked.contains(from) && !facts.may_see_again(self.me(), from);
            assert!(!strict, "{} reads {from}, whom they block: {said}", self.me());
            page.advance(seq, |entry| facts.may_miss(self.me(), &entry.from), model);
        }
    }
}

#[track_caller]
fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn names<'v>(list: &'v Value, name: impl Fn(&'v Value) -> &'v str) -> BTreeSet<String> {
    list.as_array().expect("a list").iter().map(|item| name(item).to_string()).collect()
}
