//! Private messages on the screen: what protects them, what was said before, and what goes wrong.

use crate::harness::PASSWORD;
use crate::harness::process::Process;
use crate::harness::server::Server;
use crate::terminal::{Terminal, asking, sotto};

const SIZE: (u16, u16) = (100, 20);

#[test]
fn the_status_bar_and_the_lines_tell_how_a_conversation_is_protected() {
    let server = Server::start();
    let alice = Terminal::sotto(&server, "alice", SIZE);
    alice.shows("1 here");
    let bob = Terminal::sotto(&server, "bob", SIZE);
    bob.shows("2 here");
    bob.says("/devices");
    bob.shows("this one");
    // Known before the first word.
    alice.says("/query bob");
    shows_seal(&alice, "encrypted", "alice");
    alice.says("hello");
    alice.shows("alice │ hello");
    bob.shows(" 3 alice ");
    bob.presses(&["M-a"]);
    bob.shows("alice │ hello");
    alice.says("/verify");
    let screen = alice.shows("the safety number of you and bob, not compared yet");
    let digits: String = screen.lines().filter(|line| is_digits(line)).map(digits).collect();
    bob.says("/verify");
    let screen = bob.shows("the safety number of you and alice");
    assert_eq!(
        (digits.len(), screen.lines().filter(|line| is_digits(line)).map(self::digits).collect()),
        (60, digits)
    );
    alice.says("/verify same");
    alice.shows("the identity of bob is verified");
    shows_seal(&alice, "encrypted, verified", "alice");
    // Bob begins anew, and is not trusted before alice says so.
    bob.says("/newidentity yes");
    bob.presses(&["M-1"]);
    bob.shows("this account has a new identity");
    bob.says("/msg alice it is me");
    alice.shows("[KEYS CHANGED] it is me");
    shows_seal(&alice, "KEYS CHANGED", "alice");
    alice.says("is it you?");
    alice.shows("> is it you?");
    bob.presses(&["M-3"]);
    alice.presses(&["C-u"]);
    alice.says("/trust");
    shows_seal(&alice, "encrypted", "alice");
    alice.says("welcome back");
    bob.shows("alice │ welcome back");
    bob.hides("is it you?");
    // Nobody opens what is said to who has left.
    alice.hides("not delivered");
    bob.says("/quit");
    bob.ends(0);
    alice.says("are you gone?");
    alice.shows(" encrypted │ 1 not delivered yet │ alice");
}

#[test]
fn a_partner_without_keys_is_marked_in_every_line() {
    let server = Server::start();
    server.home.add_user("bob");
    let mut bob = server.text();
    bob.send(&format!("/login bob {PASSWORD}"));
    bob.expect_until("*** {logged in} {bob}");
    let alice = Terminal::sotto(&server, "alice", SIZE);
    alice.shows("1 here");
    alice.says("/query bob are you there?");
    alice.shows("messages with bob are NOT encrypted");
    alice.shows("alice │ [NOT encrypted] are you there?");
    shows_seal(&alice, "NOT encrypted", "alice");
    bob.send("/msg alice by netcat");
    alice.shows("bob │ [NOT encrypted] by netcat");
}

#[test]
fn what_was_said_is_there_again_and_found() {
    let server = Server::with(&["limits.messages_per_second = 0", "limits.commands_per_second = 0"]);
    ["alice", "bob"].iter().for_each(|name| server.home.add_user(name));
    let alice = Terminal::run(SIZE, &sotto(&server, "alice"));
    alice.shows("1 here");
    alice.says("/devices");
    alice.shows("this one");
    let bob = Terminal::run(SIZE, &sotto(&server, "bob"));
    bob.shows("2 here");
    bob.says("/query alice");
    shows_seal(&bob, "encrypted", "bob");
    bob.says("the first word of all");
    for ten in 0..13 {
        bob.pastes(&(0..5).map(|number| format!("line {ten} {number}\n")).collect::<String>());
        bob.presses(&["Enter"]);
        bob.pastes(&(5..9).map(|number| format!("line {ten} {number}\n")).collect::<String>());
        bob.presses(&["Enter"]);
    }
    alice.shows(" 3 bob ");
    alice.presses(&["M-a"]);
    alice.shows("bob │ line 12 8");
    alice.says("/quit");
    alice.ends(0);

    let alice = Terminal::run(SIZE, &sotto(&server, "alice"));
    alice.shows("#lobby");
    // The conversation is in the list, read; its newest messages are there at once.
    let screen = alice.shows(" bob ");
    assert!(!screen.contains('!'), "nothing is unread: {screen}");
    alice.until("shows the conversation", |screen| {
        alice.presses(&["M-2"]);
        screen.contains("bob │ line 12 8")
    });
    shows_seal(&alice, "encrypted", "alice");
    alice.until("goes back in what is kept", |screen| {
        alice.presses(&["PPage"]);
        screen.contains("bob │ line 1 3")
    });
    alice.presses(&["C-End"]);
    alice.shows("bob │ line 12 8");
    // Ctrl-s goes to the disk for what is older.
    alice.presses(&["C-s"]);
    alice.types("first word");
    alice.until("finds it", |screen| {
        alice.presses(&["Enter"]);
        screen.contains("bob │ the first word of all")
    });
    alice.presses(&["Escape"]);
    alice.hides("(search)");
    alice.says("/search word first");
    alice.shows("<bob -> alice> the first word of all");
    alice.says("/searchall first");
    alice.shows("1 found for: first");
}

