//! A typed line to a command.

use std::borrow::Cow;

use crate::dialect::help::{self, Usage};
use crate::dialect::{Request, body};
use crate::proto::command::{Command, HistoryRange, Paging, Proof, Text};
use crate::proto::id::RequestId;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::secret::Secret;
use crate::proto::text::{cut, sanitise};

/// Reads one line without its end. `secret`: it answers a prompt, and is no command whatever it says.
pub fn decode(line: &[u8], secret: bool) -> Request<'_> {
    let Ok(line) = str::from_utf8(line) else {
        return Request::Error(Refusal::new(Code::InvalidUtf8, "this line is not UTF-8"));
    };
    if secret {
        return Request::Command(RequestId::NONE, Command::Secret { line: Secret::new(line) });
    }
    match command(line) {
        Ok(command) => Request::Command(RequestId::NONE, command),
        Err(refusal) => Request::Refused(RequestId::NONE, refusal),
    }
}

fn command(line: &str) -> Result<Command<'_>, Refusal> {
    let Some(rest) = line.strip_prefix('/') else { return say(line) };
    if rest.starts_with('/') {
        return say(rest);
    }
    let (name, rest) = rest.split_at(rest.find(BLANKS).unwrap_or(rest.len()));
    let Some(usage) = help::find(name).filter(|_| !name.is_empty()) else { return Err(unknown(name)) };
    let mut words = Words { rest, usage };
    let command = arguments(&mut words)?;
    words.end()?;
    Ok(command)
}

/// The arguments of the command `words.usage.name`; whoever takes a text takes all there is.
fn arguments<'a>(words: &mut Words<'a>) -> Result<Command<'a>, Refusal> {
    let room = None;
    let paging = Paging::Stream;
    Ok(match words.usage.name {
        "ban" => Command::Ban { room, user: words.needed()? },
        "block" => Command::Block { user: words.needed()? },
        "deop" => Command::Deop { room, user: words.needed()? },
        "help" => Command::Help { topic: words.word() },
        "history" => Command::History { room, range: HistoryRange::Latest, limit: words.count()?, paging },
        "invite" => Command::Invite { room, user: words.needed()? },
        "join" => Command::Join { room: words.needed()?, key: words.secret() },
        "kick" => Command::Kick { room, user: words.needed()?, why: words.text() },
        "leave" => Command::Leave { room: words.word() },
        "list" => Command::List { after: None, limit: None, paging },
        "login" => Command::Login {
            user: words.needed()?,
            proof: words.secret().map_or(Proof::Ask, Proof::Password),
            data: false,
        },
        "me" => Command::Say { room, text: words.needed_text()?, me: true, key: None },
        "msg" => Command::Msg { user: words.needed()?, text: words.needed_text()? },
        "nick" => Command::Nick { user: words.needed()? },
        "op" => Command::Op { room, user: words.needed()? },
        "passwd" => Command::Passwd { old: None, new: None },
        "quit" => Command::Quit { text: words.text() },
        "register" => {
            Command::Register { user: words.needed()?, password: words.secret(), invite: words.secret() }
        }
        "room" => {
            let access = lower_case(words.needed()?);
            let key = if access == "key" { Some(Secret::new(words.needed()?)) } else { None };
            Command::Room { room, access, key }
        }
        "rooms" => Command::Rooms { after: None, limit: None, paging },
        "search" => Command::Search { query: words.needed_text()?, limit: None },
        "status" => Command::Status { status: Some(lower_case(words.needed()?)), text: words.text() },
        "topic" => {
            let given = !words.rest.trim_matches(BLANKS).is_empty();
            let topic = if given { Some(words.needed_text()?) } else { None };
            Command::Topic {
                room,
                topic: topic.map(|text| if text.trim() == "-" { "".into() } else { text }),
            }
        }
        "unban" => Command::Unban { room, user: words.needed()? },
        "unblock" => Command::Unblock { user: words.needed()? },
        "who" => Command::Who { room: words.word(), after: None, limit: None, paging },
        "whois" => Command::Whois { user: words.needed()? },
        // A command of the table that is not read here: a test decodes every one of them.
        name => return Err(unknown(name)),
    })
}

fn say(text: &str) -> Result<Command<'_>, Refusal> {
    match body(text.into()) {
        Some(text) => Ok(Command::Say { room: None, text, me: false, key: None }),
        None => Err(Refusal::new(Code::MissingArgument, "there is nothing to see in this line")),
    }
}

fn unknown(name: &str) -> Refusal {
    let name = sanitise(cut(name, SHOWN_BYTES_MAX));
    Refusal::new(Code::UnknownCommand, format!("there is no /{name}; /help lists what there is"))
}

fn lower_case(word: Text<'_>) -> Text<'_> {
    if word.bytes().any(|byte| byte.is_ascii_uppercase()) { word.to_ascii_lowercase().into() } else { word }
}

/// What follows the command's name.
struct Words<'a> {
    rest: &'a str,
    usage: &'static Usage,
}

impl<'a> Words<'a> {
    fn word(&mut self) -> Option<Text<'a>> {
        let rest = self.rest.trim_start_matches(BLANKS);
        let (word, rest) = rest.split_at(rest.find(BLANKS).unwrap_or(rest.len()));
        self.rest = rest;
        (!word.is_empty()).then_some(Cow::Borrowed(word))
    }

    fn needed(&mut self) -> Result<Text<'a>, Refusal> {
        self.word().ok_or_else(|| self.refusal(Code::MissingArgument))
    }

    fn secret(&mut self) -> Option<Secret> {
        self.word().map(Secret::new)
    }

    /// Everything up to the end of the line, cleaned.
    fn text(&mut self) -> Option<Text<'a>> {
        body(std::mem::take(&mut self.rest).trim_start_matches(BLANKS).into())
    }

    fn needed_text(&mut self) -> Result<Text<'a>, Refusal> {
        self.text().ok_or_else(|| self.refusal(Code::MissingArgument))
    }

    /// A number from 1; one that is too large for us is as large as can be.
    fn count(&mut self) -> Result<Option<u32>, Refusal> {
        let Some(word) = self.word() else { return Ok(None) };
        if !word.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.refusal(Code::BadArgument));
        }
        match word.parse().unwrap_or(u32::MAX) {
            0 => Err(self.refusal(Code::BadArgument)),
            count => Ok(Some(count)),
        }
    }

    fn end(&mut self) -> Result<(), Refusal> {
        if self.word().is_some() { Err(self.refusal(Code::BadArgument)) } else { Ok(()) }
    }

    fn refusal(&self, code: Code) -> Refusal {
        Refusal::new(code, format!("usage: {}", self.usage.line()))
    }
}

const BLANKS: [char; 2] = [' ', '\t'];
/// Bytes of an unknown command's name that are shown again.
const SHOWN_BYTES_MAX: usize = 64;
