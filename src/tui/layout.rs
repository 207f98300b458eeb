//! Where everything is on the screen. Side lists give way on narrow terminals, down to messages,
//! one bar and the input alone.

use ratatui::layout::Rect;
use unicode_segmentation::UnicodeSegmentation;

use crate::client::session::Session;
use crate::client::session::event::Place;
use crate::tui::model::{Mode, Model};
use crate::tui::rows::Look;
use crate::tui::theme::Theme;
use crate::tui::wrap::width;

/// The parts of the screen; those without room are `None`, or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Areas {
    pub list: Option<Rect>,
    pub topic: Rect,
    pub messages: Rect,
    pub members: Option<Rect>,
    pub status: Rect,
    pub input: Rect,
}

/// Divides the screen.
pub fn areas(model: &Model) -> Areas {
    let (columns, rows) = (model.size.columns, model.size.rows);
    let input_rows = u16::try_from(input(model).rows.len()).unwrap_or(u16::MAX);
    let input_rows = input_rows.min(INPUT_ROWS_MAX).min(rows / 3).max(1).min(rows);
    let status_rows = u16::from(rows > input_rows);
    let above = rows - input_rows - status_rows;
    let topic_rows = u16::from(above > 2);

    let wide = columns >= WIDE;
    let list_columns = if wide { LIST_COLUMNS_WIDE } else { LIST_COLUMNS };
    let list = model.show_list && columns >= LIST_FROM;
    let left = if list { list_columns + 1 } else { 0 };
    let members_columns = if wide { MEMBERS_COLUMNS_WIDE } else { MEMBERS_COLUMNS };
    let is_room = matches!(model.place(), Place::Room(_));
    let members = model.show_members && columns >= MEMBERS_FROM && is_room;
    // A line between, and a blank so that no word touches it.
    let right = if members { members_columns + 2 } else { 0 };
    let middle = columns - left - right;

    Areas {
        list: list.then(|| Rect::new(0, 0, list_columns, above)),
        topic: Rect::new(left, 0, columns - left, topic_rows),
        messages: Rect::new(left, topic_rows, middle, above - topic_rows),
        members: members
            .then(|| Rect::new(columns - members_columns, topic_rows, members_columns, above - topic_rows)),
        status: Rect::new(0, above, columns, status_rows),
        input: Rect::new(0, above + status_rows, columns, input_rows),
    }
}

/// How the lines of the current conversation are to look.
pub fn look<'a>(model: &'a Model, session: &'a Session, theme: Theme) -> Look<'a> {
    let words = match &model.mode {
        Mode::Search { words, .. } => Some(words.to_lowercase()),
        _ => None,
    };
    Look {
        columns: usize::from(areas(model).messages.width),
        zone: &model.zone,
        theme,
        own: session.name().unwrap_or_default(),
        mark: Some(model.current().mark),
        words,
    }
}

/// The input as rows, and where the cursor is.
#[derive(Debug, PartialEq, Eq)]
pub struct Input {
    pub rows: Vec<String>,
    pub cursor: (usize, usize),
}

/// What is typed, broken where a row is full.
pub fn input(model: &Model) -> Input {
    let (prompt, text, cursor) = match &model.mode {
        Mode::Talk | Mode::Help(_) => (PROMPT.to_owned(), model.editor.text(), model.editor.cursor()),
        Mode::History { words, skip } => {
            let found = model.history.find(words, *skip).unwrap_or_default();
            (format!("(history) {words}: "), found, 0)
        }
        Mode::Search { words, .. } => ("(search) ".to_owned(), &**words, words.len()),
        Mode::Paste(text) => (format!("paste {} lines? [y/n] ", text.lines().count()), "", 0),
        Mode::Secret(question) => (question.text(), "", 0),
    };
    let columns = usize::from(model.size.columns).max(1);
    let mut rows = vec![prompt];
    let mut at = width(&rows[0]);
    let mut cursor_at = None;
    for (index, cluster) in text.grapheme_indices(true) {
        let wide = width(cluster);
        if cluster == "\n" || at + wide > columns {
            if index == cursor && cluster == "\n" {
                cursor_at = Some((rows.len() - 1, at));
            }
            rows.push(String::new());
            at = 0;
        }
        if index == cursor && cursor_at.is_none() {
            cursor_at = Some((rows.len() - 1, at));
        }
        if cluster != "\n" {
            at += wide;
            if let Some(row) = rows.last_mut() {
                row.push_str(cluster);
            }
        }
    }
    if cursor_at.is_none() && at >= columns {
        rows.push(String::new());
        at = 0;
    }
    let cursor = cursor_at.unwrap_or((rows.len() - 1, at));
    Input { rows, cursor }
}

/// Before what is typed.
const PROMPT: &str = "> ";

/// Rows that the input may take before it scrolls.
const INPUT_ROWS_MAX: u16 = 6;
/// Columns of the terminal from which on there is room for each list, and for wider ones.
pub const LIST_FROM: u16 = 56;
const MEMBERS_FROM: u16 = 72;
const WIDE: u16 = 100;
const LIST_COLUMNS: u16 = 16;
const LIST_COLUMNS_WIDE: u16 = 20;
const MEMBERS_COLUMNS: u16 = 12;
const MEMBERS_COLUMNS_WIDE: u16 = 18;

const _: () = assert!(MEMBERS_FROM > LIST_COLUMNS + MEMBERS_COLUMNS + 2);
const _: () = assert!(WIDE > LIST_COLUMNS_WIDE + MEMBERS_COLUMNS_WIDE + 2);
