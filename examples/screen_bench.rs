//! Measures the screen of sotto: how fast it is there, how fast a key is drawn while a room is busy,
//! and the memory that full scrollbacks take.
//!
//! ```text
//! cargo build --release && cargo run --release --example screen_bench
//! ```
//!
//! It starts the `sottod` of the same build. The screen is drawn as always, but its bytes go
//! nowhere instead of to a terminal: what a terminal needs to show them is not measured.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::{Event as Typed, KeyCode, KeyEvent, KeyModifiers};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use sottovoce::client::arrive::arrive;
use sottovoce::client::home::Home;
use sottovoce::client::link::{Link, Target};
use sottovoce::client::session::event::Place;
use sottovoce::client::session::{Login, Options, Session};
use sottovoce::client::trust::Trust;
use sottovoce::proto::name::RoomName;
use sottovoce::proto::time::{Instant as Mono, Now, Timestamp};
use sottovoce::tui::model::{Model, Size};
use sottovoce::tui::run::{Options as Choices, drive};
use sottovoce::tui::terminal::{Outside, Surface};
use sottovoce::tui::theme::Theme;
use sottovoce::tui::view::view;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    measure_memory()?;
    let directory = std::env::temp_dir().join(format!("screen-bench-{}", std::process::id()));
    let server = Server::start(&directory)?;
    let measured = measure_speed(&server, &directory);
    drop(server);
    std::fs::remove_dir_all(&directory)?;
    measured
}

// ---- memory ------------------------------------------------------------------------------------

/// All rooms full, drawn once each; the whole process counts.
fn measure_memory() -> Result<(), Box<dyn std::error::Error>> {
    let now = Now { mono: Mono(0), wall: Timestamp(1_769_860_800_000) };
    let mut session = Session::new(now, Options::new("alice", Login::Guest, &[])?, [7; 24]);
    session.connected(now);
    let hear = |session: &mut Session, line: String| {
        session.handle_line(now, line.as_bytes());
        while session.poll_line().is_some() {}
        while session.poll_event().is_some() {}
    };
    hear(&mut session, r#"{"re":1,"ok":{"server":"sottod/0.1.0","version":1,"name":"x"}}"#.to_owned());
    hear(&mut session, r#"{"re":2,"ok":{"user":"alice"}}"#.to_owned());
    for room in 0..ROOMS {
        let name = RoomName::parse(&format!("room{room}")).map_err(|error| error.to_string())?;
        session.join(now, &name, None).map_err(|error| error.to_string())?;
        let id = room + 3;
        hear(
            &mut session,
            format!(
                r#"{{"re":{id},"ok":{{"room":"room{room}","members":["alice"],"seq":0,"messages":[]}}}}"#
            ),
        );
    }
    for seq in 1..=LINES {
        for room in 0..ROOMS {
            let (from, text) = (format!("user{}", (seq * 7 + room) % 40), sentence(seq * ROOMS + room));
            let ts = Timestamp(1_769_860_800_000 + seq * 7_300).rfc3339();
            hear(
                &mut session,
                format!(
                    r#"{{"ev":"message","room":"room{room}","from":"{from}","seq":{seq},"ts":"{ts}","text":"{text}"}}"#
                ),
            );
        }
    }
    let mut surface = Memory::new(Arc::default())?;
    let mut model = Model::new(surface.size()?, jiff::tz::TimeZone::UTC, now);
    for room in session.rooms() {
        model.conversation(&Place::Room(room.name().clone()));
    }
    let mut slowest = Duration::ZERO;
    for index in 0..model.conversations().len() {
        model.show(index, &session);
        let begun = Instant::now();
        surface.draw(&mut |frame| view(&model, &session, Theme { colors: true }, frame))?;
        slowest = slowest.max(begun.elapsed());
    }
    let lines: usize = session.rooms().map(|room| room.scrollback().len()).sum();
    println!("memory with {ROOMS} rooms and {lines} lines: {} (target 20 MB)", resident());
    println!("slowest first look at a full room: {slowest:.1?}");
    Ok(())
}

/// Resident memory of this process, where the system tells.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
    };
    let kilobytes = field("VmRSS:").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    kilobytes.map_or("unknown".to_owned(), |kilobytes| format!("{:.1} MB", kilobytes * 1024.0 / 1e6))
}

