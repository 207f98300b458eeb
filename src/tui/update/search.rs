//! Finding lines: by words, and those that name the user.

use crossterm::event::KeyCode;

use crate::client::scrollback::{Kind, Line, LineNumber};
use crate::client::session::Session;
use crate::client::session::event::Place;
use crate::tui::model::{Mode, Model};
use crate::tui::rows::mentions;
use crate::tui::update::{Action, scroll};

/// A key while searching.
pub fn key(model: &mut Model, session: &Session, code: KeyCode, control: bool) -> Vec<Action> {
    let Mode::Search { words, found, from } = &mut model.mode else { return Vec::new() };
    match code {
        KeyCode::Esc => {
            // What was found stays in sight; without anything found, all is as before.
            if found.is_none() {
                model.current_mut().scroll = *from;
            }
            model.mode = Mode::Talk;
            return Vec::new();
        }
        KeyCode::Enter | KeyCode::Up => return older_or_load(model, session),
        KeyCode::Char('s' | 'r' | 'p') if control => return older_or_load(model, session),
        KeyCode::Down => {
            newer(model, session);
        }
        KeyCode::Char('n') if control => {
            newer(model, session);
        }
        KeyCode::Backspace => {
            words.pop();
            again(model, session);
        }
        KeyCode::Char('u') if control => {
            words.clear();
            again(model, session);
        }
        KeyCode::Char(c) if !control => {
            words.push(c);
            again(model, session);
        }
        KeyCode::PageUp => {
            let page = scroll::page(model);
            return scroll::scroll(model, session, scroll::Way::Up(page));
        }
        KeyCode::PageDown => {
            let page = scroll::page(model);
            return scroll::scroll(model, session, scroll::Way::Down(page));
        }
        _ => {}
    }
    Vec::new()
}

/// The words changed: looks from the newest line on.
pub fn again(model: &mut Model, session: &Session) {
    if let Mode::Search { found, from, .. } = &mut model.mode {
        *found = None;
        let from = *from;
        model.current_mut().scroll = from;
        older(model, session);
    }
}

/// Goes on among older lines, which were loaded meanwhile.
pub fn go_on(model: &mut Model, session: &Session) {
    model.hint = None;
    older(model, session);
}

fn older(model: &mut Model, session: &Session) -> bool {
    go(model, session, |wanted, at| {
        let range = LineNumber::MIN..at.unwrap_or(LineNumber::MAX);
        find(wanted, range, true)
    })
}

/// Looks among older lines; when there are none left here, the server has more.
fn older_or_load(model: &mut Model, session: &Session) -> Vec<Action> {
    if older(model, session) {
        return Vec::new();
    }
    match model.place() {
        Place::Room(name) if session.room(name).is_some_and(|room| room.has_older()) => {
            let load = Action::LoadOlder(name.clone());
            model.hint = Some("nothing more here; older messages are loaded, Enter goes on".to_owned());
            vec![load]
        }
        Place::Person(user) => match &model.mode {
            // What lies on the disk is searched there, and loaded as far as it is found.
            Mode::Search { words, .. } if !words.is_empty() => {
                vec![Action::LoadPast { user: user.clone(), words: Some(words.to_lowercase()) }]
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn newer(model: &mut Model, session: &Session) -> bool {
    go(model, session, |wanted, at| find(wanted, at?.saturating_add(1)..LineNumber::MAX, false))
}

struct Wanted<'a> {
    model: &'a Model,
    session: &'a Session,
    matches: &'a dyn Fn(&Line) -> bool,
}

fn go(
    model: &mut Model,
    session: &Session,
    find: impl Fn(Wanted<'_>, Option<LineNumber>) -> Option<LineNumber>,
) -> bool {
    let Mode::Search { words, found, .. } = &model.mode else { return false };
    if words.is_empty() {
        return false;
    }
    let (words, at) = (words.to_lowercase(), *found);
    let matches =
        |line: &Line| line.text.to_lowercase().contains(&words) || line.from.to_lowercase().contains(&words);
    let Some(line) = find(Wanted { model, session, matches: &matches }, at) else {
        model.hint = Some("nothing more found".to_owned());
        return false;
    };
    scroll::to_line(model, session, line);
    if let Mode::Search { found, .. } = &mut model.mode {
        *found = Some(line);
    }
    true
}

/// The first matching line of a range, from its end backwards or from its start.
fn find(wanted: Wanted<'_>, range: std::ops::Range<LineNumber>, backwards: bool) -> Option<LineNumber> {
    let scrollback = wanted.session.scrollback(wanted.model.place())?;
    let kept = scrollback.numbers();
    let (start, end) = (range.start.max(kept.start), range.end.min(kept.end));
    let mut left = start..end;
    while left.start < left.end {
        let chunk = if backwards {
            left.start.max(left.end - CHUNK_LINES)..left.end
        } else {
            left.start..left.end.min(left.start + CHUNK_LINES)
        };
        let lines = scrollback.lines(chunk.clone());
        let mut numbered = lines.iter().zip(chunk.clone()).filter(|(line, _)| (wanted.matches)(line));
        let found = if backwards { numbered.last() } else { numbered.next() };
        if let Some((_, number)) = found {
            return Some(number);
        }
        if backwards { left.end = chunk.start } else { left.start = chunk.end }
    }
    None
}

/// To the next message that names the user, or the one before.
pub fn highlight(model: &mut Model, session: &Session, forward: bool) {
    let own = session.name().unwrap_or_default().to_owned();
    let matches =
        |line: &Line| !line.own && matches!(line.kind, Kind::Say | Kind::Me) && mentions(&line.text, &own);
    let wanted = Wanted { model, session, matches: &matches };
    let at = model.current().jumped;
    let found = if forward {
        at.and_then(|at| find(wanted, at + 1..LineNumber::MAX, false))
    } else {
        find(wanted, LineNumber::MIN..at.unwrap_or(LineNumber::MAX), true)
    };
    match found {
        Some(line) => {
            scroll::to_line(model, session, line);
            model.current_mut().jumped = Some(line);
        }
        None if forward => {
            model.current_mut().jumped = None;
            scroll::to_end(model, session);
        }
        None => model.hint = Some("nothing before names you".to_owned()),
    }
}

/// Lines looked through at a time: one block of the scrollback or two are unpacked for them.
const CHUNK_LINES: LineNumber = 512;
