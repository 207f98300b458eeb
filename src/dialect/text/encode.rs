//! Events to lines that a person reads in a terminal.

use std::fmt;
use std::io::Write;

use crate::dialect::help;
use crate::dialect::text::pages;
use crate::dialect::text::presence::presence;
use crate::proto::event::{Answer, Entry, Event, Named, Prompt, RoomView, Status};
use crate::proto::name::RoomName;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::text::sanitise;
use crate::proto::time::Timestamp;

/// Appends the lines of an event, if it has any.
pub fn encode(event: &Event, out: &mut Vec<u8>) {
    let mut lines = Lines(out);
    match event {
        Event::Answer(_, answer) => lines.answer(answer),
        Event::Error(refusal) => lines.refusal(refusal),
        Event::Banner { server } => {
            lines.notice(format_args!("welcome to {}", clean(server)));
            lines.notice(format_args!(
                "/nick NAME to come in as a guest, /login NAME with an account, /help for more"
            ));
        }
        Event::Motd { text } => text.lines().for_each(|line| lines.notice(format_args!("{}", clean(line)))),
        Event::Prompt(prompt) => lines.prompt(prompt),
        Event::Message { room, entry } => lines.message(room, entry),
        Event::PrivateReceived { from, at, text, .. } => lines.private(*at, from, "you", text),
        Event::PrivateSent { to, at, text, .. } => lines.private(*at, "you", to.shown(), text),
        Event::DeviceChanged { device, name, added } => {
            let change = if *added { "is a new device of yours" } else { "is no device of yours any more" };
            lines.notice(format_args!("{} ({device}) {change}", clean(name)));
        }
        Event::Entered(view) => lines.entered(view),
        Event::Exited { room } => lines.notice(format_args!("you have left {room}")),
        Event::Sealed { from } => {
            lines.notice(format_args!("{from} sent you a message that only sotto can read"));
        }
        Event::Shutdown { text } => {
            lines.notice(format_args!("the server is shutting down{}", After(": ", text)))
        }
        event => lines.room_notice(event),
    }
}

/// Text of others, without what steers a terminal. It was cleaned when it came in; this is the
/// second lock on that door.
pub fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    sanitise(text)
}

/// A text behind a separator, or nothing at all if there is none.
pub struct After<'a>(pub &'static str, pub &'a str);

impl fmt::Display for After<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1.is_empty() { Ok(()) } else { write!(f, "{}{}", self.0, clean(self.1)) }
    }
}

/// A text in brackets, or nothing at all if there is none.
struct Bracketed<'a>(Option<&'a str>);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |text| write!(f, " ({})", clean(text)))
    }
}

/// Writes whole lines, in the few shapes there are.
pub struct Lines<'o>(&'o mut Vec<u8>);

