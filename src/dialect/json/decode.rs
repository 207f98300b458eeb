//! A JSON line to a command.

use crate::dialect::json::devices;
use crate::dialect::json::fields::{Fields, missing};
use crate::dialect::{Request, body};
use crate::proto::command::{Command, HistoryRange, Paging, Proof, Text};
use crate::proto::id::RequestId;
use crate::proto::limits::SAY_KEY_BYTES_MAX;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::text::{cut, sanitise};

/// Reads one line without its end.
pub fn decode(line: &[u8]) -> Request<'_> {
    let Ok(mut fields) = serde_json::from_slice::<Fields>(line) else {
        return Request::Error(match std::str::from_utf8(line) {
            Ok(_) => Refusal::new(Code::BadJson, "this line is not one JSON object"),
            Err(_) => Refusal::new(Code::InvalidUtf8, "this line is not UTF-8"),
        });
    };
    let Some(id) = fields.id() else {
        let text = "a request needs an `id`, an integer of at most 64 bits";
        return Request::Error(Refusal::new(Code::BadRequest, text));
    };
    match command(&mut fields) {
        Ok(command) => Request::Command(RequestId(id), command),
        Err(refusal) => Request::Refused(RequestId(id), refusal),
    }
}

fn command<'a>(fields: &mut Fields<'a>) -> Result<Command<'a>, Refusal> {
    let paging = Paging::Page;
    Ok(match &*fields.needed("cmd")? {
        "ban" => Command::Ban { room: room(fields)?, user: fields.needed("user")? },
        "block" => Command::Block { user: fields.needed("user")? },
        "decline" => Command::Decline { file: fields.needed("file")? },
        "delete" => Command::Delete { file: fields.needed("file")? },
        "deop" => Command::Deop { room: room(fields)?, user: fields.needed("user")? },
        "files" => Command::Files { after: fields.text("after")?, limit: fields.count("limit")? },
        "finish" => Command::Finish { file: fields.needed("file")? },
        "hello" => Command::Hello { version: fields.version("version")? },
        "help" => Command::Help { topic: fields.text("topic")? },
        "history" => Command::History {
            room: room(fields)?,
            range: history_range(fields)?,
            limit: fields.count("limit")?,
            paging,
        },
        "invite" => Command::Invite { room: room(fields)?, user: fields.needed("user")? },
        "join" => Command::Join { room: fields.needed("room")?, key: fields.secret("key")? },
        "kick" => {
            Command::Kick { room: room(fields)?, user: fields.needed("user")?, why: fields.body("text")? }
        }
        "leave" => Command::Leave { room: room(fields)? },
        "list" => Command::List { after: fields.text("after")?, limit: fields.count("limit")?, paging },
        "login" => {
            Command::Login { user: fields.needed("user")?, proof: proof(fields)?, data: fields.flag("data")? }
        }
        "me" => say(fields, true)?,
        "msg" => Command::Msg { user: fields.needed("user")?, text: needed_body(fields)? },
        "nick" => Command::Nick { user: fields.needed("user")? },
        "op" => Command::Op { room: room(fields)?, user: fields.needed("user")? },
        "passwd" => Command::Passwd {
            old: Some(fields.secret("old")?.ok_or_else(|| missing("old"))?),
            new: Some(fields.secret("new")?.ok_or_else(|| missing("new"))?),
        },
        "ping" => Command::Ping,
        "quit" => Command::Quit { text: fields.body("text")? },
        "register" => Command::Register {
            user: fields.needed("user")?,
            password: Some(fields.secret("password")?.ok_or_else(|| missing("password"))?),
            invite: fields.secret("invite")?,
        },
        "room" => Command::Room {
            room: room(fields)?,
            access: fields.needed("access")?,
            key: fields.secret("key")?,
        },
        "rooms" => Command::Rooms { after: fields.text("after")?, limit: fields.count("limit")?, paging },
        "say" => say(fields, false)?,
        "search" => Command::Search {
            query: fields.body("query")?.ok_or_else(|| missing("query"))?,
            limit: fields.count("limit")?,
        },
        "status" => status(fields)?,
        "topic" => Command::Topic {
            room: room(fields)?,
            // Empty clears the topic; so does one of which nothing is left to see.
            topic: fields.text("topic")?.map(|topic| body(topic).unwrap_or_default()),
        },
        "unban" => Command::Unban { room: room(fields)?, user: fields.needed("user")? },
        "unblock" => Command::Unblock { user: fields.needed("user")? },
        "upload" => Command::Upload {
            size: fields.position("size")?.ok_or_else(|| missing("size"))?,
            readers: fields.count("readers")?.unwrap_or(1),
        },
        "upload-status" => Command::UploadStatus { file: fields.needed("file")? },
        "who" => Command::Who {
            room: room(fields)?,
            after: fields.text("after")?,
            limit: fields.count("limit")?,
            paging,
        },
        "whois" => Command::Whois { user: fields.needed("user")? },
        name => {
            if let Some(command) = devices::command(name, fields) {
                return command;
            }
            let name = sanitise(cut(name, SHOWN_BYTES_MAX));
            return Err(Refusal::new(Code::UnknownCommand, format!("there is no command `{name}`")));
        }
    })
}

/// Programs name the room in every request: a current room would change under their hands.
fn room<'a>(fields: &mut Fields<'a>) -> Result<Option<Text<'a>>, Refusal> {
    fields.needed("room").map(Some)
}

fn needed_body<'a>(fields: &mut Fields<'a>) -> Result<Text<'a>, Refusal> {
    fields.body("text")?.ok_or_else(|| missing("text"))
}

fn say<'a>(fields: &mut Fields<'a>, me: bool) -> Result<Command<'a>, Refusal> {
    let room = room(fields)?;
    let text = needed_body(fields)?;
    let me = fields.flag("me")? || me;
    let key = fields.text("key")?;
    if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > SAY_KEY_BYTES_MAX) {
        return Err(Refusal::new(Code::BadArgument, format!("`key` has 1 to {SAY_KEY_BYTES_MAX} bytes")));
    }
    Ok(Command::Say { room, text, me, key })
}

fn proof(fields: &mut Fields<'_>) -> Result<Proof, Refusal> {
    match (fields.secret("password")?, fields.secret("token")?) {
        (Some(password), None) => Ok(Proof::Password(password)),
        (None, Some(token)) => Ok(Proof::Token(token)),
        (None, None) => Err(missing("password")),
        (Some(_), Some(_)) => Err(Refusal::new(Code::BadArgument, "either `password` or `token`, not both")),
    }
}

fn history_range(fields: &mut Fields<'_>) -> Result<HistoryRange, Refusal> {
    match (fields.position("before")?, fields.position("after")?) {
        (None, None) => Ok(HistoryRange::Latest),
        (Some(seq), None) => Ok(HistoryRange::Before(seq)),
        (None, Some(seq)) => Ok(HistoryRange::After(seq)),
        (Some(_), Some(_)) => Err(Refusal::new(Code::BadArgument, "either `before` or `after`, not both")),
    }
}

fn status<'a>(fields: &mut Fields<'a>) -> Result<Command<'a>, Refusal> {
    let status = fields.text("status")?;
    let text = fields.text("text")?;
    if status.is_none() && text.is_none() {
        return Err(missing("status"));
    }
    // An empty text takes the old one away.
    Ok(Command::Status { status, text: text.map(|text| body(text).unwrap_or_default()) })
}

/// Bytes of an unknown command's name that are shown again.
const SHOWN_BYTES_MAX: usize = 64;
