//! Who of those that a file is for could read it: asked before anything is sent.
//!
//! A file is sent encrypted or not at all, so whoever has no device with keys gets none. In a room that
//! is one question for each member; a few are on their way at a time.

use std::collections::{BTreeMap, VecDeque};

use crate::client::session::event::{Failure, Ticket};
use crate::client::transfer::ledger::sending::Wish;
use crate::client::transfer::record::Number;
use crate::proto::event::Answer;
use crate::proto::name::UserName;

/// A file that somebody wants to send, and what is not known yet about its readers.
#[derive(Debug)]
pub struct Inquiry {
    pub number: Number,
    /// Its readers are those of whom it is known that they can read it.
    pub wish: Wish,
    /// All that it was meant for.
    pub people: Vec<UserName>,
    open: VecDeque<UserName>,
    asked: BTreeMap<Ticket, UserName>,
    /// Of those who cannot.
    left_out: usize,
    failed: Option<String>,
    cancelled: bool,
}

impl Inquiry {
    /// Everybody in the wish is asked about.
    pub fn new(number: Number, mut wish: Wish) -> Inquiry {
        let people = std::mem::take(&mut wish.readers);
        let open = people.clone().into();
        Inquiry {
            number,
            wish,
            people,
            open,
            asked: BTreeMap::new(),
            left_out: 0,
            failed: None,
            cancelled: false,
        }
    }

    /// Whom to ask about next; `None` if that is not to be done now.
    pub fn next_question(&mut self) -> Option<UserName> {
        let may = self.failed.is_none() && !self.cancelled && self.asked.len() < ASKED_MAX;
        if may { self.open.pop_front() } else { None }
    }

    pub fn asked(&mut self, user: UserName, ticket: Result<Ticket, String>) {
        match ticket {
            Ok(ticket) => drop(self.asked.insert(ticket, user)),
            Err(why) => drop(self.failed.get_or_insert(why)),
        };
    }

    /// Nobody wants it any more.
    pub fn cancel(&mut self) {
        (self.cancelled, self.asked) = (true, BTreeMap::new());
    }

    pub fn waits_for(&self, ticket: Ticket) -> bool {
        self.asked.contains_key(&ticket)
    }

    pub fn answered(&mut self, ticket: Ticket, outcome: Result<Answer, Failure>) {
        let Some(user) = self.asked.remove(&ticket) else { return };
        match outcome {
            Ok(Answer::Devices(devices)) if !devices.devices.is_empty() => self.wish.readers.push(user),
            // In a room, somebody who has just gone is simply not among them.
            Err(Failure::Refused(_)) if self.wish.room.is_some() => self.left_out += 1,
            Ok(_) => self.left_out += 1,
            // Asking changes nothing, so it is asked again.
            Err(Failure::Lost) => self.open.push_front(user),
            Err(failure) => drop(self.failed.get_or_insert(failure.to_string())),
        };
    }

    /// Everything was asked and answered, as far as it is of use.
    pub fn is_over(&self) -> bool {
        self.asked.is_empty() && (self.open.is_empty() || self.failed.is_some() || self.cancelled)
    }

    /// What came of it: the wish, or why there is nobody to send to; no reason if it was cancelled.
    pub fn finish(self) -> Result<Wish, Option<String>> {
        let why = match (self.failed, &self.wish.room) {
            _ if self.cancelled => return Err(None),
            (Some(why), _) => why,
            (None, _) if !self.wish.readers.is_empty() => return Ok(self.wish),
            (None, Some(_)) => "not-encrypted: nobody in this room can read encrypted files".to_owned(),
            (None, None) => {
                "not-encrypted: files are sent encrypted alone, and this user has no keys".to_owned()
            }
        };
        Err(Some(why))
    }
}

