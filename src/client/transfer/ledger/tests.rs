//! A ledger with a driver that does nothing by itself: what it wants done is a transcript.

use super::*;
use crate::client::private::row::Table;
use crate::client::transfer::ledger::receiving::{Offer, Unfit};
use crate::client::transfer::ledger::sending::{Unwilling, Wish};
use crate::client::transfer::part::Part;
use crate::client::transfer::place::{Inode, Stamp};
use crate::client::transfer::transfers::Focus;
use crate::client::transfer::unpack::Wrong;
use crate::e2e::file::FileKey;

/// Keys that count up.
struct Counting(u8);

impl Fresh for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        bytes.fill(self.0);
    }
}

/// A ledger, its rows as a vault has them, and a clock.
struct Desk {
    ledger: Ledger,
    rows: Rows,
    fresh: Counting,
    now: Instant,
}

impl Desk {
    fn new() -> Desk {
        let mut fresh = Counting(0);
        let ledger = Ledger::load(&Rows::default(), Focus::All, &mut fresh);
        let mut desk = Desk { ledger, rows: Rows::default(), fresh, now: Instant(1_000) };
        desk.ledger.connected(desk.now, true);
        desk
    }

    /// Another session on the rows that were kept.
    fn restart(&mut self) {
        self.ledger = Ledger::load(&self.rows, Focus::All, &mut self.fresh);
        self.ledger.connected(self.now, true);
    }

    /// What it wants, a line each. What is to be kept is kept.
    fn wants(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(want) = self.ledger.poll() {
            lines.push(match want {
                Want::Ask { number, question } if number >= Number::OWED_FIRST => {
                    format!("ask for what is owed {question:?}")
                }
                Want::Ask { number, question } => format!("ask {} {question:?}", number.0),
                Want::CallOff { number } => format!("call off {}", number.0),
                Want::Keep(change) => {
                    self.rows.apply(vec![change]);
                    "keep".to_owned()
                }
                Want::News(news) => format!("news {news}"),
                Want::Note { number, reader, note } => {
                    format!("note {} {} {:?} key {}", number.0, reader.shown(), note, note.key.reveal()[0])
                }
                Want::Remove(Half { draft, part }) => {
                    let paths = draft.into_iter().chain(part.map(|part| part.path));
                    let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
                    format!("remove {}", paths.join(" or "))
                }
                Want::Start { number, job: Job::Download(job) } => format!("start {} {job:?}", number.0),
                Want::Start { number, job: Job::Upload(job) } => format!("start {} {job:?}", number.0),
                Want::Tell { number, order } => format!("tell {} {order:?}", number.0),
            });
        }
        lines.dedup();
        lines
    }

    #[track_caller]
    fn expect(&mut self, expected: &[&str]) {
        assert_eq!(self.wants(), expected);
    }

    fn answer(&mut self, number: u64, answer: Result<Reply, Unanswered>) {
        self.ledger.answered(self.now, Number(number), answer, &mut self.fresh);
    }

    fn report(&mut self, number: u64, report: Report) {
        self.ledger.report(self.now, Number(number), report, &mut self.fresh);
    }

    fn send(&mut self, wish: Wish) -> Result<Number, Unwilling> {
        if let Some(number) = self.ledger.find(&wish) {
            return Ok(number);
        }
        let number = self.ledger.reserve();
        self.ledger.send(self.now, number, wish, &mut self.fresh).map(|()| number)
    }

    /// A file on its way to bob, with its worker at work.
    fn moving(&mut self, name: &str) -> u64 {
        let Number(number) = self.send(wish(name, 100, &["bob"])).expect("taken");
        self.answer(number, Ok(Reply::Begun(Blob([9; 16]))));
        self.report(number, Report::Began { done: 0 });
        self.wants();
        number
    }

    fn later(&mut self, ms: u64) {
        self.now = Instant(self.now.0 + ms);
        self.ledger.advance(self.now);
    }
}

