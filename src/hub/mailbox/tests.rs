//! What a reader is told and when, with a store that answers when the test says so.

use super::*;
use crate::config::Config;
use crate::hub::job::keys::{KeysRefusal, KeysReply, Sender};
use crate::hub::job::{FailedJob, Job, Kept, KeptAccount, Reply, SessionRecord, StoreFailure, StoreReply};
use crate::hub::session::Peer;
use crate::proto::command::{Command, Proof};
use crate::proto::id::RequestId;
use crate::proto::keys::{NewEnvelope, Sealed, Sending};
use crate::proto::limits::{Limits, SEALED_NOTICE_EVERY};
use crate::proto::name::UserName;
use crate::proto::secret::Secret;
use crate::proto::time::{Instant, Now, Timestamp};

const BOB: AccountId = AccountId(2);
const PAGE: u64 = ENVELOPES_PAGE_MAX as u64;

struct Bench {
    hub: Hub,
    now: u64,
    next: u32,
    jobs: Vec<StoreJob>,
    told: Vec<(ConnId, Event)>,
    /// Connections of which the hub wants to know that they took everything.
    awaited: Vec<ConnId>,
}

fn device() -> DeviceId {
    DeviceId::new(1).expect("a device's number")
}

fn envelope(seq: u64, length: usize) -> Arc<Envelope> {
    let (from, body) = ("ann".into(), Sealed(vec![0; length].into()));
    Arc::new(Envelope { seq: Seq(seq), from, uid: AccountId(1), device: device(), at: Timestamp(0), body })
}

impl Bench {
    fn new() -> Bench {
        let mut settings = Config::default().settings();
        settings.limits = Limits { messages_per_second: None, commands_per_second: None, ..settings.limits };
        let account = |id, name: &str| KeptAccount { id, user: user(name), banned: false };
        let accounts = vec![account(AccountId(1), "ann"), account(BOB, "bob")];
        let kept = Kept { accounts, ..Kept::default() };
        let hub = Hub::new(settings, kept, clock(0));
        Bench { hub, now: 1, next: 0, jobs: Vec::new(), told: Vec::new(), awaited: Vec::new() }
    }

