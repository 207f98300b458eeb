//! The account's own devices: made, paired, recovered, copied, restored, revoked, replaced.

use serde_json::{Value, json};

use crate::client::private::pairing::Unable;
use crate::client::private::tests::world::{World, having, name};
use crate::client::private::{Off, State};
use crate::client::scrollback::Seal;
use crate::e2e::address::Uid;
use crate::e2e::identity::Identity;
use crate::e2e::pairing::PairingCode;
use crate::e2e::tests::random::Seeded;

/// Pairs a new device of the user with an old one.
fn pair(world: &mut World, old: usize) -> usize {
    let user = world.devices[old].user.clone();
    let new = world.device(&user);
    let now = world.now;
    let code = world.devices[new].session.pair(now).expect("a code");
    world.devices[old].session.pair_with(now, &code).expect("answered");
    world.run();
    assert_eq!(world.private(new).state(), State::Ready);
    new
}

#[test]
fn a_code_is_good_for_ten_minutes_and_for_one_answer() {
    let mut world = World::new(100);
    let old = world.device("alice");
    let new = world.device("alice");
    let now = world.now;
    let code = world.devices[new].session.pair(now).expect("a code");
    assert_eq!(world.private(new).state(), State::NeedsPairing { code: Some(code.clone()) });
    assert_eq!(world.devices[old].session.pair(now), Err(Unable::NotNeeded));
    assert_eq!(world.devices[old].session.pair_with(now, &code[..code.len() - 1]), Err(Unable::Unreadable));
    assert_eq!(world.devices[new].session.pair_with(now, &code), Err(Unable::NotNow));
    world.wait(10 * 60 * 1000);
    world.run();
    assert_eq!(world.private(new).state(), State::NeedsPairing { code: None });
    assert_eq!(having(&world.news(new), "the code has expired").len(), 1);
    let now = world.now;
    world.devices[old].session.pair_with(now, &code).expect("the old device cannot know");
    world.run();
    assert_eq!(world.private(new).state(), State::NeedsPairing { code: None });
    let code = world.devices[new].session.pair(now).expect("another");
    world.devices[old].session.pair_with(now, &code).expect("answered");
    world.run();
    assert_eq!(world.private(new).state(), State::Ready);
    let [one, other] = [old, new].map(|id| world.private(id).fingerprint().unwrap().to_string());
    assert_eq!(one, other);
    assert_eq!(having(&world.news(new), &one).len(), 1, "shown on both, to be compared");
    assert_eq!(having(&world.news(old), &one).len(), 2, "for each answer");
}

