//! What the session tells: counts what is unread, keeps the unread line, shows answers.

use zeroize::Zeroizing;

use crate::client::scrollback::{Kind, Line, LineNumber, Origin};
use crate::client::session::Session;
use crate::client::session::event::{Event, Failure, Place, Ticket};
use crate::proto::event::{Answer, Status};
use crate::proto::name::RoomName;
use crate::tui::model::{About, Mode, Model, Question};
use crate::tui::rows::mentions;
use crate::tui::update::{Action, answer};

/// Takes in one event.
pub fn handle(model: &mut Model, session: &Session, event: Event) -> Vec<Action> {
    match event {
        Event::Answered { ticket, outcome } => handle_answer(model, session, ticket, outcome),
        Event::Back { after } => {
            model.trouble = None;
            let text = format!("connection lost, back after {} s", after.as_secs().max(1));
            note(Place::Server, Kind::Notice, &text)
                .into_iter()
                .chain(match model.place() {
                    Place::Server => Vec::new(),
                    place => note(place.clone(), Kind::Notice, &text),
                })
                .collect()
        }
        Event::Line { place, number, line } => handle_line(model, session, &place, number, &line),
        Event::LoggedIn(_) => {
            model.trouble = None;
            model.status = Status::Online;
            Vec::new()
        }
        Event::LoginRefused(refused) => {
            let about = About::Login { user: session.user().to_owned() };
            model.mode = Mode::Secret(Question { about, typed: Zeroizing::default() });
            model.trouble = Some(refused.to_string());
            Vec::new()
        }
        Event::Lost(why) => {
            model.trouble = Some(why.to_string());
            Vec::new()
        }
        Event::RoomEntered(room) => handle_entered(model, session, room),
        // The session ends the run, and everything else is read from it when it is drawn.
        Event::Transfer(_)
        | Event::FileOffered { .. }
        | Event::MembersChanged(_)
        | Event::Older { .. }
        | Event::PrivateChanged(_)
        | Event::RoomExited(_)
        | Event::Stopped(_)
        | Event::TopicChanged(_) => Vec::new(),
    }
}

fn handle_entered(model: &mut Model, session: &Session, room: RoomName) -> Vec<Action> {
    let preferred = model.preferred.as_ref().is_none_or(|preferred| *preferred == room);
    let place = Place::Room(room);
    model.conversation(&place);
    // The first room is shown by itself, unless the user looks at something else already.
    let first = !model.arrived && matches!(model.place(), Place::Server | Place::Room(_));
    if let Some(index) = model.index_of(&place).filter(|_| first) {
        if preferred || *model.place() == Place::Server {
            model.show(index, session);
        }
        model.arrived = preferred;
    }
    Vec::new()
}

fn handle_line(
    model: &mut Model,
    session: &Session,
    place: &Place,
    number: LineNumber,
    line: &Line,
) -> Vec<Action> {
    let watched = model.place() == place && model.is_watching();
    let looked_at = model.place() == place;
    if *place == Place::Server && line.kind == Kind::Error && !looked_at {
        // What goes wrong with keys is said there, and must not be found by chance.
        model.hint = Some(line.text.to_string());
    }
    let is_message = matches!(line.kind, Kind::Say | Kind::Me);
    let own_name = session.name().unwrap_or_default();
    let conversation = model.conversation(place);
    if is_message && !line.own {
        conversation.heard(&line.from);
    }
    // Invited, or thrown out.
    let concerns = line.kind == Kind::Invite || line.kind == Kind::Kick && line.own;
    let is_news = (is_message && !line.own && line.origin != Origin::Past) || concerns;
    if (watched || !is_news) && conversation.mark >= number {
        conversation.mark = number + 1;
    }
    if !is_news {
        return Vec::new();
    }
    let personal = matches!(place, Place::Person(_)) || concerns || mentions(&line.text, own_name);
    if !looked_at {
        conversation.unread = conversation.unread.saturating_add(1);
        conversation.highlights = conversation.highlights.saturating_add(u32::from(personal));
    }
    if personal && !watched { vec![Action::Bell] } else { Vec::new() }
}

fn handle_answer(
    model: &mut Model,
    session: &Session,
    ticket: Ticket,
    outcome: Result<Answer, Failure>,
) -> Vec<Action> {
    // An answer to what nobody typed here (a text that was said) is about nothing but a failure.
    let asked = model.asked.remove(&ticket);
    let place = asked.clone().unwrap_or_else(|| model.place().clone());
    let place = if model.index_of(&place).is_some() { place } else { Place::Server };
    match outcome {
        Err(failure) => note(place, Kind::Error, &failure.to_string()),
        Ok(Answer::Joined(view)) => {
            let index = model.index_of(&Place::Room(view.room.clone()));
            if let Some(index) = index.filter(|_| asked.is_some()) {
                model.arrived = true;
                model.show(index, session);
            }
            Vec::new()
        }
        Ok(Answer::Left { room, .. }) => {
            let place = Place::Room(room);
            model.close(&place, session);
            vec![Action::Forget(place)]
        }
        Ok(Answer::StatusSet { status, text }) => {
            model.status = status;
            answer::notes(model, place, Answer::StatusSet { status, text })
        }
        Ok(Answer::Sent { to, kept, .. }) => {
            let text = format!("{to} is not connected; this waits for the next login");
            let place = Place::Person(to);
            if kept { note(place, Kind::Notice, &text) } else { Vec::new() }
        }
        Ok(answer) => answer::notes(model, place, answer),
    }
}

fn note(place: Place, kind: Kind, text: &str) -> Vec<Action> {
    vec![Action::Note { place, kind, text: text.to_owned() }]
}
