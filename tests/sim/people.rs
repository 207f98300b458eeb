//! Who takes part: what they do next, and how they say it.

use serde_json::{Value, json};

use crate::devices;
use crate::facts::Key;
use crate::link::{Ask, Dialect, Link};
use crate::plan::{LINE_BYTES, Plan};
use crate::random::Random;
use crate::world::World;

pub struct Person {
    /// An account's name; guests choose one of [`GUESTS`] each time.
    pub account: Option<&'static str>,
    pub dialect: Dialect,
    pub link: Option<Link>,
    /// Does not read, nor do anything else, until then.
    pub stalled_until: u64,
    /// Messages of an account that were sent and not answered when the connection ended: room, number.
    repeat: Vec<(String, u64)>,
}

impl Person {
    pub fn new(index: usize, plan: &Plan, random: &mut Random) -> Person {
        // Some accounts are used by two people at once.
        let account = random.per_mille(plan.registered_per_mille).then(|| ACCOUNTS[index % plan.accounts]);
        let dialect = if random.per_mille(700) { Dialect::Json } else { Dialect::Text };
        Person { account, dialect, link: None, stalled_until: 0, repeat: Vec::new() }
    }

    /// The connection ended; what was not answered may be asked again.
    pub fn lost(&mut self, link: Link, world: &mut World) {
        world.facts.ended(link.index);
        let user = self.account.unwrap_or(link.me());
        // Which joins of a text client were answered is not known; its rooms are few.
        let asked: Vec<&str> = match link.dialect {
            Dialect::Text => ROOMS.to_vec(),
            Dialect::Json => link.asked.open.values().filter_map(Ask::joined).collect(),
        };
        world.facts.joins_lost.extend(asked.into_iter().map(|room| (user.to_string(), room.to_string())));
        for ask in link.asked.open.values() {
            if let Ask::Say { number, .. } = ask
                && let Some(Key { user, room }) = &world.facts.sent[*number as usize].key
                && self.account == Some(user)
            {
                self.repeat.push((room.clone(), *number));
            }
        }
    }

    /// Does something at random.
    pub fn act(&mut self, world: &mut World) {
        let Some(mut link) = self.link.take() else {
            if world.random.per_mille(300) {
                let dialect = if world.random.per_mille(100) { Dialect::Text } else { self.dialect };
                self.link = Some(world.connect(dialect));
            }
            return;
        };
        let times = if world.random.per_mille(50) { world.random.between(2, 60) } else { 1 };
        for _ in 0..times {
            if world.net.backlog(link.pipe) > UNREAD_BYTES_MAX || link.did.quit || link.did.end {
                break;
            }
            match link.name.clone() {
                None => {
                    self.choose_name(&mut link, world);
                    break;
                }
                Some(me) => self.speak(&me, &mut link, world),
            }
        }
        if world.random.per_mille(15) {
            misbehave(self, &mut link, world);
        }
        self.link = Some(link);
    }

    pub fn choose_name(&mut self, link: &mut Link, world: &mut World) {
        let random = &mut world.random;
        let Some(account) = self.account else {
            let name = *random.pick(&GUESTS);
            return ask(
                world,
                link,
                Ask::Name { register: false },
                "nick",
                json!({"user": name}),
                &format!("/nick {name}"),
            );
        };
        link.did.logins += 1;
        let new = !world.facts.registered.contains(account) && random.per_mille(600) && !world.calm;
        let wrong = !new && random.per_mille(50) && !world.calm;
        let password = if wrong { "a-wrong-one".to_string() } else { password(account) };
        let fields = json!({"user": account, "password": password});
        match new {
            true => {
                let line = format!("/register {account} {password}");
                ask(world, link, Ask::Name { register: true }, "register", fields, &line);
            }
            false => {
                // Without a password it is asked for, and the next line is it.
                let asked = link.dialect == Dialect::Text && random.per_mille(300);
                let between = if asked { "\n" } else { " " };
                let line = format!("/login {account}{between}{password}");
                ask(world, link, Ask::Name { register: false }, "login", fields, &line);
            }
        }
    }

