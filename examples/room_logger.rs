//! Writes what is said in a room to the standard output, one tab-separated line a message, complete
//! and in order also when the connection breaks:
//! `cargo run --example room_logger -- localhost 12345 lobby >> lobby.log`

use std::error::Error;
use std::io::{Write, stdout};

use sottovoce::client::link::{Link, Target};
use sottovoce::client::scrollback::Kind;
use sottovoce::client::session::event::Event;
use sottovoce::client::session::{Login, Options};
use sottovoce::client::trust::Trust;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, host, port, room] = &args[..] else { return Err("usage: room_logger HOST PORT ROOM".into()) };
    let options = Options::new("logger", Login::Guest, &[room])?;
    let trust = Trust::new("room_logger.known_servers".into(), true);
    let mut link = Link::open(Target::new(host, port.parse()?), trust, options)?;
    let mut out = stdout().lock();
    loop {
        match link.wait()? {
            Event::Line { line, .. } if matches!(line.kind, Kind::Say | Kind::Me | Kind::Gap) => {
                let (seq, at) = (line.seq.0, line.at.rfc3339());
                writeln!(out, "{seq}\t{at}\t{}\t{}", line.from, line.text)?;
                out.flush()?;
            }
            Event::Lost(why) => eprintln!("{why}"),
            Event::LoginRefused(refused) => return Err(refused.to_string().into()),
            Event::Stopped(_) => {
                return Err(link.untrusted().map_or("stopped".into(), |(_, text)| text).into());
            }
            _ => {}
        }
    }
}
