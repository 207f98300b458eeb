//! Who is sent what next. One request at a time for each name: so neither a refusal nor an interruption
//! can change the order of what was said.
//!
//! ```text
//!            list not known, or too old ─► devices ─┐
//! next entry ┤ no identity there ─► plain, or refused if there was one before
//!            │ identity changed ─► held               │
//!            │ a session is missing ─► claim ─────────┤
//!            └ sealed and stored ─► send ─────────────┴─► and once more
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use crate::client::private::outbox::{Part, What};
use crate::client::private::{Asked, Private, Stage};
use crate::e2e::address::{Address, DAY_MS, DeviceId, Millis, Uid};
use crate::proto::command::Command;
use crate::proto::name::UserName;
use crate::proto::time::{Instant, Now};

/// What goes on for one name.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// A request is on its way.
    pub busy: bool,
    /// Nothing is tried before this.
    pub retry_at: Option<Instant>,
}

/// What to do with an entry.
enum Step {
    /// Look again: something was done at once.
    Again,
    /// A request is on its way, or nothing can be done.
    Wait,
}

impl Private {
    /// Does whatever has become possible.
    pub(in crate::client) fn advance(&mut self, now: Now) {
        self.clock = now;
        if self.pause.is_some_and(|pause| now.mono < pause) {
            return;
        }
        self.pause = None;
        match self.stage {
            Stage::Start => self.begin(),
            Stage::Ready => {
                self.refill(now);
                self.repair(now);
                self.plan_repair(now);
                self.gather(now);
                let names: Vec<UserName> = self.outbox.lanes().cloned().collect();
                for name in names {
                    self.serve(now, &name);
                }
                if !self.has_changes() {
                    self.acknowledge();
                }
            }
            _ => {}
        }
    }

    /// When something becomes possible by itself.
    pub(in crate::client) fn next_deadline(&self) -> Option<Instant> {
        let pairing = self.pairing.as_ref().map(|pairing| pairing.until);
        if !matches!(self.stage, Stage::Ready | Stage::Start | Stage::NeedsPairing | Stage::Off(_)) {
            return None;
        }
        let lanes = self.lanes.values().filter(|lane| !lane.busy).filter_map(|lane| lane.retry_at);
        let receipts = self.gathering.values().map(|gathering| gathering.due);
        let ready = self.stage == Stage::Ready;
        let ready = lanes.chain(receipts).chain(self.repair_due()).filter(|_| ready);
        ready.chain(self.pause).chain(pairing).min()
    }

    pub(in crate::client) fn handle_timeout(&mut self, now: Now) {
        self.expire_pairing(now);
        for lane in self.lanes.values_mut() {
            lane.retry_at = lane.retry_at.filter(|at| now.mono < *at);
        }
        self.advance(now);
    }

    /// Tells the server what was taken, after it was stored.
    pub(in crate::client) fn acknowledge(&mut self) {
        if self.ack_due && !self.ack_under_way && self.stage == Stage::Ready {
            (self.ack_due, self.ack_under_way) = (false, true);
            let seq = self.newest;
            self.ask(Command::Ack { seq }, Asked::Ack);
        }
    }

    pub(super) fn occupy_lane(&mut self, name: &UserName) {
        self.lanes.entry(name.clone()).or_default().busy = true;
    }

