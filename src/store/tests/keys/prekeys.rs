//! Publishing prekeys, and giving them out.

use super::*;
use crate::proto::limits::ONE_TIME_PREKEYS_MAX;

#[test]
fn a_bundle_has_what_was_published_and_each_one_time_prekey_once() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let (laptop, phone) = (bench.published(ann, "laptop"), bench.enroll(ann, "phone"));
    bench.publish(ann, phone, new_prekeys(Some(signed(1, phone, 5)), one_time([9])));
    let bundle = |number, id, one: Option<u32>| Bundle {
        device: device(number),
        identity: public(1),
        signed: signed(1, number, id),
        one_time: one.map(|id| one_time([id])[0]),
    };
    assert_eq!(bench.claim(ann), [bundle(laptop, 1, Some(1)), bundle(phone, 5, Some(9))]);
    bench.restart();
    assert_eq!(bench.claim(ann), [bundle(laptop, 1, Some(2)), bundle(phone, 5, None)]);
    assert_eq!(bench.claim(ann), [bundle(laptop, 1, Some(3)), bundle(phone, 5, None)]);
    assert_eq!(bench.claim(ann), [bundle(laptop, 1, None), bundle(phone, 5, None)]);
}

#[test]
fn only_the_devices_that_were_asked_for_give_a_prekey() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let numbers = [bench.published(ann, "a"), bench.published(ann, "b"), bench.published(ann, "c")];
    let mut claim = |devices: Option<&[u32]>, except: Option<u32>| {
        let devices = devices.map(|devices| devices.iter().map(|&number| device(number)).collect());
        let except = except.map(device);
        match bench.keys(KeysJob::Claim { origin: ORIGIN, from: user("bob"), target: ann, devices, except }) {
            KeysReply::Claimed { bundles, .. } => {
                let shown = |bundle: &Bundle| (bundle.device.number(), bundle.one_time.map(|one| one.id));
                bundles.iter().map(shown).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    let [a, b, c] = numbers;
    assert_eq!(claim(Some(&[c, 77, a]), None), [(a, Some(1)), (c, Some(1))]);
    assert_eq!(claim(None, Some(a)), [(b, Some(1)), (c, Some(2))]);
    assert_eq!(claim(Some(&[a]), Some(a)), []);
    assert_eq!(claim(Some(&[]), None), []);
}

#[test]
fn publishing_again_changes_nothing_and_no_number_stands_for_two_keys() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let laptop = bench.enroll(ann, "laptop");
    let first = || new_prekeys(Some(signed(1, laptop, 1)), one_time([2, 1, 5]));
    assert_eq!(bench.publish(ann, laptop, first()), 3);
    assert_eq!(bench.publish(ann, laptop, first()), 3);
    assert_eq!(bench.claim(ann)[0].one_time.map(|one| one.id), Some(1));
    assert_eq!(bench.publish(ann, laptop, first()), 2, "what was given out does not come back");
    assert_eq!(bench.publish(ann, laptop, new_prekeys(None, one_time([3, 4]))), 2, "below the highest");
    assert_eq!(bench.publish(ann, laptop, new_prekeys(None, one_time([4, 6, 7]))), 4);
    let (attached, _) = bench.attach(ann, laptop, 1);
    assert_eq!((attached.one_time, attached.one_time_next), (4, 8));
    let left: Vec<_> = (0..5).map(|_| bench.claim(ann)[0].one_time.map(|one| one.id)).collect();
    assert_eq!(left, [Some(2), Some(5), Some(6), Some(7), None]);
}

#[test]
fn replacing_leaves_what_the_request_brings_however_often_it_comes() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let laptop = bench.published(ann, "laptop");
    let replacing = |ids: std::ops::RangeInclusive<u32>| {
        let signed = Some(signed(1, laptop, 2));
        NewPrekeys { replace: true, ..new_prekeys(signed, one_time(ids)) }
    };
    for _ in 0..3 {
        assert_eq!(bench.publish(ann, laptop, replacing(10..=19)), 10);
    }
    let bundle = bench.claim(ann).remove(0);
    assert_eq!((bundle.signed.id, bundle.one_time.map(|one| one.id)), (2, Some(10)));
    assert_eq!(bench.publish(ann, laptop, replacing(10..=19)), 9);
    let none = NewPrekeys { replace: true, ..new_prekeys(None, vec![]) };
    assert_eq!(bench.publish(ann, laptop, none), 0);
    assert_eq!(bench.attach(ann, laptop, 1).0.one_time_next, 20);
}

