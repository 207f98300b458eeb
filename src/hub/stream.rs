//! Long answers, piece by piece: the next piece is made when the client has taken the last one.

use crate::hub::effect::Effect;
use crate::hub::job::{Page, PageRange, StoreJob};
use crate::hub::session::{Activity, Stream, Streaming, Waiting};
use crate::hub::{Ask, Hub, room_is_gone};
use crate::proto::event::Answer;
use crate::proto::id::{ConnId, Origin, RequestId, UserId};
use crate::proto::limits::STREAM_PIECE_LINES;
use crate::proto::pages::{HistoryPage, MembersPage, Part, RoomsPage, UsersPage};
use crate::proto::time::Now;

impl Streaming {
    pub(super) fn new(re: RequestId, what: Stream) -> Streaming {
        Streaming { re, part: Part { first: true, last: false }, what }
    }
}

impl Hub {
    /// A connection took everything that was sent to it.
    pub fn drained(&mut self, now: Now, conn: ConnId, out: &mut Vec<Effect>) {
        self.letters_taken(now.mono, conn, out);
        self.envelopes_taken(conn, out);
        let Some(session) = self.sessions.get_mut(conn) else { return };
        if !matches!(session.activity, Activity::Streaming(_)) {
            return;
        }
        let Activity::Streaming(streaming) = std::mem::replace(&mut session.activity, Activity::Ready) else {
            unreachable!("checked above");
        };
        let ask = Ask { conn, re: streaming.re, now };
        self.next_piece(ask, *streaming, out);
    }

    /// Begins a long answer; the connection is paused until its last piece.
    pub(super) fn stream(&mut self, conn: ConnId, streaming: Streaming, out: &mut Vec<Effect>) {
        self.session_mut(conn).activity = Activity::Streaming(Box::new(streaming));
        out.push(Effect::Pause(conn));
        out.push(Effect::AwaitDrain(conn));
    }

    fn next_piece(&mut self, ask: Ask, streaming: Streaming, out: &mut Vec<Effect>) {
        let Streaming { re, part: Part { first, .. }, what } = streaming;
        let me = self.session(ask.conn).user.expect("only the named ask for long answers");
        let (answer, next) = match what {
            Stream::History { room, after, last } => {
                // The piece comes from the store.
                let origin = Origin { conn: ask.conn, re };
                let left = u32::try_from(last.0.saturating_sub(after.0)).unwrap_or(u32::MAX);
                let limit = left.clamp(1, STREAM_PIECE_LINES);
                let range = PageRange::After(after);
                self.submit_store(StoreJob::History { origin, room, range, limit }, out);
                let what = Stream::History { room, after, last };
                let streaming = Streaming { re, part: Part { first, last: false }, what };
                return self.wait(ask.conn, Waiting::HistoryPiece(streaming), out);
            }
            Stream::Rejoin { rooms } => return self.rejoin(ask.conn, rooms, out),
            Stream::Users { after } => {
                let (users, next) = self.users_page(me, &after, STREAM_PIECE_LINES);
                let part = Part { first, last: next.is_none() };
                let answer = Answer::Users(UsersPage { users, part, more: false });
                (answer, next.map(|after| Stream::Users { after }))
            }
            Stream::Rooms { after } => {
                let (rooms, next) = self.rooms_page(me, &after, STREAM_PIECE_LINES);
                let part = Part { first, last: next.is_none() };
                let answer = Answer::Rooms(RoomsPage { rooms, part, more: false });
                (answer, next.map(|after| Stream::Rooms { after }))
            }
            Stream::Members { room, after } => {
                let Some(name) = self.rooms.get(room).map(|room| room.name.clone()) else {
                    self.refuse(ask, room_is_gone(), out);
                    return self.ready(ask.conn, out);
                };
                let (members, next) = self.members_page(room, me, &after, STREAM_PIECE_LINES);
                let part = Part { first, last: next.is_none() };
                let answer = Answer::Members(MembersPage { room: name, members, part, more: false });
                (answer, next.map(|after| Stream::Members { room, after }))
            }
        };
        self.answer(ask, answer, out);
        self.go_on(ask, next, out);
    }

    /// The store read a piece of a streamed history.
    pub(super) fn history_piece(
        &mut self,
        ask: Ask,
        me: UserId,
        streaming: Streaming,
        page: Page,
        out: &mut Vec<Effect>,
    ) {
        let Stream::History { room, last, .. } = streaming.what else {
            unreachable!("only histories come from the store in pieces");
        };
        if !self.is_member(me, room) {
            self.refuse(ask, room_is_gone(), out);
            return self.ready(ask.conn, out);
        }
        let reached = page.messages.last().map_or(last, |entry| entry.seq);
        let is_last = reached >= last;
        let part = Part { first: streaming.part.first, last: is_last };
        let name = self.room(room).name.clone();
        let mut messages = self.without_blocked(me, page.messages);
        // What was said while we read is told as it comes.
        messages.retain(|entry| entry.seq <= last);
        self.answer(ask, Answer::History(HistoryPage { room: name, messages, part, more: false }), out);
        let next = (!is_last).then_some(Stream::History { room, after: reached, last });
        self.go_on(ask, next, out);
    }

    fn go_on(&mut self, ask: Ask, next: Option<Stream>, out: &mut Vec<Effect>) {
        match next {
            Some(what) => {
                let part = Part { first: false, last: false };
                let streaming = Streaming { re: ask.re, part, what };
                self.session_mut(ask.conn).activity = Activity::Streaming(Box::new(streaming));
                out.push(Effect::AwaitDrain(ask.conn));
            }
            None => self.ready(ask.conn, out),
        }
    }
}
