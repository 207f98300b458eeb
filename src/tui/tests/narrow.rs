//! Small screens, resizing, and help.

use super::*;

#[test]
fn forty_columns_hold_messages_and_the_input() {
    let mut stage = Stage::in_lobby(40, 10);
    stage.said("lobby", "bob", 1, "good morning, alice, how was your day so far?");
    stage.private("dave", "psst");
    stage.check_screen(
        "hello, this is longer than one row of the screen",
        r#"
 #lobby: tea and talk
────── Saturday, 31 January 2026 ───────
13:01 bob: good morning, alice, how was
      your day so far?



 server-readable │ alice │2:#lobby [3!]
> hello, this is longer than one row of
the screen

"#,
    );
}

#[test]
fn resizing_breaks_rows_anew() {
    let mut stage = Stage::in_lobby(40, 10);
    stage.said("lobby", "bob", 1, "good morning, alice, how was your day so far?");
    stage.typed(Typed::Resize(80, 6));
    stage.check_screen(
        "",
        r#"
 1 server       │ #lobby: tea and talk
 2 #lobby       │─────────── Saturday, 31 January 2026 ─────────── │3 here
                │13:01 bob: good morning, alice, how was your day  │alice
                │      so far?                                     │+ 2
 server-readable │ alice │ connected │                                  F1 help
>
"#,
    );
    stage.check_screen(
        "<F2><F3>",
        r#"
 #lobby: tea and talk
────────────────────────── Saturday, 31 January 2026 ───────────────────────────
13:01          bob │ good morning, alice, how was your day so far?

 server-readable │ alice │ connected │                                 2:#lobby
>
"#,
    );
}

#[test]
fn help_lists_keys_and_commands_and_goes_away() {
    let mut stage = Stage::in_lobby(80, 12);
    stage.check_screen(
        "<F1>",
        r#"
Keys (up and down scroll this page, any other key closes it)
 Alt-1 ... Alt-9, Alt-0     look at a conversation by its number
 Alt-a                      the next one with something new; at the end, back
 Ctrl-n Ctrl-p, Alt-arrows  the next one, the one before
 PgUp PgDn, mouse wheel     scroll; older messages are loaded at the top
 Ctrl-Home Ctrl-End         to the oldest and to the newest message
 Alt-p Alt-n                to the message before or after that names you
 Ctrl-s                     search in this conversation; Enter goes on, Esc ends
 Ctrl-r                     search what you typed; Ctrl-r goes on, Enter takes
                            it
 server-readable │ alice │ connected │
>
"#,
    );
    stage.keys("<PgDn><PgDn><PgDn><PgDn><PgDn><PgDn><PgDn><PgDn>");
    stage.shows("/newidentity [yes]");
    stage.keys("<PgUp><PgUp><PgUp>");
    stage.shows("/quit [TEXT]");
    stage.keys("x");
    stage.shows("#lobby: tea and talk");
    assert_eq!(stage.model.editor.text(), "");
    stage.typed(Typed::Resize(40, 12));
    stage.check_screen(
        "/help<Enter>",
        r#"
Keys (up and down scroll this page, any
 Alt-1 ... Alt-9, Alt-0
    look at a conversation by its number
 Alt-a
    the next one with something new; at
    the end, back
 Ctrl-n Ctrl-p, Alt-arrows
    the next one, the one before
 PgUp PgDn, mouse wheel
    scroll; older messages are loaded at
 server-readable │ alice │     2:#lobby
>
"#,
    );
}

#[test]
fn no_size_is_too_small() {
    for (columns, rows) in [(1, 1), (2, 2), (3, 1), (10, 3), (300, 4), (5, 80)] {
        let mut stage = Stage::in_lobby(columns, rows);
        stage.said("lobby", "bob", 1, "漢字 and a longword");
        stage.keys("hello 漢字<Enter>typing<PgUp><F1>");
        stage.screen();
        stage.keys("<Esc><PgDn>more<A-Enter>lines<A-Enter>here");
        stage.screen();
    }
}
