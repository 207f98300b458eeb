//! What a ledger has to tell its user.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::client::transfer::ledger::Entry;
use crate::client::transfer::ledger::sending::Wish;
use crate::client::transfer::pace::{Bytes, Span};
use crate::client::transfer::record::{Number, Receiving, Record, Sending};
use crate::e2e::file::name::safe_name;
use crate::proto::name::UserName;

/// Something about one transfer. Its `Display` is the sentence to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    pub number: Number,
    pub subject: Subject,
    pub what: What,
}

/// Which transfer it was: it may be gone from the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub sending: bool,
    /// Who sent it, or who gets it. Several only in a room.
    pub people: Vec<String>,
    pub room: Option<String>,
    /// The sender's identity was verified when the offer came.
    pub verified: bool,
    /// Safe to show.
    pub name: String,
    pub size: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The file changed while it was sent; its upload begins anew.
    Anew,
    Cancelled,
    Declined,
    Failed {
        why: Box<str>,
    },
    /// It waits for something that takes longer.
    Interrupted {
        why: Box<str>,
    },
    /// One of several readers did not get the message.
    NotTold {
        reader: String,
        why: Box<str>,
    },
    Offered,
    /// It has this name; `None` if nobody knows, because a crash came in between.
    Received {
        path: Option<PathBuf>,
        took: Took,
    },
    Sent {
        took: Took,
    },
}

/// How long it took, how fast it was, and what came of it: the SHA-256 of the blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Took {
    pub time: Duration,
    /// Bytes in a second.
    pub rate: u64,
    pub sha256: [u8; 32],
}

impl News {
    pub(super) fn about(entry: &Entry, what: What) -> News {
        let subject = match &entry.record {
            Record::Receiving(Receiving { from, verified, note, stage: _ }) => Subject {
                sending: false,
                people: vec![from.clone()],
                room: None,
                verified: *verified,
                name: safe_name(&note.name),
                size: note.size,
            },
            Record::Sending(Sending { name, room, stamp, .. }) => Subject {
                sending: true,
                people: entry.people.clone(),
                room: room.clone(),
                verified: false,
                name: name.clone(),
                size: stamp.size,
            },
        };
        News { number: entry.number, subject, what }
    }

    /// Nothing more will come of it.
    pub fn is_last(&self) -> bool {
        match self.what {
            What::Cancelled => self.subject.sending,
            What::Declined | What::Failed { .. } | What::Received { .. } | What::Sent { .. } => true,
            What::Anew | What::Interrupted { .. } | What::NotTold { .. } | What::Offered => false,
        }
    }

    /// Something went wrong.
    pub fn is_bad(&self) -> bool {
        matches!(self.what, What::Failed { .. } | What::NotTold { .. })
    }
}

impl Subject {
    /// Of a file whose readers are not known yet.
    pub fn of(wish: &Wish, people: &[UserName]) -> Subject {
        Subject {
            sending: true,
            people: people.iter().map(|user| user.shown().to_string()).collect(),
            room: wish.room.as_ref().map(|room| room.shown().trim_start_matches('#').to_owned()),
            verified: false,
            name: wish.name.clone(),
            size: wish.stamp.size,
        }
    }

    /// `to bob`, `to #kitchen (3 people)`, `from bob`.
    fn whom(&self) -> String {
        match (&self.room, self.people.as_slice()) {
            (Some(room), [_]) => format!("to #{room} (1 person)"),
            (Some(room), people) => format!("to #{room} ({} people)", people.len()),
            (None, people) if self.sending => format!("to {}", people.join(", ")),
            (None, people) => format!("from {}", people.join(", ")),
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let News { number: Number(number), subject, what } = self;
        let (name, size, whom) = (&subject.name, Bytes(subject.size), subject.whom());
        match what {
            What::Anew => write!(f, "{name} {whom}: it changed, and is sent anew"),
            What::Cancelled => write!(f, "{name} {whom}: cancelled"),
            What::Declined => write!(f, "{name} {whom}: declined"),
            What::Failed { why } => write!(f, "{name} {whom}: {why}"),
            What::Interrupted { why } => write!(f, "{name} {whom}: interrupted, will go on ({why})"),
            What::NotTold { reader, why } => write!(f, "{name} does not reach {reader}: {why}"),
            What::Offered => {
                let from = subject.people.first().map_or("somebody", String::as_str);
                let seal = if subject.verified { "verified" } else { "not verified" };
                write!(f, "{from} ({seal}) offers {name}, {size}: /accept {number} or /decline {number}")
            }
            What::Received { path, took } => {
                let path = path.as_ref().map_or_else(|| name.clone(), |path| path.display().to_string());
                write!(f, "received {path} {whom}: {}", Summary(size, took))
            }
            What::Sent { took } => write!(f, "sent {name} {whom}: {}", Summary(size, took)),
        }
    }
}

/// `12.0 MiB in 3.1 s, 3.87 MiB/s, sealed sha256 ..`: of the blob, the same at both ends.
struct Summary<'a>(Bytes, &'a Took);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary(size, Took { time, rate, sha256 }) = self;
        write!(f, "{size} in {}, {}/s, sealed sha256 {}", Span(*time), Bytes(*rate), HEXLOWER.encode(sha256))
    }
}
