//! The part of the model that is about keys, devices and mailboxes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sottovoce::e2e::address;
use sottovoce::e2e::dh::DhPublic;
use sottovoce::e2e::identity::IdentityKey;
use sottovoce::e2e::prekey;
use sottovoce::hub::job::keys::{
    Delivery, Gone, KeysJob, KeysRefusal, KeysReply, SendJob, SendRefusal, TokenId,
};
use sottovoce::proto::id::{AccountId, DeviceId, Origin, Seq};
use sottovoce::proto::keys::{
    Attached, Bundle, DeviceAbout, Envelope, NewEnvelope, NewPrekeys, OneTimePrekey, PublicKey, SignedPrekey,
};
use sottovoce::proto::limits::{
    DEVICES_PER_ACCOUNT_MAX, ENVELOPES_PAGE_MAX, MAILBOX_ENVELOPES_MAX, MAILBOX_SHARES, ONE_TIME_PREKEYS_MAX,
};
use sottovoce::proto::name::UserName;
use sottovoce::proto::time::Timestamp;

#[derive(Debug, Default)]
pub struct Keyring {
    accounts: BTreeMap<AccountId, Account>,
    /// Every envelope ever committed, by device: numbers of devices are never used again.
    pub archive: BTreeMap<(AccountId, DeviceId), Vec<Arc<Envelope>>>,
}

#[derive(Debug)]
struct Account {
    identity: PublicKey,
    last: u32,
    devices: BTreeMap<DeviceId, Device>,
}

#[derive(Debug)]
pub struct Device {
    name: Arc<str>,
    since: Timestamp,
    seen: Option<Timestamp>,
    run: u64,
    token: Option<TokenId>,
    signed: Option<SignedPrekey>,
    highest: u32,
    one_time: BTreeMap<u32, PublicKey>,
    pub taken: u64,
}

/// What a job did beside its reply.
pub enum Besides {
    Nothing,
    /// A session token of this account ends.
    EndToken(AccountId, TokenId),
}

impl Keyring {
    pub fn run(
        &mut self,
        job: &KeysJob,
        is_blocked: impl Fn(&UserName, AccountId) -> bool,
    ) -> (KeysReply, Besides) {
        let mut besides = Besides::Nothing;
        let reply = match job {
            KeysJob::Ack { origin, account, device, seq, now } => {
                self.with_device(*origin, *account, *device, |device| {
                    device.seen = Some(*now);
                    device.taken = device.taken.max(seq.0);
                    Ok(KeysReply::Acked { origin: *origin, seq: *seq })
                })
            }
            KeysJob::Attach { origin, account, device, run, token, now } => {
                let sent = self.archive.get(&(*account, *device)).map_or(0, Vec::len) as u64;
                self.with_device(*origin, *account, *device, |found| {
                    let attached = Attached {
                        device: *device,
                        run: found.run,
                        one_time: found.one_time.len() as u32,
                        one_time_next: u64::from(found.highest) + 1,
                        signed: found.signed.as_ref().map(|signed| (signed.id, signed.created)),
                        waiting: sent - found.taken,
                    };
                    (found.run, found.token, found.seen) = (found.run.max(*run), *token, Some(*now));
                    let taken = Seq(found.taken);
                    Ok(KeysReply::Attached { origin: *origin, account: *account, attached, taken })
                })
            }
            KeysJob::Claim { origin, from, target, .. } if is_blocked(from, *target) => {
                KeysReply::ClaimBlocked { origin: *origin, target: *target }
            }
            KeysJob::Claim { origin, target, devices, except, .. } => {
                let bundles = self.claim(*target, devices.as_deref(), *except);
                KeysReply::Claimed { origin: *origin, target: *target, bundles }
            }
            KeysJob::Devices { origin, account } => {
                let found = self.accounts.get(account);
                let devices = found.iter().flat_map(|account| &account.devices);
                let about = |(&device, found): (&DeviceId, &Device)| {
                    let (name, since, seen) = (found.name.clone(), found.since, found.seen);
                    (device, DeviceAbout { name, since, seen })
                };
                KeysReply::Devices {
                    origin: *origin,
                    account: *account,
                    identity: found.map(|account| account.identity),
                    devices: devices.filter(|(_, device)| device.signed.is_some()).map(about).collect(),
                }
            }
            KeysJob::Enroll { origin, account, identity, name, replace, now } => {
                let new = Device {
                    name: name.clone(),
                    since: *now,
                    seen: None,
                    run: 0,
                    token: None,
                    signed: None,
                    highest: 0,
                    one_time: BTreeMap::new(),
                    taken: 0,
                };
                self.enroll(*origin, *account, *identity, *replace, new)
            }
            KeysJob::Page { conn, account, device, after, bytes } => {
                let taken = self.device(*account, *device).map_or(u64::MAX, |device| device.taken);
                let all = self.archive.get(&(*account, *device)).map(Vec::as_slice).unwrap_or_default();
                let waits = |envelope: &&Arc<Envelope>| envelope.seq.0 > taken.max(after.0);
                let mut envelopes: Vec<Arc<Envelope>> = all.iter().filter(waits).cloned().collect();
                let mut room = *bytes;
                let fits = |envelope: &Arc<Envelope>| {
                    let rest = room.checked_sub(envelope.body.0.len());
                    rest.map(|rest| room = rest)
                };
                let count = envelopes.iter().map_while(fits).count().clamp(1, ENVELOPES_PAGE_MAX as usize);
                let more = envelopes.len() > count;
                envelopes.truncate(count);
                KeysReply::Page { conn: *conn, account: *account, device: *device, envelopes, more }
            }
            KeysJob::Publish { origin, account, prekeys } => self.publish(*origin, *account, prekeys),
            KeysJob::Revoke { origin, account, device } => {
                let devices = self.accounts.get_mut(account).map(|account| &mut account.devices);
                match devices.and_then(|devices| devices.remove(device)) {
                    Some(found) => {
                        let (origin, account, token) = (*origin, *account, found.token);
                        if let Some(token) = token {
                            besides = Besides::EndToken(account, token);
                        }
                        KeysReply::Revoked { origin, account, gone: gone(*device, found), token }
                    }
                    None => refused(*origin, KeysRefusal::NoSuchDevice),
                }
            }
            KeysJob::Send(job) => self.send(job, is_blocked(&job.from.user, job.to)),
        };
        (reply, besides)
    }

