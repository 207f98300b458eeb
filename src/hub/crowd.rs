//! Comings and goings in large rooms, told together.
//!
//! To tell ten thousand connections that somebody came costs ten thousand writes, and when a network
//! comes back, thousands come. So where more than [`PRESENCE_AT_ONCE_MAX`] connections hear a room, who
//! comes and who goes within a while is gathered in a [`Crowd`], and told in one event. Nobody waits
//! for it who did something: their own answer comes at once, as do kicks, topics and renames.
//!
//! An event tells of everybody once, by how it stands at the end of the while. Who came and went again is
//! not mentioned, unless somebody was shown the members in between and would believe otherwise.
//!
//! One who comes or goes alone is told of as in a small room, only later.
//!
//! [`PRESENCE_AT_ONCE_MAX`]: crate::proto::limits::PRESENCE_AT_ONCE_MAX

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::hub::Hub;
use crate::hub::effect::{Effect, Except};
use crate::proto::event::Event;
use crate::proto::id::{RoomId, UserId};
use crate::proto::limits::{PRESENCE_NAMES_MAX, PRESENCE_WINDOW_MAX, PRESENCE_WINDOW_MIN};
use crate::proto::name::UserName;
use crate::proto::time::Instant;

/// Whether somebody came into a room or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Came,
    Went,
}

/// What is gathered, by room.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    by_room: BTreeMap<RoomId, Crowd>,
    /// When each is told. One that has just begun is due at once: whoever is gone leaves no time behind
    /// by which it could be told when the while is over, and the next tick sees to it.
    due: BTreeSet<(Instant, RoomId)>,
}

#[derive(Debug)]
struct Crowd {
    due: Instant,
    people: BTreeMap<Arc<str>, Person>,
}

#[derive(Debug)]
struct Person {
    user: UserName,
    last: Step,
    /// The room was told last that this is a member.
    was_in: bool,
    /// Somebody was shown the members while they were others than the room was told last.
    seen: bool,
    /// How the last step is told if it is the only one.
    event: Event,
}

impl Crowds {
    pub fn next_deadline(&self) -> Instant {
        self.due.first().map_or(Instant(u64::MAX), |&(due, _)| due)
    }

    pub fn is_empty(&self) -> bool {
        self.by_room.is_empty()
    }

    fn gather(&mut self, room: RoomId, user: UserName, step: Step, event: Event) -> usize {
        let crowd = self.by_room.entry(room).or_insert_with(|| {
            self.due.insert((BEGUN, room));
            Crowd { due: BEGUN, people: BTreeMap::new() }
        });
        let key = user.key().clone();
        let was_in = step == Step::Went;
        let person = Person { user, last: step, was_in, seen: false, event };
        match crowd.people.entry(key) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(person);
            }
            std::collections::btree_map::Entry::Occupied(mut known) => {
                let Person { was_in, seen, .. } = *known.get();
                if was_in == (step == Step::Came) && !seen {
                    known.remove();
                } else {
                    known.insert(Person { was_in, seen, ..person });
                }
            }
        }
        crowd.people.len()
    }

    fn take(&mut self, room: RoomId) -> Option<Crowd> {
        let crowd = self.by_room.remove(&room)?;
        self.due.remove(&(crowd.due, room));
        Some(crowd)
    }

    /// The room is told of this person at once, by another event.
    pub fn told(&mut self, room: RoomId, user: &UserName) {
        if let Some(crowd) = self.by_room.get_mut(&room) {
            crowd.people.remove(user.key());
        }
    }

    /// Somebody is shown the members as they are now, and is nobody to be told of themselves.
    pub fn shown(&mut self, room: RoomId, to: &UserName) {
        if let Some(crowd) = self.by_room.get_mut(&room) {
            crowd.people.values_mut().for_each(|person| person.seen |= person.user != *to);
        }
    }

    /// Panics if an invariant is broken, which only a bug can do.
    pub fn check(&self) {
        for (room, crowd) in &self.by_room {
            assert!(self.due.contains(&(crowd.due, *room)), "{room:?} is never told who came");
            assert!(crowd.people.len() < PRESENCE_NAMES_MAX, "{room:?} gathers too many");
        }
        assert!(self.due.len() == self.by_room.len(), "a room is told what nobody gathers");
    }
}

impl Hub {
    /// Tells a room that a member came or went, but not the member; and nobody, if the member is hidden.
    /// In a large room, later. `event`: how a small room is told.
    pub(super) fn announce_step(
        &mut self,
        id: RoomId,
        who: UserId,
        step: Step,
        event: Event,
        out: &mut Vec<Effect>,
    ) {
        let listeners = self.listeners(id).len();
        // What has begun to be gathered comes before what follows, also where the room has become small.
        let gathers = listeners > self.settings.presence_at_once || self.crowds.by_room.contains_key(&id);
        if !gathers {
            return self.announce(id, who, event, out);
        }
        let user = self.user(who);
        if user.is_hidden() {
            return;
        }
        let gathered = self.crowds.gather(id, user.name.clone(), step, event);
        if gathered >= PRESENCE_NAMES_MAX {
            self.tell_crowd(id, out);
        }
    }

    /// Tells the rooms whose while is over, and dates those that have begun.
    pub(super) fn tell_crowds(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some(&(due, id)) = self.crowds.due.first()
            && due <= now
        {
            if due == BEGUN {
                let due = now + window(self.listeners(id).len());
                self.crowds.due.remove(&(BEGUN, id));
                self.crowds.due.insert((due, id));
                self.crowds.by_room.get_mut(&id).expect("what is due is gathered").due = due;
            } else {
                self.tell_crowd(id, out);
            }
        }
    }

    /// Tells a room at once who came and who went, if anybody did.
    fn tell_crowd(&mut self, id: RoomId, out: &mut Vec<Effect>) {
        let (Some(crowd), Some(room)) = (self.crowds.take(id), self.rooms.get(id)) else { return };
        // Whoever hides by now is not spoken of.
        let is_seen =
            |key: &Arc<str>| room.members.get(key).is_some_and(|&member| !self.user(member).is_hidden());
        let mut people = crowd.people;
        people.retain(|key, person| is_seen(key) == (person.last == Step::Came));
        if people.len() == 1 {
            let (key, person) = people.pop_first().expect("there is one");
            let member = room.members.get(&key);
            let except = member.map_or(Except::new(), |&id| self.user(id).sessions.iter().copied().collect());
            return self.tell_room(id, person.event, except, out);
        }
        let (mut joined, mut left) = (Vec::new(), Vec::new());
        for person in people.into_values() {
            match person.last {
                Step::Came => joined.push(person.user),
                Step::Went => left.push(person.user),
            }
        }
        if !joined.is_empty() || !left.is_empty() {
            let room = room.name.clone();
            self.tell_room(id, Event::Presence { room, joined, left }, Except::new(), out);
        }
    }
}

/// How long comings and goings are gathered in a room that so many connections hear.
fn window(listeners: usize) -> Duration {
    Duration::from_millis(u64::try_from(listeners).unwrap_or(u64::MAX))
        .clamp(PRESENCE_WINDOW_MIN, PRESENCE_WINDOW_MAX)
}

/// Before any time there is.
const BEGUN: Instant = Instant(0);

#[cfg(test)]
mod tests;
