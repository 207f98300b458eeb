//! What is known of other accounts, and of one's own other devices: names, identity, devices.
//!
//! Accounts are known by number, because the number is part of every session's keys; names are the
//! server's word. A name that was one account and is another now would be a way around a pinned
//! identity, so the new account inherits what the name had: its identity counts as *changed*.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::client::private::pack::Torn;
use crate::e2e::address::{DeviceId, Millis, Uid};
use crate::e2e::error::Error;
use crate::e2e::identity::IdentityKey;
use crate::e2e::trust::{Standing, Trust};
use crate::proto::name::UserName;
use crate::proto::time::Instant;

/// One account.
#[derive(Debug)]
pub struct Peer {
    pub(super) uid: Uid,
    /// `None`: known by number alone, from a paired device.
    pub(super) name: Option<UserName>,
    pub(super) trust: Option<Trust>,
    /// The identity of the account that had this name before.
    pub(super) heir_of: Option<Former>,
    pub(super) devices: BTreeMap<DeviceId, PeerDevice>,
    /// When the list of devices was fetched; `None`: it must be.
    pub(super) fetched: Option<Millis>,
    /// The server said at this time that there is no identity and no device.
    pub(super) plain_at: Option<Instant>,
}

/// One device of a peer.
#[derive(Debug, Default)]
pub(super) struct PeerDevice {
    /// In the server's list.
    pub listed: bool,
    /// The last session that we began anew because messages could not be opened.
    pub reset_at: Option<Millis>,
    /// Envelopes that could not be opened and that no reset has told of yet.
    pub lost: Vec<u64>,
    /// Why no session can be made with it, since the list was fetched.
    pub bad: Option<Error>,
    /// The server gives out no keys of it before this.
    pub wait: Option<Instant>,
}

/// An identity that a name had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Former {
    pub identity: IdentityKey,
    pub standing: Standing,
}

/// What seeing an identity has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// As known.
    Same,
    /// The first of this account: pinned.
    First,
    /// Another one than before; seen for the first time.
    Changed,
}

/// The name that the server gives an account cannot be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misnamed {
    /// The account is known by another name, and accounts cannot be renamed.
    Renamed,
    /// There are too many accounts to remember another one.
    TooMany,
}

impl Peer {
    fn new(uid: Uid, name: Option<UserName>) -> Peer {
        Peer {
            uid,
            name,
            trust: None,
            heir_of: None,
            devices: BTreeMap::new(),
            fetched: None,
            plain_at: None,
        }
    }

    pub fn uid(&self) -> Uid {
        self.uid
    }

    pub fn name(&self) -> Option<&UserName> {
        self.name.as_ref()
    }

    /// What is thought of the account's identity; `None`: none was seen.
    pub fn trust(&self) -> Option<&Trust> {
        self.trust.as_ref()
    }

    /// The devices in the server's list.
    pub fn devices(&self) -> impl Iterator<Item = DeviceId> {
        self.devices.iter().filter(|(_, device)| device.listed).map(|(number, _)| *number)
    }

    /// The identity that is there now, trusted or not.
    pub fn identity(&self) -> Option<&IdentityKey> {
        match self.trust.as_ref()? {
            Trust::Known { identity, .. } | Trust::Changed { identity, .. } => Some(identity),
        }
    }

    /// Encryption with this name worked before: that it does not any more must not go unnoticed.
    pub(super) fn had_identity(&self) -> bool {
        self.trust.is_some() || self.heir_of.is_some()
    }

    /// An identity of this account was seen.
    pub(super) fn see(&mut self, identity: IdentityKey) -> Sight {
        let (next, sight) = match (self.trust, self.heir_of) {
            (Some(trust), _) => {
                let next = trust.seen(identity);
                (next, if next == trust { Sight::Same } else { Sight::Changed })
            }
            (None, Some(Former { identity: before, standing })) => {
                (Trust::Changed { before, standing_before: standing, identity }, Sight::Changed)
            }
            (None, None) => (Trust::first(identity), Sight::First),
        };
        self.trust = Some(next);
        sight
    }

    /// Takes over the server's list. Returns the devices that were not known before.
    pub(super) fn list(&mut self, listed: &BTreeSet<DeviceId>) -> Vec<DeviceId> {
        for (number, device) in &mut self.devices {
            device.listed = listed.contains(number);
            device.bad = None;
        }
        let mut added = Vec::new();
        for &number in listed {
            self.devices.entry(number).or_insert_with(|| {
                added.push(number);
                PeerDevice { listed: true, ..PeerDevice::default() }
            });
        }
        added
    }

