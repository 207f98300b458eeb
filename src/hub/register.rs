//! Making an account.
//!
//! ```text
//!   register ─▶ Hash (bcrypt) ─▶ Save ─▶ named
//! ```
//!
//! The name is reserved from the beginning to the end, so that nobody takes it meanwhile.

use crate::hub::address::Act;
use crate::hub::effect::Effect;
use crate::hub::job::{PasswordHash, PasswordJob, RegisterRefusal, SessionRecord, StoreJob};
use crate::hub::passwd::check_password;
use crate::hub::prompt::Prompting;
use crate::hub::session::Waiting;
use crate::hub::settings::Registration;
use crate::hub::{Ask, Hub};
use crate::proto::event::{Named, Prompt};
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::secret::Secret;

/// How far a registration is.
#[derive(Debug)]
pub enum RegisterStage {
    Hash,
    Save,
}

impl Hub {
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
        self.check_failures(ask)?;
        let user = UserName::parse(user)?;
        self.check_free(&user, None)?;
        let Some(password) = password else {
            let prompt = Prompt::Password { user: user.shown().clone() };
            self.prompt(ask.conn, Prompting::Register { user, invite }, prompt, out);
            return Ok(());
        };
        self.register_with_password(ask, user, password, invite, out)
    }

    pub(super) fn register_with_password(
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
        if !self.take_of_address(ask, Act::Register) {
            return Err(Refusal::new(
                Code::TooFast,
                "too many accounts were made from your address; wait an hour",
            ));
        }
        self.take_password_place(ask.conn)?;
        self.directory.reserve(ask.conn, &user);
        let job = PasswordJob::Hash { origin: ask.origin(), password, cost: self.settings.bcrypt_cost };
        self.submit_password(job, out);
        self.wait(ask.conn, Waiting::Register { user, invite, stage: RegisterStage::Hash }, out);
        Ok(())
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
        self.wait(ask.conn, Waiting::Register { user, invite: None, stage }, out);
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
                let guessed = refusal.code == Code::BadInvite;
                self.refuse(ask, refusal, out);
                if guessed {
                    // Invitations can be guessed like passwords, and are slowed like them.
                    self.count_failure(ask, out);
                }
            }
        }
    }
}
