//! Who reads which mailbox, and how far they are.
//!
//! ```text
//!               page with more, or enough at once
//!   CaughtUp ───────────────────────────────────────▶ Resting ── drained, something missed ──▶ Fetching
//!      ▲  ▲── drained, nothing missed ──────────────────┘  ▲                                      │
//!      └── empty page ─────────────────────────────────────┴──────────── page ────────────────────┘
//! ```
//!
//! A reader that has caught up is told what comes as it is committed. Nobody is told more than a page
//! before having taken it, so a mailbox cannot fill a send queue. The store's replies come in the order of
//! its commits: what is committed after a page was read is told after it, and what was before is in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::hub::effect::Effect;
use crate::hub::job::StoreJob;
use crate::hub::job::keys::{Delivery, KeysJob};
use crate::hub::{Ask, Hub};
use crate::proto::event::{Answer, Event};
use crate::proto::id::{AccountId, ConnId, DeviceId, Seq, UserId};
use crate::proto::keys::{Attached, Envelope};
use crate::proto::limits::{ENVELOPES_PAGE_MAX, PAGE_BYTES_MAX};
use crate::proto::refusal::{Code, Refusal};

/// A device, wherever it belongs.
pub(super) type Address = (AccountId, DeviceId);

#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    /// Invariant: has the same pairs as `by_conn`.
    readers: BTreeMap<Address, Reader>,
    by_conn: BTreeMap<ConnId, Address>,
}

#[derive(Debug)]
struct Reader {
    conn: ConnId,
    /// Everything up to here was told, or taken before.
    told: Seq,
    reading: Reading,
    /// What was told since the connection had taken everything.
    envelopes: u32,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Everything was told.
    CaughtUp,
    /// The store could not read; it is tried again.
    Failed,
    /// The store is reading a page.
    Fetching,
    /// Enough was told; `missed`: there is more.
    Resting { missed: bool },
}

impl Mailboxes {
    /// The device whose mailbox this connection reads.
    pub fn device_of(&self, conn: ConnId) -> Option<DeviceId> {
        self.by_conn.get(&conn).map(|&(_, device)| device)
    }

    /// Takes the reader away from a device.
    pub fn detach(&mut self, account: AccountId, device: DeviceId) -> Option<ConnId> {
        let reader = self.readers.remove(&(account, device))?;
        self.by_conn.remove(&reader.conn);
        Some(reader.conn)
    }

    /// A connection ended.
    pub fn leave(&mut self, conn: ConnId) {
        if let Some(address) = self.by_conn.remove(&conn) {
            self.readers.remove(&address);
        }
    }

    /// Panics if the tables disagree, which only a bug can do; gives the connections with their accounts.
    pub fn check(&self) -> impl Iterator<Item = (ConnId, AccountId)> {
        assert!(self.readers.len() == self.by_conn.len(), "a mailbox has one reader, who reads one");
        for (conn, address) in &self.by_conn {
            let reader = self.readers.get(address).expect("who reads a mailbox is its reader");
            assert!(reader.conn == *conn, "a reader is another one");
        }
        self.by_conn.iter().map(|(&conn, &(account, _))| (conn, account))
    }

    fn reader_of(&mut self, conn: ConnId) -> Option<(Address, &mut Reader)> {
        let address = *self.by_conn.get(&conn)?;
        self.readers.get_mut(&address).map(|reader| (address, reader))
    }
}

impl Reader {
    /// Tells the next envelope.
    fn tell(&mut self, envelope: Arc<Envelope>, out: &mut Vec<Effect>) {
        assert!(envelope.seq > self.told, "envelopes are told in their order");
        self.told = envelope.seq;
        self.envelopes += 1;
        self.bytes += envelope.body.0.len();
        out.push(Effect::Tell(self.conn, Event::Envelope(envelope)));
    }

    /// Nothing more is told until the connection has taken this.
    fn rest(&mut self, missed: bool, out: &mut Vec<Effect>) {
        self.reading = Reading::Resting { missed };
        out.push(Effect::AwaitDrain(self.conn));
    }

    fn has_enough(&self, bytes_max: usize) -> bool {
        self.envelopes >= ENVELOPES_PAGE_MAX || self.bytes >= bytes_max
    }
}

impl Hub {
    pub(super) fn attach(
        &mut self,
        ask: Ask,
        me: UserId,
        device: DeviceId,
        run: u64,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let account = self.account_of(me)?;
        if let Some(device) = self.mailboxes.device_of(ask.conn) {
            let text = format!("this connection is attached to device {device}; use another connection");
            return Err(Refusal::new(Code::BadArgument, text));
        }
        let (origin, now) = (ask.origin(), ask.now.wall);
        let token = self.tokens.get(&ask.conn).copied();
        self.ask_store(ask, KeysJob::Attach { origin, account, device, run, token, now }, out);
        Ok(())
    }

