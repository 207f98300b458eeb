//! `/help`, and what happens to commands that are none.

use crate::harness::server::Server;

const COMMANDS: [&str; 31] = [
    "/help",
    "/nick",
    "/login",
    "/register",
    "/quit",
    "/join",
    "/leave",
    "/msg",
    "/me",
    "/list",
    "/who",
    "/whois",
    "/rooms",
    "/status",
    "/history",
    "/search",
    "/topic",
    "/invite",
    "/kick",
    "/ban",
    "/unban",
    "/op",
    "/deop",
    "/room",
    "/block",
    "/unblock",
    "/passwd",
    "public",
    "private",
    "key",
    "offline",
];

#[test]
fn help_lists_everything_before_and_after_the_name() {
    let server = Server::start();
    let mut scene = server.scene();
    for line in ["/help", "/nick alice", "/help"] {
        let lines = scene.ask("alice", line);
        assert!(lines.iter().all(|line| line.starts_with("*** ")), "{lines:#?}");
        for command in COMMANDS.iter().filter(|_| line == "/help") {
            assert!(lines.iter().any(|line| line.contains(command)), "{command} in {lines:#?}");
        }
    }
}

#[test]
fn help_tells_a_commands_usage() {
    let server = Server::start();
    let mut scene = server.scene();
    for command in COMMANDS.iter().filter(|word| word.starts_with('/')) {
        scene.shows("alice", &format!("/help {}", &command[1..]), command);
        scene.shows("alice", &format!("/help {command}"), command);
    }
    scene.play("alice > /help juggle\nalice < !!! …");
}

#[test]
fn an_unknown_command_is_one_error_and_the_connection_goes_on() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice", "bob"]);
    scene.play(
        "
        alice > /juggle
        alice < !!! unknown-command: …
        alice > /
        alice < !!! unknown-command: …
        alice > / nick bob
        alice < !!! unknown-command: …
        alice > still here
        bob < [HH:MM] #lobby <alice> still here
        ",
    );
}

#[test]
fn a_missing_argument_is_one_error() {
    let server = Server::start();
    let mut scene = server.room_of("lobby", &["alice"]);
    for command in
        ["/join", "/whois", "/invite", "/kick", "/ban", "/unban", "/op", "/deop", "/unblock", "/search"]
    {
        scene.play(&format!("alice > {command}\nalice < !!! missing-argument: …"));
    }
}
