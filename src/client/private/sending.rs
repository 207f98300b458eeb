//! Messages: accepted, sent, shown, or refused.

use std::collections::BTreeSet;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::client::private::effects::Shown;
use crate::client::private::lists::{Listed, numbers};
use crate::client::private::outbox::{Entry, Part, What};
use crate::client::private::{EXPIRE_EVERY, Output, Private, Saying, Stage, state, telling};
use crate::client::scrollback::{Kind, Origin, Seal};
use crate::client::session::event::{Failure, Ticket, Unsent};
use crate::client::wire::keys;
use crate::client::wire::{Clean, Refused, clean_body};
use crate::e2e::address::{Address, DeviceId, Millis, Uid};
use crate::e2e::content::{self, Content};
use crate::proto::event::Answer;
use crate::proto::name::UserName;
use crate::proto::refusal::Code;
use crate::proto::time::{Now, Timestamp};

impl Private {
    /// Accepts something to be said to somebody. It goes out in order, now or when there is a connection
    /// again, and is kept until then. `plain`: without encryption, because a person has said so.
    pub(in crate::client) fn say(
        &mut self,
        now: Now,
        name: &UserName,
        saying: Saying,
        plain: bool,
        ticket: Ticket,
    ) -> Result<(), Unsent> {
        if !self.takes_messages() {
            return Err(Unsent::PrivateOff);
        }
        if !plain && self.is_held(name) {
            return Err(Unsent::Untrusted);
        }
        if self.outbox.waiting() >= WAITING_MAX {
            return Err(Unsent::TooMany);
        }
        let kind = match saying {
            Saying::Delete { of } => content::Kind::Delete { of },
            Saying::Edit { of, text } => content::Kind::Edit { of, text: visible(&text)? },
            Saying::FileNote(note) => content::Kind::FileNote(note),
            Saying::React { of, text } => content::Kind::React { of, text: visible(&text)? },
            Saying::Text(text) => content::Kind::Text { text: visible(&text)? },
        };
        let (id, made) = (self.new_id(), Millis(now.wall.0));
        let content = Content::new(id, made, kind).encode().map_err(|_| Unsent::TooLong)?;
        if content.len() > CONTENT_BYTES_MAX {
            return Err(Unsent::TooLong);
        }
        let what = if plain { What::Plain(content) } else { What::Content(content) };
        let mut entry = Entry::new(name.clone(), id, made, what);
        entry.ticket = Some(ticket);
        let order = self.outbox.push(entry);
        self.touch(order);
        self.changed(Some(name.clone()));
        Ok(())
    }

    /// The reply to `devices` about somebody.
    pub(super) fn handle_list(&mut self, now: Now, lane: &UserName, list: keys::Devices) {
        self.free_lane(lane);
        self.guests.remove(lane);
        match self.take_list(now, lane, list) {
            Listed::Account => {}
            Listed::Plain if self.peers.named(lane).is_some() => {}
            Listed::Plain => {
                self.guests.insert(lane.clone(), now.mono);
            }
            Listed::Odd(text) => self.fail_lane(now, lane, "bad-reply", text),
        }
        self.changed(Some(lane.clone()));
    }

    pub(super) fn handle_list_refused(&mut self, now: Now, lane: &UserName, refused: Refused) {
        self.free_lane(lane);
        self.fail_lane(now, lane, &refused.code.0, &refused.text.0);
        self.changed(Some(lane.clone()));
    }

    /// Nothing that waits for this name can be sent.
    pub(super) fn fail_lane(&mut self, now: Now, lane: &UserName, code: &str, text: &str) {
        let orders: Vec<u64> = self.outbox.lane(lane).collect();
        for order in orders {
            if self.outbox.get(order).is_some_and(Entry::is_control) {
                self.drop_entry(order);
            } else {
                self.fail(now, order, code, text);
            }
        }
    }

    /// A message is not sent: said to whoever waits for it, and forgotten.
    pub(super) fn fail(&mut self, now: Now, order: u64, code: &str, text: &str) {
        let Some(entry) = self.drop_entry(order) else { return };
        if entry.sent.is_some() {
            return;
        }
        let refused = Refused { code: Clean(code.into()), text: Clean(text.into()) };
        match entry.ticket {
            Some(ticket) => {
                self.out.push(Output::Answered { ticket, outcome: Err(Failure::Refused(refused)) })
            }
            None if entry.is_control() => {}
            None => {
                let said = match &entry.what {
                    What::Content(content) | What::Plain(content) => {
                        Content::decode(content).ok().and_then(|content| telling::summary(&content.kind))
                    }
                    _ => None,
                };
                let said = said.unwrap_or_default();
                let text = Zeroizing::new(format!("{refused}; it was not sent: {}", *said));
                self.note(now, &entry.to, Kind::Error, &text);
            }
        }
        self.changed(Some(entry.to.clone()));
    }

