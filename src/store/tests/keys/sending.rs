//! Sending envelopes: all that is checked, and where they go.

use super::*;
use crate::proto::limits::{MAILBOX_BYTES_MAX, MAILBOX_ENVELOPES_MAX};

impl Bench {
    /// One envelope from a device to the only device of another account.
    pub fn send_one(&mut self, from: AccountId, sender: u32, to: AccountId, reader: u32, name: u8) -> u64 {
        let job = sending(from, sender, to, &[reader], &[], vec![envelope(reader, 198, name)], vec![]);
        let (kept, full) = self.sent(job);
        assert_eq!(full, []);
        kept[0].envelope.seq.0
    }

    fn sent(&mut self, job: SendJob) -> (Vec<Delivery>, Vec<(AccountId, DeviceId)>) {
        match self.keys(KeysJob::Send(Box::new(job))) {
            KeysReply::Sent { origin: ORIGIN, at: NOW, kept, full, .. } => (kept, full),
            other => panic!("{other:?}"),
        }
    }

    fn send_refusal(&mut self, job: SendJob) -> SendRefusal {
        match self.keys(KeysJob::Send(Box::new(job))) {
            KeysReply::SendRefused { origin: ORIGIN, refusal } => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// A mailbox as it is after many envelopes, without writing them all.
    fn pretend(&mut self, account: AccountId, waiting: u64, bytes: u64) {
        let store = self.store();
        store
            .conn
            .execute(
                "UPDATE devices SET seq = taken + ?2, bytes = taken_bytes + ?3 WHERE account = ?1",
                (account.0, waiting as i64, bytes as i64),
            )
            .expect("writes");
    }
}

pub fn sending(
    from: AccountId,
    sender: u32,
    to: AccountId,
    to_devices: &[u32],
    own_devices: &[u32],
    envelopes: Vec<NewEnvelope>,
    copies: Vec<NewEnvelope>,
) -> SendJob {
    let devices = |numbers: &[u32]| numbers.iter().map(|&number| device(number)).collect();
    let name = if from == AccountId(1) { "ann" } else { "bob" };
    SendJob {
        origin: ORIGIN,
        from: Sender { account: from, user: user(name), device: device(sender) },
        to,
        to_devices: devices(to_devices),
        own_devices: devices(own_devices),
        envelopes,
        copies,
        at: NOW,
    }
}

#[test]
fn each_device_gets_its_envelope_under_its_own_number() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    let [laptop, phone] = [bench.published(ann, "laptop"), bench.published(ann, "phone")];
    let [desk, pocket] = [bench.published(bob, "desk"), bench.published(bob, "pocket")];
    bench.send_both_ways(ann, laptop, bob, &[desk, pocket], &[phone]);
    let to_desk = sending(ann, laptop, bob, &[desk, pocket], &[phone], vec![envelope(desk, 300, 7)], vec![]);
    let (kept, full) = bench.sent(to_desk);
    assert_eq!((kept.len(), full), (1, vec![]));
    let Delivery { account, device: reader, envelope } = &kept[0];
    assert_eq!((*account, *reader, envelope.seq), (bob, device(desk), Seq(2)));
    let expected = Envelope {
        seq: Seq(2),
        from: "ann".into(),
        uid: ann,
        device: device(laptop),
        at: NOW,
        body: super::envelope(desk, 300, 7).body,
    };
    assert_eq!(**envelope, expected);
    bench.restart();
    let page = KeysJob::Page { conn: GUEST, account: bob, device: device(desk), after: Seq(1), bytes: 0 };
    match bench.keys(page) {
        KeysReply::Page { conn: GUEST, envelopes, more: false, .. } => assert_eq!(*envelopes[0], expected),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.wait(bob, pocket, 0), (vec![1], false));
    assert_eq!(bench.wait(ann, phone, 0), (vec![1], false));
    assert_eq!(bench.wait(ann, laptop, 0), (vec![], false), "not the one that sent it");
}

impl Bench {
    /// One request with everything in it.
    fn send_both_ways(&mut self, from: AccountId, sender: u32, to: AccountId, their: &[u32], own: &[u32]) {
        let envelopes = |numbers: &[u32]| numbers.iter().map(|&number| envelope(number, 198, 1)).collect();
        let job = sending(from, sender, to, their, own, envelopes(their), envelopes(own));
        let (kept, full) = self.sent(job);
        assert_eq!((kept.len(), full.len()), (their.len() + own.len(), 0));
    }
}

#[test]
fn the_lists_must_be_the_devices_there_are() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    let [laptop, phone] = [bench.published(ann, "laptop"), bench.published(ann, "phone")];
    let [desk, pocket] = [bench.published(bob, "desk"), bench.published(bob, "pocket")];
    // Nobody can write to this one yet.
    bench.enroll(bob, "new");
    let changed = SendRefusal::Changed { to: vec![device(desk), device(pocket)], own: vec![device(phone)] };
    for (to, own) in [
        (vec![desk], vec![phone]),
        (vec![desk, pocket, pocket + 1], vec![phone]),
        (vec![desk, pocket], vec![]),
        (vec![desk, pocket], vec![laptop, phone]),
        (vec![], vec![]),
    ] {
        let job = sending(ann, laptop, bob, &to, &own, vec![envelope(desk, 198, 1)], vec![]);
        assert_eq!(bench.send_refusal(job), changed, "{to:?} {own:?}");
    }
    assert_eq!(bench.wait(bob, desk, 0), (vec![], false), "nothing was stored");
    // To oneself: all others, and no copies.
    let to_self =
        |to: &[u32], own: &[u32]| sending(ann, laptop, ann, to, own, vec![envelope(phone, 198, 1)], vec![]);
    let changed = SendRefusal::Changed { to: vec![device(phone)], own: vec![] };
    assert_eq!(bench.send_refusal(to_self(&[laptop, phone], &[])), changed);
    assert_eq!(bench.send_refusal(to_self(&[phone], &[phone])), changed);
    let (kept, _) = bench.sent(to_self(&[phone], &[]));
    assert_eq!((kept[0].account, kept[0].device), (ann, device(phone)));
}

