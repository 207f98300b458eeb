//! Time: one heap entry for each connection. Activity only writes down when it was; when the entry
//! fires, the state decides whether anything is due, and when to look again.

use std::cmp::Reverse;
use std::time::Duration;

use crate::conn::{Conn, Phase};
use crate::engine::Engine;
use crate::engine::io::Io;
use crate::hub::effect::CloseReason;
use crate::proto::event::Event;
use crate::proto::id::ConnId;
use crate::proto::refusal::{Code, Refusal};
use crate::proto::time::{Instant, Now};

impl Engine {
    pub(super) fn fire_timers(&mut self, now: Now, io: &mut impl Io) {
        if self.hub.next_deadline() <= now.mono {
            self.hub.tick(now, &mut self.effects);
            self.apply(now, io);
        }
        for _ in 0..TIMERS_PER_TURN {
            match self.timers.peek() {
                Some(&Reverse((at, id))) if at <= now.mono => {
                    self.timers.pop();
                    self.fire(id, at, now);
                    self.apply(now, io);
                }
                _ => break,
            }
        }
    }

    /// Sets when to look at a connection at the latest. An entry that fires before is enough: it finds
    /// out when to look next. So short connections leave one entry behind, not one for each deadline
    /// that they had.
    pub(super) fn set_timer(&mut self, id: ConnId, at: Instant) {
        if let Some(conn) = self.conn_mut(id).filter(|conn| at < conn.timer_at) {
            conn.timer_at = at;
            self.timers.push(Reverse((at, id)));
        }
    }

    fn fire(&mut self, id: ConnId, at: Instant, now: Now) {
        let Some(conn) = self.conn_mut(id).filter(|conn| conn.timer_at == at) else { return };
        conn.timer_at = Instant(u64::MAX);
        let slot = id.slot;
        // Whether one that carries files takes them is seen only by looking.
        if self.conns[slot as usize].is_data() || self.deadline(slot, now.mono) <= now.mono {
            self.due(id, now);
        }
        if self.conns[slot as usize].flags.doomed {
            return;
        }
        let next = self.deadline(slot, now.mono).max(now.mono + Duration::from_millis(1));
        self.set_timer(id, next);
    }

    /// Something is due: find out what.
    fn due(&mut self, id: ConnId, now: Now) {
        let limits = self.hub.settings().limits.clone();
        let conn = &self.conns[id.slot as usize];
        if conn.is_closing() {
            return self.doom(id.slot);
        }
        if self.is_owed_greeting(conn) && conn.since + self.settings.banner_delay <= now.mono {
            let banner = Event::Banner { server: self.hub.settings().name.clone() };
            self.conns[id.slot as usize].flags.greeted = true;
            return self.tell(id, &banner);
        }
        if !self.hub.is_named(id) {
            let text = "no name was chosen in time; connect again";
            self.tell(id, &Event::Error(Refusal::new(Code::LoginTimeout, text)));
            return self.begin_close(id, CloseReason::LoginTimeout, now);
        }
        let idle = limits.idle_timeout.is_some_and(|idle| conn.last_seen + idle <= now.mono);
        if let Phase::Frames(frames) = &conn.phase {
            if conn.outbox.file_pieces() > 0 && frames.taken + STALLED <= now.mono && self.hub.wants_pieces()
            {
                // Others wait for what this one does not take.
                self.begin_close(id, CloseReason::SlowReader, now);
                return self.doom(id.slot);
            }
            if idle && !self.hub.is_transferring(id) {
                let text = "nothing was asked and nothing taken for too long";
                self.tell(id, &Event::Error(Refusal::new(Code::IdleTimeout, text)));
                self.begin_close(id, CloseReason::IdleTimeout, now);
            }
            return;
        }
        if conn.is_unfinished() && idle {
            let text = "a line was begun and not ended in time";
            self.tell(id, &Event::Error(Refusal::new(Code::IdleTimeout, text)));
            self.begin_close(id, CloseReason::IdleTimeout, now);
        }
    }

    /// When to look at a connection again.
    pub(super) fn deadline(&self, slot: u32, now: Instant) -> Instant {
        let limits = &self.hub.settings().limits;
        let conn = &self.conns[slot as usize];
        if conn.is_closing() {
            return conn.last_seen + LINGER;
        }
        // A line may be begun at any time, also right after a name was chosen.
        let mut next = now + limits.idle_timeout.map_or(LOOK_AGAIN, |idle| idle.min(LOOK_AGAIN));
        if self.is_owed_greeting(conn) {
            next = next.min(conn.since + self.settings.banner_delay);
        }
        if conn.is_data() {
            // Whether it takes its files is looked at now and then. It may be idle already, and kept for
            // what is under way.
            next = next.min(now + STALLED);
            let idle = limits.idle_timeout.map(|idle| conn.last_seen + idle).filter(|&at| at > now);
            return idle.map_or(next, |at| next.min(at));
        }
        if !self.hub.is_named(conn.id) {
            if self.hub.is_waiting(conn.id) {
                // We keep the client waiting, not the client us.
                return next.min(now + Duration::from_secs(1));
            }
            if let Some(timeout) = limits.login_timeout {
                next = next.min(conn.since + timeout);
            }
        } else if conn.is_unfinished()
            && let Some(timeout) = limits.idle_timeout
        {
            next = next.min(conn.last_seen + timeout);
        }
        next
    }

    /// A person who has not spoken is greeted; a TLS client that waits must not be.
    fn is_owed_greeting(&self, conn: &Conn) -> bool {
        let silent = matches!(conn.phase, Phase::Sniffing) && !conn.flags.greeted;
        let served = match &conn.tls {
            Some(tls) => tls.is_ready(),
            None => self.settings.plaintext.serves(conn.flags.loopback),
        };
        silent && served && !conn.flags.eof
    }
}

/// How long a connection may take nothing of the file that it asked for, while others wait to be read for.
const STALLED: Duration = Duration::from_secs(60);
/// How long a connection that we ended may take for the rest, and for closing its side.
pub(super) const LINGER: Duration = Duration::from_secs(3);
/// Where nothing is due, the entry is looked at this often, so that it exists.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// Timers fired in one turn; the rest is still due in the next.
const TIMERS_PER_TURN: usize = 4096;
