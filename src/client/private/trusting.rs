//! What a person decides about somebody's identity, on this device and on the others.

use crate::client::private::Private;
use crate::client::private::outbox::{Entry, Part, What};
use crate::client::private::peers::Peer;
use crate::client::scrollback::Kind;
use crate::e2e::address::{Millis, Uid};
use crate::e2e::content::{self, Content, PAIR_TRUST_MAX};
use crate::e2e::fingerprint;
use crate::e2e::identity::IdentityKey;
use crate::e2e::pairing::TrustEntry;
use crate::e2e::trust::{Standing, Trust};
use crate::proto::name::UserName;
use crate::proto::time::Now;

/// What came of comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same: marked as verified.
    Verified,
    /// Another identity, or another account: somebody may stand between.
    Different,
    /// Neither a paste form nor a safety number.
    Unreadable,
    /// No identity of this user is known yet.
    Unknown,
}

impl Private {
    /// Compares what the other has shown (the paste form, or the sixty digits) with what is here, and marks
    /// the identity as verified only if they are equal.
    pub(in crate::client) fn verify(&mut self, now: Now, name: &UserName, shown: &str) -> Comparison {
        let Some((uid, identity)) =
            self.peers.named(name).and_then(|peer| Some((peer.uid, *peer.identity()?)))
        else {
            return Comparison::Unknown;
        };
        let digits: String = shown.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let same = if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            self.safety_number(name).is_some_and(|number| number.as_str() == digits)
        } else {
            match fingerprint::paste_form_matches(shown, uid, &identity) {
                Ok(same) => same,
                Err(_) => return Comparison::Unreadable,
            }
        };
        if !same {
            let text = format!(
                "identity-changed: what you compared does NOT belong to the identity that {name} has here. \
                 Somebody may stand between; do not send anything secret"
            );
            self.note_for_good(now, uid, Kind::Error, &text);
            return Comparison::Different;
        }
        self.decide(now, uid, |trust| trust.verified(identity));
        let text = format!("the identity of {name} is verified");
        self.note_for_good(now, uid, Kind::Notice, &text);
        Comparison::Verified
    }

    /// Accepts an identity that has changed, without comparing. `false` if none has.
    pub(in crate::client) fn accept(&mut self, now: Now, name: &UserName) -> bool {
        let Some(Trust::Changed { identity, .. }) = self.peers.named(name).and_then(Peer::trust).copied()
        else {
            return false;
        };
        let Some(uid) = self.peers.named(name).map(|peer| peer.uid) else { return false };
        self.decide(now, uid, |trust| trust.accepted(&identity));
        let text = format!("the new identity of {name} is accepted without comparing it");
        self.note_for_good(now, uid, Kind::Notice, &text);
        true
    }

    fn decide(&mut self, now: Now, uid: Uid, decision: impl FnOnce(Trust) -> Trust) {
        let Some(peer) = self.peers.get_mut(uid) else { return };
        let Some(before) = peer.trust else { return };
        let after = decision(before);
        if after == before {
            return;
        }
        self.set_trust(uid, after);
        let Trust::Known { identity, standing } = after else { return };
        self.tell_own_devices(now, vec![TrustEntry { uid, identity, standing }]);
    }

    /// Another standing, and what follows from it.
    fn set_trust(&mut self, uid: Uid, trust: Trust) {
        let Some(peer) = self.peers.get_mut(uid) else { return };
        let replaced = peer.identity().copied() != trust.sendable().copied()
            || matches!(peer.trust, Some(Trust::Changed { .. }));
        peer.trust = Some(trust);
        peer.heir_of = None;
        for device in peer.devices.values_mut() {
            device.bad = None;
        }
        let name = peer.name.clone();
        self.dirty.peers.insert(uid);
        if replaced {
            self.let_go_of(uid);
        }
        self.changed(name);
    }

    /// What was sealed for an identity that is not this account's any more is sealed anew; what was sent
    /// to it is not sent again to another.
    fn let_go_of(&mut self, uid: Uid) {
        let concerned =
            self.outbox.iter().filter(|(_, entry)| entry.parts.keys().any(|address| address.uid == uid));
        let orders: Vec<u64> = concerned.map(|(order, _)| order).collect();
        for order in orders {
            let Some(entry) = self.outbox.get_mut(order) else { continue };
            if entry.sent.is_some() {
                entry.parts.retain(|address, _| address.uid != uid);
            } else {
                for (address, part) in &mut entry.parts {
                    if address.uid == uid && matches!(part, Part::Sealed { .. }) {
                        *part = Part::Wanted { resent: 0 };
                    }
                }
            }
            self.touch(order);
        }
    }

    /// One's other devices take over what was decided here.
    fn tell_own_devices(&mut self, now: Now, trust: Vec<TrustEntry>) {
        let (Some(me), Some(uid)) = (self.me.clone(), self.uid()) else { return };
        if self.listed(uid).is_empty() || trust.len() > PAIR_TRUST_MAX {
            return;
        }
        let (id, made) = (self.new_id(), Millis(now.wall.0));
        let Ok(content) = Content::new(id, made, content::Kind::PairTrust { trust }).encode() else { return };
        let mut entry = Entry::new(me, id, made, What::Own(content));
        entry.uid = Some(uid);
        let order = self.outbox.push(entry);
        self.touch(order);
    }

    /// What a person has decided on another device of this account. A verified identity counts here as
    /// well; one that was only pinned does not replace another one without the person.
    pub(super) fn take_decisions(&mut self, now: Now, decisions: Vec<TrustEntry>) {
        for TrustEntry { uid, identity, standing } in decisions {
            if Some(uid) == self.uid() {
                continue;
            }
            let Ok(peer) = self.peers.numbered(uid) else { return };
            let next = agree(peer.trust, identity, standing);
            if peer.trust == Some(next) {
                continue;
            }
            let name = peer.name.clone();
            self.set_trust(uid, next);
            let Some(name) = name else { continue };
            let (kind, text) = match next {
                Trust::Changed { .. } => (
                    Kind::Error,
                    format!(
                        "identity-changed: {name} has another identity on another device of yours. \
                         Nothing is sent until you compare it with /verify {name}, or accept it with \
                         /trust {name}"
                    ),
                ),
                Trust::Known { standing: Standing::Verified, .. } => {
                    (Kind::Notice, format!("you verified the identity of {name} on another device"))
                }
                Trust::Known { .. } => {
                    (Kind::Notice, format!("you accepted the identity of {name} on another device"))
                }
            };
            self.note_for_good(now, uid, kind, &text);
        }
    }

    /// What goes along to a device that is paired: verified identities first.
    pub(super) fn known_identities(&self, count: usize) -> Vec<TrustEntry> {
        let me = self.uid();
        let mut known: Vec<TrustEntry> = self
            .peers
            .iter()
            .filter(|peer| Some(peer.uid) != me)
            .filter_map(|peer| match peer.trust? {
                Trust::Known { identity, standing } => Some(TrustEntry { uid: peer.uid, identity, standing }),
                Trust::Changed { before, standing_before, .. } => {
                    Some(TrustEntry { uid: peer.uid, identity: before, standing: standing_before })
                }
            })
            .collect();
        known.sort_by_key(|entry| entry.standing != Standing::Verified);
        known.truncate(count);
        known
    }
}

