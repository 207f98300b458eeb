//! Asking for prekeys, and how often one account may: each time costs the devices of the other a one-time
//! prekey, and whoever asked without end would leave none for those who mean it.
//!
//! An hour begins with the first claim of a target. Only what happened within one is remembered.

use std::collections::BTreeMap;

use crate::hub::devices::{check_distinct, removed};
use crate::hub::effect::Effect;
use crate::hub::job::keys::KeysJob;
use crate::hub::send::blocked;
use crate::hub::{Ask, Hub};
use crate::proto::event::Answer;
use crate::proto::id::{AccountId, DeviceId, UserId};
use crate::proto::keys::Bundle;
use crate::proto::limits::{CLAIM_TARGETS_MAX, CLAIMS_PER, CLAIMS_PER_TARGET_MAX};
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Claims {
    by_asker: BTreeMap<AccountId, BTreeMap<AccountId, Hour>>,
}

#[derive(Debug)]
struct Hour {
    began: Instant,
    claims: u32,
}

/// Which of the limits was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMany {
    Claims,
    Targets,
}

impl Claims {
    /// Counts a claim, or says why it may not be made.
    pub fn take(&mut self, now: Instant, asker: AccountId, target: AccountId) -> Result<(), TooMany> {
        let targets = self.by_asker.entry(asker).or_default();
        targets.retain(|_, hour| hour.lasts(now));
        if !targets.contains_key(&target) && targets.len() >= CLAIM_TARGETS_MAX {
            return Err(TooMany::Targets);
        }
        let hour = targets.entry(target).or_insert(Hour { began: now, claims: 0 });
        if hour.claims >= CLAIMS_PER_TARGET_MAX {
            return Err(TooMany::Claims);
        }
        hour.claims += 1;
        Ok(())
    }

    /// A claim came to nothing.
    pub fn give_back(&mut self, asker: AccountId, target: AccountId) {
        let targets = self.by_asker.get_mut(&asker);
        if let Some(hour) = targets.and_then(|targets| targets.get_mut(&target)) {
            hour.claims = hour.claims.saturating_sub(1);
        }
    }

    /// Forgets what is over.
    pub fn sweep(&mut self, now: Instant) {
        self.by_asker.retain(|_, targets| targets.values().any(|hour| hour.lasts(now)));
    }
}

impl Hour {
    fn lasts(&self, now: Instant) -> bool {
        u128::from(now.since_ms(self.began)) < CLAIMS_PER.as_millis()
    }
}

impl Hub {
    pub(super) fn claim(
        &mut self,
        ask: Ask,
        me: UserId,
        user: &str,
        devices: Option<Vec<DeviceId>>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let account = self.account_of(me)?;
        let target = self.account_named(user)?;
        if let Some(devices) = &devices {
            check_distinct(devices)?;
        }
        self.claims.take(ask.now.mono, account, target).map_err(|too_many| {
            let text = match too_many {
                TooMany::Claims => format!("prekeys of a user, {CLAIMS_PER_TARGET_MAX} times an hour"),
                TooMany::Targets => format!("prekeys of {CLAIM_TARGETS_MAX} users an hour"),
            };
            Refusal::new(Code::TooMany, text + "; the next ones later")
        })?;
        let except = self.mailboxes.device_of(ask.conn).filter(|_| target == account);
        let (origin, from) = (ask.origin(), self.user(me).name.clone());
        self.ask_store(ask, KeysJob::Claim { origin, from, target, devices, except }, out);
        Ok(())
    }

    /// No prekeys are used up for messages that would be refused. It is said as `send` and `msg` say it, so
    /// nothing is learned here that is not learned there.
    pub(super) fn claim_blocked(&mut self, ask: Ask, target: AccountId, out: &mut Vec<Effect>) {
        let asker = self.sessions.get(ask.conn).and_then(|session| session.user);
        if let Some(account) = asker.and_then(|asker| self.user(asker).account) {
            self.claims.give_back(account, target);
        }
        self.store_answers(ask, Answer::Refused(blocked()), out);
    }

    pub(super) fn claimed(
        &mut self,
        ask: Ask,
        target: AccountId,
        bundles: Vec<Bundle>,
        out: &mut Vec<Effect>,
    ) {
        let answer = match self.directory.get(target) {
            Some(account) => Answer::Claimed { user: account.user.clone(), uid: target, bundles },
            None => Answer::Refused(removed()),
        };
        self.store_answers(ask, answer, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 60 * 60 * 1000;

    #[test]
    fn a_target_can_be_claimed_some_times_within_an_hour() {
        let mut claims = Claims::default();
        let (ann, bob, eve) = (AccountId(1), AccountId(2), AccountId(3));
        for n in 0..CLAIMS_PER_TARGET_MAX {
            assert_eq!(claims.take(Instant(u64::from(n)), ann, bob), Ok(()), "{n}");
        }
        let last = Instant(HOUR_MS - 1);
        assert_eq!(claims.take(last, ann, bob), Err(TooMany::Claims));
        assert_eq!(claims.take(last, ann, ann), Ok(()), "another target");
        assert_eq!(claims.take(last, eve, bob), Ok(()), "another asker");
        assert_eq!(claims.take(Instant(HOUR_MS), ann, bob), Ok(()), "another hour");
    }

    #[test]
    fn a_claim_that_came_to_nothing_does_not_count() {
        let mut claims = Claims::default();
        let (ann, bob) = (AccountId(1), AccountId(2));
        for n in 0..CLAIMS_PER_TARGET_MAX * 2 {
            assert_eq!(claims.take(Instant(u64::from(n)), ann, bob), Ok(()), "{n}");
            claims.give_back(ann, bob);
        }
        claims.give_back(bob, ann);
        assert_eq!(claims.by_asker.len(), 1);
    }

    #[test]
    fn so_can_many_targets() {
        let mut claims = Claims::default();
        let target = |n: usize| AccountId(100 + n as u32);
        for n in 0..CLAIM_TARGETS_MAX {
            assert_eq!(claims.take(Instant(n as u64), AccountId(1), target(n)), Ok(()), "{n}");
        }
        let one_more = target(CLAIM_TARGETS_MAX);
        assert_eq!(claims.take(Instant(HOUR_MS - 1), AccountId(1), one_more), Err(TooMany::Targets));
        assert_eq!(claims.take(Instant(HOUR_MS - 1), AccountId(1), target(7)), Ok(()), "not a new one");
        assert_eq!(claims.take(Instant(HOUR_MS), AccountId(1), one_more), Ok(()));
        assert_eq!(claims.by_asker[&AccountId(1)].len(), CLAIM_TARGETS_MAX);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut claims = Claims::default();
        assert_eq!(claims.take(Instant(5), AccountId(1), AccountId(2)), Ok(()));
        claims.sweep(Instant(HOUR_MS + 4));
        assert_eq!(claims.by_asker.len(), 1);
        claims.sweep(Instant(HOUR_MS + 5));
        assert!(claims.by_asker.is_empty());
    }
}
