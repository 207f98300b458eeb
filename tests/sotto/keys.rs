//! The keys of private messages on the disk and on several devices: passphrases, a second process, pairing,
//! recovery.

use std::process::Command;

use crate::client::{Talker, account, check, pipe, sotto};
use crate::harness::PASSWORD;
use crate::harness::process::Process;
use crate::harness::server::Server;

/// A client of this account on another device: with a home of its own.
pub fn elsewhere(server: &Server, name: &str, device: &str) -> Command {
    let mut command = account(&server.home, server.address, name);
    command.arg("--home").arg(server.home.path(device));
    command
}

/// A client that has come in, and that others can write to.
pub fn talker(command: &mut Command) -> Talker {
    let mut talker = Talker::start(command);
    talker.until("*** {logged in}");
    talker.types("/devices\n");
    talker.until("*** the fingerprint of your account…");
    talker.shows("***     …");
    talker
}

/// The same on a device that is new, and that gets the keys from one that has them.
pub fn paired(server: &Server, old: &mut Talker, name: &str, device: &str) -> Talker {
    let mut pair = Process::start(elsewhere(server, name, device).arg("pair"));
    let code = loop {
        let line = pair.line().expect("it shows a code");
        if let Some((_, code)) = line.split_once("/pair ") {
            break code.to_owned();
        }
    };
    old.types(&format!("/pair {code}\n"));
    let (sent, _) = old.until("*** the identity was sent…");
    let told = pair.finish();
    let digits = sent.split(": ").last().expect("digits follow");
    assert!(told.status == Some(0) && told.out.contains(digits), "{sent}, {told:?}");
    talker(&mut elsewhere(server, name, device))
}

#[test]
fn a_wrong_passphrase_opens_nothing_and_changes_nothing() {
    let server = Server::start();
    server.home.add_user("alice");
    let run = |passphrase: &str, input: &str| {
        let mut alice = sotto(&server.home, server.address, "alice");
        alice.env("SOTTO_PASSWORD", PASSWORD).env("SOTTO_PASSPHRASE", passphrase);
        pipe(alice.args(["--accept-new", "--plain"]), input)
    };
    let first = run("tea at four", "/recovery\n");
    assert!(first.status == Some(0) && first.out.contains("recovery key"), "{first:?}");
    let told = run("tea at five", "/recovery\n");
    assert!(told.status == Some(1) && told.err.contains("passphrase is wrong"), "{told:?}");
    assert!(!told.out.contains("recovery key") && !told.err.contains("tea at"), "{told:?}");
    assert_eq!(run("tea at four", "/recovery\n").out, first.out, "the same keys");

    // It is changed for who knows it, without a server.
    let change = |passphrase: &str, arguments: &[&str]| {
        let mut alice = sotto(&server.home, server.address, "alice");
        pipe(alice.env("SOTTO_PASSPHRASE", passphrase).args(arguments), "")
    };
    let file = server.home.write("next", "coffee at six\n");
    let file = file.to_str().expect("text");
    assert_eq!(change("tea at five", &["passphrase", "--new-file", file]).status, Some(1));
    assert_eq!(change("tea at four", &["passphrase", "--new-file", file]).status, Some(0));
    assert_eq!(run("tea at four", "").status, Some(1));
    assert_eq!(run("coffee at six", "/recovery\n").out, first.out, "the same keys");
    check(&change("coffee at six", &["passphrase", "--remove"]), 0, &["the keys lie unsealed …"]);
    assert_eq!(run("any", "/recovery\n").out, first.out, "the same keys");
}

#[test]
fn a_forgotten_passphrase_is_put_aside_with_its_keys() {
    let server = Server::start();
    server.home.add_user("alice");
    let alice = |passphrase: &str| {
        let mut alice = sotto(&server.home, server.address, "alice");
        alice.env("SOTTO_PASSWORD", PASSWORD).env("SOTTO_PASSPHRASE", passphrase).arg("--accept-new");
        alice
    };
    let recovery = pipe(alice("forgotten").arg("recovery"), "");
    assert_eq!(recovery.status, Some(0), "{recovery:?}");
    assert_eq!(pipe(alice("other").arg("recovery"), "").status, Some(1));
    let key: String = recovery.out.lines().filter(|line| line.starts_with("    ")).collect();
    let told = pipe(alice("other").args(["--put-aside", "recover"]), &format!("{key}\n"));
    assert!(told.status == Some(0) && told.err.contains("alice.old-"), "{told:?}");
    assert_eq!(pipe(alice("other").arg("recovery"), "").out, recovery.out);
}

