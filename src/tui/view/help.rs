//! The help page: every key and every command.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line as Row, Span};

use crate::dialect::help::{COMMANDS, PLAIN_TEXT};
use crate::tui::theme::Theme;
use crate::tui::update::keys::KEYS;
use crate::tui::wrap::{shorten, width};

pub fn draw(scrolled: usize, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let rows = rows(theme, usize::from(area.width));
    let first = scrolled.min(rows.len().saturating_sub(usize::from(area.height)));
    for (at, row) in rows.iter().skip(first).take(usize::from(area.height)).enumerate() {
        buffer.set_line(area.x, area.y + at as u16, row, area.width);
    }
}

fn rows(theme: Theme, columns: usize) -> Vec<Row<'static>> {
    let title = |text: &str| Row::styled(text.to_owned(), theme.bold());
    let mut rows = vec![title("Keys (up and down scroll this page, any other key closes it)")];
    for (keys, what) in KEYS {
        rows.push(entry(theme, keys, what, KEYS_COLUMNS, columns));
    }
    rows.push(Row::default());
    rows.push(title("Commands"));
    for usage in &COMMANDS {
        rows.push(entry(theme, &usage.line(), usage.text, COMMANDS_COLUMNS, columns));
    }
    rows.push(Row::from(shorten(PLAIN_TEXT, columns)));
    rows
}

fn entry(theme: Theme, left: &str, right: &str, left_columns: usize, columns: usize) -> Row<'static> {
    let blanks = " ".repeat(left_columns.saturating_sub(width(left)));
    let left = format!(" {left}{blanks} ");
    let right = shorten(right, columns.saturating_sub(width(&left)));
    Row::from(vec![Span::styled(left, theme.bold()), Span::raw(right)])
}

const KEYS_COLUMNS: usize = 26;
const COMMANDS_COLUMNS: usize = 36;
