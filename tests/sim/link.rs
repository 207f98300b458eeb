//! One connection as its client sees it: what was asked, what came, and whether that can be right.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sottovoce::proto::id::RoomId;

use crate::devices::{KeysAsk, Reading};
use crate::facts::{Facts, place};
use crate::model::{Model, number};
use crate::plan::Plan;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Json,
    Text,
}

pub struct Link {
    /// The number of the connection, in this simulation and in the server's log.
    pub index: usize,
    pub server_name: String,
    pub dialect: Dialect,
    pub pipe: usize,
    /// The part of a line that came.
    rest: Vec<u8>,
    /// The server answered in JSON.
    spoke_json: bool,
    pub name: Option<String>,
    /// Rooms it is in, by name.
    pub seats: BTreeMap<String, Seat>,
    /// Users this very connection blocked last.
    pub blocked: BTreeSet<String>,
    /// The mailbox it reads, and the devices that users were said to have.
    pub reading: Option<Reading>,
    pub lists: BTreeMap<String, Vec<u32>>,
    pub asked: Asked,
    pub did: Did,
    /// Text mode: the room whose history is being shown, and whether it is the one of a join.
    pub block: Option<(String, bool)>,
    /// Text mode: the private message whose copy came last.
    pub copied: Option<u64>,
    /// The newest private message of each sending connection.
    private_order: BTreeMap<usize, u64>,
    pub hiding: bool,
    /// What is told of who is in may come later, and tell what is known already.
    pub gathers: bool,
}

/// Requests of a JSON client that have no reply yet.
#[derive(Debug, Default)]
pub struct Asked {
    pub next: i64,
    pub open: BTreeMap<i64, Ask>,
    /// Those whose replies come in this order: all but messages.
    pub ordered: VecDeque<i64>,
}

#[derive(Clone, Debug)]
pub enum Ask {
    Ban {
        room: String,
    },
    Block {
        user: String,
        blocked: bool,
    },
    History {
        room: String,
    },
    Keys(KeysAsk),
    Join {
        room: String,
    },
    Kick {
        room: String,
    },
    Leave,
    Msg {
        number: u64,
    },
    Name {
        register: bool,
    },
    Other,
    Say {
        number: u64,
        room: String,
    },
    Search,
    /// `settled`: everybody was told everything, so that the answer is what they know.
    Who {
        room: String,
        settled: bool,
    },
}

/// What the client did that may end the connection, and what it was told.
#[derive(Debug, Default)]
pub struct Did {
    pub end: bool,
    pub reset: bool,
    pub quit: bool,
    pub stall: bool,
    pub garbage: bool,
    pub half_line: bool,
    pub not_rejoined: bool,
    pub too_fast: u32,
    pub join_failed: bool,
    /// Attempts to log in or to register.
    pub logins: u32,
}

#[derive(Debug, Default)]
pub struct Seat {
    pub room: Option<RoomId>,
    /// The newest message that was seen, if that is known.
    pub last: Option<u64>,
    pub members: BTreeSet<String>,
}

impl Ask {
    /// The room that was to be joined.
    pub fn joined(&self) -> Option<&str> {
        match self {
            Ask::Join { room } => Some(room),
            _ => None,
        }
    }

    /// Messages are answered when they are durable; everything else in order.
    pub fn is_message(&self) -> bool {
        matches!(self, Ask::Keys(KeysAsk::Send { .. }) | Ask::Msg { .. } | Ask::Say { .. })
    }
}

impl Link {
    pub fn new(index: usize, server_name: String, dialect: Dialect, pipe: usize, plan: &Plan) -> Link {
        Link {
            index,
            server_name,
            dialect,
            pipe,
            rest: Vec::new(),
            spoke_json: false,
            name: None,
            seats: BTreeMap::new(),
            blocked: BTreeSet::new(),
            reading: None,
            lists: BTreeMap::new(),
            asked: Asked::default(),
            did: Did::default(),
            block: None,
            copied: None,
            private_order: BTreeMap::new(),
            hiding: plan.hiding,
            gathers: plan.gathers(),
        }
    }

