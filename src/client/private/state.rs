//! What there is to see of private messages, for interfaces.

use zeroize::Zeroizing;

use crate::client::private::offer::Offer;
use crate::client::private::outbox::{Part, What};
use crate::client::private::peers::Peer;
use crate::client::private::{Off, OwnDevice, Private, Stage, State, Waiting};
use crate::client::scrollback::Seal;
use crate::client::session::event::Ticket;
use crate::e2e::address::{Address, Uid};
use crate::e2e::content::Content;
use crate::e2e::fingerprint::{self, Fingerprint, SafetyNumber};
use crate::e2e::identity::IdentityKey;
use crate::e2e::recovery;
use crate::e2e::trust::{Standing, Trust};
use crate::proto::name::UserName;

impl Private {
    pub fn state(&self) -> State {
        match &self.stage {
            Stage::Offline => State::Offline,
            Stage::NeedsPairing => {
                State::NeedsPairing { code: self.pairing.as_ref().map(|pairing| pairing.code.clone()) }
            }
            Stage::Off(why) => State::Off(why.clone()),
            Stage::Ready => State::Ready,
            _ => State::Starting,
        }
    }

    /// Whether a private message is taken now: it goes out, or waits for the next connection.
    pub fn takes_messages(&self) -> bool {
        !matches!(self.stage, Stage::NeedsPairing | Stage::Off(_))
    }

    /// Without an account, or with a server that knows of no keys, messages can only go as they always did.
    pub(in crate::client) fn is_unavailable(&self) -> bool {
        matches!(self.stage, Stage::Off(Off::Guest | Off::ServerTooOld))
    }

    /// The account's number, once it is known.
    pub fn uid(&self) -> Option<Uid> {
        self.account.as_ref().map(|account| account.uid)
    }

    /// The account's identity, as this device has it.
    pub fn identity(&self) -> Option<&IdentityKey> {
        self.account.as_ref().map(|account| account.identity.public())
    }

