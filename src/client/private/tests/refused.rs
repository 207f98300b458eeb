//! A server that refuses something once: for a moment, so that it is asked again, or for good, which is said.

use crate::client::private::tests::world::{World, having, name};
use crate::client::private::{Off, State};
use crate::client::session::event::Unsent;

#[test]
fn whatever_the_server_is_too_busy_for_is_done_a_little_later() {
    for command in ["devices", "enroll", "prekeys", "attach", "claim", "send", "ack"] {
        let mut world = World::new(501);
        world.server.refuse = Some((command, "busy"));
        let (alice, bob) = (world.device("alice"), world.device("bob"));
        world.run();
        world.tell(alice, "bob", "hello");
        world.tell(bob, "alice", "hello yourself");
        world.run();
        assert_eq!(world.server.refuse, None, "{command} was never asked");
        assert_eq!(world.messages(alice).len(), 2, "{command}");
        assert_eq!(world.messages(bob).len(), 2, "{command}");
        assert!(world.mail(bob).is_empty() && world.mail(alice).is_empty(), "{command}: all is acknowledged");
    }
}

#[test]
fn an_open_message_waits_for_a_busy_server_and_is_said_once() {
    let mut world = World::new(502);
    let (alice, eve) = (world.device("alice"), world.guest("eve"));
    world.server.refuse = Some(("msg", "busy"));
    let ticket = world.say(alice, "eve", "one").expect("accepted");
    world.say(alice, "eve", "two").expect("accepted");
    world.run();
    assert_eq!(world.outcome(alice, ticket), Some(Ok(())));
    assert_eq!(
        world.messages(eve),
        ["alice: <alice> one [NOT encrypted]", "alice: <alice> two [NOT encrypted]"]
    );
    assert_eq!(
        world.messages(alice),
        ["eve: <alice> one [NOT encrypted]", "eve: <alice> two [NOT encrypted]"]
    );
}

#[test]
fn an_open_message_that_is_refused_was_not_sent() {
    let mut world = World::new(503);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "before");
    world.messages(bob);
    world.messages(alice);
    world.server.refuse = Some(("msg", "blocked"));
    let now = world.now;
    let ticket = world.devices[alice].session.message_plainly(now, &name("bob"), "open").expect("accepted");
    world.run();
    assert_eq!(world.outcome(alice, ticket), Some(Err("blocked: no".to_owned())));
    assert_eq!((world.messages(bob), world.messages(alice)), (vec![], vec![]));
    assert_eq!(world.history(alice), ["before"], "nor is it kept as if it had been");
    world.server.refuse = Some(("msg", "busy"));
    let ticket = world.devices[alice].session.message_plainly(now, &name("bob"), "open").expect("accepted");
    world.run();
    assert_eq!(world.outcome(alice, ticket), Some(Ok(())));
    assert_eq!(world.history(alice), ["before", "open"], "kept once");
}

/// The program ended before a message went out, and starts again: nobody waits for its answer any more.
#[test]
fn a_message_of_an_earlier_run_that_is_refused_is_shown_with_its_text() {
    let mut world = World::new(504);
    let (alice, _bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "before");
    world.cut(alice);
    world.say(alice, "bob", "after").expect("kept for later");
    world.store(alice);
    world.crash(alice);
    world.news(alice);
    world.server.refuse = Some(("send", "blocked"));
    world.run();
    let seen = world.news(alice);
    assert_eq!(having(&seen, "bob! blocked: no; it was not sent: after").len(), 1, "{seen:#?}");
    world.run();
    assert_eq!(world.messages(alice), [""; 0], "it is not tried again");
}

#[test]
fn an_identity_that_the_server_does_not_take_leaves_the_old_one() {
    let mut world = World::new(505);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "before");
    world.server.refuse = Some(("enroll", "storage-unavailable"));
    let now = world.now;
    world.devices[alice].session.new_identity(now).expect("asked");
    world.run();
    let seen = world.news(alice);
    let said = having(&seen, "the identity stays as it was: storage-unavailable: no");
    assert_eq!(said.len(), 1, "{seen:#?}");
    world.news(bob);
    world.tell(alice, "bob", "after");
    assert_eq!(world.messages(bob), ["alice: <alice> after [encrypted]"]);
}

