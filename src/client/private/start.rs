//! From a login to being the reader of this device's mailbox.
//!
//! What is asked, what the answer decides, and what is stored before each request:
//!
//! ```text
//! devices ─► whose identity the account has, and whether this device is listed
//! enroll  ◄─ the identity            ─► this device's number
//! prekeys ◄─ their private halves    ─► others can write to it
//! attach  ◄─ the run, raised         ─► the run before; envelopes follow
//! ```

use std::collections::BTreeSet;

use crate::client::private::account::{Account, Device};
use crate::client::private::received;
use crate::client::private::repair::RESET_EVERY_MS;
use crate::client::private::row::Table;
use crate::client::private::{Asked, DEVICES_MAX, Off, Output, Private, Stage};
use crate::client::scrollback::Kind;
use crate::client::wire::keys;
use crate::e2e::address::{DeviceId, Millis, Uid};
use crate::e2e::identity::{Identity, IdentityKey};
use crate::e2e::prekey_store::PrekeyStore;
use crate::proto::command::Command;
use crate::proto::id;
use crate::proto::keys::PublicKey;
use crate::proto::name::UserName;
use crate::proto::time::Now;

impl Private {
    /// Logged in: as a guest, or to an account.
    pub(in crate::client) fn login(&mut self, name: &str, guest: bool) {
        self.me = UserName::parse(name).ok();
        self.pause = None;
        self.enrolments = 0;
        self.stage = if guest { Stage::Off(Off::Guest) } else { Stage::Start };
        self.changed(None);
    }

    /// The connection is gone, and with it every request.
    pub(in crate::client) fn disconnected(&mut self) {
        self.stage = Stage::Offline;
        self.pause = None;
        self.succession.in_doubt();
        (self.ack_under_way, self.ack_due, self.publishing) = (false, false, false);
        for lane in self.lanes.values_mut() {
            lane.busy = false;
        }
        self.changed(None);
    }

    pub(super) fn ask(&mut self, command: Command<'static>, asked: Asked) {
        self.out.push(Output::Ask { command, asked });
    }

    /// Asks for this account's devices, to show them and to write to them.
    pub(super) fn ask_own_devices(&mut self) {
        self.ask(Command::Devices { user: None }, Asked::OwnDevices { begins: false });
    }

    pub(super) fn begin(&mut self) {
        self.stage = Stage::Asking;
        self.ask(Command::Devices { user: None }, Asked::OwnDevices { begins: true });
    }

    /// Private messages do not work on this device, for this reason.
    pub(super) fn turn_off(&mut self, now: Now, why: Off) {
        let text = match &why {
            Off::Detached => {
                "private messages are read by another connection of this device, or this device was revoked"
            }
            Off::Guest | Off::ServerTooOld => "",
            Off::OtherAccount => {
                "identity-changed: the keys kept here belong to an earlier account of this name. Private \
                 messages are off; /newidentity begins anew and forgets them"
            }
            Off::OtherIdentity => {
                "identity-changed: this account has another identity than this device. Private messages \
                 are off: /pair takes the new one over from another device, /recover from the recovery \
                 key. If you know nothing of it, somebody has your password, or the server lies"
            }
            Off::Refused(text) => text,
        };
        if !text.is_empty() {
            let text = text.to_owned();
            self.explain(now, &text);
        }
        self.stage = Stage::Off(why);
        self.changed(None);
    }

    /// The server says what cannot be.
    pub(super) fn refuse(&mut self, now: Now, why: &str) {
        self.turn_off(now, Off::Refused(why.into()));
    }