    fn speak(&mut self, me: &str, link: &mut Link, world: &mut World) {
        if let Some((room, number)) = self.repeat.pop().filter(|_| link.dialect == Dialect::Json) {
            return say(world, link, &room, number);
        }
        let user = *world.random.pick(&EVERYBODY);
        if link.dialect == Dialect::Json
            && self.account == Some(me)
            && world.random.per_mille(world.plan.keys)
        {
            return devices::act(me, link, world, user);
        }
        let room = self.room(link, world);
        let user_fields = json!({"room": room, "user": user});
        let other = Ask::Other;
        let random = &mut world.random;
        let what = match &world.plan {
            plan if plan.private && random.per_mille(500) => 45,
            plan if plan.unruly && random.per_mille(500) => random.between(40, 99),
            _ => random.below(100),
        };
        match what {
            0..40 => {
                let keyed =
                    link.dialect == Dialect::Json && self.account == Some(me) && random.per_mille(700);
                let key = keyed.then(|| Key { user: me.to_string(), room: room.clone() });
                let number = world.facts.say(link.index, key);
                say(world, link, &room, number);
            }
            40..50 => {
                let number = world.facts.write_to(link.index, user);
                let text = world.text(number);
                let fields = json!({"user": user, "text": text});
                ask(world, link, Ask::Msg { number }, "msg", fields, &format!("/msg {user} {text}"));
            }
            50..62 => {
                let room = *random.pick(&ROOMS);
                ask(
                    world,
                    link,
                    Ask::Join { room: room.to_string() },
                    "join",
                    json!({"room": room}),
                    &format!("/join #{room}"),
                );
            }
            62..66 => ask(world, link, Ask::Leave, "leave", json!({"room": room}), &format!("/leave {room}")),
            66..70 => {
                let before = random.below(30);
                let fields = match random.below(3) {
                    0 => json!({"room": room, "before": before, "limit": 10}),
                    1 => json!({"room": room, "after": before, "limit": 10}),
                    _ => json!({"room": room, "limit": 10}),
                };
                ask(world, link, Ask::History { room }, "history", fields, "/history 10");
            }
            70..72 => {
                let fields = json!({"query": "hello", "limit": 10});
                ask(world, link, Ask::Search, "search", fields, "/search hello");
            }
            72..75 => {
                let line = format!("/who {room}");
                let who = Ask::Who { room: room.clone(), settled: !world.plan.gathers() };
                ask(world, link, who, "who", json!({"room": room}), &line);
            }
            75..77 => ask(world, link, other, "list", json!({}), "/list"),
            77..79 => ask(world, link, other, "rooms", json!({}), "/rooms"),
            79..80 => {
                let fields = json!({"user": user});
                ask(world, link, other, "whois", fields, &format!("/whois {user}"));
            }
            80..82 => {
                let fields = json!({"room": room, "topic": "a topic"});
                ask(world, link, other, "topic", fields, "/topic a topic");
            }
            82..85 => {
                let line = format!("/kick {user} why not");
                ask(world, link, Ask::Kick { room }, "kick", user_fields, &line);
            }
            85..87 => ask(world, link, Ask::Ban { room }, "ban", user_fields, &format!("/ban {user}")),
            87..88 => ask(world, link, Ask::Ban { room }, "unban", user_fields, &format!("/unban {user}")),
            88..89 => ask(world, link, other, "invite", user_fields, &format!("/invite {user}")),
            89..91 => ask(world, link, other, "op", user_fields, &format!("/op {user}")),
            91..92 => {
                world.facts.deop_ever.insert(user.to_string());
                ask(world, link, other, "deop", user_fields, &format!("/deop {user}"));
            }
            92..94 => {
                let blocked = random.per_mille(600);
                let name = if blocked { "block" } else { "unblock" };
                let pair = (me.to_string(), user.to_string());
                match blocked {
                    true => world.facts.blocked_ever.insert(pair),
                    false => world.facts.unblocked_ever.insert(pair),
                };
                let block = Ask::Block { user: user.to_string(), blocked };
                ask(world, link, block, name, json!({"user": user}), &format!("/{name} {user}"));
            }
            94..95 => {
                let access = *random.pick(&["public", "private", "public", "key"]);
                let key = (access == "key").then_some("sesame");
                let fields = json!({"room": room, "access": access, "key": key});
                let fields = without_null(fields);
                ask(
                    world,
                    link,
                    other,
                    "room",
                    fields,
                    &format!("/room {access} {}", key.unwrap_or_default()),
                );
            }
            95..97 => {
                let shown: &[&str] =
                    if link.hiding { &["online", "offline", "away"] } else { &["online", "away"] };
                let status = *random.pick(shown);
                ask(world, link, other, "status", json!({"status": status}), &format!("/status {status}"));
            }
            97..98 => {
                let name = *random.pick(&GUESTS);
                let line = format!("/nick {name}");
                ask(world, link, Ask::Name { register: false }, "nick", json!({"user": name}), &line);
            }
            98..99 => ask(world, link, other, "nonsense", json!({"room": 7}), "/nonsense"),
            _ => {
                if random.per_mille(300) {
                    link.did.quit = true;
                    ask(world, link, other, "quit", json!({"text": "bye"}), "/quit bye");
                }
            }
        }
    }

