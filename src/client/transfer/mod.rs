//! Encrypted files between users.
//!
//! ```text
//!  user ──► Transfers ──► Ledger (pure) ──► wants: keep, ask, start, tell, note, news
//!              │   ▲                                    │
//!       orders ▼   │ reports                            ▼
//!            workers, a thread each ──► Pool ──► data connections      vault, session
//! ```
//!
//! - [`transfers`] does on the interface's thread what the [`ledger`] wants; [`record`] is what another
//!   session needs to go on: rows for the sealed store.
//! - [`inquiry`] asks who can read a file before it is sent.
//! - [`worker`] is a thread that does one [`job`], [`upload`] or [`download`]; [`pool`] lends it a
//!   [`connection`], frames on a [`stream`] of bytes.
//! - [`piece`] plans how a blob is cut; [`pack`] makes its pieces out of a file, [`unpack`] a file out of
//!   its bytes. Neither opens anything.
//! - [`place`] tells where files come from; [`part`] gives them their names, and never writes over one.
//! - [`pace`] tells how fast it goes and how long it takes, [`list`] how far everything is; [`typed`] reads
//!   what users type.

pub mod connection;
pub mod download;
pub mod inquiry;
pub mod job;
pub mod ledger;
pub mod list;
pub mod pace;
pub mod pack;
pub mod part;
pub mod piece;
pub mod place;
pub mod pool;
pub mod record;
pub mod stream;
pub mod transfers;
pub mod typed;
pub mod unpack;
pub mod upload;
pub mod worker;
pub mod written_path;

#[cfg(test)]
mod tests;
