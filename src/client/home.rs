//! What sotto keeps on disk, in one directory that is closed to others:
//!
//! - `sotto.toml`: settings, written by the user
//! - `known_servers`: fingerprints of servers, see [`trust`](crate::client::trust)
//! - `typed`: what was typed into rooms, for the next session's Up and Ctrl-r
//! - `tokens`: a line for each login, `localhost:12345 alice TOKEN`
//! - `keys`: a [`vault`](crate::client::vault) for each account, `keys/localhost_12345/alice`

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::client::keep;
use crate::client::session::event::Event;
use crate::client::trust::Server;
use crate::client::vault::ASIDE;
use crate::proto::name::UserName;
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

    /// Where the vault of an account lies. All ways to write a user's name lead to one place.
    pub fn keys(&self, server: &Server, user: &UserName) -> PathBuf {
        // The last underscore is the one before the port.
        let server = format!("{}_{}", plain(&server.host.to_lowercase()), server.port);
        self.directory.join("keys").join(server).join(plain(user.key()))
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

/// A name as the name of a directory, on all systems: letters, digits, `_` and `-` stay, and dots within
/// it, unless it would look like a vault that was put aside; all else is escaped. What would be too long
/// is cut and told apart by its digest.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        let rest = &name[at..];
        let dot = c == '.' && at > 0 && rest.len() > 1 && !rest.starts_with(ASIDE);
        if c.is_alphanumeric() || matches!(c, '_' | '-') || dot {
            plain.push(c);
        } else {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| plain.push_str(&format!("%{byte:02x}")));
        }
    }
    if plain.len() > DIRECTORY_BYTES_MAX {
        let digest = Sha256::digest(name.as_bytes());
        let end = (0..=DIRECTORY_BYTES_MAX / 2).rev().find(|&end| plain.is_char_boundary(end)).unwrap_or(0);
        plain.truncate(end);
        plain.push('%');
        digest.iter().take(16).for_each(|byte| plain.push_str(&format!("{byte:02x}")));
    }
    plain
}

/// File systems take 255 bytes; the rest is for what is added when a vault is put aside.
const DIRECTORY_BYTES_MAX: usize = 200;

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

    #[test]
    fn every_account_has_a_place_of_its_own_for_its_keys() {
        let home = Home::new(Some("home".into())).expect("a home");
        let keys = |host: &str, user: &str| {
            let server = Server { host: host.to_owned(), port: 12345 };
            let path = home.keys(&server, &UserName::parse(user).expect("a name"));
            path.strip_prefix("home/keys").expect("below it").to_str().expect("text").to_owned()
        };
        assert_eq!(keys("localhost", "bob"), "localhost_12345/bob");
        assert_eq!(keys("LocalHost", "BOB"), keys("localhost", "bob"));
        assert_eq!(keys("chat.example.org", "j.d-2_x"), "chat.example.org_12345/j.d-2_x");
        assert_eq!(keys("::1", "modern"), keys("::1", "modem"));
        assert_eq!(keys("::1", "eve.old-x"), "%3a%3a1_12345/eve%2eold-x");
        assert_eq!([plain(".."), plain("."), plain("a/b"), plain("a.")], ["%2e%2e", "%2e", "a%2fb", "a%2e"]);
        let long = |last: &str| plain(&format!("{}{last}", "ﷺ".repeat(80)));
        assert!(long("a").len() <= DIRECTORY_BYTES_MAX && long("a") != long("b"));
        assert_eq!(plain(&"x".repeat(DIRECTORY_BYTES_MAX)).len(), DIRECTORY_BYTES_MAX);
    }
}
