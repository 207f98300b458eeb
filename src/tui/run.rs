//! The loop: waits for the session and the terminal, decides, draws.
//!
//! A key is drawn at once. News are drawn at most every `FRAME`, however many there are: drawing
//! more often would show nothing that eyes can follow, and take the time from reading the network.

use std::io;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::client::home::Home;
use crate::client::link::Link;
use crate::client::plain::Ending;
use crate::client::privacy::act::Desk;
use crate::client::scrollback::Kind;
use crate::client::session::State;
use crate::client::session::event::{Event, Place, Stop};
use crate::client::transfer::list::Gauge;
use crate::proto::name::{RoomName, UserName};
use crate::tui::desk;
use crate::tui::history::History;
use crate::tui::model::Model;
use crate::tui::perform::perform;
use crate::tui::terminal::{Outside, Screen, Surface, listen};
use crate::tui::theme::Theme;
use crate::tui::update::{Action, Input, update};
use crate::tui::view::view;

/// What a user may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// The room to look at first; else the first that is entered.
    pub preferred: Option<RoomName>,
    pub theme: Theme,
    /// Mouse events are taken from the terminal.
    pub mouse: bool,
    /// The bell rings when somebody names the user.
    pub bell: bool,
}

impl Options {
    /// As the environment says: colours unless `NO_COLOR` is set.
    pub fn from_environment() -> Options {
        let colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Options { preferred: None, theme: Theme { colors }, mouse: true, bell: true }
    }
}

/// Shows the screen over a link that has logged in, until the user leaves. `early`: events that came
/// before.
pub fn run(link: Link, home: &Home, early: Vec<Event>, options: Options) -> io::Result<Ending> {
    let mut screen = Screen::enter(options.mouse)?;
    let waker = link.waker();
    let outside = listen(move || {
        // Without a link to wake, nobody waits for keys.
        let _ = waker.wake();
    })?;
    drive(link, home, early, options, &mut screen, &outside)
}

/// The same on any surface, with whatever comes from outside; that must wake the link.
pub fn drive(
    mut link: Link,
    home: &Home,
    early: Vec<Event>,
    options: Options,
    screen: &mut dyn Surface,
    outside: &Receiver<Outside>,
) -> io::Result<Ending> {
    let mut model = Model::new(screen.size()?, TimeZone::system(), link.now());
    model.preferred = options.preferred.clone();
    model.mouse = options.mouse;
    model.server = link.target().server.to_string();
    // A file that cannot be read is no reason to keep somebody out.
    model.history = History::restore(&home.typed().unwrap_or_default());
    for person in link.session().people().filter(|person| !person.scrollback().is_empty()) {
        // Conversations of before; their messages were read then.
        model.conversation(&Place::Person(person.name().clone()));
    }
    if let Some(why) = link.session().private_off().map(str::to_owned) {
        let now = link.now();
        link.session_mut().note(now, Place::Server, Kind::Error, why);
    }
    match link.begin_showing() {
        // Kept by a run that showed them to nobody: they are in the conversations, and not read.
        Ok(kept) => {
            for user in kept.into_iter().filter_map(|past| past.user) {
                let conversation = model.conversation(&Place::Person(user));
                conversation.unread = conversation.unread.saturating_add(1);
                conversation.highlights = conversation.highlights.saturating_add(1);
            }
        }
        Err(error) => {
            let now = link.now();
            link.session_mut().note(now, Place::Server, Kind::Error, error.to_string());
        }
    }
    let desk = Desk::default();
    let mut run = Run { link, home, model, desk, looked_at: None, options, screen, ending: None };
    for event in early {
        run.news(event)?;
    }
    let mut drawn = run.draw()?;
    let mut dirty = false;
    while run.ending.is_none() {
        let timeout = if dirty { FRAME.saturating_sub(drawn.elapsed()) } else { run.patience() };
        for event in run.link.poll(Some(timeout))? {
            run.news(event)?;
            dirty = true;
        }
        desk::heed(&mut run.model, &mut run.link, &mut run.desk);
        dirty |= run.measure();
        let mut typed = false;
        while let Ok(input) = outside.try_recv() {
            run.outside(input)?;
            typed = true;
        }
        // Time alone changes what is shown while the connection is away or slow.
        let aged = drawn.elapsed() >= run.patience();
        if typed || aged || dirty && drawn.elapsed() >= FRAME {
            drawn = run.draw()?;
            dirty = false;
        }
    }
    // What was typed is lost when the disk is full; the session was a good one all the same.
    let _ = home.keep_typed(&run.model.history.lasting());
    Ok(run.ending.unwrap_or(Ending::Done))
}

