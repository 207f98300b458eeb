//! When something cannot be opened, sent or stored: what is said, and how it is mended.

use serde_json::{Value, json};

use crate::client::private::repair::RESET_EVERY_MS;
use crate::client::private::tests::world::{World, having, name};
use crate::client::session::event::Unsent;

/// Alice and bob, who have talked, and then something has flipped a bit of what alice sends next.
fn damaged(seed: u64, texts: &[&str]) -> (World, usize, usize) {
    let mut world = World::new(seed);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "hello");
    world.tell(bob, "alice", "hello yourself");
    world.news(alice);
    world.news(bob);
    world.cut(bob);
    for text in texts {
        world.say(alice, "bob", text).expect("accepted");
        world.flow();
        let last = world.mail(bob).back_mut().expect("it waits");
        let end = last.body.len() - 1;
        last.body[end] ^= 1;
    }
    (world, alice, bob)
}

#[test]
fn what_cannot_be_opened_is_said_and_asked_for_again() {
    let (mut world, alice, bob) = damaged(200, &["one", "two"]);
    world.run();
    let seen = world.news(bob);
    assert_eq!(having(&seen, "undecryptable: a message of alice could not be opened").len(), 2, "{seen:#?}");
    assert_eq!(having(&seen, "> one").len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "> two").len(), 1, "{seen:#?}");
    let seen = world.news(alice);
    assert_eq!(having(&seen, "device 1 of bob began a new session; 2 messages are sent again").len(), 1);
    assert_eq!(having(&seen, "> one").len(), 1, "once for its author: {seen:#?}");
    let shown: Vec<String> = world.history(bob);
    assert_eq!(shown, ["hello", "hello yourself", "one", "two"]);
}

#[test]
fn there_is_one_new_session_an_hour_and_what_is_missing_then_comes_after_it() {
    let (mut world, alice, bob) = damaged(201, &["one"]);
    world.run();
    world.news(bob);
    world.cut(bob);
    for text in ["two", "three"] {
        world.say(alice, "bob", text).expect("accepted");
        world.flow();
        let last = world.mail(bob).back_mut().expect("it waits");
        let end = last.body.len() - 1;
        last.body[end] ^= 1;
    }
    world.news(alice);
    world.run();
    assert_eq!(world.messages(bob).len(), 0);
    assert_eq!(having(&world.news(alice), "began a new session").len(), 0, "not again so soon");
    // Not forgotten by a restart either.
    world.crash(bob);
    world.run();
    assert_eq!(world.messages(bob).len(), 0);
    world.wait(RESET_EVERY_MS);
    world.run();
    assert_eq!(world.messages(bob), ["alice: <alice> two [encrypted]", "alice: <alice> three [encrypted]"]);
    assert_eq!(having(&world.news(alice), "2 messages are sent again").len(), 1);
}

#[test]
fn a_message_is_sent_again_three_times_at_most() {
    let (mut world, alice, bob) = damaged(202, &["one"]);
    world.server.tamper = Some(Box::new(|to, line: &mut Value| {
        if to == "bob" && line["ev"] == "envelope" {
            // Whatever comes cannot be opened.
            let mut body = data_encoding::BASE64.decode(line["body"].as_str().unwrap().as_bytes()).unwrap();
            let end = body.len() - 1;
            body[end] ^= 2;
            line["body"] = data_encoding::BASE64.encode(&body).into();
        }
        true
    }));
    for _ in 0..8 {
        world.run();
        world.wait(RESET_EVERY_MS);
    }
    let seen = world.news(alice);
    assert_eq!(having(&seen, "1 messages are sent again").len(), 3, "{seen:#?}");
    assert!(having(&seen, "is not here any more").len() <= 6, "{seen:#?}");
    assert!(having(&world.news(bob), "undecryptable").len() >= 4);
}

#[test]
fn a_lost_first_session_is_repaired_between_strangers() {
    let mut world = World::new(203);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.cut(bob);
    world.say(alice, "bob", "first").expect("accepted");
    world.flow();
    // Bob's keys for it are gone: the server has handed out what he does not have.
    world.mail(bob)[0].body[66] ^= 1;
    world.run();
    let seen = world.news(bob);
    assert_eq!(having(&seen, "undecryptable").len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "> first [encrypted]").len(), 1, "{seen:#?}");
    assert_eq!(having(&world.news(alice), "1 messages are sent again").len(), 1);
}

