//! Private messages: delivered at once to who is connected, kept for who is not.
//!
//! A registered user who hides is written to as one who is not connected; the letter is delivered all
//! the same, as soon as it is kept. So an answer tells nobody who is there. Letters are deleted when
//! a session of the reader has taken them; a crash before that delivers them again.

use std::sync::Arc;

use crate::hub::effect::Effect;
use crate::hub::job::{PostRefusal, StoreJob};
use crate::hub::user::Letters;
use crate::hub::{Ask, Hub};
use crate::proto::event::{Answer, Event, Letter};
use crate::proto::id::{AccountId, ConnId, UserId};
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::{Instant, Timestamp};

/// A private message that went out. `kept`: as a letter, for a reader who is not there.
struct Sent {
    to: UserName,
    at: Timestamp,
    text: Arc<str>,
    kept: bool,
}

impl Hub {
    pub(super) fn msg(
        &mut self,
        ask: Ask,
        me: UserId,
        user: &str,
        text: &str,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let to = UserName::parse(user)?;
        super::talk::check_text(text)?;
        let text: Arc<str> = text.into();
        let account = self.directory.find(&to);
        if let Some(id) = self.users.find(&to) {
            let reader = self.user(id);
            // Behind letters that are still on their way, a new one has to wait its turn. And what is
            // for an account is not for a guest who had its name before.
            let at_once = account.is_none_or(|account| {
                Some(account) == reader.account
                    && !reader.is_hidden()
                    && reader.letters == Letters::None
                    && !self.directory.has_post_under_way(account)
            });
            if at_once {
                if reader.blocks.contains_key(self.user(me).name.key()) {
                    return Err(blocked(&reader.name));
                }
                self.deliver_private(ask, me, id, text, out);
                return Ok(());
            }
        }
        let Some(account) = account else {
            let text = format!("there is no user {to}, connected or registered");
            return Err(Refusal::new(Code::NoSuchUser, text));
        };
        let from = self.user(me).name.shown().clone();
        let origin = ask.origin();
        self.session_mut(ask.conn).appends += 1;
        self.directory.post_begins(account);
        self.submit_store(StoreJob::Post { origin, to: account, from, text, at: ask.now.wall }, out);
        Ok(())
    }

    fn deliver_private(&self, ask: Ask, me: UserId, to: UserId, text: Arc<str>, out: &mut Vec<Effect>) {
        let (sender, reader) = (self.user(me), self.user(to));
        let at = ask.now.wall;
        let (from, to) = (sender.name.clone(), reader.name.clone());
        for &session in reader.sessions.iter().filter(|&&session| session != ask.conn) {
            let (from, to) = (from.shown().clone(), to.clone());
            out.push(Effect::Tell(session, Event::PrivateReceived { from, to, at, text: text.clone() }));
        }
        self.show_sent(ask, me, Sent { to, at, text, kept: false }, out);
    }

    /// The sender's copy: as the answer, and to the sender's other sessions.
    fn show_sent(&self, ask: Ask, me: UserId, sent: Sent, out: &mut Vec<Effect>) {
        let Sent { to, at, text, kept } = sent;
        let from = self.user(me).name.clone();
        if to != from {
            for &session in self.user(me).sessions.iter().filter(|&&session| session != ask.conn) {
                let (from, to) = (from.clone(), to.clone());
                out.push(Effect::Tell(session, Event::PrivateSent { from, to, at, text: text.clone() }));
            }
        }
        self.answer(ask, Answer::Sent { to, from, at, text, kept }, out);
    }

    /// The store keeps a letter.
    pub(super) fn posted(
        &mut self,
        ask: Ask,
        to: AccountId,
        text: Arc<str>,
        at: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        self.directory.post_ends(to);
        let account = self.directory.get(to).expect("that it was removed is told behind what it was sent");
        let to = account.user.clone();
        // The reader may be there: hidden, or come in the meantime.
        let reader = self.users.find(&to);
        if let Some(me) = self.sessions.get(ask.conn).and_then(|session| session.user) {
            self.show_sent(ask, me, Sent { to, at, text, kept: true }, out);
        }
        self.append_done(ask.conn, out);
        if let Some(reader) = reader {
            self.fetch_letters(ask.now.mono, reader, out);
        }
    }

    /// The store could not keep a letter.
    pub(super) fn post_failed(&mut self, ask: Ask, to: AccountId, refusal: Refusal, out: &mut Vec<Effect>) {
        self.directory.post_ends(to);
        self.refuse(ask, refusal, out);
        self.append_done(ask.conn, out);
    }