/// What is known here, and what another device of this person has decided.
fn agree(here: Option<Trust>, identity: IdentityKey, standing: Standing) -> Trust {
    let theirs = Trust::Known { identity, standing };
    match (here, standing) {
        (None, _) | (Some(_), Standing::Verified) => theirs,
        (Some(here @ Trust::Changed { identity: shown, .. }), Standing::Pinned) => {
            if shown == identity {
                theirs
            } else {
                here
            }
        }
        (Some(here @ Trust::Known { .. }), Standing::Pinned) => here.seen(identity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2e::identity::Identity;

    #[test]
    fn devices_of_one_person_agree() {
        let [one, two] = [1, 2].map(|seed| *Identity::from_seed(&[seed; 32]).public());
        let known = |identity, standing| Trust::Known { identity, standing };
        let (pinned, verified) = (Standing::Pinned, Standing::Verified);
        let changed = known(one, pinned).seen(two);
        assert_eq!(agree(None, one, pinned), known(one, pinned));
        assert_eq!(agree(Some(known(one, pinned)), one, verified), known(one, verified));
        assert_eq!(agree(Some(known(one, verified)), one, pinned), known(one, verified), "never less");
        assert_eq!(agree(Some(changed), two, pinned), known(two, pinned), "accepted there");
        assert_eq!(agree(Some(changed), one, pinned), changed);
        assert_eq!(agree(Some(known(one, verified)), two, verified), known(two, verified));
        assert_eq!(agree(Some(known(one, pinned)), two, pinned), known(one, pinned).seen(two), "shown here");
    }
}
