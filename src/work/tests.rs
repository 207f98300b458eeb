//! The lanes as the reactor sees them, over a real store.

use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use tempfile::TempDir;

use super::*;
use crate::hub::job::files::{FileJob, FileReply, Part};
use crate::hub::job::{KeyScope, NewEntry, NewRoom, OperatorNews, PasswordHash, PasswordReply, StoreReply};
use crate::proto::id::{ConnId, FileId, Origin, RequestId, RoomId};
use crate::proto::name::{RoomName, UserName};
use crate::proto::piece::FilePiece;
use crate::proto::secret::Secret;
use crate::proto::time::Timestamp;
use crate::store::operator::Operator;
use crate::store::{Store, StoreOptions};

#[test]
fn every_job_gets_one_reply_and_the_store_answers_in_order() {
    let bench = Bench::new(SETTINGS);
    bench.lanes.submit(join());
    for n in 0..50 {
        bench.lanes.submit(say(n));
    }
    for n in 0..4 {
        bench.lanes.submit(verify(n));
    }
    let replies = bench.wait_for(55);
    let mut expected = 0;
    let mut passwords = Vec::new();
    for reply in &replies {
        match reply {
            Reply::Store(StoreReply::Joined { .. }) => assert_eq!(expected, 0),
            Reply::Store(StoreReply::Appended { origin, entry, .. }) => {
                assert_eq!(origin.re.0, expected);
                expected += 1;
                assert_eq!(entry.seq.0, expected as u64);
            }
            Reply::Password(PasswordReply::Verified { origin, matches: false }) => {
                passwords.push(origin.re.0)
            }
            other => panic!("{other:?}"),
        }
    }
    passwords.sort_unstable();
    assert_eq!((expected, passwords), (50, vec![0, 1, 2, 3]));
    assert!(bench.lanes.stop().is_empty());
}

#[test]
fn a_hash_made_by_the_lane_matches() {
    let bench = Bench::new(SETTINGS);
    let password = Secret::new("correct horse");
    bench.lanes.submit(Job::Password(PasswordJob::Hash { origin: origin(1), password, cost: COST }));
    let replies = bench.wait_for(1);
    let Reply::Password(PasswordReply::Hashed { origin: asked, hash }) = &replies[0] else { panic!() };
    assert_eq!(*asked, origin(1));
    assert!(password::verify(&Secret::new("correct horse"), Some(hash), COST));
}

#[test]
fn stopping_finishes_what_waits_for_the_store() {
    let bench = Bench::new(SETTINGS);
    bench.lanes.submit(join());
    for n in 0..100 {
        bench.lanes.submit(say(n));
        if n < 10 {
            bench.lanes.submit(verify(n));
        }
    }
    let stored = bench.lanes.stop().into_iter().filter(|reply| matches!(reply, Reply::Store(_)));
    assert_eq!(stored.count(), 101);
}

#[test]
fn pieces_of_a_file_are_written_in_order_however_many_threads_there_are() {
    let bench = Bench::new(LaneSettings { file_threads: 3, ..SETTINGS });
    let file = |number: u8| FileId([number; 16]);
    let piece = |text: &str| {
        let mut piece = FilePiece::new();
        piece.fill(text.as_bytes());
        piece
    };
    for place in 0..7 {
        for number in 0..8 {
            let part = Part { conn: origin(0).conn, put: place, file: file(number) };
            let (offset, piece) = (u64::from(place) * 3, piece(&format!("{number}{place};")));
            bench.lanes.submit(Job::Files(FileJob::Put { part, offset, piece }));
        }
    }
    for reply in bench.wait_for(56) {
        let Reply::Files(FileReply::Put { part, stored, outcome, .. }) = reply else { panic!("{reply:?}") };
        assert_eq!((stored, outcome), (u64::from(part.put) * 3 + 3, Ok(())));
    }
    bench.lanes.submit(Job::Files(FileJob::Finish { origin: origin(1), file: file(2), size: 21 }));
    let replies = bench.wait_for(1);
    assert!(matches!(&replies[0], Reply::Files(FileReply::Finished { outcome: Ok(()), .. })), "{replies:?}");
    let name = bench.dir.path().join(file(2).to_string());
    assert_eq!(std::fs::read_to_string(name).expect("it has its name"), "20;21;22;23;24;25;26;");
}

#[test]
fn stopping_writes_the_pieces_that_were_handed_in() {
    let bench = Bench::new(SETTINGS);
    for number in 0..60 {
        let part = Part { conn: origin(0).conn, put: 0, file: FileId([number; 16]) };
        let mut piece = FilePiece::new();
        piece.resize(1000);
        bench.lanes.submit(Job::Files(FileJob::Put { part, offset: 0, piece }));
    }
    let written = bench.lanes.stop().into_iter().filter(|reply| matches!(reply, Reply::Files(_)));
    assert_eq!(written.count(), 60);
}

