//! Which files there are, whose they are, and how much room they take: all of it in memory, so that no
//! frame and no refusal needs a query. About 200 bytes a file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::hub::job::files::KeptFile;
use crate::proto::id::{AccountId, FileId, Origin};
use crate::proto::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<FileId, Entry>,
    accounts: BTreeMap<AccountId, Account>,
    /// In the order in which they go.
    by_end: BTreeSet<(Timestamp, FileId)>,
    /// Bytes of all files, those included that the store is about to record.
    total: u64,
    /// Files that the store is about to record.
    reserved: usize,
}

/// One file.
#[derive(Debug)]
pub(super) struct Entry {
    pub owner: AccountId,
    pub size: u64,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub readers: u32,
    pub state: State,
    /// Bytes that are in the file.
    pub stored: u64,
    /// Bytes that are in the file or on their way into it: where the next PUT goes on.
    pub accepted: u64,
    /// Pieces that the lane is to write or to read.
    pub under_way: u32,
    /// The lane finishes the upload, whatever has become of it since.
    pub finishing: bool,
    /// Accounts that do not want it.
    pub declined: Vec<AccountId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Complete,
    /// All bytes are there; the disk and the store are at it.
    Finishing,
    /// Nobody sees it any more; `origin` waits for its end. `submitted`: the lane, or the store, removes it.
    Leaving {
        origin: Option<Origin>,
        submitted: bool,
    },
    Uploading,
}

/// What an account has.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub files: BTreeSet<FileId>,
    /// Bytes of all its files, and of those that the store is about to record.
    pub bytes: u64,
    /// Uploads that are not complete, with those that the store is about to record.
    pub uploads: usize,
    /// Files that the store is about to record.
    reserved: usize,
    /// Data connections.
    connections: usize,
}

impl Table {
    pub fn new(kept: Vec<KeptFile>) -> Table {
        let mut table = Table::default();
        for file in kept {
            table.reserve(file.owner, file.size);
            table.insert(file);
        }
        table
    }

    /// Room for a file that the store is about to record.
    pub fn reserve(&mut self, owner: AccountId, size: u64) {
        let account = self.accounts.entry(owner).or_default();
        account.bytes += size;
        account.uploads += 1;
        account.reserved += 1;
        self.total += size;
        self.reserved += 1;
    }

    /// The store could not record it.
    pub fn release(&mut self, owner: AccountId, size: u64) {
        let account = self.accounts.get_mut(&owner).expect("room was reserved");
        account.bytes -= size;
        account.uploads -= 1;
        account.reserved -= 1;
        self.total -= size;
        self.reserved -= 1;
        self.forget_if_idle(owner);
    }

    /// A file for which room was reserved.
    pub fn insert(&mut self, file: KeptFile) {
        let KeptFile { id, owner, size, created, expires, readers, complete, stored, declined } = file;
        let account = self.accounts.get_mut(&owner).expect("room was reserved");
        account.reserved -= 1;
        self.reserved -= 1;
        account.files.insert(id);
        if complete {
            account.uploads -= 1;
        }
        self.by_end.insert((expires, id));
        let state = if complete { State::Complete } else { State::Uploading };
        let entry = Entry {
            owner,
            size,
            created,
            expires,
            readers,
            state,
            stored,
            accepted: stored,
            under_way: 0,
            finishing: false,
            declined,
        };
        let before = self.entries.insert(id, entry);
        assert!(before.is_none(), "numbers of files are random, and kept apart by the store");
    }

    /// The file and its room are gone.
    pub fn remove(&mut self, id: FileId) {
        let entry = self.entries.remove(&id).expect("the caller found it");
        let account = self.accounts.get_mut(&entry.owner).expect("owners have an entry");
        account.files.remove(&id);
        account.bytes -= entry.size;
        self.total -= entry.size;
        self.by_end.remove(&(entry.expires, id));
        self.forget_if_idle(entry.owner);
    }

