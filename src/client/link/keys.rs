//! The vault behind a link: stores what the session wants kept before anything of it leaves, and brings
//! back what was said before.

use std::collections::BTreeMap;

use getrandom::SysRng;
use rand_core::UnwrapErr;

use crate::client::link::Link;
use crate::client::link::shown::Showing;
use crate::client::private::Private;
use crate::client::private::history::{Record, RecordKind};
use crate::client::private::row::{Change, SHOWN, Table};
use crate::client::scrollback::Line;
use crate::client::session::event::Place;
use crate::client::session::privately::past_line;
use crate::client::vault::{Vault, VaultError, Words};
use crate::e2e::address::Uid;
use crate::proto::name::UserName;

/// The vault, and how far back each conversation is in the scrollback.
pub(super) struct Keeping {
    pub(super) vault: Vault,
    pub(super) showing: Showing,
    /// Of those that have a history: what is older than this entry is not in the scrollback.
    older: BTreeMap<Uid, u64>,
}

/// A message that a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Whose conversation it is in; `None` if the account is known by number alone.
    pub user: Option<UserName>,
    pub line: Line,
}

impl Link {
    /// Hands over the keys of the account that has logged in. From now on private messages are
    /// encrypted, and the newest conversations are in the scrollback again. `device` is what this device
    /// is called in the list of the account's devices.
    pub fn unlock(&mut self, vault: Vault, device: &str) -> Result<(), VaultError> {
        let rows = vault.load()?;
        let restored = Private::restore(&rows, Box::new(UnwrapErr(SysRng)));
        let mut private = restored.map_err(|damaged| vault.damaged(&damaged.to_string()))?;
        private.set_device_name(device);
        let mut newest = Vec::new();
        for peer in private.peers() {
            let page = vault.history(peer.uid(), None, 1)?;
            newest.extend(page.rows.first().map(|(counter, _)| (*counter, peer.uid(), peer.name().cloned())));
        }
        newest.sort_unstable_by_key(|(counter, ..)| *counter);
        let older = newest.iter().map(|(counter, uid, _)| (*uid, counter + 1)).collect();
        let now = self.now();
        self.session.unlock(now, private);
        let showing = Showing::restore(rows.get(Table::Device, SHOWN));
        self.keeping = Some(Keeping { vault, showing, older });
        self.store();
        self.open_files(&rows);
        // The latest comes last, as if it had been said last.
        let start = newest.len().saturating_sub(CONVERSATIONS_RESTORED);
        for user in newest.into_iter().skip(start).filter_map(|(.., name)| name) {
            self.load_past(&user)?;
        }
        Ok(())
    }

    /// The vault, to change its passphrase.
    pub fn vault_mut(&mut self) -> Option<&mut Vault> {
        self.keeping.as_mut().map(|keeping| &mut keeping.vault)
    }

    /// There are older messages with somebody than those in the scrollback.
    pub fn has_past(&self, user: &UserName) -> bool {
        let uid = self.uid_of(user);
        let full = self.session.scrollback(&Place::Person(user.clone())).is_some_and(|it| it.is_full());
        let keeping = self.keeping.as_ref().filter(|_| !full);
        keeping.zip(uid).is_some_and(|(keeping, uid)| keeping.older.contains_key(&uid))
    }

    /// Puts a page of older messages in front of a conversation; returns how many.
    pub fn load_past(&mut self, user: &UserName) -> Result<usize, VaultError> {
        if !self.has_past(user) {
            return Ok(0);
        }
        let (Some(uid), Some(keeping)) = (self.uid_of(user), &mut self.keeping) else { return Ok(0) };
        let Some(&before) = keeping.older.get(&uid) else { return Ok(0) };
        let page = keeping.vault.history(uid, Some(before), PAGE)?;
        match page.rows.last() {
            Some((counter, _)) if page.rows.len() + page.damaged >= PAGE => {
                keeping.older.insert(uid, *counter)
            }
            _ => keeping.older.remove(&uid),
        };
        let records = page.rows.iter().rev().filter_map(|(_, value)| Record::decode(value).ok());
        let lines: Vec<Line> = records.map(|record| self.line(user, &record)).collect();
        self.session.prepend(user, &lines);
        Ok(lines.len())
    }

