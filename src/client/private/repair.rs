//! When messages cannot be opened: said at once, and mended by a new session.
//!
//! ```text
//! cannot be opened ─► shown, its number kept ─► at most one reset for a device and hour:
//!     claim ─► new session ─► Reset { lost } ─► the peer sends again what it has no receipt for
//! ```
//!
//! The same mends a state that was restored from a copy: its sessions may have sealed messages that it
//! has forgotten, so they only open from then on, and every partner is sent a reset. It is noticed by the
//! run that the server has seen, by the numbers of its prekeys, by envelopes that somebody has taken
//! already, and by receipts for messages that are not known here.

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
            // Somebody who has never been heard of, or a lie: nothing proves that it is of this name. A name
            // that is known belongs to whom it belongs.
            self.note(now, name, Kind::Error, &text);
            if self.peers.named(name).is_some() || self.peers.meet(from.uid, name).is_err() {
                return;
            }
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
        let again = self.send_again(from);
        let device = from.device.number();
        let what = match (lost, again) {
            (0, 0) => String::new(),
            (_, 0) => "; what it could not open is not here any more".to_owned(),
            (_, again) => format!("; {again} messages are sent again"),
        };
        if Some(from.uid) == self.uid() {
            let text = format!("your device {device} began a new session{what}");
            return self.note_server(now, Kind::Notice, &text);
        }
        if let Some(name) = self.name_of(from.uid) {
            let text = format!("device {device} of {name} began a new session{what}");
            self.note_for_good(now, from.uid, Kind::Notice, &text);
        }
    }

    /// What a device has not confirmed is to be sealed anew for it. Returns how many messages.
    fn send_again(&mut self, to: Address) -> usize {
        let kept = |part: Option<&Part>| match part {
            Some(Part::Stored { resent }) if *resent < RESENT_MAX => Some(*resent),
            _ => None,
        };
        let entries = self.outbox.iter().filter(|(_, entry)| !entry.is_control());
        let again: Vec<(u64, u8)> =
            entries.filter_map(|(order, entry)| Some((order, kept(entry.parts.get(&to))?))).collect();
        for &(order, resent) in &again {
            if let Some(entry) = self.outbox.get_mut(order) {
                entry.parts.insert(to, Part::Wanted { resent: resent + 1 });
            }
            self.touch(order);
        }
        again.len()
    }

    /// This device was copied, or goes on from a backup: the server knows more of it than it knows itself.
    pub(super) fn mend(&mut self, now: Now) {
        let text = "restored: this device's keys were in use since they were last stored here: this is a \
                    copy, or an old state that was restored. Every conversation gets a new session. \
                    Never run two copies of one device: pair the second one instead";
        self.note_server(now, Kind::Error, text);
        let addresses: Vec<Address> = self.sets.keys().copied().collect();
        for address in addresses {
            self.doubt_session(address);
            if let Ok(peer) = self.peers.numbered(address.uid) {
                peer.devices.entry(address.device).or_default();
                self.dirty.peers.insert(address.uid);
            }
            self.broken.insert(address);
        }
    }

    /// Sessions with a device may have sealed more than is known here. What they seal next could be taken
    /// for a repetition, so they only open from now on; and what the device has not confirmed may have
    /// been taken for one.
    fn doubt_session(&mut self, with: Address) {
        if let Some(set) = self.sets.get_mut(&with) {
            set.close_for_sending();
            self.dirty.sets.insert(with);
            self.send_again(with);
        }
    }

    /// A device has confirmed a message of ours that is not known here: a state was lost that no counter
    /// of the server tells of. Only that device can do this to itself.
    pub(super) fn take_unknown_receipt(&mut self, now: Now, from: Address) {
        let time = Millis(now.wall.0);
        if self.reset_wait(time, from) != Some(0) {
            return;
        }
        if let Some(device) = self.peers.get_mut(from.uid).and_then(|peer| peer.devices.get_mut(&from.device))
        {
            device.reset_at = Some(time);
            self.dirty.peers.insert(from.uid);
        }
        self.doubt_session(from);
    }

    /// The server counts up by one for each envelope of a device. What is missing was lost, expired, or
    /// kept back; right after a login, it was taken by a state that is lost.
    pub(super) fn take_gap(&mut self, now: Now, missing: u64, after_login: bool) {
        if after_login {
            return self.mend(now);
        }
        let text = format!(
            "missing: the server has not delivered {missing} messages: it has lost them, or keeps them \
             back. Nothing tells whose they were"
        );
        self.note_server(now, Kind::Error, &text);
    }
}

/// One new session with a device in this time, however much cannot be opened.
pub const RESET_EVERY_MS: u64 = 60 * 60 * 1000;
