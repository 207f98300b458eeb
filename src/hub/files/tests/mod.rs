//! The hub with files, and lanes that do what a test tells them, when it tells them.

mod gets;
mod leaving;
mod puts;
mod room;

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

use super::*;
use crate::config::Config;
use crate::hub::Handled;
use crate::hub::job::files::{FileJob, FileReply, PutFailure, ReadFailure};
use crate::hub::job::{
    FailedJob, Kept, KeptAccount, Reply, SessionRecord, StoreFailure, StoreJob, StoreReply,
};
use crate::hub::session::Peer;
use crate::hub::settings::Files as Rules;
use crate::proto::command::{Command, Proof};
use crate::proto::event::{Answer, Event};
use crate::proto::id::{AccountId, RequestId};
use crate::proto::limits::PIECE_BYTES;
use crate::proto::name::UserName;
use crate::proto::secret::Secret;
use crate::proto::time::{Instant, Timestamp};
use crate::proto::transfer::{Asked, Told};

const PIECE: u64 = PIECE_BYTES as u64;
const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
/// When every test begins.
const START: u64 = 1_000_000;

struct Bench {
    hub: Hub,
    now: u64,
    serial: u32,
    store: VecDeque<StoreJob>,
    lane: VecDeque<FileJob>,
    /// How long each file on the disk is.
    disk: BTreeMap<FileId, u64>,
    /// What each connection was told since it was last looked at.
    told: BTreeMap<ConnId, Vec<String>>,
    /// Pieces on their way out, by connection.
    sending: VecDeque<(ConnId, FilePiece)>,
    paused: BTreeMap<ConnId, bool>,
    closed: Vec<ConnId>,
    last_file: u8,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Rules::default(), Vec::new())
    }

    fn with(rules: Rules, files: Vec<KeptFile>) -> Bench {
        let mut settings = Config::default().settings();
        settings.limits.commands_per_second = None;
        settings.files = rules;
        let account = |(index, name): (usize, &&str)| KeptAccount {
            id: AccountId(index as u32 + 1),
            user: UserName::parse(name).unwrap(),
            banned: false,
        };
        let accounts = NAMES.iter().enumerate().map(account).collect();
        let clock = Now { mono: Instant(START), wall: Timestamp(START) };
        let hub = Hub::new(settings, Kept { accounts, files, ..Kept::default() }, clock);
        Bench {
            hub,
            now: START,
            serial: 0,
            store: VecDeque::new(),
            lane: VecDeque::new(),
            disk: BTreeMap::new(),
            told: BTreeMap::new(),
            sending: VecDeque::new(),
            paused: BTreeMap::new(),
            closed: Vec::new(),
            last_file: 0,
        }
    }

    fn clock(&self) -> Now {
        Now { mono: Instant(self.now), wall: Timestamp(self.now) }
    }

    fn open(&mut self) -> ConnId {
        self.serial += 1;
        let conn = ConnId { slot: self.serial, serial: self.serial };
        let peer = Peer { address: Ipv4Addr::LOCALHOST.into(), loopback: true };
        self.hub.opened(self.clock(), conn, peer).unwrap();
        self.hub.identified(conn, true);
        conn
    }

    fn guest(&mut self, name: &str) -> ConnId {
        let conn = self.open();
        self.ask(conn, Command::Nick { user: name.into() });
        self.told(conn);
        conn
    }

    /// A connection of an account, for lines.
    fn login(&mut self, name: &str) -> ConnId {
        let conn = self.open();
        self.log_in(conn, name, false);
        self.told(conn);
        conn
    }

    /// A connection of an account that carries files.
    fn data(&mut self, name: &str) -> ConnId {
        let conn = self.open();
        self.log_in(conn, name, true);
        assert_eq!(self.told(conn), [format!("{name} carries files")]);
        assert!(self.hub.is_data(conn) && self.hub.is_named(conn));
        conn
    }

    fn log_in(&mut self, conn: ConnId, name: &str, data: bool) {
        let proof = Proof::Token(Secret::new("token"));
        self.ask(conn, Command::Login { user: name.to_owned().into(), proof, data });
        self.store_all();
    }

    fn ask(&mut self, conn: ConnId, command: Command<'_>) {
        assert!(!self.is_paused(conn), "nothing is taken from a connection that waits");
        let mut out = Vec::new();
        let handled = self.hub.handle(self.clock(), conn, RequestId(7), command, &mut out);
        assert_eq!(handled, Handled::Done);
        self.apply(out);
    }

    /// Makes room for a file of alice's, and gives its number.
    fn upload(&mut self, conn: ConnId, size: u64) -> FileId {
        self.upload_for(conn, size, 1)
    }

    fn upload_for(&mut self, conn: ConnId, size: u64, readers: u32) -> FileId {
        self.ask(conn, Command::Upload { size, readers });
        self.store_all();
        let file = FileId([self.last_file; 16]);
        assert_eq!(self.told(conn), [format!("room for {file}")]);
        file
    }

    /// A complete file, uploaded on these connections.
    fn complete(&mut self, conn: ConnId, data: ConnId, size: u64, readers: u32) -> FileId {
        let file = self.upload_for(conn, size, readers);
        let mut offset = 0;
        while offset < size {
            let bytes = PIECE.min(size - offset);
            self.put(data, 1, file, offset, bytes);
            self.lane_all();
            offset += bytes;
            assert_eq!(self.told(data), [format!("stored 1 {offset}")]);
        }
        self.about(conn, "finish", file);
        self.lane_all();
        self.store_all();
        assert_eq!(self.told(conn), [format!("complete {file}")]);
        file
    }

    fn about(&mut self, conn: ConnId, command: &str, file: FileId) {
        let file = file.to_string().into();
        self.ask(
            conn,
            match command {
                "decline" => Command::Decline { file },
                "delete" => Command::Delete { file },
                "finish" => Command::Finish { file },
                "status" => Command::UploadStatus { file },
                other => panic!("{other}"),
            },
        );
    }

    /// A PUT that comes whole; returns how many of its bytes were taken before it had to wait.
    fn put(&mut self, conn: ConnId, request: u32, file: FileId, offset: u64, bytes: u64) -> u64 {
        self.begin_put(conn, request, file, offset, bytes);
        self.bytes(conn, bytes, true)
    }

    fn begin_put(&mut self, conn: ConnId, request: u32, file: FileId, offset: u64, bytes: u64) {
        self.frame(conn, Asked::Put { request, file, offset, bytes: bytes as usize });
    }

    /// A PUT that is not decided yet: nothing of it is taken until it is.
    fn put_waits(&mut self, conn: ConnId, request: u32, file: FileId, offset: u64, bytes: u64) {
        self.begin_put(conn, request, file, offset, bytes);
        assert!(self.is_paused(conn), "those before it are not answered");
    }

    /// So many bytes of a PUT come.
    fn bytes(&mut self, conn: ConnId, bytes: u64, last: bool) -> u64 {
        let mut out = Vec::new();
        let taken = self.hub.put(self.clock(), conn, &vec![7; bytes as usize], last, &mut out) as u64;
        self.apply(out);
        assert_eq!(taken == 0, self.is_paused(conn), "who waits is paused, and nobody else");
        taken
    }

    fn get(&mut self, conn: ConnId, request: u32, file: FileId, offset: u64, length: u64) {
        self.frame(conn, Asked::Get { request, file, offset, length });
    }

    fn frame(&mut self, conn: ConnId, asked: Asked) {
        assert!(!self.is_paused(conn), "nothing is taken from a connection that waits");
        let mut out = Vec::new();
        self.hub.asked(self.clock(), conn, asked, &mut out);
        self.apply(out);
    }

    /// The connection took so many pieces.
    fn take(&mut self, conn: ConnId, pieces: usize) {
        for _ in 0..pieces {
            let place = self.sending.iter().position(|(of, _)| *of == conn).expect("a piece waits for it");
            let (_, piece) = self.sending.remove(place).expect("it has this place");
            let mut out = Vec::new();
            self.hub.piece_sent(conn, piece, &mut out);
            self.apply(out);
        }
    }

    fn gone(&mut self, conn: ConnId) {
        let mut out = Vec::new();
        self.hub.gone(conn, &mut out);
        self.apply(out);
        while self.sending.iter().any(|(of, _)| *of == conn) {
            self.take(conn, 1);
        }
    }

    fn tick(&mut self, ms: u64) {
        self.now += ms;
        let mut out = Vec::new();
        self.hub.tick(self.clock(), &mut out);
        self.apply(out);
    }

    fn operator(&mut self, news: crate::hub::job::OperatorNews) {
        self.reply(Reply::Operator(news));
    }

    fn apply(&mut self, out: Vec<Effect>) {
        for effect in out {
            match effect {
                Effect::Submit(Job::Store(job)) => self.store.push_back(job),
                Effect::Submit(Job::Files(job)) => self.lane.push_back(job),
                Effect::Tell(conn, event) => {
                    self.told.entry(conn).or_default().extend(shown(&event));
                }
                Effect::SendPiece { conn, request, offset, piece } => {
                    let bytes = piece.len();
                    self.told.entry(conn).or_default().push(format!("data {request} {offset}+{bytes}"));
                    self.sending.push_back((conn, piece));
                }
                Effect::Frames(conn) => {
                    self.told.entry(conn).or_default().last_mut().unwrap().push_str(" carries files");
                }
                Effect::Pause(conn) => drop(self.paused.insert(conn, true)),
                Effect::Resume(conn) => drop(self.paused.insert(conn, false)),
                Effect::Close(conn, _) => self.closed.push(conn),
                _ => {}
            }
        }
        self.hub.check();
        self.hub.check_pieces(self.sending.len());
    }

    fn is_paused(&self, conn: ConnId) -> bool {
        self.paused.get(&conn).copied().unwrap_or(false)
    }

    /// What a connection was told since the last look.
    fn told(&mut self, conn: ConnId) -> Vec<String> {
        self.told.remove(&conn).unwrap_or_default()
    }

    fn reply(&mut self, reply: Reply) {
        let mut out = Vec::new();
        self.hub.reply(self.clock(), reply, &mut out);
        self.apply(out);
    }

    fn store_all(&mut self) {
        while let Some(job) = self.store.pop_front() {
            let reply = self.stored(job);
            self.reply(Reply::Store(reply));
        }
    }

    fn stored(&mut self, job: StoreJob) -> StoreReply {
        match job {
            StoreJob::Session {
                origin, proof: crate::hub::job::SessionProof::Token { user, .. }, ..
            } => {
                let place = NAMES.iter().position(|name| *name == &**user.shown()).expect("one of us");
                let account = AccountId(place as u32 + 1);
                let record = SessionRecord { account, user, token: None, ..record() };
                StoreReply::Session { origin, outcome: Ok(record) }
            }
            StoreJob::Upload { origin, new } => {
                self.last_file += 1;
                StoreReply::Uploaded { origin, new, file: Some(FileId([self.last_file; 16])) }
            }
            StoreJob::Change { origin, change } => StoreReply::Changed { origin, change },
            _ => StoreReply::Done,
        }
    }

    /// The store cannot do its next job.
    fn store_fails(&mut self) {
        let job = match self.store.pop_front().expect("a job waits") {
            StoreJob::Change { origin, change } => FailedJob::Change { origin, change },
            StoreJob::Upload { origin, new } => FailedJob::Upload { origin, new },
            other => panic!("{other:?}"),
        };
        self.reply(Reply::Store(StoreReply::Failed { job, failure: StoreFailure::Full }));
    }

    fn lane_all(&mut self) {
        while !self.lane.is_empty() {
            self.lane_next();
        }
    }

    /// The lane does its next job.
    fn lane_next(&mut self) {
        let job = self.lane.pop_front().expect("a job waits");
        let reply = match job {
            FileJob::Finish { origin, file, size } => {
                assert_eq!(self.disk[&file], size, "all of it is there");
                FileReply::Finished { origin, file, outcome: Ok(()) }
            }
            FileJob::Put { part, offset, piece } => {
                let stored = self.disk.entry(part.file).or_default();
                let misplaced = *stored != offset;
                if !misplaced {
                    *stored += piece.len() as u64;
                }
                let outcome = if misplaced { Err(PutFailure::Misplaced) } else { Ok(()) };
                FileReply::Put { part, offset, piece, stored: *stored, outcome }
            }
            FileJob::Read { read, offset, piece } => {
                let there =
                    self.disk.get(&read.file).is_some_and(|&size| offset + piece.len() as u64 <= size);
                let outcome = if there { Ok(()) } else { Err(ReadFailure::Missing) };
                FileReply::Read { read, offset, piece, outcome }
            }
            FileJob::Remove { file } => {
                self.disk.remove(&file);
                FileReply::Removed { file, outcome: Ok(()) }
            }
        };
        self.reply(Reply::Files(reply));
    }

    /// The lane cannot do its next job: the disk is full.
    fn lane_fails(&mut self) {
        let failure = StoreFailure::Full;
        let reply = match self.lane.pop_front().expect("a job waits") {
            FileJob::Finish { origin, file, .. } => {
                FileReply::Finished { origin, file, outcome: Err(failure) }
            }
            FileJob::Put { part, offset, piece } => {
                let stored = self.disk.get(&part.file).copied().unwrap_or(0);
                FileReply::Put { part, offset, piece, stored, outcome: Err(PutFailure::Storage(failure)) }
            }
            FileJob::Read { read, offset, piece } => {
                FileReply::Read { read, offset, piece, outcome: Err(ReadFailure::Storage(failure)) }
            }
            FileJob::Remove { file } => FileReply::Removed { file, outcome: Err(failure) },
        };
        self.reply(Reply::Files(reply));
    }

    /// Everything that waits is done, and nothing is left of it.
    #[track_caller]
    fn settles(&mut self) {
        for _ in 0..100 {
            self.lane_all();
            self.store_all();
            while let Some(&(conn, _)) = self.sending.front() {
                self.take(conn, 1);
            }
        }
        assert!(self.hub.is_settled(), "something is under way for ever");
    }
}

