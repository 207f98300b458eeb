//! Devices, a server, a clock, and what everybody has seen.

use std::collections::BTreeMap;

use crate::client::private::row::Rows;
use crate::client::private::tests::server::{ConnId, Server};
use crate::client::private::{Private, Saying};
use crate::client::scrollback::{Kind, Line, Seal};
use crate::client::session::event::{Event, Lost, Place, Ticket, Unsent};
use crate::client::session::{Login, Options, Session, Wish};
use crate::e2e::tests::random::Seeded;
use crate::proto::name::UserName;
use crate::proto::secret::Secret;
use crate::proto::time::{Instant, Now, Timestamp};

/// One device of somebody: what it has stored, and what runs.
pub struct Device {
    pub user: String,
    pub rows: Rows,
    pub session: Session,
    pub conn: Option<ConnId>,
    /// What was shown in conversations, in order.
    pub seen: Vec<String>,
    /// Outcomes of what was asked for.
    pub answers: BTreeMap<Ticket, Result<(), String>>,
    seed: u64,
    runs: u64,
}

pub struct World {
    pub server: Server,
    pub devices: Vec<Device>,
    pub now: Now,
    seed: u64,
}

pub fn name(text: &str) -> UserName {
    UserName::parse(text).expect("a name")
}

/// The texts of an iterator of lines that contain a word.
pub fn having<'a>(lines: &'a [String], word: &str) -> Vec<&'a str> {
    lines.iter().filter(|line| line.contains(word)).map(String::as_str).collect()
}

impl World {
    pub fn new(seed: u64) -> World {
        let wall = Timestamp(1_769_860_800_000);
        let server = Server { now: wall.0, ..Server::default() };
        World { server, devices: Vec::new(), now: Now { mono: Instant(1_000), wall }, seed }
    }

    /// A device of this user that has never been used, logged in.
    pub fn device(&mut self, user: &str) -> usize {
        let id = self.add(user, Login::Token { token: Secret::new("t"), password: None });
        self.run();
        id
    }

    /// A guest, without keys.
    pub fn guest(&mut self, user: &str) -> usize {
        let id = self.add(user, Login::Guest);
        self.run();
        id
    }

    fn add(&mut self, user: &str, login: Login) -> usize {
        let id = self.devices.len();
        let seed = self.seed * 1_000 + id as u64;
        let options = Options { user: user.to_owned(), login, rooms: Vec::new() };
        let session = Session::new(self.now, options, [7; 24]);
        let device = Device {
            user: user.to_owned(),
            rows: Rows::default(),
            session,
            conn: None,
            seen: Vec::new(),
            answers: BTreeMap::new(),
            seed,
            runs: 0,
        };
        self.devices.push(device);
        self.unlock(id);
        id
    }

    /// Starts from what was stored.
    fn unlock(&mut self, id: usize) {
        let device = &mut self.devices[id];
        device.runs += 1;
        let random = Box::new(Seeded::new(device.seed << 16 | device.runs));
        let private = if device.runs == 1 {
            Private::new(random)
        } else {
            Private::restore(&device.rows, random).expect("what was stored is whole")
        };
        device.session.unlock(self.now, private);
    }

    /// The program ends without a word, and starts again with what it has stored.
    pub fn crash(&mut self, id: usize) {
        self.cut(id);
        let (now, device) = (self.now, &mut self.devices[id]);
        let login = if device.session.is_guest() && device.session.name().is_some() {
            Login::Guest
        } else {
            Login::Token { token: Secret::new("t"), password: None }
        };
        let options = Options { user: device.user.clone(), login, rooms: Vec::new() };
        device.session = Session::new(now, options, [7; 24]);
        self.unlock(id);
    }

    /// The connection breaks; whatever is on its way in either direction is gone.
    pub fn cut(&mut self, id: usize) {
        let device = &mut self.devices[id];
        if let Some(conn) = device.conn.take() {
            self.server.conns.remove(&conn);
            device.session.disconnected(self.now, Lost::Closed);
        }
    }

    /// Stores what the last step has changed.
    pub fn store(&mut self, id: usize) {
        let device = &mut self.devices[id];
        let changes = device.session.take_changes();
        device.rows.apply(changes);
    }