    /// The reply to `devices` about this account. `begins`: it decides how to go on.
    pub(super) fn handle_own_list(&mut self, now: Now, list: &keys::Devices, begins: bool) {
        let there = match list.identity.map(|identity| IdentityKey::import(&identity.0)).transpose() {
            Ok(there) => there,
            Err(_) => {
                return self.refuse(now, "the server gives this account a key that is none");
            }
        };
        let Some(uid) = list.uid.map(Uid).filter(|_| list.devices.len() <= DEVICES_MAX) else {
            return self.refuse(now, "the server's list of this account's devices cannot be");
        };
        self.account_uid = Some(uid);
        if !begins {
            let same = self.uid() == Some(uid) && there == self.identity().copied();
            match self.stage {
                _ if same => return self.take_own_list(now, list),
                Stage::Ready => {}
                // It will be asked for again.
                _ => return,
            }
        }
        self.other_identity = None;
        self.take_successor(uid, there);
        let listed: BTreeSet<u32> = list.devices.iter().map(|line| line.device).collect();
        let ours =
            self.account.as_ref().map(|account| (account.uid, *account.identity.public(), account.published));
        match (ours, there) {
            (None, None) => {
                let identity = Identity::generate(&mut self.random);
                self.account = Some(Account { uid, identity, published: false });
                self.dirty.account = true;
                self.enroll(now);
            }
            (Some((ours, ..)), _) if ours != uid => self.turn_off(now, Off::OtherAccount),
            (Some((_, ours, published)), Some(there)) if ours != there => {
                self.other_identity = Some(there);
                if published {
                    return self.turn_off(now, Off::OtherIdentity);
                }
                // Another device was faster, and nobody has ever seen ours.
                self.account = None;
                self.dirty.account = true;
                self.forget_device();
                self.need_pairing(now, there);
            }
            (None, Some(there)) => self.need_pairing(now, there),
            (Some(_), _) => self.continue_as(now, list, &listed, there.is_some()),
        }
    }

    /// The identity is ours, or the account has none any more.
    fn continue_as(&mut self, now: Now, list: &keys::Devices, listed: &BTreeSet<u32>, known: bool) {
        let Some(device) = &mut self.device else { return self.enroll(now) };
        if known && listed.contains(&device.number.number()) {
            if !device.published {
                device.published = true;
                self.dirty.device = true;
            }
            self.note_published();
            self.take_own_list(now, list);
            return self.attach(now);
        }
        if !device.published {
            return self.publish_first(now);
        }
        let text = if known {
            "new-device: this device was revoked, or its keys were lost by the server. It enrols as a new one"
        } else {
            "new-device: the server has lost the identity of this account. This device enrols as a new one"
        };
        self.note_server(now, Kind::Error, text);
        self.forget_device();
        self.enroll(now);
    }

    fn need_pairing(&mut self, now: Now, there: IdentityKey) {
        self.other_identity = Some(there);
        self.stage = Stage::NeedsPairing;
        let text = "not-paired: this account has an identity that is not on this device, so private \
                    messages are off here. /pair shows a code to type on a device that has it; /recover \
                    KEY takes the recovery key; if both are lost, /newidentity replaces it, and \
                    everybody you talk to is warned";
        self.explain(now, text);
        self.changed(None);
    }

    /// Says why private messages are off; the same only once, however often the connection breaks.
    fn explain(&mut self, now: Now, text: &str) {
        if self.explained.as_deref() != Some(text) {
            self.explained = Some(text.into());
            self.note_server(now, Kind::Error, text);
        }
    }

    /// Asks for a number for this device.
    pub(super) fn enroll(&mut self, now: Now) {
        let Some(account) = &self.account else { return };
        self.enrolments += 1;
        if self.enrolments > ENROLMENTS_MAX {
            return self.refuse(now, "the server does not let this device enrol");
        }
        let identity = PublicKey(*account.identity.public().bytes());
        self.stage = Stage::Enrolling;
        let command = Command::Enroll { identity, name: self.device_name.to_string().into(), replace: false };
        self.ask(command, Asked::Enroll { successor: false });
    }

    pub(super) fn handle_enrolled(&mut self, now: Now, enrolled: &keys::Enrolled) {
        let Some(account) = &self.account else { return };
        let number = DeviceId::new(enrolled.device);
        let (Ok(number), true) = (number, Uid(enrolled.uid) == account.uid) else {
            return self.refuse(now, "the server gives this device a number that cannot be");
        };
        let made = Millis(now.wall.0);
        let mut prekeys = PrekeyStore::generate(&account.identity, number, made, &mut self.random);
        // A new store has room for all of them.
        let refilled = prekeys.refill(0, made, &mut self.random);
        debug_assert!(refilled.is_ok());
        self.device = Some(Device { number, published: false, run: 0, handled: 0 });
        self.prekeys = Some(prekeys);
        (self.dirty.device, self.dirty.prekeys) = (true, true);
        self.publish_first(now);
    }

