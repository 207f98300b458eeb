//! sottod, the chat server: reads the command line and the configuration, does what it is told, and
//! turns the outcome into an exit status.
//!
//! - no command: [`sottovoce::server::run`]
//! - any other command: [`sottovoce::server::command`]
//! - the configuration: [`sottovoce::config`]

use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use log::LevelFilter;

use sottovoce::config::{self, Config, Overrides};
use sottovoce::server;
use sottovoce::server::command::{self, CommandError, UserAction};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let overrides =
        Overrides { data: arguments.data, listen: arguments.listen, log_level: arguments.log_level };
    let config = match Config::load(arguments.config.as_deref(), overrides) {
        Ok(config) => config,
        Err(error) => return failed(error, WRONG_USAGE),
    };
    match arguments.command {
        None => match server::run(config) {
            Ok(()) => ExitCode::SUCCESS,
            // The log is on stderr as well: where it runs, the error has been told there.
            Err(_) if log::log_enabled!(log::Level::Error) => ExitCode::from(FAILURE),
            Err(error) => failed(error, FAILURE),
        },
        Some(command) => match do_command(&config, command) {
            Ok(()) | Err(CommandError::OutputClosed) => ExitCode::SUCCESS,
            Err(error) => failed(&error, error.exit_status()),
        },
    }
}

fn do_command(config: &Config, command: Command) -> Result<(), CommandError> {
    // The log file is the server's; what there is to say here goes to whoever typed the command.
    env_logger::Builder::new().filter_level(LevelFilter::Warn).format_timestamp(None).init();
    let mut out = BufWriter::new(io::stdout().lock());
    match command {
        Command::Backup { file } => command::backup(config, &file)?,
        Command::Check => command::check(config, &mut out)?,
        Command::Fingerprint => command::fingerprint(config, &mut out)?,
        Command::Invite => command::invite(config, &mut out)?,
        Command::User { action } => command::user(config, action.as_action(), &mut out)?,
    }
    Ok(out.flush()?)
}

fn failed(error: impl Display, status: u8) -> ExitCode {
    // Where stderr is closed, the exit status has to do.
    let _ = writeln!(io::stderr(), "sottod: {error}");
    ExitCode::from(status)
}

/// A lean chat server that netcat can talk to.
///
/// Without a command it serves, with built-in defaults if there is no configuration.
#[derive(Debug, Parser)]
#[command(name = "sottod", version)]
struct Arguments {
    /// Configuration file [default: config.toml in the working directory, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// Data directory: database, certificate, log [default: sottod-data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,

    /// Address to listen on, instead of those configured; may be given several times
    #[arg(long, value_name = "ADDR:PORT", global = true, value_parser = config::parse_address)]
    listen: Vec<SocketAddr>,

    /// How much to log
    #[arg(long, value_name = "LEVEL", global = true, value_parser = level_parser())]
    log_level: Option<LevelFilter>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load the configuration, print it resolved, and exit
    Check,
    /// Add, change, list or ban accounts; a running server takes it over at once
    User {
        #[command(subcommand)]
        action: UserCommand,
    },
    /// Print a code with which one person can register once
    Invite,
    /// Write a consistent copy of the database to a new file
    Backup { file: PathBuf },
    /// Print the SHA-256 fingerprint of the TLS certificate, which is made if there is none
    Fingerprint,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make an account
    Add {
        name: String,
        #[command(flatten)]
        password: PasswordFrom,
    },
    /// Set an account's password; whoever is logged in with the old one by a token is logged out
    Passwd {
        name: String,
        #[command(flatten)]
        password: PasswordFrom,
    },
    /// Remove an account
    Remove { name: String },
    /// List accounts: name, when it was made, and whether it is banned
    List,
    /// Keep an account from logging in
    Ban { name: String },
    /// Let it log in again
    Unban { name: String },
}

#[derive(Debug, clap::Args)]
struct PasswordFrom {
    /// Read the password from this file's first line [default: ask, or read a line from a pipe]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl UserCommand {
    fn as_action(&self) -> UserAction<'_> {
        match self {
            UserCommand::Add { name, password } => {
                UserAction::Add { name, password_file: password.password_file.as_deref() }
            }
            UserCommand::Ban { name } => UserAction::Ban { name },
            UserCommand::List => UserAction::List,
            UserCommand::Passwd { name, password } => {
                UserAction::Passwd { name, password_file: password.password_file.as_deref() }
            }
            UserCommand::Remove { name } => UserAction::Remove { name },
            UserCommand::Unban { name } => UserAction::Unban { name },
        }
    }
}

fn level_parser() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["off", "error", "warn", "info", "debug", "trace"])
        .try_map(|level| level.parse::<LevelFilter>())
}

const FAILURE: u8 = 1;
const WRONG_USAGE: u8 = 2;