#[test]
fn replies_are_handed_out_in_pieces_and_none_is_left_behind() {
    let bench = Bench::new(SETTINGS);
    bench.lanes.submit(join());
    (0..20).for_each(|n| bench.lanes.submit(say(n)));
    let mut replies = VecDeque::new();
    let mut out = VecDeque::new();
    while replies.len() < 21 {
        let more = bench.lanes.replies(&mut out, 2);
        assert!(out.len() <= 2 && (more || replies.len() + out.len() <= 21));
        if !more && replies.len() + out.len() < 21 {
            bench.wakes.recv_timeout(PATIENCE).expect("is woken for the rest");
        }
        replies.append(&mut out);
    }
    assert!(!bench.lanes.replies(&mut out, 2));
    assert_eq!(replies.len(), 21);
}

#[test]
#[should_panic(expected = "the hub holds a credit")]
fn a_job_too_many_is_a_bug() {
    let bench = Bench::new(LaneSettings { password_threads: 1, password_jobs_max: 1, ..SETTINGS });
    // One may be at work and one may wait; far more than are done meanwhile.
    for n in 0..10_000 {
        bench.lanes.submit(verify(n));
    }
}

#[test]
fn news_of_the_operator_arrives_unasked() {
    let bench = Bench::new(SETTINGS);
    let mut operator = Operator::open(bench.dir.path()).expect("opens");
    let user = UserName::parse("bob").expect("a good name");
    let account = operator.add_user(&user, &PasswordHash("x".into())).expect("adds");
    let replies = bench.wait_for(1);
    let expected = OperatorNews::Added { account, user };
    assert!(matches!(&replies[0], Reply::Operator(news) if *news == expected), "{replies:?}");
}

#[test]
fn news_arrives_under_load_too() {
    let bench = Bench::new(SETTINGS);
    bench.lanes.submit(join());
    let mut operator = Operator::open(bench.dir.path()).expect("opens");
    let user = UserName::parse("bob").expect("a good name");
    operator.add_user(&user, &PasswordHash("x".into())).expect("adds");
    let mut replies = VecDeque::new();
    let begun = std::time::Instant::now();
    for n in 0.. {
        assert!(begun.elapsed() < PATIENCE, "no news after {n} messages");
        bench.lanes.submit(say(n));
        bench.wakes.recv_timeout(PATIENCE).expect("is woken");
        while bench.lanes.replies(&mut replies, 100) {}
        if replies.drain(..).any(|reply| matches!(reply, Reply::Operator(_))) {
            break;
        }
    }
}

#[test]
#[should_panic(expected = "a worker thread panicked")]
fn the_panic_of_a_worker_is_passed_on() {
    let bench = Bench::new(SETTINGS);
    let password = Secret::new("x".repeat(73));
    bench.lanes.submit(Job::Password(PasswordJob::Hash { origin: origin(1), password, cost: COST }));
    bench.wakes.recv_timeout(PATIENCE).expect("is woken");
    bench.lanes.replies(&mut VecDeque::new(), 1);
}

struct Bench {
    lanes: Lanes,
    wakes: Receiver<()>,
    dir: TempDir,
}

impl Bench {
    fn new(settings: LaneSettings) -> Bench {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (store, _) = Store::open(dir.path(), StoreOptions::default()).expect("opens");
        let (woken, wakes) = unbounded();
        // The receiver may be gone when the lanes end.
        let lanes = Lanes::start(settings, store, dir.path(), move || {
            let _ = woken.send(());
        });
        Bench { lanes, wakes, dir }
    }

    fn wait_for(&self, count: usize) -> VecDeque<Reply> {
        let mut replies = VecDeque::new();
        while replies.len() < count {
            self.wakes.recv_timeout(PATIENCE).expect("is woken");
            while self.lanes.replies(&mut replies, 7) {}
        }
        assert_eq!(replies.len(), count);
        replies
    }
}

fn origin(re: i64) -> Origin {
    Origin { conn: ConnId { slot: 0, serial: 0 }, re: RequestId(re) }
}

fn join() -> Job {
    let name = RoomName::parse("lobby").expect("a good name");
    let create = Some(NewRoom { name, creator: None, at: Timestamp(0) });
    Job::Store(StoreJob::Join { origin: origin(0), room: RoomId(1), create, member: None, history: 0 })
}

fn say(n: i64) -> Job {
    let entry = NewEntry { at: Timestamp(0), from: "ann".into(), me: false, text: "hi".into() };
    let scope = KeyScope::Guest(origin(n).conn);
    Job::Store(StoreJob::Append { origin: origin(n), room: RoomId(1), scope, key: None, entry })
}

fn verify(n: i64) -> Job {
    let password = Secret::new("guess");
    Job::Password(PasswordJob::Verify { origin: origin(n), password, hash: None, cost: COST })
}

const SETTINGS: LaneSettings = LaneSettings {
    password_threads: 2,
    password_jobs_max: 16,
    store_jobs_max: 256,
    file_threads: 2,
    batch_max: 16,
};
/// The cheapest that bcrypt takes.
const COST: u32 = 4;
/// Only a broken test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
