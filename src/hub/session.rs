//! One connection as the chat sees it.
//!
//! ```text
//!           command that waits          the last reply
//!   Ready ──────────────────▶ Waiting ──────────────────▶ Ready        (paused meanwhile)
//!   Ready ──────────────────▶ Streaming ── drained ─────▶ Ready        (paused meanwhile)
//!   Ready ──────────────────▶ Prompting ── next line ───▶ Waiting or Ready
//! ```
//!
//! Besides, a connection may be held: its next command waits for a rate, for a place in the store's
//! queue, or for its own messages to be committed.

use std::net::IpAddr;

use smallvec::SmallVec;

use crate::hub::address::AddressKey;
use crate::hub::bucket::Bucket;
use crate::hub::passwd::PasswdStage;
use crate::hub::prompt::Prompting;
use crate::hub::register::RegisterStage;
use crate::proto::id::{ConnId, RequestId, RoomId, Seq, UserId};
use crate::proto::limits::{Limits, PerAddress};
use crate::proto::name::UserName;
use crate::proto::pages::Part;
use crate::proto::secret::Secret;
use crate::proto::time::Instant;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: IpAddr,
    /// It comes from this very machine.
    pub loopback: bool,
}

#[derive(Debug)]
pub struct Session {
    pub id: ConnId,
    /// `None`: no limit per address held when it came.
    pub address: Option<AddressKey>,
    pub loopback: bool,
    /// The line is TLS.
    pub encrypted: bool,
    /// Its dialect shows the members of a room to whoever comes in.
    pub wants_members: bool,
    pub user: Option<UserId>,
    /// Where a line without a command goes.
    pub current: Option<RoomId>,
    /// Rooms this session hears, the one that was current last at the end.
    pub seats: SmallVec<[Seat; 1]>,
    pub activity: Activity,
    pub held: Option<Held>,
    pub messages: Bucket,
    pub commands: Bucket,
    /// Messages handed to the store that are not committed yet.
    pub appends: u16,
    pub strikes: u8,
    pub login_failures: u8,
    /// A guest's `say` had a key, which the store must forget.
    pub used_keys: bool,
    pub struck_at: Instant,
}

/// A session's place among a room's listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    pub room: RoomId,
    pub position: u32,
}

#[derive(Debug)]
pub enum Activity {
    Prompting(Box<Prompting>),
    Ready,
    Streaming(Box<Streaming>),
    Waiting(Box<Waiting>),
}

/// Why the next command waits although nothing of this connection is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Its own messages are to be committed first.
    Appends,
    /// The store's queue is full.
    Credit,
    /// It was over its rate.
    Rate,
    /// It carries files: a PUT waits for its turn, or the end for what is under way.
    Transfer,
}

/// What is under way for a connection, in the words of what comes next.
#[derive(Debug)]
pub enum Waiting {
    /// A change was submitted.
    Change,
    /// A file is removed.
    Delete,
    /// An upload is synced and recorded.
    Finish,
    History,
    /// The store reads the next piece of a streamed history.
    HistoryPiece(Streaming),
    /// `room`: unless another session of the user left it meanwhile, or the user was put out.
    Join {
        room: Option<RoomId>,
    },
    /// Something about keys, devices or a mailbox.
    Keys,
    /// `data`: the connection is to carry files.
    Login {
        user: UserName,
        data: bool,
        stage: LoginStage,
    },
    Passwd {
        stage: PasswdStage,
    },
    Register {
        user: UserName,
        invite: Option<Secret>,
        stage: RegisterStage,
    },
    /// The room that is entered again after a login, with the same exception, and those still to come
    /// into, in reverse order.
    Rejoin {
        room: Option<RoomId>,
        rooms: Vec<RoomId>,
    },
    Search {
        query: String,
    },
    /// Room for a file is recorded.
    Upload,
}

/// How far a login is.
#[derive(Debug)]
pub enum LoginStage {
    /// The store looks for the account.
    Account { password: Secret },
    /// bcrypt is at it.
    Verify { account: Option<crate::hub::job::AccountRecord> },
    /// The store opens the session.
    Session,
}

/// A long answer that is sent piece by piece.
#[derive(Debug)]
pub struct Streaming {
    pub re: RequestId,
    pub part: Part,
    pub what: Stream,
}

