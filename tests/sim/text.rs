//! What a person with netcat is told.

use crate::facts::{Facts, State, place};
use crate::link::{Link, Seat};
use crate::model::{Model, number};

impl Link {
    pub fn take_text(&mut self, line: &str, facts: &mut Facts, model: &Model) {
        if let Some(notice) = line.strip_prefix("*** ") {
            return self.take_notice(notice, facts);
        }
        if let Some(error) = line.strip_prefix("!!! ") {
            let code = error.split(':').next().unwrap_or_default().to_string();
            return self.count(&code);
        }
        // [HH:MM] and what was said.
        let said = line.split_once("] ").unwrap_or_else(|| panic!("a line of no known shape: {line}")).1;
        if let Some(private) = said.strip_prefix('<') {
            let (from, rest) = private.split_once(" -> ").expect("from whom to whom");
            let (to, body) = rest.split_once("> ").expect("to whom, and what");
            return match (from, to) {
                (from, "you") if from != "you" => self.receives(from, body, facts),
                (_, to) => self.sent_line(to.to_string(), body, facts),
            };
        }
        let (room, said) = said.split_once(' ').expect("a room, and what was said in it");
        let room = room.strip_prefix('#').unwrap_or_else(|| panic!("a line of no known shape: {line}"));
        let (from, body) = match said.strip_prefix("* ") {
            Some(emote) => emote.split_once(' ').expect("who, and what"),
            None => said.strip_prefix('<').and_then(|said| said.split_once("> ")).expect("who, and what"),
        };
        self.room_line(room, from, body, facts, model);
    }

    fn room_line(&mut self, room: &str, from: &str, body: &str, facts: &Facts, model: &Model) {
        let Some(found) = number(body) else { return };
        let (id, seq) = place(model, found, None, None);
        if let Some((shown, of_join)) = &self.block {
            let strict = self.blocked.contains(from) && !facts.may_see_again(self.me(), from);
            assert!(!strict, "{} reads {from}, whom they block: {body}", self.me());
            if !of_join && facts.sent[found as usize].link == self.index {
                return;
            }
            match self.seats.get_mut(shown) {
                // What was said while it was shown comes in between.
                Some(seat) if !of_join && seat.last.is_some_and(|last| seq.0 > last) => {}
                Some(seat) if *of_join && shown == room => {
                    (seat.room, seat.last) = (Some(id), Some(seq.0));
                    return;
                }
                _ => return,
            }
        }
        self.hears(room, from, body, None, facts, model);
    }

    /// The sender's copy: the answer to this session, or what another one of the user sent.
    fn sent_line(&mut self, to: String, body: &str, facts: &mut Facts) {
        let Some(number) = number(body) else { return };
        if facts.sent[number as usize].link == self.index {
            // Whether it is kept is said in the line after it.
            facts.was_sent(number, &to, false);
            self.copied = Some(number);
        }
    }

    fn take_notice(&mut self, notice: &str, facts: &mut Facts) {
        let words: Vec<&str> = notice.split(' ').collect();
        let me = self.me().to_string();
        match words[..] {
            ["you", "are", "in", room] => {
                let room = bare(room);
                self.seats.insert(room.clone(), Seat::default());
                self.block = Some((room, true));
            }
            ["history", "of", room] => {
                let room = bare(room);
                let of_join = self.block.as_ref().is_some_and(|(shown, _)| *shown == room);
                self.block = Some((room, of_join));
            }
            ["end", "of", "history"] => self.block = None,
            // Results of a search have the shape of a history.
            ["messages", "with", ..] => self.block = Some(("a search".into(), false)),
            ["end", "of", "search:", ..] => self.block = None,
            ["you", "have", "left", room, ..] => {
                self.seats.remove(&bare(room));
            }
            [user, "was", "kicked", "from", room, ..] | [user, "is", "banned", "from", room]
                if user == me =>
            {
                self.seats.remove(&bare(room));
            }
            ["you", "are", name, "a", "guest"] => self.named(name.trim_end_matches(','), facts),
            ["you", "are", "logged", "in", "as", name] => self.named(name, facts),
            ["you", "are", "registered", "and", "logged", "in", "as", name] => {
                self.named(name, facts);
                facts.registered.insert(name.to_string());
            }
            [to, "is", "not", "connected:", "the", "message", "is", "kept", ..] => {
                // It follows the copy of the very message.
                let number = self.copied.take().expect("the sender's copy comes first");
                facts.at_once.retain(|(delivered, _)| *delivered != number);
                facts.kept.push((number, to.to_string()));
                assert!(facts.sent[number as usize].state == State::Acknowledged);
            }
            [user, "is", "blocked"] => {
                self.blocked.insert(user.to_string());
            }
            [user, "is", "no", "longer", "blocked"] => {
                self.blocked.remove(user);
            }
            _ => {}
        }
    }
}

/// A room's name without what it is shown with: `#room;` in a sentence.
fn bare(room: &str) -> String {
    room.trim_start_matches('#').trim_end_matches([';', ':']).to_string()
}
