//! Where servers and partners do what they should not: nothing is lost silently, and nothing grows.

use serde_json::{Value, json};

use crate::client::private::row::Table;
use crate::client::private::tests::world::{World, having, name};
use crate::client::private::{Off, State};
use crate::client::session::event::Unsent;

/// Bob takes another identity, and says something under it: nothing is sent to him until alice agrees.
fn changed(seed: u64) -> (World, usize, usize) {
    let mut world = World::new(seed);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "before");
    let now = world.now;
    world.devices[bob].session.new_identity(now).expect("possible");
    world.run();
    world.tell(bob, "alice", "it is me");
    assert_eq!(world.say(alice, "bob", "is it?"), Err(Unsent::Untrusted));
    (world, alice, bob)
}

#[test]
fn a_number_that_the_server_gives_twice_hides_no_message() {
    let mut world = World::new(201);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "one");
    world.tell(alice, "bob", "two");
    assert_eq!(world.messages(bob).len(), 2);
    // A power cut took the server's last moments, after bob had read the second one.
    world.cut(bob);
    let uid = world.server.uid("bob");
    let device = world.server.accounts.get_mut(&uid).and_then(|account| account.devices.get_mut(&1));
    let device = device.expect("bob's device");
    let sent = device.next_seq - 1;
    device.next_seq = sent;
    world.tell(alice, "bob", "three");
    world.run();
    assert_eq!(world.messages(bob), ["alice: <alice> three [encrypted]"]);
    let waits = &world.server.accounts[&uid].devices[&1].mailbox;
    assert!(waits.is_empty(), "it is acknowledged: {waits:?}");
    world.tell(alice, "bob", "four");
    assert_eq!(world.messages(bob), ["alice: <alice> four [encrypted]"]);
}

#[test]
fn what_comes_again_is_shown_once_and_acknowledged() {
    let mut world = World::new(202);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "one");
    world.tell(bob, "alice", "two");
    world.messages(bob);
    // The acknowledgement does not arrive.
    let uid = world.server.uid("bob");
    world.say(alice, "bob", "three").expect("accepted");
    while world.send(alice) || world.receive(alice) {
        world.listen(alice);
    }
    let mail = world.server.accounts[&uid].devices[&1].mailbox.clone();
    assert_eq!(mail.len(), 1);
    world.run();
    world.cut(bob);
    let account = world.server.accounts.get_mut(&uid).expect("bob");
    account.devices.get_mut(&1).expect("his device").mailbox = mail;
    world.run();
    let seen = world.news(bob);
    assert!(!seen.iter().any(|line| line.contains("undecryptable")), "{seen:#?}");
    assert_eq!(seen.iter().filter(|line| line.contains("three")).count(), 1, "{seen:#?}");
    assert!(world.server.accounts[&uid].devices[&1].mailbox.is_empty());
}

#[test]
fn a_mailbox_that_another_has_taken_is_not_taken_back() {
    let mut world = World::new(203);
    let (alice, _bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "one");
    // The copy of this home attaches while a message is on its way.
    world.say(alice, "bob", "two").expect("accepted");
    world.store(alice);
    let line = world.devices[alice].session.poll_line().expect("it is sent");
    let other = world.server.connect();
    for request in [
        json!({"id": 1, "cmd": "login", "user": "alice", "token": "t"}),
        json!({"id": 2, "cmd": "attach", "device": 1, "run": 99}),
    ] {
        world.server.handle(other, &request.to_string());
    }
    world.server.handle(world.devices[alice].conn.expect("connected"), &line);
    world.run();
    assert_eq!(world.private(alice).state(), State::Off(Off::Detached));
    assert_eq!(world.server.conns[&other].device, Some(1), "the other one has it still");
}

#[test]
fn what_is_to_go_without_encryption_does_not_wait_for_an_identity() {
    let (mut world, alice, bob) = changed(204);
    world.news(bob);
    let now = world.now;
    let ticket =
        world.devices[alice].session.message_plainly(now, &name("bob"), "call me").expect("accepted");
    world.run();
    assert_eq!(world.outcome(alice, ticket), Some(Ok(())));
    assert_eq!(world.messages(bob), ["alice: <alice> call me [NOT encrypted]"]);
}

#[test]
fn receipts_that_cannot_be_sent_do_not_pile_up() {
    let (mut world, alice, bob) = changed(205);
    let before = world.private(alice).outbox.len();
    for n in 0..20 {
        world.tell(bob, "alice", &format!("number {n}"));
    }
    assert_eq!(world.private(alice).outbox.len(), before, "one holds them all");
    let now = world.now;
    assert!(world.devices[alice].session.trust(now, &name("bob")));
    world.run();
    assert!(world.private(alice).outbox.len() < before, "it was sent");
}

