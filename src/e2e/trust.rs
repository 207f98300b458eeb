//! Whether the identity of an account is the one we know.
//!
//! ```text
//! (unknown) ── first seen ──► Pinned ── verified ──► Verified
//!                               │ another identity is seen │
//!                               └────────► Changed ◄───────┘   nothing is sent in this state
//!                    accepted: Pinned ◄──┘    └──► verified: Verified
//! ```

use serde::{Deserialize, Serialize};

use crate::e2e::identity::IdentityKey;

/// How well the known identity is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Seen first, and trusted for that.
    Pinned,
    /// Compared by people, or by the program with the paste form.
    Verified,
}

/// What is known of one account's identity; an account never seen has none. Stored as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Trust {
    Known {
        identity: IdentityKey,
        standing: Standing,
    },
    /// Another identity appeared: `identity` is the new one, not accepted yet.
    Changed {
        before: IdentityKey,
        standing_before: Standing,
        identity: IdentityKey,
    },
}

impl Trust {
    /// The first identity seen of an account.
    pub fn first(identity: IdentityKey) -> Trust {
        Trust::Known { identity, standing: Standing::Pinned }
    }

    /// Whom messages may be sealed for; none while a change waits for a person.
    pub fn sendable(&self) -> Option<&IdentityKey> {
        match self {
            Trust::Known { identity, .. } => Some(identity),
            Trust::Changed { .. } => None,
        }
    }

    /// An identity was seen, in a bundle or a message. If it is the one from before a change, the
    /// change is still there: it is for a person to judge.
    pub fn seen(self, seen: IdentityKey) -> Trust {
        match self {
            Trust::Known { identity, .. } if identity == seen => self,
            Trust::Known { identity, standing } => {
                Trust::Changed { before: identity, standing_before: standing, identity: seen }
            }
            Trust::Changed { before, .. } if before == seen => self,
            Trust::Changed { before, standing_before, .. } => {
                Trust::Changed { before, standing_before, identity: seen }
            }
        }
    }

    /// A person accepts the identity without comparing. `shown` is the one that was on the screen:
    /// if it is no longer the latest, nothing is accepted.
    pub fn accepted(self, shown: &IdentityKey) -> Trust {
        match self {
            Trust::Changed { identity, .. } if identity == *shown => Trust::first(identity),
            _ => self,
        }
    }

    /// A person, or the program with the paste form, compared this identity.
    pub fn verified(self, compared: IdentityKey) -> Trust {
        match self {
            Trust::Known { identity, .. } | Trust::Changed { identity, .. } if identity == compared => {
                Trust::Known { identity, standing: Standing::Verified }
            }
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::e2e::identity::Identity;

    #[test]
    fn a_change_stops_sending_until_somebody_agrees() {
        let [old, new, third] = [1, 2, 3].map(|seed| *Identity::from_seed(&[seed; 32]).public());
        let trust = Trust::first(old).verified(old);
        assert_eq!(trust, Trust::Known { identity: old, standing: Standing::Verified });
        assert_eq!(trust.verified(new), trust, "only equality verifies");
        let changed = trust.seen(new);
        let stored = serde_json::to_vec(&changed).unwrap();
        assert_eq!(serde_json::from_slice::<Trust>(&stored).unwrap(), changed);
        assert_eq!(changed.sendable(), None);
        assert_eq!(changed.seen(old), changed, "the old one does not make it go away");
        assert_eq!(changed.accepted(&third), changed);
        assert_eq!(changed.seen(third).accepted(&new), changed.seen(third), "not the one shown");
        assert_eq!(changed.accepted(&new), Trust::first(new));
        assert_eq!(changed.verified(new).sendable(), Some(&new));
    }
}