fn wish(name: &str, size: u64, readers: &[&str]) -> Wish {
    Wish {
        path: name.into(),
        stamp: stamp(size),
        name: name.to_owned(),
        room: None,
        readers: readers.iter().map(|name| user(name)).collect(),
    }
}

fn stamp(size: u64) -> Stamp {
    Stamp { size, modified: 5, id: Inode { device: 1, inode: 1 } }
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a name")
}

fn note(blob: u8, size: u64) -> FileNote {
    FileNote {
        blob: [blob; 16],
        key: FileKey::from_bytes(&[1; 32]),
        size,
        sha256: [0xab; 32],
        name: "../a\nb.txt".into(),
        mime: String::new(),
    }
}

fn part() -> Part {
    Part { path: "dir/a_b.txt.part".into(), id: Inode { device: 1, inode: 2 } }
}

/// What is owed first.
const OWED: u64 = Number::OWED_FIRST.0 + 1;
const DECLINE: &str = "ask for what is owed Decline(Blob([7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]))";

const SHA: &str = "abababababababababababababababababababababababababababababababab";

#[test]
fn a_file_goes_out() {
    let mut desk = Desk::new();
    desk.send(wish("plan.pdf", 100, &["bob"])).expect("taken");
    desk.expect(&["keep", "ask 1 Upload { size: 188, readers: 1 }"]);
    desk.answer(1, Ok(Reply::Begun(Blob([9; 16]))));
    desk.expect(&["keep", "start 1 Upload(100 bytes, 0 of the blob stored)"]);
    desk.report(1, Report::Began { done: 0 });
    desk.report(1, Report::Tags { first: 0, tags: vec![[1; 16]] });
    desk.expect(&["keep", "tell 1 Kept(1)"]);
    desk.later(2_000);
    desk.report(1, Report::Progress { done: 50 });
    assert_eq!(desk.ledger.entry(Number(1)).and_then(Entry::meter).map(Meter::percent), Some(50));
    desk.report(1, Report::Sent { sha256: [0xab; 32] });
    desk.expect(&["ask 1 Finish(Blob([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]))"]);
    desk.answer(1, Ok(Reply::Done));
    desk.expect(&["keep", "note 1 bob FileNote(100 bytes) key 1"]);
    desk.ledger.noted(desk.now, Number(1), &user("bob"), Ok(()));
    let sent = format!("news sent plan.pdf to bob: 100 bytes in 2.0 s, 50 bytes/s, sealed sha256 {SHA}");
    desk.expect(&["keep", &sent]);
    assert_eq!(desk.rows.of(Table::Transfers).count(), 0);
    assert!(!desk.ledger.is_busy());
}

#[test]
fn a_file_comes_in_only_when_it_was_accepted() {
    let mut desk = Desk::new();
    assert_eq!(desk.ledger.offered(&user("bob"), true, note(7, 100)), Offer::New(Number(1)));
    desk.expect(&["keep", "news bob (verified) offers a_b.txt, 100 bytes: /accept 1 or /decline 1"]);
    assert_eq!(desk.ledger.offered(&user("bob"), true, note(7, 100)), Offer::Known(Number(1)));
    desk.later(100_000);
    desk.restart();
    desk.expect(&[]);
    desk.ledger.accept(desk.now, Number(1), "dir".into()).expect("an offer");
    desk.expect(&["keep", "start 1 Download(100 bytes, begun: false, whole: false)"]);
    desk.report(1, Report::Making("dir/.sotto-5".into()));
    desk.expect(&["keep", "tell 1 Make"]);
    desk.report(1, Report::Part(part()));
    desk.report(1, Report::Began { done: 0 });
    desk.expect(&["keep", "tell 1 Write"]);
    desk.report(1, Report::Verified);
    desk.expect(&["keep", "tell 1 Settle"]);
    desk.report(1, Report::Placed(Some("dir/a_b.txt".into())));
    let took = "100 bytes in 0.0 s, 0 bytes/s";
    desk.expect(&["keep", &format!("news received dir/a_b.txt from bob: {took}, sealed sha256 {SHA}")]);
    assert_eq!(desk.rows.of(Table::Transfers).count(), 0);
    assert_eq!(desk.ledger.accept(desk.now, Number(1), "dir".into()), Err(Unfit::Unknown));
}

