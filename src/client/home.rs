//! What sotto keeps on disk, in one directory that is closed to others:
//!
//! - `sotto.toml`: settings, written by the user
//! - `known_servers`: fingerprints of servers, see [`trust`](crate::client::trust)
//! - `typed`: what was typed into rooms, for the next session's Up and Ctrl-r
//! - `tokens`: a line for each login, `localhost:12345 alice TOKEN`

use std::io;
use std::path::{Path, PathBuf};

use crate::client::keep;
use crate::client::session::event::Event;
use crate::client::trust::Server;
use crate::proto::secret::Secret;

/// The directory and its files.
#[derive(Clone, Debug)]
pub struct Home {
    directory: PathBuf,
}

impl Home {
    /// This directory, or the platform's directory for data of this program.
    pub fn new(directory: Option<PathBuf>) -> io::Result<Home> {
        if let Some(directory) = directory {
            return Ok(Home { directory });
        }
        let strategy = etcetera::choose_base_strategy().map_err(io::Error::other)?;
        Ok(Home { directory: etcetera::BaseStrategy::data_dir(&strategy).join("sotto") })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn settings(&self) -> PathBuf {
        self.directory.join("sotto.toml")
    }

    pub fn known_servers(&self) -> PathBuf {
        self.directory.join("known_servers")
    }

    /// The token of an earlier login, if there was one.
    pub fn token(&self, server: &Server, user: &str) -> io::Result<Option<Secret>> {
        let text = keep::read(&self.tokens())?;
        let server = server.to_string();
        Ok(text.lines().find_map(|line| match entry(line) {
            Some((at, who, token)) if at == server && who == user => Some(Secret::new(token)),
            _ => None,
        }))
    }

    /// Keeps a token, in place of an earlier one; without one, forgets it.
    pub fn keep_token(&self, server: &Server, user: &str, token: Option<&Secret>) -> io::Result<()> {
        let text = keep::read(&self.tokens())?;
        let name = server.to_string();
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| entry(line).is_some_and(|(at, who, _)| at != name || who != user))
            .map(str::to_owned)
            .collect();
        lines.extend(token.map(|token| format!("{name} {user} {}", token.reveal())));
        lines.push(String::new());
        keep::replace(&self.tokens(), &lines.join("\n"))
    }

    /// Keeps what an event brings to be kept: call it with every event of a session. `user` is the
    /// name that was typed.
    pub fn heed(&self, server: &Server, user: &str, event: &Event) -> io::Result<()> {
        match event {
            Event::LoggedIn(login) if login.token.is_some() => {
                self.keep_token(server, user, login.token.as_ref())
            }
            _ => Ok(()),
        }
    }

    /// What an earlier session typed, a line each.
    pub fn typed(&self) -> io::Result<String> {
        keep::read(&self.directory.join("typed"))
    }

    /// Keeps what was typed, in place of what was there.
    pub fn keep_typed(&self, lines: &str) -> io::Result<()> {
        keep::replace(&self.directory.join("typed"), lines)
    }

    fn tokens(&self) -> PathBuf {
        self.directory.join("tokens")
    }
}

fn entry(line: &str) -> Option<(&str, &str, &str)> {
    let mut words = line.split(' ');
    let entry = (words.next()?, words.next()?, words.next()?);
    words.next().is_none().then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_for_each_server_and_user() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let home = Home::new(Some(directory.path().join("sotto"))).expect("a home");
        let server = |port| Server { host: "localhost".to_owned(), port };
        let keep = |port, user: &str, token: &str| {
            home.keep_token(&server(port), user, Some(&Secret::new(token))).expect("written");
        };
        let token = |port, user: &str| {
            home.token(&server(port), user).expect("read").map(|token| token.reveal().to_owned())
        };
        assert_eq!(token(1, "alice"), None);
        keep(1, "alice", "a1");
        keep(2, "alice", "a2");
        keep(1, "bob", "b1");
        keep(1, "alice", "a3");
        assert_eq!(token(1, "alice").as_deref(), Some("a3"));
        assert_eq!(token(2, "alice").as_deref(), Some("a2"));
        assert_eq!(token(1, "bob").as_deref(), Some("b1"));
        home.keep_token(&server(1), "alice", None).expect("written");
        assert_eq!((token(1, "alice"), token(1, "bob").as_deref()), (None, Some("b1")));
    }
}