#[test]
fn an_answer_of_the_servers_making_is_another_identity() {
    let mut world = World::new(101);
    world.device("alice");
    let new = world.device("alice");
    let now = world.now;
    let code = PairingCode::parse(&world.devices[new].session.pair(now).expect("a code")).unwrap();
    let evil = Identity::from_seed(&[6; 32]);
    let answer = code.answer(Uid(1), &evil, &[], &mut Seeded::new(1)).unwrap();
    let event = json!({"ev": "pair", "answer": data_encoding::BASE64.encode(&answer)}).to_string();
    world.devices[new].session.handle_line(now, event.as_bytes());
    world.listen(new);
    assert_eq!(having(&world.news(new), "another identity than the account has").len(), 1);
    assert!(matches!(world.private(new).state(), State::NeedsPairing { code: None }), "the code is used up");
    world.devices[new].session.handle_line(now, br#"{"ev":"pair","answer":"AAAA"}"#);
    world.devices[new].session.pair(now).expect("another");
    world.devices[new].session.handle_line(now, br#"{"ev":"pair","answer":"AAAA"}"#);
    world.listen(new);
    assert_eq!(having(&world.news(new), "could not be opened").len(), 1);
}

#[test]
fn what_was_verified_comes_along_and_later_decisions_follow() {
    let mut world = World::new(102);
    let (phone, bob, carol) = (world.device("alice"), world.device("bob"), world.device("carol"));
    world.tell(phone, "bob", "hi");
    let now = world.now;
    let paste = world.private(bob).paste_form().unwrap();
    world.devices[phone].session.verify(now, &name("bob"), &paste);
    let laptop = pair(&mut world, phone);
    world.tell(bob, "alice", "hi both");
    assert_eq!(world.messages(laptop), ["bob: <bob> hi both [encrypted, verified]"]);
    world.tell(carol, "alice", "hello");
    assert_eq!(world.messages(laptop), ["carol: <carol> hello [encrypted]"]);
    let now = world.now;
    let paste = world.private(carol).paste_form().unwrap();
    world.devices[phone].session.verify(now, &name("carol"), &paste);
    world.run();
    assert_eq!(world.seal(laptop, "carol"), Seal::Verified);
    assert_eq!(having(&world.news(laptop), "you verified the identity of carol on another device").len(), 1);
}

#[test]
fn digits_and_paste_forms_verify_only_if_they_are_equal() {
    use crate::client::private::trusting::Comparison;
    let mut world = World::new(103);
    let (alice, bob, carol) = (world.device("alice"), world.device("bob"), world.device("carol"));
    world.tell(alice, "bob", "hi");
    world.tell(alice, "carol", "hi");
    world.run();
    let verify = |world: &mut World, text: &str| {
        let now = world.now;
        world.devices[alice].session.verify(now, &name("bob"), text)
    };
    let digits = world.private(bob).safety_number(&name("alice")).unwrap().to_string();
    let wrong = world.private(carol).safety_number(&name("alice")).unwrap().to_string();
    assert_eq!(verify(&mut world, &wrong), Comparison::Different);
    assert_eq!(world.seal(alice, "bob"), Seal::Encrypted);
    assert_eq!(verify(&mut world, "yes"), Comparison::Unreadable);
    let of_carol = world.private(carol).paste_form().unwrap();
    assert_eq!(verify(&mut world, &of_carol), Comparison::Different);
    assert_eq!(verify(&mut world, &digits), Comparison::Verified);
    assert_eq!(world.seal(alice, "bob"), Seal::Verified);
    let now = world.now;
    let compared = world.devices[alice].session.verify(now, &name("nobody"), &digits);
    assert_eq!(compared, Comparison::Unknown);
}

#[test]
fn the_recovery_key_stands_in_for_a_lost_device() {
    let mut world = World::new(104);
    let (lost, bob) = (world.device("alice"), world.device("bob"));
    world.tell(lost, "bob", "hi");
    let key = world.private(lost).reveal_recovery_key().unwrap();
    let of_bob = world.private(bob).reveal_recovery_key().unwrap();
    world.news(bob);
    let new = world.device("alice");
    let now = world.now;
    let recover = |world: &mut World, key: &str| world.devices[new].session.recover(now, key);
    assert_eq!(recover(&mut world, &key[1..]), Err(Unable::Unreadable));
    assert_eq!(recover(&mut world, &of_bob), Err(Unable::WrongIdentity));
    assert_eq!(recover(&mut world, &key.to_uppercase()), Ok(()));
    world.run_only(&[new, bob]);
    world.say(new, "bob", "it is me, from another device").expect("accepted");
    world.run_only(&[new, bob]);
    let seen = world.news(bob);
    assert_eq!(having(&seen, "> it is me").len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "CHANGED").len(), 0, "the identity is the same: {seen:#?}");
    assert_eq!(having(&seen, "alice has a new device (2)").len(), 1, "{seen:#?}");
}

/// The program was stopped, its home copied, and the copy used after the original went on.
#[test]
fn a_backup_that_is_restored_is_noticed_and_mended() {
    let mut world = World::new(105);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "one");
    world.tell(bob, "alice", "two");
    let backup = world.devices[alice].rows.copy();
    world.wait(2 * 60 * 60 * 1000);
    world.crash(alice);
    world.run();
    for text in ["three", "four"] {
        world.tell(alice, "bob", text);
        world.tell(bob, "alice", text);
    }
    world.news(alice);
    world.news(bob);
    world.crash_to(alice, backup);
    world.run();
    assert_eq!(having(&world.news(alice), "restored:").len(), 1);
    let seen = world.news(bob);
    assert_eq!(having(&seen, "device 1 of alice began a new session").len(), 1, "{seen:#?}");
    world.tell(alice, "bob", "five");
    world.tell(bob, "alice", "six");
    assert_eq!(world.messages(bob), ["alice: <alice> five [encrypted]", "alice: <bob> six [encrypted]"]);
    assert_eq!(world.messages(alice), ["bob: <alice> five [encrypted]", "bob: <bob> six [encrypted]"]);
    assert!(world.server_device(alice).signed.unwrap().id >= 2, "with keys of its own");
    // Once mended it is like any other.
    world.crash(alice);
    world.run();
    assert_eq!(having(&world.news(alice), "restored:").len(), 0);
}

