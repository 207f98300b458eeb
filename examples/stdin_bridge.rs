//! Says every line of the standard input in a room, and ends when the last one is durable:
//! `tail -f /var/log/syslog | cargo run --example stdin_bridge -- localhost 12345 ops`
//!
//! Lines are read no faster than the server takes them.

use std::error::Error;
use std::io::{BufReader, stdin};

use sottovoce::client::link::typed::{Input, Typed};
use sottovoce::client::link::{Link, Target};
use sottovoce::client::session::event::Event;
use sottovoce::client::session::{Login, Options};
use sottovoce::client::trust::Trust;
use sottovoce::proto::name::RoomName;

/// Lines on their way at once.
const UNCONFIRMED_MAX: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, host, port, room] = &args[..] else { return Err("usage: stdin_bridge HOST PORT ROOM".into()) };
    let options = Options::new("bridge", Login::Guest, &[room])?;
    let room = RoomName::parse(room).map_err(|refusal| refusal.to_string())?;
    let trust = Trust::new("stdin_bridge.known_servers".into(), true);
    let mut link = Link::open(Target::new(host, port.parse()?), trust, options)?;
    let mut typed = Typed::new(BufReader::new(stdin()), link.waker())?;
    let mut ended = false;
    loop {
        while !ended && link.session().unconfirmed() < UNCONFIRMED_MAX {
            match typed.line() {
                Some(Input::Line(line)) if line.trim().is_empty() => {}
                Some(Input::Line(line)) => {
                    link.say(&room, &line)?;
                }
                Some(Input::End) => ended = true,
                Some(Input::Failed(error)) => return Err(error.into()),
                None => break,
            }
        }
        if ended && link.session().is_settled() {
            let now = link.now();
            link.session_mut().quit(now, None);
        }
        for event in link.poll(None)? {
            match event {
                Event::Answered { outcome: Err(failure), .. } => eprintln!("{failure}"),
                Event::Lost(why) => eprintln!("{why}"),
                Event::LoginRefused(refused) => return Err(refused.to_string().into()),
                Event::Stopped(_) => match link.untrusted() {
                    Some((_, text)) => return Err(text.into()),
                    None => return Ok(()),
                },
                _ => {}
            }
        }
    }
}
