//! The engine's view of the world, on mio: sockets by slot, and the lanes.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::Shutdown;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::engine::io::{Io, Read, Write};
use crate::hub::job::Job;
use crate::work::Lanes;

/// Sockets of connections by slot; the slot's token is its number behind [`FIRST_TOKEN`].
#[derive(Debug, Default)]
pub struct Sockets {
    slots: Vec<Option<Slot>>,
}

#[derive(Debug)]
struct Slot {
    socket: TcpStream,
    /// The system told of an end or an error, and will not tell of it again.
    ended: bool,
}

/// Sockets and lanes together, as the engine wants them.
pub struct World<'a> {
    pub sockets: &'a mut Sockets,
    pub registry: &'a Registry,
    pub lanes: &'a Lanes,
}

impl Sockets {
    /// Registered once, for both directions, edge-triggered.
    pub fn insert(&mut self, slot: u32, mut socket: TcpStream, registry: &Registry) -> io::Result<()> {
        let index = slot as usize;
        registry.register(&mut socket, token(slot), Interest::READABLE | Interest::WRITABLE)?;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        assert!(self.slots[index].is_none(), "a slot has one tenant");
        self.slots[index] = Some(Slot { socket, ended: false });
        Ok(())
    }

    /// An event told that the peer sends no more, or that there is an error.
    pub fn set_ended(&mut self, slot: u32) {
        if let Ok(slot) = self.get(slot) {
            slot.ended = true;
        }
    }

    fn get(&mut self, slot: u32) -> io::Result<&mut Slot> {
        let socket = self.slots.get_mut(slot as usize).and_then(Option::as_mut);
        // A connection whose socket could not be registered has none, and ends when it is read.
        socket.ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

impl Io for World<'_> {
    fn read(&mut self, slot: u32, buffer: &mut [u8]) -> Read {
        loop {
            let slot = self.sockets.get(slot);
            let read = slot.and_then(|slot| Ok((slot.socket.read(buffer)?, slot.ended)));
            match read {
                Ok((0, _)) => return Read::Eof,
                // epoll(7): who got less than was asked for has taken all there was, and what comes next is
                // an event. Other systems want to be asked until they have nothing.
                Ok((count, false)) if count < buffer.len() && cfg!(target_os = "linux") => {
                    return Read::Last(count);
                }
                Ok((count, _)) => return Read::Bytes(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Read::WouldBlock,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Read::Failed,
            }
        }
    }

    fn write(&mut self, slot: u32, slices: &[IoSlice<'_>]) -> Write {
        loop {
            let written = self.sockets.get(slot).and_then(|slot| match slices {
                [one] => slot.socket.write(one),
                many => slot.socket.write_vectored(many),
            });
            match written {
                Ok(count) => return Write::Bytes(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Write::WouldBlock,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Write::Failed,
            }
        }
    }

    fn shut(&mut self, slot: u32) {
        // It fails if the peer is gone already, which the next read tells.
        let _ = self.sockets.get(slot).and_then(|slot| slot.socket.shutdown(Shutdown::Write));
    }

    fn close(&mut self, slot: u32) {
        let Some(mut slot) = self.sockets.slots.get_mut(slot as usize).and_then(Option::take) else {
            return;
        };
        // Linux forgets a socket that is closed.
        if cfg!(not(target_os = "linux")) {
            // It fails only for a socket that is not registered; dropping closes it either way.
            let _ = self.registry.deregister(&mut slot.socket);
        }
    }

    fn submit(&mut self, job: Job) {
        self.lanes.submit(job);
    }
}

pub fn token(slot: u32) -> Token {
    Token(slot as usize + FIRST_TOKEN)
}

/// The slot of a token, unless it is a listener's or the waker's.
pub fn slot(token: Token) -> Option<u32> {
    token.0.checked_sub(FIRST_TOKEN).and_then(|slot| u32::try_from(slot).ok())
}

/// Tokens below belong to listeners and the waker.
pub const FIRST_TOKEN: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_connections_lie_behind_all_others() {
        for number in [0, 1, 20_000, 1_000_000] {
            assert_eq!(slot(token(number)), Some(number));
        }
        assert_eq!(slot(Token(FIRST_TOKEN - 1)), None);
        assert_eq!(slot(Token(0)), None);
    }
}
