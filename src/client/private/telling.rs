//! What a person sees of it: lines in conversations, and entries of the history.

use zeroize::Zeroizing;

use crate::client::private::history::{self, Delivery, Record, RecordKind};
use crate::client::private::row::Table;
use crate::client::private::{Output, Private};
use crate::client::scrollback::{Kind, Line, Origin, Seal};
use crate::client::session::event::{Event, Place};
use crate::client::wire::clean_body;
use crate::e2e::address::Uid;
use crate::e2e::content::{self, FileNote, MessageId};
use crate::e2e::file::name::safe_name;
use crate::proto::id::Seq;
use crate::proto::name::UserName;
use crate::proto::text::sanitise;
use crate::proto::time::Now;

impl Private {
    /// A line that only this user sees, in a conversation.
    pub(super) fn note(&mut self, now: Now, name: &UserName, kind: Kind, text: &str) {
        self.put_line(Place::Person(name.clone()), notice(now, kind, text));
    }

    /// The same about nobody in particular.
    pub(super) fn note_server(&mut self, now: Now, kind: Kind, text: &str) {
        self.put_line(Place::Server, notice(now, kind, text));
    }

    /// A line in a conversation that stays in its history: what must not be missed.
    pub(super) fn note_for_good(&mut self, now: Now, uid: Uid, kind: Kind, text: &str) {
        let (counter, record) = (self.next_counter(), record_of_notice(now, text));
        self.dirty.put(Table::History, history::key(uid, counter), record.encode());
        if let Some(name) = self.peers.get(uid).and_then(|peer| peer.name.clone()) {
            self.note(now, &name, kind, text);
        }
    }

    pub(super) fn put_line(&mut self, place: Place, line: Line) {
        self.out.push(Output::Line { place, line });
    }

    /// The standing of private messages with somebody, or with all, is another one.
    pub(super) fn changed(&mut self, name: Option<UserName>) {
        self.out.push(Output::Event(Event::PrivateChanged(name)));
    }

    /// The number of the last entry of the history; the next ones have higher numbers.
    pub fn last_entry(&self) -> u64 {
        self.counter.last()
    }

    /// The number of the next entry of the history.
    pub(super) fn next_counter(&mut self) -> u64 {
        let (number, reserves) = self.counter.next();
        self.dirty.counter |= reserves;
        number
    }

    pub(super) fn name_of(&self, uid: Uid) -> Option<UserName> {
        self.peers.get(uid).and_then(|peer| peer.name.clone())
    }
}

fn notice(now: Now, kind: Kind, text: &str) -> Line {
    Line {
        kind,
        origin: Origin::Live,
        own: false,
        seq: Seq(0),
        at: now.wall,
        from: "".into(),
        text: text.into(),
        seal: Seal::ServerReadable,
    }
}

fn record_of_notice(now: Now, text: &str) -> Record {
    Record {
        kind: RecordKind::Notice,
        own: false,
        edited: false,
        seal: Seal::ServerReadable,
        delivery: Delivery::Received,
        at: now.wall,
        claimed: now.wall,
        message: MessageId([0; 16]),
        text: Zeroizing::new(text.to_owned()),
    }
}

/// The text by which a message is shown, sanitised; `None` for what is no message.
pub(super) fn summary(kind: &content::Kind) -> Option<Zeroizing<String>> {
    let text = match kind {
        content::Kind::Text { text } => clean_body(text).into_string(),
        content::Kind::Edit { text, .. } => format!("edited: {}", clean_body(text)),
        content::Kind::Delete { .. } => "deleted a message".to_owned(),
        content::Kind::React { text, .. } => format!("reacted {}", sanitise(text)),
        content::Kind::FileNote(note) => describe(note),
        _ => return None,
    };
    Some(Zeroizing::new(text))
}

/// A file by name and size. The name is from outside: only its last component, and nothing in it that
/// could steer a terminal.
pub(super) fn describe(note: &FileNote) -> String {
    format!("file: {} ({})", sanitise(&safe_name(&note.name)), size(note.size))
}

fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10;
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} bytes")
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        for (bytes, expected) in
            [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")]
        {
            assert_eq!(size(bytes), expected);
        }
        assert!(size(u64::MAX).ends_with(" TiB"));
    }

    #[test]
    fn texts_of_others_are_sanitised() {
        let text = |text: &str| content::Kind::Text { text: text.to_owned() };
        assert_eq!(summary(&text("a\u{1b}[2J\nb")).unwrap().as_str(), "a\nb");
        let edit = content::Kind::Edit { of: MessageId([0; 16]), text: "x\u{202e}".to_owned() };
        assert_eq!(summary(&edit).unwrap().as_str(), "edited: x");
        assert!(summary(&content::Kind::Unknown).is_none());
    }
}
