//! X3DH: a secret from a bundle, without the other side being there (X3DH §3.3 and §3.4).
//!
//! ```text
//! DH1 = DH(IK_A, SPK_B)   DH2 = DH(EK_A, IK_B)
//! DH3 = DH(EK_A, SPK_B)   DH4 = DH(EK_A, OPK_B), if one was given
//! SK  = HKDF(0*32, FF*32 || DH1 || DH2 || DH3 [|| DH4], "Sottovoce_X3DH_v1", 32)
//! AD  = 45 || IK_A || 45 || IK_B || uid_A || device_A || uid_B || device_B
//! ```
//!
//! A starts the session and stays A for its life, whoever sends. AD holds both identities and both
//! addresses, as X3DH §4.8 advises against misbinding; the server's word about who wrote is checked
//! by that. The agreed values are erased when they go out of scope.

use x25519_dalek::SharedSecret;
use zeroize::ZeroizeOnDrop;

use crate::e2e::address::Address;
use crate::e2e::dh::{DhPublic, KeyPair};
use crate::e2e::error::Error;
use crate::e2e::identity::{Identity, IdentityKey};
use crate::e2e::kdf;
use crate::e2e::key::Key;
use crate::e2e::prekey::CheckedBundle;

/// What both sides have after X3DH: the secret the ratchet starts from, and what it is bound to.
#[derive(ZeroizeOnDrop)]
pub(super) struct Agreement {
    pub secret: Key,
    #[zeroize(skip)]
    pub binding: Binding,
}

/// The two ends of a session; every message carries them as additional data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Binding {
    pub initiator: (IdentityKey, Address),
    pub responder: (IdentityKey, Address),
}

impl Binding {
    /// AD, byte for byte.
    pub fn additional_data(&self) -> [u8; ADDITIONAL_DATA_BYTES] {
        let mut out = [0; ADDITIONAL_DATA_BYTES];
        for (at, (key, address)) in [self.initiator, self.responder].iter().enumerate() {
            out[33 * at] = ED25519_MARK;
            out[33 * at + 1..33 * at + 33].copy_from_slice(key.bytes());
            out[66 + 12 * at..74 + 12 * at].copy_from_slice(&address.uid.0.to_be_bytes());
            out[74 + 12 * at..78 + 12 * at].copy_from_slice(&address.device.number().to_be_bytes());
        }
        out
    }
}

/// Alice's side. `ephemeral` is fresh for this call and must be dropped after it.
pub(super) fn initiate(
    identity: &Identity,
    me: Address,
    bundle: &CheckedBundle,
    ephemeral: &KeyPair,
) -> Result<Agreement, Error> {
    let binding =
        Binding { initiator: (*identity.public(), me), responder: (*bundle.identity(), bundle.address()) };
    check_ends(&binding)?;
    let signed = bundle.signed().public;
    let dh1 = identity.agree(&signed)?;
    let dh2 = ephemeral.agree(&bundle.identity().agreement())?;
    let dh3 = ephemeral.agree(&signed)?;
    let dh4 = bundle.one_time().map(|prekey| ephemeral.agree(&prekey.public)).transpose()?;
    Ok(Agreement { secret: derive(&dh1, &dh2, &dh3, dh4.as_ref()), binding })
}

/// Bob's side, with the private halves of the prekeys that the first message names.
pub(super) fn respond(
    identity: &Identity,
    me: Address,
    signed: &KeyPair,
    one_time: Option<&KeyPair>,
    from: (IdentityKey, Address),
    ephemeral: &DhPublic,
) -> Result<Agreement, Error> {
    let binding = Binding { initiator: from, responder: (*identity.public(), me) };
    check_ends(&binding)?;
    let dh1 = signed.agree(&from.0.agreement())?;
    let dh2 = identity.agree(ephemeral)?;
    let dh3 = signed.agree(ephemeral)?;
    let dh4 = one_time.map(|pair| pair.agree(ephemeral)).transpose()?;
    Ok(Agreement { secret: derive(&dh1, &dh2, &dh3, dh4.as_ref()), binding })
}

/// Another device of one account has the account's identity, and no device writes to itself.
fn check_ends(binding: &Binding) -> Result<(), Error> {
    let ((one_key, one), (other_key, other)) = (binding.initiator, binding.responder);
    if one == other {
        return Err(Error::Malformed);
    }
    if one.uid == other.uid && one_key != other_key {
        return Err(Error::IdentityChanged);
    }
    Ok(())
}

fn derive(dh1: &SharedSecret, dh2: &SharedSecret, dh3: &SharedSecret, dh4: Option<&SharedSecret>) -> Key {
    let last: &[u8] = dh4.map_or(&[], |dh4| dh4.as_bytes());
    let material: [&[u8]; 5] = [&SEPARATOR, dh1.as_bytes(), dh2.as_bytes(), dh3.as_bytes(), last];
    kdf::derive(&kdf::ZERO_SALT, &material, &[LABEL])
}

const LABEL: &[u8] = b"Sottovoce_X3DH_v1";

/// No X25519 key begins so: keeps this use of the identity apart from its signatures (X3DH §2.2).
const SEPARATOR: [u8; 32] = [0xff; 32];

/// Says that an identity in the additional data is in its Ed25519 encoding; an ASCII `E`.
const ED25519_MARK: u8 = 0x45;

pub(super) const ADDITIONAL_DATA_BYTES: usize = 2 * (1 + 32) + 2 * (8 + 4);
