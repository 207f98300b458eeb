//! Users that are connected: one per name, with one or more sessions.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::proto::event::Status;
use crate::proto::id::{AccountId, ConnId, RoomId, UserId};
use crate::proto::name::UserName;
use crate::proto::time::{Instant, Timestamp};

#[derive(Debug)]
pub struct User {
    pub name: UserName,
    /// `None`: a guest.
    pub account: Option<AccountId>,
    pub status: Status,
    pub status_text: Option<Arc<str>>,
    /// Invariant: not empty while the user is in the table.
    pub sessions: SmallVec<[ConnId; 1]>,
    /// Rooms in the order they were joined.
    pub rooms: SmallVec<[RoomId; 2]>,
    /// Names this user wants to hear nothing from, by key.
    pub blocks: BTreeMap<Arc<str>, UserName>,
    pub since: Timestamp,
    pub letters: Letters,
}

/// Where the delivery of letters that waited stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Letters {
    /// Some were sent; they are deleted once this session has taken them.
    Delivering { conn: ConnId, up_to: u64, since: Instant },
    /// The store could not read them; they are read with the next one, which must not overtake them.
    Failed,
    /// The store is reading them.
    Fetching { again: bool },
    #[default]
    None,
}

impl User {
    /// Others may not see that this user is connected.
    pub fn is_hidden(&self) -> bool {
        self.status == Status::Offline
    }

    pub fn is_guest(&self) -> bool {
        self.account.is_none()
    }
}

/// The table of connected users.
#[derive(Debug, Default)]
pub struct Users {
    slots: slab::Slab<User>,
    /// By the name's key: sorted, so that long lists can be read in pieces.
    by_key: BTreeMap<Arc<str>, UserId>,
}

impl Users {
    pub fn insert(&mut self, user: User) -> UserId {
        let key = user.name.key().clone();
        let id = UserId(u32::try_from(self.slots.insert(user)).expect("fewer users than connections"));
        let before = self.by_key.insert(key, id);
        assert!(before.is_none(), "a name has one holder");
        id
    }

    pub fn remove(&mut self, id: UserId) -> User {
        let user = self.slots.remove(id.0 as usize);
        let held = self.by_key.remove(user.name.key());
        assert!(held == Some(id), "the index names the holder");
        user
    }

    pub fn rename(&mut self, id: UserId, name: UserName) -> UserName {
        let user = &mut self.slots[id.0 as usize];
        let old = std::mem::replace(&mut user.name, name.clone());
        self.by_key.remove(old.key());
        let before = self.by_key.insert(name.key().clone(), id);
        assert!(before.is_none(), "a name has one holder");
        old
    }

    pub fn find(&self, name: &UserName) -> Option<UserId> {
        self.by_key.get(name.key()).copied()
    }

    pub fn get(&self, id: UserId) -> &User {
        &self.slots[id.0 as usize]
    }

    pub fn get_mut(&mut self, id: UserId) -> &mut User {
        &mut self.slots[id.0 as usize]
    }

    /// Users by key, behind this one.
    pub fn after<'a>(&'a self, key: &str) -> impl Iterator<Item = (UserId, &'a User)> {
        let bounds = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
        self.by_key.range::<str, _>(bounds).map(|(_, &id)| (id, self.get(id)))
    }
}

// Each connected user has one.
const _: () = assert!(size_of::<User>() <= 192);
