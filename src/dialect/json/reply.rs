//! Answers to JSON lines: `{"re":1,"ok":{...}}`, or `{"re":1,"err":{"code","text"}}`.
//!
//! What `ok` holds, by command:
//!
//! ```text
//! hello                  server, version, name
//! nick, login, register  user[, token][, rooms: the names of the rooms that are entered again]
//! join                   room, topic (empty: none), members: names, seq, messages
//! leave                  room
//! say                    seq, ts
//! msg                    to, ts, kept: it waits for the reader's next login
//! history                room, messages[, more]
//! search                 query, messages[, more]
//! list                   users: [{user, status[, text][, guest]}][, more]
//! who                    room, members: [{user, operator, status[, text]}][, more]
//! rooms                  rooms: [{room, topic, members: a number, access}][, more]
//! whois                  user, guest, online[, status[, text], rooms, since, secure]
//! status                 status[, text]
//! topic                  room, topic
//! invite, kick           room, user
//! ban, unban             room, user, banned
//! op, deop               room, user, operator
//! room                   room, access
//! block, unblock         user, blocked
//! help                   commands: [{cmd, arguments, text}], as text mode has them
//! passwd, ping, quit     nothing
//! ```
//!
//! `messages` are the same objects as the events, oldest first.

use crate::dialect::help;
use crate::dialect::json::object::Object;
use crate::dialect::json::{VERSION, encode};
use crate::proto::event::{Answer, RoomView, Whois};
use crate::proto::id::RequestId;
use crate::proto::refusal::{Code, Refusal};

/// Fills the object of a reply.
pub fn fill(object: &mut Object<'_>, re: RequestId, answer: &Answer) {
    object.id("re", re.0);
    match answer {
        Answer::Refused(refusal) => {
            object.object("err", |err| encode::error(err, refusal));
        }
        Answer::Help { topic: Some(topic) } if help::find(topic).is_none() => {
            let refusal = Refusal::new(Code::UnknownCommand, "there is no such command");
            object.object("err", |err| encode::error(err, &refusal));
        }
        answer => {
            object.object("ok", |ok| {
                result(ok, answer);
            });
        }
    }
}

/// What the reply to `join` has.
pub fn room_view<'a, 'o>(object: &'a mut Object<'o>, view: &RoomView) -> &'a mut Object<'o> {
    object
        .text("room", view.room.shown())
        .text("topic", view.topic.as_deref().unwrap_or_default())
        .texts("members", view.members.iter().map(|user| &**user.shown()))
        .number("seq", view.seq.0)
        .objects("messages", &view.messages, |object, entry| encode::message(object, &view.room, entry))
}

fn result<'a, 'o>(ok: &'a mut Object<'o>, answer: &Answer) -> &'a mut Object<'o> {
    match answer {
        Answer::AccessSet { room, access } => ok.text("room", room.shown()).text("access", access.as_str()),
        Answer::Banned { room, user, banned } => {
            ok.text("room", room.shown()).text("user", user.shown()).flag("banned", *banned)
        }
        Answer::Blocked { user, blocked } => ok.text("user", user.shown()).flag("blocked", *blocked),
        Answer::Hello { server } => ok
            .text("server", concat!("sottod/", env!("CARGO_PKG_VERSION")))
            .number("version", VERSION)
            .text("name", server),
        Answer::Help { topic } => commands(ok, topic.as_deref()),
        Answer::History(page) => ok
            .text("room", page.room.shown())
            .objects("messages", &page.messages, |object, entry| encode::message(object, &page.room, entry))
            .flag_if_set("more", page.more),
        Answer::Invited { room, user } | Answer::Kicked { room, user } => {
            ok.text("room", room.shown()).text("user", user.shown())
        }
        Answer::Joined(view) => room_view(ok, view),
        Answer::Left { room, current: _ } => ok.text("room", room.shown()),
        Answer::Members(page) => ok
            .text("room", page.room.shown())
            .objects("members", &page.members, |object, member| {
                object
                    .text("user", member.user.shown())
                    .flag("operator", member.operator)
                    .text("status", member.status.as_str())
                    .text_if_any("text", member.text.as_deref());
            })
            .flag_if_set("more", page.more),
        Answer::Named { user, how: _, token, rooms } => {
            ok.text("user", user.shown()).text_if_any("token", token.as_ref().map(|token| token.reveal()));
            if !rooms.is_empty() {
                ok.texts("rooms", rooms.iter().map(|room| &**room.shown()));
            }
            ok
        }
        Answer::OperatorSet { room, user, operator } => {
            ok.text("room", room.shown()).text("user", user.shown()).flag("operator", *operator)
        }
        Answer::Rooms(page) => ok
            .objects("rooms", &page.rooms, |object, line| {
                object
                    .text("room", line.room.shown())
                    .text("topic", line.topic.as_deref().unwrap_or_default())
                    .number("members", line.members.into())
                    .text("access", line.access.as_str());
            })
            .flag_if_set("more", page.more),
        Answer::Said { room: _, seq, at } => ok.number("seq", seq.0).time("ts", *at),
        Answer::Search(found) => ok
            .text("query", &found.query)
            .objects("messages", &found.messages, |object, (room, entry)| {
                encode::message(object, room, entry);
            })
            .flag_if_set("more", found.more),
        Answer::Sent { to, at, kept, .. } => ok.text("to", to.shown()).time("ts", *at).flag("kept", *kept),
        Answer::StatusSet { status, text } => {
            ok.text("status", status.as_str()).text_if_any("text", text.as_deref())
        }
        Answer::Topic { room, topic, changed: _ } => {
            ok.text("room", room.shown()).text("topic", topic.as_deref().unwrap_or_default())
        }
        Answer::Users(page) => ok
            .objects("users", &page.users, |object, line| {
                object
                    .text("user", line.user.shown())
                    .text("status", line.status.as_str())
                    .text_if_any("text", line.text.as_deref())
                    .flag_if_set("guest", line.guest);
            })
            .flag_if_set("more", page.more),
        Answer::Whois(whois) => about_user(ok, whois),
        Answer::Refused(_)
        | Answer::Cancelled
        | Answer::PasswordChanged
        | Answer::Pong
        | Answer::Quit { .. } => ok,
    }
}

fn about_user<'a, 'o>(ok: &'a mut Object<'o>, whois: &Whois) -> &'a mut Object<'o> {
    ok.text("user", whois.user.shown()).flag("guest", whois.guest).flag("online", whois.online.is_some());
    if let Some(online) = &whois.online {
        ok.text("status", online.status.as_str())
            .text_if_any("text", online.text.as_deref())
            .texts("rooms", online.rooms.iter().map(|room| &**room.shown()))
            .time("since", online.since)
            .flag("secure", online.secure);
    }
    ok
}

fn commands<'a, 'o>(ok: &'a mut Object<'o>, topic: Option<&str>) -> &'a mut Object<'o> {
    let shown =
        help::COMMANDS.iter().filter(|usage| topic.is_none_or(|topic| help::find(topic) == Some(*usage)));
    ok.objects("commands", shown, |object, usage| {
        object.text("cmd", usage.name).text("arguments", usage.arguments).text("text", usage.text);
    })
}
