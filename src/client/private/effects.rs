//! What a message does once it is opened, or once the server has it: lines, history, and the rest.

use zeroize::Zeroizing;

use crate::client::private::history::{self, Delivery, Record, RecordKind};
use crate::client::private::offer::{OFFERS_MAX, Offer};
use crate::client::private::received::{self, Mark};
use crate::client::private::row::Table;
use crate::client::private::{Output, Private, state, telling};
use crate::client::scrollback::{Kind, Line, Origin, Seal};
use crate::client::session::event::{Event, Place};
use crate::client::wire::clean_body;
use crate::e2e::address::{Address, Millis, Uid};
use crate::e2e::content::{self, Content, FileNote, MessageId};
use crate::proto::id::Seq;
use crate::proto::name::UserName;
use crate::proto::time::{Now, Timestamp};

/// Where and how a message is shown.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    /// Whose conversation it belongs to.
    pub conversation: Uid,
    pub name: &'a UserName,
    /// Whose message it is.
    pub author: Uid,
    pub own: bool,
    /// The server's time.
    pub at: Timestamp,
    pub origin: Origin,
    pub seal: Seal,
}

impl Private {
    /// A message from somebody else, opened. `genuine`: its identity is the one that is trusted.
    pub(super) fn take_theirs(
        &mut self,
        now: Now,
        from: Address,
        name: &UserName,
        content: Content,
        at: Timestamp,
        genuine: bool,
    ) {
        match content.kind {
            // An identity that nobody has agreed to is read, and has no say.
            content::Kind::Receipt { .. } | content::Kind::Reset { .. } if !genuine => {}
            content::Kind::Receipt { ids, .. } => self.take_receipt(now, from, &ids),
            content::Kind::Reset { lost } => self.take_reset(now, from, lost.len()),
            // Only between devices of one account; and what a newer program means is not known.
            content::Kind::Sent { .. } | content::Kind::PairTrust { .. } | content::Kind::Unknown => {}
            _ => {
                self.owe_receipt(now, from, content.id);
                let trust = self.peers.get(from.uid).and_then(|peer| peer.trust());
                let seal = trust.map_or(Seal::Encrypted, state::seal);
                let shown = Shown {
                    conversation: from.uid,
                    name,
                    author: from.uid,
                    own: false,
                    at,
                    origin: Origin::Live,
                    seal,
                };
                self.take_message(now, shown, content);
            }
        }
    }

    /// A message from another device of this account.
    pub(super) fn take_from_own(&mut self, now: Now, from: Address, content: Content, at: Timestamp) {
        match content.kind {
            content::Kind::Receipt { ids, .. } => self.take_receipt(now, from, &ids),
            content::Kind::Reset { lost } => self.take_reset(now, from, lost.len()),
            content::Kind::PairTrust { trust } => self.take_decisions(now, trust),
            content::Kind::Sent { to, name, what } => {
                self.owe_receipt(now, from, content.id);
                let named = name.and_then(|name| UserName::parse(&name).ok());
                if let Some(name) = &named
                    && let Ok(former) = self.peers.meet(to, name)
                {
                    self.dirty.peers.extend(former.into_iter().chain([to]));
                }
                let Some(name) = self.name_of(to).or(named) else { return };
                let trust = self.peers.get(to).and_then(|peer| peer.trust());
                let seal = trust.map_or(Seal::Encrypted, state::seal);
                let (author, origin) = (from.uid, Origin::Live);
                let shown = Shown { conversation: to, name: &name, author, own: true, at, origin, seal };
                self.take_message(now, shown, *what);
            }
            _ => {}
        }
    }

