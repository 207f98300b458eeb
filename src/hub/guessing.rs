//! Wrong passwords, counted: by connection, by address and by account.
//!
//! An account is never locked. When too many passwords for one name were wrong, from wherever, the
//! addresses that guessed wrong lately are refused; its owner comes from another one. Names that are
//! not registered are counted alike, so that a refusal does not tell which names are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::hub::address::{Act, AddressKey};
use crate::hub::bucket::{Bucket, Rate};
use crate::hub::effect::{CloseReason, Effect};
use crate::hub::{Ask, Hub};
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::Instant;

/// Wrong passwords by the name they were for.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// Invariant: at most [`NAMES_MAX`].
    names: BTreeMap<Arc<str>, Guessed>,
}

#[derive(Debug, Default)]
struct Guessed {
    bucket: Bucket,
    /// Who guessed wrong and when last, the latest at the end.
    ///
    /// Invariant: each address once, at most [`ADDRESSES_MAX`].
    wrong: VecDeque<(AddressKey, Instant)>,
}

impl Guesses {
    /// Whether an address may try a password for this name.
    pub fn may(&self, now: Instant, user: &UserName, address: AddressKey) -> bool {
        let Some(guessed) = self.names.get(user.key()) else { return true };
        let guessed_lately =
            |&(key, at): &(AddressKey, Instant)| key == address && now.since_ms(at) < LATELY_MS;
        guessed.bucket.has_one(now, rate()) || !guessed.wrong.iter().any(guessed_lately)
    }

    /// Counts a wrong password.
    pub fn count(&mut self, now: Instant, user: &UserName, address: AddressKey) {
        if !self.names.contains_key(user.key()) && self.names.len() >= NAMES_MAX {
            self.make_room(now);
        }
        let guessed = self.names.entry(user.key().clone()).or_default();
        // An empty bucket stays empty: the guess came from an address that had none before.
        guessed.bucket.take(now, rate());
        guessed.wrong.retain(|&(key, _)| key != address);
        if guessed.wrong.len() >= ADDRESSES_MAX {
            guessed.wrong.pop_front();
        }
        guessed.wrong.push_back((address, now));
    }

    /// Forgets names that nobody guessed at for a while.
    pub fn sweep(&mut self, now: Instant) {
        self.names.retain(|_, guessed| !guessed.is_over(now));
    }

    /// Forgets what is over, or else the name that was guessed at least: a crowd of names that were
    /// tried once pushes out nothing that matters.
    fn make_room(&mut self, now: Instant) {
        self.sweep(now);
        if self.names.len() < NAMES_MAX {
            return;
        }
        let least = self.names.iter().min_by_key(|(_, guessed)| guessed.bucket);
        if let Some(name) = least.map(|(name, _)| name.clone()) {
            self.names.remove(&name);
        }
    }
}

impl Guessed {
    fn is_over(&self, now: Instant) -> bool {
        self.bucket.is_full(now) && self.wrong.back().is_none_or(|&(_, at)| now.since_ms(at) >= LATELY_MS)
    }
}

impl Hub {
    /// Whether the asker may try a password for this name.
    pub(super) fn check_guess(&self, ask: Ask, user: &UserName) -> Result<(), Refusal> {
        self.check_failures(ask)?;
        if self.guesser(ask).is_some_and(|address| !self.guesses.may(ask.now.mono, user, address)) {
            let text = "too many wrong passwords for this account, yours among them; wait a few minutes";
            return Err(Refusal::new(Code::TooFast, text));
        }
        Ok(())
    }

    /// Counts a wrong password for this name.
    pub(super) fn count_guess(&mut self, ask: Ask, user: &UserName, out: &mut Vec<Effect>) {
        if let Some(address) = self.guesser(ask) {
            self.guesses.count(ask.now.mono, user, address);
        }
        self.count_failure(ask, out);
    }

    /// Whether this address may try another password, or whatever else can be guessed.
    pub(super) fn check_failures(&self, ask: Ask) -> Result<(), Refusal> {
        let limited = self.session(ask.conn).limited(&self.settings.limits);
        if limited.is_some_and(|(key, limits)| !self.addresses.may(ask.now.mono, key, Act::FailLogin, limits))
        {
            let text = "too many wrong passwords from your address; wait a minute";
            return Err(Refusal::new(Code::TooFast, text));
        }
        Ok(())
    }

    /// Counts a wrong guess; too many on one connection end it.
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