    /// The store knows the device: from now on this connection reads its mailbox, and no other one.
    pub(super) fn attached(
        &mut self,
        ask: Ask,
        account: AccountId,
        attached: Attached,
        taken: Seq,
        out: &mut Vec<Effect>,
    ) {
        if self.sessions.get(ask.conn).is_none() {
            return;
        }
        let Attached { device, waiting, .. } = attached;
        if let Some(before) = self.mailboxes.detach(account, device) {
            out.push(Effect::Tell(before, Event::Detached { device }));
        }
        let reading = Reading::CaughtUp;
        let reader = Reader { conn: ask.conn, told: taken, reading, envelopes: 0, bytes: 0 };
        self.mailboxes.readers.insert((account, device), reader);
        self.mailboxes.by_conn.insert(ask.conn, (account, device));
        self.store_answers(ask, Answer::Attached(attached), out);
        if waiting > 0 {
            self.fetch_envelopes((account, device), out);
        }
    }

    pub(super) fn ack(
        &mut self,
        ask: Ask,
        me: UserId,
        seq: u64,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let account = self.account_of(me)?;
        let Some(((_, device), reader)) = self.mailboxes.reader_of(ask.conn) else {
            return Err(not_attached());
        };
        let seq = Seq(seq);
        if seq > reader.told {
            let text = format!("envelope {} was not sent on this connection yet", seq.0);
            return Err(Refusal::new(Code::BadArgument, text));
        }
        let (origin, now) = (ask.origin(), ask.now.wall);
        self.ask_store(ask, KeysJob::Ack { origin, account, device, seq, now }, out);
        Ok(())
    }

    /// An envelope was committed: whoever reads its mailbox and has caught up is told at once.
    pub(super) fn deliver_envelope(&mut self, delivery: Delivery, out: &mut Vec<Effect>) {
        let Delivery { account, device, envelope } = delivery;
        let bytes_max = self.page_bytes();
        let Some(reader) = self.mailboxes.readers.get_mut(&(account, device)) else { return };
        match &mut reader.reading {
            Reading::CaughtUp => {
                reader.tell(envelope, out);
                if reader.has_enough(bytes_max) {
                    reader.rest(false, out);
                }
            }
            Reading::Failed => self.fetch_envelopes((account, device), out),
            // It is in the page, or in the next.
            Reading::Fetching => {}
            Reading::Resting { missed } => *missed = true,
        }
    }

    /// The store read a page of a mailbox.
    pub(super) fn envelopes_read(
        &mut self,
        conn: ConnId,
        address: Address,
        envelopes: Vec<Arc<Envelope>>,
        more: bool,
        out: &mut Vec<Effect>,
    ) {
        let Some(reader) = self.fetching(conn, address) else { return };
        if envelopes.is_empty() {
            reader.reading = Reading::CaughtUp;
            return;
        }
        for envelope in envelopes {
            reader.tell(envelope, out);
        }
        reader.rest(more, out);
    }

    /// The store could not read a page.
    pub(super) fn envelopes_failed(&mut self, conn: ConnId, address: Address) {
        if let Some(reader) = self.fetching(conn, address) {
            reader.reading = Reading::Failed;
        }
    }

    /// A connection took everything that was sent to it.
    pub(super) fn envelopes_taken(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some((address, reader)) = self.mailboxes.reader_of(conn) else { return };
        let Reading::Resting { missed } = reader.reading else { return };
        (reader.envelopes, reader.bytes) = (0, 0);
        reader.reading = Reading::CaughtUp;
        if missed {
            self.fetch_envelopes(address, out);
        }
    }

    /// Tries again to read the mailboxes that the store could not read.
    pub(super) fn retry_mailboxes(&mut self, out: &mut Vec<Effect>) {
        let failed = self.mailboxes.readers.iter().filter(|(_, reader)| reader.reading == Reading::Failed);
        let failed: Vec<Address> = failed.map(|(&address, _)| address).collect();
        for address in failed {
            self.fetch_envelopes(address, out);
        }
    }

    fn fetch_envelopes(&mut self, address: Address, out: &mut Vec<Effect>) {
        let bytes = self.page_bytes();
        let Some(reader) = self.mailboxes.readers.get_mut(&address) else { return };
        reader.reading = Reading::Fetching;
        let (account, device) = address;
        let page = KeysJob::Page { conn: reader.conn, account, device, after: reader.told, bytes };
        self.submit_store(StoreJob::Keys(page), out);
    }

    /// Bytes of envelopes in a page. Encoded, the shortest are about twice as long, and a page must leave
    /// most of a send queue to what else is told: a reader on a slow line would be closed at each attempt,
    /// and never come to acknowledge anything.
    fn page_bytes(&self) -> usize {
        PAGE_BYTES_MAX.min(self.settings.limits.send_queue_hard / PAGES_PER_QUEUE)
    }

    /// The reader for whom this connection's page was read, unless another has taken its place.
    fn fetching(&mut self, conn: ConnId, address: Address) -> Option<&mut Reader> {
        let reader = self.mailboxes.readers.get_mut(&address)?;
        (reader.conn == conn && reader.reading == Reading::Fetching).then_some(reader)
    }
}

pub(super) fn not_attached() -> Refusal {
    Refusal::new(Code::NoSuchDevice, "this connection is attached to no device; `attach` first")
}

/// Pages whose envelopes would fill a send queue, before they are encoded.
const PAGES_PER_QUEUE: usize = 4;

#[cfg(test)]
mod tests;
