//! Older messages: `/history`, the block on joining, and `/search`.

use crate::harness::server::Server;

#[test]
fn history_gives_the_newest_n_oldest_first() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    scene.play(
        "
        alice > one
        alice > two
        alice > /me counts
        alice > /history 2
        alice < *** history of #lobby
        alice < [HH:MM] #lobby <alice> two
        alice < [HH:MM] #lobby * alice counts
        alice < *** end of history
        alice > /history
        alice < *** history of #lobby
        alice < [HH:MM] #lobby <alice> one
        alice < [HH:MM] #lobby <alice> two
        alice < [HH:MM] #lobby * alice counts
        alice < *** end of history
        ",
    );
}

#[test]
fn a_number_that_is_none_is_a_bad_argument() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    for number in ["many", "-1", "1.5", "1e3"] {
        scene.play(&format!("alice > /history {number}\nalice < !!! bad-argument: …"));
    }
}

#[test]
fn joining_shows_as_much_history_as_configured() {
    let server = Server::with(&["history.on_join = 2"]);
    let mut scene = server.room_of("lobby", &["alice"]);
    scene.guests(&["bob"]);
    scene.play(
        "
        alice > one
        alice > two
        alice > three
        alice > /who
        alice < ⋮
        ",
    );
    scene.play(
        "
        bob > /join lobby
        bob < *** you are in #lobby
        bob < *** history of #lobby
        bob < [HH:MM] #lobby <alice> two
        bob < [HH:MM] #lobby <alice> three
        bob < *** end of history
        alice < *** {bob} {#lobby}
        ",
    );
}

#[test]
fn a_long_history_comes_whole() {
    let server = Server::with(&["limits.messages_per_second = 0"]);
    let mut scene = server.room_of("lobby", &["alice"]);
    let wanted: Vec<String> = (0..1500).map(|n| format!("line {n}")).collect();
    scene.person("alice").wire.send((wanted.join("\n") + "\n").as_bytes());
    let alice = scene.person("alice");
    alice.sync();
    alice.send("/history 1500");
    alice.expect("*** history of #lobby");
    let lines = alice.expect_until("*** end of history");
    let texts: Vec<&str> =
        lines.iter().filter_map(|line| line.split_once("<alice> ")).map(|pair| pair.1).collect();
    assert_eq!(texts, wanted);
}

#[test]
fn search_finds_words_in_ones_rooms_only() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.join("kitchen", &["alice"]);
    scene.play(
        "
        alice > the kettle is on
        alice > /join lobby
        alice < ⋮
        alice > the kettle boils
        bob < [HH:MM] #lobby <alice> the kettle boils
        alice > the tea is ready
        bob < [HH:MM] #lobby <alice> the tea is ready
        ",
    );
    scene.shows("alice", "/search kettle", "#kitchen <alice> the kettle is on");
    scene.shows("alice", "/search kettle", "#lobby <alice> the kettle boils");
    scene.shows("bob", "/search kettle", "#lobby <alice> the kettle boils");
    scene.hides("bob", "/search kettle", "kitchen");
    scene.hides("bob", "/search kettle", "tea is ready");
    scene.shows("bob", "/search TEA ready", "the tea is ready");
}

#[test]
fn search_takes_any_text_as_words() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.ask("alice", "it's \"quoted\" (and) more");
    for words in ["it's", "\"quoted", "(and)", "AND OR NOT", "*", "a:b", "more*", "NEAR(", "-x", "^", "'"] {
        let lines = scene.ask("bob", &format!("/search {words}"));
        assert!(!lines.iter().any(|line| line.starts_with("!!! storage")), "{words}: {lines:?}");
    }
    scene.shows("bob", "/search quoted", "quoted");
    scene.play("bob > /search\nbob < !!! missing-argument: …");
}

#[test]
fn search_does_not_reach_a_room_one_has_left_or_never_saw() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.play("alice > about kettles\nbob < [HH:MM] #lobby <alice> about kettles");
    scene.guests(&["carol"]);
    scene.hides("carol", "/search kettles", "about");
    scene.ask("bob", "/leave");
    scene.hides("bob", "/search kettles", "about");
}

#[test]
fn history_survives_a_restart_and_search_too() {
    let server = Server::start();
    let mut scene = server.scene();
    scene.accounts(&["alice"]);
    scene.join("lobby", &["alice"]);
    scene.play("alice > remember the kettle\nalice > /history\nalice < ⋮");
    let server = server.restart();
    let mut scene = server.scene();
    scene.login("alice");
    scene.join("lobby", &["alice"]);
    scene.play(
        "
        alice > /history
        alice < *** history of #lobby
        alice < [HH:MM] #lobby <alice> remember the kettle
        alice < *** end of history
        ",
    );
    scene.shows("alice", "/search kettle", "remember");
}

#[test]
fn without_a_log_people_still_talk() {
    let server = Server::with(&["history.enabled = false"]);
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.play(
        "
        alice > gone in a moment
        bob < [HH:MM] #lobby <alice> gone in a moment
        bob > /join lobby
        bob < *** you are in #lobby
        bob < *** history of #lobby
        bob < *** end of history
        ",
    );
}
