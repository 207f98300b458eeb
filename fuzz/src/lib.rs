//! What the fuzz targets do: one function each, which takes bytes and panics if something is wrong.
//!
//! The targets in `fuzz_targets/` only call these. `README.md` tells how to run them.

pub mod client;
pub mod config;
pub mod e2e;
pub mod engine;
pub mod frames;
pub mod lines;
pub mod names;
pub mod tls;

#[path = "../../tests/sim/disk.rs"]
#[allow(dead_code)]
mod disk;
mod input;
#[path = "../../tests/sim/keyring.rs"]
#[allow(dead_code)]
mod keyring;
#[path = "../../tests/sim/model.rs"]
#[allow(dead_code)]
mod model;
