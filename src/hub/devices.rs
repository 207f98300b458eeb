//! Devices of accounts, and the keys that others begin sessions with: the hub hands requests to the store,
//! which has and checks all of it, and tells whom an outcome concerns.

use std::sync::Arc;

use crate::hub::effect::{CloseReason, Effect};
use crate::hub::job::StoreJob;
use crate::hub::job::keys::{Gone, KeysJob, KeysRefusal, TokenId};
use crate::hub::moderation::no_such_user;
use crate::hub::session::Waiting;
use crate::hub::{Ask, Hub};
use crate::proto::event::{Answer, Event};
use crate::proto::id::{AccountId, ConnId, DeviceId, UserId};
use crate::proto::keys::{DeviceAbout, Devices, NewPrekeys, PublicKey};
use crate::proto::limits::{DEVICE_NAME_CHARS_MAX, DEVICES_PER_ACCOUNT_MAX, ONE_TIME_PREKEYS_MAX};
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};

impl Hub {
    pub(super) fn devices(
        &mut self,
        ask: Ask,
        me: UserId,
        user: Option<&str>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let mine = self.account_of(me)?;
        let account = match user {
            None => mine,
            Some(user) => {
                let name = UserName::parse(user)?;
                match (self.directory.find(&name), self.find_visible(me, &name)) {
                    (Some(account), _) => account,
                    (None, Some(guest)) => {
                        let user = self.user(guest).name.clone();
                        let none = Devices { user, uid: None, identity: None, devices: Vec::new() };
                        self.answer(ask, Answer::Devices(none), out);
                        return Ok(());
                    }
                    (None, None) => return Err(no_such_user(&name)),
                }
            }
        };
        self.ask_store(ask, KeysJob::Devices { origin: ask.origin(), account }, out);
        Ok(())
    }

    /// The store found the devices of an account: others learn their numbers, and the identity if there is
    /// a device to write to.
    pub(super) fn devices_found(
        &mut self,
        ask: Ask,
        account: AccountId,
        identity: Option<PublicKey>,
        devices: Vec<(DeviceId, DeviceAbout)>,
        out: &mut Vec<Effect>,
    ) {
        let asker = self.sessions.get(ask.conn).and_then(|session| session.user);
        let own = asker.is_some_and(|asker| self.user(asker).account == Some(account));
        let Some(user) = self.directory.get(account).map(|account| account.user.clone()) else {
            return self.store_answers(ask, Answer::Refused(removed()), out);
        };
        let identity = identity.filter(|_| own || !devices.is_empty());
        let devices = devices.into_iter().map(|(device, about)| (device, own.then_some(about))).collect();
        let found = Devices { user, uid: Some(account), identity, devices };
        self.store_answers(ask, Answer::Devices(found), out);
    }

    pub(super) fn enroll(
        &mut self,
        ask: Ask,
        me: UserId,
        identity: PublicKey,
        name: &str,
        replace: bool,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let account = self.account_of(me)?;
        let name = name.trim();
        if name.chars().count() > DEVICE_NAME_CHARS_MAX {
            let text = format!("a device's name has at most {DEVICE_NAME_CHARS_MAX} characters");
            return Err(Refusal::new(Code::BadArgument, text));
        }
        let (origin, name, now) = (ask.origin(), Arc::from(name), ask.now.wall);
        self.ask_store(ask, KeysJob::Enroll { origin, account, identity, name, replace, now }, out);
        Ok(())
    }

    pub(super) fn enrolled(
        &mut self,
        ask: Ask,
        account: AccountId,
        device: DeviceId,
        gone: Vec<Gone>,
        replaced: bool,
        out: &mut Vec<Effect>,
    ) {
        if replaced && let Some(account) = self.directory.get(account) {
            self.log(log::Level::Info, format!("{} has another identity now", account.user), out);
        }
        for gone in gone {
            self.device_gone(ask.conn, account, gone, out);
        }
        self.store_answers(ask, Answer::Enrolled { uid: account, device }, out);
    }

