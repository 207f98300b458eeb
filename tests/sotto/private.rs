//! Private messages between real clients over a real server: encrypted without anything to set up, and
//! said to be what they are.

use std::fs;
use std::path::Path;

use crate::client::{Talker, account, check, pipe, sotto};
use crate::harness::PASSWORD;
use crate::harness::server::Server;

/// A server with accounts of these names.
fn server(names: &[&str]) -> Server {
    let server = Server::start();
    names.iter().for_each(|name| server.home.add_user(name));
    server
}

/// A client of an account that has come in, and that others can write to.
fn talker(server: &Server, name: &str) -> Talker {
    let mut talker = Talker::start(&mut account(&server.home, server.address, name));
    talker.shows(&format!("*** {{logged in}} {{{name}}}"));
    talker.types("/devices\n");
    talker.until("*** the fingerprint of your account…");
    talker.shows("***     …");
    talker
}

/// Every file below a directory that has this text in it.
pub fn files_with(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else {
            let bytes = fs::read(&path).expect("a file");
            if bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn two_people_talk_encrypted_with_names_and_passwords_alone() {
    let mut server = server(&["alice", "bob"]);
    let mut bob = talker(&server, "bob");
    let mut alice = talker(&server, "alice");
    alice.types("/msg bob the eagle lands at noon\n");
    alice.shows("*** messages with bob are end-to-end encrypted …");
    alice.shows("[HH:MM] <you -> bob> the eagle lands at noon");
    bob.shows("*** messages with alice are end-to-end encrypted …");
    bob.shows("[HH:MM] <alice -> you> the eagle lands at noon");
    bob.types("/msg alice the eagle is a pigeon\n");
    bob.shows("[HH:MM] <you -> alice> the eagle is a pigeon");
    alice.shows("[HH:MM] <bob -> you> the eagle is a pigeon");
    assert_eq!(alice.ends().status, Some(0));

    // Said while she is away, it waits as sealed as it was sent; and what was said before is there.
    bob.types("/msg alice the eagle sleeps\n");
    bob.shows("[HH:MM] <you -> alice> the eagle sleeps");
    let mut alice = Talker::start(&mut account(&server.home, server.address, "alice"));
    alice.shows("*** {logged in} {alice}");
    alice.shows("[HH:MM] <bob -> you> the eagle sleeps");
    alice.types("/searchall EAGLE\n");
    alice.shows("*** private messages with EAGLE");
    alice.shows("[HH:MM] <you -> bob> the eagle lands at noon");
    alice.shows("[HH:MM] <bob -> you> the eagle is a pigeon");
    alice.shows("[HH:MM] <bob -> you> the eagle sleeps");
    alice.shows("*** end of search: 3 messages");
    alice.ends();
    bob.ends();

    // None of it lies open, neither at the server nor at home.
    let told = server.stop();
    for text in ["eagle", "pigeon"] {
        assert_eq!(files_with(&server.home.data(), text), [""; 0], "the server has it");
        assert!(!told.err.contains(text) && !told.out.contains(text), "the log has it: {told:?}");
        for home in ["sotto-alice", "sotto-bob"] {
            assert_eq!(files_with(&server.home.path(home), text), [""; 0], "{home} has it");
        }
    }
    assert!(!files_with(&server.home.data(), "alice").is_empty(), "the search itself works");
}

#[test]
fn a_partner_without_keys_is_said_to_be_one() {
    let server = server(&["alice", "bob"]);
    let mut alice = talker(&server, "alice");
    let mut bob = server.text();
    bob.send(&format!("/login bob {PASSWORD}"));
    bob.expect_until("*** {logged in} {bob}");
    alice.types("/msg bob are you there?\n");
    alice.shows("*** messages with bob are NOT encrypted…");
    alice.shows("[HH:MM] <you -> bob> are you there?");
    bob.expect_until("[HH:MM] <alice -> you> are you there?");
    bob.send("/msg alice by netcat");
    alice.shows("[HH:MM] <bob -> you> by netcat");
    alice.types("/verify bob\n");
    alice.shows("!!! no-identity: bob …");
    // Whoever begins is told as well.
    alice.ends();
    let mut alice = talker(&server, "alice");
    bob.send("/msg alice once more");
    alice.shows("*** messages with bob are NOT encrypted…");
    alice.shows("[HH:MM] <bob -> you> once more");
}

#[test]
fn without_a_passphrase_rooms_work_and_nothing_private_is_sent() {
    let server = server(&["alice", "bob"]);
    let mut bob = server.text();
    bob.send(&format!("/login bob {PASSWORD}"));
    bob.expect_until("*** {logged in} {bob}");
    let mut alice = sotto(&server.home, server.address, "alice");
    alice.env("SOTTO_PASSWORD", PASSWORD).args(["--accept-new", "--plain", "--join", "lobby"]);
    check(
        &pipe(&mut alice, "hello\n/msg bob a secret\n/plain bob no secret\n"),
        0,
        &[
            "*** {logged in} {alice}",
            "*** private messages are off in this run: …SOTTO_PASSPHRASE…--no-passphrase…",
            "*** you are in #lobby",
            "!!! private-off: private messages are off in this run: …SOTTO_PASSPHRASE…",
            "*** messages with bob are NOT encrypted…",
            "[HH:MM] <you -> bob> no secret",
        ],
    );
    assert_eq!(bob.expect_until("[HH:MM] <alice -> you> no secret"), [""; 0], "nothing else was sent");
    assert!(!server.home.path("sotto-alice/keys").exists());
}

#[test]
fn both_see_the_same_sixty_digits_and_programs_compare_them() {
    let server = server(&["alice", "bob", "eve"]);
    let mut alice = talker(&server, "alice");
    let mut bob = talker(&server, "bob");
    let mut eve = talker(&server, "eve");
    let shown = |talker: &mut Talker, user: &str| {
        talker.types(&format!("/verify {user}\n"));
        let (heading, _) = talker.until(&format!("*** the safety number of you and {user}, …"));
        let (_, digits) = talker.until("*** …sees the same sixty digits…");
        let (paste, _) = talker.until("***     sotto:1:…");
        let digits: String = digits.concat().chars().filter(char::is_ascii_digit).collect();
        talker.until("*** What comes back …");
        (heading, digits, paste.trim_start_matches(['*', ' ']).to_owned())
    };
    let (heading, hers, paste_of_alice) = shown(&mut alice, "bob");
    assert!(heading.contains("not compared yet"), "{heading}");
    let (_, his, paste_of_bob) = shown(&mut bob, "alice");
    assert_eq!((hers.len(), &hers), (60, &his));
    let (_, others, _) = shown(&mut eve, "alice");
    assert_ne!(hers, others);

    // The paste form of somebody else, the right one, and the digits.
    alice.types(&format!("/verify bob {paste_of_alice}\n"));
    alice.shows("!!! identity-changed: what you compared does NOT belong …");
    alice.types(&format!("/verify bob {paste_of_bob}\n"));
    alice.shows("*** the identity of bob is verified");
    assert!(shown(&mut alice, "bob").0.contains("verified"));
    bob.types(&format!("/verify alice {his}\n"));
    bob.shows("*** the identity of alice is verified");
    eve.types("/verify alice same\n");
    eve.shows("*** the identity of alice is verified");
    eve.types("/verify bob same\n");
    eve.until("!!! not-shown: …");
    alice.ends();

    // It lasts, and a script can tell.
    let run = |arguments: &[&str]| {
        let mut alice = account(&server.home, server.address, "alice");
        pipe(alice.args(arguments), "")
    };
    let told = run(&["verify", "bob"]);
    assert!(told.status == Some(0) && told.out.contains("verified"), "{told:?}");
    let out: String = told.out.chars().filter(char::is_ascii_digit).collect();
    assert!(out.contains(&hers), "{told:?}");
    assert_eq!(run(&["verify", "bob", &paste_of_bob]).status, Some(0));
    let told = run(&["verify", "bob", &paste_of_alice]);
    assert!(told.status == Some(1) && told.err.contains("NOT"), "{told:?}");
    assert_eq!(run(&["verify", "nobody"]).status, Some(1));
}

#[test]
fn a_changed_identity_is_shown_and_stops_sending() {
    let server = server(&["alice", "bob"]);
    let mut alice = talker(&server, "alice");
    let mut bob = talker(&server, "bob");
    alice.types("/msg bob one\n");
    alice.until("[HH:MM] <you -> bob> one");
    bob.until("[HH:MM] <alice -> you> one");
    bob.types("/newidentity\n");
    bob.until("*** {/newidentity yes}");
    bob.types("/newidentity yes\n");
    bob.until("*** {new identity}");
    bob.types("/msg alice it is me\n");
    bob.until("[HH:MM] <you -> alice> it is me");
    // What comes is shown behind a warning; nothing goes out.
    let (_, before) = alice.until("[HH:MM] <bob -> you> it is me");
    assert!(before.iter().any(|line| line.starts_with("!!! identity-changed: ")), "{before:#?}");
    alice.types("/msg bob is it?\n");
    alice.until("!!! identity-changed: …/trust …");
    let told = alice.ends();
    assert_eq!(told.status, Some(0), "{told:?}");
    let mut alice = talker(&server, "alice");
    alice.types("/msg bob still?\n");
    alice.until("!!! identity-changed: …");
    alice.types("/trust bob\n");
    alice.until("*** {bob} {accepted}");
    alice.types("/msg bob welcome back\n");
    alice.until("[HH:MM] <you -> bob> welcome back");
    let (_, before) = bob.until("[HH:MM] <alice -> you> welcome back");
    assert!(!before.iter().any(|line| line.contains("is it?") || line.contains("still?")), "{before:#?}");
}

/// Some number below this one; which, a failure tells by what it was used for.
fn some(below: usize) -> usize {
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), below);
    usize::try_from(random % below as u64).expect("it is below a usize")
}