    /// Devices that are gone are remembered for a while, so that what is late still finds them. Forgets
    /// the oldest beyond that, and returns them; never `but`, which has written just now.
    pub(super) fn forget_gone(&mut self, but: Option<DeviceId>) -> Vec<DeviceId> {
        let surplus = self.devices.len().saturating_sub(DEVICES_KEPT_MAX);
        let gone = self.devices.iter().filter(|(number, device)| !device.listed && Some(**number) != but);
        let gone: Vec<DeviceId> = gone.map(|(number, _)| *number).take(surplus).collect();
        for number in &gone {
            self.devices.remove(number);
        }
        gone
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let devices = self.devices.iter().map(|(number, device)| StoredDevice {
            device: number.number(),
            listed: device.listed,
            reset_at: device.reset_at,
            lost: device.lost.clone(),
        });
        let stored = Stored {
            name: self.name.as_ref().map(|name| name.shown().to_string()),
            trust: self.trust,
            heir_of: self.heir_of,
            devices: devices.collect(),
            fetched: self.fetched,
        };
        Zeroizing::new(serde_json::to_vec(&stored).expect("numbers and texts always encode"))
    }

    pub(super) fn decode(uid: Uid, bytes: &[u8]) -> Result<Peer, Torn> {
        let stored: Stored = serde_json::from_slice(bytes).map_err(|_| Torn)?;
        let name = stored.name.map(|name| UserName::parse(&name)).transpose().map_err(|_| Torn)?;
        let mut peer = Peer::new(uid, name);
        (peer.trust, peer.heir_of, peer.fetched) = (stored.trust, stored.heir_of, stored.fetched);
        for StoredDevice { device, listed, reset_at, lost } in stored.devices {
            let number = DeviceId::new(device).map_err(|_| Torn)?;
            peer.devices.insert(number, PeerDevice { listed, reset_at, lost, bad: None, wait: None });
        }
        Ok(peer)
    }
}

/// All accounts that are known.
#[derive(Debug, Default)]
pub(super) struct Peers {
    by_uid: BTreeMap<Uid, Peer>,
    /// Invariant: the names of `by_uid`, each once.
    by_name: BTreeMap<UserName, Uid>,
}

impl Peers {
    pub fn restore(&mut self, peer: Peer) {
        if let Some(name) = peer.name.clone() {
            self.by_name.insert(name, peer.uid);
        }
        self.by_uid.insert(peer.uid, peer);
    }

    pub fn get(&self, uid: Uid) -> Option<&Peer> {
        self.by_uid.get(&uid)
    }

    pub fn get_mut(&mut self, uid: Uid) -> Option<&mut Peer> {
        self.by_uid.get_mut(&uid)
    }

    pub fn named(&self, name: &UserName) -> Option<&Peer> {
        self.by_name.get(name).and_then(|uid| self.by_uid.get(uid))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.by_uid.values()
    }

    /// The account of this number, perhaps new, without a name.
    pub fn numbered(&mut self, uid: Uid) -> Result<&mut Peer, Misnamed> {
        if !self.by_uid.contains_key(&uid) && self.by_uid.len() >= PEERS_MAX {
            return Err(Misnamed::TooMany);
        }
        Ok(self.by_uid.entry(uid).or_insert_with(|| Peer::new(uid, None)))
    }

    /// The server says that this account has this name. Returns the account, and another one that has
    /// lost the name by that.
    pub fn meet(&mut self, uid: Uid, name: &UserName) -> Result<Option<Uid>, Misnamed> {
        let peer = self.numbered(uid)?;
        match &peer.name {
            Some(known) if known == name => return Ok(None),
            Some(_) => return Err(Misnamed::Renamed),
            None => {}
        }
        let former = self.by_name.insert(name.clone(), uid);
        let heritage = former.and_then(|former| {
            let former = self.by_uid.get_mut(&former)?;
            former.name = None;
            match former.trust {
                Some(Trust::Known { identity, standing }) => Some(Former { identity, standing }),
                Some(Trust::Changed { before, standing_before, .. }) => {
                    Some(Former { identity: before, standing: standing_before })
                }
                None => former.heir_of,
            }
        });
        if let Some(peer) = self.by_uid.get_mut(&uid) {
            peer.name = Some(name.clone());
            peer.heir_of = heritage.filter(|former| peer.identity() != Some(&former.identity));
            // What a paired device said of the number does not count for a name that was another's.
            if let (Some(former), Some(Trust::Known { identity, .. })) = (peer.heir_of, peer.trust) {
                let Former { identity: before, standing } = former;
                peer.trust = Some(Trust::Changed { before, standing_before: standing, identity });
            }
        }
        Ok(former)
    }
}

