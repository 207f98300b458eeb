//! Enrolling devices, and revoking them.

use super::*;
use crate::hub::job::SessionProof;
use crate::proto::limits::DEVICES_PER_ACCOUNT_MAX;
use crate::proto::secret::Secret;

#[test]
fn devices_count_up_and_are_listed_once_they_have_published() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    assert_eq!(bench.list(ann), (None, vec![]));
    assert_eq!(bench.enroll(ann, "laptop"), 1);
    assert_eq!(bench.list(ann), (Some(public(1)), vec![]), "it cannot be written to yet");
    bench.publish(ann, 1, new_prekeys(Some(signed(1, 1, 1)), vec![]));
    assert_eq!((bench.published(ann, "phone"), bench.enroll(bob, "desk")), (2, 1));
    let about = |name: &str, seen| DeviceAbout { name: name.into(), since: NOW, seen };
    let both = |seen| vec![(device(1), about("laptop", None)), (device(2), about("phone", seen))];
    assert_eq!(bench.list(ann).1, both(None));
    bench.attach(ann, 2, 1);
    assert_eq!(bench.list(ann).1, both(Some(NOW)));
    bench.ack(ann, 2, 0);
    bench.restart();
    assert_eq!(bench.list(ann), (Some(public(1)), both(Some(later(MS)))));
}

#[test]
fn an_account_has_one_identity_unless_it_is_replaced() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let (laptop, desk) = (bench.published(ann, "laptop"), bench.enroll(ann, "desk"));
    assert_eq!(bench.refusal(enrolment(ann, 2, "phone", false)), KeysRefusal::WrongIdentity);
    assert_eq!(bench.list(ann).1.len(), 1, "nothing was changed");
    let gone = |reply| match reply {
        KeysReply::Enrolled { device, gone, replaced, .. } => (device.number(), gone, replaced),
        other => panic!("{other:?}"),
    };
    // The same one is no other, whatever is asked for.
    assert_eq!(gone(bench.keys(enrolment(ann, 1, "phone", true))), (3, vec![], false));
    let (number, gone, replaced) = gone(bench.keys(enrolment(ann, 2, "phone", true)));
    assert_eq!((number, replaced), (4, true), "numbers are never used again");
    let who = |number, name: &str, published| Gone { device: device(number), name: name.into(), published };
    assert_eq!(gone, [who(laptop, "laptop", true), who(desk, "desk", false), who(3, "phone", false)]);
    assert_eq!(bench.list(ann), (Some(public(2)), vec![]));
    assert_eq!(bench.claim(ann), []);
}

#[test]
fn a_key_that_is_none_is_no_identity() {
    let mut bench = Bench::new();
    let account = bench.account("ann");
    // Of small order, the same in another encoding, and no point at all.
    let identity = |low: u8, high: u8| {
        let mut key = [0; 32];
        (key[0], key[31]) = (low, high);
        PublicKey(key)
    };
    for identity in [identity(1, 0), identity(1, 0x80), identity(2, 0), PublicKey([0xff; 32])] {
        let (name, replace) = ("laptop".into(), true);
        let job = KeysJob::Enroll { origin: ORIGIN, account, identity, name, replace, now: NOW };
        assert_eq!(bench.refusal(job), KeysRefusal::BadKey, "{identity:?}");
    }
    assert_eq!(bench.list(account).0, None);
}

