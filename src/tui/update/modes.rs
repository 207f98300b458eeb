//! The keys while something else than talking is going on: help, a search, a question.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use zeroize::Zeroizing;

use crate::client::privacy::own::Own;
use crate::client::session::Session;
use crate::proto::secret::Secret;
use crate::tui::model::{About, Mode, Model, Question};
use crate::tui::update::{Action, search};

pub fn handle(model: &mut Model, session: &Session, key: KeyEvent) -> Vec<Action> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    // What readline and emacs know as giving up.
    let code = match key.code {
        KeyCode::Char('c' | 'g') if control => KeyCode::Esc,
        KeyCode::Char('j' | 'm') if control => KeyCode::Enter,
        KeyCode::Char('h') if control => KeyCode::Backspace,
        code => code,
    };
    match &model.mode {
        Mode::Talk => Vec::new(),
        Mode::Help(_) => help(model, code),
        Mode::History { .. } => history(model, code, control),
        Mode::Search { .. } => search::key(model, session, code, control),
        Mode::Paste(_) => paste(model, code),
        Mode::Secret(_) => secret(model, code, control),
    }
}

fn help(model: &mut Model, code: KeyCode) -> Vec<Action> {
    let Mode::Help(scrolled) = &mut model.mode else { return Vec::new() };
    match code {
        KeyCode::Up => *scrolled = scrolled.saturating_sub(1),
        KeyCode::Down => *scrolled += 1,
        KeyCode::PageUp => *scrolled = scrolled.saturating_sub(HELP_PAGE),
        KeyCode::PageDown | KeyCode::Char(' ') => *scrolled += HELP_PAGE,
        KeyCode::Home => *scrolled = 0,
        _ => model.mode = Mode::Talk,
    }
    Vec::new()
}

fn history(model: &mut Model, code: KeyCode, control: bool) -> Vec<Action> {
    let Mode::History { words, skip } = &mut model.mode else { return Vec::new() };
    match code {
        KeyCode::Esc => model.mode = Mode::Talk,
        KeyCode::Char('r') if control => {
            if model.history.find(words, *skip + 1).is_some() {
                *skip += 1;
            }
        }
        KeyCode::Char('s') if control => *skip = skip.saturating_sub(1),
        KeyCode::Backspace => {
            words.pop();
            *skip = 0;
        }
        KeyCode::Char(c) if !control => {
            words.push(c);
            *skip = 0;
        }
        // Enter and any other key take what was found, to be edited or sent.
        _ => {
            let found = model.history.find(words, *skip).map(str::to_owned);
            model.mode = Mode::Talk;
            if let Some(found) = found {
                model.editor.set(&found);
            }
        }
    }
    Vec::new()
}

fn paste(model: &mut Model, code: KeyCode) -> Vec<Action> {
    match code {
        KeyCode::Char('y' | 'Y') => {
            if let Mode::Paste(text) = std::mem::replace(&mut model.mode, Mode::Talk) {
                model.editor.insert(text.strip_suffix('\n').unwrap_or(&text));
            }
        }
        KeyCode::Char('n' | 'N') | KeyCode::Esc => {
            model.mode = Mode::Talk;
            model.hint = Some("not pasted".to_owned());
        }
        _ => {}
    }
    Vec::new()
}

fn secret(model: &mut Model, code: KeyCode, control: bool) -> Vec<Action> {
    let Mode::Secret(question) = &mut model.mode else { return Vec::new() };
    match code {
        KeyCode::Esc => {
            model.mode = Mode::Talk;
            model.hint = Some("nothing was changed".to_owned());
        }
        KeyCode::Backspace => {
            question.typed.pop();
        }
        KeyCode::Char('u') if control => question.typed.clear(),
        KeyCode::Char(c) if !control => question.typed.push(c),
        KeyCode::Enter => {
            if let Mode::Secret(question) = std::mem::replace(&mut model.mode, Mode::Talk) {
                return answer(model, question);
            }
        }
        _ => {}
    }
    Vec::new()
}

/// A secret was typed.
fn answer(model: &mut Model, question: Question) -> Vec<Action> {
    if question.typed.is_empty() {
        model.hint = Some("nothing was changed".to_owned());
        return Vec::new();
    }
    let typed = Secret::new(question.typed.as_str());
    match question.about {
        About::OldPassword => {
            let about = About::NewPassword { old: typed };
            model.mode = Mode::Secret(Question { about, typed: Zeroizing::default() });
            Vec::new()
        }
        About::NewPassword { old } => vec![Action::Passwd { old, new: typed }],
        About::RecoveryKey => {
            let place = model.place().clone();
            vec![Action::Own { place, own: Own::Recover(Some(typed)) }]
        }
        About::Login { user } => vec![Action::LogIn { user, password: typed }],
    }
}

/// Rows that PgUp and PgDn go on the help page.
const HELP_PAGE: usize = 10;