#[test]
fn an_account_with_ever_new_devices_takes_no_more_room() {
    let mut world = World::new(206);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    for n in 0..40 {
        world.tell(bob, "alice", &format!("from device {n}"));
        // The keys of his device are thrown away, and it enrols anew.
        let uid = world.server.uid("bob");
        world.server.accounts.get_mut(&uid).expect("bob").devices.clear();
        world.cut(bob);
        world.run();
    }
    let of_bob = world.private(alice).peer(&name("bob")).expect("known").devices.len();
    let sessions = world.private(alice).sets.len();
    assert!(of_bob <= 24 && sessions <= of_bob, "{sessions} sets of sessions with {of_bob} devices");
    let rows = world.devices[alice].rows.of(Table::Sessions).count();
    assert_eq!(rows, sessions, "nor on the disk");
    world.tell(alice, "bob", "still there");
    world.tell(bob, "alice", "still here");
    let last = world.messages(alice).pop();
    assert_eq!(last.as_deref(), Some("bob: <bob> still here [encrypted]"));
}

#[test]
fn a_full_mailbox_of_one_s_own_is_noticed_also_in_what_is_for_oneself() {
    let mut world = World::new(207);
    let [first, second, third] = [0; 3].map(|_| world.device("alice"));
    for new in [second, third] {
        let now = world.now;
        let code = world.devices[new].session.pair(now).expect("a code");
        world.devices[first].session.pair_with(now, &code).expect("answered");
        world.run();
    }
    world.news(first);
    let uid = world.server.uid("alice");
    let account = world.server.accounts.get_mut(&uid).expect("alice");
    account.devices.get_mut(&3).expect("the third device").mailbox_max = 0;
    world.tell(first, "alice", "a note for myself");
    let seen = world.news(first);
    assert_eq!(having(&seen, "device 3 gets nothing").len(), 1, "{seen:#?}");
    assert_eq!(world.messages(second), ["alice: <alice> a note for myself [encrypted]"]);
}

#[test]
fn what_may_be_there_already_goes_before_what_is_sealed_later() {
    for crash in [false, true] {
        let mut world = World::new(210);
        let (alice, bob) = (world.device("alice"), world.device("bob"));
        world.tell(alice, "bob", "hello");
        world.tell(bob, "alice", "hello yourself");
        world.news(alice);
        // Nobody tells bob that his message is there, neither the server nor alice, and he begins to owe a
        // receipt for what she says meanwhile.
        world.server.tamper =
            Some(Box::new(|name, line: &mut Value| name != "bob" || line["ok"]["full"].is_null()));
        world.say(bob, "alice", "one").expect("accepted");
        world.flow();
        world.say(alice, "bob", "two").expect("accepted");
        world.flow();
        assert_eq!(having(&world.news(bob), "> two [encrypted]").len(), 1);
        world.cut(alice);
        world.server.tamper = None;
        if crash {
            world.crash(bob);
        } else {
            world.cut(bob);
        }
        world.wait(5_000);
        world.run_only(&[bob]);
        world.run();
        world.tell(bob, "alice", "three");
        let seen = world.news(alice);
        assert_eq!(having(&seen, "> one [encrypted]").len(), 1, "{seen:#?}");
        assert_eq!(having(&seen, "> three [encrypted]").len(), 1, "{seen:#?}");
        assert_eq!(having(&seen, "undecryptable").len(), 0, "{seen:#?}");
    }
}

#[test]
fn a_new_identity_takes_the_mailbox_from_nobody() {
    let mut world = World::new(208);
    let (bob, _alice) = (world.device("bob"), world.device("alice"));
    world.tell(bob, "alice", "before");
    world.news(bob);
    let now = world.now;
    world.devices[bob].session.new_identity(now).expect("possible");
    world.run();
    let seen = world.news(bob);
    assert_eq!(having(&seen, "another connection"), [""; 0], "{seen:#?}");
    assert_eq!(world.private(bob).state(), State::Ready);
}

#[test]
fn a_server_that_never_has_enough_keys_is_not_given_keys_without_end() {
    let mut world = World::new(209);
    let (alice, _bob) = (world.device("alice"), world.device("bob"));
    world.cut(alice);
    let uid = world.server.uid("alice");
    let account = world.server.accounts.get_mut(&uid).expect("alice");
    account.devices.get_mut(&1).expect("her device").one_time.clear();
    // It says so whatever it gets; it really has a hundred after the first time.
    world.server.tamper = Some(Box::new(|_, line| {
        let published = line["ok"].get("run").is_none();
        if let Some(left) = line["ok"].get_mut("one_time").filter(|left| published && left.is_number()) {
            *left = 0.into();
        }
        true
    }));
    let before = world.server.log.len();
    world.run();
    world.tell(alice, "bob", "hello");
    let published = world.server.log[before..].iter().filter(|command| *command == "prekeys").count();
    assert_eq!(published, 1);
}

#[test]
fn a_server_that_denies_a_device_again_and_again_is_believed_in_the_end() {
    let mut world = World::new(210);
    let (alice, _bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "hello");
    let conn = world.devices[alice].conn.expect("connected");
    for _ in 0..4 {
        // It lets go of the mailbox without a word.
        world.server.conns.get_mut(&conn).expect("connected").device = None;
        let _ = world.say(alice, "bob", "again");
        world.run();
    }
    let state = world.private(alice).state();
    assert!(matches!(state, State::Off(Off::Refused(_))), "{state:?}");
}
