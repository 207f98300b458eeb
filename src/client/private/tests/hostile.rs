//! A server that lies. Each lie is refused or shown aloud, and what must stay stays.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::client::private::tests::server::Mail;
use crate::client::private::tests::world::{World, having, name};
use crate::client::private::trusting::Comparison;
use crate::client::scrollback::Seal;
use crate::client::session::event::Unsent;
use crate::e2e::identity::Identity;
use crate::e2e::trust::Trust;

/// Alice and bob, who have talked.
fn acquainted(seed: u64) -> (World, usize, usize) {
    let mut world = World::new(seed);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "hello");
    world.tell(bob, "alice", "hello yourself");
    world.news(alice);
    world.news(bob);
    (world, alice, bob)
}

fn other_identity() -> String {
    BASE64.encode(Identity::from_seed(&[66; 32]).public().bytes())
}

/// From now on the list of this user has another identity.
fn swap_identity(world: &mut World, of: &'static str) {
    world.server.tamper = Some(Box::new(move |_, line: &mut Value| {
        if line["ok"]["user"] == of && line["ok"]["identity"].is_string() {
            line["ok"]["identity"] = other_identity().into();
        }
        true
    }));
}

/// The list of devices is asked for again.
fn forget_list(world: &mut World, id: usize) {
    world.wait(25 * 60 * 60 * 1000);
    world.run();
    world.run();
    world.news(id);
}

#[test]
fn another_identity_in_the_list_stops_sending_until_a_person_agrees() {
    let (mut world, alice, _bob) = acquainted(1);
    forget_list(&mut world, alice);
    swap_identity(&mut world, "bob");
    world.say(alice, "bob", "secret").expect("taken before anything is known");
    world.run();
    let seen = world.news(alice);
    assert_eq!(having(&seen, "identity-changed: the identity of bob has CHANGED").len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "secret").len(), 0, "nothing was sent: {seen:#?}");
    assert_eq!(world.say(alice, "bob", "more"), Err(Unsent::Untrusted));
    assert_eq!(world.seal(alice, "bob"), Seal::Changed);
    assert!(world.private(alice).waiting(&name("bob"))[0].held);
    // What waits goes to whom the person has agreed to. Here that is nobody: the bundles are bob's.
    let now = world.now;
    assert!(world.devices[alice].session.trust(now, &name("bob")));
    world.run();
    let seen = world.news(alice);
    assert_eq!(having(&seen, "> secret").len(), 0, "{seen:#?}");
    assert_eq!(having(&seen, "has CHANGED").len(), 1, "the bundles are of another one again: {seen:#?}");
}

#[test]
fn the_old_identity_coming_back_does_not_undo_the_warning() {
    let (mut world, alice, bob) = acquainted(2);
    forget_list(&mut world, alice);
    swap_identity(&mut world, "bob");
    world.say(alice, "bob", "one").expect("accepted");
    world.run();
    world.server.tamper = None;
    world.tell(bob, "alice", "it is me");
    let seen = world.messages(alice);
    assert_eq!(seen, ["bob: <bob> it is me [identity CHANGED]"], "a person judges");
    assert_eq!(world.seal(alice, "bob"), Seal::Changed);
    assert_eq!(world.messages(bob), ["alice: <bob> it is me [encrypted]"]);
}

#[test]
fn another_identity_in_a_bundle_is_refused() {
    let mut world = World::new(3);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.server.tamper = Some(Box::new(|_, line: &mut Value| {
        if let Some(bundles) = line["ok"]["bundles"].as_array_mut() {
            bundles.iter_mut().for_each(|bundle| bundle["identity"] = other_identity().into());
        }
        true
    }));
    world.say(alice, "bob", "secret").expect("accepted");
    world.run();
    let seen = world.news(alice);
    assert_eq!(having(&seen, "has CHANGED").len(), 1, "not the one of the list: {seen:#?}");
    assert!(world.news(bob).is_empty());
    assert!(world.server.log.iter().all(|command| command != "send"));
}

/// One field of each bundle is changed: nothing is sealed for it, and it is said why.
#[track_caller]
fn check_bundle(seed: u64, change: fn(&mut Value), expected: &str) {
    let mut world = World::new(seed);
    let (alice, _bob) = (world.device("alice"), world.device("bob"));
    world.server.tamper = Some(Box::new(move |_, line: &mut Value| {
        if let Some(bundles) = line["ok"]["bundles"].as_array_mut() {
            bundles.iter_mut().for_each(change);
        }
        true
    }));
    let ticket = world.say(alice, "bob", "secret").expect("accepted");
    world.run();
    let seen = world.news(alice);
    assert_eq!(having(&seen, expected).len(), 1, "{expected}: {seen:#?}");
    let outcome = world.outcome(alice, ticket).expect("an answer");
    assert!(outcome.is_err_and(|text| text.starts_with("no-device")), "{seen:#?}");
    assert!(world.server.log.iter().all(|command| command != "send"), "nothing was sent");
}