#[test]
fn another_session_goes_on_where_this_one_was() {
    let mut desk = Desk::new();
    let number = desk.moving("plan.pdf");
    desk.report(number, Report::Tags { first: 0, tags: vec![[1; 16]; 2] });
    desk.wants();
    desk.restart();
    desk.expect(&["ask 1 Status(Blob([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]))"]);
    assert_eq!(desk.ledger.entry(Number(1)).expect("there").tags.len(), 2);
    assert_eq!(desk.send(wish("plan.pdf", 100, &["bob"])), Ok(Number(1)), "the same file again");
    desk.expect(&[]);
    desk.answer(1, Ok(Reply::Stored { stored: 44, complete: false }));
    desk.expect(&["start 1 Upload(100 bytes, 44 of the blob stored)"]);
    desk.report(1, Report::Sent { sha256: [0xab; 32] });
    desk.wants();
    desk.answer(1, Ok(Reply::Done));
    desk.wants();
    desk.restart();
    desk.expect(&["note 1 bob FileNote(100 bytes) key 1"]);

    desk.ledger.offered(&user("bob"), false, note(7, 100));
    desk.ledger.accept(desk.now, Number(2), "dir".into()).expect("an offer");
    desk.report(2, Report::Part(part()));
    desk.wants();
    desk.restart();
    let wants = desk.wants();
    assert!(wants.contains(&"start 2 Download(100 bytes, begun: true, whole: false)".into()), "{wants:?}");
    desk.report(2, Report::Verified);
    desk.wants();
    desk.restart();
    let wants = desk.wants();
    assert!(wants.contains(&"start 2 Download(100 bytes, begun: true, whole: true)".into()), "{wants:?}");
}

#[test]
fn a_file_that_changes_gets_a_new_key_and_a_new_blob() {
    let mut desk = Desk::new();
    let number = desk.moving("plan.pdf");
    desk.report(number, Report::Tags { first: 0, tags: vec![[1; 16]] });
    desk.wants();
    desk.report(number, Report::Stopped(Trouble::Changed(Some(stamp(200)))));
    desk.expect(&[
        "keep",
        "news plan.pdf to bob: it changed, and is sent anew",
        "ask for what is owed Delete(Blob([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]))",
        "ask 1 Upload { size: 316, readers: 1 }",
    ]);
    // That the old one is gone is no answer to the question about the new one.
    desk.answer(OWED, Ok(Reply::Done));
    desk.expect(&["keep"]);
    assert_eq!(desk.rows.of(Table::Transfers).count(), 1, "no tag of the old key is left");
    desk.answer(1, Ok(Reply::Begun(Blob([8; 16]))));
    desk.expect(&["keep", "start 1 Upload(200 bytes, 0 of the blob stored)"]);
    desk.report(1, Report::Sent { sha256: [0xab; 32] });
    desk.answer(1, Ok(Reply::Done));
    let wants = desk.wants();
    assert!(wants.contains(&"note 1 bob FileNote(200 bytes) key 3".into()), "{wants:?}");

    // Another session, which is asked for it again.
    desk.send(wish("log.txt", 100, &["bob"])).expect("taken");
    desk.wants();
    desk.restart();
    desk.ledger.connected(desk.now, false);
    desk.answer(2, Err(Unanswered::Passing("the connection was lost".into())));
    assert_eq!(desk.send(wish("log.txt", 300, &["bob"])), Ok(Number(2)), "the one that rests");
    assert_eq!(desk.send(wish("log.txt", 100, &["carol"])), Ok(Number(3)), "to somebody else");

    let mut desk = Desk::new();
    let number = desk.moving("log.txt");
    assert_eq!(desk.send(wish("log.txt", 200, &["bob"])), Ok(Number(2)), "that one is on its way");
    desk.wants();
    for _ in 0..RESTARTS_MAX {
        desk.report(number, Report::Stopped(Trouble::Changed(Some(stamp(200)))));
        desk.answer(number, Ok(Reply::Begun(Blob([8; 16]))));
    }
    desk.wants();
    desk.report(number, Report::Stopped(Trouble::Changed(Some(stamp(200)))));
    let wants = desk.wants();
    assert!(
        wants.contains(&"news log.txt to bob: it changes faster than it can be sent".into()),
        "{wants:?}"
    );
}

