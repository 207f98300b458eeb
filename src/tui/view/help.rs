//! The help page: every key and every command.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line as Row, Span};

use crate::client::privacy::own::USAGES;
use crate::dialect::help::{COMMANDS, PLAIN_TEXT};
use crate::tui::theme::Theme;
use crate::tui::update::keys::KEYS;
use crate::tui::wrap::{width, wrap};

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
        entry(theme, keys, what, KEYS_COLUMNS, columns, &mut rows);
    }
    rows.push(Row::default());
    rows.push(title("Commands"));
    for usage in &COMMANDS {
        entry(theme, &usage.line(), usage.text, COMMANDS_COLUMNS, columns, &mut rows);
    }
    rows.push(Row::default());
    rows.push(title("Commands about private messages and files"));
    for usage in &USAGES {
        entry(theme, &usage.line(), usage.text, COMMANDS_COLUMNS, columns, &mut rows);
    }
    rows.push(Row::default());
    rows.extend(wrap(PLAIN_TEXT, columns, columns).into_iter().map(Row::from));
    rows
}

/// What is typed at the left, what it does beside it, or below where there is no room.
fn entry(
    theme: Theme,
    left: &str,
    right: &str,
    left_columns: usize,
    columns: usize,
    rows: &mut Vec<Row<'static>>,
) {
    let beside = columns >= left_columns + RIGHT_COLUMNS_MIN && width(left) <= left_columns;
    let indent = if columns >= left_columns + RIGHT_COLUMNS_MIN { left_columns + 2 } else { BELOW_INDENT };
    let left = Span::styled(format!(" {left}"), theme.bold());
    let room = columns.saturating_sub(indent);
    let mut texts = wrap(right, room, room).into_iter();
    if beside {
        let blanks = " ".repeat(indent.saturating_sub(left.width()));
        rows.push(Row::from(vec![left, Span::raw(blanks), Span::raw(texts.next().unwrap_or_default())]));
    } else {
        rows.push(Row::from(left));
    }
    rows.extend(texts.map(|text| Row::from(format!("{}{text}", " ".repeat(indent)))));
}

const KEYS_COLUMNS: usize = 26;
const COMMANDS_COLUMNS: usize = 36;
/// Below this, a text has no room beside what it explains.
const RIGHT_COLUMNS_MIN: usize = 24;
const BELOW_INDENT: usize = 4;
