//! Changing one's password: the old one is verified, the new one hashed and saved.

use crate::hub::dispatch::no_name;
use crate::hub::effect::Effect;
use crate::hub::job::{AccountRecord, Change, PasswordHash, PasswordJob, StoreJob};
use crate::hub::prompt::Prompting;
use crate::hub::session::Waiting;
use crate::hub::{Ask, Hub};
use crate::proto::event::Prompt;
use crate::proto::id::{AccountId, UserId};
use crate::proto::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};
use crate::proto::refusal::{Code, Refusal};
use crate::proto::secret::Secret;

/// How far a change of password is.
#[derive(Debug)]
pub enum PasswdStage {
    Account { old: Secret, new: Secret },
    Hash { account: AccountId },
    Save,
    Verify { account: AccountId, new: Secret },
}

impl Hub {
    pub(super) fn passwd(
        &mut self,
        ask: Ask,
        me: UserId,
        old: Option<Secret>,
        new: Option<Secret>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if self.user(me).is_guest() {
            return Err(Refusal::new(Code::NotRegistered, "a guest has no password"));
        }
        self.check_private(ask.conn)?;
        match (old, new) {
            (Some(old), Some(new)) => self.passwd_with_both(ask, old, new, out),
            // Both are left out, or none.
            _ => {
                self.prompt(ask.conn, Prompting::OldPassword, Prompt::OldPassword, out);
                Ok(())
            }
        }
    }

    pub(super) fn passwd_with_both(
        &mut self,
        ask: Ask,
        old: Secret,
        new: Secret,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let me = self.session(ask.conn).user.ok_or_else(no_name)?;
        check_password(&new)?;
        let user = self.user(me).name.clone();
        self.check_guess(ask, &user)?;
        self.take_password_place(ask.conn)?;
        self.submit_store(StoreJob::Account { origin: ask.origin(), user }, out);
        let stage = PasswdStage::Account { old, new };
        self.wait(ask.conn, Waiting::Passwd { stage }, out);
        Ok(())
    }

    /// The store looked for the account; `None` if the operator removed it meanwhile.
    pub(super) fn passwd_account(
        &mut self,
        ask: Ask,
        old: Secret,
        new: Secret,
        account: Option<AccountRecord>,
        out: &mut Vec<Effect>,
    ) {
        let hash = account.as_ref().map(|account| account.hash.clone());
        let id = account.map_or(AccountId(0), |account| account.id);
        let cost = self.settings.bcrypt_cost;
        self.submit_password(PasswordJob::Verify { origin: ask.origin(), password: old, hash, cost }, out);
        let stage = PasswdStage::Verify { account: id, new };
        self.wait(ask.conn, Waiting::Passwd { stage }, out);
    }

    pub(super) fn passwd_verified(
        &mut self,
        ask: Ask,
        account: AccountId,
        new: Secret,
        matches: bool,
        out: &mut Vec<Effect>,
    ) {
        if !matches {
            self.ready(ask.conn, out);
            self.refuse(ask, Refusal::new(Code::LoginFailed, "the old password is wrong"), out);
            let me = self.session(ask.conn).user.expect("only accounts change passwords");
            let user = self.user(me).name.clone();
            return self.count_guess(ask, &user, out);
        }
        self.take_password_place(ask.conn).expect("the place where the old one was compared has become free");
        let cost = self.settings.bcrypt_cost;
        self.submit_password(PasswordJob::Hash { origin: ask.origin(), password: new, cost }, out);
        let stage = PasswdStage::Hash { account };
        self.wait(ask.conn, Waiting::Passwd { stage }, out);
    }

    pub(super) fn passwd_hashed(
        &mut self,
        ask: Ask,
        account: AccountId,
        hash: PasswordHash,
        out: &mut Vec<Effect>,
    ) {
        let change = Change::Password { account, hash };
        self.submit_store(StoreJob::Change { origin: Some(ask.origin()), change }, out);
        self.wait(ask.conn, Waiting::Passwd { stage: PasswdStage::Save }, out);
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