/// Eight words or so, of a vocabulary of 400, so that compression has no easy life.
fn sentence(number: u64) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut words = Vec::new();
    for _ in 0..4 + number % 9 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let pick = state >> 33;
        let syllables = ["ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu"];
        let word = [pick % 10, pick / 10 % 10, pick / 100 % 4].map(|at| syllables[at as usize]);
        words.push(word.concat());
    }
    words.join(" ")
}

// ---- speed -------------------------------------------------------------------------------------

fn measure_speed(server: &Server, directory: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let rate = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let home = Home::new(Some(directory.join("home")))?;
    let begun = Instant::now();
    let options = Options::new("alice", Login::Guest, &["lobby"])?;
    let mut link =
        Link::open(Target::new("127.0.0.1", server.port), Trust::new(home.known_servers(), true), options)?;
    let early = arrive(&mut link, None)?.map_err(|ending| format!("{ending:?}"))?;
    let connected = begun.elapsed();
    let (sender, inputs) = sync_channel(1024);
    let waker = link.waker();
    let mut surface = Memory::new(Arc::clone(&seen))?;

    let talk = talker(server.port, Arc::clone(&rate), Arc::clone(&stop))?;
    let watcher = {
        let (seen, rate, stop) = (Arc::clone(&seen), Arc::clone(&rate), Arc::clone(&stop));
        thread::spawn(move || {
            let send = |code| {
                let key = KeyEvent::new(code, KeyModifiers::NONE);
                let sent = sender.send(Outside::Typed(Typed::Key(key)));
                waker.wake().is_ok() && sent.is_ok()
            };
            let shown = wait(&seen, |seen| seen.room);
            let first = shown.duration_since(begun);
            println!(
                "first screen {first:.1?} after the start of connecting, {:.1?} after the login (target 50 ms)",
                first.saturating_sub(connected)
            );
            rate.store(MESSAGES_PER_SECOND, Ordering::Relaxed);
            thread::sleep(Duration::from_secs(1));
            let mut latencies = Vec::new();
            for count in 1..=KEYS {
                let pressed = Instant::now();
                send(KeyCode::Char('x'));
                latencies.push(wait(&seen, |seen| seen.typed == count).duration_since(pressed));
                // As fast as people type who type very fast.
                thread::sleep(Duration::from_millis(37));
            }
            latencies.sort();
            let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
            let said = seen.lock().map(|seen| seen.newest).unwrap_or_default();
            println!(
                "key to drawn at {MESSAGES_PER_SECOND} messages/s: median {:.2?}, 99 % {:.2?}, worst {:.2?} (target 16 ms)",
                at(0.5),
                at(0.99),
                at(1.0)
            );
            println!(
                "messages shown meanwhile: up to number {said}; screens drawn: {}",
                seen.lock().map(|seen| seen.screens).unwrap_or_default()
            );
            stop.store(true, Ordering::Relaxed);
            // The end of a run, as a signal would bring it.
            let _ = sender.send(Outside::Terminate);
            let _ = waker.wake();
        })
    };
    let choices = Choices { preferred: None, theme: Theme { colors: true }, mouse: false, bell: false };
    drive(link, &home, early, choices, &mut surface, &inputs)?;
    watcher.join().map_err(|_| "the watcher failed")?;
    talk.join().map_err(|_| "the talker failed")?;
    println!("memory of the whole: {}", resident());
    Ok(())
}

/// What the screen showed last.
#[derive(Debug, Default)]
struct Seen {
    screens: u64,
    /// The room, not only the empty frame.
    room: Option<Instant>,
    /// Keys in the input line, and when they were there.
    typed: usize,
    at: Option<Instant>,
    newest: u64,
}

trait When {
    fn when(self, seen: &Seen) -> Option<Instant>;
}

impl When for Option<Instant> {
    fn when(self, _: &Seen) -> Option<Instant> {
        self
    }
}

impl When for bool {
    fn when(self, seen: &Seen) -> Option<Instant> {
        if self { seen.at } else { None }
    }
}

