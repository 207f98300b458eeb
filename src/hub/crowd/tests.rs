use std::net::Ipv4Addr;

use super::*;
use crate::config::Config;
use crate::hub::Handled;
use crate::hub::job::{Job, Kept, Page, Reply, StoreJob, StoreReply};
use crate::hub::session::Peer;
use crate::proto::command::{Command, Paging};
use crate::proto::event::Answer;
use crate::proto::id::{ConnId, RequestId, Seq};
use crate::proto::limits::PRESENCE_AT_ONCE_MAX;
use crate::proto::time::{Now, Timestamp};

/// A hub with one room, the lobby, and people in it by name.
struct Lobby {
    hub: Hub,
    now: u64,
    conns: BTreeMap<String, ConnId>,
    serial: u32,
    out: Vec<Effect>,
}

impl Lobby {
    /// `regulars` are in it, and told whatever there is to tell of them.
    fn new(at_once: usize, regulars: &[&str]) -> Lobby {
        let mut settings = Config::default().settings();
        settings.presence_at_once = at_once;
        settings.limits.commands_per_second = None;
        let clock = Now { mono: Instant(1_000), wall: Timestamp(0) };
        let kept = Kept { next_room: 1, ..Kept::default() };
        let hub = Hub::new(settings, kept, clock);
        let mut lobby = Lobby { hub, now: 1_000, conns: BTreeMap::new(), serial: 0, out: Vec::new() };
        for name in regulars {
            lobby.come(name);
        }
        lobby.told_after(60_000);
        lobby
    }

    fn clock(&self) -> Now {
        Now { mono: Instant(self.now), wall: Timestamp(self.now) }
    }

    fn connect(&mut self, name: &str) {
        self.serial += 1;
        let conn = ConnId { slot: self.serial, serial: self.serial };
        let peer = Peer { address: Ipv4Addr::LOCALHOST.into(), loopback: true };
        self.hub.opened(self.clock(), conn, peer).unwrap();
        self.hub.identified(conn, true);
        self.conns.insert(name.to_string(), conn);
        self.ask(name, Command::Nick { user: name.into() });
    }

    fn come(&mut self, name: &str) {
        if !self.conns.contains_key(name) {
            self.connect(name);
        }
        self.ask(name, Command::Join { room: "lobby".into(), key: None });
    }

    fn leave(&mut self, name: &str) {
        self.ask(name, Command::Leave { room: Some("lobby".into()) });
    }

    fn hide(&mut self, name: &str) {
        self.ask(name, Command::Status { status: Some("offline".into()), text: None });
    }

    fn cut(&mut self, name: &str) {
        let conn = self.conns.remove(name).expect("connected");
        self.hub.gone(conn, &mut self.out);
        self.hub.check();
    }

    /// Makes a request and answers what it wants of the store.
    fn ask(&mut self, name: &str, command: Command<'_>) {
        let conn = self.conns[name];
        let now = self.clock();
        assert_eq!(self.hub.handle(now, conn, RequestId(1), command, &mut self.out), Handled::Done);
        let mut next = 0;
        while let Some(effect) = self.out.get(next) {
            if let Effect::Submit(Job::Store(job)) = effect {
                let reply = match job {
                    &StoreJob::Join { origin, room, .. } => {
                        StoreReply::Joined { origin, room, page: Page::default(), seq: Seq(0) }
                    }
                    _ => StoreReply::Done,
                };
                self.out[next] = Effect::Resume(conn);
                self.hub.reply(now, Reply::Store(reply), &mut self.out);
            }
            next += 1;
        }
        self.hub.check();
    }

    /// What the lobby was told since the last call: `+` came, `-` left, `!` quit; with a number of
    /// connections that were left out.
    fn told(&mut self) -> Vec<String> {
        let names = |users: &[UserName]| users.iter().map(|user| format!(" {user}")).collect::<String>();
        let told = self.out.drain(..).filter_map(|effect| {
            let Effect::TellRoom { event, except, .. } = effect else { return None };
            let event = match event {
                Event::Joined { user, .. } => format!("+{user}"),
                Event::Left { user, .. } => format!("-{user}"),
                Event::Quit { user, .. } => format!("!{user}"),
                Event::Kicked { user, .. } => format!("kicked {user}"),
                Event::Renamed { from, to, .. } => format!("{from} is {to}"),
                Event::Presence { joined, left, .. } => format!("+[{}] -[{}]", names(&joined), names(&left)),
                other => panic!("nobody tells {other:?}"),
            };
            Some(if except.is_empty() { event } else { format!("{event} but {}", except.len()) })
        });
        told.collect()
    }

