//! Who hears a room: seats of sessions among its listeners, and the end of a membership.

use crate::hub::Hub;
use crate::hub::effect::{Effect, Except};
use crate::hub::session::Seat;
use crate::proto::event::Event;
use crate::proto::id::{ConnId, RoomId, UserId};
use crate::proto::name::UserName;

impl Hub {
    /// Seats a session among a room's listeners; false if it had a seat.
    pub(super) fn take_seat(&mut self, conn: ConnId, id: RoomId) -> bool {
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
    pub(super) fn give_seat_up(&mut self, conn: ConnId, id: RoomId) -> bool {
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
            self.submit_leave(id, account, out);
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
            self.submit_leave(id, account, out);
        }
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
}
