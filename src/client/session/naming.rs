//! The answer to a login: a name accepted or refused, and the rooms that come with an account.

use std::time::Duration;

use crate::client::scrollback::Kind;
use crate::client::session::answers::is_passing;
use crate::client::session::connection::as_ms;
use crate::client::session::event::{Event, LoggedIn, Lost, Place};
use crate::client::session::room::{Room, Stage};
use crate::client::session::{Login, Phase, ROOMS_MAX, Session};
use crate::client::wire::{self, Refused};
use crate::proto::limits::SAY_KEY_KEPT;
use crate::proto::name::RoomName;
use crate::proto::refusal::Code;
use crate::proto::secret::Secret;
use crate::proto::time::Now;

impl Session {
    pub(super) fn handle_named(&mut self, now: Now, named: wire::Named) {
        let login = std::mem::replace(&mut self.login, Login::Guest);
        let guest = login == Login::Guest;
        let registered = matches!(login, Login::Register { .. });
        let password = match &login {
            Login::Password(password) | Login::Register { password, .. } => Some(password.clone()),
            Login::Token { password, .. } => password.clone(),
            Login::Guest | Login::Unknown => None,
        };
        self.login = match (named.token.clone(), password) {
            (Some(token), password) => Login::Token { token, password },
            (None, Some(password)) if !matches!(login, Login::Token { .. }) => Login::Password(password),
            (None, _) => login,
        };
        let returning = self.name.is_some();
        self.name = Some(named.user.0.clone());
        self.name_in_doubt = false;
        self.guest = guest;
        let away = self.interrupted.as_ref().map_or(0, |it| now.mono.since_ms(it.since));
        self.keys_forgotten = guest || away > as_ms(KEYS_TRUSTED);
        self.phase = Phase::Online { since: now.mono };
        self.events.push_back(Event::LoggedIn(LoggedIn {
            user: named.user.0,
            guest,
            token: named.token,
            registered,
        }));
        let memberships: Vec<RoomName> =
            named.rooms.iter().filter_map(|room| RoomName::parse(room).ok()).take(ROOMS_MAX).collect();
        if returning && !guest {
            self.compare_memberships(now, &memberships);
        }
        self.begin_private(now);
        if !memberships.is_empty() {
            // The server shows the restored rooms by itself, before it answers anything else. What it
            // did not show when this is answered is asked for.
            self.restoring = Some(self.next_request);
            self.ping(now);
        }
        for name in memberships {
            let room = self.rooms.entry(name.clone()).or_insert_with(|| Room::new(name, None));
            if room.stage == Stage::Out {
                room.stage = Stage::Wanted;
            }
        }
    }

    /// An account is in its rooms while it is away. Where it is no longer, it was thrown out, or left
    /// by another session; going back in uninvited would be wrong.
    fn compare_memberships(&mut self, now: Now, memberships: &[RoomName]) {
        let gone: Vec<RoomName> = self
            .rooms
            .values()
            .filter(|room| room.stage != Stage::Out && room.sequence.has_begun() && room.ticket.is_none())
            .filter(|room| !memberships.contains(&room.name))
            .map(|room| room.name.clone())
            .collect();
        for name in gone {
            let text = format!("you are no longer in {name}");
            self.note(now, Place::Room(name.clone()), Kind::Leave, text);
            self.exit_room(&name);
        }
    }

    pub(super) fn handle_login_refused(&mut self, now: Now, refused: Refused) {
        let known = self.name.is_some() || self.name_in_doubt && self.failures < NAME_TRIES;
        let returning_guest = self.login == Login::Guest && known;
        if is_passing(&refused) || returning_guest && refused.is(Code::NameTaken) {
            // Busy; or the server has not noticed yet that the old connection is gone.
            let why = Lost::Network(refused.to_string().into());
            return self.lose(now, why);
        }
        if let Login::Token { password: Some(password), .. } = &self.login
            && refused.is(Code::LoginFailed)
        {
            self.login = Login::Password(password.clone());
            return self.present();
        }
        self.refuse_login(refused);
    }

    /// The server is there. Without anybody to present, that is all there is to do.
    pub(super) fn handle_hello(&mut self) {
        if self.login == Login::Unknown {
            let text = wire::Clean("who logs in?".into());
            self.refuse_login(Refused { code: wire::Clean(Code::NoName.as_str().into()), text });
        }
    }

    pub(super) fn refuse_login(&mut self, refused: Refused) {
        self.drop_connection();
        self.phase = Phase::Refused;
        self.events.push_back(Event::LoginRefused(refused));
    }

    /// Tokens end with the password that they were given for, so it is the new one that brings this
    /// session back after an interruption.
    pub(super) fn change_password(&mut self, new: Option<Secret>) {
        match &mut self.login {
            Login::Token { password, .. } => *password = new,
            Login::Password(password) | Login::Register { password, .. } => {
                if let Some(new) = new {
                    *password = new;
                }
            }
            Login::Guest | Login::Unknown => {}
        }
    }
}

/// After a longer interruption the server may not know an account's keys any more.
const KEYS_TRUSTED: Duration = Duration::from_secs(SAY_KEY_KEPT.as_secs() - 60 * 60);
/// Attempts to take a guest's name that may be one's own still; then it is somebody else's.
const NAME_TRIES: u32 = 8;