#[test]
fn who_may_not_send_is_told_why() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    let (laptop, desk) = (bench.published(ann, "laptop"), bench.published(bob, "desk"));
    let job = |body: NewEnvelope| sending(ann, laptop, bob, &[desk], &[], vec![body], vec![]);
    let good = || job(envelope(desk, 198, 1));
    let wrong = |at: usize, byte: u8| {
        let mut body = envelope(desk, 270, 1).body.0.to_vec();
        body[at] = byte;
        job(NewEnvelope { device: device(desk), body: Sealed(body.into()) })
    };
    for (what, bad) in [
        ("another version", wrong(0, 2)),
        ("another type", wrong(1, 3)),
        ("a counter that is none", wrong(34, 0xff)),
        ("a first message that is too short", {
            let mut body = envelope(desk, 269, 1).body.0.to_vec();
            body[1] = 1;
            job(NewEnvelope { device: device(desk), body: Sealed(body.into()) })
        }),
    ] {
        assert_eq!(bench.send_refusal(bad), SendRefusal::Malformed, "{what}");
    }
    bench.change(Change::Block { account: bob, user: user("ann"), blocked: true });
    assert_eq!(bench.send_refusal(good()), SendRefusal::Blocked);
    bench.change(Change::Block { account: bob, user: user("ann"), blocked: false });
    bench.keys(KeysJob::Revoke { origin: ORIGIN, account: ann, device: device(laptop) });
    assert_eq!(bench.send_refusal(good()), SendRefusal::NoSuchDevice);
    let other = bench.published(ann, "other");
    bench.remove_user("bob");
    let job = sending(ann, other, bob, &[desk], &[], vec![envelope(desk, 198, 1)], vec![]);
    assert_eq!(bench.send_refusal(job), SendRefusal::NoSuchUser);
    assert_eq!(bench.count("SELECT COUNT(*) FROM envelopes"), 0);
}

#[test]
fn a_full_mailbox_is_skipped_and_named() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    let (laptop, desk) = (bench.published(ann, "laptop"), bench.published(bob, "desk"));
    let job = |length| sending(ann, laptop, bob, &[desk], &[], vec![envelope(desk, length, 1)], vec![]);
    for (waiting, bytes, length, fits) in [
        (MAILBOX_ENVELOPES_MAX - 1, 0, 198, true),
        (MAILBOX_ENVELOPES_MAX, 0, 198, false),
        (1, MAILBOX_BYTES_MAX - 300, 300, true),
        (1, MAILBOX_BYTES_MAX - 300, 301, false),
    ] {
        bench.pretend(bob, waiting, bytes);
        match fits {
            true => assert_eq!(bench.sent(job(length)).1, []),
            false => assert_eq!(bench.send_refusal(job(length)), SendRefusal::Full),
        }
    }
    // With another device that has room it is sent, and the full one is named; so is a copy that was not kept.
    let phone = bench.published(ann, "phone");
    bench.pretend(ann, MAILBOX_ENVELOPES_MAX, 0);
    let pocket = bench.published(bob, "pocket");
    let envelopes = vec![envelope(desk, 65_606, 1), envelope(pocket, 65_606, 2)];
    let both = sending(ann, laptop, bob, &[desk, pocket], &[phone], envelopes, vec![envelope(phone, 198, 3)]);
    let (kept, full) = bench.sent(both);
    assert_eq!(kept.iter().map(|kept| kept.device).collect::<Vec<_>>(), [device(pocket)]);
    assert_eq!(full, [(bob, device(desk)), (ann, device(phone))]);
}

#[test]
fn a_failed_batch_keeps_no_part_of_a_message() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    let (laptop, desk) = (bench.published(ann, "laptop"), bench.published(bob, "desk"));
    let job = || {
        let job = sending(ann, laptop, bob, &[desk], &[], vec![envelope(desk, 60_000, 1)], vec![]);
        StoreJob::Keys(KeysJob::Send(Box::new(job)))
    };
    limit_pages(bench.store(), Some(4));
    let replies = bench.batch([job(), job()]);
    for reply in &replies {
        assert!(
            matches!(
                reply,
                StoreReply::Failed { job: FailedJob::Append { origin: ORIGIN }, failure: StoreFailure::Full }
            ),
            "{reply:?}"
        );
    }
    limit_pages(bench.store(), None);
    assert_eq!(bench.attach(bob, desk, 1).0.waiting, 0);
    bench.run(job());
    assert_eq!(bench.wait(bob, desk, 0), (vec![1], false));
    bench.check_whole();
}