#[test]
fn a_device_whose_first_keys_are_refused_has_no_private_messages_and_says_why() {
    let mut world = World::new(506);
    world.server.refuse = Some(("prekeys", "storage-unavailable"));
    let alice = world.device("alice");
    let State::Off(Off::Refused(why)) = world.private(alice).state() else {
        panic!("{:?}", world.private(alice).state())
    };
    assert!(why.contains("storage-unavailable"), "{why}");
    assert_eq!(world.say(alice, "bob", "hello"), Err(Unsent::PrivateOff));
    // The next login finds it well.
    world.cut(alice);
    world.run();
    assert_eq!(world.private(alice).state(), State::Ready);
}

#[test]
fn a_device_that_was_dropped_before_it_had_keys_enrols_anew() {
    let mut world = World::new(507);
    world.server.refuse = Some(("prekeys", "no-such-device"));
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    assert_eq!(world.private(alice).state(), State::Ready);
    assert_eq!(world.server.log.iter().filter(|command| *command == "enroll").count(), 3);
    world.tell(bob, "alice", "hello");
    assert_eq!(world.messages(alice), ["bob: <bob> hello [encrypted]"]);
}

#[test]
fn keys_that_cannot_be_renewed_are_said_once_and_renewed_after_the_next_login() {
    let mut world = World::new(508);
    let (alice, _bob) = (world.device("alice"), world.device("bob"));
    world.cut(alice);
    world.server_device(alice).one_time.clear();
    world.server.refuse = Some(("prekeys", "storage-unavailable"));
    world.run();
    let seen = world.news(alice);
    assert_eq!(having(&seen, "this device's keys could not be renewed: storage-unavailable: no").len(), 1);
    assert_eq!(world.private(alice).state(), State::Ready);
    assert!(world.server_device(alice).one_time.is_empty(), "not at once");
    world.cut(alice);
    world.run();
    assert!(!world.server_device(alice).one_time.is_empty());
}

#[test]
fn an_acknowledgement_that_is_refused_goes_with_the_next_one() {
    let mut world = World::new(509);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.server.refuse = Some(("ack", "storage-unavailable"));
    world.tell(alice, "bob", "one");
    assert_eq!(world.mail(bob).len(), 1, "it is still there");
    world.tell(alice, "bob", "two");
    assert!(world.mail(bob).is_empty());
    let seen = ["alice: <alice> one [encrypted]", "alice: <alice> two [encrypted]"];
    assert_eq!(world.messages(bob), seen, "each once");
}

#[test]
fn what_is_asked_about_devices_and_refused_is_said() {
    let mut world = World::new(510);
    let alice = world.device("alice");
    let other = world.device("alice");
    let now = world.now;
    let code = world.devices[other].session.pair(now).expect("a code");
    world.server.refuse = Some(("pair", "storage-unavailable"));
    world.devices[alice].session.pair_with(now, &code).expect("asked");
    world.run();
    let seen = world.news(alice);
    assert_eq!(having(&seen, "! storage-unavailable: no").len(), 1, "{seen:#?}");
    world.devices[alice].session.revoke(now, 77).expect("asked");
    world.run();
    let seen = world.news(alice);
    assert_eq!(having(&seen, "! no-such-device: no").len(), 1, "{seen:#?}");
}

#[test]
fn a_device_whose_keys_the_server_does_not_give_out_gets_no_message() {
    let mut world = World::new(511);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.server.refuse = Some(("claim", "storage-unavailable"));
    let ticket = world.say(alice, "bob", "hello").expect("accepted");
    world.run();
    let outcome = world.outcome(alice, ticket).expect("an answer");
    assert!(outcome.is_err_and(|text| text.starts_with("no-device")));
    let seen = world.news(alice);
    assert_eq!(
        having(&seen, "of bob gets no messages: the server gives out no keys of it").len(),
        1,
        "{seen:#?}"
    );
    assert_eq!(world.messages(bob), [""; 0]);
    assert!(world.private(alice).peer(&name("bob")).is_some());
}
