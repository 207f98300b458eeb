//! Delivery latency at a steady rate: in a room, and between pairs.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::Outcome;
use crate::bare::Process;
use crate::chat::{Chat, Way};
use crate::cores::Apart;
use crate::figures::{Figure, Report, progress};
use crate::ledger::Faults;
use crate::people;
use crate::scenario::Stage;
use crate::scenario::storm::Storm;
use crate::server::{Server, Wishes};
use crate::swarm::Swarm;

pub struct Options {
    pub members: usize,
    /// Messages a second, all members together.
    pub rate: u32,
    pub seconds: f64,
    /// Password logins that always wait meanwhile.
    pub logins: usize,
}

pub fn run(stage: &mut Stage, options: &Options) -> Outcome<()> {
    let &Options { members, rate, seconds, logins } = options;
    let server = Server::start(&stage.source, &Wishes::default())?;
    let mut swarm = Swarm::speaking(server.address, stage.tongue)?;
    let keys = people::room(&mut swarm, members, ROOM, |index| format!("s{index:04}"))?;
    let mut chat = talkers(&keys);
    let mut what = format!("{members} members, {rate} messages/s");
    let storm = match logins {
        0 => None,
        count => {
            progress("registering accounts");
            what.push_str(&format!(", {count} password logins wait"));
            Some(Storm::start(server.address, count)?)
        }
    };
    progress(&format!("{seconds} seconds of chat"));
    let before = server.usage().ok();
    chat.steady(&mut swarm, rate, Duration::from_secs_f64(seconds), false)?;
    let after = server.usage().ok();
    stage.report.latencies(&what, &chat.latencies);
    if let Some(cores) = before.zip(after).map(|(before, after)| after.cores_since(&before)) {
        stage.report.add(Figure::new(format!("{what}: server's processor time"), cores, "cores"));
    }
    if let Some(storm) = storm {
        let weather = storm.stop()?;
        stage.report.add(
            Figure::new(format!("{what}: logins"), weather.logins_per_second, "/s")
                .note(format!("{} refused as busy, {} failed", weather.busy, weather.failed)),
        );
    }
    if stage.bare && logins == 0 {
        let bare = bare(members, rate, seconds)?;
        stage.report.latencies(&format!("{what}: bare relay"), &bare);
    }
    conclude(&mut stage.report, &chat)
}

/// The latencies of as many messages to as many people through a loop that does nothing else.
fn bare(members: usize, rate: u32, seconds: f64) -> Outcome<Histogram<u64>> {
    progress(&format!("{seconds} seconds of a bare relay"));
    let relay = Process::start(["bare-relay"])?;
    let mut swarm = Swarm::new(relay.address)?;
    let keys = (0..members).map(|_| swarm.open(false)).collect::<Result<Vec<_>, _>>()?;
    people::settle(&mut swarm)?;
    let mut chat = talkers(&keys);
    chat.steady(&mut swarm, rate, Duration::from_secs_f64(seconds), false)?;
    if !chat.ended.is_empty() || chat.faults() != Faults::default() {
        return Err(chat.complaint("the bare relay was disturbed").into());
    }
    Ok(chat.latencies)
}

/// Private messages between pairs.
pub fn private(stage: &mut Stage, rate: u32, seconds: f64) -> Outcome<()> {
    let (server, _apart) = Apart::while_starting(|| Server::start(&stage.source, &Wishes::default()));
    let server = server?;
    let mut swarm = Swarm::new(server.address)?;
    let mut keys = people::guests(&mut swarm, PAIRS, false, |index| format!("s{index:04}"))?;
    keys.extend(people::guests(&mut swarm, PAIRS, false, |index| format!("r{index:04}"))?);
    let to = (0..PAIRS).map(|index| format!("r{index:04}")).collect();
    let mut chat = Chat::new(&keys, PAIRS, Way::Pairs { to }, LINE_BYTES);
    progress(&format!("{seconds} seconds of private messages"));
    chat.steady(&mut swarm, rate, Duration::from_secs_f64(seconds), true)?;
    stage.report.latencies(&format!("{PAIRS} pairs, {rate} messages/s"), &chat.latencies);
    conclude(&mut stage.report, &chat)
}

/// Everybody in the room talks in turn.
pub fn talkers(keys: &[usize]) -> Chat {
    Chat::new(keys, keys.len(), Way::Room { room: ROOM.into(), name: "s0000".into() }, LINE_BYTES)
}

/// The faults, and whether anything disturbed the measurement.
pub fn conclude(report: &mut Report, chat: &Chat) -> Outcome<()> {
    report.add(chat.faults().figure());
    if chat.refusals.is_empty() && chat.ended.is_empty() {
        return Ok(());
    }
    Err(chat.complaint("the chat was disturbed").into())
}

pub const ROOM: &str = "#talk";
const PAIRS: usize = 50;
/// As delivered, with its end.
const LINE_BYTES: usize = 100;
