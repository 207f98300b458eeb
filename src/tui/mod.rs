//! The screen of sotto: rooms and people at the left, messages in the middle, members at the right, a
//! status bar and the input below.
//!
//! ```text
//!  keys, news ─► update ─► Action ─► perform ─► Session
//!                  │                              │
//!                  ▼                              ▼
//!                Model ─────────► view ◄─────── what is known
//! ```
//!
//! [`update`] decides and touches nothing; [`perform`] does to the session what it decided; [`view`]
//! draws the [`model`] and what the session knows. [`desk`] does what needs the link and its vault. [`run`]
//! is the loop around them, and [`terminal`]
//! the only part that touches the terminal.

pub mod desk;
pub mod editor;
pub mod history;
pub mod layout;
pub mod model;
pub mod perform;
pub mod rows;
pub mod run;
pub mod terminal;
pub mod theme;
pub mod traffic;
pub mod update;
pub mod view;
pub mod wrap;

#[cfg(test)]
mod tests;
