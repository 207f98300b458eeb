//! What others see of somebody's presence.

use serde_json::json;

use crate::harness::json::without_time;
use crate::harness::server::Server;

#[test]
fn a_status_is_shown_by_list_and_whois() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.shows("bob", "/list", "alice online");
    scene.ask("alice", "/status away at lunch");
    scene.shows("bob", "/list", "alice away lunch");
    scene.shows("bob", "/whois alice", "away");
    scene.shows("bob", "/whois alice", "lunch");
    scene.ask("alice", "/status online");
    scene.shows("bob", "/list", "alice online");
    scene.hides("bob", "/list", "lunch");
}

#[test]
fn away_and_back_are_not_announced() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.play(
        "
        alice > /status away
        alice < *** …
        alice > /status online
        alice < *** …
        ",
    );
}

#[test]
fn a_status_that_is_none_is_a_bad_argument() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["alice"]);
    scene.play("alice > /status sleepy\nalice < !!! bad-argument: …");
}

#[test]
fn list_and_whois_need_a_user_who_exists() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["alice"]);
    scene.shows("alice", "/list", "alice");
    scene.play(
        "
        alice > /whois nobody
        alice < !!! no-such-user: …
        alice > /whois
        alice < !!! missing-argument: …
        ",
    );
}

#[test]
fn offline_hides_from_everybody_but_oneself() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.join("lobby", &["alice", "bob"]);
    scene.ask("alice", "/status offline");
    scene.hides("bob", "/list", "alice");
    scene.hides("bob", "/who", "alice");
    scene.shows("alice", "/list", "alice");
    scene.shows("alice", "/who", "alice");
    scene.shows("alice", "/whois alice", "alice");
}

#[test]
fn offline_hides_from_the_member_lists_of_programs() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    alice.join("lobby");
    alice.ok(json!({"cmd": "status", "status": "offline"}));
    let mut bob = server.json_guest("bob");
    assert_eq!(bob.join("lobby")["members"], json!(["bob"]));
    assert_eq!(alice.join("lobby")["members"], json!(["alice", "bob"]));
    for command in ["list", "who"] {
        let answer = bob.ok(json!({"cmd": command, "room": "lobby"})).to_string();
        assert!(answer.contains("bob") && !answer.contains("alice"), "{command}: {answer}");
    }
}

#[test]
fn whois_of_a_hidden_account_is_that_of_an_absent_one() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.quit("alice");
    let absent = scene.ask("bob", "/whois alice");
    scene.login("alice");
    assert_ne!(scene.ask("bob", "/whois alice"), absent);
    scene.ask("alice", "/status offline busy");
    assert_eq!(scene.ask("bob", "/whois alice"), absent);
}

#[test]
fn whois_of_a_hidden_guest_is_that_of_nobody() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["alice", "bob"]);
    scene.ask("alice", "/status offline");
    scene.play("bob > /whois alice\nbob < !!! no-such-user: …");
}

#[test]
fn messages_reach_and_leave_the_hidden() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.join("lobby", &["alice", "bob"]);
    scene.ask("alice", "/status offline");
    scene.play("bob > anybody?\nalice < [HH:MM] #lobby <bob> anybody?");
    scene.play(
        "
        alice > I was here all along
        bob < [HH:MM] #lobby <alice> I was here all along
        ",
    );
}

#[test]
fn whoever_writes_to_a_hidden_account_learns_no_more_than_of_an_absent_one() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["carol", "alice", "bob"]);
    scene.quit("carol");
    scene.ask("alice", "/status offline");
    let absent = scene.ask("bob", "/msg carol are you there?");
    let hidden = scene.ask("bob", "/msg alice are you there?");
    scene.play("alice < [HH:MM] <bob -> you> are you there?");
    assert_eq!(hidden.len(), absent.len(), "{hidden:?} and {absent:?}");
    assert!(hidden.iter().any(|line| line.starts_with("*** ")), "told that it is kept: {hidden:?}");
    // But for the name, and the time of day at the start of the copy.
    let words =
        |line: &String| line.trim_start_matches(|c: char| !c.is_whitespace()).replace("carol", "alice");
    let [absent, hidden] = [absent, hidden].map(|lines| lines.iter().map(words).collect::<Vec<String>>());
    assert_eq!(hidden, absent);
    scene.quit("alice");
    let again = scene.ask("alice", "/login alice correct-horse");
    assert!(!again.iter().any(|line| line.contains("are you there?")), "delivered once: {again:?}");
}

#[test]
fn programs_learn_no_more_of_a_hidden_account_either() {
    let server = Server::start();
    server.home.add_user("carol");
    let mut alice = server.json_account("alice");
    alice.ok(json!({"cmd": "status", "status": "offline"}));
    let mut bob = server.json_guest("bob");
    let mut write = |user: &str| {
        let sent = bob.ok(json!({"cmd": "msg", "user": user, "text": "are you there?"}));
        without_time(sent).to_string().replace(user, "reader")
    };
    assert_eq!(write("alice"), write("carol"));
    assert_eq!(alice.event()["ev"], "private");
}

#[test]
fn a_hidden_guest_is_written_to_like_any_other() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.guests(&["alice", "bob"]);
    scene.ask("alice", "/status offline");
    scene.play(
        "
        bob > /msg alice you?
        bob < [HH:MM] <you -> alice> you?
        alice < [HH:MM] <bob -> you> you?
        ",
    );
}

#[test]
fn a_hidden_member_does_not_count() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.shows("bob", "/rooms", "#lobby 2");
    scene.ask("alice", "/status offline");
    scene.shows("bob", "/rooms", "#lobby 1");
}

#[test]
fn a_status_belongs_to_the_user_not_to_the_session() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice", "bob"]);
    scene.login_as("phone", "alice");
    scene.ask("phone", "/status away walking");
    scene.shows("alice", "/list", "alice away walking");
    scene.shows("bob", "/list", "alice away walking");
}

#[test]
fn whois_tells_rooms_that_the_asker_may_see() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.join("hideout", &["alice"]);
    scene.ask("alice", "/room private");
    scene.shows("bob", "/whois alice", "lobby");
    scene.hides("bob", "/whois alice", "hideout");
}

#[test]
fn a_program_changes_its_text_and_keeps_its_status() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    alice.ok(json!({"cmd": "status", "status": "away", "text": "at lunch"}));
    let changed = alice.ok(json!({"cmd": "status", "text": "at tea"}));
    assert_eq!(changed, json!({"status": "away", "text": "at tea"}));
    let cleared = alice.ok(json!({"cmd": "status", "text": ""}));
    assert_eq!(cleared, json!({"status": "away"}));
    let mut bob = server.text();
    bob.ask("/nick bob");
    bob.hides("/whois alice", "at tea");
}
