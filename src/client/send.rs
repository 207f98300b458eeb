//! `sotto send USER FILE...`: files that are at the server, and told of, when this returns.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::client::bars::Bars;
use crate::client::batch::{Batch, Said, ending, ready};
use crate::client::home::Home;
use crate::client::link::Link;
use crate::client::plain::Ending;
use crate::client::session::event::Event;
use crate::proto::name::UserName;

/// Sends files to somebody over a link that has logged in and unlocked its keys, and quits.
pub fn send(
    mut link: Link,
    home: &Home,
    to: &UserName,
    files: &[PathBuf],
    early: Vec<Event>,
) -> io::Result<Ending> {
    let server = link.target().server.clone();
    let mut bars = Bars::default();
    let mut batch = Batch::default();
    let until = Instant::now() + PATIENCE;
    let (mut begun, mut quitting) = (false, false);
    let mut events = early;
    loop {
        for event in events {
            home.heed(&server, link.session().user(), &event)?;
            match event {
                Event::Transfer(news) => bars.said(batch.heed(&news)),
                Event::LoginRefused(refused) => return Ok(Ending::Refused(refused.to_string())),
                Event::Lost(why) => bars.error(format_args!("sotto: {why}; trying again")),
                Event::Stopped(_) => {
                    return Ok(match link.untrusted() {
                        Some((_, text)) => Ending::Failed(text),
                        None => ending(batch.failures(), files.len()),
                    });
                }
                _ => {}
            }
        }
        if !begun {
            match ready(&link) {
                Some(Ok(())) => {
                    begun = true;
                    for file in files {
                        let begun = batch.begin(&mut link, to, file);
                        bars.said(begun.err().map(Said::Error));
                    }
                }
                Some(Err(why)) => return Ok(Ending::Failed(why)),
                None if Instant::now() >= until => return Ok(Ending::Failed(GAVE_UP.to_owned())),
                None => {}
            }
        }
        let settled = link.has_settled_files() && link.session().is_settled();
        if begun && batch.is_over(&link) && settled && !quitting {
            quitting = true;
            let now = link.now();
            link.session_mut().quit(now, None);
        }
        bars.follow(&link);
        let left = until.saturating_duration_since(Instant::now());
        events = link.poll(Some(left).filter(|_| !begun))?;
    }
}

pub const GAVE_UP: &str = "gave up: the server has not answered";

/// From the login to keys that can be used.
pub const PATIENCE: Duration = Duration::from_secs(60);
