//! Private messages that only devices can read: checked, kept by the store, and handed to who reads.
//!
//! The sender names all devices that there are, and the store compares: so nobody is left out unnoticed,
//! and a device that was revoked gets nothing more. The reply says nothing about who is there.

use crate::hub::devices::{check_distinct, removed};
use crate::hub::effect::Effect;
use crate::hub::job::StoreJob;
use crate::hub::job::keys::{Delivery, KeysJob, SendJob, SendRefusal, Sender};
use crate::hub::mailbox::not_attached;
use crate::hub::{Ask, Hub};
use crate::proto::event::{Answer, Event};
use crate::proto::id::{AccountId, ConnId, DeviceId, UserId};
use crate::proto::keys::{NewEnvelope, Sealed, Sending};
use crate::proto::limits::{
    ENVELOPE_BYTES_MAX, ENVELOPE_BYTES_MIN, ENVELOPES_PER_REQUEST_MAX, PAIR_ANSWER_BYTES_MAX,
    SEALED_NOTICE_EVERY,
};
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::{Instant, Timestamp};

impl Hub {
    pub(super) fn send(
        &mut self,
        ask: Ask,
        me: UserId,
        sending: Sending<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let account = self.account_of(me)?;
        let device = self.mailboxes.device_of(ask.conn).ok_or_else(not_attached)?;
        let to = self.account_named(&sending.user)?;
        check(&sending)?;
        let Sending { user: _, to: mut to_devices, own: mut own_devices, envelopes, copies } = sending;
        to_devices.sort_unstable();
        own_devices.sort_unstable();
        let from = Sender { account, user: self.user(me).name.clone(), device };
        let (origin, at) = (ask.origin(), ask.now.wall);
        let job = SendJob { origin, from, to, to_devices, own_devices, envelopes, copies, at };
        self.session_mut(ask.conn).appends += 1;
        self.submit_store(StoreJob::Keys(KeysJob::Send(Box::new(job))), out);
        Ok(())
    }

    /// The store keeps the envelopes, but for those of full mailboxes.
    pub(super) fn sent(
        &mut self,
        ask: Ask,
        to: AccountId,
        at: Timestamp,
        kept: Vec<Delivery>,
        full: Vec<(AccountId, DeviceId)>,
        out: &mut Vec<Effect>,
    ) {
        let is_for_reader = |delivery: &Delivery| delivery.account == to;
        if let Some(delivery) = kept.iter().find(|delivery| is_for_reader(delivery)) {
            let sender = delivery.envelope.uid;
            self.tell_of_sealed(ask.now.mono, sender, to, out);
        }
        for delivery in kept {
            self.deliver_envelope(delivery, out);
        }
        let name = |account| self.directory.get(account).map(|account| account.user.clone());
        let to = name(to).expect("that it was removed is told behind what it was sent");
        let named = |(account, device)| name(account).map(|user| (user, device));
        let full = full.into_iter().filter_map(named).collect();
        self.answer(ask, Answer::Sealed { to, at, full }, out);
        self.append_done(ask.conn, out);
    }

    pub(super) fn send_refused(&mut self, ask: Ask, refusal: SendRefusal, out: &mut Vec<Effect>) {
        let answer = match refusal {
            SendRefusal::Blocked => Answer::Refused(blocked()),
            SendRefusal::Changed { to, own } => Answer::DevicesChanged { to, own },
            SendRefusal::Full => {
                Answer::Refused(Refusal::new(Code::TooMany, "too much waits for the devices of this user"))
            }
            SendRefusal::Malformed => {
                Answer::Refused(Refusal::new(Code::BadArgument, "one of the bodies is no envelope"))
            }
            SendRefusal::NoSuchDevice => {
                Answer::Refused(Refusal::new(Code::NoSuchDevice, "this device was revoked"))
            }
            SendRefusal::NoSuchUser => Answer::Refused(removed()),
        };
        self.answer(ask, answer, out);
        self.append_done(ask.conn, out);
    }

