//! One seed from beginning to end.

use std::collections::BTreeSet;

use serde_json::json;

use crate::devices::{check_readers, every_device_reads_its_mailbox};
use crate::link::{Ask, Dialect};
use crate::model::Room;
use crate::people::{ACCOUNTS, Person, ROOMS, ask};
use crate::plan::Plan;
use crate::random::Random;
use crate::world::World;

pub fn run(seed: u64) {
    let mut random = Random::new(seed);
    let plan = Plan::new(&mut random);
    log::trace!("seed {seed}: {plan:?}");
    let mut people: Vec<Person> =
        (0..plan.people).map(|index| Person::new(index, &plan, &mut random)).collect();
    let mut world = World::new(plan, random);
    with_faults(&mut world, &mut people);
    log::trace!("---- calm");
    calm_down(&mut world, &mut people);
    check_readers(&world, &people);
    everybody_looks_around(&mut world, &mut people);
    check_memberships(&world, &people);
    everybody_joins(&mut world, &mut people);
    check_memberships(&world, &people);
    every_account_reads_its_letters(&mut world, &mut people);
    check_messages(&world);
    every_device_reads_its_mailbox(&mut world, &mut people);
    everybody_leaves(&mut world, &mut people);
}

fn with_faults(world: &mut World, people: &mut [Person]) {
    for _ in 0..world.plan.turns {
        for person in people.iter_mut() {
            if world.now >= person.stalled_until && world.random.per_mille(300) {
                person.act(world);
            }
        }
        if world.plan.full_disk && world.random.per_mille(20) {
            world.lanes.full = !world.lanes.full;
        }
        world.turn(people);
        if world.plan.restarts && world.random.per_mille(4) {
            match world.random.per_mille(700) {
                true => world.crash(people),
                false => world.stop(people),
            }
        }
    }
}

/// The faults end, everybody reads, and what is under way comes to its end.
fn calm_down(world: &mut World, people: &mut [Person]) {
    world.calm = true;
    world.net.faults = false;
    world.lanes.faults = false;
    for person in people.iter_mut() {
        person.stalled_until = 0;
    }
    settle(world, people);
}

pub fn settle(world: &mut World, people: &mut [Person]) {
    let mut quiet = 0;
    for _ in 0..SETTLE_TURNS {
        world.turn(people);
        quiet = if world.is_quiet() && world.engine.paused() == 0 { quiet + 1 } else { 0 };
        if quiet == 3 {
            break;
        }
    }
    assert!(quiet == 3, "it does not settle: paused {}", world.engine.paused());
    assert!(world.engine.hub().is_settled());
    for person in people.iter() {
        let Some(link) = &person.link else { continue };
        let open = &link.asked.open;
        assert!(
            open.is_empty() || link.did.garbage,
            "{} {}: no reply to {open:?}",
            link.server_name,
            link.me()
        );
    }
}

/// What everybody was told of the rooms they are in is what the server says when it is asked.
fn everybody_looks_around(world: &mut World, people: &mut [Person]) {
    for person in people.iter_mut() {
        let Some(link) = &mut person.link else { continue };
        if link.dialect == Dialect::Json && link.name.is_some() {
            for room in link.seats.keys().cloned().collect::<Vec<_>>() {
                let who = Ask::Who { room: room.clone(), settled: true };
                ask(world, link, who, "who", json!({"room": room.clone()}), "");
                let history = Ask::History { room: room.clone() };
                ask(world, link, history, "history", json!({"room": room, "limit": 100}), "");
            }
        }
    }
    settle(world, people);
}

/// Where nothing fails any more, everybody comes into every room that is open to them.
fn everybody_joins(world: &mut World, people: &mut [Person]) {
    for person in people.iter_mut() {
        let Some(link) = &mut person.link else { continue };
        if link.dialect == Dialect::Json && link.name.is_some() {
            link.did.join_failed = false;
            for room in ROOMS {
                ask(world, link, Ask::Join { room: room.to_string() }, "join", json!({"room": room}), "");
            }
        }
    }
    settle(world, people);
    for link in people.iter().filter_map(|person| person.link.as_ref()) {
        assert!(!link.did.join_failed, "{} cannot join a room although nothing fails any more", link.me());
    }
}

