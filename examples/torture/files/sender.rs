//! Who sends: `sotto send`, again and again, with the files of which it has not said that they are sent.
//!
//! Sending a file again that is over already would send it twice, and a process that is killed may have
//! told the other of a file without having said so. So after a kill, where what lies at the server cannot
//! rule that out, an interactive `sotto` is asked which files are on their way and which were told of; it
//! goes on with the former by itself.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::client::{Account, End, Sotto};
use crate::files::content;
use crate::random::Random;

pub struct Sender {
    account: Account,
    to: &'static str,
    out: PathBuf,
    pub files: Vec<Sent>,
    life: Option<Life>,
    /// What has to be found out before anything is sent again.
    unsure: bool,
    /// Lives of both kinds that went on with something.
    pub again: usize,
    pub asked: usize,
    pub complaints: Vec<String>,
}

/// A file, whether it was begun to be sent, and whether the other was told of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Sent {
    pub name: String,
    pub bytes: u64,
    pub begun: bool,
    pub told: bool,
}

struct Life {
    sotto: Sotto,
    /// There in an interactive life.
    answers: Option<Answers>,
}

/// What an interactive `sotto` says when it is asked.
#[derive(Debug, Default)]
struct Answers {
    going: BTreeSet<String>,
    searches: usize,
    wanted: usize,
}

impl Sender {
    pub fn new(account: Account, to: &'static str, out: &Path) -> Sender {
        Sender {
            account,
            to,
            out: out.to_path_buf(),
            files: Vec::new(),
            life: None,
            unsure: false,
            again: 0,
            asked: 0,
            complaints: Vec::new(),
        }
    }

    /// Looks at what it said, and starts it if it does not run and there is something to be sent; with
    /// `more`, there always is.
    pub fn go_on(&mut self, server: SocketAddr, random: &mut Random, more: bool) -> Outcome<()> {
        if let Some(mut life) = self.life.take() {
            let heard = life.sotto.heard();
            self.heed(&mut life, heard);
            if life.sotto.is_running()? {
                self.life = Some(life);
                return Ok(());
            }
            self.ended(life)?;
        }
        while more && !self.unsure && self.left().count() < AT_ONCE {
            self.make(random)?;
        }
        let left: Vec<String> = self.left().map(|file| file.name.clone()).collect();
        if left.is_empty() {
            return Ok(());
        }
        let mut command = self.account.command(server);
        if self.unsure {
            let mut sotto = Sotto::start(command.arg("--plain"))?;
            sotto.types("/files\n");
            left.iter().for_each(|name| sotto.types(&format!("/searchall {name}\n")));
            self.asked += 1;
            let answers = Answers { wanted: left.len(), ..Answers::default() };
            self.life = Some(Life { sotto, answers: Some(answers) });
        } else {
            command.arg("send").arg(self.to).args(left.iter().map(|name| self.out.join(name)));
            let goes_on = self.left().any(|file| file.begun);
            self.again += usize::from(goes_on);
            self.files.iter_mut().filter(|file| !file.told).for_each(|file| file.begun = true);
            self.life = Some(Life { sotto: Sotto::start(&mut command)?, answers: None });
        }
        Ok(())
    }

    /// Kills it, unless it does not run. `is_sure`: whether no file is over of which it has not said so.
    pub fn kill(&mut self, is_sure: impl FnOnce(&Sender) -> Outcome<bool>) -> Outcome<bool> {
        let Some(mut life) = self.life.take() else { return Ok(false) };
        if !life.sotto.is_running()? {
            self.ended(life)?;
            return Ok(false);
        }
        let Life { sotto, answers } = life;
        let end = sotto.kill()?;
        self.hear_out(answers, end, true);
        self.unsure = !is_sure(self)?;
        Ok(true)
    }

    /// Files of which it is not known that the other was told of them.
    pub fn left(&self) -> impl Iterator<Item = &Sent> {
        self.files.iter().filter(|file| !file.told)
    }

    pub fn is_done(&self) -> bool {
        self.life.is_none() && self.left().next().is_none()
    }

    fn make(&mut self, random: &mut Random) -> Outcome<()> {
        let name = format!("{NAMES}{:03}.bin", self.files.len());
        let bytes = match random.below(4) {
            0 => random.below(SMALL_BYTES),
            _ => random.between(LARGE_BYTES.0, LARGE_BYTES.1),
        };
        content::make(&self.out.join(&name), random.next(), bytes as usize)?;
        self.files.push(Sent { name, bytes, begun: false, told: false });
        Ok(())
    }

