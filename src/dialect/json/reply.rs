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
//! upload                 file, size, expires
//! upload-status          file, size, stored, complete
//! finish                 file, complete
//! files                  files: [{file, size, stored, complete, created, expires, readers, settled}], used
//!                        [, quota][, file_bytes][, more]
//! decline, delete        file
//! help                   commands: [{cmd, arguments, text}], as text mode has them
//! devices                user[, uid][, identity], devices: [{device[, name, since[, seen]]}]
//! enroll                 uid, device
//! prekeys                device, one_time: how many are left
//! attach                 device, run, one_time, one_time_next[, signed: {id, created}], waiting
//! ack                    seq
//! claim                  user, uid, bundles: [{device, identity, signed, [one_time]}]
//! send                   to, ts[, full: [{user, device}]]
//! revoke                 device
//! pair                   sessions
//! passwd, ping, quit     nothing
//! ```
//!
//! `messages` are the same objects as the events, oldest first. The refusal of a `send` because the devices
//! are others has `to` and `own` besides, the devices as they are.

use crate::dialect::help;
use crate::dialect::json::object::Object;
use crate::dialect::json::{VERSION, encode};
use crate::proto::event::{Answer, RoomView, Whois};
use crate::proto::id::{DeviceId, RequestId};
use crate::proto::keys::{Attached, Bundle, Devices};
use crate::proto::pages::FilesPage;
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
        Answer::DevicesChanged { to, own } => {
            let refusal = Refusal::new(Code::DevicesChanged, "these are not the devices any more");
            object.object("err", |err| {
                encode::error(err, &refusal);
                err.numbers("to", to.iter().map(number)).numbers("own", own.iter().map(number));
            });
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
        Answer::Acknowledged { seq } => ok.number("seq", seq.0),
        Answer::Attached(attached) => attachment(ok, attached),
        Answer::Banned { room, user, banned } => {
            ok.text("room", room.shown()).text("user", user.shown()).flag("banned", *banned)
        }
        Answer::Blocked { user, blocked } => ok.text("user", user.shown()).flag("blocked", *blocked),
        Answer::Claimed { user, uid, bundles } => {
            ok.text("user", user.shown()).number("uid", uid.0.into()).objects("bundles", bundles, bundle)
        }
        Answer::Devices(devices) => own_devices(ok, devices),
        Answer::Enrolled { uid, device } => ok.number("uid", uid.0.into()).number("device", number(device)),
        Answer::Declined { file } | Answer::Deleted { file } => ok.text("file", &file.to_string()),
        Answer::Files(page) => files(ok, page),
        Answer::Finished { file } => ok.text("file", &file.to_string()).flag("complete", true),
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
        Answer::Paired { sessions } => ok.number("sessions", (*sessions).into()),
        Answer::Published { device, one_time } => {
            ok.number("device", number(device)).number("one_time", (*one_time).into())
        }
        Answer::Revoked { device } => ok.number("device", number(device)),
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
        Answer::Sealed { to, at, full } => {
            ok.text("to", to.shown()).time("ts", *at);
            if !full.is_empty() {
                ok.objects("full", full, |object, (user, device)| {
                    object.text("user", user.shown()).number("device", number(device));
                });
            }
            ok
        }
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
        Answer::UploadBegun { file, size, expires } => {
            ok.text("file", &file.to_string()).number("size", *size).time("expires", *expires)
        }
        Answer::UploadStatus { file, size, stored, complete } => ok
            .text("file", &file.to_string())
            .number("size", *size)
            .number("stored", *stored)
            .flag("complete", *complete),
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
        | Answer::DevicesChanged { .. }
        | Answer::PasswordChanged
        | Answer::Pong
        | Answer::Quit { .. } => ok,
    }
}

fn files<'a, 'o>(ok: &'a mut Object<'o>, page: &FilesPage) -> &'a mut Object<'o> {
    ok.objects("files", &page.files, |object, line| {
        object
            .text("file", &line.file.to_string())
            .number("size", line.size)
            .number("stored", line.stored)
            .flag("complete", line.complete)
            .time("created", line.created)
            .time("expires", line.expires)
            .number("readers", line.readers.into())
            .number("settled", line.settled.into());
    })
    .number("used", page.used)
    .number_if_any("quota", page.quota)
    .number_if_any("file_bytes", page.file_bytes)
    .flag_if_set("more", page.more)
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

fn own_devices<'a, 'o>(ok: &'a mut Object<'o>, found: &Devices) -> &'a mut Object<'o> {
    ok.text("user", found.user.shown()).number_if_any("uid", found.uid.map(|uid| uid.0.into()));
    if let Some(identity) = &found.identity {
        ok.bytes("identity", &identity.0);
    }
    ok.objects("devices", &found.devices, |object, (device, about)| {
        object.number("device", number(device));
        if let Some(about) = about {
            object.text("name", &about.name).time("since", about.since).time_if_any("seen", about.seen);
        }
    })
}

fn attachment<'a, 'o>(ok: &'a mut Object<'o>, attached: &Attached) -> &'a mut Object<'o> {
    ok.number("device", number(&attached.device))
        .number("run", attached.run)
        .number("one_time", attached.one_time.into())
        .number("one_time_next", attached.one_time_next);
    if let Some((id, created)) = attached.signed {
        ok.object("signed", |signed| {
            signed.number("id", id.into()).number("created", created.0);
        });
    }
    ok.number("waiting", attached.waiting)
}

fn bundle(object: &mut Object<'_>, bundle: &Bundle) {
    let Bundle { device, identity, signed, one_time } = bundle;
    object.number("device", number(device)).bytes("identity", &identity.0).object("signed", |object| {
        object
            .number("id", signed.id.into())
            .number("created", signed.created.0)
            .bytes("key", &signed.key.0)
            .bytes("signature", &signed.signature.0);
    });
    if let Some(prekey) = one_time {
        object.object("one_time", |object| {
            object.number("id", prekey.id.into()).bytes("key", &prekey.key.0);
        });
    }
}

fn number(device: &DeviceId) -> u64 {
    device.number().into()
}

fn commands<'a, 'o>(ok: &'a mut Object<'o>, topic: Option<&str>) -> &'a mut Object<'o> {
    let shown =
        help::COMMANDS.iter().filter(|usage| topic.is_none_or(|topic| help::find(topic) == Some(*usage)));
    ok.objects("commands", shown, |object, usage| {
        object.text("cmd", usage.name).text("arguments", usage.arguments).text("text", usage.text);
    })
}
