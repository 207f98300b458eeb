//! Black-box tests: the real `sottod` on loopback, through real sockets, plain and TLS.
//!
//! What is right stands in the interface's description, not in the code: a test types what a user
//! types and compares what a user sees. Every test has a server, a port and a directory of its own.

mod harness;

mod accounts;
mod backpressure;
mod bad_input;
mod config;
mod crowd;
mod devices;
mod durability;
#[cfg(unix)]
mod files;
mod help;
mod history;
mod json_log;
mod json_requests;
mod json_talk;
mod limits;
mod mailboxes;
mod moderation;
mod names;
mod operator;
mod passwords;
mod private;
mod protocol;
#[cfg(unix)]
mod reload;
mod rooms;
mod sanitise;
mod sessions;
#[cfg(unix)]
mod shutdown;
mod sniffing;
mod status;
mod talk;
mod tls_dialects;
mod transfer;
mod transfer_refusals;
mod transfer_trouble;
#[cfg(unix)]
mod trouble;