    /// A device was published: its identity is known to others from now on.
    pub(super) fn note_published(&mut self) {
        if let Some(account) = self.account.as_mut().filter(|account| !account.published) {
            account.published = true;
            self.dirty.account = true;
        }
    }

    /// Becomes the reader of the mailbox. The run is stored before anybody hears of it.
    pub(super) fn attach(&mut self, _now: Now) {
        let Some(device) = &mut self.device else { return };
        let before = device.run;
        device.run = device.run.saturating_add(1);
        self.dirty.device = true;
        self.stage = Stage::Attaching;
        let (device, run) = (on_wire(device.number), device.run);
        self.ask(Command::Attach { device, run }, Asked::Attach { before });
    }

    pub(super) fn handle_attached(&mut self, now: Now, before: u64, attached: &keys::Attached) {
        let (Some(device), Some(prekeys)) = (&mut self.device, &self.prekeys) else { return };
        let ours = *prekeys.signed();
        let next = prekeys.one_time_next();
        let theirs = attached.signed;
        let ahead = theirs.is_some_and(|theirs| theirs.id.saturating_sub(ours.id) > NUMBERS_AHEAD_MAX)
            || attached.one_time_next.saturating_sub(next.into()) > NUMBERS_AHEAD_MAX.into()
            || attached.run.saturating_sub(before) > RUN_AHEAD_MAX;
        if ahead {
            return self.refuse(now, "the server's numbers of this device's keys cannot be");
        }
        let one_time_next = u32::try_from(attached.one_time_next).unwrap_or(u32::MAX);
        let numbers_differ = one_time_next > next
            || theirs.is_some_and(|theirs| {
                theirs.id > ours.id || theirs.id == ours.id && theirs.created != ours.created.0
            });
        let copied = numbers_differ || attached.run > before;
        if attached.run > device.run {
            device.run = attached.run;
            self.dirty.device = true;
        }
        self.stock = attached.one_time;
        self.newest = 0;
        self.stage = Stage::Ready;
        self.explained = None;
        self.forget_old_prekeys(now);
        self.just_attached = true;
        let signed_there = theirs.map_or(0, |theirs| theirs.id);
        if copied {
            self.mend(now);
        }
        // A server that counts wrongly on purpose does not use up the signed prekeys.
        let recent = Millis(now.wall.0).since(ours.created) < RESET_EVERY_MS && ours.created.0 <= now.wall.0;
        if numbers_differ || copied && !recent {
            self.renew_prekeys(now, signed_there, one_time_next);
        } else {
            self.publish_missing(now, signed_there, one_time_next);
        }
        self.hurry();
        self.expire_outbox(now);
        for (author, id) in self.received.expire(Millis(now.wall.0)) {
            self.dirty.delete(Table::Received, received::key(author, &id));
        }
        self.changed(None);
    }

    /// A new identity was asked for; perhaps the server has taken it before we knew.
    fn take_successor(&mut self, uid: Uid, there: Option<IdentityKey>) {
        if let Some(heir) = there.and_then(|there| self.succession.taken(&there)) {
            self.dirty.succession = true;
            self.succeed(uid, heir);
        }
    }
}

/// A device as requests name it; the numbers are the same.
pub(super) fn on_wire(device: DeviceId) -> id::DeviceId {
    id::DeviceId::new(device.number()).expect("both are 1 to 2^31 - 1")
}

/// Enrolments on one connection. One is enough; a second one follows when the number was dropped meanwhile.
pub(super) const ENROLMENTS_MAX: u8 = 3;
/// A device makes a signed prekey a week and some one-time prekeys a day; numbers further ahead of ours are
/// no lost state but an attempt to use them up.
const NUMBERS_AHEAD_MAX: u32 = 1 << 24;
/// Logins of one device, likewise.
const RUN_AHEAD_MAX: u64 = 1 << 24;