    pub(super) fn prekeys(
        &mut self,
        ask: Ask,
        me: UserId,
        prekeys: Box<NewPrekeys>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let account = self.account_of(me)?;
        if prekeys.one_time.len() > ONE_TIME_PREKEYS_MAX {
            return Err(too_many_prekeys());
        }
        let mut ids: Vec<u32> = prekeys.one_time.iter().map(|prekey| prekey.id).collect();
        ids.sort_unstable();
        if !ids.is_sorted_by(|one, next| one < next) {
            return Err(Refusal::new(Code::BadArgument, "two one-time prekeys have the same number"));
        }
        self.ask_store(ask, KeysJob::Publish { origin: ask.origin(), account, prekeys }, out);
        Ok(())
    }

    /// `first`: the device can be written to from now on, which its owner has to learn on all others.
    pub(super) fn published(
        &mut self,
        ask: Ask,
        account: AccountId,
        (device, name): (DeviceId, Arc<str>),
        one_time: u32,
        first: bool,
        out: &mut Vec<Effect>,
    ) {
        if first {
            let event = Event::DeviceChanged { device, name, added: true };
            self.tell_others(ask.conn, account, event, out);
        }
        self.store_answers(ask, Answer::Published { device, one_time }, out);
    }

    pub(super) fn revoke(
        &mut self,
        ask: Ask,
        me: UserId,
        device: DeviceId,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let account = self.account_of(me)?;
        self.ask_store(ask, KeysJob::Revoke { origin: ask.origin(), account, device }, out);
        Ok(())
    }

    /// A device is revoked, and its token has ended: whatever it has open ends as well, or it could go on,
    /// and enroll once more, until its connection breaks.
    pub(super) fn revoked(
        &mut self,
        ask: Ask,
        account: AccountId,
        gone: Gone,
        token: Option<TokenId>,
        out: &mut Vec<Effect>,
    ) {
        let Gone { device, name, published } = gone;
        let reader = self.mailboxes.detach(account, device);
        let with_token = |conn: &ConnId| token.is_some() && self.tokens.get(conn) == token.as_ref();
        let (ending, staying): (Vec<ConnId>, Vec<ConnId>) =
            self.sessions_of(account).partition(|conn| Some(*conn) == reader || with_token(conn));
        for conn in staying.into_iter().filter(|&conn| published && conn != ask.conn) {
            out.push(Effect::Tell(conn, Event::DeviceChanged { device, name: name.clone(), added: false }));
        }
        self.store_answers(ask, Answer::Revoked { device }, out);
        let carrying = token.map(|token| self.data_conns_with(account, token)).unwrap_or_default();
        for conn in ending.into_iter().chain(carrying) {
            let text = "this device was revoked; whoever logs in again begins anew";
            self.close(conn, Refusal::new(Code::Revoked, text), CloseReason::Revoked, out);
        }
    }

    pub(super) fn keys_refused(&mut self, ask: Ask, refusal: KeysRefusal, out: &mut Vec<Effect>) {
        let refusal = match refusal {
            KeysRefusal::BadKey => Refusal::new(Code::BadArgument, "a key that nobody can use"),
            KeysRefusal::BadSignature => {
                Refusal::new(Code::BadSignature, "the identity of the account did not sign this prekey")
            }
            KeysRefusal::MissingSigned => {
                Refusal::new(Code::MissingArgument, "`signed` is missing: the device has none yet")
            }
            KeysRefusal::NoSuchDevice => no_such_device(),
            KeysRefusal::OldSigned => {
                Refusal::new(Code::BadArgument, "the numbers of signed prekeys count up, one for each")
            }
            KeysRefusal::TooManyDevices => {
                let text = format!("an account has at most {DEVICES_PER_ACCOUNT_MAX} devices; revoke one");
                Refusal::new(Code::TooMany, text)
            }
            KeysRefusal::TooManyPrekeys => too_many_prekeys(),
            KeysRefusal::WrongIdentity => {
                Refusal::new(Code::WrongIdentity, "the account has another identity; nothing was changed")
            }
        };
        self.store_answers(ask, Answer::Refused(refusal), out);
    }

