//! The scenarios: each starts a server as it needs it, loads it, and reports figures.

pub mod cycles;
pub mod fanout;
pub mod files;
pub mod flood;
pub mod idle;
pub mod latency;
pub mod slow;
pub mod startup;
pub mod storm;
pub mod transfers;

use crate::figures::Report;
use crate::server::Source;
use crate::tongue::Tongue;

/// What all scenarios share.
pub struct Stage {
    pub source: Source,
    pub report: Report,
    /// A rate is the median of so many measurements.
    pub runs: usize,
    /// Measure the bare limits beside the fan-out, the latency and the files.
    pub bare: bool,
    /// How people talk to the server; only the fan-out and the latency know others than ours.
    pub tongue: Tongue,
}
