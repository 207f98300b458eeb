//! What `sottod` does besides serving: one function for each subcommand.
//!
//! They work on the files of the data directory, whether or not a server uses it at the same time; a
//! running server learns of changed accounts through the database. Results go to `out`, one answer
//! alone, so that scripts can read it.

mod password;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::proto::name::UserName;
use crate::server::certificate::{self, CertificateError};
use crate::server::data_dir::{self, DataDirError};
use crate::store::OpenError;
use crate::store::operator::{Operator, OperatorError};
use crate::work;

/// What to do to accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserAction<'a> {
    Add { name: &'a str, password_file: Option<&'a Path> },
    Ban { name: &'a str },
    List,
    Passwd { name: &'a str, password_file: Option<&'a Path> },
    Remove { name: &'a str },
    Unban { name: &'a str },
}

/// Why a command was not done, for the person who gave it.
#[derive(Debug)]
pub enum CommandError {
    /// It cannot be done now.
    Failed(String),
    /// Whoever reads the answer has gone; there is nobody to complain to.
    OutputClosed,
    /// It can never be done like this: wrong usage or configuration.
    Usage(String),
}

/// Prints the configuration that is in force, if a server could start with it.
pub fn check(config: &Config, out: &mut dyn Write) -> Result<(), CommandError> {
    if config.tls.files.is_some() {
        certificate::load_or_make(&config.data, &config.tls)
            .map_err(|error| CommandError::Usage(error.to_string()))?;
    }
    out.write_all(config.to_toml().as_bytes())?;
    Ok(out.flush()?)
}

/// Prints the fingerprint of the certificate, which is made if there is none.
pub fn fingerprint(config: &Config, out: &mut dyn Write) -> Result<(), CommandError> {
    let certificate = certificate::load_or_make(&config.data, &config.tls)?;
    Ok(writeln!(out, "{}", certificate.fingerprint())?)
}

/// Prints a code with which one person can register once.
pub fn invite(config: &Config, out: &mut dyn Write) -> Result<(), CommandError> {
    data_dir::make(&config.data)?;
    let code = Operator::open(&config.data)?.new_invite()?;
    Ok(writeln!(out, "{}", code.reveal())?)
}

/// Writes a copy of the database to a new file.
pub fn backup(config: &Config, file: &Path) -> Result<(), CommandError> {
    let failed = |error: OperatorError| CommandError::Failed(format!("{}: {error}", file.display()));
    existing(config)?.backup(file).map_err(failed)
}

/// Changes or lists accounts.
pub fn user(config: &Config, action: UserAction<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let done = match action {
        UserAction::Add { name, password_file } => {
            let user = user_name(name)?;
            let password = password::new_password(&user, password_file)?;
            data_dir::make(&config.data)?;
            let hash = work::password::hash(&password, config.accounts.bcrypt_cost);
            let mut operator = Operator::open(&config.data)?;
            operator.add_user(&user, &hash).map_err(|error| of_user(&user, error))?;
            until_noticed(config, &operator, || thread::sleep(NOTICE_PAUSE))?;
            (user, "added")
        }
        UserAction::Ban { name } => change(config, name, "banned", Operator::ban_user)?,
        UserAction::List => return list(config, out),
        UserAction::Passwd { name, password_file } => {
            let user = user_name(name)?;
            let mut operator = existing(config)?;
            let password = password::new_password(&user, password_file)?;
            let hash = work::password::hash(&password, config.accounts.bcrypt_cost);
            operator.set_password(&user, &hash).map_err(|error| of_user(&user, error))?;
            until_noticed(config, &operator, || thread::sleep(NOTICE_PAUSE))?;
            (user, "has a new password")
        }
        UserAction::Remove { name } => change(config, name, "removed", Operator::remove_user)?,
        UserAction::Unban { name } => change(config, name, "not banned any more", Operator::unban_user)?,
    };
    Ok(writeln!(out, "{}: {}", done.0, done.1)?)
}

fn change(
    config: &Config,
    name: &str,
    done: &'static str,
    act: impl FnOnce(&mut Operator, &UserName) -> Result<(), OperatorError>,
) -> Result<(UserName, &'static str), CommandError> {
    let user = user_name(name)?;
    let mut operator = existing(config)?;
    act(&mut operator, &user).map_err(|error| of_user(&user, error))?;
    until_noticed(config, &operator, || thread::sleep(NOTICE_PAUSE))?;
    Ok((user, done))
}

/// Waits until a running server has noticed a change, so that whoever goes on finds it done.
fn until_noticed(config: &Config, operator: &Operator, mut pause: impl FnMut()) -> Result<(), CommandError> {
    let begun = Instant::now();
    while operator.news_wait()? && data_dir::is_in_use(&config.data) {
        if begun.elapsed() > NOTICE_WAIT {
            log::warn!("the change is made, but the server has not noticed it yet; is it very busy?");
            break;
        }
        pause();
    }
    Ok(())
}

/// One user a line: the name, when the account was made, and whether it is banned.
fn list(config: &Config, out: &mut dyn Write) -> Result<(), CommandError> {
    if !config.data.exists() {
        // Before the first start there are no accounts; to say so, nothing has to be made.
        return Ok(());
    }
    for user in existing(config)?.list_users()? {
        let banned = if user.banned { "\tbanned" } else { "" };
        writeln!(out, "{}\t{}{banned}", user.name, user.created.rfc3339())?;
    }
    Ok(out.flush()?)
}

fn user_name(name: &str) -> Result<UserName, CommandError> {
    UserName::parse(name).map_err(|refusal| CommandError::Usage(format!("{name:?}: {}", refusal.text)))
}

fn of_user(user: &UserName, error: OperatorError) -> CommandError {
    CommandError::Failed(format!("{user}: {error}"))
}

/// The database of a data directory that is there: a mistyped one should not be made and found empty.
fn existing(config: &Config) -> Result<Operator, CommandError> {
    if !config.data.is_dir() {
        let data = config.data.display();
        return Err(CommandError::Failed(format!(
            "{data}: there is no such data directory; name it with --data, or start sottod once to make it"
        )));
    }
    Ok(Operator::open(&config.data)?)
}

impl CommandError {
    /// The exit status that scripts see.
    pub fn exit_status(&self) -> u8 {
        match self {
            CommandError::OutputClosed => 0,
            CommandError::Failed(_) => 1,
            CommandError::Usage(_) => 2,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Failed(text) | CommandError::Usage(text) => f.write_str(text),
            CommandError::OutputClosed => f.write_str("whoever reads the output has gone"),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<io::Error> for CommandError {
    /// Of the output: everything else is told with its file's name.
    fn from(error: io::Error) -> CommandError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CommandError::OutputClosed,
            _ => CommandError::Failed(format!("standard output: {error}")),
        }
    }
}

impl From<CertificateError> for CommandError {
    fn from(error: CertificateError) -> CommandError {
        CommandError::Failed(error.to_string())
    }
}

impl From<DataDirError> for CommandError {
    fn from(error: DataDirError) -> CommandError {
        CommandError::Failed(error.to_string())
    }
}

impl From<OpenError> for CommandError {
    fn from(error: OpenError) -> CommandError {
        CommandError::Failed(error.to_string())
    }
}

impl From<OperatorError> for CommandError {
    fn from(error: OperatorError) -> CommandError {
        CommandError::Failed(error.to_string())
    }
}

/// A server looks several times a second, however busy it is.
const NOTICE_WAIT: Duration = Duration::from_secs(3);
const NOTICE_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
