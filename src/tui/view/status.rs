//! The two bars: what the conversation is about, and how things stand.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::client::privacy::tell;
use crate::client::scrollback::Seal;
use crate::client::session::event::Place;
use crate::client::session::room::Stage;
use crate::client::session::{Session, State};
use crate::proto::event::Status;
use crate::tui::model::{Mode, Model, end_of};
use crate::tui::theme::Theme;
use crate::tui::view::put;
use crate::tui::wrap::{fitting, width};

/// The bar above the messages: the conversation and its topic.
pub fn draw_topic(model: &Model, session: &Session, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let text = match model.place() {
        Place::Server => model.server.clone(),
        Place::Person(user) => format!("{user}, in private"),
        Place::Room(name) => {
            let room = session.room(name);
            match room.and_then(|room| room.topic()) {
                _ if room.is_none_or(|room| room.stage() == Stage::Out) => {
                    format!("{name} (you are not in this room)")
                }
                Some(topic) => format!("{name}: {topic}"),
                None => name.to_string(),
            }
        }
    };
    buffer.set_style(area, theme.bar());
    put(buffer, area, 0, &format!(" {text}"), theme.bar());
}

/// The bar above the input: connection, this conversation's protection, status, lag; and hints.
pub fn draw(model: &Model, session: &Session, theme: Theme, area: Rect, buffer: &mut Buffer) {
    buffer.set_style(area, theme.bar());
    if area.is_empty() {
        return;
    }
    let right = right(model, session);
    let right_columns = width(&right).min(usize::from(area.width));
    let mut left = usize::from(area.width) - right_columns;
    buffer.set_stringn(area.x + left as u16, area.y, &right, right_columns, theme.bar());
    let mut x = area.x;
    for (text, style) in parts(model, session, theme) {
        let text = format!(" {text} ");
        // Nothing is cut in the middle, unless it would be the first.
        if width(&text) > left && x > area.x {
            break;
        }
        let text = fitting(&text, left);
        buffer.set_stringn(x, area.y, text, left, style);
        x += width(text) as u16;
        left -= width(text);
        if left == 0 {
            break;
        }
        buffer.set_stringn(x, area.y, "│", 1, theme.bar());
        x += 1;
        left -= 1;
    }
}

/// In the order of importance: narrow screens show the first of them.
fn parts(model: &Model, session: &Session, theme: Theme) -> Vec<(String, Style)> {
    let bar = theme.bar();
    let mut parts = Vec::new();
    parts.extend(model.hint.clone().map(|hint| (hint, bar)));
    match session.state() {
        State::Online => {}
        _ => parts.push((connection(model, session), theme.alarm())),
    }
    parts.extend(protection(model, session, theme));
    if let (Place::Person(user), Some(private)) = (model.place(), session.private()) {
        let undelivered = private.undelivered(user);
        if undelivered > 0 {
            parts.push((format!("{undelivered} not delivered yet"), bar));
        }
    }
    parts.extend(model.gauge.map(|gauge| (gauge.text(GAUGE_COLUMNS), bar)));
    let name = session.name().unwrap_or(session.user());
    parts.push(match model.status {
        Status::Online => (name.to_owned(), bar),
        status => (format!("{name} ({})", status.as_str()), bar),
    });
    if session.state() == State::Online {
        parts.push(("connected".to_owned(), bar));
    }
    if let Some(lag) = session.lag(model.now) {
        let style = if lag >= LAG_ALARM { theme.alarm() } else { bar };
        parts.push((format!("lag {}", shown(lag)), style));
    }
    let waiting = session.unconfirmed();
    if waiting > 0 {
        parts.push((format!("{waiting} on the way"), bar));
    }
    parts
}

/// How well what is typed here would be kept from others.
fn protection(model: &Model, session: &Session, theme: Theme) -> Option<(String, Style)> {
    let place = model.place();
    if *place == Place::Server {
        return None;
    }
    if matches!(place, Place::Person(_)) && tell::is_off(session) {
        return Some(("private messages OFF".to_owned(), theme.alarm()));
    }
    let (text, alarming) = match session.seal_of(place) {
        Seal::Changed => ("KEYS CHANGED", true),
        Seal::Encrypted => ("encrypted", false),
        Seal::NotEncrypted => ("NOT encrypted", true),
        Seal::ServerReadable => ("server-readable", false),
        Seal::Verified => ("encrypted, verified", false),
    };
    Some((text.to_owned(), if alarming { theme.alarm() } else { theme.bar() }))
}

fn connection(model: &Model, session: &Session) -> String {
    let trouble = model.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    match session.state() {
        State::Online => "connected".to_owned(),
        State::Connecting => format!("connecting{trouble}"),
        State::Greeting => "logging in".to_owned(),
        State::Refused => format!("not logged in{trouble}"),
        State::Resting { until } => {
            let seconds = until.since_ms(model.now.mono).div_ceil(1000);
            format!("trying again in {seconds} s{trouble}")
        }
        State::Stopped => "disconnected".to_owned(),
    }
}

/// What is at the right end: where one is in the conversation, and what else there is to read.
fn right(model: &Model, session: &Session) -> String {
    let mut parts = Vec::new();
    if let Some(scroll) = model.current().scroll {
        let below = end_of(session, model.place()) - scroll.line - 1;
        parts.push(format!("↓ {below} more"));
    }
    let hidden = !model.show_list || model.size.columns < crate::tui::layout::LIST_FROM;
    if hidden {
        let name = model.place().to_string();
        parts.push(format!("{}:{name}", model.current_index() + 1));
        let active: Vec<String> = model
            .conversations()
            .iter()
            .enumerate()
            .filter(|(_, it)| it.unread > 0)
            .map(|(index, it)| format!("{}{}", index + 1, if it.highlights > 0 { "!" } else { "" }))
            .collect();
        if !active.is_empty() {
            parts.push(format!("[{}]", active.join(",")));
        }
    } else if matches!(model.mode, Mode::Talk) && model.hint.is_none() {
        parts.push("F1 help".to_owned());
    }
    parts.iter().map(|part| format!("{part} ")).collect()
}

fn shown(lag: Duration) -> String {
    if lag >= Duration::from_secs(1) {
        format!("{:.1} s", lag.as_secs_f32())
    } else {
        format!("{} ms", lag.as_millis())
    }
}

/// Enough to see it move.
const GAUGE_COLUMNS: usize = 10;
/// A person notices the delay.
const LAG_ALARM: Duration = Duration::from_secs(2);
