//! What happens to the screen: a function of what is shown, what the session knows, and what came in.
//! It reads no clock and touches nothing; what is to be done outside comes out as [`Action`]s.
//!
//! Start at [`update`]; keys are in [`keys`], news from the session in [`news`].

pub mod answer;
pub mod complete;
pub mod keys;
pub mod modes;
pub mod news;
pub mod scroll;
pub mod search;

use crossterm::event::{Event as Typed, KeyEventKind};

use crate::client::privacy::own::Own;
use crate::client::scrollback::Kind;
use crate::client::session::Session;
use crate::client::session::event::{Event, Place};
use crate::proto::name::{RoomName, UserName};
use crate::proto::secret::Secret;
use crate::tui::model::{Mode, Model, Size};

/// What came in.
#[derive(Debug)]
pub enum Input {
    /// From the session.
    News(Event),
    /// From the terminal.
    Typed(Typed),
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Something wants attention.
    Bell,
    /// Connect now instead of waiting.
    Connect,
    /// A conversation is closed for good.
    Forget(Place),
    LoadOlder(RoomName),
    /// Older messages of a private conversation, which are kept on this disk; with words: up to one that
    /// has them.
    LoadPast {
        user: UserName,
        words: Option<String>,
    },
    LogIn {
        user: String,
        password: Secret,
    },
    /// Take mouse events, or leave them to the terminal.
    Mouse(bool),
    /// A line for the user alone.
    Note {
        place: Place,
        kind: Kind,
        text: String,
    },
    /// A command about keys, typed in this conversation.
    Own {
        place: Place,
        own: Own,
    },
    Passwd {
        old: Secret,
        new: Secret,
    },
    /// Leave, with these last words.
    Quit(String),
    /// Draw everything again: the terminal shows something else.
    Redraw,
    /// Text to be said as it is, line by line.
    Say {
        place: Place,
        text: String,
    },
    /// What was typed: a command or one line of text.
    Send {
        place: Place,
        line: String,
    },
    /// Give the terminal back to the shell for a while.
    Suspend,
}

/// Takes in one input.
pub fn update(model: &mut Model, session: &Session, input: Input) -> Vec<Action> {
    match input {
        Input::News(event) => {
            let mut actions = news::handle(model, session, event);
            if session.unconfirmed() == 0
                && let Some(words) = model.leaving.take()
            {
                actions.push(Action::Quit(words));
            }
            actions
        }
        Input::Typed(typed) => handle_typed(model, session, typed),
    }
}

fn handle_typed(model: &mut Model, session: &Session, typed: Typed) -> Vec<Action> {
    match typed {
        Typed::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
        Typed::Key(key) => {
            model.hint = None;
            match model.mode {
                Mode::Talk => keys::handle(model, session, key),
                _ => modes::handle(model, session, key),
            }
        }
        Typed::Paste(text) => paste(model, session, text),
        Typed::Mouse(mouse) => keys::handle_mouse(model, session, mouse),
        Typed::Resize(columns, rows) => {
            model.size = Size { columns, rows };
            Vec::new()
        }
        Typed::FocusGained => {
            model.focused = true;
            Vec::new()
        }
        Typed::FocusLost => {
            model.focused = false;
            Vec::new()
        }
    }
}

/// Text that the terminal marked as pasted, so that its line ends send nothing by themselves.
fn paste(model: &mut Model, session: &Session, text: String) -> Vec<Action> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = text.lines().count();
    match &mut model.mode {
        Mode::Talk if lines > PASTE_LINES_MAX => model.mode = Mode::Paste(text),
        Mode::Talk => model.editor.insert(text.strip_suffix('\n').unwrap_or(&text)),
        Mode::Secret(question) => question.typed.push_str(text.lines().next().unwrap_or_default()),
        Mode::History { words, .. } => words.push_str(text.lines().next().unwrap_or_default()),
        Mode::Search { words, .. } => {
            words.push_str(text.lines().next().unwrap_or_default());
            search::again(model, session);
        }
        Mode::Help(_) | Mode::Paste(_) => {}
    }
    Vec::new()
}

/// Pasted lines that are taken without asking: a paragraph or an address, but not a log file.
const PASTE_LINES_MAX: usize = 5;
