//! Names: a guest takes one or changes it, and a connection that has one belongs to a user.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::hub::effect::Effect;
use crate::hub::user::{Letters, User};
use crate::hub::{Ask, Hub};
use crate::proto::event::{Answer, Event, Named, Status};
use crate::proto::id::{AccountId, ConnId, UserId};
use crate::proto::name::UserName;
use crate::proto::refusal::{Code, Refusal};

impl Hub {
    /// Takes a guest's name, or changes it.
    pub(super) fn nick(&mut self, ask: Ask, user: &str, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        let name = UserName::parse(user)?;
        let me = self.session(ask.conn).user;
        if let Some(me) = me.filter(|&me| !self.user(me).is_guest()) {
            return Err(already_named(&self.user(me).name));
        }
        if !self.settings.guests {
            return Err(Refusal::new(
                Code::GuestsClosed,
                "this server has no guests: /register NAME or /login NAME",
            ));
        }
        self.check_free(&name, me)?;
        match me {
            Some(me) => self.rename(me, name.clone(), out),
            None => {
                self.begin_session(ask, name.clone(), None, out);
            }
        }
        self.answer(
            ask,
            Answer::Named { user: name, how: Named::Guest, token: None, rooms: Vec::new() },
            out,
        );
        if me.is_none() {
            self.message_of_the_day(ask.conn, out);
        }
        Ok(())
    }

    /// Makes a session of the user, who comes into being with the first.
    pub(super) fn begin_session(
        &mut self,
        ask: Ask,
        name: UserName,
        account: Option<AccountId>,
        out: &mut Vec<Effect>,
    ) -> UserId {
        let id = match self.users.find(&name) {
            Some(id) => {
                self.users.get_mut(id).sessions.push(ask.conn);
                id
            }
            None => self.users.insert(User {
                name: name.clone(),
                account,
                status: Status::Online,
                status_text: None,
                sessions: SmallVec::from_elem(ask.conn, 1),
                rooms: SmallVec::new(),
                blocks: BTreeMap::new(),
                since: ask.now.wall,
                letters: Letters::None,
            }),
        };
        self.session_mut(ask.conn).user = Some(id);
        let kind = if account.is_some() { "account" } else { "guest" };
        self.log(log::Level::Info, format!("{} is {kind} {name}", ask.conn), out);
        id
    }

    pub(super) fn check_unnamed(&self, conn: ConnId) -> Result<(), Refusal> {
        match self.session(conn).user {
            Some(me) => Err(already_named(&self.user(me).name)),
            None => Ok(()),
        }
    }

    /// Whether a name is nobody's; `me` may keep their own.
    pub(super) fn check_free(&self, name: &UserName, me: Option<UserId>) -> Result<(), Refusal> {
        if self.directory.find(name).is_some() {
            let text = format!("{name} is registered; /login {name} if it is you");
            return Err(Refusal::new(Code::NameRegistered, text));
        }
        let holder = self.users.find(name);
        if self.directory.is_reserved(name) || holder.is_some() && holder != me {
            return Err(Refusal::new(
                Code::NameTaken,
                format!("{name}, or a name that looks like it, is taken"),
            ));
        }
        Ok(())
    }

    fn rename(&mut self, me: UserId, name: UserName, out: &mut Vec<Effect>) {
        let old = self.users.rename(me, name.clone());
        let rooms = self.user(me).rooms.clone();
        for id in rooms {
            let room = self.rooms.get_mut(id).expect("members are in rooms that exist");
            room.members.remove(old.key());
            room.members.insert(name.key().clone(), me);
            let event = Event::Renamed { room: room.name.clone(), from: old.clone(), to: name.clone() };
            self.crowds.told(id, &old);
            self.crowds.told(id, &name);
            self.announce(id, me, event, out);
        }
    }

    pub(super) fn message_of_the_day(&self, conn: ConnId, out: &mut Vec<Effect>) {
        if !self.settings.motd.is_empty() {
            out.push(Effect::Tell(conn, Event::Motd { text: self.settings.motd.clone() }));
        }
    }
}

fn already_named(name: &UserName) -> Refusal {
    Refusal::new(
        Code::AlreadyNamed,
        format!("you are {name} on this connection; connect again for another name"),
    )
}