    pub(super) fn free_lane(&mut self, name: &UserName) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.busy = false;
        }
    }

    /// Nothing more for this name for a while.
    pub(super) fn rest_lane(&mut self, now: Now, name: &UserName, rest: Duration) {
        let lane = self.lanes.entry(name.clone()).or_default();
        (lane.busy, lane.retry_at) = (false, Some(now.mono + rest));
    }

    fn serve(&mut self, now: Now, name: &UserName) {
        loop {
            let held = self.is_held(name);
            let lane = self.lanes.entry(name.clone()).or_default();
            if lane.busy || lane.retry_at.is_some_and(|at| now.mono < at) {
                return;
            }
            lane.retry_at = None;
            let Some(order) = self.outbox.lane(name).find(|order| self.is_due(*order, held)) else {
                self.lanes.remove(name);
                return;
            };
            match self.step(now, name, order) {
                Step::Again => {}
                Step::Wait => return,
            }
        }
    }

    /// Receipts wait a moment for others to the same device. To somebody whose identity has changed goes
    /// what a person wants sent without encryption, and nothing else.
    pub(super) fn is_due(&self, order: u64, held: bool) -> bool {
        if held {
            return self.is_plain(order);
        }
        self.gathering.values().all(|gathering| gathering.order != order)
    }

    fn is_plain(&self, order: u64) -> bool {
        matches!(self.outbox.get(order).map(|entry| &entry.what), Some(What::Plain(_)))
    }

    fn step(&mut self, now: Now, name: &UserName, order: u64) -> Step {
        let own = self.me.as_ref() == Some(name);
        let plain = self.is_plain(order);
        let Some(uid) = self.fresh(now, name, own) else {
            self.ask_list(name);
            return Step::Wait;
        };
        let Some(uid) = uid.filter(|_| !plain) else {
            return self.step_plain(now, name, order);
        };
        if self.is_held(name) {
            return Step::Wait;
        }
        if let Some(entry) = self.outbox.get_mut(order) {
            entry.uid = Some(uid);
        }
        let targets = self.targets(order, uid, own);
        self.want(order, &targets);
        if self.claim_missing(now, name, order, uid) {
            return Step::Wait;
        }
        if self.seal_wanted(now, order) {
            return Step::Again;
        }
        if self.send_sealed(name, order, uid) {
            return Step::Wait;
        }
        // Nothing can be sealed for anybody.
        self.finish_or_fail(now, order, uid);
        Step::Again
    }

    /// The account behind a name, if what is known of it is fresh enough to send: `Some(None)` for one
    /// without keys.
    #[allow(clippy::option_option)]
    fn fresh(&self, now: Now, name: &UserName, own: bool) -> Option<Option<Uid>> {
        if own {
            return Some(self.uid());
        }
        if let Some(at) = self.guests.get(name) {
            return (now.mono.since_ms(*at) < PLAIN_FRESH_MS).then_some(None);
        }
        let peer = self.peers.named(name)?;
        if let Some(at) = peer.plain_at {
            return (now.mono.since_ms(at) < PLAIN_FRESH_MS).then_some(None);
        }
        let fetched = peer.fetched?;
        let age = Millis(now.wall.0).since(fetched);
        (age < LIST_FRESH_MS && peer.devices().next().is_some()).then_some(Some(peer.uid))
    }

    /// A message to somebody without keys, or what a person wants sent without.
    fn step_plain(&mut self, now: Now, name: &UserName, order: u64) -> Step {
        let Some(entry) = self.outbox.get(order) else { return Step::Again };
        match &entry.what {
            What::Plain(_) => {}
            What::Content(_) if self.had_identity(name) => {
                let text = format!(
                    "{name} had encryption, and the server says that there is none any more. Nothing was \
                     sent; /plain {name} TEXT sends without encryption, readable by the server"
                );
                self.fail(now, order, "encryption-missing", &text);
                return Step::Again;
            }
            What::Content(_) => {}
            // Without keys there is nobody to tell.
            What::Receipt(..) | What::Reset(..) | What::Own(_) => {
                self.drop_entry(order);
                return Step::Again;
            }
        }
        self.send_plain(now, name, order);
        Step::Wait
    }

    /// Asks for the list of somebody, if it is not fresh.
    pub(in crate::client) fn look_up(&mut self, name: &UserName) {
        let busy = self.lanes.get(name).is_some_and(|lane| lane.busy);
        let own = self.me.as_ref() == Some(name);
        if self.stage == Stage::Ready && !busy && !own && self.fresh(self.clock, name, own).is_none() {
            self.ask_list(name);
        }
    }

    fn ask_list(&mut self, name: &UserName) {
        self.occupy_lane(name);
        let command = Command::Devices { user: Some(name.shown().to_string().into()) };
        self.ask(command, Asked::Devices { lane: name.clone() });
    }

    pub(in crate::client) fn had_identity(&self, name: &UserName) -> bool {
        self.peers.named(name).is_some_and(|peer| peer.had_identity())
    }

    /// Who gets an envelope of an entry, as the lists are now.
    fn targets(&self, order: u64, uid: Uid, own: bool) -> BTreeSet<Address> {
        let Some(entry) = self.outbox.get(order) else { return BTreeSet::new() };
        let all = |uid: Uid| {
            let devices = self.peers.get(uid).into_iter().flat_map(|peer| peer.devices());
            devices.map(move |device| Address { uid, device })
        };
        match &entry.what {
            What::Receipt(to, _) | What::Reset(to, ..) => {
                all(to.uid).filter(|address| address == to).collect()
            }
            _ if own => all(uid).collect(),
            _ => all(uid).chain(self.uid().into_iter().flat_map(all)).collect(),
        }
    }

    /// Brings the parts of an entry in line with who is there. What is sent again is for whom it was
    /// first sent to alone: a device that came later does not get what was said before.
    fn want(&mut self, order: u64, targets: &BTreeSet<Address>) {
        let Some(entry) = self.outbox.get_mut(order) else { return };
        let before = entry.parts.len();
        entry.parts.retain(|address, part| {
            targets.contains(address) || matches!(part, Part::Stored { .. } | Part::Delivered)
        });
        let mut changed = before != entry.parts.len();
        if entry.sent.is_none() {
            for &address in targets {
                entry.parts.entry(address).or_insert_with(|| {
                    changed = true;
                    Part::Wanted { resent: 0 }
                });
            }
        }
        if changed {
            self.touch(order);
        }
    }

    /// The listed devices of an account.
    pub(super) fn listed(&self, uid: Uid) -> Vec<DeviceId> {
        self.peers.get(uid).into_iter().flat_map(|peer| peer.devices()).collect()
    }
}

/// How long a list of devices is good without asking again; the server says when it is not.
const LIST_FRESH_MS: u64 = DAY_MS;
/// How long an account is taken to have no keys: short, so that encryption begins when it is there.
const PLAIN_FRESH_MS: u64 = 60_000;
