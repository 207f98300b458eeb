//! The messages: rows are made from the lowest upwards until the area is full.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line as Row;

use crate::client::session::Session;
use crate::client::session::event::Place;
use crate::tui::layout::look;
use crate::tui::model::Model;
use crate::tui::rows::Upward;
use crate::tui::theme::Theme;

pub fn draw(model: &Model, session: &Session, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let height = usize::from(area.height);
    // The lowest row first.
    let mut rows: Vec<Row<'static>> = Vec::with_capacity(height);
    let look = look(model, session, theme);
    let conversation = model.current();
    let (end, hidden) = match conversation.scroll {
        Some(scroll) => (scroll.line + 1, scroll.hidden),
        None => (i64::MAX, 0),
    };
    if conversation.scroll.is_none()
        && let Place::Room(room) = &conversation.place
        && let Some(room) = session.room(room)
    {
        let waiting: Vec<_> = room.unconfirmed().collect();
        for saying in waiting.into_iter().rev() {
            rows.extend(look.unconfirmed(saying).into_iter().rev());
            if rows.len() >= height {
                break;
            }
        }
    }
    if conversation.scroll.is_none()
        && let Place::Person(user) = &conversation.place
        && let Some(private) = session.private()
    {
        for message in private.waiting(user).iter().rev() {
            rows.extend(look.waiting(&message.text, message.held).into_iter().rev());
            if rows.len() >= height {
                break;
            }
        }
    }
    let mut skip = hidden;
    for block in Upward::new(&look, session.scrollback(&conversation.place), end) {
        let left = block.rows.len().saturating_sub(skip);
        skip = skip.saturating_sub(block.rows.len());
        rows.extend(block.rows.into_iter().take(left).rev());
        if rows.len() >= height {
            break;
        }
    }
    rows.truncate(height);
    for (at, row) in rows.iter().rev().enumerate() {
        buffer.set_line(area.x, area.y + at as u16, row, area.width);
    }
}
