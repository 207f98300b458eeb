//! The keys while talking: those that users of weechat, irssi and readline have in their fingers.
//! [`KEYS`] is what the help page shows; keep it true.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use crate::client::privacy::own;
use crate::client::session::Session;
use crate::client::session::event::Place;
use crate::client::session::room::Stage;
use crate::tui::editor::Edit;
use crate::tui::layout::areas;
use crate::tui::model::{Mode, Model};
use crate::tui::update::scroll::{self, Way};
use crate::tui::update::{Action, complete, search};
use crate::tui::view::list;

/// A key while nothing else is going on.
pub fn handle(model: &mut Model, session: &Session, key: KeyEvent) -> Vec<Action> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    if !matches!(key.code, KeyCode::Tab | KeyCode::BackTab) {
        model.completion = None;
    }
    match (key.code, control, alt) {
        (KeyCode::Enter, false, true) => model.editor.insert("\n"),
        (KeyCode::Enter, ..) | (KeyCode::Char('j' | 'm'), true, false) => return send(model, session),
        (KeyCode::Tab, ..) => complete::next(model, session, true),
        (KeyCode::BackTab, ..) => complete::next(model, session, false),
        (KeyCode::F(1), ..) => model.mode = Mode::Help(0),
        (KeyCode::F(2), ..) => model.show_list = !model.show_list,
        (KeyCode::F(3), ..) => model.show_members = !model.show_members,
        (KeyCode::F(5), ..) => step(model, session, false),
        (KeyCode::F(6), ..) => step(model, session, true),
        (KeyCode::PageUp, ..) => {
            let page = scroll::page(model);
            return scroll::scroll(model, session, Way::Up(page));
        }
        (KeyCode::PageDown, ..) => {
            let page = scroll::page(model);
            return scroll::scroll(model, session, Way::Down(page));
        }
        (KeyCode::Home, c, a) if c || a => return scroll::to_top(model, session),
        (KeyCode::End, c, a) if c || a => scroll::to_end(model, session),
        (KeyCode::Left | KeyCode::Up, false, true) => step(model, session, false),
        (KeyCode::Right | KeyCode::Down, false, true) => step(model, session, true),
        (KeyCode::Up, false, false) => up(model),
        (KeyCode::Down, false, false) => down(model),
        (KeyCode::Char(c), true, false) => return control_key(model, session, c),
        (KeyCode::Char(c), false, true) => return alt_key(model, session, c),
        (KeyCode::Char(c), ..) => model.editor.insert(c.encode_utf8(&mut [0; 4])),
        (code, control, alt) => {
            if let Some(edit) = edit_key(code, control, alt) {
                model.editor.edit(edit);
            }
        }
    }
    Vec::new()
}

fn edit_key(code: KeyCode, control: bool, alt: bool) -> Option<Edit> {
    Some(match (code, control || alt) {
        (KeyCode::Backspace, true) => Edit::BackspaceWord,
        (KeyCode::Backspace, false) => Edit::Backspace,
        (KeyCode::Delete, true) => Edit::DeleteWord,
        (KeyCode::Delete, false) => Edit::Delete,
        (KeyCode::Left, true) => Edit::LeftWord,
        (KeyCode::Left, false) => Edit::Left,
        (KeyCode::Right, true) => Edit::RightWord,
        (KeyCode::Right, false) => Edit::Right,
        (KeyCode::Home, false) => Edit::Home,
        (KeyCode::End, false) => Edit::End,
        _ => return None,
    })
}

fn control_key(model: &mut Model, session: &Session, c: char) -> Vec<Action> {
    let edit = match c.to_ascii_lowercase() {
        'a' => Edit::Home,
        'b' => Edit::Left,
        'd' => Edit::Delete,
        'e' => Edit::End,
        'f' => Edit::Right,
        'h' => Edit::Backspace,
        'k' => Edit::KillToEnd,
        't' => Edit::Transpose,
        'u' => Edit::KillToStart,
        'w' => Edit::BackspaceBlank,
        'y' => Edit::Yank,
        'c' => {
            if model.editor.is_empty() {
                model.hint = Some("type /quit to leave".to_owned());
            }
            model.editor.set("");
            return Vec::new();
        }
        'l' => return vec![Action::Redraw],
        'n' => {
            step(model, session, true);
            return Vec::new();
        }
        'p' => {
            step(model, session, false);
            return Vec::new();
        }
        'r' => {
            model.mode = Mode::History { words: String::new(), skip: 0 };
            return Vec::new();
        }
        's' => {
            let from = model.current().scroll;
            model.mode = Mode::Search { words: String::new(), found: None, from };
            return Vec::new();
        }
        'z' => return vec![Action::Suspend],
        _ => return Vec::new(),
    };
    model.editor.edit(edit);
    Vec::new()
}