#[test]
fn who_does_not_want_messages_does_not_get_them() {
    let mut world = World::new(204);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "hi");
    let uid = world.server.uid("bob");
    world.server.accounts.get_mut(&uid).unwrap().blocked.insert(1);
    let ticket = world.say(alice, "bob", "still there?").expect("accepted");
    world.run();
    assert!(world.outcome(alice, ticket).unwrap().is_err_and(|text| text.starts_with("blocked")));
    assert_eq!(having(&world.news(alice), "> still there?").len(), 0);
    assert_eq!(world.messages(bob).len(), 1);
    world.server.accounts.get_mut(&uid).unwrap().blocked.clear();
    world.tell(alice, "bob", "again");
    assert_eq!(world.messages(bob), ["alice: <alice> again [encrypted]"], "a gap in the chain is no trouble");
}

#[test]
fn a_first_message_to_who_does_not_want_it_takes_no_prekey() {
    let mut world = World::new(206);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    let uid = world.server.uid("bob");
    world.server.accounts.get_mut(&uid).unwrap().blocked.insert(1);
    let before = world.one_time(bob);
    let tickets = ["hello?", "anybody?"].map(|text| world.say(alice, "bob", text).expect("accepted"));
    world.run();
    for ticket in tickets {
        assert!(world.outcome(alice, ticket).unwrap().is_err_and(|text| text.starts_with("blocked")));
    }
    assert_eq!(world.one_time(bob), before);
    world.server.accounts.get_mut(&uid).unwrap().blocked.clear();
    world.tell(alice, "bob", "now");
    assert_eq!(world.messages(bob), ["alice: <alice> now [encrypted]"]);
}

#[test]
fn full_mailboxes_are_named_and_the_others_reached() {
    let mut world = World::new(205);
    let (alice, phone) = (world.device("alice"), world.device("bob"));
    let laptop = world.device("bob");
    let now = world.now;
    let code = world.devices[laptop].session.pair(now).expect("a code");
    world.devices[phone].session.pair_with(now, &code).expect("answered");
    world.run();
    world.cut(laptop);
    world.server_device(laptop).mailbox_max = 0;
    world.tell(alice, "bob", "hi");
    let seen = world.news(alice);
    assert_eq!(having(&seen, "device 2 gets nothing: the server keeps no more for it").len(), 1, "{seen:#?}");
    assert_eq!(world.messages(phone).len(), 1);
    world.server_device(phone).mailbox_max = 0;
    let ticket = world.say(alice, "bob", "nobody gets this").expect("accepted");
    world.run();
    assert!(world.outcome(alice, ticket).unwrap().is_err_and(|text| text.starts_with("too-many")));
}

/// Refuses a request once, with this code.
fn refuse_once(world: &mut World, field: &'static str, code: &'static str) {
    let mut done = false;
    world.server.tamper = Some(Box::new(move |to, line: &mut Value| {
        if to == "alice" && !done && line["ok"][field].is_array() {
            done = true;
            *line = json!({"re": line["re"], "err": {"code": code, "text": "no"}});
        }
        true
    }));
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    for (field, code, seconds) in [
        ("devices", "busy", 2),
        ("bundles", "too-fast", 2),
        ("full", "too-fast", 2),
        ("full", "storage-unavailable", 31),
        ("bundles", "too-many", 601),
    ] {
        let mut world = World::new(206);
        let (alice, bob) = (world.device("alice"), world.device("bob"));
        refuse_once(&mut world, field, code);
        let ticket = world.say(alice, "bob", "hi").expect("accepted");
        world.flow();
        assert_eq!(world.outcome(alice, ticket), None, "{field} {code}");
        for _ in 0..seconds / 20 + 1 {
            world.wait(20_000.min(seconds * 1000));
            world.flow();
        }
        world.run();
        assert_eq!(world.outcome(alice, ticket), Some(Ok(())), "{field} {code}: {:#?}", world.news(alice));
        assert_eq!(world.messages(bob).len(), 1, "{field} {code}");
    }
}

