//! Black-box tests of the client: the real `sotto` in a pipe, with the real `sottod` or with a server
//! that misbehaves.

// Another test crate's, of which not everything is needed here.
#[allow(dead_code)]
#[path = "../it/harness/mod.rs"]
mod harness;

mod client;

mod interruptions;
mod keys;
mod logins;
mod misbehaviour;
mod pipe;
mod private;
mod private_devices;
mod private_kills;
mod recorder;
mod trust;