/// A snapshot of a running program: no counter of the server has moved since.
#[test]
fn a_snapshot_that_is_put_back_is_noticed_by_what_others_send() {
    let mut world = World::new(106);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "one");
    world.tell(bob, "alice", "two");
    let snapshot = world.devices[alice].rows.copy();
    world.tell(alice, "bob", "three");
    world.tell(alice, "bob", "four");
    world.messages(bob);
    world.crash_to(alice, snapshot);
    world.run();
    world.tell(alice, "bob", "five");
    world.tell(bob, "alice", "six");
    world.run();
    world.wait(61 * 60 * 1000);
    world.run();
    assert_eq!(having(&world.messages(bob), "> five").len(), 1, "although its key had been used");
    assert_eq!(having(&world.messages(alice), "> six").len(), 1);
    // Nothing has come since the snapshot: the receipts for what is not known any more tell.
    let snapshot = world.devices[alice].rows.copy();
    world.cut(bob);
    world.say(alice, "bob", "seven").expect("accepted");
    world.flow();
    world.crash_to(alice, snapshot);
    world.run_only(&[alice]);
    world.say(alice, "bob", "eight").expect("accepted");
    world.run_only(&[alice]);
    world.run();
    world.run();
    let seen = world.messages(bob);
    assert_eq!(having(&seen, "> seven").len(), 1, "{seen:#?}");
    assert_eq!(having(&seen, "> eight").len(), 1, "{seen:#?}");
}

#[test]
fn two_copies_of_a_home_notice_each_other() {
    let mut world = World::new(107);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "one");
    let copy = world.copy_home(alice);
    world.run();
    let both = [world.news(alice), world.news(copy)].concat();
    assert!(!having(&both, "read by another connection of this device").is_empty(), "{both:#?}");
    for id in [alice, copy, alice] {
        world.crash(id);
        let others: Vec<usize> =
            (0..world.devices.len()).filter(|other| ![alice, copy].contains(other)).collect();
        world.run_only(&[&[id][..], &others].concat());
        world.say(id, "bob", &format!("from {id}")).expect("accepted");
        world.run_only(&[&[id][..], &others].concat());
    }
    for id in [alice, copy] {
        assert!(!having(&world.news(id), "restored:").is_empty(), "device {id}");
    }
    let seen = world.news(bob);
    assert_eq!(having(&seen, &format!("> from {alice}")).len(), 2, "{seen:#?}");
    assert_eq!(having(&seen, &format!("> from {copy}")).len(), 1, "{seen:#?}");
}

