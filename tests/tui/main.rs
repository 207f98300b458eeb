//! The real `sotto` on the screen of a real terminal (tmux), with the real `sottod`.
//!
//! Keys are sent as a person would press them, and the screen is read as a person would see it. A test
//! waits until the screen shows what it should; only a deadline ends that.

// tmux is for Unix.
#![cfg(unix)]

// Another test crate's, of which not everything is needed here.
#[allow(dead_code)]
#[path = "../it/harness/mod.rs"]
mod harness;

mod terminal;

mod endings;
mod handover;
mod private;
mod reconnecting;
mod talking;
