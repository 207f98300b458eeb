//! How long the server takes until it listens, on a database that has seen a lot; and its size.

use std::fs;
use std::time::Instant;

use crate::Outcome;
use crate::chat::{Chat, Way};
use crate::figures::{Figure, median, progress};
use crate::people;
use crate::scenario::Stage;
use crate::server::{Server, Source, Wishes};
use crate::swarm::Swarm;

pub fn run(stage: &mut Stage, messages: u64) -> Outcome<()> {
    let Source::Program(program) = stage.source.clone() else {
        return Err("the start of a running server cannot be measured; leave out --connect".into());
    };
    let home = tempfile::tempdir()?;
    let wishes = Wishes { data: Some(home.path().join("data")), ..Wishes::default() };
    let server = Server::start(&stage.source, &wishes)?;
    stage.report.add(Figure::new("first start, with a new certificate", millis(&server), "ms"));
    let took = fill(&server, messages)?;
    stage.report.add(
        Figure::new("messages stored", messages as f64 / took, "/s")
            .note(format!("{messages} messages of 100 bytes to one receiver")),
    );
    server.stop()?;
    let mut starts = Vec::new();
    for run in 1..=STARTS {
        progress(&format!("start {run} of {STARTS}"));
        let server = Server::start(&stage.source, &wishes)?;
        starts.push(millis(&server));
        server.stop()?;
    }
    stage.report.add(
        Figure::new("start to listening", median(&starts), "ms")
            .note(format!("{messages} messages in the database, median of {STARTS}")),
    );
    let bytes = fs::metadata(&program)?.len() as f64;
    stage.report.add(Figure::new("size of the program", bytes / 1024.0 / 1024.0, "MiB"));
    Ok(())
}

/// Seconds that it took to send so many messages through the server.
fn fill(server: &Server, messages: u64) -> Outcome<f64> {
    let mut swarm = Swarm::new(server.address)?;
    let keys = people::room(&mut swarm, 2, ROOM, |index| format!("s{index:04}"))?;
    let way = Way::Room { room: ROOM.into(), name: "s0000".into() };
    let mut chat = Chat::new(&keys, 1, way, 100);
    let began = Instant::now();
    chat.saturate(&mut swarm, WINDOW, |chat| {
        progress(&format!("{} messages stored", chat.ledger.deliveries));
        Ok(chat.sent_total() >= messages)
    })?;
    if chat.ledger.deliveries < chat.sent_total() {
        return Err(chat.complaint("not every message arrived").into());
    }
    Ok(began.elapsed().as_secs_f64())
}

fn millis(server: &Server) -> f64 {
    server.ready_after.as_secs_f64() * 1e3
}

const ROOM: &str = "#past";
const STARTS: usize = 5;
const WINDOW: u64 = 2_000;