#[test]
fn there_is_room_for_eight_and_those_nobody_can_know_make_room() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let known: Vec<u32> = (0..DEVICES_PER_ACCOUNT_MAX - 2).map(|_| bench.published(ann, "known")).collect();
    assert_eq!((bench.enroll(ann, "left"), bench.enroll(ann, "right")), (7, 8));
    let gone = |reply| match reply {
        KeysReply::Enrolled { gone, .. } => gone.iter().map(|gone| gone.device.number()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(gone(bench.keys(enrolment(ann, 1, "9", false))), [7], "the oldest of them");
    bench.publish(ann, 8, new_prekeys(Some(signed(1, 8, 1)), vec![]));
    bench.publish(ann, 9, new_prekeys(Some(signed(1, 9, 1)), vec![]));
    assert_eq!(bench.refusal(enrolment(ann, 1, "10", false)), KeysRefusal::TooManyDevices);
    assert_eq!(bench.list(ann).1.len(), DEVICES_PER_ACCOUNT_MAX);
    bench.keys(KeysJob::Revoke { origin: ORIGIN, account: ann, device: device(known[0]) });
    assert_eq!(bench.enroll(ann, "10"), 10);
}

#[test]
fn a_revoked_device_is_gone_with_everything_and_its_token() {
    let mut bench = Bench::new();
    let record = bench.register("ann", Some(DAY)).expect("registers");
    let (ann, token) = (record.account, record.token.expect("a token"));
    let laptop = bench.published(ann, "laptop");
    let attach = |number, token| {
        let device = device(number);
        KeysJob::Attach { origin: ORIGIN, account: ann, device, run: 1, token, now: NOW }
    };
    bench.keys(attach(laptop, record.token_id));
    // Another device with a token of its own.
    let session = SessionTerms { now: NOW, token_lives: Some(DAY) };
    let proof = SessionProof::Verified(ann);
    let StoreReply::Session { outcome: Ok(other), .. } =
        bench.run(StoreJob::Session { origin: ORIGIN, proof, session })
    else {
        panic!("it logs in");
    };
    let phone = bench.published(ann, "phone");
    bench.keys(attach(phone, other.token_id));
    let revoke = |number| KeysJob::Revoke { origin: ORIGIN, account: ann, device: device(number) };
    match bench.keys(revoke(laptop)) {
        KeysReply::Revoked { gone, .. } => {
            assert_eq!(gone, Gone { device: device(laptop), name: "laptop".into(), published: true });
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.refusal(revoke(laptop)), KeysRefusal::NoSuchDevice);
    assert_eq!(bench.refusal(attach(laptop, None)), KeysRefusal::NoSuchDevice);
    assert_eq!(bench.list(ann).1.len(), 1);
    assert_eq!(bench.claim(ann).len(), 1);
    let mut opens = |token: &Secret| {
        let proof = SessionProof::Token { user: user("ann"), token: token.clone() };
        let session = SessionTerms { now: NOW, token_lives: Some(DAY) };
        match bench.run(StoreJob::Session { origin: ORIGIN, proof, session }) {
            StoreReply::Session { outcome, .. } => outcome.is_ok(),
            other => panic!("{other:?}"),
        }
    };
    assert!(!opens(&token), "the token of the revoked device has ended");
    assert!(opens(&other.token.expect("a token")), "the other one's has not");
}

#[test]
fn a_device_of_another_account_is_none_of_one_s_own() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    bench.published(ann, "one");
    let two = bench.published(ann, "two");
    bench.published(bob, "one");
    let (origin, account, device) = (ORIGIN, bob, device(two));
    let prekeys = Box::new(NewPrekeys { device, ..new_prekeys(Some(signed(1, two, 2)), vec![]) });
    for job in [
        KeysJob::Revoke { origin, account, device },
        KeysJob::Attach { origin, account, device, run: 1, token: None, now: NOW },
        KeysJob::Ack { origin, account, device, seq: Seq(1), now: NOW },
        KeysJob::Publish { origin, account, prekeys },
    ] {
        let shown = format!("{job:?}");
        assert_eq!(bench.refusal(job), KeysRefusal::NoSuchDevice, "{shown}");
    }
    assert_eq!(bench.list(ann).1.len(), 2);
}

#[test]
fn a_removed_account_leaves_nothing() {
    let mut bench = Bench::new();
    let (ann, bob) = (bench.account("ann"), bench.account("bob"));
    let (to, from) = (bench.published(ann, "laptop"), bench.published(bob, "laptop"));
    bench.send_one(bob, from, ann, to, 7);
    bench.remove_user("ann");
    assert!(bench.store().news().len() == 1);
    bench.settle();
    for (table, left) in [("identities", 1), ("devices", 1), ("prekeys", 3), ("envelopes", 0)] {
        assert_eq!(bench.count(&format!("SELECT COUNT(*) FROM {table}")), left, "{table}");
    }
    // Who asks for it, or acts for it, finds nothing.
    assert_eq!(bench.list(ann), (None, vec![]));
    let reply = bench.run(StoreJob::Keys(enrolment(ann, 1, "ghost", false)));
    assert!(matches!(reply, StoreReply::Failed { job: FailedJob::Request { .. }, .. }), "{reply:?}");
    bench.check_whole();
}