    /// The same after so many milliseconds, in which a tick comes whenever one is wanted.
    fn told_after(&mut self, ms: u64) -> Vec<String> {
        let until = self.now + ms;
        loop {
            self.hub.tick(self.clock(), &mut self.out);
            self.hub.check();
            let next = self.hub.next_deadline().0;
            assert!(next > self.now, "a tick does what is due");
            if next > until {
                self.now = until;
                return self.told();
            }
            self.now = next;
        }
    }
}

#[test]
fn a_small_room_is_told_at_once_and_a_larger_one_when_the_while_is_over() {
    let mut lobby = Lobby::new(2, &["anna"]);
    lobby.come("bob");
    // Two hear it now.
    assert_eq!(lobby.told(), ["+bob but 1"]);
    lobby.come("carol");
    assert_eq!(lobby.told(), ["+carol but 1"]);
    lobby.come("dave");
    lobby.cut("bob");
    assert_eq!(lobby.told(), [""; 0]);
    assert!(!lobby.hub.is_told());
    assert_eq!(lobby.told_after(999), [""; 0]);
    assert_eq!(lobby.told_after(1), ["+[ dave] -[ bob]"]);
    assert!(lobby.hub.is_told());
}

#[test]
fn one_who_comes_or_goes_alone_is_told_of_as_in_a_small_room() {
    let mut lobby = Lobby::new(2, &["anna", "bob", "carol"]);
    lobby.come("dave");
    assert_eq!(lobby.told_after(1_000), ["+dave but 1"]);
    lobby.leave("dave");
    assert_eq!(lobby.told_after(1_000), ["-dave"]);
    lobby.come("eve");
    assert_eq!(lobby.told_after(1_000), ["+eve but 1"]);
    lobby.cut("carol");
    assert_eq!(lobby.told_after(1_000), ["!carol"]);
    // Two are left to hear it.
    lobby.leave("bob");
    assert_eq!(lobby.told(), ["-bob but 1"]);
}

#[test]
fn what_was_gathered_comes_before_what_follows_in_a_room_that_became_small() {
    let mut lobby = Lobby::new(2, &["anna", "bob", "carol", "dave"]);
    lobby.leave("carol");
    lobby.leave("bob");
    lobby.come("bob");
    lobby.leave("anna");
    assert_eq!(lobby.told(), [""; 0]);
    assert_eq!(lobby.told_after(1_000), ["+[] -[ anna carol]"]);
}

#[test]
fn who_comes_and_goes_again_is_not_mentioned() {
    let mut lobby = Lobby::new(1, &["anna", "bob", "zoe"]);
    lobby.come("carol");
    lobby.cut("carol");
    assert_eq!(lobby.told_after(5_000), [""; 0]);
    lobby.leave("bob");
    lobby.come("dave");
    assert_eq!(lobby.told_after(1_000), ["+[ dave] -[ bob]"]);
    lobby.come("eve");
    lobby.come("bob");
    lobby.leave("bob");
    lobby.leave("eve");
    // Bob was shown eve, whom he would believe to be there. He left while nobody came.
    assert_eq!(lobby.told_after(1_000), ["-eve"]);
}

#[test]
fn whoever_saw_the_members_in_between_is_not_left_with_a_wrong_list() {
    let mut lobby = Lobby::new(1, &["anna", "bob", "zoe"]);
    lobby.come("carol");
    let who = Command::Who { room: Some("lobby".into()), limit: None, after: None, paging: Paging::Page };
    lobby.ask("anna", who);
    lobby.leave("carol");
    assert_eq!(lobby.told_after(1_000), ["-carol"]);
    // And the other way round.
    lobby.leave("bob");
    lobby.come("dave");
    lobby.come("bob");
    assert_eq!(lobby.told_after(1_000), ["+[ bob dave] -[]"]);
}

