//! `sotto say ROOM TEXT`: one message, durable when this returns; for cron jobs and scripts.

use std::io;
use std::time::{Duration, Instant};

use crate::client::home::Home;
use crate::client::link::Link;
use crate::client::plain::Ending;
use crate::client::session::event::{Event, Ticket};
use crate::proto::event::Answer;
use crate::proto::name::RoomName;

/// Says a text in a room over a link that has logged in, and quits.
pub fn say(
    mut link: Link,
    home: &Home,
    room: &RoomName,
    text: &str,
    early: Vec<Event>,
) -> io::Result<Ending> {
    let until = Instant::now() + PATIENCE;
    let server = link.target().server.clone();
    let now = link.now();
    let mut waiting: Option<Ticket> = match link.session_mut().join(now, room, None) {
        Ok(ticket) => Some(ticket),
        Err(unsent) => return Ok(Ending::Failed(unsent.to_string())),
    };
    let mut events = early;
    loop {
        for event in events {
            home.heed(&server, link.session().user(), &event)?;
            match event {
                Event::Answered { ticket, outcome } if waiting == Some(ticket) => match outcome {
                    Err(failure) => return Ok(Ending::Failed(failure.to_string())),
                    Ok(Answer::Joined(_)) => match link.say(room, text) {
                        Ok(ticket) => waiting = Some(ticket),
                        Err(unsent) => return Ok(Ending::Failed(unsent.to_string())),
                    },
                    Ok(_) => {
                        waiting = None;
                        let now = link.now();
                        link.session_mut().quit(now, None);
                    }
                },
                Event::LoginRefused(refused) => return Ok(Ending::Refused(refused.to_string())),
                Event::Stopped(_) => {
                    return Ok(match link.untrusted() {
                        Some((_, text)) => Ending::Failed(text),
                        None => Ending::Done,
                    });
                }
                _ => {}
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Ending::Failed("gave up: the message is not confirmed".to_owned()));
        }
        events = link.poll(Some(left))?;
    }
}

/// A job that cannot be done must not wait for ever, or jobs pile up.
const PATIENCE: Duration = Duration::from_secs(60);
