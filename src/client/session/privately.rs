//! Private messages in a session: whether they are encrypted, and what the state machine that does it
//! wants sent, shown and stored.
//!
//! One rule holds it together: **what is to be stored comes first**. A driver calls
//! [`Session::take_changes`], commits them in one transaction, and asks for lines and events only then;
//! until it has, there are none. Without keys there is never anything to store.

use std::collections::VecDeque;

use crate::client::private::offer::Offer;
use crate::client::private::pairing::Unable;
use crate::client::private::row::Change;
use crate::client::private::trusting::Comparison;
use crate::client::private::{Asked, Output, Private, Saying};
use crate::client::scrollback::{Kind, Line, Origin, Seal};
use crate::client::session::answers::Outstanding;
use crate::client::session::event::{Failure, Lost, Place, Ticket, Unsent};
use crate::client::session::{Phase, Session};
use crate::client::wire::keys::{DeviceNotice, Envelope, PairAnswer};
use crate::client::wire::{self, Notice, Odd, Refused, clean_body};
use crate::proto::command::Command;
use crate::proto::name::UserName;
use crate::proto::time::Now;

impl Session {
    // ---- for the driver -------------------------------------------------------------------------

    /// Hands over the keys of this user, restored from their store or new. From the next login to the
    /// account on, or at once if that is over, private messages are encrypted.
    pub fn unlock(&mut self, now: Now, private: Private) {
        self.private = Some(Box::new(private));
        self.private_off = None;
        if matches!(self.phase, Phase::Online { .. }) {
            self.begin_private(now);
            self.advance(now);
        }
    }

    /// There are no keys in this run, for this reason: private messages are refused, and never sent
    /// without encryption unless that is asked for. Guests have no keys and need no reason.
    pub fn keep_private_off(&mut self, why: &str) {
        self.private_off = Some(why.into());
    }

    /// What was to be stored could not be: the keys know more than their store, and are given up. Nothing
    /// of the last step is sent; the connection ends, and the next one is without private messages.
    pub fn lock(&mut self, now: Now, why: &str) {
        self.disconnected(now, Lost::Storage(why.into()));
        let Some(private) = self.private.take() else { return };
        self.lines.clear();
        for ticket in private.tickets() {
            self.events.push_back(super::Event::Answered { ticket, outcome: Err(Failure::Lost) });
        }
        self.private_off = Some(why.into());
        self.note(now, Place::Server, Kind::Error, why);
    }

    /// The user wants to leave as soon as everything is settled: what waits for company goes at once.
    pub fn hurry(&mut self, now: Now) {
        let Some(private) = &mut self.private else { return };
        private.hurry();
        self.advance_private(now);
    }