#[test]
fn tags_with_a_gap_are_no_ground_to_go_on_from() {
    let mut desk = Desk::new();
    let number = desk.moving("plan.pdf");
    desk.report(number, Report::Tags { first: 0, tags: vec![[1; 16]] });
    desk.report(number, Report::Tags { first: 1, tags: vec![[1; 16]] });
    desk.wants();
    desk.rows.apply(vec![record::removal(Number(1), &[0]).swap_remove(0)]);
    desk.restart();
    let wants = desk.wants();
    assert!(wants.contains(&"ask 1 Upload { size: 188, readers: 1 }".into()), "{wants:?}");
    let Record::Sending(sending) = desk.ledger.entry(Number(1)).expect("there").record() else { panic!() };
    assert_ne!(sending.key.reveal(), &[1; 32]);
}

#[test]
fn a_blob_that_is_gone_is_sent_again() {
    let mut desk = Desk::new();
    let number = desk.moving("plan.pdf");
    desk.report(number, Report::Stopped(Trouble::Gone));
    let wants = desk.wants();
    assert_eq!(wants.last().unwrap(), "ask 1 Upload { size: 188, readers: 1 }", "{wants:?}");
}

#[test]
fn what_is_wrong_is_named_and_leaves_nothing() {
    let mut desk = Desk::new();
    desk.ledger.offered(&user("bob"), false, note(7, 100));
    desk.ledger.accept(desk.now, Number(1), "dir".into()).expect("an offer");
    desk.report(1, Report::Part(part()));
    desk.wants();
    desk.report(1, Report::Stopped(Trouble::Wrong(Wrong::Chunk(3))));
    desk.expect(&[
        "call off 1",
        "remove dir/a_b.txt.part",
        "keep",
        "news a_b.txt from bob: refused, chunk 3 does not verify: it was altered or exchanged; nothing of it was kept",
    ]);
    assert_eq!(desk.rows.of(Table::Transfers).count(), 0);
}

#[test]
fn interruptions_rest_longer_and_are_told_once() {
    let mut desk = Desk::new();
    let number = desk.moving("plan.pdf");
    let mut rests = Vec::new();
    let mut told = 0;
    for _ in 0..12 {
        desk.report(number, Report::Stopped(Trouble::Interrupted("no route to host".into())));
        told += desk.wants().iter().filter(|want| want.contains("will go on (no route to host)")).count();
        let until = desk.ledger.next_deadline().expect("it is tried again");
        rests.push(until.since_ms(desk.now));
        desk.later(until.since_ms(desk.now) - 1);
        desk.expect(&[]);
        desk.later(1);
        assert_eq!(desk.wants().len(), 1);
        desk.answer(number, Ok(Reply::Stored { stored: 0, complete: false }));
        desk.wants();
    }
    assert_eq!((rests[0], rests[1], *rests.last().unwrap(), told), (250, 500, 30_000, 1));
    desk.report(number, Report::Progress { done: 1 });
    desk.report(number, Report::Stopped(Trouble::Interrupted("x".into())));
    assert_eq!(desk.ledger.next_deadline().map(|until| until.since_ms(desk.now)), Some(250));
}