/// How a peer is stored; the number is the key of the row.
#[derive(Deserialize, Serialize)]
struct Stored {
    name: Option<String>,
    trust: Option<Trust>,
    heir_of: Option<Former>,
    devices: Vec<StoredDevice>,
    fetched: Option<Millis>,
}

#[derive(Deserialize, Serialize)]
struct StoredDevice {
    device: u32,
    listed: bool,
    reset_at: Option<Millis>,
    lost: Vec<u64>,
}

/// Accounts remembered. Anybody can write to us, and each is a row.
pub const PEERS_MAX: usize = 10_000;
/// Devices of one account that are remembered, those that are gone included.
const DEVICES_KEPT_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2e::identity::Identity;

    fn name(text: &str) -> UserName {
        UserName::parse(text).expect("a name")
    }

    fn identity(seed: u8) -> IdentityKey {
        *Identity::from_seed(&[seed; 32]).public()
    }

    #[test]
    fn a_peer_comes_back_from_its_row() {
        let mut peers = Peers::default();
        assert_eq!(peers.meet(Uid(7), &name("Bob")), Ok(None));
        let peer = peers.get_mut(Uid(7)).unwrap();
        assert_eq!(peer.see(identity(1)), Sight::First);
        let listed = [1, 2].map(|number| DeviceId::new(number).unwrap()).into();
        assert_eq!(peer.list(&listed).len(), 2);
        assert_eq!(peer.list(&listed).len(), 0, "known now");
        peer.fetched = Some(Millis(5));
        peer.devices.values_mut().next().unwrap().lost = vec![3];
        let again = Peer::decode(Uid(7), &peer.encode()).unwrap();
        assert_eq!((again.name(), again.trust), (Some(&name("Bob")), peer.trust));
        assert_eq!((again.devices().count(), again.fetched), (2, Some(Millis(5))));
        assert_eq!(again.devices.values().next().unwrap().lost, [3]);
        assert!(Peer::decode(Uid(7), b"{}").is_err());
    }

    #[test]
    fn a_name_that_is_another_account_now_has_a_changed_identity() {
        let mut peers = Peers::default();
        peers.meet(Uid(7), &name("bob")).unwrap();
        peers.get_mut(Uid(7)).unwrap().see(identity(1));
        assert_eq!(peers.meet(Uid(8), &name("bob")), Ok(Some(Uid(7))));
        let peer = peers.named(&name("bob")).unwrap();
        assert_eq!((peer.uid(), peer.had_identity()), (Uid(8), true));
        assert_eq!(peers.get_mut(Uid(8)).unwrap().see(identity(2)), Sight::Changed);
        assert_eq!(peers.get(Uid(8)).unwrap().trust().unwrap().sendable(), None);
        assert_eq!(peers.get(Uid(7)).unwrap().name(), None);
    }

    #[test]
    fn a_number_known_by_one_name_has_no_other() {
        let mut peers = Peers::default();
        peers.meet(Uid(7), &name("mallory")).unwrap();
        assert_eq!(peers.meet(Uid(7), &name("bob")), Err(Misnamed::Renamed));
        assert_eq!(peers.meet(Uid(7), &name("Mallory")), Ok(None), "names are compared without case");
    }

    #[test]
    fn accounts_have_a_bound() {
        let mut peers = Peers::default();
        for uid in 0..PEERS_MAX as u64 {
            assert!(peers.numbered(Uid(uid)).is_ok());
        }
        assert_eq!(peers.meet(Uid(PEERS_MAX as u64), &name("late")), Err(Misnamed::TooMany));
        assert!(peers.numbered(Uid(3)).is_ok());
    }

    #[test]
    fn devices_that_are_gone_are_forgotten_at_a_bound() {
        let mut peer = Peer::new(Uid(1), None);
        for number in 1..100 {
            peer.list(&[DeviceId::new(number).unwrap()].into());
            assert_eq!(peer.forget_gone(None).len(), usize::from(number as usize > DEVICES_KEPT_MAX));
        }
        assert_eq!((peer.devices.len(), peer.devices().count()), (DEVICES_KEPT_MAX, 1));
        peer.list(&[].into());
        let oldest = *peer.devices.keys().next().unwrap();
        peer.devices.insert(DeviceId::new(100).unwrap(), PeerDevice::default());
        assert_ne!(peer.forget_gone(Some(oldest)), [oldest]);
        assert_eq!(peer.devices.len(), DEVICES_KEPT_MAX);
    }
}
