//! Private messages as people have them: real sessions with real keys, and a server of some pages.

mod accounts;
mod hostile;
mod lists;
mod messages;
mod refused;
mod repair;
mod server;
mod simulation;
mod succession;
mod talking;
mod trouble;
mod world;
