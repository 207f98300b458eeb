//! Choosing a name: as a guest, by logging in, by registering.
//!
//! ```text
//!   nick      ─▶ named
//!   login     ─▶ Account ─▶ Verify (bcrypt) ─▶ Session ─▶ named ─▶ rooms, letters
//!   login     ─▶ Session (by token)                    ─▶ named ─▶ rooms, letters
//!   register  ─▶ Hash (bcrypt) ─▶ Save                 ─▶ named
//! ```
//!
//! A user that does not exist goes the same way as one that does, bcrypt included, so that neither
//! the answer nor its time tells which names are registered.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::hub::address::Act;
use crate::hub::effect::{CloseReason, Effect};
use crate::hub::job::{
    AccountRecord, PasswordHash, PasswordJob, RegisterRefusal, SessionProof, SessionRecord, SessionRefusal,
    SessionTerms, StoreJob,
};
use crate::hub::session::{Activity, LoginStage, Waiting};
use crate::hub::settings::Registration;
use crate::hub::user::{Letters, User};
use crate::hub::{Ask, Hub};
use crate::proto::command::Proof;
use crate::proto::event::{Answer, Event, Named, Prompt, Status};
use crate::proto::id::{AccountId, ConnId, UserId};
use crate::proto::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN, SESSIONS_PER_USER_MAX};
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::secret::Secret;
use crate::proto::time::Now;

/// A question was asked; this is what its answer is for.
#[derive(Debug)]
pub enum Prompting {
    Invite { user: UserName, password: Secret },
    Login { user: UserName },
    NewPassword { old: Secret },
    OldPassword,
    Register { user: UserName, invite: Option<Secret> },
}

/// How far a registration is.
#[derive(Debug)]
pub enum RegisterStage {
    Hash,
    Save,
}

/// How far a change of password is.
#[derive(Debug)]
pub enum PasswdStage {
    Account { old: Secret, new: Secret },
    Hash { account: AccountId },
    Save,
    Verify { account: AccountId, new: Secret },
}

impl Hub {
    pub(super) fn hello(&mut self, ask: Ask, version: i64, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        if version != PROTOCOL_VERSION {
            let text = format!("this server speaks version {PROTOCOL_VERSION}, not {version}");
            return Err(Refusal::new(Code::UnsupportedVersion, text));
        }
        self.answer(ask, Answer::Hello { server: self.settings.name.clone() }, out);
        Ok(())
    }

    /// Takes a guest's name, or changes it.
    pub(super) fn nick(&mut self, ask: Ask, user: &str, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let name = UserName::parse(user)?;
        let me = self.session(ask.conn).user;
        if let Some(me) = me.filter(|&me| !self.user(me).is_guest()) {
            return Err(already_named(&self.user(me).name));
        }
        if !self.settings.guests {
            return Err(Refusal::new(
                Code::GuestsClosed,
                "this server has no guests: /register NAME or /login NAME",
            ));
        }
        self.check_free(&name, me)?;
        match me {
            Some(me) => self.rename(me, name.clone(), out),
            None => {
                self.begin_session(ask, name.clone(), None, out);
            }
        }
        self.answer(
            ask,
            Answer::Named { user: name, how: Named::Guest, token: None, rooms: Vec::new() },
            out,
        );
        if me.is_none() {
            self.message_of_the_day(ask.conn, out);
        }
        Ok(())
    }

    pub(super) fn login(
        &mut self,
        ask: Ask,
        user: &str,
        proof: Proof,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.check_unnamed(ask.conn)?;
        self.check_private(ask.conn)?;
        let user = UserName::parse(user)?;
        match proof {
            Proof::Ask => {
                let prompt = Prompt::Password { user: user.shown().clone() };
                self.prompt(ask.conn, Prompting::Login { user }, prompt, out);
                Ok(())
            }
            Proof::Password(password) => self.login_with_password(ask, user, password, out),
            Proof::Token(token) => {
                self.check_failures(ask)?;
                let proof = SessionProof::Token { user: user.clone(), token };
                self.submit_session(ask, user, proof, out);
                Ok(())
            }
        }
    }

    fn login_with_password(
        &mut self,
        ask: Ask,
        user: UserName,
        password: Secret,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.check_failures(ask)?;
        // Too long or too short is never right, but costs the same time as wrong: the lane refuses it.
        self.take_password_place(ask.conn)?;
        self.submit_store(StoreJob::Account { origin: ask.origin(), user: user.clone() }, out);
        let stage = LoginStage::Account { password };
        self.wait(ask.conn, Waiting::Login { re: ask.re, user, stage }, out);
        Ok(())
    }

