//! What must be true between two turns, whatever came in: no connection is forgotten in any list, none
//! is paused for nothing, and no queue is longer than it may be.

use crate::engine::Engine;

impl Engine {
    /// Panics if an invariant is broken, which only a bug can do. Reads everything.
    pub fn check(&self) {
        let sending = self.conns.iter().map(|(_, conn)| conn.outbox.file_pieces()).sum();
        self.hub.check();
        self.hub.check_pieces(sending);
        assert!(self.done.is_empty(), "pieces that are done with go back in the same turn");
        let limits = &self.hub.settings().limits;
        let mut queued = 0;
        for (slot, conn) in &self.conns {
            let id = conn.id;
            assert!(id.slot as usize == slot, "{id} is not where it says");
            assert!(!conn.flags.doomed, "{id} outlived its end");
            assert!(conn.is_closing() != self.hub.knows(id), "{id} is closing, and the hub does not know");
            assert!(conn.is_data() == self.hub.is_data(id), "{id} carries files for one side alone");
            queued += conn.outbox.len();
            // What followed from the end of others is flushed by the next turn, which looks again.
            let bounded = conn.outbox.len() < limits.send_queue_hard || conn.flags.dirty;
            assert!(bounded, "{id} has {} bytes waiting", conn.outbox.len());
            let must_flush = conn.flags.writable && !conn.outbox.is_empty() && !conn.is_shaking_hands();
            assert!(!must_flush || conn.flags.dirty, "{id} has something to send, and is not flushed");
            if conn.is_closing() {
                continue;
            }
            let held = self.hub.is_held(id);
            assert!(conn.flags.paused == held, "{id}: paused {}, held {held}", conn.flags.paused);
            let can_go_on = !held && !self.stopping && conn.outbox.len() <= limits.send_queue_soft;
            if can_go_on && (conn.flags.readable || conn.flags.eof || conn.has_input()) {
                assert!(conn.flags.queued, "{id} has something to read, and is forgotten");
            }
            if conn.flags.await_drain {
                assert!(!conn.is_drained() || conn.flags.dirty, "{id} took everything, and nobody was told");
            }
        }
        assert!(queued == self.queued, "{queued} bytes wait, and {} are counted", self.queued);
        self.check_lists();
    }

    /// Connections from which no command is taken at the moment.
    pub fn paused(&self) -> usize {
        self.conns.iter().filter(|(_, conn)| conn.flags.paused && !conn.is_closing()).count()
    }

    fn check_lists(&self) {
        assert!(self.doomed.is_empty(), "a turn ends those that are over");
        let flagged = |flag: fn(&crate::conn::Flags) -> bool| {
            self.conns.iter().filter(|(_, conn)| flag(&conn.flags)).count()
        };
        let (ready, dirty) =
            (self.ready.len() + self.ready_data.len(), self.dirty.len() + self.dirty_data.len());
        assert!(ready == flagged(|flags| flags.queued), "a connection stands in the list once");
        assert!(dirty == flagged(|flags| flags.dirty), "a connection is flushed once");
        for &slot in self.ready.iter().chain(&self.ready_data) {
            assert!(self.conns[slot as usize].flags.queued, "only who is marked stands in the list");
        }
        for &slot in self.dirty.iter().chain(&self.dirty_data) {
            assert!(self.conns[slot as usize].flags.dirty, "only who is marked is flushed");
        }
    }
}
