//! Kinds of messages, receipts, and what becomes of them in the history.

use crate::client::private::Saying;
use crate::client::private::history::{Delivery, Record, RecordKind};
use crate::client::private::row::Table;
use crate::client::private::tests::world::{World, having, name};
use crate::client::scrollback::Seal;
use crate::e2e::content::{FileNote, MessageId};
use crate::e2e::file::FileKey;

fn records(world: &World, id: usize) -> Vec<Record> {
    let rows = world.devices[id].rows.of(Table::History);
    let records = rows.map(|(_, row)| Record::decode(row).expect("an entry"));
    records.filter(|record| record.kind != RecordKind::Notice).collect()
}

fn acquainted(seed: u64) -> (World, usize, usize) {
    let mut world = World::new(seed);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "hello");
    world.tell(bob, "alice", "hello yourself");
    world.news(alice);
    world.news(bob);
    (world, alice, bob)
}

#[test]
fn a_message_is_sent_then_delivered_and_its_entry_says_so() {
    let (mut world, alice, bob) = acquainted(300);
    world.cut(bob);
    world.say(alice, "bob", "later").expect("accepted");
    world.flow();
    let sent = records(&world, alice).pop().unwrap();
    assert_eq!((sent.text.as_str(), sent.delivery, sent.own), ("later", Delivery::Sent, true));
    assert_eq!(world.private(alice).is_delivered(&sent.message), Some(false));
    world.run();
    let sent = records(&world, alice).pop().unwrap();
    assert_eq!((sent.delivery, sent.seal), (Delivery::Delivered, Seal::Encrypted));
    let received = records(&world, bob).pop().unwrap();
    assert_eq!((received.delivery, received.own), (Delivery::Received, false));
    assert_eq!(received.message, sent.message);
    assert_eq!(world.devices[alice].rows.of(Table::Outbox).count(), 0, "nobody asks for it again");
    assert_eq!(world.devices[bob].rows.of(Table::Outbox).count(), 0);
}

#[test]
fn a_page_of_messages_is_one_receipt() {
    let (mut world, alice, bob) = acquainted(301);
    world.cut(bob);
    for number in 0..40 {
        world.say(alice, "bob", &format!("number {number}")).expect("accepted");
    }
    world.run_only(&[alice]);
    world.server.log.clear();
    world.run();
    assert_eq!(world.messages(bob).len(), 40);
    let sends = world.server.log.iter().filter(|command| *command == "send").count();
    assert_eq!(sends, 1, "{:?}", world.server.log);
    let acks = world.server.log.iter().filter(|command| *command == "ack").count();
    assert!(acks <= 2, "one for the page, one for the receipt: {acks}");
}

#[test]
fn who_wants_to_leave_waits_for_no_company_of_a_receipt() {
    let (mut world, alice, bob) = acquainted(303);
    world.say(alice, "bob", "see you").expect("accepted");
    world.flow();
    let undelivered = |world: &World| world.private(alice).undelivered(&name("bob"));
    assert_eq!((world.messages(bob).len(), undelivered(&world)), (1, 1), "the receipt waits for others");
    let now = world.now;
    world.devices[bob].session.hurry(now);
    world.flow();
    assert_eq!(undelivered(&world), 0);
    assert!(world.devices[bob].session.is_settled());
}

#[test]
fn edited_deleted_and_reacted_to() {
    let (mut world, alice, bob) = acquainted(302);
    let first = records(&world, alice).remove(0);
    assert_eq!(first.text.as_str(), "hello");
    let of = first.message;
    world.say_to(alice, "bob", Saying::Edit { of, text: "hello, bob".into() }).expect("accepted");
    world.run();
    assert_eq!(world.messages(bob), ["alice: <alice> edited: hello, bob [encrypted]"]);
    for id in [alice, bob] {
        let entry = records(&world, id).into_iter().find(|record| record.message == of).unwrap();
        assert_eq!((entry.text.as_str(), entry.edited, entry.kind), ("hello, bob", true, RecordKind::Text));
    }
    world.say_to(bob, "alice", Saying::React { of, text: "👍".into() }).expect("accepted");
    // Only the author can take it back.
    world.say_to(bob, "alice", Saying::Delete { of }).expect("accepted");
    world.run();
    assert_eq!(
        world.messages(alice)[1..],
        ["bob: <bob> reacted 👍 [encrypted]", "bob: <bob> deleted a message [encrypted]"]
    );
    let entry = records(&world, alice).into_iter().find(|record| record.message == of).unwrap();
    assert_eq!(entry.text.as_str(), "hello, bob");
    world.say_to(alice, "bob", Saying::Delete { of }).expect("accepted");
    world.run();
    for id in [alice, bob] {
        let entry = records(&world, id).into_iter().find(|record| record.message == of).unwrap();
        assert_eq!((entry.text.as_str(), entry.kind), ("", RecordKind::Deleted), "the text is gone");
        let rows = world.devices[id].rows.of(Table::History);
        assert!(rows.into_iter().all(|(_, row)| !having_bytes(row, b"hello, bob")));
    }
}