    // ---- what the files about keys share ------------------------------------------------------

    /// Hands a request to the store, for which the connection waits.
    pub(super) fn ask_store(&mut self, ask: Ask, job: KeysJob, out: &mut Vec<Effect>) {
        self.submit_store(StoreJob::Keys(job), out);
        self.wait(ask.conn, Waiting::Keys, out);
    }

    /// Answers whoever waits, if the connection is still there.
    pub(super) fn store_answers(&mut self, ask: Ask, answer: Answer, out: &mut Vec<Effect>) {
        if self.take_waiting(ask.conn).is_some() {
            self.answer(ask, answer, out);
            self.ready(ask.conn, out);
        }
    }

    /// Only accounts have keys.
    pub(super) fn account_of(&self, me: UserId) -> Result<AccountId, Refusal> {
        let text = "only accounts have devices; /register a name";
        self.user(me).account.ok_or_else(|| Refusal::new(Code::NotRegistered, text))
    }

    /// The account of a name.
    pub(super) fn account_named(&self, user: &str) -> Result<AccountId, Refusal> {
        let name = UserName::parse(user)?;
        let text = |name: &UserName| format!("there is no account {name}");
        self.directory.find(&name).ok_or_else(|| Refusal::new(Code::NoSuchUser, text(&name)))
    }

    /// Tells all sessions of an account but one.
    pub(super) fn tell_others(
        &self,
        except: ConnId,
        account: AccountId,
        event: Event,
        out: &mut Vec<Effect>,
    ) {
        for conn in self.sessions_of(account).filter(|&conn| conn != except) {
            out.push(Effect::Tell(conn, event.clone()));
        }
    }

    /// The connections of an account.
    pub(super) fn sessions_of(&self, account: AccountId) -> impl Iterator<Item = ConnId> {
        let name = self.directory.get(account).map(|account| &account.user);
        let user = name.and_then(|name| self.users.find(name)).map(|id| self.user(id));
        let user = user.filter(|user| user.account == Some(account));
        user.into_iter().flat_map(|user| user.sessions.iter().copied())
    }

    /// A device is one no more: whoever reads its mailbox does not any more, and its owner learns it on all
    /// others.
    fn device_gone(&mut self, asker: ConnId, account: AccountId, gone: Gone, out: &mut Vec<Effect>) {
        let Gone { device, name, published } = gone;
        if let Some(conn) = self.mailboxes.detach(account, device) {
            out.push(Effect::Tell(conn, Event::Detached { device }));
        }
        if published {
            let event = Event::DeviceChanged { device, name, added: false };
            self.tell_others(asker, account, event, out);
        }
    }
}

/// No device stands twice in a list, which is no longer than there can be devices.
pub(super) fn check_distinct(devices: &[DeviceId]) -> Result<(), Refusal> {
    if devices.len() > DEVICES_PER_ACCOUNT_MAX {
        let text = format!("an account has at most {DEVICES_PER_ACCOUNT_MAX} devices");
        return Err(Refusal::new(Code::BadArgument, text));
    }
    let mut sorted = devices.to_vec();
    sorted.sort_unstable();
    if !sorted.is_sorted_by(|one, next| one < next) {
        return Err(Refusal::new(Code::BadArgument, "a device stands there twice"));
    }
    Ok(())
}

pub(super) fn no_such_device() -> Refusal {
    Refusal::new(Code::NoSuchDevice, "your account has no device of this number")
}

fn too_many_prekeys() -> Refusal {
    let text = format!("a device has at most {ONE_TIME_PREKEYS_MAX} one-time prekeys here");
    Refusal::new(Code::TooMany, text)
}

pub(super) fn removed() -> Refusal {
    Refusal::new(Code::NoSuchUser, "this account was removed")
}
