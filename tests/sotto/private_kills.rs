//! kill -9 of the sender, the receiver and the server while private messages go both ways: what was shown
//! as sent arrives, once and in order, and lies open nowhere.

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::client::{Talker, pipe, sotto};
use crate::harness::PASSWORD;
use crate::harness::process::Told;
use crate::harness::server::Server;
use crate::private::files_with;
use crate::recorder::{Recorder, forms};

/// Kills of each of the three programs, if the environment does not say how many in all.
const KILLS_EACH: usize = 5;
/// Lines that a client has before it, so that a kill cuts something off.
const AHEAD: usize = 20;
/// Messages that are searched for together; a search shows a hundred at most.
const PART: usize = 50;
/// In every private message.
const SECRET: &str = "nightingale";
/// In a message to a room.
const KNOWN: &str = "kingfisher";

/// The same seed kills in the same order; how far each had come is the machine's choice.
struct Random {
    seed: u64,
    state: u64,
}

/// A number from the environment.
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|error| panic!("{variable}: {error}")))
}

impl Random {
    fn new() -> Random {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
        let seed = number("KILL_SEED").unwrap_or_else(now);
        Random { seed, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 16) as usize % bound
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("---- again with KILL_SEED={}", self.seed);
        }
    }
}

/// One of the two, over all of the lives of their `sotto`.
struct Person {
    name: &'static str,
    other: &'static str,
    talker: Option<Talker>,
    /// The next message's number.
    next: usize,
    /// The number after the last that this life has shown as sent, or that was lost with the life before.
    done: usize,
    /// What was shown as sent, and as received, in all lives.
    sent: BTreeSet<usize>,
    received: BTreeSet<usize>,
    /// Everything else that was shown, and what went to stderr.
    said: Vec<String>,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Sent(usize),
    Received(usize),
    Else,
}

fn read(line: &str) -> Shown {
    let number = line.split_once(" number ").and_then(|(_, rest)| rest.get(..4)?.parse().ok());
    match number {
        Some(number) if line.contains(" <you -> ") && line.ends_with(SECRET) => Shown::Sent(number),
        Some(number) if line.contains(" -> you> ") && line.ends_with(SECRET) => Shown::Received(number),
        _ => Shown::Else,
    }
}

impl Person {
    fn new(name: &'static str, other: &'static str) -> Person {
        let (sent, received, said) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        Person { name, other, talker: None, next: 0, done: 0, sent, received, said }
    }

    fn command(&self, server: &Server, recorder: &Recorder) -> Command {
        let mut command = sotto(&server.home, recorder.address, self.name);
        command.env("SOTTO_PASSWORD", PASSWORD).env("SOTTO_PASSPHRASE", "tea at four");
        command.args(["--accept-new", "--insecure-plaintext"]);
        command
    }

    fn start(&mut self, server: &Server, recorder: &Recorder) {
        self.talker = Some(Talker::start(&mut self.command(server, recorder)));
        self.done = self.next;
    }

    fn talker(&mut self) -> &mut Talker {
        self.talker.as_mut().expect("it runs")
    }

    /// Types messages until so many are before it.
    fn top_up(&mut self, ahead: usize) {
        while self.next < self.done + ahead {
            let (name, other, number) = (self.name, self.other, self.next);
            let part = number / PART;
            self.next += 1;
            let line = format!("/msg {other} {name} says number {number:04} part{part:02} {SECRET}\n");
            // It may have been turned away, which is seen where its lines are looked at.
            let _ = self.talker().try_types(&line);
        }
    }

    fn note(&mut self, line: &str) -> Shown {
        let shown = read(line);
        match shown {
            Shown::Sent(number) => {
                self.sent.insert(number);
                self.done = self.done.max(number + 1);
            }
            Shown::Received(number) => {
                self.received.insert(number);
            }
            Shown::Else => self.said.push(line.to_owned()),
        }
        shown
    }

    /// Looks at its lines until one is what is waited for; `None`: it ended before that.
    fn sees(&mut self, mut wanted: impl FnMut(Shown) -> bool) -> Option<()> {
        loop {
            let line = self.talker().process.line()?;
            if wanted(self.note(&line)) {
                return Some(());
            }
        }
    }

    /// It has ended by itself: because the server was killed while it came in for the first time, when it
    /// does not try again.
    fn was_turned_away(&mut self) {
        let before = self.said.len();
        self.kill();
        let said = &self.said[before..];
        let why = ["the server closed the connection", "connection refused", "connection reset"];
        let away = said.iter().any(|line| why.iter().any(|why| line.contains(why)));
        assert!(away, "{} ended: {:#?}", self.name, self.said);
    }

    fn kill(&mut self) {
        let mut talker = self.talker.take().expect("it runs");
        talker.process.kill();
        let told = talker.process.finish();
        self.hear_out(&told);
    }

    fn hear_out(&mut self, told: &Told) {
        told.out.lines().for_each(|line| {
            self.note(line);
        });
        self.said.extend(told.err.lines().map(str::to_owned));
    }

    /// The messages of somebody in this person's history, as it is after all of that.
    fn history(&self, server: &Server, recorder: &Recorder, author: &Person) -> Vec<Shown> {
        let parts = 0..=author.next / PART;
        let input: String = parts.map(|part| format!("/searchall {} part{part:02}\n", author.name)).collect();
        let told = pipe(self.command(server, recorder).arg("--plain"), &input);
        assert_eq!(told.status, Some(0), "{told:?}");
        told.out.lines().map(read).filter(|shown| *shown != Shown::Else).collect()
    }
}

