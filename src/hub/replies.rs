//! What the lanes answer, handed to the feature that asked.

use crate::hub::effect::Effect;
use crate::hub::job::keys::KeysReply;
use crate::hub::job::{Change, FailedJob, PasswordReply, Reply, StoreFailure, StoreReply};
use crate::hub::passwd::PasswdStage;
use crate::hub::register::RegisterStage;
use crate::hub::session::{LoginStage, Waiting};
use crate::hub::{Ask, Hub};
use crate::proto::event::Answer;
use crate::proto::id::{Origin, UserId};
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::Now;

impl Hub {
    /// A lane finished a job, or the operator changed something.
    pub fn reply(&mut self, now: Now, reply: Reply, out: &mut Vec<Effect>) {
        match reply {
            Reply::Files(reply) => self.file_reply(now, reply, out),
            Reply::Operator(news) => self.operator_news(news, out),
            Reply::Password(reply) => self.password_reply(now, reply, out),
            Reply::Store(reply) => {
                self.store_reply(now, reply, out);
                self.store_credit_back(out);
            }
        }
    }

    fn password_reply(&mut self, now: Now, reply: PasswordReply, out: &mut Vec<Effect>) {
        let (PasswordReply::Hashed { origin, .. } | PasswordReply::Verified { origin, .. }) = &reply;
        let ask = ask(*origin, now);
        self.give_password_place_back(ask.conn);
        match (reply, self.take_waiting(ask.conn)) {
            (
                PasswordReply::Hashed { hash, .. },
                Some(Waiting::Register { user, invite, stage: RegisterStage::Hash, .. }),
            ) => self.register_hashed(ask, user, invite, hash, out),
            (
                PasswordReply::Hashed { hash, .. },
                Some(Waiting::Passwd { stage: PasswdStage::Hash { account }, .. }),
            ) => self.passwd_hashed(ask, account, hash, out),
            (
                PasswordReply::Verified { matches, .. },
                Some(Waiting::Login { user, data, stage: LoginStage::Verify { account } }),
            ) => self.login_verified(ask, user, data, account, matches, out),
            (
                PasswordReply::Verified { matches, .. },
                Some(Waiting::Passwd { stage: PasswdStage::Verify { account, new }, .. }),
            ) => self.passwd_verified(ask, account, new, matches, out),
            // The connection is gone, and with it whoever wanted to know.
            (_, None) => self.directory.release(ask.conn),
            (_, Some(_)) => unreachable!("a reply comes to what waits for it"),
        }
    }

    fn store_reply(&mut self, now: Now, reply: StoreReply, out: &mut Vec<Effect>) {
        match reply {
            StoreReply::Account { origin, account } => {
                let ask = ask(origin, now);
                match self.take_waiting(ask.conn) {
                    Some(Waiting::Login { user, data, stage: LoginStage::Account { password } }) => {
                        self.login_account(ask, user, data, password, account, out)
                    }
                    Some(Waiting::Passwd { stage: PasswdStage::Account { old, new }, .. }) => {
                        self.passwd_account(ask, old, new, account, out)
                    }
                    None => self.give_password_place_back(ask.conn),
                    Some(_) => unreachable!("a reply comes to what waits for it"),
                }
            }
            StoreReply::Appended { origin, room, entry } => self.appended(ask(origin, now), room, entry, out),
            StoreReply::Changed { origin: Some(origin), change: Change::FileComplete { file } } => {
                self.file_complete(ask(origin, now), file, out)
            }
            StoreReply::Changed { origin: Some(origin), change } => {
                self.changed(ask(origin, now), change, out)
            }
            StoreReply::Changed { origin: None, change: Change::Leave { room, account } } => {
                self.leave_answered(room, account)
            }
            StoreReply::Changed { origin: None, change: Change::FileRemove { file } } => {
                self.file_removed(now, file, out)
            }
            StoreReply::Changed { origin: None, .. } | StoreReply::Done => {}
            StoreReply::Failed { job, failure } => self.store_failed(now, job, failure, out),
            StoreReply::History { origin, room, page } => {
                let ask = ask(origin, now);
                let Some(me) = self.named(ask) else { return };
                match self.take_waiting(ask.conn) {
                    Some(Waiting::History) => self.history_page(ask, me, room, page, out),
                    Some(Waiting::HistoryPiece(streaming)) => {
                        self.history_piece(ask, me, streaming, page, out)
                    }
                    Some(_) | None => unreachable!("a session that is there waits for its page"),
                }
            }
            StoreReply::Joined { origin, room, page, seq } => {
                self.joined(ask(origin, now), room, page, seq, out)
            }
            StoreReply::Keys(reply) => self.keys_reply(now, reply, out),
            StoreReply::Letters { account, letters, .. } => self.letters(now.mono, account, letters, out),
            StoreReply::PostRefused { origin, to, refusal } => {
                self.post_refused(ask(origin, now), to, refusal, out)
            }
            StoreReply::Posted { origin, to, text, at } => self.posted(ask(origin, now), to, text, at, out),
            StoreReply::Registered { origin, outcome } => self.registered(ask(origin, now), outcome, out),
            StoreReply::Repeated { origin, room, seq, at } => {
                self.repeated(ask(origin, now), room, seq, at, out)
            }
            StoreReply::Search { origin, messages, more } => {
                let ask = ask(origin, now);
                let Some(me) = self.named(ask) else { return };
                if let Some(Waiting::Search { query, .. }) = self.take_waiting(ask.conn) {
                    self.searched(ask, me, query, messages, more, out);
                }
            }
            StoreReply::Session { origin, outcome } => {
                let ask = ask(origin, now);
                if let Some(Waiting::Login { user, data, .. }) = self.take_waiting(ask.conn) {
                    self.login_session(ask, user, data, outcome, out);
                }
            }
            StoreReply::Uploaded { origin, new, file } => self.uploaded(ask(origin, now), new, file, out),
        }
    }

