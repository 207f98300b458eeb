//! Tortures a real `sottod` and prints what it survived: `cargo run --release --example torture -- all`.
//!
//! Each test starts the program that was built beside this one, on loopback, in a directory of its own,
//! and is bounded in time. `/proc`, `sh`, `prlimit` and `mount` make this a matter of Linux; the full disk
//! needs root, to mount a small one.

#[path = "../load/chat.rs"]
#[allow(dead_code)]
mod chat;
mod client;
mod crowd;
mod daemon;
mod descriptors;
mod disk;
#[path = "../load/figures.rs"]
#[allow(dead_code)]
mod figures;
mod files;
mod kill;
mod large;
#[path = "../load/ledger.rs"]
#[allow(dead_code)]
mod ledger;
#[path = "../load/link.rs"]
#[allow(dead_code)]
mod link;
#[path = "../load/people.rs"]
#[allow(dead_code)]
mod people;
mod pressure;
mod private;
#[path = "../load/proc.rs"]
mod proc;
mod random;
#[path = "../load/swarm.rs"]
#[allow(dead_code)]
mod swarm;
mod talker;
#[path = "../load/tongue.rs"]
#[allow(dead_code)]
mod tongue;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Parser)]
#[command(about = "Tortures a Sottovoce server and tells what it survived")]
struct Arguments {
    #[command(subcommand)]
    test: Test,
    /// The server to start; if not given, the sottod that was built beside this program.
    #[arg(long, global = true, value_name = "FILE")]
    server: Option<PathBuf>,
    /// The client to start; if not given, the sotto beside the server.
    #[arg(long, global = true, value_name = "FILE")]
    client: Option<PathBuf>,
}

/// What is put to torture.
pub struct Programs {
    pub server: PathBuf,
    pub client: PathBuf,
}

#[derive(Clone, Subcommand)]
enum Test {
    /// Everything, one after the other.
    All,
    /// kill -9 under load, again and again: nothing acknowledged is lost, doubled or reordered.
    Kill {
        #[arg(long, default_value_t = 200)]
        times: usize,
    },
    /// A disk that fills up, and has room again.
    FullDisk,
    /// No descriptors left, and some again.
    Descriptors,
    /// kill -9 of who sends files, who receives them, and the server: each arrives as it was, once.
    Files(files::Options),
    /// A hundred files on their way at once.
    Crowd,
    /// A file of 5 GiB, and the memory that it costs; needs 11 GiB of disk.
    Large(large::Options),
    /// kill -9 of two who write each other encrypted messages, and the server: each arrives once, in order.
    Private(private::Options),
    /// The silent, the half, the loud and the deaf, beside 100 people who chat.
    Pressure(pressure::Options),
}

/// One line of the table.
pub struct Row {
    pub test: &'static str,
    pub what: String,
    pub found: String,
    pub passed: bool,
}

impl Row {
    pub fn new(test: &'static str, what: impl Into<String>, found: impl ToString, passed: bool) -> Row {
        Row { test, what: what.into(), found: found.to_string(), passed }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let programs = match arguments.server.map_or_else(beside_this_program, Ok) {
        Ok(server) => {
            let client = arguments.client.unwrap_or_else(|| server.with_file_name("sotto"));
            Programs { server, client }
        }
        Err(error) => {
            eprintln!("torture: {error}");
            return ExitCode::FAILURE;
        }
    };
    let tests = match arguments.test {
        Test::All => vec![
            Test::Kill { times: 200 },
            Test::FullDisk,
            Test::Descriptors,
            Test::Pressure(pressure::Options::default()),
            Test::Files(files::Options::default()),
            Test::Crowd,
            Test::Large(large::Options::default()),
            Test::Private(private::Options::default()),
        ],
        test => vec![test],
    };
    let server = &programs.server;
    println!("| test | what | found | |\n|---|---|---:|---|");
    let mut passed = true;
    for test in tests {
        let (name, outcome) = match &test {
            Test::All => unreachable!("it was replaced by the others"),
            Test::Kill { times } => ("kill", kill::run(server, *times)),
            Test::FullDisk => ("full-disk", disk::run(server)),
            Test::Descriptors => ("descriptors", descriptors::run(server)),
            Test::Pressure(options) => ("pressure", pressure::run(server, options)),
            Test::Files(options) => ("files", files::run(&programs, options)),
            Test::Crowd => ("crowd", crowd::run(&programs)),
            Test::Large(options) => ("large", large::run(&programs, options)),
            Test::Private(options) => ("private", private::run(&programs, options)),
        };
        let rows = outcome.unwrap_or_else(|error| vec![Row::new(name, "runs to its end", error, false)]);
        for Row { test, what, found, passed: row_passed } in rows {
            passed &= row_passed;
            println!("| `{test}` | {what} | {found} | {} |", if row_passed { "passed" } else { "FAILED" });
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `target/release/sottod` for `target/release/examples/torture`.
fn beside_this_program() -> Outcome<PathBuf> {
    let here = std::env::current_exe()?;
    let found =
        here.ancestors().skip(1).take(2).map(|folder| folder.join("sottod")).find(|path| path.is_file());
    Ok(found
        .ok_or("no sottod beside this program: build it in the same profile, or name it with --server")?)
}
