//! `sotto`, the terminal client: arguments, settings, who logs in and how, exit status.

use std::io::{self, BufReader, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sottovoce::client::arrive::arrive;
use sottovoce::client::choose::{Given, Unusable, choose_login, given_secret, recovery_key, user_name};
use sottovoce::client::handover::ask::{Order, hand_over};
use sottovoce::client::home::Home;
use sottovoce::client::link::typed::Typed;
use sottovoce::client::link::{Link, Target};
use sottovoce::client::person::{Person, Terminal};
use sottovoce::client::plain::{Ending, Plain};
use sottovoce::client::privacy::begin::{Begun, Choice, begin};
use sottovoce::client::privacy::errands::errand;
use sottovoce::client::privacy::own::Own;
use sottovoce::client::privacy::unlock::{Passphrase, change};
use sottovoce::client::receive;
use sottovoce::client::say::say;
use sottovoce::client::send::send;
use sottovoce::client::session::Options;
use sottovoce::client::settings::Settings;
use sottovoce::client::transfer::transfers::Focus;
use sottovoce::client::trust::{Server, Trust};
use sottovoce::proto::name::{RoomName, UserName};
use sottovoce::proto::secret::Secret;
use sottovoce::tui;

/// A quiet, private chat client for sottod servers.
///
/// Who logs in how: with --guest without an account; else with the password of --password-file or of
/// the environment variable SOTTO_PASSWORD; else with the session kept from an earlier login; else,
/// at a terminal, you are asked; else as a guest.
///
/// Private messages between accounts are end-to-end encrypted. Their keys are kept on this disk, sealed
/// with a passphrase of --passphrase-file or of the environment variable SOTTO_PASSPHRASE; else, at a
/// terminal, you are asked; with --no-passphrase they are kept unsealed; else private messages are off
/// in this run, and rooms work all the same.
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
    /// Read the passphrase of your private messages from the first line of this file
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "no_passphrase")]
    passphrase_file: Option<PathBuf>,
    /// Keep the keys of your private messages unsealed on this disk
    #[arg(long, global = true)]
    no_passphrase: bool,
    /// Put keys aside that cannot be opened any more, and begin anew
    #[arg(long, global = true)]
    put_aside: bool,
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
    /// Your devices that read private messages; or take one away from them
    Devices {
        /// The number of the device that is to read no more
        #[arg(long, value_name = "DEVICE")]
        revoke: Option<u32>,
    },
    /// Bring your keys to this device: shows a code to type (/pair CODE) on one that has them
    Pair,
    /// Change the passphrase of your private messages
    Passphrase {
        /// Read the new one from the first line of this file
        #[arg(long, value_name = "FILE", conflicts_with = "remove")]
        new_file: Option<PathBuf>,
        /// Without one from now on: the keys lie unsealed on this disk
        #[arg(long)]
        remove: bool,
    },
    /// Bring your keys to this device from the recovery key, which is asked for
    Recover,
    /// Show the recovery key, which stands in for lost devices
    Recovery,
    /// Wait for files that others send, and fetch those that you want
    Receive {
        /// Where they are put [default: this directory]
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
        /// Fetch files of this user without asking; may be given several times
        #[arg(long, value_name = "USER")]
        yes_from: Vec<String>,
        /// Exit once a file has come, and what came with it
        #[arg(long)]
        once: bool,
    },
    /// Say one message in a room, and exit when it is durable
    Say {
        room: String,
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Send files to somebody, encrypted end to end; an interrupted one goes on when it is sent again
    ///
    /// While a sotto runs that has the keys of this account open (the screen, --plain, receive or another
    /// send), the files are handed over to it: it sends them, and progress, result and exit status are
    /// shown here as ever. Nothing is asked for then, neither password nor passphrase. Ctrl-C leaves them
    /// to the sotto that runs; /cancel there ends them.
    Send {
        user: String,
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show the safety number of you and somebody, or compare what their sotto shows
    Verify {
        user: String,
        /// Their paste form, or the sixty digits; status 1 if they are not the same
        shown: Vec<String>,
    },
}

const EXIT_STATUS: &str = "Exit status: 0 when all was done, 1 for a failure, 2 for wrong usage or settings, \
                           3 when the login is refused.";

/// What is to be done.
#[derive(PartialEq)]
enum Job {
    /// Something about keys.
    Errand(Own),
    Receive(receive::Options),
    Say(RoomName, String),
    Send(UserName, Vec<PathBuf>),
    /// Until the user leaves.
    Talk,
}

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

impl From<Unusable> for Failure {
    fn from(unusable: Unusable) -> Failure {
        match unusable {
            Unusable::System(error) => error.into(),
            Unusable::Usage(text) => Failure::Usage(text),
        }
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
        host: arguments.host.clone().unwrap_or_else(|| settings.host.clone()),
        port: arguments.port.unwrap_or(settings.port),
    };
    let user = user_name(arguments.username.as_deref().unwrap_or(&settings.username))?;
    let rooms = if arguments.join.is_empty() { &settings.rooms } else { &arguments.join };
    let rooms = rooms.iter().map(|room| room_name(room)).collect::<Result<Vec<_>, _>>()?;
    let passphrase = chosen_passphrase(&arguments, &settings)?;
    let mut terminal = Terminal::open();
    let job = match arguments.command {
        Some(Task::Passphrase { new_file, remove }) => {
            let next = match given_secret(new_file.as_deref(), "--new-file", "SOTTO_NEW_PASSPHRASE")? {
                _ if remove => Passphrase::None,
                Some(secret) => Passphrase::Given(secret),
                None => Passphrase::Ask,
            };
            let person = terminal.as_mut().map(|terminal| terminal as &mut dyn Person);
            let directory = home.keys(&server, &name_of(&user)?);
            let done = change(&directory, &passphrase, &next, person)?.map_err(Failure::Running)?;
            println!("{done}");
            return Ok(());
        }
        command => job(command, terminal.as_mut())?,
    };

    let mut trust = Trust::new(home.known_servers(), arguments.accept_new || settings.accept_new);
    let authorities = arguments.ca.clone().unwrap_or(settings.ca);
    if !authorities.as_os_str().is_empty() {
        trust = trust.with_authorities(&authorities).map_err(Failure::Usage)?;
    }
    let account = name_of(&user)?;
    let directory = home.keys(&server, &account);
    let order = match &job {
        Job::Send(to, files) if !(arguments.guest || arguments.put_aside || arguments.register) => {
            Some(Order { directory: &directory, server: &server, user: &account, to, files })
        }
        _ => None,
    };
    if let Some(order) = order
        && let Some(ending) = hand_over(order)?
    {
        return finish(ending);
    }
    let given = Given {
        guest: arguments.guest,
        register: arguments.register,
        invite: arguments.invite.map(Secret::new),
        password_file: arguments.password_file,
    };
    let login = choose_login(&given, &home, &server, &user, terminal.as_mut())?;
    let rooms = if job == Job::Talk { rooms } else { Vec::new() };
    let preferred = rooms.first().cloned();

    let target = Target { server: server.clone(), plaintext: arguments.insecure_plaintext };
    let mut link = Link::open(target, trust, Options { user, login, rooms })?;
    let person = terminal.as_mut().map(|terminal| terminal as &mut dyn Person);
    let early = match arrive(&mut link, person)? {
        Ok(early) => early,
        Err(ending) => return finish(ending),
    };
    if let Job::Say(room, text) = &job {
        return finish(say(link, &home, room, text, early)?);
    }
    link.put_files_into(settings.downloads);
    link.focus_files(match &job {
        Job::Errand(_) | Job::Say(..) | Job::Send(..) => Focus::Asked,
        Job::Receive(_) => Focus::Receiving,
        Job::Talk => Focus::All,
    });
    let choice = Choice { passphrase, put_aside: arguments.put_aside, device: settings.device };
    for _ in 0..BEGINNINGS_MAX {
        let person = terminal.as_mut().map(|terminal| terminal as &mut dyn Person);
        let begun = begin(&mut link, &home, &choice, person)?.map_err(Failure::Running)?;
        let Some(order) = order.filter(|_| begun == Begun::InUse) else { break };
        // Another one was faster, while this one was logging in.
        if let Some(ending) = hand_over(order)? {
            return finish(ending);
        }
    }
    if !matches!(job, Job::Errand(_)) {
        link.take_over_files();
    }
    match job {
        Job::Errand(own) => return finish(errand(link, &home, own, early, &mut io::stdout())?),
        Job::Receive(options) => return finish(receive::receive(link, &home, options, early)?),
        Job::Send(to, files) => return finish(send(link, &home, &to, &files, early)?),
        Job::Say(..) | Job::Talk => {}
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

/// What a command asks for, with whatever it needs from the user first.
fn job(command: Option<Task>, terminal: Option<&mut Terminal>) -> Result<Job, Failure> {
    Ok(match command {
        None | Some(Task::Passphrase { .. }) => Job::Talk,
        Some(Task::Devices { revoke }) => Job::Errand(revoke.map_or(Own::Devices, Own::Revoke)),
        Some(Task::Pair) => Job::Errand(Own::Pair(None)),
        Some(Task::Recover) => Job::Errand(Own::Recover(Some(recovery_key(terminal)?))),
        Some(Task::Recovery) => Job::Errand(Own::Recovery),
        Some(Task::Receive { into, yes_from, once }) => {
            let into = into.unwrap_or_else(|| PathBuf::from("."));
            let yes_from = yes_from.iter().map(|user| name_of(user)).collect::<Result<_, _>>()?;
            Job::Receive(receive::Options { into, yes_from, once })
        }
        Some(Task::Send { user, files }) => Job::Send(name_of(&user)?, files),
        Some(Task::Say { room, text }) => Job::Say(room_name(&room)?, text.join(" ")),
        Some(Task::Verify { user, shown }) => {
            let shown = Some(shown.join(" ")).filter(|shown| !shown.is_empty());
            Job::Errand(Own::Verify { user: name_of(&user)?, shown })
        }
    })
}

fn finish(ending: Ending) -> Result<(), Failure> {
    match ending {
        Ending::Done => Ok(()),
        Ending::Failed(text) => Err(Failure::Running(text)),
        Ending::Refused(text) => Err(Failure::Refused(text)),
    }
}

fn name_of(user: &str) -> Result<UserName, Failure> {
    UserName::parse(user).map_err(|refusal| Failure::Usage(format!("user {user:?}: {refusal}")))
}

/// In the order that `--help` tells; the command line before the settings.
fn chosen_passphrase(arguments: &Arguments, settings: &Settings) -> Result<Passphrase, Failure> {
    if arguments.no_passphrase {
        return Ok(Passphrase::None);
    }
    let from_settings = Some(&settings.passphrase_file).filter(|file| !file.as_os_str().is_empty());
    let file = arguments.passphrase_file.as_ref().or(from_settings);
    Ok(match given_secret(file.map(PathBuf::as_path), "--passphrase-file", "SOTTO_PASSPHRASE")? {
        Some(secret) => Passphrase::Given(secret),
        None if settings.no_passphrase => Passphrase::None,
        None => Passphrase::Ask,
    })
}

fn room_name(text: &str) -> Result<RoomName, Failure> {
    RoomName::parse(text).map_err(|refusal| Failure::Usage(format!("room {text:?}: {refusal}")))
}

/// Attempts of `sotto send` to open the keys, each after another one had them and gave them back.
const BEGINNINGS_MAX: u32 = 100;
