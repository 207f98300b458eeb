//! Devices of accounts: what programs do with keys and mailboxes, and what must be true of the answers.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use serde_json::{Value, json};
use sottovoce::e2e::address::{self, Millis};
use sottovoce::e2e::dh::DhPublic;
use sottovoce::e2e::identity::Identity;
use sottovoce::e2e::prekey::SignedPrekey;
use sottovoce::proto::id::{AccountId, DeviceId};

use crate::facts::Facts;
use crate::link::{Ask, Dialect, Link};
use crate::model::Model;
use crate::people::{ACCOUNTS, Person, ask};
use crate::random::Random;
use crate::run::settle;
use crate::world::World;

/// What is known of all devices, across connections and restarts.
#[derive(Debug, Default)]
pub struct DeviceFacts {
    /// The identities that an account ever wanted to have, in that order.
    identities: BTreeMap<String, Vec<[u8; 32]>>,
    known: BTreeMap<(String, u32), Known>,
    /// One-time prekeys that somebody was given: account, device, number.
    given_out: BTreeSet<(u64, u64, u64)>,
    /// Accounts that ever asked for a device to be revoked.
    pub revoked_ever: BTreeSet<String>,
    /// Every message that was sent, by its number: for which devices of which accounts.
    sealed: Vec<Vec<(String, u32)>>,
}

#[derive(Debug, Default)]
struct Known {
    run: u64,
    /// Numbers of the next prekeys.
    signed: u32,
    one_time: u32,
    /// The highest acknowledgement that was ever asked for, and that was answered.
    ack_asked: u64,
    acked: u64,
    /// It was said that there is no such device any more.
    gone: bool,
}

/// The mailbox that a connection reads.
#[derive(Debug)]
pub struct Reading {
    device: u32,
    /// What had been acknowledged for certain when it attached.
    acked: u64,
    pub last: Option<u64>,
}

/// A request about keys, devices or a mailbox.
#[derive(Clone, Debug)]
pub enum KeysAsk {
    Ack { device: u32, seq: u64, possible: bool },
    Attach { device: u32, acked: u64 },
    Claim,
    Devices,
    Enroll,
    Other,
    Prekeys { device: u32 },
    Revoke { device: u32 },
    Send { number: u64 },
}

impl DeviceFacts {
    /// Devices of an account that may be there.
    fn present<'f>(&'f self, me: &'f str) -> impl Iterator<Item = u32> + 'f {
        let mine = self.known.iter().filter(move |((user, _), known)| user == me && !known.gone);
        mine.map(|((_, device), _)| *device)
    }

    fn is_gone(&mut self, me: &str, device: u32) {
        self.known.entry((me.to_string(), device)).or_default().gone = true;
    }
}

/// Does something with a device, at random.
pub fn act(me: &str, link: &mut Link, world: &mut World, user: &str) {
    let facts = &world.facts.devices;
    let mine: Vec<u32> = facts.present(me).collect();
    let random = &mut world.random;
    // Mostly somebody who may have a device.
    let user = if random.per_mille(900) { random.pick(&ACCOUNTS[..world.plan.accounts]) } else { user };
    if mine.is_empty() {
        return enroll(me, link, world);
    }
    // What is under way is mostly waited for.
    let waits = link.asked.open.values().any(|ask| matches!(ask, Ask::Keys(_)));
    if waits && random.per_mille(800) {
        return;
    }
    let device = *random.pick(&mine);
    let is_new = facts.known[&(me.to_string(), device)].signed == 0;
    let what = match &link.reading {
        _ if is_new && random.per_mille(700) => 6,
        None if random.per_mille(600) => 30,
        None => random.below(100),
        // A second mailbox is refused.
        Some(_) if random.per_mille(50) => 30,
        Some(_) => random.between(50, 99),
    };
    match what {
        0..6 | 50..51 => enroll(me, link, world),
        6..30 | 51..55 => publish(me, link, world, device),
        30..50 => attach(me, link, world, device),
        55..68 => ack(me, link, world),
        68..71 => keys(world, link, KeysAsk::Claim, "claim", json!({"user": user})),
        71..75 => keys(world, link, KeysAsk::Devices, "devices", json!({"user": user})),
        75..97 => {
            let times = if link.lists.contains_key(user) { *world.random.pick(&[1, 3, 10, 40]) } else { 1 };
            for _ in 0..times {
                send(me, link, world, user);
            }
        }
        97..98 if random.per_mille(400) => {
            world.facts.devices.revoked_ever.insert(me.to_string());
            keys(world, link, KeysAsk::Revoke { device }, "revoke", json!({"device": device}));
        }
        _ => keys(world, link, KeysAsk::Other, "pair", json!({"answer": "YW55"})),
    }
}

