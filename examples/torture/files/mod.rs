//! kill -9 of who sends files, of who receives them, and of the server between them: each file arrives as
//! it was, once, has its name only when it is whole, and the server has no word of it.

mod content;
mod receiver;
mod sender;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Account;
use crate::daemon::{Daemon, Home};
use crate::files::receiver::Receiver;
use crate::files::sender::{NAMES, Sender};
use crate::random::Random;
use crate::{Outcome, Programs, Row};

pub use crate::files::content::{is_same, listed, make, search};

#[derive(Clone, clap::Args)]
pub struct Options {
    /// Kills of all three programs together
    #[arg(long, default_value_t = 100)]
    times: usize,
    /// The seed of an earlier run, to kill in the same order
    #[arg(long)]
    seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options { times: 100, seed: None }
    }
}

#[derive(Clone, Copy)]
enum Victim {
    Receiver,
    Sender,
    Server,
}

struct Run {
    home: Home,
    /// `None` while it is being killed.
    daemon: Option<Daemon>,
    address: SocketAddr,
    sender: Sender,
    receiver: Receiver,
    random: Random,
    out: PathBuf,
    inbox: PathBuf,
    /// The size that each half file had, at the server and at the receiver, and bytes by which all have grown
    /// at either.
    halves: BTreeMap<String, u64>,
    moved: [u64; 2],
    /// Files that have their name, each looked at when that was first seen; and those that were not whole.
    named: BTreeSet<String>,
    early: Vec<String>,
    /// Kills of each, and those with a file half sent, and half received.
    kills: [usize; 3],
    in_flight: [usize; 2],
    /// Where plain words were found, and bytes that were searched.
    open: Vec<String>,
    searched: u64,
}

pub fn run(programs: &Programs, options: &Options) -> Outcome<Vec<Row>> {
    let mut random = Random::new(options.seed);
    let seed = random.seed;
    let victims = random.victims([Victim::Receiver, Victim::Sender, Victim::Server], options.times);
    let outcome = Run::new(programs, random).and_then(|mut run| {
        let began = Instant::now();
        for victim in victims {
            // In the middle of its own work; the server has two.
            let way = match victim {
                Victim::Sender => UP,
                Victim::Receiver => DOWN,
                Victim::Server => run.random.below(2) as usize,
            };
            let wanted = run.moved[way] + run.random.between(1, MOVED_MAX);
            run.until(|run| run.moved[way] >= wanted, true)?;
            run.kill(victim)?;
        }
        run.until(Run::is_over, false)?;
        // The server is told what is not needed any more.
        let deadline = Instant::now() + STANDSTILL_MAX;
        while run.whole_at_server()? > 0 && Instant::now() < deadline {
            thread::sleep(POLL);
            run.step(false)?;
        }
        run.conclude(began.elapsed())
    });
    outcome.map_err(|error| format!("{error} (--seed {seed})").into())
}

impl Run {
    fn new(programs: &Programs, random: Random) -> Outcome<Run> {
        let home = Home::new(&programs.server, "true", &[])?;
        let daemon = home.start()?;
        let (dir, address) = (home.dir.path(), daemon.address);
        let [out, inbox] = ["out", "in"].map(|name| dir.join(name));
        fs::create_dir(&out)?;
        fs::create_dir(&inbox)?;
        let account = |name| Account::register(&programs.client, dir, name, address);
        let sender = Sender::new(account("alice")?, "bob", &out);
        let receiver = Receiver::new(account("bob")?, "alice", &inbox);
        Ok(Run {
            home,
            daemon: Some(daemon),
            address,
            sender,
            receiver,
            random,
            out,
            inbox,
            halves: BTreeMap::new(),
            moved: [0; 2],
            named: BTreeSet::new(),
            early: Vec::new(),
            kills: [0; 3],
            in_flight: [0; 2],
            open: Vec::new(),
            searched: 0,
        })
    }

    /// Lets them work until this is so; with `more`, there is always something to be sent.
    fn until(&mut self, wanted: impl Fn(&Run) -> bool, more: bool) -> Outcome<()> {
        let (mut moved, mut since) = (self.moved, Instant::now());
        while !wanted(self) {
            if self.moved != moved {
                (moved, since) = (self.moved, Instant::now());
            }
            if since.elapsed() > STANDSTILL_MAX {
                return Err(self.stands_still()?.into());
            }
            thread::sleep(POLL);
            self.step(more)?;
        }
        Ok(())
    }

