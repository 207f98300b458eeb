//! Replies and events of the server: whose they are, and what becomes of them.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::client::private::start::ENROLMENTS_MAX;
use crate::client::private::{Asked, Off, Private, Stage};
use crate::client::scrollback::Kind;
use crate::client::wire::{self, Clean, Odd, Refused};
use crate::proto::refusal::Code;
use crate::proto::time::Now;

impl Private {
    /// A reply. `line` holds what the request asked for, or what the refusal says besides.
    pub(in crate::client) fn handle_reply(
        &mut self,
        now: Now,
        asked: Asked,
        refused: Option<Refused>,
        line: &[u8],
    ) -> Result<(), Odd> {
        let Some(refused) = refused else {
            return self.handle_answer(now, asked, line).map_err(|asked| {
                match asked {
                    Asked::Enroll { successor: true } => self.doubt_succession(now),
                    asked => self.handle_refusal(now, asked, unreadable(), line),
                }
                Odd
            });
        };
        self.handle_refusal(now, asked, refused, line);
        Ok(())
    }

    /// An affirmative reply; gives back whose it was if it cannot be read.
    fn handle_answer(&mut self, now: Now, asked: Asked, line: &[u8]) -> Result<(), Asked> {
        match asked {
            Asked::Ack => {
                self.ack_under_way = false;
            }
            Asked::Attach { before } => {
                let attached = read(line, asked)?.0;
                self.handle_attached(now, before, &attached);
            }
            Asked::Claim { .. } => {
                let (claimed, asked) = read(line, asked)?;
                if let Asked::Claim { lane, uid, devices } = asked {
                    self.handle_claimed(now, &lane, uid, &devices, claimed);
                }
            }
            Asked::Devices { .. } => {
                let (list, asked) = read(line, asked)?;
                if let Asked::Devices { lane } = asked {
                    self.handle_list(now, &lane, list);
                }
            }
            Asked::Enroll { successor } => {
                let enrolled = read(line, asked)?.0;
                if successor {
                    self.handle_succeeded(now, &enrolled);
                } else {
                    self.handle_enrolled(now, &enrolled);
                }
            }
            Asked::OwnDevices { begins } => {
                let list = read(line, asked)?.0;
                self.handle_own_list(now, &list, begins);
            }
            Asked::Pair => {
                let relayed = read(line, asked)?.0;
                self.handle_relayed(now, &relayed);
            }
            Asked::Plain(_) => {
                let (sent, asked) = read(line, asked)?;
                if let Asked::Plain(message) = asked {
                    self.handle_plain_sent(now, *message, sent);
                }
            }
            Asked::Prekeys => {
                let published = read(line, asked)?.0;
                self.handle_published(now, &published);
            }
            Asked::Revoke { device } => self.handle_revoked(now, device),
            Asked::Send { .. } => {
                let (stored, asked) = read(line, asked)?;
                if let Asked::Send { lane, order, parts } = asked {
                    self.handle_stored(now, &lane, order, &parts, &stored);
                }
            }
        }
        Ok(())
    }

    fn handle_refusal(&mut self, now: Now, asked: Asked, refused: Refused, line: &[u8]) {
        if is_passing(&refused) {
            self.pause = Some(now.mono + PAUSE);
            return self.try_again(now, asked);
        }
        match asked {
            Asked::Ack => self.ack_under_way = false,
            Asked::Attach { .. } if refused.is(Code::NoSuchDevice) => self.start_again(now),
            Asked::Attach { .. } | Asked::OwnDevices { begins: true } => self.refuse_start(now, refused),
            Asked::OwnDevices { begins: false } => {}
            Asked::Claim { lane, uid, devices } => {
                self.handle_claim_refused(now, &lane, uid, &devices, &refused)
            }
            Asked::Devices { lane } => self.handle_list_refused(now, &lane, refused),
            Asked::Enroll { successor: true } => self.handle_succession_refused(now, &refused),
            Asked::Enroll { successor: false } if refused.is(Code::WrongIdentity) => self.start_again(now),
            Asked::Enroll { successor: false } => self.refuse_start(now, refused),
            Asked::Pair | Asked::Revoke { .. } => {
                self.note_server(now, Kind::Error, &refused.to_string());
            }
            Asked::Plain(message) => self.handle_plain_refused(now, *message, refused),
            Asked::Prekeys => self.handle_prekeys_refused(now, refused),
            Asked::Send { lane, order, parts } => {
                self.handle_send_refused(now, &lane, order, &parts, refused, line);
            }
        }
    }

