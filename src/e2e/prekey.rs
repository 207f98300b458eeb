//! Prekeys: what a device leaves with the server so that others can write while it is away.
//!
//! X3DH §3.2 (publishing) and the checks of §3.3. A signed prekey is good for a week, one-time
//! prekeys for one first message each. The signature covers the device's number, so a server cannot
//! invent a device; one-time prekeys are unsigned, as in the specification: a forged one makes a
//! message that cannot be opened, and nothing worse.

use crate::e2e::address::{Address, DAY_MS, DeviceId, Millis, Uid};
use crate::e2e::dh::DhPublic;
use crate::e2e::error::Error;
use crate::e2e::identity::{Identity, IdentityKey};

/// A signed prekey as it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedPrekey {
    pub id: u32,
    pub created: Millis,
    pub public: DhPublic,
    pub signature: [u8; 64],
}

impl SignedPrekey {
    /// Signs a prekey for a device of this identity.
    pub fn sign(identity: &Identity, device: DeviceId, id: u32, created: Millis, public: DhPublic) -> Self {
        let signature = identity.sign(&signed_bytes(device, id, created, public));
        SignedPrekey { id, created, public, signature }
    }

    /// Whether this identity signed it for this device. The server asks the same of an upload.
    pub fn verify(&self, identity: &IdentityKey, device: DeviceId) -> Result<(), Error> {
        let message = signed_bytes(device, self.id, self.created, self.public);
        identity.verify(&message, &self.signature)
    }
}

/// A one-time prekey as it is published; its number is never zero, which stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneTimePrekey {
    pub id: u32,
    pub public: DhPublic,
}

/// What the server says about one device: not trusted before [`Bundle::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub device: DeviceId,
    pub identity: [u8; 32],
    pub signed: SignedPrekey,
    pub one_time: Option<OneTimePrekey>,
}

impl Bundle {
    /// Checks everything about a bundle that was asked for `uid`.
    ///
    /// `pinned` is the identity seen before, if any: another one is refused here, since nothing may
    /// be sent to it before a person has agreed.
    pub fn check(self, uid: Uid, pinned: Option<&IdentityKey>, now: Millis) -> Result<CheckedBundle, Error> {
        let identity = IdentityKey::import(&self.identity)?;
        if pinned.is_some_and(|pinned| *pinned != identity) {
            return Err(Error::IdentityChanged);
        }
        self.signed.verify(&identity, self.device)?;
        if self.signed.created.since(now) > CREATED_AHEAD_MS_MAX {
            return Err(Error::ClockSkew);
        }
        if now.since(self.signed.created) > CREATED_AGO_MS_MAX {
            return Err(Error::StaleDevice);
        }
        if self.one_time.is_some_and(|prekey| prekey.id == 0) {
            return Err(Error::Malformed);
        }
        // A one-time prekey is unsigned, and the same point in other bytes would go unnoticed.
        let one_time = self.one_time.map(|prekey| prekey.public);
        if !self.signed.public.is_canonical() || one_time.is_some_and(|public| !public.is_canonical()) {
            return Err(Error::BadKey);
        }
        let address = Address { uid, device: self.device };
        Ok(CheckedBundle { address, identity, signed: self.signed, one_time: self.one_time })
    }
}

/// A bundle that passed every check: what a session can be started with.
#[derive(Clone, Copy, Debug)]
pub struct CheckedBundle {
    address: Address,
    identity: IdentityKey,
    signed: SignedPrekey,
    one_time: Option<OneTimePrekey>,
}

impl CheckedBundle {
    pub fn address(&self) -> Address {
        self.address
    }

    /// The identity to pin when none was pinned before.
    pub fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    pub(super) fn signed(&self) -> &SignedPrekey {
        &self.signed
    }

    pub(super) fn one_time(&self) -> Option<&OneTimePrekey> {
        self.one_time.as_ref()
    }
}

fn signed_bytes(device: DeviceId, id: u32, created: Millis, public: DhPublic) -> Vec<u8> {
    let mut message = Vec::with_capacity(LABEL.len() + 48);
    message.extend_from_slice(LABEL);
    message.extend_from_slice(&device.number().to_be_bytes());
    message.extend_from_slice(&id.to_be_bytes());
    message.extend_from_slice(&created.0.to_be_bytes());
    message.extend_from_slice(&public.0);
    message
}

const LABEL: &[u8] = b"Sottovoce_SPK_v1";

