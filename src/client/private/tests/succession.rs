//! A new identity, and everything that may come between asking for it and knowing that it was taken.

use serde_json::{Value, json};

use crate::client::private::State;
use crate::client::private::tests::world::{World, having};

/// The device has private messages, with the identity that the server has.
#[track_caller]
fn check_is_account(world: &mut World, id: usize) {
    let user = world.devices[id].user.clone();
    let uid = world.server.uid(&user);
    let there = world.server.accounts[&uid].identity.clone().expect("the account has one");
    let private = world.private(id);
    assert_eq!(private.identity().map(|identity| identity.bytes().to_vec()), Some(there));
    assert_eq!(private.state(), State::Ready);
}

fn identity(world: &mut World, user: &str) -> Vec<u8> {
    let uid = world.server.uid(user);
    world.server.accounts[&uid].identity.clone().expect("the account has one")
}

/// Asks for a new identity, and breaks the connection after so many lines to and fro.
fn ask_and_break(world: &mut World, id: usize, steps: usize, crash: bool) {
    let now = world.now;
    world.devices[id].session.new_identity(now).expect("asked");
    for _ in 0..steps {
        if !world.send(id) {
            world.receive(id);
        }
    }
    if crash {
        world.crash(id)
    } else {
        world.cut(id)
    }
    world.run();
}

#[test]
fn a_device_without_the_old_one_survives_a_broken_connection_at_any_step() {
    for (steps, crash) in (0..8).flat_map(|steps| [(steps, false), (steps, true)]) {
        let mut world = World::new(400);
        let (lost, bob) = (world.device("alice"), world.device("bob"));
        world.cut(lost);
        let new = world.device("alice");
        assert_eq!(world.private(new).state(), State::NeedsPairing { code: None });
        let old = identity(&mut world, "alice");
        ask_and_break(&mut world, new, steps, crash);
        if identity(&mut world, "alice") == old {
            assert!(steps < 1, "after {steps} steps, {crash}");
            continue;
        }
        check_is_account(&mut world, new);
        world.tell(bob, "alice", "hello");
        assert_eq!(having(&world.news(new), "> hello [encrypted]").len(), 1, "after {steps} steps");
    }
}

#[test]
fn a_request_that_is_carried_out_after_the_next_login_is_not_lost() {
    for (crash, twice) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut world = World::new(401);
        let (alice, bob) = (world.device("alice"), world.device("bob"));
        world.tell(alice, "bob", "before");
        let old = identity(&mut world, "alice");
        let now = world.now;
        world.devices[alice].session.new_identity(now).expect("asked");
        world.store(alice);
        let late = world.devices[alice].session.poll_line().expect("the request").to_string();
        world.cut(alice);
        world.run();
        assert_eq!(identity(&mut world, "alice"), old, "it is on its way");
        check_is_account(&mut world, alice);
        if twice {
            // Asked for once more, and that one is lost for good.
            ask_and_break(&mut world, alice, 0, false);
        }
        if crash {
            world.crash(alice);
            world.run();
        }
        let slow = world.server.connect();
        world.server.handle(slow, r#"{"id":1,"cmd":"login","user":"alice","token":"t"}"#);
        world.server.handle(slow, &late);
        assert_ne!(identity(&mut world, "alice"), old);
        world.run();
        check_is_account(&mut world, alice);
        let ticket = world.say(alice, "bob", "after").expect("accepted");
        world.run();
        assert_eq!(world.outcome(alice, ticket), Some(Ok(())));
        assert_eq!(having(&world.news(bob), "> after [identity CHANGED]").len(), 1);
    }
}

#[test]
fn an_answer_that_nobody_can_read_takes_nothing_back() {
    let mut world = World::new(402);
    let alice = world.device("alice");
    let old = identity(&mut world, "alice");
    world.server.tamper = Some(Box::new(|_, line: &mut Value| {
        if line["ok"]["device"].is_u64() && line["ok"]["uid"].is_u64() {
            line["ok"] = json!({"uid": "one"});
        }
        true
    }));
    let now = world.now;
    world.devices[alice].session.new_identity(now).expect("asked");
    world.flow();
    assert_ne!(identity(&mut world, "alice"), old);
    world.server.tamper = None;
    world.cut(alice);
    world.run();
    check_is_account(&mut world, alice);
}

#[test]
fn a_refusal_leaves_the_old_one_and_another_can_be_asked_for() {
    let mut world = World::new(403);
    let alice = world.device("alice");
    let old = identity(&mut world, "alice");
    world.server.busy = true;
    let now = world.now;
    world.devices[alice].session.new_identity(now).expect("asked");
    world.flow();
    assert_eq!(having(&world.news(alice), "the identity stays as it was: the server is busy").len(), 1);
    world.server.busy = false;
    world.run();
    assert_eq!(identity(&mut world, "alice"), old);
    check_is_account(&mut world, alice);
    let now = world.now;
    world.devices[alice].session.new_identity(now).expect("asked");
    world.run();
    assert_ne!(identity(&mut world, "alice"), old);
    check_is_account(&mut world, alice);
}
