//! Sessions and a model of the server, with connections cut at random points, over many seeds.
//!
//! The model is what the protocol promises, in a hundred lines: one log for each room, a store that
//! works in order and at its own pace, keys that make a repeated `say` harmless (an account's for ever,
//! a guest's while its connection lasts), memberships that outlive an account's connection. A cut
//! loses what was on its way, in both directions, after any number of lines; sometimes the server
//! notices late. At the end nothing is cut any more, and everybody must have seen the same.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::*;
use crate::client::session::event::{Event, Lost};
use crate::proto::event::Answer;
use crate::proto::time::Timestamp;

const SEEDS: u64 = 300;
const ROOMS: [&str; 2] = ["lobby", "tea"];
/// Texts that each of them says.
const TEXTS: u32 = 25;
const STEPS_MAX: u32 = 200_000;

#[test]
fn everybody_sees_the_same_whatever_is_cut() {
    for seed in 0..SEEDS {
        World::new(seed).run();
    }
}

struct World {
    seed: u64,
    random: u64,
    now: Now,
    server: Server,
    actors: Vec<Actor>,
}

struct Actor {
    session: Session,
    guest: bool,
    /// The connection it has, and the number of the last wish that was fulfilled.
    conn: Option<usize>,
    fulfilled: u64,
    said: BTreeMap<&'static str, Vec<String>>,
    left: u32,
    seen: BTreeMap<String, Vec<(u64, String, String)>>,
    open: BTreeSet<event::Ticket>,
    lost: bool,
}

#[derive(Default)]
struct Server {
    rooms: BTreeMap<String, Log>,
    conns: Vec<Conn>,
    store: VecDeque<Job>,
    memberships: BTreeMap<String, Vec<String>>,
}

#[derive(Default)]
struct Log {
    entries: Vec<(String, String)>,
    keys: BTreeMap<(String, String), usize>,
}

#[derive(Default)]
struct Conn {
    open: bool,
    user: Option<String>,
    rooms: BTreeSet<String>,
    to_server: VecDeque<String>,
    to_client: VecDeque<String>,
    /// A job of this connection must be done before its next request is read.
    waiting: u32,
}

struct Job {
    conn: usize,
    id: Value,
    what: What,
}

enum What {
    Enter { room: String, by_itself: bool },
    History { room: String, after: u64 },
    Say { room: String, text: String, scope: String, key: String },
}

impl World {
    fn new(seed: u64) -> World {
        let now = Now { mono: Instant(1_000), wall: Timestamp(1_769_860_800_000) };
        let actors = (0..4u8).map(|number| {
            let guest = number % 2 == 1;
            let login = if guest { Login::Guest } else { Login::Password(Secret::new("correct horse")) };
            let options = Options::new(&format!("user{number}"), login, &ROOMS).expect("good names");
            Actor {
                session: Session::new(now, options, [seed as u8 ^ number; 24]),
                guest,
                conn: None,
                fulfilled: 0,
                said: BTreeMap::new(),
                left: TEXTS,
                seen: BTreeMap::new(),
                open: BTreeSet::new(),
                lost: false,
            }
        });
        World { seed, random: seed, now, server: Server::default(), actors: actors.collect() }
    }

