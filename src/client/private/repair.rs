//! When messages cannot be opened: said at once, and mended by a new session.
//!
//! ```text
//! cannot be opened ─► shown, its number kept ─► at most one reset for a device and hour:
//!     claim ─► new session ─► Reset { lost } ─► the peer sends again what it has no receipt for
//! ```
//!
//! The same mends a state that was restored from a copy: its sessions may have sealed messages that it
//! has forgotten, so they only open from then on, and every partner is sent a reset.

use std::time::Duration;

use crate::client::private::Private;
use crate::client::private::outbox::{Entry, Part, RESENT_MAX, What};
use crate::client::scrollback::Kind;
use crate::e2e::address::{Address, Millis};
use crate::e2e::content::RESET_LOST_MAX;
use crate::e2e::error::Error;
use crate::proto::name::UserName;
use crate::proto::time::{Instant, Now};

impl Private {
    /// An envelope that no key opens.
    pub(super) fn take_undecryptable(
        &mut self,
        now: Now,
        from: Address,
        name: &UserName,
        seq: u64,
        error: Error,
    ) {
        let own = Some(from.uid) == self.uid();
        let text = format!(
            "undecryptable: a message of {name} could not be opened ({error}); it is asked for again"
        );
        if own {
            self.note_server(now, Kind::Error, &text);
        } else if self.name_of(from.uid).is_some() {
            self.note_for_good(now, from.uid, Kind::Error, &text);
        } else {
            // Somebody who has never been heard of. There must be a name for the new session.
            self.note(now, name, Kind::Error, &text);
            let Ok(former) = self.peers.meet(from.uid, name) else { return };
            self.dirty.peers.extend(former);
        }
        let Ok(peer) = self.peers.numbered(from.uid) else { return };
        if !peer.devices.contains_key(&from.device) {
            peer.fetched = None;
        }
        let device = peer.devices.entry(from.device).or_default();
        if device.lost.len() < RESET_LOST_MAX {
            device.lost.push(seq);
        }
        self.dirty.peers.insert(from.uid);
        self.broken.insert(from);
        self.forget_devices(from.uid, Some(from.device));
    }

    /// Begins new sessions where that is due.
    pub(super) fn repair(&mut self, now: Now) {
        let time = Millis(now.wall.0);
        let due: Vec<Address> = self
            .broken
            .iter()
            .filter(|address| self.reset_wait(time, **address) == Some(0))
            .copied()
            .collect();
        for address in due {
            self.broken.remove(&address);
            let own = Some(address.uid) == self.uid();
            let name = if own { self.me.clone() } else { self.name_of(address.uid) };
            let Some(device) =
                self.peers.get_mut(address.uid).and_then(|peer| peer.devices.get_mut(&address.device))
            else {
                continue;
            };
            let lost = std::mem::take(&mut device.lost);
            device.reset_at = Some(time);
            self.dirty.peers.insert(address.uid);
            let Some(name) = name else { continue };
            let id = self.new_id();
            let mut entry = Entry::new(name, id, time, What::Reset(address, lost, false));
            entry.uid = Some(address.uid);
            let order = self.outbox.push(entry);
            self.touch(order);
        }
    }

    /// Milliseconds until a device may be sent a reset; `None`: not at all as things are.
    fn reset_wait(&self, now: Millis, address: Address) -> Option<u64> {
        let peer = self.peers.get(address.uid)?;
        let device = peer.devices.get(&address.device)?;
        let Some(at) = device.reset_at else { return Some(0) };
        // A clock that was set back does not hinder for longer than an hour from now.
        if at.0 > now.0 { Some(0) } else { Some(RESET_EVERY_MS.saturating_sub(now.since(at))) }
    }

    /// When the next reset is due.
    pub(super) fn repair_due(&self) -> Option<Instant> {
        if self.broken.is_empty() { None } else { self.repair_at }
    }

    /// Looks when the next reset is due, after the present ones were made.
    pub(super) fn plan_repair(&mut self, now: Now) {
        let time = Millis(now.wall.0);
        let wait = self.broken.iter().filter_map(|address| self.reset_wait(time, *address)).min();
        self.repair_at = wait.map(|wait| now.mono + Duration::from_millis(wait));
    }

    /// After a restart: what was not asked for again.
    pub(super) fn find_broken(&mut self) {
        for peer in self.peers.iter() {
            for (device, state) in &peer.devices {
                if !state.lost.is_empty() {
                    self.broken.insert(Address { uid: peer.uid, device: *device });
                }
            }
        }
    }

    /// A peer's device begins a new session because messages to it were lost: sends again what it has
    /// not confirmed. It recognises what it has.
    pub(super) fn take_reset(&mut self, now: Now, from: Address, lost: usize) {
        let own = Some(from.uid) == self.uid();
        let entries = self.outbox.iter().filter(|(_, entry)| !entry.is_control());
        let again: Vec<u64> = entries
            .filter(|(_, entry)| {
                matches!(entry.parts.get(&from), Some(Part::Stored { resent }) if *resent < RESENT_MAX)
            })
            .map(|(order, _)| order)
            .collect();
        for &order in &again {
            if let Some(Part::Stored { resent }) =
                self.outbox.get(order).and_then(|entry| entry.parts.get(&from))
            {
                let part = Part::Wanted { resent: resent + 1 };
                if let Some(entry) = self.outbox.get_mut(order) {
                    entry.parts.insert(from, part);
                }
            }
            self.touch(order);
        }
        let device = from.device.number();
        let what = match (lost, again.len()) {
            (0, 0) => String::new(),
            (_, 0) => "; what it could not open is not here any more".to_owned(),
            (_, again) => format!("; {again} messages are sent again"),
        };
        if own {
            let text = format!("your device {device} began a new session{what}");
            return self.note_server(now, Kind::Notice, &text);
        }
        if let Some(name) = self.name_of(from.uid) {
            let text = format!("device {device} of {name} began a new session{what}");
            self.note_for_good(now, from.uid, Kind::Notice, &text);
        }
    }

    /// The server has seen more of this device than this device knows: it was copied, or goes on from a
    /// backup.
    pub(super) fn mend(&mut self, now: Now, signed_there: u32, one_time_next: u32, numbers_differ: bool) {
        let text = "restored: this device's keys were in use since they were last stored here: this is a \
                    copy, or an old state that was restored. Every conversation gets a new session. \
                    Never run two copies of one device: pair the second one instead";
        self.note_server(now, Kind::Error, text);
        for set in self.sets.values_mut() {
            set.close_for_sending();
        }
        let addresses: Vec<Address> = self.sets.keys().copied().collect();
        self.dirty.sets.extend(addresses.iter().copied());
        for address in addresses {
            if let Ok(peer) = self.peers.numbered(address.uid) {
                peer.devices.entry(address.device).or_default();
                self.dirty.peers.insert(address.uid);
            }
            self.broken.insert(address);
        }
        let recent = self.prekeys.as_ref().is_some_and(|prekeys| {
            let made = prekeys.signed().created;
            Millis(now.wall.0).since(made) < RESET_EVERY_MS && made.0 <= now.wall.0
        });
        // A server that counts wrongly on purpose does not use up the signed prekeys.
        if numbers_differ || !recent {
            self.renew_prekeys(now, signed_there, one_time_next);
        } else {
            self.publish_missing(now, signed_there, one_time_next);
        }
    }
}

/// One new session with a device in this time, however much cannot be opened.
pub const RESET_EVERY_MS: u64 = 60 * 60 * 1000;
