//! Files over TLS: the rate of an upload and of a download, each alone and both at once, and what the chat
//! notices of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use sottovoce::proto::id::FileId;
use sottovoce::proto::limits::PIECE_BYTES;

use crate::Outcome;
use crate::bare;
use crate::carrier::{Carrier, piece};
use crate::figures::{Figure, progress};
use crate::link::tls_config;
use crate::people;
use crate::scenario::{Stage, latency};
use crate::server::{Server, Usage, Wishes};
use crate::swarm::Swarm;

pub struct Options {
    /// Bytes of each file.
    pub bytes: u64,
    /// People who chat meanwhile, and messages a second of all of them together.
    pub members: usize,
    pub rate: u32,
    /// How long they chat before.
    pub seconds: f64,
    /// Transfers at once in the last measurement.
    pub at_once: usize,
}

/// Two accounts: one sends, the other receives.
struct People {
    to: SocketAddr,
    config: Arc<ClientConfig>,
    /// For lines, as the sender.
    lines: Carrier,
    sender: String,
    receiver: String,
}

pub fn run(stage: &mut Stage, options: &Options) -> Outcome<()> {
    let &Options { bytes, members, rate, seconds, at_once } = options;
    let server = Server::start(&stage.source, &Wishes::default())?;
    let config = tls_config();
    let mut lines = Carrier::connect(server.address, &config)?;
    let sender = lines.register("sender")?;
    let receiver = Carrier::connect(server.address, &config)?.register("receiver")?;
    let mut people = People { to: server.address, config, lines, sender, receiver };
    let size = format!("{} MiB", bytes >> 20);
    if stage.bare {
        progress("bytes without a server");
        let rate = bare::tls_rate(bytes, &people.config)?;
        let note = "two threads, TLS between them, nothing kept";
        stage.report.add(Figure::new(format!("bare TLS, {size}"), rate / 1e6, "MB/s").note(note));
    }
    let before = server.usage().ok();
    progress("an upload");
    let file = people.lines.upload(bytes)?;
    let alone = people.send(file, bytes).join()?;
    let work = processor_time(&before, &server, bytes);
    let synced = people.lines.finish(file)?;
    stage.report.add(
        Figure::new(format!("upload of {size}, alone"), rate_of(bytes, alone), "MB/s")
            .note(format!("{work}; {:.1} s more until the disk had it", synced.as_secs_f64())),
    );
    progress("a download");
    let between = server.usage().ok();
    let alone = people.receive(file, bytes).join()?;
    let work = processor_time(&between, &server, bytes);
    let what = format!("download of {size}, alone");
    stage.report.add(Figure::new(what, rate_of(bytes, alone), "MB/s").note(work));

    progress("people who chat");
    let mut swarm = Swarm::new(server.address)?;
    let keys = people::room(&mut swarm, members, latency::ROOM, |index| format!("s{index:04}"))?;
    let mut chat = latency::talkers(&keys);
    chat.steady(&mut swarm, rate, Duration::from_secs_f64(seconds), false)?;
    let who = format!("{members} chatting at {rate} messages/s");
    stage.report.latencies(&format!("{who}, alone"), &chat.latencies);
    chat.latencies.reset();
    progress("both at once, and people who chat");
    let other = people.lines.upload(bytes)?;
    let idle = server.usage().ok();
    let transfers = [people.send(other, bytes), people.receive(file, bytes)];
    let mut most = idle.map_or(0, |usage| usage.resident_bytes);
    while !transfers.iter().all(Transfer::is_done) {
        chat.steady(&mut swarm, rate, CHAT_STEP, false)?;
        most = most.max(server.usage().map_or(0, |usage| usage.resident_bytes));
    }
    let after = server.usage().ok();
    let [sent, received] = transfers.map(Transfer::join);
    stage.report.add(Figure::new("upload, both at once", rate_of(bytes, sent?), "MB/s"));
    stage.report.add(Figure::new("download, both at once", rate_of(bytes, received?), "MB/s"));
    stage.report.latencies(&format!("{who} meanwhile"), &chat.latencies);
    if let Some(((before, idle), after)) = before.zip(idle).zip(after) {
        let growth =
            most.max(after.resident_bytes).saturating_sub(before.resident_bytes.min(idle.resident_bytes));
        let note = "at most, over an idle server";
        stage.report.add(Figure::new("server's memory", growth as f64 / 1e6, "MB").note(note));
        stage.report.add(Figure::new("server's processor time", after.cores_since(&idle), "cores"));
    }
    latency::conclude(&mut stage.report, &chat)?;
    people.lines.delete(other)?;
    many_at_once(stage, &mut people, file, bytes, at_once)
}

