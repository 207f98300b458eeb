//! From an entry to envelopes on their way: sessions that are missing, sealing, and sending.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand_core::Rng;
use zeroize::Zeroizing;

use crate::client::private::outbox::{Part, What};
use crate::client::private::start::on_wire;
use crate::client::private::{Asked, Private};
use crate::client::scrollback::Kind;
use crate::client::wire::Refused;
use crate::client::wire::keys;
use crate::e2e::address::{Address, DeviceId, Millis, Uid};
use crate::e2e::content::{self, Content, MessageId, ReceiptState};
use crate::e2e::error::Error;
use crate::e2e::identity::IdentityKey;
use crate::e2e::session::Session;
use crate::e2e::session_set::SessionSet;
use crate::proto::command::Command;
use crate::proto::keys::{NewEnvelope, Sealed, Sending};
use crate::proto::name::UserName;
use crate::proto::refusal::Code;
use crate::proto::time::Now;

impl Private {
    /// Asks for the keys of devices that there is no session with; `false` if none is missing. First
    /// those of the reader, then one's own.
    pub(super) fn claim_missing(&mut self, now: Now, lane: &UserName, order: u64, reader: Uid) -> bool {
        let Some(entry) = self.outbox.get(order) else { return false };
        let anew = matches!(entry.what, What::Reset(_, _, false));
        let wanted = entry.parts.iter().filter(|(_, part)| matches!(part, Part::Wanted { .. }));
        let missing: Vec<Address> = wanted
            .map(|(address, _)| *address)
            .filter(|address| (anew || !self.can_seal(*address)) && self.can_claim(now, *address))
            .collect();
        let Some(uid) = missing.iter().map(|address| address.uid).min_by_key(|uid| *uid != reader) else {
            return false;
        };
        let devices: Vec<DeviceId> =
            missing.iter().filter(|address| address.uid == uid).map(|address| address.device).collect();
        let Some(user) = (if Some(uid) == self.uid() { self.me.clone() } else { self.name_of(uid) }) else {
            return false;
        };
        let numbers = devices.iter().map(|device| on_wire(*device)).collect();
        self.occupy_lane(lane);
        let command = Command::Claim { user: user.shown().to_string().into(), devices: Some(numbers) };
        self.ask(command, Asked::Claim { lane: lane.clone(), uid, devices });
        true
    }

    fn can_seal(&self, to: Address) -> bool {
        let identity = self.trusted(to.uid);
        identity.is_some_and(|identity| self.sets.get(&to).is_some_and(|set| set.can_send(&identity)))
    }

    fn can_claim(&self, now: Now, address: Address) -> bool {
        let device = self.peers.get(address.uid).and_then(|peer| peer.devices.get(&address.device));
        device.is_some_and(|device| device.bad.is_none() && device.wait.is_none_or(|until| now.mono >= until))
    }

    /// The reply to `claim`: begins sessions with those devices that are what they should be.
    pub(super) fn handle_claimed(
        &mut self,
        now: Now,
        lane: &UserName,
        uid: Uid,
        devices: &[DeviceId],
        claimed: keys::Claimed,
    ) {
        self.free_lane(lane);
        let mut missing: BTreeSet<DeviceId> = devices.iter().copied().collect();
        if Uid(claimed.uid) == uid {
            for bundle in claimed.bundles {
                let Ok(device) = DeviceId::new(bundle.device) else { continue };
                if missing.remove(&device)
                    && let Err(error) = self.take_bundle(now, uid, bundle)
                {
                    self.mark_bad(now, Address { uid, device }, error);
                }
            }
        }
        for device in missing {
            self.mark_bad(now, Address { uid, device }, Error::NoSession);
        }
    }

