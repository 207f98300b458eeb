//! The server as a directory of devices and their keys.

use data_encoding::BASE64;
use serde_json::{Value, json};
use sottovoce::e2e::identity::Identity;
use sottovoce::proto::limits::PIECE_BYTES;

use crate::harness::data::{Data, noise, upload};
use crate::harness::device::{Device, identity, number, one_time, one_time_key, public, signed};
use crate::harness::json::Json;
use crate::harness::server::Server;
use crate::harness::wire::Heard;

/// Numbers of the devices in a reply.
fn numbers(reply: &Value) -> Vec<u64> {
    reply["devices"].as_array().expect("a list").iter().map(|device| number(device, "device")).collect()
}

fn enroll(name: &str, user: &str) -> Value {
    json!({"cmd": "enroll", "identity": public(&identity(user)), "name": name})
}

/// The bundles of a user's devices, each as its device's number and its one-time prekey's.
fn claim(json: &mut Json, request: Value) -> Vec<(u64, Option<u64>)> {
    let claimed = json.ok(request);
    let bundles = claimed["bundles"].as_array().expect("a list").clone();
    let shown = |bundle: &Value| {
        let one_time = bundle.get("one_time").map(|one_time| number(one_time, "id"));
        (number(bundle, "device"), one_time)
    };
    bundles.iter().map(shown).collect()
}

#[test]
fn a_device_is_seen_once_it_has_published() {
    let server = Server::start();
    let (mut alice, mut bob) = (server.json_account("alice"), server.json_account("bob"));
    let devices = json!({"cmd": "devices", "user": "alice"});
    let nobody = bob.ok(devices.clone());
    let uid = number(&nobody, "uid");
    assert_eq!(nobody, json!({"user": "alice", "uid": uid, "devices": []}));

    assert_eq!(alice.ok(enroll("the laptop", "alice")), json!({"uid": uid, "device": 1}));
    assert_eq!(bob.ok(devices.clone()), nobody, "it cannot be written to yet");
    let identity = public(&identity("alice"));
    let own = alice.ok(json!({"cmd": "devices"}));
    assert_eq!(own, json!({"user": "alice", "uid": uid, "identity": identity, "devices": []}));

    let prekeys = json!({"cmd": "prekeys", "device": 1, "signed": signed(&self::identity("alice"), 1, 1)});
    assert_eq!(alice.ok(prekeys), json!({"device": 1, "one_time": 0}));
    assert_eq!(
        bob.ok(devices),
        json!({"user": "alice", "uid": uid, "identity": identity, "devices": [{"device": 1}]})
    );
    let own = alice.ok(json!({"cmd": "devices", "user": "ALICE"}));
    let laptop = &own["devices"][0];
    assert_eq!((&laptop["device"], &laptop["name"]), (&json!(1), &json!("the laptop")));
    assert!(laptop["since"].is_string() && laptop.get("seen").is_none(), "{laptop}");
    alice.ok(json!({"cmd": "attach", "device": 1, "run": 1}));
    assert!(alice.ok(json!({"cmd": "devices"}))["devices"][0]["seen"].is_string());
}

#[test]
fn guests_have_no_devices_and_strangers_learn_little() {
    let server = Server::start();
    let (mut alice, mut guest) = (server.json_account("alice"), server.json_guest("guest"));
    assert_eq!(alice.ok(json!({"cmd": "devices", "user": "guest"})), json!({"user": "guest", "devices": []}));
    assert_eq!(alice.err(json!({"cmd": "devices", "user": "nobody"})), "no-such-user");
    assert_eq!(alice.err(json!({"cmd": "devices", "user": "no body"})), "bad-name");
    for user in ["guest", "nobody"] {
        assert_eq!(alice.err(json!({"cmd": "claim", "user": user})), "no-such-user");
    }
    let mut nameless = server.json();
    for request in every_request() {
        assert_eq!(guest.err(request.clone()), "not-registered", "{request}");
        assert_eq!(nameless.err(request.clone()), "no-name", "{request}");
    }
}

