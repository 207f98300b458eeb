//! JSON lines: the shapes of replies and events, to the letter.

use serde_json::{Value, json};

use crate::harness::PASSWORD;
use crate::harness::json::{Json, without_time};
use crate::harness::server::Server;

/// An event without what may be added to it later, to compare the rest.
fn fields(event: &Value, names: &[&str]) -> Value {
    names.iter().map(|&name| (name.to_owned(), event[name].clone())).collect()
}

/// Two guests in a room, with everything read.
fn two_in(server: &Server, room: &str) -> (Json, Json) {
    let (mut alice, mut bob) = (server.json_guest("alice"), server.json_guest("bob"));
    alice.join(room);
    bob.join(room);
    alice.events();
    (alice, bob)
}

#[test]
fn hello_tells_who_the_server_is() {
    let server = Server::with(&["name = \"The Teapot\""]);
    let hello = server.json().ok(json!({"cmd": "hello", "version": 1, "client": "test/1", "more": [1, {}]}));
    assert_eq!(
        fields(&hello, &["server", "version", "name"]),
        json!({"server": concat!("sottod/", env!("CARGO_PKG_VERSION")), "version": 1, "name": "The Teapot"})
    );
}

#[test]
fn another_version_is_refused() {
    let server = Server::start();
    for version in [json!(0), json!(2), json!(-1), json!(1_000_000_007_i64)] {
        let hello = json!({"cmd": "hello", "version": version, "client": "test/1"});
        assert_eq!(server.json().err(hello), "unsupported-version");
    }
}

#[test]
fn nick_login_and_register_tell_the_user_and_the_latter_two_a_token() {
    let server = Server::start();
    let nick = server.json().ok(json!({"cmd": "nick", "user": "guest"}));
    assert_eq!(nick["user"], "guest");
    assert!(nick.get("token").is_none_or(Value::is_null), "{nick}");
    for command in ["register", "login"] {
        let named = server.json().ok(json!({"cmd": command, "user": "alice", "password": PASSWORD}));
        assert_eq!(named["user"], "alice");
        assert!(named["token"].as_str().is_some_and(|token| token.len() >= 32), "{named}");
    }
}

#[test]
fn a_token_logs_in_also_after_a_restart_until_the_password_changes() {
    let server = Server::start();
    let token = server.json().register("alice");
    let login = json!({"cmd": "login", "user": "alice", "token": token});
    assert_eq!(server.json().ok(login.clone())["user"], "alice");
    let server = server.restart();
    assert_eq!(server.json().ok(login.clone())["user"], "alice");
    let wrong = json!({"cmd": "login", "user": "alice", "token": "0".repeat(token.len())});
    assert_eq!(server.json().err(wrong), "login-failed");
    server.json_account("bob");
    let of_another = json!({"cmd": "login", "user": "bob", "token": token});
    assert_eq!(server.json().err(of_another), "login-failed");
    server.home.user_with_password("passwd", "alice", "new-horse");
    assert_eq!(server.json().err(login), "login-failed");
}

#[test]
fn join_tells_topic_members_position_and_recent_messages() {
    let server = Server::start();
    let (mut alice, mut bob) = two_in(&server, "lobby");
    alice.ok(json!({"cmd": "topic", "room": "lobby", "topic": "tea"}));
    assert_eq!(alice.say("lobby", "one"), 1);
    assert_eq!(alice.say("lobby", "two"), 2);
    let mut carol = server.json_guest("carol");
    let joined = carol.join("#Lobby");
    assert_eq!(
        fields(&joined, &["room", "topic", "members", "seq"]),
        json!({"room": "lobby", "topic": "tea", "members": ["alice", "bob", "carol"], "seq": 2})
    );
    let seen = [bob.message(), bob.message()];
    assert_eq!(joined["messages"], json!(seen), "the same objects as the events");
}

