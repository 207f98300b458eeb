//! The chat itself: sessions, users, rooms, talk. Commands and replies in, effects out.
//!
//! Pure: no clock, no randomness, no sockets, no bytes of any dialect. The same inputs give the same
//! effects, which is what makes the whole server testable by simulation.
//!
//! Two kinds of truth: what is kept (rooms, their logs, accounts, letters) belongs to the store, and
//! the hub changes its view of it when the store says that it is committed. What is not kept (who is
//! connected, status, current rooms) belongs to the hub.
//!
//! A command that must wait for the store or for a password hash pauses its connection, one at a
//! time each, so nothing is reordered. Only messages do not wait: `say` may have many under way.
//!
//! One file a feature: `dispatch` hands commands out, `naming`, `login` and `register` name people,
//! `membership` lets them in and out of rooms, `talk` carries room messages, `letters` private ones,
//! `moderation` runs rooms, `presence` shows who is there, `crowd` tells large rooms who came, `history`
//! reads logs, `pace` slows the hasty, `guessing` those who guess passwords. For what only devices can read,
//! `devices` has their keys, `send` takes it, and `mailbox` hands it out. `files` lets files through.

pub mod address;
mod blocks;
pub mod bucket;
mod changes;
mod check;
mod claims;
mod crowd;
mod devices;
pub mod directory;
mod dispatch;
pub mod effect;
mod files;
mod guessing;
mod history;
pub mod job;
mod leaving;
mod letters;
mod login;
mod mailbox;
mod membership;
mod moderation;
mod naming;
mod news;
mod pace;
mod passwd;
mod presence;
mod prompt;
mod register;
mod replies;
pub mod room;
mod seats;
mod send;
pub mod session;
pub mod settings;
mod stream;
mod talk;
pub mod user;

use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::hub::address::{AddressBook, AddressKey};
use crate::hub::claims::Claims;
use crate::hub::crowd::Crowds;
use crate::hub::directory::Directory;
use crate::hub::effect::{CloseReason, Effect, Except, LogLine};
use crate::hub::files::Files;
use crate::hub::guessing::Guesses;
use crate::hub::job::keys::TokenId;
use crate::hub::job::{Change, Kept, StoreJob};
use crate::hub::mailbox::Mailboxes;
use crate::hub::pace::Admitted;
use crate::hub::room::{Room, Rooms};
use crate::hub::session::{Activity, Peer, Session, Sessions, Waiting};
use crate::hub::settings::Settings;
use crate::hub::user::{User, Users};
use crate::proto::command::Command;
use crate::proto::event::{Answer, Event};
use crate::proto::id::{AccountId, ConnId, Origin, RequestId, RoomId, UserId};
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::{Instant, Now};

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Handled {
    Done,
    /// Not taken: the connection is paused, and the same command is to be handed in again after
    /// [`Effect::Resume`].
    Later,
}

/// Who asks, for which request, and when.
#[derive(Clone, Copy, Debug)]
struct Ask {
    conn: ConnId,
    re: RequestId,
    now: Now,
}

impl Ask {
    fn origin(self) -> Origin {
        Origin { conn: self.conn, re: self.re }
    }
}

pub struct Hub {
    settings: Settings,
    sessions: Sessions,
    users: Users,
    rooms: Rooms,
    directory: Directory,
    addresses: AddressBook,
    guesses: Guesses,
    /// Who came and went in large rooms and is not told yet.
    crowds: Crowds,
    files: Files,
    /// Who blocks the holder of a name: only users that are connected, so that sending costs nothing
    /// where nobody blocks.
    blockers: BTreeMap<Arc<str>, Vec<UserId>>,
    /// Connections that have a place in the password lane, also after they are gone, with the address
    /// that it counts for.
    hashing: BTreeMap<ConnId, Option<AddressKey>>,
    /// Places left in the lanes' queues.
    store_credit: u32,
    password_credit: u32,
    /// Work that came up while the store's queue was full, in order.
    backlog: VecDeque<StoreJob>,
    /// Connections whose next command waits for a place in the store's queue.
    waiting_for_credit: VecDeque<ConnId>,
    /// Connections that were over their rate, by when they are resumed.
    slowed: BinaryHeap<std::cmp::Reverse<(Instant, ConnId)>>,
    /// Changes that took effect here and that the store could not make, to be tried again.
    owed: Vec<Change>,
    /// Memberships that ended and that the store is about to forget, with how often.
    leaving: BTreeMap<(AccountId, RoomId), u32>,
    /// Who reads which mailbox.
    mailboxes: Mailboxes,
    claims: Claims,
    /// Which token of their account the connections of programs have.
    tokens: BTreeMap<ConnId, TokenId>,
    /// When a reader was told that a sender wrote what their session cannot read: reader, sender.
    sealed_told: BTreeMap<(AccountId, AccountId), Instant>,
    next_sweep: Instant,
    next_maintenance: Instant,
    started: Instant,
    stopping: bool,
}

