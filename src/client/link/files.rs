//! Files behind a link: [`Transfers`] stands on the session and the vault here.
//!
//! What transfers want kept goes into one transaction with what the session wants kept. So a message about
//! a file and the row that says it was taken are kept together or not at all, and an offer never gets
//! lost between the message that brought it and the list of offers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::client::link::Link;
use crate::client::private::row::{Change, Rows};
use crate::client::private::{Private, Saying};
use crate::client::scrollback::{Kind, Seal};
use crate::client::session::State;
use crate::client::session::event::{Event, Place, Ticket, Unsent};
use crate::client::transfer::ledger::news::{News, Subject, What};
use crate::client::transfer::ledger::receiving::Offer;
use crate::client::transfer::pool::Credentials;
use crate::client::transfer::record::Number;
use crate::client::transfer::transfers::{Focus, Ground, To, Transfers};
use crate::e2e::content::FileNote;
use crate::e2e::trust::Trust;
use crate::proto::command::Command;
use crate::proto::name::{RoomName, UserName};

/// What a link has for files.
#[derive(Default)]
pub(super) struct Files {
    /// There with an unlocked vault.
    transfers: Option<Transfers>,
    /// Who is logged in, since there was a token.
    credentials: Option<Credentials>,
    online: bool,
    /// The session has offers for the ledger.
    offered: bool,
    focus: Focus,
    /// Where files go that are accepted without saying where.
    downloads: PathBuf,
    /// Messages about files that the server has not taken yet.
    noted: BTreeMap<Ticket, News>,
    news: Vec<Event>,
}

impl Link {
    /// Which transfers of earlier sessions go on in this one; to be said before the vault is unlocked.
    pub fn focus_files(&mut self, focus: Focus) {
        self.files.focus = focus;
    }

    /// Where files are put unless a user says where; empty: the directory of this process.
    pub fn put_files_into(&mut self, directory: PathBuf) {
        self.files.downloads = directory;
    }

    pub fn downloads(&self) -> &Path {
        let directory = self.files.downloads.as_path();
        if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
    }

    /// Files on their way and offers; `None` without an unlocked vault.
    pub fn transfers(&self) -> Option<&Transfers> {
        self.files.transfers.as_ref()
    }

    pub fn transfers_mut(&mut self) -> Option<&mut Transfers> {
        self.files.transfers.as_mut()
    }

    /// Nothing about files is on its way: messages about them, and words to those who handed them over,
    /// included.
    pub fn has_settled_files(&self) -> bool {
        let idle = self.transfers().is_none_or(Transfers::is_idle) && self.files.noted.is_empty();
        idle && self.has_settled_handed()
    }

    /// Sends a file to somebody, or to everybody in a room who can read it.
    pub fn send_file(&mut self, path: &Path, to: &Place) -> Result<Number, String> {
        let off = || Unsent::PrivateOff.to_string();
        let private = self.session.private().ok_or_else(off)?;
        if !private.takes_messages() {
            return Err(off());
        }
        let to = match to {
            Place::Person(user) => {
                let trust = private.peer(user).and_then(|peer| peer.trust());
                if matches!(trust, Some(Trust::Changed { .. })) {
                    return Err(Unsent::Untrusted.to_string());
                }
                To::Person(user.clone())
            }
            Place::Room(room) => To::Room(room.clone(), self.others_in(room)?),
            Place::Server => return Err(Unsent::NoRoom.to_string()),
        };
        self.files.transfers.as_mut().ok_or_else(off)?.send(path, to)
    }

    /// Of the files that somebody is being told of.
    pub(super) fn notes_of_files(&self) -> impl Iterator<Item = Number> {
        self.files.noted.values().map(|news| news.number)
    }

    /// Who is in a room beside this user.
    fn others_in(&self, room: &RoomName) -> Result<Vec<UserName>, String> {
        let room = self.session.room(room).filter(|room| room.is_in());
        let room = room.ok_or_else(|| Unsent::NotInRoom.to_string())?;
        let me = self.session.name().and_then(|name| UserName::parse(name).ok());
        Ok(room.members().filter(|member| Some(*member) != me.as_ref()).cloned().collect())
    }

    /// With the vault come the transfers that are kept in it.
    pub(super) fn open_files(&mut self, rows: &Rows) {
        let waker = self.waker();
        let wake = Arc::new(move || {
            // A link that is gone needs no waking.
            let _ = waker.wake();
        });
        let (target, trust) = (self.target.clone(), self.trust.clone());
        match Transfers::new(target, trust, rows, wake, self.files.focus) {
            Ok(transfers) => self.files.transfers = Some(transfers),
            Err(error) => self.complain(format!("files are off in this run: {error}")),
        }
        self.files.offered = true;
    }

    /// Without a vault nothing can be kept, so nothing is sent or received.
    pub(super) fn close_files(&mut self) {
        self.files.transfers = None;
    }

