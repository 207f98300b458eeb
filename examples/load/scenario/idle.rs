//! Memory of connections that are logged in and do nothing.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::figures::{Figure, progress};
use crate::people::{Ignore, guests};
use crate::scenario::Stage;
use crate::server::{Server, Wishes};
use crate::swarm::Swarm;

pub struct Options {
    pub connections: usize,
    pub tls: bool,
}

pub fn run(stage: &mut Stage, options: &Options) -> Outcome<()> {
    let Options { connections, tls } = *options;
    let first = FIRST.min(connections / 2);
    let server = Server::start(&stage.source, &Wishes::default())?;
    let mut swarm = Swarm::new(server.address)?;
    progress(&format!("{first} connections"));
    guests(&mut swarm, first, tls, |index| format!("i{index:05}"))?;
    rest(&mut swarm)?;
    let before = server.usage()?;
    progress(&format!("{connections} connections"));
    guests(&mut swarm, connections - first, tls, |index| format!("i{:05}", index + first))?;
    rest(&mut swarm)?;
    let after = server.usage()?;
    let kind = if tls { "TLS" } else { "plain" };
    let grown = after.resident_bytes as f64 - before.resident_bytes as f64;
    stage.report.add(
        Figure::new(format!("{kind}: memory per connection"), grown / (connections - first) as f64, "bytes")
            .note(format!("resident memory from {first} to {connections}")),
    );
    let resident = after.resident_bytes as f64 / 1024.0 / 1024.0;
    let connected = swarm.len();
    stage.report.add(
        Figure::new(format!("{kind}: resident memory of the server"), resident, "MiB")
            .note(format!("{connected} of {connections} are connected")),
    );
    if connected < connections {
        return Err(format!("{} idle connections were closed", connections - connected).into());
    }
    Ok(())
}

/// A while in which nothing happens, so that buffers are given back.
fn rest(swarm: &mut Swarm) -> Outcome<()> {
    let began = Instant::now();
    while began.elapsed() < REST {
        swarm.turn(REST.saturating_sub(began.elapsed()), &mut Ignore)?;
    }
    Ok(())
}

/// The slope starts here, so that what the server needs for itself does not count.
const FIRST: usize = 1_000;
const REST: Duration = Duration::from_secs(1);
