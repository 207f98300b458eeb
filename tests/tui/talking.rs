//! Two people at their screens, and others with netcat.

use crate::harness::server::Server;
use crate::terminal::{Terminal, sotto};

const SIZE: (u16, u16) = (100, 20);

#[test]
fn two_people_talk_in_a_room_and_in_private() {
    let server = Server::start();
    let alice = Terminal::sotto(&server, "alice", SIZE);
    alice.shows("#lobby");
    alice.shows("1 here");
    let bob = Terminal::sotto(&server, "bob", SIZE);
    alice.shows("bob has joined #lobby");
    bob.shows("2 here");
    alice.says("good morning, everybody");
    bob.shows("alice: good morning, everybody");
    // Both have published their keys.
    for talker in [&alice, &bob] {
        talker.says("/devices");
        talker.shows("this one");
    }
    // Completion: the name, and its colon at the start of a line.
    bob.types("al");
    bob.presses(&["Tab"]);
    bob.shows("> alice:");
    bob.says("漢字 and 👍");
    alice.shows("bob: alice: 漢字 and 👍");
    alice.until("confirms the message", |screen| !screen.contains("on the way"));
    bob.says("/msg alice psst");
    alice.shows(" 3 bob ");
    alice.presses(&["M-a"]);
    alice.shows("bob │ psst");
    alice.until("says that it is encrypted", |screen| {
        screen.lines().any(|line| line.starts_with(" encrypted │ alice")) && !screen.contains("NOT encrypted")
    });
    alice.says("what is it?");
    bob.presses(&["M-3"]);
    bob.shows("alice │ what is it?");
    bob.says("/join tea");
    bob.shows("#tea");
    bob.says("/topic green or black?");
    bob.shows("#tea: green or black?");
    bob.presses(&["M-1"]);
    bob.hides("green or black?");
}

#[test]
fn what_was_said_can_be_scrolled_searched_and_is_broken_anew_for_another_size() {
    let server = Server::with(&["limits.messages_per_second = 0", "limits.commands_per_second = 0"]);
    let mut scene = server.room_of("lobby", &["bob"]);
    for number in 1..=300 {
        scene.person("bob").send(&format!("message number {number} of many"));
    }
    scene.settle();
    let alice = Terminal::sotto(&server, "alice", (80, 24));
    alice.shows("number 300 of");
    // Fifty came with the room; the others are loaded when the top is reached.
    alice.presses(&["C-Home"]);
    alice.shows("number 251 of");
    alice.until("shows older messages", |screen| {
        alice.presses(&["PPage"]);
        screen.contains("number 101 of")
    });
    let screen = alice.screen();
    let below = screen.lines().find_map(|line| line.split_once('↓')).expect("it is scrolled").1.to_owned();
    scene.person("bob").send("said while alice reads");
    // It counts below, and what is read stays where it is.
    alice.until("counts it", |screen| !screen.contains(&below));
    alice.hides("said while alice reads");
    alice.resizes(120, 40);
    alice.shows("bob │ message number");
    alice.resizes(40, 10);
    alice.shows("bob: message number");
    alice.resizes(80, 24);
    alice.presses(&["C-s"]);
    alice.types("number 277");
    alice.shows("number 277 of");
    alice.presses(&["Escape"]);
    alice.hides("(search)");
    alice.says("back at the end");
    alice.shows("said while alice reads");
    alice.shows("alice: back at the end");
}

#[test]
fn a_large_paste_is_a_question_and_help_is_a_key_away() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["bob"]);
    let alice = Terminal::sotto(&server, "alice", SIZE);
    alice.shows("2 here");
    scene.settle();
    alice.pastes("one\ntwo\nthree");
    alice.shows("> one");
    alice.shows("three");
    alice.presses(&["Enter"]);
    scene.play("bob < [HH:MM] #lobby <alice> one\nbob < [HH:MM] #lobby <alice> two\nbob < [HH:MM] #lobby <alice> three");
    alice.pastes("1\n2\n3\n4\n5\n6\n7");
    alice.shows("paste 7 lines? [y/n]");
    alice.presses(&["n"]);
    alice.shows("not pasted");
    alice.presses(&["F1"]);
    alice.shows("the next one with something new");
    alice.presses(&["Escape"]);
    alice.shows("alice: three");
}

#[test]
fn what_others_write_never_steers_the_terminal() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["bob"]);
    let alice = Terminal::sotto(&server, "alice", SIZE);
    alice.shows("2 here");
    scene.settle();
    scene.person("bob").send("before \u{1b}[2J\u{1b}[31m\u{202e}\u{9b}5mafter");
    let screen = alice.shows("before after");
    assert!(screen.contains("2 here"), "{screen}");
}

#[test]
fn colours_are_left_out_where_they_are_not_wanted() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["bob"]);
    scene.person("bob").send("hello alice");
    scene.settle();
    let alice = Terminal::sotto(&server, "alice", SIZE);
    alice.shows("bob: hello alice");
    assert!(has_colours(&alice.colours()), "{}", alice.colours());
    server.home.add_user("carol");
    let mut command = sotto(&server, "carol");
    command.env("NO_COLOR", "1");
    let carol = Terminal::run(SIZE, &command);
    carol.shows("bob: hello alice");
    assert!(!has_colours(&carol.colours()), "{}", carol.colours());
}

/// A foreground or background colour is set somewhere; 39 and 49 are the terminal's own.
fn has_colours(screen: &str) -> bool {
    let sequences = screen.split("\u{1b}[").skip(1).filter_map(|rest| rest.split_once('m'));
    sequences.flat_map(|(codes, _)| codes.split(';')).any(|code| {
        code.parse::<u32>().is_ok_and(|code| {
            (30..=38).contains(&code) || (40..=48).contains(&code) || (90..=107).contains(&code)
        })
    })
}
