//! The server as a mailbox: what devices send each other waits until it is acknowledged.

use std::fs;

use serde_json::{Value, json};

use crate::harness::device::{Device, body, number, sized, text_of};
use crate::harness::json::without_time;
use crate::harness::server::Server;

/// Alice and bob with a device each; both read their mailboxes.
fn two(server: &Server) -> (Device, Device) {
    let alice = Device::attached(server.json_account("alice"), "alice");
    (alice, Device::attached(server.json_account("bob"), "bob"))
}

/// The same device after a new login.
fn again(server: &Server, device: &Device) -> Device {
    let mut json = server.json();
    json.login(&device.user);
    device.on(json)
}

#[test]
fn an_envelope_reaches_a_device_that_reads_at_once() {
    let server = Server::start();
    let (mut alice, mut bob) = two(&server);
    let sent = alice.send("BOB", &[1], "hello");
    assert_eq!(without_time(sent), json!({"to": "bob", "ts": "TIME"}));
    let expected = json!({
        "ev": "envelope", "seq": 1, "from": "alice", "uid": alice.uid, "device": 1, "ts": "TIME",
        "body": body("hello"),
    });
    assert_eq!(without_time(bob.json.event()), expected);
    assert_eq!(alice.json.events(), Vec::<Value>::new());
    bob.ack(1);
    assert_eq!(again(&server, &bob).attach(2)["waiting"], 0);
}

#[test]
fn every_device_of_both_sides_gets_its_own() {
    let server = Server::start();
    let (mut laptop, mut desk) = two(&server);
    let device = |user: &str| {
        let mut json = server.json();
        json.login(user);
        Device::attached(json, user)
    };
    let (mut phone, mut pocket) = (device("alice"), device("bob"));
    for own in [&mut laptop, &mut desk] {
        assert_eq!(own.json.event()["kind"], "device");
    }
    let request = json!({
        "cmd": "send", "user": "bob", "to": [2, 1], "own": [2],
        "envelopes": [{"device": 2, "body": body("to pocket")}, {"device": 1, "body": body("to desk")}],
        "copies": [{"device": 2, "body": body("to phone")}],
    });
    laptop.json.ok(request);
    assert_eq!(desk.envelope(), (1, "to desk".into()));
    assert_eq!(pocket.envelope(), (1, "to pocket".into()));
    assert_eq!(phone.envelope(), (1, "to phone".into()));
    // A subset, and to oneself.
    let some = json!({
        "cmd": "send", "user": "bob", "to": [1, 2], "own": [2],
        "envelopes": [{"device": 2, "body": body("only pocket")}], "copies": [],
    });
    laptop.json.ok(some);
    assert_eq!(pocket.envelope(), (2, "only pocket".into()));
    laptop.send("alice", &[2], "note");
    assert_eq!(phone.envelope(), (2, "note".into()));
    assert_eq!(desk.json.events(), Vec::<Value>::new());
}

#[test]
fn other_lists_than_there_are_devices_are_refused_with_those_there_are() {
    let server = Server::start();
    let (mut alice, mut bob) = two(&server);
    let sending = alice.sending("bob", &[1, 2], "hello");
    let refused = alice.json.request(sending);
    assert_eq!(refused["err"]["code"], "devices-changed", "{refused}");
    assert_eq!((&refused["err"]["to"], &refused["err"]["own"]), (&json!([1]), &json!([])));
    bob.json.ok(json!({"cmd": "revoke", "device": 1}));
    let sending = alice.sending("bob", &[1], "hello");
    let refused = alice.json.request(sending);
    assert_eq!((&refused["err"]["code"], &refused["err"]["to"]), (&json!("devices-changed"), &json!([])));
    assert_eq!(bob.json.event()["code"], "revoked");
}

#[test]
fn what_waits_comes_in_order_at_the_next_attach_and_again_until_it_is_acknowledged() {
    let server = Server::start();
    let mut alice = Device::attached(server.json_account("alice"), "alice");
    let bob = Device::new(server.json_account("bob"), "bob");
    for n in 1..=5 {
        alice.send("bob", &[1], &format!("message {n}"));
    }
    let check = |attached: Value, bob: &mut Device, from: u64| {
        assert_eq!(attached["waiting"], 6 - from);
        for n in from..=5 {
            assert_eq!(bob.envelope(), (n, format!("message {n}")));
        }
    };
    let mut first = again(&server, &bob);
    let attached = first.attach(1);
    check(attached, &mut first, 1);
    first.ack(2);
    let server = server.restart();
    let mut second = again(&server, &bob);
    let attached = second.attach(2);
    assert_eq!(attached["run"], 1);
    check(attached, &mut second, 3);
    second.ack(5);
    assert_eq!(again(&server, &bob).attach(3)["waiting"], 0);
}

