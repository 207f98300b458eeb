//! Tab: names of people, #rooms and /commands, whatever the word before the cursor begins like.

use crate::client::privacy::own::USAGES;
use crate::client::session::Session;
use crate::client::session::event::Place;
use crate::dialect::help;
use crate::tui::model::{Completion, Model};

/// Puts in the next completion, or the one before.
pub fn next(model: &mut Model, session: &Session, forward: bool) {
    let completion = match model.completion.take() {
        Some(mut completion) => {
            let count = completion.choices.len();
            completion.at = (completion.at + if forward { 1 } else { count - 1 }) % count;
            Some(completion)
        }
        None => begin(model, session),
    };
    let Some(mut completion) = completion else { return };
    let choice = &completion.choices[completion.at];
    model.editor.replace_before(completion.start, choice);
    completion.end = model.editor.cursor();
    model.completion = Some(completion);
}

fn begin(model: &Model, session: &Session) -> Option<Completion> {
    let before = &model.editor.text()[..model.editor.cursor()];
    let start = before.rfind([' ', '\n']).map_or(0, |blank| blank + 1);
    let word = &before[start..];
    let first_word = before.split(' ').next().unwrap_or_default();
    let choices = if start == 0 && word.starts_with('/') {
        commands(word)
    } else if word.starts_with('#') || ROOM_COMMANDS.contains(&first_word) {
        rooms(session, word)
    } else if word.is_empty() && start == 0 {
        Vec::new()
    } else {
        people(model, session, word, start == 0)
    };
    (!choices.is_empty()).then_some(Completion { choices, at: 0, start, end: start })
}

fn commands(word: &str) -> Vec<String> {
    let names = help::COMMANDS.iter().chain(&USAGES).map(|usage| usage.name).chain(OWN_COMMANDS);
    let mut found: Vec<String> =
        names.map(|name| format!("/{name} ")).filter(|name| begins(name, word)).collect();
    found.sort();
    found
}

fn rooms(session: &Session, word: &str) -> Vec<String> {
    let word = word.strip_prefix('#').unwrap_or(word);
    let names = session.rooms().map(|room| room.name().shown().to_string());
    names.filter(|name| begins(name, word)).map(|name| format!("#{name} ")).collect()
}

/// Those who spoke last come first, then everybody else in the order of names.
fn people(model: &Model, session: &Session, word: &str, at_start: bool) -> Vec<String> {
    let conversation = model.current();
    let own = session.name().unwrap_or_default();
    let members: Vec<String> = match &conversation.place {
        Place::Room(room) => session
            .room(room)
            .map(|room| room.members().map(|member| member.shown().to_string()).collect())
            .unwrap_or_default(),
        Place::Person(user) => vec![user.shown().to_string()],
        Place::Server => Vec::new(),
    };
    let others = session.people().map(|person| person.name().shown().to_string());
    let spoke = conversation.speakers.iter().map(|speaker| speaker.to_string());
    let here = spoke.filter(|speaker| members.contains(speaker));
    let mut found: Vec<String> = Vec::new();
    for name in here.chain(members.iter().cloned()).chain(others) {
        if begins(&name, word) && name != own && !found.contains(&name) {
            found.push(name);
            if found.len() >= CHOICES_MAX {
                break;
            }
        }
    }
    let end = if at_start { ": " } else { " " };
    found.into_iter().map(|name| name + end).collect()
}

fn begins(name: &str, word: &str) -> bool {
    name.to_lowercase().starts_with(&word.to_lowercase())
}

/// Commands whose argument is a room.
const ROOM_COMMANDS: [&str; 3] = ["/join", "/leave", "/who"];
/// Commands that only this program has.
const OWN_COMMANDS: [&str; 2] = ["query", "close"];
/// Nobody steps through more.
const CHOICES_MAX: usize = 200;