    fn step(&mut self, more: bool) -> Outcome<()> {
        self.sender.go_on(self.address, &mut self.random, more)?;
        self.receiver.go_on(self.address)?;
        let at_server = self.at_server()?;
        let received = content::listed(&self.inbox)?;
        for (way, listed) in [(UP, &at_server), (DOWN, &received)] {
            for (name, bytes) in listed.iter().filter(|(name, _)| name.ends_with(HALF)) {
                let before = self.halves.entry(name.clone()).or_default();
                self.moved[way] += bytes.saturating_sub(*before);
                *before = (*before).max(*bytes);
            }
        }
        for (name, bytes) in received {
            if name.starts_with(DRAFT) {
                if bytes > 0 {
                    self.early.push(name);
                }
            } else if !name.ends_with(HALF) && self.named.insert(name.clone()) {
                let original = name.split_once(" (").map_or(&*name, |(original, _)| original);
                if !content::is_same(&self.inbox.join(&name), &self.out.join(original)) {
                    self.early.push(name);
                }
            }
        }
        Ok(())
    }

    fn kill(&mut self, victim: Victim) -> Outcome<()> {
        let half = |(name, _): &(String, u64)| name.ends_with(HALF);
        let in_flight = [self.at_server()?.iter().any(half), content::listed(&self.inbox)?.iter().any(half)];
        let deadline = Instant::now() + STANDSTILL_MAX;
        loop {
            let killed = match victim {
                Victim::Receiver => self.receiver.kill()?,
                Victim::Sender => {
                    let (server, inbox) = (self.home.data.join("files"), &self.inbox);
                    self.sender.kill(|sender| is_sure(sender, &server, inbox))?
                }
                Victim::Server => {
                    self.daemon.take().ok_or("no server")?.kill()?;
                    self.search()?;
                    self.daemon = Some(self.home.start_at(self.address)?);
                    true
                }
            };
            if killed {
                break;
            }
            if Instant::now() > deadline {
                return Err("a program does not stay long enough to be killed".into());
            }
            // It was just between two lives.
            self.step(true)?;
        }
        self.kills[victim as usize] += 1;
        (0..2).for_each(|way| self.in_flight[way] += usize::from(in_flight[way]));
        Ok(())
    }

    fn at_server(&self) -> Outcome<Vec<(String, u64)>> {
        content::listed(&self.home.data.join("files"))
    }

    fn whole_at_server(&self) -> Outcome<usize> {
        Ok(self.at_server()?.iter().filter(|(name, _)| !name.ends_with(HALF)).count())
    }

    /// Looks for plain words, and for names, in whatever the server keeps.
    fn search(&mut self) -> Outcome<()> {
        let (found, bytes) = content::search(&self.home.data, &[content::MARK, NAMES])?;
        self.open.extend(found);
        self.searched += bytes;
        Ok(())
    }

    /// What there is to see, and what the receiver has said in its last life.
    fn stands_still(&mut self) -> Outcome<String> {
        self.receiver.kill()?;
        let left: Vec<&str> = self.sender.left().map(|file| &*file.name).collect();
        let missing = self.sender.files.iter().filter(|file| !self.named.contains(&file.name));
        let missing: Vec<&str> = missing.map(|file| &*file.name).collect();
        Ok(format!(
            "nothing moves any more after {} kills; not sent {left:?}, not received {missing:?}, at the server \
             {:?}, at the receiver {:?}, which said {:?}; complaints {:?} and {:?}",
            self.kills.iter().sum::<usize>(),
            self.at_server()?,
            content::listed(&self.inbox)?,
            self.receiver.last_words,
            self.receiver.complaints,
            self.sender.complaints,
        ))
    }

    /// Everything was sent, and has arrived.
    fn is_over(&self) -> bool {
        let whole = |file: &sender::Sent| self.named.contains(&file.name);
        self.sender.is_done() && self.sender.files.iter().all(whole)
    }

