//! The server dies in mid-talk, and comes back.

use crate::harness::process::Process;
use crate::harness::server::{Server, ready};
use crate::terminal::Terminal;

#[test]
fn the_server_is_killed_and_comes_back() {
    let server = Server::start();
    let address = server.address;
    let alice = Terminal::sotto(&server, "alice", (100, 20));
    alice.shows("1 here");
    let bob = Terminal::sotto(&server, "bob", (100, 20));
    alice.shows("2 here");
    alice.says("before");
    bob.shows("alice: before");

    let Server { home, mut process, .. } = server;
    process.kill();
    alice.shows("trying again in");
    // Meanwhile people go on talking.
    alice.says("said into the silence");
    alice.shows("…   alice: said into the silence");
    let mut process = Process::start(home.sottod().args(["--listen", &address.to_string()]));
    assert_eq!(ready(&mut process), address);

    let screen = alice.shows("connection lost, back after");
    assert_eq!(screen.matches("connection lost").count(), 1, "{screen}");
    bob.shows("alice: said into the silence");
    let screen = alice.hides("…");
    assert_eq!(screen.matches("said into the silence").count(), 1, "{screen}");
    bob.says("welcome back");
    alice.shows("bob: welcome back");
}
