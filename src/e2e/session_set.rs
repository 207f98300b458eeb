//! All sessions with one device of a peer: which one sends, and which one a message is for.
//!
//! More than one comes about when both sides begin at once, and by resets. The one that last opened
//! a message sends, so both sides come to the same one by themselves; the rest stay for messages
//! that are late. X3DH §4.2 (replay) and Sesame §3 are where these rules come from.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::e2e::address::{Address, Millis};
use crate::e2e::envelope::{Envelope, Preamble};
use crate::e2e::error::Error;
use crate::e2e::identity::{Identity, IdentityKey};
use crate::e2e::prekey_store::PrekeyStore;
use crate::e2e::seen::{BaseId, SeenBases};
use crate::e2e::session::{Ends, Session};
use crate::e2e::wire::{Reader, Writer};

/// The sessions between this device and one device of a peer.
pub struct SessionSet {
    me: Address,
    peer: Address,
    /// Invariant: at most [`SESSIONS_MAX`], the most recently successful first, all between `me`
    /// and `peer`.
    sessions: Vec<Session>,
}

/// What this device brings along to accept a first message; changed only if one is accepted.
#[derive(Debug)]
pub struct Device<'a> {
    pub identity: &'a Identity,
    pub prekeys: &'a mut PrekeyStore,
    pub seen: &'a mut SeenBases,
}

/// An opened message.
pub struct Received {
    /// The content as it was sealed, to be decoded by [`crate::e2e::content`].
    pub content: Zeroizing<Vec<u8>>,
    /// Who sealed it. Compare it with the pinned identity and show a difference.
    pub identity: IdentityKey,
    /// Set if the message started a session: `prekeys` and `seen` have changed as well.
    pub started: Option<Started>,
}

/// What starting a session has used up. To be stored in the same transaction as the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    pub base: BaseId,
    pub signed_id: u32,
    pub one_time_id: Option<u32>,
}

impl SessionSet {
    pub fn new(me: Address, peer: Address) -> SessionSet {
        SessionSet { me, peer, sessions: Vec::new() }
    }

    /// The peer's device.
    pub fn peer(&self) -> Address {
        self.peer
    }

    /// Adds a session we have started; it is the one that sends from now on.
    pub fn add(&mut self, session: Session) -> Result<(), Error> {
        if !session.connects(self.me, self.peer) {
            return Err(Error::Malformed);
        }
        self.put_first(session);
        Ok(())
    }

    /// Whether something can be sealed for this identity.
    pub fn can_send(&self, to: &IdentityKey) -> bool {
        self.sessions.iter().any(|session| session.can_send(to))
    }

    /// The sessions of now only open what is late; to seal, another must be added. For a state that was
    /// restored from a copy: it may have sealed messages that it does not know of, and what it would
    /// seal next would be taken for a repetition.
    pub fn close_for_sending(&mut self) {
        self.sessions.iter_mut().for_each(Session::close_for_sending);
    }

