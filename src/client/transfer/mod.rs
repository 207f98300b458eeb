//! Encrypted files between users: what becomes of a file on its way, without the way.
//!
//! - [`piece`] plans how a blob is cut; [`pack`] makes its pieces out of a file, [`unpack`] a file out of
//!   its bytes. Neither opens anything.
//! - [`place`] gives files their names, and never writes over one.
//! - [`record`] is what another session needs to go on with a transfer: rows for the sealed store.
//! - [`pace`] tells how fast it goes and how long it takes.

pub mod pace;
pub mod pack;
pub mod piece;
pub mod place;
pub mod record;
pub mod unpack;
mod written_path;

#[cfg(test)]
mod tests;
