//! Who came and who went in a large room, in one sentence.

use std::fmt;

use crate::dialect::text::encode::Lines;
use crate::proto::name::{RoomName, UserName};

/// `37 have joined #room, among them alice, bob and carol; dave has left`
pub fn presence(lines: &mut Lines<'_>, room: &RoomName, joined: &[UserName], left: &[UserName]) {
    let room = format_args!(" {room}").to_string();
    match (joined, left) {
        ([], []) => {}
        (_, []) => lines.notice(format_args!("{}", People(joined, "joined", &room))),
        ([], _) => lines.notice(format_args!("{}", People(left, "left", &room))),
        _ => lines.notice(format_args!("{}; {}", People(joined, "joined", &room), People(left, "left", ""))),
    }
}

/// Who did what, and where.
struct People<'a>(&'a [UserName], &'static str, &'a str);

impl fmt::Display for People<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &People(users, did, place) = self;
        match users {
            [] => Ok(()),
            [one] => write!(f, "{one} has {did}{place}"),
            [first, last] => write!(f, "{first} and {last} have {did}{place}"),
            [first, second, third] => write!(f, "{first}, {second} and {third} have {did}{place}"),
            [first, second, third, ..] => {
                write!(f, "{} have {did}{place}, among them {first}, {second} and {third}", users.len())
            }
        }
    }
}