    /// What must be stored now, in one transaction, before anything else is asked of the session. If that
    /// fails, [`Session::lock`] gives up what it knows more than its store.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let Some(private) = &mut self.private else { return Vec::new() };
        let changes = private.take_changes();
        private.acknowledge();
        self.drain_private();
        changes
    }

    /// Whether there is something to be stored.
    pub fn has_changes(&self) -> bool {
        self.private.as_ref().is_some_and(|private| private.has_changes())
    }

    /// A driver that asks for lines or events before it has stored the changes loses messages when it
    /// crashes: a mistake that is to be found early.
    pub(super) fn must_store(&self) -> bool {
        let must = self.has_changes();
        debug_assert!(!must, "changes must be taken and stored before lines and events are asked for");
        must
    }

    // ---- what there is to see -------------------------------------------------------------------

    /// Keys, devices, trust; `None` as long as they were not unlocked.
    pub fn private(&self) -> Option<&Private> {
        self.private.as_deref()
    }

    /// Why there are no keys in this run, if a reason was given.
    pub fn private_off(&self) -> Option<&str> {
        self.private_off.as_deref().filter(|_| !self.guest)
    }

    /// How a conversation is protected, for a status bar.
    pub fn seal_of(&self, place: &Place) -> Seal {
        match (place, &self.private) {
            (Place::Server | Place::Room(_), _) => Seal::ServerReadable,
            (Place::Person(user), Some(private)) => private.seal_of(user),
            (Place::Person(_), None) => Seal::NotEncrypted,
        }
    }

    // ---- what a user can ask for ----------------------------------------------------------------

    /// Sends a private message: encrypted if the reader has keys, and if not, marked so. When it went
    /// out, the line appears in the conversation. With keys unlocked it may be said while there is no
    /// connection, and is kept until there is.
    pub fn message(&mut self, now: Now, user: &UserName, text: &str) -> Result<Ticket, Unsent> {
        if self.encrypts() {
            return self.say_to(now, user, Saying::Text(text.to_owned()));
        }
        if self.private_off().is_some() {
            return Err(Unsent::PrivateOff);
        }
        if self.private.as_ref().is_some_and(|private| private.had_identity(user)) {
            return Err(Unsent::WasEncrypted);
        }
        self.message_openly(now, user, text)
    }

    /// Sends a private message without encryption, because the user wants it so.
    pub fn message_plainly(&mut self, now: Now, user: &UserName, text: &str) -> Result<Ticket, Unsent> {
        if self.encrypts() && self.private.as_ref().is_some_and(|private| private.takes_messages()) {
            return self.say_privately(now, user, Saying::Text(text.to_owned()), true);
        }
        self.message_openly(now, user, text)
    }

    fn message_openly(&mut self, now: Now, user: &UserName, text: &str) -> Result<Ticket, Unsent> {
        // The server would cut out the ends of lines, and join the words around them.
        let text = text.replace('\n', " ").into();
        let ticket = self.ask(Command::Msg { user: user.shown().as_ref().into(), text })?;
        self.warn_openly(now, user);
        Ok(ticket)
    }

    /// Says something encrypted: a text, a file, a change of what was said before.
    pub fn say_to(&mut self, now: Now, user: &UserName, saying: Saying) -> Result<Ticket, Unsent> {
        if !self.encrypts() {
            return Err(Unsent::PrivateOff);
        }
        self.say_privately(now, user, saying, false)
    }

    fn say_privately(
        &mut self,
        now: Now,
        user: &UserName,
        saying: Saying,
        plain: bool,
    ) -> Result<Ticket, Unsent> {
        let ticket = self.ticket();
        let private = self.private.as_mut().ok_or(Unsent::PrivateOff)?;
        private.say(now, user, saying, plain, ticket)?;
        self.advance_private(now);
        Ok(ticket)
    }

    /// Asks for the identity and the devices of somebody, so that [`Session::seal_of`] and the safety number
    /// are known before the first message.
    pub fn look_up(&mut self, now: Now, user: &UserName) {
        self.privately(now, |private, _| private.look_up(user));
    }

    /// Compares what the other has shown: the paste form, or the sixty digits.
    pub fn verify(&mut self, now: Now, user: &UserName, shown: &str) -> Comparison {
        self.privately(now, |private, now| private.verify(now, user, shown)).unwrap_or(Comparison::Unknown)
    }

    /// Accepts the changed identity of somebody without comparing; `false` if it has not changed.
    pub fn trust(&mut self, now: Now, user: &UserName) -> bool {
        self.privately(now, |private, now| private.accept(now, user)).unwrap_or(false)
    }

    /// On a new device: the code to type on one that has the account's identity.
    pub fn pair(&mut self, now: Now) -> Result<String, Unable> {
        self.privately(now, |private, now| private.pair(now)).unwrap_or(Err(Unable::NotNow))
    }

    /// On a device that has the identity: gives it to the one that shows this code.
    pub fn pair_with(&mut self, now: Now, code: &str) -> Result<(), Unable> {
        self.privately(now, |private, _| private.pair_with(code)).unwrap_or(Err(Unable::NotNow))
    }

    /// On a new device: takes the identity from the recovery key.
    pub fn recover(&mut self, now: Now, key: &str) -> Result<(), Unable> {
        self.privately(now, |private, now| private.recover(now, key)).unwrap_or(Err(Unable::NotNow))
    }

    /// Replaces the account's identity; everybody who knows the old one is warned.
    pub fn new_identity(&mut self, now: Now) -> Result<(), Unable> {
        self.privately(now, |private, _| private.new_identity()).unwrap_or(Err(Unable::NotNow))
    }

    /// Removes another device of the account.
    pub fn revoke(&mut self, now: Now, device: u32) -> Result<(), Unable> {
        self.privately(now, |private, _| private.revoke(device)).unwrap_or(Err(Unable::NotNow))
    }

    /// A file that was offered is taken or declined: it is not offered any more.
    pub fn settle_offer(&mut self, now: Now, key: &[u8]) -> Option<Offer> {
        self.privately(now, |private, _| private.settle_offer(key)).flatten()
    }

    /// Puts earlier lines of a private conversation in front, oldest first.
    pub fn prepend(&mut self, user: &UserName, lines: &[Line]) {
        self.person(user).scrollback.prepend(lines);
    }

    fn privately<T>(&mut self, now: Now, act: impl FnOnce(&mut Private, Now) -> T) -> Option<T> {
        let done = act(self.private.as_mut()?, now);
        self.advance_private(now);
        Some(done)
    }

    // ---- what the session does with it ----------------------------------------------------------

    /// Keys are there, and this is an account on a server that knows of them.
    fn encrypts(&self) -> bool {
        self.private.as_ref().is_some_and(|private| !private.is_unavailable())
    }

    pub(super) fn begin_private(&mut self, _now: Now) {
        let (Some(private), Some(name)) = (&mut self.private, &self.name) else { return };
        private.login(name, self.guest);
        self.drain_private();
    }

    pub(super) fn advance_private(&mut self, now: Now) {
        let online = matches!(self.phase, Phase::Online { .. });
        let Some(private) = &mut self.private else { return };
        if online {
            private.advance(now);
        }
        self.drain_private();
    }

    pub(super) fn disconnect_private(&mut self) {
        let Some(private) = &mut self.private else { return };
        private.disconnected();
        self.drain_private();
    }

    pub(super) fn abandon_private(&mut self, asked: Asked) {
        if let Some(private) = &mut self.private {
            private.abandoned(asked);
        }
    }

    pub(super) fn handle_private_reply(
        &mut self,
        now: Now,
        asked: Asked,
        refused: Option<Refused>,
        line: &[u8],
    ) -> Result<(), Odd> {
        let Some(private) = &mut self.private else { return Ok(()) };
        private.handle_reply(now, asked, refused, line)
    }

    pub(super) fn is_private_due(&self, now: Now) -> bool {
        let deadline = self.private.as_ref().and_then(|private| private.next_deadline());
        deadline.is_some_and(|deadline| deadline <= now.mono)
    }

    pub(super) fn handle_private_timeout(&mut self, now: Now) {
        if let Some(private) = &mut self.private {
            private.handle_timeout(now);
            self.drain_private();
        }
    }

    pub(super) fn handle_envelope(&mut self, now: Now, envelope: &Envelope) -> Result<(), Odd> {
        let Some(private) = &mut self.private else { return Ok(()) };
        private.handle_envelope(now, envelope)
    }

    pub(super) fn handle_pair_answer(&mut self, now: Now, answer: &PairAnswer) -> Result<(), Odd> {
        if let Some(private) = &mut self.private {
            private.handle_pair_answer(now, &answer.answer.0);
        }
        Ok(())
    }

    pub(super) fn handle_private_notice(&mut self, now: Now, kind: &str, line: &[u8]) -> Result<(), Odd> {
        if kind == "sealed" {
            let notice: Notice = wire::event(line)?;
            let from = UserName::parse(&notice.from.ok_or(Odd)?).map_err(|_| Odd)?;
            let text = format!("{from} sent you a message that only a device with your keys can read");
            self.note(now, Place::Person(from), Kind::Notice, text);
            return Ok(());
        }
        let notice: DeviceNotice = wire::event(line)?;
        let Some(private) = &mut self.private else { return Ok(()) };
        match kind {
            "detached" => private.handle_detached(now, notice.device),
            _ => private.handle_device_notice(now, &notice),
        }
        Ok(())
    }

    /// A private message without encryption has come, or was sent by another session of this user.
    pub(super) fn heed_plain(&mut self, now: Now, peer: &UserName, own: bool, message: &wire::Private) {
        match &mut self.private {
            Some(private) if !private.is_unavailable() => {
                private.handle_plain(now, peer, own, message.ts.0, &message.text.0);
                self.drain_private();
            }
            _ => self.warn_openly(now, peer),
        }
    }

    /// Once for each conversation, before the first message in it.
    fn warn_openly(&mut self, now: Now, user: &UserName) {
        if std::mem::replace(&mut self.person(user).warned, true) {
            return;
        }
        let text = format!(
            "not-encrypted: messages with {user} are NOT encrypted, for this session has no keys: the \
             server, and whoever controls it, can read and change them"
        );
        self.note(now, Place::Person(user.clone()), Kind::Error, text);
    }

    /// Does what the last step wants done, in its order.
    pub(super) fn drain_private(&mut self) {
        let outputs: VecDeque<Output> = match &mut self.private {
            Some(private) => private.take_outputs().into(),
            None => return,
        };
        for output in outputs {
            match output {
                Output::Answered { ticket, outcome } => {
                    self.events.push_back(super::Event::Answered { ticket, outcome });
                }
                Output::Ask { command, asked } => {
                    self.send(&command, Outstanding::Private(asked));
                }
                Output::Event(event) => self.events.push_back(event),
                Output::Line { place, line } => self.show(place, line),
            }
        }
    }
}

/// An entry of the history as a line.
pub fn past_line(record: &crate::client::private::history::Record, from: &str) -> Line {
    use crate::client::private::history::RecordKind;
    let (kind, text) = match record.kind {
        RecordKind::Deleted => (Kind::Notice, format!("{from} deleted a message").into()),
        RecordKind::Notice => (Kind::Notice, clean_body(&record.text)),
        RecordKind::FileNote | RecordKind::Reaction | RecordKind::Text => {
            (Kind::Say, clean_body(&record.text))
        }
    };
    Line {
        kind,
        origin: Origin::Past,
        own: record.own,
        seq: crate::proto::id::Seq(0),
        at: record.at,
        from: from.into(),
        text,
        seal: if kind == Kind::Say { record.seal } else { Seal::ServerReadable },
    }
}