#[test]
fn say_tells_position_and_time_and_the_others_get_the_event() {
    let server = Server::start();
    let (mut alice, mut bob) = two_in(&server, "lobby");
    let said = alice.ok(json!({"cmd": "say", "room": "lobby", "text": "hi"}));
    let event = bob.message();
    assert_eq!(said["ts"], event["ts"]);
    assert_eq!(fields(&without_time(said), &["seq", "ts"]), json!({"seq": 1, "ts": "TIME"}));
    assert_eq!(
        without_time(event),
        json!({"ev": "message", "room": "lobby", "from": "alice", "seq": 1, "ts": "TIME", "text": "hi"})
    );
    assert_eq!(alice.events(), Vec::<Value>::new(), "no echo for the session that said it");
}

#[test]
fn an_emote_is_a_message_with_me() {
    let server = Server::start();
    let (_alice, mut bob) = two_in(&server, "lobby");
    let mut scene = server.scene();
    scene.guests(&["carol"]);
    scene.join("lobby", &["carol"]);
    scene.play("carol > /me waves");
    assert_eq!(
        without_time(bob.message()),
        json!({"ev": "message", "room": "lobby", "from": "carol", "seq": 1, "ts": "TIME", "text": "waves", "me": true})
    );
}

#[test]
fn the_senders_other_sessions_get_the_event() {
    let server = Server::start();
    let mut desk = server.json_account("alice");
    let mut phone = server.json();
    phone.login("alice");
    desk.join("lobby");
    phone.join("lobby");
    assert_eq!(desk.say("lobby", "hi"), 1);
    let event = phone.message();
    assert_eq!((&event["from"], &event["text"]), (&json!("alice"), &json!("hi")));
    assert_eq!(desk.events(), Vec::<Value>::new());
}

#[test]
fn a_private_message_is_an_event_without_position() {
    let server = Server::start();
    let (mut alice, mut bob) = two_in(&server, "lobby");
    alice.ok(json!({"cmd": "msg", "user": "bob", "text": "between us"}));
    assert_eq!(
        without_time(bob.event()),
        json!({"ev": "private", "from": "alice", "to": "bob", "ts": "TIME", "text": "between us"})
    );
    assert_eq!(alice.err(json!({"cmd": "msg", "user": "nobody", "text": "hello"})), "no-such-user");
}

#[test]
fn letters_arrive_as_private_events_at_login() {
    let server = Server::start();
    let mut bob = server.json_account("bob");
    bob.ok(json!({"cmd": "quit"}));
    bob.wire.rest();
    let mut alice = server.json_guest("alice");
    for text in ["one", "two"] {
        alice.ok(json!({"cmd": "msg", "user": "bob", "text": text}));
    }
    let mut bob = server.json();
    bob.login("bob");
    for text in ["one", "two"] {
        assert_eq!(
            without_time(bob.event()),
            json!({"ev": "private", "from": "alice", "to": "bob", "ts": "TIME", "text": text})
        );
    }
}

#[test]
fn notices_name_their_kind_room_and_user() {
    let server = Server::start();
    let (mut alice, mut bob) = two_in(&server, "lobby");
    let mut carol = server.json_guest("carol");
    let mut check = |kind: &str, user: &str| {
        let event = bob.event();
        assert_eq!(
            fields(&event, &["ev", "kind", "room", "user"]),
            json!({"ev": "notice", "kind": kind, "room": "lobby", "user": user}),
            "{event}"
        );
        event
    };
    carol.join("lobby");
    check("join", "carol");
    carol.ok(json!({"cmd": "leave", "room": "lobby"}));
    check("leave", "carol");
    carol.join("lobby");
    check("join", "carol");
    alice.ok(json!({"cmd": "kick", "room": "lobby", "user": "carol", "text": "too loud"}));
    let kick = check("kick", "carol").to_string();
    assert!(kick.contains("alice") && kick.contains("too loud"), "{kick}");
    carol.join("lobby");
    check("join", "carol");
    carol.ok(json!({"cmd": "quit", "text": "to the sea"}));
    let quit = check("quit", "carol").to_string();
    assert!(quit.contains("to the sea"), "{quit}");
    alice.ok(json!({"cmd": "topic", "room": "lobby", "topic": "tea"}));
    let topic = bob.event();
    assert_eq!(
        fields(&topic, &["ev", "kind", "room", "topic"]),
        json!({"ev": "notice", "kind": "topic", "room": "lobby", "topic": "tea"})
    );
}