impl Lines<'_> {
    pub fn notice(&mut self, text: fmt::Arguments<'_>) {
        self.line(format_args!("*** {text}"));
    }

    pub fn message(&mut self, room: &RoomName, entry: &Entry) {
        let (at, from, text) = (clock(entry.at), clean(&entry.from), clean(&entry.text));
        if entry.me {
            self.line(format_args!("{at} {room} * {from} {text}"));
        } else {
            self.line(format_args!("{at} {room} <{from}> {text}"));
        }
    }

    fn line(&mut self, text: fmt::Arguments<'_>) {
        writeln!(self.0, "{text}").expect("writing to memory does not fail");
    }

    fn private(&mut self, at: Timestamp, from: &str, to: &str, text: &str) {
        self.line(format_args!("{} <{} -> {}> {}", clock(at), clean(from), clean(to), clean(text)));
    }

    fn refusal(&mut self, refusal: &Refusal) {
        self.line(format_args!("!!! {}: {}", refusal.code, clean(&refusal.text)));
    }

    fn prompt(&mut self, prompt: &Prompt) {
        match prompt {
            Prompt::Invite => self.notice(format_args!("your invitation code? (an empty line cancels)")),
            Prompt::NewPassword => self.notice(format_args!("the new password? (an empty line cancels)")),
            Prompt::OldPassword => self.notice(format_args!("the present password? (an empty line cancels)")),
            Prompt::Password { user } => {
                self.notice(format_args!("the password of {}? (an empty line cancels)", clean(user)));
            }
        }
    }

    /// What happened in a room, as its members see it.
    fn room_notice(&mut self, event: &Event) {
        match event {
            Event::Joined { room, user } => self.notice(format_args!("{user} has joined {room}")),
            Event::Left { room, user } => self.notice(format_args!("{user} has left {room}")),
            Event::Quit { room, user, text } => {
                self.notice(format_args!("{user} has quit {room}{}", Bracketed(text.as_deref())));
            }
            Event::Kicked { room, user, by, why } => {
                let why = Bracketed(why.as_deref());
                self.notice(format_args!("{user} was kicked from {room} by {}{why}", clean(by)));
            }
            Event::TopicChanged { room, by, topic } if topic.is_empty() => {
                self.notice(format_args!("topic of {room} cleared by {}", clean(by)));
            }
            Event::TopicChanged { room, by, topic } => {
                self.notice(format_args!("topic of {room} set by {}: {}", clean(by), clean(topic)));
            }
            Event::Presence { room, joined, left } => presence(self, room, joined, left),
            Event::Renamed { room, from, to } => self.notice(format_args!("{from} is now {to} in {room}")),
            Event::Invited { room, by } => {
                self.notice(format_args!("{by} invites you to {room}: /join {room}"));
            }
            Event::OperatorChanged { room, user, by, operator } => {
                let change = if *operator { "now" } else { "no longer" };
                self.notice(format_args!("{user} is {change} an operator of {room}, by {}", clean(by)));
            }
            Event::AccessChanged { room, by, access } => {
                self.notice(format_args!("{room} is now {}, by {}", pages::access(*access), clean(by)));
            }
            // Written by the caller, which knows that they are not about a room's members; or for programs.
            Event::Answer(..)
            | Event::Banner { .. }
            | Event::Detached { .. }
            | Event::DeviceChanged { .. }
            | Event::Entered(_)
            | Event::Envelope(_)
            | Event::Error(_)
            | Event::Exited { .. }
            | Event::Message { .. }
            | Event::Motd { .. }
            | Event::Paired { .. }
            | Event::PrivateReceived { .. }
            | Event::PrivateSent { .. }
            | Event::Prompt(_)
            | Event::Sealed { .. }
            | Event::Shutdown { .. }
            | Event::Transfer(_) => {}
        }
    }

    fn answer(&mut self, answer: &Answer) {
        match answer {
            Answer::AccessSet { room, access } => {
                self.notice(format_args!("{room} is now {}", pages::access(*access)));
            }
            Answer::Banned { room, user, banned: true } => {
                self.notice(format_args!("{user} is banned from {room}"));
            }
            Answer::Banned { room, user, banned: false } => {
                self.notice(format_args!("{user} is no longer banned from {room}"));
            }
            Answer::Blocked { user, blocked: true } => self.notice(format_args!("{user} is blocked")),
            Answer::Blocked { user, blocked: false } => {
                self.notice(format_args!("{user} is no longer blocked"));
            }
            Answer::Cancelled => self.notice(format_args!("cancelled")),
            Answer::Hello { server } => self.notice(format_args!("this is {}", clean(server))),
            Answer::Help { topic } => self.help(topic.as_deref()),
            Answer::History(page) => pages::history(self, page),
            Answer::Invited { room, user } => self.notice(format_args!("{user} is invited to {room}")),
            Answer::Joined(view) => self.entered(view),
            Answer::Kicked { room, user } => self.notice(format_args!("{user} was kicked from {room}")),
            Answer::Left { room, current: Some(current) } => {
                self.notice(format_args!("you have left {room}; the current room is {current}"));
            }
            Answer::Left { room, current: None } => {
                self.notice(format_args!("you have left {room}; there is no current room"));
            }
            Answer::Members(page) => pages::members(self, page),
            Answer::Named { user, how, .. } => match how {
                Named::Guest => self.notice(format_args!("you are {user}, a guest")),
                Named::Login => self.notice(format_args!("you are logged in as {user}")),
                Named::Register => self.notice(format_args!("you are registered and logged in as {user}")),
            },
            Answer::OperatorSet { room, user, operator } => {
                let change = if *operator { "now" } else { "no longer" };
                self.notice(format_args!("{user} is {change} an operator of {room}"));
            }
            Answer::PasswordChanged => self.notice(format_args!("your password is changed")),
            // Text mode has no commands about files.
            Answer::Declined { .. }
            | Answer::Deleted { .. }
            | Answer::Files(_)
            | Answer::Finished { .. }
            | Answer::UploadBegun { .. }
            | Answer::UploadStatus { .. } => {}
            Answer::Pong | Answer::Said { .. } => {}
            Answer::Quit { text } => {
                self.notice(format_args!("goodbye{}", After(": ", text.as_deref().unwrap_or_default())));
            }
            Answer::Refused(refusal) => self.refusal(refusal),
            Answer::Rooms(page) => pages::rooms(self, page),
            Answer::Search(found) => pages::search(self, found),
            Answer::Sent { to, at, text, kept, .. } => {
                self.private(*at, "you", to.shown(), text);
                if *kept {
                    self.notice(format_args!(
                        "{to} is not connected: the message is kept for the next login"
                    ));
                }
            }
            Answer::StatusSet { status, text } => {
                let text = After(": ", text.as_deref().unwrap_or_default());
                match status {
                    Status::Offline => self.notice(format_args!("you are shown as offline{text}")),
                    Status::Away | Status::Online => {
                        self.notice(format_args!("you are {}{text}", status.as_str()))
                    }
                }
            }
            Answer::Topic { room, topic, changed } => {
                match topic.as_deref().filter(|topic| !topic.is_empty()) {
                    Some(topic) => self.notice(format_args!("topic of {room}: {}", clean(topic))),
                    None if *changed => self.notice(format_args!("topic of {room} cleared")),
                    None => self.notice(format_args!("{room} has no topic")),
                }
            }
            Answer::Users(page) => pages::users(self, page),
            Answer::Whois(whois) => pages::whois(self, whois),
            // Only programs ask for these.
            Answer::Acknowledged { .. }
            | Answer::Attached(_)
            | Answer::Claimed { .. }
            | Answer::Devices(_)
            | Answer::DevicesChanged { .. }
            | Answer::Enrolled { .. }
            | Answer::Paired { .. }
            | Answer::Published { .. }
            | Answer::Revoked { .. }
            | Answer::Sealed { .. } => {}
        }
    }

    fn entered(&mut self, view: &RoomView) {
        let room = &view.room;
        self.notice(format_args!("you are in {room}"));
        if let Some(topic) = view.topic.as_deref().filter(|topic| !topic.is_empty()) {
            self.notice(format_args!("topic of {room}: {}", clean(topic)));
        }
        self.notice(format_args!("history of {room}"));
        view.messages.iter().for_each(|entry| self.message(room, entry));
        self.notice(format_args!("end of history"));
    }

    fn help(&mut self, topic: Option<&str>) {
        let Some(topic) = topic else {
            for usage in &help::COMMANDS {
                self.notice(format_args!("{:<34} {}", usage.line(), usage.text));
            }
            return self.notice(format_args!("{}", help::PLAIN_TEXT));
        };
        match help::find(topic) {
            Some(usage) => self.notice(format_args!("{}: {}", usage.line(), usage.text)),
            None => self.refusal(&Refusal::new(
                Code::UnknownCommand,
                format!("there is no /{}; /help lists what there is", clean(topic.trim_start_matches('/'))),
            )),
        }
    }
}

fn clock(at: Timestamp) -> Clock {
    let (hour, minute) = at.hour_minute();
    Clock { hour, minute }
}

/// `[HH:MM]`, UTC.
struct Clock {
    hour: u8,
    minute: u8,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:02}:{:02}]", self.hour, self.minute)
    }
}
