//! The vocabulary every other module speaks: ids, names, commands, events, refusals, limits, time.
//!
//! Nothing here does anything: no clock, no randomness, no sockets, no state. It imports nothing of
//! ours, and everything of ours may import it.

pub mod command;
pub mod event;
pub mod id;
pub mod keys;
pub mod limits;
pub mod name;
pub mod pages;
pub mod piece;
pub mod refusal;
pub mod secret;
pub mod text;
pub mod time;
pub mod transfer;