#[test]
fn the_same_commands_as_in_text_mode() {
    let server = Server::start();
    let (mut alice, _bob) = two_in(&server, "lobby");
    let requests = [
        json!({"cmd": "hello", "version": 1}),
        json!({"cmd": "ping"}),
        json!({"cmd": "help"}),
        json!({"cmd": "help", "topic": "join"}),
        json!({"cmd": "nick", "user": "lucia"}),
        json!({"cmd": "say", "room": "lobby", "text": "hi"}),
        json!({"cmd": "me", "room": "lobby", "text": "waves"}),
        json!({"cmd": "msg", "user": "bob", "text": "hi"}),
        json!({"cmd": "history", "room": "lobby"}),
        json!({"cmd": "topic", "room": "lobby"}),
        json!({"cmd": "topic", "room": "lobby", "topic": "tea"}),
        json!({"cmd": "block", "user": "bob"}),
        json!({"cmd": "unblock", "user": "bob"}),
        json!({"cmd": "room", "room": "lobby", "access": "private"}),
        json!({"cmd": "room", "room": "lobby", "access": "key", "key": "sesame"}),
        json!({"cmd": "room", "room": "lobby", "access": "public"}),
        json!({"cmd": "list"}),
        json!({"cmd": "rooms"}),
        json!({"cmd": "who", "room": "lobby"}),
        json!({"cmd": "whois", "user": "bob"}),
        json!({"cmd": "status", "status": "away", "text": "lunch"}),
        json!({"cmd": "search", "query": "words"}),
        json!({"cmd": "op", "room": "lobby", "user": "bob"}),
        json!({"cmd": "deop", "room": "lobby", "user": "bob"}),
        json!({"cmd": "invite", "room": "lobby", "user": "bob"}),
        json!({"cmd": "kick", "room": "lobby", "user": "bob"}),
        json!({"cmd": "ban", "room": "lobby", "user": "bob"}),
        json!({"cmd": "unban", "room": "lobby", "user": "bob"}),
        json!({"cmd": "leave", "room": "lobby"}),
    ];
    for request in requests {
        assert!(alice.ok(request.clone()).is_object(), "{request}");
    }
}

#[test]
fn every_command_of_help_is_one_of_programs_too() {
    let server = Server::start();
    let mut alice = server.json_guest("alice");
    let help = alice.ok(json!({"cmd": "help"}));
    let commands = help["commands"].as_array().expect("a list of commands");
    assert!(commands.len() > 20, "{help}");
    // Without arguments most are refused, none as unknown; `quit` ends it all.
    for command in commands.iter().filter(|command| command["cmd"] != "quit") {
        let reply = alice.request(json!({"cmd": command["cmd"]}));
        assert_ne!(reply["err"]["code"], "unknown-command", "{command}");
    }
}

#[test]
fn text_and_json_clients_talk_to_each_other() {
    let server = Server::start();
    let mut program = server.json_guest("program");
    let mut scene = server.room_of("lobby", &["alice"]);
    program.join("lobby");
    scene.settle();
    program.say("lobby", "from a program");
    program.ok(json!({"cmd": "msg", "user": "alice", "text": "just you"}));
    scene.play(
        "
        alice < [HH:MM] #lobby <program> from a program
        alice < [HH:MM] <program -> you> just you
        alice > from a person
        ",
    );
    assert_eq!(program.message()["text"], "from a person");
}
