//! Entries and lanes.

use zeroize::Zeroizing;

use super::*;
use crate::e2e::address::{Address, DeviceId, Uid};
use crate::e2e::content::MessageId;
use crate::proto::time::Timestamp;

fn address(device: u32) -> Address {
    Address { uid: Uid(5), device: DeviceId::new(device).unwrap() }
}

fn entry(what: What) -> Entry {
    let bob = UserName::parse("Bob").unwrap();
    Entry::new(bob, MessageId([7; 16]), Millis(1000), what)
}

fn text(text: &str) -> What {
    What::Content(Zeroizing::new(text.as_bytes().to_vec()))
}

#[test]
fn entries_come_back_and_a_cut_one_does_not() {
    let whats = [
        text("hi"),
        What::Plain(Zeroizing::new(vec![1])),
        What::Receipt(address(1), vec![MessageId([1; 16]), MessageId([2; 16])]),
        What::Reset(address(2), vec![4, u64::MAX], true),
        What::Own(Zeroizing::new(vec![])),
    ];
    for what in whats {
        let mut entry = entry(what);
        (entry.uid, entry.sent, entry.counter) = (Some(Uid(0)), Some(Timestamp(9)), 77);
        entry.parts.insert(address(1), Part::Wanted { resent: 2 });
        entry.parts.insert(address(2), Part::Sealed { bytes: vec![3; 300].into(), resent: 0 });
        entry.parts.insert(address(3), Part::Stored { resent: 1 });
        entry.parts.insert(address(4), Part::Delivered);
        let bytes = entry.encode();
        let again = Entry::decode(&bytes).unwrap();
        assert_eq!((again.uid, again.sent, again.counter), (entry.uid, entry.sent, 77));
        assert_eq!(
            (format!("{:?}", again.what), again.encode()),
            (format!("{:?}", entry.what), bytes.clone())
        );
        assert_eq!(again.parts, entry.parts);
        for length in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..length]).is_err(), "{length}");
        }
    }
}

#[test]
fn a_lane_has_control_first_and_messages_in_order() {
    let mut outbox = Outbox::default();
    let bob = UserName::parse("bob").unwrap();
    let first = outbox.push(entry(text("one")));
    let second = outbox.push(entry(text("two")));
    let reset = outbox.push(entry(What::Reset(address(1), vec![], false)));
    assert_eq!(outbox.lane(&bob).collect::<Vec<_>>(), [reset, first, second]);
    assert_eq!(outbox.waiting(), 2);
    outbox.remove(reset);
    let entry = outbox.get_mut(first).unwrap();
    entry.sent = Some(Timestamp(1));
    entry.parts.insert(address(1), Part::Stored { resent: 0 });
    outbox.settle(first);
    assert_eq!(outbox.lane(&bob).collect::<Vec<_>>(), [second]);
    outbox.get_mut(first).unwrap().parts.insert(address(1), Part::Wanted { resent: 1 });
    outbox.settle(first);
    assert_eq!(outbox.lane(&bob).collect::<Vec<_>>(), [first, second], "to be sent again, and before");
}

fn sent(outbox: &mut Outbox, part: Part) -> u64 {
    let order = outbox.push(entry(text("x")));
    let entry = outbox.get_mut(order).unwrap();
    entry.sent = Some(Timestamp(1));
    entry.parts.insert(address(1), part);
    outbox.settle(order);
    order
}

#[test]
fn sent_messages_are_kept_until_delivered_or_seven_days_or_five_hundred() {
    let mut outbox = Outbox::default();
    let delivered = sent(&mut outbox, Part::Delivered);
    let kept = sent(&mut outbox, Part::Stored { resent: 0 });
    let unsent = outbox.push(entry(text("waits")));
    assert_eq!(outbox.expire(Millis(1000 + KEPT_MS)), [delivered]);
    assert_eq!(outbox.expire(Millis(1000 + KEPT_MS + 1)), [kept]);
    assert!(outbox.get(unsent).is_some(), "what was not sent is kept as long as it takes");
    let orders: Vec<u64> = (0..KEPT_MAX + 2).map(|_| sent(&mut outbox, Part::Stored { resent: 0 })).collect();
    let mut gone = outbox.expire(Millis(1000));
    gone.sort_unstable();
    assert_eq!(gone, orders[..2]);
}
