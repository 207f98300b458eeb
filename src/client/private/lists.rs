//! Who has which identity and which devices: the server's word, taken as such.
//!
//! A list can say less than the truth (then a device gets nothing, and its owner sees nothing of it) or
//! more; but a device that is not signed by the account's identity gets no envelope, because no
//! session can be made with it. What a list adds is announced.

use std::collections::BTreeSet;

use crate::client::private::peers::{Misnamed, Sight};
use crate::client::private::{DEVICES_MAX, OwnDevice, Private};
use crate::client::scrollback::Kind;
use crate::client::wire::keys;
use crate::e2e::address::{Address, DeviceId, Millis, Uid};
use crate::e2e::identity::IdentityKey;
use crate::e2e::trust::{Standing, Trust};
use crate::proto::name::UserName;
use crate::proto::time::Now;

/// What the server says about somebody.
pub(super) enum Listed {
    /// An account with an identity and devices.
    Account,
    /// An account without, or a guest.
    Plain,
    /// What cannot be.
    Odd(&'static str),
}

impl Private {
    /// The reply to `devices` about somebody else.
    pub(super) fn take_list(&mut self, now: Now, lane: &UserName, list: keys::Devices) -> Listed {
        let Some(uid) = list.uid.map(Uid) else {
            // A guest. If the name was an account's before, it still has what that had.
            if let Some(peer) = self.peers.named(lane).map(|peer| peer.uid) {
                self.no_devices(now, peer);
            }
            return Listed::Plain;
        };
        if Some(uid) == self.uid() {
            return Listed::Odd("the server says that this is your own account");
        }
        match self.peers.meet(uid, lane) {
            Ok(former) => former.into_iter().for_each(|former| {
                self.dirty.peers.insert(former);
            }),
            Err(Misnamed::Renamed) => {
                return Listed::Odd("the server gives this name to an account that is known by another one");
            }
            Err(Misnamed::TooMany) => return Listed::Odd("too many accounts are known already"),
        }
        self.dirty.peers.insert(uid);
        let Some(identity) = list.identity else {
            self.no_devices(now, uid);
            return Listed::Plain;
        };
        let Ok(identity) = IdentityKey::import(&identity.0) else {
            return Listed::Odd("the server gives this account an identity that is no key");
        };
        let Some(devices) = numbers(list.devices.iter().map(|line| line.device)) else {
            return Listed::Odd("the server lists devices that cannot be");
        };
        if devices.is_empty() {
            self.no_devices(now, uid);
            return Listed::Plain;
        }
        self.see_identity(now, uid, identity);
        self.take_devices(now, uid, &devices);
        Listed::Account
    }

    fn no_devices(&mut self, now: Now, uid: Uid) {
        if let Some(peer) = self.peers.get_mut(uid) {
            peer.list(&BTreeSet::new());
            peer.plain_at = Some(now.mono);
            peer.fetched = Some(Millis(now.wall.0));
            self.dirty.peers.insert(uid);
        }
        self.forget_devices(uid, None);
    }

    /// Forgets devices that are long gone, with their sessions: an account may have new ones without end.
    pub(super) fn forget_devices(&mut self, uid: Uid, but: Option<DeviceId>) {
        let gone = self.peers.get_mut(uid).map(|peer| peer.forget_gone(but)).unwrap_or_default();
        for device in gone {
            let address = Address { uid, device };
            self.broken.remove(&address);
            if self.sets.remove(&address).is_some() {
                self.dirty.sets.insert(address);
            }
        }
    }

    /// Takes over the list of a peer, and announces what is new in it.
    pub(super) fn take_devices(&mut self, now: Now, uid: Uid, devices: &BTreeSet<DeviceId>) {
        let Some(peer) = self.peers.get_mut(uid) else { return };
        let first = peer.fetched.is_none();
        let gone: Vec<DeviceId> = peer.devices().filter(|device| !devices.contains(device)).collect();
        let added = peer.list(devices);
        peer.fetched = Some(Millis(now.wall.0));
        peer.plain_at = None;
        let name = peer.name.clone();
        self.dirty.peers.insert(uid);
        self.forget_devices(uid, None);
        if let Some(name) = name {
            for device in gone {
                let text = format!("device {} of {name} is gone", device.number());
                self.note(now, &name, Kind::Notice, &text);
            }
        }
        if !first {
            added.into_iter().for_each(|device| self.announce(now, uid, device));
        }
    }

