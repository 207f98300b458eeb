//! Events to JSON lines.
//!
//! ```text
//! {"ev":"message","room","from","seq","ts","text"[,"me":true]}
//! {"ev":"private","from","to","ts","text"}
//! {"ev":"envelope","seq","from","uid","device","ts","body"}
//! {"ev":"pair","answer"}
//! {"ev":"error","code","text"}
//! {"ev":"notice","kind":...}, by kind:
//!     join, leave       room, user
//!     quit              room, user[, text]
//!     kick              room, user, by[, text]
//!     topic             room, by, topic (empty: cleared)
//!     presence          room, joined, left (lists of names)
//!     rename            room, from, to
//!     invite            room, by
//!     op, deop          room, user, by
//!     room              room, by, access
//!     entered           what the reply to `join` has: this session is in the room (again)
//!     exited            room: another session of the same user left it
//!     device            device, name, added
//!     detached          device
//!     sealed            from
//!     motd, shutdown    text
//! ```
//!
//! Banner and prompts are for people, and what is about transfers is said in frames: they give no line.

use crate::dialect::json::object::Object;
use crate::dialect::json::reply;
use crate::proto::event::{Entry, Event};
use crate::proto::keys::Envelope;
use crate::proto::name::{RoomName, UserName};
use crate::proto::refusal::Refusal;
use crate::proto::time::Timestamp;

/// Appends the line of an event, if it has one.
pub fn encode(event: &Event, out: &mut Vec<u8>) {
    if matches!(event, Event::Banner { .. } | Event::Prompt(_) | Event::Transfer(_)) {
        return;
    }
    let mut object = Object::open(out);
    match event {
        Event::Answer(re, answer) => reply::fill(&mut object, *re, answer),
        Event::Message { room, entry } => message(&mut object, room, entry),
        Event::PrivateReceived { from, to, at, text } => private(&mut object, from, to, *at, text),
        Event::PrivateSent { from, to, at, text } => private(&mut object, from.shown(), to, *at, text),
        Event::Envelope(envelope) => sealed_message(&mut object, envelope),
        Event::Paired { answer } => {
            object.text("ev", "pair").bytes("answer", &answer.0);
        }
        Event::Error(refusal) => {
            object.text("ev", "error");
            error(&mut object, refusal);
        }
        event => notice(object.text("ev", "notice"), event),
    }
    object.end();
    out.push(b'\n');
}

/// The fields of a room message, the same in events and in history.
pub fn message(object: &mut Object<'_>, room: &RoomName, entry: &Entry) {
    object
        .text("ev", "message")
        .text("room", room.shown())
        .text("from", &entry.from)
        .number("seq", entry.seq.0)
        .time("ts", entry.at)
        .text("text", &entry.text)
        .flag_if_set("me", entry.me);
}

pub fn error(object: &mut Object<'_>, refusal: &Refusal) {
    object.text("code", refusal.code.as_str()).text("text", &refusal.text);
}

fn private(object: &mut Object<'_>, from: &str, to: &UserName, at: Timestamp, text: &str) {
    object.text("ev", "private").text("from", from).text("to", to.shown()).time("ts", at).text("text", text);
}

fn sealed_message(object: &mut Object<'_>, envelope: &Envelope) {
    object
        .text("ev", "envelope")
        .number("seq", envelope.seq.0)
        .text("from", &envelope.from)
        .number("uid", envelope.uid.0.into())
        .number("device", envelope.device.number().into())
        .time("ts", envelope.at)
        .bytes("body", &envelope.body.0);
}

fn notice(object: &mut Object<'_>, event: &Event) {
    match event {
        Event::Motd { text } => object.text("kind", "motd").text("text", text),
        Event::Joined { room, user } => about_user(object, "join", room, user),
        Event::Left { room, user } => about_user(object, "leave", room, user),
        Event::Quit { room, user, text } => {
            about_user(object, "quit", room, user).text_if_any("text", text.as_deref())
        }
        Event::Kicked { room, user, by, why } => {
            about_user(object, "kick", room, user).text("by", by).text_if_any("text", why.as_deref())
        }
        Event::TopicChanged { room, by, topic } => {
            about(object, "topic", room).text("by", by).text("topic", topic)
        }
        Event::Presence { room, joined, left } => {
            let object = about(object, "presence", room);
            object.texts("joined", joined.iter().map(|user| &**user.shown()));
            object.texts("left", left.iter().map(|user| &**user.shown()))
        }
        Event::Renamed { room, from, to } => {
            about(object, "rename", room).text("from", from.shown()).text("to", to.shown())
        }
        Event::Invited { room, by } => about(object, "invite", room).text("by", by.shown()),
        Event::OperatorChanged { room, user, by, operator } => {
            about_user(object, if *operator { "op" } else { "deop" }, room, user).text("by", by)
        }
        Event::AccessChanged { room, by, access } => {
            about(object, "room", room).text("by", by).text("access", access.as_str())
        }
        Event::DeviceChanged { device, name, added } => object
            .text("kind", "device")
            .number("device", device.number().into())
            .text("name", name)
            .flag("added", *added),
        Event::Detached { device } => {
            object.text("kind", "detached").number("device", device.number().into())
        }
        Event::Entered(view) => reply::room_view(object.text("kind", "entered"), view),
        Event::Exited { room } => about(object, "exited", room),
        Event::Sealed { from } => object.text("kind", "sealed").text("from", from.shown()),
        Event::Shutdown { text } => object.text("kind", "shutdown").text("text", text),
        // Written by the caller, which knows that they are no notices.
        Event::Answer(..)
        | Event::Banner { .. }
        | Event::Envelope(_)
        | Event::Error(_)
        | Event::Message { .. }
        | Event::Paired { .. }
        | Event::PrivateReceived { .. }
        | Event::PrivateSent { .. }
        | Event::Prompt(_)
        | Event::Transfer(_) => unreachable!("no notice: {event:?}"),
    };
}

fn about<'a, 'o>(object: &'a mut Object<'o>, kind: &'static str, room: &RoomName) -> &'a mut Object<'o> {
    object.text("kind", kind).text("room", room.shown())
}

fn about_user<'a, 'o>(
    object: &'a mut Object<'o>,
    kind: &'static str,
    room: &RoomName,
    user: &UserName,
) -> &'a mut Object<'o> {
    about(object, kind, room).text("user", user.shown())
}
