//! Connections that carry files: how they begin, what they ask for, how they end.

use std::collections::VecDeque;

use crate::hub::effect::Effect;
use crate::hub::files::get::Get;
use crate::hub::files::put::{Head, Incoming, PARTS_MAX, Put};
use crate::hub::files::{disabled, pool};
use crate::hub::job::SessionRecord;
use crate::hub::job::keys::TokenId;
use crate::hub::login::account_banned;
use crate::hub::session::Held;
use crate::hub::{Ask, Hub};
use crate::proto::event::{Answer, Event, Named};
use crate::proto::id::{AccountId, ConnId, FileId};
use crate::proto::limits::{DATA_CONNECTIONS_PER_ACCOUNT_MAX, GETS_PER_CONNECTION_MAX};
use crate::proto::piece::FilePiece;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::Now;
use crate::proto::transfer::{Asked, Told};

/// One data connection.
#[derive(Debug)]
pub(super) struct DataConn {
    pub account: AccountId,
    /// Of the token that it has, if it has one.
    token: Option<TokenId>,
    /// Whose the bytes are that come now.
    pub incoming: Incoming,
    /// PUTs that are not answered, in the order they came.
    pub puts: VecDeque<Put>,
    /// Counts PUTs, so that a late answer of the lane is not taken for that of another.
    pub next_put: u32,
    /// Pieces of this connection that the lane is to write.
    pub parts: u32,
    /// A PUT waits for a piece.
    pub waits_to_put: bool,
    /// GETs under way; the first is the next to be read for.
    pub gets: VecDeque<Get>,
    pub next_get: u32,
    /// Pieces that are read for this connection, or wait to be sent on it.
    pub holds: usize,
    /// A GET waits for a piece.
    pub waits_to_read: bool,
}

impl DataConn {
    fn new(account: AccountId, token: Option<TokenId>) -> DataConn {
        DataConn {
            account,
            token,
            incoming: Incoming::Nothing,
            puts: VecDeque::new(),
            next_put: 0,
            parts: 0,
            waits_to_put: false,
            gets: VecDeque::new(),
            next_get: 0,
            holds: 0,
            waits_to_read: false,
        }
    }

    /// Files that this connection writes, with the number of pieces under way.
    pub fn puts(&self) -> impl Iterator<Item = (FileId, u32)> {
        self.puts.iter().map(|put| (put.file, put.parts))
    }

    /// Something is under way that is owed an answer.
    fn is_busy(&self) -> bool {
        self.parts > 0 || !self.gets.is_empty()
    }

    /// Panics if an invariant is broken, which only a bug can do.
    pub fn check(&self, conn: ConnId, held: Option<Held>) {
        let parts: u32 = self.puts.iter().map(|put| put.parts).sum();
        assert!(self.parts == parts && parts <= PARTS_MAX, "{conn} has {parts} pieces to write");
        assert!(self.gets.len() <= GETS_PER_CONNECTION_MAX, "{conn} has {} GETs", self.gets.len());
        assert!(self.holds <= pool::PIECES_MAX, "{conn} holds {} pieces", self.holds);
        let reading: usize = self.gets.iter().map(|get| get.reading).sum();
        assert!(reading <= self.holds, "{conn} reads more pieces than it holds");
        match held {
            None => {}
            Some(Held::Transfer) => {
                assert!(self.is_busy() || self.waits_to_put, "{conn} is held, and nothing is under way")
            }
            Some(held) => panic!("{conn} carries files, and is held for {held:?}"),
        }
    }
}

impl Hub {
    /// Whether a login may become a data connection.
    pub(in crate::hub) fn check_data_login(&self) -> Result<(), Refusal> {
        if self.settings.files.enabled { Ok(()) } else { Err(disabled()) }
    }

    /// A login that asked for it is a data connection from now on.
    pub(in crate::hub) fn data_logged_in(&mut self, ask: Ask, record: SessionRecord, out: &mut Vec<Effect>) {
        let SessionRecord { account, user, token, token_id, .. } = record;
        self.ready(ask.conn, out);
        if self.directory.get(account).is_some_and(|account| account.banned) {
            // The operator was quicker than the login.
            return self.refuse(ask, account_banned(), out);
        }
        if self.files.table.connections(account) >= DATA_CONNECTIONS_PER_ACCOUNT_MAX {
            let most = DATA_CONNECTIONS_PER_ACCOUNT_MAX;
            let text = format!("this account has {most} connections for files already");
            return self.refuse(ask, Refusal::new(Code::TooMany, text), out);
        }
        self.files.table.connected(account);
        let before = self.files.conns.insert(ask.conn, DataConn::new(account, token_id));
        assert!(before.is_none(), "a connection logs in once");
        self.log(log::Level::Info, format!("{} carries files of account {user}", ask.conn), out);
        self.answer(ask, Answer::Named { user, how: Named::Login, token, rooms: Vec::new() }, out);
        out.push(Effect::Frames(ask.conn));
    }

