//! End-to-end encryption: everything that a server or a peer can put in front of it.

pub mod file;
pub mod parse;
pub mod session;

pub(crate) mod random;
