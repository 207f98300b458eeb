//! From memory to rows and back.

use std::collections::BTreeSet;
use std::fmt;

use zeroize::Zeroizing;

use crate::client::private::account::{Account, Counter, Device};
use crate::client::private::offer::Offer;
use crate::client::private::outbox::Entry;
use crate::client::private::pack::{Reader, Torn, Writer};
use crate::client::private::peers::Peer;
use crate::client::private::received::{self, Mark};
use crate::client::private::row::{Change, Rows, Table};
use crate::client::private::succession::Succession;
use crate::client::private::{Private, Random};
use crate::e2e::address::{Address, Uid};
use crate::e2e::prekey_store::PrekeyStore;
use crate::e2e::seen::BaseId;
use crate::e2e::session_set::SessionSet;

/// What has changed and was not taken. Of most rows only the key is noted; their value is made when the
/// changes are taken.
#[derive(Default)]
pub(super) struct Dirty {
    pub account: bool,
    pub succession: bool,
    pub device: bool,
    pub counter: bool,
    pub prekeys: bool,
    pub sets: BTreeSet<Address>,
    pub peers: BTreeSet<Uid>,
    pub outbox: BTreeSet<u64>,
    /// Rows that memory does not hold as they are written.
    pub rows: Vec<Change>,
}

/// A row of the sealed store that opens and cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged(pub Table);

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stored keys of private messages are damaged (table {})", self.0.name())
    }
}

impl std::error::Error for Damaged {}

impl Dirty {
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Zeroizing<Vec<u8>>) {
        self.rows.push(Change { table, key, value: Some(value) });
    }

    pub fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.rows.push(Change { table, key, value: None });
    }
}

impl Private {
    /// Goes on from what was stored.
    pub fn restore(rows: &Rows, random: Random) -> Result<Private, Damaged> {
        let mut private = Private::new(random);
        private.read_own(rows)?;
        private.read_sessions(rows)?;
        for (key, value) in rows.of(Table::Peers) {
            let uid = Reader::new(key).u64().map(Uid).map_err(|_| Damaged(Table::Peers))?;
            let peer = Peer::decode(uid, value).map_err(|_| Damaged(Table::Peers))?;
            private.peers.restore(peer);
        }
        for (key, value) in rows.of(Table::Outbox) {
            let torn = |_| Damaged(Table::Outbox);
            let order = Reader::new(key).u64().map_err(torn)?;
            private.outbox.restore(order, Entry::decode(value).map_err(torn)?);
        }
        for (key, value) in rows.of(Table::Received) {
            let torn = |_| Damaged(Table::Received);
            let (author, id) = received::read_key(key).map_err(torn)?;
            private.received.insert(author, id, Mark::decode(value).map_err(torn)?);
        }
        for (key, value) in rows.of(Table::Transfers).filter(|(key, _)| Offer::is_key(key)) {
            let offer = Offer::decode(value).map_err(|_| Damaged(Table::Transfers))?;
            private.offers.insert(key.to_vec(), offer);
        }
        private.find_broken();
        Ok(private)
    }

    fn read_own(&mut self, rows: &Rows) -> Result<(), Damaged> {
        let torn = |table| move |_: Torn| Damaged(table);
        if let Some(row) = rows.get(Table::Account, ACCOUNT) {
            self.account = Some(Account::decode(row).map_err(torn(Table::Account))?);
        }
        if let Some(row) = rows.get(Table::Account, SUCCESSION) {
            self.succession = Succession::decode(row).ok_or(Damaged(Table::Account))?;
        }
        if let Some(row) = rows.get(Table::Device, COUNTER) {
            self.counter = Counter::decode(row).map_err(torn(Table::Device))?;
        }
        let Some(row) = rows.get(Table::Device, DEVICE) else { return Ok(()) };
        let device = Device::decode(row).map_err(torn(Table::Device))?;
        let row = rows.get(Table::Prekeys, PREKEYS).ok_or(Damaged(Table::Prekeys))?;
        let prekeys = PrekeyStore::from_bytes(row).map_err(|_| Damaged(Table::Prekeys))?;
        if self.account.is_none() || prekeys.device() != device.number {
            return Err(Damaged(Table::Prekeys));
        }
        (self.device, self.prekeys) = (Some(device), Some(prekeys));
        Ok(())
    }

