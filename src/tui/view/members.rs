//! Who is in the room, at the right.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::client::session::Session;
use crate::client::session::event::Place;
use crate::tui::model::Model;
use crate::tui::theme::Theme;
use crate::tui::view::put;

pub fn draw(model: &Model, session: &Session, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let Place::Room(name) = model.place() else { return };
    let Some(room) = session.room(name) else { return };
    let members = room.members();
    let count = members.len();
    put(buffer, area, 0, &format!("{count} here"), theme.faint());
    let rows = usize::from(area.height).saturating_sub(1);
    // The last row tells of those who are not shown.
    let fitting = if count > rows { rows.saturating_sub(1) } else { rows };
    let first = model.members_scroll.min(count.saturating_sub(fitting));
    let own = session.name().unwrap_or_default();
    for (row, member) in members.skip(first).take(fitting).enumerate() {
        let name = member.shown();
        put(buffer, area, row + 1, name, theme.name(name, **name == *own));
    }
    let below = count - (first + fitting).min(count);
    if count > rows && below > 0 {
        put(buffer, area, rows, &format!("+ {below}"), theme.faint());
    }
}
