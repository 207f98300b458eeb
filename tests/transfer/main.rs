//! Black-box tests of files: the real `sotto` over the real `sottod`, where one of them dies, where
//! somebody tampers with what the server keeps, and where somebody listens.

#[allow(dead_code)]
#[path = "../sotto/client.rs"]
mod client;
// Another test crate's, of which not everything is needed here.
#[allow(dead_code)]
#[path = "../it/harness/mod.rs"]
mod harness;

mod proxy;
mod scene;

#[cfg(target_os = "linux")]
mod elsewhere;
mod handover;
mod kills;
#[cfg(unix)]
mod parting;
mod refusals;
mod secrecy;
mod sizes;
mod typed;