#[test]
fn prekeys_of_another_time_are_refused() {
    let day = 24 * 60 * 60 * 1000;
    for (days, expected) in [(91, "not seen for a long time"), (-2, "a key from the future")] {
        let mut world = World::new(207);
        if days < 0 {
            world.wait(10 * day);
        }
        let bob = world.device("bob");
        world.cut(bob);
        if days > 0 {
            world.wait(days as u64 * day);
        } else {
            world.back(2 * day);
        }
        let alice = world.add_account("alice");
        world.run_only(&[alice]);
        let ticket = world.say(alice, "bob", "hi").expect("accepted");
        world.run_only(&[alice]);
        let seen = world.news(alice);
        assert_eq!(having(&seen, expected).len(), 1, "{days}: {seen:#?}");
        assert!(world.outcome(alice, ticket).unwrap().is_err());
    }
}

#[test]
fn long_messages_to_many_devices_go_in_several_lines_that_fit() {
    let mut world = World::new(208);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    let mut devices = vec![bob];
    for _ in 1..8 {
        let new = world.device("bob");
        let now = world.now;
        let code = world.devices[new].session.pair(now).expect("a code");
        world.devices[bob].session.pair_with(now, &code).expect("answered");
        world.run();
        devices.push(new);
    }
    let overhead = 100;
    let text = "\u{1f980}".repeat((crate::client::private::sending::CONTENT_BYTES_MAX - overhead) / 4);
    world.server.log.clear();
    world.tell(alice, "bob", &text);
    for device in devices {
        assert_eq!(having(&world.messages(device), &text).len(), 1, "device {device}");
    }
    assert!(world.server.log.iter().filter(|command| *command == "send").count() >= 8);
    assert_eq!(world.say(alice, "bob", &format!("{text}{}", "x".repeat(overhead))), Err(Unsent::TooLong));
    assert_eq!(world.say(alice, "bob", " \n "), Err(Unsent::Nothing));
}

#[test]
fn what_waits_has_a_bound() {
    let mut world = World::new(209);
    let alice = world.device("alice");
    world.cut(alice);
    for number in 0..crate::client::private::sending::WAITING_MAX {
        world.say(alice, "bob", &number.to_string()).expect("accepted");
    }
    assert_eq!(world.say(alice, "bob", "one more"), Err(Unsent::TooMany));
    assert_eq!(
        world.private(alice).waiting(&name("bob")).len(),
        crate::client::private::sending::WAITING_MAX
    );
}

#[test]
fn an_envelope_in_doubt_is_repeated_byte_for_byte() {
    let mut world = World::new(210);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "hi");
    world.cut(bob);
    // The server has it, and its answer is lost.
    world.server.tamper = Some(Box::new(|_, line: &mut Value| !line["ok"]["full"].is_array()));
    world.say(alice, "bob", "in doubt").expect("accepted");
    world.flow();
    world.server.tamper = None;
    world.crash(alice);
    world.run_only(&[alice]);
    let bodies: Vec<Vec<u8>> = world.mail(bob).iter().map(|mail| mail.body.clone()).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    world.run();
    assert_eq!(having(&world.news(bob), "> in doubt").len(), 1);
    assert_eq!(world.private(bob).dropped(), 1);
    assert_eq!(having(&world.news(alice), "> in doubt").len(), 1);
}

#[test]
fn a_plain_message_in_doubt_is_said_to_be() {
    let mut world = World::new(211);
    let (alice, _gus) = (world.device("alice"), world.guest("gus"));
    world.server.tamper = Some(Box::new(|_, line: &mut Value| !line["ok"]["kept"].is_boolean()));
    let ticket = world.say(alice, "gus", "in doubt").expect("accepted");
    world.flow();
    world.cut(alice);
    world.listen(alice);
    assert!(world.outcome(alice, ticket).unwrap().is_err_and(|text| text.starts_with("connection-lost")));
    world.server.tamper = None;
    world.server.log.clear();
    world.run();
    assert!(!world.server.log.contains(&"msg".to_owned()), "never repeated");
}
