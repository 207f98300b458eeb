//! Does what [`update`](crate::tui::update) wants of the session; the rest is for whoever runs the
//! screen and has the link.

use zeroize::Zeroizing;

use crate::client::input;
use crate::client::privacy::tell;
use crate::client::scrollback::Kind;
use crate::client::session::event::{Place, Ticket, Unsent};
use crate::client::session::{Login, Session};
use crate::proto::command::Command;
use crate::proto::time::Now;
use crate::tui::model::{About, Mode, Model, Question};
use crate::tui::update::Action;

/// Does an action; hands it back if it is about the terminal.
pub fn perform(model: &mut Model, session: &mut Session, now: Now, action: Action) -> Option<Action> {
    match action {
        Action::Connect => session.connect_now(now),
        Action::Forget(place) => session.forget(&place),
        Action::LoadOlder(room) => {
            session.load_older(&room);
        }
        Action::LogIn { user, password } => session.log_in(now, user, Login::Password(password)),
        Action::Note { place, kind, text } => session.note(now, known(session, place), kind, text),
        Action::Passwd { old, new } => {
            let command = Command::Passwd { old: Some(old), new: Some(new) };
            let place = model.place().clone();
            match session.act(now, command) {
                Ok(ticket) => ask(model, ticket, place),
                Err(unsent) => session.note(now, place, Kind::Error, unsent.to_string()),
            }
        }
        Action::Quit(words) => {
            session.quit(now, Some(&*words).filter(|words| !words.is_empty()));
        }
        Action::Say { place, text } => say(model, session, now, place, &text),
        Action::Send { place, line } => send(model, session, now, place, &line),
        Action::Bell
        | Action::LoadPast { .. }
        | Action::Mouse(_)
        | Action::Own { .. }
        | Action::Redraw
        | Action::Suspend => return Some(action),
    }
    None
}

/// A command, or one line of text.
fn send(model: &mut Model, session: &mut Session, now: Now, place: Place, line: &str) {
    enum Sent {
        Asked(Result<Ticket, Unsent>),
        Leaving(String),
        Passwords,
        Refused(String),
    }
    let sent = input::read(line, Some(&place), |command| match command {
        Ok(Command::Passwd { .. }) => Sent::Passwords,
        // Once more gives up what is on the way.
        Ok(Command::Quit { text }) if session.unconfirmed() > 0 && model.leaving.is_none() => {
            Sent::Leaving(text.unwrap_or_default().into_owned())
        }
        // Logging in is for the start; the words behind it would be a password in plain sight.
        Ok(Command::Login { .. } | Command::Register { .. }) => {
            Sent::Refused("already-named: start sotto again to log in as somebody else".to_owned())
        }
        Ok(command) => Sent::Asked(session.act(now, command)),
        Err(refusal) => Sent::Refused(refusal.to_string()),
    });
    let error = match sent {
        None => return,
        Some(Sent::Leaving(words)) => {
            let hint = "leaving when what was said has arrived; /quit again: at once";
            model.hint = Some(hint.to_owned());
            model.leaving = Some(words);
            return;
        }
        Some(Sent::Passwords) => {
            let question = Question { about: About::OldPassword, typed: Zeroizing::default() };
            model.mode = Mode::Secret(question);
            return;
        }
        Some(Sent::Asked(Ok(ticket))) => {
            return ask(model, ticket, place);
        }
        Some(Sent::Asked(Err(unsent))) => sentence(session, unsent),
        Some(Sent::Refused(text)) => text,
    };
    // What could not be sent is not lost: it may be mended and sent again.
    if model.editor.is_empty() && *model.place() == place {
        model.editor.set(line);
    }
    session.note(now, known(session, place), Kind::Error, error);
}

/// Text of several lines.
fn say(model: &mut Model, session: &mut Session, now: Now, place: Place, text: &str) {
    let mut asked = |ticket| ask(model, ticket, place.clone());
    let said = match &place {
        Place::Server => Err(Unsent::NoRoom),
        Place::Room(room) => session.say(now, room, text, false).map(asked),
        Place::Person(user) => text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .try_for_each(|line| session.message(now, user, line).map(&mut asked)),
    };
    if let Err(unsent) = said {
        let text = sentence(session, unsent);
        session.note(now, known(session, place), Kind::Error, text);
    }
}

/// Why something was not sent, with what would help.
fn sentence(session: &Session, unsent: Unsent) -> String {
    let why = if unsent == Unsent::PrivateOff { tell::why_off(session) } else { None };
    why.unwrap_or_else(|| unsent.to_string())
}

/// The answer belongs here.
fn ask(model: &mut Model, ticket: Ticket, place: Place) {
    if model.asked.len() >= ASKED_MAX {
        model.asked.pop_first();
    }
    model.asked.insert(ticket, place);
}

/// A place that can hold lines: a room that was never entered cannot.
fn known(session: &Session, place: Place) -> Place {
    match &place {
        Place::Room(room) if session.room(room).is_none() => Place::Server,
        _ => place,
    }
}

/// Answers waited for; a session has fewer requests on their way, but texts wait as well.
const ASKED_MAX: usize = 2_000;
