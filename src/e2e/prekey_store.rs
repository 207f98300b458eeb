//! The private halves of a device's prekeys, and when they change.
//!
//! X3DH §3.2 and §4.1: signed prekeys are replaced from time to time and the old ones kept for
//! messages that are under way; a one-time prekey is deleted by the first message that uses it.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::e2e::address::{DAY_MS, DeviceId, Millis};
use crate::e2e::dh::KeyPair;
use crate::e2e::error::Error;
use crate::e2e::identity::Identity;
use crate::e2e::prekey::{OneTimePrekey, SignedPrekey};
use crate::e2e::wire::{Reader, Writer};

/// All prekeys of one device.
pub struct PrekeyStore {
    device: DeviceId,
    /// Invariant: one to [`SIGNED_KEPT_MAX`] + 1, oldest first; only the last is not replaced.
    signed: Vec<SignedSecret>,
    /// Invariant: at most [`ONE_TIME_KEPT_MAX`], numbers rising.
    one_time: Vec<OneTimeSecret>,
    /// The number of the next one-time prekey. Numbers are never used twice.
    one_time_next: u32,
}

#[derive(ZeroizeOnDrop)]
struct SignedSecret {
    #[zeroize(skip)]
    public: SignedPrekey,
    pair: KeyPair,
    #[zeroize(skip)]
    replaced: Option<Millis>,
}

#[derive(ZeroizeOnDrop)]
struct OneTimeSecret {
    #[zeroize(skip)]
    id: u32,
    pair: KeyPair,
    #[zeroize(skip)]
    created: Millis,
    #[zeroize(skip)]
    replaced: Option<Millis>,
}

/// One-time prekeys to upload.
#[derive(Debug, PartialEq, Eq)]
pub struct Refill {
    /// Whether the server must first delete those it has.
    pub replaces: bool,
    pub prekeys: Vec<OneTimePrekey>,
}

