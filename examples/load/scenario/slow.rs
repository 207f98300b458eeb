//! Readers that stop reading, in the room of those who chat.

use std::time::Duration;

use crate::Outcome;
use crate::chat::{Chat, Way};
use crate::figures::{Figure, progress};
use crate::people;
use crate::scenario::Stage;
use crate::scenario::latency::{ROOM, conclude};
use crate::server::{Server, Wishes};
use crate::swarm::Swarm;

pub struct Options {
    pub members: usize,
    pub stalled: usize,
    pub seconds: f64,
}

pub fn run(stage: &mut Stage, options: &Options) -> Outcome<()> {
    let &Options { members, stalled, seconds } = options;
    let how_long = Duration::from_secs_f64(seconds);
    let wishes = Wishes { send_queues: Some((SOFT_BYTES, HARD_BYTES)), ..Wishes::default() };
    let server = Server::start(&stage.source, &wishes)?;
    let mut swarm = Swarm::new(server.address)?;
    let keys = people::room(&mut swarm, members, ROOM, |index| format!("s{index:04}"))?;
    let readers = people::room(&mut swarm, stalled, ROOM, |index| format!("r{index:04}"))?;
    progress("everybody reads");
    let way = Way::Room { room: ROOM.into(), name: "s0000".into() };
    let mut calm = Chat::new(&keys, keys.len(), way.clone(), LINE_BYTES);
    calm.steady(&mut swarm, RATE, how_long, false)?;
    stage.report.latencies("everybody reads", &calm.latencies);
    conclude(&mut stage.report, &calm)?;
    // Their places are taken by others, who read only until they are there.
    readers.iter().for_each(|&key| swarm.close(key));
    swarm.small_buffers(true);
    let deaf = people::room(&mut swarm, stalled, ROOM, |index| format!("d{index:04}"))?;
    deaf.iter().for_each(|&key| swarm.deafen(key));
    let before = server.usage().ok();
    progress("some do not read");
    let mut chat = Chat::new(&keys, keys.len(), way, LINE_BYTES);
    chat.steady(&mut swarm, RATE, how_long, false)?;
    let after = server.usage().ok();
    let what = format!("{stalled} do not read");
    stage.report.latencies(&what, &chat.latencies);
    if let Some((before, after)) = before.zip(after) {
        let grown = after.resident_bytes.saturating_sub(before.resident_bytes) as f64 / 1024.0 / 1024.0;
        let bound = (stalled * HARD_BYTES) as f64 / 1024.0 / 1024.0;
        stage.report.add(
            Figure::new(format!("{what}: memory that it cost"), grown, "MiB")
                .note(format!("send queues may hold {bound:.0} MiB if nothing is shared")),
        );
    }
    let sent = chat.sent_total() as usize * LINE_BYTES;
    stage.report.add(
        Figure::new(format!("{what}: of them closed"), chat.notices as f64, "")
            .note(format!("{} bytes were sent to each, a queue holds {HARD_BYTES}", sent)),
    );
    conclude(&mut stage.report, &chat)
}

/// Small queues and large messages, so that seconds are enough to fill them, and what the systems at both
/// ends hold before them: 4 MiB for a connection on loopback.
const SOFT_BYTES: usize = 32 * 1024;
const HARD_BYTES: usize = 256 * 1024;
const LINE_BYTES: usize = 4_000;
const RATE: u32 = 200;