fn keys(world: &mut World, link: &mut Link, what: KeysAsk, command: &str, fields: Value) {
    ask(world, link, Ask::Keys(what), command, fields, "");
}

fn enroll(me: &str, link: &mut Link, world: &mut World) {
    let replace = world.random.per_mille(30);
    let wanted = world.facts.devices.identities.entry(me.to_string()).or_default();
    let number = match present_identity(&world.lanes.model, wanted, me) {
        Some(present) if !replace => present,
        // The first one is under way.
        None if !wanted.is_empty() => 0,
        _ => {
            let number = u8::try_from(wanted.len()).expect("few");
            wanted.push(*identity(me, number).public().bytes());
            number
        }
    };
    let public = BASE64.encode(identity(me, number).public().bytes());
    let fields = json!({"identity": public, "name": "a device", "replace": replace});
    keys(world, link, KeysAsk::Enroll, "enroll", fields);
}

fn publish(me: &str, link: &mut Link, world: &mut World, device: u32) {
    let wanted = world.facts.devices.identities.get(me).map(Vec::as_slice).unwrap_or_default();
    let number = present_identity(&world.lanes.model, wanted, me).unwrap_or(0);
    let known = world.facts.devices.known.get_mut(&(me.to_string(), device)).expect("it is one of mine");
    let random = &mut world.random;
    let mut fields = json!({"device": device});
    if known.signed == 0 || random.per_mille(200) {
        // The same again is as good as the next.
        known.signed += u32::from(known.signed == 0 || random.per_mille(500));
        fields["signed"] = signed(&identity(me, number), device, known.signed);
    }
    let repeated = random.below(3) as u32;
    let first = known.one_time.saturating_sub(repeated) + 1;
    known.one_time += random.below(8) as u32;
    let one_time = |id: u32| json!({"id": id, "key": BASE64.encode(&one_time_key(device, id))});
    fields["one_time"] = (first..=known.one_time).map(one_time).collect();
    fields["replace"] = random.per_mille(100).into();
    keys(world, link, KeysAsk::Prekeys { device }, "prekeys", fields);
}

fn attach(me: &str, link: &mut Link, world: &mut World, device: u32) {
    let known = world.facts.devices.known.entry((me.to_string(), device)).or_default();
    known.run += 1;
    let (run, acked) = (known.run, known.acked);
    keys(world, link, KeysAsk::Attach { device, acked }, "attach", json!({"device": device, "run": run}));
}

fn ack(me: &str, link: &mut Link, world: &mut World) {
    let Some(Reading { device, last: Some(last), .. }) = link.reading else { return };
    // An acknowledgement names no device: behind an `attach` under way it could be for another one.
    if link.asked.open.values().any(|ask| matches!(ask, Ask::Keys(KeysAsk::Attach { .. }))) {
        return;
    }
    let possible = !world.random.per_mille(50);
    let seq = if possible { last - world.random.below(2) as u64 } else { last + 1_000_000 };
    if possible {
        let known = world.facts.devices.known.get_mut(&(me.to_string(), device)).expect("it is read");
        known.ack_asked = known.ack_asked.max(seq);
    }
    keys(world, link, KeysAsk::Ack { device, seq, possible }, "ack", json!({"seq": seq}));
}

