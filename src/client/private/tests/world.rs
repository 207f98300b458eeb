//! Devices, a server, a clock, and what everybody has seen.

use std::collections::{BTreeMap, VecDeque};

use crate::client::private::history::{Record, RecordKind};
use crate::client::private::row::{Rows, Table};
use crate::client::private::tests::server::{self, ConnId, Mail, Server};
use crate::client::private::{Private, Saying};
use crate::client::scrollback::{Kind, Line, Seal};
use crate::client::session::event::{Event, Lost, Place, Ticket, Unsent};
use crate::client::session::{Login, Options, Session, Wish};
use crate::client::wire::keys::OneTimePrekey;
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
    pub answers: BTreeMap<(u64, Ticket), Result<(), String>>,
    attempt: u64,
    seed: u64,
    pub runs: u64,
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
        let id = self.add_account(user);
        self.run();
        id
    }

    /// The same, not connected yet.
    pub fn add_account(&mut self, user: &str) -> usize {
        self.add(user, Login::Token { token: Secret::new("t"), password: None })
    }

    /// A second machine with a copy of a device's store.
    pub fn copy_home(&mut self, id: usize) -> usize {
        let user = self.devices[id].user.clone();
        let copy = self.add_account(&user);
        let rows = self.devices[id].rows.copy();
        self.crash_to(copy, rows);
        copy
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
            attempt: 0,
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

    /// The program ends, and starts again from a backup.
    pub fn crash_to(&mut self, id: usize, rows: Rows) {
        self.devices[id].rows = rows;
        self.crash(id);
    }

    /// The device's number at the server.
    pub fn number(&self, id: usize) -> u32 {
        self.private(id).device().unwrap_or(0)
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
                    assert!(
                        device.answers.insert((device.runs, ticket), outcome).is_none(),
                        "two answers to one request"
                    );
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
        let Wish::Connect(attempt) = device.session.wish() else { return };
        if device.conn.is_some() && device.attempt == attempt {
            return;
        }
        // The session has given up the one it had.
        if let Some(conn) = device.conn.replace(self.server.connect()) {
            self.server.conns.remove(&conn);
        }
        device.attempt = attempt;
        device.session.connected(self.now);
    }

    /// Time passes.
    pub fn wait(&mut self, ms: u64) {
        self.now.mono = Instant(self.now.mono.0 + ms);
        self.now.wall = Timestamp(self.now.wall.0 + ms);
        self.server.now = self.now.wall.0;
        for device in &mut self.devices {
            device.session.handle_timeout(self.now);
            if device.conn.is_some() && device.session.wish() != Wish::Connect(device.attempt) {
                device.conn.take().map(|conn| self.server.conns.remove(&conn));
            }
        }
    }

    /// The same for some of them; the others are not connected.
    pub fn run_only(&mut self, ids: &[usize]) {
        for id in 0..self.devices.len() {
            if ids.contains(&id) { self.connect(id) } else { self.cut(id) }
        }
        self.flow();
        for _ in 0..3 {
            self.wait(1_000);
            self.flow();
        }
    }

    /// The device as the server has it.
    pub fn server_device(&mut self, id: usize) -> &mut server::Device {
        let (number, uid) = (self.number(id), self.server.uid(&self.devices[id].user.clone()));
        self.server.accounts.get_mut(&uid).unwrap().devices.get_mut(&number).expect("enrolled")
    }

    /// What waits for a device.
    pub fn mail(&mut self, id: usize) -> &mut VecDeque<Mail> {
        &mut self.server_device(id).mailbox
    }

    /// The next one-time prekey that the server will give out.
    pub fn one_time(&mut self, id: usize) -> OneTimePrekey {
        *self.server_device(id).one_time.front().expect("some are left")
    }

    /// The server delivers what it likes.
    pub fn inject(&mut self, id: usize, from: &str, uid: u64, device: u32, body: &[u8]) {
        let ts = self.now.wall.0;
        let to = self.server_device(id);
        let seq = to.next_seq;
        to.next_seq += 1;
        let (from, body) = (from.to_owned(), body.to_vec());
        to.mailbox.push_back(Mail { seq, from, uid, device, ts, body });
    }

    /// The clocks on the walls are set back.
    pub fn back(&mut self, ms: u64) {
        self.now.wall = Timestamp(self.now.wall.0 - ms);
        self.server.now = self.now.wall.0;
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
        assert_eq!(self.outcome(id, ticket), Some(Ok(())), "{:?}", self.devices[id].seen);
    }

    /// What came of something asked for since the last start.
    pub fn outcome(&self, id: usize, ticket: Ticket) -> Option<Result<(), String>> {
        self.devices[id].answers.get(&(self.devices[id].runs, ticket)).cloned()
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

    /// The messages in a device's history, all conversations together, in order.
    pub fn history(&self, id: usize) -> Vec<String> {
        let mut entries: Vec<(&[u8], String)> = Vec::new();
        for (key, row) in self.devices[id].rows.of(Table::History) {
            let record = Record::decode(row).expect("an entry");
            if record.kind != RecordKind::Notice {
                entries.push((&key[8..], record.text.to_string()));
            }
        }
        entries.sort();
        entries.into_iter().map(|(_, text)| text).collect()
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
