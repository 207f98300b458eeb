//! What came over the wire to the vocabulary of the whole project: names are checked here, and what
//! has none that could be shown is left out.

use std::sync::Arc;

use crate::client::wire::{self, Clean, Notice, Odd, files, keys};
use crate::proto::event::{Access, Answer, Entry, Event, Status, Whois, WhoisOnline};
use crate::proto::id::{AccountId, DeviceId, FileId, Seq};
use crate::proto::keys::{Devices, PublicKey};
use crate::proto::name::{RoomName, UserName};
use crate::proto::pages::{
    FileLine, FilesPage, Found, HistoryPage, MemberLine, MembersPage, Part, RoomLine, RoomsPage, UserLine,
    UsersPage,
};

pub fn room(name: &str) -> Result<RoomName, Odd> {
    RoomName::parse(name).map_err(|_| Odd)
}

pub fn user(name: &str) -> Result<UserName, Odd> {
    UserName::parse(name).map_err(|_| Odd)
}

/// Somebody's devices, by number alone.
pub fn devices(answer: keys::Devices) -> Result<Answer, Odd> {
    let uid = answer.uid.map(|uid| u32::try_from(uid).map(AccountId)).transpose().map_err(|_| Odd)?;
    let numbers = answer.devices.iter().map(|line| DeviceId::new(line.device).map(|number| (number, None)));
    let devices = numbers.collect::<Option<_>>().ok_or(Odd)?;
    let identity = answer.identity.map(|identity| PublicKey(identity.0));
    Ok(Answer::Devices(Devices { user: user(&answer.user)?, uid, identity, devices }))
}

fn file(id: &str) -> Result<FileId, Odd> {
    FileId::parse(id).ok_or(Odd)
}

pub fn files(page: files::Page) -> Result<Answer, Odd> {
    let files::Page { files, used, quota, file_bytes, more } = page;
    let line = |line: files::Line| {
        Ok(FileLine {
            file: file(&line.file)?,
            size: line.size,
            stored: line.stored,
            complete: line.complete,
            created: line.created.0,
            expires: line.expires.0,
            readers: line.readers,
            settled: line.settled,
        })
    };
    let files = files.into_iter().map(line).collect::<Result<_, Odd>>()?;
    Ok(Answer::Files(FilesPage { files, more, used, quota, file_bytes }))
}

pub fn upload(answer: files::Upload) -> Result<Answer, Odd> {
    let files::Upload { file: id, size, expires } = answer;
    Ok(Answer::UploadBegun { file: file(&id)?, size, expires: expires.0 })
}