#[test]
fn bundles_that_are_not_what_they_should_be_are_refused() {
    check_bundle(10, |bundle| bundle["device"] = 7.into(), "gives out no keys of it");
    check_bundle(11, |bundle| bundle["signed"]["id"] = 9.into(), "not signed by the account's identity");
    check_bundle(12, |bundle| bundle["signed"]["created"] = 9.into(), "not signed by the account's identity");
    check_bundle(
        13,
        |bundle| bundle["signed"]["signature"] = BASE64.encode(&[1; 64]).into(),
        "not signed by the account's identity",
    );
    check_bundle(14, |bundle| bundle["signed"]["key"] = BASE64.encode(&[9; 32]).into(), "not signed by");
    check_bundle(15, |bundle| bundle["identity"] = BASE64.encode(&[0; 32]).into(), "not a usable public key");
    check_bundle(
        16,
        |bundle| bundle["one_time"] = json!({"id": 3, "key": BASE64.encode(&[0; 32])}),
        "a public key of low order",
    );
    check_bundle(
        17,
        |bundle| {
            let mut key = [0xff; 32];
            key[31] = 0x7f;
            bundle["one_time"] = json!({"id": 3, "key": BASE64.encode(&key)});
        },
        "not a usable public key",
    );
    check_bundle(18, |bundle| bundle["one_time"]["id"] = 0.into(), "not in the form it must have");
}

#[test]
fn points_in_messages_change_nothing() {
    let (mut world, alice, bob) = acquainted(4);
    for at in [2, 34, 74] {
        // IK_A, EK_A, and the ratchet key of a first message.
        let mut body = vec![1; 270];
        body[1] = 1;
        body[at..at + 32].copy_from_slice(&[0; 32]);
        world.inject(bob, "alice", 1, 1, &body);
    }
    let mut body = vec![2; 198];
    (body[0], body[1]) = (1, 2);
    body[2..34].copy_from_slice(&[0; 32]);
    body[34..42].copy_from_slice(&[0; 8]);
    world.inject(bob, "alice", 1, 1, &body);
    world.run();
    let seen = world.news(bob);
    assert!(!seen.is_empty() && world.messages(bob).is_empty(), "{seen:#?}");
    world.tell(alice, "bob", "still here");
    world.tell(bob, "alice", "so am I");
    assert_eq!(world.messages(bob).len(), 2);
}

#[test]
fn an_envelope_is_from_the_device_and_account_that_sealed_it() {
    let (mut world, alice, bob) = acquainted(5);
    let mallory = world.device("mallory");
    world.tell(mallory, "bob", "I am mallory");
    world.news(bob);
    world.cut(bob);
    world.say(alice, "bob", "from alice").expect("accepted");
    world.flow();
    let mail = world.mail(bob).back().expect("it waits").clone();
    (world.mail(bob)[0].from, world.mail(bob)[0].uid) = ("mallory".into(), 3);
    for (from, uid, device) in [("alice", 1, 2), ("alice", 9, 1), ("mallory", 3, 2)] {
        world.inject(bob, from, uid, device, &mail.body);
    }
    world.run();
    let seen = world.news(bob);
    assert_eq!(having(&seen, "> from alice").len(), 0, "{seen:#?}");
    assert_eq!(having(&seen, "undecryptable").len(), 4, "{seen:#?}");
    assert_eq!(world.seal(bob, "alice"), Seal::Encrypted, "the name is still hers");
    // The true one still opens: nothing was used up.
    world.inject(bob, "alice", 1, 1, &mail.body);
    world.run();
    assert_eq!(world.messages(bob), ["alice: <alice> from alice [encrypted]"]);
}

#[test]
fn envelopes_that_come_again_are_dropped_without_a_word() {
    let (mut world, alice, bob) = acquainted(6);
    world.cut(bob);
    world.say(alice, "bob", "once").expect("accepted");
    world.flow();
    let mail = world.mail(bob).back().expect("it waits").clone();
    world.run();
    assert_eq!(world.messages(bob), ["alice: <alice> once [encrypted]"]);
    let dropped = world.private(bob).dropped();
    for _ in 0..3 {
        world.inject(bob, "alice", 1, 1, &mail.body);
    }
    world.run();
    assert_eq!(world.news(bob), Vec::<String>::new());
    assert_eq!(world.private(bob).dropped(), dropped + 3);
    world.crash(bob);
    world.inject(bob, "alice", 1, 1, &mail.body);
    world.run();
    assert_eq!(world.messages(bob), Vec::<String>::new(), "nor after a restart");
}