    fn heed(&mut self, life: &mut Life, heard: Vec<String>) {
        for line in heard {
            self.heed_line(&mut life.answers, &line);
        }
        let Some(answers) = &life.answers else { return };
        if answers.searches < answers.wanted {
            return;
        }
        // Whatever is neither on its way nor told of was never begun.
        self.unsure = false;
        let over = self.left().all(|file| !answers.going.contains(&file.name));
        if over {
            life.sotto.no_more();
        }
    }

    fn heed_line(&mut self, answers: &mut Option<Answers>, line: &str) {
        let name = match (read(line, self.to), answers) {
            (Said::Sent(name), _) => name,
            (Said::Told(name), Some(_)) => name,
            (Said::Going(name), Some(answers)) => {
                answers.going.insert(name.to_string());
                return;
            }
            (Said::EndOfSearch, Some(answers)) => {
                answers.searches += 1;
                return;
            }
            (Said::Wrong, _) => return self.complaints.push(format!("the sender said: {line}")),
            (Said::Else | Said::Told(_) | Said::Going(_) | Said::EndOfSearch, _) => return,
        };
        if let Some(file) = self.files.iter_mut().find(|file| file.name == name) {
            file.told = true;
        }
    }

    fn ended(&mut self, life: Life) -> Outcome<()> {
        let Life { sotto, answers } = life;
        let end = sotto.finish()?;
        let (well, away) = (end.well, end.was_turned_away());
        let asked = answers.is_some();
        let errors = end.errors.clone();
        self.hear_out(answers, end, false);
        if well && !asked && self.left().any(|file| file.begun) {
            self.complaints.push("it ended well, and has not said of each file that it was sent".into());
        }
        if !well && !away {
            return Err(format!("the sender ended: {errors}").into());
        }
        Ok(())
    }

    fn hear_out(&mut self, mut answers: Option<Answers>, end: End, killed: bool) {
        self.complaints.extend(end.complaints(killed));
        end.lines.iter().for_each(|line| self.heed_line(&mut answers, line));
        if answers.is_some_and(|answers| answers.searches >= answers.wanted) {
            self.unsure = false;
        }
    }
}

/// What a line tells.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Else,
    EndOfSearch,
    Going(&'a str),
    Sent(&'a str),
    Told(&'a str),
    Wrong,
}

fn read<'a>(line: &'a str, to: &str) -> Said<'a> {
    let notice = line.strip_prefix("*** ");
    if line.starts_with("!!! ") {
        Said::Wrong
    } else if let Some((_, rest)) = line.split_once(&format!(" <you -> {to}> file: ")) {
        rest.split_once(" (").map_or(Said::Else, |(name, _)| Said::Told(name))
    } else if let Some(rest) = notice.unwrap_or(line).strip_prefix("sent ") {
        rest.split_once(&format!(" to {to}: ")).map_or(Said::Else, |(name, _)| Said::Sent(name))
    } else if notice.is_some_and(|notice| notice.starts_with("end of search: ")) {
        Said::EndOfSearch
    } else {
        let file = notice.and_then(|notice| notice.split_once(&format!(" to {to}, ")));
        let numbered = file.and_then(|(file, _)| file.split_once(": "));
        let going = numbered.filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
        going.map_or(Said::Else, |(_, name)| Said::Going(name))
    }
}

/// How all names begin.
pub const NAMES: &str = "torture-";
/// Files that are sent at once.
const AT_ONCE: usize = 3;
/// Every fourth file is small.
const SMALL_BYTES: u64 = 200_000;
const LARGE_BYTES: (u64, u64) = (8 << 20, 48 << 20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sender_says_is_understood() {
        let read = |line| read(line, "bob");
        assert_eq!(read("sent a.bin to bob: 28.6 MiB in 0.1 s, …"), Said::Sent("a.bin"));
        assert_eq!(read("*** sent a.bin to bob: 28.6 MiB in 0.1 s, …"), Said::Sent("a.bin"));
        assert_eq!(read("*** 1: a.bin to bob, 28.6 MiB: what is there is …"), Said::Going("a.bin"));
        assert_eq!(read("[10:20] <you -> bob> file: a.bin (28.6 MiB)"), Said::Told("a.bin"));
        assert_eq!(read("*** end of search: 0 messages"), Said::EndOfSearch);
        assert_eq!(read("!!! no-such-file: …"), Said::Wrong);
        for other in ["*** a.bin to bob: it changed, and is sent anew", "*** you are logged in as alice", ""]
        {
            assert_eq!(read(other), Said::Else, "{other}");
        }
    }
}
