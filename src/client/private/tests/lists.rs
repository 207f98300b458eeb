//! A server whose lists of devices cannot be: nothing is sent after them, and it is said what is wrong.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::client::private::tests::world::{World, having};
use crate::client::private::{Off, State};

/// What a server does to an answer.
type Change = fn(&mut Value);

/// From now on answers for this user that have this field are changed before they arrive.
fn tamper(world: &mut World, who: &'static str, field: &'static str, change: Change) {
    world.server.tamper = Some(Box::new(move |name, line: &mut Value| {
        if name == who && line["ok"].get(field).is_some() {
            change(&mut line["ok"]);
        }
        true
    }));
}

#[test]
fn a_list_of_somebody_s_devices_that_cannot_be_is_not_believed() {
    let cases: [(Change, &str); 5] = [
        (|list| list["uid"] = 1.into(), "the server says that this is your own account"),
        (
            |list| list["uid"] = 3.into(),
            "the server gives this name to an account that is known by another one",
        ),
        (
            |list| list["identity"] = BASE64.encode(&[0; 32]).into(),
            "the server gives this account an identity that is no key",
        ),
        (|list| list["devices"] = json!([{"device": 0}]), "the server lists devices that cannot be"),
        (
            |list| list["devices"] = (1..100).map(|device| json!({"device": device})).collect(),
            "the server lists devices that cannot be",
        ),
    ];
    for (change, said) in cases {
        let mut world = World::new(601);
        let (alice, bob, carol) = (world.device("alice"), world.device("bob"), world.device("carol"));
        world.tell(alice, "carol", "hello");
        tamper(&mut world, "alice", "devices", change);
        let ticket = world.say(alice, "bob", "secret").expect("accepted");
        world.run();
        assert_eq!(world.outcome(alice, ticket), Some(Err(format!("bad-reply: {said}"))));
        assert_eq!(world.messages(bob), [""; 0]);
        world.server.tamper = None;
        world.tell(alice, "bob", "again");
        assert_eq!(world.messages(bob), ["alice: <alice> again [encrypted]"], "{said}");
        assert_eq!(world.messages(carol).len(), 1);
    }
}

#[test]
fn a_list_of_one_s_own_devices_that_cannot_be_turns_private_messages_off() {
    let cases: [(&str, Change, &str); 4] = [
        (
            "devices",
            |list| list["identity"] = BASE64.encode(&[0; 32]).into(),
            "the server gives this account a key that is none",
        ),
        (
            "devices",
            |list| drop(list.as_object_mut().and_then(|list| list.remove("uid"))),
            "the server's list of this account's devices cannot be",
        ),
        (
            "devices",
            |list| list["devices"] = (1..100).map(|device| json!({"device": device})).collect(),
            "the server's list of this account's devices cannot be",
        ),
        (
            "device",
            |enrolled| enrolled["device"] = 0.into(),
            "the server gives this device a number that cannot be",
        ),
    ];
    for (field, change, said) in cases {
        let mut world = World::new(602);
        tamper(&mut world, "alice", field, change);
        let alice = world.device("alice");
        assert_eq!(world.private(alice).state(), State::Off(Off::Refused(said.into())));
        world.server.tamper = None;
        world.cut(alice);
        world.run();
        assert_eq!(world.private(alice).state(), State::Ready, "{said}");
    }
}

#[test]
fn a_message_from_a_name_or_a_device_that_cannot_be_is_dropped() {
    let mut world = World::new(603);
    let (alice, bob) = (world.device("alice"), world.device("bob"));
    world.tell(alice, "bob", "hello");
    world.news(bob);
    for (from, device) in [("a b", 1), ("alice", 0)] {
        world.inject(bob, from, 1, device, &[1; 200]);
        world.run();
        let seen = world.news(bob);
        let said = "a message came from a name or a device that cannot be, and was dropped";
        assert_eq!(having(&seen, said).len(), 1, "{seen:#?}");
        assert!(world.mail(bob).is_empty(), "it does not come again");
    }
    world.tell(alice, "bob", "still here");
    assert_eq!(world.messages(bob), ["alice: <alice> still here [encrypted]"]);
}

#[test]
fn an_answer_to_a_pairing_code_that_reaches_nobody_is_said() {
    let mut world = World::new(604);
    let old = world.device("alice");
    let new = world.device("alice");
    let now = world.now;
    let code = world.devices[new].session.pair(now).expect("a code");
    world.cut(new);
    world.devices[old].session.pair_with(now, &code).expect("asked");
    world.run_only(&[old]);
    let seen = world.news(old);
    assert_eq!(having(&seen, "no other session of this account is connected").len(), 1, "{seen:#?}");
}
