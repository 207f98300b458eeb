//! Who is there: `list`, `who`, `whois`, `rooms`, `status`.

use std::sync::Arc;

use crate::hub::effect::Effect;
use crate::hub::moderation::no_such_user;
use crate::hub::session::{Stream, Streaming};
use crate::hub::{Ask, Hub};
use crate::proto::command::Paging;
use crate::proto::event::{Answer, Status, Whois, WhoisOnline};
use crate::proto::id::{RoomId, UserId};
use crate::proto::limits::{LIST_PAGE_DEFAULT, LIST_PAGE_MAX, STATUS_BYTES_MAX};
use crate::proto::name::{RoomName, UserName};
use crate::proto::pages::{MemberLine, MembersPage, Part, RoomLine, RoomsPage, UserLine, UsersPage};
use crate::proto::refusal::{Code, Refusal};

/// Which part of a list, and how it is to come.
#[derive(Clone, Copy)]
pub(super) struct Pages<'a> {
    /// The name that the last page ended with.
    pub after: Option<&'a str>,
    pub limit: Option<u32>,
    pub paging: Paging,
}

impl Hub {
    pub(super) fn status(
        &mut self,
        ask: Ask,
        me: UserId,
        status: Option<&str>,
        text: Option<&str>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let parse = |status: &str| {
            Status::parse(&status.to_ascii_lowercase()).ok_or_else(|| {
                Refusal::new(Code::BadArgument, "a status is online, away or offline, and a text if you like")
            })
        };
        let status = status.map(parse).transpose()?;
        // A status without a text has none; a text alone leaves the status as it is.
        let text = text.unwrap_or_default().trim();
        if text.len() > STATUS_BYTES_MAX {
            let text = format!("a status text has at most {STATUS_BYTES_MAX} bytes");
            return Err(Refusal::new(Code::BadArgument, text));
        }
        let user = self.users.get_mut(me);
        user.status = status.unwrap_or(user.status);
        user.status_text = (!text.is_empty()).then(|| Arc::from(text));
        let answer = Answer::StatusSet { status: user.status, text: user.status_text.clone() };
        self.answer(ask, answer, out);
        Ok(())
    }

    pub(super) fn list(
        &mut self,
        ask: Ask,
        me: UserId,
        pages: Pages<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let limit = page_limit(pages.limit)?;
        let after = start(pages.after, |name| Ok(UserName::parse(name)?.key().clone()))?;
        match pages.paging {
            Paging::Page => {
                let (users, more) = self.users_page(me, &after, limit);
                self.answer(
                    ask,
                    Answer::Users(UsersPage { users, part: Part::WHOLE, more: more.is_some() }),
                    out,
                );
            }
            Paging::Stream => self.stream(ask.conn, Streaming::new(ask.re, Stream::Users { after }), out),
        }
        Ok(())
    }

    /// Users behind a key; and the key to go on from, if there are more.
    pub(super) fn users_page(&self, me: UserId, after: &str, limit: u32) -> (Vec<UserLine>, Option<String>) {
        let visible = self.users.after(after).filter(|&(id, user)| id == me || !user.is_hidden());
        page(visible, limit, |(_, user)| {
            let line = UserLine {
                user: user.name.clone(),
                status: user.status,
                text: user.status_text.clone(),
                guest: user.is_guest(),
            };
            (line, user.name.key())
        })
    }

    pub(super) fn who(
        &mut self,
        ask: Ask,
        me: UserId,
        room: Option<&str>,
        pages: Pages<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let limit = page_limit(pages.limit)?;
        let after = start(pages.after, |name| Ok(UserName::parse(name)?.key().clone()))?;
        let id = match room {
            None => self.my_room(ask.conn, me, None)?,
            // The members of a public room are no secret: one may look before coming in.
            Some(named) => {
                let name = RoomName::parse(named)?;
                let found = self.rooms.find(&name).filter(|&id| self.may_see(id, me));
                found.ok_or_else(|| Refusal::new(Code::NoSuchRoom, format!("there is no room {name}")))?
            }
        };
        match pages.paging {
            Paging::Page => {
                self.crowds.shown(id, &self.users.get(me).name);
                let (members, more) = self.members_page(id, me, &after, limit);
                let room = self.room(id).name.clone();
                let page = MembersPage { room, members, part: Part::WHOLE, more: more.is_some() };
                self.answer(ask, Answer::Members(page), out);
            }
            Paging::Stream => {
                self.stream(ask.conn, Streaming::new(ask.re, Stream::Members { room: id, after }), out)
            }
        }
        Ok(())
    }

