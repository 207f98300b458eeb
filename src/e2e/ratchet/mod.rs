//! The Double Ratchet (Double Ratchet §3), with AES-256-GCM.
//!
//! ```text
//!            Alice                                            Bob
//!  SK, SPK_B ──► sending only            SK, SPK_B pair, first message ──► sending and receiving
//!                  │ a message with a new key
//!                  ▼
//!          sending and receiving ◄── a new key in the header: both chains are replaced
//! ```
//!
//! A message is tried on copies of what it would change, and the copies replace the state after its
//! tag has verified (§3.5 asks for it). Before that, a forged header costs one agreement of keys and
//! at most [`skipped::SKIP_MAX`] chain steps: the keys missing from the *old* chain and the new
//! sending half are made afterwards, which changes no result.

pub mod chain;
pub mod skipped;

mod root;

use std::fmt;

use rand_core::CryptoRng;
use zeroize::ZeroizeOnDrop;

use crate::e2e::address::Millis;
use crate::e2e::dh::{DhPublic, KeyPair};
use crate::e2e::envelope::Header;
use crate::e2e::error::Error;
use crate::e2e::key::Key;
use crate::e2e::wire::{Reader, Writer};

use chain::{Chain, MessageKey};
use root::RootKey;
use skipped::{SKIP_MAX, Skipped, SkippedKey};

/// The state of one session's ratchet.
pub(super) struct Ratchet {
    root: RootKey,
    /// DHs: ours, whose public half is in the headers we send.
    own: KeyPair,
    /// DHr: theirs.
    peer: DhPublic,
    sending: Chain,
    /// None only while the initiator has not been answered.
    receiving: Option<Chain>,
    /// PN: how many messages we sent in the chain before this one.
    previous: u32,
    skipped: Skipped,
}

impl Ratchet {
    /// RatchetInitAlice (§3.3): `signed` is the prekey of the bundle.
    pub fn initiate(secret: &Key, signed: DhPublic, rng: &mut impl CryptoRng) -> Result<Ratchet, Error> {
        let own = KeyPair::generate(rng);
        let (root, sending) = RootKey::new(secret.duplicate()).step(&own.agree(&signed)?);
        let skipped = Skipped::default();
        Ok(Ratchet { root, own, peer: signed, sending, receiving: None, previous: 0, skipped })
    }

    /// RatchetInitBob (§3.3) and the first message together, so that a state without chains never
    /// exists outside of this function.
    pub fn respond<T>(
        secret: &Key,
        signed: &KeyPair,
        header: &Header,
        now: Millis,
        rng: &mut impl CryptoRng,
        open: impl FnOnce(&MessageKey) -> Result<T, Error>,
    ) -> Result<(Ratchet, T), Error> {
        let root = RootKey::new(secret.duplicate());
        let half = ReceivingHalf::new(&root, signed, header, now)?;
        let opened = open(&half.key)?;
        let (root, own, sending) = half.sending_half(header, rng)?;
        let mut skipped = Skipped::default();
        skipped.extend(half.missed);
        let receiving = Some(half.chain);
        let ratchet = Ratchet { root, own, peer: header.ratchet, sending, receiving, previous: 0, skipped };
        Ok((ratchet, opened))
    }

    /// RatchetEncrypt (§3.4): the header and the key of the next message. A key is given once.
    pub fn next_sending(&mut self) -> Result<(Header, MessageKey), Error> {
        let number = self.sending.next();
        let key = self.sending.step()?;
        Ok((Header { ratchet: self.own.public(), previous: self.previous, number }, key))
    }

    /// RatchetDecrypt (§3.5). `open` verifies the message under the key it is given; unless it
    /// succeeds, nothing changes.
    pub fn receive<T>(
        &mut self,
        header: &Header,
        now: Millis,
        rng: &mut impl CryptoRng,
        open: impl FnOnce(&MessageKey) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let place = self.skipped.find(header, now);
        let opened =
            if let Some((place, key)) = place.and_then(|place| Some((place, self.skipped.key(place)?))) {
                let opened = open(key)?;
                self.skipped.remove(place);
                opened
            } else {
                match &self.receiving {
                    Some(chain) if header.ratchet == self.peer => {
                        let trial = chain.duplicate();
                        self.receive_in_chain(trial, header, now, open)?
                    }
                    _ => self.receive_in_new_chain(header, now, rng, open)?,
                }
            };
        self.skipped.expire(now);
        Ok(opened)
    }

    /// Whether the header belongs to this session for certain: such sessions are tried first.
    pub fn knows(&self, header: &Header, now: Millis) -> bool {
        self.receiving.is_some() && self.peer == header.ratchet || self.skipped.find(header, now).is_some()
    }

    fn receive_in_chain<T>(
        &mut self,
        mut chain: Chain,
        header: &Header,
        now: Millis,
        open: impl FnOnce(&MessageKey) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if header.number < chain.next() {
            return Err(Error::Duplicate);
        }
        if header.number - chain.next() > SKIP_MAX {
            return Err(Error::TooManySkipped);
        }
        let missed = skipped::skip_to(&mut chain, header.ratchet, header.number, now)?;
        let opened = open(&chain.step()?)?;
        self.receiving = Some(chain);
        self.skipped.extend(missed);
        Ok(opened)
    }