#[test]
fn there_is_a_bound_to_what_is_kept() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let laptop = bench.published(ann, "laptop");
    let most = ONE_TIME_PREKEYS_MAX as u32;
    let publish = |ids, replace| {
        let prekeys = NewPrekeys { replace, device: device(laptop), ..new_prekeys(None, one_time(ids)) };
        KeysJob::Publish { origin: ORIGIN, account: ann, prekeys: Box::new(prekeys) }
    };
    assert_eq!(bench.refusal(publish(4..=most + 1, false)), KeysRefusal::TooManyPrekeys);
    assert_eq!(bench.attach(ann, laptop, 1).0.one_time, 3, "nothing was changed");
    assert_eq!(bench.publish(ann, laptop, new_prekeys(None, one_time(4..=most))), most);
    assert_eq!(bench.refusal(publish(most + 1..=most + 1, false)), KeysRefusal::TooManyPrekeys);
    let reply = bench.keys(publish(most + 1..=2 * most, true));
    assert!(matches!(reply, KeysReply::Published { one_time, .. } if one_time == most), "{reply:?}");
}

#[test]
fn signed_prekeys_are_checked_and_count_up() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let (laptop, other) = (bench.enroll(ann, "laptop"), bench.enroll(ann, "other"));
    let publish = |signed| {
        let prekeys = NewPrekeys { device: device(laptop), ..new_prekeys(signed, one_time([1])) };
        KeysJob::Publish { origin: ORIGIN, account: ann, prekeys: Box::new(prekeys) }
    };
    assert_eq!(bench.refusal(publish(None)), KeysRefusal::MissingSigned);
    let good = || signed(1, laptop, 4);
    let flipped = |at: usize| {
        let mut signature = good().signature;
        signature.0[at] ^= 1;
        SignedPrekey { signature, ..good() }
    };
    for (what, bad) in [
        ("another identity", signed(2, laptop, 4)),
        ("another device", signed(1, other, 4)),
        ("another number", SignedPrekey { id: 5, ..good() }),
        ("another date", SignedPrekey { created: later(MS), ..good() }),
        ("another key", SignedPrekey { key: PublicKey([8; 32]), ..good() }),
        ("a flipped bit", flipped(0)),
        ("another flipped bit", flipped(63)),
    ] {
        assert_eq!(bench.refusal(publish(Some(bad))), KeysRefusal::BadSignature, "{what}");
    }
    assert_eq!(bench.list(ann).1, [], "nothing was published");
    let first = |reply: KeysReply| match reply {
        KeysReply::Published { first, .. } => first,
        other => panic!("{other:?}"),
    };
    assert!(first(bench.keys(publish(Some(good())))));
    assert!(!first(bench.keys(publish(Some(good())))), "the same again is let pass");
    assert!(!first(bench.keys(publish(None))));
    for (what, old) in [
        ("a lower number", signed(1, laptop, 3)),
        ("the same number with another signature", flipped(0)),
        ("the same number with another date", SignedPrekey { created: later(MS), ..good() }),
    ] {
        assert_eq!(bench.refusal(publish(Some(old))), KeysRefusal::OldSigned, "{what}");
    }
    assert_eq!(bench.refusal(publish(Some(signed(2, laptop, 5)))), KeysRefusal::BadSignature);
    assert_eq!(bench.claim(ann)[0].signed, good());
    bench.keys(publish(Some(signed(1, laptop, 5))));
    assert_eq!(bench.claim(ann)[0].signed, signed(1, laptop, 5));
}

#[test]
fn points_that_nobody_can_agree_with_are_refused() {
    let mut bench = Bench::new();
    let ann = bench.account("ann");
    let laptop = bench.enroll(ann, "laptop");
    let mut one = [0; 32];
    one[0] = 1;
    let mut top_bit = [9; 32];
    top_bit[31] = 0x80;
    for point in [[0; 32], one, [0xff; 32], top_bit] {
        let key = PublicKey(point);
        let bad = OneTimePrekey { id: 2, key };
        let mut one_time = one_time([1]);
        one_time.push(bad);
        let in_list = new_prekeys(Some(signed(1, laptop, 1)), one_time);
        let in_signed = new_prekeys(Some(SignedPrekey { key, ..signed(1, laptop, 1) }), vec![]);
        for prekeys in [in_list, in_signed] {
            let prekeys = Box::new(NewPrekeys { device: device(laptop), ..prekeys });
            let job = KeysJob::Publish { origin: ORIGIN, account: ann, prekeys };
            assert_eq!(bench.refusal(job), KeysRefusal::BadKey, "{point:?}");
        }
    }
    assert_eq!(bench.list(ann).1, []);
    assert_eq!(ids(&one_time([3])), [3]);
}
