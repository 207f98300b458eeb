//! Sottovoce: a chat server that netcat can talk to, and an encrypted terminal client.
//!
//! `docs/architecture.md` is the map. Start reading at [`hub`], then [`engine`], then [`dialect`].

#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod conn;
pub mod dialect;
pub mod e2e;
pub mod engine;
pub mod hub;
pub mod proto;
pub mod server;
pub mod store;
pub mod tui;
pub mod work;
pub mod writeback;
