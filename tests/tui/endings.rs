//! However it ends, the terminal is as it was before.

use std::process::Command;

use sottovoce::tui::terminal::Screen;

use crate::harness::process::Process;
use crate::harness::server::{Server, ready};
use crate::terminal::{Terminal, command_line, sotto};

const SIZE: (u16, u16) = (100, 20);

#[test]
fn the_terminal_is_given_back_by_quit() {
    let server = Server::start();
    let alice = Terminal::sotto(&server, "alice", SIZE);
    alice.shows("1 here");
    assert_eq!(alice.modes(), "alternate 1, mouse 1, cursor 1");
    let mut scene = server.room_of("lobby", &["bob"]);
    alice.says("one last word");
    alice.says("/quit good night");
    alice.ends(0);
    scene.play("bob < [HH:MM] #lobby <alice> one last word\nbob < *** alice {quit} {good night}");
}

#[test]
fn the_terminal_is_lent_to_the_shell_and_drawn_anew() {
    let server = Server::start();
    server.home.add_user("alice");
    let mut shell = Command::new("sh");
    shell.arg("-i").env("PS1", "shell: ");
    let alice = Terminal::run(SIZE, &shell);
    alice.shows("shell:");
    alice.says(&command_line(&sotto(&server, "alice")));
    alice.shows("1 here");
    alice.types("half a sent");
    alice.presses(&["C-z"]);
    alice.shows("Stopped");
    assert_eq!(alice.modes(), "alternate 0, mouse 0, cursor 1");
    alice.says("fg");
    alice.shows("> half a sent");
    alice.shows("1 here");
    alice.presses(&["C-l"]);
    alice.types("ence");
    alice.shows("> half a sentence");
    alice.shows("1 here");
    alice.presses(&["C-c"]);
    alice.says("/quit");
    // What is typed before the shell asks for it stands in front of its prompt.
    alice.until("asks for a command", |screen| screen.trim_end().ends_with("shell:"));
    alice.says("exit 0");
    alice.ends(0);
}

#[test]
fn the_terminal_is_given_back_when_the_system_ends_the_program() {
    let server = Server::start();
    for (user, signal) in [("alice", "TERM"), ("bob", "HUP"), ("carol", "INT")] {
        let terminal = Terminal::sotto(&server, user, SIZE);
        terminal.shows("here");
        let process = terminal.process();
        let sent = Command::new("kill").args([&format!("-{signal}"), &process]).status();
        assert!(sent.expect("kill runs").success());
        terminal.ends(0);
    }
}

#[test]
fn the_terminal_is_given_back_when_the_server_is_not_the_one_that_was_trusted() {
    let server = Server::start();
    let address = server.address;
    let alice = Terminal::sotto(&server, "alice", SIZE);
    alice.shows("1 here");
    let Server { home, mut process, .. } = server;
    process.kill();
    for file in ["tls-cert.pem", "tls-key.pem"] {
        std::fs::remove_file(home.data().join(file)).expect("the server made it");
    }
    let mut process = Process::start(home.sottod().args(["--listen", &address.to_string()]));
    assert_eq!(ready(&mut process), address);
    let screen = alice.ends(1);
    assert!(screen.contains("fingerprint"), "{screen}");
}

#[test]
fn the_terminal_is_given_back_by_a_panic() {
    let this = std::env::current_exe().expect("this test");
    let mut command = Command::new(this);
    command.args(["--exact", "endings::panics_on_the_screen", "--nocapture"]);
    command.env(PANICS, "1").env("RUST_BACKTRACE", "0");
    let terminal = Terminal::run(SIZE, &command);
    // The status of a test that failed.
    let screen = terminal.ends(101);
    assert!(screen.contains("a bug, on purpose"), "{screen}");
}

/// Not a test by itself: the program for the one above.
#[test]
fn panics_on_the_screen() {
    if std::env::var_os(PANICS).is_none() {
        return;
    }
    let _screen = Screen::enter(true).expect("a terminal");
    panic!("a bug, on purpose");
}

const PANICS: &str = "SOTTO_TEST_PANICS";

#[test]
fn a_refused_login_says_so_without_a_screen() {
    let server = Server::start();
    server.home.add_user("alice");
    let mut command = sotto(&server, "alice");
    command.env("SOTTO_PASSWORD", "something else");
    let alice = Terminal::run(SIZE, &command);
    // It may be tried again, or not.
    alice.shows("password of alice:");
    alice.presses(&["Enter"]);
    alice.ends(3);
}
