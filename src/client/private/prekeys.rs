//! Keys that the server gives out for us: published, renewed in time, and forgotten in the end.

use std::time::Duration;

use crate::client::private::row::Table;
use crate::client::private::start::on_wire;
use crate::client::private::{Asked, Private, Stage};
use crate::client::scrollback::Kind;
use crate::client::wire::keys;
use crate::e2e::address::Millis;
use crate::e2e::prekey;
use crate::e2e::prekey_store::{ONE_TIME_ON_SERVER, REFILL_BELOW};
use crate::proto::command::Command;
use crate::proto::keys::{NewPrekeys, OneTimePrekey, PublicKey, Signature, SignedPrekey};
use crate::proto::time::{Now, Timestamp};

impl Private {
    /// The first publication of a device: with it, it exists for others.
    pub(super) fn publish_first(&mut self, now: Now) {
        let Some(prekeys) = &self.prekeys else { return self.enroll(now) };
        self.stage = Stage::Publishing;
        let (signed, one_time) = (*prekeys.signed(), prekeys.one_time_from(1));
        self.publish(Some(signed), one_time, false);
    }

    fn publish(
        &mut self,
        signed: Option<prekey::SignedPrekey>,
        one_time: Vec<prekey::OneTimePrekey>,
        replace: bool,
    ) {
        let Some(device) = &self.device else { return };
        self.publishing = true;
        let device = on_wire(device.number);
        let signed = signed.map(|prekey| SignedPrekey {
            id: prekey.id,
            created: Timestamp(prekey.created.0),
            key: PublicKey(prekey.public.0),
            signature: Signature(prekey.signature),
        });
        let newest = one_time.len().saturating_sub(ONE_TIME_ON_SERVER as usize);
        let one_time = one_time.into_iter().skip(newest);
        let one_time =
            one_time.map(|prekey| OneTimePrekey { id: prekey.id, key: PublicKey(prekey.public.0) }).collect();
        let new = NewPrekeys { device, signed, one_time, replace };
        self.ask(Command::Prekeys(Box::new(new)), Asked::Prekeys);
    }

    pub(super) fn handle_published(&mut self, now: Now, published: &keys::Published) {
        self.publishing = false;
        self.published_at = Some(now.mono);
        self.stock = published.one_time;
        if self.stage != Stage::Publishing {
            return;
        }
        if let Some(device) = &mut self.device {
            device.published = true;
            self.dirty.device = true;
        }
        self.note_published();
        self.ask_own_devices();
        self.attach(now);
    }

    /// At login: what the server lacks, because a publication did not arrive, and what is due.
    pub(super) fn publish_missing(&mut self, now: Now, signed_there: u32, one_time_next: u32) {
        let (Some(account), Some(prekeys)) = (&self.account, &mut self.prekeys) else { return };
        let time = Millis(now.wall.0);
        let rotated = prekeys.rotate(&account.identity, time, &mut self.random).ok().flatten();
        let signed = rotated.or(Some(*prekeys.signed()).filter(|ours| ours.id > signed_there));
        let unpublished = prekeys.one_time_from(one_time_next);
        let there = self.stock.saturating_add(unpublished.len() as u32);
        let refill = prekeys.refill(there, time, &mut self.random).ok().flatten();
        self.dirty.prekeys |= rotated.is_some() || refill.is_some();
        let replace = refill.as_ref().is_some_and(|refill| refill.replaces);
        let one_time = if refill.is_some() { prekeys.one_time_from(one_time_next) } else { unpublished };
        if signed.is_some() || !one_time.is_empty() {
            self.publish(signed, one_time, replace);
        }
    }

    /// Between logins: fills up what others have taken. Not again at once: a server that never has enough
    /// would have keys made and stored without end.
    pub(super) fn refill(&mut self, now: Now) {
        if self.published_at.is_some_and(|at| now.mono < at + REFILL_EVERY) {
            return;
        }
        let Some(prekeys) = self.prekeys.as_mut().filter(|_| !self.publishing && self.stock < REFILL_BELOW)
        else {
            return;
        };
        if let Ok(Some(refill)) = prekeys.refill(self.stock, Millis(now.wall.0), &mut self.random) {
            self.dirty.prekeys = true;
            self.publish(None, refill.prekeys, refill.replaces);
        }
    }

    /// Begins behind whatever a state that is lost has published.
    pub(super) fn renew_prekeys(&mut self, now: Now, signed_there: u32, one_time_next: u32) {
        let (Some(account), Some(prekeys)) = (&self.account, &mut self.prekeys) else { return };
        let time = Millis(now.wall.0);
        let signed_from = signed_there.saturating_add(1);
        let renewed = prekeys.restart(&account.identity, signed_from, one_time_next, time, &mut self.random);
        let refilled = prekeys.refill(0, time, &mut self.random);
        self.dirty.prekeys = true;
        let (Ok(signed), Ok(Some(refill))) = (renewed, refilled) else {
            let text = "the numbers of this device's keys are used up: /revoke it, and pair it again";
            return self.note_server(now, Kind::Error, text);
        };
        self.publish(Some(signed), refill.prekeys, true);
    }

    /// Private halves that nothing under way can need, and the record of first messages made for them.
    pub(super) fn forget_old_prekeys(&mut self, now: Now) {
        let Some(prekeys) = &mut self.prekeys else { return };
        self.dirty.prekeys |= prekeys.expire(Millis(now.wall.0));
        for base in self.seen.retain_prekeys(|id| prekeys.has_signed(id)) {
            self.dirty.delete(Table::Seen, base.0.to_vec());
        }
    }
}

/// The least time between two publications. What is taken meanwhile is replaced by the signed prekey.
const REFILL_EVERY: Duration = Duration::from_secs(60);