/// Many receive the same file, as many connections as the two accounts may have, one after the other on each.
fn many_at_once(
    stage: &mut Stage,
    people: &mut People,
    file: FileId,
    bytes: u64,
    at_once: usize,
) -> Outcome<()> {
    progress(&format!("{at_once} downloads at once"));
    let mut names = Vec::new();
    for number in 0..at_once.div_ceil(CONNECTIONS_PER_ACCOUNT) {
        let name = format!("reader{number}");
        let token = Carrier::connect(people.to, &people.config)?.register(&name)?;
        names.push((name, token));
    }
    let part = (bytes / at_once as u64).max(1);
    let small = people.lines.upload(part)?;
    people.send(small, part).join()?;
    people.lines.finish(small)?;
    let transfers: Vec<Transfer> = (0..at_once)
        .map(|number| {
            let (name, token) = &names[number / CONNECTIONS_PER_ACCOUNT];
            people.transfer(name, token, move |carrier, piece| carrier.get(small, part, piece))
        })
        .collect();
    let began = Instant::now();
    transfers.into_iter().try_for_each(|transfer| transfer.join().map(drop))?;
    let total = part * at_once as u64;
    let what = format!("{at_once} downloads of {} MiB at once, together", part >> 20);
    stage.report.add(Figure::new(what, rate_of(total, began.elapsed()), "MB/s"));
    people.lines.delete(file)?;
    people.lines.delete(small)
}

impl People {
    fn send(&self, file: FileId, bytes: u64) -> Transfer {
        self.transfer("sender", &self.sender, move |carrier, piece| carrier.put(file, bytes, piece))
    }

    fn receive(&self, file: FileId, bytes: u64) -> Transfer {
        self.transfer("receiver", &self.receiver, move |carrier, piece| carrier.get(file, bytes, piece))
    }

    fn transfer(
        &self,
        name: &str,
        token: &str,
        work: impl FnOnce(&mut Carrier, &[u8; PIECE_BYTES]) -> Outcome<Duration> + Send + 'static,
    ) -> Transfer {
        let (to, config) = (self.to, Arc::clone(&self.config));
        let (name, token) = (name.to_owned(), token.to_owned());
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let outcome = (|| {
                let mut carrier = Carrier::connect(to, &config)?;
                carrier.carry(&name, &token)?;
                work(&mut carrier, &piece())
            })();
            // Whoever started it has gone if this fails.
            let _ = tell.send(outcome.map_err(|error: Box<dyn std::error::Error>| error.to_string()));
        });
        Transfer { thread, told }
    }
}

struct Transfer {
    thread: JoinHandle<()>,
    told: mpsc::Receiver<Result<Duration, String>>,
}

impl Transfer {
    fn is_done(&self) -> bool {
        self.thread.is_finished()
    }

    fn join(self) -> Outcome<Duration> {
        Ok(self.told.recv()??)
    }
}

/// What the server did for so many bytes since then, as a note.
fn processor_time(before: &Option<Usage>, server: &Server, bytes: u64) -> String {
    let Some((before, after)) = before.as_ref().zip(server.usage().ok()) else { return String::new() };
    let seconds = (after.cpu - before.cpu).as_secs_f64();
    format!("{:.2} s of a core for a GB", seconds * 1e9 / bytes as f64)
}

fn rate_of(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64() / 1e6
}

/// The chat goes on in steps of this length until the transfers are done.
const CHAT_STEP: Duration = Duration::from_millis(500);
/// What the server allows.
const CONNECTIONS_PER_ACCOUNT: usize = 8;