    fn read_sessions(&mut self, rows: &Rows) -> Result<(), Damaged> {
        for (key, value) in rows.of(Table::Seen) {
            let torn = |_| Damaged(Table::Seen);
            let base = BaseId(key.try_into().map_err(|_| Damaged(Table::Seen))?);
            let mut input = Reader::new(value);
            let (signed_id, from) = (input.u32().map_err(torn)?, Uid(input.u64().map_err(torn)?));
            self.seen.insert(base, signed_id, from);
        }
        let Some(me) = self.address() else { return Ok(()) };
        for (key, value) in rows.of(Table::Sessions) {
            let peer = Reader::new(key).address().map_err(|_| Damaged(Table::Sessions))?;
            let set = SessionSet::from_bytes(me, peer, value).map_err(|_| Damaged(Table::Sessions))?;
            self.sets.insert(peer, set);
        }
        Ok(())
    }

    /// Something has changed and was not taken.
    pub(in crate::client) fn has_changes(&self) -> bool {
        let Dirty { account, succession, device, counter, prekeys, sets, peers, outbox, rows } = &self.dirty;
        let own = *account || *succession || *device || *counter || *prekeys;
        own || !(sets.is_empty() && peers.is_empty() && outbox.is_empty() && rows.is_empty())
    }

    /// What has changed since the last time.
    pub(in crate::client) fn take_changes(&mut self) -> Vec<Change> {
        let Dirty { account, succession, device, counter, prekeys, sets, peers, outbox, mut rows } =
            std::mem::take(&mut self.dirty);
        let mut put = |table, key: &[u8], value| rows.push(Change { table, key: key.to_vec(), value });
        if account {
            put(Table::Account, ACCOUNT, self.account.as_ref().map(Account::encode));
        }
        if succession {
            put(Table::Account, SUCCESSION, self.succession.encode());
        }
        if device {
            put(Table::Device, DEVICE, self.device.as_ref().map(Device::encode));
        }
        if counter {
            put(Table::Device, COUNTER, Some(self.counter.encode()));
        }
        if prekeys {
            put(Table::Prekeys, PREKEYS, self.prekeys.as_ref().map(PrekeyStore::to_bytes));
        }
        for address in sets {
            put(Table::Sessions, &session_key(address), self.sets.get(&address).map(SessionSet::to_bytes));
        }
        for uid in peers {
            put(Table::Peers, &uid.0.to_be_bytes(), self.peers.get(uid).map(Peer::encode));
        }
        for order in outbox {
            put(Table::Outbox, &order.to_be_bytes(), self.outbox.get(order).map(Entry::encode));
        }
        rows
    }

    /// An entry of the outbox has changed.
    pub(super) fn touch(&mut self, order: u64) {
        self.outbox.settle(order);
        self.dirty.outbox.insert(order);
    }

    /// Whoever is this device now, is not any more: what was bound to its number is worth nothing.
    /// What was not sent yet will be sealed anew.
    pub(super) fn forget_device(&mut self) {
        (self.device, self.prekeys) = (None, None);
        (self.dirty.device, self.dirty.prekeys) = (true, true);
        self.dirty.sets.extend(std::mem::take(&mut self.sets).into_keys());
        for base in self.seen.retain_prekeys(|_| false) {
            self.dirty.delete(Table::Seen, base.0.to_vec());
        }
        let orders: Vec<u64> = self.outbox.iter().map(|(order, _)| order).collect();
        for order in orders {
            let Some(entry) = self.outbox.get_mut(order) else { continue };
            if entry.is_control() || entry.sent.is_some() {
                self.outbox.remove(order);
            } else {
                entry.parts.clear();
            }
            self.touch(order);
        }
        self.gathering.clear();
        self.lanes.clear();
    }
}

/// The key of a row of sessions.
fn session_key(address: Address) -> Zeroizing<Vec<u8>> {
    let mut key = Writer::with_capacity(12);
    key.address(address);
    key.finish()
}

/// The value of a row of accepted first messages.
pub(super) fn seen_value(signed_id: u32, from: Uid) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&signed_id.to_be_bytes()[..], &from.0.to_be_bytes()].concat())
}

const ACCOUNT: &[u8] = &[1];
const SUCCESSION: &[u8] = &[2];
const DEVICE: &[u8] = &[1];
const COUNTER: &[u8] = &[2];
const PREKEYS: &[u8] = &[1];
