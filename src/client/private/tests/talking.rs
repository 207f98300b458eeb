//! What people do: talk, be away, come back, have several devices.

use crate::client::private::tests::world::{World, having};
use crate::client::private::{Saying, State};
use crate::client::scrollback::Seal;
use crate::client::session::event::Unsent;

#[test]
fn two_people_talk() {
    let mut world = World::new(1);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    assert_eq!(world.private(alice).state(), State::Ready);
    world.tell(alice, "bob", "hi bob");
    world.tell(bob, "alice", "hi alice");
    let seen = world.news(alice);
    assert_eq!(having(&seen, "hi"), ["bob: <alice> hi bob [encrypted]", "bob: <bob> hi alice [encrypted]"]);
    assert_eq!(having(&seen, "taken on trust").len(), 1, "pinned, and said so: {seen:#?}");
    let seen = world.news(bob);
    assert_eq!(
        having(&seen, "hi"),
        ["alice: <alice> hi bob [encrypted]", "alice: <bob> hi alice [encrypted]"]
    );
    assert_eq!(world.seal(alice, "bob"), Seal::Encrypted);
    assert!(world.server.accounts.values().all(|account| account.devices[&1].mailbox.is_empty()));
}

#[test]
fn nothing_readable_passes_the_server() {
    let mut world = World::new(2);
    let (alice, _bob) = (world.device("alice"), world.device("bob"));
    let conn = world.devices[alice].conn;
    world.say(alice, "bob", "the secret of the day").expect("accepted");
    let mut sent = String::new();
    for _ in 0..20 {
        world.store(alice);
        while let Some(line) = world.devices[alice].session.poll_line() {
            sent.push_str(&line);
            world.server.handle(conn.unwrap(), &line);
        }
        world.receive(alice);
        world.listen(alice);
    }
    assert!(sent.contains(r#""cmd":"send""#) && !sent.contains("secret"), "{sent}");
}

#[test]
fn what_is_said_offline_goes_out_later_in_order() {
    let mut world = World::new(3);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.cut(alice);
    for text in ["one", "two", "three"] {
        world.say(alice, "bob", text).expect("accepted without a connection");
    }
    world.listen(alice);
    assert_eq!(world.private(alice).waiting(&super::world::name("bob")).len(), 3);
    world.crash(alice);
    world.run();
    let expected = [
        "alice: <alice> one [encrypted]",
        "alice: <alice> two [encrypted]",
        "alice: <alice> three [encrypted]",
    ];
    assert_eq!(world.messages(bob), expected);
    assert_eq!(world.private(alice).unconfirmed(), 0);
}

#[test]
fn who_is_away_gets_it_at_the_next_login() {
    let mut world = World::new(4);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.cut(bob);
    let ticket = world.say(alice, "bob", "for later").expect("accepted");
    world.flow();
    assert_eq!(world.outcome(alice, ticket), Some(Ok(())));
    world.crash(bob);
    world.run();
    assert_eq!(world.messages(bob), ["alice: <alice> for later [encrypted]"]);
}

#[test]
fn a_partner_without_keys_is_written_to_openly_and_marked() {
    let mut world = World::new(5);
    let (alice, guest) = (world.device("alice"), world.guest("gus"));
    world.tell(alice, "gus", "hello gus");
    let seen = world.news(alice);
    assert!(seen[0].starts_with("gus! not-encrypted: messages with gus are NOT encrypted"), "{seen:#?}");
    assert_eq!(seen[1], "gus: <alice> hello gus [NOT encrypted]");
    let ticket = world.say(guest, "alice", "hello alice").expect("a guest has no keys");
    world.run();
    assert_eq!(world.outcome(guest, ticket), Some(Ok(())));
    assert_eq!(world.messages(alice), ["gus: <gus> hello alice [NOT encrypted]"]);
    assert_eq!(world.seal(alice, "gus"), Seal::NotEncrypted);
    let ticket = world.say(alice, "nobody", "x").expect("accepted");
    world.run();
    let outcome = world.outcome(alice, ticket).expect("answered");
    assert!(outcome.as_ref().is_err_and(|text| text.starts_with("no-such-user")), "{outcome:?}");
    let file = crate::e2e::content::MessageId([1; 16]);
    let ticket = world.say_to(alice, "gus", Saying::Delete { of: file }).expect("accepted");
    world.run();
    assert!(
        world.outcome(alice, ticket).is_some_and(|outcome| outcome.is_err()),
        "only texts go without encryption"
    );
}

#[test]
fn several_devices_of_both_receive_everything() {
    let mut world = World::new(6);
    let (phone, bob) = (world.device("alice"), world.device("bob"));
    let laptop = world.device("alice");
    assert!(matches!(world.private(laptop).state(), State::NeedsPairing { code: None }));
    assert_eq!(world.say(laptop, "bob", "x"), Err(Unsent::PrivateOff));
    let now = world.now;
    let code = world.devices[laptop].session.pair(now).expect("a code");
    world.devices[phone].session.pair_with(now, &code).expect("answered");
    world.run();
    assert_eq!(world.private(laptop).state(), State::Ready);
    assert_eq!(world.private(phone).devices().len(), 2);
    world.messages(laptop);
    world.tell(bob, "alice", "to both of you");
    world.tell(phone, "bob", "from the phone");
    world.tell(laptop, "bob", "from the laptop");
    let expected = [
        "bob: <bob> to both of you [encrypted]",
        "bob: <alice> from the phone [encrypted]",
        "bob: <alice> from the laptop [encrypted]",
    ];
    assert_eq!(world.messages(phone), expected);
    assert_eq!(world.messages(laptop), expected);
    assert_eq!(world.messages(bob).len(), 3);
}
