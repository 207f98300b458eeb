//! Mailboxes: read in pages, taken off by acknowledgement, and what is too old goes.

use super::sending::sending;
use super::*;
use crate::proto::limits::{
    ENVELOPES_KEPT, ENVELOPES_PAGE_MAX, MAILBOX_BYTES_MAX, MAILBOX_ENVELOPES_MAX, MAILBOX_SHARES,
};
use crate::store::mailbox::ROWS_PER_STEP;

/// Ann with one device, who writes to bob with one.
struct Two {
    bench: Bench,
    ann: AccountId,
    laptop: u32,
    bob: AccountId,
    desk: u32,
}

impl Two {
    fn new() -> Two {
        let mut bench = Bench::new();
        let (ann, bob) = (bench.account("ann"), bench.account("bob"));
        let (laptop, desk) = (bench.published(ann, "laptop"), bench.published(bob, "desk"));
        Two { bench, ann, laptop, bob, desk }
    }

    /// Sends some of this length, in one batch.
    fn send(&mut self, count: u32, length: usize, at: Timestamp) {
        let Two { bench, ann, laptop, bob, desk } = self;
        let job = |n: u32| {
            let envelopes = vec![envelope(*desk, length, n as u8)];
            let job = sending(*ann, *laptop, *bob, &[*desk], &[], envelopes, vec![]);
            StoreJob::Keys(KeysJob::Send(Box::new(SendJob { at, ..job })))
        };
        let replies = bench.batch((0..count).map(job));
        assert!(replies.iter().all(|reply| matches!(reply, StoreReply::Keys(KeysReply::Sent { .. }))));
    }

    fn wait(&mut self, after: u64) -> (Vec<u64>, bool) {
        self.bench.wait(self.bob, self.desk, after)
    }

    fn ack(&mut self, seq: u64) {
        self.bench.ack(self.bob, self.desk, seq);
    }

    fn waiting(&mut self) -> u64 {
        self.bench.attach(self.bob, self.desk, 1).0.waiting
    }

    /// Rows that are kept for whatever reason.
    fn rows(&self) -> i64 {
        self.bench.count("SELECT COUNT(*) FROM envelopes")
    }

    fn maintain(&mut self, now: Timestamp) {
        let job = StoreJob::Maintain { now, keep_messages: None, keep: None };
        assert!(matches!(self.bench.run(job), StoreReply::Done));
        self.bench.settle();
    }
}

#[test]
fn envelopes_wait_in_order_until_they_are_acknowledged() {
    let mut two = Two::new();
    two.send(3, 198, NOW);
    two.bench.restart();
    assert_eq!(two.wait(0), (vec![1, 2, 3], false));
    assert_eq!(two.wait(2), (vec![3], false));
    two.ack(2);
    assert_eq!((two.wait(0), two.waiting(), two.rows()), ((vec![3], false), 1, 1));
    // Once more, and what was acknowledged before.
    two.ack(2);
    two.ack(1);
    two.ack(0);
    assert_eq!(two.wait(0), (vec![3], false));
    two.send(1, 198, NOW);
    two.bench.restart();
    assert_eq!(two.wait(0), (vec![3, 4], false));
    two.ack(4);
    two.send(1, 198, NOW);
    assert_eq!(two.wait(0), (vec![5], false), "numbers go on");
}

#[test]
fn whoever_attaches_learns_how_things_stand() {
    let mut two = Two::new();
    let (bob, desk) = (two.bob, two.desk);
    let expected = |run, waiting| Attached {
        device: device(desk),
        run,
        one_time: 3,
        one_time_next: 4,
        signed: Some((1, NOW)),
        waiting,
    };
    assert_eq!(two.bench.attach(bob, desk, 5), (expected(0, 0), 0));
    two.send(3, 198, NOW);
    two.ack(1);
    assert_eq!(two.bench.attach(bob, desk, 3), (expected(5, 2), 1));
    two.bench.restart();
    assert_eq!(two.bench.attach(bob, desk, 6), (expected(5, 2), 1), "the highest counts");
    let new = two.bench.enroll(bob, "new");
    let (attached, taken) = two.bench.attach(bob, new, 1);
    assert_eq!((attached.signed, attached.one_time, attached.one_time_next, taken), (None, 0, 1, 0));
}