#[test]
fn the_server_may_refuse_or_be_away() {
    let mut desk = Desk::new();
    desk.send(wish("huge.iso", 1 << 40, &["bob"])).expect("taken");
    desk.wants();
    desk.answer(1, Err(Unanswered::Refused("file-too-large: at most 8 GiB".into())));
    desk.expect(&["keep", "news huge.iso to bob: file-too-large: at most 8 GiB"]);

    desk.ledger.connected(desk.now, false);
    desk.send(wish("plan.pdf", 100, &["bob"])).expect("taken");
    desk.expect(&["keep"]);
    assert_eq!(desk.ledger.next_deadline(), None, "nothing is tried while the line is down");
    desk.ledger.connected(desk.now, true);
    desk.expect(&["ask 2 Upload { size: 188, readers: 1 }"]);
    desk.answer(2, Err(Unanswered::Passing("connection lost".into())));
    desk.later(250);
    desk.expect(&["ask 2 Upload { size: 188, readers: 1 }"]);
    desk.answer(2, Ok(Reply::Begun(Blob([3; 16]))));
    desk.report(2, Report::Sent { sha256: [0xab; 32] });
    desk.wants();
    desk.answer(2, Err(Unanswered::Incomplete));
    desk.later(500);
    assert_eq!(
        desk.wants().last().unwrap(),
        "ask 2 Status(Blob([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]))"
    );
}

#[test]
fn a_room_gets_one_upload_and_a_message_each() {
    let mut desk = Desk::new();
    let room = crate::proto::name::RoomName::parse("kitchen").ok();
    desk.send(Wish { room, ..wish("menu.txt", 100, &["bob", "carol"]) }).expect("taken");
    assert_eq!(desk.wants()[1], "ask 1 Upload { size: 188, readers: 2 }");
    desk.answer(1, Ok(Reply::Begun(Blob([9; 16]))));
    desk.report(1, Report::Sent { sha256: [0xab; 32] });
    desk.answer(1, Ok(Reply::Done));
    let wants = desk.wants();
    assert_eq!(wants.iter().filter(|want| want.starts_with("note 1 ")).count(), 2, "{wants:?}");
    desk.ledger.noted(desk.now, Number(1), &user("bob"), Ok(()));
    desk.expect(&["keep"]);
    desk.restart();
    desk.expect(&["note 1 carol FileNote(100 bytes) key 1"]);
    desk.ledger.noted(desk.now, Number(1), &user("carol"), Err("blocked".into()));
    let wants = desk.wants();
    // Bob was told in the session before: he still needs the blob.
    assert_eq!(wants.last().unwrap(), "news menu.txt to #kitchen (1 person): blocked", "{wants:?}");
}

#[test]
fn one_of_several_who_cannot_be_told_is_named() {
    let mut desk = Desk::new();
    let number = desk.send(wish("menu.txt", 100, &["bob", "carol"])).expect("taken").0;
    desk.answer(number, Ok(Reply::Begun(Blob([9; 16]))));
    desk.report(number, Report::Sent { sha256: [0xab; 32] });
    desk.answer(number, Ok(Reply::Done));
    desk.wants();
    desk.ledger.noted(desk.now, Number(1), &user("bob"), Err("blocked".into()));
    desk.expect(&["news menu.txt does not reach bob: blocked", "keep"]);
    desk.ledger.noted(desk.now, Number(1), &user("carol"), Ok(()));
    let wants = desk.wants();
    assert!(wants.last().unwrap().starts_with("news sent menu.txt to bob, carol: 100 bytes"), "{wants:?}");
}

#[test]
fn a_few_are_at_work_and_a_small_one_finds_its_way() {
    let mut desk = Desk::new();
    for number in 1..=8 {
        desk.send(wish(&format!("{number}.iso"), LARGE_BYTES + 1, &["bob"])).expect("taken");
    }
    let asked = |wants: Vec<String>| wants.iter().filter(|want| want.starts_with("ask")).count();
    assert_eq!(asked(desk.wants()), LARGE_ACTIVE_MAX);
    desk.send(wish("small.txt", LARGE_BYTES, &["bob"])).expect("taken");
    desk.send(wish("other.txt", 1, &["bob"])).expect("taken");
    assert_eq!(desk.wants().iter().filter(|want| want.starts_with("ask 9 ")).count(), 1);
    desk.answer(2, Err(Unanswered::Refused("no".into())));
    let wants = desk.wants();
    assert_eq!(wants.last().unwrap(), "ask 4 Upload { size: 69222956, readers: 1 }", "{wants:?}");
    for number in [1, 3, 4, 5, 6, 7, 8, 9, 10] {
        desk.answer(number, Err(Unanswered::Refused("no".into())));
    }
    desk.wants();
    assert_eq!(desk.ledger.entries().count(), 0, "every one had its turn");
}

