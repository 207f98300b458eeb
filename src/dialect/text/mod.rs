//! Text mode: UTF-8 lines that people type into netcat, and read there.
//!
//! ```text
//! *** text                          a notice, or a command's result
//! !!! code: text                    an error
//! [HH:MM] #room <alice> text        a room message
//! [HH:MM] #room * alice text        an emote
//! [HH:MM] <alice -> you> text       a private message to you
//! [HH:MM] <you -> bob> text         your private message, as it went out
//! ```
//!
//! No colour and no cursor codes, ever: what others wrote must not steer a terminal.

pub mod decode;
pub mod encode;
mod pages;
mod presence;