#[test]
fn many_envelopes_come_in_pages_and_what_is_sent_meanwhile_behind_them() {
    let server = Server::with(&["limits.messages_per_second = 0"]);
    let mut alice = Device::attached(server.json_account("alice"), "alice");
    let mut bob = Device::new(server.json_account("bob"), "bob");
    let many = 230;
    let ids: Vec<i64> = (1..=many)
        .map(|n| {
            let sending = alice.sending("bob", &[1], &format!("message {n}"));
            alice.json.send(sending)
        })
        .collect();
    for id in ids {
        assert!(alice.json.reply(id)["ok"].is_object());
    }
    assert_eq!(bob.attach(1)["waiting"], many);
    for n in 1..=many + 20 {
        if n <= 20 {
            alice.send("bob", &[1], &format!("message {}", many + n));
        }
        assert_eq!(bob.envelope(), (n, format!("message {n}")));
        if n % 60 == 0 {
            bob.ack(n);
        }
    }
    assert_eq!(again(&server, &bob).attach(2)["waiting"], 10);
}

#[test]
fn a_reader_that_does_not_read_is_not_told_more_than_a_page() {
    let server = Server::with(&["limits.messages_per_second = 0"]);
    let (mut alice, mut bob) = two(&server);
    // Far more than the hard limit of a send queue.
    let long = 48_000;
    for n in 0..200 {
        let request = json!({
            "cmd": "send", "user": "bob", "to": [1], "own": [],
            "envelopes": [{"device": 1, "body": sized(&format!("message {n}"), long)}],
        });
        alice.json.ok(request);
    }
    for n in 0..200 {
        let event = bob.json.event();
        assert_eq!((number(&event, "seq"), text_of(&event)), (n + 1, format!("message {n}")));
    }
    bob.ack(200);
}

#[test]
fn another_connection_takes_the_mailbox_over() {
    let server = Server::start();
    let (mut alice, mut bob) = two(&server);
    alice.send("bob", &[1], "one");
    assert_eq!(bob.envelope(), (1, "one".into()));
    let mut other = again(&server, &bob);
    assert_eq!(other.attach(2)["waiting"], 1);
    assert_eq!(bob.json.event(), json!({"ev": "notice", "kind": "detached", "device": 1}));
    assert_eq!(other.envelope(), (1, "one".into()));
    alice.send("bob", &[1], "two");
    assert_eq!(other.envelope(), (2, "two".into()));
    assert_eq!(bob.json.err(json!({"cmd": "ack", "seq": 1})), "no-such-device");
    let sending = bob.sending("alice", &[1], "hello");
    assert_eq!(bob.json.err(sending), "no-such-device");
    // The first one may have it back, and then has it alone.
    assert_eq!(bob.attach(3)["run"], 2);
    assert_eq!(other.json.event()["kind"], "detached");
    assert_eq!((bob.envelope().0, bob.envelope().0), (1, 2));
}

#[test]
fn a_connection_reads_one_mailbox_and_acknowledges_what_it_was_sent() {
    let server = Server::start();
    let (mut alice, mut bob) = two(&server);
    for device in [1, 2] {
        assert_eq!(bob.json.err(json!({"cmd": "attach", "device": device, "run": 9})), "bad-argument");
    }
    assert_eq!(bob.json.err(json!({"cmd": "ack", "seq": 1})), "bad-argument");
    bob.ack(0);
    alice.send("bob", &[1], "one");
    bob.envelope();
    assert_eq!(bob.json.err(json!({"cmd": "ack", "seq": 2})), "bad-argument");
    bob.ack(1);
    bob.ack(1);
    let mut other = again(&server, &bob);
    other.attach(2);
    other.ack(1);
    assert_eq!(other.json.err(json!({"cmd": "ack", "seq": 2})), "bad-argument");
}

