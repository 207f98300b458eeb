//! The chat itself.

pub mod effect;
pub mod job;
pub mod settings;
