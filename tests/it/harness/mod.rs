//! Starts the real `sottod` and talks to it as netcat, a program or a TLS client would.
//!
//! Nothing here looks into the server: it knows the command line, the sockets and the files that users
//! know. Deadlines only end a test that would wait for ever; no test waits for time to pass.

// Where there are no signals, what only the tests of signals use lies idle.
#![cfg_attr(not(unix), allow(dead_code))]

pub mod data;
pub mod device;
pub mod home;
pub mod json;
pub mod pattern;
pub mod process;
pub mod scene;
pub mod server;
pub mod text;
pub mod tls;
pub mod wire;

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that must happen. Far more than a loaded machine needs.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The password of every account that a test makes without caring for its password.
pub const PASSWORD: &str = "correct-horse";

/// Waits for something that comes by itself.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::yield_now();
    }
}