    fn keys_reply(&mut self, now: Now, reply: KeysReply, out: &mut Vec<Effect>) {
        match reply {
            KeysReply::Acked { origin, seq } => {
                self.store_answers(ask(origin, now), Answer::Acknowledged { seq }, out)
            }
            KeysReply::Attached { origin, account, attached, taken } => {
                self.attached(ask(origin, now), account, attached, taken, out)
            }
            KeysReply::ClaimBlocked { origin, target } => self.claim_blocked(ask(origin, now), target, out),
            KeysReply::Claimed { origin, target, bundles } => {
                self.claimed(ask(origin, now), target, bundles, out)
            }
            KeysReply::Devices { origin, account, identity, devices } => {
                self.devices_found(ask(origin, now), account, identity, devices, out)
            }
            KeysReply::Enrolled { origin, account, device, gone, replaced } => {
                self.enrolled(ask(origin, now), account, device, gone, replaced, out)
            }
            KeysReply::Page { conn, account, device, envelopes, more } => {
                self.envelopes_read(conn, (account, device), envelopes, more, out)
            }
            KeysReply::Published { origin, account, device, name, one_time, first } => {
                self.published(ask(origin, now), account, (device, name), one_time, first, out)
            }
            KeysReply::Refused { origin, refusal } => self.keys_refused(ask(origin, now), refusal, out),
            KeysReply::Revoked { origin, account, gone, token } => {
                self.revoked(ask(origin, now), account, gone, token, out)
            }
            KeysReply::SendRefused { origin, refusal } => self.send_refused(ask(origin, now), refusal, out),
            KeysReply::Sent { origin, to, at, kept, full } => {
                self.sent(ask(origin, now), to, at, kept, full, out)
            }
        }
    }

    /// The store could not do a job: whoever waits is told, and nothing has changed.
    fn store_failed(&mut self, now: Now, job: FailedJob, failure: StoreFailure, out: &mut Vec<Effect>) {
        let (reason, text) = match failure {
            StoreFailure::Full => ("disk full".to_string(), "the server's disk is full; nothing was changed"),
            StoreFailure::Other(reason) => (reason, "the server's storage failed; nothing was changed"),
        };
        self.log(log::Level::Error, format!("storage failed: {reason}"), out);
        let refusal = Refusal::new(Code::StorageUnavailable, text);
        match job {
            FailedJob::Append { origin } => {
                let ask = ask(origin, now);
                self.refuse(ask, refusal, out);
                self.append_done(ask.conn, out);
            }
            FailedJob::Change { origin: None, change: Change::FileRemove { file } } => {
                self.removal_failed(now, file, refusal, out)
            }
            FailedJob::Change { origin, change } => {
                self.change_failed(origin.map(|origin| ask(origin, now)), change, refusal, out)
            }
            FailedJob::Join { origin, room } => self.join_failed(ask(origin, now), room, refusal, out),
            FailedJob::Letters { account } => self.letters_failed(account),
            FailedJob::Mailbox { conn, account, device } => self.envelopes_failed(conn, (account, device)),
            FailedJob::Other => {}
            FailedJob::Post { origin, to } => self.post_failed(ask(origin, now), to, refusal, out),
            FailedJob::Request { origin } => {
                let ask = ask(origin, now);
                if self.hashing.contains_key(&ask.conn) {
                    self.give_password_place_back(ask.conn);
                }
                self.directory.release(ask.conn);
                if self.sessions.get(ask.conn).is_some() {
                    self.take_waiting(ask.conn);
                    self.refuse(ask, refusal, out);
                    self.ready(ask.conn, out);
                }
            }
            FailedJob::Upload { origin, new } => self.upload_failed(ask(origin, now), new, refusal, out),
        }
    }

    fn named(&self, ask: Ask) -> Option<UserId> {
        self.sessions.get(ask.conn).and_then(|session| session.user)
    }
}

fn ask(origin: Origin, now: Now) -> Ask {
    Ask { conn: origin.conn, re: origin.re, now }
}
