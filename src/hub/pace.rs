//! Slowing the hasty, and sharing the store's queue.
//!
//! Over its rate a command is refused and the connection is held for a second; whoever keeps on for
//! [`STRIKES_MAX`] such seconds is closed. A full queue, or messages of its own that are not committed
//! yet, hold a command back without refusing it: the sender is slowed by TCP, nobody else is.

use std::cmp::Reverse;
use std::time::Duration;

use crate::hub::address::{Act, BURST_SECONDS};
use crate::hub::bucket::Rate;
use crate::hub::effect::{CloseReason, Effect};
use crate::hub::job::{Job, PasswordJob, StoreJob};
use crate::hub::session::Held;
use crate::hub::{Ask, Hub};
use crate::proto::command::Command;
use crate::proto::event::Event;
use crate::proto::id::ConnId;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::Now;

/// Whether a command is within its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    Closed,
    Yes,
}

impl Hub {
    /// Whether the command must be handed in again later; holds the connection if so.
    pub(super) fn must_wait(&mut self, conn: ConnId, command: &Command<'_>, out: &mut Vec<Effect>) -> bool {
        let session = self.session(conn);
        let held = if session.appends > 0 && comes_after_own_messages(command)
            || session.appends >= APPENDS_PER_SESSION_MAX
        {
            Held::Appends
        } else if needs_store(command)
            && (self.store_credit <= self.store_reserve() || !self.backlog.is_empty())
        {
            self.waiting_for_credit.push_back(conn);
            Held::Credit
        } else {
            return false;
        };
        self.session_mut(conn).held = Some(held);
        out.push(Effect::Pause(conn));
        true
    }