    /// Sorts out what the hub wants done.
    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::AwaitDrain(conn) => self.awaited.push(conn),
                Effect::Submit(Job::Store(job)) => self.jobs.push(job),
                Effect::Tell(conn, event) => self.told.push((conn, event)),
                _ => {}
            }
        }
        self.hub.check();
    }

    fn does(&mut self, conn: ConnId, command: Command<'_>) {
        let mut effects = Vec::new();
        let handled = self.hub.handle(clock(self.now), conn, RequestId(7), command, &mut effects);
        assert_eq!(handled, crate::hub::Handled::Done);
        self.apply(effects);
    }

    fn reply(&mut self, reply: StoreReply) {
        let mut effects = Vec::new();
        self.hub.reply(clock(self.now), Reply::Store(reply), &mut effects);
        self.apply(effects);
    }

    fn keys(&mut self, reply: KeysReply) {
        self.reply(StoreReply::Keys(reply));
    }

    /// A program that is logged in.
    fn program(&mut self, account: AccountId, name: &str) -> ConnId {
        let conn = ConnId { slot: self.next, serial: self.next };
        self.next += 1;
        let peer = Peer { address: [127, 0, 0, 1].into(), loopback: true };
        self.hub.opened(clock(self.now), conn, peer).expect("there is room");
        self.hub.identified(conn, true);
        let proof = Proof::Token(Secret::new("token"));
        self.does(conn, Command::Login { user: name.into(), proof, data: false });
        let Some(StoreJob::Session { origin, .. }) = self.jobs.pop() else { panic!("it asks the store") };
        let record = SessionRecord {
            account,
            user: user(name),
            token: None,
            token_id: None,
            rooms: vec![],
            blocks: vec![],
            letters_wait: false,
        };
        self.reply(StoreReply::Session { origin, outcome: Ok(record) });
        self.told.clear();
        conn
    }

    /// A connection of bob's attaches to his device, for which so many wait behind `taken`.
    fn attach(&mut self, conn: ConnId, taken: u64, waiting: u64) {
        self.does(conn, Command::Attach { device: device(), run: 1 });
        let Some(StoreJob::Keys(KeysJob::Attach { origin, account, device, .. })) = self.jobs.pop() else {
            panic!("it asks the store");
        };
        let attached = Attached { device, run: 0, one_time: 0, one_time_next: 1, signed: None, waiting };
        self.keys(KeysReply::Attached { origin, account, attached, taken: Seq(taken) });
    }

    fn reader(&mut self, taken: u64, waiting: u64) -> ConnId {
        let conn = self.program(BOB, "bob");
        self.attach(conn, taken, waiting);
        conn
    }

    /// Somebody's message for bob's device was committed.
    fn committed(&mut self, seq: u64, length: usize) {
        let origin = crate::proto::id::Origin { conn: ConnId { slot: 99, serial: 99 }, re: RequestId(1) };
        let kept = vec![Delivery { account: BOB, device: device(), envelope: envelope(seq, length) }];
        // The store's place was taken by whoever sent it.
        self.hub.store_credit -= 1;
        self.keys(KeysReply::Sent { origin, to: BOB, at: Timestamp(0), kept, full: vec![] });
    }

    /// The store reads the page that was asked for last.
    fn page(&mut self, seqs: impl IntoIterator<Item = u64>, more: bool) {
        let Some(StoreJob::Keys(KeysJob::Page { conn, account, device, after, .. })) = self.jobs.pop() else {
            panic!("no page is wanted: {:?}", self.jobs);
        };
        let envelopes: Vec<Arc<Envelope>> = seqs.into_iter().map(|seq| envelope(seq, 200)).collect();
        assert!(envelopes.iter().all(|envelope| envelope.seq > after), "behind what was told");
        self.keys(KeysReply::Page { conn, account, device, envelopes, more });
    }

    /// Where the page that is wanted begins; it is still to come.
    fn wanted(&self) -> Option<u64> {
        match &self.jobs[..] {
            [] => None,
            [StoreJob::Keys(KeysJob::Page { after, .. })] => Some(after.0),
            other => panic!("{other:?}"),
        }
    }

    fn drained(&mut self, conn: ConnId) {
        let asked = self.awaited.iter().position(|&awaited| awaited == conn);
        self.awaited.swap_remove(asked.expect("the hub wants to know"));
        let mut effects = Vec::new();
        self.hub.drained(clock(self.now), conn, &mut effects);
        self.apply(effects);
    }

    /// Numbers of the envelopes that a connection was told since the last time.
    fn heard(&mut self, reader: ConnId) -> Vec<u64> {
        let told = std::mem::take(&mut self.told);
        let seq = |(conn, event): (ConnId, Event)| match event {
            Event::Envelope(envelope) if conn == reader => Some(envelope.seq.0),
            _ => None,
        };
        told.into_iter().filter_map(seq).collect()
    }

    /// What a connection was answered or told last.
    fn last(&self, reader: ConnId) -> &Event {
        let found = self.told.iter().rev().find(|(conn, _)| *conn == reader);
        &found.expect("it was told something").1
    }
}

fn clock(now: u64) -> Now {
    Now { mono: Instant(now), wall: Timestamp(now) }
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a good name")
}

#[test]
fn who_has_caught_up_is_told_at_once_and_no_more_than_a_page() {
    let mut bench = Bench::new();
    let reader = bench.reader(0, 0);
    assert_eq!(bench.wanted(), None, "nothing waits");
    for seq in 1..=PAGE {
        bench.committed(seq, 200);
    }
    assert_eq!(bench.heard(reader), (1..=PAGE).collect::<Vec<_>>());
    bench.committed(PAGE + 1, 200);
    bench.committed(PAGE + 2, 200);
    assert_eq!((bench.heard(reader), bench.wanted()), (vec![], None), "it has to take what it was told");
    bench.drained(reader);
    assert_eq!(bench.wanted(), Some(PAGE));
    // What is committed while the store reads is in the page, or behind it.
    bench.committed(PAGE + 3, 200);
    bench.page(PAGE + 1..=PAGE + 3, false);
    assert_eq!(bench.heard(reader), [PAGE + 1, PAGE + 2, PAGE + 3]);
    bench.drained(reader);
    assert_eq!(bench.wanted(), None);
    bench.committed(PAGE + 4, 200);
    assert_eq!(bench.heard(reader), [PAGE + 4]);
}

