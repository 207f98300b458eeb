//! Saturated fan-out: a few senders, many receivers, as fast as it goes; beside it the bare limit.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::bare;
use crate::chat::{Chat, Way};
use crate::figures::{Figure, median, progress};
use crate::ledger::Faults;
use crate::people;
use crate::scenario::Stage;
use crate::server::{Server, Usage, Wishes};
use crate::swarm::Swarm;

pub struct Options {
    pub members: usize,
    pub history: bool,
    pub seconds: f64,
    /// Messages that may be under way to the slowest receiver.
    pub window: u64,
}

pub fn run(stage: &mut Stage, options: &Options) -> Outcome<()> {
    let &Options { members, history, seconds, window } = options;
    let how_long = Duration::from_secs_f64(seconds);
    let server = Server::start(&stage.source, &Wishes { history, ..Wishes::default() })?;
    let mut swarm = Swarm::speaking(server.address, stage.tongue)?;
    let keys = people::room(&mut swarm, SENDERS + members, ROOM, |index| format!("s{index:04}"))?;
    let (mut served, mut bare, mut ratios, mut cores) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut faults = Faults::default();
    for run in 1..=stage.runs {
        progress(&format!("run {run} of {}", stage.runs));
        if stage.bare {
            bare.push(bare::measure(SENDERS + members, LINE_BYTES, how_long)?);
        }
        let way = Way::Room { room: ROOM.into(), name: "s0000".into() };
        let mut chat = Chat::new(&keys, SENDERS, way, LINE_BYTES);
        let (rate, busy) = saturated(&mut swarm, &mut chat, &server, window, how_long)?;
        served.push(rate);
        cores.extend(busy);
        ratios.extend(bare.last().map(|bare| rate / bare));
        faults.add(chat.faults());
        if !chat.refusals.is_empty() || !chat.ended.is_empty() {
            return Err(chat.complaint("the fan-out was disturbed").into());
        }
    }
    let what = format!("{members} members, history {}", if history { "on" } else { "off" });
    let report = &mut stage.report;
    report.add(Figure::new(format!("{what}: deliveries"), median(&served), "/s").note(spread(&served)));
    if !bare.is_empty() {
        report.add(Figure::new(format!("{what}: bare loop"), median(&bare), "/s").note(spread(&bare)));
        report.add(Figure::new(format!("{what}: ratio"), median(&ratios), "").note(spread(&ratios)));
    }
    if !cores.is_empty() {
        report.add(Figure::new(format!("{what}: server's processor time"), median(&cores), "cores"));
    }
    report.add(faults.figure());
    Ok(())
}

/// Deliveries a second behind a warm-up, and the cores that the server used meanwhile.
fn saturated(
    swarm: &mut Swarm,
    chat: &mut Chat,
    server: &Server,
    window: u64,
    how_long: Duration,
) -> Outcome<(f64, Option<f64>)> {
    let began = Instant::now();
    let mut measured: Option<(Instant, u64, Option<Usage>)> = None;
    let mut outcome = (0.0, None);
    chat.saturate(swarm, window, |chat| {
        let deliveries = chat.ledger.deliveries;
        match &measured {
            None if began.elapsed() >= WARM_UP => {
                measured = Some((Instant::now(), deliveries, server.usage().ok()));
            }
            Some((since, before, usage)) if since.elapsed() >= how_long => {
                let rate = (deliveries - before) as f64 / since.elapsed().as_secs_f64();
                let now = server.usage().ok();
                outcome = (rate, usage.zip(now).map(|(before, now)| now.cores_since(&before)));
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    })?;
    Ok(outcome)
}

fn spread(values: &[f64]) -> String {
    let digits = if values.iter().all(|value| *value < 100.0) { 2 } else { 0 };
    let list: Vec<String> = values.iter().map(|value| format!("{value:.digits$}")).collect();
    format!("runs: {}", list.join(" "))
}

const ROOM: &str = "#fan";
const SENDERS: usize = 4;
/// As delivered, with its end.
const LINE_BYTES: usize = 100;
const WARM_UP: Duration = Duration::from_millis(500);
