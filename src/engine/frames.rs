//! Connections that carry files: served after all others, within a budget, in frames.
//!
//! Their bytes take the shortest way there is: from the read buffer into a piece of the hub's, and from a
//! piece into records. What they are told besides goes the way of all events.

use crate::conn::arena::Area;
use crate::conn::{Frames, Phase};
use crate::dialect::frame::FrameError;
use crate::dialect::frame::reader::FrameReader;
use crate::dialect::frame::server::data_head;
use crate::engine::Engine;
use crate::engine::io::Io;
use crate::hub::effect::CloseReason;
use crate::proto::event::Event;
use crate::proto::id::ConnId;
use crate::proto::piece::FilePiece;
use crate::proto::time::Now;

impl Engine {
    /// The connection was logged in to carry files.
    pub(super) fn begin_frames(&mut self, id: ConnId, now: Now) {
        let Some(conn) = self.conn_mut(id).filter(|conn| !conn.is_closing()) else { return };
        conn.phase = Phase::Frames(Box::new(Frames { reader: FrameReader::default(), taken: now.mono }));
        conn.last_seen = now.mono;
        let deadline = self.deadline(id.slot, now.mono);
        self.set_timer(id, deadline);
    }

    /// Serves those that stand in the list now, once, until the turn has done enough.
    pub(super) fn serve_data(&mut self, now: Now, io: &mut impl Io) {
        let mut left = DATA_BYTES_PER_TURN;
        for _ in 0..self.ready_data.len() {
            if left == 0 {
                break;
            }
            let Some(slot) = self.ready_data.pop_front() else { break };
            left = left.saturating_sub(self.serve_slot(slot, now, io));
        }
    }

    /// What came on a data connection, in order. What cannot be handled now is kept.
    pub(super) fn take_in_frames(&mut self, id: ConnId, bytes: &[u8], now: Now, io: &mut impl Io) {
        let soft = self.hub.settings().limits.send_queue_soft;
        let mut rest = bytes;
        while !rest.is_empty() {
            // Whatever ends it meanwhile, it has its slot until the turn is over.
            let conn = &mut self.conns[id.slot as usize];
            if conn.flags.paused || conn.outbox.len() > soft {
                conn.inbox = rest.to_vec();
                return;
            }
            let Phase::Frames(frames) = &mut conn.phase else { return };
            let consumed = match frames.reader.body() {
                0 => match frames.reader.read(rest) {
                    Ok((consumed, asked)) => {
                        if let Some(asked) = asked {
                            self.hub.asked(now, id, asked, &mut self.effects);
                        }
                        consumed
                    }
                    Err(error) => return self.no_frame(id, error, now),
                },
                body => {
                    let part = &rest[..rest.len().min(body)];
                    let taken = self.hub.put(now, id, part, part.len() == body, &mut self.effects);
                    frames.reader.took(taken);
                    taken
                }
            };
            rest = &rest[consumed..];
            self.apply(now, io);
        }
    }

    /// A piece goes out, behind what waits.
    pub(super) fn send_piece(&mut self, id: ConnId, request: u32, offset: u64, piece: FilePiece) {
        if self.conn_mut(id).is_none_or(|conn| conn.is_closing()) {
            return self.done.push((id, piece));
        }
        let head = data_head(request, offset, piece.len());
        let range = self.arenas.write(Area::Single, |out| out.extend_from_slice(&head));
        self.push(id.slot, range);
        self.conns[id.slot as usize].outbox.push_piece(piece);
    }

    /// Pieces that are done with go back to the hub, which may have others for them.
    pub(super) fn pieces_done(&mut self, now: Now, io: &mut impl Io) {
        while let Some((id, piece)) = self.done.pop() {
            self.hub.piece_sent(id, piece, &mut self.effects);
            self.apply(now, io);
        }
    }

    /// What came is no frame: one last word, and the end.
    fn no_frame(&mut self, id: ConnId, error: FrameError, now: Now) {
        self.tell(id, &Event::Error(error.refusal()));
        self.begin_close(id, CloseReason::BadFrame, now);
    }
}

/// Bytes read in one turn from those that carry files: half a millisecond of work, which is what a message
/// waits for them at most. About as many are written ([`flush`](super::flush)).
pub(super) const DATA_BYTES_PER_TURN: usize = 512 * 1024;