#[test]
fn first_messages_that_come_again_start_nothing() {
    let mut world = World::new(7);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.cut(bob);
    world.say(alice, "bob", "first").expect("accepted");
    world.flow();
    let mail = world.mail(bob).back().expect("it waits").clone();
    world.run();
    assert_eq!(world.messages(bob).len(), 1);
    world.crash(bob);
    world.inject(bob, "alice", 1, 1, &mail.body);
    world.run();
    assert_eq!(world.messages(bob), Vec::<String>::new());
}

#[test]
fn a_one_time_prekey_given_out_twice_costs_a_repair_and_no_message() {
    let mut world = World::new(8);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    let carol = world.device("carol");
    let again = world.one_time(bob);
    world.say(alice, "bob", "from alice").expect("accepted");
    world.flow();
    let device = world.server_device(bob);
    device.one_time.push_front(again);
    world.say(carol, "bob", "from carol").expect("accepted");
    world.run();
    let seen = world.news(bob);
    assert_eq!(having(&seen, "undecryptable: a message of carol").len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "> from alice").len(), 1);
    assert_eq!(having(&seen, "> from carol").len(), 1, "asked for again: {seen:#?}");
    let seen = world.news(carol);
    assert_eq!(having(&seen, "device 1 of bob began a new session").len(), 1, "{seen:#?}");
}

#[test]
fn encryption_cannot_be_stripped_from_somebody_who_had_it() {
    let (mut world, alice, bob) = acquainted(9);
    forget_list(&mut world, alice);
    world.server.tamper = Some(Box::new(|_, line: &mut Value| {
        if line["ok"]["user"] == "bob" && line["ok"]["devices"].is_array() {
            line["ok"] = json!({"user": "bob", "uid": line["ok"]["uid"], "devices": []});
        }
        true
    }));
    let ticket = world.say(alice, "bob", "secret").expect("accepted");
    world.run();
    let outcome = world.outcome(alice, ticket).expect("an answer");
    assert!(outcome.clone().is_err_and(|text| text.starts_with("encryption-missing")), "{outcome:?}");
    assert!(world.server.log.iter().all(|command| command != "msg"), "nothing went out openly");
    assert_eq!(world.seal(alice, "bob"), Seal::NotEncrypted);
    // The same as if bob were a guest.
    world.server.tamper = Some(Box::new(|_, line: &mut Value| {
        if line["ok"]["user"] == "bob" && line["ok"]["devices"].is_array() {
            line["ok"] = json!({"user": "bob", "devices": []});
        }
        true
    }));
    world.wait(120_000);
    world.run();
    let ticket = world.say(alice, "bob", "secret").expect("accepted");
    world.run();
    assert!(world.outcome(alice, ticket).expect("an answer").is_err());
    // On purpose it goes.
    let now = world.now;
    let ticket = world.devices[alice].session.message_plainly(now, &name("bob"), "open").expect("accepted");
    world.run();
    assert_eq!(world.outcome(alice, ticket), Some(Ok(())));
    let seen = world.news(alice);
    assert_eq!(having(&seen, "WITHOUT encryption, as you wanted").len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "> open [NOT encrypted]").len(), 1, "{seen:#?}");
    let seen = world.news(bob);
    assert_eq!(having(&seen, "came WITHOUT encryption, although alice has keys").len(), 1, "{seen:#?}");
}

#[test]
fn a_device_that_the_identity_did_not_sign_gets_nothing() {
    let (mut world, alice, bob) = acquainted(20);
    let now = world.now;
    let paste = world.private(bob).paste_form().expect("an identity");
    let compared = world.devices[alice].session.verify(now, &name("bob"), &paste);
    assert_eq!(compared, Comparison::Verified);
    world.news(alice);
    // The server adds a device of its own to bob's list, with keys of its own making.
    let spy = world.server_device(bob).clone();
    let uid = world.server.uid("bob");
    world.server.accounts.get_mut(&uid).unwrap().devices.insert(9, spy);
    world.say(alice, "bob", "secret").expect("accepted");
    world.run();
    let seen = world.news(alice);
    assert_eq!(
        having(&seen, "new-device: bob, whom you verified, has a new device (9)").len(),
        1,
        "{seen:#?}"
    );
    assert_eq!(having(&seen, "device 9 of bob gets no messages: it is not signed").len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "> secret [encrypted, verified]").len(), 1, "{seen:#?}");
    let spied = &world.server.accounts[&uid].devices[&9].mailbox;
    assert!(spied.is_empty(), "{spied:?}");
    assert_eq!(world.messages(bob).len(), 1);
}

