//! Long answers: a head line, a line for each thing, and an end line. They may come in pieces.

use std::fmt;

use crate::dialect::text::encode::{After, Lines, clean};
use crate::proto::event::{Access, Whois};
use crate::proto::pages::{Found, HistoryPage, MembersPage, Part, RoomsPage, UsersPage};

pub fn history(lines: &mut Lines<'_>, page: &HistoryPage) {
    if page.part.first {
        lines.notice(format_args!("history of {}", page.room));
    }
    page.messages.iter().for_each(|entry| lines.message(&page.room, entry));
    if page.part.last {
        lines.notice(format_args!("end of history"));
    }
}

pub fn search(lines: &mut Lines<'_>, found: &Found) {
    lines.notice(format_args!("messages with {}", clean(&found.query)));
    found.messages.iter().for_each(|(room, entry)| lines.message(room, entry));
    let older = if found.more { ", and older ones" } else { "" };
    lines.notice(format_args!("end of search: {}{older}", Count(found.messages.len(), "message")));
}

pub fn users(lines: &mut Lines<'_>, page: &UsersPage) {
    if page.part.first {
        lines.notice(format_args!("who is online"));
    }
    for line in &page.users {
        let guest = if line.guest { ", a guest" } else { "" };
        lines.notice(format_args!("{} is {}{guest}{}", line.user, line.status.as_str(), text(&line.text)));
    }
    end(lines, page.part, page.more, "list", page.users.len(), "user");
}

pub fn members(lines: &mut Lines<'_>, page: &MembersPage) {
    if page.part.first {
        lines.notice(format_args!("members of {}", page.room));
    }
    for line in &page.members {
        let operator = if line.operator { ", operator" } else { "" };
        lines.notice(format_args!("{} is {}{operator}{}", line.user, line.status.as_str(), text(&line.text)));
    }
    end(lines, page.part, page.more, "members", page.members.len(), "member");
}

pub fn rooms(lines: &mut Lines<'_>, page: &RoomsPage) {
    if page.part.first {
        lines.notice(format_args!("rooms"));
    }
    for line in &page.rooms {
        let members = Count(line.members.try_into().unwrap_or(usize::MAX), "member");
        let access = match line.access {
            Access::Public => "",
            Access::Private => ", private",
            Access::Key => ", key",
        };
        lines.notice(format_args!("{} ({members}{access}){}", line.room, text(&line.topic)));
    }
    end(lines, page.part, page.more, "rooms", page.rooms.len(), "room");
}

pub fn whois(lines: &mut Lines<'_>, whois: &Whois) {
    let user = &whois.user;
    let kind = if whois.guest { "guest" } else { "account" };
    let Some(online) = &whois.online else {
        return lines.notice(format_args!("{user} ({kind}) is not connected"));
    };
    lines.notice(format_args!("{user} ({kind}) is {}{}", online.status.as_str(), text(&online.text)));
    let since = online.since.rfc3339();
    let (date, clock) = (since.get(..10).unwrap_or_default(), since.get(11..16).unwrap_or_default());
    let secure = if online.secure { "encrypted" } else { "not encrypted" };
    lines.notice(format_args!("{user} is connected since {date} {clock} UTC, {secure}"));
    if !online.rooms.is_empty() {
        let rooms: Vec<String> = online.rooms.iter().map(ToString::to_string).collect();
        lines.notice(format_args!("{user} is in {}", rooms.join(" ")));
    }
}

/// How a sentence calls it.
pub fn access(access: Access) -> &'static str {
    match access {
        Access::Key => "open to whoever knows the key",
        Access::Private => "private",
        Access::Public => "public",
    }
}

/// How many there are is known only where all of them are in one piece.
fn end(lines: &mut Lines<'_>, part: Part, more: bool, what: &str, count: usize, one: &'static str) {
    if part == Part::WHOLE && !more {
        lines.notice(format_args!("end of {what}: {}", Count(count, one)));
    } else if part.last {
        lines.notice(format_args!("end of {what}"));
    }
}

fn text(text: &Option<std::sync::Arc<str>>) -> After<'_> {
    After(": ", text.as_deref().unwrap_or_default())
}

/// `1 user`, `2 users`.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(count, one) = self;
        write!(f, "{count} {one}{}", if *count == 1 { "" } else { "s" })
    }
}