    pub(super) fn drop_entry(&mut self, order: u64) -> Option<Entry> {
        let entry = self.outbox.remove(order);
        self.dirty.outbox.insert(order);
        entry
    }

    /// The server has these envelopes.
    pub(super) fn handle_stored(
        &mut self,
        now: Now,
        lane: &UserName,
        order: u64,
        parts: &[Address],
        stored: &keys::Stored,
    ) {
        self.free_lane(lane);
        let me = self.uid();
        let is_full = |address: &Address| {
            stored.full.iter().any(|full| {
                let of = if Some(address.uid) == me { self.me.as_ref() } else { Some(lane) };
                full.device == address.device.number() && UserName::parse(&full.user).ok().as_ref() == of
            })
        };
        let Some(entry) = self.outbox.get_mut(order) else { return };
        entry.at = Some(stored.ts.0);
        let mut full = Vec::new();
        for address in parts {
            match entry.parts.get_mut(address) {
                Some(Part::Sealed { .. }) if is_full(address) => {
                    entry.parts.remove(address);
                    full.push(*address);
                }
                Some(part) => {
                    if let Part::Sealed { resent, .. } = part {
                        *part = Part::Stored { resent: *resent };
                    }
                }
                None => {}
            }
        }
        self.touch(order);
        for address in full {
            let number = address.device.number();
            let text =
                format!("device {number} gets nothing: the server keeps no more for it, until it connects");
            self.note(now, lane, Kind::Error, &text);
        }
        self.finish_if_done(now, order);
    }

    pub(super) fn handle_send_refused(
        &mut self,
        now: Now,
        lane: &UserName,
        order: u64,
        parts: &[Address],
        refused: Refused,
        line: &[u8],
    ) {
        self.free_lane(lane);
        if refused.is(Code::NoSuchDevice) {
            // Not the reader of this mailbox any more: finds out why. If that was told before, another has
            // taken it, and to take it back would be taken back.
            if self.stage == Stage::Ready {
                self.start_again(now);
            }
            return;
        }
        let control = self.outbox.get(order).is_some_and(Entry::is_control);
        if refused.is(Code::DevicesChanged) {
            let lists = keys::devices_changed(line).ok();
            let lists = lists.and_then(|lists| numbers(lists.to).zip(numbers(lists.own)));
            return self.handle_devices_changed(now, order, lists);
        }
        if refused.is(Code::StorageUnavailable) {
            // What was sealed stays as it is: it may be there in spite of the answer.
            return self.rest_lane(now, lane, STORAGE_REST);
        }
        // What went out before, to other devices, has arrived.
        let Some(entry) = self.outbox.get_mut(order) else { return };
        let reached = entry.parts.values().any(|part| matches!(part, Part::Stored { .. } | Part::Delivered));
        if control || !reached {
            return self.fail(now, order, &refused.code.0, &refused.text.0);
        }
        parts.iter().for_each(|address| {
            entry.parts.remove(address);
        });
        self.touch(order);
        self.note(now, lane, Kind::Error, &format!("not all devices were reached: {refused}"));
        self.finish_if_done(now, order);
    }

    fn handle_devices_changed(
        &mut self,
        now: Now,
        order: u64,
        lists: Option<(BTreeSet<DeviceId>, BTreeSet<DeviceId>)>,
    ) {
        let Some(entry) = self.outbox.get_mut(order) else { return };
        entry.tries += 1;
        let (tries, reader) = (entry.tries, entry.uid);
        let (Some((to, own)), true, Some(reader)) = (lists, tries <= CHANGES_MAX, reader) else {
            let text = "the server gives another list of devices each time";
            return self.fail(now, order, "devices-changed", text);
        };
        let me = self.uid();
        if Some(reader) == me {
            self.take_own_devices(now, &to);
        } else {
            self.take_own_devices(now, &own);
            if to.is_empty() {
                // Gone altogether: its list is asked for, which tells whether there is an account.
                if let Some(peer) = self.peers.get_mut(reader) {
                    peer.fetched = None;
                }
            } else {
                self.take_devices(now, reader, &to);
            }
        }
    }