    fn take_bundle(&mut self, now: Now, uid: Uid, bundle: keys::Bundle) -> Result<(), Error> {
        let bundle = bundle.into_bundle().map_err(|_| Error::Malformed)?;
        let address = Address { uid, device: bundle.device };
        let pinned = self.trusted(uid);
        let offered = bundle.identity;
        let checked = match bundle.check(uid, pinned.as_ref(), Millis(now.wall.0)) {
            Err(Error::IdentityChanged) if Some(uid) != self.uid() => {
                self.see_identity(now, uid, IdentityKey::import(&offered)?);
                return Err(Error::IdentityChanged);
            }
            checked => checked?,
        };
        if pinned.is_none() {
            // Known, and not trusted at the moment: nothing is begun.
            return Err(Error::IdentityChanged);
        }
        let (Some(me), Some(account)) = (self.address(), &self.account) else { return Err(Error::NoSession) };
        let session = Session::initiate(&account.identity, me, &checked, &mut self.random)?;
        if !self.sets.contains_key(&address) && self.sets.len() >= SETS_MAX {
            return Err(Error::Exhausted);
        }
        self.sets.entry(address).or_insert_with(|| SessionSet::new(me, address)).add(session)?;
        self.dirty.sets.insert(address);
        for order in self.resets_to(address) {
            if let Some(What::Reset(_, _, begun)) = self.outbox.get_mut(order).map(|entry| &mut entry.what) {
                *begun = true;
            }
            self.touch(order);
        }
        Ok(())
    }

    fn resets_to(&self, address: Address) -> Vec<u64> {
        let waits = |what: &What| matches!(what, What::Reset(to, _, false) if *to == address);
        let resets = self.outbox.iter().filter(|(_, entry)| entry.sent.is_none() && waits(&entry.what));
        resets.map(|(order, _)| order).collect()
    }

    /// Nothing can be sealed for this device; said once until the list is fetched again.
    fn mark_bad(&mut self, now: Now, address: Address, error: Error) {
        let own = Some(address.uid) == self.uid();
        let Some(peer) = self.peers.get_mut(address.uid) else { return };
        let name = peer.name.clone();
        if let Some(device) = peer.devices.get_mut(&address.device) {
            device.bad = Some(error);
        }
        if error == Error::IdentityChanged && !own {
            return;
        }
        let number = address.device.number();
        let why = match error {
            Error::NoSession => "the server gives out no keys of it".to_owned(),
            Error::BadSignature => {
                "it is not signed by the account's identity, so somebody else's".to_owned()
            }
            error => error.to_string(),
        };
        match name.filter(|_| !own) {
            Some(name) => {
                let text = format!("device {number} of {name} gets no messages: {why}");
                self.note(now, &name, Kind::Error, &text);
            }
            None => {
                let text = format!("your device {number} gets no copies: {why}");
                self.note_server(now, Kind::Error, &text);
            }
        }
    }

    pub(super) fn handle_claim_refused(
        &mut self,
        now: Now,
        lane: &UserName,
        uid: Uid,
        devices: &[DeviceId],
        refused: &Refused,
    ) {
        self.free_lane(lane);
        if refused.is(Code::Blocked) {
            // As it would have been for what is to be sent.
            return self.fail_lane(now, lane, &refused.code.0, &refused.text.0);
        }
        if !refused.is(Code::TooMany) {
            for &device in devices {
                self.mark_bad(now, Address { uid, device }, Error::NoSession);
            }
            return;
        }
        // So many keys in so short a time: whoever has a session gets it, the others later.
        if let Some(peer) = self.peers.get_mut(uid) {
            for device in devices {
                if let Some(device) = peer.devices.get_mut(device) {
                    device.wait = Some(now.mono + CLAIM_REST);
                }
            }
        }
    }

    /// Seals every part that has a session. `true` if a session was used up, so that it must be looked at
    /// once more.
    pub(super) fn seal_wanted(&mut self, now: Now, order: u64) -> bool {
        let Some(entry) = self.outbox.get(order) else { return false };
        let anew = matches!(entry.what, What::Reset(_, _, false));
        let wanted = entry.parts.iter().filter_map(|(address, part)| match part {
            Part::Wanted { resent } if !anew => Some((*address, *resent)),
            _ => None,
        });
        let wanted: Vec<(Address, u8)> = wanted.filter(|(address, _)| self.can_seal(*address)).collect();
        let mut copy = None;
        let mut used_up = false;
        for (address, resent) in wanted {
            let Some(identity) = self.trusted(address.uid) else { continue };
            let Some(content) = self.content_for(now, order, address, &mut copy) else { continue };
            let Some(set) = self.sets.get_mut(&address) else { continue };
            match set.seal(&identity, &content, &mut self.random) {
                Ok(bytes) => {
                    if let Some(entry) = self.outbox.get_mut(order) {
                        entry.parts.insert(address, Part::Sealed { bytes: bytes.into(), resent });
                    }
                    self.touch(order);
                }
                Err(_) => {
                    set.close_for_sending();
                    used_up = true;
                }
            }
            self.dirty.sets.insert(address);
        }
        used_up
    }