#[test]
fn long_envelopes_fill_a_page_by_their_bytes() {
    let mut bench = Bench::new();
    let reader = bench.reader(0, 0);
    let fit = PAGE_BYTES_MAX / 65_536;
    for seq in 1..=fit as u64 + 1 {
        bench.committed(seq, 65_536);
    }
    assert_eq!(bench.heard(reader).len(), fit);
    bench.drained(reader);
    assert_eq!(bench.wanted(), Some(fit as u64));
}

#[test]
fn a_page_is_no_more_than_a_part_of_a_send_queue() {
    let mut bench = Bench::new();
    let hard = 256 * 1024;
    bench.hub.settings.limits.send_queue_hard = hard;
    let reader = bench.reader(0, 1);
    assert!(
        matches!(bench.jobs[..], [StoreJob::Keys(KeysJob::Page { bytes: 65_536, .. })]),
        "{:?}",
        bench.jobs
    );
    bench.page([1], false);
    bench.drained(reader);
    bench.heard(reader);
    for seq in 2..20 {
        bench.committed(seq, 16_384);
    }
    assert_eq!(bench.heard(reader), [2, 3, 4, 5]);
    bench.drained(reader);
    assert_eq!(bench.wanted(), Some(5));
}

#[test]
fn pages_follow_one_another_as_they_are_taken() {
    let mut bench = Bench::new();
    let reader = bench.reader(5, 120);
    assert_eq!(bench.wanted(), Some(5));
    bench.page(6..=55, true);
    assert_eq!(bench.heard(reader), (6..=55).collect::<Vec<_>>());
    assert_eq!(bench.wanted(), None);
    bench.drained(reader);
    bench.page(56..=105, true);
    bench.committed(126, 200);
    bench.drained(reader);
    bench.page(106..=126, false);
    assert_eq!(bench.heard(reader).last(), Some(&126));
    bench.drained(reader);
    assert_eq!(bench.wanted(), None);
}

#[test]
fn a_page_that_turns_out_empty_ends_the_reading() {
    let mut bench = Bench::new();
    let reader = bench.reader(0, 3);
    // They expired, say.
    bench.page([], false);
    assert!(bench.awaited.is_empty());
    bench.committed(4, 200);
    assert_eq!(bench.heard(reader), [4]);
}

#[test]
fn a_page_that_cannot_be_read_is_tried_again() {
    let mut bench = Bench::new();
    let reader = bench.reader(0, 2);
    let fail = |bench: &mut Bench| {
        let Some(StoreJob::Keys(KeysJob::Page { conn, account, device, .. })) = bench.jobs.pop() else {
            panic!("a page is wanted");
        };
        let job = FailedJob::Mailbox { conn, account, device };
        bench.reply(StoreReply::Failed { job, failure: StoreFailure::Other("test".into()) });
        assert_eq!(bench.wanted(), None);
    };
    fail(&mut bench);
    bench.committed(3, 200);
    assert_eq!(bench.wanted(), Some(0), "with the next one");
    fail(&mut bench);
    let mut effects = Vec::new();
    bench.now = 600_000;
    bench.hub.tick(clock(bench.now), &mut effects);
    bench.apply(effects);
    bench.jobs.retain(|job| matches!(job, StoreJob::Keys(_)));
    assert_eq!(bench.wanted(), Some(0), "and after a while");
    bench.page(1..=3, false);
    assert_eq!(bench.heard(reader), [1, 2, 3]);
}

