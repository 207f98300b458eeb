//! Somebody who writes private messages, over all the lives of their `sotto`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::client::{Account, End, Sotto};

pub struct Person {
    pub account: Account,
    pub other: &'static str,
    life: Option<Sotto>,
    /// The next message's number.
    pub next: usize,
    /// The number behind the last that this life has shown as sent, or that was lost with the life before.
    done: usize,
    /// What was shown as sent, and as received, in all lives.
    pub sent: BTreeSet<usize>,
    pub received: BTreeSet<usize>,
    pub complaints: Vec<String>,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Else,
    Received(usize),
    Sent(usize),
    Wrong,
}

impl Person {
    pub fn new(account: Account, other: &'static str) -> Person {
        let (sent, received, complaints) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        Person { account, other, life: None, next: 0, done: 0, sent, received, complaints }
    }

    /// Looks at what was said, starts the program if it does not run, and types messages until so many are
    /// before it.
    pub fn go_on(&mut self, server: SocketAddr, ahead: usize) -> Outcome<()> {
        if let Some(mut life) = self.life.take() {
            self.heed(&life.heard());
            if life.is_running()? {
                self.life = Some(life);
            } else {
                let end = life.finish()?;
                let away = end.was_turned_away();
                let errors = end.errors.clone();
                self.hear_out(&end, false);
                if !away {
                    return Err(format!("{} ended: {errors}", self.account.name).into());
                }
            }
        }
        if self.life.is_none() {
            self.life = Some(Sotto::start(self.account.command(server).arg("--plain"))?);
            self.done = self.next;
        }
        let mut lines = String::new();
        while self.next < self.done + ahead {
            lines += &format!("/msg {} {}\n", self.other, text(&self.account.name, self.next));
            self.next += 1;
        }
        if let Some(life) = self.life.as_mut().filter(|_| !lines.is_empty()) {
            life.types(&lines);
        }
        Ok(())
    }

    /// Looks at its lines until this is so; not longer than it may take.
    pub fn until(&mut self, server: SocketAddr, wanted: impl Fn(&Person) -> bool) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(self) {
            if Instant::now() > deadline {
                let (name, next, done) = (&self.account.name, self.next, self.done);
                return Err(format!("{name} waits for messages: {next} typed, {done} done").into());
            }
            if let Some(line) = self.life.as_ref().and_then(|life| life.next_line(LOOK)) {
                self.heed(&[line]);
            } else {
                self.go_on(server, 0)?;
            }
        }
        Ok(())
    }

    /// Kills it, unless it has just ended by itself.
    pub fn kill(&mut self) -> Outcome<bool> {
        let Some(mut life) = self.life.take() else { return Ok(false) };
        if !life.is_running()? {
            self.life = Some(life);
            return Ok(false);
        }
        let end = life.kill()?;
        self.hear_out(&end, true);
        Ok(true)
    }

    /// Types nothing more, and waits for its end.
    pub fn leave(&mut self) -> Outcome<()> {
        let Some(life) = self.life.take() else { return Ok(()) };
        let end = life.finish()?;
        self.hear_out(&end, false);
        if end.well { Ok(()) } else { Err(format!("{} ended: {}", self.account.name, end.errors).into()) }
    }

    /// The messages of somebody in this one's history, in its order.
    pub fn history(&self, server: SocketAddr, author: &Person) -> Outcome<Vec<Shown>> {
        let mut sotto = Sotto::start(self.account.command(server).arg("--plain"))?;
        for part in 0..=author.next / PART {
            sotto.types(&format!("/searchall {} part{part:03}\n", author.account.name));
        }
        let End { well, lines, errors } = sotto.finish()?;
        if !well {
            return Err(format!("no history: {errors}").into());
        }
        let shown = lines.iter().map(|line| read(line));
        Ok(shown.filter(|shown| matches!(shown, Shown::Sent(_) | Shown::Received(_))).collect())
    }

    fn heed(&mut self, lines: &[String]) {
        for line in lines {
            match read(line) {
                Shown::Sent(number) => {
                    self.sent.insert(number);
                    self.done = self.done.max(number + 1);
                }
                Shown::Received(number) => drop(self.received.insert(number)),
                Shown::Wrong => self.complaints.push(format!("{} was told: {line}", self.account.name)),
                Shown::Else => {}
            }
        }
    }

    fn hear_out(&mut self, end: &End, killed: bool) {
        self.heed(&end.lines);
        self.complaints.extend(end.complaints(killed));
    }
}

fn text(name: &str, number: usize) -> String {
    format!("{name} says number {number:05} part{:03} {SECRET}", number / PART)
}

fn read(line: &str) -> Shown {
    let number = line.split_once(" number ").and_then(|(_, rest)| rest.get(..5)?.parse().ok());
    match number {
        Some(number) if line.contains(" <you -> ") && line.ends_with(SECRET) => Shown::Sent(number),
        Some(number) if line.contains(" -> you> ") && line.ends_with(SECRET) => Shown::Received(number),
        _ if line.starts_with("!!!") || line.contains("could not be opened") => Shown::Wrong,
        _ => Shown::Else,
    }
}

/// In every message.
pub const SECRET: &str = "nightingale";
/// Messages that are searched for together; a search shows a hundred at most.
const PART: usize = 50;
const LOOK: Duration = Duration::from_millis(50);
/// Clients wait up to half a minute before they try again.
const PATIENCE: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_is_shown_is_understood() {
        let text = text("alice", 120);
        assert_eq!(text, "alice says number 00120 part002 nightingale");
        assert_eq!(read(&format!("[10:20] <you -> bob> {text}")), Shown::Sent(120));
        assert_eq!(read(&format!("[10:20] <alice -> you> {text}")), Shown::Received(120));
        assert_eq!(read("!!! no-such-user: …"), Shown::Wrong);
        assert_eq!(read("*** a message of alice could not be opened"), Shown::Wrong);
        assert_eq!(read("[10:20] <alice -> you> alice says number 00120 part002 nightin"), Shown::Else);
        assert_eq!(read("*** you are logged in as alice"), Shown::Else);
    }
}