    fn random(&mut self, below: usize) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % below
    }

    fn run(mut self) {
        for step in 0.. {
            assert!(step < STEPS_MAX, "seed {}: it does not settle", self.seed);
            let calm = self.actors.iter().all(|actor| actor.left == 0);
            let number = self.random(self.actors.len());
            match self.random(if calm { 12 } else { 14 }) {
                0..3 => self.serve(),
                3..6 => self.hand_to_server(number),
                6..9 => self.hand_to_client(number),
                9 => self.server.forget_the_dead(),
                10 => self.pass_time(),
                11 if calm && self.is_settled() => break,
                11 => {}
                12 => self.say(number),
                _ if self.random(3) == 0 => self.cut(number),
                _ => {}
            }
            self.follow(number);
        }
        self.check();
    }

    /// One more text, in one of the rooms.
    fn say(&mut self, number: usize) {
        let room = ROOMS[self.random(ROOMS.len())];
        // Some texts repeat, which must not confuse anybody.
        let same = self.random(3) == 0;
        let (now, seed) = (self.now, self.seed);
        let actor = &mut self.actors[number];
        if actor.left == 0 {
            return;
        }
        let text = if same { "again".to_owned() } else { format!("text {}", actor.left) };
        let name = RoomName::parse(room).expect("a name");
        let ticket =
            actor.session.say(now, &name, &text, false).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert!(actor.open.insert(ticket));
        actor.said.entry(room).or_default().push(text);
        actor.left -= 1;
    }

    fn cut(&mut self, number: usize) {
        let Some(conn) = self.actors[number].conn.take() else { return };
        let arrive = self.random(self.server.conns[conn].to_server.len() + 1);
        self.server.conns[conn].to_server.truncate(arrive);
        self.server.conns[conn].to_client.clear();
        self.server.conns[conn].open = false;
        self.actors[number].session.disconnected(self.now, Lost::Closed);
    }

    /// Does what the session wishes, and looks at what it tells.
    fn follow(&mut self, number: usize) {
        let (now, seed) = (self.now, self.seed);
        let actor = &mut self.actors[number];
        match actor.session.wish() {
            Wish::Connect(wish) if actor.fulfilled != wish => {
                actor.fulfilled = wish;
                actor.conn = Some(self.server.conns.len());
                self.server.conns.push(Conn { open: true, ..Conn::default() });
                actor.session.connected(now);
            }
            // A guest's name is taken by its own old connection, or nothing was heard for long.
            Wish::Rest => {
                if let Some(conn) = actor.conn.take() {
                    self.server.conns[conn].open = false;
                }
            }
            Wish::Connect(_) => {}
        }
        if let Some(conn) = actor.conn {
            let lines = std::iter::from_fn(|| actor.session.poll_line());
            self.server.conns[conn].to_server.extend(lines.map(|line| line.to_string()));
        }
        while let Some(event) = actor.session.poll_event() {
            actor.take(event, seed);
        }
    }

    fn pass_time(&mut self) {
        let step = self.random(400) as u64;
        self.now.mono = Instant(self.now.mono.0 + step);
        for actor in &mut self.actors {
            actor.session.handle_timeout(self.now);
        }
    }

    fn hand_to_client(&mut self, number: usize) {
        let Some(conn) = self.actors[number].conn else { return };
        if let Some(line) = self.server.conns[conn].to_client.pop_front() {
            self.actors[number].session.handle_line(self.now, line.as_bytes());
        }
    }

    /// One line of this actor's connection, or of one that was cut.
    fn hand_to_server(&mut self, number: usize) {
        let dead = self.server.conns.iter().position(|conn| !conn.open && !conn.to_server.is_empty());
        let conn = match (self.actors[number].conn, dead) {
            (_, Some(dead)) if self.random(2) == 0 => dead,
            (Some(conn), _) => conn,
            _ => return,
        };
        if self.server.conns[conn].waiting > 0 {
            return;
        }
        if let Some(line) = self.server.conns[conn].to_server.pop_front() {
            let busy = self.random(40) == 0;
            self.server.take(conn, &line, busy);
        }
    }

    fn serve(&mut self) {
        if let Some(job) = self.server.store.pop_front() {
            self.server.done(job);
        }
    }

    fn is_settled(&self) -> bool {
        self.server.store.is_empty()
            && self.server.conns.iter().all(|conn| conn.to_client.is_empty() && conn.to_server.is_empty())
            && self.actors.iter().all(|actor| actor.session.is_settled())
    }

    fn check(&self) {
        let seed = self.seed;
        for actor in &self.actors {
            let name = actor.session.user();
            assert!(actor.open.is_empty(), "seed {seed}: {name} waits for {:?}", actor.open);
            assert!(!actor.lost, "seed {seed}: {name} was not told that it is back");
            for room in ROOMS {
                let log = &self.server.rooms[room].entries;
                let own: Vec<&String> =
                    log.iter().filter(|(from, _)| from == name).map(|(_, text)| text).collect();
                let said = actor.said.get(room).cloned().unwrap_or_default();
                assert_eq!(own, said.iter().collect::<Vec<_>>(), "seed {seed}: what {name} said in {room}");
                let seen = &actor.seen.get(room).cloned().unwrap_or_default();
                let first = seen.first().map_or(log.len(), |(seq, ..)| *seq as usize - 1);
                let expected: Vec<(u64, String, String)> = (first..log.len())
                    .map(|at| (at as u64 + 1, log[at].0.clone(), log[at].1.clone()))
                    .collect();
                assert_eq!(*seen, expected, "seed {seed}: what {name} saw in {room}");
            }
        }
    }
}