#[test]
fn a_second_process_has_rooms_and_no_private_messages() {
    let server = Server::start();
    server.home.add_user("alice");
    let mut first = talker(&mut account(&server.home, server.address, "alice"));
    first.types("/join lobby\n");
    first.until("*** you are in #lobby");
    let mut second = account(&server.home, server.address, "alice");
    let told = pipe(second.args(["--plain", "--join", "lobby"]), "hello\n/msg alice psst\n");
    let process = format!("*** private messages are off in this run: …process {})…", first.process.id());
    check(
        &told,
        0,
        &["*** {logged in}", &process, "*** you are in #lobby", "!!! private-off: …in use by another sotto…"],
    );
    first.until("[HH:MM] #lobby <alice> hello");
    // When the first one ends, however it ends, the keys are free.
    first.process.kill();
    let mut third = account(&server.home, server.address, "alice");
    let told = pipe(third.args(["--plain"]), "/devices\n");
    assert!(told.status == Some(0) && !told.out.contains("off in this run"), "{told:?}");
}

#[test]
fn a_second_device_is_paired_and_both_receive() {
    let server = Server::start();
    ["alice", "bob"].iter().for_each(|name| server.home.add_user(name));
    let mut desk = talker(&mut account(&server.home, server.address, "alice"));
    let mut bob = talker(&mut account(&server.home, server.address, "bob"));
    bob.types("/msg alice before\n");
    bob.until("[HH:MM] <you -> alice> before");
    desk.until("[HH:MM] <bob -> you> before");

    // Unpaired it says what to do, and sends nothing.
    let told = pipe(elsewhere(&server, "alice", "phone").arg("--plain"), "/msg bob psst\n");
    assert!(told.out.contains("!!! not-paired: ") && told.out.contains("!!! private-off: "), "{told:?}");

    desk.types("/pair sotto-pair:nonsense\n");
    desk.until("!!! bad-argument: …");
    let mut phone = paired(&server, &mut desk, "alice", "phone");
    phone.types("/devices\n");
    phone.until("*** {this one}");
    bob.types("/msg alice to both\n");
    let (_, before) = bob.until("[HH:MM] <you -> alice> to both");
    assert!(before.iter().any(|line| line.contains("device")), "bob is told of the device: {before:#?}");
    desk.until("[HH:MM] <bob -> you> to both");
    phone.until("[HH:MM] <bob -> you> to both");
    // What one device says, the other one shows.
    phone.types("/msg bob from the phone\n");
    phone.until("[HH:MM] <you -> bob> from the phone");
    bob.until("[HH:MM] <alice -> you> from the phone");
    desk.until("[HH:MM] <you -> bob> from the phone");

    // It is revoked, and reads no more.
    desk.types("/devices\n");
    let (_, devices) = desk.until("*** {/revoke}");
    let number = devices.iter().filter(|line| !line.contains("this one")).find_map(|line| {
        let number = line.trim_start_matches(['*', ' ']).split(' ').next()?;
        number.parse::<u32>().ok()
    });
    desk.types(&format!("/revoke {}\n", number.expect("the phone is listed")));
    desk.until("*** {revoked}");
    // It is out at once, and does not come back by itself, although it has the password.
    let told = phone.ended();
    assert_eq!(told.status, Some(3), "{told:?}");
    assert!(told.err.contains("sotto: revoked: this device was revoked"), "{told:?}");
    bob.types("/msg alice to the desk alone\n");
    desk.until("[HH:MM] <bob -> you> to the desk alone");
    desk.types("/devices\n/list\n");
    let (_, devices) = desk.until("*** end of list: …");
    assert!(!devices.iter().any(|line| line.contains("phone")), "it has not enrolled again: {devices:#?}");
}

