//! What the screen shows beyond what the session knows: which conversations are open and which one is
//! looked at, how far it was read, where it is scrolled to, and what is being typed or asked.
//!
//! Only [`update`](crate::tui::update) changes it, and only from what it is told.

use std::collections::{BTreeMap, VecDeque};

use jiff::tz::TimeZone;
use zeroize::Zeroizing;

use crate::client::scrollback::LineNumber;
use crate::client::session::Session;
use crate::client::session::event::{Place, Ticket};
use crate::client::transfer::list::Gauge;
use crate::proto::event::Status;
use crate::proto::name::RoomName;
use crate::proto::secret::Secret;
use crate::proto::time::Now;
use crate::tui::editor::Editor;
use crate::tui::history::History;

/// See the [module](self).
#[derive(Debug)]
pub struct Model {
    /// Invariant: never empty, the first is [`Place::Server`], and `current` is one of them.
    conversations: Vec<Conversation>,
    current: usize,
    /// What was looked at before: closing a conversation goes back there.
    came_from: Option<Place>,
    /// Where Alt-a goes back to when nothing is left to read.
    pub active_from: Option<Place>,
    pub editor: Editor,
    pub history: History,
    pub mode: Mode,
    /// The completion that the last key made.
    pub completion: Option<Completion>,
    /// Requests whose answers are to be shown here.
    pub asked: BTreeMap<Ticket, Place>,
    /// Where a command about keys was typed that waits for the server.
    pub desk: Option<Place>,
    /// The room to look at first; else the first that is entered.
    pub preferred: Option<RoomName>,
    /// The room to look at first was shown.
    pub arrived: bool,
    /// Where the server is, for people.
    pub server: String,
    /// The user wants to leave, with these last words, as soon as what was said has arrived.
    pub leaving: Option<String>,
    /// Why there is no connection.
    pub trouble: Option<String>,
    pub status: Status,
    /// The terminal has the focus, as far as it tells.
    pub focused: bool,
    pub mouse: bool,
    pub show_list: bool,
    pub show_members: bool,
    pub members_scroll: usize,
    pub size: Size,
    pub now: Now,
    pub zone: TimeZone,
    /// One line about what just happened or what a key did, until the next key.
    pub hint: Option<String>,
    /// Files on their way.
    pub gauge: Option<Gauge>,
}

/// Columns and rows of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// One conversation that is open.
#[derive(Debug)]
pub struct Conversation {
    pub place: Place,
    /// Messages of others since it was looked at.
    pub unread: u32,
    /// Of these, the ones that name the user, or are private.
    pub highlights: u32,
    /// The first line that was not read: the unread line stands before it.
    pub mark: LineNumber,
    pub scroll: Option<Scroll>,
    /// The message that names the user where Alt-n and Alt-p went last.
    pub jumped: Option<LineNumber>,
    /// What was typed here and not sent.
    pub draft: String,
    /// Who spoke last, latest first: completion offers them first.
    pub speakers: VecDeque<Box<str>>,
}

/// Where a conversation is scrolled to; without one, it shows its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scroll {
    /// The line whose rows are the lowest on the screen,
    pub line: LineNumber,
    /// except for so many of them, which are below the edge.
    pub hidden: usize,
}

/// What keys do.
#[derive(Debug)]
pub enum Mode {
    /// They are typed.
    Talk,
    /// The help page, scrolled down by so many rows.
    Help(usize),
    /// The input's history is searched: words, and how many matches are passed over.
    History { words: String, skip: usize },
    /// The conversation is searched.
    Search { words: String, found: Option<LineNumber>, from: Option<Scroll> },
    /// Something large was pasted, and waits for a yes.
    Paste(String),
    /// A secret is asked for.
    Secret(Question),
}

/// A secret that is being typed.
#[derive(Debug)]
pub struct Question {
    pub about: About,
    pub typed: Zeroizing<String>,
}

impl Question {
    /// What is asked, for the input line.
    pub fn text(&self) -> String {
        match &self.about {
            About::OldPassword => "present password: ".to_owned(),
            About::NewPassword { .. } => "new password: ".to_owned(),
            About::Login { user } => format!("password of {user}: "),
            About::RecoveryKey => "recovery key: ".to_owned(),
        }
    }
}

