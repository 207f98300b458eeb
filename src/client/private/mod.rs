//! Private messages of one device, end-to-end encrypted: a pure state machine beside
//! [`session`](crate::client::session). No socket, no disk, no clock, no randomness of its own.
//!
//! - [`row`] is what it wants kept: plain data for the sealed store of the device; [`history`] is what
//!   an entry of a conversation looks like.

pub mod history;
pub mod pack;
pub mod row;
