//! `sotto send` beside the screen: the screen sends.

use std::process::Command;

use crate::harness::process::run;
use crate::harness::server::Server;
use crate::terminal::Terminal;

#[test]
fn files_are_handed_over_to_the_screen() {
    let server = Server::start();
    let alice = Terminal::sotto(&server, "alice", (160, 20));
    alice.shows("1 here");
    let bob = Terminal::sotto(&server, "bob", (160, 20));
    bob.shows("2 here");
    bob.says("/devices");
    bob.shows("this one");
    alice.says("/query bob");
    alice.shows("encrypted │ alice");
    let file = server.home.write("report.pdf", "thirty pages");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sotto"));
    command.arg("--home").arg(server.home.path("sotto-alice"));
    command.args(["--host", "127.0.0.1", "--port", &server.address.port().to_string()]);
    let told = run(command.args(["--username", "alice", "send", "bob"]).arg(&file));
    assert_eq!(told.status, Some(0), "{told:?}");
    assert!(told.out.starts_with("sent report.pdf to bob: 12 bytes in "), "{told:?}");
    alice.shows("sending report.pdf to bob for sotto send; /cancel 1 ends it");
    alice.shows("sent report.pdf to bob: 12 bytes in ");
    bob.shows(" 3 alice ");
    bob.presses(&["M-a"]);
    bob.shows("offers report.pdf, 12 bytes: /accept 1");
}
