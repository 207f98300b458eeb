//! What is gone, or has come, between a question to the store and its answer.

use crate::stage::Stage;

/// A room of guests that alice runs, and bob with her.
fn lobby() -> Stage {
    let mut stage = Stage::new();
    stage.guests(&["alice", "bob"]);
    stage.join("lobby", &["alice", "bob"]);
    stage.type_line("alice", "/op bob");
    stage.settle();
    stage
}

#[test]
fn the_room_is_gone_before_a_change_of_it_is_kept() {
    for change in ["/topic tea", "/room private", "/ban carol"] {
        lobby().play(&format!(
            "
            the store waits
            alice > {change}
            bob > /kick alice
            alice < *** {{bob}} {{#lobby}}
            bob < *** {{alice}} {{#lobby}}
            bob > /leave
            bob < *** {{left}} {{#lobby}}
            the store goes on
            alice < !!! no-such-room: the room is gone, or you are no longer in it
            alice < (nothing)
            alice > /whois bob
            alice < *** {{bob}}
            "
        ));
    }
}

#[test]
fn a_change_is_kept_though_its_maker_is_gone() {
    let mut stage = lobby();
    stage.accounts(&["erin"]);
    stage.join("lobby", &["erin"]);
    stage.play(
        "
        the store waits
        alice > /topic tea
        alice is cut off
        bob > /msg alice are you there?
        bob < [HH:MM] <you -> alice> are you there?
        bob < *** {alice} {#lobby}
        the store goes on
        bob > /topic
        bob < *** topic of #lobby: tea
        carol > /nick carol
        carol < *** {carol}
        the store waits
        bob > /room private
        bob is cut off
        carol > /msg bob are you there?
        carol < [HH:MM] <you -> bob> are you there?
        the store goes on
        carol > /join lobby
        carol < !!! invite-only: …
        ",
    );
}

#[test]
fn an_operator_is_made_though_the_one_who_did_it_is_gone() {
    let mut stage = Stage::new();
    stage.accounts(&["alice", "bob"]);
    stage.join("lobby", &["alice", "bob"]);
    stage.play(
        "
        the store waits
        alice > /op bob
        alice is cut off
        bob > /msg alice are you there?
        bob < [HH:MM] <you -> alice> are you there?
        bob < *** {alice} {#lobby}
        the store goes on
        bob > /topic tea
        bob < *** topic of #lobby: tea
        ",
    );
}

#[test]
fn an_account_is_removed_before_it_is_made_an_operator() {
    let mut stage = Stage::new();
    stage.accounts(&["alice", "bob"]);
    stage.join("lobby", &["alice", "bob"]);
    stage.play(
        "
        the store waits
        alice > /op bob
        the operator removes bob
        news come
        alice < *** {bob} {#lobby}
        the store goes on
        alice < !!! no-such-user: the account was removed meanwhile
        ",
    );
}

#[test]
fn a_message_said_twice_for_a_room_that_is_gone() {
    let mut stage = lobby();
    let say = r#"{"id":3,"cmd":"say","room":"lobby","text":"tea","key":"k"}"#;
    stage.play(&format!(
        r#"
        robot > {{"id":1,"cmd":"nick","user":"robot"}}
        robot < {{"re":1,"ok":…
        robot > {{"id":2,"cmd":"join","room":"lobby"}}
        robot < {{"re":2,"ok":…
        robot > {say}
        robot < {{"re":3,"ok":{{"seq":1,…
        the store waits
        robot > {say}
        "#
    ));
    stage.play(
        r#"
        bob > /kick robot
        robot < {"ev":"notice","kind":"kick",…
        bob > /kick alice
        bob > /leave
        the store goes on
        robot < {"re":3,"err":{"code":"no-such-room",…
        robot < (nothing)
        "#,
    );
}

#[test]
fn a_letter_for_an_account_that_is_removed_meanwhile() {
    for news in ["news come", "a second passes"] {
        let mut stage = Stage::new();
        stage.accounts(&["bob"]);
        stage.guests(&["alice"]);
        stage.play(&format!(
            "
            bob > /quit
            the store waits
            alice > /msg bob are you there?
            the operator removes bob
            {news}
            the store goes on
            alice < !!! no-such-user: this account was removed
            "
        ));
    }
}

#[test]
fn a_letter_arrives_though_its_sender_is_gone() {
    let mut stage = Stage::new();
    stage.accounts(&["bob"]);
    stage.guests(&["alice"]);
    stage.play(
        "
        bob > /quit
        the store waits
        alice > /msg bob are you there?
        alice is cut off
        the store goes on
        bobby > /login bob correct-horse
        bobby < *** you are logged in as bob
        bobby < [HH:MM] <alice -> you> are you there?
        bobby < (nothing)
        ",
    );
}

#[test]
fn a_login_before_the_server_has_heard_of_the_account() {
    Stage::new().play(
        "
        the operator adds dave
        dave > /login dave correct-horse
        dave < *** you are logged in as dave
        news come
        dave < (nothing)
        dave > /whois dave
        dave < *** {dave}
        ",
    );
}

#[test]
fn a_guest_has_the_name_of_an_account_that_is_new() {
    Stage::new().play(
        "
        the operator adds dave
        guest > /nick dave
        guest < *** you are dave, a guest
        dave > /login dave correct-horse
        dave < !!! name-taken: a guest holds this name at the moment
        news come
        guest < !!! name-registered: this name was registered; choose another
        guest < (closed)
        dave > /login dave correct-horse
        dave < *** you are logged in as dave
        ",
    );
}

#[test]
fn the_operator_was_quicker_with_a_name() {
    Stage::new().play(
        "
        passwords wait
        dave > /register dave correct-horse
        the operator adds dave
        passwords go on
        dave < !!! name-registered: this name is registered
        dave > /login dave correct-horse
        dave < *** you are logged in as dave
        ",
    );
}

#[test]
fn an_account_is_made_though_its_maker_is_gone() {
    let mut stage = Stage::new();
    stage.play(
        "
        the store waits
        dave > /register dave correct-horse
        dave is cut off
        the server stops
        the store goes on
        ",
    );
    let mut stage = stage.restarted();
    stage.play("dave > /login dave correct-horse\ndave < *** you are logged in as dave");
}

#[test]
fn somebody_is_cut_off_while_they_come_in_and_the_store_fails() {
    let mut stage = Stage::new();
    stage.guests(&["alice", "bob"]);
    stage.play(
        "
        the store waits
        alice > /join lobby
        alice is cut off
        bob > /msg alice are you there?
        bob < [HH:MM] <you -> alice> are you there?
        the store fails
        the store goes on
        bob > /rooms
        bob < *** rooms
        bob < *** end of rooms: 0 rooms
        ",
    );
}

#[test]
fn somebody_is_banned_from_a_room_on_their_way_back_to_it() {
    let mut stage = Stage::new();
    stage.accounts(&["alice", "bob"]);
    stage.join("lobby", &["alice", "bob"]);
    stage.join("garden", &["alice", "bob"]);
    stage.type_line("bob", "/quit");
    stage.settle();
    stage.play(
        "
        the store waits
        again > /login bob correct-horse
        the store does one job
        the store does one job
        again < *** you are logged in as bob
        alice > /ban bob
        the store goes on
        again < *** you are in #lobby
        again < *** history of #lobby
        again < *** end of history
        again < (nothing)
        again > /join garden
        again < !!! banned: …
        ",
    );
}

#[test]
fn a_room_is_gone_before_somebody_who_was_in_it_is_back() {
    let mut stage = Stage::new();
    stage.accounts(&["bob"]);
    stage.guests(&["alice"]);
    stage.join("lobby", &["bob"]);
    stage.join("garden", &["alice", "bob"]);
    stage.type_line("bob", "/quit");
    stage.settle();
    stage.play(
        "
        the store waits
        bob > /login bob correct-horse
        the store does one job
        the store does one job
        bob < *** you are logged in as bob
        alice > /leave
        alice < *** {left} {#garden}
        the store goes on
        bob < *** you are in #lobby
        bob < *** history of #lobby
        bob < *** end of history
        bob < (nothing)
        bob > /rooms
        bob < *** rooms
        bob < *** #lobby …
        bob < *** end of rooms: 1 room
        ",
    );
}

#[test]
fn the_room_of_a_guest_goes_if_nobody_comes_back_to_it() {
    for (minutes, seen) in [(5, "[HH:MM] #lobby <bob> tea"), (60, "*** end of history")] {
        let mut stage = lobby();
        stage.type_line("bob", "tea");
        let mut stage = stage.restarted();
        for _ in 0..minutes {
            stage.play("a minute passes");
        }
        stage.guests(&["alice"]);
        stage.play(&format!(
            "
            alice > /join lobby
            alice < *** you are in #lobby
            alice < *** history of #lobby
            alice < {seen}
            "
        ));
    }
}

#[test]
fn an_account_is_removed_while_somebody_asks_for_its_keys() {
    let mut stage = Stage::new();
    stage.accounts(&["bob"]);
    stage.play("bob > /quit");
    let mut ask = |request: &str| {
        stage.play(&format!("the store waits\nrobot > {request}"));
    };
    ask(r#"{"id":1,"cmd":"register","user":"robot","password":"correct-horse"}"#);
    stage.play("the store goes on");
    stage.settle();
    stage.play(
        r#"
        the store waits
        robot > {"id":2,"cmd":"devices","user":"bob"}
        the operator removes bob
        news come
        the store goes on
        robot < {"re":2,"err":{"code":"no-such-user",…
        the operator adds bob
        news come
        the store waits
        robot > {"id":3,"cmd":"claim","user":"bob"}
        the operator removes bob
        news come
        the store goes on
        robot < {"re":3,"err":{"code":"no-such-user",…
        "#,
    );
}

#[test]
fn an_upload_of_an_account_that_is_removed_meanwhile() {
    let mut stage = Stage::new();
    stage.play(
        r#"
        robot > {"id":1,"cmd":"register","user":"robot","password":"correct-horse"}
        robot < {"re":1,"ok":…
        the store waits
        robot > {"id":2,"cmd":"upload","size":10}
        the operator removes robot
        the store goes on
        robot < {"re":2,"err":{"code":"not-registered",…
        robot < (nothing)
        news come
        robot < {"ev":"error","code":"banned",…
        robot < (closed)
        "#,
    );
}

/// Letters wait for bob, and one session of his, which reads nothing, was handed them.
fn letters_on_their_way() -> Stage {
    let mut stage = Stage::new();
    stage.accounts(&["bob"]);
    stage.guests(&["alice"]);
    stage.play("bob > /quit");
    stage.type_line("alice", "/msg bob are you there?");
    stage.socket_bytes = 20;
    stage.type_line("stuck", "/login bob correct-horse");
    stage.socket_bytes = usize::MAX;
    stage.settle();
    stage
}

#[test]
fn letters_that_a_session_does_not_take_go_to_another_after_a_while() {
    let mut stage = letters_on_their_way();
    stage.play(
        "
        bob > /login bob correct-horse
        bob < *** you are logged in as bob
        bob < (nothing)
        bob > /quit
        ",
    );
    for _ in 0..10 {
        stage.play("a second passes");
    }
    stage.play(
        "
        a second passes
        bobby > /login bob correct-horse
        bobby < *** you are logged in as bob
        bobby < [HH:MM] <alice -> you> are you there?
        bobby < (nothing)
        ",
    );
}

#[test]
fn letters_that_a_session_took_with_it_go_to_another_at_once() {
    letters_on_their_way().play(
        "
        bob > /login bob correct-horse
        bob < *** you are logged in as bob
        bob < (nothing)
        stuck is cut off
        bob < [HH:MM] <alice -> you> are you there?
        bob < (nothing)
        ",
    );
}
