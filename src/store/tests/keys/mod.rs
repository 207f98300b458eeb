//! Keys, devices and mailboxes.

mod broken;
mod devices;
mod mailboxes;
mod prekeys;
mod sending;

use super::*;
use crate::e2e::address;
use crate::e2e::dh::DhPublic;
use crate::e2e::identity::Identity;
use crate::e2e::prekey;
use crate::hub::job::keys::{Delivery, Gone, KeysJob, KeysRefusal, KeysReply, SendJob, SendRefusal, Sender};
use crate::proto::id::DeviceId;
use crate::proto::keys::{
    Attached, Bundle, DeviceAbout, Envelope, NewEnvelope, NewPrekeys, OneTimePrekey, PublicKey, Sealed,
    Signature, SignedPrekey,
};
use crate::proto::limits::PAGE_BYTES_MAX;
use crate::store::operator::Operator;

/// Somebody's identity, by a number.
fn identity(number: u8) -> Identity {
    Identity::from_seed(&[number; 32])
}

fn public(number: u8) -> PublicKey {
    PublicKey(*identity(number).public().bytes())
}

fn device(number: u32) -> DeviceId {
    DeviceId::new(number).expect("a device's number")
}

/// A prekey that this identity signed for this device.
fn signed(signer: u8, number: u32, id: u32) -> SignedPrekey {
    let (created, point) = (address::Millis(NOW.0), DhPublic([id as u8 + 9; 32]));
    let owner = address::DeviceId::new(number).expect("a device's number");
    let made = prekey::SignedPrekey::sign(&identity(signer), owner, id, created, point);
    let (key, signature) = (PublicKey(point.0), Signature(made.signature));
    SignedPrekey { id, created: NOW, key, signature }
}

fn one_time(ids: impl IntoIterator<Item = u32>) -> Vec<OneTimePrekey> {
    let key = |id: u32| {
        let mut key = [9; 32];
        key[..4].copy_from_slice(&id.to_be_bytes());
        PublicKey(key)
    };
    ids.into_iter().map(|id| OneTimePrekey { id, key: key(id) }).collect()
}

/// An envelope that names itself.
fn envelope(number: u32, length: usize, name: u8) -> NewEnvelope {
    let mut body = vec![0; length];
    (body[0], body[1], body[length - 1]) = (1, 2, name);
    NewEnvelope { device: device(number), body: Sealed(body.into()) }
}

fn ids(prekeys: &[OneTimePrekey]) -> Vec<u32> {
    prekeys.iter().map(|prekey| prekey.id).collect()
}

impl Bench {
    fn keys(&mut self, job: KeysJob) -> KeysReply {
        match self.run(StoreJob::Keys(job)) {
            StoreReply::Keys(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(&mut self, job: KeysJob) -> KeysRefusal {
        match self.keys(job) {
            KeysReply::Refused { origin: ORIGIN, refusal } => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// A new device of an account whose identity is number 1.
    pub fn enroll(&mut self, account: AccountId, name: &str) -> u32 {
        match self.keys(enrolment(account, 1, name, false)) {
            KeysReply::Enrolled { device, .. } => device.number(),
            other => panic!("{other:?}"),
        }
    }

    fn publish(&mut self, account: AccountId, number: u32, prekeys: NewPrekeys) -> u32 {
        let prekeys = Box::new(NewPrekeys { device: device(number), ..prekeys });
        match self.keys(KeysJob::Publish { origin: ORIGIN, account, prekeys }) {
            KeysReply::Published { one_time, .. } => one_time,
            other => panic!("{other:?}"),
        }
    }

    /// A new device that can be written to, with one-time prekeys 1 to 3.
    fn published(&mut self, account: AccountId, name: &str) -> u32 {
        let number = self.enroll(account, name);
        self.publish(account, number, new_prekeys(Some(signed(1, number, 1)), one_time(1..=3)));
        number
    }

    fn claim(&mut self, target: AccountId) -> Vec<Bundle> {
        let job =
            KeysJob::Claim { origin: ORIGIN, from: user("somebody"), target, devices: None, except: None };
        match self.keys(job) {
            KeysReply::Claimed { bundles, .. } => bundles,
            other => panic!("{other:?}"),
        }
    }

    fn attach(&mut self, account: AccountId, number: u32, run: u64) -> (Attached, u64) {
        let (device, token) = (device(number), None);
        match self.keys(KeysJob::Attach { origin: ORIGIN, account, device, run, token, now: NOW }) {
            KeysReply::Attached { attached, taken, .. } => (attached, taken.0),
            other => panic!("{other:?}"),
        }
    }

    /// What waits behind a position, as far as one page goes.
    fn wait(&mut self, account: AccountId, number: u32, after: u64) -> (Vec<u64>, bool) {
        let (device, after, bytes) = (device(number), Seq(after), PAGE_BYTES_MAX);
        let page = KeysJob::Page { conn: GUEST, account, device, after, bytes };
        match self.keys(page) {
            KeysReply::Page { envelopes, more, .. } => {
                (envelopes.iter().map(|envelope| envelope.seq.0).collect(), more)
            }
            other => panic!("{other:?}"),
        }
    }

    fn ack(&mut self, account: AccountId, number: u32, seq: u64) {
        let (device, now) = (device(number), later(MS));
        let job = KeysJob::Ack { origin: ORIGIN, account, device, seq: Seq(seq), now };
        assert!(matches!(self.keys(job), KeysReply::Acked { seq: acked, .. } if acked.0 == seq));
    }

    fn list(&mut self, account: AccountId) -> (Option<PublicKey>, Vec<(DeviceId, DeviceAbout)>) {
        match self.keys(KeysJob::Devices { origin: ORIGIN, account }) {
            KeysReply::Devices { identity, devices, .. } => (identity, devices),
            other => panic!("{other:?}"),
        }
    }

    fn remove_user(&self, name: &str) {
        let mut operator = Operator::open(self.dir.path()).expect("opens");
        operator.remove_user(&user(name)).expect("removes");
    }
}

fn enrolment(account: AccountId, identity: u8, name: &str, replace: bool) -> KeysJob {
    let (identity, name) = (public(identity), name.into());
    KeysJob::Enroll { origin: ORIGIN, account, identity, name, replace, now: NOW }
}

/// For whichever device it is published.
fn new_prekeys(signed: Option<SignedPrekey>, one_time: Vec<OneTimePrekey>) -> NewPrekeys {
    NewPrekeys { device: device(1), signed, one_time, replace: false }
}
