//! What there may be so many of, and the answer to one more.

use std::net::Ipv4Addr;

use sottovoce::hub::effect::CloseReason;
use sottovoce::hub::settings::Registration;
use sottovoce::proto::limits::{
    BANS_PER_ROOM_MAX, BLOCKS_PER_USER_MAX, CLAIM_TARGETS_MAX, LETTERS_PER_USER_MAX, ROOMS_PER_CREATOR_MAX,
    ROOMS_PER_USER_MAX, SESSIONS_PER_USER_MAX,
};

use crate::stage::Stage;

#[test]
fn a_user_is_in_so_many_rooms() {
    let mut stage = Stage::new();
    stage.guests(&["alice"]);
    for number in 0..ROOMS_PER_USER_MAX {
        stage.join(&format!("room{number}"), &["alice"]);
    }
    stage.play(&format!(
        "
        alice > /join one-more
        alice < !!! too-many: you are in {ROOMS_PER_USER_MAX} rooms; /leave one first
        alice > /join room1
        alice < *** you are in #room1
        alice < *** history of #room1
        alice < *** end of history
        alice > /leave
        alice < *** you have left …
        alice > /join one-more
        alice < *** you are in #one-more
        "
    ));
}

#[test]
fn an_account_makes_so_many_rooms() {
    let mut stage = Stage::new();
    stage.accounts(&["alice", "bob"]);
    for number in 0..ROOMS_PER_CREATOR_MAX {
        stage.join(&format!("room{number}"), &["alice"]);
        stage.type_line("alice", "/leave");
    }
    stage.settle();
    stage.play(&format!(
        "
        alice > /join one-more
        alice < !!! too-many: you have made {ROOMS_PER_CREATOR_MAX} rooms, which is all you may
        alice > /join room0
        alice < *** you are in #room0
        bob > /join one-more
        bob < *** you are in #one-more
        "
    ));
}

#[test]
fn an_account_is_connected_so_many_times() {
    let mut stage = Stage::new();
    stage.accounts(&["alice"]);
    for number in 1..SESSIONS_PER_USER_MAX {
        stage.type_line(&format!("alice{number}"), "/login alice correct-horse");
    }
    stage.settle();
    stage.play(&format!(
        "
        one-more > /login alice correct-horse
        one-more < !!! too-many: you are connected {SESSIONS_PER_USER_MAX} times already
        alice1 > /quit
        one-more > /login alice correct-horse
        one-more < *** you are logged in as alice
        "
    ));
}