    pub fn get(&self, id: FileId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    pub fn get_mut(&mut self, id: FileId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// The file, unless it is on its way out or its time has come.
    pub fn find(&self, id: FileId, now: Timestamp) -> Option<&Entry> {
        let visible = |entry: &&Entry| !matches!(entry.state, State::Leaving { .. }) && now < entry.expires;
        self.entries.get(&id).filter(visible)
    }

    /// The file goes from one state to another.
    pub fn set_state(&mut self, id: FileId, state: State) {
        let entry = self.entries.get_mut(&id).expect("the caller found it");
        let (before, after) = (is_upload(entry.state), is_upload(state));
        entry.state = state;
        let account = self.accounts.get_mut(&entry.owner).expect("owners have an entry");
        account.uploads = account.uploads + usize::from(after) - usize::from(before);
    }

    /// Files of an account behind this one.
    pub fn of_account(
        &self,
        owner: AccountId,
        after: Option<FileId>,
    ) -> impl Iterator<Item = (FileId, &Entry)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let files = self.accounts.get(&owner).map(|account| account.files.range((from, Bound::Unbounded)));
        files.into_iter().flatten().map(|&id| (id, &self.entries[&id]))
    }

    /// Files whose time has come, the first ones first.
    pub fn ended(&self, now: Timestamp) -> impl Iterator<Item = FileId> {
        self.by_end.iter().take_while(move |(end, _)| *end <= now).map(|&(_, id)| id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Entry)> {
        self.entries.iter().map(|(&id, entry)| (id, entry))
    }

    /// Files there are, and those that will be.
    pub fn len(&self) -> usize {
        self.entries.len() + self.reserved
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes, files and uploads of an account.
    pub fn usage(&self, owner: AccountId) -> (u64, usize, usize) {
        self.accounts.get(&owner).map_or((0, 0, 0), |account| {
            (account.bytes, account.files.len() + account.reserved, account.uploads)
        })
    }

    /// Data connections of an account.
    pub fn connections(&self, account: AccountId) -> usize {
        self.accounts.get(&account).map_or(0, |account| account.connections)
    }

    pub fn connected(&mut self, account: AccountId) {
        self.accounts.entry(account).or_default().connections += 1;
    }

    pub fn disconnected(&mut self, id: AccountId) {
        self.accounts.get_mut(&id).expect("it was connected").connections -= 1;
        self.forget_if_idle(id);
    }

    fn forget_if_idle(&mut self, id: AccountId) {
        let account = &self.accounts[&id];
        if account.files.is_empty() && account.reserved == 0 && account.connections == 0 {
            self.accounts.remove(&id);
        }
    }

    /// Panics if the tables disagree, which only a bug can do.
    pub fn check(&self) {
        let reserved: usize = self.accounts.values().map(|account| account.reserved).sum();
        assert!(self.reserved == reserved, "room is reserved for nobody");
        assert!(self.by_end.len() == self.entries.len(), "every file has an end");
        let bytes: u64 = self.accounts.values().map(|account| account.bytes).sum();
        assert!(self.total == bytes, "all files are those of all accounts");
        for (id, account) in &self.accounts {
            let entries = account.files.iter().map(|file| &self.entries[file]);
            let (mut bytes, mut uploads) = (0, account.reserved);
            for entry in entries {
                assert!(entry.owner == *id, "a file is listed with its owner");
                assert!(
                    entry.stored <= entry.accepted && entry.accepted <= entry.size,
                    "{entry:?} has too much"
                );
                bytes += entry.size;
                uploads += usize::from(is_upload(entry.state));
            }
            assert!(account.reserved > 0 || account.bytes == bytes, "an account has what its files have");
            assert!(account.uploads == uploads, "{uploads} uploads, and {} are counted", account.uploads);
        }
    }
}

impl Entry {
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// The lane does nothing with it.
    pub fn is_idle(&self) -> bool {
        self.under_way == 0 && !self.finishing
    }
}

fn is_upload(state: State) -> bool {
    matches!(state, State::Finishing | State::Uploading)
}