fn send(me: &str, link: &mut Link, world: &mut World, user: &str) {
    let reads = link.reading.as_ref().map(|reading| reading.device);
    let list = |link: &Link, user: &str| -> Option<Vec<u32>> {
        let mut list = link.lists.get(user)?.clone();
        list.retain(|&device| user != me || Some(device) != reads);
        Some(list)
    };
    let (Some(to), Some(own)) = (list(link, user), list(link, me)) else {
        let unknown = if link.lists.contains_key(me) { user } else { me };
        return keys(world, link, KeysAsk::Devices, "devices", json!({"user": unknown}));
    };
    let own = if user == me { Vec::new() } else { own };
    if to.is_empty() && world.random.per_mille(900) {
        return keys(world, link, KeysAsk::Devices, "devices", json!({"user": user}));
    }
    let number = world.facts.devices.sealed.len() as u64;
    let some = |devices: &[u32], random: &mut Random| -> Vec<u32> {
        devices.iter().copied().filter(|_| random.per_mille(700)).take(3).collect()
    };
    let (for_user, for_me) = (some(&to, &mut world.random), some(&own, &mut world.random));
    let envelopes = |devices: &[u32]| -> Value {
        devices.iter().map(|device| json!({"device": device, "body": BASE64.encode(&body(number))})).collect()
    };
    let (envelopes, copies) = (envelopes(&for_user), envelopes(&for_me));
    let theirs = for_user.iter().map(|&device| (user.to_string(), device));
    let mine = for_me.iter().map(|&device| (me.to_string(), device));
    world.facts.devices.sealed.push(theirs.chain(mine).collect());
    let fields = json!({"user": user, "to": to, "own": own, "envelopes": envelopes, "copies": copies});
    keys(world, link, KeysAsk::Send { number }, "send", fields);
}

impl Link {
    pub fn keys_answered(&mut self, asked: KeysAsk, ok: &Value, facts: &mut Facts, model: &Model) {
        let me = self.me().to_string();
        match asked {
            KeysAsk::Ack { device, seq, possible } => {
                assert!(possible, "{me} acknowledged {seq} of device {device}, which was never sent");
                let known = facts.devices.known.entry((me, device)).or_default();
                known.acked = known.acked.max(seq);
            }
            KeysAsk::Attach { device, acked } => {
                assert!(self.reading.is_none(), "{me} reads two mailboxes");
                let run = facts.devices.known.get(&(me, device)).map_or(0, |known| known.run);
                assert!(number(ok, "run") <= run, "a run that never was: {ok}");
                self.reading = Some(Reading { device, acked, last: None });
            }
            KeysAsk::Claim => {
                for bundle in list(ok, "bundles") {
                    let Some(one_time) = bundle.get("one_time") else { continue };
                    let (device, id) = (number(bundle, "device"), number(one_time, "id"));
                    let new = facts.devices.given_out.insert((number(ok, "uid"), device, id));
                    assert!(new, "one-time prekey {id} of device {device} was given out twice: {ok}");
                    let key = one_time_key(device as u32, id as u32);
                    assert!(one_time["key"] == BASE64.encode(&key), "it is another key: {ok}");
                }
            }
            KeysAsk::Devices => {
                let user = ok["user"].as_str().expect("a name").to_string();
                let devices = list(ok, "devices").iter().map(|device| number(device, "device") as u32);
                self.lists.insert(user, devices.collect());
            }
            KeysAsk::Enroll => {
                facts.devices.known.entry((me, number(ok, "device") as u32)).or_default();
            }
            KeysAsk::Other | KeysAsk::Prekeys { .. } => {}
            KeysAsk::Revoke { device } => facts.devices.is_gone(&me, device),
            KeysAsk::Send { number: sent } => {
                let full: Vec<u64> = match ok.get("full") {
                    Some(_) => list(ok, "full").iter().map(|full| number(full, "device")).collect(),
                    None => Vec::new(),
                };
                for (user, device) in &facts.devices.sealed[sent as usize] {
                    let kept = is_kept(model, user, *device, sent) || full.contains(&u64::from(*device));
                    assert!(kept, "s{sent} was confirmed, and is not in the mailbox of {user}'s {device}");
                }
            }
        }
    }

    pub fn keys_refused(&mut self, asked: KeysAsk, err: &Value, facts: &mut Facts, model: &Model) {
        let code = err["code"].as_str().expect("a code");
        match asked {
            KeysAsk::Send { number } => {
                let kept = facts.devices.sealed[number as usize]
                    .iter()
                    .find(|(user, device)| is_kept(model, user, *device, number));
                assert!(kept.is_none(), "s{number} was refused, and is in the mailbox of {kept:?}");
                if code == "devices-changed" {
                    // Whose they are is not said again; both are asked for.
                    self.lists.clear();
                }
            }
            KeysAsk::Attach { device, .. } | KeysAsk::Prekeys { device } if code == "no-such-device" => {
                facts.devices.is_gone(self.me(), device);
            }
            KeysAsk::Ack { possible: false, .. } => {
                let expected = matches!(code, "bad-argument" | "no-such-device" | "too-fast");
                assert!(expected || code == "shutting-down", "{err}");
            }
            _ => {}
        }
    }