/// One request of each kind, well formed.
fn every_request() -> Vec<Value> {
    vec![
        json!({"cmd": "devices"}),
        enroll("x", "alice"),
        json!({"cmd": "prekeys", "device": 1}),
        json!({"cmd": "attach", "device": 1, "run": 1}),
        json!({"cmd": "ack", "seq": 1}),
        json!({"cmd": "claim", "user": "alice"}),
        json!({"cmd": "send", "user": "alice", "to": [], "own": []}),
        json!({"cmd": "revoke", "device": 1}),
        json!({"cmd": "pair", "answer": "YW55"}),
    ]
}

#[test]
fn what_is_malformed_is_refused_and_the_connection_goes_on() {
    let server = Server::start();
    let mut alice = server.json_account("alice");
    let key = public(&identity("alice"));
    let weak = BASE64.encode(&[
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    for (request, code) in [
        (json!({"cmd": "enroll", "name": "x"}), "missing-argument"),
        (json!({"cmd": "enroll", "identity": key}), "missing-argument"),
        (json!({"cmd": "enroll", "identity": key, "name": "\u{7}"}), "missing-argument"),
        (json!({"cmd": "enroll", "identity": key, "name": "n".repeat(65)}), "bad-argument"),
        (json!({"cmd": "enroll", "identity": "AAAA", "name": "x"}), "bad-argument"),
        (json!({"cmd": "enroll", "identity": key.replace('=', ""), "name": "x"}), "bad-argument"),
        (json!({"cmd": "enroll", "identity": weak, "name": "x"}), "bad-argument"),
        (json!({"cmd": "enroll", "identity": key, "name": "x", "replace": 1}), "bad-argument"),
        (json!({"cmd": "prekeys"}), "missing-argument"),
        (json!({"cmd": "prekeys", "device": 0}), "bad-argument"),
        (json!({"cmd": "prekeys", "device": 1}), "no-such-device"),
        (json!({"cmd": "attach", "device": 1, "run": 1}), "no-such-device"),
        (json!({"cmd": "attach", "device": 1, "run": -1}), "bad-argument"),
        (json!({"cmd": "revoke", "device": 7}), "no-such-device"),
        (json!({"cmd": "revoke", "device": 1.5}), "bad-argument"),
        (json!({"cmd": "ack", "seq": 0}), "no-such-device"),
        (json!({"cmd": "claim", "user": "alice", "devices": (1..=9).collect::<Vec<u32>>()}), "bad-argument"),
        (json!({"cmd": "claim", "user": "alice", "devices": [1, 1]}), "bad-argument"),
        (json!({"cmd": "pair", "answer": ""}), "bad-argument"),
        (json!({"cmd": "pair", "answer": "no base64"}), "bad-argument"),
        (json!({"cmd": "pair", "answer": BASE64.encode(&[0; 48_001])}), "bad-argument"),
    ] {
        assert_eq!(alice.err(request.clone()), code, "{request}");
    }
    let long = json!({"cmd": "enroll", "identity": key, "name": "ñ".repeat(64)});
    assert_eq!(alice.ok(long)["device"], 1);
    assert_eq!(alice.ok(json!({"cmd": "pair", "answer": BASE64.encode(&[0; 48_000])}))["sessions"], 0);
}

#[test]
fn prekeys_are_checked_before_anybody_can_fetch_them() {
    let server = Server::start();
    let mut alice = server.json_account("alice");
    let (alice_key, mallory_key) = (identity("alice"), identity("mallory"));
    alice.ok(enroll("laptop", "alice"));
    let publish = |signed: Value, one_time: Value| json!({"cmd": "prekeys", "device": 1, "signed": signed, "one_time": one_time});
    let zeros = BASE64.encode(&[0; 32]);
    let with_key = |key: &str| {
        let mut signed = signed(&alice_key, 1, 1);
        signed["key"] = key.into();
        signed
    };
    for (request, code) in [
        (json!({"cmd": "prekeys", "device": 1, "one_time": one_time([1])}), "missing-argument"),
        (publish(signed(&mallory_key, 1, 1), json!([])), "bad-signature"),
        (publish(signed(&alice_key, 2, 1), json!([])), "bad-signature"),
        (publish(with_key(&one_time_key(1)), json!([])), "bad-signature"),
        (publish(with_key(&zeros), json!([])), "bad-argument"),
        (publish(with_key(&BASE64.encode(&[0xff; 32])), json!([])), "bad-argument"),
        (publish(signed(&alice_key, 1, 1), json!([{"id": 1, "key": zeros}])), "bad-argument"),
        (publish(signed(&alice_key, 1, 1), json!([{"id": 0, "key": one_time_key(1)}])), "bad-argument"),
        (publish(signed(&alice_key, 1, 1), one_time([1, 2, 1])), "bad-argument"),
        (publish(signed(&alice_key, 1, 1), one_time(1..=101)), "too-many"),
        (publish(signed(&alice_key, 1, 1), one_time(1..=500)), "too-many"),
    ] {
        assert_eq!(alice.err(request.clone()), code, "{request}");
    }
    assert_eq!(numbers(&alice.ok(json!({"cmd": "devices"}))), [0_u64; 0]);
    let most = publish(signed(&alice_key, 1, 2), one_time(1..=100));
    assert_eq!(alice.ok(most.clone())["one_time"], 100);
    assert_eq!(alice.ok(most)["one_time"], 100, "the same again is harmless");
    assert_eq!(alice.err(json!({"cmd": "prekeys", "device": 1, "one_time": one_time([101])})), "too-many");
    assert_eq!(alice.err(publish(signed(&alice_key, 1, 1), json!([]))), "bad-argument");
    let mut changed = signed(&alice_key, 1, 2);
    changed["created"] = 5.into();
    assert_eq!(alice.err(publish(changed, json!([]))), "bad-argument");
    let replace = json!({"cmd": "prekeys", "device": 1, "one_time": one_time([101, 102]), "replace": true});
    assert_eq!(alice.ok(replace.clone())["one_time"], 2);
    assert_eq!(alice.ok(replace)["one_time"], 2);
}

#[test]
fn each_one_time_prekey_is_given_out_once_also_over_a_kill() {
    let server = Server::start();
    let mut alice = Device::new(server.json_account("alice"), "alice");
    let prekeys = json!({"cmd": "prekeys", "device": alice.number, "one_time": one_time(11..=12)});
    assert_eq!(alice.json.ok(prekeys)["one_time"], 12);
    let mut bob = server.json_account("bob");
    let everything = json!({"cmd": "claim", "user": "alice"});
    let claimed = bob.ok(everything.clone());
    assert_eq!(
        claimed,
        json!({
            "user": "alice",
            "uid": alice.uid,
            "bundles": [{
                "device": 1,
                "identity": public(&alice.identity),
                "signed": signed(&alice.identity, 1, 1),
                "one_time": {"id": 1, "key": one_time_key(1)},
            }],
        })
    );
    let server = server.restart();
    let mut bob = server.json();
    bob.login("bob");
    for id in 2..=10 {
        assert_eq!(claim(&mut bob, everything.clone()), [(1, Some(id))]);
    }
    let mut carol = server.json_account("carol");
    for id in [Some(11), Some(12), None, None] {
        assert_eq!(claim(&mut carol, everything.clone()), [(1, id)]);
    }
    let listed = |devices: Value| json!({"cmd": "claim", "user": "alice", "devices": devices});
    assert_eq!(claim(&mut carol, listed(json!([3, 2]))), []);
    assert_eq!(claim(&mut carol, listed(json!([1, 9]))), [(1, None)]);
}

#[test]
fn claims_have_a_limit_for_each_target() {
    let server = Server::start();
    let _alice = Device::new(server.json_account("alice"), "alice");
    let (mut bob, mut again) = (server.json_account("bob"), server.json());
    again.login("bob");
    let claim = json!({"cmd": "claim", "user": "alice"});
    for _ in 0..5 {
        bob.ok(claim.clone());
        again.ok(claim.clone());
    }
    assert_eq!(bob.err(claim.clone()), "too-many", "of the account, whatever connection");
    assert_eq!(again.err(claim.clone()), "too-many");
    assert_eq!(bob.ok(json!({"cmd": "claim", "user": "bob"}))["bundles"], json!([]));
    server.json_account("carol").ok(claim);
}

#[test]
fn whom_the_owner_blocks_gets_no_prekeys() {
    let server = Server::start();
    let mut alice = Device::new(server.json_account("alice"), "alice");
    let (mut bob, mut carol) = (server.json_account("bob"), server.json_account("carol"));
    let everything = json!({"cmd": "claim", "user": "alice"});
    alice.json.ok(json!({"cmd": "block", "user": "bob"}));
    for _ in 0..20 {
        assert_eq!(bob.err(everything.clone()), "blocked", "however often, and whether she is there or not");
    }
    assert_eq!(bob.err(json!({"cmd": "msg", "user": "alice", "text": "hi"})), "blocked", "as ever");
    drop(alice);
    assert_eq!(bob.err(everything.clone()), "blocked");
    assert_eq!(claim(&mut carol, everything.clone()), [(1, Some(1))], "the first one is still there");
    let mut alice = server.json();
    alice.login("alice");
    alice.ok(json!({"cmd": "unblock", "user": "bob"}));
    assert_eq!(claim(&mut bob, everything), [(1, Some(2))]);
}

#[test]
fn a_claim_of_oneself_leaves_the_asking_device_out() {
    let server = Server::start();
    let mut first = Device::attached(server.json_account("alice"), "alice");
    let mut json = server.json();
    json.login("alice");
    let second = Device::new(json, "alice");
    let own = json!({"cmd": "claim", "user": "alice"});
    assert_eq!(claim(&mut first.json, own.clone()), [(second.number, Some(1))]);
    let named = json!({"cmd": "claim", "user": "alice", "devices": [first.number, second.number]});
    assert_eq!(claim(&mut first.json, named), [(second.number, Some(2))]);
    let mut unattached = second;
    assert_eq!(claim(&mut unattached.json, own).len(), 2);
}

#[test]
fn an_identity_stays_unless_it_is_replaced_and_then_all_devices_go() {
    let server = Server::start();
    let mut laptop = Device::attached(server.json_account("alice"), "alice");
    let mut phone = server.json();
    phone.login("alice");
    let other = Identity::from_seed(&[7; 32]);
    let mut enroll = json!({"cmd": "enroll", "identity": public(&other), "name": "phone"});
    assert_eq!(phone.err(enroll.clone()), "wrong-identity");
    assert_eq!(numbers(&phone.ok(json!({"cmd": "devices"}))), [1]);
    enroll["replace"] = true.into();
    assert_eq!(phone.ok(enroll), json!({"uid": laptop.uid, "device": 2}));
    assert_eq!(laptop.json.event(), json!({"ev": "notice", "kind": "detached", "device": 1}));
    assert_eq!(
        laptop.json.event(),
        json!({"ev": "notice", "kind": "device", "device": 1, "name": "a test", "added": false})
    );
    assert_eq!(laptop.json.err(json!({"cmd": "ack", "seq": 0})), "no-such-device");
    let prekeys = laptop.prekeys(2, [20]);
    assert_eq!(laptop.json.err(prekeys), "no-such-device");
    let own = phone.ok(json!({"cmd": "devices"}));
    assert_eq!((&own["identity"], &own["devices"]), (&json!(public(&other)), &json!([])));
    // The old identity signs nothing any more.
    let old = json!({"cmd": "prekeys", "device": 2, "signed": signed(&laptop.identity, 2, 1)});
    assert_eq!(phone.err(old), "bad-signature");
    let new = json!({"cmd": "prekeys", "device": 2, "signed": signed(&other, 2, 1)});
    assert_eq!(phone.ok(new), json!({"device": 2, "one_time": 0}));
}

#[test]
fn there_is_room_for_eight_devices() {
    let server = Server::start();
    let mut alice = server.json_account("alice");
    for number in 1..=8 {
        assert_eq!(alice.ok(enroll("spare", "alice"))["device"], number);
    }
    // Those that never published make room, the oldest first.
    assert_eq!(alice.ok(enroll("spare", "alice"))["device"], 9);
    let publish = |device: u64| json!({"cmd": "prekeys", "device": device, "signed": signed(&identity("alice"), device, 1)});
    assert_eq!(alice.err(publish(1)), "no-such-device");
    for device in 2..=9 {
        alice.ok(publish(device));
    }
    assert_eq!(alice.err(enroll("one more", "alice")), "too-many");
    alice.ok(json!({"cmd": "revoke", "device": 5}));
    assert_eq!(alice.ok(enroll("one more", "alice"))["device"], 10);
    assert_eq!(numbers(&alice.ok(json!({"cmd": "devices"}))), [2, 3, 4, 6, 7, 8, 9]);
}

#[test]
fn a_new_and_a_revoked_device_are_told_to_one_s_other_sessions() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    let mut devices = [(); 3].map(|()| {
        let mut json = server.json();
        json.login("alice");
        Device::attached(json, "alice")
    });
    let notice = |device: u64, added: bool| json!({"ev": "notice", "kind": "device", "device": device, "name": "a test", "added": added});
    let [first, second, third] = &mut devices;
    assert_eq!(first.json.event(), notice(2, true));
    assert_eq!((first.json.event(), second.json.event()), (notice(3, true), notice(3, true)));
    scene.play(
        "alice < *** a test (1) is a new device of yours
        alice < *** a test (2) is a new device of yours
        alice < *** a test (3) is a new device of yours",
    );
    first.json.ok(json!({"cmd": "revoke", "device": 2}));
    assert_eq!(third.json.event(), notice(2, false));
    assert_eq!(first.json.events(), Vec::<Value>::new(), "whoever did it knows");
    scene.play("alice < *** a test (2) is no device of yours any more");
    ends_as_revoked(&mut second.json);
}

/// It is told why, and then that is all.
#[track_caller]
fn ends_as_revoked(json: &mut Json) {
    let last = json.receive();
    assert_eq!((&last["ev"], &last["code"]), (&json!("error"), &json!("revoked")), "{last}");
    assert_eq!(json.wire.hear(), Heard::Closed);
}

#[test]
fn a_revoked_device_is_out_at_once_with_everything_it_has_open() {
    let server = Server::start();
    let mut first = Device::attached(server.json_account("alice"), "alice");
    let mut stolen = server.json();
    let token = stolen.login("alice");
    let mut stolen = Device::attached(stolen, "alice");
    let by_token = json!({"cmd": "login", "user": "alice", "token": token});
    // It came with the same token, and reads no mailbox.
    let mut beside = server.json();
    beside.ok(by_token.clone());
    let file = upload(&mut stolen.json, 3 * PIECE_BYTES);
    let mut data = Data::login(server.wire(), "alice", &token);
    data.put_all(file, &noise(PIECE_BYTES, 1), 0);
    // Somebody else on another device of the account.
    let mut other = server.json();
    let other_token = other.login("alice");
    let mut other_data = Data::login(server.wire(), "alice", &other_token);

    first.json.ok(json!({"cmd": "revoke", "device": stolen.number}));
    let added = first.json.event();
    assert_eq!((&added["kind"], &added["added"]), (&json!("device"), &json!(true)));
    ends_as_revoked(&mut stolen.json);
    ends_as_revoked(&mut beside);
    data.ends_with("revoked");
    assert_eq!(server.json().err(by_token), "login-failed");
    // Nobody else's connection has ended.
    let status = json!({"cmd": "upload-status", "file": file.to_string()});
    assert_eq!(other.ok(status)["stored"], PIECE_BYTES);
    other_data.put_all(file, &noise(PIECE_BYTES, 2), PIECE_BYTES);
    assert_eq!(first.json.ok(json!({"cmd": "ping"})), json!({}));
}

#[test]
fn a_device_that_revokes_itself_is_answered_first() {
    let server = Server::start();
    let mut alice = Device::attached(server.json_account("alice"), "alice");
    let revoked = alice.json.ok(json!({"cmd": "revoke", "device": alice.number}));
    assert_eq!(revoked, json!({"device": 1}));
    ends_as_revoked(&mut alice.json);
}

#[test]
fn the_answer_to_a_pairing_code_reaches_the_other_programs_only() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    let (mut old, mut new, mut bob) = (server.json(), server.json(), server.json_account("bob"));
    old.login("alice");
    new.login("alice");
    let answer = BASE64.encode(&[7; 1000]);
    assert_eq!(old.ok(json!({"cmd": "pair", "answer": answer})), json!({"sessions": 1}));
    assert_eq!(new.event(), json!({"ev": "pair", "answer": answer}));
    assert_eq!(old.events(), Vec::<Value>::new());
    assert_eq!(bob.events(), Vec::<Value>::new());
    assert_eq!(scene.ask("alice", "/list").iter().filter(|line| line.contains(&answer)).count(), 0);
}
