//! kill -9 of two who write each other encrypted messages, and of the server between them: what one has sent
//! the other has, once and in order, and the server has no word of it.

mod person;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Account;
use crate::daemon::{Daemon, Home};
use crate::files::search;
use crate::private::person::{Person, SECRET, Shown};
use crate::random::Random;
use crate::{Outcome, Programs, Row};

#[derive(Clone, clap::Args)]
pub struct Options {
    /// Kills of all three programs together
    #[arg(long, default_value_t = 200)]
    times: usize,
    /// The seed of an earlier run, to kill in the same order
    #[arg(long)]
    seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options { times: 200, seed: None }
    }
}

#[derive(Clone, Copy)]
enum Victim {
    Alice,
    Bob,
    Server,
}

struct Run {
    home: Home,
    /// `None` while it is being killed.
    daemon: Option<Daemon>,
    address: SocketAddr,
    people: [Person; 2],
    random: Random,
    kills: [usize; 3],
    /// Where plain words were found.
    open: Vec<String>,
}

pub fn run(programs: &Programs, options: &Options) -> Outcome<Vec<Row>> {
    let mut random = Random::new(options.seed);
    let seed = random.seed;
    let victims = random.victims([Victim::Alice, Victim::Bob, Victim::Server], options.times);
    let outcome = Run::new(programs, random).and_then(|mut run| {
        let began = Instant::now();
        for victim in victims {
            run.talk()?;
            run.kill(victim)?;
        }
        run.end_in_peace()?;
        run.conclude(began.elapsed())
    });
    outcome.map_err(|error| format!("{error} (--seed {seed})").into())
}

impl Run {
    fn new(programs: &Programs, random: Random) -> Outcome<Run> {
        let keys = ["limits.messages_per_second = 0", "limits.commands_per_second = 0"];
        let home = Home::new(&programs.server, "true", &keys)?;
        let daemon = home.start()?;
        let address = daemon.address;
        let account = |name| Account::register(&programs.client, home.dir.path(), name, address);
        let people = [Person::new(account("alice")?, "bob"), Person::new(account("bob")?, "alice")];
        let (kills, open) = ([0; 3], Vec::new());
        Ok(Run { home, daemon: Some(daemon), address, people, random, kills, open })
    }

    /// Both talk for a while: until one of them has said some messages, and a moment that nobody chooses.
    fn talk(&mut self) -> Outcome<()> {
        for person in &mut self.people {
            person.go_on(self.address, AHEAD)?;
        }
        let wanted = (self.random.below(4) * self.random.below(4)) as usize;
        let person = &mut self.people[self.random.below(2) as usize];
        let wanted = person.sent.len() + wanted;
        person.until(self.address, |person| person.sent.len() >= wanted)?;
        thread::sleep(Duration::from_micros(self.random.below(MOMENT_MICROS)));
        Ok(())
    }

    fn kill(&mut self, victim: Victim) -> Outcome<()> {
        match victim {
            Victim::Alice | Victim::Bob => {
                let person = &mut self.people[victim as usize];
                while !person.kill()? {
                    person.go_on(self.address, AHEAD)?;
                }
                person.go_on(self.address, AHEAD)?;
            }
            Victim::Server => {
                self.daemon.take().ok_or("no server")?.kill()?;
                self.search()?;
                self.daemon = Some(self.home.start_at(self.address)?);
            }
        }
        self.kills[victim as usize] += 1;
        Ok(())
    }

    /// Nobody is killed any more: what is typed now is said, and heard, and all before it.
    fn end_in_peace(&mut self) -> Outcome<()> {
        for person in &mut self.people {
            person.kill()?;
            person.go_on(self.address, AHEAD)?;
        }
        let last = [self.people[0].next - 1, self.people[1].next - 1];
        for (me, person) in self.people.iter_mut().enumerate() {
            person.until(self.address, |person| person.sent.contains(&last[me]))?;
            person.until(self.address, |person| person.received.contains(&last[1 - me]))?;
        }
        self.people.iter_mut().try_for_each(Person::leave)
    }