    /// The asker's address, where wrong passwords have a limit.
    fn guesser(&self, ask: Ask) -> Option<AddressKey> {
        let (key, limits) = self.session(ask.conn).limited(&self.settings.limits)?;
        limits.failed_logins_per_minute.map(|_| key)
    }
}

/// Wrong passwords for one name: so many at once, and so many in [`PERIOD_SECONDS`].
fn rate() -> Rate {
    Rate::new(GUESSES_MAX, PERIOD_SECONDS, GUESSES_MAX)
}

/// Wrong passwords on one connection.
const LOGIN_FAILURES_MAX: u8 = 5;
/// More than people who forgot their password need; a guesser of 2^20 passwords needs two thirds of a
/// year for them.
const GUESSES_MAX: u32 = 30;
const PERIOD_SECONDS: u32 = 600;
/// So long an address counts as one that guesses.
const LATELY_MS: u64 = Duration::from_secs(PERIOD_SECONDS as u64).as_millis() as u64;
/// Names and addresses that are remembered; together at most about 4 MiB.
const NAMES_MAX: usize = 4096;
const ADDRESSES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::Config;
    use crate::hub::Handled;
    use crate::hub::job::{Job, Kept, PasswordReply, Reply, StoreReply};
    use crate::hub::session::Peer;
    use crate::proto::command::{Command, Proof};
    use crate::proto::event::{Answer, Event};
    use crate::proto::id::{ConnId, Origin, RequestId};
    use crate::proto::secret::Secret;
    use crate::proto::time::{Now, Timestamp};

    fn address(number: u32) -> AddressKey {
        AddressKey::new(Ipv4Addr::from(number).into())
    }

    fn user(name: &str) -> UserName {
        UserName::parse(name).unwrap()
    }

    /// So many wrong passwords for alice, one after the other from so many addresses.
    fn guessed(times: u32, addresses: u32, now: Instant) -> Guesses {
        let mut guesses = Guesses::default();
        for time in 0..times {
            guesses.count(now, &user("alice"), address(time % addresses));
        }
        guesses
    }

    #[test]
    fn who_guessed_is_refused_and_the_owner_is_not() {
        let now = Instant(5_000);
        let alice = user("alice");
        let guesses = guessed(GUESSES_MAX - 1, 3, now);
        assert!(guesses.may(now, &alice, address(0)));
        let guesses = guessed(GUESSES_MAX, 3, now);
        assert!((0..3).all(|number| !guesses.may(now, &alice, address(number))));
        // Who looks alike is the same.
        assert!(!guesses.may(now, &user("ALICE"), address(0)));
        assert!(guesses.may(now, &alice, address(3)));
        assert!(guesses.may(now, &user("bob"), address(0)));
    }

    #[test]
    fn one_guess_comes_back_after_its_share_of_the_time_and_no_more() {
        let now = Instant(5_000);
        let alice = user("alice");
        let mut guesses = guessed(GUESSES_MAX, 1, now);
        let share = u64::from(PERIOD_SECONDS / GUESSES_MAX) * 1000;
        let later = Instant(now.0 + share);
        assert!(!guesses.may(Instant(later.0 - 1), &alice, address(0)));
        assert!(guesses.may(later, &alice, address(0)));
        guesses.count(later, &alice, address(0));
        assert!(!guesses.may(later, &alice, address(0)));
    }

    #[test]
    fn an_address_is_forgiven_when_it_stopped_while_others_go_on() {
        let now = Instant(5_000);
        let alice = user("alice");
        let mut guesses = guessed(1, 1, now);
        let later = Instant(now.0 + LATELY_MS);
        for number in 1..=GUESSES_MAX {
            guesses.count(Instant(later.0 - 1), &alice, address(number));
        }
        assert!(!guesses.may(Instant(later.0 - 1), &alice, address(0)));
        assert!(guesses.may(later, &alice, address(0)));
        assert!(!guesses.may(later, &alice, address(1)));
    }

    #[test]
    fn both_tables_are_bounded_and_what_is_over_is_forgotten() {
        let now = Instant(5_000);
        let mut guesses = guessed(1000, 1000, now);
        assert_eq!(guesses.names[user("alice").key()].wrong.len(), ADDRESSES_MAX);
        for number in 0..2 * NAMES_MAX {
            guesses.count(now, &user(&format!("user-{number}")), address(0));
            assert!(guesses.names.len() <= NAMES_MAX);
        }
        assert!(!guesses.may(now, &user("alice"), address(999)), "what is guessed at most stays");
        guesses.sweep(Instant(now.0 + LATELY_MS - 1));
        assert_eq!(guesses.names.len(), NAMES_MAX);
        guesses.sweep(Instant(now.0 + LATELY_MS));
        assert!(guesses.names.is_empty());
    }

    #[test]
    fn a_new_name_takes_the_place_of_what_is_over() {
        let now = Instant(5_000);
        let mut guesses = Guesses::default();
        for number in 0..NAMES_MAX {
            guesses.count(now, &user(&format!("user-{number}")), address(0));
        }
        guesses.count(Instant(now.0 + LATELY_MS), &user("alice"), address(0));
        assert_eq!(guesses.names.len(), 1, "all others are over");
    }

    /// A login with a wrong password from an address; what it is answered with.
    fn log_in(hub: &mut Hub, serial: u32, peer: Peer) -> Code {
        let (conn, re) = (ConnId { slot: serial, serial }, RequestId(1));
        let now = Now { mono: Instant(5_000), wall: Timestamp(0) };
        let origin = Origin { conn, re };
        let mut out = Vec::new();
        hub.opened(now, conn, peer).unwrap();
        hub.encrypted(conn);
        let proof = Proof::Password(Secret::new("wrong-horse"));
        let login = Command::Login { user: "alice".into(), proof, data: false };
        assert_eq!(hub.handle(now, conn, re, login, &mut out), Handled::Done);
        hub.reply_if_asked(now, &mut out, |job| match job {
            Job::Files(_) => unreachable!("nobody sends files"),
            Job::Store(_) => Reply::Store(StoreReply::Account { origin, account: None }),
            Job::Password(_) => Reply::Password(PasswordReply::Verified { origin, matches: false }),
        });
        let refused = out.iter().find_map(|effect| match effect {
            Effect::Tell(_, Event::Answer(_, Answer::Refused(refusal))) => Some(refusal.code),
            _ => None,
        });
        hub.gone(conn, &mut out);
        refused.expect("a wrong password is refused")
    }

    impl Hub {
        /// Answers every job until there are no more.
        fn reply_if_asked(&mut self, now: Now, out: &mut Vec<Effect>, answer: impl Fn(&Job) -> Reply) {
            let mut next = 0;
            while next < out.len() {
                if let Effect::Submit(job) = &out[next] {
                    let reply = answer(job);
                    self.reply(now, reply, out);
                }
                next += 1;
            }
        }
    }

    #[test]
    fn one_address_has_a_share_of_the_places_for_passwords() {
        let now = Now { mono: Instant(5_000), wall: Timestamp(0) };
        let mut settings = Config::default().settings();
        settings.password_jobs_max = 8;
        let mut hub = Hub::new(settings, Kept::default(), now);
        let mut login = |serial: u32, number: u32| {
            let (conn, mut out) = (ConnId { slot: serial, serial }, Vec::new());
            hub.opened(now, conn, Peer { address: Ipv4Addr::from(number).into(), loopback: false }).unwrap();
            hub.encrypted(conn);
            let proof = Proof::Password(Secret::new("wrong-horse"));
            let login = Command::Login { user: "alice".into(), proof, data: false };
            assert_eq!(hub.handle(now, conn, RequestId(1), login, &mut out), Handled::Done);
            out.iter().find_map(|effect| match effect {
                Effect::Tell(_, Event::Answer(_, Answer::Refused(refusal))) => Some(refusal.code),
                _ => None,
            })
        };
        assert_eq!([login(1, 1), login(2, 1), login(3, 1)], [None, None, Some(Code::Busy)]);
        assert_eq!(login(4, 2), None, "there is room for others");
    }

    #[test]
    fn logins_from_everywhere_are_slowed_and_those_of_this_machine_are_not() {
        let now = Now { mono: Instant(5_000), wall: Timestamp(0) };
        let mut hub = Hub::new(Config::default().settings(), Kept::default(), now);
        let peer = |number: u32| Peer { address: Ipv4Addr::from(number).into(), loopback: false };
        for number in 1..=GUESSES_MAX {
            assert_eq!(log_in(&mut hub, number, peer(number)), Code::LoginFailed);
        }
        assert_eq!(log_in(&mut hub, 101, peer(1)), Code::TooFast);
        assert_eq!(log_in(&mut hub, 102, peer(GUESSES_MAX + 1)), Code::LoginFailed);
        let here = Peer { address: Ipv4Addr::LOCALHOST.into(), loopback: true };
        for number in 0..2 * GUESSES_MAX {
            assert_eq!(log_in(&mut hub, 200 + number, here), Code::LoginFailed);
        }
    }
}