#[test]
fn the_same_name_with_another_number_is_not_the_same_person() {
    let (mut world, alice, _bob) = acquainted(21);
    let mallory = world.device("mallory");
    forget_list(&mut world, alice);
    world.tell(mallory, "alice", "hi");
    world.news(alice);
    // Mallory's messages come under bob's name.
    world.server.tamper = Some(Box::new(|to, line: &mut Value| {
        if to == "alice" && line["uid"] == 3 {
            line["from"] = "bob".into();
        }
        true
    }));
    world.tell(mallory, "alice", "I am bob");
    assert_eq!(world.messages(alice), ["mallory: <mallory> I am bob [encrypted]"], "known by its number");
    // And bob's list is mallory's.
    world.server.tamper = Some(Box::new(|to, line: &mut Value| {
        if to == "alice" && line["ok"]["user"] == "bob" && line["ok"]["uid"].is_number() {
            line["ok"]["uid"] = 77.into();
            line["ok"]["identity"] = other_identity().into();
        }
        true
    }));
    world.wait(25 * 60 * 60 * 1000);
    world.run();
    world.say(alice, "bob", "secret").expect("accepted");
    world.run();
    let seen = world.news(alice);
    let warning = "bob is another account than the one you knew by this name";
    assert_eq!(having(&seen, warning).len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "> secret").len(), 0, "{seen:#?}");
    assert!(matches!(world.private(alice).peer(&name("bob")).unwrap().trust(), Some(Trust::Changed { .. })));
}

#[test]
fn a_foreign_identity_under_a_known_number_is_shown_behind_a_warning_and_has_no_say() {
    let (mut world, alice, bob) = acquainted(22);
    world.tell(alice, "bob", "keep this");
    world.cut(alice);
    // Bob's account gets another identity, with his password, by somebody else.
    let thief = world.device("bob");
    let now = world.now;
    world.cut(bob);
    world.devices[thief].session.new_identity(now).expect("asked for");
    world.run_only(&[thief, alice]);
    world.news(alice);
    world.say(thief, "alice", "it is me").expect("accepted");
    world.run_only(&[thief, alice]);
    let seen = world.news(alice);
    let warned = seen.iter().position(|line| line.contains("the identity of bob has CHANGED"));
    let shown = seen.iter().position(|line| line == "bob: <bob> it is me [identity CHANGED]");
    assert!(warned.is_some() && warned < shown, "first the warning: {seen:#?}");
    assert_eq!(world.say(alice, "bob", "x"), Err(Unsent::Untrusted));
    // Accepted by the person: from then on it is who it is.
    let now = world.now;
    assert!(world.devices[alice].session.trust(now, &name("bob")));
    let ticket = world.say(alice, "bob", "so it is you").expect("accepted");
    world.run_only(&[thief, alice]);
    assert_eq!(world.outcome(alice, ticket), Some(Ok(())));
    assert_eq!(having(&world.news(thief), "> so it is you").len(), 1);
    world.run();
    let seen = world.news(bob);
    assert_eq!(having(&seen, "this account has another identity than this device").len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "so it is you").len(), 0);
}

#[test]
fn numbers_that_cannot_be_change_nothing() {
    for (field, value) in [("run", u64::MAX), ("one_time_next", u64::MAX)] {
        let (mut world, alice, bob) = acquainted(23);
        world.server.tamper = Some(Box::new(move |to, line: &mut Value| {
            if to == "alice" && line["ok"]["one_time_next"].is_number() {
                line["ok"][field] = value.into();
            }
            true
        }));
        world.crash(alice);
        world.run();
        let seen = world.news(alice);
        assert_eq!(having(&seen, "numbers of this device's keys cannot be").len(), 1, "{field}: {seen:#?}");
        world.server.tamper = None;
        world.crash(alice);
        world.run();
        let seen = world.news(alice);
        assert_eq!(having(&seen, "restored:").len(), 0, "{field}: {seen:#?}");
        world.tell(alice, "bob", "as before");
        assert_eq!(world.messages(bob), ["alice: <alice> as before [encrypted]"]);
    }
}