    /// Takes the events there are.
    pub fn listen(&mut self, id: usize) {
        self.store(id);
        let device = &mut self.devices[id];
        while let Some(event) = device.session.poll_event() {
            match event {
                Event::Line { place, line, .. } => device.seen.push(shown(&place, &line)),
                Event::Answered { ticket, outcome } => {
                    let outcome = outcome.map(|_| ()).map_err(|failure| failure.to_string());
                    assert!(device.answers.insert(ticket, outcome).is_none(), "two answers to one request");
                }
                _ => {}
            }
        }
    }

    /// Sends one line, if there is one and a connection.
    pub fn send(&mut self, id: usize) -> bool {
        self.store(id);
        let device = &mut self.devices[id];
        let Some(conn) = device.conn else { return false };
        let Some(line) = device.session.poll_line() else { return false };
        self.server.handle(conn, &line);
        true
    }

    /// Takes everything that the server has for a device.
    pub fn receive(&mut self, id: usize) -> bool {
        let Some(conn) = self.devices[id].conn else { return false };
        let lines = self.server.lines(conn);
        for line in &lines {
            self.devices[id].session.handle_line(self.now, line.as_bytes());
        }
        !lines.is_empty()
    }

    /// Connects, if the session wishes to.
    pub fn connect(&mut self, id: usize) {
        let device = &mut self.devices[id];
        device.session.connect_now(self.now);
        if device.conn.is_none() && matches!(device.session.wish(), Wish::Connect(_)) {
            device.conn = Some(self.server.connect());
            device.session.connected(self.now);
        }
    }

    /// Time passes.
    pub fn wait(&mut self, ms: u64) {
        self.now.mono = Instant(self.now.mono.0 + ms);
        self.now.wall = Timestamp(self.now.wall.0 + ms);
        self.server.now = self.now.wall.0;
        for device in &mut self.devices {
            device.session.handle_timeout(self.now);
        }
    }

    /// Lets everything happen that happens by itself within two seconds or so.
    pub fn run(&mut self) {
        for id in 0..self.devices.len() {
            self.connect(id);
        }
        self.flow();
        for _ in 0..3 {
            self.wait(1_000);
            self.flow();
        }
    }

    /// The same for those that are connected, without time passing.
    pub fn flow(&mut self) {
        for _ in 0..10_000 {
            let mut busy = false;
            for id in 0..self.devices.len() {
                busy |= self.receive(id);
                while self.send(id) {
                    busy = true;
                }
                self.listen(id);
            }
            if !busy {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    pub fn say(&mut self, id: usize, to: &str, text: &str) -> Result<Ticket, Unsent> {
        self.devices[id].session.message(self.now, &name(to), text)
    }

    /// Says it and lets it arrive.
    #[track_caller]
    pub fn tell(&mut self, id: usize, to: &str, text: &str) {
        let ticket = self.say(id, to, text).expect("accepted");
        self.run();
        assert_eq!(self.devices[id].answers.get(&ticket), Some(&Ok(())), "{:?}", self.devices[id].seen);
    }

    pub fn say_to(&mut self, id: usize, to: &str, saying: Saying) -> Result<Ticket, Unsent> {
        self.devices[id].session.say_to(self.now, &name(to), saying)
    }

    pub fn private(&self, id: usize) -> &Private {
        self.devices[id].session.private().expect("unlocked")
    }

    pub fn seal(&self, id: usize, of: &str) -> Seal {
        self.devices[id].session.seal_of(&Place::Person(name(of)))
    }

    /// What was seen since the last time.
    pub fn news(&mut self, id: usize) -> Vec<String> {
        std::mem::take(&mut self.devices[id].seen)
    }

    /// The messages among it, without what the client has to say.
    pub fn messages(&mut self, id: usize) -> Vec<String> {
        self.news(id).into_iter().filter(|line| !line.contains("! ") && !line.contains("- ")).collect()
    }
}

/// `bob: <bob> text [encrypted]`, `bob! what went wrong`, `bob- what else there is`.
fn shown(place: &Place, line: &Line) -> String {
    match line.kind {
        Kind::Say => format!("{place}: <{}> {} [{}]", line.from, line.text, line.seal),
        Kind::Error => format!("{place}! {}", line.text),
        _ => format!("{place}- {}", line.text),
    }
}