impl PrekeyStore {
    /// A new device's first signed prekey, and no one-time prekeys yet.
    pub fn generate(
        identity: &Identity,
        device: DeviceId,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> PrekeyStore {
        let first = SignedSecret::generate(identity, device, 1, now, rng);
        PrekeyStore { device, signed: vec![first], one_time: Vec::new(), one_time_next: 1 }
    }

    /// The device these belong to.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The signed prekey to publish.
    pub fn signed(&self) -> &SignedPrekey {
        &self.signed.last().expect("there is always one, see the invariant").public
    }

    /// Makes a new signed prekey if the present one is a week old; to be asked at each login.
    pub fn rotate(
        &mut self,
        identity: &Identity,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<SignedPrekey>, Error> {
        let current = *self.signed();
        if now.since(current.created) < ROTATE_AFTER_MS {
            return Ok(None);
        }
        let id = current.id.checked_add(1).ok_or(Error::Exhausted)?;
        Ok(Some(self.replace_signed(identity, id, now, rng)))
    }

    /// Begins anew behind what a lost state of this device has published: a new signed prekey numbered
    /// at least `signed_from`, and one-time prekeys from `one_time_from` on. Those of now are replaced.
    pub fn restart(
        &mut self,
        identity: &Identity,
        signed_from: u32,
        one_time_from: u32,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> Result<SignedPrekey, Error> {
        let id = self.signed().id.checked_add(1).ok_or(Error::Exhausted)?.max(signed_from);
        let published = self.replace_signed(identity, id, now, rng);
        self.one_time.iter_mut().for_each(|secret| secret.replaced = secret.replaced.or(Some(now)));
        self.one_time_next = self.one_time_next.max(one_time_from);
        Ok(published)
    }

    fn replace_signed(
        &mut self,
        identity: &Identity,
        id: u32,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> SignedPrekey {
        let next = SignedSecret::generate(identity, self.device, id, now, rng);
        let published = next.public;
        if let Some(last) = self.signed.last_mut() {
            last.replaced = Some(now);
        }
        self.signed.push(next);
        self.expire(now);
        published
    }

    /// Makes one-time prekeys if the server, which has `remaining`, needs some.
    pub fn refill(
        &mut self,
        remaining: u32,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<Refill>, Error> {
        let old = |secret: &OneTimeSecret| {
            secret.replaced.is_none() && now.since(secret.created) > ONE_TIME_AGE_MS_MAX
        };
        let replaces = self.one_time.iter().any(old);
        if remaining >= REFILL_BELOW && !replaces {
            return Ok(None);
        }
        let count = if replaces { ONE_TIME_ON_SERVER } else { ONE_TIME_ON_SERVER - remaining };
        let end = self.one_time_next.checked_add(count).ok_or(Error::Exhausted)?;
        if replaces {
            self.one_time.iter_mut().for_each(|secret| secret.replaced = secret.replaced.or(Some(now)));
        }
        for id in self.one_time_next..end {
            let pair = KeyPair::generate(rng);
            self.one_time.push(OneTimeSecret { id, pair, created: now, replaced: None });
        }
        self.one_time_next = end;
        self.expire(now);
        let added = &self.one_time[self.one_time.len() - count as usize..];
        let prekeys = added
            .iter()
            .map(|secret| OneTimePrekey { id: secret.id, public: secret.pair.public() })
            .collect();
        Ok(Some(Refill { replaces, prekeys }))
    }

    /// Deletes private halves nothing under way can need any more. Returns whether any were.
    pub fn expire(&mut self, now: Millis) -> bool {
        let before = (self.signed.len(), self.one_time.len());
        let alive = |replaced: Option<Millis>| replaced.is_none_or(|at| now.since(at) <= KEPT_MS);
        self.signed.retain(|secret| alive(secret.replaced));
        let excess = self.signed.len().saturating_sub(SIGNED_KEPT_MAX + 1);
        self.signed.drain(..excess);
        self.one_time.retain(|secret| alive(secret.replaced));
        let excess = self.one_time.len().saturating_sub(ONE_TIME_KEPT_MAX);
        self.one_time.drain(..excess);
        before != (self.signed.len(), self.one_time.len())
    }

    /// Whether the signed prekey still has its private half.
    pub fn has_signed(&self, id: u32) -> bool {
        self.signed_pair(id).is_ok()
    }

    /// The number that the next one-time prekey will have.
    pub fn one_time_next(&self) -> u32 {
        self.one_time_next
    }

    /// The one-time prekeys from this number on, to be published again if that was interrupted.
    pub fn one_time_from(&self, id: u32) -> Vec<OneTimePrekey> {
        let newer = self.one_time.iter().filter(|secret| secret.id >= id && secret.replaced.is_none());
        newer.map(|secret| OneTimePrekey { id: secret.id, public: secret.pair.public() }).collect()
    }

    pub fn one_time_count(&self) -> usize {
        self.one_time.len()
    }

    pub(super) fn signed_pair(&self, id: u32) -> Result<&KeyPair, Error> {
        let found = self.signed.iter().find(|secret| secret.public.id == id);
        found.map(|secret| &secret.pair).ok_or(Error::UnknownPrekey)
    }

    pub(super) fn one_time_pair(&self, id: u32) -> Result<&KeyPair, Error> {
        let found = self.one_time.binary_search_by_key(&id, |secret| secret.id);
        found.map(|at| &self.one_time[at].pair).map_err(|_| Error::UnknownPrekey)
    }

    /// Deletes a one-time prekey: a first message has used it.
    pub(super) fn use_up(&mut self, id: u32) {
        self.one_time.retain(|secret| secret.id != id);
    }

    /// All private halves, for the sealed store.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let PrekeyStore { device, signed, one_time, one_time_next } = self;
        let size = 13 + signed.len() * SIGNED_BYTES + one_time.len() * ONE_TIME_BYTES;
        let mut out = Writer::with_capacity(size);
        out.u8(FORMAT);
        out.u32(device.number());
        out.u16(signed.len() as u16);
        for SignedSecret { public, pair, replaced } in signed {
            out.u32(public.id);
            out.u64(public.created.0);
            out.bytes(&public.signature);
            out.bytes(pair.secret_bytes());
            out.maybe_millis(*replaced);
        }
        out.u16(one_time.len() as u16);
        for OneTimeSecret { id, pair, created, replaced } in one_time {
            out.u32(*id);
            out.bytes(pair.secret_bytes());
            out.u64(created.0);
            out.maybe_millis(*replaced);
        }
        out.u32(*one_time_next);
        out.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<PrekeyStore, Error> {
        let mut input = Reader::new(bytes);
        if input.u8()? != FORMAT {
            return Err(Error::Version);
        }
        let device = DeviceId::new(input.u32()?)?;
        let count = usize::from(input.u16()?);
        if !(1..=SIGNED_KEPT_MAX + 1).contains(&count) {
            return Err(Error::Malformed);
        }
        let signed = (0..count).map(|_| SignedSecret::decode(&mut input)).collect::<Result<Vec<_>, _>>()?;
        let count = usize::from(input.u16()?);
        if count > ONE_TIME_KEPT_MAX {
            return Err(Error::Malformed);
        }
        let one_time =
            (0..count).map(|_| OneTimeSecret::decode(&mut input)).collect::<Result<Vec<_>, _>>()?;
        let one_time_next = input.u32()?;
        input.end()?;
        let store = PrekeyStore { device, signed, one_time, one_time_next };
        if store.is_consistent() { Ok(store) } else { Err(Error::Malformed) }
    }

    fn is_consistent(&self) -> bool {
        self.signed.is_sorted_by(|one, next| one.public.id < next.public.id)
            && self.signed.iter().rev().skip(1).all(|secret| secret.replaced.is_some())
            && self.signed.last().is_some_and(|secret| secret.replaced.is_none())
            && self.one_time.is_sorted_by(|one, next| one.id < next.id)
            && self.one_time.first().is_none_or(|first| first.id > 0)
            && self.one_time.last().map_or(0, |last| last.id) < self.one_time_next
    }
}

impl SignedSecret {
    fn generate(
        identity: &Identity,
        device: DeviceId,
        id: u32,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> SignedSecret {
        let pair = KeyPair::generate(rng);
        let public = SignedPrekey::sign(identity, device, id, now, pair.public());
        SignedSecret { public, pair, replaced: None }
    }

    fn decode(input: &mut Reader<'_>) -> Result<SignedSecret, Error> {
        let (id, created, signature) = (input.u32()?, input.millis()?, *input.array()?);
        let pair = KeyPair::from_bytes(input.array()?);
        let public = SignedPrekey { id, created, public: pair.public(), signature };
        Ok(SignedSecret { public, pair, replaced: input.maybe_millis()? })
    }
}

impl OneTimeSecret {
    fn decode(input: &mut Reader<'_>) -> Result<OneTimeSecret, Error> {
        let (id, pair) = (input.u32()?, KeyPair::from_bytes(input.array()?));
        Ok(OneTimeSecret { id, pair, created: input.millis()?, replaced: input.maybe_millis()? })
    }
}

impl fmt::Debug for PrekeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PrekeyStore { device, signed, one_time, one_time_next: _ } = self;
        write!(
            f,
            "PrekeyStore(device {}, {} signed, {} one-time)",
            device.number(),
            signed.len(),
            one_time.len()
        )
    }
}

/// Every entry erases itself.
impl ZeroizeOnDrop for PrekeyStore {}

/// How long a signed prekey is published: what a stolen one opens is at most this much.
pub const ROTATE_AFTER_MS: u64 = 7 * DAY_MS;

/// How long a replaced private half is kept: as long as a server keeps an envelope.
pub const KEPT_MS: u64 = 30 * DAY_MS;

/// Replaced signed prekeys kept; five come together in 30 days if the clock is right.
pub const SIGNED_KEPT_MAX: usize = 8;

/// One-time prekeys the server should have.
pub const ONE_TIME_ON_SERVER: u32 = 100;

/// Fewer than this on the server: make more. A quarter is left for those who write meanwhile.
pub const REFILL_BELOW: u32 = 25;

/// Older ones on the server are replaced, so that no private half is kept for ever.
pub const ONE_TIME_AGE_MS_MAX: u64 = 60 * DAY_MS;

/// Private halves kept in all; a server that always says it has none would make us grow otherwise.
pub const ONE_TIME_KEPT_MAX: usize = 1000;

const FORMAT: u8 = 1;
const SIGNED_BYTES: usize = 4 + 8 + 64 + 32 + 8;
const ONE_TIME_BYTES: usize = 4 + 32 + 8 + 8;

const _: () =
    assert!(ONE_TIME_KEPT_MAX >= 2 * ONE_TIME_ON_SERVER as usize && REFILL_BELOW < ONE_TIME_ON_SERVER);
