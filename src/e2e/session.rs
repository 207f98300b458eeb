//! One session: what X3DH began and the ratchet goes on with.
//!
//! ```text
//! initiator: Opening ── a message is opened ──► Initiator        responder: Responder
//!            (sends type 01)                    (sends type 02)             (sends type 02)
//! ```

use std::fmt;

use rand_core::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::e2e::address::{Address, Millis};
use crate::e2e::aead::{NONCE_BYTES, TAG_BYTES};
use crate::e2e::dh::{DhPublic, KeyPair};
use crate::e2e::envelope::{self, CONTENT_BYTES_MAX, Envelope, FIRST_OVERHEAD_BYTES, Header, Preamble};
use crate::e2e::error::Error;
use crate::e2e::identity::{Identity, IdentityKey};
use crate::e2e::padding;
use crate::e2e::prekey::CheckedBundle;
use crate::e2e::prekey_store::PrekeyStore;
use crate::e2e::ratchet::Ratchet;
use crate::e2e::ratchet::chain::MessageKey;
use crate::e2e::wire::{Reader, Writer};
use crate::e2e::x3dh::{self, ADDITIONAL_DATA_BYTES, Binding};

/// A session with one device of a peer.
pub struct Session {
    role: Role,
    /// EK_A: names the session.
    base: DhPublic,
    binding: Binding,
    /// AD, made once: each message needs it.
    additional_data: Box<[u8; ADDITIONAL_DATA_BYTES]>,
    /// Only opens: the state may be one that has sent more than it knows.
    closed: bool,
    ratchet: Box<Ratchet>,
}

/// Which side we are on, and what that side still has to say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// We began and have seen no answer: each message repeats what the peer needs to begin.
    Opening {
        signed_id: u32,
        one_time_id: Option<u32>,
    },
    Initiator,
    Responder,
}

impl Session {
    /// Starts a session with the device of a bundle. The ephemeral key does not outlive this call.
    pub fn initiate(
        identity: &Identity,
        me: Address,
        bundle: &CheckedBundle,
        rng: &mut impl CryptoRng,
    ) -> Result<Session, Error> {
        let ephemeral = KeyPair::generate(rng);
        let agreement = x3dh::initiate(identity, me, bundle, &ephemeral)?;
        let ratchet = Ratchet::initiate(&agreement.secret, bundle.signed().public, rng)?;
        let one_time_id = bundle.one_time().map(|prekey| prekey.id);
        let role = Role::Opening { signed_id: bundle.signed().id, one_time_id };
        Ok(Session::new(role, ephemeral.public(), agreement.binding, ratchet))
    }

    /// Accepts a first message: the session it starts, and its content. What the message used up is
    /// for the caller to delete.
    pub(super) fn accept(
        ends: Ends<'_>,
        prekeys: &PrekeyStore,
        preamble: &Preamble,
        envelope: &Envelope<'_>,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> Result<(Session, Zeroizing<Vec<u8>>), Error> {
        let peer_key = IdentityKey::import(&preamble.identity)?;
        let signed = prekeys.signed_pair(preamble.signed_id)?;
        let one_time = preamble.one_time_id.map(|id| prekeys.one_time_pair(id)).transpose()?;
        let from = (peer_key, ends.peer);
        let agreement = x3dh::respond(ends.identity, ends.me, signed, one_time, from, &preamble.ephemeral)?;
        let additional_data = agreement.binding.additional_data();
        let open = |key: &MessageKey| open_with(key, &additional_data, envelope);
        let (ratchet, content) =
            Ratchet::respond(&agreement.secret, signed, &envelope.header, now, rng, open)?;
        Ok((Session::new(Role::Responder, preamble.ephemeral, agreement.binding, ratchet), content))
    }