    /// What of the session's events is about files. `None`: that is all there was to it.
    pub(super) fn heed_files(&mut self, event: Event) -> Option<Event> {
        let now = self.now();
        match &event {
            Event::LoggedIn(login) => {
                if let Some(token) = login.token.clone().filter(|_| !login.guest) {
                    let user = self.session.user().to_owned();
                    self.files.credentials = Some(Credentials { user, token });
                }
            }
            Event::FileOffered { .. } => self.files.offered = true,
            Event::Answered { ticket, outcome } => {
                if let Some(mut news) = self.files.noted.remove(ticket) {
                    if let Err(failure) = outcome
                        && let What::NotTold { why, .. } = &mut news.what
                    {
                        *why = failure.to_string().into();
                        self.tell_news(news);
                    }
                    return None;
                }
                if let Some(transfers) = &mut self.files.transfers
                    && transfers.asked(*ticket)
                {
                    transfers.answered(now.mono, *ticket, outcome.clone());
                    return None;
                }
            }
            _ => {}
        }
        Some(event)
    }

    /// Takes over what the session was offered: the offer leaves there and enters here in one
    /// transaction.
    fn take_offers(&mut self) {
        let now = self.now();
        let Some(transfers) = &mut self.files.transfers else { return };
        let keys = self.session.private().map(|private| private.offers().map(|offer| offer.key()).collect());
        let keys: Vec<Vec<u8>> = keys.unwrap_or_default();
        for key in keys {
            let Some(offer) = self.session.settle_offer(now, &key) else { continue };
            let (from, verified) = (offer.from, offer.seal == Seal::Verified);
            if transfers.offered(&from, verified, offer.note) == Offer::TooMany {
                let text = format!("too-many: {from} offers more files than are kept; decline some");
                self.session.note(now, Place::Person(from), Kind::Error, text);
            }
        }
    }

    /// Lets transfers go on as far as they can; `true` if there may be more to do.
    pub(super) fn turn_files(&mut self) -> bool {
        let now = self.now().mono;
        if std::mem::take(&mut self.files.offered) {
            self.take_offers();
        }
        let Some(mut transfers) = self.files.transfers.take() else { return false };
        // Before the server has listed this account's devices, nobody knows whether another one may want what
        // was received.
        let knows = self.session.private().is_some_and(Private::knows_devices);
        let online = self.session.state() == State::Online && self.files.credentials.is_some() && knows;
        if online != self.files.online {
            self.files.online = online;
            transfers.connected(now, self.files.credentials.clone().filter(|_| online));
        }
        transfers.settles(self.session.private().is_some_and(|private| private.devices().len() == 1));
        let changed = transfers.turn(now, self);
        // What could not be kept has closed them.
        if self.is_keeping() {
            self.files.transfers = Some(transfers);
        }
        self.changed |= changed;
        changed
    }

    /// Events about files since the last time.
    pub(super) fn take_news(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.files.news)
    }

    fn tell_news(&mut self, news: News) {
        let person = |name: &String| UserName::parse(name).ok().map(Place::Person);
        let room = news.subject.room.as_ref().and_then(|room| RoomName::parse(room).ok());
        let room = room.filter(|room| self.session.room(room).is_some()).map(Place::Room);
        let place = room.or_else(|| news.subject.people.first().and_then(person)).unwrap_or(Place::Server);
        let kind = if news.is_bad() { Kind::Error } else { Kind::Notice };
        let now = self.now();
        self.session.note(now, place, kind, news.to_string());
        self.tell_handed(&news);
        self.files.news.push(Event::Transfer(news));
    }
}

impl Ground for Link {
    fn keep(&mut self, changes: Vec<Change>) -> Result<(), String> {
        self.store_with(changes)
    }

    fn ask(&mut self, command: Command<'_>) -> Result<Ticket, String> {
        let now = self.now();
        self.session.act(now, command).map_err(|unsent| unsent.to_string())
    }

    fn note(&mut self, number: Number, reader: &UserName, note: FileNote) -> Result<(), String> {
        let subject = Subject {
            sending: true,
            people: vec![reader.shown().to_string()],
            room: None,
            verified: false,
            name: note.name.clone(),
            size: note.size,
        };
        let now = self.now();
        let said = self.session.say_to(now, reader, Saying::FileNote(note));
        let ticket = said.map_err(|unsent| unsent.to_string())?;
        let what = What::NotTold { reader: reader.shown().to_string(), why: "".into() };
        self.files.noted.insert(ticket, News { number, subject, what });
        Ok(())
    }

    fn tell(&mut self, news: News) {
        self.tell_news(news);
    }

    fn complain(&mut self, text: String) {
        let now = self.now();
        self.session.note(now, Place::Server, Kind::Error, text);
    }
}