    /// Takes the command from its buckets; or refuses it and holds the connection, or closes it.
    pub(super) fn admit(
        &mut self,
        ask: Ask,
        command: &Command<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<Admitted, Refusal> {
        if matches!(command, Command::Secret { .. }) {
            // The answer to our own question; wrong passwords have a limit of their own.
            return Ok(Admitted::Yes);
        }
        let now = ask.now.mono;
        let limits = &self.settings.limits;
        let session = self.sessions.get_mut(ask.conn).expect("whoever asks is connected");
        let (bucket, rate, act) = match command {
            Command::Msg { .. } | Command::Say { .. } | Command::Send(_) => {
                let rate = limits.messages_per_second.map(|n| Rate::new(n, 1, limits.message_burst.max(1)));
                (&mut session.messages, rate, Act::Message)
            }
            _ => {
                let rate = limits.commands_per_second;
                let rate = rate.map(|n| Rate::new(n, 1, n.saturating_mul(BURST_SECONDS)));
                (&mut session.commands, rate, Act::Command)
            }
        };
        let passes = rate.is_none_or(|rate| bucket.take(now, rate))
            && session.limited(limits).is_none_or(|(key, limits)| self.addresses.take(now, key, act, limits));
        if passes {
            return Ok(Admitted::Yes);
        }
        // Forgiven with time: an honest client that pasted too much starts afresh.
        let forgiven = now.since_ms(session.struck_at) / STRIKE_FORGIVEN.as_millis() as u64;
        session.strikes = session.strikes.saturating_sub(u8::try_from(forgiven).unwrap_or(u8::MAX)) + 1;
        session.struck_at = now;
        if session.strikes > STRIKES_MAX {
            let refusal = Refusal::new(Code::TooFast, "you kept on sending too fast; goodbye");
            self.close(ask.conn, refusal, CloseReason::Flood, out);
            return Ok(Admitted::Closed);
        }
        session.held = Some(Held::Rate);
        self.slowed.push(Reverse((now + HELD_FOR, ask.conn)));
        out.push(Effect::Pause(ask.conn));
        Err(Refusal::new(Code::TooFast, "slow down; this was not taken, and the next is read in a second"))
    }

    /// Takes from the bucket of the asker's address, or says that it is empty.
    pub(super) fn take_of_address(&mut self, ask: Ask, act: Act) -> bool {
        let session = self.sessions.get(ask.conn).expect("whoever asks is connected");
        let limited = session.limited(&self.settings.limits);
        limited.is_none_or(|(key, limits)| self.addresses.take(ask.now.mono, key, act, limits))
    }

    /// Those whose second is over may go on.
    pub(super) fn resume_slowed(&mut self, now: Now, out: &mut Vec<Effect>) {
        while let Some(&Reverse((at, conn))) = self.slowed.peek() {
            if at > now.mono {
                break;
            }
            self.slowed.pop();
            self.release(conn, Held::Rate, out);
        }
    }

    /// A message of this connection was committed, or not: it is no longer under way.
    pub(super) fn append_done(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get_mut(conn) else { return };
        assert!(session.appends > 0, "an append was answered twice");
        session.appends -= 1;
        if session.appends == 0 || session.appends == APPENDS_PER_SESSION_MAX / 2 {
            self.release(conn, Held::Appends, out);
        }
    }

    /// Hands work to the store, now or as soon as its queue has a place, always in order.
    pub(super) fn submit_store(&mut self, job: StoreJob, out: &mut Vec<Effect>) {
        if self.store_credit > 0 && self.backlog.is_empty() {
            self.store_credit -= 1;
            out.push(Effect::Submit(Job::Store(job)));
        } else {
            self.backlog.push_back(job);
        }
    }

    /// Places in the store's queue that commands leave free, for the work that follows from replies.
    pub(super) fn store_reserve(&self) -> u32 {
        STORE_RESERVE_MAX.min(self.settings.store_jobs_max / 4)
    }

    /// The store has a place again.
    pub(super) fn store_credit_back(&mut self, out: &mut Vec<Effect>) {
        self.store_credit += 1;
        assert!(self.store_credit <= self.settings.store_jobs_max, "a job was answered twice");
        if let Some(job) = self.backlog.pop_front() {
            self.store_credit -= 1;
            out.push(Effect::Submit(Job::Store(job)));
        }
        while self.store_credit > self.store_reserve() && self.backlog.is_empty() {
            let Some(conn) = self.waiting_for_credit.pop_front() else { break };
            self.release(conn, Held::Credit, out);
        }
    }

    /// Takes a place in the password lane's queue for this connection: refused when none is left, and
    /// no address may have more than a share of them. This machine may: a proxy on it speaks for many.
    pub(super) fn take_password_place(&mut self, conn: ConnId) -> Result<(), Refusal> {
        let busy = || Refusal::new(Code::Busy, "too many people are logging in; try again in a moment");
        let share = (self.settings.password_jobs_max / ADDRESS_SHARE).max(1);
        let session = self.session(conn);
        let address = session.address.filter(|_| !session.loopback);
        if self.password_credit == 0 {
            return Err(busy());
        }
        if address.is_some_and(|key| !self.addresses.begin_hash(key, share)) {
            return Err(busy());
        }
        self.password_credit -= 1;
        let before = self.hashing.insert(conn, address);
        assert!(before.is_none(), "one password at a time");
        Ok(())
    }

    /// The place is free again; the connection may be gone.
    pub(super) fn give_password_place_back(&mut self, conn: ConnId) {
        let address = self.hashing.remove(&conn).expect("a place is given back once");
        self.password_credit += 1;
        if let Some(key) = address {
            self.addresses.end_hash(key);
        }
    }

    /// Hands work to the password lane, on the place that the connection has.
    pub(super) fn submit_password(&mut self, job: PasswordJob, out: &mut Vec<Effect>) {
        let (PasswordJob::Hash { origin, .. } | PasswordJob::Verify { origin, .. }) = &job;
        assert!(self.hashing.contains_key(&origin.conn), "the caller took a place");
        out.push(Effect::Submit(Job::Password(job)));
    }

    /// Ends a connection with a last word.
    pub(super) fn close(
        &mut self,
        conn: ConnId,
        refusal: Refusal,
        reason: CloseReason,
        out: &mut Vec<Effect>,
    ) {
        out.push(Effect::Tell(conn, Event::Error(refusal)));
        self.end_session(conn, None, out);
        out.push(Effect::Close(conn, reason));
    }

    fn release(&mut self, conn: ConnId, why: Held, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get_mut(conn) else { return };
        if session.held == Some(why) {
            session.held = None;
            out.push(Effect::Resume(conn));
        }
    }
}

/// Whatever is asked after a message sees, and is seen, after it; only messages overtake commits.
fn comes_after_own_messages(command: &Command<'_>) -> bool {
    !matches!(
        command,
        Command::Hello { .. }
            | Command::Msg { .. }
            | Command::Ping
            | Command::Say { .. }
            | Command::Secret { .. }
            | Command::Send(_)
    )
}

fn needs_store(command: &Command<'_>) -> bool {
    !matches!(command, Command::Hello { .. } | Command::Help { .. } | Command::Ping | Command::Quit { .. })
}

/// How long reading pauses after a refusal for haste.
const HELD_FOR: Duration = Duration::from_secs(1);
/// So many refusals in a row, one a second at most, and the connection is closed.
const STRIKES_MAX: u8 = 10;
/// One refusal is forgotten in this time.
const STRIKE_FORGIVEN: Duration = Duration::from_secs(10);
/// Messages of one connection under way in the store; one connection cannot fill the queue.
const APPENDS_PER_SESSION_MAX: u16 = 512;
const STORE_RESERVE_MAX: u32 = 64;
/// One address may have this part of all waiting password hashes: a quarter.
const ADDRESS_SHARE: u32 = 4;
