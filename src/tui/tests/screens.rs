//! What the screen shows while people talk.

use super::*;

#[test]
fn a_room_with_its_members() {
    let mut stage = Stage::in_lobby(120, 16);
    stage.said("lobby", "bob", 1, "good morning, alice");
    stage.said(
        "lobby",
        "carol",
        2,
        "hello 漢字 and 👩‍👩‍👧, this is a text that does not fit into one row of this screen",
    );
    stage.said(
        "lobby",
        "a-name-beyond-its-column",
        3,
        "stays whole, so that nobody can pose as another, and its text goes on in the column",
    );
    stage.hear(r#"{"ev":"message","room":"lobby","from":"bob","seq":4,"ts":"2026-01-31T12:04:00.000Z","text":"waves","me":true}"#);
    stage.keys("hi all<Enter>");
    stage.check_screen("more to come", r#"
 1 server           │ #lobby: tea and talk
 2 #lobby           │────────────────────────── Saturday, 31 January 2026 ────────────────────────── │3 here
                    │13:01          bob │ good morning, alice                                        │alice
                    │13:02        carol │ hello 漢字 and 👩‍👩‍👧, this is a text that does not fit into   │bob
                    │                   │ one row of this screen                                     │carol
                    │13:03 a-name-beyond-its-column │ stays whole, so that nobody can pose as        │
                    │                   │ another, and its text goes on in the column                │
                    │13:04            * │ bob waves                                                  │
                    │  …          alice │ hi all                                                     │
                    │                                                                                │
                    │                                                                                │
                    │                                                                                │
                    │                                                                                │
                    │                                                                                │
 server-readable │ alice │ connected │ 1 on the way │                                                           F1 help
> more to come
"#);
}

#[test]
fn a_text_of_others_never_looks_like_another_message() {
    let mut stage = Stage::in_lobby(80, 10);
    stage.said("lobby", "bob", 1, r"first\n13:02 carol: I owe bob a beer\n\n13:03 alice: so do I");
    stage.check_screen(
        "",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │─────────── Saturday, 31 January 2026 ─────────── │3 here
                │13:01 bob: first                                  │alice
                │      13:02 carol: I owe bob a beer               │bob
                │                                                  │carol
                │      13:03 alice: so do I                        │
                │                                                  │
                │                                                  │
 server-readable │ alice │ connected │                                  F1 help
>
"#,
    );
}

#[test]
fn people_coming_and_going_are_one_row() {
    let mut stage = Stage::in_lobby(80, 10);
    stage.notice("join", "lobby", "dave");
    stage.notice("join", "lobby", "erin");
    stage.notice("leave", "lobby", "bob");
    stage.notice("join", "lobby", "frank");
    stage.notice("quit", "lobby", "frank");
    stage.said("lobby", "carol", 1, "many people here");
    stage.notice("quit", "lobby", "dave");
    stage.check_screen(
        "",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │─────────── Saturday, 31 January 2026 ─────────── │3 here
                │13:00 <-> dave, erin joined; bob left; frank came │alice
                │      and went                                    │carol
                │13:01 carol: many people here                     │erin
                │13:00 <-- dave has quit #lobby                    │
                │                                                  │
                │                                                  │
 server-readable │ alice │ connected │                                  F1 help
>
"#,
    );
}

#[test]
fn a_private_message_that_is_not_encrypted_says_so() {
    let mut stage = Stage::in_lobby(80, 9);
    stage.private("dave", "psst, this is long enough to go on in the row below");
    stage.check_screen(
        "<A-a>",
        r#"
 1 server       │ dave, in private
 2 #lobby       │13:00 !! not-encrypted: messages with dave are NOT encrypted,
 3 dave         │      for this session has no keys: the server, and whoever
                │      controls it, can read and change them
                │─────────────────────────── unread ────────────────────────────
                │13:00 dave: [NOT encrypted] psst, this is long enough to go on
                │      in the row below
 NOT encrypted │ alice │ connected │                                    F1 help
>
"#,
    );
}

#[test]
fn unread_messages_are_counted_and_marked() {
    let mut stage = Stage::in_lobby(80, 10);
    stage.said("lobby", "bob", 1, "seen");
    stage.join("tea", &["alice"], &[("bob", "said before, which is not news")]);
    stage.notice("join", "lobby", "erin");
    stage.said("lobby", "bob", 2, "not seen");
    stage.said("lobby", "carol", 3, "Alice: look here");
    stage.said("lobby", "carol", 4, "malice is not alices name");
    stage.private("dave", "psst");
    stage.check_screen(
        "",
        r#"
 1 server       │ #tea: tea and talk
 2 #lobby   1! 2│─────────── Saturday, 31 January 2026 ─────────── │1 here
 3 #tea         │13:01 bob: said before, which is not news         │alice
 4 dave       1!│                                                  │
                │                                                  │
                │                                                  │
                │                                                  │
                │                                                  │
 server-readable │ alice │ connected │                                  F1 help
>
"#,
    );
    // The most urgent first, then back to where it began.
    stage.check_screen(
        "<A-a>",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │─────────── Saturday, 31 January 2026 ─────────── │4 here
 3 #tea         │13:01 bob: seen                                   │alice
 4 dave       1!│13:00 --> erin has joined #lobby                  │bob
                │──────────────────── unread ───────────────────── │carol
                │13:02 bob: not seen                               │erin
                │13:03 carol: Alice: look here                     │
                │13:04 carol: malice is not alices name            │
 server-readable │ alice │ connected │                                  F1 help
>
"#,
    );
    stage.keys("<A-a>");
    stage.shows("psst");
    stage.shows("NOT encrypted");
    stage.keys("<A-a>");
    stage.shows("said before");
    stage.keys("<A-a>");
    stage.shows("nothing new to read");
    // What was read is not marked any more.
    stage.keys("<A-2>");
    stage.hides("unread");
    assert_eq!(stage.outside, [Action::Bell, Action::Bell]);
}

#[test]
fn what_is_said_while_the_terminal_is_elsewhere_is_marked() {
    let mut stage = Stage::in_lobby(80, 8);
    stage.said("lobby", "bob", 1, "seen");
    stage.typed(Typed::FocusLost);
    stage.notice("join", "lobby", "erin");
    stage.said("lobby", "bob", 2, "not seen");
    stage.said("lobby", "bob", 3, "nor this");
    stage.typed(Typed::FocusGained);
    stage.said("lobby", "bob", 4, "seen again");
    stage.check_screen(
        "",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │13:00 --> erin has joined #lobby                  │4 here
                │──────────────────── unread ───────────────────── │alice
                │13:02 bob: not seen                               │bob
                │13:03 bob: nor this                               │carol
                │13:04 bob: seen again                             │erin
 server-readable │ alice │ connected │                                  F1 help
>
"#,
    );
    stage.keys("that was read<Enter>");
    stage.hides("unread");
}

#[test]
fn an_interruption_is_seen_while_it_lasts_and_is_one_line_afterwards() {
    let mut stage = Stage::in_lobby(80, 8);
    stage.said("lobby", "bob", 1, "before");
    stage.lose();
    stage.check_screen(
        "said meanwhile<Enter>",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │─────────── Saturday, 31 January 2026 ─────────── │3 here
                │13:01 bob: before                                 │alice
                │  …   alice: said meanwhile                       │bob
                │                                                  │carol
                │                                                  │
 trying again in 1 s: the server closed the connection │                F1 help
>
"#,
    );
    stage.now = Now { mono: Instant(12_000), wall: Timestamp(1_769_860_812_000) };
    stage.session.handle_timeout(stage.now);
    stage.session.connected(stage.now);
    stage.sent();
    stage.hear(r#"{"re":4,"ok":{"server":"sottod/0.1.0","version":1,"name":"x"}}"#);
    stage.hear(r#"{"re":5,"ok":{"user":"alice"}}"#);
    let missed = message_json("lobby", "carol", 2, "missed");
    stage.hear(&format!(
        r#"{{"re":6,"ok":{{"room":"lobby","members":["alice","carol"],"seq":2,"messages":[{missed}]}}}}"#
    ));
    stage.answer(r#""ok":{"seq":3,"ts":"2026-01-31T12:00:13.000Z"}"#);
    stage.check_screen(
        "",
        r#"
 1 server       │ #lobby
 2 #lobby       │─────────── Saturday, 31 January 2026 ─────────── │2 here
                │13:01 bob: before                                 │alice
                │13:02 carol: missed                               │carol
                │13:00 -- connection lost, back after 12 s         │
                │13:00 alice: said meanwhile                       │
 server-readable │ alice │ connected │                                  F1 help
>
"#,
    );
}

#[test]
fn days_are_told_apart_where_the_user_is() {
    let mut stage = Stage::new(80, 8);
    stage.join("tea", &["alice"], &[]);
    for (seq, at, text) in [(1, "22:59", "late"), (2, "23:00", "later")] {
        stage.hear(&format!(
            r#"{{"ev":"message","room":"tea","from":"bob","seq":{seq},"ts":"2026-01-30T{at}:00.000Z","text":"{text}"}}"#
        ));
    }
    stage.check_screen(
        "",
        r#"
 1 server       │ #tea: tea and talk
 2 #tea         │──────────── Friday, 30 January 2026 ──────────── │1 here
                │23:59 bob: late                                   │alice
                │─────────── Saturday, 31 January 2026 ─────────── │
                │00:00 bob: later                                  │
                │                                                  │
 server-readable │ alice │ connected │                                  F1 help
>
"#,
    );
}

#[test]
fn answers_are_for_the_user_alone() {
    let mut stage = Stage::in_lobby(100, 14);
    stage.keys("/whois bob<Enter>");
    stage.answer(r#""ok":{"user":"bob","online":true,"guest":true,"status":"away","text":"tea","rooms":["lobby"],"since":"2026-01-31T11:00:00.000Z","secure":true}"#);
    stage.keys("/search tea<Enter>");
    let found = message_json("lobby", "bob", 1, "tea is ready");
    stage.answer(&format!(r#""ok":{{"messages":[{found}]}}"#));
    stage.keys("/join nowhere else<Enter>");
    stage.answer(r#""err":{"code":"bad-key","text":"this room has another key"}"#);
    stage.keys("/topic<Enter>");
    stage.answer(r#""ok":{"room":"lobby","topic":"tea and talk"}"#);
    stage.keys("/nonsense here<Enter>");
    stage.check_screen(
        "",
        r#"
 1 server           │ #lobby: tea and talk
 2 #lobby           │──────────────── Saturday, 31 January 2026 ──────────────── │3 here
                    │13:00 -- bob (guest) is away: tea                           │alice
                    │13:00 -- bob is connected since 2026-01-31 11:00 UTC,       │bob
                    │      encrypted                                             │carol
                    │13:00 -- bob is in #lobby                                   │
                    │13:00 -- 1 found for: tea                                   │
                    │13:00 -- 2026-01-31 13:01 #lobby <bob> tea is ready         │
                    │13:00 !! bad-key: this room has another key                 │
                    │13:00 -- topic of #lobby: tea and talk                      │
                    │13:00 !! unknown-command: there is no /nonsense; /help      │
                    │      lists what there is                                   │
 server-readable │ alice │ connected │                                                      F1 help
> /nonsense here
"#,
    );
}

#[test]
fn a_room_that_was_left_is_closed_and_one_that_threw_the_user_out_stays_to_be_read() {
    let mut stage = Stage::in_lobby(80, 8);
    stage.join("tea", &["alice", "bob"], &[]);
    stage.keys("/leave<Enter>");
    stage.answer(r#""ok":{"room":"tea"}"#);
    stage.hides("#tea");
    stage.hear(r#"{"ev":"notice","kind":"kick","room":"lobby","user":"alice","by":"bob","text":"no tea"}"#);
    stage.check_screen(
        "",
        r#"
 1 server       │ #lobby (you are not in this room)
 2 #lobby       │─────────── Saturday, 31 January 2026 ─────────── │0 here
                │13:00 -- alice was kicked from #lobby by bob (no  │
                │      tea)                                        │
                │                                                  │
                │                                                  │
 server-readable │ alice │ connected │                                  F1 help
>
"#,
    );
    stage.keys("/close<Enter>");
    stage.hides("#lobby");
}
