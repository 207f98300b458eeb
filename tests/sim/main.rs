//! The whole server in simulation: the real engine, hub and connections over simulated sockets, clock
//! and workers. One seed decides everything.
//!
//! First come faults: late and torn bytes, cut connections, readers that do not read, floods, a slow,
//! failing or full store, and restarts from what was committed. Then comes calm, in which everything
//! must settle. `docs/testing.md` tells how to replay a seed and how to add a fault.

mod bounds;
mod carriers;
mod devices;
mod disk;
mod facts;
mod journal;
mod json;
mod keyring;
mod lanes;
mod link;
mod meanwhile;
mod model;
mod net;
#[path = "../it/harness/pattern.rs"]
mod pattern;
mod people;
mod plan;
mod random;
mod run;
mod sealed;
mod stage;
mod text;
mod transfers;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds that found something once.
const REGRESSIONS: [u64; 1] = [507];
/// Seeds that are tried with every `cargo test`; `SIM_SEEDS` says how many instead.
const SEEDS: u64 = 250;
/// Simulations at once, where the seeds are many.
const THREADS: u64 = 2;

#[test]
fn what_failed_once_does_not_fail_again() {
    for seed in REGRESSIONS {
        try_seed(seed, "everything", run::run);
    }
}

#[test]
fn everything_settles_whatever_happened() {
    try_seeds("everything", run::run);
}

#[test]
fn files_arrive_whatever_happened() {
    try_seeds("files", carriers::run);
}

/// As many seeds as there are to be tried, or the one that is to be seen again.
fn try_seeds(test: &'static str, run: fn(u64)) {
    if let Some(seed) = number("SIM_SEED") {
        journal::open(true);
        return run(seed);
    }
    let first = number("SIM_FIRST").unwrap_or(1);
    let count = number("SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    try_seed(seed, test, run);
                    if seed.is_multiple_of(10_000) {
                        println!("{seed} seeds");
                    }
                }
            });
        }
    });
}

/// Runs one seed; a failure says which it was, and how to see it again.
fn try_seed(seed: u64, test: &str, run: fn(u64)) {
    journal::open(false);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
        eprintln!(
            "\nseed {seed} failed; replay it with: SIM_SEED={seed} cargo test --test sim {test} -- --nocapture\n"
        );
        std::panic::resume_unwind(panic);
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}