    fn receive_in_new_chain<T>(
        &mut self,
        header: &Header,
        now: Millis,
        rng: &mut impl CryptoRng,
        open: impl FnOnce(&MessageKey) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let half = ReceivingHalf::new(&self.root, &self.own, header, now)?;
        let opened = open(&half.key)?;
        let missed_before = self.missed_in_old_chain(header, now)?;
        let (root, own, sending) = half.sending_half(header, rng)?;
        // The message has proved itself and nothing below can fail.
        self.skipped.extend(missed_before);
        self.skipped.extend(half.missed);
        self.previous = self.sending.next();
        self.root = root;
        self.own = own;
        self.peer = header.ratchet;
        self.sending = sending;
        self.receiving = Some(half.chain);
        Ok(opened)
    }

    /// Keys for what is missing from the chain that ends. If the sender says that too much is, none
    /// is kept: those messages are lost, but the conversation goes on.
    fn missed_in_old_chain(&self, header: &Header, now: Millis) -> Result<Vec<SkippedKey>, Error> {
        match &self.receiving {
            Some(old) if header.previous.saturating_sub(old.next()) <= SKIP_MAX => {
                skipped::skip_to(&mut old.duplicate(), self.peer, header.previous, now)
            }
            _ => Ok(Vec::new()),
        }
    }

    pub fn encoded_bytes(&self) -> usize {
        FIXED_BYTES + self.skipped.encoded_bytes()
    }

    /// The state, for the sealed store.
    pub fn encode(&self, out: &mut Writer) {
        let Ratchet { root, own, peer, sending, receiving, previous, skipped } = self;
        out.bytes(root.bytes());
        out.bytes(own.secret_bytes());
        out.bytes(&peer.0);
        out.bytes(sending.key_bytes());
        out.u32(sending.next());
        out.u8(u8::from(receiving.is_some()));
        out.bytes(receiving.as_ref().map_or(&[0; 32], Chain::key_bytes).as_slice());
        out.u32(receiving.as_ref().map_or(0, Chain::next));
        out.u32(*previous);
        skipped.encode(out);
    }

    pub fn decode(input: &mut Reader<'_>) -> Result<Ratchet, Error> {
        let root = RootKey::new(input.key()?);
        let own = KeyPair::from_bytes(input.array()?);
        let peer = DhPublic(*input.array()?);
        let sending = Chain::restore(input.key()?, input.u32()?)?;
        let answered = input.u8()?;
        let chain = Chain::restore(input.key()?, input.u32()?)?;
        let receiving = match answered {
            0 if chain.is_blank() => None,
            1 => Some(chain),
            _ => return Err(Error::Malformed),
        };
        let previous = input.u32()?;
        if previous > chain::MESSAGES_MAX {
            return Err(Error::Malformed);
        }
        let skipped = Skipped::decode(input)?;
        if receiving.is_none() && (skipped.len() > 0 || previous > 0) {
            return Err(Error::Malformed);
        }
        Ok(Ratchet { root, own, peer, sending, receiving, previous, skipped })
    }

    pub fn is_answered(&self) -> bool {
        self.receiving.is_some()
    }

    #[cfg(test)]
    pub fn skipped_count(&self) -> usize {
        self.skipped.len()
    }
}

impl fmt::Debug for Ratchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ratchet { root: _, own: _, peer: _, sending, receiving, previous: _, skipped } = self;
        write!(f, "Ratchet({sending:?}, {receiving:?}, {skipped:?})")
    }
}

/// Every field erases itself; that includes the queue, whose entries do.
impl ZeroizeOnDrop for Ratchet {}

/// The first half of DHRatchet (§3.5): what is needed to open a message under a new key.
struct ReceivingHalf {
    root: RootKey,
    chain: Chain,
    missed: Vec<SkippedKey>,
    key: MessageKey,
}

impl ReceivingHalf {
    fn new(root: &RootKey, own: &KeyPair, header: &Header, now: Millis) -> Result<ReceivingHalf, Error> {
        if header.number > SKIP_MAX {
            return Err(Error::TooManySkipped);
        }
        let (root, mut chain) = root.step(&own.agree(&header.ratchet)?);
        let missed = skipped::skip_to(&mut chain, header.ratchet, header.number, now)?;
        let key = chain.step()?;
        Ok(ReceivingHalf { root, chain, missed, key })
    }

    /// The second half: a fresh key of ours and the chain it starts.
    fn sending_half(
        &self,
        header: &Header,
        rng: &mut impl CryptoRng,
    ) -> Result<(RootKey, KeyPair, Chain), Error> {
        let own = KeyPair::generate(rng);
        let (root, sending) = self.root.step(&own.agree(&header.ratchet)?);
        Ok((root, own, sending))
    }
}

const FIXED_BYTES: usize = 32 + 32 + 32 + (32 + 4) + 1 + (32 + 4) + 4;