    /// Shows and keeps a message, once. Returns the number of its entry in the history.
    pub(super) fn take_message(&mut self, now: Now, shown: Shown<'_>, content: Content) -> Option<u64> {
        let Content { id, time, kind, .. } = content;
        if self.received.get(shown.author, &id).is_some() {
            return None;
        }
        let counter = self.next_counter();
        let claimed = Timestamp(time.0);
        let (conversation, at) = (shown.conversation, shown.at);
        let taken = Millis(now.wall.0);
        let mark = Mark { conversation, counter, taken, at, claimed, rewritten: false };
        self.mark(shown.author, id, mark);
        let text = telling::summary(&kind)?;
        match kind {
            content::Kind::Text { .. } => self.keep(shown, mark, id, RecordKind::Text, false, &text),
            content::Kind::FileNote(note) => {
                self.keep(shown, mark, id, RecordKind::FileNote, false, &text);
                self.show(now, shown, claimed, &text);
                if !shown.own {
                    self.offer(shown, id, note);
                }
                return Some(counter);
            }
            content::Kind::Edit { of, text } => self.rewrite(shown, of, RecordKind::Text, &clean_body(&text)),
            content::Kind::Delete { of } => self.rewrite(shown, of, RecordKind::Deleted, ""),
            content::Kind::React { .. } => self.keep(shown, mark, id, RecordKind::Reaction, false, &text),
            _ => return Some(counter),
        }
        self.show(now, shown, claimed, &text);
        Some(counter)
    }

    fn show(&mut self, now: Now, shown: Shown<'_>, claimed: Timestamp, text: &str) {
        let from = if shown.own { self.me.clone() } else { Some(shown.name.clone()) };
        let line = Line {
            kind: Kind::Say,
            origin: shown.origin,
            own: shown.own,
            seq: Seq(0),
            at: shown.at,
            from: from.map_or_else(|| "".into(), |from| from.shown().as_ref().into()),
            text: text.into(),
            seal: shown.seal,
        };
        self.put_line(Place::Person(shown.name.clone()), line);
        if claimed.0.abs_diff(shown.at.0) > CLOCKS_APART_MS && shown.origin != Origin::Here {
            let text = format!("by its author's clock, the message above is of {}", claimed.rfc3339());
            self.note(now, shown.name, Kind::Notice, &text);
        }
    }

    fn keep(
        &mut self,
        shown: Shown<'_>,
        mark: Mark,
        message: MessageId,
        kind: RecordKind,
        edited: bool,
        text: &str,
    ) {
        let delivery = match shown.own {
            false => Delivery::Received,
            true if self.is_delivered(&message) == Some(true) => Delivery::Delivered,
            true => Delivery::Sent,
        };
        let record = Record {
            kind,
            own: shown.own,
            edited,
            seal: shown.seal,
            delivery,
            at: mark.at,
            claimed: mark.claimed,
            message,
            text: Zeroizing::new(text.to_owned()),
        };
        self.dirty.put(Table::History, history::key(mark.conversation, mark.counter), record.encode());
    }

    /// An edited or deleted message: its entry is written anew, if it is this author's, in this
    /// conversation, and the identity is the one it was written by.
    fn rewrite(&mut self, shown: Shown<'_>, of: MessageId, kind: RecordKind, text: &str) {
        let Some(mark) = self.received.get(shown.author, &of).copied() else { return };
        if mark.conversation == shown.conversation && shown.seal != Seal::Changed {
            self.keep(shown, mark, of, kind, kind == RecordKind::Text, text);
            self.mark(shown.author, of, Mark { rewritten: true, ..mark });
        }
    }

    /// Remembers that a message was taken, and where it is.
    fn mark(&mut self, author: Uid, id: MessageId, mark: Mark) {
        self.dirty.put(Table::Received, received::key(author, &id), mark.encode());
        for forgotten in self.received.insert(author, id, mark) {
            self.dirty.delete(Table::Received, received::key(author, &forgotten));
        }
    }

    fn offer(&mut self, shown: Shown<'_>, message: MessageId, note: FileNote) {
        let (from, uid, at, seal) = (shown.name.clone(), shown.author, shown.at, shown.seal);
        let offer = Offer { from: from.clone(), uid, message, at, seal, note };
        if self.offers.len() >= OFFERS_MAX {
            let oldest = self.offers.iter().min_by_key(|(_, offer)| offer.at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.settle_offer(&oldest);
            }
        }
        let key = offer.key();
        self.dirty.put(Table::Transfers, key.clone(), offer.encode());
        self.offers.insert(key.clone(), offer);
        self.out.push(Output::Event(Event::FileOffered { from, key }));
    }

    /// An offer was taken or declined.
    pub(in crate::client) fn settle_offer(&mut self, key: &[u8]) -> Option<Offer> {
        let offer = self.offers.remove(key)?;
        self.dirty.delete(Table::Transfers, key.to_vec());
        Some(offer)
    }
}

/// A difference between the author's clock and the server's that is worth a line.
const CLOCKS_APART_MS: u64 = 5 * 60 * 1000;