#[test]
fn a_crash_between_any_two_steps_of_the_first_start_is_harmless() {
    for steps in 0..14 {
        let mut world = World::new(108);
        let bob = world.device("bob");
        let alice = world.add_account("alice");
        world.connect(alice);
        for _ in 0..steps {
            if !world.send(alice) {
                world.receive(alice);
            }
        }
        world.crash(alice);
        world.run();
        assert_eq!(world.private(alice).state(), State::Ready, "after {steps} steps");
        world.tell(bob, "alice", "hi");
        world.tell(alice, "bob", "hi");
        assert_eq!(world.messages(alice).len(), 2, "after {steps} steps");
    }
}

#[test]
fn of_two_first_devices_one_gives_way() {
    let mut world = World::new(109);
    let (one, two) = (world.add_account("alice"), world.add_account("alice"));
    world.run();
    let states = [one, two].map(|id| world.private(id).state());
    assert!(states.contains(&State::Ready), "{states:?}");
    assert!(states.contains(&State::NeedsPairing { code: None }), "{states:?}");
}

#[test]
fn a_revoked_device_is_out_until_it_starts_anew() {
    let mut world = World::new(110);
    let (phone, bob) = (world.device("alice"), world.device("bob"));
    let laptop = pair(&mut world, phone);
    world.news(phone);
    world.news(laptop);
    let (now, number) = (world.now, world.number(laptop));
    let own = world.number(phone);
    assert_eq!(world.devices[phone].session.revoke(now, own), Err(Unable::ThisDevice));
    world.devices[phone].session.revoke(now, number).expect("asked");
    world.run();
    assert_eq!(world.private(laptop).state(), State::Offline, "it does not come back by itself");
    assert_eq!(having(&world.news(phone), "device 2 is revoked").len(), 1);
    assert_eq!(world.private(phone).devices().len(), 1);
    world.tell(bob, "alice", "not for the laptop");
    assert_eq!(world.messages(laptop).len(), 0);
    assert_eq!(world.messages(phone).len(), 1);
    world.crash(laptop);
    world.run();
    let seen = world.news(laptop);
    assert_eq!(having(&seen, "this device was revoked").len(), 1, "{seen:#?}");
    assert_eq!(world.private(laptop).state(), State::Ready, "whoever has the seed can come back");
    assert_eq!(
        having(&world.news(phone), "new-device: your account has a new device").len(),
        1,
        "and is seen"
    );
}

#[test]
fn a_new_device_of_the_account_is_announced_at_all_others() {
    let mut world = World::new(111);
    let phone = world.device("alice");
    let laptop = pair(&mut world, phone);
    assert_eq!(
        having(&world.news(phone), "new-device: your account has a new device \"sotto\" (2)").len(),
        1
    );
    pair(&mut world, laptop);
    for id in [phone, laptop] {
        let seen = world.news(id);
        assert_eq!(
            having(&seen, "new-device: your account has a new device \"sotto\" (3)").len(),
            1,
            "{seen:#?}"
        );
    }
}

#[test]
fn the_ninth_device_is_refused() {
    let mut world = World::new(112);
    let first = world.device("alice");
    for _ in 1..8 {
        pair(&mut world, first);
    }
    let ninth = world.device("alice");
    let now = world.now;
    let code = world.devices[ninth].session.pair(now).expect("a code");
    world.devices[first].session.pair_with(now, &code).expect("answered");
    world.run();
    assert!(matches!(world.private(ninth).state(), State::Off(Off::Refused(_))));
    assert_eq!(having(&world.news(ninth), "private messages are off: too-many").len(), 1);
}