    /// A device that was not there before.
    pub(super) fn announce(&mut self, now: Now, uid: Uid, device: DeviceId) {
        let Some(peer) = self.peers.get(uid) else { return };
        let (Some(name), trust) = (peer.name.clone(), peer.trust) else { return };
        let number = device.number();
        if let Some(Trust::Known { standing: Standing::Verified, .. }) = trust {
            let text = format!("new-device: {name}, whom you verified, has a new device ({number})");
            self.note_for_good(now, uid, Kind::Error, &text);
        } else {
            self.note(now, &name, Kind::Notice, &format!("{name} has a new device ({number})"));
        }
        self.changed(Some(name));
    }

    /// An identity of somebody was seen, in a list, a bundle or a message.
    pub(super) fn see_identity(&mut self, now: Now, uid: Uid, identity: IdentityKey) {
        let Some(peer) = self.peers.get_mut(uid) else { return };
        let sight = peer.see(identity);
        let (heir, name) = (peer.heir_of.is_some(), peer.name.clone());
        if sight == Sight::Same {
            return;
        }
        self.dirty.peers.insert(uid);
        let Some(name) = name else { return };
        match sight {
            Sight::Same => {}
            Sight::First => {
                let text = format!(
                    "messages with {name} are end-to-end encrypted from now on; the identity is taken on \
                     trust until you compare it with /verify {name}"
                );
                self.note(now, &name, Kind::Notice, &text);
            }
            Sight::Changed => {
                let what = if heir {
                    format!("{name} is another account than the one you knew by this name")
                } else {
                    format!("the identity of {name} has CHANGED")
                };
                let text = format!(
                    "identity-changed: {what}: a new start, or somebody who poses as {name}. Nothing is \
                     sent to {name} until you compare it with /verify {name}, or accept it with /trust \
                     {name}"
                );
                self.note_for_good(now, uid, Kind::Error, &text);
            }
        }
        self.changed(Some(name));
    }

    /// The reply to `devices` about this account, once private messages are on.
    pub(super) fn take_own_list(&mut self, now: Now, list: &keys::Devices) {
        let here = self.device.as_ref().map(|device| device.number.number());
        let line = |line: &keys::DeviceLine| OwnDevice {
            device: line.device,
            name: line.name.0.clone(),
            since: line.since.map(|at| at.0),
            seen: line.seen.map(|at| at.0),
            here: Some(line.device) == here,
        };
        self.own_list = list.devices.iter().take(DEVICES_MAX).map(line).collect();
        if let Some(devices) = numbers(list.devices.iter().map(|line| line.device)) {
            self.take_own_devices(now, &devices);
        }
        self.changed(None);
    }

    /// One's own other devices; a new one is announced wherever it is seen.
    pub(super) fn take_own_devices(&mut self, now: Now, devices: &BTreeSet<DeviceId>) {
        let Some(uid) = self.uid() else { return };
        let here = self.device.as_ref().map(|device| device.number);
        let others: BTreeSet<DeviceId> =
            devices.iter().copied().filter(|device| Some(*device) != here).collect();
        let Ok(peer) = self.peers.numbered(uid) else { return };
        let first = peer.fetched.is_none();
        let added = peer.list(&others);
        peer.fetched = Some(Millis(now.wall.0));
        self.dirty.peers.insert(uid);
        self.forget_devices(uid, None);
        if first {
            return;
        }
        for device in added {
            self.announce_own(now, device);
        }
    }

    fn announce_own(&mut self, now: Now, device: DeviceId) {
        let number = device.number();
        let name =
            self.own_list.iter().find(|own| own.device == number).map(|own| format!(" \"{}\"", own.name));
        let text = format!(
            "new-device: your account has a new device{} ({number}). If it is not yours, /revoke \
             {number} and take a new identity with /newidentity",
            name.unwrap_or_default()
        );
        self.note_server(now, Kind::Error, &text);
    }
}

/// Device numbers of a list; `None` if there are too many, or some cannot be.
pub(super) fn numbers(devices: impl IntoIterator<Item = u32>) -> Option<BTreeSet<DeviceId>> {
    let mut numbers = BTreeSet::new();
    for device in devices {
        numbers.insert(DeviceId::new(device).ok()?);
        if numbers.len() > DEVICES_MAX {
            return None;
        }
    }
    Some(numbers)
}