#[test]
fn a_send_that_is_wrong_is_refused_whole() {
    let server = Server::start();
    let (mut alice, mut bob) = two(&server);
    let envelope = |device: u64, body: String| json!({"device": device, "body": body});
    let send = |to: Value, own: Value, envelopes: Value, copies: Value| json!({"cmd": "send", "user": "bob", "to": to, "own": own, "envelopes": envelopes, "copies": copies});
    let one = |body: String| send(json!([1]), json!([]), json!([envelope(1, body)]), json!([]));
    let wrong = |version: u8, kind: u8| {
        let mut bytes = [0; 300];
        (bytes[0], bytes[1]) = (version, kind);
        one(data_encoding::BASE64.encode(&bytes))
    };
    let twice = json!([envelope(1, body("a")), envelope(1, body("b"))]);
    let many: Value = (1..=17).map(|device| envelope(device, body("a"))).collect();
    let nine: Value = (1..=9).collect();
    for (request, code) in [
        (json!({"cmd": "send", "user": "bob", "own": []}), "missing-argument"),
        (json!({"cmd": "send", "user": "bob", "to": []}), "missing-argument"),
        (json!({"cmd": "send", "to": [], "own": []}), "missing-argument"),
        (send(json!([1]), json!([]), json!([]), json!([])), "missing-argument"),
        (send(json!([1, 1]), json!([]), json!([envelope(1, body("a"))]), json!([])), "bad-argument"),
        (send(json!([1]), json!([2, 2]), json!([envelope(1, body("a"))]), json!([])), "bad-argument"),
        (send(nine, json!([]), json!([envelope(1, body("a"))]), json!([])), "bad-argument"),
        (send(json!([1]), json!([]), twice, json!([])), "bad-argument"),
        (send(json!([1]), json!([]), json!([envelope(2, body("a"))]), json!([])), "bad-argument"),
        (send(json!([1]), json!([]), json!([]), json!([envelope(1, body("a"))])), "bad-argument"),
        (send(json!([1]), json!([]), many, json!([])), "bad-argument"),
        (one(sized("", 197)), "bad-argument"),
        (one("not base64".into()), "bad-argument"),
        (wrong(0, 2), "bad-argument"),
        (wrong(2, 1), "bad-argument"),
        (wrong(1, 0), "bad-argument"),
        (wrong(1, 3), "bad-argument"),
        (alice.sending("nobody", &[1], "a"), "no-such-user"),
    ] {
        assert_eq!(alice.json.err(request.clone()), code, "{request}");
    }
    assert_eq!(bob.json.events(), Vec::<Value>::new());
    alice.json.ok(one(sized("long", 48_000)));
    assert_eq!(bob.envelope(), (1, "long".into()));
    let mut carol = Device::new(server.json_account("carol"), "carol");
    let sending = carol.sending("bob", &[1], "hello");
    assert_eq!(carol.json.err(sending), "no-such-device", "without being attached");
}

#[test]
fn whom_a_reader_blocks_cannot_send() {
    let server = Server::start();
    let (mut alice, mut bob) = two(&server);
    bob.json.ok(json!({"cmd": "block", "user": "alice"}));
    let sending = alice.sending("bob", &[1], "hello");
    assert_eq!(alice.json.err(sending.clone()), "blocked");
    bob.json.ok(json!({"cmd": "quit"}));
    assert_eq!(alice.json.err(sending.clone()), "blocked", "nor while the reader is away");
    let mut bob = again(&server, &bob);
    bob.json.ok(json!({"cmd": "unblock", "user": "alice"}));
    alice.json.ok(sending);
    bob.attach(2);
    assert_eq!(bob.envelope(), (1, "hello".into()));
}

#[test]
fn sessions_that_cannot_read_it_are_told_once() {
    let server = Server::start();
    let mut alice = Device::attached(server.json_account("alice"), "alice");
    let mut bob = Device::attached(server.json_account("bob"), "bob");
    let mut bot = server.json();
    bot.login("bob");
    let mut scene = server.scene();
    scene.login("bob");
    alice.send("bob", &[1], "one");
    alice.send("bob", &[1], "two");
    let told = json!({"ev": "notice", "kind": "sealed", "from": "alice"});
    assert_eq!(bot.events(), [told]);
    scene.play("bob < *** alice sent you a message that only sotto can read");
    assert_eq!((bob.envelope().0, bob.envelope().0), (1, 2), "the device is not told, it has them");
    assert_eq!(bob.json.events(), Vec::<Value>::new());
    assert_eq!(scene.ask("bob", "/who"), scene.ask("bob", "/who"), "once");
}

#[test]
fn it_counts_as_a_message() {
    let server = Server::with(&["limits.messages_per_second = 1", "limits.message_burst = 2"]);
    let (mut alice, _bob) = two(&server);
    let sending = ["one", "two", "three"].map(|text| alice.sending("bob", &[1], text));
    let replies = alice.json.at_once(sending);
    assert!(replies[0]["ok"].is_object() && replies[1]["ok"].is_object(), "{replies:?}");
    assert_eq!(replies[2]["err"]["code"], "too-fast", "{replies:?}");
}

