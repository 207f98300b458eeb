//! The server dies in mid-talk, and comes back.

use crate::client::{NO_KEYS, Talker, sotto};
use crate::harness::PASSWORD;
use crate::harness::process::Process;
use crate::harness::server::{Server, ready};

#[test]
fn nothing_is_lost_or_doubled_when_the_server_is_killed_in_mid_talk() {
    let server = Server::with(&["limits.messages_per_second = 0"]);
    let address = server.address;
    let start = |name: &str| {
        server.json_account(name);
        let mut command = sotto(&server.home, address, name);
        command.args(["--accept-new", "--join", "lobby"]).env("SOTTO_PASSWORD", PASSWORD);
        Talker::start(&mut command)
    };
    let mut alice = start("alice");
    alice.shows("*** {logged in} {alice}");
    alice.shows(NO_KEYS);
    alice.shows("*** you are in #lobby");
    let mut bob = start("bob");
    bob.shows("*** {logged in} {bob}");
    bob.shows(NO_KEYS);
    bob.shows("*** you are in #lobby");
    alice.shows("*** bob {joined}");

    let lines: Vec<String> = (0..300).map(|number| format!("line {number}")).collect();
    alice.types(&(lines.join("\n") + "\n"));
    // In mid-talk: some lines have arrived, most have not.
    let (before, after) = lines.split_at(20);
    before.iter().for_each(|line| bob.shows(&format!("[HH:MM] #lobby <alice> {line}")));
    let Server { home, mut process, .. } = server;
    process.kill();
    let mut process = Process::start(home.sottod().args(["--listen", &address.to_string()]));
    assert_eq!(ready(&mut process), address);

    // Bob sees every line once and in order, and one line about the whole interruption.
    let mut back = 0;
    for expected in after {
        let wanted = format!("#lobby <alice> {expected}");
        loop {
            let line = bob.process.line().expect("bob is there");
            if line.ends_with(&wanted) {
                break;
            }
            let about_alice = line.starts_with("*** alice has ");
            let about_connection = line.starts_with("*** connection lost, back after ");
            back += usize::from(about_connection);
            assert!(about_alice || about_connection, "expected {wanted:?}, found {line:?}");
        }
    }
    assert!(back <= 1);
    let told = alice.ends();
    assert_eq!(told.status, Some(0), "{told:?}");
    assert_eq!(told.out.matches("*** connection lost, back after ").count(), 1, "{told:?}");
    bob.types("/history 1\n");
    let told = bob.ends();
    assert_eq!(told.status, Some(0), "{told:?}");
    assert_eq!(back + told.out.matches("*** connection lost, back after ").count(), 1, "{told:?}");
    assert!(told.out.contains("<alice> line 299"), "{told:?}");
}