impl Actor {
    fn take(&mut self, event: Event, seed: u64) {
        match event {
            Event::Line { place: Place::Room(room), line, .. } if line.kind == Kind::Say => {
                let seen = self.seen.entry(room.shown().to_string()).or_default();
                seen.push((line.seq.0, line.from.into(), line.text.into()));
            }
            Event::Line { line, .. } => panic!("seed {seed}: {}", line.text),
            Event::Answered { ticket, outcome: Ok(Answer::Said { .. }) } => {
                assert!(self.open.remove(&ticket), "seed {seed}: answered twice");
            }
            Event::Lost(_) => assert!(!std::mem::replace(&mut self.lost, true), "seed {seed}: lost twice"),
            Event::Back { .. } => assert!(std::mem::take(&mut self.lost), "seed {seed}: back from nowhere"),
            // An interruption before the name was accepted for the first time has no way back.
            Event::LoggedIn(login) => {
                assert_eq!(login.guest, self.guest);
                if self.seen.is_empty() && self.session.interrupted.as_ref().is_some_and(|it| !it.was_online)
                {
                    self.lost = false;
                }
            }
            Event::RoomEntered(_) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
    }
}

impl Server {
    fn take(&mut self, at: usize, line: &str, busy: bool) {
        let request: Value = serde_json::from_str(line).expect("a session sends JSON");
        let id = request["id"].clone();
        let text = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
        let guest = !self.memberships.contains_key(&self.user(at));
        let mut push = |what| self.store.push_back(Job { conn: at, id: id.clone(), what });
        match text("cmd").as_str() {
            "hello" | "ping" => self.reply(at, &id, json!({})),
            "nick" | "login" => self.log_in(at, &id, &text("user"), text("cmd") == "login"),
            _ if busy => self.refuse(at, &id, "too-fast"),
            "join" => {
                push(What::Enter { room: text("room"), by_itself: false });
                self.conns[at].waiting += 1;
            }
            "history" => {
                let after = request["after"].as_u64().expect("only gaps are asked for");
                push(What::History { room: text("room"), after });
                self.conns[at].waiting += 1;
            }
            "say" if !self.conns[at].rooms.contains(&text("room")) => self.refuse(at, &id, "not-in-room"),
            "say" => {
                let scope = if guest { at.to_string() } else { self.user(at) };
                let (room, text, key) = (text("room"), text("text"), text("key"));
                self.store.push_back(Job { conn: at, id, what: What::Say { room, text, scope, key } });
            }
            other => panic!("{other}"),
        }
    }

    fn user(&self, at: usize) -> String {
        self.conns[at].user.clone().unwrap_or_default()
    }

