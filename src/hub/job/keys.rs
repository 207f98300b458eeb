//! Work of the store about keys, devices and mailboxes.

use std::sync::Arc;

use crate::proto::id::{AccountId, ConnId, DeviceId, Origin, Seq};
use crate::proto::keys::{Attached, Bundle, DeviceAbout, Envelope, NewEnvelope, NewPrekeys, PublicKey};
use crate::proto::name::UserName;
use crate::proto::time::Timestamp;

/// What `devices`, `enroll` and so on need done. Signatures and points are checked by the store as well,
/// so that the reactor does no arithmetic on curves.
#[derive(Debug)]
pub enum KeysJob {
    /// A device has its envelopes up to this one.
    Ack {
        origin: Origin,
        account: AccountId,
        device: DeviceId,
        seq: Seq,
        now: Timestamp,
    },
    /// A device begins to read its mailbox, in a session with this token.
    Attach {
        origin: Origin,
        account: AccountId,
        device: DeviceId,
        run: u64,
        token: Option<TokenId>,
        now: Timestamp,
    },
    /// What is needed to begin sessions with devices of an account: these or all, but for one. The
    /// one-time prekeys in it are given out with it; but nothing is to somebody whom the owner blocks.
    Claim {
        origin: Origin,
        from: UserName,
        target: AccountId,
        devices: Option<Vec<DeviceId>>,
        except: Option<DeviceId>,
    },
    Devices {
        origin: Origin,
        account: AccountId,
    },
    /// A new device; with `replace` under another identity than before, all others go.
    Enroll {
        origin: Origin,
        account: AccountId,
        identity: PublicKey,
        name: Arc<str>,
        replace: bool,
        now: Timestamp,
    },
    /// Envelopes of a device behind `after`, oldest first, at most
    /// [`ENVELOPES_PAGE_MAX`](crate::proto::limits::ENVELOPES_PAGE_MAX), and no more bytes than that,
    /// but for the first; `conn` reads them.
    Page {
        conn: ConnId,
        account: AccountId,
        device: DeviceId,
        after: Seq,
        bytes: usize,
    },
    Publish {
        origin: Origin,
        account: AccountId,
        prekeys: Box<NewPrekeys>,
    },
    Revoke {
        origin: Origin,
        account: AccountId,
        device: DeviceId,
    },
    Send(Box<SendJob>),
}

/// A message for each of some devices.
#[derive(Debug)]
pub struct SendJob {
    pub origin: Origin,
    pub from: Sender,
    pub to: AccountId,
    /// All devices of `to` as the sender knows them, without `from` if it is one of them; sorted.
    pub to_devices: Vec<DeviceId>,
    /// All other devices of the sender, sorted; empty if `to` is the sender's own account.
    pub own_devices: Vec<DeviceId>,
    pub envelopes: Vec<NewEnvelope>,
    pub copies: Vec<NewEnvelope>,
    pub at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Sender {
    pub account: AccountId,
    pub user: UserName,
    pub device: DeviceId,
}

/// Which of an account's session tokens: the first bytes of what is kept of it. It opens nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenId(pub [u8; 8]);

impl std::fmt::Debug for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TokenId(_) = self;
        f.write_str("TokenId(..)")
    }
}

#[derive(Debug)]
pub enum KeysReply {
    Acked {
        origin: Origin,
        seq: Seq,
    },
    /// `taken`: the device has its envelopes up to this one.
    Attached {
        origin: Origin,
        account: AccountId,
        attached: Attached,
        taken: Seq,
    },
    /// The owner of the devices does not want messages from who asks.
    ClaimBlocked {
        origin: Origin,
        target: AccountId,
    },
    Claimed {
        origin: Origin,
        target: AccountId,
        bundles: Vec<Bundle>,
    },
    /// The devices that have published prekeys.
    Devices {
        origin: Origin,
        account: AccountId,
        identity: Option<PublicKey>,
        devices: Vec<(DeviceId, DeviceAbout)>,
    },
    /// `gone`: devices that had to go for it. `replaced`: so did the identity.
    Enrolled {
        origin: Origin,
        account: AccountId,
        device: DeviceId,
        gone: Vec<Gone>,
        replaced: bool,
    },
    /// `more`: there are more than fit.
    Page {
        conn: ConnId,
        account: AccountId,
        device: DeviceId,
        envelopes: Vec<Arc<Envelope>>,
        more: bool,
    },
    /// `first`: the device can be written to from now on.
    Published {
        origin: Origin,
        account: AccountId,
        device: DeviceId,
        name: Arc<str>,
        one_time: u32,
        first: bool,
    },
    Refused {
        origin: Origin,
        refusal: KeysRefusal,
    },
    /// `token`: the one that ended with it, with which its session came.
    Revoked {
        origin: Origin,
        account: AccountId,
        gone: Gone,
        token: Option<TokenId>,
    },
    SendRefused {
        origin: Origin,
        refusal: SendRefusal,
    },
    /// `full`: nothing was kept for these.
    Sent {
        origin: Origin,
        to: AccountId,
        at: Timestamp,
        kept: Vec<Delivery>,
        full: Vec<(AccountId, DeviceId)>,
    },
}

/// A device that is one no more. One that was not `published` was not known to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    pub device: DeviceId,
    pub name: Arc<str>,
    pub published: bool,
}

/// An envelope that was committed, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub account: AccountId,
    pub device: DeviceId,
    pub envelope: Arc<Envelope>,
}

/// Why the store did not do it; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysRefusal {
    /// Not a key, or one that no agreement can be made with.
    BadKey,
    BadSignature,
    /// The first prekeys of a device need a signed one.
    MissingSigned,
    NoSuchDevice,
    /// A signed prekey whose number is below the present one's, or the same with other contents.
    OldSigned,
    TooManyDevices,
    TooManyPrekeys,
    WrongIdentity,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendRefusal {
    Blocked,
    /// These are the devices.
    Changed {
        to: Vec<DeviceId>,
        own: Vec<DeviceId>,
    },
    /// Every mailbox is full.
    Full,
    /// One of them is no envelope.
    Malformed,
    /// The sender's device was revoked.
    NoSuchDevice,
    NoSuchUser,
}