/// What a secret is for.
#[derive(Debug)]
pub enum About {
    /// Changing the password: the present one,
    OldPassword,
    /// and the new one.
    NewPassword { old: Secret },
    /// Logging in again, as this user.
    Login { user: String },
    /// Bringing the account's keys to this device.
    RecoveryKey,
}

/// What Tab offers, and which of it is put in now.
#[derive(Debug, PartialEq, Eq)]
pub struct Completion {
    pub choices: Vec<String>,
    pub at: usize,
    /// Where the completed word begins in the input, and where its completion ends.
    pub start: usize,
    pub end: usize,
}

impl Model {
    pub fn new(size: Size, zone: TimeZone, now: Now) -> Model {
        Model {
            conversations: vec![Conversation::new(Place::Server)],
            current: 0,
            came_from: None,
            active_from: None,
            editor: Editor::default(),
            history: History::default(),
            mode: Mode::Talk,
            completion: None,
            asked: BTreeMap::new(),
            desk: None,
            preferred: None,
            arrived: false,
            server: String::new(),
            leaving: None,
            trouble: None,
            status: Status::Online,
            focused: true,
            mouse: true,
            show_list: true,
            show_members: true,
            members_scroll: 0,
            size,
            now,
            zone,
            hint: None,
            gauge: None,
        }
    }

    pub fn conversations(&self) -> &[Conversation] {
        &self.conversations
    }

    /// The number of the conversation that is looked at.
    pub fn current_index(&self) -> usize {
        self.current
    }

    pub fn current(&self) -> &Conversation {
        &self.conversations[self.current]
    }

    pub fn current_mut(&mut self) -> &mut Conversation {
        &mut self.conversations[self.current]
    }

    pub fn place(&self) -> &Place {
        &self.current().place
    }

    pub fn index_of(&self, place: &Place) -> Option<usize> {
        self.conversations.iter().position(|conversation| conversation.place == *place)
    }

    /// The conversation of this place, opened if it is not.
    pub fn conversation(&mut self, place: &Place) -> &mut Conversation {
        let index = self.index_of(place).unwrap_or_else(|| {
            self.conversations.push(Conversation::new(place.clone()));
            self.conversations.len() - 1
        });
        &mut self.conversations[index]
    }

    /// Looks at another conversation.
    pub fn show(&mut self, index: usize, session: &Session) {
        if index == self.current || index >= self.conversations.len() {
            return;
        }
        let end = end_of(session, self.place());
        let draft = self.editor.take();
        let left = self.current_mut();
        left.mark = end;
        left.draft = draft;
        self.came_from = Some(left.place.clone());
        self.active_from = None;
        self.current = index;
        self.members_scroll = 0;
        self.completion = None;
        let entered = self.current_mut();
        entered.unread = 0;
        entered.highlights = 0;
        let draft = std::mem::take(&mut entered.draft);
        self.editor.set(&draft);
    }

    /// Closes a conversation; the server's stays.
    pub fn close(&mut self, place: &Place, session: &Session) {
        let Some(index) = self.index_of(place).filter(|&index| index > 0) else { return };
        if index == self.current {
            let back = self.came_from.clone().and_then(|place| self.index_of(&place));
            self.show(back.filter(|&back| back != index).unwrap_or(index - 1), session);
            self.came_from = None;
        }
        self.conversations.remove(index);
        if self.current > index {
            self.current -= 1;
        }
    }

    /// The user sees what is added at the end.
    pub fn is_watching(&self) -> bool {
        self.focused && self.current().scroll.is_none() && matches!(self.mode, Mode::Talk)
    }
}

impl Conversation {
    fn new(place: Place) -> Conversation {
        Conversation {
            place,
            unread: 0,
            highlights: 0,
            mark: 0,
            scroll: None,
            jumped: None,
            draft: String::new(),
            speakers: VecDeque::new(),
        }
    }

    /// Somebody spoke.
    pub fn heard(&mut self, from: &str) {
        self.speakers.retain(|speaker| **speaker != *from);
        self.speakers.push_front(from.into());
        self.speakers.truncate(SPEAKERS_MAX);
    }
}

/// The number that the next line of this conversation will have.
pub fn end_of(session: &Session, place: &Place) -> LineNumber {
    session.scrollback(place).map_or(0, |scrollback| scrollback.numbers().end)
}

/// Names kept of those who spoke last: more than one would answer to.
const SPEAKERS_MAX: usize = 32;