    /// Mostly a room it is in.
    fn room(&self, link: &Link, world: &mut World) -> String {
        let mine: Vec<&String> = link.seats.keys().collect();
        match mine.is_empty() || world.random.per_mille(50) {
            true => world.random.pick(&ROOMS).to_string(),
            false => world.random.pick(&mine).to_string(),
        }
    }
}

/// Sends a request in the dialect of the connection.
pub fn ask(world: &mut World, link: &mut Link, ask: Ask, command: &str, mut fields: Value, line: &str) {
    let mut line = match link.dialect {
        Dialect::Text => line.to_string(),
        Dialect::Json => {
            link.asked.next += 1;
            let id = link.asked.next;
            if !ask.is_message() {
                link.asked.ordered.push_back(id);
            }
            link.asked.open.insert(id, ask);
            fields["id"] = id.into();
            fields["cmd"] = command.into();
            fields.to_string()
        }
    };
    log::trace!("{} {}: > {line}", link.server_name, link.me());
    line.push_str(if world.random.per_mille(300) { "\r\n" } else { "\n" });
    world.net.send(link.pipe, line.as_bytes());
}

fn say(world: &mut World, link: &mut Link, room: &str, number: u64) {
    let text = world.text(number);
    let mut fields = json!({"room": room, "text": text});
    if world.facts.sent[number as usize].key.is_some() {
        fields["key"] = format!("key-{number}").into();
    }
    let line = if number.is_multiple_of(7) { format!("/me {text}") } else { text };
    ask(world, link, Ask::Say { number, room: room.to_string() }, "say", fields, &line);
}

fn misbehave(person: &mut Person, link: &mut Link, world: &mut World) {
    let random = &mut world.random;
    match random.below(10) {
        0..2 => {
            link.did.reset = true;
            world.net.reset(link.pipe);
        }
        2 => {
            link.did.end = true;
            world.net.end(link.pipe);
        }
        3..6 if world.plan.stalling => {
            link.did.stall = true;
            person.stalled_until = world.now + random.between(100, 20_000) as u64;
        }
        6 => {
            // Too long, for both dialects; JSON gets an error that belongs to no request.
            let line = vec![b'x'; LINE_BYTES * 2];
            link.did.garbage = true;
            world.net.send(link.pipe, &line);
            world.net.send(link.pipe, b"\n");
        }
        7 => {
            link.did.garbage = true;
            let bytes: Vec<u8> = (0..random.between(1, 40)).map(|_| random.next() as u8 | 0x80).collect();
            world.net.send(link.pipe, &bytes);
            world.net.send(link.pipe, b"\n");
        }
        8 => {
            // The end of the line comes with the next one, which is spoilt by it.
            if link.dialect == Dialect::Text {
                link.did.half_line = true;
                world.net.send(link.pipe, b"/whois");
            }
        }
        _ => {
            if link.dialect == Dialect::Json {
                world.net.send(link.pipe, b"{\"cmd\":\"ping\"}\n\n");
            }
        }
    }
}

fn without_null(mut fields: Value) -> Value {
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    fields
}

fn password(account: &str) -> String {
    format!("password-of-{account}")
}

pub const ACCOUNTS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
pub const GUESTS: [&str; 5] = ["victor", "walter", "xenia", "yusuf", "zoe"];
pub const EVERYBODY: [&str; 10] =
    ["alice", "bob", "carol", "dave", "erin", "victor", "walter", "xenia", "yusuf", "zoe"];
pub const ROOMS: [&str; 4] = ["lobby", "kitchen", "garden", "attic"];
/// A client that waits to be read stops writing.
const UNREAD_BYTES_MAX: usize = 8 * 1024;
