//! The account's own changes: another identity, devices that come and go.

use crate::client::private::account::Account;
use crate::client::private::pairing::Unable;
use crate::client::private::{Asked, Off, Private, Stage};
use crate::client::scrollback::Kind;
use crate::client::wire::Refused;
use crate::client::wire::keys::{self, DeviceNotice};
use crate::e2e::address::{DeviceId, Uid};
use crate::e2e::identity::Identity;
use crate::proto::command::Command;
use crate::proto::id;
use crate::proto::keys::PublicKey;
use crate::proto::time::Now;

impl Private {
    /// Replaces the account's identity: for a stolen device, or when nothing else is left. All devices of
    /// the account are gone then, and everybody who knows the old identity is warned.
    pub(in crate::client) fn new_identity(&mut self) -> Result<(), Unable> {
        let possible = matches!(
            self.stage,
            Stage::Ready | Stage::NeedsPairing | Stage::Off(Off::OtherIdentity | Off::OtherAccount)
        );
        if !possible || self.succession.is_under_way() || self.account_uid.is_none() {
            return Err(Unable::NotNow);
        }
        // Stored before the server hears of it, beside the old one: whichever it has taken is here.
        let heir = Identity::generate(&mut self.random);
        let identity = PublicKey(*heir.public().bytes());
        self.succession.begin(heir);
        self.dirty.succession = true;
        let command = Command::Enroll { identity, name: self.device_name.to_string().into(), replace: true };
        self.ask(command, Asked::Enroll { successor: true });
        Ok(())
    }

    pub(super) fn handle_succeeded(&mut self, now: Now, enrolled: &keys::Enrolled) {
        let (Some(heir), Some(uid)) = (self.succession.done(), self.account_uid) else { return };
        self.dirty.succession = true;
        self.succeed(uid, heir);
        let text = "this account has a new identity. Everybody who knew the old one is warned, and has \
                    to accept it; other devices of yours must be paired again; the old recovery key \
                    opens nothing any more";
        self.note_server(now, Kind::Notice, text);
        self.handle_enrolled(now, enrolled);
    }

    pub(super) fn handle_succession_refused(&mut self, now: Now, refused: &Refused) {
        self.succession.refused();
        self.dirty.succession = true;
        self.note_server(now, Kind::Error, &format!("the identity stays as it was: {refused}"));
    }

    /// It was done, and nobody can read what else the server says of it: asks which identity there is.
    pub(super) fn doubt_succession(&mut self, now: Now) {
        self.succession.in_doubt();
        self.start_again(now);
    }

    /// The server was too busy for it.
    pub(super) fn abandon_succession(&mut self, now: Now) {
        self.succession.refused();
        self.dirty.succession = true;
        self.note_server(now, Kind::Error, "the identity stays as it was: the server is busy, try again");
    }

    /// The account has this identity now, with everything that follows from it.
    pub(super) fn succeed(&mut self, uid: Uid, identity: Identity) {
        if let Some(before) = self.uid() {
            // Other devices had the old identity.
            if let Some(peer) = self.peers.get_mut(before) {
                peer.devices.clear();
                peer.fetched = None;
                self.dirty.peers.insert(before);
            }
        }
        self.forget_device();
        self.pairing = None;
        self.other_identity = None;
        self.account = Some(Account { uid, identity, published: true });
        self.dirty.account = true;
    }

    /// Removes another device of this account: it gets no messages any more and cannot log in again by
    /// its token. It keeps the identity that it knows: for a stolen one, take a new identity.
    pub(in crate::client) fn revoke(&mut self, device: u32) -> Result<(), Unable> {
        if self.stage != Stage::Ready {
            return Err(Unable::NotNow);
        }
        if self.device.as_ref().is_some_and(|here| here.number.number() == device) {
            return Err(Unable::ThisDevice);
        }
        let Some(number) = id::DeviceId::new(device) else { return Err(Unable::Unreadable) };
        self.ask(Command::Revoke { device: number }, Asked::Revoke { device });
        Ok(())
    }

    pub(super) fn handle_revoked(&mut self, now: Now, device: u32) {
        let text = format!(
            "device {device} is revoked. It still knows the account's identity: if it was stolen, take \
             another one with /newidentity"
        );
        self.note_server(now, Kind::Notice, &text);
        self.ask_own_devices();
    }

    /// The notice `device`: one of this account came or went.
    pub(in crate::client) fn handle_device_notice(&mut self, now: Now, notice: &DeviceNotice) {
        if self.stage != Stage::Ready {
            return;
        }
        if !notice.added {
            let text = format!("device {} of your account is gone", notice.device);
            self.note_server(now, Kind::Notice, &text);
        }
        self.ask_own_devices();
    }

    /// The notice `detached`: this connection does not read the mailbox any more.
    pub(in crate::client) fn handle_detached(&mut self, now: Now, device: u32) {
        // A new identity is under way: that this device goes with the old one is part of it.
        if self.succession.is_under_way() {
            return;
        }
        let ours = self.device.as_ref().map(|device| device.number);
        if self.stage != Stage::Off(Off::Guest) && DeviceId::new(device).ok() == ours && ours.is_some() {
            if self.succession.is_possible() && self.stage == Stage::Ready {
                // One that was asked for on an earlier connection, perhaps, which has come to it only now.
                return self.start_again(now);
            }
            self.turn_off(now, Off::Detached);
            for lane in self.lanes.values_mut() {
                lane.busy = false;
            }
        }
    }
}