#[test]
fn a_run_that_is_a_lie_costs_new_sessions_and_no_more() {
    let (mut world, alice, bob) = acquainted(24);
    world.server.tamper = Some(Box::new(|to, line: &mut Value| {
        if to == "alice" && line["ok"]["one_time_next"].is_number() {
            line["ok"]["run"] = (line["ok"]["run"].as_u64().unwrap() + 5).into();
        }
        true
    }));
    for _ in 0..4 {
        world.crash(alice);
        world.run();
    }
    assert!(!having(&world.news(alice), "restored:").is_empty());
    let seen = world.news(bob);
    assert_eq!(having(&seen, "began a new session").len(), 1, "once an hour: {seen:#?}");
    assert!(world.server_device(alice).signed.unwrap().id <= 2, "prekeys are not used up");
    world.server.tamper = None;
    world.crash(alice);
    world.run();
    world.tell(alice, "bob", "still");
    world.tell(bob, "alice", "still");
    assert_eq!(world.messages(bob).len(), 2);
}

#[test]
fn a_sequence_far_ahead_does_not_hide_what_follows() {
    let (mut world, alice, bob) = acquainted(25);
    let mail = Mail { seq: u64::MAX, from: "alice".into(), uid: 1, device: 1, ts: 0, body: vec![1; 300] };
    world.mail(bob).push_back(mail);
    world.run();
    world.mail(bob).clear();
    world.crash(bob);
    world.tell(alice, "bob", "next");
    assert_eq!(world.messages(bob), ["alice: <alice> next [encrypted]"]);
}

#[test]
fn what_is_kept_back_is_missed() {
    let (mut world, alice, bob) = acquainted(26);
    world.say(alice, "bob", "one").expect("accepted");
    world.server.tamper = Some(Box::new(|_, line: &mut Value| line["ev"] != "envelope"));
    world.flow();
    world.server.tamper = None;
    world.mail(bob).clear();
    world.say(alice, "bob", "two").expect("accepted");
    world.run();
    let seen = world.news(bob);
    assert_eq!(having(&seen, "missing: the server has not delivered 1 messages").len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "> two").len(), 1);
}

#[test]
fn a_list_that_changes_each_time_is_given_up() {
    let (mut world, alice, _bob) = acquainted(27);
    let mut number = 20;
    world.server.tamper = Some(Box::new(move |to, line: &mut Value| {
        let sent = line["ok"]["full"].is_array() || line["err"]["code"] == "devices-changed";
        if to == "alice" && sent {
            number += 1;
            let err = json!({"code": "devices-changed", "text": "x", "to": [1, number], "own": []});
            *line = json!({"re": line["re"], "err": err});
        }
        true
    }));
    world.server.log.clear();
    let ticket = world.say(alice, "bob", "x").expect("accepted");
    world.run();
    let outcome = world.outcome(alice, ticket).expect("an answer");
    assert!(outcome.is_err_and(|text| text.starts_with("devices-changed")));
    let sends = world.server.log.iter().filter(|command| *command == "send").count();
    assert_eq!(sends, 5, "once, three times more, and the receipt for it: {:?}", world.server.log);
}

#[test]
fn answers_that_cannot_be_read_are_answers() {
    for garbage in [json!(5), json!({}), json!({"user": "bob", "uid": "x", "devices": 3})] {
        let mut world = World::new(28);
        let (alice, _bob) = (world.device("alice"), world.device("bob"));
        let lie = garbage.clone();
        world.server.tamper = Some(Box::new(move |_, line: &mut Value| {
            if line["ok"]["user"] == "bob" && line["ok"]["uid"].is_number() {
                line["ok"] = lie.clone();
            }
            true
        }));
        let ticket = world.say(alice, "bob", "x").expect("accepted");
        world.run();
        let outcome = world.outcome(alice, ticket).expect("an answer");
        assert!(outcome.is_err_and(|text| text.starts_with("bad-reply")), "{garbage}");
        world.server.tamper = None;
        world.tell(alice, "bob", "y");
    }
}

#[test]
fn somebody_else_under_ones_own_name_or_number_is_refused() {
    let (mut world, alice, bob) = acquainted(29);
    world.server.tamper = Some(Box::new(|to, line: &mut Value| {
        if to == "alice" && line["ev"] == "envelope" {
            line["from"] = "alice".into();
            line["uid"] = 9.into();
        }
        true
    }));
    world.say(bob, "alice", "x").expect("accepted");
    world.run();
    world.server.tamper = Some(Box::new(|to, line: &mut Value| {
        if to == "alice" && line["ev"] == "envelope" {
            line["from"] = "alice".into();
            (line["uid"], line["device"]) = (1.into(), 5.into());
        }
        true
    }));
    world.say(bob, "alice", "y").expect("accepted");
    world.run();
    let seen = world.news(alice);
    assert_eq!(having(&seen, "<").len(), 0, "{seen:#?}");
}