#[test]
fn cancelling_leaves_nothing_behind() {
    let mut desk = Desk::new();
    let number = desk.moving("plan.pdf");
    desk.report(number, Report::Tags { first: 0, tags: vec![[1; 16]] });
    desk.wants();
    desk.ledger.cancel(desk.now, Number(number)).expect("there");
    desk.expect(&[
        "call off 1",
        "keep",
        "news plan.pdf to bob: cancelled",
        "ask for what is owed Delete(Blob([9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]))",
    ]);
    desk.answer(OWED, Ok(Reply::Done));
    desk.expect(&["keep"]);
    assert_eq!(desk.rows.of(Table::Transfers).count(), 0);

    desk.send(wish("b.pdf", 100, &["bob"])).expect("taken");
    desk.wants();
    desk.ledger.cancel(desk.now, Number(2)).expect("there");
    desk.wants();
    desk.answer(2, Ok(Reply::Begun(Blob([3; 16]))));
    let delete = "ask for what is owed Delete(Blob([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]))";
    desk.expect(&["keep", delete]);
    desk.answer(OWED, Err(Unanswered::Gone));
    desk.expect(&["keep"]);

    desk.ledger.offered(&user("bob"), false, note(7, 100));
    desk.ledger.accept(desk.now, Number(3), "dir".into()).expect("an offer");
    desk.report(3, Report::Part(part()));
    desk.wants();
    desk.ledger.cancel(desk.now, Number(3)).expect("there");
    desk.expect(&["call off 3", "remove dir/a_b.txt.part", "keep", "news a_b.txt from bob: cancelled"]);
    assert_eq!(desk.ledger.newest_offer(), Some(Number(3)), "it is an offer again");
    // What was just made goes as well, with or without its name, in this session or the next.
    for named in [false, true] {
        desk.ledger.accept(desk.now, Number(3), "dir".into()).expect("an offer");
        desk.report(3, Report::Making("dir/.sotto-5".into()));
        if named {
            desk.report(3, Report::Part(part()));
        }
        desk.wants();
        desk.restart();
        desk.wants();
        desk.ledger.cancel(desk.now, Number(3)).expect("there");
        let half = if named { "dir/.sotto-5 or dir/a_b.txt.part" } else { "dir/.sotto-5" };
        let remove = format!("remove {half}");
        desk.expect(&["call off 3", &remove, "keep", "news a_b.txt from bob: cancelled"]);
    }
    desk.ledger.decline(Number(3)).expect("an offer");
    desk.expect(&["keep", "news a_b.txt from bob: declined", DECLINE]);
    desk.answer(OWED, Ok(Reply::Done));
    desk.expect(&["keep"]);
    assert_eq!(desk.rows.of(Table::Transfers).count(), 0);
    assert_eq!(desk.ledger.cancel(desk.now, Number(3)), Err(Unfit::Unknown));
}