    pub(super) fn register(
        &mut self,
        ask: Ask,
        user: &str,
        password: Option<Secret>,
        invite: Option<Secret>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        self.check_unnamed(ask.conn)?;
        if self.settings.registration == Registration::Closed {
            let text = "nobody can register here; the operator makes accounts";
            return Err(Refusal::new(Code::RegistrationClosed, text));
        }
        self.check_private(ask.conn)?;
        let user = UserName::parse(user)?;
        self.check_free(&user, None)?;
        let Some(password) = password else {
            let prompt = Prompt::Password { user: user.shown().clone() };
            self.prompt(ask.conn, Prompting::Register { user, invite }, prompt, out);
            return Ok(());
        };
        self.register_with_password(ask, user, password, invite, out)
    }

    fn register_with_password(
        &mut self,
        ask: Ask,
        user: UserName,
        password: Secret,
        invite: Option<Secret>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        check_password(&password)?;
        self.check_free(&user, None)?;
        if self.settings.registration == Registration::Invite && invite.is_none() {
            return Err(Refusal::new(
                Code::BadInvite,
                "an invitation is needed: /register NAME PASSWORD INVITE",
            ));
        }
        if let Some(key) = self.session(ask.conn).address
            && !self.addresses.may(ask.now.mono, key, Act::Register, &self.settings.limits)
        {
            return Err(Refusal::new(
                Code::TooFast,
                "too many accounts were made from your address; wait an hour",
            ));
        }
        self.take_password_place(ask.conn)?;
        self.directory.reserve(ask.conn, &user);
        let job = PasswordJob::Hash { origin: ask.origin(), password, cost: self.settings.bcrypt_cost };
        self.submit_password(job, out);
        self.wait(ask.conn, Waiting::Register { re: ask.re, user, invite, stage: RegisterStage::Hash }, out);
        Ok(())
    }

    /// The line after a prompt.
    pub(super) fn prompted(&mut self, ask: Ask, line: Secret, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let session = self.session_mut(ask.conn);
        let Activity::Prompting(prompting) = std::mem::replace(&mut session.activity, Activity::Ready) else {
            return Err(Refusal::new(Code::BadRequest, "nothing was asked"));
        };
        if line.reveal().is_empty() {
            self.answer(ask, Answer::Cancelled, out);
            return Ok(());
        }
        match *prompting {
            Prompting::Invite { user, password } => {
                self.register_with_password(ask, user, password, Some(line), out)
            }
            Prompting::Login { user } => self.login_with_password(ask, user, line, out),
            Prompting::NewPassword { old } => self.passwd_with_both(ask, old, line, out),
            Prompting::OldPassword => {
                self.prompt(ask.conn, Prompting::NewPassword { old: line }, Prompt::NewPassword, out);
                Ok(())
            }
            Prompting::Register { user, invite } => {
                check_password(&line)?;
                if self.settings.registration == Registration::Invite && invite.is_none() {
                    let prompting = Prompting::Invite { user, password: line };
                    self.prompt(ask.conn, prompting, Prompt::Invite, out);
                    return Ok(());
                }
                self.register_with_password(ask, user, line, invite, out)
            }
        }
    }

    pub(super) fn prompt(
        &mut self,
        conn: ConnId,
        prompting: Prompting,
        prompt: Prompt,
        out: &mut Vec<Effect>,
    ) {
        self.session_mut(conn).activity = Activity::Prompting(Box::new(prompting));
        out.push(Effect::Tell(conn, Event::Prompt(prompt)));
    }

    // ---- what the lanes answer ----------------------------------------------------------------

    /// The store looked for the account of a login.
    pub(super) fn login_account(
        &mut self,
        ask: Ask,
        user: UserName,
        password: Secret,
        account: Option<AccountRecord>,
        out: &mut Vec<Effect>,
    ) {
        let hash = account.as_ref().map(|account| account.hash.clone());
        let cost = self.settings.bcrypt_cost;
        self.submit_password(PasswordJob::Verify { origin: ask.origin(), password, hash, cost }, out);
        let stage = LoginStage::Verify { account };
        self.wait(ask.conn, Waiting::Login { re: ask.re, user, stage }, out);
    }

