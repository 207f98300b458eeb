//! Repeats what others say in a room: `cargo run --example echo_bot -- localhost 12345 lobby`
//!
//! It comes back by itself when the connection breaks, and answers nothing twice.

use std::error::Error;

use sottovoce::client::link::{Link, Target};
use sottovoce::client::scrollback::{Kind, Origin};
use sottovoce::client::session::event::{Event, Place};
use sottovoce::client::session::{Login, Options};
use sottovoce::client::trust::Trust;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, host, port, room] = &args[..] else { return Err("usage: echo_bot HOST PORT ROOM".into()) };
    let options = Options::new("echo", Login::Guest, &[room])?;
    // Trusts a server on first use, and keeps its fingerprint here.
    let trust = Trust::new("echo_bot.known_servers".into(), true);
    let mut link = Link::open(Target::new(host, port.parse()?), trust, options)?;
    loop {
        match link.wait()? {
            Event::RoomEntered(room) => eprintln!("listening in {room}"),
            Event::Line { place: Place::Room(room), line, .. }
                if line.kind == Kind::Say && line.origin == Origin::Live && !line.own =>
            {
                // Too much to say at once is no reason for a bot to end.
                if let Err(unsent) = link.say(&room, &format!("{} said: {}", line.from, line.text)) {
                    eprintln!("{unsent}");
                }
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
