//! Receipts: that a device has opened a message, said to the device that sent it.
//!
//! They are entries of the outbox like any other, so that a crash loses none. One collects for a moment
//! before it is sealed: a page of messages that waited is one receipt.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::client::private::Private;
use crate::client::private::history::{self, Delivery, Record, RecordKind};
use crate::client::private::outbox::{Entry, Part, What};
use crate::client::private::row::Table;
use crate::client::private::{state, telling};
use crate::client::scrollback::Seal;
use crate::e2e::address::{Address, Millis};
use crate::e2e::content::{self, Content, MessageId, RECEIPT_IDS_MAX};
use crate::proto::name::UserName;
use crate::proto::time::{Instant, Now, Timestamp};
use zeroize::Zeroizing;

/// A receipt that collects.
#[derive(Debug)]
pub(super) struct Gathering {
    pub order: u64,
    pub due: Instant,
}

impl Private {
    /// A message of this device was opened.
    pub(super) fn owe_receipt(&mut self, now: Now, to: Address, id: MessageId) {
        let own = Some(to.uid) == self.uid();
        let Some(name) = (if own { self.me.clone() } else { self.name_of(to.uid) }) else { return };
        if let Some(order) = self.open_receipt(&name, to)
            && let Some(What::Receipt(_, ids)) = self.outbox.get_mut(order).map(|entry| &mut entry.what)
        {
            ids.push(id);
            if ids.len() >= GATHERED_MAX
                && let Some(gathering) = self.gathering.get_mut(&to)
            {
                gathering.due = now.mono;
            }
            return self.touch(order);
        }
        let new = self.new_id();
        let mut entry = Entry::new(name, new, Millis(now.wall.0), What::Receipt(to, vec![id]));
        entry.uid = Some(to.uid);
        let order = self.outbox.push(entry);
        self.touch(order);
        self.gathering.insert(to, Gathering { order, due: now.mono + GATHER_FOR });
    }

    /// A receipt to this device that is not sealed yet and has room: one that collects, or that waits
    /// because nothing is sent there now, for as long as that may be.
    fn open_receipt(&self, name: &UserName, to: Address) -> Option<u64> {
        let control = |order: &u64| self.outbox.get(*order).is_some_and(Entry::is_control);
        let open = |order: &u64| {
            self.outbox.get(*order).is_some_and(|entry| {
                let sealed = entry.parts.values().any(|part| matches!(part, Part::Sealed { .. }));
                matches!(&entry.what, What::Receipt(of, ids) if *of == to && ids.len() < RECEIPT_IDS_MAX)
                    && !sealed
            })
        };
        self.outbox.lane(name).take_while(control).filter(open).last()
    }

    /// Lets those go that have collected long enough.
    pub(super) fn gather(&mut self, now: Now) {
        self.gathering.retain(|_, gathering| now.mono < gathering.due);
    }

    /// They wait for no others: they are from before this login, or the user wants to leave.
    pub(in crate::client) fn hurry(&mut self) {
        self.gathering.clear();
    }

    /// Somebody has opened messages of ours.
    pub(super) fn take_receipt(&mut self, now: Now, from: Address, ids: &[MessageId]) {
        let ids: BTreeSet<MessageId> = ids.iter().take(RECEIPT_IDS_MAX).copied().collect();
        let meant = self.outbox.iter().filter(|(_, entry)| ids.contains(&entry.id) && !entry.is_control());
        let orders: Vec<u64> = meant.map(|(order, _)| order).collect();
        let of_reader = Some(from.uid) != self.uid();
        if let Some(me) = self.uid() {
            let known = |id: &MessageId| {
                self.received.get(me, id).is_some()
                    || orders.iter().any(|order| self.outbox.get(*order).is_some_and(|entry| entry.id == *id))
            };
            if !ids.iter().all(known) {
                self.take_unknown_receipt(now, from);
            }
        }
        for order in orders {
            let Some(entry) = self.outbox.get_mut(order) else { continue };
            let first = !entry
                .parts
                .iter()
                .any(|(address, part)| address.uid == from.uid && *part == Part::Delivered);
            // What was on its way when the connection broke has arrived as well.
            match entry.parts.get_mut(&from) {
                Some(part @ (Part::Sealed { .. } | Part::Stored { .. })) => *part = Part::Delivered,
                Some(Part::Wanted { resent }) if *resent > 0 => {
                    entry.parts.insert(from, Part::Delivered);
                }
                _ => continue,
            }
            let to = entry.to.clone();
            self.touch(order);
            self.finish_if_done(now, order);
            if first && of_reader {
                self.note_delivered(order);
                self.changed(Some(to));
            }
            if self.outbox.get(order).is_some_and(|entry| entry.is_over(Millis(now.wall.0))) {
                self.drop_entry(order);
            }
        }
    }

    /// The entry in the history says so from now on.
    fn note_delivered(&mut self, order: u64) {
        let Some(entry) = self.outbox.get(order) else { return };
        let (What::Content(content), Some(at), Some(reader)) = (&entry.what, entry.sent, entry.uid) else {
            return;
        };
        let Ok(content) = Content::decode(content) else { return };
        let kind = match &content.kind {
            content::Kind::Text { .. } => RecordKind::Text,
            content::Kind::FileNote(_) => RecordKind::FileNote,
            _ => return,
        };
        // Edited meanwhile: its entry has another text.
        let mark = self.uid().and_then(|me| self.received.get(me, &entry.id));
        if mark.is_none_or(|mark| mark.rewritten) {
            return;
        }
        let trust = self.peers.get(reader).and_then(|peer| peer.trust());
        let record = Record {
            kind,
            own: true,
            edited: false,
            seal: trust.map_or(Seal::Encrypted, state::seal),
            delivery: Delivery::Delivered,
            at,
            claimed: Timestamp(content.time.0),
            message: entry.id,
            text: telling::summary(&content.kind).unwrap_or_else(|| Zeroizing::new(String::new())),
        };
        self.dirty.put(Table::History, history::key(reader, entry.counter), record.encode());
    }
}

/// How long a receipt waits for others.
const GATHER_FOR: Duration = Duration::from_secs(1);
/// Messages that a receipt does not wait beyond.
const GATHERED_MAX: usize = 50;

const _: () = assert!(GATHERED_MAX <= RECEIPT_IDS_MAX);