    fn log_in(&mut self, at: usize, id: &Value, user: &str, account: bool) {
        if !account && self.conns.iter().any(|conn| conn.user.as_deref() == Some(user)) {
            return self.refuse(at, id, "name-taken");
        }
        self.conns[at].user = Some(user.to_owned());
        if !account {
            return self.reply(at, id, json!({"user": user}));
        }
        let rooms = self.memberships.entry(user.to_owned()).or_default().clone();
        self.reply(at, id, json!({"user": user, "token": "t", "rooms": rooms}));
        for room in rooms {
            self.conns[at].waiting += 1;
            let what = What::Enter { room, by_itself: true };
            self.store.push_back(Job { conn: at, id: Value::Null, what });
        }
    }

    fn done(&mut self, job: Job) {
        let Job { conn: at, id, what } = job;
        match what {
            What::Enter { room, by_itself } => {
                self.conns[at].waiting -= 1;
                self.conns[at].rooms.insert(room.clone());
                if let Some(rooms) =
                    self.memberships.get_mut(&self.conns[at].user.clone().unwrap_or_default())
                    && !rooms.contains(&room)
                {
                    rooms.push(room.clone());
                }
                let seq = self.rooms.entry(room.clone()).or_default().entries.len() as u64;
                let mut view = json!({"room": room, "members": [], "seq": seq});
                view["messages"] = self.page(&room, seq.saturating_sub(3), 3);
                if by_itself {
                    view["ev"] = "notice".into();
                    view["kind"] = "entered".into();
                    self.conns[at].to_client.push_back(view.to_string());
                } else {
                    self.reply(at, &id, view);
                }
            }
            What::History { room, after } => {
                self.conns[at].waiting -= 1;
                let page = json!({"messages": self.page(&room, after, 4)});
                self.reply(at, &id, page);
            }
            What::Say { room, text, scope, key } => {
                let from = self.user(at);
                let log = self.rooms.get_mut(&room).expect("it was entered");
                if let Some(seq) = log.keys.get(&(scope.clone(), key.clone())) {
                    let repeated = json!({"seq": seq, "ts": "2026-01-31T12:00:00.000Z"});
                    return self.reply(at, &id, repeated);
                }
                log.entries.push((from, text));
                let seq = log.entries.len();
                log.keys.insert((scope, key), seq);
                let event = self.page(&room, seq as u64 - 1, 1)[0].to_string();
                self.reply(at, &id, json!({"seq": seq, "ts": "2026-01-31T12:00:00.000Z"}));
                for (other, conn) in self.conns.iter_mut().enumerate() {
                    if other != at && conn.open && conn.rooms.contains(&room) {
                        conn.to_client.push_back(event.clone());
                    }
                }
            }
        }
    }

    fn page(&self, room: &str, after: u64, limit: usize) -> Value {
        let entries = self.rooms[room].entries.iter().enumerate().skip(after as usize).take(limit);
        entries
            .map(|(at, (from, text))| {
                json!({"ev": "message", "room": room, "from": from, "seq": at + 1, "text": text})
            })
            .collect()
    }

    fn reply(&mut self, at: usize, id: &Value, ok: Value) {
        self.send(at, json!({"re": id, "ok": ok}));
    }

    fn refuse(&mut self, at: usize, id: &Value, code: &str) {
        self.send(at, json!({"re": id, "err": {"code": code, "text": ""}}));
    }

    fn send(&mut self, at: usize, line: Value) {
        if self.conns[at].open {
            self.conns[at].to_client.push_back(line.to_string());
        }
    }

    /// Notices that connections are gone, once what had arrived from them was read and done.
    fn forget_the_dead(&mut self) {
        let busy: BTreeSet<usize> = self.store.iter().map(|job| job.conn).collect();
        for (at, conn) in self.conns.iter_mut().enumerate() {
            if !conn.open && conn.to_server.is_empty() && !busy.contains(&at) {
                conn.user = None;
                conn.rooms.clear();
                conn.to_client.clear();
            }
        }
    }
}