fn record() -> SessionRecord {
    SessionRecord {
        account: AccountId(0),
        user: UserName::parse("nobody").unwrap(),
        token: None,
        token_id: None,
        rooms: Vec::new(),
        blocks: Vec::new(),
        letters_wait: false,
    }
}

/// What a client is told, in few words.
fn shown(event: &Event) -> Option<String> {
    Some(match event {
        Event::Transfer(Told::End { request }) => format!("end {request}"),
        Event::Transfer(Told::Failed { request, offset, refusal }) => {
            format!("error {request} {} {offset}", refusal.code)
        }
        Event::Transfer(Told::Pong { request }) => format!("pong {request}"),
        Event::Transfer(Told::Stored { request, stored, .. }) => format!("stored {request} {stored}"),
        Event::Answer(_, Answer::Refused(refusal)) => refusal.code.to_string(),
        Event::Answer(_, Answer::Declined { file }) => format!("declined {file}"),
        Event::Answer(_, Answer::Deleted { file }) => format!("deleted {file}"),
        Event::Answer(_, Answer::Finished { file }) => format!("complete {file}"),
        Event::Answer(_, Answer::Named { user, .. }) => user.to_string(),
        Event::Answer(_, Answer::UploadBegun { file, .. }) => format!("room for {file}"),
        Event::Answer(_, Answer::UploadStatus { size, stored, complete, .. }) => {
            format!("{stored} of {size}{}", if *complete { ", complete" } else { "" })
        }
        Event::Answer(_, Answer::Files(page)) => format!("{} files, {} bytes", page.files.len(), page.used),
        Event::Error(refusal) => format!("error {}", refusal.code),
        _ => return None,
    })
}
