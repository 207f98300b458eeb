//! Commands about keys, and messages of before: what needs the link and not only its session.

use zeroize::Zeroizing;

use crate::client::link::Link;
use crate::client::link::keys::Past;
use crate::client::privacy::act::{Desk, Done};
use crate::client::privacy::own::Own;
use crate::client::scrollback::Kind;
use crate::client::session::event::Place;
use crate::proto::name::UserName;
use crate::tui::model::{About, Mode, Model, Question};
use crate::tui::rows::local_time;
use crate::tui::update::search;

/// Does a command that was typed in this conversation.
pub fn act(model: &mut Model, link: &mut Link, desk: &mut Desk, place: Place, own: Own) {
    // What is said of somebody belongs into the conversation with them.
    let place =
        own.user().map(Place::Person).filter(|about| model.index_of(about).is_some()).unwrap_or(place);
    let done = desk.act(link, own);
    model.desk = Some(place.clone());
    show(model, link, place, done);
}

/// Goes on with what has waited for the server.
pub fn heed(model: &mut Model, link: &mut Link, desk: &mut Desk) {
    if let Some(done) = desk.heed(link) {
        let place = model.desk.clone().unwrap_or(Place::Server);
        model.hint = None;
        show(model, link, place, done);
    }
}

fn show(model: &mut Model, link: &mut Link, place: Place, done: Done) {
    let now = link.now();
    let place = if model.index_of(&place).is_some() { place } else { Place::Server };
    match done {
        Done::Asked(ticket) => {
            model.asked.insert(ticket, place);
        }
        Done::AskRecoveryKey => {
            let question = Question { about: About::RecoveryKey, typed: Zeroizing::default() };
            model.mode = Mode::Secret(question);
        }
        // The conversation says so.
        Done::Compared(_) => {}
        Done::Found { words, past } => {
            let count = past.len();
            link.session_mut().note(now, place.clone(), Kind::Notice, format!("{count} found for: {words}"));
            for found in &past {
                let text = described(model, link, found);
                link.session_mut().note(now, place.clone(), Kind::Notice, text);
            }
        }
        Done::Lines(lines) => {
            for line in lines {
                link.session_mut().note(now, place.clone(), Kind::Notice, line);
            }
        }
        Done::Refused(text) => link.session_mut().note(now, place, Kind::Error, text),
        Done::Waiting => model.hint = Some("asking the server".to_owned()),
    }
}

fn described(model: &Model, link: &Link, found: &Past) -> String {
    let time = local_time(&model.zone, found.line.at).strftime("%Y-%m-%d %H:%M").to_string();
    let user = found.user.as_ref().map_or("somebody".into(), |user| user.shown().clone());
    let me = link.session().name().unwrap_or_default();
    let (from, to) = if found.line.own { (me, &*user) } else { (&*user, me) };
    format!("{time} <{from} -> {to}> {}", found.line.text.replace('\n', " "))
}

/// Brings older messages of a conversation into sight; with words, up to one that has them.
pub fn load_past(model: &mut Model, link: &mut Link, user: &UserName, words: Option<&str>) {
    let loaded = match words {
        None => link.load_past(user).map(|lines| lines > 0),
        Some(words) => link.load_past_until(user, |text| text.to_lowercase().contains(words)),
    };
    match (loaded, words) {
        (Ok(true), Some(_)) => search::go_on(model, link.session()),
        (Ok(_), _) => {}
        (Err(error), _) => {
            let now = link.now();
            link.session_mut().note(now, Place::Person(user.clone()), Kind::Error, error.to_string());
        }
    }
}