    fn search(&mut self) -> Outcome<()> {
        self.open.extend(search(&self.home.data, &[SECRET])?.0);
        Ok(())
    }

    fn conclude(mut self, time: Duration) -> Outcome<Vec<Row>> {
        let [alice, bob] = &self.people;
        let (mut messages, mut faults) = (0, Faults::default());
        for (author, reader) in [(alice, bob), (bob, alice)] {
            let sent = author.history(self.address, author)?;
            let received = reader.history(self.address, author)?;
            messages += sent.len();
            faults.compare(&author.sent, &reader.received, &sent, &received);
        }
        let complaints = [&alice.complaints[..], &bob.complaints[..]].concat();
        drop(self.daemon.take());
        self.search()?;
        let [alice, bob, server] = self.kills;
        let what = format!(
            "kills: {alice} and {bob} of the clients, {server} of the server, in {:.0} s (--seed {})",
            time.as_secs_f64(),
            self.random.seed
        );
        let row = |what: &str, found: usize| Row::new("private", what, found, found == 0);
        let first = complaints.first().map_or(String::new(), |first| format!(": {first}"));
        Ok(vec![
            Row::new("private", what, format!("{messages} messages"), messages > 0),
            row("sent, and not received once and in order", faults.differences),
            row("shown to somebody, and not kept", faults.unkept),
            row("of the server's files, with plain words in them", self.open.len()),
            row(&format!("complaints of the programs{first}"), complaints.len()),
        ])
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Faults {
    differences: usize,
    unkept: usize,
}

impl Faults {
    /// Compares what one has sent with what the other has received, and with what both were shown.
    fn compare(
        &mut self,
        shown: &BTreeSet<usize>,
        heard: &BTreeSet<usize>,
        sent: &[Shown],
        received: &[Shown],
    ) {
        let number = |shown: &Shown| match shown {
            Shown::Sent(number) | Shown::Received(number) => Some(*number),
            Shown::Else | Shown::Wrong => None,
        };
        let [sent, received] =
            [sent, received].map(|shown| shown.iter().filter_map(number).collect::<Vec<_>>());
        let places = sent.len().max(received.len());
        self.differences += (0..places).filter(|&place| sent.get(place) != received.get(place)).count();
        self.differences += sent.windows(2).filter(|pair| pair[0] >= pair[1]).count();
        let kept: BTreeSet<usize> = sent.into_iter().collect();
        self.unkept += shown.difference(&kept).count() + heard.difference(&kept).count();
    }
}

/// Lines that a client has before it, so that a kill cuts something off.
const AHEAD: usize = 20;
/// How long nobody knows what happens before a kill, at most.
const MOMENT_MICROS: u64 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(shown: &[usize], heard: &[usize], sent: &[usize], received: &[usize]) -> (usize, usize) {
        let set = |numbers: &[usize]| numbers.iter().copied().collect::<BTreeSet<_>>();
        let sent: Vec<Shown> = sent.iter().copied().map(Shown::Sent).collect();
        let received: Vec<Shown> = received.iter().copied().map(Shown::Received).collect();
        let mut faults = Faults::default();
        faults.compare(&set(shown), &set(heard), &sent, &received);
        (faults.differences, faults.unkept)
    }

    #[test]
    fn what_is_lost_doubled_or_out_of_order_is_found_out() {
        assert_eq!(faults(&[1, 2], &[1], &[1, 2, 4], &[1, 2, 4]), (0, 0));
        assert_eq!(faults(&[], &[], &[1, 2], &[1]), (1, 0), "lost");
        assert_eq!(faults(&[], &[], &[1, 2], &[1, 2, 2]), (1, 0), "doubled");
        assert_eq!(faults(&[], &[], &[1, 2], &[2, 1]), (2, 0), "out of order");
        assert_eq!(faults(&[], &[], &[2, 1], &[2, 1]), (1, 0), "sent out of order");
        assert_eq!(faults(&[1, 2], &[], &[1], &[1]), (0, 1), "shown as sent, and gone");
        assert_eq!(faults(&[1], &[3], &[1], &[1]), (0, 1), "heard, and gone");
    }
}
