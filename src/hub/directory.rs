//! Which names are taken for good: every account, in memory, so that choosing a name needs no query.
//!
//! About 150 bytes an account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::hub::job::KeptAccount;
use crate::proto::id::{AccountId, ConnId};
use crate::proto::name::UserName;

#[derive(Debug, Default)]
pub struct Directory {
    by_id: BTreeMap<AccountId, Account>,
    by_key: BTreeMap<Arc<str>, AccountId>,
    /// Names that somebody is registering now.
    reserved: BTreeSet<Arc<str>>,
    reserved_by: BTreeMap<ConnId, Arc<str>>,
    /// Letters that the store is about to keep, by reader.
    /// Invariant: numbers are not zero.
    posting: BTreeMap<AccountId, u32>,
}

#[derive(Debug)]
pub struct Account {
    pub user: UserName,
    pub banned: bool,
}

impl Directory {
    pub fn new(kept: Vec<KeptAccount>) -> Directory {
        let mut directory = Directory::default();
        for account in kept {
            directory.insert(account.id, account.user, account.banned);
        }
        directory
    }

    pub fn insert(&mut self, id: AccountId, user: UserName, banned: bool) {
        self.by_key.insert(user.key().clone(), id);
        self.by_id.insert(id, Account { user, banned });
    }

    pub fn remove(&mut self, id: AccountId) {
        if let Some(account) = self.by_id.remove(&id) {
            self.by_key.remove(account.user.key());
        }
    }

    pub fn find(&self, user: &UserName) -> Option<AccountId> {
        self.by_key.get(user.key()).copied()
    }

    pub fn get(&self, id: AccountId) -> Option<&Account> {
        self.by_id.get(&id)
    }

    pub fn get_mut(&mut self, id: AccountId) -> Option<&mut Account> {
        self.by_id.get_mut(&id)
    }

    /// A letter for this account was handed to the store.
    pub fn post_begins(&mut self, reader: AccountId) {
        *self.posting.entry(reader).or_default() += 1;
    }

    /// The store kept it, or could not.
    pub fn post_ends(&mut self, reader: AccountId) {
        let left = self.posting.get_mut(&reader).expect("it began");
        *left -= 1;
        if *left == 0 {
            self.posting.remove(&reader);
        }
    }

    pub fn has_post_under_way(&self, reader: AccountId) -> bool {
        self.posting.contains_key(&reader)
    }

    /// Keeps a name from others while this connection registers it.
    pub fn reserve(&mut self, conn: ConnId, user: &UserName) {
        self.reserved.insert(user.key().clone());
        self.reserved_by.insert(conn, user.key().clone());
    }

    /// The registration ended, well or not.
    pub fn release(&mut self, conn: ConnId) {
        if let Some(key) = self.reserved_by.remove(&conn) {
            self.reserved.remove(&key);
        }
    }

    /// Panics if the tables disagree, which only a bug can do.
    pub(super) fn check(&self, store_is_idle: bool) {
        assert!(!store_is_idle || self.posting.is_empty(), "a letter is under way to nowhere");
        assert!(self.by_id.len() == self.by_key.len(), "an account has one name");
        assert!(self.reserved.len() == self.reserved_by.len(), "a name is reserved for nobody");
    }

    pub fn is_reserved(&self, user: &UserName) -> bool {
        self.reserved.contains(user.key())
    }
}