#[test]
fn a_page_for_a_reader_that_was_replaced_is_not_told() {
    let mut bench = Bench::new();
    let first = bench.reader(0, 2);
    let page = bench.jobs.pop().expect("a page is wanted");
    let second = bench.reader(0, 2);
    assert_eq!(*bench.last(first), Event::Detached { device: device() });
    let own = bench.jobs.pop().expect("another one");
    bench.jobs.push(page);
    bench.page(1..=2, false);
    assert_eq!(bench.heard(first), [0_u64; 0]);
    bench.jobs.push(own);
    bench.page(1..=2, false);
    assert_eq!(bench.heard(second), [1, 2]);
    // What is committed then is the second one's, who may end.
    bench.committed(3, 200);
    assert_eq!(bench.heard(first), [0_u64; 0]);
    let mut effects = Vec::new();
    bench.hub.gone(second, &mut effects);
    bench.apply(effects);
    bench.committed(4, 200);
    assert_eq!(bench.heard(second), [0_u64; 0]);
}

#[test]
fn a_connection_that_ends_while_it_attaches_reads_nothing() {
    let mut bench = Bench::new();
    let conn = bench.program(BOB, "bob");
    bench.does(conn, Command::Attach { device: device(), run: 1 });
    let Some(StoreJob::Keys(KeysJob::Attach { origin, account, device, .. })) = bench.jobs.pop() else {
        panic!("it asks the store");
    };
    let mut effects = Vec::new();
    bench.hub.gone(conn, &mut effects);
    bench.apply(effects);
    let attached = Attached { device, run: 0, one_time: 0, one_time_next: 1, signed: None, waiting: 3 };
    bench.keys(KeysReply::Attached { origin, account, attached, taken: Seq(0) });
    assert_eq!((bench.wanted(), bench.told.len()), (None, 0));
}

#[test]
fn a_refusal_of_the_store_is_told_and_leaves_no_reader() {
    let mut bench = Bench::new();
    let conn = bench.program(BOB, "bob");
    bench.does(conn, Command::Attach { device: device(), run: 1 });
    let Some(StoreJob::Keys(KeysJob::Attach { origin, .. })) = bench.jobs.pop() else {
        panic!("it asks the store");
    };
    bench.keys(KeysReply::Refused { origin, refusal: KeysRefusal::NoSuchDevice });
    assert!(matches!(bench.last(conn), Event::Answer(RequestId(7), Answer::Refused(refusal))
        if refusal.code == Code::NoSuchDevice));
    bench.attach(conn, 0, 0);
    bench.committed(1, 200);
    assert_eq!(bench.heard(conn), [1]);
}

#[test]
fn who_cannot_read_is_told_of_a_sender_once_a_minute() {
    let mut bench = Bench::new();
    let (blind, reader) = (bench.program(BOB, "bob"), bench.reader(0, 0));
    let mut told = |at: u64, seq: u64| {
        bench.now = at;
        bench.committed(seq, 200);
        let told = std::mem::take(&mut bench.told);
        let of = |conn| {
            told.iter().filter(move |(to, event)| *to == conn && matches!(event, Event::Sealed { .. }))
        };
        assert_eq!(of(reader).count(), 0, "it has the envelope itself");
        of(blind).count()
    };
    let minute = SEALED_NOTICE_EVERY.as_millis() as u64;
    assert_eq!((told(1, 1), told(2, 2), told(minute, 3), told(minute + 1, 4)), (1, 0, 0, 1));
}

/// A command of a sender comes to the store with its lists in order, and may be one of many.
#[test]
fn sending_does_not_wait_for_what_was_sent_before() {
    let mut bench = Bench::new();
    let conn = bench.reader(0, 0);
    let body = |device| NewEnvelope { device, body: Sealed(vec![0; 200].into()) };
    let [a, b] = [3, 2].map(|number| DeviceId::new(number).expect("a device's number"));
    for _ in 0..3 {
        let sending = Sending {
            user: "ANN".into(),
            to: vec![a, b],
            own: vec![],
            envelopes: vec![body(a)],
            copies: vec![],
        };
        bench.does(conn, Command::Send(Box::new(sending)));
    }
    assert_eq!(bench.jobs.len(), 3);
    match bench.jobs.pop() {
        Some(StoreJob::Keys(KeysJob::Send(job))) => {
            let Sender { account, user, device: sender } = job.from;
            assert_eq!((account, user.shown().as_ref(), sender), (BOB, "bob", device()));
            assert_eq!((job.to, job.to_devices, job.own_devices), (AccountId(1), vec![b, a], vec![]));
        }
        other => panic!("{other:?}"),
    }
}
