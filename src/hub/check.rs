//! What must be true of the hub between two turns, whatever came in: tables that speak of each other
//! agree, places in queues are counted right, and nobody waits for something that will not come.
//!
//! Called by the engine after each turn of a debug build, and by the simulation. It reads everything,
//! so its cost grows with the number of connections.

use crate::hub::Hub;

use crate::hub::session::{Activity, Held, Session};
use crate::hub::user::Letters;
use crate::proto::id::ConnId;

impl Hub {
    /// Panics if an invariant is broken, which only a bug can do.
    pub fn check(&self) {
        self.check_files();
        for session in self.sessions.iter() {
            self.check_session(session);
        }
        for (id, user) in self.users.after("") {
            assert!(!user.sessions.is_empty(), "{} is connected without a session", user.name);
            for &conn in &user.sessions {
                let session = self.sessions.get(conn).expect("sessions of a user are connected");
                assert!(session.user == Some(id), "{conn} is of {}, and does not know", user.name);
            }
            for &room in &user.rooms {
                let member = self.rooms.get(room).and_then(|room| room.members.get(user.name.key()));
                assert!(member == Some(&id), "{} is in {room:?}, which does not know", user.name);
            }
            for key in user.blocks.keys() {
                let known = self.blockers.get(key).is_some_and(|blockers| blockers.contains(&id));
                assert!(known, "{} blocks {key}, whose blockers do not show it", user.name);
            }
            if let Letters::Delivering { conn, .. } = user.letters {
                assert!(user.sessions.contains(&conn), "letters are taken by a session of their reader");
            }
        }
        for (key, blockers) in &self.blockers {
            assert!(!blockers.is_empty(), "{key} is blocked by nobody");
            for &blocker in blockers {
                assert!(self.user(blocker).blocks.contains_key(key), "{key} is not blocked any more");
            }
        }
        for (conn, account) in self.mailboxes.check() {
            let user = self.sessions.get(conn).and_then(|session| session.user);
            let user = user.expect("who reads a mailbox is connected, and somebody");
            assert!(self.user(user).account == Some(account), "{conn} reads a mailbox of another account");
        }
        for conn in self.tokens.keys() {
            assert!(self.sessions.get(*conn).is_some(), "{conn} has a token, and is gone");
        }
        self.check_rooms();
        self.crowds.check();
        self.check_places();
    }

    /// No command is taken from this connection now: work, a stream or a limit holds it.
    pub fn is_held(&self, conn: ConnId) -> bool {
        self.sessions.get(conn).is_some_and(|session| {
            session.held.is_some()
                || matches!(session.activity, Activity::Waiting(_) | Activity::Streaming(_))
        })
    }

    /// The connection has a session.
    pub fn knows(&self, conn: ConnId) -> bool {
        self.sessions.get(conn).is_some()
    }

    fn check_session(&self, session: &Session) {
        let id = session.id;
        if session.user.is_none() {
            assert!(session.seats.is_empty(), "{id} sits in a room without a name");
        }
        for (index, seat) in session.seats.iter().enumerate() {
            let room = self.rooms.get(seat.room).expect("seats are in rooms that exist");
            assert!(room.listeners.get(seat.position as usize) == Some(&id), "{id} is not where it sits");
            assert!(session.seats[..index].iter().all(|other| other.room != seat.room), "{id} sits twice");
            let user = self.user(session.user.expect("checked above"));
            assert!(user.rooms.contains(&seat.room), "{id} hears {}, and is no member", room.name);
        }
        if let Some(current) = session.current {
            assert!(session.seat(current).is_some(), "{id} speaks where it does not sit");
        }
        match session.held {
            Some(Held::Appends) => assert!(session.appends > 0, "{id} waits for messages that are not"),
            Some(Held::Credit) => {
                assert!(self.waiting_for_credit.contains(&id), "{id} waits in no queue");
            }
            Some(Held::Rate) => {
                assert!(self.slowed.iter().any(|entry| entry.0.1 == id), "{id} waits for no time");
            }
            Some(Held::Transfer) => assert!(self.is_data(id), "{id} is held for files, and carries none"),
            None => {}
        }
        if session.held.is_some() {
            let free = matches!(session.activity, Activity::Ready | Activity::Prompting(_));
            assert!(free, "{id} is held while work is under way");
        }
    }

    fn check_rooms(&self) {
        for (id, room) in self.rooms.iter() {
            for (key, &member) in &room.members {
                let user = self.user(member);
                assert!(user.name.key() == key, "{} has {key} for {}", room.name, user.name);
                assert!(user.rooms.contains(&id), "{} is in {}, and does not know", user.name, room.name);
            }
            for &conn in &room.listeners {
                let session = self.sessions.get(conn).expect("listeners are connected");
                assert!(session.seat(id).is_some(), "{conn} hears {}, and has no seat", room.name);
            }
            for &guest in &room.guest_operators {
                let present = room.members.values().any(|&member| member == guest);
                assert!(present, "a guest runs {}, and is not there", room.name);
            }
        }
    }

    fn check_places(&self) {
        let (store_max, password_max) = (self.settings.store_jobs_max, self.settings.password_jobs_max);
        assert!(self.store_credit <= store_max, "a job of the store was answered twice");
        assert!(
            self.backlog.is_empty() || self.store_credit == 0,
            "work waits although the store has a place"
        );
        let hashing = u32::try_from(self.hashing.len()).expect("fewer than connections");
        assert!(self.password_credit + hashing == password_max, "a place of the password lane is lost");
        if self.store_credit > self.store_reserve() && self.backlog.is_empty() {
            assert!(self.waiting_for_credit.is_empty(), "a command waits although the store has a place");
        }
        assert!(!self.is_stored() || self.leaving.is_empty(), "a membership ends and nobody sees to it");
        self.directory.check(self.is_stored());
    }
}
