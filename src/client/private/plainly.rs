//! Messages without encryption: to guests, to accounts that have no keys, and where a person wants it.
//!
//! They keep their place among the others of a lane, and are never repeated: the server has no way to
//! tell the second from the first. So a message that was on its way when the connection broke is in
//! doubt, and said to be.

use zeroize::Zeroizing;

use crate::client::private::history::{self, Delivery, Record, RecordKind};
use crate::client::private::outbox::{Entry, What};
use crate::client::private::row::Table;
use crate::client::private::{Asked, Output, PlainMessage, Private};
use crate::client::scrollback::{Kind, Line, Origin, Seal};
use crate::client::session::event::{Failure, Place};
use crate::client::wire::{self, Refused};
use crate::e2e::address::{Millis, Uid};
use crate::e2e::content::{self, Content, MessageId};
use crate::proto::command::Command;
use crate::proto::event::Answer;
use crate::proto::id::Seq;
use crate::proto::name::UserName;
use crate::proto::time::{Now, Timestamp};

impl Private {
    /// Sends an entry without encryption. It leaves the outbox before it leaves the device.
    pub(super) fn send_plain(&mut self, now: Now, name: &UserName, order: u64) {
        let Some(entry) = self.drop_entry(order) else { return };
        let (What::Content(content) | What::Plain(content)) = &entry.what else { return };
        let text = match Content::decode(content).map(|content| content.kind) {
            // The server would cut out the ends of lines, and join the words around them.
            Ok(content::Kind::Text { text }) => Zeroizing::new(text.replace('\n', " ")),
            _ => {
                return self.refuse_plain(
                    now,
                    entry,
                    "this is sent to those who can read it encrypted alone",
                );
            }
        };
        if text.len() > PLAIN_BYTES_MAX {
            return self.refuse_plain(now, entry, "this is too long for a message that is not encrypted");
        }
        if self.had_identity(name) {
            let text = format!("not-encrypted: this goes to {name} WITHOUT encryption, as you wanted");
            self.note(now, name, Kind::Error, &text);
        } else {
            self.warn(now, name);
        }
        let reader = self.peers.named(name).map(|peer| peer.uid);
        let place = reader.map(|uid| (uid, self.next_counter()));
        if let Some((uid, counter)) = place {
            self.keep_plain(uid, counter, true, Delivery::Doubtful, now.wall, &text);
        }
        self.occupy_lane(name);
        let command = Command::Msg { user: name.shown().to_string().into(), text: text.to_string().into() };
        let message = PlainMessage { lane: name.clone(), text, ticket: entry.ticket, entry: place };
        self.ask(command, Asked::Plain(Box::new(message)));
    }

    fn refuse_plain(&mut self, now: Now, entry: Entry, text: &str) {
        let name = entry.to.clone();
        let order = self.outbox.push(entry);
        self.fail(now, order, "not-encrypted", &format!("{text}, and {name} cannot"));
    }

    /// Before the first message of a conversation that the server can read.
    pub(in crate::client) fn warn(&mut self, now: Now, name: &UserName) {
        if self.warned.len() >= WARNED_MAX {
            self.warned.clear();
        }
        if self.warned.insert(name.clone()) {
            let text = format!(
                "not-encrypted: messages with {name} are NOT encrypted: the server, and whoever controls \
                 it, can read and change them. {name} has no keys: a guest, or nobody who uses sotto \
                 with an account"
            );
            self.note(now, name, Kind::Error, &text);
        }
    }

    pub(super) fn handle_plain_sent(&mut self, now: Now, message: PlainMessage, sent: wire::Sent) {
        let PlainMessage { lane, text, ticket, entry } = message;
        self.free_lane(&lane);
        let at = if sent.ts.0 == Timestamp(0) { now.wall } else { sent.ts.0 };
        if let Some((uid, counter)) = entry {
            self.keep_plain(uid, counter, true, Delivery::Sent, at, &text);
        }
        let Some(from) = self.me.clone() else { return };
        let line = Line {
            kind: Kind::Say,
            origin: if ticket.is_some() { Origin::Here } else { Origin::Missed },
            own: true,
            seq: Seq(0),
            at,
            from: from.shown().as_ref().into(),
            text: text.as_str().into(),
            seal: Seal::NotEncrypted,
        };
        self.put_line(Place::Person(lane.clone()), line);
        if let Some(ticket) = ticket {
            let text = text.as_str().into();
            let answer = Answer::Sent { to: lane.clone(), from, at, text, kept: sent.kept };
            self.out.push(Output::Answered { ticket, outcome: Ok(answer) });
        }
        self.changed(Some(lane));
    }

