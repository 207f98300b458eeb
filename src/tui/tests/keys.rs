//! What keys do.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::*;

#[test]
fn completion_goes_through_names_rooms_and_commands() {
    let mut stage = Stage::in_lobby(80, 10);
    stage.join("lounge", &["alice", "Bert", "bob", "漢字"], &[]);
    let mut check = |keys: &str, expected: &str| {
        stage.keys(keys);
        assert_eq!(stage.model.editor.text(), expected, "{keys}");
        stage.keys("<C-e><C-u>");
    };
    check("b<Tab>", "Bert: ");
    check("b<Tab><Tab>", "bob: ");
    check("b<Tab><Tab><Tab>", "Bert: ");
    check("b<Tab><BackTab>", "bob: ");
    check("hi b<Tab>", "hi Bert ");
    check("漢<Tab>", "漢字: ");
    check("a<Tab>", "a");
    check("/jo<Tab>lo<Tab>", "/join #lobby ");
    check("see #lou<Tab>", "see #lounge ");
    check("/qui<Tab>", "/quit ");
    check("/q<Tab>", "/query ");
    check("xyz<Tab>", "xyz");
    check("<Tab>", "");
    // Who spoke last is answered first.
    stage.said("lounge", "bob", 1, "hello");
    stage.keys("b<Tab>");
    assert_eq!(stage.model.editor.text(), "bob: ");
}

#[test]
fn conversations_are_reached_by_number_and_by_steps() {
    let mut stage = Stage::in_lobby(80, 10);
    stage.join("tea", &["alice"], &[]);
    stage.keys("/query dave<Enter>");
    let mut check = |keys: &str, expected: &str| {
        stage.keys(keys);
        assert_eq!(stage.model.place().to_string(), expected, "{keys}");
    };
    check("", "dave");
    check("<A-1>", "server");
    check("<A-3>", "#tea");
    check("<A-9>", "#tea");
    check("<C-n>", "dave");
    check("<C-n>", "server");
    check("<C-p><C-p>", "#tea");
    check("<A-Left>", "#lobby");
    check("<A-Down>", "#tea");
    // What was typed stays with its conversation.
    check("half a sent<A-1>", "server");
    assert_eq!(stage.model.editor.text(), "");
    stage.keys("<A-3>ence");
    assert_eq!(stage.model.editor.text(), "half a sentence");
}