    /// What was sealed for the device whose mailbox this connection reads.
    pub fn takes_envelope(&mut self, event: &Value, facts: &Facts, model: &Model) {
        let me = self.me().to_string();
        let Some(reading) = &mut self.reading else { panic!("{me} reads no mailbox: {event}") };
        let seq = number(event, "seq");
        let known = facts.devices.known.get(&(me.clone(), reading.device)).expect("it was enrolled");
        match reading.last {
            Some(last) => assert!(seq == last + 1, "{seq} comes after {last}: {event}"),
            None => {
                assert!(seq > reading.acked, "{seq} was acknowledged: {event}");
                assert!(seq <= known.ack_asked + 1, "what is before {seq} was never acknowledged: {event}");
            }
        }
        reading.last = Some(seq);
        let kept = archive(model, &me, reading.device);
        let envelope = kept.get(seq as usize - 1).unwrap_or_else(|| panic!("never committed: {event}"));
        assert!(event["body"] == BASE64.encode(&envelope.body.0), "{seq} is another one: {event}");
        let from = (number(event, "uid"), number(event, "device"));
        let expected = (u64::from(envelope.uid.0), u64::from(envelope.device.number()));
        assert!(from == expected && event["from"] == *envelope.from, "{seq} is from {expected:?}: {event}");
    }

    /// A notice about devices, if it is one.
    pub fn noticed_device(&mut self, notice: &Value) -> bool {
        match notice["kind"].as_str() {
            Some("detached") => {
                let reading = self.reading.take().map(|reading| u64::from(reading.device));
                assert!(reading == Some(number(notice, "device")), "it reads {reading:?}: {notice}");
            }
            Some("sealed") => {
                let reads = self.reading.is_some();
                assert!(!reads, "{} is told what it cannot read, and can: {notice}", self.me());
            }
            Some("device") => {}
            _ => return false,
        }
        true
    }
}

/// Whoever reads a mailbox has read it to its end, and it is there. Called when everything has settled.
pub fn check_readers(world: &World, people: &[Person]) {
    let model = &world.lanes.model;
    for link in people.iter().filter_map(|person| person.link.as_ref()) {
        let Some(reading) = &link.reading else { continue };
        let (me, device) = (link.me(), DeviceId::new(reading.device).expect("a device's number"));
        let found = model.keyring.device(account(model, me), device);
        let found = found.unwrap_or_else(|| panic!("{me} reads the mailbox of {device}, which is gone"));
        let all = archive(model, me, reading.device).len() as u64;
        // What could not be read is tried again a minute later.
        if !world.plan.fails() {
            let read = reading.last.unwrap_or(found.taken);
            assert!(read == all, "{me} reads the mailbox of {device} only up to {read} of {all}");
        }
    }
}

/// In the end every device that there is reads its mailbox to its end, and acknowledges it.
pub fn every_device_reads_its_mailbox(world: &mut World, people: &mut [Person]) {
    let mut devices = Vec::new();
    for name in ACCOUNTS {
        let id = world.lanes.model.accounts.values().any(|account| &**account.user.shown() == name);
        if id {
            let published = world.lanes.model.keyring.published(account(&world.lanes.model, name));
            devices.extend(published.into_iter().map(|device| (name, device)));
        }
    }
    let mut everybody = Vec::new();
    let mut random = world.random.clone();
    for &(name, _) in &devices {
        let mut visitor = Person::new(0, &world.plan, &mut random);
        visitor.account = Some(name);
        everybody.push(visitor);
    }
    // The others have to look as well, or their output stays.
    for person in people.iter_mut() {
        let empty = Person::new(0, &world.plan, &mut random);
        everybody.push(std::mem::replace(person, empty));
    }
    for index in 0..devices.len() {
        let mut link = world.connect(Dialect::Json);
        world.facts.registered.insert(devices[index].0.to_string());
        everybody[index].choose_name(&mut link, world);
        everybody[index].link = Some(link);
        // More passwords at once than the server takes are refused.
        if index % LOGINS_AT_ONCE == LOGINS_AT_ONCE - 1 {
            settle(world, &mut everybody);
        }
    }
    settle(world, &mut everybody);
    for (&(name, device), visitor) in devices.iter().zip(&mut everybody) {
        let link = visitor.link.as_mut().expect("nothing ends its connection");
        assert!(link.name.as_deref() == Some(name), "{name} is registered, and cannot log in");
        attach(name, link, world, device.number());
    }
    settle(world, &mut everybody);
    for (&(name, device), visitor) in devices.iter().zip(&mut everybody) {
        let link = visitor.link.as_mut().expect("nothing ends its connection");
        let reading = link.reading.as_ref().unwrap_or_else(|| panic!("{name}'s {device} is not attached"));
        let all = archive(&world.lanes.model, name, device.number()).len() as u64;
        let taken = taken(&world.lanes.model, name, device);
        let read = reading.last.unwrap_or(taken);
        assert!(read == all, "{name}'s {device} has {taken} of {all}, and read only up to {read}");
        if reading.last.is_some() {
            let fields = json!({"seq": all});
            let asked = KeysAsk::Ack { device: device.number(), seq: all, possible: true };
            keys(world, link, asked, "ack", fields);
        }
    }
    settle(world, &mut everybody);
    for &(name, device) in &devices {
        let all = archive(&world.lanes.model, name, device.number()).len() as u64;
        assert!(taken(&world.lanes.model, name, device) == all, "an acknowledgement of {name}'s {device}");
    }
    let mut everybody = everybody.into_iter();
    for mut visitor in everybody.by_ref().take(devices.len()) {
        if let Some(link) = visitor.link.take() {
            world.net.end(link.pipe);
            world.facts.ended(link.index);
        }
    }
    people.iter_mut().zip(everybody).for_each(|(place, person)| *place = person);
    settle(world, people);
}

