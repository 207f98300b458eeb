//! Tests of the whole: vectors of an independent implementation, hostile input, and random histories.

pub mod random;

mod hostile;
mod limits;
mod pairing;
mod party;
mod points;
mod prekeys;
mod secrets;
mod simulation;
mod store;
mod vectors;