impl Hub {
    pub fn new(settings: Settings, kept: Kept, now: Now) -> Hub {
        Hub {
            store_credit: settings.store_jobs_max,
            password_credit: settings.password_jobs_max,
            settings,
            sessions: Sessions::default(),
            users: Users::default(),
            rooms: Rooms::kept(kept.rooms, kept.next_room),
            directory: Directory::new(kept.accounts),
            addresses: AddressBook::default(),
            guesses: Guesses::default(),
            crowds: Crowds::default(),
            files: Files::new(kept.files),
            blockers: BTreeMap::new(),
            hashing: BTreeMap::new(),
            backlog: VecDeque::new(),
            waiting_for_credit: VecDeque::new(),
            slowed: BinaryHeap::new(),
            owed: Vec::new(),
            leaving: BTreeMap::new(),
            mailboxes: Mailboxes::default(),
            claims: Claims::default(),
            tokens: BTreeMap::new(),
            sealed_told: BTreeMap::new(),
            next_sweep: now.mono + SWEEP_EVERY,
            next_maintenance: now.mono + MAINTENANCE_AFTER_START,
            started: now.mono,
            stopping: false,
        }
    }

    /// A connection was made; it has no name yet. Refused when there are too many.
    pub fn opened(&mut self, now: Now, conn: ConnId, peer: Peer) -> Result<(), CloseReason> {
        let limits = &self.settings.limits;
        if limits.connections.is_some_and(|most| self.sessions.count() >= most as usize) {
            return Err(CloseReason::Full);
        }
        let mut address = None;
        if let Some(limits) = limits.of_address(peer.loopback) {
            let key = AddressKey::new(peer.address);
            if !self.addresses.admit(now.mono, key, limits) {
                return Err(CloseReason::Full);
            }
            address = Some(key);
        }
        self.sessions.insert(Session::new(conn, address, peer.loopback));
        Ok(())
    }

    /// It is known now what the connection speaks, and whether that shows members of rooms.
    pub fn identified(&mut self, conn: ConnId, wants_members: bool) {
        if let Some(session) = self.sessions.get_mut(conn) {
            session.wants_members = wants_members;
        }
    }

    /// The connection's line is encrypted.
    pub fn encrypted(&mut self, conn: ConnId) {
        if let Some(session) = self.sessions.get_mut(conn) {
            session.encrypted = true;
        }
    }