#[test]
fn a_new_identity_warns_everybody_and_survives_a_crash_at_any_step() {
    for steps in 0..8 {
        let mut world = World::new(113);
        let (alice, bob) = (world.device("alice"), world.device("bob"));
        let laptop = pair(&mut world, alice);
        world.tell(alice, "bob", "before");
        world.news(bob);
        let old = *world.private(alice).identity().unwrap();
        let now = world.now;
        world.devices[alice].session.new_identity(now).expect("asked");
        for _ in 0..steps {
            if !world.send(alice) {
                world.receive(alice);
            }
        }
        world.crash(alice);
        world.run();
        if *world.private(alice).identity().unwrap() == old {
            // The server had not heard of it.
            assert!(steps < 2, "after {steps} steps");
            continue;
        }
        assert_eq!(world.private(alice).state(), State::Ready, "after {steps} steps");
        world.crash(laptop);
        world.run();
        assert_eq!(world.private(laptop).state(), State::Off(Off::OtherIdentity));
        let ticket = world.say(alice, "bob", "after").expect("accepted");
        world.run();
        assert_eq!(world.outcome(alice, ticket), Some(Ok(())), "after {steps} steps");
        let seen = world.news(bob);
        assert_eq!(having(&seen, "the identity of alice has CHANGED").len(), 1, "{seen:#?}");
        assert_eq!(having(&seen, "> after [identity CHANGED]").len(), 1, "{seen:#?}");
        // The other device is paired with the new identity.
        let now = world.now;
        let code = world.devices[laptop].session.pair(now).expect("a code");
        world.devices[alice].session.pair_with(now, &code).expect("answered");
        world.run();
        assert_eq!(world.private(laptop).state(), State::Ready);
    }
}

#[test]
fn an_account_that_was_made_anew_is_another_account() {
    let mut world = World::new(114);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "before");
    world.server.forget_account("alice");
    world.crash(alice);
    world.run();
    assert_eq!(world.private(alice).state(), State::Off(Off::OtherAccount));
    let now = world.now;
    world.devices[alice].session.new_identity(now).expect("asked");
    world.run();
    assert_eq!(world.private(alice).state(), State::Ready);
    world.news(bob);
    let ticket = world.say(alice, "bob", "after").expect("accepted");
    world.run();
    assert_eq!(world.outcome(alice, ticket), Some(Ok(())));
    let seen = world.news(bob);
    assert_eq!(having(&seen, "alice is another account than the one you knew").len(), 1, "{seen:#?}");
}

#[test]
fn prekeys_are_refilled_and_renewed_in_time() {
    let mut world = World::new(115);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.server_device(alice).one_time.truncate(20);
    world.crash(alice);
    world.run();
    assert_eq!(world.server_device(alice).one_time.len(), 100, "filled up at login");
    let signed = world.server_device(alice).signed.unwrap().id;
    world.wait(7 * 24 * 60 * 60 * 1000);
    world.crash(alice);
    world.run();
    assert_eq!(world.server_device(alice).signed.unwrap().id, signed + 1, "weekly");
    // Without any left it works as well.
    world.server_device(alice).one_time.clear();
    world.tell(bob, "alice", "hi");
    assert_eq!(world.messages(alice).len(), 1);
    // A publication that did not arrive is made again.
    let device = world.server_device(alice);
    device.one_time.clear();
    device.one_time_next = 175;
    world.crash(alice);
    world.run();
    assert_eq!(world.server_device(alice).one_time.len(), 100);
    let old = world.now.wall.0 + 61 * 24 * 60 * 60 * 1000;
    world.wait(old - world.now.wall.0);
    let next = world.server_device(alice).one_time_next;
    world.crash(alice);
    world.run();
    let device = world.server_device(alice);
    assert!(device.one_time.iter().all(|prekey| prekey.id >= next), "all of them are new after two months");
}

#[test]
fn an_old_server_has_no_keys_and_it_is_said() {
    let mut world = World::new(116);
    world.server.tamper = Some(Box::new(|_, line: &mut Value| {
        if line["ok"]["devices"].is_array() {
            *line = json!({"re": line["re"], "err": {"code": "unknown-command", "text": "no"}});
        }
        true
    }));
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    assert_eq!(world.private(alice).state(), State::Off(Off::ServerTooOld));
    world.tell(alice, "bob", "as ever");
    assert_eq!(having(&world.news(bob), "> as ever [NOT encrypted]").len(), 1);
    assert_eq!(having(&world.news(alice), "not-encrypted:").len(), 1);
}