fn alt_key(model: &mut Model, session: &Session, c: char) -> Vec<Action> {
    match c {
        '1'..='9' => model.show(c as usize - '1' as usize, session),
        '0' => model.show(9, session),
        'a' => next_active(model, session),
        'b' => model.editor.edit(Edit::LeftWord),
        'd' => model.editor.edit(Edit::DeleteWord),
        'f' => model.editor.edit(Edit::RightWord),
        'm' => {
            model.mouse = !model.mouse;
            let taken = if model.mouse { "scrolls and clicks here" } else { "selects text in the terminal" };
            model.hint = Some(format!("the mouse {taken} now"));
            return vec![Action::Mouse(model.mouse)];
        }
        'n' => search::highlight(model, session, true),
        'p' => search::highlight(model, session, false),
        'r' => return vec![Action::Connect],
        _ => {}
    }
    Vec::new()
}

fn send(model: &mut Model, session: &Session) -> Vec<Action> {
    let text = model.editor.take();
    if text.trim().is_empty() {
        return Vec::new();
    }
    let public = matches!(model.place(), Place::Room(_));
    // A recovery key that was typed here is not offered again.
    if !text.starts_with("/recover ") {
        model.history.keep(&text, public);
    }
    // Whoever says something wants to see it, below everything that was read before.
    scroll::to_end(model, session);
    let place = model.place().clone();
    match own::read(&text, Some(&place)) {
        Some(Ok(own)) => return vec![Action::Own { place, own }],
        Some(Err(refusal)) => {
            model.editor.set(&text);
            model.hint = Some(refusal.to_string());
            return Vec::new();
        }
        None => {}
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["/help"] => {
            model.mode = Mode::Help(0);
            Vec::new()
        }
        ["/close"] => close(model, session),
        ["/query", user] | ["/msg", user] => open(model, session, user),
        ["/query", user, ..] => {
            let mut actions = open(model, session, user);
            let line = text.replacen("/query", "/msg", 1);
            actions.push(Action::Send { place: model.place().clone(), line });
            actions
        }
        _ if text.contains('\n') && !text.starts_with('/') => vec![Action::Say { place, text }],
        _ => vec![Action::Send { place, line: text }],
    }
}

/// Closes the current conversation, and leaves the room if it is one.
fn close(model: &mut Model, session: &Session) -> Vec<Action> {
    let place = model.place().clone();
    match &place {
        Place::Server => Vec::new(),
        Place::Room(room) if session.room(room).is_some_and(|room| room.stage() == Stage::In) => {
            vec![Action::Send { place, line: "/leave".to_owned() }]
        }
        _ => {
            model.close(&place, session);
            vec![Action::Forget(place)]
        }
    }
}

fn open(model: &mut Model, session: &Session, user: &str) -> Vec<Action> {
    match crate::proto::name::UserName::parse(user) {
        Ok(user) => {
            let place = Place::Person(user);
            model.conversation(&place);
            if let Some(index) = model.index_of(&place) {
                model.show(index, session);
            }
        }
        Err(refusal) => model.hint = Some(refusal.to_string()),
    }
    Vec::new()
}

fn step(model: &mut Model, session: &Session, forward: bool) {
    let count = model.conversations().len();
    let next = if forward { model.current_index() + 1 } else { model.current_index() + count - 1 };
    model.show(next % count, session);
}