    /// One request of a connection that is not paused.
    pub fn handle(
        &mut self,
        now: Now,
        conn: ConnId,
        re: RequestId,
        command: Command<'_>,
        out: &mut Vec<Effect>,
    ) -> Handled {
        let ask = Ask { conn, re, now };
        let Some(session) = self.sessions.get(conn) else { return Handled::Done };
        assert!(
            matches!(session.activity, Activity::Ready | Activity::Prompting(_)),
            "a connection that waits is paused"
        );
        if self.must_wait(conn, &command, out) {
            return Handled::Later;
        }
        let outcome = match self.admit(ask, &command, out) {
            Ok(Admitted::Yes) => self.dispatch(ask, command, out),
            Ok(Admitted::Closed) => Ok(()),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = outcome {
            self.refuse(ask, refusal, out);
        }
        Handled::Done
    }

    /// A line that could not be understood: told, in its turn, and counted like a command.
    pub fn complain(
        &mut self,
        now: Now,
        conn: ConnId,
        re: Option<RequestId>,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) -> Handled {
        let Some(_) = self.sessions.get(conn) else { return Handled::Done };
        if self.must_wait(conn, &Command::Help { topic: None }, out) {
            return Handled::Later;
        }
        let ask = Ask { conn, re: re.unwrap_or(RequestId::NONE), now };
        let refusal = match self.admit(ask, &Command::Ping, out) {
            Ok(Admitted::Closed) => return Handled::Done,
            Ok(Admitted::Yes) => refusal,
            Err(too_fast) => too_fast,
        };
        match re {
            Some(_) => self.refuse(ask, refusal, out),
            None => out.push(Effect::Tell(conn, Event::Error(refusal))),
        }
        Handled::Done
    }

    /// The peer closed its side and everything it had sent was handled: as if it had said `quit`.
    pub fn end_of_input(&mut self, conn: ConnId, out: &mut Vec<Effect>) -> Handled {
        let Some(_) = self.sessions.get(conn) else { return Handled::Done };
        let quit = Command::Quit { text: None };
        if self.transfers_must_end(conn, out) || self.must_wait(conn, &quit, out) {
            return Handled::Later;
        }
        self.end_session(conn, None, out);
        out.push(Effect::Close(conn, CloseReason::Eof));
        Handled::Done
    }

    /// The connection is gone; what it had under way goes on without it.
    pub fn gone(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        self.end_session(conn, None, out);
    }

    /// When [`Hub::tick`] wants to be called.
    pub fn next_deadline(&self) -> Instant {
        let slowed = self.slowed.peek().map_or(Instant(u64::MAX), |std::cmp::Reverse((at, _))| *at);
        slowed.min(self.next_sweep).min(self.next_maintenance).min(self.crowds.next_deadline())
    }

    /// Time passed.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.resume_slowed(now, out);
        self.tell_crowds(now.mono, out);
        if self.next_sweep <= now.mono {
            self.next_sweep = now.mono + SWEEP_EVERY;
            self.addresses.sweep(now.mono);
            self.guesses.sweep(now.mono);
            self.claims.sweep(now.mono);
            self.forget_sealed_told(now.mono);
            self.retry_mailboxes(out);
            self.sweep_files(now, out);
            self.drop_deserted_rooms(now, out);
        }
        if self.next_maintenance <= now.mono {
            self.next_maintenance = now.mono + MAINTENANCE_EVERY;
            let (keep_messages, keep) = (self.settings.keep_messages, self.settings.keep);
            self.submit_store(StoreJob::Maintain { now: now.wall, keep_messages, keep }, out);
        }
    }

    /// Tells everybody that the server stops; from now on nothing new begins.
    pub fn shutdown(&mut self, out: &mut Vec<Effect>) {
        self.stopping = true;
        let text: Arc<str> = "come back later".into();
        for session in self.sessions.iter() {
            out.push(Effect::Tell(session.id, Event::Shutdown { text: text.clone() }));
        }
    }

    /// The operator changed the configuration.
    pub fn reconfigure(&mut self, settings: Settings) {
        // The queues were made with their sizes at start, and a log cannot have a gap.
        let Settings { store_jobs_max, password_jobs_max, history, .. } = self.settings;
        self.settings = Settings { store_jobs_max, password_jobs_max, history, ..settings };
    }

    /// Every connection that hears a room.
    pub fn listeners(&self, room: RoomId) -> &[ConnId] {
        self.rooms.get(room).map_or(&[], |room| &room.listeners)
    }

    /// The next line answers a question and is taken whole.
    pub fn awaits_secret(&self, conn: ConnId) -> bool {
        self.sessions.get(conn).is_some_and(|session| matches!(session.activity, Activity::Prompting(_)))
    }

    /// Somebody chose a name on this connection, or it carries files of an account.
    pub fn is_named(&self, conn: ConnId) -> bool {
        self.sessions.get(conn).is_some_and(|session| session.user.is_some()) || self.is_data(conn)
    }

    /// Work is under way for this connection: it is not the client that keeps us waiting.
    pub fn is_waiting(&self, conn: ConnId) -> bool {
        self.sessions.get(conn).is_some_and(|session| matches!(session.activity, Activity::Waiting(_)))
    }

    /// Nothing waits for the store any more.
    pub fn is_stored(&self) -> bool {
        self.backlog.is_empty() && self.store_credit == self.settings.store_jobs_max
    }

    /// Every room was told who came and who went.
    pub fn is_told(&self) -> bool {
        self.crowds.is_empty()
    }