    fn conclude(mut self, time: Duration) -> Outcome<Vec<Row>> {
        let kept = self.whole_at_server()?;
        let halves = self.at_server()?.len() - kept;
        self.receiver.kill()?;
        drop(self.daemon.take());
        self.search()?;
        // Where nothing is found, the search itself has to be seen to work.
        if content::search(&self.home.data, &["alice"])?.0.is_empty() {
            return Err("the search does not find what is there".into());
        }
        let names: Vec<&str> = self.sender.files.iter().map(|file| &*file.name).collect();
        let verdict = judge(&self.out, &self.inbox, &names)?;
        let bytes: u64 = self.sender.files.iter().map(|file| file.bytes).sum();
        let [receiver, sender, server] = self.kills;
        let [up, down] = self.in_flight;
        let complaints = [self.sender.complaints, self.receiver.complaints].concat();
        let what = format!(
            "kills: {sender} of the sender, {receiver} of the receiver, {server} of the server, in {:.0} s \
             (--seed {}); with a file half sent: {up}, half received: {down}; gone on by `sotto send`: {}, by \
             itself: {}",
            time.as_secs_f64(),
            self.random.seed,
            self.sender.again,
            self.sender.asked
        );
        let size = format!("{} files, {} MiB", names.len(), bytes >> 20);
        let row = |what: &str, found: &[String]| {
            let first = found.first().map_or(String::new(), |first| format!(": {first}"));
            Row::new("files", what, format!("{}{first}", found.len()), found.is_empty())
        };
        Ok(vec![
            Row::new("files", what, size, true),
            row("not there, or not as they were", &verdict.wrong),
            row("twice, or left as a half", &verdict.surplus),
            row("under their name before they were whole", &self.early),
            row(&format!("plain words in {} MiB that the server kept", self.searched >> 20), &self.open),
            Row::new(
                "files",
                format!(
                    "that everybody has, and the server still keeps (and {halves} halves that nobody knows)"
                ),
                kept,
                kept == 0,
            ),
            row("complaints of the programs", &complaints),
        ])
    }
}

/// What is wrong with what arrived.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    wrong: Vec<String>,
    /// What nobody sent, or has arrived before.
    surplus: Vec<String>,
}

fn judge(out: &Path, inbox: &Path, names: &[&str]) -> Outcome<Verdict> {
    let wrong = names.iter().filter(|name| !content::is_same(&out.join(name), &inbox.join(name)));
    let wrong = wrong.map(|name| name.to_string()).collect();
    let found = content::listed(inbox)?.into_iter().map(|(name, _)| name);
    let surplus = found.filter(|name| !names.contains(&&**name)).collect();
    Ok(Verdict { wrong, surplus })
}

/// Whether no file can be over of which the sender has not said so. A file that is over lies at the server
/// whole until it has its name at the receiver; so if there are only as many as are known to be, and
/// nothing has a name that should not, there is none.
fn is_sure(sender: &Sender, server: &Path, inbox: &Path) -> Outcome<bool> {
    let whole = content::listed(server)?.iter().filter(|(name, _)| !name.ends_with(HALF)).count();
    let named: BTreeSet<String> = content::listed(inbox)?.into_iter().map(|(name, _)| name).collect();
    let waiting = sender.files.iter().filter(|file| file.told && !named.contains(&file.name)).count();
    Ok(whole == waiting && !sender.left().any(|file| named.contains(&file.name)))
}

/// The two ways of a file.
const UP: usize = 0;
const DOWN: usize = 1;
/// How half a file ends, at the server and at the receiver.
pub const HALF: &str = ".part";
/// How the name begins under which a receiver makes a half, for a moment: nothing is written to it there.
const DRAFT: &str = ".sotto-";
/// Bytes that are moved from one kill to the next, at most.
const MOVED_MAX: u64 = 12 << 20;
const POLL: Duration = Duration::from_millis(2);
/// The longest that nothing may move: clients wait up to half a minute before they try again.
const STANDSTILL_MAX: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inbox: &[(&str, &str)], wrong: &[&str], surplus: &[&str]) {
        let home = tempfile::tempdir().unwrap();
        let [out, into] = ["out", "in"].map(|name| home.path().join(name));
        for (directory, files) in [(&out, &[("a", "one"), ("b", "two")][..]), (&into, inbox)] {
            fs::create_dir(directory).unwrap();
            files.iter().for_each(|(name, text)| fs::write(directory.join(name), text).unwrap());
        }
        let strings = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let expected = Verdict { wrong: strings(wrong), surplus: strings(surplus) };
        assert_eq!(judge(&out, &into, &["a", "b"]).unwrap(), expected);
    }

    #[test]
    fn what_arrives_wrong_is_found_out() {
        check(&[("a", "one"), ("b", "two")], &[], &[]);
        check(&[("a", "one")], &["b"], &[]);
        check(&[("a", "one"), ("b", "twp")], &["b"], &[]);
        check(&[("a", "one"), ("b", "two"), ("b (1)", "two")], &[], &["b (1)"]);
        check(&[("a", "one"), ("b.part", "two")], &["b"], &["b.part"]);
    }
}