/// Clocks and time zones are wrong by hours; more than a day means a date that is wrong.
pub const CREATED_AHEAD_MS_MAX: u64 = DAY_MS;

/// A device rotates each week; one that has not for three months is most likely gone, and its old
/// prekey would protect whatever is sent to it badly.
pub const CREATED_AGO_MS_MAX: u64 = 90 * DAY_MS;

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: Millis = Millis(200 * DAY_MS);

    fn bundle() -> (Identity, Bundle) {
        let identity = Identity::from_seed(&[3; 32]);
        let device = DeviceId::new(5).unwrap();
        let signed = SignedPrekey::sign(&identity, device, 7, MADE, DhPublic([9; 32]));
        let one_time = Some(OneTimePrekey { id: 1, public: DhPublic([8; 32]) });
        let key = *identity.public().bytes();
        (identity, Bundle { device, identity: key, signed, one_time })
    }

    fn check(bundle: Bundle, now: u64) -> Result<(), Error> {
        bundle.check(Uid(1), None, Millis(now)).map(|_| ())
    }

    #[test]
    fn dates_have_bounds() {
        let (_, bundle) = bundle();
        assert_eq!(check(bundle, MADE.0), Ok(()));
        assert_eq!(check(bundle, MADE.0 - CREATED_AHEAD_MS_MAX), Ok(()));
        assert_eq!(check(bundle, MADE.0 - CREATED_AHEAD_MS_MAX - 1), Err(Error::ClockSkew));
        assert_eq!(check(bundle, MADE.0 + CREATED_AGO_MS_MAX), Ok(()));
        assert_eq!(check(bundle, MADE.0 + CREATED_AGO_MS_MAX + 1), Err(Error::StaleDevice));
    }

    #[test]
    fn another_identity_is_refused() {
        let (identity, bundle) = bundle();
        let other = Identity::from_seed(&[4; 32]);
        assert!(bundle.check(Uid(1), Some(identity.public()), MADE).is_ok());
        let refused = bundle.check(Uid(1), Some(other.public()), MADE).map(|_| ());
        assert_eq!(refused, Err(Error::IdentityChanged));
        let swapped = Bundle { identity: *other.public().bytes(), ..bundle };
        assert_eq!(check(swapped, MADE.0), Err(Error::BadSignature));
    }

    /// Each bit that a signature or an import protects. The one-time prekey is unsigned: flipping
    /// its bits makes a message that does not open, see the tests with hostile input.
    #[test]
    fn every_flipped_bit_is_refused() {
        let (identity, bundle) = bundle();
        let refused = |bundle: Bundle, what: &str| {
            assert!(bundle.check(Uid(1), Some(identity.public()), MADE).is_err(), "{what}");
            assert!(bundle.check(Uid(1), None, MADE).is_err(), "{what}");
        };
        for bit in 0..31 {
            let number = bundle.device.number() ^ (1 << bit);
            refused(Bundle { device: DeviceId::new(number).unwrap(), ..bundle }, "device");
        }
        for bit in 0..32 {
            let signed = SignedPrekey { id: bundle.signed.id ^ (1 << bit), ..bundle.signed };
            refused(Bundle { signed, ..bundle }, "id");
        }
        for bit in 0..64 {
            let created = Millis(bundle.signed.created.0 ^ (1 << bit));
            refused(Bundle { signed: SignedPrekey { created, ..bundle.signed }, ..bundle }, "created");
        }
        for bit in 0..256 {
            let mut public = bundle.signed.public;
            public.0[bit / 8] ^= 1 << (bit % 8);
            refused(Bundle { signed: SignedPrekey { public, ..bundle.signed }, ..bundle }, "public");
            let mut changed = bundle;
            changed.identity[bit / 8] ^= 1 << (bit % 8);
            refused(changed, "identity");
        }
        for bit in 0..512 {
            let mut changed = bundle;
            changed.signed.signature[bit / 8] ^= 1 << (bit % 8);
            refused(changed, "signature");
        }
    }

    #[test]
    fn a_one_time_prekey_has_a_number() {
        let (_, bundle) = bundle();
        let one_time = Some(OneTimePrekey { id: 0, public: DhPublic([8; 32]) });
        assert_eq!(check(Bundle { one_time, ..bundle }, MADE.0), Err(Error::Malformed));
        assert_eq!(check(Bundle { one_time: None, ..bundle }, MADE.0), Ok(()));
    }
}