#[test]
fn the_recovery_key_stands_in_for_a_lost_device() {
    let server = Server::start();
    server.home.add_user("alice");
    let told = pipe(account(&server.home, server.address, "alice").arg("recovery"), "");
    assert_eq!(told.status, Some(0), "{told:?}");
    let key: String = told.out.lines().filter(|line| line.starts_with("    ")).collect();
    let other = server.home.path("sotto-alice");
    std::fs::remove_dir_all(other.join("keys")).expect("lost");
    let recover = |key: &str| {
        let mut alice = account(&server.home, server.address, "alice");
        pipe(alice.arg("recover"), &format!("{key}\n"))
    };
    let wrong = recover("csilt kkhr4");
    assert!(wrong.status == Some(1) && wrong.err.contains("letter"), "{wrong:?}");
    assert_eq!(recover("").status, Some(2));
    let right = recover(&key);
    assert!(right.status == Some(0) && right.out.contains("must show these digits"), "{right:?}");
    assert_eq!(pipe(account(&server.home, server.address, "alice").arg("recovery"), "").out, told.out);
    let again = recover(&key);
    assert!(again.status == Some(1) && again.err.contains("not-needed"), "{again:?}");
}

/// The file size limit of a process stands for a disk that is full; the signal that comes with it is ignored.
#[test]
fn a_full_disk_ends_private_messages_and_not_the_rooms() {
    let server = Server::with(&["limits.messages_per_second = 0", "limits.commands_per_second = 0"]);
    ["alice", "bob"].iter().for_each(|name| server.home.add_user(name));
    let mut bob = talker(account(&server.home, server.address, "bob").args(["--join", "lobby"]));
    drop(pipe(account(&server.home, server.address, "alice").arg("devices"), ""));
    let alice = account(&server.home, server.address, "alice");
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\""]).arg(alice.get_program());
    limited.args(alice.get_args()).args(["--join", "lobby"]);
    for (name, value) in alice.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let mut alice = talker(&mut limited);
    let words = "and so on ".repeat(500);
    let lines: String = (0..200).map(|number| format!("/msg bob number {number} {words}\n")).collect();
    alice.types(&lines);
    let (_, before) = alice.until("!!! storage-unavailable: private messages are off: …private.db: …");
    let sent = before.iter().filter(|line| line.contains("<you -> bob> number")).count();
    assert!(sent > 0, "some were sent before: {before:#?}");
    alice.until("!!! private-off: storage-unavailable: …");
    alice.types("/join lobby\nrooms work\n");
    let (_, before) = bob.until("[HH:MM] #lobby <alice> rooms work");
    let received: Vec<&String> =
        before.iter().filter(|line| line.contains("<alice -> you> number")).collect();
    // One more may have gone out whose answer nobody was there to hear.
    assert!((sent..=sent + 1).contains(&received.len()), "{sent} sent, {} received", received.len());
    for (number, line) in received.iter().enumerate() {
        assert!(line.contains(&format!("number {number} ")), "{number}: {line}");
    }
    let told = alice.ends();
    assert_eq!(told.status, Some(0), "{told:?}");

    // With space again, all is as it was.
    let mut alice = talker(&mut account(&server.home, server.address, "alice"));
    alice.types("/msg bob there is space\n");
    bob.until("[HH:MM] <alice -> you> there is space");
}

#[test]
fn a_backup_that_was_brought_back_is_noticed_and_mended() {
    let server = Server::start();
    ["alice", "bob"].iter().for_each(|name| server.home.add_user(name));
    let mut bob = talker(&mut account(&server.home, server.address, "bob"));
    let keys = server.home.path("sotto-alice/keys");
    let backup = server.home.path("backup");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        // What was there is gone, as with a disk that is written over.
        let _ = std::fs::remove_dir_all(to);
        let copied = Command::new("cp").arg("-r").args([from, to]).status().expect("cp runs");
        assert!(copied.success());
    };
    for number in 0..3 {
        let mut alice = talker(&mut account(&server.home, server.address, "alice"));
        alice.types(&format!("/msg bob number {number}\n"));
        bob.until(&format!("[HH:MM] <alice -> you> number {number}"));
        bob.types(&format!("/msg alice answer {number}\n"));
        alice.until(&format!("[HH:MM] <bob -> you> answer {number}"));
        assert_eq!(alice.ends().status, Some(0));
        if number == 0 {
            copy(&keys, &backup);
        }
    }
    copy(&backup, &keys);
    let mut alice = Talker::start(&mut account(&server.home, server.address, "alice"));
    alice.until("!!! restored: …");
    alice.types("/msg bob after the backup\n");
    alice.until("[HH:MM] <you -> bob> after the backup");
    bob.until("{of alice began a new session}");
    bob.until("[HH:MM] <alice -> you> after the backup");
    bob.types("/msg alice welcome back\n");
    alice.until("[HH:MM] <bob -> you> welcome back");
}