pub fn upload_status(answer: files::UploadStatus) -> Result<Answer, Odd> {
    let files::UploadStatus { file: id, size, stored, complete } = answer;
    Ok(Answer::UploadStatus { file: file(&id)?, size, stored, complete })
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
            let why = Some(text()).filter(|text| !text.is_empty());
            Event::Kicked { room: in_room()?, user: about()?, by: by()?, why }
        }
        "topic" => {
            let topic = notice.topic.as_deref().unwrap_or_default().into();
            Event::TopicChanged { room: in_room()?, by: by()?, topic }
        }
        "presence" => {
            let all = |names: &[Clean]| names.iter().map(|name| user(name)).collect::<Result<_, _>>();
            Event::Presence { room: in_room()?, joined: all(&notice.joined)?, left: all(&notice.left)? }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{self, Dialect};
    use crate::proto::id::RequestId;
    use crate::proto::time::Timestamp;

    fn name(text: &str) -> UserName {
        UserName::parse(text).expect("a name")
    }

    fn lobby() -> RoomName {
        RoomName::parse("Lobby").expect("a name")
    }

    fn line(event: &Event) -> Vec<u8> {
        let mut line = Vec::new();
        dialect::encode(Dialect::Json, event, &mut line);
        line
    }

    /// What the server tells must be understood as it was meant.
    #[test]
    fn notices_are_what_the_server_meant() {
        let (room, user, by) = (lobby, || name("Bob"), || Arc::<str>::from("alice"));
        for event in [
            Event::Joined { room: room(), user: user() },
            Event::Left { room: room(), user: user() },
            Event::Quit { room: room(), user: user(), text: Some("bye".into()) },
            Event::Quit { room: room(), user: user(), text: None },
            Event::Kicked { room: room(), user: user(), by: by(), why: Some("spam".into()) },
            Event::Kicked { room: room(), user: user(), by: by(), why: None },
            Event::TopicChanged { room: room(), by: by(), topic: "tea".into() },
            Event::TopicChanged { room: room(), by: by(), topic: "".into() },
            Event::Presence { room: room(), joined: vec![name("eve"), user()], left: vec![name("alice")] },
            Event::Presence { room: room(), joined: Vec::new(), left: Vec::new() },
            Event::Renamed { room: room(), from: user(), to: name("eve") },
            Event::Invited { room: room(), by: name("alice") },
            Event::OperatorChanged { room: room(), user: user(), by: by(), operator: true },
            Event::OperatorChanged { room: room(), user: user(), by: by(), operator: false },
            Event::AccessChanged { room: room(), by: by(), access: Access::Key },
            Event::Exited { room: room() },
            Event::Motd { text: "one\ntwo".into() },
            Event::Shutdown { text: "soon".into() },
        ] {
            let line = line(&event);
            let Ok(wire::Head::Event { ev, kind }) = wire::head(&line) else { panic!("{event:?}") };
            assert_eq!(&*ev, "notice");
            let read = notice(&kind, &wire::event(&line).expect("a notice"));
            assert_eq!(read, Ok(Some(event)));
        }
    }

    #[test]
    fn answers_are_what_the_server_meant() {
        let entry = |me| Entry {
            seq: Seq(3),
            at: Timestamp(1_769_860_800_123),
            from: "Bob".into(),
            me,
            text: "hi \\ \"there\"".into(),
        };
        let part = Part::WHOLE;
        let user = UserLine { user: name("Bob"), status: Status::Away, text: Some("x".into()), guest: true };
        let member = MemberLine { user: name("Bob"), operator: true, status: Status::Online, text: None };
        let topic = Some(Arc::from("tea"));
        let room = RoomLine { room: lobby(), topic, members: 3, access: Access::Private };
        let online = WhoisOnline {
            status: Status::Online,
            text: None,
            rooms: vec![lobby()],
            since: Timestamp(1_769_860_800_000),
            secure: true,
        };
        let whois = |online| Answer::Whois(Whois { user: name("Bob"), guest: false, online });
        let messages = vec![entry(true), entry(false)];
        let found = Found { query: "hi".into(), messages: vec![(lobby(), entry(false))], more: true };
        check(Answer::Users(UsersPage { users: vec![user], part, more: true }), |line| {
            wire::ok(line).map(users)
        });
        check(
            Answer::Members(MembersPage { room: lobby(), members: vec![member], part, more: false }),
            |line| members(wire::ok(line)?),
        );
        check(Answer::Rooms(RoomsPage { rooms: vec![room], part, more: false }), |line| {
            wire::ok(line).map(rooms)
        });
        check(whois(Some(online)), |line| super::whois(wire::ok(line)?));
        check(whois(None), |line| super::whois(wire::ok(line)?));
        check(Answer::History(HistoryPage { room: lobby(), messages, part, more: true }), |line| {
            wire::ok(line).map(|page| history(lobby(), page))
        });
        check(Answer::Search(found), |line| wire::ok(line).map(|page| super::found("hi".into(), page)));
        check(Answer::StatusSet { status: Status::Away, text: Some("tea".into()) }, |line| {
            wire::ok(line).map(status_set)
        });
    }

    #[track_caller]
    fn check(answer: Answer, read: impl Fn(&[u8]) -> Result<Answer, Odd>) {
        let line = line(&Event::Answer(RequestId(1), answer.clone()));
        assert_eq!(wire::head(&line), Ok(wire::Head::Reply { re: 1, refused: None }));
        assert_eq!(read(&line), Ok(answer));
    }
}