fn account(model: &Model, name: &str) -> AccountId {
    let found = model.accounts.iter().find(|(_, account)| &**account.user.shown() == name);
    *found.unwrap_or_else(|| panic!("{name} has no account")).0
}

/// Every envelope that was ever committed for a device.
fn archive<'m>(
    model: &'m Model,
    user: &str,
    device: u32,
) -> &'m [std::sync::Arc<sottovoce::proto::keys::Envelope>] {
    let device = DeviceId::new(device).expect("a device's number");
    model.keyring.archive.get(&(account(model, user), device)).map(Vec::as_slice).unwrap_or_default()
}

fn taken(model: &Model, user: &str, device: DeviceId) -> u64 {
    model.keyring.device(account(model, user), device).expect("it is published").taken
}

fn is_kept(model: &Model, user: &str, device: u32, sent: u64) -> bool {
    let body = body(sent);
    archive(model, user, device).iter().any(|envelope| *envelope.body.0 == *body)
}

/// Which of the identities that were wanted an account has.
fn present_identity(model: &Model, wanted: &[[u8; 32]], me: &str) -> Option<u8> {
    let identity = model.keyring.identity(account(model, me))?;
    wanted.iter().position(|wanted| *wanted == identity.0).map(|index| index as u8)
}

pub fn identity(user: &str, number: u8) -> Identity {
    let mut seed = [number; 32];
    seed[..user.len()].copy_from_slice(user.as_bytes());
    Identity::from_seed(&seed)
}

pub fn signed(identity: &Identity, device: u32, id: u32) -> Value {
    let (created, point) = (Millis(1_790_000_000_000), DhPublic([id as u8 + 9; 32]));
    let owner = address::DeviceId::new(device).expect("a device's number");
    let prekey = SignedPrekey::sign(identity, owner, id, created, point);
    let (key, signature) = (BASE64.encode(&point.0), BASE64.encode(&prekey.signature));
    json!({"id": id, "created": created.0, "key": key, "signature": signature})
}

fn one_time_key(device: u32, id: u32) -> [u8; 32] {
    let mut key = [9; 32];
    key[..4].copy_from_slice(&device.to_be_bytes());
    key[4..8].copy_from_slice(&id.to_be_bytes());
    key
}

/// The shortest envelope, with a number at its end.
pub fn body(number: u64) -> Vec<u8> {
    let mut body = vec![0; 198];
    (body[0], body[1]) = (1, 2);
    body[190..].copy_from_slice(&number.to_be_bytes());
    body
}

#[track_caller]
fn number(object: &Value, name: &str) -> u64 {
    object[name].as_u64().unwrap_or_else(|| panic!("a number {name} in {object}"))
}

#[track_caller]
fn list<'v>(object: &'v Value, name: &str) -> &'v [Value] {
    object[name].as_array().unwrap_or_else(|| panic!("a list {name} in {object}"))
}

const LOGINS_AT_ONCE: usize = 4;
