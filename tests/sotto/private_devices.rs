//! Private messages to people who are not simply there: with several devices, away, without prekeys.

use serde_json::{Value, json};

use crate::client::{Talker, account};
use crate::harness::json::Json;
use crate::harness::server::Server;
use crate::keys::{elsewhere, paired, talker};
use crate::recorder::Recorder;

/// One-time prekeys that a client publishes.
const ONE_TIME: usize = 100;
/// Claims that the server grants one account in an hour, for one target.
const CLAIMS: usize = 10;

fn server(names: &[&str]) -> Server {
    let server = Server::start();
    names.iter().for_each(|name| server.home.add_user(name));
    server
}

fn home_of(server: &Server, name: &str) -> Talker {
    talker(&mut account(&server.home, server.address, name))
}

#[test]
fn three_devices_of_one_and_two_of_the_other_all_have_it() {
    let server = server(&["alice", "bob"]);
    let mut desk = home_of(&server, "bob");
    let mut phone = paired(&server, &mut desk, "bob", "bob-phone");
    let mut tablet = paired(&server, &mut phone, "bob", "bob-tablet");
    let mut alice = home_of(&server, "alice");
    let mut second = paired(&server, &mut alice, "alice", "alice-second");

    alice.types("/msg bob to all three\n");
    alice.until("[HH:MM] <you -> bob> to all three");
    second.until("[HH:MM] <you -> bob> to all three");
    for device in [&mut desk, &mut phone, &mut tablet] {
        device.until("[HH:MM] <alice -> you> to all three");
    }
    tablet.types("/msg alice from the tablet\n");
    tablet.until("[HH:MM] <you -> alice> from the tablet");
    for device in [&mut desk, &mut phone] {
        device.until("[HH:MM] <you -> alice> from the tablet");
    }
    for device in [&mut alice, &mut second] {
        device.until("[HH:MM] <bob -> you> from the tablet");
    }

    // One of them is away, and so is the sender when it comes back.
    assert_eq!(phone.ends().status, Some(0));
    second.types("/msg bob the phone is away\n");
    second.until("[HH:MM] <you -> bob> the phone is away");
    alice.until("[HH:MM] <you -> bob> the phone is away");
    for device in [&mut desk, &mut tablet] {
        device.until("[HH:MM] <alice -> you> the phone is away");
    }
    assert_eq!((alice.ends().status, second.ends().status), (Some(0), Some(0)));
    let mut phone = talker_again(&server, "bob", "bob-phone");
    phone.until("[HH:MM] <alice -> you> the phone is away");
}

/// A client that is not asked for anything, so that no line of its is taken for an answer.
fn talker_again(server: &Server, name: &str, device: &str) -> Talker {
    let mut talker = Talker::start(&mut elsewhere(server, name, device));
    talker.until("*** {logged in}");
    talker
}

#[test]
fn a_partner_away_whose_prekeys_ran_out_still_receives() {
    let server = server(&["alice", "bob"]);
    assert_eq!(home_of(&server, "bob").ends().status, Some(0));
    let claim =
        |json: &mut Json| -> Value { json.ok(json!({"cmd": "claim", "user": "bob"}))["bundles"][0].clone() };
    for number in 0..ONE_TIME / CLAIMS {
        let name = format!("claimer{number}");
        server.home.add_user(&name);
        let mut json = server.json();
        json.login(&name);
        for _ in 0..CLAIMS {
            let bundle = claim(&mut json);
            assert!(bundle["one_time"].is_object(), "{bundle}");
        }
    }
    server.home.add_user("last");
    let mut last = server.json();
    last.login("last");
    let bundle = claim(&mut last);
    assert!(bundle["signed"].is_object() && bundle["one_time"].is_null(), "{bundle}");

    let mut alice = home_of(&server, "alice");
    alice.types("/msg bob without a prekey of its own\n");
    alice.until("*** messages with bob are end-to-end encrypted …");
    alice.until("[HH:MM] <you -> bob> without a prekey of its own");
    let mut bob = Talker::start(&mut account(&server.home, server.address, "bob"));
    bob.until("*** messages with alice are end-to-end encrypted …");
    bob.until("[HH:MM] <alice -> you> without a prekey of its own");
    bob.types("/msg alice it came\n");
    alice.until("[HH:MM] <bob -> you> it came");
    // He has published others.
    let bundle = claim(&mut last);
    assert!(bundle["one_time"].is_object(), "{bundle}");
}

#[test]
fn what_was_typed_while_nobody_could_hear_it_is_sent_later() {
    let mut server = server(&["alice", "bob"]);
    let recorder = Recorder::before(server.address);
    let start = |server: &Server, name: &str| {
        let mut command = account(&server.home, recorder.address, name);
        command.arg("--insecure-plaintext");
        command
    };
    assert_eq!(talker(&mut start(&server, "bob")).ends().status, Some(0));
    let mut alice = talker(&mut start(&server, "alice"));
    // It is taken, and asks for bob's devices; then the server, and sotto after it, are gone.
    recorder.hold(true);
    let before = recorder.count("\"cmd\":\"devices\"");
    alice.types("/msg bob do not wait for me\n");
    recorder.wait_for("\"cmd\":\"devices\"", before);
    alice.process.kill();
    server = server.restart();
    recorder.leads_to(server.address);
    recorder.hold(false);

    let mut alice = Talker::start(&mut start(&server, "alice"));
    alice.until("[HH:MM] <you -> bob> do not wait for me");
    // And what is typed while the server is away is said when it is back, to somebody who is not there.
    server.process.kill();
    alice.types("/msg bob nor for the server\n");
    server = server.restart();
    recorder.leads_to(server.address);
    alice.until("[HH:MM] <you -> bob> nor for the server");
    assert_eq!(alice.ends().status, Some(0));
    let mut bob = Talker::start(&mut start(&server, "bob"));
    bob.until("[HH:MM] <alice -> you> do not wait for me");
    bob.until("[HH:MM] <alice -> you> nor for the server");
}
