//! Logging in to an account.
//!
//! ```text
//!   login ─▶ Account ─▶ Verify (bcrypt) ─▶ Session ─▶ named ─▶ rooms, letters
//!   login ─▶ Session (by token)                    ─▶ named ─▶ rooms, letters
//! ```
//!
//! A login with `data` has no name and no rooms at its end: its connection carries files ([`files`]).
//!
//! [`files`]: crate::hub::files
//!
//! A user that does not exist goes the same way as one that does, bcrypt included, so that neither
//! the answer nor its time tells which names are registered.

use crate::hub::effect::Effect;
use crate::hub::job::{
    AccountRecord, PasswordJob, SessionProof, SessionRecord, SessionRefusal, SessionTerms, StoreJob,
};
use crate::hub::prompt::Prompting;
use crate::hub::session::{LoginStage, Waiting};
use crate::hub::{Ask, Hub};
use crate::proto::command::Proof;
use crate::proto::event::{Answer, Named, Prompt};
use crate::proto::id::ConnId;
use crate::proto::limits::SESSIONS_PER_USER_MAX;
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::secret::Secret;
use crate::proto::time::Now;

impl Hub {
    pub(super) fn login(
        &mut self,
        ask: Ask,
        user: &str,
        proof: Proof,
        data: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.check_unnamed(ask.conn)?;
        self.check_private(ask.conn)?;
        if data {
            self.check_data_login()?;
        }
        let user = UserName::parse(user)?;
        match proof {
            Proof::Ask => {
                let prompt = Prompt::Password { user: user.shown().clone() };
                self.prompt(ask.conn, Prompting::Login { user }, prompt, out);
                Ok(())
            }
            Proof::Password(password) => self.login_with_password(ask, user, password, data, out),
            Proof::Token(token) => {
                self.check_guess(ask, &user)?;
                let proof = SessionProof::Token { user: user.clone(), token };
                self.submit_session(ask, user, proof, data, out);
                Ok(())
            }
        }
    }

    pub(super) fn login_with_password(
        &mut self,
        ask: Ask,
        user: UserName,
        password: Secret,
        data: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.check_guess(ask, &user)?;
        // Too long or too short is never right, but costs the same time as wrong: the lane refuses it.
        self.take_password_place(ask.conn)?;
        self.submit_store(StoreJob::Account { origin: ask.origin(), user: user.clone() }, out);
        let stage = LoginStage::Account { password };
        self.wait(ask.conn, Waiting::Login { user, data, stage }, out);
        Ok(())
    }

    /// The store looked for the account of a login.
    pub(super) fn login_account(
        &mut self,
        ask: Ask,
        user: UserName,
        data: bool,
        password: Secret,
        account: Option<AccountRecord>,
        out: &mut Vec<Effect>,
    ) {
        let hash = account.as_ref().map(|account| account.hash.clone());
        let cost = self.settings.bcrypt_cost;
        self.submit_password(PasswordJob::Verify { origin: ask.origin(), password, hash, cost }, out);
        let stage = LoginStage::Verify { account };
        self.wait(ask.conn, Waiting::Login { user, data, stage }, out);
    }

    /// bcrypt compared the password of a login.
    pub(super) fn login_verified(
        &mut self,
        ask: Ask,
        user: UserName,
        data: bool,
        account: Option<AccountRecord>,
        matches: bool,
        out: &mut Vec<Effect>,
    ) {
        match account {
            Some(account) if matches && account.banned => {
                self.ready(ask.conn, out);
                self.refuse(ask, account_banned(), out);
            }
            Some(account) if matches => {
                self.submit_session(ask, user, SessionProof::Verified(account.id), data, out)
            }
            _ => self.login_failed(ask, &user, out),
        }
    }

    /// The store opened a session, or refused the token.
    pub(super) fn login_session(
        &mut self,
        ask: Ask,
        user: UserName,
        data: bool,
        outcome: Result<SessionRecord, SessionRefusal>,
        out: &mut Vec<Effect>,
    ) {
        match outcome {
            Ok(record) if data => self.data_logged_in(ask, record, out),
            Ok(record) => self.logged_in(ask, record, Named::Login, out),
            Err(SessionRefusal::Banned) => {
                self.ready(ask.conn, out);
                self.refuse(ask, account_banned(), out);
            }
            Err(SessionRefusal::Refused) => self.login_failed(ask, &user, out),
        }
    }

