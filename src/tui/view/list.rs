//! The conversations at the left: number, name, and how much of each was not read.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line as Row, Span};

use crate::client::session::Session;
use crate::client::session::event::Place;
use crate::client::session::room::Stage;
use crate::tui::model::{Conversation, Model};
use crate::tui::theme::Theme;
use crate::tui::wrap::{shorten, width};

/// The first conversation that is shown, so that the current one is among them.
pub fn first_shown(model: &Model, area: Rect) -> usize {
    (model.current_index() + 1).saturating_sub(usize::from(area.height))
}

pub fn draw(model: &Model, session: &Session, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let first = first_shown(model, area);
    let shown = model.conversations().iter().enumerate().skip(first).take(usize::from(area.height));
    for (row, (index, conversation)) in shown.enumerate() {
        let line = entry(model, session, theme, index, conversation, usize::from(area.width));
        buffer.set_line(area.x, area.y + row as u16, &line, area.width);
    }
}

fn entry(
    model: &Model,
    session: &Session,
    theme: Theme,
    index: usize,
    conversation: &Conversation,
    columns: usize,
) -> Row<'static> {
    let number = format!("{:>2} ", index + 1);
    let highlights = match conversation.highlights {
        0 => String::new(),
        count => format!(" {}!", short(count)),
    };
    let unread = match conversation.unread.saturating_sub(conversation.highlights) {
        0 => String::new(),
        count => format!(" {}", short(count)),
    };
    let room = columns.saturating_sub(width(&number) + width(&highlights) + width(&unread));
    let name = shorten(&conversation.place.to_string(), room);
    let blanks = " ".repeat(room - width(&name));
    let current = index == model.current_index();
    let style = match conversation {
        _ if current => theme.chosen(),
        it if it.highlights > 0 => theme.highlight(),
        it if it.unread > 0 => theme.bold(),
        it if is_out(session, &it.place) => theme.faint(),
        _ => theme.plain(),
    };
    let number_style = if current { style } else { theme.faint() };
    Row::from(vec![
        Span::styled(number, number_style),
        Span::styled(name + &blanks, style),
        Span::styled(highlights, theme.highlight()),
        Span::styled(unread, theme.unread()),
    ])
}

/// A room that one is not in any more.
fn is_out(session: &Session, place: &Place) -> bool {
    match place {
        Place::Room(room) => session.room(room).is_none_or(|room| room.stage() == Stage::Out),
        _ => false,
    }
}

fn short(count: u32) -> String {
    if count > COUNT_MAX { format!("{COUNT_MAX}+") } else { count.to_string() }
}

/// More is not counted on the screen: it would cost the name its place.
const COUNT_MAX: u32 = 999;
