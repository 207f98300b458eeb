//! Messages that only devices can read, where the store answers late or has no room.

use data_encoding::BASE64;
use serde_json::json;
use sottovoce::proto::limits::{MAILBOX_ENVELOPES_MAX, MAILBOX_SHARES};

use crate::devices::{body, identity, signed};
use crate::stage::Stage;

/// An account whose device is ready to send and to be sent to.
fn enroll(stage: &mut Stage, who: &str) {
    let identity = identity(who, 1);
    let key = BASE64.encode(identity.public().bytes());
    let prekey = signed(&identity, 1, 1);
    for request in [
        json!({"id": 1, "cmd": "register", "user": who, "password": "correct-horse"}),
        json!({"id": 2, "cmd": "enroll", "identity": key, "name": "a test"}),
        json!({"id": 3, "cmd": "prekeys", "device": 1, "signed": prekey, "one_time": []}),
        json!({"id": 4, "cmd": "attach", "device": 1, "run": 1}),
    ] {
        stage.type_line(who, &request.to_string());
        let answer = stage.sees(who);
        assert!(answer.contains(r#""ok":"#), "{request}: {answer}");
        stage.settle();
    }
}

fn sending(id: u64, to: &str) -> String {
    let envelope = json!({"device": 1, "body": BASE64.encode(&body(id))});
    let send = json!({
        "id": id, "cmd": "send", "user": to, "to": [1], "own": [], "envelopes": [envelope], "copies": [],
    });
    send.to_string()
}

#[test]
fn the_reader_is_removed_before_the_message_is_kept() {
    for news in ["news come", "a second passes"] {
        let mut stage = Stage::new();
        enroll(&mut stage, "alice");
        enroll(&mut stage, "bob");
        let send = sending(9, "bob");
        stage.play(&format!(
            r#"
            the store waits
            alice > {send}
            the operator removes bob
            {news}
            the store goes on
            alice < {{"re":9,"err":{{"code":"no-such-user",…
            "#
        ));
    }
}

#[test]
fn the_device_is_revoked_before_its_message_is_kept() {
    let mut stage = Stage::new();
    enroll(&mut stage, "alice");
    enroll(&mut stage, "bob");
    let send = sending(9, "bob");
    stage.play(&format!(
        r#"
        other > {{"id":1,"cmd":"login","user":"alice","password":"correct-horse"}}
        other < {{"re":1,"ok":…
        the store waits
        other > {{"id":2,"cmd":"revoke","device":1}}
        alice > {send}
        the store goes on
        alice < {{"ev":"error","code":"revoked",…
        alice < (closed)
        bob < (nothing)
        "#
    ));
}

#[test]
fn one_account_fills_its_share_of_a_mailbox() {
    let mut stage = Stage::new();
    enroll(&mut stage, "alice");
    enroll(&mut stage, "bob");
    stage.play(r#"bob > {"id":9,"cmd":"quit"}"#);
    stage.play("the store waits");
    let share = MAILBOX_ENVELOPES_MAX / MAILBOX_SHARES;
    for id in 0..=share {
        stage.type_line("alice", &sending(id, "bob"));
        if id % 500 == 0 {
            stage.play("the store goes on\nthe store waits");
        }
    }
    stage.play("the store goes on");
    for id in 0..share {
        let answer = stage.sees("alice");
        assert!(answer.starts_with(&format!(r#"{{"re":{id},"ok":"#)), "{answer}");
    }
    stage.play(&format!(r#"alice < {{"re":{share},"err":{{"code":"too-many",…"#));
}