#[test]
fn kicks_and_renames_come_at_once_and_take_their_people_out() {
    let mut lobby = Lobby::new(1, &["anna", "bob"]);
    for name in ["carol", "dave", "eve"] {
        lobby.come(name);
    }
    lobby.ask("carol", Command::Nick { user: "carla".into() });
    assert_eq!(lobby.told(), ["carol is carla but 1"]);
    lobby.ask("anna", Command::Kick { room: Some("lobby".into()), user: "dave".into(), why: None });
    assert_eq!(lobby.told(), ["kicked dave but 1"]);
    assert_eq!(lobby.told_after(1_000), ["+eve but 1"]);
    // A name that somebody left is taken by another.
    lobby.leave("bob");
    lobby.cut("bob");
    lobby.ask("eve", Command::Nick { user: "bob".into() });
    assert_eq!(lobby.told_after(1_000), ["eve is bob but 1"]);
}

#[test]
fn nobody_is_told_of_those_who_hide() {
    let mut lobby = Lobby::new(1, &["anna", "bob", "carol"]);
    lobby.connect("dave");
    lobby.hide("dave");
    lobby.come("dave");
    lobby.come("eve");
    lobby.hide("eve");
    lobby.hide("bob");
    lobby.leave("bob");
    assert_eq!(lobby.told_after(1_000), [""; 0]);
    // Who is gone for the others and comes back hidden stays gone.
    lobby.leave("carol");
    lobby.hide("carol");
    lobby.come("carol");
    assert_eq!(lobby.told_after(1_000), ["-carol but 1"]);
}

#[test]
fn the_while_is_longer_where_more_hear_it_and_has_an_end() {
    for (listeners, ms) in [(101, 1_000), (1_000, 1_000), (1_001, 1_001), (10_000, 10_000), (90_000, 10_000)]
    {
        assert_eq!(window(listeners), Duration::from_millis(ms), "{listeners}");
    }
    let mut lobby = Lobby::new(PRESENCE_AT_ONCE_MAX, &[]);
    for number in 0..=PRESENCE_AT_ONCE_MAX {
        lobby.come(&format!("u{number}"));
        assert_eq!(lobby.told().len(), 1, "number {number} comes into a room of {number}");
    }
    lobby.come("late");
    assert_eq!(lobby.told(), [""; 0]);
    assert_eq!(lobby.told_after(1_000), ["+late but 1"]);
}

#[test]
fn so_many_that_one_event_is_full_are_told_before_the_while_is_over() {
    let mut lobby = Lobby::new(1, &["anna", "bob"]);
    for number in 1..PRESENCE_NAMES_MAX {
        lobby.come(&format!("u{number}"));
    }
    assert_eq!(lobby.told(), [""; 0]);
    lobby.come("one-more");
    let told = lobby.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].split(' ').count(), PRESENCE_NAMES_MAX + 2, "{told:?}");
    assert_eq!(lobby.told_after(60_000), [""; 0]);
}

#[test]
fn who_did_something_is_answered_at_once() {
    let mut lobby = Lobby::new(1, &["anna", "bob"]);
    lobby.come("carol");
    let members = lobby.out.iter().find_map(|effect| match effect {
        Effect::Tell(_, Event::Answer(_, Answer::Joined(view))) => Some(view.members.len()),
        _ => None,
    });
    assert_eq!(members, Some(3));
    lobby.leave("carol");
    let left = |effect: &Effect| matches!(effect, Effect::Tell(_, Event::Answer(_, Answer::Left { .. })));
    assert!(lobby.out.iter().any(left));
}

#[test]
fn a_room_that_is_gone_is_told_nothing() {
    let mut lobby = Lobby::new(0, &["anna", "bob"]);
    lobby.leave("anna");
    lobby.leave("bob");
    assert!(!lobby.hub.is_told());
    assert_eq!(lobby.told_after(1_000), [""; 0]);
    assert!(lobby.hub.is_told());
}
