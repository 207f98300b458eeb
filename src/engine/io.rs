//! What the engine needs of the world: sockets by slot, and a place to put work.
//!
//! The server implements it on mio and the lanes, the simulation on queues and dice.

use std::io::IoSlice;

use crate::hub::job::Job;

pub trait Io {
    /// Reads what is there, at most what fits.
    fn read(&mut self, slot: u32, buffer: &mut [u8]) -> Read;

    /// Writes what the system takes.
    fn write(&mut self, slot: u32, slices: &[IoSlice<'_>]) -> Write;

    /// Tells the peer that nothing more comes; reading goes on.
    fn shut(&mut self, slot: u32);

    /// The connection is over; the slot may have another tenant from now on.
    fn close(&mut self, slot: u32);

    /// Takes a job; its reply comes to a later turn.
    fn submit(&mut self, job: Job);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Bytes(usize),
    Eof,
    Failed,
    /// So many bytes, and nothing more for now: an event tells when there is.
    Last(usize),
    WouldBlock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    Bytes(usize),
    Failed,
    WouldBlock,
}