    pub(super) fn handle_plain_refused(&mut self, now: Now, message: PlainMessage, refused: Refused) {
        self.free_lane(&message.lane);
        self.forget_plain(&message);
        let PlainMessage { lane, text, ticket, .. } = message;
        match ticket {
            Some(ticket) => {
                self.out.push(Output::Answered { ticket, outcome: Err(Failure::Refused(refused)) })
            }
            None => {
                let text = Zeroizing::new(format!("{refused}; it was not sent: {}", *text));
                self.note(now, &lane, Kind::Error, &text);
            }
        }
        self.changed(Some(lane));
    }

    fn forget_plain(&mut self, message: &PlainMessage) {
        if let Some((uid, counter)) = message.entry {
            self.dirty.delete(Table::History, history::key(uid, counter));
        }
    }

    /// The server was too busy for it: back to the front of its lane.
    pub(super) fn take_back(&mut self, now: Now, message: PlainMessage) {
        self.free_lane(&message.lane);
        self.forget_plain(&message);
        let PlainMessage { lane, text, ticket, .. } = message;
        let (id, made) = (self.new_id(), Millis(now.wall.0));
        let kind = content::Kind::Text { text: text.as_str().to_owned() };
        let Ok(content) = Content::new(id, made, kind).encode() else { return };
        let mut entry = Entry::new(lane, id, made, What::Plain(content));
        entry.ticket = ticket;
        let order = self.outbox.push_front(entry);
        self.touch(order);
    }

    /// The connection broke before the answer: it may have arrived.
    pub(super) fn doubt(&mut self, now: Now, message: PlainMessage) {
        let PlainMessage { lane, text, ticket, .. } = message;
        match ticket {
            Some(ticket) => self.out.push(Output::Answered { ticket, outcome: Err(Failure::Lost) }),
            None => {
                let text = Zeroizing::new(format!("it is not known whether this arrived: {}", *text));
                self.note(now, &lane, Kind::Error, &text);
            }
        }
    }

    /// A private message that came without encryption, or that another session of this user sent so.
    pub(in crate::client) fn handle_plain(
        &mut self,
        now: Now,
        peer: &UserName,
        own: bool,
        at: Timestamp,
        text: &str,
    ) {
        if self.had_identity(peer) && !own {
            let text = format!(
                "not-encrypted: what follows came WITHOUT encryption, although {peer} has keys: anybody \
                 who controls the server can have written it"
            );
            self.note(now, peer, Kind::Error, &text);
        } else {
            self.warn(now, peer);
        }
        if let Some(uid) = self.peers.named(peer).map(|peer| peer.uid) {
            let counter = self.next_counter();
            let delivery = if own { Delivery::Sent } else { Delivery::Received };
            self.keep_plain(uid, counter, own, delivery, at, text);
        }
    }

    fn keep_plain(
        &mut self,
        uid: Uid,
        counter: u64,
        own: bool,
        delivery: Delivery,
        at: Timestamp,
        text: &str,
    ) {
        let record = Record {
            kind: RecordKind::Text,
            own,
            edited: false,
            seal: Seal::NotEncrypted,
            delivery,
            at,
            claimed: at,
            message: MessageId([0; 16]),
            text: Zeroizing::new(text.to_owned()),
        };
        self.dirty.put(Table::History, history::key(uid, counter), record.encode());
    }
}

/// Conversations of which it is remembered that it was said; beyond that it is said again.
const WARNED_MAX: usize = 10_000;
/// Bytes of a message without encryption: one line of the server's default.
const PLAIN_BYTES_MAX: usize = 60_000;
