//! The client library: everything a program needs to take part in a chat on a sottod server.
//!
//! - [`session`] decides: a pure state machine that logs in, keeps rooms complete and in order across
//!   interruptions, and says each text exactly once. [`session::event`] is what it tells.
//! - [`wire`] turns requests into JSON lines and lines into replies and events.
//! - [`scrollback`] keeps the lines of a conversation in little memory.
//! - [`link`] drives a session over a real connection; start there to write a bot.
//! - [`trust`] tells whether the server is the one it should be.
//! - [`private`] keeps private messages encrypted end to end: identity, sessions, trust.
//! - [`transfer`] sends and receives encrypted files.
//! - [`handover`] takes files over from `sotto send` in another process.
//! - [`vault`] keeps what it wants kept, sealed, on the disk.
//! - [`privacy`] is what people type and read about it: passphrases, devices, trust.
//! - [`keep`] reads and replaces small private files.
//!
//! A user interface works like this, whatever it looks like:
//!
//! ```text
//! loop {
//!     for event in link.poll(timeout)? { ... }    // returns at the latest when the time is up, and
//!                                                 // at once when somebody calls `link.waker().wake()`
//!     link.say(&room, "hi")?;                     // any wish of the user; sent by the next `poll`
//!     for room in link.session().rooms() { ... }  // anything there is to draw
//! }
//! ```
//!
//! Everything to draw can be read from the session at any time, so an interface needs little state of
//! its own: [`Session::rooms`](session::Session::rooms) with topic, members, scrollback and the texts
//! that wait for confirmation ([`Room::unconfirmed`](session::room::Room::unconfirmed)),
//! [`Session::people`](session::Session::people), [`Session::state`](session::Session::state),
//! [`Session::lag`](session::Session::lag). [`LineNumber`](scrollback::LineNumber)s serve as scroll
//! position and unread mark; they stay the same when older lines are loaded
//! ([`Session::load_older`](session::Session::load_older)).
//!
//! Private messages are encrypted once the interface has called [`privacy::begin::begin`] after the login,
//! or [`Link::unlock`](link::Link::unlock) with a vault of its own.
//! [`Session::seal_of`](session::Session::seal_of) tells how a conversation is protected, and each line says
//! it of itself; commands about keys are read by [`privacy::own`] and done by [`privacy::act`];
//! [`Link::load_past`](link::Link::load_past) brings back what was said before, and
//! [`Link::begin_showing`](link::Link::begin_showing) what was kept and never shown. A program without a
//! vault sends private messages openly, and its user is told.

pub mod arrive;
pub mod bars;
pub mod batch;
pub mod choose;
pub mod handover;
pub mod home;
pub mod input;
pub mod keep;
pub mod link;
pub mod person;
pub mod plain;
pub mod privacy;
pub mod private;
pub mod receive;
pub mod say;
pub mod scrollback;
pub mod send;
pub mod session;
pub mod settings;
pub mod transfer;
pub mod trust;
pub mod vault;
pub mod wire;
