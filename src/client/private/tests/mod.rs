//! Private messages as people have them: real sessions with real keys, and a server of some pages.

mod hostile;
mod server;
mod talking;
mod world;