    /// No work is under way in any lane.
    pub fn is_settled(&self) -> bool {
        self.is_stored()
            && self.password_credit == self.settings.password_jobs_max
            && self.files_are_settled()
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    // ---- small helpers that every feature uses ------------------------------------------------

    fn session(&self, conn: ConnId) -> &Session {
        self.sessions.get(conn).expect("whoever asks is connected")
    }

    fn session_mut(&mut self, conn: ConnId) -> &mut Session {
        self.sessions.get_mut(conn).expect("whoever asks is connected")
    }

    fn user(&self, id: UserId) -> &User {
        self.users.get(id)
    }

    fn answer(&self, ask: Ask, answer: Answer, out: &mut Vec<Effect>) {
        out.push(Effect::Tell(ask.conn, Event::Answer(ask.re, answer)));
    }

    fn refuse(&self, ask: Ask, refusal: Refusal, out: &mut Vec<Effect>) {
        self.answer(ask, Answer::Refused(refusal), out);
    }

    fn tell_room(&self, room: RoomId, event: Event, except: Except, out: &mut Vec<Effect>) {
        out.push(Effect::TellRoom { room, event, except });
    }

    fn log(&self, level: log::Level, text: String, out: &mut Vec<Effect>) {
        out.push(Effect::Log(LogLine { level, text }));
    }

    /// Pauses the connection until the work that `waiting` tells of is done.
    fn wait(&mut self, conn: ConnId, waiting: Waiting, out: &mut Vec<Effect>) {
        self.session_mut(conn).activity = Activity::Waiting(Box::new(waiting));
        out.push(Effect::Pause(conn));
    }

    /// Takes what the connection waited for; it stays paused until [`Hub::ready`] or the next wait.
    fn take_waiting(&mut self, conn: ConnId) -> Option<Waiting> {
        let session = self.sessions.get_mut(conn)?;
        match std::mem::replace(&mut session.activity, Activity::Ready) {
            Activity::Waiting(waiting) => Some(*waiting),
            _ => unreachable!("a reply comes to what waits for it"),
        }
    }

    /// The connection may go on.
    fn ready(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        if let Some(session) = self.sessions.get_mut(conn) {
            session.activity = Activity::Ready;
            out.push(Effect::Resume(conn));
        }
    }

    /// The room a command names, or the current one; the asker must be a member.
    fn my_room(&self, conn: ConnId, me: UserId, named: Option<&str>) -> Result<RoomId, Refusal> {
        let Some(named) = named else {
            return self
                .session(conn)
                .current
                .ok_or_else(|| Refusal::new(Code::NoRoom, "you are in no room; /join one, or name it"));
        };
        let name = RoomName::parse(named)?;
        let room = self.rooms.find(&name).filter(|&id| self.may_see(id, me));
        let Some(id) = room else {
            return Err(Refusal::new(Code::NoSuchRoom, format!("there is no room {name}")));
        };
        if !self.rooms.get(id).expect("found").is_member(me, &self.user(me).name) {
            return Err(Refusal::new(Code::NotInRoom, format!("you are not in {name}")));
        }
        Ok(id)
    }

    /// Whether a user may know that a room exists.
    fn may_see(&self, room: RoomId, me: UserId) -> bool {
        let (Some(room), user) = (self.rooms.get(room), self.user(me)) else { return false };
        match room.access {
            crate::proto::event::Access::Private => {
                room.is_member(me, &user.name)
                    || room.is_operator(me, user.account)
                    || room.invited.contains(user.name.key())
            }
            _ => true,
        }
    }

    fn is_member(&self, user: UserId, id: RoomId) -> bool {
        self.rooms.get(id).is_some_and(|room| room.is_member(user, &self.user(user).name))
    }

    fn room(&self, id: RoomId) -> &Room {
        self.rooms.get(id).expect("the caller found it")
    }

    /// A connected user that others may see, or anybody who asks about themselves.
    fn find_visible(&self, me: UserId, name: &UserName) -> Option<UserId> {
        self.users.find(name).filter(|&id| id == me || !self.user(id).is_hidden())
    }
}

fn room_is_gone() -> Refusal {
    Refusal::new(Code::NoSuchRoom, "the room is gone, or you are no longer in it")
}

/// How often addresses and rooms that nobody uses are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often old history, keys and tokens are thrown away; the first time soon after the start.
const MAINTENANCE_EVERY: Duration = Duration::from_secs(3600);
const MAINTENANCE_AFTER_START: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
