//! Puts a chat server under load and prints what it did: `cargo run --release --example load -- all`.
//!
//! The server is the real program, reached through sockets on loopback, in text mode, as netcat would.
//! It is started here with an empty directory, without limits where the scenario needs that, and
//! stopped in the end. Every scenario is bounded in connections and in time. Memory and processor time
//! are read from `/proc`, which only Linux has.

mod bare;
mod carrier;
mod chat;
mod content;
mod cores;
mod figures;
mod ledger;
mod link;
mod people;
mod proc;
mod relay;
mod scenario;
mod scp;
mod server;
mod sotto;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod stub_files;
mod swarm;
#[cfg(test)]
mod tests;
mod tongue;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};

use crate::figures::Report;
use crate::scenario::{Stage, cycles, fanout, files, flood, idle, latency, slow, startup, transfers};
use crate::server::Source;
use crate::tongue::Tongue;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Parser)]
#[command(about = "Puts a Sottovoce server under load and measures what it does")]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
    /// The server to start; if not given, the sottod that was built beside this program.
    #[arg(long, global = true, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Use a server that runs already; its limits must be off.
    #[arg(long, global = true, value_name = "ADDR:PORT", conflicts_with = "server")]
    connect: Option<SocketAddr>,
    /// The process of that server, for its memory and processor time.
    #[arg(long, global = true, requires = "connect")]
    pid: Option<u32>,
    /// One JSON object a line instead of a table.
    #[arg(long, global = true)]
    json: bool,
    /// Measurements of a rate; their median is reported.
    #[arg(long, global = true, default_value_t = 3)]
    runs: usize,
    /// Leave out the bare limits beside the fan-out, the latency and the files.
    #[arg(long, global = true)]
    no_bare: bool,
    /// That server is another program, and speaks IRC: for `fanout` and `latency`.
    #[arg(long, global = true, requires = "connect")]
    irc: bool,
}

#[derive(Clone, Subcommand)]
enum Scenario {
    /// A short version of everything, with the README's table at the end.
    All,
    /// Memory of idle, logged-in connections.
    Idle {
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        #[arg(long)]
        tls: bool,
    },
    /// Deliveries a second into one room, saturated.
    Fanout {
        #[arg(long, default_value_t = 100)]
        members: usize,
        /// "on" or "off"; both if not given.
        #[arg(long, value_parser = on_or_off, action = ArgAction::Set)]
        history: Option<bool>,
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// Messages under way to the slowest receiver, at most.
        #[arg(long, default_value_t = 1_000)]
        window: u64,
    },
    /// Files over TLS, and what the chat notices of them.
    Files(Traffic),
    /// Delivery latency in a room at a steady rate.
    Latency {
        #[arg(long, default_value_t = 100)]
        members: usize,
        #[arg(long, default_value_t = 100)]
        rate: u32,
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
        /// Password logins that wait meanwhile.
        #[arg(long, default_value_t = 0)]
        logins: usize,
    },
    /// The same beside 50 password logins.
    Storm {
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
    },
    /// Delivery latency of private messages between pairs.
    Private {
        #[arg(long, default_value_t = 2_000)]
        rate: u32,
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
    },
    /// Connect, choose a guest's name, quit.
    Logins {
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
    },
    /// Connect, choose a guest's name, join a room, quit.
    Churn {
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
    },
    /// TLS handshake, choose a guest's name, quit.
    TlsLogins {
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
    },
    /// Readers that stop reading beside people who chat.
    Slow {
        #[arg(long, default_value_t = 100)]
        members: usize,
        #[arg(long, default_value_t = 100)]
        stalled: usize,
        #[arg(long, default_value_t = 8.0)]
        seconds: f64,
    },
    /// Clients that ignore every limit beside people who chat.
    Flood {
        #[arg(long, default_value_t = 100)]
        members: usize,
        #[arg(long, default_value_t = 30)]
        floods: usize,
        #[arg(long, default_value_t = 15.0)]
        seconds: f64,
    },
    /// Time from the start of the process until it listens; size of the program.
    Startup {
        #[arg(long, default_value_t = 1_000_000)]
        messages: u64,
    },
    /// Whole files between real clients, beside scp of the same file and people who chat.
    Transfers {
        #[command(flatten)]
        traffic: Traffic,
        /// The client; if not given, the sotto beside the server's program.
        #[arg(long, value_name = "FILE")]
        client: Option<PathBuf>,
    },
    /// The other side of the bare limit; started by `fanout`.
    #[command(hide = true)]
    BareWriter { receivers: usize, line_bytes: usize },
    /// The same for `latency`.
    #[command(hide = true)]
    BareRelay,
}

/// Files that go both ways beside people who chat.
#[derive(Clone, clap::Args)]
struct Traffic {
    /// Megabytes (of 1024 kilobytes) of each file.
    #[arg(long, default_value_t = TRAFFIC.mib)]
    mib: u64,
    /// People who chat meanwhile, and messages a second of all together.
    #[arg(long, default_value_t = TRAFFIC.members)]
    members: usize,
    #[arg(long, default_value_t = TRAFFIC.rate)]
    rate: u32,
    /// Transfers at once in the last measurement.
    #[arg(long, default_value_t = TRAFFIC.at_once)]
    at_once: usize,
}

