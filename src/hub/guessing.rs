//! Wrong passwords, counted: by connection and by address.

use crate::hub::address::Act;
use crate::hub::effect::{CloseReason, Effect};
use crate::hub::{Ask, Hub};
use crate::proto::refusal::{Code, Refusal};

impl Hub {
    /// Whether this address may try another password.
    pub(super) fn check_failures(&self, ask: Ask) -> Result<(), Refusal> {
        let limited = self.session(ask.conn).limited(&self.settings.limits);
        if limited.is_some_and(|(key, limits)| !self.addresses.may(ask.now.mono, key, Act::FailLogin, limits))
        {
            let text = "too many wrong passwords from your address; wait a minute";
            return Err(Refusal::new(Code::TooFast, text));
        }
        Ok(())
    }

    /// Counts a wrong password; too many on one connection end it.
    pub(super) fn count_failure(&mut self, ask: Ask, out: &mut Vec<Effect>) {
        // An empty bucket refuses the next attempt before any work is done.
        self.take_of_address(ask, Act::FailLogin);
        let session = self.session_mut(ask.conn);
        session.login_failures = session.login_failures.saturating_add(1);
        if session.login_failures >= LOGIN_FAILURES_MAX {
            let refusal = Refusal::new(Code::TooFast, "too many wrong passwords; goodbye");
            self.close(ask.conn, refusal, CloseReason::LoginFailures, out);
        }
    }
}

/// Wrong passwords on one connection.
const LOGIN_FAILURES_MAX: u8 = 5;
