//! Who logs in and how, from what was given on the command line and what is kept.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::client::home::Home;
use crate::client::person::{Person, Terminal};
use crate::client::session::Login;
use crate::client::trust::Server;
use crate::proto::name::UserName;
use crate::proto::secret::Secret;

/// What the command line says about logging in.
#[derive(Clone, Debug, Default)]
pub struct Given {
    pub guest: bool,
    pub register: bool,
    pub invite: Option<Secret>,
    pub password_file: Option<PathBuf>,
}

/// Why there is no way to log in.
#[derive(Debug)]
pub enum Unusable {
    System(io::Error),
    /// What was given does not do; the sentence says what would.
    Usage(String),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Unusable {
        Unusable::System(error)
    }
}

/// In the order that `--help` tells.
pub fn choose_login(
    given: &Given,
    home: &Home,
    server: &Server,
    user: &str,
    terminal: Option<&mut Terminal>,
) -> Result<Login, Unusable> {
    if given.guest {
        return Ok(Login::Guest);
    }
    let password = given_secret(given.password_file.as_deref(), "--password-file", "SOTTO_PASSWORD")?;
    if given.register {
        let password = match (password, terminal) {
            (Some(password), _) => password,
            (None, Some(terminal)) => {
                let chosen = terminal.new_password(user)?;
                chosen.ok_or_else(|| Unusable::Usage("no password was given".to_owned()))?
            }
            (None, None) => {
                let text = "--register needs a password, from --password-file or SOTTO_PASSWORD";
                return Err(Unusable::Usage(text.to_owned()));
            }
        };
        return Ok(Login::Register { password, invite: given.invite.clone() });
    }
    if let Some(password) = password {
        return Ok(Login::Password(password));
    }
    if let Some(token) = home.token(server, user)? {
        return Ok(Login::Token { token, password: None });
    }
    // Somebody at a terminal is asked once the server is there and trusted.
    Ok(if terminal.is_some() { Login::Unknown } else { Login::Guest })
}

/// The name that was chosen, or the login name of the operating system.
pub fn user_name(chosen: &str) -> Result<String, Unusable> {
    let name = if chosen.is_empty() {
        let variables = ["USER", "LOGNAME", "USERNAME"];
        let found =
            variables.iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
        found.ok_or_else(|| Unusable::Usage("who are you? give your name with --username".to_owned()))?
    } else {
        chosen.to_owned()
    };
    match UserName::parse(&name) {
        Ok(_) => Ok(name),
        Err(refusal) => Err(Unusable::Usage(format!("--username {name:?}: {refusal}"))),
    }
}

/// The recovery key, from the terminal or the first line of the input.
pub fn recovery_key(terminal: Option<&mut Terminal>) -> Result<Secret, Unusable> {
    let key = match terminal {
        Some(terminal) => terminal.secret("recovery key: ")?,
        None => {
            let mut line = Zeroizing::new(String::new());
            io::stdin().read_line(&mut line)?;
            Some(line.trim()).filter(|line| !line.is_empty()).map(Secret::new)
        }
    };
    key.ok_or_else(|| Unusable::Usage("no recovery key was given".to_owned()))
}

/// A secret that was given without asking: the first line of a file, or of an environment variable.
pub fn given_secret(file: Option<&Path>, option: &str, variable: &str) -> Result<Option<Secret>, Unusable> {
    let (text, source) = match file {
        Some(file) => {
            let source = format!("{option} {}", file.display());
            let read = std::fs::read_to_string(file);
            (read.map_err(|error| Unusable::Usage(format!("{source}: {error}")))?, source)
        }
        None => match std::env::var(variable) {
            Ok(text) => (text, variable.to_owned()),
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(error) => return Err(Unusable::Usage(format!("{variable}: {error}"))),
        },
    };
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Some(Secret::new(line))),
        _ => Err(Unusable::Usage(format!("{source}: is empty"))),
    }
}