const TRAFFIC: Traffic = Traffic { mib: 1_024, members: 100, rate: 100, at_once: 100 };

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            figures::progress("");
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Outcome<()> {
    match arguments.scenario {
        Scenario::BareRelay => return relay::run(),
        Scenario::BareWriter { receivers, line_bytes } => return bare::write_forever(receivers, line_bytes),
        _ => {}
    }
    let source = match (arguments.connect, arguments.server) {
        (Some(address), _) => Source::Running { address, pid: arguments.pid },
        (None, Some(program)) => Source::Program(program),
        (None, None) => Source::Program(server::beside_this_program("sottod")?),
    };
    let report = Report::new(arguments.json);
    let tongue = if arguments.irc { Tongue::Irc } else { Tongue::Text };
    if arguments.irc && !arguments.scenario.speaks_irc() {
        return Err("only fanout and latency, of those without logins, can be had in IRC".into());
    }
    let (runs, bare) = (arguments.runs.max(1), !arguments.no_bare);
    let mut stage = Stage { source, report, runs, bare, tongue };
    match arguments.scenario {
        Scenario::All => all(&mut stage),
        scenario => perform(&mut stage, scenario),
    }
}

fn perform(stage: &mut Stage, scenario: Scenario) -> Outcome<()> {
    stage.report.scenario(scenario.name());
    match scenario {
        Scenario::All | Scenario::BareRelay | Scenario::BareWriter { .. } => {
            unreachable!("these are not scenarios by themselves")
        }
        Scenario::Idle { connections, tls } => idle::run(stage, &idle::Options { connections, tls }),
        Scenario::Fanout { members, history, seconds, window } => {
            let both = history.map_or(vec![true, false], |history| vec![history]);
            both.into_iter().try_for_each(|history| {
                fanout::run(stage, &fanout::Options { members, history, seconds, window })
            })
        }
        Scenario::Files(Traffic { mib, members, rate, at_once }) => {
            files::run(stage, &files::Options { bytes: mib << 20, members, rate, seconds: 3.0, at_once })
        }
        Scenario::Latency { members, rate, seconds, logins } => {
            latency::run(stage, &latency::Options { members, rate, seconds, logins })
        }
        Scenario::Storm { seconds } => {
            latency::run(stage, &latency::Options { members: 100, rate: 100, seconds, logins: 50 })
        }
        Scenario::Private { rate, seconds } => latency::private(stage, rate, seconds),
        Scenario::Logins { seconds } => {
            cycles::run(stage, cycles::Options { tls: false, join: false, seconds })
        }
        Scenario::Churn { seconds } => {
            cycles::run(stage, cycles::Options { tls: false, join: true, seconds })
        }
        Scenario::TlsLogins { seconds } => {
            cycles::run(stage, cycles::Options { tls: true, join: false, seconds })
        }
        Scenario::Slow { members, stalled, seconds } => {
            slow::run(stage, &slow::Options { members, stalled, seconds })
        }
        Scenario::Flood { members, floods, seconds } => {
            flood::run(stage, &flood::Options { members, floods, seconds })
        }
        Scenario::Startup { messages } => startup::run(stage, messages),
        Scenario::Transfers { traffic: Traffic { mib, members, rate, at_once }, client } => {
            let bytes = mib << 20;
            transfers::run(stage, &transfers::Options { client, bytes, members, rate, at_once })
        }
    }
}

/// One after the other; a failure is reported and the others go on.
fn all(stage: &mut Stage) -> Outcome<()> {
    let seconds = 3.0;
    let fanout = |members| Scenario::Fanout { members, history: None, seconds, window: 1_000 };
    let latency = |rate| Scenario::Latency { members: 100, rate, seconds, logins: 0 };
    let scenarios = [
        Scenario::Idle { connections: 10_000, tls: false },
        Scenario::Idle { connections: 10_000, tls: true },
        Scenario::Idle { connections: 19_000, tls: false },
        fanout(100),
        fanout(1_000),
        latency(100),
        latency(500),
        Scenario::Storm { seconds },
        Scenario::Private { rate: 2_000, seconds },
        Scenario::Logins { seconds },
        Scenario::Churn { seconds },
        Scenario::TlsLogins { seconds },
        Scenario::Slow { members: 100, stalled: 100, seconds: 6.0 },
        Scenario::Flood { members: 100, floods: 30, seconds: 12.0 },
        Scenario::Files(TRAFFIC),
        Scenario::Transfers { traffic: TRAFFIC, client: None },
        Scenario::Startup { messages: 1_000_000 },
    ];
    let mut failures = Vec::new();
    for scenario in scenarios {
        let name = scenario.name();
        if let Err(error) = perform(stage, scenario) {
            eprintln!("load: {name}: {error}");
            failures.push(name);
        }
    }
    stage.report.markdown();
    if failures.is_empty() { Ok(()) } else { Err(format!("failed: {}", failures.join(", ")).into()) }
}

impl Scenario {
    fn speaks_irc(&self) -> bool {
        matches!(self, Scenario::Fanout { .. } | Scenario::Latency { logins: 0, .. })
    }

    fn name(&self) -> &'static str {
        match self {
            Scenario::All => "all",
            Scenario::BareRelay => "bare-relay",
            Scenario::BareWriter { .. } => "bare-writer",
            Scenario::Churn { .. } => "churn",
            Scenario::Fanout { .. } => "fanout",
            Scenario::Files(_) => "files",
            Scenario::Flood { .. } => "flood",
            Scenario::Idle { .. } => "idle",
            Scenario::Latency { .. } => "latency",
            Scenario::Logins { .. } => "logins",
            Scenario::Private { .. } => "private",
            Scenario::Slow { .. } => "slow",
            Scenario::Startup { .. } => "startup",
            Scenario::Storm { .. } => "storm",
            Scenario::TlsLogins { .. } => "tls-logins",
            Scenario::Transfers { .. } => "transfers",
        }
    }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".into()),
    }
}