    /// The thirty digits of this account: to be compared after pairing.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.account.as_ref().map(|account| Fingerprint::of(account.uid, account.identity.public()))
    }

    /// What stands in for a lost device: the identity as text. The call stands out, so that a reader
    /// sees where it goes.
    pub fn reveal_recovery_key(&self) -> Option<Zeroizing<String>> {
        self.account.as_ref().map(|account| recovery::recovery_key(&account.identity))
    }

    /// The number of this device, once it has one.
    pub fn device(&self) -> Option<u32> {
        self.device.as_ref().map(|device| device.number.number())
    }

    /// The account's devices as the server listed them last.
    pub fn devices(&self) -> &[OwnDevice] {
        &self.own_list
    }

    /// What [`Private::devices`] gives is from the server, or there is nothing to wait for.
    pub fn knows_devices(&self) -> bool {
        !self.own_list.is_empty() || matches!(self.stage, Stage::NeedsPairing | Stage::Off(_))
    }

    /// This account's own paste form, for the other's `/verify`.
    pub fn paste_form(&self) -> Option<String> {
        self.account.as_ref().map(|account| fingerprint::paste_form(account.uid, account.identity.public()))
    }

    /// Everybody whose keys are known.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        let me = self.uid();
        self.peers.iter().filter(move |peer| Some(peer.uid()) != me)
    }

    pub fn peer(&self, name: &UserName) -> Option<&Peer> {
        self.peers.named(name)
    }

    pub fn peer_numbered(&self, uid: Uid) -> Option<&Peer> {
        self.peers.get(uid)
    }

    /// The sixty digits that both sides see, of the identity that is there now. About two milliseconds.
    pub fn safety_number(&self, name: &UserName) -> Option<SafetyNumber> {
        let peer = self.peers.named(name)?;
        let theirs = Fingerprint::of(peer.uid(), peer.identity()?);
        Some(SafetyNumber::of(self.fingerprint()?, theirs))
    }

    /// How a conversation is protected.
    pub fn seal_of(&self, name: &UserName) -> Seal {
        if !self.takes_messages() {
            return Seal::NotEncrypted;
        }
        match self.peers.named(name).and_then(|peer| peer.trust().zip(Some(peer))) {
            Some((Trust::Changed { .. }, _)) => Seal::Changed,
            // It had an identity, and the server says that it has none: nothing is sent.
            Some((_, peer)) if peer.plain_at.is_some() => Seal::NotEncrypted,
            Some((trust, _)) => seal(trust),
            None => Seal::NotEncrypted,
        }
    }

    /// What waits to be sent to somebody, oldest first: to be shown below the last line, in a way that
    /// tells it is on its way.
    pub fn waiting(&self, name: &UserName) -> Vec<Waiting> {
        let held =
            self.peers.named(name).is_some_and(|peer| matches!(peer.trust(), Some(Trust::Changed { .. })));
        let entries = self.outbox.iter().filter(|(_, entry)| entry.to == *name && entry.sent.is_none());
        let waiting = entries.filter_map(|(_, entry)| match &entry.what {
            What::Content(content) | What::Plain(content) => {
                let content = Content::decode(content).ok()?;
                Some(Waiting { id: content.id, text: super::telling::summary(&content.kind)?, held })
            }
            What::Receipt(..) | What::Reset(..) | What::Own(_) => None,
        });
        waiting.collect()
    }

    /// Messages of all conversations that were accepted and that the server does not have.
    pub fn unconfirmed(&self) -> usize {
        self.outbox.waiting()
    }

    /// Whether somebody has opened a message that was sent from here; `None` if that is no longer known.
    pub fn is_delivered(&self, id: &crate::e2e::content::MessageId) -> Option<bool> {
        let me = self.uid();
        let (_, entry) = self.outbox.iter().rev().find(|(_, entry)| entry.id == *id)?;
        let of_reader = |address: &Address| Some(address.uid) != me;
        Some(entry.parts.iter().any(|(address, part)| of_reader(address) && matches!(part, Part::Delivered)))
    }

    /// Messages that the server has for somebody, and that none of the reader's devices has opened yet, as
    /// far back as that is known.
    pub fn undelivered(&self, name: &UserName) -> usize {
        let me = self.uid();
        let sent = self.outbox.iter().filter(|(_, entry)| {
            entry.to == *name && entry.sent.is_some() && matches!(entry.what, What::Content(_))
        });
        sent.filter(|(_, entry)| {
            let reader = || entry.parts.iter().filter(|(address, _)| Some(address.uid) != me);
            // Without any part it went to an identity that is gone.
            reader().next().is_some() && !reader().any(|(_, part)| matches!(part, Part::Delivered))
        })
        .count()
    }

    /// Who waits to be told what became of a message.
    pub(in crate::client) fn tickets(&self) -> Vec<Ticket> {
        self.outbox.iter().filter_map(|(_, entry)| entry.ticket).collect()
    }

    /// Files that were offered and neither taken nor declined, in the order of their senders.
    pub fn offers(&self) -> impl Iterator<Item = &Offer> {
        self.offers.values()
    }

    /// Nothing is on its way and nothing could be sent now: what was asked is answered.
    pub(in crate::client) fn is_settled(&self) -> bool {
        match self.stage {
            Stage::Ready => {
                let idle = self.lanes.values().all(|lane| !lane.busy);
                idle && !self.publishing && !self.ack_under_way && !self.ack_due && !self.has_work()
            }
            Stage::Offline | Stage::NeedsPairing | Stage::Off(_) => true,
            _ => false,
        }
    }

    /// Something of some lane could be sent.
    fn has_work(&self) -> bool {
        self.outbox.lanes().any(|name| {
            let waits = self.lanes.get(name).is_some_and(|lane| lane.retry_at.is_some());
            !waits && (!self.is_held(name) || self.outbox.lane(name).any(|order| self.is_due(order, true)))
        })
    }

    pub(super) fn address(&self) -> Option<Address> {
        let (account, device) = (self.account.as_ref()?, self.device.as_ref()?);
        Some(account.address(device.number))
    }

    /// The identity that may be written to.
    pub(super) fn trusted(&self, uid: Uid) -> Option<IdentityKey> {
        let account = self.account.as_ref()?;
        if account.uid == uid {
            return Some(*account.identity.public());
        }
        self.peers.get(uid)?.trust()?.sendable().copied()
    }

    /// Nothing is sent to somebody whose identity has changed.
    pub(super) fn is_held(&self, name: &UserName) -> bool {
        let trust = self.peers.named(name).and_then(Peer::trust);
        matches!(trust, Some(Trust::Changed { .. }))
    }
}

/// What a message of somebody so trusted is marked with.
pub(super) fn seal(trust: &Trust) -> Seal {
    match trust {
        Trust::Changed { .. } => Seal::Changed,
        Trust::Known { standing: Standing::Pinned, .. } => Seal::Encrypted,
        Trust::Known { standing: Standing::Verified, .. } => Seal::Verified,
    }
}