    pub fn me(&self) -> &str {
        self.name.as_deref().unwrap_or("nobody")
    }

    /// Takes what the server wrote, line by line.
    pub fn take(&mut self, bytes: &[u8], facts: &mut Facts, model: &Model) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else { return };
        let lines: Vec<u8> = self.rest.drain(..=end).collect();
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let line = str::from_utf8(line).expect("the server sends UTF-8");
            log::trace!("{} {}: < {line}", self.server_name, self.me());
            match self.dialect {
                Dialect::Json if line.starts_with('{') => {
                    self.spoke_json = true;
                    self.take_json(line, facts, model);
                }
                Dialect::Json => {
                    // Before the server knows what is spoken, everything is said as text.
                    assert!(!self.spoke_json || self.did.garbage, "{line}");
                }
                Dialect::Text => self.take_text(line, facts, model),
            }
        }
    }

    pub fn named(&mut self, name: &str, facts: &mut Facts) {
        if let Some(old) = self.name.replace(name.to_string()) {
            facts.renamed(self.index, &old, name);
            for seat in self.seats.values_mut() {
                if seat.members.remove(&old) {
                    seat.members.insert(name.to_string());
                }
            }
        }
        facts.online.insert(self.index, name.to_string());
        facts.names.entry(self.index).or_default().insert(name.to_string());
    }

    /// A room message that was said while this connection was in the room.
    pub fn hears(
        &mut self,
        room: &str,
        from: &str,
        text: &str,
        seq: Option<u64>,
        facts: &Facts,
        model: &Model,
    ) {
        let reader = self.me().to_string();
        let Some(number) = number(text) else {
            // Not said on purpose: a password that nobody asked for, or a torn line.
            if let (Some(seat), Some(seq)) = (self.seats.get_mut(room), seq) {
                seat.advance(seq, |entry| facts.may_miss(&reader, &entry.from), model);
            }
            return;
        };
        assert!(
            !self.blocked.contains(from) || facts.may_see_again(&reader, from),
            "{reader} hears {from}, whom they block: {text}"
        );
        let (index, dialect) = (self.index, self.dialect);
        let Some(seat) = self.seats.get_mut(room) else {
            panic!("{reader} hears #{room}, and is not in it: {text}");
        };
        let (id, seq) = place(model, number, seat.room, seq);
        seat.room = Some(id);
        if facts.sent[number as usize].link == index && dialect == Dialect::Text {
            panic!("{reader} hears an echo: {text}");
        }
        seat.advance(
            seq.0,
            |entry| {
                facts.may_miss(&reader, &entry.from)
                    || dialect == Dialect::Text
                        && crate::model::number(&entry.text)
                            .is_none_or(|number| facts.sent[number as usize].link == index)
            },
            model,
        );
    }

    /// A private message for this user.
    pub fn receives(&mut self, from: &str, text: &str, facts: &mut Facts) {
        let reader = self.me().to_string();
        let Some(number) = number(text) else { return };
        assert!(
            !self.blocked.contains(from) || facts.may_see_again(&reader, from),
            "{reader} receives {text} from {from}, whom they block"
        );
        let sender = facts.sent[number as usize].link;
        facts.seen_by.insert((number, reader.clone()));
        if facts.seen.insert((number, self.index)) {
            let newest = self.private_order.entry(sender).or_default();
            assert!(*newest <= number, "{reader} receives {text} after m{newest}");
            *newest = number;
        }
    }
}

impl Seat {
    /// The next message was seen; those before it must have been, but for the ones that may be missed.
    pub fn advance(
        &mut self,
        seq: u64,
        may_miss: impl Fn(&sottovoce::proto::event::Entry) -> bool,
        model: &Model,
    ) {
        let Some(last) = self.last.replace(seq) else { return };
        assert!(seq > last, "message {seq} comes after {last}");
        let Some(room) = self.room else { return };
        let log = &model.archive[&room];
        for missed in last + 1..seq {
            let entry = &log[missed as usize - 1];
            assert!(may_miss(entry), "message {missed} of {room:?} was missed: {entry:?}");
        }
    }
}