    pub fn device(&self, account: AccountId, device: DeviceId) -> Option<&Device> {
        self.accounts.get(&account)?.devices.get(&device)
    }

    pub fn identity(&self, account: AccountId) -> Option<PublicKey> {
        self.accounts.get(&account).map(|account| account.identity)
    }

    /// Devices that can be written to.
    pub fn published(&self, account: AccountId) -> Vec<DeviceId> {
        let devices = self.accounts.get(&account).into_iter().flat_map(|account| &account.devices);
        devices.filter(|(_, device)| device.signed.is_some()).map(|(&device, _)| device).collect()
    }

    fn with_device(
        &mut self,
        origin: Origin,
        account: AccountId,
        device: DeviceId,
        work: impl FnOnce(&mut Device) -> Result<KeysReply, KeysRefusal>,
    ) -> KeysReply {
        let found = self.accounts.get_mut(&account).and_then(|account| account.devices.get_mut(&device));
        let outcome = found.ok_or(KeysRefusal::NoSuchDevice).and_then(work);
        outcome.unwrap_or_else(|refusal| refused(origin, refusal))
    }

    fn enroll(
        &mut self,
        origin: Origin,
        id: AccountId,
        identity: PublicKey,
        replace: bool,
        new: Device,
    ) -> KeysReply {
        if IdentityKey::import(&identity.0).is_err() {
            return refused(origin, KeysRefusal::BadKey);
        }
        let fresh = || Account { identity, last: 0, devices: BTreeMap::new() };
        let account = self.accounts.entry(id).or_insert_with(fresh);
        let replaced = account.identity != identity;
        if replaced && !replace {
            return refused(origin, KeysRefusal::WrongIdentity);
        }
        let mut left = Vec::new();
        if replaced {
            account.identity = identity;
            left = std::mem::take(&mut account.devices).into_iter().collect();
        } else if account.devices.len() >= DEVICES_PER_ACCOUNT_MAX {
            let unknown = account.devices.iter().find(|(_, device)| device.signed.is_none());
            let Some(unknown) = unknown.map(|(&device, _)| device) else {
                return refused(origin, KeysRefusal::TooManyDevices);
            };
            left.extend(account.devices.remove_entry(&unknown));
        }
        account.last += 1;
        let device = DeviceId::new(account.last).expect("few");
        account.devices.insert(device, new);
        let gone = left.into_iter().map(|(device, found)| gone(device, found)).collect();
        KeysReply::Enrolled { origin, account: id, device, gone, replaced }
    }

    fn publish(&mut self, origin: Origin, id: AccountId, prekeys: &NewPrekeys) -> KeysReply {
        let identity = self.accounts.get(&id).map(|account| account.identity);
        self.with_device(origin, id, prekeys.device, |device| {
            let points = prekeys.signed.iter().map(|prekey| prekey.key);
            let mut points = points.chain(prekeys.one_time.iter().map(|prekey| prekey.key));
            if points.any(|key| DhPublic(key.0).check_published().is_err()) {
                return Err(KeysRefusal::BadKey);
            }
            let first = device.signed.is_none();
            match (&device.signed, &prekeys.signed) {
                (None, None) => return Err(KeysRefusal::MissingSigned),
                (Some(present), Some(new)) if present == new => {}
                (Some(present), Some(new)) if new.id <= present.id => return Err(KeysRefusal::OldSigned),
                (_, Some(new)) if !is_signed(identity, prekeys.device, new) => {
                    return Err(KeysRefusal::BadSignature);
                }
                (_, Some(_)) | (Some(_), None) => {}
            }
            let named: BTreeSet<u32> = prekeys.one_time.iter().map(|prekey| prekey.id).collect();
            let mut left = device.one_time.clone();
            left.retain(|id, _| !prekeys.replace || named.contains(id));
            let new = prekeys.one_time.iter().filter(|prekey| prekey.id > device.highest);
            left.extend(new.map(|prekey| (prekey.id, prekey.key)));
            if left.len() > ONE_TIME_PREKEYS_MAX {
                return Err(KeysRefusal::TooManyPrekeys);
            }
            device.highest = device.highest.max(named.last().copied().unwrap_or(0));
            device.one_time = left;
            device.signed = prekeys.signed.clone().or(device.signed.take());
            Ok(KeysReply::Published {
                origin,
                account: id,
                device: prekeys.device,
                name: device.name.clone(),
                one_time: device.one_time.len() as u32,
                first,
            })
        })
    }