#[test]
fn a_page_has_its_bounds_in_number_and_in_bytes() {
    let mut two = Two::new();
    two.send(ENVELOPES_PAGE_MAX, 198, NOW);
    let all: Vec<u64> = (1..=u64::from(ENVELOPES_PAGE_MAX)).collect();
    assert_eq!(two.wait(0), (all.clone(), false));
    two.send(1, 198, NOW);
    assert_eq!(two.wait(0), (all, true));
    two.ack(u64::from(ENVELOPES_PAGE_MAX) + 1);
    let fit = (PAGE_BYTES_MAX / 65_536) as u32;
    two.send(fit, 65_536, NOW);
    let (seqs, more) = two.wait(0);
    assert_eq!((seqs.len(), more), (fit as usize, false));
    two.send(1, 198, NOW);
    let (seqs, more) = two.wait(0);
    assert_eq!((seqs.len(), more), (fit as usize, true));
    assert_eq!(two.wait(seqs[seqs.len() - 1]).0.len(), 1);
}

#[test]
fn nobody_alone_fills_the_mailbox_of_somebody_else() {
    let share = (MAILBOX_ENVELOPES_MAX / MAILBOX_SHARES) as u32;
    let bytes = (MAILBOX_BYTES_MAX / MAILBOX_SHARES) as usize;
    for (fits, length) in [(share, 198), ((bytes / 65_536) as u32, 65_536)] {
        let mut two = Two::new();
        let eve = two.bench.account("eve");
        let other = two.bench.published(eve, "other");
        two.send(fits, length, NOW);
        let Two { bench, ann, laptop, bob, desk } = &mut two;
        let one_more = |from, sender| {
            let envelopes = vec![envelope(*desk, 198, 1)];
            let job = sending(from, sender, *bob, &[*desk], &[], envelopes, vec![]);
            KeysJob::Send(Box::new(job))
        };
        let refused = bench.keys(one_more(*ann, *laptop));
        let full = SendRefusal::Full;
        assert!(
            matches!(&refused, KeysReply::SendRefused { refusal, .. } if *refusal == full),
            "{refused:?}"
        );
        let sent = bench.keys(one_more(eve, other));
        assert!(matches!(&sent, KeysReply::Sent { kept, .. } if kept.len() == 1), "others can: {sent:?}");
        // One's own devices have all of it for their copies.
        let pocket = bench.published(*bob, "pocket");
        let copy = sending(*bob, pocket, *bob, &[*desk], &[], vec![envelope(*desk, 198, 1)], vec![]);
        assert_eq!(bench.wait(*bob, *desk, u64::from(fits)).0.len(), 1);
        let sent = bench.keys(KeysJob::Send(Box::new(copy)));
        assert!(matches!(&sent, KeysReply::Sent { kept, .. } if kept.len() == 1), "{sent:?}");
        // What is taken counts no more, although upkeep has not removed it yet.
        bench.ack(*bob, *desk, u64::from(fits));
        let job = sending(*ann, *laptop, *bob, &[*desk, pocket], &[], vec![envelope(*desk, 198, 1)], vec![]);
        let sent = bench.keys(KeysJob::Send(Box::new(job)));
        assert!(matches!(&sent, KeysReply::Sent { kept, .. } if kept.len() == 1), "{sent:?}");
    }
}

#[test]
fn a_sender_s_share_is_known_from_the_index_alone() {
    let mut bench = Bench::new();
    let plan: String = bench
        .store()
        .conn
        .query_row(
            "EXPLAIN QUERY PLAN SELECT COUNT(*), SUM(length(body)) FROM envelopes
             WHERE mailbox = 1 AND uid = 2 AND seq > 3",
            [],
            |row| row.get(3),
        )
        .expect("explains");
    assert!(plan.contains("COVERING INDEX envelopes_by_sender"), "{plan}");
}

#[test]
fn an_acknowledgement_of_many_is_quick_and_upkeep_does_the_rest() {
    let mut two = Two::new();
    let many = 4 * ENVELOPES_PAGE_MAX + 10;
    two.send(many, 198, NOW);
    two.ack(u64::from(many) - 1);
    let last = u64::from(many);
    assert_eq!((two.wait(0), two.waiting()), ((vec![last], false), 1));
    assert!(two.rows() > 1, "most of it is still there");
    two.bench.settle();
    assert_eq!((two.rows(), two.wait(0)), (1, (vec![last], false)));
    // The bytes are counted right all the time: the mailbox is as empty as it was.
    let left = two.bench.count("SELECT bytes - taken_bytes FROM devices WHERE seq > 0");
    assert_eq!(left, 198);
}

#[test]
fn what_is_too_old_goes_from_every_mailbox() {
    let mut two = Two::new();
    let many = 3 * ROWS_PER_STEP;
    two.send(many, 198, NOW);
    two.send(1, 198, later(DAY));
    two.maintain(later(ENVELOPES_KEPT));
    assert_eq!(two.waiting(), u64::from(many) + 1, "kept for so long");
    two.maintain(later(ENVELOPES_KEPT + MS));
    let newest = u64::from(many) + 1;
    assert_eq!((two.wait(0), two.waiting(), two.rows()), ((vec![newest], false), 1, 1));
    // Acknowledging what is gone is harmless.
    two.ack(3);
    assert_eq!(two.wait(0), (vec![newest], false));
    two.maintain(later(ENVELOPES_KEPT + 2 * DAY));
    assert_eq!((two.wait(0), two.rows()), ((vec![], false), 0));
    two.send(1, 198, later(ENVELOPES_KEPT + 2 * DAY));
    assert_eq!(two.wait(0), (vec![newest + 1], false));
    two.bench.check_whole();
}

