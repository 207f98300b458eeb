//! What a session asks of the server by itself: to log in, to enter rooms, to fill gaps, to say what
//! waits, and whether it is still there.

use std::borrow::Cow;
use std::time::Duration;

use crate::client::session::answers::Outstanding;
use crate::client::session::event::Event;
use crate::client::session::requests::say_command;
use crate::client::session::room::{Room, Stage};
use crate::client::session::{Login, Phase, Session};
use crate::client::wire;
use crate::proto::command::{Command, HistoryRange, Paging, Proof};
use crate::proto::id::Seq;
use crate::proto::limits::HISTORY_PAGE_MAX;
use crate::proto::name::RoomName;
use crate::proto::time::Now;

impl Session {
    /// The first two requests of a connection; the second does not wait for the answer to the first.
    pub(super) fn greet(&mut self) {
        self.send(&Command::Hello { version: wire::VERSION }, Outstanding::Hello);
        self.present();
    }

    /// Says who wants to log in.
    pub(super) fn present(&mut self) {
        let user = || Cow::Owned(self.user.clone());
        let command = match &self.login {
            Login::Guest => Command::Nick { user: user() },
            Login::Password(password) => {
                Command::Login { user: user(), proof: Proof::Password(password.clone()), data: false }
            }
            Login::Register { password, invite } => {
                let (password, invite) = (Some(password.clone()), invite.clone());
                Command::Register { user: user(), password, invite }
            }
            Login::Token { token, password: _ } => {
                Command::Login { user: user(), proof: Proof::Token(token.clone()), data: false }
            }
            Login::Unknown => return,
        };
        self.send(&command, Outstanding::Login);
    }

    pub(super) fn ping(&mut self, now: Now) {
        self.ping_sent = Some(now.mono);
        self.send(&Command::Ping, Outstanding::Ping);
    }

    /// Sends what has become possible: entering rooms, filling gaps, saying what waits.
    pub(super) fn advance(&mut self, now: Now) {
        self.advance_private(now);
        let paused = self.pause.is_some_and(|pause| now.mono < pause);
        if paused || self.restoring.is_some() || !matches!(self.phase, Phase::Online { .. }) {
            return;
        }
        let background = self.outstanding.values().filter(|outstanding| outstanding.is_background()).count();
        let mut budget = BACKGROUND_MAX.saturating_sub(background);
        let mut needs = Vec::new();
        for room in self.rooms.values_mut() {
            let Some(need) = room.need() else { continue };
            if need != Need::Say {
                if budget == 0 {
                    continue;
                }
                budget -= 1;
            }
            needs.push((room.name.clone(), need));
        }
        for (name, need) in needs {
            self.serve(name, need);
        }
        self.tell_when_back(now);
    }

    fn serve(&mut self, name: RoomName, need: Need) {
        let Some(room) = self.rooms.get_mut(&name) else { return };
        let shown = || Cow::Owned(name.shown().to_string());
        match need {
            Need::Enter => {
                room.stage = Stage::Joining;
                let command = Command::Join { room: shown(), key: room.key.clone() };
                self.send(&command, Outstanding::Join { room: name });
            }
            Need::Fill { after } => {
                room.filling = true;
                let command = Command::History {
                    room: Some(shown()),
                    range: HistoryRange::After(after.0),
                    limit: Some(HISTORY_PAGE_MAX),
                    paging: Paging::Page,
                };
                self.send(&command, Outstanding::Fill { room: name });
            }
            Need::Say => {
                let Some(saying) = room.outbox.front_mut() else { return };
                saying.sent = true;
                let saying = saying.clone();
                let ticket = saying.ticket;
                self.send(&say_command(&name, &saying), Outstanding::Say { room: name.clone(), ticket });
            }
        }
    }

    /// The interruption is over once every room is as it would have been without it.
    fn tell_when_back(&mut self, now: Now) {
        if self.interrupted.is_none() || !self.rooms.values().all(Room::is_up_to_date) {
            return;
        }
        if let Some(interruption) = self.interrupted.take().filter(|it| it.was_online) {
            let after = Duration::from_millis(now.mono.since_ms(interruption.since));
            self.events.push_back(Event::Back { after });
        }
    }

    /// The server refused something that the session repeats by itself, because it is busy.
    pub(super) fn rest_a_little(&mut self, now: Now) {
        self.pause = Some(now.mono + PAUSE);
    }
}

/// What a room needs next from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Enter,
    Fill { after: Seq },
    Say,
}

impl Room {
    pub(super) fn need(&self) -> Option<Need> {
        match self.stage {
            Stage::Wanted => return Some(Need::Enter),
            Stage::Joining | Stage::Out => return None,
            Stage::In => {}
        }
        if self.filling {
            return None;
        }
        if let Some(after) = self.sequence.gap() {
            return Some(Need::Fill { after });
        }
        self.outbox.front().filter(|saying| !saying.sent).map(|_| Need::Say)
    }

    pub(super) fn is_up_to_date(&self) -> bool {
        match self.stage {
            Stage::Wanted | Stage::Joining => false,
            Stage::Out => true,
            Stage::In => !self.filling && self.sequence.gap().is_none(),
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.is_up_to_date() && self.outbox.is_empty() && !self.loading
    }
}

/// Of these, what the session asks by itself for its rooms: few, so that a user's request does not
/// wait long behind them.
const BACKGROUND_MAX: usize = 8;
/// After the server said that it was asked too fast or is busy.
const PAUSE: Duration = Duration::from_secs(1);