#[derive(Debug)]
pub enum Stream {
    /// The log of a room, behind `after` up to `last`.
    History {
        room: RoomId,
        after: Seq,
        last: Seq,
    },
    /// Keys of what was sent last, in the order of the directory.
    Rooms {
        after: String,
    },
    Users {
        after: String,
    },
    Members {
        room: RoomId,
        after: String,
    },
    /// Rooms still to come into after a login; the next one begins when this one was read.
    Rejoin {
        rooms: Vec<RoomId>,
    },
}

impl Session {
    pub fn new(id: ConnId, address: Option<AddressKey>, loopback: bool) -> Session {
        Session {
            id,
            address,
            loopback,
            encrypted: false,
            wants_members: false,
            user: None,
            current: None,
            seats: SmallVec::new(),
            activity: Activity::Ready,
            held: None,
            messages: Bucket::default(),
            commands: Bucket::default(),
            appends: 0,
            strikes: 0,
            login_failures: 0,
            used_keys: false,
            struck_at: Instant(0),
        }
    }

    /// Passwords may travel: nobody on the way can read them.
    pub fn is_private(&self) -> bool {
        self.encrypted || self.loopback
    }

    /// The address that this connection counts for, with what it may do.
    pub fn limited<'a>(&self, limits: &'a Limits) -> Option<(AddressKey, &'a PerAddress)> {
        Some((self.address?, limits.of_address(self.loopback)?))
    }

    /// A room that this session still has to come into after its login.
    pub fn is_to_rejoin(&self, id: RoomId) -> bool {
        match &self.activity {
            Activity::Waiting(waiting) => match &**waiting {
                Waiting::Rejoin { room, rooms } => *room == Some(id) || rooms.contains(&id),
                _ => false,
            },
            Activity::Streaming(streaming) => {
                matches!(&streaming.what, Stream::Rejoin { rooms } if rooms.contains(&id))
            }
            Activity::Prompting(_) | Activity::Ready => false,
        }
    }

    /// The user is no longer to be in this room: what was under way to come into it comes to nothing.
    pub fn forget_room(&mut self, id: RoomId) {
        match &mut self.activity {
            Activity::Waiting(waiting) => match &mut **waiting {
                Waiting::Join { room } if *room == Some(id) => *room = None,
                Waiting::Rejoin { room, rooms } => {
                    *room = room.filter(|&room| room != id);
                    rooms.retain(|&room| room != id);
                }
                _ => {}
            },
            Activity::Streaming(streaming) => {
                if let Stream::Rejoin { rooms } = &mut streaming.what {
                    rooms.retain(|&room| room != id);
                }
            }
            Activity::Prompting(_) | Activity::Ready => {}
        }
    }

    pub fn seat(&self, room: RoomId) -> Option<Seat> {
        self.seats.iter().copied().find(|seat| seat.room == room)
    }

    /// Makes a room current and the last in the order of return.
    pub fn make_current(&mut self, room: RoomId) {
        if let Some(index) = self.seats.iter().position(|seat| seat.room == room) {
            let seat = self.seats.remove(index);
            self.seats.push(seat);
            self.current = Some(room);
        }
    }
}

/// The table of sessions, by the connection's slot.
#[derive(Debug, Default)]
pub struct Sessions {
    slots: Vec<Option<Session>>,
    count: usize,
}

impl Sessions {
    pub fn insert(&mut self, session: Session) {
        let slot = session.id.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        assert!(self.slots[slot].is_none(), "a slot has one tenant");
        self.slots[slot] = Some(session);
        self.count += 1;
    }

    pub fn remove(&mut self, id: ConnId) -> Option<Session> {
        self.get(id)?;
        self.count -= 1;
        self.slots[id.slot as usize].take()
    }

    /// The session, unless it ended and its slot has another tenant.
    pub fn get(&self, id: ConnId) -> Option<&Session> {
        self.slots.get(id.slot as usize)?.as_ref().filter(|session| session.id == id)
    }

    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Session> {
        self.slots.get_mut(id.slot as usize)?.as_mut().filter(|session| session.id == id)
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().flatten()
    }
}

// Each connection has one, logged in or not.
const _: () = assert!(size_of::<Session>() <= 144);