    /// The server was too busy: everything is as if it had not been asked.
    fn try_again(&mut self, now: Now, asked: Asked) {
        match asked {
            Asked::Ack => (self.ack_under_way, self.ack_due) = (false, true),
            Asked::Attach { .. }
            | Asked::OwnDevices { begins: true }
            | Asked::Enroll { successor: false } => {
                self.stage = Stage::Start;
            }
            Asked::Enroll { successor: true } => self.abandon_succession(now),
            Asked::Claim { lane, .. } | Asked::Devices { lane } | Asked::Send { lane, .. } => {
                self.free_lane(&lane)
            }
            Asked::OwnDevices { begins: false } | Asked::Pair | Asked::Revoke { .. } => {}
            Asked::Plain(message) => self.take_back(now, *message),
            Asked::Prekeys => {
                self.publishing = false;
                if self.stage == Stage::Publishing {
                    self.stage = Stage::Start;
                }
            }
        }
    }

    /// There will be no reply: the connection broke.
    pub(in crate::client) fn abandoned(&mut self, asked: Asked) {
        if let Asked::Plain(message) = asked {
            self.doubt(self.clock, *message);
        }
    }

    /// What the server has is not what it said a moment ago: asks once more, but not for ever.
    pub(super) fn start_again(&mut self, now: Now) {
        self.enrolments += 1;
        if self.enrolments > ENROLMENTS_MAX {
            return self.refuse(now, "the server contradicts itself about this device");
        }
        self.stage = Stage::Start;
    }

    fn refuse_start(&mut self, now: Now, refused: Refused) {
        let why = if refused.is(Code::UnknownCommand) {
            Off::ServerTooOld
        } else if refused.is(Code::NotRegistered) {
            Off::Guest
        } else {
            Off::Refused(format!("private messages are off: {refused}").into())
        };
        self.turn_off(now, why);
    }

    fn handle_prekeys_refused(&mut self, now: Now, refused: Refused) {
        self.publishing = false;
        if self.stage == Stage::Publishing {
            if refused.is(Code::NoSuchDevice) {
                // It never published, and was dropped for others that did.
                self.forget_device();
                return self.enroll(now);
            }
            return self.refuse_start(now, refused);
        }
        // Not again before the next login: the server has what it takes.
        self.stock = crate::e2e::prekey_store::ONE_TIME_ON_SERVER;
        self.note_server(now, Kind::Error, &format!("this device's keys could not be renewed: {refused}"));
    }
}

/// Reads a reply, or gives back whose it was.
fn read<T: DeserializeOwned>(line: &[u8], asked: Asked) -> Result<(T, Asked), Asked> {
    match wire::ok(line) {
        Ok(answer) => Ok((answer, asked)),
        Err(Odd) => Err(asked),
    }
}

fn unreadable() -> Refused {
    Refused { code: Clean("bad-reply".into()), text: Clean("the server's answer cannot be read".into()) }
}

/// The same request may succeed a little later.
fn is_passing(refused: &Refused) -> bool {
    [Code::Busy, Code::ServerFull, Code::ShuttingDown, Code::TooFast].iter().any(|code| refused.is(*code))
}

/// After the server said that it was asked too fast or is busy.
const PAUSE: Duration = Duration::from_secs(1);
