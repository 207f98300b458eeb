//! The generator against a stub: what it counts is what happened.

use std::net::SocketAddr;
use std::time::Duration;

use crate::Outcome;
use crate::chat::{Chat, Way};
use crate::figures::{Figure, Report};
use crate::ledger::Faults;
use crate::people;
#[cfg(target_os = "linux")]
use crate::scenario::idle;
use crate::scenario::{Stage, cycles, fanout, files, latency};
use crate::server::Source;
use crate::stub::{self, Habit};
use crate::stub_files::{self, Care};
use crate::swarm::Swarm;
use crate::tongue::Tongue;

#[test]
fn everything_arrives_from_a_server_that_does_its_work() {
    assert_eq!(chat_with(Habit::Good).unwrap(), Faults::default());
}

#[test]
fn a_lost_message_is_counted() {
    let faults = chat_with(Habit::Loses).unwrap();
    assert_eq!(faults.lost, u64::from(MESSAGES) / 10);
    assert_eq!((faults.reordered, faults.doubled), (0, 0));
}

#[test]
fn a_doubled_message_is_counted() {
    let faults = chat_with(Habit::Repeats).unwrap();
    assert_eq!(faults.doubled, u64::from(MESSAGES) / 10);
    assert_eq!((faults.lost, faults.reordered), (0, 0));
}

#[test]
fn a_saturated_room_has_a_rate() {
    let stage = measured(stage, "deliveries", |stage, seconds| {
        fanout::run(stage, &fanout::Options { members: 5, history: true, seconds, window: 100 })
    });
    assert_eq!(figure(&stage, "lost").value, 0.0);
}

#[test]
fn a_steady_room_has_latencies() {
    let stage = measured(stage, "logins", |stage, seconds| {
        latency::run(stage, &latency::Options { members: 5, rate: 200, seconds, logins: 2 })
    });
    assert!(figure(&stage, "p50").value > 0.0);
    assert_eq!(figure(&stage, "lost").value, 0.0);
}

#[test]
fn another_program_is_spoken_to_in_irc() {
    let irc = || Stage { tongue: Tongue::Irc, ..stage() };
    let mut stage = irc();
    let options = latency::Options { members: 5, rate: 200, seconds: 0.3, logins: 0 };
    latency::run(&mut stage, &options).unwrap();
    assert_eq!(figure(&stage, "lost").value, 0.0);
    measured(irc, "deliveries", |stage, seconds| {
        fanout::run(stage, &fanout::Options { members: 5, history: true, seconds, window: 100 })
    });
}

#[test]
fn private_messages_are_timed_where_they_arrive() {
    let mut stage = stage();
    latency::private(&mut stage, 500, 0.3).unwrap();
    assert!(figure(&stage, "p99").value > 0.0);
    assert_eq!(figure(&stage, "lost").value, 0.0);
}

#[test]
fn what_a_sender_sees_of_its_private_message_is_no_delivery() {
    let mut swarm = Swarm::new(stub::start(Habit::Good)).unwrap();
    let keys = people::guests(&mut swarm, 2, false, |index| format!("s{index:04}")).unwrap();
    let mut chat = Chat::new(&keys, 1, Way::Pairs { to: vec!["s0001".into()] }, 100);
    chat.steady(&mut swarm, 100, Duration::from_millis(200), false).unwrap();
    assert_eq!((chat.ledger.received[0], chat.ledger.received[1]), (0, 20));
}

#[test]
fn guests_come_and_go() {
    for join in [false, true] {
        measured(stage, "quit", |stage, seconds| {
            cycles::run(stage, cycles::Options { tls: false, join, seconds })
        });
    }
}

#[test]
fn guests_come_and_go_through_tls() {
    let secured = || stage_at(stub::start_tls());
    measured(secured, "quit", |stage, seconds| {
        cycles::run(stage, cycles::Options { tls: true, join: false, seconds })
    });
}

// Memory and processor time are read from /proc.
#[cfg(target_os = "linux")]
#[test]
fn idle_connections_are_weighed() {
    for (address, tls) in [(stub::start(Habit::Good), false), (stub::start_tls(), true)] {
        let mut stage = stage_at(address);
        idle::run(&mut stage, &idle::Options { connections: 40, tls }).unwrap();
        assert!(figure(&stage, "resident").note.starts_with("40 of 40"));
    }
}

#[test]
fn files_are_timed_and_compared() {
    let mut stage = stage_at(stub_files::start(Care::Good));
    files::run(&mut stage, &SMALL_FILES).unwrap();
    for part in ["upload of", "download of", "upload, both", "download, both", "10 downloads"] {
        assert!(figure(&stage, part).value > 0.0, "{part}");
    }
    assert_eq!(figure(&stage, "lost").value, 0.0);
}

#[test]
fn a_file_that_comes_back_otherwise_is_no_figure() {
    let mut stage = stage_at(stub_files::start(Care::Spoils));
    let error = files::run(&mut stage, &SMALL_FILES).unwrap_err().to_string();
    assert!(error.ends_with("are not what was sent"), "{error}");
    assert!(stage.report.figures.iter().all(|(_, figure)| !figure.name.contains("download")));
}

/// The verdict over a short chat of seven people.
fn chat_with(habit: Habit) -> Outcome<Faults> {
    let mut swarm = Swarm::new(stub::start(habit))?;
    let keys = people::room(&mut swarm, 7, "#talk", |index| format!("s{index:04}"))?;
    let way = Way::Room { room: "#talk".into(), name: "s0000".into() };
    let mut chat = Chat::new(&keys, 1, way, 100);
    chat.steady(&mut swarm, MESSAGES * 2, Duration::from_millis(500), false)?;
    assert_eq!(chat.sent, [MESSAGES]);
    Ok(chat.faults())
}

/// Measures for a short while until this figure is more than nothing: where a busy machine got nothing done
/// in it, for a longer one.
fn measured(new: impl Fn() -> Stage, name: &str, run: impl Fn(&mut Stage, f64) -> Outcome<()>) -> Stage {
    let mut seconds = 0.2;
    loop {
        let mut stage = new();
        let outcome = run(&mut stage, seconds);
        if outcome.is_ok() && figure(&stage, name).value > 0.0 {
            return stage;
        }
        assert!(seconds < 60.0, "nothing in {seconds} s: {outcome:?}");
        seconds *= 6.0;
    }
}

fn stage() -> Stage {
    stage_at(stub::start(Habit::Good))
}

fn stage_at(address: SocketAddr) -> Stage {
    let source = Source::Running { address, pid: Some(std::process::id()) };
    // The bare limit is another process of this program, which a test is not.
    Stage { source, report: Report::new(false), runs: 1, bare: false, tongue: Tongue::Text }
}

fn figure<'a>(stage: &'a Stage, part: &str) -> &'a Figure {
    let figures = stage.report.figures.iter().map(|(_, figure)| figure);
    figures.into_iter().find(|figure| figure.name.contains(part)).expect("the figure was reported")
}

const MESSAGES: u32 = 100;
/// A piece and a bit of another.
const SMALL_FILES: files::Options =
    files::Options { bytes: 300_000, members: 5, rate: 200, seconds: 0.3, at_once: 10 };
