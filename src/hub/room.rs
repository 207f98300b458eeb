//! Rooms: who is in, who may come in, who runs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::hub::job::KeptRoom;
use crate::proto::event::Access;
use crate::proto::id::{AccountId, ConnId, RoomId, Seq, UserId};
use crate::proto::name::{RoomName, UserName};

#[derive(Debug)]
pub struct Room {
    pub name: RoomName,
    /// The store has it. Until then whoever comes in has it made, and nobody sees it.
    pub stored: bool,
    /// `None`: a guest's room, gone when it empties.
    pub creator: Option<AccountId>,
    pub topic: Option<Arc<str>>,
    pub access: Access,
    pub key_hash: Option<[u8; 32]>,
    pub operators: BTreeSet<AccountId>,
    /// Guests that are operators while they stay.
    pub guest_operators: BTreeSet<UserId>,
    pub bans: BTreeMap<Arc<str>, UserName>,
    /// Keys of names that may come into a private room once.
    pub invited: BTreeSet<Arc<str>>,
    /// Members that are connected, by the name's key: sorted, so that long lists can be read in pieces.
    pub members: BTreeMap<Arc<str>, UserId>,
    /// Every session of every member: whom a message goes to.
    pub listeners: Vec<ConnId>,
    /// The newest committed message.
    pub seq: Seq,
    /// Joins the store is at; the room must not go meanwhile.
    pub joining: u32,
}

impl Room {
    pub fn new(name: RoomName, creator: Option<AccountId>) -> Room {
        Room {
            name,
            stored: false,
            creator,
            topic: None,
            access: Access::Public,
            key_hash: None,
            operators: creator.into_iter().collect(),
            guest_operators: BTreeSet::new(),
            bans: BTreeMap::new(),
            invited: BTreeSet::new(),
            members: BTreeMap::new(),
            listeners: Vec::new(),
            seq: Seq(0),
            joining: 0,
        }
    }

    pub fn kept(kept: KeptRoom) -> Room {
        Room {
            topic: kept.topic,
            access: kept.access,
            key_hash: kept.key_hash,
            operators: kept.operators.into_iter().collect(),
            bans: kept.bans.into_iter().map(|user| (user.key().clone(), user)).collect(),
            seq: kept.seq,
            stored: true,
            ..Room::new(kept.name, kept.creator)
        }
    }

    pub fn is_member(&self, user: UserId, name: &UserName) -> bool {
        self.members.get(name.key()) == Some(&user)
    }

    pub fn is_operator(&self, user: UserId, account: Option<AccountId>) -> bool {
        match account {
            Some(account) => self.operators.contains(&account),
            None => self.guest_operators.contains(&user),
        }
    }

    /// Nobody is in, nobody is on the way in.
    pub fn is_deserted(&self) -> bool {
        self.members.is_empty() && self.joining == 0
    }
}

/// The table of rooms.
#[derive(Debug, Default)]
pub struct Rooms {
    by_id: BTreeMap<RoomId, Room>,
    by_key: BTreeMap<Arc<str>, RoomId>,
    next: u32,
}

impl Rooms {
    pub fn kept(rooms: Vec<KeptRoom>, next: u32) -> Rooms {
        let mut table = Rooms { next, ..Rooms::default() };
        for kept in rooms {
            let id = kept.id;
            assert!(id.0 < next, "the store counts rooms");
            table.insert(id, Room::kept(kept));
        }
        table
    }

    /// A room that did not exist.
    pub fn create(&mut self, room: Room) -> RoomId {
        let id = RoomId(self.next);
        self.next = self.next.checked_add(1).expect("four billion rooms are never made");
        self.insert(id, room);
        id
    }

    fn insert(&mut self, id: RoomId, room: Room) {
        let before = self.by_key.insert(room.name.key().clone(), id);
        assert!(before.is_none(), "a name has one room");
        self.by_id.insert(id, room);
    }

    pub fn remove(&mut self, id: RoomId) -> Option<Room> {
        let room = self.by_id.remove(&id)?;
        self.by_key.remove(room.name.key());
        Some(room)
    }

    pub fn find(&self, name: &RoomName) -> Option<RoomId> {
        self.by_key.get(name.key()).copied()
    }

    pub fn get(&self, id: RoomId) -> Option<&Room> {
        self.by_id.get(&id)
    }

    pub fn get_mut(&mut self, id: RoomId) -> Option<&mut Room> {
        self.by_id.get_mut(&id)
    }

    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// How many rooms an account made.
    pub fn made_by(&self, account: AccountId) -> usize {
        self.by_id.values().filter(|room| room.creator == Some(account)).count()
    }

    /// Rooms by key, behind this one.
    pub fn after<'a>(&'a self, key: &str) -> impl Iterator<Item = (RoomId, &'a Room)> {
        let bounds = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
        self.by_key.range::<str, _>(bounds).map(|(_, &id)| (id, &self.by_id[&id]))
    }

    pub fn iter(&self) -> impl Iterator<Item = (RoomId, &Room)> {
        self.by_id.iter().map(|(&id, room)| (id, room))
    }
}