fn having_bytes(row: &[u8], part: &[u8]) -> bool {
    row.windows(part.len()).any(|window| window == part)
}

/// A receipt that comes after an edit does not bring the first text back.
#[test]
fn what_was_edited_before_it_arrived_stays_edited() {
    let (mut world, alice, bob) = acquainted(303);
    world.cut(bob);
    world.say(alice, "bob", "a slip").expect("accepted");
    world.flow();
    let of = records(&world, alice).pop().unwrap().message;
    world.say_to(alice, "bob", Saying::Delete { of }).expect("accepted");
    world.flow();
    world.run();
    let entry = records(&world, alice).into_iter().find(|record| record.message == of).unwrap();
    assert_eq!((entry.text.as_str(), entry.kind), ("", RecordKind::Deleted));
}

#[test]
fn files_are_offered_once_until_they_are_settled() {
    let (mut world, alice, bob) = acquainted(304);
    let note = FileNote {
        blob: [1; 16],
        key: FileKey::from_bytes(&[2; 32]),
        size: 1536,
        sha256: [3; 32],
        name: "../../tea\u{202e}.txt".into(),
        mime: "text/plain".into(),
    };
    world.say_to(alice, "bob", Saying::FileNote(note)).expect("accepted");
    world.run();
    let seen = world.messages(bob);
    assert_eq!(having(&seen, "> file: tea").len(), 1, "{seen:#?}");
    assert!(seen[0].ends_with("(1.5 KiB) [encrypted]") && !seen[0].contains('\u{202e}'), "{seen:#?}");
    assert_eq!(world.private(alice).offers().count(), 0);
    world.crash(bob);
    world.run();
    let offer = world.private(bob).offers().next().expect("kept");
    assert_eq!((offer.from.clone(), offer.note.size, offer.seal), (name("alice"), 1536, Seal::Encrypted));
    assert_eq!(offer.note.key.reveal(), &[2; 32]);
    let (key, now) = (offer.key(), world.now);
    assert!(world.devices[bob].session.settle_offer(now, &key).is_some());
    assert!(world.devices[bob].session.settle_offer(now, &key).is_none());
    world.crash(bob);
    world.store(bob);
    assert_eq!(world.private(bob).offers().count(), 1, "it was not stored before the crash");
    world.devices[bob].session.settle_offer(now, &key);
    world.store(bob);
    world.crash(bob);
    assert_eq!(world.private(bob).offers().count(), 0);
}

#[test]
fn a_clock_that_is_wrong_is_shown() {
    let (mut world, alice, bob) = acquainted(305);
    world.server.now += 6 * 60 * 1000;
    world.say(alice, "bob", "what time is it?").expect("accepted");
    world.flow();
    let seen = world.news(bob);
    let at = seen.iter().position(|line| line.contains("what time is it?")).expect("shown");
    assert!(seen[at + 1].starts_with("alice- by its author's clock"), "{seen:#?}");
    assert_eq!(having(&world.news(alice), "by its author's clock").len(), 0);
}

#[test]
fn several_lines_stay_several_lines() {
    let (mut world, alice, bob) = acquainted(306);
    world.tell(alice, "bob", "one\ntwo\u{1b}[2J");
    assert_eq!(world.messages(bob), ["alice: <alice> one\ntwo [encrypted]"]);
}

#[test]
fn notes_to_oneself_reach_ones_other_devices() {
    let mut world = World::new(307);
    let phone = world.device("alice");
    world.tell(phone, "alice", "buy bread");
    let laptop = world.device("alice");
    let now = world.now;
    let code = world.devices[laptop].session.pair(now).expect("a code");
    world.devices[phone].session.pair_with(now, &code).expect("answered");
    world.run();
    world.tell(phone, "alice", "and milk");
    assert_eq!(world.messages(laptop), ["alice: <alice> and milk [encrypted]"]);
    assert_eq!(world.messages(phone).len(), 2);
}

#[test]
fn nothing_of_it_lies_open_in_memory_dumps_of_rows_keys() {
    let (mut world, alice, _bob) = acquainted(308);
    world.tell(alice, "bob", "secret");
    for table in Table::ALL {
        for (key, _) in world.devices[alice].rows.of(table) {
            assert!(!having_bytes(key, b"secret") && !having_bytes(key, b"bob"), "{table:?}");
        }
    }
    let of = MessageId([9; 16]);
    world.say_to(alice, "bob", Saying::Edit { of, text: "of nothing".into() }).expect("accepted");
    world.run();
}