#[test]
fn what_came_while_nobody_could_read_it_is_unread() {
    let server = Server::start();
    let alice = Terminal::sotto(&server, "alice", SIZE);
    alice.shows("1 here");
    let bob = Terminal::sotto(&server, "bob", SIZE);
    bob.shows("2 here");
    bob.says("/devices");
    bob.shows("this one");
    bob.says("/quit");
    bob.ends(0);
    alice.says("/query bob one");
    alice.says("two");
    alice.shows("2 not delivered yet");
    let mut receive = sotto(&server, "bob");
    let receiver = Process::start(receive.arg("receive").arg("--into").arg(server.home.path(".")));
    alice.hides("not delivered yet");
    drop(receiver);
    let bob = Terminal::run(SIZE, &sotto(&server, "bob"));
    bob.shows("2 here");
    let listed = |line: &str| line.starts_with(" 2 alice ") && line.contains(" 2!│");
    bob.until("tells of two that are unread", |screen| screen.lines().any(listed));
    bob.presses(&["M-a"]);
    bob.shows("alice │ two");
    bob.hides("2!");
}

#[test]
fn a_passphrase_is_chosen_and_then_asked_for() {
    let server = Server::start();
    server.home.add_user("alice");
    let alice = Terminal::run(SIZE, &asking(&server, "alice"));
    alice.shows("choose a passphrase for the keys of your private messages");
    alice.says("tea at four");
    alice.shows("once more:");
    alice.says("tea at five");
    alice.shows("these were not the same");
    alice.says("tea at four");
    alice.until("asks again", |screen| screen.matches("once more:").count() == 2);
    alice.says("tea at four");
    let screen = alice.shows("1 here");
    assert!(!screen.contains("tea at"), "what was typed was shown: {screen}");
    alice.says("/quit");
    alice.ends(0);

    let alice = Terminal::run(SIZE, &asking(&server, "alice"));
    alice.shows("passphrase of your private messages");
    alice.says("wrong");
    alice.shows("that is not it");
    alice.says("tea at four");
    alice.shows("1 here");
    alice.says("/devices");
    alice.shows("this one");
    alice.says("/quit");
    alice.ends(0);

    // Forgotten: the ways out are told, and rooms work.
    let alice = Terminal::run(SIZE, &asking(&server, "alice"));
    for number in 0..3 {
        alice.until("asks", |screen| screen.matches("passphrase of your").count() == number + 1);
        alice.says("wrong");
    }
    alice.shows("1 here");
    alice.says("/query bob");
    shows_seal(&alice, "private messages OFF", "alice");
    alice.says("psst");
    alice.shows("private-off: private messages are off in this run");
    // What could not be sent is not lost.
    alice.shows("> psst");
    alice.presses(&["C-u"]);
    alice.says("/quit");
    let screen = alice.ends(0);
    assert!(screen.contains("sotto recover") && screen.contains("sotto pair"), "{screen}");
}

/// What the status bar says of the conversation.
#[track_caller]
fn shows_seal(terminal: &Terminal, seal: &str, user: &str) {
    let bar = format!(" {seal} │ {user} ");
    terminal.until(&format!("says {seal:?}"), |screen| screen.lines().any(|line| line.starts_with(&bar)));
}

fn is_digits(line: &str) -> bool {
    let digits = digits(line);
    digits.len() == 20 && line.contains("--")
}

/// The digits of what was said, without the time.
fn digits(line: &str) -> String {
    let text =
        line.rsplit('│').find(|part| part.contains(' ') && part.trim().len() >= 20).unwrap_or_default();
    text.chars().filter(char::is_ascii_digit).collect()
}