    /// The connection carries files.
    pub fn is_data(&self, conn: ConnId) -> bool {
        self.files.conns.contains_key(&conn)
    }

    /// It is not the client of a data connection that keeps us waiting.
    pub fn is_transferring(&self, conn: ConnId) -> bool {
        self.files.conns.get(&conn).is_some_and(|data| {
            let reading = data.gets.iter().any(|get| get.reading > 0);
            data.parts > 0 || data.waits_to_put || data.waits_to_read || reading
        })
    }

    /// Somebody waits for a piece that a download could give back.
    pub fn wants_pieces(&self) -> bool {
        !self.files.get_waits.is_empty()
    }

    /// One request on a data connection that is not paused. The bytes of a PUT go to [`Hub::put`].
    pub fn asked(&mut self, now: Now, conn: ConnId, asked: Asked, out: &mut Vec<Effect>) {
        if !self.is_data(conn) {
            return;
        }
        match asked {
            Asked::Cancel { request } => self.cancel(conn, request, out),
            Asked::Get { request, file, offset, length } => {
                self.get(now, conn, request, file, offset, length, out)
            }
            Asked::Ping { request } => self.told(conn, Told::Pong { request }, out),
            Asked::Put { request, file, offset, bytes } => {
                self.begin_put(now, conn, Head { request, file, offset, bytes }, out);
            }
        }
    }

    /// A piece was sent on this connection.
    pub fn piece_sent(&mut self, conn: ConnId, piece: FilePiece, out: &mut Vec<Effect>) {
        if let Some(data) = self.files.conns.get_mut(&conn) {
            data.holds -= 1;
        }
        self.piece_is_free(piece, out);
        self.read_ahead(conn, out);
    }

    /// The peer of a data connection sends no more: whatever it asked for is answered first.
    pub(in crate::hub) fn transfers_must_end(&mut self, conn: ConnId, out: &mut Vec<Effect>) -> bool {
        let busy = self.files.conns.get(&conn).is_some_and(DataConn::is_busy);
        if busy {
            self.hold_transfer(conn, out);
        }
        busy
    }

    /// A data connection is over.
    pub(in crate::hub) fn data_gone(&mut self, conn: ConnId) {
        let Some(data) = self.files.conns.remove(&conn) else { return };
        self.files.table.disconnected(data.account);
        self.files.put_waits.retain(|&waiting| waiting != conn);
        self.files.get_waits.retain(|&waiting| waiting != conn);
    }

    /// Connections that carry files of this account.
    pub(in crate::hub) fn data_conns(&self, account: AccountId) -> Vec<ConnId> {
        let conns = self.files.conns.iter().filter(|(_, data)| data.account == account);
        conns.map(|(&conn, _)| conn).collect()
    }

    /// Those of them that came with this token.
    pub(in crate::hub) fn data_conns_with(&self, account: AccountId, token: TokenId) -> Vec<ConnId> {
        let ours = |data: &DataConn| data.account == account && data.token == Some(token);
        self.files.conns.iter().filter(|(_, data)| ours(data)).map(|(&conn, _)| conn).collect()
    }

    pub(super) fn told(&self, conn: ConnId, told: Told, out: &mut Vec<Effect>) {
        out.push(Effect::Tell(conn, Event::Transfer(told)));
    }

    pub(super) fn failed(
        &self,
        conn: ConnId,
        request: u32,
        offset: u64,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        self.told(conn, Told::Failed { request, offset, refusal }, out);
    }

    /// Nothing is read from the connection until [`Hub::release_transfer`].
    pub(super) fn hold_transfer(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        self.session_mut(conn).held = Some(Held::Transfer);
        out.push(Effect::Pause(conn));
    }

    pub(super) fn release_transfer(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        if let Some(data) = self.files.conns.get_mut(&conn) {
            data.waits_to_put = false;
        }
        let Some(session) = self.sessions.get_mut(conn) else { return };
        if session.held == Some(Held::Transfer) {
            session.held = None;
            out.push(Effect::Resume(conn));
        }
    }
}