#[test]
fn a_room_has_so_many_bans() {
    let mut stage = Stage::new();
    stage.guests(&["alice"]);
    stage.join("lobby", &["alice"]);
    for number in 0..BANS_PER_ROOM_MAX {
        stage.type_line("alice", &format!("/ban troll{number}"));
    }
    stage.settle();
    stage.play(&format!(
        "
        alice > /ban one-more
        alice < !!! too-many: a room has at most {BANS_PER_ROOM_MAX} bans
        alice > /ban troll0
        alice < *** {{troll0}} {{#lobby}}
        alice > /unban troll0
        alice < *** {{troll0}} {{#lobby}}
        alice > /ban one-more
        alice < *** {{one-more}} {{#lobby}}
        "
    ));
}

#[test]
fn so_many_invitations_to_a_room_wait() {
    let mut stage = Stage::new();
    stage.guests(&["alice", "bob"]);
    stage.join("lobby", &["alice"]);
    for number in 0..BANS_PER_ROOM_MAX {
        stage.type_line("bob", &format!("/nick bob{number}"));
        stage.type_line("alice", &format!("/invite bob{number}"));
    }
    stage.settle();
    stage.play(
        "
        bob > /nick one-more
        bob < *** {one-more}
        alice > /invite one-more
        alice < !!! too-many: too many invitations to this room wait for an answer
        ",
    );
}

#[test]
fn a_user_blocks_so_many() {
    let mut stage = Stage::new();
    stage.guests(&["alice", "bob"]);
    for number in 0..BLOCKS_PER_USER_MAX {
        stage.type_line("bob", &format!("/nick bob{number}"));
        stage.type_line("alice", &format!("/block bob{number}"));
    }
    stage.settle();
    stage.play(&format!(
        "
        bob > /nick one-more
        bob < *** {{one-more}}
        alice > /block one-more
        alice < !!! too-many: you block {BLOCKS_PER_USER_MAX} users; /unblock one first
        alice > /unblock bob0
        alice < *** {{bob0}}
        alice > /block one-more
        alice < *** {{one-more}}
        "
    ));
}

#[test]
fn so_many_letters_wait_for_a_user() {
    let mut stage = Stage::new();
    stage.accounts(&["bob"]);
    stage.guests(&["alice"]);
    stage.type_line("bob", "/quit");
    for number in 0..LETTERS_PER_USER_MAX {
        stage.type_line("alice", &format!("/msg bob {number}"));
    }
    stage.settle();
    stage.play("alice > /msg bob one more\nalice < !!! too-many: too many messages wait for this user");
    stage.type_line("again", "/login bob correct-horse");
    assert_eq!(stage.sees("again"), "*** you are logged in as bob");
    for number in 0..LETTERS_PER_USER_MAX {
        let letter = stage.sees("again");
        assert!(letter.ends_with(&format!("<alice -> you> {number}")), "{letter}");
    }
    stage.play("alice > /msg bob one more\nagain < [HH:MM] <alice -> you> one more");
}

#[test]
fn an_address_has_so_many_connections() {
    let mut stage = Stage::with(|settings| settings.limits.per_address.connections = Some(2));
    for (last, outcome) in [(1, Ok(())), (1, Ok(())), (1, Err(CloseReason::Full)), (2, Ok(()))] {
        stage.address = Ipv4Addr::new(192, 0, 2, last).into();
        assert_eq!(stage.connect("somebody"), outcome, "{last}");
    }
}

#[test]
fn an_address_connects_so_often() {
    let mut stage = Stage::with(|settings| settings.limits.per_address.connections_per_minute = Some(2));
    stage.address = Ipv4Addr::new(192, 0, 2, 1).into();
    for outcome in [Ok(()), Ok(()), Err(CloseReason::Full)] {
        assert_eq!(stage.connect("somebody"), outcome);
    }
    stage.play("a minute passes");
    assert_eq!(stage.connect("somebody"), Ok(()));
}

#[test]
fn so_many_passwords_wait() {
    let mut stage = Stage::with(|settings| settings.password_jobs_max = 1);
    stage.play(
        "
        passwords wait
        alice > /register alice correct-horse
        bob > /register bob correct-horse
        bob < !!! busy: too many people are logging in; try again in a moment
        passwords go on
        alice < *** {alice}
        bob > /register bob correct-horse
        bob < *** {bob}
        ",
    );
}

/// With a queue of four, of which commands leave one place free.
#[test]
fn what_must_be_kept_waits_for_a_place_in_the_queue_of_the_store() {
    let mut stage = Stage::with(|settings| settings.store_jobs_max = 4);
    let people = ["alice", "bob", "carol", "dave", "erin", "frank"];
    stage.guests(&people);
    for (name, room) in people.iter().zip(["a", "b", "c", "d", "e", "f"]) {
        stage.join(room, &[name]);
    }
    stage.play(
        "
        the store waits
        alice > tea
        bob > tea
        carol > tea
        dave > /rooms
        dave < (nothing)
        erin is cut off
        frank is cut off
        the store goes on
        dave < *** rooms
        dave < *** #a …
        dave < *** #b …
        dave < *** #c …
        dave < *** #d …
        dave < *** end of rooms: 4 rooms
        ",
    );
}

#[test]
fn a_password_does_not_travel_in_the_clear() {
    let mut stage = Stage::new();
    stage.address = Ipv4Addr::new(192, 0, 2, 1).into();
    stage.play(
        "
        alice > /register alice correct-horse
        alice < !!! plaintext-refused: a password must not travel in the clear: connect with TLS
        alice > /login alice
        alice < !!! plaintext-refused: …
        alice > /nick alice
        alice < *** you are alice, a guest
        ",
    );
}

#[test]
fn a_program_registers_with_its_invitation() {
    let mut stage = Stage::with(|settings| settings.registration = Registration::Invite);
    stage.play(
        r#"
        robot > {"id":1,"cmd":"register","user":"robot","password":"correct-horse"}
        robot < {"re":1,"err":{"code":"bad-invite",…
        "#,
    );
}

#[test]
fn an_account_asks_for_the_keys_of_so_many_others() {
    let mut stage = Stage::new();
    stage.type_line("robot", r#"{"id":1,"cmd":"register","user":"robot","password":"correct-horse"}"#);
    for number in 0..=CLAIM_TARGETS_MAX {
        stage.accounts(&[&format!("bob{number}")]);
    }
    for number in 0..CLAIM_TARGETS_MAX {
        stage.type_line("robot", &format!(r#"{{"id":{number},"cmd":"claim","user":"bob{number}"}}"#));
    }
    stage.settle();
    stage.play(&format!(
        r#"
        robot > {{"id":-1,"cmd":"claim","user":"bob{CLAIM_TARGETS_MAX}"}}
        robot < {{"re":-1,"err":{{"code":"too-many","text":"prekeys of {CLAIM_TARGETS_MAX} users an hour;…
        robot > {{"id":-2,"cmd":"claim","user":"bob0"}}
        robot < {{"re":-2,"ok":…
        "#
    ));
}

#[test]
fn lines_that_nobody_understands_have_a_rate_too() {
    let mut stage = Stage::with(|settings| settings.limits.commands_per_second = Some(1));
    stage.send("robot", "{\n".repeat(100).as_bytes());
    let mut seen = Vec::new();
    while seen.last().is_none_or(|line| line != "(closed)") {
        stage.play("a second passes");
        seen.push(stage.sees("robot"));
        assert!(seen.len() < 60, "{seen:#?}");
    }
    let count = |start: &str| seen.iter().filter(|line| line.starts_with(start)).count();
    // Five at once, and one with each second that is waited for a refusal.
    assert_eq!(count(r#"{"ev":"error","code":"bad-json""#), 5 + 10, "{seen:#?}");
    assert_eq!(count(r#"{"ev":"error","code":"too-fast","text":"slow down; "#), 10, "{seen:#?}");
    assert_eq!(
        count(r#"{"ev":"error","code":"too-fast","text":"you kept on sending too fast"#),
        1,
        "{seen:#?}"
    );
}

#[test]
fn a_line_without_end_comes_to_an_end() {
    let mut stage = Stage::new();
    let piece = vec![b'x'; 4 * 1024 * 1024];
    for _ in 0..8 {
        stage.send("alice", &piece);
    }
    stage.play("alice < !!! line-too-long: a line has at most 4096 bytes\nalice < (nothing)");
    stage.send("alice", &piece);
    stage.play("alice < !!! line-too-long: so much without the end of a line; goodbye\nalice < (closed)");
}

#[test]
fn of_what_waits_for_all_together_the_longest_goes_first() {
    let mut stage = Stage::with(|settings| settings.limits.send_queue_total = 100_000);
    stage.guests(&["alice"]);
    stage.socket_bytes = 500;
    stage.guests(&["bob", "carol"]);
    stage.join("lobby", &["alice", "bob"]);
    stage.type_line("alice", "/join garden");
    stage.type_line("carol", "/join garden");
    stage.play("bob reads\ncarol reads");
    stage.settle();
    let long = "x".repeat(4_000);
    for _ in 0..10 {
        stage.type_line("alice", &long);
    }
    stage.type_line("alice", "/join lobby");
    for _ in 0..20 {
        stage.type_line("alice", &long);
    }
    stage.settle();
    stage.play(
        "
        bob < (closed)
        carol < (nothing)
        alice > /list
        alice < *** who is online
        alice < *** alice …
        alice < *** carol …
        ",
    );
}

#[test]
fn a_turn_that_has_said_enough_leaves_the_rest_to_the_next() {
    let mut stage = Stage::new();
    let names: Vec<String> = (0..10).map(|number| format!("guest{number}")).collect();
    for name in &names {
        stage.guests(&[name]);
    }
    // Much less to read than to answer.
    for name in &names {
        stage.send_unseen(name, "/help\n".repeat(200).as_bytes());
    }
    stage.run();
    for name in &names {
        let mut lines = 0;
        while stage.sees(name) != "(nothing)" {
            lines += 1;
        }
        assert_eq!(lines % 200, 0, "{name} has {lines} lines of help");
        assert!(lines > 200 * 27);
    }
}
