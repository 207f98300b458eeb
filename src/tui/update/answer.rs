//! Answers as lines for the user alone: the sentences of text mode, with local times.

use crate::client::scrollback::Kind;
use crate::client::session::event::Place;
use crate::dialect::{self, Dialect};
use crate::proto::event::{Answer, Entry, Event};
use crate::proto::id::RequestId;
use crate::proto::name::RoomName;
use crate::tui::model::Model;
use crate::tui::rows::local_time;
use crate::tui::update::Action;

/// The lines that an answer is shown as.
pub fn notes(model: &Model, place: Place, answer: Answer) -> Vec<Action> {
    let lines = match answer {
        // What was said is seen in its room, and the rest are answers to nothing that was typed.
        Answer::Said { .. } | Answer::Quit { .. } | Answer::Pong | Answer::Hello { .. } => Vec::new(),
        Answer::History(page) => {
            let mut lines = vec![format!("history of {}", page.room)];
            lines.extend(page.messages.iter().map(|entry| message(model, &page.room, entry)));
            lines
        }
        Answer::Search(found) => {
            let mut lines = vec![format!("{} found for: {}", found.messages.len(), found.query)];
            lines.extend(found.messages.iter().map(|(room, entry)| message(model, room, entry)));
            lines
        }
        answer => sentences(answer),
    };
    let note = |text| Action::Note { place: place.clone(), kind: Kind::Notice, text };
    lines.into_iter().map(note).collect()
}

fn message(model: &Model, room: &RoomName, entry: &Entry) -> String {
    let time = local_time(&model.zone, entry.at).strftime("%Y-%m-%d %H:%M").to_string();
    let from = if entry.me { format!("* {}", entry.from) } else { format!("<{}>", entry.from) };
    format!("{time} {room} {from} {}", entry.text)
}

fn sentences(answer: Answer) -> Vec<String> {
    let mut lines = Vec::new();
    dialect::encode(Dialect::Text, &Event::Answer(RequestId::NONE, answer), &mut lines);
    let lines = String::from_utf8_lossy(&lines);
    lines.lines().map(|line| line.strip_prefix("*** ").unwrap_or(line).to_owned()).collect()
}