/// Questions on their way at a time: far below what a server takes.
const ASKED_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::transfer::place::{Inode, Stamp};
    use crate::proto::id::{AccountId, DeviceId};
    use crate::proto::keys::Devices;
    use crate::proto::name::RoomName;
    use crate::proto::refusal::Code;

    fn inquiry(room: Option<&str>, readers: &[&str]) -> Inquiry {
        let user = |name: &&str| UserName::parse(name).expect("a name");
        let wish = Wish {
            path: "a".into(),
            stamp: Stamp { size: 1, modified: 1, id: Inode::default() },
            name: "a".into(),
            room: room.map(|room| RoomName::parse(room).expect("a name")),
            readers: readers.iter().map(user).collect(),
        };
        Inquiry::new(Number(1), wish)
    }

    fn devices(name: &str, count: u32) -> Result<Answer, Failure> {
        let devices = (1..=count).filter_map(DeviceId::new).map(|device| (device, None)).collect();
        let user = UserName::parse(name).expect("a name");
        Ok(Answer::Devices(Devices { user, uid: Some(AccountId(1)), identity: None, devices }))
    }

    /// Asks about everybody and answers by this; whom it is sent to.
    fn ask(
        mut inquiry: Inquiry,
        answer: impl Fn(&str) -> Result<Answer, Failure>,
    ) -> Result<Vec<String>, Option<String>> {
        let mut tickets = 0;
        while !inquiry.is_over() {
            let mut asked = Vec::new();
            while let Some(user) = inquiry.next_question() {
                tickets += 1;
                inquiry.asked(user.clone(), Ok(Ticket(tickets)));
                asked.push((Ticket(tickets), user));
            }
            assert!((1..=ASKED_MAX).contains(&asked.len()), "{}", asked.len());
            for (ticket, user) in asked {
                assert!(inquiry.waits_for(ticket));
                inquiry.answered(ticket, answer(user.shown()));
            }
        }
        inquiry.finish().map(|wish| wish.readers.iter().map(|user| user.shown().to_string()).collect())
    }

    #[test]
    fn only_those_with_devices_are_sent_to() {
        let names: Vec<String> = (0..50).map(|number| format!("user{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let even = |name: &str| devices(name, u32::from(name.ends_with(['0', '2', '4', '6', '8'])));
        assert_eq!(ask(inquiry(Some("kitchen"), &names), even).map(|readers| readers.len()), Ok(25));
        let gone = |_: &str| Err(crate::client::transfer::tests::stub::refused(Code::NoSuchUser));
        let nobody = ask(inquiry(Some("kitchen"), &["bob"]), gone);
        assert_eq!(nobody, Err(Some("not-encrypted: nobody in this room can read encrypted files".into())));
    }

    #[test]
    fn one_person_without_keys_gets_no_file() {
        let none = ask(inquiry(None, &["bob"]), |name| devices(name, 0));
        assert_eq!(
            none,
            Err(Some("not-encrypted: files are sent encrypted alone, and this user has no keys".into()))
        );
        let gone = |_: &str| Err(crate::client::transfer::tests::stub::refused(Code::NoSuchUser));
        assert_eq!(ask(inquiry(None, &["bob"]), gone), Err(Some("no-such-user: because".into())));
        assert_eq!(ask(inquiry(None, &["bob"]), |name| devices(name, 2)), Ok(vec!["bob".to_owned()]));
    }

    #[test]
    fn a_line_that_breaks_has_it_asked_again() {
        let mut inquiry = inquiry(None, &["bob"]);
        for lost in [Ticket(1), Ticket(2)] {
            let bob = inquiry.next_question().expect("bob");
            inquiry.asked(bob, Ok(lost));
            inquiry.answered(lost, Err(Failure::Lost));
            assert!(!inquiry.is_over(), "bob is asked about again");
        }
        let bob = inquiry.next_question().expect("bob");
        inquiry.asked(bob, Ok(Ticket(3)));
        inquiry.answered(Ticket(3), devices("bob", 1));
        assert!(inquiry.is_over());
        assert_eq!(inquiry.finish().map(|wish| wish.readers.len()), Ok(1));
    }

    #[test]
    fn a_question_that_cannot_be_asked_ends_it_once_the_others_are_answered() {
        let mut inquiry = inquiry(Some("kitchen"), &["bob", "carol"]);
        let bob = inquiry.next_question().expect("bob");
        inquiry.asked(bob, Ok(Ticket(1)));
        let carol = inquiry.next_question().expect("carol");
        inquiry.asked(carol, Err("too-many".into()));
        assert!(!inquiry.is_over(), "bob is asked about");
        inquiry.answered(Ticket(1), Err(Failure::Lost));
        assert!(inquiry.is_over());
        assert_eq!(inquiry.finish().map(|_| ()), Err(Some("too-many".into())));
    }

    #[test]
    fn what_is_cancelled_waits_for_no_answer() {
        let mut inquiry = inquiry(Some("kitchen"), &["bob", "carol"]);
        let bob = inquiry.next_question().expect("bob");
        inquiry.asked(bob, Ok(Ticket(1)));
        inquiry.cancel();
        assert!(inquiry.is_over() && !inquiry.waits_for(Ticket(1)));
        assert_eq!(inquiry.next_question(), None);
        assert_eq!(inquiry.finish().map(|_| ()), Err(None));
    }
}
