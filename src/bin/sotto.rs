//! `sotto`, the terminal client: arguments, settings, who logs in and how, exit status.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sottovoce::client::arrive::{Person, arrive};
use sottovoce::client::home::Home;
use sottovoce::client::link::typed::Typed;
use sottovoce::client::link::{Link, Target};
use sottovoce::client::plain::{Ending, Plain};
use sottovoce::client::say::say;
use sottovoce::client::session::{Login, Options};
use sottovoce::client::settings::Settings;
use sottovoce::client::trust::{Server, Trust};
use sottovoce::proto::limits::{PASSWORD_BYTES_MAX, PASSWORD_BYTES_MIN};
use sottovoce::proto::name::{RoomName, UserName};
use sottovoce::proto::secret::Secret;
use sottovoce::tui;

/// A quiet, private chat client for sottod servers.
///
/// Who logs in how: with --guest without an account; else with the password of --password-file or of
/// the environment variable SOTTO_PASSWORD; else with the session kept from an earlier login; else,
/// at a terminal, you are asked; else as a guest.
#[derive(Parser)]
#[command(name = "sotto", version, args_override_self = true, after_help = EXIT_STATUS)]
struct Arguments {
    /// The server [default: localhost]
    #[arg(long, global = true)]
    host: Option<String>,
    /// Its port [default: 12345]
    #[arg(long, global = true)]
    port: Option<u16>,
    /// Your name there [default: the login name of the operating system]
    #[arg(long, global = true, value_name = "NAME")]
    username: Option<String>,
    /// Read the password from the first line of this file
    #[arg(long, global = true, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Come in without an account
    #[arg(long, global = true, conflicts_with_all = ["password_file", "register"])]
    guest: bool,
    /// Make an account of this name and password
    #[arg(long, global = true)]
    register: bool,
    /// The registration code, where the server asks for one
    #[arg(long, global = true, value_name = "CODE", requires = "register")]
    invite: Option<String>,
    /// Enter this room at start; may be given several times
    #[arg(long, global = true, value_name = "ROOM")]
    join: Vec<String>,
    /// Where trust, sessions and settings are kept [default: the platform's data directory]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Trust the authorities in this PEM file instead of the public ones
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Trust a server on first use without asking; a changed one is refused all the same
    #[arg(long, global = true)]
    accept_new: bool,
    /// Connect without TLS, which is done within this machine only
    #[arg(long, global = true)]
    insecure_plaintext: bool,
    /// No screen: lines in, lines out; for scripts, pipes and screen readers
    #[arg(long)]
    plain: bool,
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Say one message in a room, and exit when it is durable
    Say {
        room: String,
        #[arg(required = true)]
        text: Vec<String>,
    },
}

const EXIT_STATUS: &str = "Exit status: 0 when all was done, 1 for a failure, 2 for wrong usage or settings, \
                           3 when the login is refused.";

/// Why the program ends with a failure.
enum Failure {
    Refused(String),
    Running(String),
    Usage(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Running(error.to_string())
    }
}

fn main() -> ExitCode {
    let (text, status) = match run(Arguments::parse()) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Running(text)) => (text, 1),
        Err(Failure::Usage(text)) => (text, 2),
        Err(Failure::Refused(text)) => (text, 3),
    };
    eprintln!("sotto: {text}");
    ExitCode::from(status)
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let home = Home::new(arguments.home.clone())?;
    let settings = Settings::load(&home.settings()).map_err(|error| Failure::Usage(error.to_string()))?;
    let server = Server {
        host: arguments.host.clone().unwrap_or(settings.host),
        port: arguments.port.unwrap_or(settings.port),
    };
    let user = user_name(arguments.username.clone().unwrap_or(settings.username))?;
    let rooms = if arguments.join.is_empty() { &settings.rooms } else { &arguments.join };
    let rooms = rooms.iter().map(|room| room_name(room)).collect::<Result<Vec<_>, _>>()?;
    let one_shot = match &arguments.command {
        Some(Task::Say { room, text }) => Some((room_name(room)?, text.join(" "))),
        None => None,
    };

    let mut trust = Trust::new(home.known_servers(), arguments.accept_new || settings.accept_new);
    let authorities = arguments.ca.clone().unwrap_or(settings.ca);
    if !authorities.as_os_str().is_empty() {
        trust = trust.with_authorities(&authorities).map_err(Failure::Usage)?;
    }
    let mut terminal = Terminal::open();
    let login = choose_login(&arguments, &home, &server, &user, terminal.as_mut())?;
    let rooms = if one_shot.is_some() { Vec::new() } else { rooms };
    let preferred = rooms.first().cloned();

    let target = Target { server, plaintext: arguments.insecure_plaintext };
    let mut link = Link::open(target, trust, Options { user, login, rooms })?;
    let person = terminal.as_mut().map(|terminal| terminal as &mut dyn Person);
    let early = match arrive(&mut link, person)? {
        Ok(early) => early,
        Err(ending) => return finish(ending),
    };
    if let Some((room, text)) = one_shot {
        return finish(say(link, &home, &room, &text, early)?);
    }
    if !arguments.plain && io::stdin().is_terminal() && io::stdout().is_terminal() {
        let options = tui::run::Options { preferred, ..tui::run::Options::from_environment() };
        return finish(tui::run::run(link, &home, early, options)?);
    }
    let mut typed = Typed::new(BufReader::new(io::stdin()), link.waker())?;
    let mut ask = |question: &str| {
        let terminal = terminal.as_mut()?;
        terminal.secret(&format!("{question}: ")).ok().flatten()
    };
    match Plain::new(link, &home, io::stdout(), preferred).run(&mut typed, early, &mut ask) {
        Ok(ending) => finish(ending),
        // Whoever read our output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn finish(ending: Ending) -> Result<(), Failure> {
    match ending {
        Ending::Done => Ok(()),
        Ending::Failed(text) => Err(Failure::Running(text)),
        Ending::Refused(text) => Err(Failure::Refused(text)),
    }
}