    pub(super) fn members_page(
        &self,
        id: RoomId,
        me: UserId,
        after: &str,
        limit: u32,
    ) -> (Vec<MemberLine>, Option<String>) {
        let room = self.room(id);
        let bounds = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        let members = room.members.range::<str, _>(bounds).map(|(_, &member)| (member, self.user(member)));
        let visible = members.filter(|&(member, user)| member == me || !user.is_hidden());
        page(visible, limit, |(member, user)| {
            let line = MemberLine {
                user: user.name.clone(),
                operator: room.is_operator(member, user.account),
                status: user.status,
                text: user.status_text.clone(),
            };
            (line, user.name.key())
        })
    }

    pub(super) fn list_rooms(
        &mut self,
        ask: Ask,
        me: UserId,
        pages: Pages<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let limit = page_limit(pages.limit)?;
        let after = start(pages.after, |name| Ok(RoomName::parse(name)?.key().clone()))?;
        match pages.paging {
            Paging::Page => {
                let (rooms, more) = self.rooms_page(me, &after, limit);
                self.answer(
                    ask,
                    Answer::Rooms(RoomsPage { rooms, part: Part::WHOLE, more: more.is_some() }),
                    out,
                );
            }
            Paging::Stream => self.stream(ask.conn, Streaming::new(ask.re, Stream::Rooms { after }), out),
        }
        Ok(())
    }

    pub(super) fn rooms_page(&self, me: UserId, after: &str, limit: u32) -> (Vec<RoomLine>, Option<String>) {
        // A room that somebody is only about to create is not there yet; one that guests left when the
        // server stopped is there only if somebody comes back.
        let exists = |room: &super::Room| room.stored && (room.creator.is_some() || !room.members.is_empty());
        let visible = self.rooms.after(after).filter(|&(id, room)| exists(room) && self.may_see(id, me));
        page(visible, limit, |(_, room)| {
            let members = room
                .members
                .values()
                .filter(|&&member| member == me || !self.user(member).is_hidden())
                .count();
            let line = RoomLine {
                room: room.name.clone(),
                topic: room.topic.clone(),
                members: u32::try_from(members).unwrap_or(u32::MAX),
                access: room.access,
            };
            (line, room.name.key())
        })
    }

    pub(super) fn whois(
        &mut self,
        ask: Ask,
        me: UserId,
        user: &str,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let name = UserName::parse(user)?;
        let account = self.directory.find(&name).and_then(|account| self.directory.get(account));
        let found = self.find_visible(me, &name);
        let whois = match (found, account) {
            (Some(id), _) => {
                let user = self.user(id);
                let rooms = user.rooms.iter().filter(|&&room| self.may_see(room, me));
                let session = |conn: &_| self.session(*conn);
                let online = WhoisOnline {
                    status: user.status,
                    text: user.status_text.clone(),
                    rooms: rooms.map(|&room| self.room(room).name.clone()).collect(),
                    since: user.since,
                    secure: user.sessions.iter().all(|conn| session(conn).encrypted),
                };
                Whois { user: user.name.clone(), guest: user.is_guest(), online: Some(online) }
            }
            (None, Some(account)) => Whois { user: account.user.clone(), guest: false, online: None },
            (None, None) => return Err(no_such_user(&name)),
        };
        self.answer(ask, Answer::Whois(whois), out);
        Ok(())
    }
}

/// At most `limit` lines of a directory, and the key to go on from, if there are more.
fn page<T, L, K: AsRef<str>>(
    mut items: impl Iterator<Item = T>,
    limit: u32,
    line: impl Fn(T) -> (L, K),
) -> (Vec<L>, Option<String>) {
    let mut lines = Vec::new();
    let mut last = None;
    for (made, key) in items.by_ref().take(limit as usize).map(line) {
        lines.push(made);
        last = Some(key.as_ref().to_string());
    }
    let more = items.next().is_some();
    (lines, last.filter(|_| more))
}

/// The key behind which a list begins; without a name, at its start.
fn start(after: Option<&str>, key: impl Fn(&str) -> Result<Arc<str>, Refusal>) -> Result<String, Refusal> {
    Ok(after.map(key).transpose()?.map_or(String::new(), |key| key.to_string()))
}

pub(super) fn page_limit(limit: Option<u32>) -> Result<u32, Refusal> {
    match limit {
        Some(0) => Err(Refusal::new(Code::BadArgument, "a limit is at least 1")),
        Some(limit) => Ok(limit.min(LIST_PAGE_MAX)),
        None => Ok(LIST_PAGE_DEFAULT),
    }
}
