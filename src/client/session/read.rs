//! What came over the wire to the vocabulary of the whole project: names are checked here, and what
//! has none that could be shown is left out.

use std::sync::Arc;

use crate::client::wire::{self, Clean, Notice, Odd};
use crate::proto::event::{
    Access, Answer, Entry, Event, Found, HistoryPage, MemberLine, MembersPage, Part, RoomLine, RoomsPage,
    Status, UserLine, UsersPage, Whois, WhoisOnline,
};
use crate::proto::id::Seq;
use crate::proto::name::{RoomName, UserName};

pub fn room(name: &str) -> Result<RoomName, Odd> {
    RoomName::parse(name).map_err(|_| Odd)
}

pub fn user(name: &str) -> Result<UserName, Odd> {
    UserName::parse(name).map_err(|_| Odd)
}

pub fn users(page: wire::Users) -> Answer {
    let users = page.users.into_iter().filter_map(|line| {
        let user = user(&line.user).ok()?;
        Some(UserLine { user, status: status(&line.status), text: shared(line.text), guest: line.guest })
    });
    Answer::Users(UsersPage { users: users.collect(), part: Part::WHOLE, more: page.more })
}

pub fn members(page: wire::Members) -> Result<Answer, Odd> {
    let members = page.members.into_iter().filter_map(|line| {
        let (user, operator) = (user(&line.user).ok()?, line.operator);
        Some(MemberLine { user, operator, status: status(&line.status), text: shared(line.text) })
    });
    let (room, members) = (room(&page.room)?, members.collect());
    Ok(Answer::Members(MembersPage { room, members, part: Part::WHOLE, more: page.more }))
}

pub fn rooms(page: wire::Rooms) -> Answer {
    let rooms = page.rooms.into_iter().filter_map(|line| {
        Some(RoomLine {
            room: room(&line.room).ok()?,
            topic: shared(line.topic),
            members: line.members,
            access: Access::parse(&line.access).unwrap_or_default(),
        })
    });
    Answer::Rooms(RoomsPage { rooms: rooms.collect(), part: Part::WHOLE, more: page.more })
}

pub fn whois(answer: wire::Whois) -> Result<Answer, Odd> {
    let online = answer.online.then(|| WhoisOnline {
        status: answer.status.as_ref().map_or(Status::Online, |text| status(text)),
        text: shared(answer.text),
        rooms: answer.rooms.iter().filter_map(|name| room(name).ok()).collect(),
        since: answer.since.unwrap_or_default().0,
        secure: answer.secure,
    });
    Ok(Answer::Whois(Whois { user: user(&answer.user)?, guest: answer.guest, online }))
}

pub fn history(room: RoomName, page: wire::Page) -> Answer {
    let messages = page.messages.into_iter().map(entry).collect();
    Answer::History(HistoryPage { room, messages, part: Part::WHOLE, more: page.more })
}

pub fn found(query: String, page: wire::Page) -> Answer {
    let messages = page.messages.into_iter().filter_map(|message| {
        let room = room(message.room.as_ref()?).ok()?;
        Some((room, entry(message)))
    });
    Answer::Search(Found { query, messages: messages.collect(), more: page.more })
}

pub fn status_set(answer: wire::Status) -> Answer {
    Answer::StatusSet { status: status(&answer.status), text: shared(answer.text) }
}

/// A text that says something.
pub fn shared(text: Option<Clean>) -> Option<Arc<str>> {
    text.filter(|text| !text.is_empty()).map(|text| Arc::from(text.0))
}

fn entry(message: wire::Message) -> Entry {
    Entry {
        seq: Seq(message.seq),
        at: message.ts.0,
        from: message.from.0.into(),
        me: message.me,
        text: message.text.0.into(),
    }
}

fn status(text: &str) -> Status {
    Status::parse(text).unwrap_or_default()
}

/// A notice as the event it was before the server encoded it; `None` for kinds of a newer server.
pub fn notice(kind: &str, notice: &Notice) -> Result<Option<Event>, Odd> {
    let in_room = || room(notice.room.as_ref().ok_or(Odd)?);
    let about = || user(notice.user.as_ref().ok_or(Odd)?);
    let by = || notice.by.as_deref().map(Arc::from).ok_or(Odd);
    let text = || Arc::<str>::from(&*notice.text.clone().unwrap_or_default().0);
    Ok(Some(match kind {
        "join" => Event::Joined { room: in_room()?, user: about()? },
        "leave" => Event::Left { room: in_room()?, user: about()? },
        "quit" => {
            let text = Some(text()).filter(|text| !text.is_empty());
            Event::Quit { room: in_room()?, user: about()?, text }
        }
        "kick" => {
            let why = shared(notice.why.clone());
            Event::Kicked { room: in_room()?, user: about()?, by: by()?, why }
        }
        "topic" => {
            let topic = notice.topic.as_deref().unwrap_or_default().into();
            Event::TopicChanged { room: in_room()?, by: by()?, topic }
        }
        "rename" => {
            let from = user(notice.from.as_ref().ok_or(Odd)?)?;
            let to = user(notice.to.as_ref().ok_or(Odd)?)?;
            Event::Renamed { room: in_room()?, from, to }
        }
        "invite" => Event::Invited { room: in_room()?, by: user(&by()?)? },
        "op" | "deop" => {
            let operator = kind == "op";
            Event::OperatorChanged { room: in_room()?, user: about()?, by: by()?, operator }
        }
        "room" => {
            let access = notice.access.as_deref().and_then(Access::parse).ok_or(Odd)?;
            Event::AccessChanged { room: in_room()?, by: by()?, access }
        }
        "exited" => Event::Exited { room: in_room()? },
        "motd" => Event::Motd { text: text() },
        "shutdown" => Event::Shutdown { text: text() },
        _ => return Ok(None),
    }))
}