    /// Nothing of the entry can be sealed or sent now.
    pub(super) fn finish_or_fail(&mut self, now: Now, order: u64, reader: Uid) {
        let own = self.uid();
        let Some(entry) = self.outbox.get_mut(order) else { return };
        let left: Vec<Address> = entry
            .parts
            .iter()
            .filter(|(_, part)| matches!(part, Part::Wanted { .. }))
            .map(|(address, _)| *address)
            .collect();
        let reached = |address: &Address, part: &Part| {
            address.uid == reader && matches!(part, Part::Stored { .. } | Part::Delivered)
        };
        let reached = entry.parts.iter().any(|(address, part)| reached(address, part)) || Some(reader) == own;
        let control = entry.is_control();
        let waits = |address: &Address| {
            let device = self.peers.get(address.uid).and_then(|peer| peer.devices.get(&address.device));
            device.is_some_and(|device| device.bad.is_none() && device.wait.is_some())
        };
        if !reached && left.iter().any(|address| address.uid == reader && waits(address)) {
            let text = "too many keys were asked for; what waits is sent in some minutes";
            let (to, first) = (entry.to.clone(), !control);
            self.rest_lane(now, &to, KEYS_REST);
            if first {
                self.note(now, &to, Kind::Notice, text);
            }
            return;
        }
        left.iter().for_each(|address| {
            entry.parts.remove(address);
        });
        self.touch(order);
        if control {
            self.drop_entry(order);
        } else if reached {
            self.finish_if_done(now, order);
        } else {
            let text = "none of the reader's devices can be written to; the lines above say why";
            self.fail(now, order, "no-device", text);
        }
    }

    /// Shows a message once the server has all of it.
    pub(super) fn finish_if_done(&mut self, now: Now, order: u64) {
        let Some(entry) = self.outbox.get_mut(order) else { return };
        let open = |part: &Part| matches!(part, Part::Wanted { .. } | Part::Sealed { .. });
        if entry.sent.is_some() || entry.parts.values().any(open) {
            return;
        }
        let at = entry.at.unwrap_or(now.wall);
        if entry.is_control() {
            self.drop_entry(order);
            return;
        }
        entry.sent = Some(Timestamp(at.0.max(1)));
        let ticket = entry.ticket.take();
        let (to, reader) = (entry.to.clone(), entry.uid);
        let What::Content(content) = &entry.what else { return };
        let Ok(content) = Content::decode(content) else { return };
        let (Some(me), Some(reader)) = (self.uid(), reader) else { return };
        let seal = self.peers.get(reader).and_then(|peer| peer.trust()).map_or(Seal::Encrypted, state::seal);
        let origin = if ticket.is_some() { Origin::Here } else { Origin::Missed };
        let text = telling::summary(&content.kind).unwrap_or_default();
        let (conversation, author, own) = (reader, me, true);
        let shown = Shown { conversation, name: &to, author, own, at, origin, seal };
        let counter = self.take_message(now, shown, content);
        if let Some(entry) = self.outbox.get_mut(order) {
            entry.counter = counter.unwrap_or(0);
        }
        self.touch(order);
        if let (Some(ticket), Some(from)) = (ticket, self.me.clone()) {
            let answer = Answer::Sent { to: to.clone(), from, at, text: text.as_str().into(), kept: false };
            self.out.push(Output::Answered { ticket, outcome: Ok(answer) });
        }
        if self.outbox.len() > self.expire_at {
            self.expire_outbox(now);
        }
        self.changed(Some(to));
    }

    pub(super) fn expire_outbox(&mut self, now: Now) {
        for order in self.outbox.expire(Millis(now.wall.0)) {
            self.dirty.outbox.insert(order);
        }
        self.expire_at = self.outbox.len() + EXPIRE_EVERY;
    }
}

/// A text that says something, with lines that steer no terminal.
fn visible(text: &str) -> Result<String, Unsent> {
    let text = clean_body(text).into_string();
    if text.chars().any(|c| !c.is_whitespace()) { Ok(text) } else { Err(Unsent::Nothing) }
}

/// Messages that wait to be sent, to all.
pub const WAITING_MAX: usize = 1_000;
/// Bytes of a message's content. Sealed, padded and in base64 it must fit one line; and a copy of it,
/// which is longer by some two hundred bytes, must fit the same.
pub const CONTENT_BYTES_MAX: usize = 40_000;
/// How often another list of devices is tried for one message.
const CHANGES_MAX: u8 = 3;
/// After the server could not write to its disk.
const STORAGE_REST: Duration = Duration::from_secs(30);
/// After too many keys were asked for.
const KEYS_REST: Duration = Duration::from_secs(10 * 60);