    /// Seals a content for the peer's device, which must have the identity that is trusted now:
    /// sessions with another one are closed for sending.
    pub fn seal(
        &mut self,
        to: &IdentityKey,
        content: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, Error> {
        let session = self.sessions.iter_mut().find(|session| session.can_send(to));
        session.ok_or(Error::NoSession)?.seal(content, rng)
    }

    /// Opens an envelope that the server says is from this peer's device. The keys in it prove it.
    pub fn receive(
        &mut self,
        device: Device<'_>,
        bytes: &[u8],
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> Result<Received, Error> {
        let envelope = Envelope::parse(bytes)?;
        match envelope.preamble {
            None => self.receive_later(&envelope, now, rng),
            Some(preamble) => {
                let ours = |session: &Session| session.base_of_peer() == Some(preamble.ephemeral);
                match self.sessions.iter().position(ours) {
                    Some(place) => self.receive_in(place, &envelope, now, rng),
                    None => self.receive_first(device, &preamble, &envelope, now, rng),
                }
            }
        }
    }

    fn receive_first(
        &mut self,
        device: Device<'_>,
        preamble: &Preamble,
        envelope: &Envelope<'_>,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> Result<Received, Error> {
        let Device { identity, prekeys, seen } = device;
        let base = BaseId::of(&preamble.ephemeral);
        if seen.contains(&base) {
            return Err(Error::Replay);
        }
        if seen.is_full(self.peer.uid) {
            return Err(Error::Exhausted);
        }
        let ends = Ends { identity, me: self.me, peer: self.peer };
        let (session, content) = Session::accept(ends, prekeys, preamble, envelope, now, rng)?;
        // The message has proved itself and nothing below can fail.
        let started = Started { base, signed_id: preamble.signed_id, one_time_id: preamble.one_time_id };
        seen.insert(base, started.signed_id, self.peer.uid);
        if let Some(id) = started.one_time_id {
            prekeys.use_up(id);
        }
        let identity = *session.peer_identity();
        self.put_first(session);
        Ok(Received { content, identity, started: Some(started) })
    }

    /// Tries the session that knows the header's key, then the others. If none opens it, the first
    /// one's error is the one that says most.
    fn receive_later(
        &mut self,
        envelope: &Envelope<'_>,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> Result<Received, Error> {
        let mut order: Vec<usize> = (0..self.sessions.len()).collect();
        order.sort_by_key(|&place| !self.sessions[place].knows(&envelope.header, now));
        let mut refused = Error::NoSession;
        for (attempt, place) in order.into_iter().enumerate() {
            match self.receive_in(place, envelope, now, rng) {
                Ok(received) => return Ok(received),
                Err(error) if attempt == 0 => refused = error,
                Err(_) => {}
            }
        }
        Err(refused)
    }

    fn receive_in(
        &mut self,
        place: usize,
        envelope: &Envelope<'_>,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> Result<Received, Error> {
        let session = self.sessions.get_mut(place).ok_or(Error::NoSession)?;
        let content = session.open(envelope, now, rng)?;
        let identity = *session.peer_identity();
        self.sessions[..=place].rotate_right(1);
        Ok(Received { content, identity, started: None })
    }

    fn put_first(&mut self, session: Session) {
        self.sessions.truncate(SESSIONS_MAX - 1);
        self.sessions.insert(0, session);
    }

    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// All sessions, for the sealed store.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let SessionSet { me, peer, sessions } = self;
        let size = FIXED_BYTES + sessions.iter().map(Session::encoded_bytes).sum::<usize>();
        let mut out = Writer::with_capacity(size);
        out.u8(FORMAT);
        out.address(*me);
        out.address(*peer);
        out.u8(sessions.len() as u8);
        sessions.iter().for_each(|session| session.encode(&mut out));
        out.finish()
    }

    /// Restores what [`SessionSet::to_bytes`] made, and checks that it is between these two.
    pub fn from_bytes(me: Address, peer: Address, bytes: &[u8]) -> Result<SessionSet, Error> {
        let mut input = Reader::new(bytes);
        if input.u8()? != FORMAT {
            return Err(Error::Version);
        }
        if (input.address()?, input.address()?) != (me, peer) {
            return Err(Error::Malformed);
        }
        let count = usize::from(input.u8()?);
        if count > SESSIONS_MAX {
            return Err(Error::Malformed);
        }
        let sessions = (0..count).map(|_| Session::decode(&mut input)).collect::<Result<Vec<_>, _>>()?;
        input.end()?;
        if !sessions.iter().all(|session| session.connects(me, peer)) {
            return Err(Error::Malformed);
        }
        Ok(SessionSet { me, peer, sessions })
    }

    #[cfg(test)]
    pub(super) fn first(&mut self) -> &mut Session {
        &mut self.sessions[0]
    }
}

impl fmt::Debug for SessionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SessionSet { me: _, peer: _, sessions } = self;
        f.debug_tuple("SessionSet").field(sessions).finish()
    }
}

/// Every session erases itself.
impl ZeroizeOnDrop for SessionSet {}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Received { content, identity, started } = self;
        write!(f, "Received({} bytes, {identity:?}, {started:?})", content.len())
    }
}

/// Sessions kept with one device: both sides at once makes two, and a few resets may cross. Each is
/// one attempt for a message that none of them knows.
pub const SESSIONS_MAX: usize = 5;

const FORMAT: u8 = 1;
const FIXED_BYTES: usize = 1 + 12 + 12 + 1;
