//! Scrolling through a conversation. The place is kept as a line, not as a distance from the end, so
//! it stays while lines are added below or loaded above.

use crate::client::scrollback::LineNumber;
use crate::client::session::Session;
use crate::client::session::event::Place;
use crate::tui::layout::{areas, look};
use crate::tui::model::{Model, Scroll, end_of};
use crate::tui::rows::Upward;
use crate::tui::theme::Theme;
use crate::tui::update::Action;

/// Rows to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Down(usize),
    Up(usize),
}

/// Rows of one page: a few of the last page stay, to go on reading.
pub fn page(model: &Model) -> usize {
    usize::from(areas(model).messages.height).saturating_sub(2).max(1)
}

/// Scrolls the current conversation; older lines are asked for when its top is reached.
pub fn scroll(model: &mut Model, session: &Session, way: Way) -> Vec<Action> {
    match way {
        Way::Up(rows) => up(model, session, rows),
        Way::Down(rows) => {
            down(model, session, rows);
            Vec::new()
        }
    }
}

/// To the oldest line that is here.
pub fn to_top(model: &mut Model, session: &Session) -> Vec<Action> {
    up(model, session, usize::MAX / 2)
}

/// To the newest line.
pub fn to_end(model: &mut Model, session: &Session) {
    let end = end_of(session, model.place());
    let current = model.current_mut();
    // Going to the end is reading; the unread line has done its service.
    if current.scroll.take().is_none() {
        current.mark = end;
    }
}

/// Shows a line in the middle of the screen.
pub fn to_line(model: &mut Model, session: &Session, line: LineNumber) {
    model.current_mut().scroll = Some(Scroll { line, hidden: 0 });
    let half = usize::from(areas(model).messages.height) / 2;
    down(model, session, half);
}

fn up(model: &mut Model, session: &Session, rows: usize) -> Vec<Action> {
    let height = usize::from(areas(model).messages.height);
    let look = look(model, session, NO_COLORS);
    let scrollback = session.scrollback(model.place());
    let from = model.current().scroll;
    let end = from.map_or(LineNumber::MAX, |scroll| scroll.line + 1);
    let hidden = from.map_or(0, |scroll| scroll.hidden);
    let wanted = rows.saturating_add(height).saturating_add(hidden);

    // Where each block ends, and its rows.
    let mut blocks: Vec<(LineNumber, usize)> = Vec::new();
    let mut total = 0;
    for block in Upward::new(&look, scrollback, end) {
        if total >= wanted {
            break;
        }
        total += block.rows.len();
        blocks.push((block.lines.end - 1, block.rows.len()));
    }
    let reached_top = total < wanted;
    let mut skip = (hidden + rows).min(total.saturating_sub(height)).max(hidden.min(total));
    let mut target = None;
    for (line, rows) in blocks {
        if skip < rows {
            target = Some(Scroll { line, hidden: skip });
            break;
        }
        skip -= rows;
    }
    let at_end = |scroll: &Scroll| {
        scroll.hidden == 0 && from.is_none() && scroll.line + 1 == end_of(session, model.place())
    };
    let target = target.filter(|scroll| !at_end(scroll));
    if target.is_some() {
        model.current_mut().scroll = target;
    }
    match model.place() {
        Place::Room(room) if reached_top => vec![Action::LoadOlder(room.clone())],
        Place::Person(user) if reached_top => vec![Action::LoadPast { user: user.clone(), words: None }],
        _ => Vec::new(),
    }
}

fn down(model: &mut Model, session: &Session, rows: usize) {
    let Some(from) = model.current().scroll else { return };
    let look = look(model, session, NO_COLORS);
    let scrollback = session.scrollback(model.place());
    let end = end_of(session, model.place());
    // The conversation is read upwards, so a window below the present line is looked at, and widened
    // until it has enough rows. Most lines make one row or more; a run of people makes few of many.
    let mut window = LineNumber::try_from(rows).unwrap_or(LineNumber::MAX / 4) + 1;
    loop {
        let until = from.line.saturating_add(1).saturating_add(window).min(end);
        let mut below: Vec<(LineNumber, usize)> = Vec::new();
        for block in Upward::new(&look, scrollback, until) {
            if block.lines.end <= from.line + 1 {
                break;
            }
            below.push((block.lines.end - 1, block.rows.len()));
        }
        let total: usize = below.iter().map(|(_, rows)| rows).sum::<usize>() + from.hidden;
        if total <= rows && until < end {
            window = window.saturating_mul(4);
            continue;
        }
        // Rows that stay hidden below the new place.
        let mut hidden = total.saturating_sub(rows);
        if hidden == 0 {
            model.current_mut().scroll = None;
            return;
        }
        for (line, rows) in below.into_iter().chain([(from.line, usize::MAX)]) {
            if hidden < rows {
                model.current_mut().scroll = Some(Scroll { line, hidden });
                return;
            }
            hidden -= rows;
        }
        return;
    }
}

/// How far something is scrolled does not depend on colours.
const NO_COLORS: Theme = Theme { colors: false };