    /// A conversation was closed: when it is opened again, it begins with its newest page.
    pub fn forget_past(&mut self, user: &UserName) {
        if let (Some(uid), Some(keeping)) = (self.uid_of(user), &mut self.keeping) {
            keeping.older.insert(uid, u64::MAX);
        }
    }

    /// Loads older messages with somebody until one that has these words is among them. `false` if there
    /// is none.
    pub fn load_past_until(
        &mut self,
        user: &UserName,
        found: impl Fn(&str) -> bool,
    ) -> Result<bool, VaultError> {
        let (Some(uid), Some(keeping)) = (self.uid_of(user), &self.keeping) else { return Ok(false) };
        let Some(&before) = keeping.older.get(&uid) else { return Ok(false) };
        let wanted = |value: &[u8]| Record::decode(value).is_ok_and(|record| found(&record.text));
        let Some(first) = keeping.vault.search(Some(uid), Some(before), 1, wanted)?.pop() else {
            return Ok(false);
        };
        let is_left = |link: &Link| {
            let older = link.keeping.as_ref().and_then(|keeping| keeping.older.get(&uid));
            older.is_some_and(|&older| older > first.counter) && link.has_past(user)
        };
        while is_left(self) {
            self.load_past(user)?;
        }
        Ok(true)
    }

    /// Messages that have all of these words, oldest first: with somebody, or with all.
    pub fn search_past(&self, user: Option<&UserName>, words: &str) -> Result<Vec<Past>, VaultError> {
        let Some(keeping) = &self.keeping else { return Ok(Vec::new()) };
        let uid = user.map(|user| self.uid_of(user));
        if uid == Some(None) {
            return Ok(Vec::new());
        }
        let words = Words::new(words);
        let wanted = |value: &[u8]| {
            let record = Record::decode(value);
            record.is_ok_and(|record| record.kind != RecordKind::Notice && words.are_in(&record.text))
        };
        let found = keeping.vault.search(uid.flatten(), None, FOUND_MAX, wanted)?;
        let past = found.iter().rev().filter_map(|found| {
            let record = Record::decode(&found.value).ok()?;
            Some(self.past(found.peer, &record))
        });
        Ok(past.collect())
    }

    /// An entry of the history, with whose conversation it is in.
    pub(super) fn past(&self, peer: Uid, record: &Record) -> Past {
        let peer = self.session.private().and_then(|private| private.peer_numbered(peer));
        let user = peer.and_then(|peer| peer.name().cloned());
        let line = match &user {
            Some(user) => self.line(user, record),
            None => past_line(record, "somebody"),
        };
        Past { user, line }
    }

    /// Commits what the session wants kept. When that fails, private messages are over for this run, and
    /// nothing of the last step leaves.
    pub(super) fn store(&mut self) {
        // Why it failed is said by the session.
        let _ = self.store_with(Vec::new());
    }

    /// The same with more rows, in one transaction.
    pub(super) fn store_with(&mut self, more: Vec<Change>) -> Result<(), String> {
        let mut changes = self.session.take_changes();
        changes.extend(more);
        // A program may unlock keys of its own in the session; it keeps them in memory, or elsewhere.
        let Some(keeping) = &mut self.keeping else { return Ok(()) };
        let Err(error) = keeping.vault.commit(&changes) else { return Ok(()) };
        self.close_handover(&error.to_string());
        self.keeping = None;
        self.close_files();
        let now = self.now();
        let why = format!(
            "storage-unavailable: private messages are off: {error}. Nothing was sent that is not kept. \
             When this is mended, start sotto again"
        );
        self.session.lock(now, &why);
        self.end();
        Err(error.to_string())
    }

    /// There is a vault, and it can be written.
    pub(super) fn is_keeping(&self) -> bool {
        self.keeping.is_some()
    }

    fn uid_of(&self, user: &UserName) -> Option<Uid> {
        self.session.private()?.peer(user).map(|peer| peer.uid())
    }

    fn line(&self, user: &UserName, record: &Record) -> Line {
        let own = self.session.name().unwrap_or(self.session.user());
        past_line(record, if record.own { own } else { user.shown() })
    }
}

/// Conversations that are there again at the start: those one would go on with.
const CONVERSATIONS_RESTORED: usize = 10;
/// Messages loaded at a time: a screen or two.
const PAGE: usize = 100;
/// Messages that a search shows: more are not read, but searched for with more words.
const FOUND_MAX: usize = 100;