#[test]
fn what_is_typed_goes_where_it_belongs() {
    let mut stage = Stage::in_lobby(80, 10);
    let mut check = |keys: &str, expected: &[&str]| {
        stage.keys(keys);
        let sent: Vec<String> = stage
            .sent()
            .iter()
            .map(|line| line.split_once(r#""cmd":"#).map_or("", |(_, rest)| rest).to_owned())
            .map(|line| line.split(r#","key""#).next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(sent, expected, "{keys}");
    };
    check("hi<Enter>", &[r#""say","room":"lobby","text":"hi""#]);
    // Only the first of what waits is on its way.
    check("one<A-Enter>two<Enter>", &[]);
    check("  <Enter>", &[]);
    check("/msg bob psst<Enter>", &[r#""msg","user":"bob","text":"psst"}"#]);
    check("/query bob<Enter>", &[]);
    check("in private<Enter>", &[r#""msg","user":"bob","text":"in private"}"#]);
    let (first, second) = (r#""msg","user":"bob","text":"a"}"#, r#""msg","user":"bob","text":"b"}"#);
    check("a<A-Enter><A-Enter>b<Enter>", &[first, second]);
    check("/query carol hi there<Enter>", &[r#""msg","user":"carol","text":"hi there"}"#]);
    check("<A-1>to nobody<Enter>", &[]);
    stage.shows("no-room");
    // It may be mended.
    assert_eq!(stage.model.editor.text(), "to nobody");
}

#[test]
fn a_large_paste_asks_first() {
    let mut stage = Stage::in_lobby(80, 12);
    let lines = |count: usize| Typed::Paste((0..count).map(|n| format!("line {n}\r")).collect());
    stage.typed(lines(5));
    assert_eq!(stage.model.editor.text(), "line 0\nline 1\nline 2\nline 3\nline 4");
    stage.check_screen(
        "",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │                                                  │3 here
                │                                                  │alice
                │                                                  │bob
                │                                                  │carol
                │                                                  │
                │                                                  │
 server-readable │ alice │ connected │                                  F1 help
line 1
line 2
line 3
line 4
"#,
    );
    stage.keys("<C-u><Backspace><C-u><Backspace><C-u><Backspace><C-u><Backspace><C-u>");
    stage.typed(lines(6));
    stage.shows("paste 6 lines? [y/n]");
    stage.keys("xn");
    assert_eq!(stage.model.editor.text(), "");
    stage.typed(lines(6));
    stage.keys("y<Enter>");
    assert_eq!(stage.session.unconfirmed(), 6);
}

#[test]
fn history_is_gone_through_and_searched() {
    let mut stage = Stage::in_lobby(80, 10);
    stage.keys("first words<Enter>second words<Enter>");
    let mut check = |keys: &str, expected: &str| {
        stage.keys(keys);
        assert_eq!(stage.model.editor.text(), expected, "{keys}");
    };
    check("typing<Up>", "second words");
    check("<Up><Up><Up>", "/join lobby");
    check("<Down><Down><Down>", "typing");
    check("<C-c><C-r>wor", "");
    stage.shows("(history) wor: second words");
    stage.keys("<C-r><C-r>");
    stage.shows("(history) wor: first words");
    stage.keys("<Enter>");
    assert_eq!(stage.model.editor.text(), "first words");
    stage.keys("<C-r>second<Esc>");
    assert_eq!(stage.model.editor.text(), "first words");
}

/// A room with a hundred messages; every tenth names alice.
fn long_room() -> Stage {
    let mut stage = Stage::in_lobby(80, 12);
    for seq in 1..=100 {
        let text = if seq % 10 == 0 { format!("alice, {seq}") } else { format!("message {seq}") };
        stage.said("lobby", "bob", seq, &text);
    }
    stage
}

#[test]
fn scrolling_keeps_its_place_while_more_is_said() {
    let mut stage = long_room();
    stage.check_screen(
        "<PgUp><PgUp>",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │14:18 bob: message 78                             │3 here
                │14:19 bob: message 79                             │alice
                │14:20 bob: alice, 80                              │bob
                │14:21 bob: message 81                             │carol
                │14:22 bob: message 82                             │
                │14:23 bob: message 83                             │
                │14:24 bob: message 84                             │
                │14:25 bob: message 85                             │
                │14:26 bob: message 86                             │
 server-readable │ alice │ connected │                        ↓ 14 more F1 help
>
"#,
    );
    stage.said("lobby", "bob", 101, "meanwhile");
    stage.hides("meanwhile");
    stage.check_screen(
        "<PgDn>",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │14:25 bob: message 85                             │3 here
                │14:26 bob: message 86                             │alice
                │14:27 bob: message 87                             │bob
                │14:28 bob: message 88                             │carol
                │14:29 bob: message 89                             │
                │14:30 bob: alice, 90                              │
                │14:31 bob: message 91                             │
                │14:32 bob: message 92                             │
                │14:33 bob: message 93                             │
 server-readable │ alice │ connected │                         ↓ 8 more F1 help
>
"#,
    );
    stage.keys("<PgDn>");
    // Said while the end was out of sight.
    stage.check_screen(
        "",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │14:32 bob: message 92                             │3 here
                │14:33 bob: message 93                             │alice
                │14:34 bob: message 94                             │bob
                │14:35 bob: message 95                             │carol
                │14:36 bob: message 96                             │
                │14:37 bob: message 97                             │
                │14:38 bob: message 98                             │
                │14:39 bob: message 99                             │
                │14:40 bob: alice, 100                             │
 server-readable │ alice │ connected │                         ↓ 1 more F1 help
>
"#,
    );
    // Saying something shows the end.
    stage.keys("<C-Home>");
    stage.shows("message 1");
    stage.keys("me too<Enter>");
    stage.shows("me too");
}

#[test]
fn older_messages_are_loaded_at_the_top() {
    let mut stage = Stage::new(80, 8);
    stage.keys("/join tea<Enter>");
    let messages = |range: std::ops::Range<u64>| -> String {
        range
            .map(|seq| message_json("tea", "bob", seq, &format!("message {seq}")))
            .collect::<Vec<_>>()
            .join(",")
    };
    let recent = messages(51..101);
    stage.answer(&format!(r#""ok":{{"room":"tea","members":["alice"],"seq":100,"messages":[{recent}]}}"#));
    stage.keys("<C-Home>");
    stage.shows("message 51");
    let older = messages(1..51);
    stage.answer(&format!(r#""ok":{{"messages":[{older}]}}"#));
    // What was looked at stays where it was.
    stage.shows("message 51");
    stage.check_screen(
        "<PgUp>",
        r#"
 1 server       │ #tea
 2 #tea         │13:47 bob: message 47                             │1 here
                │13:48 bob: message 48                             │alice
                │13:49 bob: message 49                             │
                │13:50 bob: message 50                             │
                │13:51 bob: message 51                             │
 server-readable │ alice │ connected │                        ↓ 49 more F1 help
>
"#,
    );
    stage.keys("<C-Home>");
    stage.shows("message 1 ");
    // There is nothing older to ask for.
    assert_eq!(stage.sent(), Vec::<String>::new());
}

#[test]
fn search_and_highlights_are_jumped_to() {
    let mut stage = long_room();
    stage.check_screen(
        "<C-s>GE 4",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │13:45 bob: message 45                             │3 here
                │13:46 bob: message 46                             │alice
                │13:47 bob: message 47                             │bob
                │13:48 bob: message 48                             │carol
                │13:49 bob: message 49                             │
                │13:50 bob: alice, 50                              │
                │13:51 bob: message 51                             │
                │13:52 bob: message 52                             │
                │13:53 bob: message 53                             │
 server-readable │ alice │ connected │                                ↓ 47 more
(search) GE 4
"#,
    );
    stage.keys("<Enter>");
    stage.shows("message 48");
    stage.keys("x");
    stage.shows("nothing more found");
    stage.keys("<Backspace><Esc>");
    stage.shows("message 49");
    stage.keys("<C-End><A-p><A-p>");
    stage.shows("alice, 90");
    stage.hides("alice, 100");
    stage.keys("<A-n>");
    stage.shows("alice, 100");
    stage.keys("<A-n>");
    stage.hides("more");
}

#[test]
fn a_secret_is_never_shown() {
    let mut stage = Stage::in_lobby(80, 8);
    stage.keys("/passwd<Enter>");
    stage.check_screen(
        "old secret",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │                                                  │3 here
                │                                                  │alice
                │                                                  │bob
                │                                                  │carol
                │                                                  │
 server-readable │ alice │ connected │
present password:
"#,
    );
    stage.keys("<Enter>");
    stage.shows("new password:");
    stage.keys("new secrex<Backspace>t<Enter>");
    let sent = stage.sent().concat();
    assert!(sent.contains(r#""cmd":"passwd","old":"old secret","new":"new secret""#), "{sent}");
    stage.keys("<Up>");
    assert_eq!(stage.model.editor.text(), "/passwd");
}

#[test]
fn the_mouse_scrolls_what_it_is_over_and_chooses_a_conversation() {
    let mut stage = long_room();
    let at =
        |kind, column, row| Typed::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
    stage.typed(at(MouseEventKind::ScrollUp, 30, 5));
    stage.shows("↓ 3 more");
    stage.typed(at(MouseEventKind::ScrollDown, 30, 5));
    stage.hides("more");
    stage.typed(at(MouseEventKind::Down(MouseButton::Left), 3, 0));
    assert_eq!(stage.model.place().to_string(), "server");
    stage.typed(at(MouseEventKind::ScrollDown, 3, 5));
    assert_eq!(stage.model.place().to_string(), "#lobby");
    stage.typed(at(MouseEventKind::Down(MouseButton::Left), 3, 9));
    assert_eq!(stage.model.place().to_string(), "#lobby");
    stage.keys("<A-m>");
    stage.shows("selects text in the terminal");
    assert_eq!(stage.outside, [Action::Mouse(false)]);
}

#[test]
fn leaving_waits_for_what_was_said() {
    let mut stage = Stage::in_lobby(80, 8);
    stage.keys("good night<Enter>");
    let say = stage.sent().concat();
    stage.keys("/quit until tomorrow<Enter>");
    stage.shows("leaving when what was said has arrived");
    assert_eq!(stage.sent(), Vec::<String>::new());
    let id = say.trim_start_matches(r#"{"id":"#).split(',').next().expect("an id").to_owned();
    stage.hear(&format!(r#"{{"re":{id},"ok":{{"seq":1,"ts":"2026-01-31T12:00:13.000Z"}}}}"#));
    let sent = stage.sent().concat();
    assert!(sent.contains(r#""cmd":"quit","text":"until tomorrow""#), "{sent}");
    // In a hurry.
    let mut stage = Stage::in_lobby(80, 8);
    stage.keys("good night<Enter>/quit<Enter>");
    stage.sent();
    stage.keys("/quit<Enter>");
    assert!(stage.sent().concat().contains(r#""cmd":"quit""#));
}

#[test]
fn a_login_that_is_refused_later_asks_for_the_password() {
    let mut stage = Stage::in_lobby(100, 8);
    stage.lose();
    stage.now = Now { mono: Instant(12_000), wall: Timestamp(1_769_860_812_000) };
    stage.session.handle_timeout(stage.now);
    stage.session.connected(stage.now);
    stage.sent();
    stage.hear(r#"{"re":4,"ok":{"server":"sottod/0.1.0","version":1,"name":"x"}}"#);
    stage.hear(r#"{"re":5,"err":{"code":"name-registered","text":"this name has an account"}}"#);
    stage.shows("password of alice:");
    stage.shows("not logged in: name-registered");
    stage.keys("correct horse<Enter>");
    stage.session.connected(stage.now);
    let sent = stage.sent().concat();
    assert!(sent.contains(r#""cmd":"login","user":"alice","password":"correct horse""#), "{sent}");
    stage.hides("correct horse");
}
