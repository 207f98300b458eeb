//! What devices leave with the server so that others can write to them, and what is written: public keys
//! and envelopes. To the server they are bytes; only devices know what is in them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::proto::id::{AccountId, DeviceId, Seq};
use crate::proto::name::UserName;
use crate::proto::time::Timestamp;

/// The public half of an identity or of a prekey, as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

/// An Ed25519 signature, as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// Bytes that are none of the server's business: an envelope, or the answer to a pairing code.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Arc<[u8]>);

/// A prekey that its account's identity signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPrekey {
    pub id: u32,
    /// When the device says it made it. Clients judge this; the server only keeps it.
    pub created: Timestamp,
    pub key: PublicKey,
    pub signature: Signature,
}

/// A prekey for one first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneTimePrekey {
    /// From 1.
    pub id: u32,
    pub key: PublicKey,
}

/// What a device publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPrekeys {
    pub device: DeviceId,
    pub signed: Option<SignedPrekey>,
    pub one_time: Vec<OneTimePrekey>,
    /// Those that are published and not in this list go.
    pub replace: bool,
}

/// What somebody needs to begin a session with a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    pub device: DeviceId,
    pub identity: PublicKey,
    pub signed: SignedPrekey,
    /// Given out once; `None` when there is none left.
    pub one_time: Option<OneTimePrekey>,
}

/// A message sealed for one device, as its sender hands it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEnvelope {
    pub device: DeviceId,
    pub body: Sealed,
}

/// One message to a user, sealed for each of the user's devices and for the sender's other ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending<'a> {
    pub user: Cow<'a, str>,
    /// The devices of the user, and the sender's other ones, as the sender knows them.
    pub to: Vec<DeviceId>,
    pub own: Vec<DeviceId>,
    /// For some of `to`, and for some of `own`.
    pub envelopes: Vec<NewEnvelope>,
    pub copies: Vec<NewEnvelope>,
}

/// A sealed message that waits for a device. The server says whom it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Counts from 1 for each device that receives; never used again.
    pub seq: Seq,
    pub from: Arc<str>,
    pub uid: AccountId,
    /// The device that it is from.
    pub device: DeviceId,
    pub at: Timestamp,
    pub body: Sealed,
}

/// A device as its own account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAbout {
    pub name: Arc<str>,
    pub since: Timestamp,
    /// When it was attached, or acknowledged something, last.
    pub seen: Option<Timestamp>,
}

/// The devices of a user that can be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices {
    pub user: UserName,
    /// `None`: a guest.
    pub uid: Option<AccountId>,
    pub identity: Option<PublicKey>,
    /// What is told about each, to its own account only.
    pub devices: Vec<(DeviceId, Option<DeviceAbout>)>,
}

/// What a device learns when it begins to read its mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    pub device: DeviceId,
    /// The highest `run` from before; 0 if there was none.
    pub run: u64,
    /// One-time prekeys that are left.
    pub one_time: u32,
    /// One more than the highest number of a one-time prekey ever.
    pub one_time_next: u64,
    /// Number and date of the signed prekey that is published.
    pub signed: Option<(u32, Timestamp)>,
    /// Envelopes that wait.
    pub waiting: u64,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PublicKey([a, b, c, d, ..]) = self;
        write!(f, "PublicKey({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Signature(_) = self;
        f.write_str("Signature(..)")
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sealed(bytes) = self;
        write!(f, "Sealed({} bytes)", bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_message_and_little_of_a_key() {
        assert_eq!(format!("{:?}", PublicKey([0xab; 32])), "PublicKey(abababab)");
        assert_eq!(format!("{:?}", Signature([1; 64])), "Signature(..)");
        assert_eq!(format!("{:?}", Sealed(Arc::from([7; 300]))), "Sealed(300 bytes)");
    }
}