    /// A name is chosen: answers, and comes into the rooms of the account.
    pub(super) fn logged_in(&mut self, ask: Ask, record: SessionRecord, how: Named, out: &mut Vec<Effect>) {
        let SessionRecord { account, user, token, token_id, rooms, blocks, letters_wait } = record;
        if self.directory.get(account).is_none() {
            // The operator made it a moment ago, and the login came before the news.
            self.directory.insert(account, user.clone(), false);
        }
        if self.directory.get(account).is_some_and(|account| account.banned) {
            // The operator was quicker than the login.
            self.ready(ask.conn, out);
            return self.refuse(ask, account_banned(), out);
        }
        let holder = self.users.find(&user);
        if holder.is_some_and(|id| self.user(id).account != Some(account)) {
            // A guest chose the name before the operator registered it.
            self.ready(ask.conn, out);
            let text = "a guest holds this name at the moment";
            return self.refuse(ask, Refusal::new(Code::NameTaken, text), out);
        }
        if holder.is_some_and(|id| self.user(id).sessions.len() >= SESSIONS_PER_USER_MAX) {
            self.ready(ask.conn, out);
            let text = format!("you are connected {SESSIONS_PER_USER_MAX} times already");
            return self.refuse(ask, Refusal::new(Code::TooMany, text), out);
        }
        let me = self.begin_session(ask, user.clone(), Some(account), out);
        if let Some(token_id) = token_id.filter(|_| self.session(ask.conn).wants_members) {
            self.tokens.insert(ask.conn, token_id);
        }
        if holder.is_none() {
            for blocked in blocks {
                self.add_block(me, blocked);
            }
        }
        let mut rooms: Vec<_> = rooms.into_iter().filter(|&room| self.may_rejoin(room, me)).collect();
        // One may have been left, with a session that has ended since, after the store was asked.
        rooms.retain(|&room| !self.has_just_left(room, account));
        if holder.is_some() {
            // Another session may have left one, or come into one, since the store was asked.
            rooms.retain(|&room| self.is_or_will_be_in(room, me));
            let since = self.user(me).rooms.iter().filter(|room| !rooms.contains(room));
            rooms.extend(since.copied().collect::<Vec<_>>());
        }
        let names = rooms.iter().map(|&room| self.room(room).name.clone()).collect();
        self.answer(ask, Answer::Named { user, how, token, rooms: names }, out);
        self.message_of_the_day(ask.conn, out);
        if letters_wait {
            self.fetch_letters(ask.now.mono, me, out);
        }
        self.rejoin(ask.conn, rooms.into_iter().rev().collect(), out);
    }

    fn submit_session(
        &mut self,
        ask: Ask,
        user: UserName,
        proof: SessionProof,
        data: bool,
        out: &mut Vec<Effect>,
    ) {
        let session = self.session_terms(ask.now);
        self.submit_store(StoreJob::Session { origin: ask.origin(), proof, session }, out);
        let stage = LoginStage::Session;
        self.wait(ask.conn, Waiting::Login { user, data, stage }, out);
    }

    pub(super) fn session_terms(&self, now: Now) -> SessionTerms {
        SessionTerms { now: now.wall, token_lives: self.settings.session_lives }
    }

    /// Wrong password, wrong token, or no such user: counted, and one answer for all.
    fn login_failed(&mut self, ask: Ask, user: &UserName, out: &mut Vec<Effect>) {
        self.log(log::Level::Warn, format!("{} failed to log in as {user}", ask.conn), out);
        self.ready(ask.conn, out);
        let refusal = Refusal::new(Code::LoginFailed, "unknown user or wrong password");
        self.refuse(ask, refusal, out);
        self.count_guess(ask, user, out);
    }

    pub(super) fn check_private(&self, conn: ConnId) -> Result<(), Refusal> {
        if self.session(conn).is_private() {
            return Ok(());
        }
        let text = "a password must not travel in the clear: connect with TLS";
        Err(Refusal::new(Code::PlaintextRefused, text))
    }
}

pub(super) fn account_banned() -> Refusal {
    Refusal::new(Code::Banned, "the operator has closed this account")
}