/// What the store holds of memberships is what people were told, and nobody is where they are banned.
fn check_memberships(world: &World, people: &[Person]) {
    let model = &world.lanes.model;
    for link in people.iter().filter_map(|person| person.link.as_ref()) {
        let account = model.accounts.iter().find(|(_, kept)| &**kept.user.shown() == link.me());
        let Some((id, account)) = account.filter(|_| link.dialect == Dialect::Json) else { continue };
        let shut_out =
            |room: &Room| room.bans.contains_key(account.user.key()) && !room.operators.contains(id);
        let kept = account.rooms.iter().map(|room| &model.rooms[room]).filter(|room| !shut_out(room));
        let lost = |room: &&str| {
            let join = (link.me().to_string(), room.to_string());
            world.facts.joins_lost.contains(&join) && !link.seats.contains_key(*room)
        };
        let kept: BTreeSet<&str> = kept.map(|room| &**room.name.shown()).filter(|room| !lost(room)).collect();
        let closed: BTreeSet<&str> =
            model.rooms.values().filter(|room| shut_out(room)).map(|room| &**room.name.shown()).collect();
        let told: BTreeSet<&str> = link.seats.keys().map(String::as_str).collect();
        let shut_in: Vec<&&str> = told.intersection(&closed).collect();
        let excused = world.facts.deop_ever.contains(link.me());
        assert!(shut_in.is_empty() || excused, "{} is in {shut_in:?}, and banned", link.me());
        let told: BTreeSet<&str> = told.difference(&closed).copied().collect();
        if !world.plan.fails() {
            assert!(kept == told, "{} is kept in {kept:?}, and was told {told:?}", link.me());
        }
    }
}

/// Whoever has an account comes once more, and finds what was kept for it.
fn every_account_reads_its_letters(world: &mut World, people: &mut [Person]) {
    for account in ACCOUNTS {
        let exists = world.lanes.model.accounts.values().any(|kept| &**kept.user.shown() == account);
        assert!(exists || !world.facts.registered.contains(account), "{account} was registered, and is lost");
        if !exists {
            continue;
        }
        world.facts.registered.insert(account.to_string());
        let mut random = world.random.clone();
        let mut visitor = Person::new(0, &world.plan, &mut random);
        visitor.account = Some(account);
        let mut link = world.connect(Dialect::Json);
        visitor.choose_name(&mut link, world);
        visitor.link = Some(link);
        let mut everybody = vec![visitor];
        // The others have to look as well, or their output stays.
        for person in people.iter_mut() {
            let empty = Person::new(0, &world.plan, &mut random);
            everybody.push(std::mem::replace(person, empty));
        }
        settle(world, &mut everybody);
        let mut everybody = everybody.into_iter();
        let visitor = everybody.next().expect("the first one");
        people.iter_mut().zip(everybody).for_each(|(place, person)| *place = person);
        let link = visitor.link.as_ref().expect("nothing ends its connection");
        assert!(link.name.as_deref() == Some(account), "{account} is registered, and cannot log in");
        let mut visitor = visitor;
        if let Some(link) = visitor.link.take() {
            world.net.end(link.pipe);
            world.facts.ended(link.index);
        }
        settle(world, people);
    }
}

fn check_messages(world: &World) {
    let facts = &world.facts;
    for (number, reader) in &facts.kept {
        let seen = facts.seen_by.contains(&(*number, reader.clone()));
        assert!(
            seen || facts.may_miss_from(reader, *number),
            "m{number} was kept for {reader}, who never saw it"
        );
    }
    for (number, readers) in &facts.at_once {
        for &link in readers.iter().filter(|link| !facts.renamed.contains(link)) {
            assert!(facts.seen.contains(&(*number, link)), "m{number} never came to connection {link}");
        }
    }
}

/// Everybody goes: nothing is left of them.
fn everybody_leaves(world: &mut World, people: &mut [Person]) {
    for person in people.iter_mut() {
        if let Some(link) = &mut person.link {
            link.did.end = true;
            world.net.end(link.pipe);
        }
    }
    settle(world, people);
    assert!(world.engine.connections() == 0, "{} connections are left", world.engine.connections());
}

/// Turns that it may take until nothing is under way any more.
const SETTLE_TURNS: usize = 3_000;