#[test]
fn whoever_is_killed_in_mid_talk_every_message_is_opened_once() {
    let server = Server::with(&["limits.messages_per_second = 0", "limits.commands_per_second = 0"]);
    ["alice", "bob"].iter().for_each(|name| server.home.add_user(name));
    drop(pipe(account(&server.home, server.address, "bob").arg("devices"), ""));
    let start = |name: &str| Talker::start(&mut account(&server.home, server.address, name));
    // What alice was told is sent, in each round.
    let mut confirmed = Vec::new();
    for round in 0..ROUNDS {
        let (mut alice, mut bob) = (start("alice"), start("bob"));
        alice.until("*** {logged in}");
        let lines = (0..MESSAGES).map(|number| format!("/msg bob word {round} {number} end\n"));
        alice.types(&lines.collect::<String>());
        let killed_after = some(MESSAGES);
        for number in 0..killed_after {
            alice.until(&format!("[HH:MM] <you -> bob> word {round} {number} end"));
        }
        if some(2) == 0 {
            bob.process.kill();
        }
        alice.process.kill();
        let left =
            std::iter::from_fn(|| alice.process.line()).filter(|line| line.contains("<you -> bob> word"));
        confirmed.push(killed_after + left.count());
        bob.process.kill();
    }
    // What alice had accepted goes out now, and bob fetches what waits for him.
    let mut alice = start("alice");
    alice.types("/msg bob word at last\n");
    alice.until("[HH:MM] <you -> bob> word at last");
    let mut bob = start("bob");
    let (_, before) = bob.until("*** {logged in}");
    assert!(before.is_empty());
    let mut found = Vec::new();
    while found.iter().all(|line: &String| !line.contains("word at last")) {
        bob.types("/searchall word\n");
        bob.until("*** private messages with word");
        let (_, past) = bob.until("*** end of search: …");
        found = past.into_iter().filter(|line| line.contains("<alice -> you> word")).collect();
    }
    for (round, &confirmed) in confirmed.iter().enumerate() {
        let start = format!("<alice -> you> word {round} ");
        let numbers: Vec<usize> = found
            .iter()
            .filter_map(|line| line.split_once(&start)?.1.split(' ').next()?.parse().ok())
            .collect();
        // One more may have been accepted and not confirmed any more.
        let expected: Vec<usize> = (0..numbers.len()).collect();
        assert_eq!(numbers, expected, "round {round}: each once, and in order");
        let right = numbers.len() == confirmed || numbers.len() == confirmed + 1;
        assert!(right, "round {round}: {confirmed} confirmed, {} there: {found:#?}", numbers.len());
    }
}

/// Rounds of that, and messages in each: together as many as one search shows.
const ROUNDS: usize = 8;
const MESSAGES: usize = 10;