fn user_name(chosen: String) -> Result<String, Failure> {
    let name = if chosen.is_empty() {
        let variables = ["USER", "LOGNAME", "USERNAME"];
        let found =
            variables.iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
        found.ok_or_else(|| Failure::Usage("who are you? give your name with --username".to_owned()))?
    } else {
        chosen
    };
    match UserName::parse(&name) {
        Ok(_) => Ok(name),
        Err(refusal) => Err(Failure::Usage(format!("--username {name:?}: {refusal}"))),
    }
}

fn room_name(text: &str) -> Result<RoomName, Failure> {
    RoomName::parse(text).map_err(|refusal| Failure::Usage(format!("room {text:?}: {refusal}")))
}

/// In the order that `--help` tells.
fn choose_login(
    arguments: &Arguments,
    home: &Home,
    server: &Server,
    user: &str,
    terminal: Option<&mut Terminal>,
) -> Result<Login, Failure> {
    if arguments.guest {
        return Ok(Login::Guest);
    }
    let given = given_password(arguments.password_file.as_deref())?;
    let invite = arguments.invite.clone().map(Secret::new);
    if arguments.register {
        let password = match (given, terminal) {
            (Some(password), _) => password,
            (None, Some(terminal)) => terminal.new_password(user)?.ok_or_else(no_password)?,
            (None, None) => {
                let text = "--register needs a password, from --password-file or SOTTO_PASSWORD";
                return Err(Failure::Usage(text.to_owned()));
            }
        };
        return Ok(Login::Register { password, invite });
    }
    if let Some(password) = given {
        return Ok(Login::Password(password));
    }
    if let Some(token) = home.token(server, user)? {
        return Ok(Login::Token { token, password: None });
    }
    // Somebody at a terminal is asked once the server is there and trusted.
    Ok(if terminal.is_some() { Login::Unknown } else { Login::Guest })
}

/// The password that was given without asking.
fn given_password(file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::Usage(format!("--password-file {}: {error}", file.display())))?,
        None => match std::env::var("SOTTO_PASSWORD") {
            Ok(password) => password,
            Err(std::env::VarError::NotPresent) => return Ok(None),
            Err(error) => return Err(Failure::Usage(format!("SOTTO_PASSWORD: {error}"))),
        },
    };
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        return Err(Failure::Usage("the password is empty".to_owned()));
    }
    Ok(Some(Secret::new(password)))
}

/// A person at a terminal, who can be asked.
struct Terminal;

impl Terminal {
    fn open() -> Option<Terminal> {
        (io::stdin().is_terminal() && io::stderr().is_terminal()).then_some(Terminal)
    }

    fn line(&mut self, question: &str) -> io::Result<String> {
        eprint!("{question}");
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(answer.trim().to_lowercase())
    }

    fn new_password(&mut self, user: &str) -> io::Result<Option<Secret>> {
        let question =
            format!("new password of {user} ({PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} characters): ");
        loop {
            let Some(password) = self.secret(&question)? else { return Ok(None) };
            if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.reveal().len()) {
                continue;
            }
            if self.secret("once more: ")? == Some(password.clone()) {
                return Ok(Some(password));
            }
            eprintln!("these were not the same");
        }
    }
}

impl Person for Terminal {
    fn login(&mut self, server: &Server, user: &str) -> io::Result<Option<Login>> {
        eprintln!("{user} has not been on {server} from here before.");
        loop {
            let answer = self.line("[l]og in, [r]egister a new account, or come in as a [g]uest? ")?;
            match answer.as_str() {
                "l" | "log in" | "login" => {
                    return Ok(self.secret(&format!("password of {user}: "))?.map(Login::Password));
                }
                "r" | "register" => {
                    let Some(password) = self.new_password(user)? else { return Ok(None) };
                    let invite = self.secret("registration code, if the server asks for one: ")?;
                    return Ok(Some(Login::Register { password, invite }));
                }
                "g" | "guest" => return Ok(Some(Login::Guest)),
                "" => return Ok(None),
                _ => {}
            }
        }
    }

    fn confirms(&mut self, text: &str) -> io::Result<bool> {
        Ok(matches!(self.line(text)?.as_str(), "y" | "yes"))
    }

    fn secret(&mut self, question: &str) -> io::Result<Option<Secret>> {
        let secret = match rpassword::prompt_password(question) {
            // Ctrl-D: there will be none.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            secret => secret?,
        };
        Ok((!secret.is_empty()).then(|| Secret::new(secret)))
    }
}

fn no_password() -> Failure {
    Failure::Usage("no password was given".to_owned())
}