#[test]
fn what_was_confirmed_survives_a_kill_in_order_and_is_delivered_until_acknowledged() {
    let mut server = Server::with(&["limits.messages_per_second = 0"]);
    let mut alice = Device::attached(server.json_account("alice"), "alice");
    let bob = Device::new(server.json_account("bob"), "bob");
    let mut confirmed = 0;
    // Killed while requests are under way.
    let sending = |alice: &Device, n: u64| alice.sending("bob", &[1], &format!("message {n}"));
    let ids: Vec<i64> = (1..=200)
        .map(|n| {
            let sending = sending(&alice, n);
            alice.json.send(sending)
        })
        .collect();
    for id in &ids[..80] {
        assert!(alice.json.reply(*id)["ok"].is_object());
        confirmed += 1;
    }
    server.process.kill();
    let server = server.restart();
    let mut reader = again(&server, &bob);
    let waiting = number(&reader.attach(1), "waiting");
    assert!(waiting >= confirmed, "{waiting} of {confirmed} that were confirmed");
    for n in 1..=waiting {
        assert_eq!(reader.envelope(), (n, format!("message {n}")));
    }
    // Handed out, and not acknowledged: they come again.
    reader.ack(10);
    let server = server.restart();
    let mut reader = again(&server, &bob);
    assert_eq!(reader.attach(2)["waiting"], waiting - 10);
    for n in 11..=waiting {
        assert_eq!(reader.envelope(), (n, format!("message {n}")));
    }
    reader.ack(waiting);
    let mut alice = again(&server, &alice);
    alice.attach(2);
    alice.send("bob", &[1], "after it all");
    assert_eq!(reader.envelope(), (waiting + 1, "after it all".into()));
}

#[test]
fn a_removed_user_is_cut_off_and_written_to_no_more() {
    let server = Server::start();
    let (mut alice, mut bob) = two(&server);
    alice.send("bob", &[1], "hello");
    bob.envelope();
    server.home.tool_ok(&["user", "remove", "bob"]);
    bob.json.wire.drain();
    let sending = alice.sending("bob", &[1], "still there?");
    assert_eq!(alice.json.err(sending), "no-such-user");
    assert_eq!(alice.json.err(json!({"cmd": "devices", "user": "bob"})), "no-such-user");
    // A new account of the name is another one, with nothing of the old.
    let mut new = Device::new(server.json_account("bob"), "bob");
    assert_ne!(new.uid, bob.uid);
    assert_eq!(new.attach(1)["waiting"], 0);
}

#[test]
fn a_restored_backup_has_keys_and_mailboxes() {
    let server = Server::start();
    let mut alice = Device::attached(server.json_account("alice"), "alice");
    let bob = Device::new(server.json_account("bob"), "bob");
    alice.send("bob", &[1], "hello");
    let copy = server.home.path("copy.db");
    server.home.tool_ok(&["backup", crate::harness::home::text(&copy)]);
    alice.send("bob", &[1], "after the backup");
    let mut server = server;
    // Lines are written a moment after they were made, and all of them before the end.
    server.stop();
    for name in ["sottod.db", "sottod.db-wal", "sottod.db-shm"] {
        // Those beside the database may not be there.
        let _ = fs::remove_file(server.home.data().join(name));
    }
    fs::copy(copy, server.home.data().join("sottod.db")).expect("copies");
    let server = server.restart();
    let mut bob = again(&server, &bob);
    assert_eq!(bob.attach(1)["waiting"], 1);
    let (seq, text) = bob.envelope();
    assert!(seq > 2 && text == "hello", "numbers of the time after the backup do not come again: {seq}");
    bob.ack(seq);
    let mut alice = again(&server, &alice);
    alice.attach(2);
    alice.send("bob", &[1], "once more");
    assert_eq!(bob.envelope(), (seq + 1, "once more".into()));
}

#[cfg(unix)]
#[test]
fn nothing_of_it_is_in_the_log() {
    let server = Server::with(&["log.level = \"trace\""]);
    let (mut alice, mut bob) = two(&server);
    alice.send("bob", &[1], "the door code is 1234");
    bob.envelope();
    bob.ack(1);
    let wrong = alice.prekeys(0, [1]);
    alice.json.err(wrong);
    let mut server = server;
    // Lines are written a moment after they were made, and all of them before the end.
    server.stop();
    let log = fs::read_to_string(server.home.data().join("sottod.log")).expect("there is a log");
    let identity = crate::harness::device::public(&alice.identity);
    for secret in ["door code", &body("the door code is 1234"), &identity] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert!(log.contains("is account alice"), "it is the log");
}
