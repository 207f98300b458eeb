//! Reading the log: `history` and `search`.

use crate::hub::effect::Effect;
use crate::hub::job::{Page, PageRange, StoreJob};
use crate::hub::session::{Stream, Streaming, Waiting};
use crate::hub::{Ask, Hub, room_is_gone};
use crate::proto::command::{HistoryRange, Paging};
use crate::proto::event::{Answer, Entry};
use crate::proto::id::{RoomId, Seq, UserId};
use crate::proto::limits::{HISTORY_PAGE_DEFAULT, HISTORY_PAGE_MAX, HISTORY_STREAM_MAX};
use crate::proto::pages::{Found, HistoryPage, Part};
use crate::proto::refusal::{Code, Refusal};

/// Which part of a log, and how it is to come.
#[derive(Clone, Copy)]
pub(super) struct HistoryWanted {
    pub range: HistoryRange,
    pub limit: Option<u32>,
    pub paging: Paging,
}

impl Hub {
    pub(super) fn history(
        &mut self,
        ask: Ask,
        me: UserId,
        room: Option<&str>,
        wanted: HistoryWanted,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let id = self.my_room(ask.conn, me, room)?;
        let HistoryWanted { range, limit, paging } = wanted;
        let limit = limit.unwrap_or(HISTORY_PAGE_DEFAULT);
        if limit == 0 {
            return Err(Refusal::new(Code::BadArgument, "how many messages? at least 1"));
        }
        match paging {
            Paging::Page => {
                let range = match range {
                    HistoryRange::After(seq) => PageRange::After(Seq(seq)),
                    HistoryRange::Before(seq) => PageRange::Before(Seq(seq)),
                    HistoryRange::Latest => PageRange::Latest,
                };
                self.submit_history(ask, id, range, limit.min(HISTORY_PAGE_MAX), out);
            }
            Paging::Stream => {
                // Positions have no gaps, so the newest N begin N before the end.
                let last = self.room(id).seq;
                let after = Seq(last.0.saturating_sub(u64::from(limit.min(HISTORY_STREAM_MAX))));
                self.stream(ask.conn, Streaming::new(ask.re, Stream::History { room: id, after, last }), out);
            }
        }
        Ok(())
    }

    fn submit_history(
        &mut self,
        ask: Ask,
        room: RoomId,
        range: PageRange,
        limit: u32,
        out: &mut Vec<Effect>,
    ) {
        self.submit_store(StoreJob::History { origin: ask.origin(), room, range, limit }, out);
        self.wait(ask.conn, Waiting::History, out);
    }

    /// The store read a page for somebody who asked for one.
    pub(super) fn history_page(
        &mut self,
        ask: Ask,
        me: UserId,
        id: RoomId,
        page: Page,
        out: &mut Vec<Effect>,
    ) {
        let answer = match self.is_member(me, id) {
            true => {
                let room = self.room(id).name.clone();
                let messages = self.without_blocked(me, page.messages);
                Answer::History(HistoryPage { room, messages, part: Part::WHOLE, more: page.more })
            }
            false => Answer::Refused(room_is_gone()),
        };
        self.answer(ask, answer, out);
        self.ready(ask.conn, out);
    }

    pub(super) fn search(
        &mut self,
        ask: Ask,
        me: UserId,
        query: &str,
        limit: Option<u32>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        if query.trim().is_empty() {
            return Err(Refusal::new(Code::MissingArgument, "search for what?"));
        }
        let limit = limit.unwrap_or(HISTORY_PAGE_DEFAULT);
        if limit == 0 {
            return Err(Refusal::new(Code::BadArgument, "how many messages? at least 1"));
        }
        let rooms = self.user(me).rooms.to_vec();
        let limit = limit.min(HISTORY_PAGE_MAX);
        let query = query.to_string();
        self.submit_store(StoreJob::Search { origin: ask.origin(), rooms, query: query.clone(), limit }, out);
        self.wait(ask.conn, Waiting::Search { query }, out);
        Ok(())
    }

    /// The store found what was searched for; only rooms that the asker is still in are shown.
    pub(super) fn searched(
        &mut self,
        ask: Ask,
        me: UserId,
        query: String,
        found: Vec<(RoomId, Entry)>,
        more: bool,
        out: &mut Vec<Effect>,
    ) {
        let user = self.user(me);
        let mut messages = Vec::with_capacity(found.len());
        for (id, entry) in found {
            if user.rooms.contains(&id)
                && let Some(entry) = self.without_blocked(me, vec![entry]).pop()
            {
                messages.push((self.room(id).name.clone(), entry));
            }
        }
        self.answer(ask, Answer::Search(Found { query, messages, more }), out);
        self.ready(ask.conn, out);
    }
}
