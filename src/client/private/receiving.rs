//! Envelopes: taken once, opened, and what becomes of those that cannot be.

use crate::client::private::peers::{Misnamed, PeerDevice};
use crate::client::private::row::Table;
use crate::client::private::sealing::SETS_MAX;
use crate::client::private::stored::seen_value;
use crate::client::private::{Private, Stage};
use crate::client::scrollback::Kind;
use crate::client::wire::Odd;
use crate::client::wire::keys::Envelope;
use crate::e2e::address::{Address, DeviceId, Millis, Uid};
use crate::e2e::content::Content;
use crate::e2e::error::{Error, Reaction};
use crate::e2e::session_set::{Device, Received, SessionSet};
use crate::proto::name::UserName;
use crate::proto::time::{Now, Timestamp};

impl Private {
    /// The event `envelope`.
    pub(in crate::client) fn handle_envelope(&mut self, now: Now, envelope: &Envelope) -> Result<(), Odd> {
        let Some(device) = self.device.as_mut().filter(|_| self.stage == Stage::Ready) else { return Ok(()) };
        // It comes again because the server has not heard that it was taken. Or a server that lost its last
        // moments, in a power cut or by a backup, gives numbers a second time: then it opens.
        let again = envelope.seq <= device.handled;
        if envelope.seq.saturating_sub(device.handled) > SEQ_AHEAD_MAX {
            return Err(Odd);
        }
        let missing = envelope.seq.saturating_sub(device.handled).saturating_sub(1);
        if !again {
            device.handled = envelope.seq;
            self.dirty.device = true;
        }
        self.newest = envelope.seq;
        self.ack_due = true;
        let after_login = std::mem::replace(&mut self.just_attached, false);
        if missing > 0 {
            self.take_gap(now, missing, after_login);
        }
        let name = UserName::parse(&envelope.from);
        let (Ok(name), Ok(device)) = (name, DeviceId::new(envelope.device)) else {
            let text = "a message came from a name or a device that cannot be, and was dropped";
            self.note_server(now, Kind::Error, text);
            return Ok(());
        };
        let from = Address { uid: Uid(envelope.uid), device };
        let name = self.peers.get(from.uid).and_then(|peer| peer.name.clone()).unwrap_or(name);
        match self.open(now, from, &envelope.body.0) {
            Ok(received) => self.take_opened(now, from, &name, &received, envelope.ts.0),
            Err(_) if again => {}
            Err(error) => self.take_unopened(now, from, &name, envelope.seq, error),
        }
        Ok(())
    }

    fn open(&mut self, now: Now, from: Address, body: &[u8]) -> Result<Received, Error> {
        let me = self.address().ok_or(Error::NoSession)?;
        let known = self.sets.remove(&from);
        if known.is_none() && self.sets.len() >= SETS_MAX {
            return Err(Error::Exhausted);
        }
        let mut set = known.unwrap_or_else(|| SessionSet::new(me, from));
        let (Some(account), Some(prekeys)) = (&self.account, &mut self.prekeys) else {
            return Err(Error::NoSession);
        };
        let device = Device { identity: &account.identity, prekeys, seen: &mut self.seen };
        let received = set.receive(device, body, Millis(now.wall.0), &mut self.random);
        if !set.is_empty() {
            self.sets.insert(from, set);
        }
        let received = received?;
        self.dirty.sets.insert(from);
        if let Some(started) = received.started {
            let value = seen_value(started.signed_id, from.uid);
            self.dirty.put(Table::Seen, started.base.0.to_vec(), value);
            if started.one_time_id.is_some() {
                self.dirty.prekeys = true;
                self.stock = self.stock.saturating_sub(1);
            }
        }
        Ok(received)
    }

    fn take_opened(&mut self, now: Now, from: Address, name: &UserName, received: &Received, at: Timestamp) {
        let at = if at == Timestamp(0) { now.wall } else { at };
        let content = match Content::decode(&received.content) {
            Ok(content) => content,
            Err(error) => return self.tell_once(now, from.uid, name, error),
        };
        if Some(from.uid) == self.uid() {
            self.meet_device(now, from);
            return self.take_from_own(now, from, content, at);
        }
        if self.me.as_ref() == Some(name) {
            let text =
                "a message came under your own name from somebody else, and was dropped: the server lies";
            return self.note_server(now, Kind::Error, text);
        }
        match self.peers.meet(from.uid, name) {
            Ok(former) => self.dirty.peers.extend(former.into_iter().chain([from.uid])),
            Err(Misnamed::Renamed) => {}
            Err(Misnamed::TooMany) => {
                let text = format!("a message of {name} was dropped: too many accounts are known already");
                return self.note_server(now, Kind::Error, &text);
            }
        }
        self.see_identity(now, from.uid, received.identity);
        self.meet_device(now, from);
        let genuine = self.trusted(from.uid) == Some(received.identity);
        self.take_theirs(now, from, name, content, at, genuine);
    }

    /// A device that writes and is in no list yet: the list is asked for before the next message to it.
    fn meet_device(&mut self, now: Now, from: Address) {
        let Some(peer) = self.peers.get_mut(from.uid) else { return };
        if peer.devices.contains_key(&from.device) {
            return;
        }
        let known = peer.fetched.take().is_some();
        peer.devices.insert(from.device, PeerDevice::default());
        self.dirty.peers.insert(from.uid);
        self.forget_devices(from.uid, Some(from.device));
        if Some(from.uid) == self.uid() {
            self.ask_own_devices();
        } else if known {
            self.announce(now, from.uid, from.device);
        }
    }

    fn take_unopened(&mut self, now: Now, from: Address, name: &UserName, seq: u64, error: Error) {
        match error.reaction() {
            Reaction::DropSilently => self.dropped += 1,
            Reaction::DropAndLog | Reaction::TellPerson => self.tell_once(now, from.uid, name, error),
            Reaction::AskPerson => {
                let text = "identity-changed: a message came as from another device of yours, with another \
                            identity, and was dropped: the server lies, or somebody has your password";
                self.note_server(now, Kind::Error, text);
            }
            Reaction::Reset => self.take_undecryptable(now, from, name, seq, error),
        }
    }

    /// Said once of each peer: whoever sends such messages can send many.
    fn tell_once(&mut self, now: Now, uid: Uid, name: &UserName, error: Error) {
        if self.told.len() >= TOLD_MAX || !self.told.insert((uid, error)) {
            return;
        }
        let text = match error {
            Error::Version => format!("{name} uses a newer program: a message cannot be read by this one"),
            error => format!("undecryptable: a message of {name} was dropped: {error}"),
        };
        self.note(now, name, Kind::Error, &text);
    }

    /// Envelopes that were dropped because they had been opened before.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The server counts up by one for each envelope; gaps are those that expired. A number further ahead
/// would make everything below it pass for taken.
const SEQ_AHEAD_MAX: u64 = 1 << 32;
/// Peers and errors that were told once.
const TOLD_MAX: usize = 1_000;