    /// The answer to a pairing code goes to whoever else is there; only the device that made the code can
    /// read it.
    pub(super) fn pair(
        &mut self,
        ask: Ask,
        me: UserId,
        answer: Sealed,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let account = self.account_of(me)?;
        if !(1..=PAIR_ANSWER_BYTES_MAX).contains(&answer.0.len()) {
            let text = format!("an answer has 1 to {PAIR_ANSWER_BYTES_MAX} bytes");
            return Err(Refusal::new(Code::BadArgument, text));
        }
        let others: Vec<ConnId> =
            self.sessions_of(account).filter(|&conn| conn != ask.conn && self.is_program(conn)).collect();
        for &conn in &others {
            out.push(Effect::Tell(conn, Event::Paired { answer: answer.clone() }));
        }
        let sessions = u32::try_from(others.len()).expect("fewer than SESSIONS_PER_USER_MAX");
        self.answer(ask, Answer::Paired { sessions }, out);
        Ok(())
    }

    /// Tells the sessions of a reader that cannot read sealed messages that there is one, at most once a
    /// minute for each sender.
    fn tell_of_sealed(&mut self, now: Instant, sender: AccountId, to: AccountId, out: &mut Vec<Effect>) {
        let Some(from) = self.directory.get(sender).map(|account| account.user.clone()) else { return };
        let blind = |conn: &ConnId| self.mailboxes.device_of(*conn).is_none();
        let sessions: Vec<ConnId> = self.sessions_of(to).filter(blind).collect();
        let told = self.sealed_told.get(&(to, sender)).is_some_and(|&at| is_recent(now, at));
        if sender == to || sessions.is_empty() || told {
            return;
        }
        self.sealed_told.insert((to, sender), now);
        for conn in sessions {
            out.push(Effect::Tell(conn, Event::Sealed { from: from.clone() }));
        }
    }

    pub(super) fn forget_sealed_told(&mut self, now: Instant) {
        self.sealed_told.retain(|_, &mut at| is_recent(now, at));
    }

    /// Speaks JSON lines.
    fn is_program(&self, conn: ConnId) -> bool {
        self.session(conn).wants_members
    }
}

pub(super) fn blocked() -> Refusal {
    Refusal::new(Code::Blocked, "this user does not want messages from you")
}

fn is_recent(now: Instant, at: Instant) -> bool {
    u128::from(now.since_ms(at)) < SEALED_NOTICE_EVERY.as_millis()
}

/// What can be said about a request without knowing any device.
fn check(sending: &Sending<'_>) -> Result<(), Refusal> {
    let Sending { user: _, to, own, envelopes, copies } = sending;
    let bad = |text: String| Err(Refusal::new(Code::BadArgument, text));
    check_distinct(to)?;
    check_distinct(own)?;
    match envelopes.len() + copies.len() {
        0 => return Err(Refusal::new(Code::MissingArgument, "there is no envelope to send")),
        1..=ENVELOPES_PER_REQUEST_MAX => {}
        _ => return bad(format!("a request has at most {ENVELOPES_PER_REQUEST_MAX} envelopes")),
    }
    for (new, devices) in [(envelopes, to), (copies, own)] {
        let device = |new: &NewEnvelope| new.device;
        check_distinct(&new.iter().map(device).collect::<Vec<DeviceId>>())?;
        if let Some(stranger) = new.iter().map(device).find(|device| !devices.contains(device)) {
            return bad(format!("there is an envelope for device {stranger}, which is not in the list"));
        }
        if !new.iter().all(|new| (ENVELOPE_BYTES_MIN..=ENVELOPE_BYTES_MAX).contains(&new.body.0.len())) {
            return bad(format!("an envelope has {ENVELOPE_BYTES_MIN} to {ENVELOPE_BYTES_MAX} bytes"));
        }
    }
    Ok(())
}