    pub(super) fn post_refused(
        &mut self,
        ask: Ask,
        to: AccountId,
        refusal: PostRefusal,
        out: &mut Vec<Effect>,
    ) {
        let refusal = match refusal {
            // The news of it may still be on its way here.
            PostRefusal::NoSuchUser => Refusal::new(Code::NoSuchUser, "this account was removed"),
            PostRefusal::TooMany => Refusal::new(Code::TooMany, "too many messages wait for this user"),
        };
        self.post_failed(ask, to, refusal, out);
    }

    /// Asks the store for letters that wait, unless that is under way.
    pub(super) fn fetch_letters(&mut self, now: Instant, reader: UserId, out: &mut Vec<Effect>) {
        let user = self.users.get_mut(reader);
        let Some(account) = user.account else { return };
        if let Letters::Delivering { since, .. } = user.letters
            && now.since_ms(since) > STALLED_MS
        {
            // That session does not read; another may.
            user.letters = Letters::None;
        }
        match &mut user.letters {
            Letters::Failed | Letters::None => {
                user.letters = Letters::Fetching { again: false };
                self.submit_store(StoreJob::Letters { account, after: 0 }, out);
            }
            Letters::Fetching { again } => *again = true,
            // What comes next is fetched when these are taken.
            Letters::Delivering { .. } => {}
        }
    }

    /// The store read letters.
    pub(super) fn letters(
        &mut self,
        now: Instant,
        account: AccountId,
        letters: Vec<Letter>,
        out: &mut Vec<Effect>,
    ) {
        let Some(reader) = self.directory.get(account).and_then(|account| self.users.find(&account.user))
        else {
            return;
        };
        let user = self.users.get_mut(reader);
        let Letters::Fetching { again } = user.letters else { return };
        user.letters = Letters::None;
        let Some(last) = letters.last() else {
            if again {
                self.fetch_letters(now, reader, out);
            }
            return;
        };
        // The newest session is the likeliest to be read.
        let conn = *user.sessions.last().expect("a connected user has a session");
        user.letters = Letters::Delivering { conn, up_to: last.id, since: now };
        let user = self.user(reader);
        for letter in letters {
            let blocked = !user.blocks.is_empty()
                && UserName::parse(&letter.from).is_ok_and(|from| user.blocks.contains_key(from.key()));
            if blocked {
                continue;
            }
            for &session in &user.sessions {
                let (from, to, at) = (letter.from.clone(), user.name.clone(), letter.at);
                let text = letter.text.clone();
                out.push(Effect::Tell(session, Event::PrivateReceived { from, to, at, text }));
            }
        }
        out.push(Effect::AwaitDrain(conn));
    }

    /// The store could not read letters; they are tried again with the next one, or the next login.
    pub(super) fn letters_failed(&mut self, account: AccountId) {
        let reader = self.directory.get(account).and_then(|account| self.users.find(&account.user));
        if let Some(reader) = reader
            && let letters @ Letters::Fetching { .. } = &mut self.users.get_mut(reader).letters
        {
            *letters = Letters::Failed;
        }
    }

    /// A connection took everything that was sent to it: letters among it are delivered.
    pub(super) fn letters_taken(&mut self, now: Instant, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(me) = self.sessions.get(conn).and_then(|session| session.user) else { return };
        let user = self.users.get_mut(me);
        if let (Letters::Delivering { conn: reader, up_to, .. }, Some(account)) = (user.letters, user.account)
            && reader == conn
        {
            user.letters = Letters::None;
            self.submit_store(StoreJob::LettersDelivered { account, up_to }, out);
            // In the store's order this reads what is left after the deletion.
            self.fetch_letters(now, me, out);
        }
    }

    /// A session ended while it was taking letters: they are handed out again, to those that are left.
    pub(super) fn letters_reader_gone(&mut self, me: UserId, conn: ConnId, out: &mut Vec<Effect>) {
        let user = self.users.get_mut(me);
        if let Letters::Delivering { conn: reader, since, .. } = user.letters
            && reader == conn
        {
            user.letters = Letters::None;
            self.fetch_letters(since, me, out);
        }
    }
}

fn blocked(reader: &UserName) -> Refusal {
    Refusal::new(Code::Blocked, format!("{reader} does not want messages from you"))
}

/// How long a session may take for letters before they are handed to another.
const STALLED_MS: u64 = 10_000;