struct Run<'a> {
    link: Link,
    home: &'a Home,
    model: Model,
    desk: Desk,
    /// Whose conversation is looked at: what is known of them was asked for, and what was said before
    /// was loaded.
    looked_at: Option<UserName>,
    options: Options,
    screen: &'a mut dyn Surface,
    ending: Option<Ending>,
}

impl Run<'_> {
    fn draw(&mut self) -> io::Result<Instant> {
        self.model.now = self.link.now();
        self.model.size = self.screen.size()?;
        let (model, session, theme) = (&self.model, self.link.session(), self.options.theme);
        self.screen.draw(&mut |frame| view(model, session, theme, frame))?;
        Ok(Instant::now())
    }

    /// Reads the gauge of files on their way; `true` if it shows something else than before.
    fn measure(&mut self) -> bool {
        let now = self.link.now().mono;
        let gauge = self.link.transfers().and_then(|transfers| Gauge::of(transfers.ledger(), now));
        std::mem::replace(&mut self.model.gauge, gauge) != gauge
    }

    /// How long what is shown stays true without any news.
    fn patience(&self) -> Duration {
        match self.link.session().state() {
            State::Online => SECOND * 10,
            _ => SECOND,
        }
    }

    fn news(&mut self, event: Event) -> io::Result<()> {
        let server = &self.link.target().server;
        if let Err(error) = self.home.heed(server, self.link.session().user(), &event) {
            self.model.hint = Some(format!("{}: {error}", self.home.directory().display()));
        }
        match event {
            Event::Stopped(Stop::Quit) => self.ending = Some(Ending::Done),
            Event::Stopped(Stop::Untrusted) => {
                let text = self.link.untrusted().map_or("the server is not trusted".to_owned(), |it| it.1);
                self.ending = Some(Ending::Failed(text));
            }
            Event::PrivateChanged(None) => {
                // What could not be looked up before private messages had begun can be now.
                self.looked_at = None;
                self.look();
            }
            event => self.take(Input::News(event))?,
        }
        Ok(())
    }

    fn outside(&mut self, outside: Outside) -> io::Result<()> {
        match outside {
            Outside::Typed(typed) => self.take(Input::Typed(typed)),
            Outside::Gone(error) => Err(error),
            Outside::Terminate => {
                // What was said and is not confirmed is given up: the system does not wait.
                let now = self.link.now();
                self.link.session_mut().quit(now, None);
                Ok(())
            }
        }
    }

    fn take(&mut self, input: Input) -> io::Result<()> {
        let actions = update(&mut self.model, self.link.session(), input);
        for action in actions {
            let now = self.link.now();
            if let Action::Forget(Place::Person(user)) = &action {
                self.link.forget_past(user);
            }
            match perform(&mut self.model, self.link.session_mut(), now, action) {
                Some(Action::LoadPast { user, words }) => {
                    desk::load_past(&mut self.model, &mut self.link, &user, words.as_deref());
                }
                Some(Action::Own { place, own }) => {
                    desk::act(&mut self.model, &mut self.link, &mut self.desk, place, own);
                }
                Some(Action::Bell) if self.options.bell => self.screen.ring()?,
                Some(Action::Mouse(taken)) => self.screen.set_mouse(taken)?,
                Some(Action::Redraw) => self.screen.clear()?,
                Some(Action::Suspend) => self.screen.suspend(self.model.mouse)?,
                _ => {}
            }
        }
        self.look();
        Ok(())
    }

    /// Another conversation is looked at: its protection is to be known before anything is typed, and
    /// what was said before is to be there.
    fn look(&mut self) {
        let Place::Person(user) = self.model.place() else {
            self.looked_at = None;
            return;
        };
        if self.looked_at.as_ref() == Some(user) {
            return;
        }
        let (user, now) = (user.clone(), self.link.now());
        self.link.session_mut().look_up(now, &user);
        let place = Place::Person(user.clone());
        if self.link.session().scrollback(&place).is_none_or(|scrollback| scrollback.is_empty()) {
            desk::load_past(&mut self.model, &mut self.link, &user, None);
        }
        self.looked_at = Some(user);
    }
}

/// Between two screens that are drawn for news: 60 a second.
const FRAME: Duration = Duration::from_millis(16);
const SECOND: Duration = Duration::from_secs(1);