#[test]
fn the_server_is_told_what_is_not_needed_until_it_has_answered() {
    let mut desk = Desk::new();
    desk.ledger.settles(true);
    desk.ledger.offered(&user("bob"), false, note(7, 100));
    desk.ledger.accept(desk.now, Number(1), "dir".into()).expect("an offer");
    desk.report(1, Report::Part(part()));
    desk.report(1, Report::Verified);
    desk.wants();
    desk.ledger.connected(desk.now, false);
    desk.report(1, Report::Placed(Some("dir/a_b.txt".into())));
    let wants = desk.wants();
    assert!(wants.last().is_some_and(|last| last.starts_with("news received")), "no line: {wants:?}");
    assert!(!desk.ledger.is_busy() && desk.ledger.entries().next().is_none(), "nobody sees it");
    assert_eq!(desk.ledger.debts.blobs(), [Blob([7; 16])]);
    // Another session, whose line is lost before the answer.
    desk.restart();
    desk.expect(&[DECLINE]);
    desk.answer(OWED, Err(Unanswered::Passing("the connection was lost".into())));
    desk.ledger.connected(desk.now, false);
    desk.expect(&[]);
    desk.ledger.connected(desk.now, true);
    desk.expect(&[DECLINE]);
    // A server with too much to do is given time.
    desk.answer(OWED, Err(Unanswered::Passing("busy".into())));
    desk.expect(&[]);
    assert_eq!(desk.ledger.next_deadline(), Some(desk.now + std::time::Duration::from_secs(30)));
    desk.later(30_000);
    desk.expect(&[DECLINE]);
    desk.answer(OWED, Ok(Reply::Done));
    desk.expect(&["keep"]);
    desk.restart();
    desk.expect(&[]);
    assert_eq!(desk.rows.of(Table::Transfers).count(), 0);
    // Nor does it take a number that somebody would have to type.
    assert_eq!(desk.ledger.offered(&user("bob"), false, note(8, 100)), Offer::New(Number(1)));
}

#[test]
fn a_disk_that_is_full_here_or_a_server_that_refuses_leaves_the_offer() {
    let why = "no space left on device";
    for trouble in [Trouble::Local(why.into()), Trouble::Refused(why.into())] {
        let mut desk = Desk::new();
        desk.ledger.offered(&user("bob"), false, note(7, 100));
        desk.ledger.accept(desk.now, Number(1), "dir".into()).expect("an offer");
        desk.report(1, Report::Part(part()));
        desk.wants();
        desk.report(1, Report::Stopped(trouble));
        let news = "news a_b.txt from bob: no space left on device";
        desk.expect(&["call off 1", "remove dir/a_b.txt.part", "keep", news]);
        assert_eq!(desk.ledger.newest_offer(), Some(Number(1)));
    }
}

#[test]
fn offers_have_a_bound_for_each_sender_and_for_all() {
    let mut desk = Desk::new();
    let mut blob = 0u32;
    let mut offer = |desk: &mut Desk, from: &str| {
        blob += 1;
        let mut note = note(0, 1);
        note.blob[..4].copy_from_slice(&blob.to_be_bytes());
        desk.ledger.offered(&user(from), false, note)
    };
    for number in 1..=OFFERS_EACH_MAX as u64 {
        assert_eq!(offer(&mut desk, "eve"), Offer::New(Number(number)));
    }
    assert_eq!(offer(&mut desk, "eve"), Offer::TooMany);
    assert!(matches!(offer(&mut desk, "bob"), Offer::New(_)), "others are not hindered");
    for number in 0.. {
        if desk.ledger.entries().count() == ENTRIES_MAX {
            break;
        }
        assert!(matches!(offer(&mut desk, &format!("eve{}", number / OFFERS_EACH_MAX)), Offer::New(_)));
    }
    assert_eq!(offer(&mut desk, "carol"), Offer::TooMany);
    assert_eq!(desk.send(wish("a", 1, &["bob"])), Err(Unwilling::TooMany));
    desk.ledger.decline(Number(1)).expect("an offer");
    assert!(desk.send(wish("a", 1, &["bob"])).is_ok());
    assert_eq!(desk.send(wish("b", 1, &[])), Err(Unwilling::Nobody));
    assert_eq!(desk.send(wish("b", u64::MAX, &["bob"])), Err(Unwilling::TooLarge));
}

#[test]
fn reports_of_a_worker_that_was_called_off_change_nothing() {
    let mut desk = Desk::new();
    desk.ledger.offered(&user("bob"), false, note(7, 100));
    desk.ledger.accept(desk.now, Number(1), "dir".into()).expect("an offer");
    desk.ledger.cancel(desk.now, Number(1)).expect("there");
    desk.wants();
    desk.report(1, Report::Verified);
    desk.report(1, Report::Placed(None));
    desk.report(1, Report::Stopped(Trouble::Gone));
    desk.report(7, Report::Verified);
    desk.expect(&[]);
}