/// The conversation that most wants to be read; when all are read, back to where this began.
fn next_active(model: &mut Model, session: &Session) {
    let waiting = model.conversations().iter().enumerate().filter(|(_, it)| it.unread > 0);
    // The first of those with the most urgent news.
    let next = waiting.min_by_key(|(index, it)| (it.highlights == 0, *index)).map(|(index, _)| index);
    match next {
        Some(index) => {
            let origin = model.active_from.take().unwrap_or_else(|| model.place().clone());
            model.show(index, session);
            model.active_from = Some(origin);
        }
        None => {
            let origin = model.active_from.take().and_then(|place| model.index_of(&place));
            match origin {
                Some(index) => model.show(index, session),
                None => model.hint = Some("nothing new to read".to_owned()),
            }
        }
    }
}

fn up(model: &mut Model) {
    if model.editor.step_line(true) {
        return;
    }
    if let Some(line) = model.history.older(model.editor.text()) {
        model.editor.set(line);
    }
}

fn down(model: &mut Model) {
    if model.editor.step_line(false) {
        return;
    }
    if let Some(line) = model.history.newer() {
        model.editor.set(line);
    }
}

/// The wheel scrolls what it is over; a click on the list looks at that conversation.
pub fn handle_mouse(model: &mut Model, session: &Session, mouse: MouseEvent) -> Vec<Action> {
    let areas = areas(model);
    let over = |area: Rect| area.contains(Position { x: mouse.column, y: mouse.row });
    let over_members = areas.members.is_some_and(over);
    match mouse.kind {
        MouseEventKind::ScrollUp if over_members => {
            model.members_scroll = model.members_scroll.saturating_sub(WHEEL_ROWS);
        }
        MouseEventKind::ScrollDown if over_members => model.members_scroll += WHEEL_ROWS,
        MouseEventKind::ScrollUp if areas.list.is_some_and(over) => step(model, session, false),
        MouseEventKind::ScrollDown if areas.list.is_some_and(over) => step(model, session, true),
        MouseEventKind::ScrollUp => return scroll::scroll(model, session, Way::Up(WHEEL_ROWS)),
        MouseEventKind::ScrollDown => return scroll::scroll(model, session, Way::Down(WHEEL_ROWS)),
        MouseEventKind::Down(MouseButton::Left) => {
            if let Some(area) = areas.list.filter(|area| over(*area)) {
                model.show(list::first_shown(model, area) + usize::from(mouse.row - area.y), session);
            }
        }
        _ => {}
    }
    Vec::new()
}

/// Rows of one step of the wheel.
const WHEEL_ROWS: usize = 3;

/// Every key and what it does.
pub const KEYS: [(&str, &str); 22] = [
    ("Alt-1 ... Alt-9, Alt-0", "look at a conversation by its number"),
    ("Alt-a", "the next one with something new; at the end, back"),
    ("Ctrl-n Ctrl-p, Alt-arrows", "the next one, the one before"),
    ("PgUp PgDn, mouse wheel", "scroll; older messages are loaded at the top"),
    ("Ctrl-Home Ctrl-End", "to the oldest and to the newest message"),
    ("Alt-p Alt-n", "to the message before or after that names you"),
    ("Ctrl-s", "search in this conversation; Enter goes on, Esc ends"),
    ("Ctrl-r", "search what you typed; Ctrl-r goes on, Enter takes it"),
    ("Up Down", "what you typed before"),
    ("Tab Shift-Tab", "complete a name, a #room or a /command"),
    ("Alt-Enter", "a new line in the message"),
    ("Ctrl-a Ctrl-e, Home End", "to the start or end of the line"),
    ("Alt-b Alt-f, Ctrl-arrows", "one word back or on"),
    ("Ctrl-w, Alt-Backspace", "cut the word before; Alt-d the one after"),
    ("Ctrl-u Ctrl-k", "cut to the start or end; Ctrl-y puts it back"),
    ("Ctrl-t", "exchange two letters"),
    ("Ctrl-c", "empty the line"),
    ("Alt-m", "leave the mouse to the terminal, to select text"),
    ("Alt-r", "connect again now instead of waiting"),
    ("F2 F3", "show or hide the list, the members"),
    ("Ctrl-l, Ctrl-z", "draw everything again; back to the shell (fg returns)"),
    ("/query USER, /close", "open a private conversation; close this one"),
];