fn wait<T: When>(seen: &Mutex<Seen>, wanted: impl Fn(&Seen) -> T) -> Instant {
    loop {
        if let Ok(seen) = seen.lock()
            && let Some(at) = wanted(&seen).when(&seen)
        {
            return at;
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// A screen of 120 columns and 40 rows whose bytes go nowhere.
struct Memory {
    terminal: Terminal<CrosstermBackend<io::Sink>>,
    seen: Arc<Mutex<Seen>>,
}

impl Memory {
    fn new(seen: Arc<Mutex<Seen>>) -> io::Result<Memory> {
        let viewport = Viewport::Fixed(Rect::new(0, 0, 120, 40));
        let terminal =
            Terminal::with_options(CrosstermBackend::new(io::sink()), TerminalOptions { viewport })?;
        Ok(Memory { terminal, seen })
    }
}

impl Surface for Memory {
    fn size(&mut self) -> io::Result<Size> {
        Ok(Size { columns: 120, rows: 40 })
    }

    fn draw(&mut self, view: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()> {
        let mut input = String::new();
        let mut topic = String::new();
        let mut messages = String::new();
        self.terminal.draw(|frame| {
            view(frame);
            let buffer = frame.buffer_mut();
            let row = |y: u16, from: u16| (from..120).map(|x| buffer[(x, y)].symbol()).collect::<String>();
            input = row(39, 2);
            topic = row(0, 21);
            messages = (1..38).map(|y| row(y, 21) + "\n").collect();
        })?;
        let at = Instant::now();
        if let Ok(mut seen) = self.seen.lock() {
            seen.screens += 1;
            seen.typed = input.trim().len();
            seen.at = Some(at);
            if seen.room.is_none() && topic.contains("#lobby") {
                seen.room = Some(at);
            }
            let newest =
                messages.rsplit("number ").next().and_then(|rest| rest.split(' ').next()?.parse().ok());
            seen.newest = newest.unwrap_or(seen.newest);
        }
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn ring(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_mouse(&mut self, _taken: bool) -> io::Result<()> {
        Ok(())
    }

    fn suspend(&mut self, _mouse: bool) -> io::Result<()> {
        Ok(())
    }
}

/// Says things in the lobby at a rate that may change.
fn talker(port: u16, rate: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> io::Result<thread::JoinHandle<()>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let heard = stream.try_clone()?;
    thread::spawn(move || for _line in BufReader::new(heard).lines().map_while(Result::ok) {});
    stream.write_all(
        b"{\"id\":1,\"cmd\":\"nick\",\"user\":\"bob\"}\n{\"id\":2,\"cmd\":\"join\",\"room\":\"lobby\"}\n",
    )?;
    Ok(thread::spawn(move || {
        let mut number = 0;
        let mut owed = 0.0;
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(TICK);
            owed += rate.load(Ordering::Relaxed) as f64 * TICK.as_secs_f64();
            let mut lines = String::new();
            while owed >= 1.0 {
                owed -= 1.0;
                number += 1;
                lines += &format!(
                    "{{\"id\":{},\"cmd\":\"say\",\"room\":\"lobby\",\"text\":\"message number {number} in a busy room\"}}\n",
                    number + 2
                );
            }
            if stream.write_all(lines.as_bytes()).is_err() {
                return;
            }
        }
    }))
}

/// The `sottod` of the same build.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(directory: &std::path::Path) -> Result<Server, Box<dyn std::error::Error>> {
        std::fs::create_dir_all(directory)?;
        let config = directory.join("config.toml");
        std::fs::write(&config, "[limits]\nmessages_per_second = 0\ncommands_per_second = 0\n")?;
        let this = std::env::current_exe()?;
        let sottod =
            this.parent().and_then(|examples| examples.parent()).ok_or("no directory")?.join("sottod");
        let mut command = Command::new(&sottod);
        command.args(["--listen", "127.0.0.1:0", "--log-level", "error"]);
        command.arg("--config").arg(config).arg("--data").arg(directory.join("data"));
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("{}: {error}; build it first", sottod.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let port = line.trim().rsplit(':').next().unwrap_or_default().parse();
        Ok(Server { child, port: port.map_err(|_| format!("not the line that was expected: {line}"))? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is of no use any more; what fails here cannot be helped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ROOMS: u64 = 100;
const LINES: u64 = 5_000;
const KEYS: usize = 100;
const MESSAGES_PER_SECOND: u64 = 1_000;
/// Between two bursts of the talker.
const TICK: Duration = Duration::from_millis(5);