    /// bcrypt compared the password of a login.
    pub(super) fn login_verified(
        &mut self,
        ask: Ask,
        user: UserName,
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
                self.submit_session(ask, user, SessionProof::Verified(account.id), out)
            }
            _ => self.login_failed(ask, &user, out),
        }
    }

    /// The store opened a session, or refused the token.
    pub(super) fn login_session(
        &mut self,
        ask: Ask,
        user: UserName,
        outcome: Result<SessionRecord, SessionRefusal>,
        out: &mut Vec<Effect>,
    ) {
        match outcome {
            Ok(record) => self.logged_in(ask, record, Named::Login, out),
            Err(SessionRefusal::Banned) => {
                self.ready(ask.conn, out);
                self.refuse(ask, account_banned(), out);
            }
            Err(SessionRefusal::Refused) => self.login_failed(ask, &user, out),
        }
    }

    /// bcrypt hashed the password of a registration.
    pub(super) fn register_hashed(
        &mut self,
        ask: Ask,
        user: UserName,
        invite: Option<Secret>,
        hash: PasswordHash,
        out: &mut Vec<Effect>,
    ) {
        let job = StoreJob::Register {
            origin: ask.origin(),
            user: user.clone(),
            hash,
            invite,
            invite_needed: self.settings.registration == Registration::Invite,
            session: self.session_terms(ask.now),
        };
        self.submit_store(job, out);
        let stage = RegisterStage::Save;
        self.wait(ask.conn, Waiting::Register { re: ask.re, user, invite: None, stage }, out);
    }

    /// The store saved the account, or refused to. The account exists even if its maker is gone.
    pub(super) fn registered(
        &mut self,
        ask: Ask,
        outcome: Result<SessionRecord, RegisterRefusal>,
        out: &mut Vec<Effect>,
    ) {
        self.directory.release(ask.conn);
        if let Ok(record) = &outcome {
            self.directory.insert(record.account, record.user.clone(), false);
        }
        if self.take_waiting(ask.conn).is_none() {
            return;
        }
        match outcome {
            Ok(record) => {
                if let Some(key) = self.session(ask.conn).address {
                    // Whether there was room was checked when the registration began.
                    self.addresses.take(ask.now.mono, key, Act::Register, &self.settings.limits);
                }
                self.logged_in(ask, record, Named::Register, out);
            }
            Err(refusal) => {
                self.ready(ask.conn, out);
                let refusal = match refusal {
                    RegisterRefusal::BadInvite => {
                        Refusal::new(Code::BadInvite, "this invitation is unknown or was used")
                    }
                    RegisterRefusal::NameTaken => {
                        Refusal::new(Code::NameRegistered, "this name is registered")
                    }
                };
                self.refuse(ask, refusal, out);
            }
        }
    }

    /// A name is chosen: answers, and comes into the rooms of the account.
    fn logged_in(&mut self, ask: Ask, record: SessionRecord, how: Named, out: &mut Vec<Effect>) {
        let SessionRecord { account, user, token, rooms, blocks, letters_wait } = record;
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
        if holder.is_none() {
            for blocked in blocks {
                self.add_block(me, blocked);
            }
        }
        let rooms: Vec<_> = rooms.into_iter().filter(|&room| self.may_rejoin(room, me)).collect();
        let names = rooms.iter().map(|&room| self.room(room).name.clone()).collect();
        self.answer(ask, Answer::Named { user, how, token, rooms: names }, out);
        self.message_of_the_day(ask.conn, out);
        if letters_wait {
            self.fetch_letters(me, out);
        }
        self.rejoin(ask.conn, rooms.into_iter().rev().collect(), out);
    }

    /// Makes a session of the user, who comes into being with the first.
    fn begin_session(
        &mut self,
        ask: Ask,
        name: UserName,
        account: Option<AccountId>,
        out: &mut Vec<Effect>,
    ) -> UserId {
        let id = match self.users.find(&name) {
            Some(id) => {
                self.users.get_mut(id).sessions.push(ask.conn);
                id
            }
            None => self.users.insert(User {
                name: name.clone(),
                account,
                status: Status::Online,
                status_text: None,
                sessions: SmallVec::from_elem(ask.conn, 1),
                rooms: SmallVec::new(),
                blocks: BTreeMap::new(),
                since: ask.now.wall,
                letters: Letters::None,
            }),
        };
        self.session_mut(ask.conn).user = Some(id);
        let kind = if account.is_some() { "account" } else { "guest" };
        self.log(log::Level::Info, format!("{} is {kind} {name}", ask.conn), out);
        id
    }

    fn submit_session(&mut self, ask: Ask, user: UserName, proof: SessionProof, out: &mut Vec<Effect>) {
        let session = self.session_terms(ask.now);
        self.submit_store(StoreJob::Session { origin: ask.origin(), proof, session }, out);
        let stage = LoginStage::Session;
        self.wait(ask.conn, Waiting::Login { re: ask.re, user, stage }, out);
    }

    fn session_terms(&self, now: Now) -> SessionTerms {
        SessionTerms { now: now.wall, token_lives: self.settings.session_lives }
    }

    /// Wrong password, wrong token, or no such user: counted, and one answer for all.
    fn login_failed(&mut self, ask: Ask, user: &UserName, out: &mut Vec<Effect>) {
        self.log(log::Level::Warn, format!("{} failed to log in as {user}", ask.conn), out);
        self.ready(ask.conn, out);
        let refusal = Refusal::new(Code::LoginFailed, "unknown user or wrong password");
        self.refuse(ask, refusal, out);
        self.count_failure(ask, out);
    }

    /// Counts a wrong password; too many on one connection end it.
    pub(super) fn count_failure(&mut self, ask: Ask, out: &mut Vec<Effect>) {
        let limits = &self.settings.limits;
        let session = self.sessions.get_mut(ask.conn).expect("whoever asks is connected");
        session.login_failures = session.login_failures.saturating_add(1);
        if let Some(key) = session.address {
            // An empty bucket refuses the next attempt before any work is done.
            self.addresses.take(ask.now.mono, key, Act::FailLogin, limits);
        }
        if session.login_failures >= LOGIN_FAILURES_MAX {
            let refusal = Refusal::new(Code::TooFast, "too many wrong passwords; goodbye");
            self.close(ask.conn, refusal, CloseReason::LoginFailures, out);
        }
    }

    /// Whether this address may try another password.
    pub(super) fn check_failures(&self, ask: Ask) -> Result<(), Refusal> {
        let limits = &self.settings.limits;
        let tired = |key| !self.addresses.may(ask.now.mono, key, Act::FailLogin, limits);
        if self.session(ask.conn).address.is_some_and(tired) {
            let text = "too many wrong passwords from your address; wait a minute";
            return Err(Refusal::new(Code::TooFast, text));
        }
        Ok(())
    }

    pub(super) fn check_private(&self, conn: ConnId) -> Result<(), Refusal> {
        if self.session(conn).is_private() {
            return Ok(());
        }
        let text = "a password must not travel in the clear: connect with TLS";
        Err(Refusal::new(Code::PlaintextRefused, text))
    }

    fn check_unnamed(&self, conn: ConnId) -> Result<(), Refusal> {
        match self.session(conn).user {
            Some(me) => Err(already_named(&self.user(me).name)),
            None => Ok(()),
        }
    }

    /// Whether a name is nobody's; `me` may keep their own.
    fn check_free(&self, name: &UserName, me: Option<UserId>) -> Result<(), Refusal> {
        if self.directory.find(name).is_some() {
            let text = format!("{name} is registered; /login {name} if it is you");
            return Err(Refusal::new(Code::NameRegistered, text));
        }
        let holder = self.users.find(name);
        if self.directory.is_reserved(name) || holder.is_some() && holder != me {
            return Err(Refusal::new(
                Code::NameTaken,
                format!("{name}, or a name that looks like it, is taken"),
            ));
        }
        Ok(())
    }

    fn rename(&mut self, me: UserId, name: UserName, out: &mut Vec<Effect>) {
        let old = self.users.rename(me, name.clone());
        let rooms = self.user(me).rooms.clone();
        for id in rooms {
            let room = self.rooms.get_mut(id).expect("members are in rooms that exist");
            room.members.remove(old.key());
            room.members.insert(name.key().clone(), me);
            let event = Event::Renamed { room: room.name.clone(), from: old.clone(), to: name.clone() };
            self.announce(id, me, event, out);
        }
    }

    fn message_of_the_day(&self, conn: ConnId, out: &mut Vec<Effect>) {
        if !self.settings.motd.is_empty() {
            out.push(Effect::Tell(conn, Event::Motd { text: self.settings.motd.clone() }));
        }
    }
}

/// Whether a new password has the right length.
pub(super) fn check_password(password: &Secret) -> Result<(), Refusal> {
    let bytes = password.reveal().len();
    if (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&bytes) {
        return Ok(());
    }
    let text = format!(
        "a password has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes of UTF-8; yours has {bytes}"
    );
    Err(Refusal::new(Code::BadPassword, text))
}

fn already_named(name: &UserName) -> Refusal {
    Refusal::new(
        Code::AlreadyNamed,
        format!("you are {name} on this connection; connect again for another name"),
    )
}

fn account_banned() -> Refusal {
    Refusal::new(Code::Banned, "the operator has closed this account")
}

/// The version of the JSON-lines protocol that `hello` may ask for.
const PROTOCOL_VERSION: i64 = 1;
/// Wrong passwords on one connection.
const LOGIN_FAILURES_MAX: u8 = 5;
