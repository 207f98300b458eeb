//! Who receives: `sotto receive`, which takes whatever comes until it is killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::client::{Account, Sotto};

pub struct Receiver {
    account: Account,
    from: &'static str,
    inbox: PathBuf,
    life: Option<Sotto>,
    /// Files that it said it has.
    pub said: usize,
    pub complaints: Vec<String>,
    /// On its standard error, before it was killed last.
    pub last_words: String,
}

impl Receiver {
    pub fn new(account: Account, from: &'static str, inbox: &Path) -> Receiver {
        let inbox = inbox.to_path_buf();
        Receiver {
            account,
            from,
            inbox,
            life: None,
            said: 0,
            complaints: Vec::new(),
            last_words: String::new(),
        }
    }

    /// Looks at what it said, and starts it if it does not run.
    pub fn go_on(&mut self, server: SocketAddr) -> Outcome<()> {
        if let Some(mut life) = self.life.take() {
            self.heed(&life.heard());
            if life.is_running()? {
                self.life = Some(life);
                return Ok(());
            }
            self.ended(life)?;
        }
        let mut command = self.account.command(server);
        command.arg("receive").arg("--into").arg(&self.inbox).args(["--yes-from", self.from]);
        self.life = Some(Sotto::start(&mut command)?);
        Ok(())
    }

    /// Kills it, unless it does not run.
    pub fn kill(&mut self) -> Outcome<bool> {
        let Some(mut life) = self.life.take() else { return Ok(false) };
        if !life.is_running()? {
            self.ended(life)?;
            return Ok(false);
        }
        let end = life.kill()?;
        self.heed(&end.lines);
        self.complaints.extend(end.complaints(true));
        self.last_words = end.errors;
        Ok(true)
    }

    fn heed(&mut self, lines: &[String]) {
        self.said += lines.iter().filter(|line| line.starts_with("received ")).count();
    }

    /// It ends by itself only if it is turned away.
    fn ended(&mut self, life: Sotto) -> Outcome<()> {
        let end = life.finish()?;
        self.heed(&end.lines);
        self.complaints.extend(end.complaints(false));
        if end.was_turned_away() { Ok(()) } else { Err(format!("the receiver ended: {end:?}").into()) }
    }
}
