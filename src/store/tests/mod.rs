//! The store as its lane sees it: jobs in, replies out, over a real file in a directory that goes.

mod accounts;
mod checkpoint;
mod durability;
mod files;
mod full;
mod history;
mod keys;
mod letters;
mod maintain;
mod operator;
mod rooms;
mod search;

use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::hub::job::{
    Change, FailedJob, KeptRoom, KeyScope, NewEntry, NewRoom, Page, PageRange, PasswordHash, SessionRecord,
    SessionTerms, StoreFailure,
};
use crate::proto::event::Entry;
use crate::proto::id::{AccountId, ConnId, Origin, RequestId, RoomId, Seq};
use crate::proto::name::{RoomName, UserName};
use crate::proto::time::Timestamp;

/// A store in a directory of its own.
struct Bench {
    store: Option<Store>,
    kept: Kept,
    dir: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (store, kept) = Store::open(dir.path(), StoreOptions::default()).expect("opens");
        Bench { store: Some(store), kept, dir }
    }

    /// Ends the store and opens it again, as after a restart.
    fn restart(&mut self) {
        self.store = None;
        let (store, kept) = Store::open(self.dir.path(), StoreOptions::default()).expect("opens again");
        (self.store, self.kept) = (Some(store), kept);
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("is open")
    }

    fn batch(&mut self, jobs: impl IntoIterator<Item = StoreJob>) -> Vec<StoreReply> {
        let mut jobs: Vec<StoreJob> = jobs.into_iter().collect();
        let mut replies = Vec::new();
        self.store().run_batch(&mut jobs, &mut replies);
        assert!(jobs.is_empty());
        replies
    }

    fn run(&mut self, job: StoreJob) -> StoreReply {
        self.batch([job]).pop().expect("one reply")
    }

    fn change(&mut self, change: Change) {
        match self.run(StoreJob::Change { origin: Some(ORIGIN), change: change.clone() }) {
            StoreReply::Changed { origin, change: done } => {
                assert_eq!((origin, done), (Some(ORIGIN), change))
            }
            other => panic!("{other:?}"),
        }
    }

    /// A room of an account, or of a guest.
    fn room(&mut self, id: u32, name: &str, creator: Option<AccountId>) -> RoomId {
        let reply = self.run(join(id, Some((name, creator)), creator, 0));
        assert!(matches!(reply, StoreReply::Joined { seq: Seq(0), .. }), "{reply:?}");
        RoomId(id)
    }

    fn account(&mut self, name: &str) -> AccountId {
        self.register(name, None).expect("registers").account
    }

    fn register(
        &mut self,
        name: &str,
        token_lives: Option<Duration>,
    ) -> Result<SessionRecord, crate::hub::job::RegisterRefusal> {
        let session = SessionTerms { now: NOW, token_lives };
        let (user, hash) = (user(name), hash(name));
        let reply = self.run(StoreJob::Register {
            origin: ORIGIN,
            user,
            hash,
            invite: None,
            invite_needed: false,
            session,
        });
        match reply {
            StoreReply::Registered { outcome, .. } => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// Says this many messages, each of them its number.
    fn fill(&mut self, room: RoomId, count: u64) {
        let jobs: Vec<StoreJob> = (0..count).map(|n| say(room, &format!("message {n}"), None)).collect();
        for reply in self.batch(jobs) {
            assert!(matches!(reply, StoreReply::Appended { .. }), "{reply:?}");
        }
    }

    fn page(&mut self, room: RoomId, range: PageRange, limit: u32) -> Page {
        match self.run(StoreJob::History { origin: ORIGIN, room, range, limit }) {
            StoreReply::History { page, .. } => page,
            other => panic!("{other:?}"),
        }
    }

    /// All positions that a room still has, by reading page after page.
    fn positions(&mut self, room: RoomId) -> Vec<u64> {
        let mut positions = Vec::new();
        loop {
            let after = Seq(positions.last().copied().unwrap_or(0));
            let page = self.page(room, PageRange::After(after), 500);
            if page.messages.is_empty() {
                return positions;
            }
            positions.extend(seqs(&page));
        }
    }

    fn search(&mut self, rooms: &[RoomId], query: &str, limit: u32) -> (Vec<(RoomId, Entry)>, bool) {
        let query = query.to_owned();
        match self.run(StoreJob::Search { origin: ORIGIN, rooms: rooms.to_vec(), query, limit }) {
            StoreReply::Search { messages, more, .. } => (messages, more),
            other => panic!("{other:?}"),
        }
    }

    fn kept_room(&self, room: RoomId) -> Option<&KeptRoom> {
        self.kept.rooms.iter().find(|kept| kept.id == room)
    }

    /// Does all upkeep there is.
    fn settle(&mut self) {
        while self.store().upkeep(Pace::Idle) {}
    }

    /// How many rows the query counts, through a connection of its own.
    fn count(&self, sql: &str) -> i64 {
        let conn = Connection::open(schema::path(self.dir.path())).expect("opens");
        conn.query_row(sql, [], |row| row.get(0)).expect("counts")
    }

    /// Checks the whole file, the search index against the messages too.
    fn check_whole(&self) {
        let conn = Connection::open(schema::path(self.dir.path())).expect("opens");
        let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
        assert_eq!(verdict, "ok");
        let rows = |sql: &str| -> i64 { conn.query_row(sql, [], |row| row.get(0)).expect("counts") };
        let indexed = rows(
            "SELECT COUNT(*) FROM messages JOIN rooms ON rooms.id = messages.id >> 36
             WHERE messages.id & ((1 << 36) - 1) <= indexed",
        );
        if indexed == rows("SELECT COUNT(*) FROM messages") {
            conn.execute("INSERT INTO found (found, rank) VALUES ('integrity-check', 1)", [])
                .expect("the index has exactly the messages");
        }
    }
}

/// The database takes no more than these pages beyond what is there; any number with `None`.
fn limit_pages(store: &Store, pages: Option<u32>) {
    let count: i64 = store.conn.pragma_query_value(None, "page_count", |row| row.get(0)).expect("counts");
    let max = pages.map_or(i64::from(u32::MAX) - 1, |pages| count + i64::from(pages));
    store.conn.query_row(&format!("PRAGMA max_page_count = {max}"), [], |_| Ok(())).expect("limits");
}

fn join(
    id: u32,
    new: Option<(&str, Option<AccountId>)>,
    member: Option<AccountId>,
    history: u32,
) -> StoreJob {
    let create = new.map(|(name, creator)| NewRoom { name: room_name(name), creator, at: NOW });
    StoreJob::Join { origin: ORIGIN, room: RoomId(id), create, member, history }
}

/// A message of a guest.
fn say(room: RoomId, text: &str, key: Option<&str>) -> StoreJob {
    say_as(room, KeyScope::Guest(GUEST), text, key, NOW)
}

fn say_as(room: RoomId, scope: KeyScope, text: &str, key: Option<&str>, at: Timestamp) -> StoreJob {
    let entry = NewEntry { at, from: "ann".into(), me: false, text: text.into() };
    StoreJob::Append { origin: ORIGIN, room, scope, key: key.map(Into::into), entry }
}

fn seqs(page: &Page) -> Vec<u64> {
    page.messages.iter().map(|entry| entry.seq.0).collect()
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a good name")
}

fn room_name(name: &str) -> RoomName {
    RoomName::parse(name).expect("a good name")
}

/// Not a hash at all; the store does not look.
fn hash(text: &str) -> PasswordHash {
    PasswordHash(format!("hash of {text}").into())
}

fn later(duration: Duration) -> Timestamp {
    Timestamp(NOW.0 + duration.as_millis() as u64)
}

const NOW: Timestamp = Timestamp(1_769_860_800_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MS: Duration = Duration::from_millis(1);
const GUEST: ConnId = ConnId { slot: 3, serial: 70 };
const ORIGIN: Origin = Origin { conn: GUEST, re: RequestId(9) };