    fn claim(
        &mut self,
        target: AccountId,
        wanted: Option<&[DeviceId]>,
        except: Option<DeviceId>,
    ) -> Vec<Bundle> {
        let Some(account) = self.accounts.get_mut(&target) else { return Vec::new() };
        let identity = account.identity;
        let asked = |device: &DeviceId| {
            wanted.is_none_or(|wanted| wanted.contains(device)) && except != Some(*device)
        };
        let devices = account.devices.iter_mut().filter(|(device, _)| asked(device));
        let bundle = |(&device, found): (&DeviceId, &mut Device)| {
            let signed = found.signed.clone()?;
            let one_time = found.one_time.pop_first().map(|(id, key)| OneTimePrekey { id, key });
            Some(Bundle { device, identity, signed, one_time })
        };
        devices.filter_map(bundle).collect()
    }

    fn send(&mut self, job: &SendJob, blocked: bool) -> KeysReply {
        let SendJob { origin, from, to, to_devices, own_devices, at, .. } = job;
        let refused = |refusal| KeysReply::SendRefused { origin: *origin, refusal };
        if self.device(from.account, from.device).is_none() {
            return refused(SendRefusal::NoSuchDevice);
        }
        if blocked {
            return refused(SendRefusal::Blocked);
        }
        let but_this = |mut devices: Vec<DeviceId>| {
            devices.retain(|device| *device != from.device);
            devices
        };
        let (their, own) = match *to == from.account {
            true => (but_this(self.published(*to)), Vec::new()),
            false => (self.published(*to), but_this(self.published(from.account))),
        };
        if their != *to_devices || own != *own_devices {
            return refused(SendRefusal::Changed { to: their, own });
        }
        let (mut kept, mut full) = (Vec::new(), Vec::new());
        for new in &job.envelopes {
            self.keep(job, *to, new, &mut kept, &mut full);
        }
        if kept.is_empty() && !full.is_empty() {
            return refused(SendRefusal::Full);
        }
        for new in &job.copies {
            self.keep(job, from.account, new, &mut kept, &mut full);
        }
        KeysReply::Sent { origin: *origin, to: *to, at: *at, kept, full }
    }

    fn keep(
        &mut self,
        job: &SendJob,
        account: AccountId,
        new: &NewEnvelope,
        kept: &mut Vec<Delivery>,
        full: &mut Vec<(AccountId, DeviceId)>,
    ) {
        let taken = self.device(account, new.device).expect("it is in the list").taken;
        let all = self.archive.entry((account, new.device)).or_default();
        let from = job.from.account;
        let waits = |envelope: &&Arc<Envelope>| envelope.seq.0 > taken && envelope.uid == from;
        let share = all.iter().filter(waits).count() as u64;
        let own = from == account;
        if all.len() as u64 - taken >= MAILBOX_ENVELOPES_MAX
            || !own && share >= MAILBOX_ENVELOPES_MAX / MAILBOX_SHARES
        {
            return full.push((account, new.device));
        }
        let envelope = Arc::new(Envelope {
            seq: Seq(all.len() as u64 + 1),
            from: job.from.user.shown().clone(),
            uid: job.from.account,
            device: job.from.device,
            at: job.at,
            body: new.body.clone(),
        });
        all.push(envelope.clone());
        kept.push(Delivery { account, device: new.device, envelope });
    }
}

fn gone(device: DeviceId, found: Device) -> Gone {
    Gone { device, name: found.name, published: found.signed.is_some() }
}

fn refused(origin: Origin, refusal: KeysRefusal) -> KeysReply {
    KeysReply::Refused { origin, refusal }
}

fn is_signed(identity: Option<PublicKey>, device: DeviceId, signed: &SignedPrekey) -> bool {
    let signed = prekey::SignedPrekey {
        id: signed.id,
        created: address::Millis(signed.created.0),
        public: DhPublic(signed.key.0),
        signature: signed.signature.0,
    };
    let device = address::DeviceId::new(device.number()).expect("the same bounds");
    let identity = identity.and_then(|identity| IdentityKey::import(&identity.0).ok());
    identity.is_some_and(|identity| signed.verify(&identity, device).is_ok())
}