    /// What is sealed for a device: the message itself, a copy of it, or what the entry stands for.
    fn content_for(
        &mut self,
        now: Now,
        order: u64,
        to: Address,
        copy: &mut Option<Zeroizing<Vec<u8>>>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let own = Some(to.uid) == self.uid();
        let entry = self.outbox.get(order)?;
        let kind = match &entry.what {
            What::Content(content) if own => {
                if copy.is_none() {
                    let what = Box::new(Content::decode(content).ok()?);
                    let (to, name) = (entry.uid?, Some(entry.to.shown().to_string()));
                    let (id, made) = (entry.id, entry.made);
                    *copy = Content::new(id, made, content::Kind::Sent { to, name, what }).encode().ok();
                }
                return copy.clone();
            }
            What::Content(content) | What::Own(content) => return Some(content.clone()),
            What::Plain(_) => return None,
            What::Receipt(_, ids) => {
                content::Kind::Receipt { ids: ids.clone(), state: ReceiptState::Delivered }
            }
            What::Reset(_, lost, _) => content::Kind::Reset { lost: lost.clone() },
        };
        let id = self.new_id();
        Content::new(id, Millis(now.wall.0), kind).encode().ok()
    }

    pub(super) fn new_id(&mut self) -> MessageId {
        let mut id = [0; 16];
        self.random.fill_bytes(&mut id);
        MessageId(id)
    }

    /// Sends envelopes that are sealed and not confirmed, as many as one line holds; `false` if there are
    /// none.
    pub(super) fn send_sealed(&mut self, lane: &UserName, order: u64, reader: Uid) -> bool {
        let own = self.uid();
        let Some(entry) = self.outbox.get(order) else { return false };
        let (mut envelopes, mut copies, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        let mut bytes = 0;
        for (&address, part) in &entry.parts {
            let Part::Sealed { bytes: body, .. } = part else { continue };
            let length = body.len().div_ceil(3) * 4 + ENVELOPE_FRAME_BYTES;
            if !parts.is_empty() && (bytes + length > SEND_BYTES_MAX || parts.len() >= ENVELOPES_MAX) {
                break;
            }
            bytes += length;
            parts.push(address);
            let body = NewEnvelope { device: on_wire(address.device), body: Sealed(Arc::clone(body)) };
            if address.uid == reader { envelopes.push(body) } else { copies.push(body) }
        }
        if parts.is_empty() {
            return false;
        }
        let numbers = |uid: Uid| self.listed(uid).into_iter().map(on_wire).collect::<Vec<_>>();
        let to = numbers(reader);
        let own = own.filter(|own| *own != reader).map(numbers).unwrap_or_default();
        let user = lane.shown().to_string().into();
        let sending = Sending { user, to, own, envelopes, copies };
        self.occupy_lane(lane);
        self.ask(Command::Send(Box::new(sending)), Asked::Send { lane: lane.clone(), order, parts });
        true
    }
}

/// Bytes of envelopes in one line, in base64. The server takes 65,536 unless its operator said
/// otherwise; the rest is for the lists of devices and the names of the fields.
const SEND_BYTES_MAX: usize = 59_000;
/// Envelopes in one request, as the protocol says.
const ENVELOPES_MAX: usize = 16;
/// `{"device":2147483647,"body":""},`
const ENVELOPE_FRAME_BYTES: usize = 32;
/// After the server said that too many keys were asked for: it counts by the hour.
const CLAIM_REST: Duration = Duration::from_secs(10 * 60);
/// Devices that there are sessions with, some kilobytes each. Beyond that somebody is flooding us.
pub const SETS_MAX: usize = 10_000;