#[test]
fn what_was_sent_arrives_once_whoever_is_killed_and_lies_open_nowhere() {
    let mut random = Random::new();
    let mut server = Server::with(&["limits.messages_per_second = 0", "limits.commands_per_second = 0"]);
    let recorder = Recorder::before(server.address);
    let mut log = String::new();
    let mut people = [Person::new("alice", "bob"), Person::new("bob", "alice")];
    for person in &mut people {
        server.home.add_user(person.name);
        person.start(&server, &recorder);
        person.talker().until("*** {logged in}");
        person.talker().types("/devices\n");
        person.talker().until("*** the fingerprint of your account…");
    }

    let kills = number("KILLS").map_or(3 * KILLS_EACH, |kills| kills as usize);
    let mut victims: Vec<usize> = (0..kills).map(|number| number % 3).collect();
    for last in (1..victims.len()).rev() {
        victims.swap(last, random.below(last + 1));
    }
    for victim in victims {
        people.iter_mut().for_each(|person| person.top_up(AHEAD));
        // In mid-talk, also before the first word; then a moment that nobody chooses.
        let mut lines = random.below(4) * random.below(4);
        if lines > 0 {
            let person = &mut people[random.below(2)];
            let counted = |shown| {
                lines -= usize::from(matches!(shown, Shown::Sent(_)));
                lines == 0
            };
            if person.sees(counted).is_none() {
                person.was_turned_away();
                person.start(&server, &recorder);
            }
        }
        (0..random.below(2000)).for_each(|_| thread::yield_now());
        if let Some(person) = people.get_mut(victim) {
            person.kill();
            person.start(&server, &recorder);
        } else {
            server.process.kill();
            log.push_str(&server.process.finish().err);
            server = server.restart();
            recorder.leads_to(server.address);
        }
    }

    // In peace, all that is before them is said, and heard.
    for person in &mut people {
        person.kill();
        person.start(&server, &recorder);
    }
    let [alice, bob] = &mut people;
    for person in [&mut *alice, &mut *bob] {
        person.top_up(AHEAD);
        let last = person.next - 1;
        person.sees(|shown| shown == Shown::Sent(last)).expect("it runs to the end of its input");
    }
    let (last_of_alice, last_of_bob) = (alice.next - 1, bob.next - 1);
    for (person, last) in [(&mut *alice, last_of_bob), (&mut *bob, last_of_alice)] {
        if !person.received.contains(&last) {
            person.sees(|shown| shown == Shown::Received(last)).expect("it runs to the end of its input");
        }
    }
    alice.talker().types(&format!("/join lobby\n{KNOWN} in the lobby\n"));
    for person in &mut people {
        let told = person.talker.take().expect("it runs").ends();
        assert_eq!(told.status, Some(0), "{told:?}");
        person.hear_out(&told);
    }

    for (author, reader) in [(&people[0], &people[1]), (&people[1], &people[0])] {
        let numbers = |of: &Person, kind: fn(usize) -> Shown| {
            let shown = of.history(&server, &recorder, author);
            let numbers = shown.iter().map(|shown| match shown {
                Shown::Sent(number) | Shown::Received(number) if kind(*number) == *shown => *number,
                other => panic!("{} has {other:?} of {}", of.name, author.name),
            });
            numbers.collect::<Vec<_>>()
        };
        let sent = numbers(author, Shown::Sent);
        let received = numbers(reader, Shown::Received);
        let names = format!("{} to {}", author.name, reader.name);
        assert_eq!(sent, received, "{names}: what one has sent, the other has");
        assert!(sent.is_sorted_by(|one, next| one < next), "{names}: once, and in order: {sent:?}");
        let kept: BTreeSet<usize> = sent.into_iter().collect();
        let unseen: Vec<&usize> = kept.difference(&reader.received).collect();
        assert!(unseen.is_empty(), "{names}: kept, and shown in no life: {unseen:?}");
        let lost: Vec<&usize> = author.sent.difference(&kept).collect();
        assert!(lost.is_empty(), "{names}: shown as sent, and not kept: {lost:?}");
        let unknown: Vec<&usize> = reader.received.difference(&kept).collect();
        assert!(unknown.is_empty(), "{names}: shown as received, and not kept: {unknown:?}");
        assert!(kept.len() >= AHEAD, "{names}: {} messages are no talk", kept.len());
        let complaint = |line: &&String| line.starts_with("!!!") || line.contains("could not be opened");
        let complaints: Vec<&String> = author.said.iter().filter(complaint).collect();
        assert!(complaints.is_empty(), "{} was told: {complaints:#?}", author.name);
    }

    log.push_str(&server.stop().err);
    for form in forms(SECRET) {
        assert_eq!(files_with(&server.home.data(), &form), [""; 0], "the server has it: {form}");
        assert!(!log.contains(&form), "the server's log has it: {form}");
        assert_eq!(recorder.count(&form), 0, "it was said openly: {form}");
        for person in &people {
            let home = server.home.path(&format!("sotto-{}", person.name));
            assert_eq!(files_with(&home, &form), [""; 0], "{} keeps it openly: {form}", person.name);
            assert!(!files_with(&home, "SVK1").is_empty(), "the search itself works");
            assert!(!person.said.iter().any(|line| line.contains(&form)), "{:#?}", person.said);
        }
    }
    assert!(recorder.count(KNOWN) > 0 && !files_with(&server.home.data(), KNOWN).is_empty());
    assert!(!log.is_empty(), "the log was kept");
}
