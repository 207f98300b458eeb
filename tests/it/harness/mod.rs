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

use std::time::Duration;

/// How long a test waits for something that must happen. Far more than a loaded machine needs.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The password of every account that a test makes without caring for its password.
pub const PASSWORD: &str = "correct-horse";