    /// Seals a content into an envelope. The key of it exists nowhere afterwards.
    pub fn seal(&mut self, content: &[u8], rng: &mut impl CryptoRng) -> Result<Vec<u8>, Error> {
        if content.len() > CONTENT_BYTES_MAX {
            return Err(Error::TooLong);
        }
        let (header, key) = self.ratchet.next_sending()?;
        let capacity = FIRST_OVERHEAD_BYTES + padding::padded_bytes(content.len());
        let mut out = envelope::begin(self.preamble().as_ref(), &header, capacity);
        let authenticated = [&self.additional_data[..], &out].concat();
        let mut nonce = [0; NONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(content);
        padding::pad_tail(&mut out, start);
        assert!(out.len() + TAG_BYTES <= capacity, "plaintext must not be left behind in a smaller buffer");
        key.seal_tail(&nonce, &authenticated, &mut out, start);
        Ok(out)
    }

    /// Opens an envelope of this session; on failure nothing has changed.
    pub fn open(
        &mut self,
        envelope: &Envelope<'_>,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let additional_data = &self.additional_data;
        let open = |key: &MessageKey| open_with(key, additional_data.as_slice(), envelope);
        let content = self.ratchet.receive(&envelope.header, now, rng, open)?;
        if let Role::Opening { .. } = self.role {
            self.role = Role::Initiator;
        }
        Ok(content)
    }

    /// The identity at the other end.
    pub fn peer_identity(&self) -> &IdentityKey {
        let (key, _) = if self.is_ours() { &self.binding.responder } else { &self.binding.initiator };
        key
    }

    /// EK_A of the peer's X3DH, if the peer began.
    pub(super) fn base_of_peer(&self) -> Option<DhPublic> {
        (!self.is_ours()).then_some(self.base)
    }

    /// From now on the session only opens what is late.
    pub(super) fn close_for_sending(&mut self) {
        self.closed = true;
    }

    /// Whether it may seal for this identity.
    pub(super) fn can_send(&self, to: &IdentityKey) -> bool {
        !self.closed && self.peer_identity() == to
    }

    pub(super) fn knows(&self, header: &Header, now: Millis) -> bool {
        self.ratchet.knows(header, now)
    }

    /// Whether the session is between these two devices.
    pub(super) fn connects(&self, me: Address, peer: Address) -> bool {
        let ends = (self.binding.initiator.1, self.binding.responder.1);
        ends == if self.is_ours() { (me, peer) } else { (peer, me) }
    }

    fn new(role: Role, base: DhPublic, binding: Binding, ratchet: Ratchet) -> Session {
        let additional_data = Box::new(binding.additional_data());
        Session { role, base, binding, additional_data, closed: false, ratchet: Box::new(ratchet) }
    }

    fn is_ours(&self) -> bool {
        self.role != Role::Responder
    }

    fn preamble(&self) -> Option<Preamble> {
        let Role::Opening { signed_id, one_time_id } = self.role else { return None };
        let identity = *self.binding.initiator.0.bytes();
        Some(Preamble { identity, ephemeral: self.base, signed_id, one_time_id })
    }

    pub(super) fn encoded_bytes(&self) -> usize {
        FIXED_BYTES + self.ratchet.encoded_bytes()
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        let Session { role, base, binding, additional_data: _, closed, ratchet } = self;
        let (mark, signed_id, one_time_id) = match *role {
            Role::Opening { signed_id, one_time_id } => (ROLE_OPENING, signed_id, one_time_id.unwrap_or(0)),
            Role::Initiator => (ROLE_INITIATOR, 0, 0),
            Role::Responder => (ROLE_RESPONDER, 0, 0),
        };
        out.u8(mark | if *closed { CLOSED_BIT } else { 0 });
        out.u32(signed_id);
        out.u32(one_time_id);
        out.bytes(&base.0);
        for (key, address) in [binding.initiator, binding.responder] {
            out.bytes(key.bytes());
            out.address(address);
        }
        ratchet.encode(out);
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Session, Error> {
        let mark = input.u8()?;
        let role = match (mark & !CLOSED_BIT, input.u32()?, input.u32()?) {
            (ROLE_OPENING, signed_id, id) => {
                Role::Opening { signed_id, one_time_id: Some(id).filter(|&id| id != 0) }
            }
            (ROLE_INITIATOR, 0, 0) => Role::Initiator,
            (ROLE_RESPONDER, 0, 0) => Role::Responder,
            _ => return Err(Error::Malformed),
        };
        let base = DhPublic(*input.array()?);
        let initiator = (IdentityKey::import(input.array()?)?, input.address()?);
        let responder = (IdentityKey::import(input.array()?)?, input.address()?);
        let ratchet = Ratchet::decode(input)?;
        if ratchet.is_answered() == matches!(role, Role::Opening { .. }) {
            return Err(Error::Malformed);
        }
        let mut session = Session::new(role, base, Binding { initiator, responder }, ratchet);
        session.closed = mark & CLOSED_BIT != 0;
        Ok(session)
    }

    #[cfg(test)]
    pub(super) fn ratchet(&mut self) -> &mut Ratchet {
        &mut self.ratchet
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Session { role: _, base: _, binding: _, additional_data: _, closed: _, ratchet } = self;
        let side = if self.is_ours() { "ours" } else { "theirs" };
        write!(f, "Session({side}, {ratchet:?})")
    }
}

/// Only the ratchet is secret, and it erases itself.
impl ZeroizeOnDrop for Session {}

/// Who accepts, and from whom.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    pub identity: &'a Identity,
    pub me: Address,
    pub peer: Address,
}

fn open_with(
    key: &MessageKey,
    additional_data: &[u8],
    envelope: &Envelope<'_>,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let authenticated = [additional_data, envelope.authenticated].concat();
    let mut content = Zeroizing::new(envelope.sealed.to_vec());
    key.open(envelope.nonce, &authenticated, &mut content)?;
    padding::unpad(&mut content)?;
    Ok(content)
}

const ROLE_OPENING: u8 = 0;
const ROLE_INITIATOR: u8 = 1;
const ROLE_RESPONDER: u8 = 2;
const CLOSED_BIT: u8 = 0x80;
const FIXED_BYTES: usize = 1 + 4 + 4 + 32 + 2 * (32 + 8 + 4);
