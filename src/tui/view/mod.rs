//! Draws a [`Model`] and what its session knows; changes neither.

pub mod help;
pub mod list;
pub mod members;
pub mod messages;
pub mod status;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::client::session::Session;
use crate::tui::layout::{areas, input};
use crate::tui::model::{Mode, Model};
use crate::tui::theme::Theme;
use crate::tui::wrap::shorten;

/// Draws everything.
pub fn view(model: &Model, session: &Session, theme: Theme, frame: &mut Frame<'_>) {
    // The terminal changed its size a moment ago; the event about it is on its way.
    let area = frame.area();
    if (area.width, area.height) != (model.size.columns, model.size.rows) {
        return;
    }
    let areas = areas(model);
    let cursor = draw_input(model, theme, areas.input, frame.buffer_mut());
    let buffer = frame.buffer_mut();
    status::draw(model, session, theme, areas.status, buffer);
    if let Mode::Help(scrolled) = model.mode {
        let above = Rect::new(0, 0, model.size.columns, areas.status.y);
        help::draw(scrolled, theme, above, buffer);
        return;
    }
    if let Some(area) = areas.list {
        list::draw(model, session, theme, area, buffer);
        rule(theme, area.right(), area.y, area.height, buffer);
    }
    status::draw_topic(model, session, theme, areas.topic, buffer);
    messages::draw(model, session, theme, areas.messages, buffer);
    if let Some(area) = areas.members {
        members::draw(model, session, theme, area, buffer);
        rule(theme, area.x - 1, area.y, area.height, buffer);
    }
    frame.set_cursor_position(cursor);
}

/// A line between two parts.
fn rule(theme: Theme, x: u16, y: u16, height: u16, buffer: &mut Buffer) {
    for y in y..y + height {
        buffer.set_string(x, y, "│", theme.faint());
    }
}

/// One row of text, cut at the area's edge.
fn put(buffer: &mut Buffer, area: Rect, row: usize, text: &str, style: Style) {
    let Some(y) = u16::try_from(row).ok().filter(|&row| row < area.height) else { return };
    let text = shorten(text, usize::from(area.width));
    buffer.set_stringn(area.x, area.y + y, text, usize::from(area.width), style);
}

/// Draws what is typed; returns where the cursor belongs.
fn draw_input(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) -> Position {
    let input = input(model);
    let height = usize::from(area.height).max(1);
    let first = (input.cursor.0 + 1).saturating_sub(height);
    for (at, row) in input.rows.iter().skip(first).take(height).enumerate() {
        let style = if matches!(model.mode, Mode::Talk) { theme.plain() } else { theme.bold() };
        // The cursor may stand behind the last letter of a full row.
        buffer.set_stringn(area.x, area.y + at as u16, row, usize::from(area.width), style);
    }
    let column = u16::try_from(input.cursor.1).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    Position { x: area.x + column, y: area.y + (input.cursor.0 - first) as u16 }
}