#[test]
fn the_mailbox_of_a_device_that_is_gone_is_removed_in_pieces() {
    let mut two = Two::new();
    two.send(3 * ROWS_PER_STEP, 198, NOW);
    let (account, device) = (two.bob, device(two.desk));
    two.bench.settle();
    two.bench.keys(KeysJob::Revoke { origin: ORIGIN, account, device });
    assert_eq!(two.rows(), i64::from(3 * ROWS_PER_STEP));
    two.bench.settle();
    assert_eq!(two.rows(), 0);
    // A new identity does the same.
    two.desk = two.bench.published(two.bob, "desk");
    two.send(5, 198, NOW);
    two.bench.keys(enrolment(two.bob, 2, "desk", true));
    two.bench.settle();
    assert_eq!(two.rows(), 0);
}

/// Puts a backup in the place of the database, and opens that.
fn restore(two: &mut Two, backup: &std::path::Path) {
    two.bench.store = None;
    let path = schema::path(two.bench.dir.path());
    for companion in ["-wal", "-shm"] {
        // They may not be there.
        let _ = std::fs::remove_file(format!("{}{companion}", path.display()));
    }
    std::fs::copy(backup, path).expect("copies");
    two.bench.restart();
}

#[test]
fn a_restored_backup_has_all_of_it_and_no_number_comes_twice() {
    let mut two = Two::new();
    two.send(3, 198, NOW);
    two.ack(1);
    let copies = tempfile::tempdir().expect("a temporary directory");
    let backup = copies.path().join("copy.db");
    let operator = Operator::open(two.bench.dir.path()).expect("opens");
    operator.backup(&backup).expect("writes");
    drop(operator);
    // What is done after it is forgotten, here; by devices it is not.
    let given_out = two.bench.claim(two.bob)[0].one_time.map(|one| one.id);
    two.send(5, 198, NOW);
    let (seen, _) = two.wait(0);
    assert_eq!((given_out, seen.last()), (Some(1), Some(&8)));
    two.ack(8);
    restore(&mut two, &backup);
    let (again, _) = two.wait(0);
    assert_eq!(again.len(), 2, "those that waited");
    assert!(again[0] > 8 && again[1] == again[0] + 1, "{again:?} after 8");
    let (attached, taken) = two.bench.attach(two.bob, two.desk, 1);
    assert_eq!((attached.waiting, taken, attached.one_time), (2, again[0] - 1, 0));
    assert_eq!(two.bench.claim(two.bob)[0].one_time, None, "none is given out again");
    assert_eq!(two.bench.claim(two.bob)[0].signed, signed(1, two.desk, 1));
    two.send(1, 198, NOW);
    two.bench.restart();
    assert_eq!(two.wait(0).0, [again[0], again[1], again[1] + 1], "it happens once");
    two.ack(again[1]);
    assert_eq!(two.waiting(), 1);
    two.bench.settle();
    assert_eq!(two.rows(), 1);
    assert_eq!(two.bench.enroll(two.bob, "new"), 2);
    two.bench.check_whole();
}

#[test]
fn the_same_backup_restored_again_is_further_ahead() {
    let mut two = Two::new();
    two.send(1, 198, NOW);
    let copies = tempfile::tempdir().expect("a temporary directory");
    let backup = copies.path().join("copy.db");
    Operator::open(two.bench.dir.path()).expect("opens").backup(&backup).expect("writes");
    two.bench.store = None;
    let mut numbers = Vec::new();
    for day in 0..3 {
        let copy = copies.path().join(format!("{day}.db"));
        std::fs::copy(&backup, &copy).expect("copies");
        let mut conn = Connection::open(&copy).expect("opens");
        assert_eq!(restored::settle(&mut conn, later(DAY * day)), Ok(true));
        assert_eq!(restored::settle(&mut conn, later(DAY * day)), Ok(false));
        let number = conn.query_row("SELECT seq FROM envelopes", [], |row| row.get::<_, i64>(0));
        numbers.push(number.expect("one waits"));
    }
    let (day, first) = (DAY.as_secs() as i64, 1 + NOW.0 as i64 / 1000);
    assert_eq!(numbers, [first, first + day, first + 2 * day]);
}
